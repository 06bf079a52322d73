// The branch matrix: a branch as one matrix, and how sorting its rows and columns as the
// permutes do gathers it into blocks.  Python has measured every entry and both orders.

import { axisColour, valueFill } from "../../lens/figure/colours.js";
import { escape, offHtml } from "../../lens/figure/host.js";
import { firstFrameOf, renderFigure, wholeField } from "../../lens/figure/figure.js";
import { Drawing, paintParts, paintSvg } from "../../lens/figure/paint.js";
import { sizeOf, unravel } from "../../lens/permute_lens/recording.js";

const SIDE = 512; // of the matrix as it is drawn
const EDGE = 3;
const LAST = 4;
const LEVELS = 6; // of colour, for each sign
const AXES = ["h", "w", "c"];
const STEPS = [
  "in memory’s order",
  "the rows of one block",
  "all rows",
  "the columns of one block",
  "all columns: blocks",
];

const figure = {
  kind: "branch_matrix",
  title: "The branch as one matrix",
  watched: ["shape", "entries", "orders", "block"],
  help:
    "<b>Sort</b> plays all steps, Back and Next go through them. Click an entry to name its input and its output. On the matrix: left and " +
    "right go to the next entry of its row that is not 0, up and down to that of its column; N and P step, Escape lets go.",
  fields: {
    step: wholeField(0, 0, LAST),
    entry: wholeField(-1, -1, (scene) => scene.size * scene.size - 1),
  },

  prepare(get) {
    const [shape, entries, orders, block] = ["shape", "entries", "orders", "block"].map(get);
    if (!Array.isArray(shape) || shape.length !== 3 || !shape.every((n) => Number.isInteger(n) && n > 0))
      throw new Error("its image has no shape");
    const size = sizeOf(shape);
    const isOrder = (order) => order?.length === size && new Set(order).size === size && order.every(isPlace);
    const isPlace = (n) => Number.isInteger(n) && n >= 0 && n < size;
    if (size > 256 || orders?.length !== 2 || !orders.every(isOrder)) throw new Error("its orders are damaged");
    if (!Number.isInteger(block) || block < 1 || size % block) throw new Error("it has no blocks");
    const isEntry = (entry) =>
      entry?.length === 3 && isPlace(entry[0]) && isPlace(entry[1]) && Number.isFinite(entry[2]);
    if (!Array.isArray(entries) || !entries.length || !entries.every(isEntry))
      throw new Error("its entries are damaged");
    const scale = Math.max(...entries.map(([, , value]) => Math.abs(value)));
    const fills = entries.map(([, , value]) => fillOf(value, scale));
    const values = new Map(entries.map(([row, column, value]) => [row * size + column, value]));
    const sorted = orders.map((order) => placesOf(order));
    // Where rows and columns stand after each step.
    const plain = sorted[0].map((_, i) => i);
    const first = orders.map((order) => placesOf(oneBlockFirst(order, block)));
    const rows = [plain, first[0], sorted[0], sorted[0], sorted[0]];
    const columns = [plain, plain, plain, first[1], sorted[1]];
    return { shape, size, block, entries, fills, values, scale, orders, sorted, places: { rows, columns } };
  },

  html(scene, state, asleep) {
    const { step } = state;
    const off = (when) => (asleep ? " disabled" : offHtml(when));
    const label = `Matrix of ${scene.size} by ${scene.size}, ${STEPS[step]}. ${this.say(scene, state)}`;
    const picture = asleep
      ? paintSvg(drawn(scene, state, step), "vip-matrix-svg", label)
      : '<canvas aria-hidden="true"></canvas>';
    const awake = asleep
      ? ""
      : ` tabindex="0" role="application" data-keys="matrix" data-point="entry" data-refuge aria-label="${escape(label)}"`;
    const stops = STEPS.map((words, i) => `<li${i === step ? ' aria-current="step"' : ""}>${words}</li>`);
    return `
<div class="vip-matrix-frame"><span class="vip-matrix-in">inputs →</span><span class="vip-matrix-out">outputs ↓</span>
<div class="vip-stage" style="--side:1"${awake}>${picture}</div></div>
<ol class="vip-matrix-steps" start="0">${stops.join("")}</ol>
<div class="vip-steps vip-scripted"><button type="button" data-do="sort"${off(false)}>${state.playing ? "Pause" : step === LAST ? "Scatter" : "Sort"}</button>
<button type="button" data-do="go" data-value="-1"${off(step === 0)}>Back</button>
<button type="button" data-do="go" data-value="1"${off(step === LAST)}>Next</button></div>
<p class="vip-note">${legendHtml(scene)}</p>`;
  },

  say(scene, state) {
    const { size, block, entries, shape, orders } = scene;
    if (state.entry >= 0) return entryWords(scene, state.entry);
    const share = size * size === entries.length ? "" : `, 1 in ${Number(((size * size) / entries.length).toFixed(1))}`;
    const names = (order) =>
      `${order
        .slice(0, 3)
        .map((n) => nameOf(shape, n))
        .join(", ")}, …, ${nameOf(shape, order[block - 1])}`;
    return [
      `${entries.length.toLocaleString("en")} of ${(size * size).toLocaleString("en")} entries are not 0${share}. In memory’s order they lie scattered.`,
      `The ${block} rows of one block rise to the top: the outputs ${names(orders[0])}. In each of them the same columns are not 0.`,
      `All rows stand as they leave the layer, ${block} and ${block}: ${size / block} bands. The columns are still in memory’s order.`,
      `The ${block} columns of that block move to the left: the inputs ${names(orders[1])}. There it is, in the corner.`,
      blocksWords(scene),
    ][state.step];
  },

  act(scene, state, { name, value, key, x, y }) {
    const go = (step) => (step >= 0 && step <= LAST ? { step, slowly: true } : undefined);
    if (name === "sort" && state.step === LAST && !state.playing) return { step: 0, slowly: true };
    if (name === "sort") return { playing: !state.playing };
    if (name === "go") return go(state.step + Number(value));
    const [rows, columns] = [scene.places.rows[state.step], scene.places.columns[state.step]];
    if (name === "entry") {
      const [column, row] = [x, y].map((share) => cellAt(scene, share));
      const entry = rows.indexOf(row) * scene.size + columns.indexOf(column);
      return { entry: entry === state.entry ? -1 : entry };
    }
    if (name !== "matrix") return undefined;
    if (key === "Escape") return state.entry < 0 ? undefined : { entry: -1 };
    if (/^[np]$/i.test(key)) return go(state.step + (/n/i.test(key) ? 1 : -1));
    const entry = neighbour(scene, state.entry, key, rows, columns);
    return entry === undefined ? undefined : { entry };
  },

  motion: {
    field: "step",
    next: (scene, state) => (state.step < LAST ? { step: state.step + 1, slowly: true } : undefined),
    lasts: () => 1400,
    calm: () => ({}),
  },

  hint(scene, state, { x, y }) {
    const [column, row] = [x, y].map((share) => cellAt(scene, share));
    const { rows, columns } = scene.places;
    return entryWords(scene, rows[state.step].indexOf(row) * scene.size + columns[state.step].indexOf(column));
  },

  paint(body, scene, state, theme) {
    const canvas = body.querySelector("canvas");
    const at = state.moving ?? state.step;
    const whole = SIDE + 2 * EDGE;
    const parts = [
      { x: 0, y: 0, width: whole, height: whole, key: `${at} ${state.entry}`, draw: (d) => draw(d, scene, state, at) },
    ];
    const scale = (canvas.parentElement.clientWidth / whole) * (window.devicePixelRatio || 1);
    paintParts(canvas, { width: whole, height: whole, parts }, scale, theme(), "");
  },
};

