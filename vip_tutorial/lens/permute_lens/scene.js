// One moment of a run, ready to be drawn: which tensors stand where, how large a cell
// is, and what colours each of them.

import { birthFill, birthHue, pixelFill, valueFill } from "../figure/colours.js";
import { makeExhibit, throughWindows } from "./exhibit.js";
import { MASK_BITS, lineAlong, sizeOf, unravel } from "./recording.js";
import { homeLookedAt, memoryLength, windowOf } from "./window.js";

const SIZES = {
  wide: { width: 720, height: 296, cell: { width: 60, height: 28 }, gap: 40, matrix: 168, between: 26, addresses: 30 },
  narrow: { width: 328, height: 330, cell: { width: 32, height: 20 }, gap: 12, matrix: 88, between: 14, addresses: 24 },
};
const STRIP_HEIGHT = 48; // of the memory of one tensor, about
const UNKNOWN = "#999999"; // a cell whose number was left out
const NARROWEST = 2; // cells of memory
const WIDEST = 44;

/**
 * @typedef {object} LensState what a lens shows
 * @property {number} step steps done, 0 to the number of steps
 * @property {number} cell input element that is followed, -1 for none
 * @property {string} fill what colours a cell
 * @property {string} numbers what is written in a cell
 * @property {boolean} backward whether the gradient's way back is shown
 * @property {number} axis axis of the step's output that is lit, -1 for none
 * @property {boolean} [undone] whether the step is on its way back
 * @property {string} [window] what the windows of large tensors show, if not what is followed
 */

/** Everything about a lens's pictures that does not change while it is used. */
export function planScene(run, options, format) {
  const size = SIZES[format];
  const plan = { run, options, size, format, birth: birthAxes(run, options), looks: new Map(), flights: new Map() };
  const ways = run.hasGradient() ? [false, true] : [false];
  const exhibits = new Map(
    ways.map((backward) => [backward, run.steps.map((step) => makeExhibit(plan, step, backward))]),
  );
  const heights = [...exhibits.values()].flat().map(({ height }) => height);
  return { ...plan, exhibits, paneHeight: Math.max(...heights), strip: planStrip(run, size) };
}

/** The same plan for a run with other numbers, or with another picture. */
export function replanned(plan, run, options) {
  const staysAsBorn = ([key]) => key.endsWith(" birth") && run.homes(parseInt(key));
  return { ...plan, run, options, looks: new Map([...plan.looks].filter(staysAsBorn)), flights: new Map() };
}

/** What stands side by side at a moment. @returns {import("./exhibit.js").Exhibit} */
export const exhibitOf = ({ run, exhibits }, { index, backward }, state) =>
  throughWindows(run, state, exhibits.get(backward)[index]);

/** How memory is drawn: in lines as long as a stride, so that a line means something. */
function planStrip(run, { width, addresses }) {
  const ids = shownTensors(run);
  const cells = Math.max(1, ...ids.map((id) => memoryLength(run, id)));
  const room = width - addresses;
  const strides = [...new Set(ids.flatMap((id) => run.tensors[id].strides))];
  const lengths = strides.filter((n) => n > 1 && n < cells && room / n >= NARROWEST).sort((one, other) => one - other);
  const heightOf = (n) => Math.ceil(cells / n) * (Math.max(4, Math.min(11, STRIP_HEIGHT / Math.ceil(cells / n))) + 1);
  const isShort = room / cells >= 14; // then it lies in one line, as memory does
  const perLine = isShort
    ? cells
    : (lengths.find((n) => heightOf(n) <= STRIP_HEIGHT + 4) ?? lengths.at(-1) ?? Math.floor(room / 4));
  const lines = Math.ceil(cells / perLine);
  const line = lines === 1 ? 18 : Math.max(3, Math.min(11, STRIP_HEIGHT / lines));
  return { perLine, line, left: addresses, height: lines * (line + 1), cellWidth: Math.min(WIDEST, room / perLine) };
}

/** Ids of the tensors that have cells to draw. */
function shownTensors(run) {
  const ids = [run.root, ...run.steps.map((step) => step.output)];
  return ids.filter((id) => run.isComplete(id));
}

/** The input's axes that give a cell its hue, its lightness and, together, the place of its mark. */
function birthAxes(run, options) {
  const { axes, shape } = run.tensors[run.root];
  const real = shape.map((_, axis) => axis).filter((axis) => shape[axis] > 1);
  const named = (name, spare) => (axes.includes(name) ? axes.indexOf(name) : (spare ?? 0));
  const hue = named(options.hue, real[0]);
  const light = named(options.light, real[1] ?? real[0]);
  return { hue, light, real, marks: real.filter((axis) => axis !== hue && axis !== light) };
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
    ? { step, index, backward: true, from: output, to: input, progress: 1 - progress }
    : { step, index, backward: false, from: input, to: output, progress };
}

/** The element of tensor `id` that is followed or, if none is, looked at; the first one shown if it is not there. */
export function followed(run, state, id) {
  const here = run.whereIs(homeLookedAt(run, state), id);
  return here >= 0 ? here : (windowOf(run, state, id)?.elements[0] ?? 0);
}

/**
 * The element of the tensor after the step that is looked at closely: the followed one, the
 * first that it goes into, or the very first.
 */
