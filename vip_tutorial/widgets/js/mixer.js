// The branch mixer: a picture on the left, and on the right what each channel takes of
// the three branches because of it.  Three weights that sum to 1 are a point in a triangle.

import { axisColour, pixelFill } from "./colours.js";
import { choiceField, firstFrameOf, renderFigure, wholeField } from "./figure.js";
import { escape } from "./host.js";
import { gelu, linear, softmax } from "./layers.js";

const MIXER_BRANCHES = Object.entries({ h: "height", w: "width", c: "channel" });
const MIXER_CORNERS = { h: [200, 30], w: [372, 328], c: [28, 328] };
const MIXER_THIRDS = { h: 1 / 3, w: 1 / 3, c: 1 / 3 };
const MIXER_LEVELS = "0123456789abcdefg"; // sixteenths of ink
const MIXER_ZOOMS = ["1", "2", "4", "8"];

/**
 * @typedef {object} Block what the weights of one module are made from
 * @property {string} order which branch each of the three numbers of a channel is for
 * @property {number[][]} matrix one row a channel: times the picture it is the pooled vector
 * @property {number[]} offset what a blank picture gives
 * @property {{weight: number[][], bias: number[]}} fc1
 * @property {{weight: number[][], bias: number[]}} fc2
 *
 * @typedef {Record<"h" | "w" | "c", number>} Weights of one channel; their sum is 1
 */

/**
 * The branch weights of every channel.
 * @param {Block} block @param {number[]} picture ink of each pixel, 0 to 1
 * @returns {Weights[]}
 */
export function mixerWeights({ order, matrix, offset, fc1, fc2 }, picture) {
  const pooled = linear({ weight: matrix, bias: offset }, picture);
  const numbers = linear(fc2, linear(fc1, pooled).map(gelu));
  return offset.map((_, channel) => {
    const shares = softmax(numbers.slice(3 * channel, 3 * channel + 3));
    return Object.fromEntries([...order].map((branch, k) => [branch, shares[k]]));
  });
}

/** Where a point lies in the triangle, enlarged around its middle; undefined if outside. */
export function mixerPlace(weights, zoom) {
  const shares = MIXER_BRANCHES.map(([b]) => [1 / 3 + (weights[b] - 1 / 3) * zoom, MIXER_CORNERS[b]]);
  if (shares.some(([share]) => share < -1e-9)) return undefined;
  return [0, 1].map((axis) => mixerRound(shares.reduce((sum, [share, corner]) => sum + share * corner[axis], 0)));
}

