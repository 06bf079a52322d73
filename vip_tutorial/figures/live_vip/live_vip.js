// The live ViP: a picture to draw on, the network's answer, and its blocks, whose branches
// can be switched off, held and looked into.  The arithmetic is in network.js.

import { axisColour, valueFill } from "../../lens/figure/colours.js";
import {
  act as actOnDrawing,
  arrowMove,
  HELP as DRAWING_HELP,
  fields as drawingFields,
  html as drawingHtml,
  levelsOf,
  titleOf,
  readPictures,
  selectHtml,
} from "../shared/drawing.js";
import { firstFrameOf, renderFigure, wholeField } from "../../lens/figure/figure.js";
import { escape } from "../../lens/figure/host.js";
import { isTable } from "../shared/layers.js";
import {
  act as actOnLens,
  HELP as LENS_HELP,
  fields as lensFields,
  html as lensHtml,
  paint as paintLens,
  readRecordings,
} from "./live_lens.js";
import { read as readNetwork, readWeights, run as runNetwork } from "./network.js";
import {
  BRANCHES,
  branchSign,
  leaderOf,
  meanMark,
  meanWeights,
  overBranches,
  roundTenth,
  signHtml,
  THIRDS,
  html as triangleHtml,
  placeOf as cornerPlace,
} from "../shared/triangle.js";

const HOLDS = { third: "one third each", mean: "the mean over the images" };

export const figure = {
  kind: "live_vip",
  title: "A Vision Permutator at work",
  watched: ["size", "pictures", "labels", "network", "weights", "means", "recordings"],
  help:
    `${DRAWING_HELP} Untick a branch to give it weight 0 in a block, or hold the weights. Open a block to see one channel of its tokens: ` +
    `click a token, or Tab to the maps and move with the arrows, to read its numbers. ${LENS_HELP}`,

  fields: {
    ...drawingFields,
    off: { usual: "", read: (text, scene) => listOf(scene, text, /^h?w?c?$/) && text },
    hold: { usual: "", read: (text, scene) => listOf(scene, text, scene.means ? /^(third|mean)$/ : /^third$/) && text },
    open: wholeField(0, 0, (scene) => scene.network.blocks.length),
    channel: wholeField(0, 0, (scene) => scene.network.C - 1),
    token: wholeField(0, 0, (scene) => scene.network.N ** 2 - 1),
    ...lensFields,
  },

  prepare(get) {
    const [size, pictures, labels, sizes, weights, means, recordings] = this.watched.map(get);
    const scene = readPictures(size, pictures);
    const network = readNetwork(sizes, readWeights(weights ?? {}));
    if (scene.H !== sizes.side || scene.W !== sizes.side) throw new Error("its pictures are not of the network's size");
    if (!Array.isArray(labels) || labels.length !== sizes.classes || !labels.every((name) => typeof name === "string"))
      throw new Error("the names of its classes are damaged");
    if (means && !isTable(means, sizes.depth, 3, sizes.dim)) throw new Error("its mean weights are damaged");
    const asPoints = ([h, w, c]) => h.map((_, i) => ({ h: h[i], w: w[i], c: c[i] }));
    return Object.assign(scene, {
      network,
      labels,
      means: means?.map(asPoints),
      recordings: readRecordings(recordings, network),
      runs: new Map(),
    });
  },

  html(scene, state, asleep) {
    const moment = momentOf(scene, state);
    const cards = scene.network.blocks.map((_, i) => cardHtml(scene, state, moment, i, asleep));
    return [
      `<div class="vip-drawing-panes">${drawingHtml(scene, state, asleep)}${scoresHtml(scene, state, moment)}</div>`,
      ...(cards.length > 1
        ? [
            `<div class="vip-live-card vip-live-all"><strong>All blocks</strong>${controlsHtml(scene, moment, -1, asleep)}</div>`,
          ]
        : []),
      `<div class="vip-live-blocks">${cards.join("")}</div>`,
      ...(state.open
        ? [
            insideHtml(scene, state, moment, asleep),
            `<div class="vip-live-inside">${lensHtml(scene, state, moment, asleep)}</div>`,
          ]
        : []),
    ];
  },

  say(scene, state) {
    const { now, free, kept, off, hold } = momentOf(scene, state);
    const title = titleOf(scene, state.picture);
    const answer = ({ shares }) => {
      const best = winnerOf(shares);
      return `${scene.labels[best]}, with probability ${shares[best].toFixed(3)}`;
    };
    const next = ({ shares }) => {
      const [, second] = shares.map((_, i) => i).sort((i, j) => shares[j] - shares[i]);
      return second === undefined ? "" : `; next comes ${scene.labels[second]}, ${shares[second].toFixed(3)}`;
    };
    const words = [];
    const levels = new Set(levelsOf(scene, state.picture));
    if (levels.size === 1 && (levels.has(0) || levels.has(16)))
      words.push(
        `Every pixel is ${levels.has(0) ? "paper" : "ink"}: there is nothing to tell, but the network has no way to say so.`,
      );
    words.push(`${title[0].toUpperCase()}${title.slice(1)}: the network answers ${answer(now)}${next(now)}.`);
    if (free) {
      const changes = off.map((branches, i) => [
        ...BRANCHES.filter(([b]) => branches.includes(b)).map(([, name]) => `${name} off`),
        ...(hold[i] ? [`weights held at ${HOLDS[hold[i]]}`] : []),
      ]);
      const told = changes.map((list, i) => list.length && `block ${i + 1}: ${list.join(", ")}`).filter(Boolean);
      words.push(`That is with ${told.join("; ")}. Left alone it answers ${answer(free)}.`);
    }
    if (kept)
      words.push(
        `Beside it, ${state.other === (state.picture || scene.first) ? "the same picture" : otherTitle(scene, state)}: ${answer(kept)}.`,
      );
    return words.filter(Boolean).join(" ");
  },

  act(scene, state, action) {
    const { name, value, key } = action;
    const { off, hold } = momentOf(scene, state);
    const [, what, number, branch] = /^(on|hold)(\d+)([hwc]?)$/.exec(name) ?? [];
    const change = (list, to) => textOf(list.map((old, i) => (+number === 0 || i + 1 === +number ? to(old) : old)));
    if (what === "on") {
      const put = (old) => BRANCHES.map(([b]) => ((b === branch ? !value : old.includes(b)) ? b : "")).join("");
      return { off: change(off, put) };
    }
    if (what === "hold") return value === "various" ? undefined : { hold: change(hold, () => value) };
    if (name === "open") return { open: +value, ...(+value ? {} : { branch: "" }) };
    if (name === "channel") return { channel: +value };
    if (name === "token") {
      const { N } = scene.network;
      const token = key === undefined ? +value : arrowMove({ H: N, W: N }, state.token, key);
      if (token === undefined || (key === undefined && token === state.token)) return undefined;
      return { token, heard: tokenWords(scene, { ...state, token }) };
    }
    return actOnLens(scene, state, momentOf(scene, state), action) ?? actOnDrawing(scene, state, action);
  },

  paint(body, scene, state, theme) {
    if (state.open && state.branch) paintLens(body, scene, state, momentOf(scene, state), theme);
  },
};

