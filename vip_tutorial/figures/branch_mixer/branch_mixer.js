// The branch mixer: a picture on the left, and on the right what each channel takes of
// the three branches because of it.  Three weights that sum to 1 are a point in a triangle.

import { axisColour } from "../../lens/figure/colours.js";
import {
  act as actOnDrawing,
  HELP as DRAWING_HELP,
  fields as drawingFields,
  html as drawingHtml,
  levelsOf,
  titleOf,
  readPictures,
  selectHtml,
} from "../shared/drawing.js";
import { choiceField, firstFrameOf, renderFigure, wholeField } from "../../lens/figure/figure.js";
import { gelu, isTable, linear, softmax } from "../shared/layers.js";
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

const ZOOMS = ["1", "2", "4", "8"];
const STEPS = 20; // of the temperature's slider, in a factor of ten
const TEMPERATURES = [0.01, 100];
const DECIDED = 0.9; // with more than this a channel takes one branch

/**
 * @typedef {import("../shared/triangle.js").Weights} Weights
 *
 * @typedef {object} Block what the weights of one module are made from
 * @property {string} order which branch each of the three numbers of a channel is for
 * @property {number[][]} curves what each grey level counts as; its ink if there are none
 * @property {{weight: number[][], bias: number[]}} fc1 from the picture to what is squeezed
 * @property {{weight: number[][], bias: number[]}} fc2
 */

/**
 * The branch weights of every channel.
 * @param {Block} block @param {number[]} picture ink of each pixel, 0 to 1
 * @param {number} temperature what the softmax gets is divided by it
 * @returns {Weights[]}
 */
export function weightsOf({ order, curves, fc1, fc2 }, picture, temperature = 1) {
  const ink = curves.length
    ? curves.flatMap((curve) => picture.map((level) => curve[Math.round(16 * level)]))
    : picture;
  const numbers = linear(fc2, linear(fc1, ink).map(gelu)).map((number) => number / temperature);
  return Array.from({ length: numbers.length / 3 }, (_, channel) => {
    const shares = softmax(numbers.slice(3 * channel, 3 * channel + 3));
    return /** @type {Weights} */ (Object.fromEntries([...order].map((branch, k) => [branch, shares[k]])));
  });
}

const isTemperature = (t) => t >= TEMPERATURES[0] && t <= TEMPERATURES[1];
const stepOf = (temperature) => Math.round(STEPS * Math.log10(temperature));

