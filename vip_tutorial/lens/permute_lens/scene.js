// One moment of a run, ready to be drawn: which tensors stand where, how large a cell
// is, and what colours each of them.

import { arrange, fitCell } from "../figure/layout.js";
import { birthFill, birthHue, pixelFill, valueFill } from "../figure/colours.js";
import { lineAlong, sizeOf, unravel } from "./recording.js";

// Memory is wrapped at lengths that few strides divide, so that jumps stay apart.
const SIZES = {
  wide: { width: 720, pane: 340, height: 400, cell: { width: 34, height: 17 }, perLine: 48 },
  narrow: { width: 328, pane: 158, height: 340, cell: { width: 18, height: 14 }, perLine: 24 },
};
const UNKNOWN = "#999999"; // a cell that has no place in the input
const MIN_PER_LINE = 24; // a short strip has wide cells, but not absurdly wide ones
export const MARGIN = 4; // room for outlines

/**
 * @typedef {object} LensState what a lens shows
 * @property {number} step steps done, 0 to the number of steps
 * @property {number} cell input element that is followed, -1 for none
 * @property {string} fill what colours a cell
 * @property {string} numbers what is written in a cell
 * @property {boolean} backward whether the gradient's way back is shown
 * @property {number} axis axis of the step's output that is lit, -1 for none
 */

/** Everything about a lens's pictures that does not change while it is used. */
export function planScene(run, options, format) {
  const size = SIZES[format];
  const ids = shownTensors(run);
  // Before and after have one size of cell, so that a cell can travel between them.
  const cellsOf = run.steps.map((step) => {
    const pair = [run.mainInput(step), step.output].filter((id) => run.isComplete(id));
    const drawn = pair.map((id) => run.tensors[id].shape);
    return fitCell(drawn, size.pane - 2 * MARGIN, size.height - 2 * MARGIN, size.cell);
  });
  const heights = run.steps.flatMap((step, i) =>
    [run.mainInput(step), step.output]
      .filter((id) => run.isComplete(id))
      .map((id) => arrange(run.tensors[id].shape, cellsOf[i].width, cellsOf[i].height).height),
  );
  const cells = Math.max(1, ...ids.map((id) => run.storage(id).length));
  const perLine = cells > 256 ? size.perLine * 2 : size.perLine;
  const lines = Math.ceil(cells / perLine);
  const line = Math.max(4, Math.min(10, 80 / lines));
  return {
    run,
    options,
    size,
    cellsOf,
    paneHeight: Math.ceil(Math.max(...heights, 40)) + 2 * MARGIN,
    strip: {
      perLine,
      line,
      height: lines * (line + 1),
      cellWidth: size.width / Math.min(perLine, Math.max(cells, MIN_PER_LINE)),
    },
    birth: birthAxes(run, options),
    looks: new Map(),
    layouts: new Map(),
  };
}

/** Where the cells of tensor `id` stand while step `index` is shown. */
export function layoutOf({ run, cellsOf, layouts }, id, index) {
  const key = `${id} ${index}`;
  const { width, height } = cellsOf[index];
  if (!layouts.has(key)) layouts.set(key, arrange(run.tensors[id].shape, width, height));
  return layouts.get(key);
}

/** Ids of the tensors that have cells to draw. */
function shownTensors(run) {
  const ids = [run.root, ...run.steps.map((step) => step.output)];
  return ids.filter((id) => run.isComplete(id));
}

/** The input's axes that give a cell its hue and its lightness. */
function birthAxes(run, options) {
  const { axes, shape } = run.tensors[run.root];
  const real = shape.map((_, axis) => axis).filter((axis) => shape[axis] > 1);
  const named = (name, spare) => (axes.includes(name) ? axes.indexOf(name) : (spare ?? 0));
  return { hue: named(options.hue, real[0]), light: named(options.light, real[1] ?? real[0]) };
}

/**
 * What is shown at a position on the timeline: position 2 is the moment after the
 * second step; on the gradient's way back, the moment when step 3 has been undone.
 */
export function moment(run, state, position) {
  const last = run.steps.length - 1;
  const index = Math.min(last, Math.max(0, state.backward ? Math.floor(position) : Math.ceil(position) - 1));
  const step = run.steps[index];
  const [input, output] = [run.mainInput(step), step.output];
  const progress = position - index;
  return state.backward
    ? { step, index, from: output, to: input, progress: 1 - progress }
    : { step, index, from: input, to: output, progress };
}

/** The element of the input that is followed; the first one if none was chosen. */
export function followed(state) {
  return Math.max(0, state.cell);
}

/**
 * The element of the input that stands, in the output of the step, next to the followed
 * one: `by` places along the last axis but `fromEnd` that is longer than 1.  If none is
 * followed yet, the first of them; undefined if there is no such axis.
 */
