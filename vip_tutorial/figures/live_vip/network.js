// A whole Vision Permutator in float64, from a picture to the scores of its classes; what
// happens in each block can be looked at, and changed.
//
// Tokens are one flat array, row after row, the channels of a token side by side.  Weights
// are read once, and all loops run along rows that lie side by side in memory.

import { gelu, linear, softmax } from "../shared/layers.js";
import { BRANCHES, overBranches } from "../shared/triangle.js";

const MOST_WEIGHTS = 60_000; // weights

/**
 * @typedef {object} Sizes
 * @property {number} side pixels along a side of the picture
 * @property {number} patch pixels along a side of a token
 * @property {number} dim channels, C
 * @property {number} depth blocks
 * @property {number} squeezed channels inside of the re-weighting
 * @property {number} hidden channels inside of the channel MLP
 * @property {number} classes
 * @property {boolean} bias of the branches' Linears
 * @property {boolean} flatten the head gets all tokens, not their mean
 * @property {string[]} orders of each block, which branch a channel's three numbers are for
 * @property {number[]} eps of each LayerNorm
 * @property {number[]} skips what each block divides its branches by
 * @property {[number, number]} scale mean and spread of pixels, that they are standardised by
 *
 * @typedef {object} Change of a block, on purpose
 * @property {string} off the branches whose weights are 0, of "hwc"
 * @property {import("../shared/triangle.js").Weights[]} [fixed] weights in place of the computed
 *
 * @typedef {object} Step what happened in a block; arrays of (H, W, C) but for the weights
 * @property {Float64Array} before the tokens that came in
 * @property {Float64Array} x the same, normalised, as the branches get them
 * @property {Record<"h" | "w" | "c", Float64Array>} rows what each Linear mixes, row after row
 * @property {Record<"h" | "w" | "c", Float64Array>} mixed what it makes of them
 * @property {Record<"h" | "w" | "c", Float64Array>} outputs of the branches: the same, back home
 * @property {import("../shared/triangle.js").Weights[]} points weights of each channel, computed or fixed
 * @property {Float64Array} blend the branches by their weights; the projection comes next
 * @property {Float64Array} middle the tokens after the projection and the first skip
 * @property {Float64Array} after the tokens that leave the block
 */

/** Numbers that Python wrote down: float16 or float32, base64. @returns {Float64Array} */
export function readWeights({ dtype, base64 }) {
  const bytes = bytesOf(base64);
  const view = new DataView(bytes.buffer);
  const size = { float16: 2, float32: 4 }[dtype];
  if (!size || bytes.length % size) throw new Error("the network's weights are damaged");
  const numbers = new Float64Array(bytes.length / size);
  for (let k = 0; k < numbers.length; k++)
    numbers[k] = size === 4 ? view.getFloat32(4 * k, true) : halfFloat(view.getUint16(2 * k, true));
  if (!numbers.every(Number.isFinite)) throw new Error("some of the network's weights are no numbers");
  return numbers;
}

function halfFloat(bits) {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const size = exponent === 31 ? NaN : exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
  return bits >> 15 ? -size : size;
}

/** Base64 as bytes; written out because the engine that draws first frames has no atob. */
export function bytesOf(text) {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (typeof text !== "string" || text.length % 4 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text))
    throw new Error("the network's weights are damaged");
  const value = Object.fromEntries([...letters].map((letter, i) => [letter, i]));
  const bytes = new Uint8Array((text.length / 4) * 3);
  for (let k = 0, at = 0; k < text.length; k += 4) {
    const four = [0, 1, 2, 3].map((i) => value[text[k + i]] ?? 0);
    const word = (four[0] << 18) | (four[1] << 12) | (four[2] << 6) | four[3];
    for (const shift of [16, 8, 0]) bytes[at++] = word >> shift; // the array keeps the low byte
  }
  return bytes.slice(0, bytes.length - text.match(/=*$/)[0].length);
}