const mixerFigure = {
  kind: "mixer",
  title: "Which branches does each channel take?",
  watched: ["size", "pictures", "blocks"],
  help:
    "Draw with mouse or finger: a stroke that begins on paper inks, one that begins on ink rubs out. With keys: Tab to the picture; " +
    "arrows move, Space inks or rubs out, 0 to 9 set a grey level. Click a point to follow its channel, or move the slider.",

  fields: {
    picture: { usual: "", read: (text, scene) => mixerPicture(scene, text) },
    other: { usual: "", read: (text, scene) => (mixerPicture(scene, text) === undefined ? undefined : text) },
    channel: wholeField(0, 0, (scene) => scene.block.offset.length - 1),
    show: choiceField("cloud", ["cloud", "mean"]),
    freeze: choiceField("no", ["no", "yes"]),
    zoom: choiceField("1", MIXER_ZOOMS),
  },

  prepare(get) {
    const [size, pictures, blocks] = this.watched.map(get);
    if (!isMixerTable(size, 2) || !size.every((n) => Number.isInteger(n) && n > 0 && n <= 64)) throw new Error("its pictures have no size");
    const scene = { H: size[0], W: size[1], pixels: size[0] * size[1] };
    const isPicture = (pair) => Array.isArray(pair) && typeof pair[0] === "string" && isMixerText(scene, pair[1]);
    if (!Array.isArray(pictures) || !pictures.length || !pictures.every(isPicture)) throw new Error("its pictures are damaged");
    const { order, matrix, offset, fc1, fc2 } = blocks?.[0] ?? {};
    const [C, squeezed] = [offset?.length, fc1?.bias?.length];
    const isLayer = (layer, rows, columns) => isMixerTable(layer?.weight, rows, columns) && isMixerTable(layer.bias, rows);
    const isWhole = C > 0 && isMixerTable(offset, C) && isMixerTable(matrix, C, scene.pixels);
    if (!isWhole || !isLayer(fc1, squeezed, C) || !isLayer(fc2, 3 * C, squeezed) || !["hwc", "cwh"].includes(order))
      throw new Error("the numbers that its weights are made from are damaged");
    return Object.assign(scene, { block: blocks[0], byName: new Map(pictures), first: pictures[0][0] });
  },

  html(scene, state, asleep) {
    const off = asleep ? " disabled" : "";
    const options = (chosen, pairs) =>
      pairs.map(([key, name]) => `<option value="${escape(key)}"${key === chosen ? " selected" : ""}>${escape(name)}</option>`).join("");
    const select = (set, label, chosen, pairs) => `<label>${label} <select data-set="${set}"${off}>${options(chosen, pairs)}</select></label>`;
    const box = (set, on, label) => `<label><input type="checkbox" data-set="${set}"${on ? " checked" : ""}${off}> ${label}</label>`;
    const named = [...scene.byName.keys()].map((key) => [key, mixerTitle(scene, key)]);
    const drawn = (text) => text !== "" && !scene.byName.has(text);
    const own = (text, name) => (drawn(text) ? [["own", name]] : []);
    const chosen = (text) => (drawn(text) ? "own" : text);
    const mix = mixerMoment(scene, state);
    return `
<div class="vip-mixer-panes">
<div class="vip-mixer-input">
${mixerGrid(scene, state)}
<div class="vip-inputs">
${select("picture", "picture", chosen(state.picture || scene.first), [...own(state.picture, "your drawing"), ...named])}
${select("other", "compare with", chosen(state.other), [["", "nothing"], ...own(state.other, "what you kept"), ...named])}
<button type="button" class="vip-scripted" data-do="clear">Clear</button>
<button type="button" class="vip-scripted" data-do="keep">Keep to compare</button>
</div></div>
<div>
${mixerTriangle(state, mix)}
<div class="vip-inputs">
${select("zoom", "enlarge", state.zoom, MIXER_ZOOMS.map((zoom) => [zoom, `${zoom} ×`]))}
${box("show", state.show === "mean", "only the mean")}
${box("freeze", state.freeze === "yes", "freeze at one third")}
</div></div></div>
<label class="vip-mixer-follow">follow channel <b>${state.channel}</b> <input type="range" min="0" max="${mix.points.length - 1}" value="${state.channel}" data-set="channel"${off}></label>
${mixerTable(state, mix)}`;
  },

  say(scene, state) {
    if (state.told && !state.inked) return state.told;
    const { points, before, moves, mean, leads, outside } = mixerMoment(scene, state);
    const [now, other] = [state.picture, state.other].map((picture) => mixerTitle(scene, picture));
    const then = other === now ? "what you kept" : other;
    const list = (weights) => MIXER_BRANCHES.map(([b]) => weights[b].toFixed(3)).join(", ");
    const words = [state.told];
    if (state.freeze === "yes")
      words.push("Frozen: every channel takes one third of each branch, whatever the picture. That is the plain sum of the branches, divided by 3.");
    else if (state.show === "mean") {
      const [low, high] = [Math.min, Math.max].map((f) => f(...points.map((p) => p.h)).toFixed(3));
      words.push(`The mean over ${points.length} channels, height, width, channel: ${list(mean)}. It does not say that their height weights run from ${low} to ${high}.`);
    } else if (before) {
      const most = Math.max(...moves);
      words.push(
        most < 1e-6
          ? `From ${then} to ${now} no point moves: both have the same pooled vector.`
          : `From ${then} to ${now}, channel ${moves.indexOf(most)} moves farthest: one of its weights changes by ${most.toPrecision(2)}. ` +
              `Over all channels that is ${(moves.reduce((a, b) => a + b) / moves.length).toPrecision(2)} on average.`,
      );
    } else {
      const [h, w, c] = MIXER_BRANCHES.map(([b, name]) => `${name} in ${leads[b]}`);
      words.push(
        `${now[0].toUpperCase()}${now.slice(1)}. The largest weight is that of ${h} of ${points.length} channels, ${w}, ${c}. Channel ${state.channel} takes ` +
          `${list(points[state.channel])}. The mean, ${list(mean)}, is one point and hides the cloud.`,
      );
    }
    if (outside) words.push(`Points outside of this view: ${outside}.`);
    return words.filter(Boolean).join(" ");
  },

  act(scene, state, { name, value, key, first }) {
    if (name === "draw") return key === undefined ? mixerStroke(scene, state, +value, first) : mixerKey(scene, state, key);
    const changes = { told: "" };
    if (name === "picture" || name === "other") {
      if (value && !scene.byName.has(value)) return undefined; // the drawing is chosen already
      changes[name] = name === "picture" ? mixerPicture(scene, value) : value;
    } else if (name === "keep") changes.other = state.picture || scene.first;
    else if (name === "clear") changes.picture = "0".repeat(scene.pixels);
    else if (name === "show") changes.show = value ? "mean" : "cloud";
    else if (name === "freeze") changes.freeze = value ? "yes" : "no";
    else changes[name] = name === "channel" ? +value : value;
    return changes;
  },
};

