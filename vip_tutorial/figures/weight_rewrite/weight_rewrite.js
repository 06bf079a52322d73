// The rewrite: other branch weights, the same output.  Every number that is shown is
// computed from the rewritten parts, not from the ones that the token came with.

import { axisColour, valueFill } from "../../lens/figure/colours.js";
import { firstFrameOf, renderFigure, wholeField } from "../../lens/figure/figure.js";

const BRANCHES = ["height", "width", "channel"];
const KEYS = ["h", "w", "c"]; // their fields
const AXES = ["H", "W", "C"];
const MOST = 200; // the factors go from 2 ** -25 to 2 ** 25
const STEPS = 8; // in a factor of 2
const WISHES = [
  [0.02, 0.49, 0.49],
  [1 / 3, 1 / 3, 1 / 3],
  [0.02, 0.02, 0.96],
];

const sumOf = (numbers) => numbers.reduce((a, b) => a + b, 0);
const meanOf = (numbers) => sumOf(numbers) / numbers.length;
const sizeOf = (numbers) => Math.sqrt(sumOf(numbers.map((x) => x * x)) / numbers.length);
const sharesOf = (parts) => {
  const sizes = parts.map(sizeOf);
  return sizes.map((size) => size / sumOf(sizes) || 0);
};

/**
 * The token under other weights: weight a of a branch becomes f * a / t, its branch is
 * divided by f, and the projection multiplies the channel by t, the sum of the f * a.
 * @param {{weights: number[][], branches: number[][], projection: number[][], offset: number[]}} token
 * @param {number[]} factors f of height, width, channel
 */
export function tokenOf(token, factors) {
  const { weights, totals } = weightsOf(token, factors);
  const branches = token.branches.map((row, b) => row.map((x) => x / factors[b]));
  const projection = token.projection.map((row) => row.map((p, c) => p * totals[c]));
  const blend = weights.map((row, b) => row.map((a, c) => a * branches[b][c]));
  const output = blend.map((part) => projection.map((row) => sumOf(row.map((p, c) => p * part[c]))));
  return {
    means: weights.map(meanOf),
    loudness: branches.map(sizeOf),
    blendShares: sharesOf(blend),
    outputShares: sharesOf(output),
    output: token.offset.map((bias, i) => bias + sumOf(output.map((part) => part[i]))),
  };
}

/** The weights f * a / t of every channel, and t. */
function weightsOf(token, factors) {
  const totals = token.offset.map((_, c) => sumOf(factors.map((f, b) => f * token.weights[b][c])));
  return { totals, weights: token.weights.map((row, b) => row.map((a, c) => (factors[b] * a) / totals[c])) };
}

/** The factors of a state. */
export const factorsOf = (state) => KEYS.map((key) => 2 ** (state[key] / STEPS));

/** A state in which the mean weights are nearly these three. */
export function towards(token, wanted) {
  let powers = [0, 0, 0];
  for (let i = 0; i < 200; i++) {
    const means = weightsOf(
      token,
      powers.map((p) => 2 ** p),
    ).weights.map(meanOf);
    powers = powers.map((p, b) => p + Math.log2(wanted[b] / means[b]));
  }
  const middle = (Math.max(...powers) + Math.min(...powers)) / 2; // only their ratios count
  const steps = powers.map((p) => Math.max(-MOST, Math.min(MOST, Math.round(STEPS * (p - middle)))));
  return Object.fromEntries(KEYS.map((key, b) => [key, steps[b]]));
}

/** Two digits: "0.31", "12", "2.7e8" */
const numberText = (x) =>
  x >= 1e4 || x < 1e-3 ? x.toExponential(1).replace("e+", "e") : String(Number(x.toPrecision(2)));

/** "× 12", "÷ 1.5", "as it was" */
function factorWords(factor) {
  if (factor === 1) return "as it was";
  const size = factor > 1 ? factor : 1 / factor;
  return `${factor > 1 ? "×" : "÷"} ${numberText(size)}`;
}

const isTable = (rows, count, length) =>
  Array.isArray(rows) &&
  rows.length === count &&
  rows.every((row) => Array.isArray(row) && row.length === length && row.every(Number.isFinite));

