// Draws a network's flow: every tensor as it is, all its channels as small tiles, and in
// each branch one segment on its way: laid in rows, mixed, brought home.

import {
  axisColour,
  PIXEL_PALETTE,
  pixelShade,
  VALUE_PALETTE,
  valueFill,
  valueShade,
} from "../../lens/figure/colours.js";
import { BRANCHES, meanWeights } from "../shared/triangle.js";
import { tilesAcross } from "./flow_layout.js";

const FAINT = 0.25; // of a branch that is off

/**
 * @typedef {import("./flow_layout.js").Box} Box
 *
 * @typedef {object} Flow what of a network's run is drawn
 * @property {*} network
 * @property {*} run
 * @property {*} [beside] another run: then the numbers are what this one has more
 * @property {number[]} levels ink of each pixel, 0 to 1
 * @property {number[]} [other] the same of the picture beside it
 * @property {string[]} off branches that are off, a block each
 * @property {number[]} order of the channels, the liveliest first
 * @property {number} channel that is followed
 * @property {number} token
 * @property {string[]} labels of the classes
 */

/** @param {*} drawing @param {Flow} flow @param {import("./flow_layout.js").EndPlaces} places */
export function drawStart(drawing, flow, places) {
  const [picture, tokens] = places.boxes;
  const { side } = flow.network.sizes;
  drawLevels(drawing, picture, flow.levels, side);
  flow.other?.forEach((level, at) => {
    if (level !== flow.levels[at]) drawing.outline(...placeOf(picture, side, side, [at]), "accent", 1);
  });
  drawArrow(drawing, picture, tokens);
  drawTiles(drawing, flow, tokens, flow.run.tokens, flow.beside?.tokens);
}

/** @param {Flow} flow @param {import("./flow_layout.js").BlockPlaces} places */
export function drawBlock(drawing, flow, i, places) {
  const [step, beside] = [flow.run.steps[i], flow.beside?.steps[i]];
  const ink = tokenLevels(flow);
  for (const [b] of BRANCHES) {
    const lane = places.lanes[b];
    const isOff = flow.off[i].includes(b);
    const alpha = isOff ? FAINT : 1;
    const segment = segmentOf(flow, b);
    drawLevels(drawing, lane.picture, ink, flow.network.N, alpha);
    drawRows(drawing, lane.rows, segment, PIXEL_PALETTE, (k) => pixelShade(ink[segment.tokenOf(k)]), alpha);
    drawMatrix(drawing, lane.matrix, flow.network.blocks[i][b], alpha);
    const mixed = difference(step.mixed[b], beside?.mixed[b]);
    const scale = strongest(mixed);
    drawRows(drawing, lane.mixed, segment, VALUE_PALETTE, (k) => valueShade(mixed[k], scale), alpha);
    drawTiles(drawing, flow, lane.home, step.outputs[b], beside?.outputs[b], alpha);
    for (const [from, to] of [
      [lane.picture, lane.rows],
      [lane.rows, lane.matrix],
      [lane.matrix, lane.mixed],
      [lane.mixed, lane.home],
    ])
      drawArrow(drawing, from, to);
    outlineCells(drawing, lane.picture, flow.network.N, flow.network.N, segment.line);
    for (const box of [lane.rows, lane.mixed]) outlineRow(drawing, box, segment.rows.length, segment.row);
    drawBars(drawing, flow, lane.bars, step.points, b, isOff);
  }
  drawComing(drawing, i, places);
  const { blend, middle, after, lanes } = places;
  for (const [b] of BRANCHES) drawToBlend(drawing, lanes[b].bars, blend, flow.off[i].includes(b));
  drawTiles(drawing, flow, blend, step.blend, beside?.blend);
  drawTiles(drawing, flow, middle, step.middle, beside?.middle);
  drawTiles(drawing, flow, after, step.after, beside?.after);
  drawArrow(drawing, blend, middle);
  drawArrow(drawing, middle, after);
}