// --- The picture ---------------------------------------------------------------------

function isMixerTable(x, length, ...inner) {
  return Array.isArray(x) && x.length === length && x.every((y) => (inner.length ? isMixerTable(y, ...inner) : Number.isFinite(y)));
}

function isMixerText({ pixels }, text) {
  return text?.length === pixels && /^[0-9a-g]+$/.test(text);
}

/** A picture as the state has it, by name or level by level; "" is the first. */
function mixerPicture(scene, text) {
  if (text === scene.first) return "";
  return scene.byName.has(text) || isMixerText(scene, text) ? text : undefined;
}

function mixerTitle(scene, picture) {
  return picture === "" || scene.byName.has(picture) ? (picture || scene.first).replaceAll("-", " ") : "the drawing";
}

/** Levels of its pixels, 0 to 16. */
function mixerLevels(scene, picture) {
  return [...(scene.byName.get(picture || scene.first) ?? picture)].map((letter) => MIXER_LEVELS.indexOf(letter));
}

function mixerPixel(scene, level, at) {
  const ink = { 0: "paper", 16: "ink" }[level] ?? `grey, ${level} sixteenths`;
  return `Row ${Math.floor(at / scene.W)}, column ${at % scene.W}: ${ink}.`;
}

function mixerPaint(scene, levels, at, level) {
  const picture = levels.map((old, i) => MIXER_LEVELS[i === at ? level : old]).join("");
  return { picture, at, inked: true, told: mixerPixel(scene, level, at) };
}

/** A pointer came over a pixel.  The first pixel of a stroke says what the stroke does. */
function mixerStroke(scene, state, at, first) {
  const levels = mixerLevels(scene, state.picture);
  const brush = first ? (levels[at] > 8 ? 0 : 16) : state.brush;
  return levels[at] === brush ? undefined : { ...mixerPaint(scene, levels, at, brush), brush, told: "" };
}