// --- What is changed in the blocks ---------------------------------------------------

/** "1h.2wc" as ["h", "wc"]; undefined if it is no such text, or not how we write it. */
function listOf({ network }, text, allowed) {
  const found = network.blocks.map(() => "");
  for (const part of text.split(".").filter(Boolean)) {
    const [, number, word] = /^(\d+)([a-z]+)$/.exec(part) ?? [];
    if (!word || !(+number - 1 in found) || !allowed.test(word)) return undefined;
    found[+number - 1] = word;
  }
  return textOf(found) === text ? found : undefined;
}

function textOf(list) {
  return list
    .map((word, i) => word && `${i + 1}${word}`)
    .filter(Boolean)
    .join(".");
}

/** All that is drawn and said of a state: the network as it is, left alone, and elsewhere. */
export function momentOf(scene, state) {
  const off = listOf(scene, state.off, /^h?w?c?$/);
  const hold = listOf(scene, state.hold, /^(third|mean)$/);
  const thirds = Array.from({ length: scene.network.C }, () => THIRDS);
  const changes = off.map((branches, i) => ({
    off: branches,
    fixed: { third: thirds, mean: scene.means?.[i] }[hold[i]],
  }));
  const run = (picture, isFree = false) => {
    const key = `${picture || scene.first} ${isFree ? " " : `${state.off} ${state.hold}`}`;
    if (!scene.runs.has(key)) {
      if (scene.runs.size > 5) scene.runs.clear(); // enough for a picture's sentence, HTML and numbers
      const none = { off: "" };
      scene.runs.set(
        key,
        runNetwork(
          scene.network,
          levelsOf(scene, picture).map((level) => level / 16),
          isFree ? changes.map(() => none) : changes,
        ),
      );
    }
    return scene.runs.get(key);
  };
  const isChanged = state.off !== "" || state.hold !== "";
  return {
    off,
    hold,
    now: run(state.picture),
    free: isChanged ? run(state.picture, true) : undefined,
    kept: state.other === "" ? undefined : run(state.other),
  };
}

