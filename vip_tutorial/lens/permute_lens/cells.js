// Draws cells: each by its look, with what is written in it.

import { inkOn } from "../figure/colours.js";
import { MARGIN, rowLength } from "./exhibit.js";
import { unravel } from "./recording.js";
import { fillOf, looksOf } from "./scene.js";

export const LOWEST_FRAME = 7; // in lower cells the frames would be all that one sees
const NARROWEST_MARK = 4;
const NARROWEST_STRIPE = 1;
const LOWEST_PAIR = 10; // cells that have room for two lines of what was seen
const SMALLEST = 7.5; // letters that can be read

/** Draws cells of one size, each by its look. */
export function cellDrawer(drawing, state, { width, height }) {
  const joined = fillOf(state) === "picture"; // then the cells of a token are one pixel
  const inset = joined ? 0 : width >= 5 && height >= 5 ? 1 : 0.25;
  const stripes = (x, y, w, h, colours, alpha, layer) => {
    const count = Math.min(colours.length, Math.max(2, Math.floor(w / NARROWEST_STRIPE))); // of more one would see none
    for (let i = 0; i < count; i++)
      drawing.box(
        x + (w * i) / count,
        y,
        w / count,
        h,
        colours[Math.floor((i * colours.length) / count)],
        alpha,
        layer,
      );
  };
  return (x, y, look, alpha = 1, layer = 0) => {
    const [w, h] = [width - inset, height - inset];
    const { fill, seen, also, bar, mark } = look;
    drawing.box(x, y, w, h, fill, alpha, layer);
    if (bar) {
      const high = seen ? h * 0.62 : h;
      const room = bar.negative ? high / 2 : high;
      const long = Math.max(1, Math.abs(bar.value) * room);
      drawing.box(x, bar.value < 0 ? y + room : y + room - long, w, long, bar.colour, alpha, layer + 1);
    }
    // What a blend has seen is shown in its lower third; its home above.
    const both = also && h >= LOWEST_PAIR;
    if (seen) stripes(x, y + h * 0.66, w, h * (both ? 0.17 : 0.34), seen, alpha, layer + 1);
    if (both) stripes(x, y + h * 0.83, w, h * 0.17, also, alpha, layer + 1);
    if (mark === undefined || width < NARROWEST_MARK) return;
    const thick = Math.max(1, Math.min(3, w * 0.1));
    const ink = inkOn(fill);
    drawing.box(x + mark * (w - thick), y, thick, Math.max(2, h * 0.28), ink, alpha * 0.8, layer + 1);
    if (look.span && h >= LOWEST_FRAME) {
      const [start, end] = look.span;
      drawing.box(x + start * (w - thick), y, (end - start) * (w - thick) + thick, 1, ink, alpha * 0.8, layer + 1);
    }
  };
}

/** A tensor as it is, with what is written into its cells unless that depends on what is followed. */
export function drawCells(plan, drawing, state, place, isWritten) {
  const { id, cell, layout } = place;
  const looks = looksOf(plan, id, fillOf(state));
  const draws = cellDrawer(drawing, state, cell);
  const write = isWritten && ["birth", "value"].includes(state.numbers) ? noteWriter(plan, state, id, cell) : null;
  for (const k of layout.elements) {
    const look = looks[k];
    const at = corner(place, k);
    const note = write && hasRoom(look, cell) ? write.text(k) : "";
    // Where it was born says more than the mark, and needs its place.
    draws(...at, note && state.numbers === "birth" ? { ...look, mark: undefined } : look);
    if (note) drawNote(drawing, at, cell, look, note, write.size);
  }
}

/** A small blend has no room for what would be written. */
const hasRoom = ({ seen }, { height }) => !seen || height > 16;

export function drawNote(drawing, [x, y], cell, { fill, seen, bar }, note, size) {
  if (!hasRoom({ seen }, cell)) return;
  const middle = (seen ? cell.height * 0.33 : cell.height / 2) + size * 0.36;
  drawing.text(x + cell.width / 2, y + middle, note, size, bar ? "ink" : inkOn(fill));
}

/** Where the cells of a tensor will be. */
export function drawPlaces(plan, drawing, place) {
  const { cell, layout } = place;
  if (!layout) return;
  const inset = cell.width >= 5 && cell.height >= 5 ? 1 : 0.25;
  for (const k of layout.elements) {
    const [x, y] = layout.place(k);
    drawing.box(place.x + MARGIN + x, place.y + y, cell.width - inset, cell.height - inset, "soft");
  }
}

/** What is written into the cells of a tensor, and how large; null if it has no room. */
export function noteWriter(plan, state, id, cell) {
  const { run, birth } = plan;
  const values = state.numbers === "value" && (state.backward ? run.gradient(id) : run.values(id));
  const homes = state.numbers === "birth" && run.homes(id);
  const root = run.tensors[run.root].shape;
  const longest =
    state.numbers === "birth"
      ? birthNote(
          birth,
          root,
          root.map((n) => n - 1),
        ).length
      : state.numbers === "value"
        ? 4
        : String(rowLength(run, id)).length;
  const size = Math.min(13, cell.height * 0.62, (cell.width - 3.5) / (Math.max(2, longest) * 0.58));
  if (size < SMALLEST) return null;
  const text = (k) => {
    if (homes) return homes[k] < 0 ? "" : birthNote(birth, root, unravel(homes[k], root));
    return values ? shortNumber(values[k]) : "";
  };
  return { size, text };
}

/** Where an element was born, along all axes of the input that are longer than 1. */
function birthNote({ real }, shape, at) {
  return real.map((axis) => at[axis]).join(real.some((axis) => shape[axis] > 10) ? "\u2009" : "");
}

/** A number in at most four characters where that is possible. */
export function shortNumber(value) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞";
  const digits = Math.abs(value) < 9.95 && !Number.isInteger(value) ? 1 : 0;
  return value
    .toFixed(digits)
    .replace(/^-/, "−")
    .replace(/^−?0\.0$/, "0");
}

export function frame(drawing, [x, y], cell, stroke, thickness, grow = 0) {
  const [width, height] = [cell.width + 2 * grow, cell.height + 2 * grow];
  drawing.outline(x - grow - 0.5, y - grow - 0.5, width, height, stroke, thickness);
}

/** The corner of the cell of element k. @returns {[number, number]} */
export const corner = ({ x, y, layout }, k) => {
  const [left, top] = layout.place(k);
  return [x + MARGIN + left, y + top];
};

/** @returns {[number, number]} */
export const along = ([x0, y0], [x1, y1], share) => [x0 + (x1 - x0) * share, y0 + (y1 - y0) * share];

/** The size of a cell on its way from one place to another. */
export const grown = (share, from, to) => ({
  width: from.width + (to.width - from.width) * share,
  height: from.height + (to.height - from.height) * share,
});