/** @param {*} drawing @param {Flow} flow @param {import("./flow_layout.js").EndPlaces} places */
export function drawEnd(drawing, flow, places) {
  const [tokens, mean, scores] = places.boxes;
  const { run, beside } = flow;
  drawWay(
    drawing,
    [
      [places.from, 0],
      [places.from, 3],
      [tokens.x + 5, 3],
      [tokens.x + 5, tokens.y - 2],
    ],
    [0, 1],
  );
  drawTiles(drawing, flow, tokens, run.last, beside?.last);
  drawArrow(drawing, tokens, mean);
  const pooled = difference(run.pooled, beside?.pooled);
  const scale = strongest(pooled);
  const shown = pooled.length === flow.order.length ? flow.order.map((channel) => pooled[channel]) : [...pooled];
  const wide = mean.width / shown.length;
  const middle = mean.y + mean.height / 2;
  shown.forEach((value, k) => {
    const high = scale > 0 ? (mean.height / 2) * (Math.abs(value) / scale) : 0;
    drawing.box(
      mean.x + k * wide,
      value < 0 ? middle : middle - high,
      wide * 0.85,
      Math.max(0.4, high),
      valueFill(value, scale),
    );
  });
  drawing.curve(
    [
      [mean.x, middle],
      [mean.x, middle],
      [mean.x + mean.width, middle],
    ],
    "line",
    0.5,
  );
  drawArrow(drawing, mean, { ...scores, y: mean.y, height: mean.height });
  drawScores(drawing, flow, scores);
}

/** The tokens come in, to all three branches and, where there is room, past them; and go out. */
function drawComing(drawing, i, { lanes, middle, after, height, margin, skip }) {
  const from = i ? after.x + after.width / 2 : margin;
  const middleOf = ({ y, height: high }) => y + high / 2;
  drawWay(drawing, [
    [from, 0],
    [from, 3],
    [margin, 3],
    [margin, middleOf(lanes.c.picture)],
  ]);
  for (const [b] of BRANCHES) {
    const { picture } = lanes[b];
    drawWay(
      drawing,
      [
        [margin, middleOf(picture)],
        [picture.x - 1, middleOf(picture)],
      ],
      [1, 0],
    );
  }
  const out = after.x + after.width / 2;
  drawWay(drawing, [
    [out, after.y + after.height + 1],
    [out, height],
  ]);
  if (skip === null) return;
  const into = ({ x, width }) => x + width + 2;
  drawWay(
    drawing,
    [
      [from, 3],
      [skip, 3],
      [skip, middleOf(middle) - 8],
      [into(middle), middleOf(middle) - 8],
    ],
    [-1, 0],
  );
  const second = [
    [into(middle), middleOf(middle) + 8],
    [skip, middleOf(middle) + 8],
    [skip, middleOf(after)],
    [into(after), middleOf(after)],
  ];
  drawWay(drawing, second, [-1, 0]);
}

/** Lines from place to place, with a head if it is known where they point. */
function drawWay(drawing, way, pointing) {
  way.slice(1).forEach((to, k) => drawing.curve([way[k], between(way[k], to), to], "line", 1.25));
  if (pointing) drawHead(drawing, way[way.length - 1], pointing);
}

function drawScores(drawing, { run: { shares }, labels }, { x, y, width, height }) {
  const best = shares.indexOf(Math.max(...shares));
  const wide = width / shares.length;
  const isShort = labels.every((label) => label.length * 6 <= wide);
  shares.forEach((share, k) => {
    const left = x + k * wide;
    const high = (height - 2) * share;
    drawing.box(left + wide * 0.12, y, wide * 0.76, height, "soft");
    drawing.box(left + wide * 0.12, y + height - high, wide * 0.76, high, "accent", 1, 1);
    if (isShort || k === best)
      drawing.text(left + wide / 2, y + height + 11, isShort ? labels[k] : labels[best], k === best ? 11 : 9, "ink");
    if (k === best) drawing.outline(left + wide * 0.06, y - 1, wide * 0.88, height + 2, "ink", 1.25);
  });
}

/** A number a cell, of a square picture. */
function drawLevels(drawing, box, levels, columns, alpha = 1) {
  const cells = Uint8Array.from(levels, pixelShade);
  drawing.image(box.x, box.y, box.width, box.height, { columns, cells, palette: PIXEL_PALETTE }, alpha);
}

function drawMatrix(drawing, box, { rows, columns, weight }, alpha) {
  const scale = strongest(weight);
  const cells = Uint8Array.from({ length: rows * columns }, (_, k) => valueShade(weight[k], scale));
  drawing.image(box.x, box.y, box.width, box.height, { columns, cells, palette: VALUE_PALETTE }, alpha);
  drawing.outline(box.x - 0.75, box.y - 0.75, box.width + 1.5, box.height + 1.5, "ink", 0.75);
}