const figure = {
  kind: "branch_mixer",
  title: "Which branches does each channel take?",
  watched: ["size", "pictures", "blocks", "cooled"],
  help: `${DRAWING_HELP} Click a point to follow its channel, or move the slider of the channel; a slider takes arrow keys, Home and End, too.`,

  fields: {
    ...drawingFields,
    channel: wholeField(0, 0, (scene) => scene.channels - 1),
    show: choiceField("cloud", ["cloud", "mean"]),
    freeze: choiceField("no", ["no", "yes"]),
    zoom: choiceField("1", ZOOMS),
    temperature: {
      usual: 1,
      read: (text, scene) =>
        scene.cooled && /^\d{1,3}(\.\d{1,4})?$/.test(text) && isTemperature(+text) ? +text : undefined,
    },
  },

  prepare(get) {
    const [size, pictures, blocks, cooled] = this.watched.map(get);
    const scene = readPictures(size, pictures);
    const { order, curves, fc1, fc2 } = blocks?.[0] ?? {};
    const [C, squeezed] = [fc2?.bias?.length / 3, fc1?.bias?.length];
    const isLayer = (layer, rows, columns) => isTable(layer?.weight, rows, columns) && isTable(layer.bias, rows);
    const isCurves = Array.isArray(curves) && isTable(curves, curves.length, 17);
    if (
      !(C >= 1) ||
      C % 1 ||
      !isCurves ||
      !isLayer(fc1, squeezed, scene.pixels * (curves.length || 1)) ||
      !isLayer(fc2, 3 * C, squeezed) ||
      !["hwc", "cwh"].includes(order)
    )
      throw new Error("the numbers that its weights are made from are damaged");
    return Object.assign(scene, { block: blocks[0], channels: C, cooled: cooled === true });
  },

  html(scene, state, asleep) {
    const off = asleep ? " disabled" : "";
    const box = (set, on, label) =>
      `<label><input type="checkbox" data-set="${set}"${on ? " checked" : ""}${off}> ${label}</label>`;
    const mix = momentOf(scene, state);
    return `
<div class="vip-drawing-panes">
${drawingHtml(scene, state, asleep)}
<div>
${cloudHtml(state, mix)}
<div class="vip-inputs">
${selectHtml(
  "zoom",
  "enlarge",
  state.zoom,
  ZOOMS.map((zoom) => [zoom, `${zoom} ×`]),
  asleep,
)}
${box("show", state.show === "mean", "only the mean")}
${box("freeze", state.freeze === "yes", "freeze at one third")}
</div></div></div>
${scene.cooled ? sliderHtml(state, off) : ""}
<label class="vip-follow">follow channel <b>${state.channel}</b> <input type="range" min="0" max="${mix.points.length - 1}" value="${state.channel}" data-set="channel"${off}></label>
${tableHtml(state, mix)}`;
  },

  say(scene, state) {
    const { points, before, moves, mean, leads, outside } = momentOf(scene, state);
    const [now, other] = [state.picture, state.other].map((picture) => titleOf(scene, picture));
    const then = other === now ? "what you kept" : other;
    const list = (weights) => BRANCHES.map(([b]) => weights[b].toFixed(3)).join(", ");
    const words = [];
    if (scene.cooled && state.freeze === "no") words.push(temperatureWords(scene, state, points));
    if (state.freeze === "yes")
      words.push(
        "Frozen: every channel takes one third of each branch, whatever the picture. That is the plain sum of the branches, divided by 3.",
      );
    else if (state.show === "mean") {
      const [low, high] = [Math.min, Math.max].map((f) => f(...points.map((p) => p.h)).toFixed(3));
      words.push(
        `The mean over ${points.length} channels, height, width, channel: ${list(mean)}. It does not say that their height weights run from ${low} to ${high}.`,
      );
    } else if (before) {
      const most = Math.max(...moves);
      words.push(
        most < 1e-6
          ? `From ${then} to ${now} no point moves: ${isAlike(scene, state) ? "both have the same pooled vector" : "at this temperature each channel stays where it is"}.`
          : `From ${then} to ${now}, channel ${moves.indexOf(most)} moves farthest: one of its weights changes by ${most.toPrecision(2)}. ` +
              `Over all channels that is ${(moves.reduce((a, b) => a + b) / moves.length).toPrecision(2)} on average.`,
      );
    } else {
      const [h, w, c] = BRANCHES.map(([b, name]) => `${name} in ${leads[b]}`);
      words.push(
        `${now[0].toUpperCase()}${now.slice(1)}. The largest weight is that of ${h} of ${points.length} channels, ${w}, ${c}. Channel ${state.channel} takes ` +
          `${list(points[state.channel])}. The mean, ${list(mean)}, is one point and hides the cloud.`,
      );
    }
    if (outside) words.push(`Points outside of this view: ${outside}.`);
    return words.filter(Boolean).join(" ");
  },

  act(scene, state, action) {
    const { name, value } = action;
    if (name === "show") return { show: value ? "mean" : "cloud" };
    if (name === "freeze") return { freeze: value ? "yes" : "no" };
    if (name === "zoom") return { zoom: value };
    if (name === "temperature") return { temperature: Number((10 ** (value / STEPS)).toPrecision(3)) };
    return name === "channel" ? { channel: +value } : actOnDrawing(scene, state, action);
  },
};

// --- The temperature -----------------------------------------------------------------

function temperatureWords({ channels }, { temperature }, points) {
  const decided = points.filter((p) => Math.max(...BRANCHES.map(([b]) => p[b])) > DECIDED).length;
  const [low, high] = TEMPERATURES;
  const does =
    { 1: "nothing is changed", [low]: "the coldest here", [high]: "the hottest here" }[temperature] ??
    (temperature < 1 ? "what lies apart is driven farther apart" : "all is drawn to the middle");
  return `Temperature ${temperature}: ${does}. ${decided} of ${channels} channels take more than ${DECIDED} of one branch.`;
}

function sliderHtml(state, off) {
  const [low, high] = TEMPERATURES.map(stepOf);
  return (
    `<label class="vip-follow">temperature <b>${state.temperature}</b> <input type="range" min="${low}" max="${high}" ` +
    `value="${stepOf(state.temperature)}" data-set="temperature" aria-label="temperature" aria-valuetext="${state.temperature}"${off}></label>`
  );
}

