// What stands side by side while a step is shown, and where: the tensor before it, what it
// meets between, the tensor after it.

import { arrange, fitCell } from "../figure/layout.js";
import { middleOf } from "./middle.js";
import { sizeOf } from "./recording.js";
import { countsOf, isCut, seenThrough, whole, windowOf } from "./window.js";

export const MARGIN = 4; // room for outlines
const STRIP = 16; // above a matrix: the row that meets it
const TOO_FLAT = 1.8; // a cell may be so many times as wide as high before blocks stand side by side
const HIGHEST = 190; // matrix; a tall one would make all pictures of its run tall
const BARS = { wide: { width: 64, height: 44 }, narrow: { width: 36, height: 34 } }; // cells that hold a bar
const WORDS = 72; // high are the lines that stand in place of cells
const BAR_ROWS = 3; // that have this size; fewer share their room

/**
 * @typedef {object} Place of a tensor
 * @property {number} id
 * @property {number} x its left edge, and that of its first cell is `MARGIN` further
 * @property {number} y
 * @property {number} width
 * @property {{width: number, height: number}} cell
 * @property {ReturnType<typeof whole> | null} layout of all its cells, or of those that its window has;
 *   null if it is not drawn
 *
 * @typedef {object} Exhibit
 * @property {Place} left
 * @property {Place} right
 * @property {import("./middle.js").Middle | null} middle
 * @property {*} between where the middle stands
 * @property {number} height
 * @property {string} key which windows it shows
 */

/** @returns {Exhibit} */
export function makeExhibit({ run, size, format, birth }, step, backward) {
  const [from, to] = backward ? [step.output, run.mainInput(step)] : [run.mainInput(step), step.output];
  const middle = middleOf(run, step, backward);
  const isMatrix = middle?.kind === "matrix";
  const pane = isMatrix
    ? (size.width - size.matrix - 2 * size.between) / 2
    : middle
      ? (size.width - 2 * size.between) / 3
      : (size.width - size.gap) / 2;
  const high = size.height - 2 * MARGIN;
  const placeOf = (id, x) => {
    const { axes } = run.tensors[id];
    const shape = countsOf(run.tensors[id].shape);
    if (!run.isComplete(id)) return { id, x, y: MARGIN, width: pane, cell: size.cell, layout: null };
    const largest = run.homes(id) ? size.cell : barOf(shape, format);
    const cut = cutsOf(run, birth, shape, axes);
    return { id, x, y: MARGIN, width: pane, ...fitted(shape, pane - 2 * MARGIN, high, largest, cut) };
  };
  const left = placeOf(from, 0);
  const right = placeOf(to, size.width - pane);
  if (step.kind !== "move" && String(run.tensors[from].shape) === String(run.tensors[to].shape)) {
    // What stays in its place has the same one on both sides.
    const smaller = left.cell.height < right.cell.height ? left : right;
    for (const place of [left, right]) [place.cell, place.layout] = [smaller.cell, smaller.layout];
  }
  const x = pane + size.between;
  const between = isMatrix
    ? matrixPlace(middle, x, size, high)
    : middle?.kind === "other"
      ? placeOf(middle.id, x)
      : middle
        ? { ...right, x }
        : null;
  const extents = [left, right, between].map((place) => (place?.layout ? place.y + place.layout.height : WORDS));
  return { left, right, middle, between, height: Math.ceil(Math.max(...extents)) + MARGIN, key: "" };
}

/** The exhibit as a state's windows show it. @param {Exhibit} exhibit @returns {Exhibit} */
export function throughWindows(run, state, exhibit) {
  const { left, right, between, middle } = exhibit;
  const isLarge = (place) => place?.id !== undefined && isCut(run.tensors[place.id].shape);
  const large = [left, right, between].filter(isLarge);
  if (!large.length) return exhibit;
  const see = (place) => (isLarge(place) ? seenThrough(place, windowOf(run, state, place.id)) : place);
  const [l, r] = [see(left), see(right)];
  const b =
    middle?.kind === "other" ? see(between) : middle && middle.kind !== "matrix" ? { ...r, x: between.x } : between;
  const key = large.map(({ id }) => windowOf(run, state, id).starts.join()).join(" ");
  return { ...exhibit, left: l, right: r, between: b, key };
}

function barOf(shape, format) {
  const { width, height } = BARS[format];
  const more = Math.max(1, BAR_ROWS / Math.max(1, sizeOf(shape.slice(0, -1))));
  return { width: width * more, height: height * more };
}

/** How many blocks of the outermost axis may stand side by side: any, unless they are rows of the picture. */
function cutsOf(run, birth, shape, axes) {
  const outer = shape.findIndex((n) => n > 1);
  const root = run.tensors[run.root].axes;
  if (outer < 0 || [root[birth.hue], root[birth.light]].includes(axes[outer])) return [1];
  return [1, 2, 3, 4].filter((n) => shape[outer] % n === 0);
}

function fitted(shape, width, height, largest, cuts) {
  const tries = cuts.map((columns) => {
    const cell = fitCell([shape], width, height, largest, undefined, columns);
    return { columns, cell, good: Math.min(cell.width, TOO_FLAT * cell.height) };
  });
  const best = tries.reduce((one, other) => (other.good > one.good ? other : one));
  const layout = arrange(shape, best.cell.width, best.cell.height, undefined, best.columns);
  return { cell: best.cell, layout: whole(layout, sizeOf(shape)) };
}

function matrixPlace({ shape }, x, { matrix }, high) {
  const [rows, columns] = shape;
  const side = Math.min(
    22,
    matrix / columns,
    Math.min(rows > 2 * columns ? HIGHEST / 1.5 : HIGHEST, high - STRIP - 4) / rows,
  );
  const left = x + (matrix - side * columns) / 2;
  const layout = { height: STRIP + 4 + side * rows };
  return {
    x: left,
    y: MARGIN + STRIP + 4,
    strip: MARGIN,
    stripHeight: STRIP,
    side,
    width: side * columns,
    rows,
    columns,
    layout,
  };
}

/** The element of a place whose cell holds a point; -1 if none does. */
export function elementAt({ x, y, cell, layout }, px, py) {
  if (!layout) return -1;
  const [dx, dy] = [px - x - MARGIN, py - y];
  for (const k of layout.elements) {
    const [cx, cy] = layout.place(k);
    if (dx >= cx && dx < cx + cell.width && dy >= cy && dy < cy + cell.height) return k;
  }
  return -1;
}

/** Whether a tensor has rows, and how long they are. */
export const rowLength = (run, id) => run.tensors[id].shape.at(-1) ?? 1;

export const countOf = (run, id) => sizeOf(run.tensors[id].shape);