// --- The answer ----------------------------------------------------------------------

const winnerOf = (shares) => shares.indexOf(Math.max(...shares));

function otherTitle(scene, { other, picture }) {
  const title = titleOf(scene, other);
  return title === titleOf(scene, picture) ? "what you kept" : title;
}

/** A number as it is read: with a true minus, and as many digits as help. */
const numberText = (x) =>
  (Math.abs(x) < 1e5 ? x.toFixed(3).replace("-0.000", "0.000") : x.toExponential(2)).replace("-", "−");

function scoresHtml(scene, state, { now, free, kept }) {
  const runs = [now, free, kept];
  const most = Math.max(1e-9, ...runs.flatMap((run) => (run ? run.scores.map(Math.abs) : [])));
  const x = (score) => roundTenth(50 + (49 * score) / most);
  const best = winnerOf(now.shares);
  const bar = (score) =>
    `<rect x="${Math.min(50, x(score))}" width="${roundTenth(Math.abs(x(score) - 50))}" y="2" height="8"/>`;
  const tick = (kind, run, i) => (run ? `<path d="M${x(run.scores[i])},0V12" class="vip-live-${kind}"/>` : "");
  const share = (run, i) => (run ? `<td class="vip-number">${run.shares[i].toFixed(3)}</td>` : "");
  const rows = scene.labels.map(
    (label, i) =>
      `<tr${i === best ? ' class="vip-live-best"' : ""}><th scope="row">${i === best ? "▸ " : ""}${escape(label)}</th>` +
      `<td class="vip-live-bar"><svg viewBox="0 0 100 12" preserveAspectRatio="none" role="img" aria-label="score ${numberText(now.scores[i])}">` +
      `<path d="M50,0V12" class="vip-live-zero"/>${bar(now.scores[i])}${tick("free", free, i)}${tick("kept", kept, i)}</svg></td>` +
      `${share(now, i)}${share(free, i)}${share(kept, i)}</tr>`,
  );
  const head = (run, text) => (run ? `<th scope="col" class="vip-number">${escape(text)}</th>` : "");
  const heads = [
    head(now, free || kept ? "now" : "probability"),
    head(free, "left alone\u00a0┆"),
    head(kept, `${kept ? otherTitle(scene, state) : ""}\u00a0┃`),
  ];
  return `<div class="vip-scroll vip-live-scores" tabindex="0" role="group" aria-label="Scores of the classes"><table><thead><tr><th scope="col">class</th><th scope="col">score</th>${heads.join("")}</tr></thead><tbody>${rows.join("")}</tbody></table></div>`;
}

// --- The blocks ----------------------------------------------------------------------

/** The switches of block i, or with -1 those of all blocks. */
function controlsHtml(scene, { now, off, hold }, i, asleep) {
  const mine = (list) => (i < 0 ? list : [list[i]]);
  const mean = i < 0 ? undefined : meanWeights(now.steps[i].points);
  const boxes = BRANCHES.map(([b, name]) => {
    const isOn = mine(off).every((branches) => !branches.includes(b));
    const number = mean ? ` <b class="vip-number">${isOn ? mean[b].toFixed(3) : "off"}</b>` : "";
    return `<label><input type="checkbox" data-set="on${i + 1}${b}"${isOn ? " checked" : ""}${asleep ? " disabled" : ""}> ${signHtml(b)}${name}${number}</label>`;
  });
  const held = new Set(mine(hold));
  const chosen = held.size > 1 ? "various" : [...held][0];
  const choices = [
    ["", "as computed"],
    ["third", HOLDS.third],
    ...(scene.means ? [["mean", HOLDS.mean]] : []),
    ...(held.size > 1 ? [["various", "various"]] : []),
  ];
  return `<div class="vip-inputs">${boxes.join("")}${selectHtml(`hold${i + 1}`, "weights", chosen, choices, asleep)}</div>`;
}