function mixerKey(scene, state, key) {
  const levels = mixerLevels(scene, state.picture);
  const { at = 0 } = state;
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[key];
  if (step) {
    const [row, column] = [Math.floor(at / scene.W) + step[0], (at % scene.W) + step[1]];
    const to = row >= 0 && row < scene.H && column >= 0 && column < scene.W ? row * scene.W + column : at;
    return { at: to, inked: false, told: mixerPixel(scene, levels[to], to) };
  }
  if (key === " ") return mixerPaint(scene, levels, at, levels[at] > 8 ? 0 : 16);
  return /^\d$/.test(key) ? mixerPaint(scene, levels, at, Math.round((+key * 16) / 9)) : undefined;
}

function mixerGrid(scene, state) {
  const { H, W } = scene;
  const { at: cursor = 0 } = state;
  const levels = mixerLevels(scene, state.picture);
  const square = (at, more) => `<rect x="${at % W}" y="${Math.floor(at / W)}" width="1" height="1" ${more}/>`;
  const pixels = levels.map((level, at) => square(at, `data-at="${at}" fill="${pixelFill(level / 16)}"`));
  return (
    `<div class="vip-mixer-grid" tabindex="0" role="application" data-keys="draw" data-drag="draw" ` +
    `aria-label="Picture of ${H} by ${W} pixels, to draw on. ${mixerPixel(scene, levels[cursor], cursor)}">` +
    `<svg viewBox="-.1 -.1 ${W + 0.2} ${H + 0.2}" aria-hidden="true">${pixels.join("")}${square(cursor, 'class="vip-mixer-cursor"')}</svg></div>`
  );
}

// --- The cloud -----------------------------------------------------------------------

/** All that is drawn and said of a state: the points, and where they were before. */
function mixerMoment(scene, state) {
  const cloud = (picture) => {
    const points = mixerWeights(scene.block, mixerLevels(scene, picture).map((level) => level / 16));
    return state.freeze === "yes" ? points.map(() => MIXER_THIRDS) : points;
  };
  const points = cloud(state.picture);
  const before = state.other === "" ? undefined : cloud(state.other);
  const overBranches = (f) => Object.fromEntries(MIXER_BRANCHES.map(([b]) => [b, f(b)]));
  return {
    points,
    before,
    moves: before?.map((old, i) => Math.max(...MIXER_BRANCHES.map(([b]) => Math.abs(points[i][b] - old[b])))),
    mean: overBranches((b) => points.reduce((sum, p) => sum + p[b], 0) / points.length),
    leads: overBranches((b) => points.filter((p) => mixerLeader(p) === b).length),
    outside: state.show === "mean" ? 0 : points.filter((p) => !mixerPlace(p, +state.zoom)).length,
  };
}

/** The branch with the largest weight; undefined if it shares the lead. */
function mixerLeader(weights) {
  const [[first], [second]] = [...MIXER_BRANCHES].sort(([a], [b]) => weights[b] - weights[a]);
  return weights[first] - weights[second] > 1e-12 ? first : undefined;
}

const mixerRound = (n) => Math.round(n * 10) / 10;

/** A branch's sign: upright for height, lying for width, square for channel; round for none. */
function mixerSign(branch, [x, y], paint = "fill") {
  if (!branch) return `<circle cx="${x}" cy="${y}" r="4.5"/>`;
  const [width, height] = { h: [5, 13], w: [13, 5], c: [8, 8] }[branch];
  const at = `x="${mixerRound(x - width / 2)}" y="${mixerRound(y - height / 2)}" width="${width}" height="${height}"`;
  return `<rect ${at} ${paint}="${axisColour(branch.toUpperCase())}"/>`;
}