const figure = {
  kind: "weight_rewrite",
  title: "Other weights, the same output",
  watched: ["weights", "branches", "projection", "offset"],
  help:
    "Move a slider, or focus it and use the arrow keys, Home and End. The buttons set the three sliders so that the mean weights are " +
    "about what they say.",
  fields: Object.fromEntries(KEYS.map((key) => [key, wholeField(0, -MOST, MOST)])),

  prepare(get) {
    const [weights, branches, projection, offset] = ["weights", "branches", "projection", "offset"].map((key) =>
      get(key),
    );
    const C = Array.isArray(offset) ? offset.length : 0;
    if (!C || !isTable([offset], 1, C)) throw new Error("it has no projection");
    if (!isTable(weights, 3, C) || !isTable(branches, 3, C) || !isTable(projection, C, C))
      throw new Error("its weights, branches and projection do not fit each other");
    if (!weights.flat().every((a) => a > 0)) throw new Error("its branch weights are not all positive");
    const token = { weights, branches, projection, offset };
    return { token, before: tokenOf(token, [1, 1, 1]) };
  },

  html({ token, before }, state, asleep) {
    const factors = factorsOf(state);
    const now = tokenOf(token, factors);
    const off = asleep ? " disabled" : "";
    const loudest = Math.max(...now.loudness);
    const bar = (b, share, text) =>
      `<td class="vip-number">${text}<svg viewBox="0 0 100 6" aria-hidden="true" preserveAspectRatio="none">` +
      `<rect width="${(100 * share).toFixed(2)}" height="6" fill="${axisColour(AXES[b])}"/></svg></td>`;
    const sliders = BRANCHES.map(
      (branch, b) =>
        `<label><span><b class="vip-axis" style="--axis:${axisColour(AXES[b])}">${branch}</b> ${factorWords(factors[b])}</span>` +
        `<input type="range" min="${-MOST}" max="${MOST}" step="1" value="${state[KEYS[b]]}" data-set="${KEYS[b]}" ` +
        `aria-label="weights of ${branch}" aria-valuetext="${factorWords(factors[b])}, mean weight ${now.means[b].toFixed(2)}"${off}></label>`,
    );
    const rows = BRANCHES.map(
      (branch, b) =>
        `<tr><th scope="row">${branch}</th>${bar(b, now.means[b], now.means[b].toFixed(2))}` +
        `${bar(b, now.loudness[b] / loudest, numberText(now.loudness[b]))}` +
        `${bar(b, now.blendShares[b], now.blendShares[b].toFixed(2))}${bar(b, now.outputShares[b], now.outputShares[b].toFixed(2))}</tr>`,
    );
    const wishes = WISHES.map(
      (wish, i) =>
        `<button type="button" data-do="wish" data-value="${i}"${off}>${wish.map((p) => p.toFixed(2)).join(" · ")}</button>`,
    );
    return `
<div class="vip-rewrite-sliders" role="group" aria-label="Turn the weights of a branch up or down">${sliders.join("")}</div>
<div class="vip-rewrite-wishes vip-scripted"><span>Make the weights</span>${wishes.join("")}</div>
<table><thead><tr><th scope="col">branch</th><th scope="col" class="vip-number">mean weight</th><th scope="col" class="vip-number">loudness</th>
<th scope="col" class="vip-number">share of the blend</th><th scope="col" class="vip-number">share of the output</th></tr></thead>
<tbody>${rows.join("")}</tbody></table>
${stripSvg(before.output, now.output)}`;
  },

  say({ token, before }, state) {
    const factors = factorsOf(state);
    const now = tokenOf(token, factors);
    const most = before.outputShares.indexOf(Math.max(...before.outputShares));
    const part = `${Math.round(100 * now.outputShares[most])} % of the output`;
    if (factors.every((f) => f === 1))
      return `As frozen: mean weights ${listWords(now.means)}. Most of the output comes from ${BRANCHES[most]}: ${part}.`;
    const gap = Math.max(...now.output.map((x, i) => Math.abs(x - before.output[i])));
    return (
      `Mean weights ${listWords(now.means)} instead of ${listWords(before.means)}. ` +
      `${BRANCHES[most][0].toUpperCase()}${BRANCHES[most].slice(1)} still makes ${part}, ` +
      `and no number of the output has changed by more than ${gap < 1e-12 ? "rounding, 1e-12" : gap.toExponential(0)}.`
    );
  },

  act({ token }, state, { name, value }) {
    if (name === "wish") return towards(token, WISHES[value]);
    const read = this.fields[name]?.read(String(value));
    return read === undefined ? undefined : { [name]: read };
  },
};

const listWords = (numbers) => numbers.map((x) => x.toFixed(2)).join(", ");

/** The output as frozen and as rewritten, a cell a channel. */
function stripSvg(before, now) {
  const scale = Math.max(...before.map(Math.abs));
  const cells = [before, now].map((numbers, row) =>
    numbers
      .map((x, c) => `<rect x="${c * 10}" y="${row * 16}" width="9.5" height="14" fill="${valueFill(x, scale)}"/>`)
      .join(""),
  );
  return (
    `<p class="vip-note">What the module puts out here, ${before.length} numbers: as frozen, and below it as rewritten.</p>` +
    `<svg viewBox="0 0 ${before.length * 10} 30" class="vip-rewrite-strip" role="img" ` +
    `aria-label="Two strips of ${before.length} cells, the output as frozen and as rewritten">${cells.join("")}</svg>`
  );
}

export const render = renderFigure(figure);
export const firstFrame = firstFrameOf(figure);