function cardHtml(scene, state, moment, i, asleep) {
  const { points } = moment.now.steps[i];
  const dots = points.map((point) => branchSign(leaderOf(point), cornerPlace(point, 1)));
  const ring = state.open === i + 1 ? cornerPlace(points[state.channel], 1) : undefined;
  const inside = `${dots.join("")}${meanMark(cornerPlace(meanWeights(points), 1))}${ring ? `<circle cx="${ring[0]}" cy="${ring[1]}" r="13" class="vip-triangle-ring"/>` : ""}`;
  const isOpen = state.open === i + 1;
  return `<div class="vip-live-card"><div class="vip-live-head"><strong>Block ${i + 1}</strong>
<button type="button" class="vip-scripted" data-do="open" data-value="${isOpen ? 0 : i + 1}" aria-expanded="${isOpen}">${isOpen ? "Close" : "Open"}<span class="vip-unseen"> block ${i + 1}</span></button></div>
${triangleHtml(`the weights of ${points.length} channels, and their mean`, 1, inside)}
${controlsHtml(scene, moment, i, asleep)}</div>`;
}

/** The six maps of an opened block: name, values, and what stands before its number. */
function mapsOf(scene, state, { now, off }) {
  const i = state.open - 1;
  const { before, outputs, points, blend, after } = now.steps[i];
  const share = overBranches((b) => (off[i].includes(b) ? 0 : points[state.channel][b]));
  /** @type {{name: string, branch?: string, values: Float64Array, scale: string}[]} */
  const maps = [
    { name: "tokens before", values: before, scale: "tokens" },
    ...BRANCHES.map(([b, name]) => ({ name, branch: b, values: outputs[b], scale: "branches" })),
    { name: "blend", values: blend, scale: "branches" },
    { name: "tokens after", values: after, scale: "tokens" },
  ];
  return { share, maps };
}

/** The numbers of the token that is looked at, as a sentence. */
function tokenWords(scene, state) {
  const { N, C } = scene.network;
  const { share, maps } = mapsOf(scene, state, momentOf(scene, state));
  const [before, h, w, c, blend, after] = maps.map(({ values }) => numberText(values[state.token * C + state.channel]));
  const sum = [
    ["h", h],
    ["w", w],
    ["c", c],
  ].map(([b, value]) => `${share[b].toFixed(3)} × ${value.startsWith("−") ? `(${value})` : value}`);
  return (
    `Row ${Math.floor(state.token / N)}, column ${state.token % N}, channel ${state.channel}: the token holds ${before}. ` +
    `Height, width, channel: ${sum.join(" + ")} = ${blend}. After the projection, the channel MLP and both skips it holds ${after}.`
  );
}

function insideHtml(scene, state, moment, asleep) {
  const { N, C } = scene.network;
  const { share, maps } = mapsOf(scene, state, moment);
  const of = ({ values }) => Array.from({ length: N * N }, (_, token) => values[token * C + state.channel]);
  const strongest = (kind) =>
    Math.max(
      ...maps
        .filter(({ scale }) => scale === kind)
        .flatMap(of)
        .map(Math.abs),
    );
  const most = { tokens: strongest("tokens"), branches: strongest("branches") };
  const square = (token, more) => `<rect x="${token % N}" y="${Math.floor(token / N)}" width="1" height="1" ${more}`;
  const pictures = maps.map((map) => {
    const values = of(map);
    const cells = values.map((value, token) =>
      square(token, `data-at="${token}" fill="${valueFill(value, most[map.scale])}"/>`),
    );
    const factor = map.branch ? `<small>weight ${share[map.branch].toFixed(3)}</small>` : "<small>&nbsp;</small>";
    const colour = map.branch ? ` style="--axis:${axisColour(map.branch.toUpperCase())}"` : "";
    return (
      `<div class="vip-live-map"${colour}><span>${map.branch ? signHtml(map.branch) : ""}${map.name}</span>` +
      `<svg viewBox="-.05 -.05 ${N + 0.1} ${N + 0.1}" aria-hidden="true">${cells.join("")}${square(state.token, 'class="vip-live-cursor"/>')}</svg>` +
      `<b class="vip-number">${numberText(values[state.token])}</b>${factor}</div>`
    );
  });
  return `<div class="vip-live-inside">
<strong>Inside of block ${state.open}</strong>
<label class="vip-follow">channel <b>${state.channel}</b> <input type="range" min="0" max="${C - 1}" value="${state.channel}" data-set="channel"${asleep ? " disabled" : ""}></label>
<div class="vip-live-maps" tabindex="0" role="application" data-keys="token" data-drag="token" aria-label="Channel ${state.channel} of the tokens. ${tokenWords(scene, state)}">${pictures.join("")}</div>
<p class="vip-note">${tokenWords(scene, state)} Orange is above zero, blue below; the branches and their blend are shaded on one scale, the tokens on another.</p></div>`;
}

export const render = renderFigure(figure);
export const firstFrame = firstFrameOf(figure);