export function neighbour(run, state, fromEnd, by) {
  const { to } = moment(run, state, state.step);
  const { shape } = run.tensors[to];
  const axes = shape.map((_, axis) => axis).filter((axis) => shape[axis] > 1);
  const axis = axes[axes.length - 1 - fromEnd];
  const homes = run.homes(to);
  if (axis === undefined || !homes) return undefined;
  const k = Math.max(0, run.whereIs(followed(state), to));
  if (state.cell < 0) return homes[k];
  const inner = sizeOf(shape.slice(axis + 1));
  const c = Math.floor(k / inner) % shape[axis];
  const next = Math.max(0, Math.min(shape[axis] - 1, c + by));
  return homes[k + (next - c) * inner];
}

/** Which of the plans fits a place of so many pixels; permute_lens.css has the same limit. */
export const formatOf = (width) => (width < 560 ? "narrow" : "wide");

/** The row of cells on the last axis that holds the followed element. */
export function markedRow(run, state, now, id) {
  const after = now.step.output;
  const { shape } = run.tensors[after];
  if (!shape.length || !run.homes(after)) return [];
  const k = Math.max(0, run.whereIs(followed(state), after));
  const row = lineAlong(k, shape.length - 1, shape);
  if (id === after) return row;
  if (now.step.map) return row.map((element) => now.step.map[element]);
  return now.step.kind === "mix" || now.step.kind === "pointwise" ? row : [];
}

/** The axis of tensor `id` that is lit, given the lit axis of the step's output. */
export function litAxis(run, state, { step }, id) {
  const { axes } = run.tensors[step.output];
  if (state.axis < 0 || state.axis >= axes.length) return -1;
  if (id === step.output) return state.axis;
  return step.order ? step.order[state.axis] : run.tensors[id].axes.indexOf(axes[state.axis]);
}

/** What colours a cell in this state. */
export function fillOf(state) {
  return state.backward ? "gradient" : state.fill;
}

/**
 * For every element of tensor `id` its fill, and the hues of the rows that it has seen
 * if it is a blend of several.
 * @returns {{fill: string, seen?: string[]}[]}
 */
export function looksOf(plan, id, fill) {
  const key = `${id} ${fill}`;
  if (!plan.looks.has(key)) plan.looks.set(key, computeLooks(plan, id, fill));
  return plan.looks.get(key);
}

function computeLooks({ run, birth, options }, id, fill) {
  const size = sizeOf(run.tensors[id].shape);
  const each = (look) => Array.from({ length: size }, (_, k) => look(k));
  if (fill === "value" || fill === "gradient") {
    const numbers = fill === "value" ? run.values(id) : run.gradient(id);
    if (!numbers) return each(() => ({ fill: UNKNOWN }));
    const scale = numbers.reduce((most, v) => (Number.isFinite(v) ? Math.max(most, Math.abs(v)) : most), 0);
    return each((k) => ({ fill: valueFill(numbers[k], scale) }));
  }
  const root = run.tensors[run.root].shape;
  const homes = run.homes(id);
  const born = homes?.map((home) => {
    const at = unravel(home, root);
    return [at[birth.hue] ?? 0, at[birth.light] ?? 0]; // a single number has no axes
  });
  // Cells that were born at one place and have seen the same look the same.
  const seen = run.seenAlong(id, birth.hue);
  const columns = fill === "picture" ? run.seenAlong(id, birth.light) : null;
  const grey = (row, column) => pixelFill(options.picture?.[row]?.[column] ?? 0);
  const look = (k) =>
    fill === "picture" && born
      ? {
          fill: grey(...born[k]),
          seen:
            seen && columns && (isSeveral(seen[k]) || isSeveral(columns[k]))
              ? greysIn(seen[k], columns[k], grey)
              : undefined,
        }
      : {
          fill: born ? birthFill(born[k][0], born[k][1], root[birth.light]) : UNKNOWN,
          seen: seen && (!born || isSeveral(seen[k])) ? huesIn(seen[k]) : undefined,
        };
  const known = new Map();
  return each((k) => {
    const key = `${born?.[k]} ${seen?.[k]} ${columns?.[k]}`;
    if (!known.has(key)) known.set(key, look(k));
    return known.get(key);
  });
}

function isSeveral(mask) {
  return (mask & (mask - 1)) !== 0;
}

function greysIn(rows, columns, grey) {
  return bitsOf(rows).flatMap((row) => bitsOf(columns).map((column) => grey(row, column)));
}

function huesIn(mask) {
  return bitsOf(mask).map(birthHue);
}

function bitsOf(mask) {
  return Array.from({ length: 24 }, (_, bit) => bit).filter((bit) => mask & (1 << bit));
}
