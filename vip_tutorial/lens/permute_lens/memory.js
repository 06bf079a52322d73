// Draws the memory of a step: the strip of numbers that it reads, with the jumps of the
// reading head, and under it the strip that it writes, if it writes one.

import { memoryOf, sizeOf } from "./recording.js";
import { inkOn } from "../figure/colours.js";
import { shortNumber } from "./cells.js";
import { fillOf, looksOf, markedRow, moment } from "./scene.js";
import { countsOf, memoryLength, windowOf } from "./window.js";

const ARC = 24; // room above the strip for the jumps
const GAP = 12; // between the two strips
const MOST_JUMPS = 64;
const NARROWEST_JUMP = 6; // in a finer strip the jumps would be a scribble
const LOWEST_NUMBER = 9; // pixels of a line that can be read
const FIRST = 0.5; // of the time belongs to the first row, here as above

/** The memory before the step, and what the step wrote, as parts of one picture. */
export function memoryParts(plan, state, position) {
  const { run, size, strip } = plan;
  const [width, below] = [size.width, ARC + strip.height + GAP];
  const height = below + strip.height;
  const now = moment(run, state, position);
  const [input, output] = [run.mainInput(now.step), now.step.output];
  const [source, result] = [input, output].map((id) => memoryShown(run, state, id));
  const sizeAfter = sizeOf(countsOf(run.tensors[output].shape));
  // Backward, the strip below is there first, and the one above is filled from it.
  const read = state.backward ? soFar(run, input, now.progress) : Infinity;
  const written = state.backward ? Infinity : soFar(run, output, now.progress);
  const isRead = source.homes.length > 0;
  const isWritten = isRead && writes(run, now.step) && result.homes.length > 0;
  // The reading head, and the writing head under it, while the copy goes on.
  const isOn = isWritten && now.step.map && written > 0 && written < sizeAfter;
  const headAt = isOn ? result.element(written) : -1;
  const before = (drawing) => {
    if (!isRead) return;
    drawStrip(plan, drawing, state, now, input, source, ARC, read);
    if (writes(run, now.step) && !state.backward && strip.cellWidth >= NARROWEST_JUMP)
      drawJumps(plan, drawing, state, now, input, source);
    if (headAt >= 0 && source.shows(now.step.map[headAt])) head(plan, drawing, source.place(now.step.map[headAt]), ARC);
  };
  const after = (drawing) => {
    if (!isWritten) return;
    drawStrip(plan, drawing, state, now, output, result, below, written);
    if (headAt >= 0) head(plan, drawing, result.place(headAt), below);
  };
  const cut = below - GAP / 2;
  return {
    width,
    height,
    parts: [
      { x: 0, y: 0, width, height: cut, key: `${input} ${read} ${headAt}`, draw: before },
      { x: 0, y: cut, width, height: height - cut, key: `${output} ${written}`, draw: after },
    ],
  };
}

/** @type {WeakMap<object, Map<number, ReturnType<typeof memoryShown>>>} per window, which many frames show */
const strips = new WeakMap();

/**
 * What of the memory of a tensor is drawn: all that the run uses of it or, of a large one, the part
 * in which the numbers of its window lie.
 * @returns {{homes: number[], first: number, place: (k: number) => number, element: (i: number) => number,
 *   shows: (k: number) => boolean}} per place the home of what is there, -1 for none; the address of
 *   the first place; where an element is; which is the i-th; and whether one is among them
 */
function memoryShown(run, state, id) {
  const window = windowOf(run, state, id);
  if (!window) {
    const first = run.address(id, 0) - run.place(id, 0);
    return { homes: run.storage(id), first, place: (k) => run.place(id, k), element: (i) => i, shows: () => true };
  }
  if (!strips.has(window)) strips.set(window, new Map());
  const strip = strips.get(window);
  if (!strip.has(id)) strip.set(id, memoryIn(run, id, window));
  return strip.get(id);
}