export function focusIn(run, state, { step, backward, from, to }) {
  const here = state.cell < 0 ? -1 : run.whereIs(state.cell, to);
  const before = state.cell < 0 || backward ? -1 : run.whereIs(state.cell, from);
  if (here >= 0 || before < 0) return followed(run, state, to);
  const [given, made] = [from, to].map((id) => run.tensors[id].shape);
  if (String(given) === String(made)) return before;
  if (step.kind === "move" || !step.mixed || !run.sources(step, from)) return 0;
  const { base, offsets } = run.sources(step, from);
  for (let k = 0; k < sizeOf(made); k++) if (offsets.includes(before - base(k))) return k;
  return 0;
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
  const k = followed(run, state, to);
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
  const k = followed(run, state, after);
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
 * @typedef {object} Look of a cell
 * @property {string} fill
 * @property {string[]} [seen] what a blend has seen: the hues of several rows, or the lightness
 *   of several columns
 * @property {string[]} [also] the lightness of several columns, if it has seen several rows, too
 * @property {number} [mark] where its mark stands, 0 to 1
 * @property {[number, number]} [span] from where to where stand the marks of all that it has seen
 * @property {{value: number, colour: string, negative: boolean}} [bar] in place of a colour: a
 *   number, as a share of the largest, and whether any is negative
 */

/** For every element of tensor `id` its look. @returns {any[]} `Look`s */
export function looksOf(plan, id, fill) {
  const key = `${id} ${fill}`;
  if (!plan.looks.has(key)) plan.looks.set(key, computeLooks(plan, id, fill));
  return plan.looks.get(key);
}

function computeLooks({ run, birth, options }, id, fill) {
  if (fill === "gradient") return colouredBy(run.gradient(id), sizeOf(run.tensors[id].shape));
  const homes = run.homes(id);
  if (fill === "value") return colouredBy(run.values(id), sizeOf(run.tensors[id].shape));
  const rows = run.seenAlong(id, birth.hue);
  if (!homes) {
    const bars = barsOf(run.values(id) ?? []);
    // What all have seen tells nothing of any.
    return new Set(rows).size > 1 ? bars.map((look, k) => ({ ...look, seen: bitsOf(rows[k]).map(birthHue) })) : bars;
  }
  const root = run.tensors[run.root].shape;
  const count = birth.marks.reduce((product, axis) => product * root[axis], 1);
  const born = homes.map((home) => {
    if (home < 0) return null; // it comes from none of the input
    const at = unravel(home, root);
    const place = birth.marks.reduce((sum, axis) => sum * root[axis] + at[axis], 0);
    return [at[birth.hue] ?? 0, at[birth.light] ?? 0, place]; // a single number has no axes
  });
  const columns = run.seenAlong(id, birth.light);
  const marks = birth.marks.length === 1 ? run.seenAlong(id, birth.marks[0]) : null;
  const grey = (row, column) => pixelFill(options.picture?.[row]?.[column] ?? 0);
  const look = ([row, column, place], k) => {
    const several = [rows, columns].map((masks) => masks && isSeveral(masks[k]));
    const shades = several[1]
      ? bitsOf(columns[k]).map((bit) => birthFill(row, bit, Math.min(root[birth.light], MASK_BITS)))
      : undefined;
    return {
      ...(fill === "picture"
        ? { fill: grey(row, column), seen: several.some(Boolean) ? greysIn(rows[k], columns[k], grey) : undefined }
        : {
            fill: birthFill(row, column, root[birth.light]),
            seen: several[0] ? bitsOf(rows[k]).map(birthHue) : shades,
            also: several[0] ? shades : undefined,
          }),
      mark: count > 1 && fill !== "picture" ? place / (count - 1) : undefined, // the picture shall be seen
      span: count > 1 && marks && isSeveral(marks[k]) ? spanOf(marks[k], count) : undefined,
    };
  };
  // Cells that were born at one place and have seen the same look the same.
  const known = new Map();
  return born.map((at, k) => {
    if (!at) return { fill: "faint" };
    const key = `${at} ${rows?.[k]} ${columns?.[k]} ${marks?.[k]}`;
    if (!known.has(key)) known.set(key, look(at, k));
    return known.get(key);
  });
}

const largest = (numbers) => numbers.reduce((most, v) => (Number.isFinite(v) ? Math.max(most, Math.abs(v)) : most), 0);

/** Looks of cells that are coloured by a number. */
export function colouredBy(numbers, size) {
  return numbers ? fillsOf(numbers).map((fill) => ({ fill })) : Array.from({ length: size }, () => ({ fill: UNKNOWN }));
}

/** A colour for each number: how large it is among them, and its sign. */
export function fillsOf(numbers) {
  const scale = largest(numbers);
  return numbers.map((value) => valueFill(value, scale));
}

/** Looks of cells that have no place in the input: their numbers, as bars. */
export function barsOf(numbers) {
  const scale = largest(numbers);
  const negative = numbers.some((value) => value < 0);
  return numbers.map((value) => ({
    fill: "soft",
    bar: { value: Number.isFinite(value) && scale > 0 ? value / scale : 0, colour: valueFill(value, scale), negative },
  }));
}

const isSeveral = (mask) => (mask & (mask - 1)) !== 0;

function greysIn(rows, columns, grey) {
  return bitsOf(rows).flatMap((row) => bitsOf(columns).map((column) => grey(row, column)));
}

/** From where to where the marks stand of what was seen; of a long axis it is not known. @returns {[number, number]} */
function spanOf(mask, count) {
  const bits = bitsOf(mask);
  return count > MASK_BITS ? [0, 1] : [bits[0] / (count - 1), bits[bits.length - 1] / (count - 1)];
}

const bits = new Map(); // few masks, asked for again and again

function bitsOf(mask) {
  if (!bits.has(mask))
    bits.set(
      mask,
      Array.from({ length: MASK_BITS }, (_, bit) => bit).filter((bit) => mask & (1 << bit)),
    );
  return bits.get(mask);
}