/** All channels of some tokens, on a scale of their own; of the followed one the tile is outlined. */
function drawTiles(drawing, { network: { N, C }, order, channel }, box, values, others, alpha = 1) {
  const shown = difference(values, others);
  const scale = strongest(shown);
  const across = tilesAcross(C);
  const columns = across * N;
  const cells = new Uint8Array(N * N * C);
  order.forEach((one, place) => {
    const corner = Math.floor(place / across) * N * columns + (place % across) * N;
    for (let token = 0; token < N * N; token++)
      cells[corner + Math.floor(token / N) * columns + (token % N)] = valueShade(shown[token * C + one], scale);
  });
  drawing.image(box.x, box.y, box.width, box.height, { columns, cells, palette: VALUE_PALETTE }, alpha);
  const tile = box.width / across;
  const line = (from, to) => drawing.curve([from, from, to], "paper", 0.75);
  for (let i = 1; i < across; i++) line([box.x + i * tile, box.y], [box.x + i * tile, box.y + box.height]);
  for (let j = 1; j < C / across; j++) line([box.x, box.y + j * tile], [box.x + box.width, box.y + j * tile]);
  const place = order.indexOf(channel);
  outline(drawing, box.x + (place % across) * tile, box.y + Math.floor(place / across) * tile, tile, tile, "ink");
}

/**
 * What of a branch is drawn on its way: the rows with the followed channel's segment.
 * @returns {{rows: number[], length: number, row: number, line: number[], tokenOf: (k: number) => number}}
 *   the numbers of the rows, how long one is, which of them has the followed token and which
 *   tokens that row is made of, and the token that number k of all comes from
 */
function segmentOf({ network: { N, C }, channel, token }, b) {
  const every = Array.from({ length: N }, (_, i) => i);
  const [segment, row, column] = [Math.floor(channel / (C / N)), Math.floor(token / N), token % N];
  const S = C / N;
  if (b === "h") {
    const tokenOf = (k) => Math.floor((k % C) / S) * N + (Math.floor(k / C) % N);
    return {
      rows: every.map((w) => segment * N + w),
      length: C,
      row: column,
      line: every.map((h) => h * N + column),
      tokenOf,
    };
  }
  if (b === "w") {
    const tokenOf = (k) => Math.floor(k / C / N) * N + Math.floor((k % C) / S);
    return { rows: every.map((h) => h * N + segment), length: C, row, line: every.map((w) => row * N + w), tokenOf };
  }
  const rows = Array.from({ length: N * N }, (_, i) => i);
  return { rows, length: C, row: token, line: [token], tokenOf: (k) => Math.floor(k / C) };
}

function drawRows(drawing, box, { rows, length }, palette, shadeOf, alpha) {
  const cells = new Uint8Array(rows.length * length);
  rows.forEach((row, i) => {
    for (let j = 0; j < length; j++) cells[i * length + j] = shadeOf(row * length + j);
  });
  drawing.image(box.x, box.y, box.width, box.height, { columns: length, cells, palette }, alpha);
  if (rows.length > 16) return;
  for (let i = 1; i < rows.length; i++) {
    const y = box.y + (box.height * i) / rows.length;
    drawing.curve(
      [
        [box.x, y],
        [box.x, y],
        [box.x + box.width, y],
      ],
      "paper",
      0.75,
    );
  }
}

function outlineRow(drawing, box, count, row) {
  const high = box.height / count;
  outline(drawing, box.x - 0.75, box.y + row * high - 0.5, box.width + 1.5, high + 1, "ink");
}

/** Seen on light cells and on dark ones. */
function outline(drawing, x, y, width, height, stroke) {
  drawing.outline(x, y, width, height, "paper", 3);
  drawing.outline(x, y, width, height, stroke, 1.25);
}

/** One outline round some cells of a grid, which are a row, a column or one cell. */
function outlineCells(drawing, box, columns, rows, cells) {
  const [x, y, width, height] = placeOf(box, columns, rows, cells);
  outline(drawing, x, y, width, height, "accent");
}

/** @returns {[number, number, number, number]} */
function placeOf(box, columns, rows, cells) {
  const [wide, high] = [box.width / columns, box.height / rows];
  const [first, last] = [cells[0], cells[cells.length - 1]];
  const [x, y] = [(first % columns) * wide, Math.floor(first / columns) * high];
  const [right, bottom] = [((last % columns) + 1) * wide, (Math.floor(last / columns) + 1) * high];
  return [box.x + x - 0.5, box.y + y - 0.5, right - x + 1, bottom - y + 1];
}