/** A network, ready to run. @param {Sizes} sizes @param {Float64Array} numbers all weights */
export function read(sizes, numbers) {
  checkSizes(sizes);
  const { side, patch, dim: C, depth, squeezed, hidden, classes, bias, flatten } = sizes;
  const N = side / patch; // H = W = N
  let at = 0;
  /** @type {number[]} */
  const lengths = []; // of the parts, in the order of parts_of in Python
  const take = (count) => {
    lengths.push(count);
    return numbers.subarray(at, (at += count));
  };
  const layer = (rows, columns, biased = true) => ({
    rows,
    columns,
    weight: take(rows * columns),
    bias: biased ? take(rows) : new Float64Array(rows),
  });
  const norm = (eps) => ({ eps, weight: take(C), bias: take(C) });
  const nested = ({ rows, columns, weight, bias }) => ({
    bias,
    weight: Array.from({ length: rows }, (_, i) => [...weight.subarray(i * columns, (i + 1) * columns)]),
  });
  const embed = layer(C, patch * patch);
  const blocks = Array.from({ length: depth }, (_, i) => ({
    order: sizes.orders[i],
    skip: sizes.skips[i],
    norm1: norm(sizes.eps[2 * i]),
    c: layer(C, C, bias),
    h: layer(C, C, bias),
    w: layer(C, C, bias),
    reweight: [nested(layer(squeezed, C)), nested(layer(3 * C, squeezed))],
    proj: layer(C, C),
    norm2: norm(sizes.eps[2 * i + 1]),
    fc1: layer(hidden, C),
    fc2: layer(C, hidden),
  }));
  const network = {
    sizes,
    lengths,
    N,
    C,
    embed,
    blocks,
    norm: norm(sizes.eps[2 * depth]),
    head: layer(classes, flatten ? N * N * C : C),
  };
  if (at !== numbers.length || at > MOST_WEIGHTS)
    throw new Error(`the network's weights are damaged: ${numbers.length} came, and ${at} are needed`);
  return { ...network, homes: branchHomes(N, C) };
}

function checkSizes(sizes) {
  const { side, patch, dim, depth, squeezed, hidden, classes, orders, eps, skips, scale } = sizes ?? {};
  const whole = [side, patch, dim, depth, squeezed, hidden, classes].every(
    (n) => Number.isInteger(n) && n > 0 && n <= MOST_WEIGHTS,
  );
  const listOf = (list, length, test) => Array.isArray(list) && list.length === length && list.every(test);
  const fits = whole && side <= 32 && depth <= 64 && side % patch === 0 && dim % (side / patch) === 0;
  const isListed =
    fits &&
    listOf(orders, depth, (o) => o === "hwc" || o === "cwh") &&
    listOf(skips, depth, (n) => n > 0) &&
    listOf(eps, 2 * depth + 1, (n) => n >= 0);
  if (!isListed || !listOf(scale, 2, Number.isFinite) || scale[1] <= 0)
    throw new Error("the sizes of its network are damaged");
}

/**
 * Where the branches find the numbers that they lay side by side: place k of their rows
 * holds the token number that stands at `homes[k]`.  The way back is the same list.
 */
function branchHomes(N, C) {
  const S = C / N;
  const homes = { h: new Int32Array(N * N * C), w: new Int32Array(N * N * C) };
  let k = 0;
  // Rows (n, w) of H*S numbers in the height branch, (h, n) of W*S in the width branch.
  for (let a = 0; a < N; a++)
    for (let b = 0; b < N; b++)
      for (let along = 0; along < N; along++)
        for (let s = 0; s < S; s++, k++) {
          homes.h[k] = (along * N + b) * C + a * S + s;
          homes.w[k] = (a * N + along) * C + b * S + s;
        }
  return homes;
}

/**
 * The scores of a picture.
 * @param {number[]} picture ink of each pixel, 0 to 1
 * @param {Change[]} changes one a block
 * @returns {{tokens: Float64Array, steps: Step[], last: Float64Array, pooled: Float64Array, scores: number[], shares: number[]}}
 */
export function run(network, picture, changes) {
  const { sizes, N, C } = network;
  const embedded = applyLayer(network.embed, patchesOf(network, picture));
  let tokens = embedded;
  const steps = network.blocks.map((block, i) => {
    const step = runBlock(network, block, tokens, changes[i]);
    tokens = step.after;
    return step;
  });
  const last = normalised(network.norm, tokens, C);
  const pooled = sizes.flatten ? last : meanToken(last, N * N, C);
  const scores = [...applyLayer(network.head, pooled)];
  if (!scores.every(Number.isFinite))
    throw new Error(
      "what it makes of a picture are no numbers: some of its weights are too large, or a norm's eps is 0",
    );
  return { tokens: embedded, steps, last, pooled, scores, shares: softmax(scores) };
}