/** For each row or column, where an order puts it. */
function placesOf(order) {
  const places = [];
  order.forEach((which, place) => (places[which] = place));
  return places;
}

/** The first block of an order first, and all others as they were. */
function oneBlockFirst(order, block) {
  const first = order.slice(0, block);
  return [...first, ...order.map((_, i) => i).filter((i) => !first.includes(i))];
}

function fillOf(value, scale) {
  const level = Math.ceil((LEVELS * Math.abs(value)) / scale) || 1;
  return valueFill(Math.sign(value) * (0.3 + (0.7 * level) / LEVELS), 1);
}

const cellAt = ({ size }, share) =>
  Math.max(0, Math.min(size - 1, Math.floor(((share * (SIDE + 2 * EDGE) - EDGE) / SIDE) * size)));

function nameOf(shape, number) {
  return unravel(number, shape)
    .map((c, axis) => AXES[axis] + c)
    .join(" ");
}

function entryWords({ shape, size, values }, entry) {
  const [row, column] = [Math.floor(entry / size), entry % size];
  const way = `From ${nameOf(shape, column)} to ${nameOf(shape, row)}`;
  const value = values.get(entry);
  return value === undefined
    ? `${way}: 0, nothing comes through.`
    : `${way}: times ${String(value).replace("-", "−")}.`;
}

