// Where all of a network's flow stands: the way from the picture to the tokens, a block with
// its three branches side by side, and the way from the last tokens to the scores.

import { BRANCHES, overBranches } from "../shared/triangle.js";

/**
 * @typedef {{x: number, y: number, width: number, height: number}} Box
 *
 * @typedef {object} Lane a branch, from left to right
 * @property {Box} picture
 * @property {Box} rows what the Linear mixes, in the colours of the picture
 * @property {Box} matrix
 * @property {Box} mixed
 * @property {Box} home the same, back at its tokens: all channels
 * @property {Box} bars the weight of each channel
 *
 * @typedef {object} BlockPlaces
 * @property {number} width
 * @property {number} height
 * @property {Record<"h" | "w" | "c", Lane>} lanes
 * @property {Box} blend
 * @property {Box} middle
 * @property {Box} after
 * @property {number} margin where tokens come down, from left
 * @property {number | null} skip where they pass the branches; null where there is no room
 *
 * @typedef {object} EndPlaces the way to the tokens, or from the last ones to the scores
 * @property {number} width
 * @property {number} height
 * @property {Box[]} boxes
 * @property {number} [from] where the last tokens come from, from left
 */

const LABEL = 12; // over each box, for what it is called
const MARGIN = 8; // for the tokens on their way

const SIZES = {
  wide: { width: 572, box: 48, rows: 60, tiles: 96, bars: 56, gap: 13, lane: 66, top: 4 },
  narrow: { width: 328, box: 32, rows: 40, tiles: 64, bars: 50, gap: 9, lane: 54, top: 4 },
};

/** How many tiles stand side by side where each channel is one. */
export function tilesAcross(C) {
  const wanted = Math.sqrt(2 * C);
  const divisors = Array.from({ length: C }, (_, i) => i + 1).filter((n) => C % n === 0);
  return divisors.reduce((best, n) => (Math.abs(Math.log(n / wanted)) < Math.abs(Math.log(best / wanted)) ? n : best));
}

/** @returns {Record<"wide" | "narrow", {start: EndPlaces, block: BlockPlaces, end: EndPlaces}>} */
export function layOut(network) {
  const of = (format) => ({
    start: startPlaces(network, SIZES.wide), // of its own size, wherever it stands
    block: blockPlaces(network, SIZES[format], format === "narrow"),
    end: endPlaces(network, SIZES[format], format === "narrow"),
  });
  return { wide: of("wide"), narrow: of("narrow") };
}

/** A picture of all channels, as large as its room lets it be. */
function tilesBox({ C }, { tiles, box }, x, y) {
  const across = tilesAcross(C);
  const tile = Math.min(tiles / across, box / (C / across));
  return { x, y: y + (box - (tile * C) / across) / 2, width: tile * across, height: (tile * C) / across };
}

function blockPlaces(network, size, isNarrow) {
  const { width, box, rows, tiles, bars, gap, lane, top } = size;
  const square = (x, y) => ({ x, y, width: box, height: box });
  const laneAt = (i) => {
    const y = top + LABEL + i * lane;
    let x = 1 + MARGIN;
    const next = (wide) => (x += wide + gap) - wide - gap;
    return {
      picture: square(next(box), y),
      rows: { ...square(next(rows), y), width: rows },
      matrix: square(next(box), y),
      mixed: { ...square(next(rows), y), width: rows },
      home: tilesBox(network, size, next(tiles), y),
      bars: { x, y: y + 6, width: bars, height: box - 6 },
    };
  };
  const lanes = overBranches((b) => laneAt(BRANCHES.findIndex(([key]) => key === b)));
  const last = lanes.c.picture.y;
  const right = width - tiles - 1 - MARGIN;
  const across = (i) => tilesBox(network, size, 1 + i * (tiles + 40), last + lane + 8);
  const down = (i) => tilesBox(network, size, right, top + LABEL + i * lane);
  const [blend, middle, after] = [0, 1, 2].map(isNarrow ? across : down);
  const height = (isNarrow ? last + lane + 8 : last) + box + 6;
  return { width, height, lanes, blend, middle, after, margin: 4, skip: isNarrow ? null : width - 3 };
}

function startPlaces(network, size) {
  const { box, tiles, top, gap } = size;
  const y = top + LABEL;
  const left = 1 + box + 4 * gap;
  const picture = { x: 1, y, width: box, height: box };
  return { width: left + tiles + 2, height: y + box + 4, boxes: [picture, tilesBox(network, size, left, y)] };
}

function endPlaces(network, size, isNarrow) {
  const { width, box, tiles, top, gap } = size;
  const { after } = blockPlaces(network, size, isNarrow);
  const y = top + LABEL;
  const tokens = tilesBox(network, size, 1, y);
  const mean = { x: 1 + tiles + 3 * gap, y: y + 6, width: tiles, height: box - 12 };
  const left = mean.x + tiles + 3 * gap;
  const scores = { x: left, y, width: width - left - 2, height: box };
  return { width, height: y + box + 18, boxes: [tokens, mean, scores], from: after.x + after.width / 2 };
}

/**
 * The channel and the token at a place in one of the boxes of tiles; undefined if there is none.
 * @param {Box[]} boxes
 * @param {{N: number, C: number}} network
 * @param {number[]} order of the channels
 * @param {number} x
 * @param {number} y
 */
export function tileAt(boxes, { N, C }, order, x, y) {
  for (const box of boxes) {
    const across = tilesAcross(C);
    const tile = box.width / across;
    const [column, row] = [(x - box.x) / tile, (y - box.y) / tile];
    if (column < 0 || row < 0 || column >= across || row >= C / across) continue;
    const [i, j] = [Math.floor(column), Math.floor(row)];
    const token = Math.floor((row - j) * N) * N + Math.floor((column - i) * N);
    return { channel: order[j * across + i], token };
  }
}