function runBlock({ N, C, homes }, block, before, /** @type {Change} */ { off, fixed }) {
  const x = normalised(block.norm1, before, C);
  const rows = { h: gathered(x, homes.h), w: gathered(x, homes.w), c: x };
  const mixed = overBranches((b) => applyLayer(block[b], rows[b]));
  const outputs = { h: broughtHome(mixed.h, homes.h), w: broughtHome(mixed.w, homes.w), c: mixed.c };
  const { h, w, c } = outputs;
  const points =
    fixed ??
    weightsOf(
      block,
      meanToken(
        h.map((v, k) => v + w[k] + c[k]),
        N * N,
        C,
      ),
    );
  const [ah, aw, ac] = BRANCHES.map(([b]) => points.map((point) => (off.includes(b) ? 0 : point[b])));
  const blend = h.map((v, k) => ah[k % C] * v + aw[k % C] * w[k] + ac[k % C] * c[k]);
  const projected = applyLayer(block.proj, blend);
  const middle = before.map((v, k) => v + projected[k] / block.skip);
  const inner = applyLayer(block.fc1, normalised(block.norm2, middle, C));
  const wide = applyLayer(block.fc2, inner.map(gelu));
  const after = middle.map((v, k) => v + wide[k] / block.skip);
  return { before, x, rows, mixed, outputs, points, blend, middle, after };
}

function weightsOf({ order, reweight: [fc1, fc2] }, pooled) {
  const numbers = linear(fc2, linear(fc1, pooled).map(gelu));
  return Array.from(pooled, (_, channel) => {
    const shares = softmax(numbers.slice(3 * channel, 3 * channel + 3));
    return Object.fromEntries([...order].map((branch, k) => [branch, shares[k]]));
  });
}

/** Pixels, standardised, patch after patch. */
function patchesOf({ sizes: { side, patch, scale }, N }, picture) {
  const found = new Float64Array(side * side);
  let k = 0;
  for (let row = 0; row < N; row++)
    for (let column = 0; column < N; column++)
      for (let y = 0; y < patch; y++)
        for (let x = 0; x < patch; x++)
          found[k++] = (picture[(row * patch + y) * side + column * patch + x] - scale[0]) / scale[1];
  return found;
}

/**
 * `Linear` on each row of x.
 * @param {{rows: number, columns: number, weight: Float64Array, bias: Float64Array}} layer
 * @param {Float64Array} x
 * @returns {Float64Array}
 */
export function applyLayer({ rows, columns, weight, bias }, x) {
  const count = x.length / columns;
  const y = new Float64Array(count * rows);
  for (let t = 0; t < count; t++)
    for (let i = 0; i < rows; i++) {
      const from = i * columns;
      const to = t * columns;
      let a = bias[i]; // four sums, which need not wait for each other
      let b = 0;
      let c = 0;
      let d = 0;
      let j = 0;
      for (; j + 3 < columns; j += 4) {
        a += weight[from + j] * x[to + j];
        b += weight[from + j + 1] * x[to + j + 1];
        c += weight[from + j + 2] * x[to + j + 2];
        d += weight[from + j + 3] * x[to + j + 3];
      }
      for (; j < columns; j++) a += weight[from + j] * x[to + j];
      y[t * rows + i] = a + b + c + d;
    }
  return y;
}

/** What shall be mixed, side by side. */
const gathered = (x, homes) => x.map((_, k) => x[homes[k]]);

function broughtHome(mixed, homes) {
  const y = new Float64Array(mixed.length);
  for (let k = 0; k < y.length; k++) y[homes[k]] = mixed[k];
  return y;
}

/**
 * How much of a block's output each branch makes up: the size of what is left of it behind
 * the projection, as a share of the three sizes.
 * @param {*} network
 * @param {number} i of the block
 * @param {Step} step
 * @param {string} off branches whose weights are 0
 * @returns {import("../shared/triangle.js").Weights}
 */
export function outputShares({ C, blocks }, i, { outputs, points }, off) {
  const { proj } = blocks[i];
  const unbiased = { ...proj, bias: new Float64Array(proj.rows) };
  const sizes = overBranches((b) => {
    if (off.includes(b)) return 0;
    const part = outputs[b].map((v, k) => points[k % C][b] * v);
    return Math.hypot(...applyLayer(unbiased, part));
  });
  const total = sizes.h + sizes.w + sizes.c;
  return overBranches((b) => (total > 0 ? sizes[b] / total : 0));
}

function normalised({ eps, weight, bias }, x, C) {
  const y = new Float64Array(x.length);
  for (let t = 0; t < x.length; t += C) {
    let [mean, spread] = [0, 0];
    for (let c = 0; c < C; c++) mean += x[t + c] / C;
    for (let c = 0; c < C; c++) spread += (x[t + c] - mean) ** 2 / C;
    const factor = 1 / Math.sqrt(spread + eps);
    for (let c = 0; c < C; c++) y[t + c] = (x[t + c] - mean) * factor * weight[c] + bias[c];
  }
  return y;
}

function meanToken(x, tokens, C) {
  const mean = new Float64Array(C);
  for (let k = 0; k < x.length; k++) mean[k % C] += x[k] / tokens;
  return mean;
}