function memoryIn(run, id, { elements, at }) {
  const first = run.address(id, elements[0]);
  const place = (k) => run.address(id, k) - first;
  const homes = new Array(memoryLength(run, id)).fill(-1);
  if (homes.length) for (const k of elements) homes[place(k)] = run.homes(id)[k];
  return { homes, first, place, element: (i) => elements[i], shows: (k) => at.has(k) };
}

/** How many numbers of a tensor are there at a share of the time: one row first, slowly. */
function soFar(run, id, progress) {
  const shape = countsOf(run.tensors[id].shape);
  if (progress === 1) return Infinity;
  const [size, row] = [sizeOf(shape), shape.at(-1) ?? 1];
  if (row >= size) return Math.round(progress * size);
  return Math.round(
    progress < FIRST ? (progress / FIRST) * row : row + ((progress - FIRST) / (1 - FIRST)) * (size - row),
  );
}

/** Whether the step writes: to new memory, or over what was there. */
export const writes = (run, step) => ["new", "write"].includes(memoryOf(run, step));

function cellOfMemory({ strip }, place, top) {
  const x = strip.left + (place % strip.perLine) * strip.cellWidth;
  return [x, top + Math.floor(place / strip.perLine) * (strip.line + 1)];
}

function head(plan, drawing, place, top) {
  const [x, y] = cellOfMemory(plan, place, top);
  drawing.outline(x - 1, y - 1, plan.strip.cellWidth + 1, plan.strip.line + 2, "ink", 2);
}

function drawStrip(plan, drawing, state, now, id, { homes, first }, top, written) {
  const { run, strip } = plan;
  const looks = looksOf(plan, id, fillOf(state));
  const width = strip.cellWidth - (strip.cellWidth > 4 ? 1 : 0.25);
  const values =
    state.numbers === "value" && strip.line >= LOWEST_NUMBER && width >= 18 ? numbersOf(run, state, id) : null;
  const size = Math.min(11, strip.line * 0.8, width / 2.2);
  homes.forEach((home, place) => {
    const [x, y] = cellOfMemory(plan, place, top);
    const known = home >= 0 && place < written;
    const k = known ? run.whereIs(home, id) : -1;
    drawing.box(x, y, width, strip.line, known ? looks[k].fill : "faint");
    if (known && home === state.cell) drawing.outline(x - 0.5, y - 0.5, width + 1, strip.line + 1, "ink", 2);
    if (known && values)
      drawing.text(x + width / 2, y + strip.line / 2 + size * 0.36, shortNumber(values[k]), size, inkOn(looks[k].fill));
    if (place % strip.perLine === 0 && isNumbered(strip, place / strip.perLine))
      drawing.text(strip.left - 4, y + strip.line / 2 + 3, String(first + place), 9, "ink", "end");
  });
}

const numbersOf = (run, state, id) => (state.backward ? run.gradient(id) : run.values(id));

/** Addresses stand at the beginning of as many lines as have room for them. */
function isNumbered({ line }, number) {
  return number % Math.ceil(9 / (line + 1)) === 0;
}

/** The reading head's jumps while it reads the marked row of the step's output. */
function drawJumps(plan, drawing, state, now, input, memory) {
  const { run, strip } = plan;
  const row = markedRow(run, state, now, input).filter(memory.shows).slice(0, MOST_JUMPS);
  const centre = (k) => {
    const [x, y] = cellOfMemory(plan, memory.place(k), ARC);
    return [x + strip.cellWidth / 2, y];
  };
  for (let i = 1; i < row.length; i++) {
    const [start, end] = [centre(row[i - 1]), centre(row[i])];
    const lift = Math.min(start[1], end[1]) - Math.min(2 * ARC - 6, 5 + Math.abs(end[0] - start[0]) / 2);
    const aside = Math.abs(end[0] - start[0]) < 4 ? 12 : 0; // straight down, the way would be hidden
    drawing.curve([start, [(start[0] + end[0]) / 2 + aside, aside ? (start[1] + end[1]) / 2 : lift], end], "ink", 1);
  }
  row.forEach((k) => {
    const [x, y] = centre(k);
    drawing.box(x - 1.5, y - 3, 3, 3, "ink");
  });
}