/** The weight of every channel, and a line at their mean. */
function drawBars(drawing, { order, channel }, { x, y, width, height }, points, b, isOff) {
  const mean = isOff ? 0 : meanWeights(points)[b];
  const wide = width / order.length;
  drawing.box(x, y, width, height, "soft");
  order.forEach((one, k) => {
    const high = isOff ? 0 : height * points[one][b];
    drawing.box(
      x + k * wide,
      y + height - high,
      wide * 0.8,
      high,
      axisColour(b.toUpperCase()),
      one === channel ? 1 : 0.55,
      1,
    );
  });
  const level = y + height * (1 - mean);
  drawing.curve(
    [
      [x, level],
      [x, level],
      [x + width, level],
    ],
    "ink",
    1.25,
  );
  drawing.text(x + width / 2, y - 2, isOff ? "off" : mean.toFixed(2), 9, "ink");
}

function drawArrow(drawing, from, to) {
  const isDown = to.y > from.y + from.height;
  const [x, y] = isDown
    ? [from.x + from.width - 5, from.y + from.height + 2]
    : [from.x + from.width + 2, from.y + from.height / 2];
  const end = isDown ? [x, to.y - 2] : [to.x - 3, y];
  drawing.curve([[x, y], between([x, y], end), end], "line", 1.25);
  drawHead(drawing, end, isDown ? [0, 1] : [1, 0]);
}

/** From the weights of a branch to the blend, be it beside or below them. */
function drawToBlend(drawing, bars, blend, isOff) {
  const start = [bars.x + bars.width + 2, bars.y + bars.height / 2];
  const isBelow = blend.y > bars.y + bars.height;
  const isBeside = blend.x > bars.x;
  if (isBeside) {
    const end = [blend.x - 3, blend.y + blend.height / 2];
    drawing.curve([start, [end[0] - 8, start[1]], end], isOff ? "faint" : "line", 1.25);
    drawHead(drawing, end, [1, 0]);
  } else if (isBelow) {
    const x = bars.x + bars.width + 4;
    const way = [start, [x, start[1]], [x, blend.y - 16], [blend.x + 5, blend.y - 16], [blend.x + 5, blend.y - 2]];
    way.slice(1).forEach((to, i) => drawing.curve([way[i], between(way[i], to), to], isOff ? "faint" : "line", 1.25));
    drawHead(drawing, way[4], [0, 1]);
  }
}

/** @param {*} drawing @param {number[]} at @param {number[]} along */
function drawHead(drawing, at, along) {
  const [[x, y], [dx, dy]] = [at, along];
  for (const side of [-1, 1]) {
    const tail = [x - 4 * dx + 2.5 * side * dy, y - 4 * dy + 2.5 * side * dx];
    drawing.curve([tail, between(tail, [x, y]), [x, y]], "line", 1.25);
  }
}

/** @param {number[]} one @param {number[]} other */
const between = (one, other) => one.map((start, i) => (start + other[i]) / 2);

const difference = (values, others) => (others ? values.map((value, k) => value - others[k]) : values);

function strongest(values) {
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return most;
}

/** Ink of each token: the mean of its pixels. */
export function tokenLevels({ levels, network: { N, sizes } }) {
  const { side, patch } = sizes;
  if (patch === 1) return levels;
  const sums = new Array(N * N).fill(0);
  levels.forEach((level, k) => {
    sums[Math.floor(Math.floor(k / side) / patch) * N + Math.floor((k % side) / patch)] += level / patch ** 2;
  });
  return sums;
}

/** The channels, the one that differs most from token to token and picture to picture first. */
export function liveliestFirst(runs, C) {
  const spreads = Array.from({ length: C }, (_, channel) => {
    let [sum, squares, count] = [0, 0, 0];
    for (const { steps } of runs)
      for (const { after } of steps)
        for (let k = channel; k < after.length; k += C) {
          sum += after[k];
          squares += after[k] ** 2;
          count++;
        }
    return squares / count - (sum / count) ** 2;
  });
  return spreads.map((_, channel) => channel).sort((one, other) => spreads[other] - spreads[one]);
}
