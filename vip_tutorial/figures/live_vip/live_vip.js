// The live ViP: a picture to draw on, the network's answer, and all of its flow, whose
// branches can be switched off, held and looked into.  The arithmetic is in network.js.

import { axisColour, pixelFill, valueFill } from "../../lens/figure/colours.js";
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
import { WEIGHTS_LEGEND, weightsHtml } from "./branch_weights.js";
import { filmHtml, nextFrame, readFilm } from "./film.js";
import { paintFlow, pickAt, planFlow, sectionHtml } from "./flow.js";
import { liveliestFirst, tokenLevels } from "./flow_picture.js";
import {
  act as actOnLens,
  HELP as LENS_HELP,
  fields as lensFields,
  html as lensHtml,
  motion as lensMotion,
  paint as paintLens,
  readRecordings,
} from "./live_lens.js";
import { read as readNetwork, readWeights, run as runNetwork } from "./network.js";
import { numberText, scoresHtml, winnerOf } from "./scores.js";
import { BRANCHES, overBranches, signHtml, THIRDS } from "../shared/triangle.js";

const HOLDS = { third: "one third each", mean: "the mean over the images" };

export const figure = {
  kind: "live_vip",
  title: "A Vision Permutator at work",
  watched: ["size", "pictures", "labels", "network", "weights", "means", "recordings", "film", "hint"],
  help:
    `${DRAWING_HELP} Untick a branch to give it weight 0 in a block, or hold the weights. Click a tile to follow its channel. ${LENS_HELP} ` +
    "Open a block to see one channel of its tokens: click a token, or Tab to the maps and move with the arrows, to read its numbers.",
  motion: {
    ...lensMotion,
    // As it plays, a step of the lens is a walk; a frame of the film is there at once.
    next(scene, state) {
      if (!state.rolls) return lensMotion.next(scene, state);
      const next = nextFrame(scene.film, state.frame);
      return next && { ...next, step: state.step, slowly: true };
    },
  },

  fields: {
    ...drawingFields,
    off: { usual: "", read: (text, scene) => listOf(scene, text, /^h?w?c?$/) && text },
    hold: { usual: "", read: (text, scene) => listOf(scene, text, scene.means ? /^(third|mean)$/ : /^third$/) && text },
    open: wholeField(0, 0, (scene) => scene.network.blocks.length),
    channel: wholeField(0, 0, (scene) => scene.network.C - 1),
    token: wholeField(0, 0, (scene) => scene.network.N ** 2 - 1),
    frame: wholeField(-1, -1, (scene) => (scene.film ? scene.film.frames.length - 2 : -1)),
    beside: { usual: "", read: (text) => (text === "difference" ? text : undefined) },
    ...lensFields,
  },

  /** A cell of a branch has the looks of the flow around it. */
  first: ({ order, first: name, ...scene }) => ({
    fill: "picture",
    follow: 0,
    channel: order[0],
    token: inkiestOf({ ...scene, first: name }),
  }),

  prepare(get) {
    const [size, pictures, labels, sizes, weights, means, recordings, film, hint] = this.watched.map(get);
    const scene = readPictures(size, pictures);
    const network = readNetwork(sizes, readWeights(weights ?? {}));
    if (scene.H !== sizes.side || scene.W !== sizes.side) throw new Error("its pictures are not of the network's size");
    if (!Array.isArray(labels) || labels.length !== sizes.classes || !labels.every((name) => typeof name === "string"))
      throw new Error("the names of its classes are damaged");
    if (means && !isTable(means, sizes.depth, 3, sizes.dim)) throw new Error("its mean weights are damaged");
    const asPoints = ([h, w, c]) => h.map((_, i) => ({ h: h[i], w: w[i], c: c[i] }));
    const whole = Object.assign(scene, {
      network,
      labels,
      hint: String(hint ?? ""),
      means: means?.map(asPoints),
      recordings: readRecordings(recordings, network),
      plans: planFlow(network),
      /** @type {number[]} */
      order: [],
      runs: new Map(),
      frames: new Map(),
      /** @type {*} what the open lens shows */
      lens: null,
      /** @type {import("./film.js").Film | null} */
      film: null,
      filmProblem: "",
      momentOf: (state) => momentOf(whole, state),
    });
    const none = network.blocks.map(() => ({ off: "" }));
    const every = [...scene.byName.keys()].map((name) => runNetwork(network, inkOf(scene, name), none));
    whole.order = liveliestFirst(every, network.C);
    try {
      whole.film = readFilm(film, network.lengths);
    } catch (error) {
      whole.filmProblem = `The network is shown without ${error.message.replace(/ is damaged$/, "")}, which is damaged.`;
    }
    return whole;
  },

  html(scene, state, asleep) {
    const moment = momentOf(scene, state);
    const { network, plans, film } = scene;
    const flow = flowOf(scene, state, moment);
    const section = (name) => sectionHtml(scene, plans, name, flow, asleep);
    const { now, free, kept } = moment;
    const best = winnerOf(now.shares);
    const answer = `<p class="vip-live-answer"><b${scene.labels[best].length > 3 ? ' class="vip-long"' : ""}>${escape(scene.labels[best])}</b> ${now.shares[best].toFixed(2)}</p>`;
    const hint = scene.hint ? `<p class="vip-note vip-live-hint">${escape(scene.hint)}</p>` : "";
    const desk =
      `<div class="vip-live-paper">${drawingHtml(scene, state, asleep)}${answer}${otherHtml(scene, state, kept)}</div>${hint}` +
      scoresHtml(scene.labels, now, free, kept, kept ? otherTitle(scene, state) : "", moment.trained);
    return [
      `<div class="vip-live-desk" style="grid-row:1 / span ${network.blocks.length + 2}">${desk}</div>`,
      `<div class="vip-live-start">${section("start")}</div>`,
      `<div class="vip-live-film">${film ? filmHtml(film, state.frame, Boolean(state.playing && state.rolls), asleep) : ""}${scene.filmProblem ? `<p class="vip-note">${scene.filmProblem}</p>` : ""}</div>`,
      ...network.blocks.map((_, i) => blockHtml(scene, state, moment, i, section(i), asleep)),
      `<div class="vip-live-flow">${section("end")}${legendHtml(scene, state, moment, asleep)}</div>`,
      `<div class="vip-live-weights">${network.blocks.map((_, i) => weightsHtml(moment.network, i, now.steps[i], moment.off[i], state.channel)).join("")}${WEIGHTS_LEGEND}</div>`,
    ];
  },

  say(scene, state) {
    const { now, free, kept, off, hold } = momentOf(scene, state);
    const frame = scene.film?.frames[state.frame];
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
    const when = frame ? `, as it was after ${frame.step} steps of its training,` : "";
    words.push(`${title[0].toUpperCase()}${title.slice(1)}: the network${when} answers ${answer(now)}${next(now)}.`);
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
        partingWords(scene, state, now, kept),
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
    if (name === "blend") return { open: +value, heard: tokenWords(scene, { ...state, open: +value }) };
    if (name === "channel") return { channel: scene.order[+value] };
    if (name === "frame")
      return { frame: +value < scene.film.frames.length - 1 ? +value : -1, playing: false, rolls: false };
    if (name === "roll") {
      if (state.playing && state.rolls) return { playing: false, rolls: false };
      return { frame: Math.max(0, state.frame), step: state.step, playing: true, rolls: true, slowly: true };
    }
    if (name === "beside") return { beside: value ? "difference" : "" };
    const [, picked] = /^pick-(.+)$/.exec(name) ?? [];
    if (picked) {
      const found = pickAt(
        scene.plans,
        /^\d+$/.test(picked) ? +picked : picked,
        flowOf(scene, state, momentOf(scene, state)),
        action,
      );
      return (
        found && {
          ...found,
          heard: `You follow channel ${found.channel}, token row ${Math.floor(found.token / scene.network.N)}, column ${found.token % scene.network.N}.`,
        }
      );
    }
    if (name === "token") {
      const { N } = scene.network;
      const token = key === undefined ? +value : arrowMove({ H: N, W: N }, state.token, key);
      if (token === undefined || (key === undefined && token === state.token)) return undefined;
      return { token, heard: tokenWords(scene, { ...state, token }) };
    }
    const changes = actOnLens(scene, state, momentOf(scene, state), action);
    if (changes) return "playing" in changes ? { ...changes, rolls: false } : changes;
    return actOnDrawing(scene, state, action);
  },

  tells: (scene, state) => ({ scores: momentOf(scene, state).now.scores }),

  paint(body, scene, state, theme) {
    const moment = momentOf(scene, state);
    const { picture, off, hold, frame, channel, token, other, beside } = state;
    const looks = [picture, off, hold, frame, channel, token, other, beside].join(" ");
    paintFlow(body, scene.plans, flowOf(scene, state, moment), theme, looks);
    if (state.open && state.branch) paintLens(body, scene, state, moment, theme);
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
  const run = (picture, isFree = false, frame = state.frame) => {
    const network = networkAt(scene, frame);
    const key = `${picture || scene.first} ${frame} ${isFree ? " " : `${state.off} ${state.hold}`}`;
    if (!scene.runs.has(key)) {
      if (scene.runs.size > 5) scene.runs.clear(); // enough for a picture's sentence, HTML and numbers
      const none = { off: "" };
      scene.runs.set(key, runNetwork(network, inkOf(scene, picture), isFree ? changes.map(() => none) : changes));
    }
    return scene.runs.get(key);
  };
  const isChanged = state.off !== "" || state.hold !== "";
  return {
    network: networkAt(scene, state.frame),
    trained: state.frame < 0 ? undefined : run(state.picture, false, -1),
    off,
    hold,
    now: run(state.picture),
    free: isChanged ? run(state.picture, true) : undefined,
    kept: state.other === "" ? undefined : run(state.other),
  };
}

/** The token with the most ink in its row and column: something happens to it. */
function inkiestOf(scene) {
  const { network } = scene;
  const { N } = network;
  const ink = tokenLevels({ network, levels: inkOf(scene, "") });
  const sums = ink.map((_, token) => {
    const line = Array.from({ length: N }, (_, i) => ink[i * N + (token % N)] + ink[Math.floor(token / N) * N + i]);
    return line.reduce((a, b) => a + b, 0);
  });
  return sums.indexOf(Math.max(...sums));
}

const inkOf = (scene, picture) => levelsOf(scene, picture).map((level) => level / 16);

/** The network as it is, or as it was in a frame of the film. */
function networkAt({ network, film, frames }, frame) {
  if (frame < 0 || !film) return network;
  if (!frames.has(frame)) frames.set(frame, readNetwork(network.sizes, film.numbers(frame)));
  return frames.get(frame);
}

/** What of a moment the flow shows. @returns {import("./flow_picture.js").Flow} */
function flowOf(scene, state, { network, now, kept, off }) {
  return {
    network,
    run: now,
    beside: state.beside ? kept : undefined,
    levels: inkOf(scene, state.picture),
    other: kept ? inkOf(scene, state.other) : undefined,
    off,
    order: scene.order,
    channel: state.channel,
    token: state.token,
    labels: scene.labels,
  };
}

// --- Beside another picture ----------------------------------------------------------

function otherTitle(scene, { other, picture }) {
  const title = titleOf(scene, other);
  return title === titleOf(scene, picture) ? "what you kept" : title;
}

/** The picture beside, small, and the switch to what this one has more. */
function otherHtml(scene, state, kept) {
  if (!kept) return "";
  const { H, W } = scene;
  const cells = inkOf(scene, state.other).map(
    (level, at) =>
      `<rect x="${at % W}" y="${Math.floor(at / W)}" width="1.02" height="1.02" fill="${pixelFill(level)}"/>`,
  );
  return `<div class="vip-live-other"><svg viewBox="0 0 ${W} ${H}" role="img" aria-label="${escape(otherTitle(scene, state))}">${cells.join("")}</svg>
<label class="vip-scripted"><input type="checkbox" data-set="beside"${state.beside ? " checked" : ""}> show the difference</label></div>`;
}

/** Where two pictures part, and how far that has come after each block. */
function partingWords(scene, state, now, kept) {
  const { W, pixels, network } = scene;
  const [one, other] = [inkOf(scene, state.picture), inkOf(scene, state.other)];
  const differing = one.flatMap((level, at) => (level === other[at] ? [] : [at]));
  if (!differing.length) return "";
  const [first] = differing;
  const tokens = network.N ** 2;
  const counts = [[now.tokens, kept.tokens], ...now.steps.map(({ after }, i) => [after, kept.steps[i].after])].map(
    ([a, b]) => partedTokens(a, b, network.C),
  );
  const told = counts.map((count, i) => (i ? `${count} after block ${i}` : `${count} as they come in`));
  return (
    `They part in ${differing.length} of ${pixels} pixels, first in row ${Math.floor(first / W)}, column ${first % W}. ` +
    `Of the ${tokens} tokens differ by more than a tenth of what the most different one does: ${told.join(", ")}.`
  );
}

function partedTokens(a, b, C) {
  const gaps = new Array(a.length / C).fill(0);
  a.forEach((value, k) => (gaps[Math.floor(k / C)] = Math.max(gaps[Math.floor(k / C)], Math.abs(value - b[k]))));
  const most = Math.max(...gaps);
  return gaps.filter((gap) => gap > most / 10).length;
}

// --- The blocks ----------------------------------------------------------------------

/** The switches of block i, or with -1 those of all blocks. */
function controlsHtml(scene, { off, hold }, i, asleep) {
  const mine = (list) => (i < 0 ? list : [list[i]]);
  const boxes = BRANCHES.map(([b, name]) => {
    const isOn = mine(off).every((branches) => !branches.includes(b));
    return `<label><input type="checkbox" data-set="on${i + 1}${b}"${isOn ? " checked" : ""}${asleep ? " disabled" : ""}> ${signHtml(b)}${name}</label>`;
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

/** A block: its switches, its flow, and its inside if it is open. */
function blockHtml(scene, state, moment, i, flow, asleep) {
  const isOpen = state.open === i + 1;
  const inside = isOpen
    ? `<div class="vip-live-inside">${lensHtml(scene, state, moment, asleep)}</div>${insideHtml(scene, state, moment, asleep)}`
    : "";
  return `<section class="vip-live-block"><div class="vip-live-head"><strong>Block ${i + 1}</strong>${controlsHtml(scene, moment, i, asleep)}
<button type="button" class="vip-scripted" data-do="open" data-value="${isOpen ? 0 : i + 1}" aria-expanded="${isOpen}">${isOpen ? "Close" : "Open"}<span class="vip-unseen"> block ${i + 1}</span></button></div>
${flow}${inside}</section>`;
}

/** What the looks mean, and what goes for all blocks. */
function legendHtml(scene, state, moment, asleep) {
  const { C } = scene.network;
  const all =
    scene.network.blocks.length > 1
      ? `<div class="vip-live-all"><strong>All blocks</strong>${controlsHtml(scene, moment, -1, asleep)}</div>`
      : "";
  const place = scene.order.indexOf(state.channel);
  return `<p class="vip-note">Grey: the piece of the picture that a number comes from. Orange is above zero, blue below; each tensor has a scale of its own. A tile is a channel, the liveliest first, and a frame is round the followed one. Blue frames hold the column, row or token that lies in the framed row of the Linear. A bar is the weight of a channel, the line their mean. Press a picture of a branch to see it step by step.</p>
<label class="vip-follow">followed: channel <b>${state.channel}</b> <input type="range" min="0" max="${C - 1}" value="${place}" data-set="channel" aria-valuetext="channel ${state.channel}, number ${place + 1} of ${C} by liveliness"${asleep ? " disabled" : ""}></label>${all}`;
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
<div class="vip-live-maps" tabindex="0" role="application" data-keys="token" data-drag="token" aria-label="Channel ${state.channel} of the tokens. ${tokenWords(scene, state)}">${pictures.join("")}</div>
<p class="vip-note">${tokenWords(scene, state)} Orange is above zero, blue below; the branches and their blend are shaded on one scale, the tokens on another.</p></div>`;
}

export const render = renderFigure(figure);
export const firstFrame = firstFrameOf(figure);
