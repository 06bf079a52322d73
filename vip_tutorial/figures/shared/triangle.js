// Three weights that sum to 1 are a point in a triangle with a corner for each branch.

import { axisColour } from "../../lens/figure/colours.js";

/** Key and name of each branch, in the order of the book. */
export const BRANCHES = Object.entries({ h: "height", w: "width", c: "channel" });
/** The weights of the plain sum, divided by three. */
export const THIRDS = { h: 1 / 3, w: 1 / 3, c: 1 / 3 };

const CORNERS = { h: [200, 30], w: [372, 328], c: [28, 328] };

/** @typedef {Record<"h" | "w" | "c", number>} Weights of one channel; their sum is 1 */

/** The same for each branch. @returns {Record<"h" | "w" | "c", *>} */
export const overBranches = (f) =>
  /** @type {Record<"h" | "w" | "c", *>} */ (Object.fromEntries(BRANCHES.map(([b]) => [b, f(b)])));

/** The mean of some points. @param {Weights[]} points */
export const meanWeights = (points) => overBranches((b) => points.reduce((sum, p) => sum + p[b], 0) / points.length);

export const roundTenth = (n) => Math.round(n * 10) / 10;

/** Where a point lies in the triangle, enlarged around its middle; undefined if outside. */
export function placeOf(weights, zoom) {
  const shares = BRANCHES.map(([b]) => [1 / 3 + (weights[b] - 1 / 3) * zoom, CORNERS[b]]);
  if (shares.some(([share]) => share < -1e-9)) return undefined;
  return [0, 1].map((axis) => roundTenth(shares.reduce((sum, [share, corner]) => sum + share * corner[axis], 0)));
}

/** The branch with the largest weight; undefined if it shares the lead. */
export function leaderOf(weights) {
  const [[first], [second]] = [...BRANCHES].sort(([a], [b]) => weights[b] - weights[a]);
  return weights[first] - weights[second] > 1e-12 ? first : undefined;
}

/**
 * A branch's sign: upright for height, lying for width, square for channel; round for none.
 * @param {string | undefined} branch
 * @param {number[]} middle
 */
export function branchSign(branch, [x, y], paint = "fill") {
  if (!branch) return `<circle cx="${x}" cy="${y}" r="4.5"/>`;
  const [width, height] = { h: [5, 13], w: [13, 5], c: [8, 8] }[branch];
  const at = `x="${roundTenth(x - width / 2)}" y="${roundTenth(y - height / 2)}" width="${width}" height="${height}"`;
  return `<rect ${at} ${paint}="${axisColour(branch.toUpperCase())}"/>`;
}

/** A branch's sign, to stand in a line of text. */
export const signHtml = (branch) =>
  `<svg class="vip-sign vip-branches" viewBox="0 0 16 16" aria-hidden="true">${branchSign(branch, [8, 8])}</svg>`;

/** The triangle itself, its labels, and in it what is given. */
export function html(label, zoom, inside) {
  const corners = Object.values(CORNERS);
  const end = 1 / 3 + 2 / 3 / zoom;
  const name = (b, name, x, y) =>
    `${branchSign(b, [x, y - 5])}<text x="${x + 14}" y="${y}">${name} = ${end === 1 ? 1 : end.toFixed(2)}</text>`;
  const labels = BRANCHES.map(([b, branch], i) => name(b, branch, [138, 274, 8][i], [18, 353, 353][i]));
  const middle = placeOf(THIRDS, zoom);
  const borders = corners.map(
    ([x, y], i) => `M${middle} L${(x + corners[(i + 1) % 3][0]) / 2},${(y + corners[(i + 1) % 3][1]) / 2}`,
  );
  return `<svg class="vip-triangle vip-branches" viewBox="0 0 400 362" role="img" aria-label="Triangle with a corner for each branch, and in it ${label}">
<path d="M${corners.join(" L")} Z" class="vip-triangle-edge"/><path d="${borders.join(" ")}" class="vip-triangle-border"/>${labels.join("")}${inside}</svg>`;
}

/** The cross that marks a mean. @param {number[]} middle */
export function meanMark([x, y]) {
  return `<path d="M${x - 8},${y}h16M${x},${y - 8}v16M${x - 6},${y - 6}l12,12M${x - 6},${y + 6}l12,-12" class="vip-triangle-mean"/>`;
}