// --- The cloud -----------------------------------------------------------------------

const inkOf = (scene, picture) => levelsOf(scene, picture).map((level) => level / 16);

/** Whether the weights come out alike with no temperature, and so at any. */
function isAlike(scene, state) {
  const [one, other] = [state.picture, state.other].map((picture) => weightsOf(scene.block, inkOf(scene, picture), 1));
  return one.every((point, i) => BRANCHES.every(([b]) => Math.abs(point[b] - other[i][b]) < 1e-6));
}

/** All that is drawn and said of a state: the points, and where they were before. */
function momentOf(scene, state) {
  const cloud = (picture) => {
    const points = weightsOf(scene.block, inkOf(scene, picture), state.temperature);
    return state.freeze === "yes" ? points.map(() => THIRDS) : points;
  };
  const points = cloud(state.picture);
  const before = state.other === "" ? undefined : cloud(state.other);
  return {
    points,
    before,
    moves: before?.map((old, i) => Math.max(...BRANCHES.map(([b]) => Math.abs(points[i][b] - old[b])))),
    mean: meanWeights(points),
    leads: overBranches((b) => points.filter((p) => leaderOf(p) === b).length),
    outside: state.show === "mean" ? 0 : points.filter((p) => !cornerPlace(p, +state.zoom)).length,
  };
}

function cloudHtml(state, { points, before, mean }) {
  const place = (weights) => cornerPlace(weights, +state.zoom);
  const follow = (channel) => `data-do="channel" data-value="${channel}"`;
  const targets = points.map((point, channel) => [place(point), channel]).filter(([to]) => to);
  const dots = targets.map(([to, channel]) => {
    const from = before && place(before[channel]);
    const moved = from && `${from}` !== `${to}`;
    return (
      (moved ? `${branchSign(leaderOf(before[channel]), from, 'fill="none" stroke')}<path d="M${from} L${to}"/>` : "") +
      `<g ${follow(channel)}>${branchSign(leaderOf(points[channel]), to)}</g>`
    );
  });
  const [x, y] = place(mean) ?? [];
  const ring = place(points[state.channel]);
  const cloud =
    state.show === "mean"
      ? ""
      : targets
          .map(
            ([[x, y], channel]) => `<circle cx="${x}" cy="${y}" r="9" class="vip-triangle-target" ${follow(channel)}/>`,
          )
          .join("") +
        dots.join("") +
        (ring
          ? `<circle cx="${ring[0]}" cy="${ring[1]}" r="11" class="vip-triangle-ring"/><text x="${ring[0] + 13}" y="${ring[1] - 7}">${state.channel}</text>`
          : "");
  const what = state.show === "mean" ? "the mean of all channels" : `${points.length} points, one a channel`;
  return triangleHtml(
    what,
    +state.zoom,
    `${cloud}${x ? `${meanMark([x, y])}<text x="${x + 11}" y="${y + 19}">mean</text>` : ""}`,
  );
}

function tableHtml(state, { points, before, mean, leads }) {
  const tick = (kind, share) => `<path d="M${roundTenth(100 * share)},0V12" class="vip-mixer-${kind}"/>`;
  const rows = BRANCHES.map(([b, name]) => {
    const share = points[state.channel][b];
    const bar = `<rect width="${roundTenth(100 * share)}" y="2" height="8" fill="${axisColour(b.toUpperCase())}"/>`;
    const old = before ? tick("old", before[state.channel][b]) : "";
    return (
      `<tr><th scope="row">${signHtml(b)}${name}</th><td class="vip-number">${share.toFixed(3)}</td>` +
      `<td aria-hidden="true"><svg class="vip-branches" viewBox="0 0 100 12" preserveAspectRatio="none">${bar}${tick("third", 1 / 3)}${old}</svg></td>` +
      `<td class="vip-number">${mean[b].toFixed(3)}</td><td class="vip-number">${leads[b]}</td></tr>`
    );
  });
  const head = [`channel ${state.channel}`, "", "mean", "leads in"].map((text) =>
    text ? `<th scope="col" class="vip-number">${text}</th>` : "<td></td>",
  );
  return `<table><thead><tr><th scope="col">branch</th>${head.join("")}</tr></thead><tbody>${rows.join("")}</tbody></table>`;
}

export const render = renderFigure(figure);
export const firstFrame = firstFrameOf(figure);