/** Whether the sorted matrix is what one expects is counted, not known. */
function blocksWords({ size, block, entries, values, sorted, orders }) {
  const blockOf = (which, i) => Math.floor(sorted[which][i] / block);
  const inside = entries.filter(([row, column]) => blockOf(0, row) === blockOf(1, column)).length;
  if (inside < entries.length)
    return `${inside} of ${entries.length} entries lie in the blocks on the diagonal; the others do not.`;
  const alike = entries.every(([row, column, value]) => {
    const [r, c] = [orders[0][sorted[0][row] % block], orders[1][sorted[1][column] % block]];
    return values.get(r * size + c) === value;
  });
  return `All columns stand as they arrive at the layer. Every entry lies in one of ${size / block} blocks on the diagonal${
    alike ? `, and all blocks are the same ${block} × ${block} numbers: the layer’s weight` : ""
  }.`;
}

/** The next entry that is not 0 in the same row or column, as they stand. */
function neighbour({ size, entries, orders: [[first]] }, entry, key, rows, columns) {
  const [across, by] =
    { ArrowLeft: [true, -1], ArrowRight: [true, 1], ArrowUp: [false, -1], ArrowDown: [false, 1] }[key] ?? [];
  if (!by) return undefined;
  const [row, column] = entry < 0 ? [first, -1] : [Math.floor(entry / size), entry % size];
  const [line, places, from] = across || entry < 0 ? [0, columns, columns[column] ?? -1] : [1, rows, rows[row]];
  const ahead = entries
    .filter((one) => one[line] === (line ? column : row))
    .map(([r, c]) => ({ entry: r * size + c, steps: by * (places[line ? r : c] - from) }))
    .filter(({ steps }) => steps > 0)
    .sort((one, other) => one.steps - other.steps);
  return ahead[0]?.entry;
}

// --- what is drawn -----------------------------------------------------------------------

function drawn(scene, state, at) {
  const drawing = new Drawing(SIDE + 2 * EDGE, SIDE + 2 * EDGE);
  draw(drawing, scene, state, at);
  return drawing;
}

/** The matrix at a step, or between two: `at` 1.5 is halfway from step 1 to step 2. */
function draw(drawing, scene, state, at) {
  const { size, block, entries, fills, sorted, places } = scene;
  const cell = SIDE / size;
  const [before, share] = [Math.floor(at), at - Math.floor(at)];
  const eased = share * share * (3 - 2 * share);
  const placed = (list, i) => {
    const [from, to] = [list[before][i], list[Math.min(LAST, before + 1)][i]];
    return EDGE + cell * (from + (to - from) * eased);
  };
  drawing.box(EDGE, EDGE, SIDE, SIDE, "soft");
  // The block that goes first stays bright; the others stand back until it is their turn.
  const alone = (at > 0 && at <= 1) || (at > 2 && at <= 3);
  const isFirst = (row) => sorted[0][row] < block;
  entries.forEach(([row, column], i) => {
    const bright = !alone || isFirst(row);
    drawing.box(
      placed(places.columns, column),
      placed(places.rows, row),
      cell,
      cell,
      fills[i],
      bright ? 1 : 0.3,
      bright ? 2 : 1,
    );
  });
  drawing.outline(EDGE, EDGE, SIDE, SIDE, "line");
  const side = block * cell;
  if (at >= 1 && at <= 2) drawing.outline(EDGE, EDGE, SIDE, side, "ink", 1.5);
  if (at >= 3) drawing.outline(EDGE, EDGE, side, side, "ink", 1.5);
  if (at === LAST)
    for (let i = 1; i < size / block; i++) drawing.outline(EDGE + i * side, EDGE + i * side, side, side, "line", 1);
  if (state.entry >= 0) {
    const y = placed(places.rows, Math.floor(state.entry / size));
    const x = placed(places.columns, state.entry % size);
    drawing.outline(EDGE, y - 1, SIDE, cell + 2, "accent", 1);
    drawing.outline(x - 1, EDGE, cell + 2, SIDE, "accent", 1);
    drawing.outline(x - 2.5, y - 2.5, cell + 5, cell + 5, "ink", 2);
  }
}

function legendHtml({ scale }) {
  const swatch = (value) =>
    `<svg viewBox="0 0 10 10" aria-hidden="true"><rect width="10" height="10" fill="${fillOf(value, scale)}"/></svg>`;
  const axes = AXES.map((axis) => `<b class="vip-axis" style="--axis:${axisColour(axis.toUpperCase())}">${axis}</b>`);
  return `${swatch(-scale)} below 0, ${swatch(scale)} above 0, the strongest ${scale}; the ground is 0. A number is named by its ${axes.join(", ")}: row, column and channel.`;
}

export const render = renderFigure(figure);
export const firstFrame = firstFrameOf(figure);