function mixerTriangle(state, { points, before, mean }) {
  const place = (weights) => mixerPlace(weights, +state.zoom);
  const corners = Object.values(MIXER_CORNERS);
  const end = 1 / 3 + 2 / 3 / state.zoom;
  const label = (b, name, x, y) => `${mixerSign(b, [x, y - 5])}<text x="${x + 14}" y="${y}">${name} = ${end === 1 ? 1 : end.toFixed(2)}</text>`;
  const labels = MIXER_BRANCHES.map(([b, name], i) => label(b, name, [138, 274, 8][i], [18, 353, 353][i]));
  const borders = corners.map(([x, y], i) => `M${place(MIXER_THIRDS)} L${(x + corners[(i + 1) % 3][0]) / 2},${(y + corners[(i + 1) % 3][1]) / 2}`);
  const follow = (channel) => `data-do="channel" data-value="${channel}"`;
  const targets = points.map((point, channel) => [place(point), channel]).filter(([to]) => to);
  const dots = targets.map(([to, channel]) => {
    const from = before && place(before[channel]);
    const moved = from && `${from}` !== `${to}`;
    return (
      (moved ? `${mixerSign(mixerLeader(before[channel]), from, 'fill="none" stroke')}<path d="M${from} L${to}"/>` : "") +
      `<g ${follow(channel)}>${mixerSign(mixerLeader(points[channel]), to)}</g>`
    );
  });
  const [x, y] = place(mean) ?? [];
  const ring = place(points[state.channel]);
  const cloud =
    state.show === "mean"
      ? ""
      : targets.map(([[x, y], channel]) => `<circle cx="${x}" cy="${y}" r="9" class="vip-mixer-target" ${follow(channel)}/>`).join("") +
        dots.join("") +
        (ring ? `<circle cx="${ring[0]}" cy="${ring[1]}" r="11" class="vip-mixer-ring"/><text x="${ring[0] + 13}" y="${ring[1] - 7}">${state.channel}</text>` : "");
  const what = state.show === "mean" ? "the mean of all channels" : `${points.length} points, one a channel`;
  return `<svg class="vip-mixer-triangle" viewBox="0 0 400 362" role="img" aria-label="Triangle with a corner for each branch, and in it ${what}">
<path d="M${corners.join(" L")} Z" class="vip-mixer-edge"/><path d="${borders.join(" ")}" class="vip-mixer-border"/>${labels.join("")}${cloud}
${x ? `<path d="M${x - 8},${y}h16M${x},${y - 8}v16M${x - 6},${y - 6}l12,12M${x - 6},${y + 6}l12,-12" class="vip-mixer-mean"/><text x="${x + 11}" y="${y + 19}">mean</text>` : ""}</svg>`;
}

function mixerTable(state, { points, before, mean, leads }) {
  const tick = (kind, share) => `<path d="M${mixerRound(100 * share)},0V12" class="vip-mixer-${kind}"/>`;
  const rows = MIXER_BRANCHES.map(([b, name]) => {
    const share = points[state.channel][b];
    const bar = `<rect width="${mixerRound(100 * share)}" y="2" height="8" fill="${axisColour(b.toUpperCase())}"/>`;
    const old = before ? tick("old", before[state.channel][b]) : "";
    return (
      `<tr><th scope="row"><svg viewBox="0 0 16 16" aria-hidden="true">${mixerSign(b, [8, 8])}</svg>${name}</th><td class="vip-number">${share.toFixed(3)}</td>` +
      `<td aria-hidden="true"><svg viewBox="0 0 100 12" preserveAspectRatio="none">${bar}${tick("third", 1 / 3)}${old}</svg></td>` +
      `<td class="vip-number">${mean[b].toFixed(3)}</td><td class="vip-number">${leads[b]}</td></tr>`
    );
  });
  const head = [`channel ${state.channel}`, "", "mean", "leads in"].map((text) => (text ? `<th scope="col" class="vip-number">${text}</th>` : "<td></td>"));
  return `<table><thead><tr><th scope="col">branch</th>${head.join("")}</tr></thead><tbody>${rows.join("")}</tbody></table>`;
}

export const renderMixer = renderFigure(mixerFigure);
export const mixerFirstFrame = firstFrameOf(mixerFigure);
