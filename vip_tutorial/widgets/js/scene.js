// Draws one moment of a run: the tensor before the step, the tensor after it (or its
// cells on their way), and the memory that they lie in.

import { arrange, fitCell } from "./layout.js";
import { axisColour, birthFill, birthHue, inkOn, pixelFill, valueFill } from "./colours.js";
import { Drawing } from "./paint.js";
import { lineAlong, sizeOf, unravel } from "./run.js";

const SIZES = {
  wide: { width: 720, pane: 340, height: 400, cell: { width: 34, height: 17 }, perLine: 64 },
  narrow: { width: 328, pane: 158, height: 340, cell: { width: 18, height: 14 }, perLine: 32 },
};
const MARGIN = 4; // room for outlines
const ARC = 26; // room above the memory for the jumps of the reading head

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
    paneHeight: Math.ceil(Math.max(...heights, 1)) + 2 * MARGIN,
    strip: { perLine, line, height: lines * (line + 1), cellWidth: size.width / perLine },
    birth: birthAxes(run, options),
  };
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

export function drawPanes(plan, state, position) {
  const { run, size, paneHeight } = plan;
  const drawing = new Drawing(size.width, paneHeight);
  const now = moment(run, state, position);
  const left = { x: MARGIN, y: MARGIN };
  const right = { x: size.width - size.pane + MARGIN, y: MARGIN };
  drawTensor(plan, drawing, state, now, now.from, left, null);
  drawTensor(plan, drawing, state, now, now.to, right, now.progress);
  return drawing;
}

/** Where each element of the right-hand tensor stands on its way there. */
function places(plan, now, progress) {
  const { run } = plan;
  const cell = plan.cellsOf[now.index];
  const there = arrange(run.tensors[now.to].shape, cell.width, cell.height);
  const here = arrange(run.tensors[now.from].shape, cell.width, cell.height);
  const origin = originOf(now);
  if (progress === null || progress >= 1 || !origin) return there.place;
  const eased = progress * progress * (3 - 2 * progress);
  return (k) => {
    const [x0, y0] = here.place(origin(k));
    const [x1, y1] = there.place(k);
    return [x0 + (x1 - x0) * eased, y0 + (y1 - y0) * eased];
  };
}

/** For a move, the left-hand element that right-hand element `k` is; else null. */
function originOf({ step, from }) {
  if (step.kind !== "move" || !step.map) return null;
  if (from !== step.output) return (k) => step.map[k];
  const inverse = [];
  step.map.forEach((source, k) => (inverse[source] = k));
  return (k) => inverse[k] ?? 0;
}

function drawTensor(plan, drawing, state, now, id, at, progress) {
  const { run } = plan;
  const cell = plan.cellsOf[now.index];
  if (!run.isComplete(id)) {
    drawing.text(at.x + 8, at.y + 24, "too large to draw: shape and strides only", 12, "ink", "start");
    return;
  }
  const { shape } = run.tensors[id];
  const layout = arrange(shape, cell.width, cell.height);
  const place = progress === null ? layout.place : places(plan, now, progress);
  const joined = state.fill === "picture" && !state.backward;
  const inset = joined ? 0 : cell.width >= 5 && cell.height >= 5 ? 1 : 0.25;
  const [w, h] = [cell.width - inset, cell.height - inset];
  const paint = painter(plan, state, now, id, progress);
  const marked = markedRow(run, state, now, id);
  // While one element is followed, whatever it does not meet stands back.
  const near = new Set(marked);
  const alpha = (k) => (state.cell < 0 || !near.size || near.has(k) ? 1 : 0.4);
  const writable = fitsNotes(plan, state, now);
  for (let k = 0; k < sizeOf(shape); k++) {
    const [x, y] = place(k).map((v, i) => v + (i ? at.y : at.x));
    const { fill, seen } = paint(k);
    drawing.box(x, y, w, h, fill, alpha(k));
    // What a blend has seen is shown in its lower part; its home above.
    seen?.forEach((hue, i) => drawing.box(x + (w * i) / seen.length, y + h * 0.5, w / seen.length, h * 0.5, hue, alpha(k)));
    const note = writable && noteIn(plan, state, id, k, marked);
    if (note)
      drawing.text(x + w / 2, y + h / 2 + (seen ? 0 : 3.5), note, 10, alpha(k) < 1 ? "ink" : inkOn(fill));
  }
  if (progress === null || progress >= 1) drawMarks(plan, drawing, state, now, id, at, layout, marked);
}

/** A function from an element to its fill, and to the hues that it has seen. */
function painter(plan, state, now, id, progress) {
  const { run, birth, options } = plan;
  const fill = state.backward ? "gradient" : state.fill;
  const root = run.tensors[run.root].shape;
  const homes = run.homes(id);
  if (fill === "value" || fill === "gradient") {
    const numbers = fill === "value" ? run.values(id) : run.gradient(id);
    const scale = Math.max(...(numbers ?? [0]).map((v) => (Number.isFinite(v) ? Math.abs(v) : 0)));
    return (k) => ({ fill: numbers ? valueFill(numbers[k], scale) : "#999999" });
  }
  if (fill === "picture" && options.picture && homes)
    return (k) => {
      const token = unravel(homes[k], root);
      return { fill: pixelFill(options.picture[token[birth.hue]]?.[token[birth.light]] ?? 0) };
    };
  const born = (home) => {
    const at = unravel(home, root);
    return birthFill(at[birth.hue], at[birth.light], root[birth.light]);
  };
  const seen = run.seenAlong(id, birth.hue);
  const isBlend = (k) => !homes || (seen[k] & (seen[k] - 1)) !== 0;
  const blending = progress === null || progress >= 0.5 || now.step.kind === "move";
  return (k) => ({
    fill: homes ? born(homes[k]) : "#999999",
    seen: blending && isBlend(k) ? huesIn(seen[k]) : undefined,
  });
}

function huesIn(mask) {
  const hues = [];
  for (let row = 0; row < 31; row++) if (mask & (1 << row)) hues.push(birthHue(row));
  return hues;
}

/** The row of cells on the last axis that holds the followed element. */
function markedRow(run, state, now, id) {
  const after = now.step.output;
  const { shape } = run.tensors[after];
  if (!shape.length || !run.homes(after)) return [];
  const k = Math.max(0, run.whereIs(followed(state), after));
  const row = lineAlong(k, shape.length - 1, shape);
  if (id === after) return row;
  if (now.step.map) return row.map((element) => now.step.map[element]);
  return now.step.kind === "mix" || now.step.kind === "pointwise" ? row : [];
}

/** Whether what the reader wants written into the cells fits there. */
export function fitsNotes(plan, state, now) {
  const cell = plan.cellsOf[now.index];
  return cell.height >= 10 && cell.width >= (state.numbers === "value" ? 24 : 15);
}

function noteIn(plan, state, id, k, marked) {
  const { run, birth } = plan;
  if (state.numbers === "order") {
    const place = marked.indexOf(k);
    return place < 0 ? "" : String(place + 1);
  }
  if (state.numbers === "birth") {
    const home = run.homes(id)?.[k];
    if (home === undefined) return "";
    const at = unravel(home, run.tensors[run.root].shape);
    return [...new Set([birth.hue, birth.light].sort())].map((axis) => at[axis]).join("");
  }
  if (state.numbers === "value") {
    const value = (state.backward ? run.gradient(id) : run.values(id))?.[k];
    return value === undefined ? "" : shortNumber(value);
  }
  return "";
}

/** A number in at most four characters where that is possible. */
export function shortNumber(value) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞";
  const digits = Math.abs(value) < 9.95 ? 1 : 0;
  return value.toFixed(digits).replace(/^-/, "−").replace(/^−?0\.0$/, "0");
}

function drawMarks(plan, drawing, state, now, id, at, layout, marked) {
  const { run } = plan;
  const cell = plan.cellsOf[now.index];
  const frame = (k, stroke, thickness, grow = 0) => {
    const [x, y] = layout.place(k);
    drawing.outline(at.x + x - grow - 0.5, at.y + y - grow - 0.5, cell.width + 2 * grow, cell.height + 2 * grow, stroke, thickness);
  };
  const homes = run.homes(id);
  if (!homes) return;
  frameRows(run, cell, drawing, id, at, layout);
  const axis = litAxis(run, state, now, id);
  const here = Math.max(0, run.whereIs(followed(state), id));
  if (axis >= 0) {
    const { shape, axes } = run.tensors[id];
    for (const k of lineAlong(here, axis, shape)) frame(k, axisColour(axes[axis]), 2.5);
  } else if (marked.length && (state.cell >= 0 || state.numbers === "order")) {
    for (const k of marked) frame(k, "ink", 1.25);
  }
  if (state.cell >= 0 && run.whereIs(state.cell, id) >= 0) frame(here, "ink", 3, 1);
}

/** A frame round each row that a linear map takes or gives. */
function frameRows(run, cell, drawing, id, at, layout) {
  const meetsLinear = run.steps.some((step) => step.kind === "mix" && [run.mainInput(step), step.output].includes(id));
  const length = layout.rowLength;
  if (!meetsLinear || cell.height < 4) return;
  for (let k = 0; k < sizeOf(run.tensors[id].shape); k += length) {
    const [x, y] = layout.place(k);
    drawing.outline(at.x + x - 0.5, at.y + y - 0.5, length * cell.width, cell.height, "ink", 0.75);
  }
}

/** The axis of tensor `id` that is lit, given the lit axis of the step's output. */
export function litAxis(run, state, { step }, id) {
  const { axes } = run.tensors[step.output];
  if (state.axis < 0 || state.axis >= axes.length) return -1;
  if (id === step.output) return state.axis;
  return step.order ? step.order[state.axis] : run.tensors[id].axes.indexOf(axes[state.axis]);
}

/** The memory before the step, and what the step wrote. */
export function drawMemory(plan, state, position) {
  const { run, size, strip } = plan;
  const drawing = new Drawing(size.width, 2 * strip.height + ARC + 14);
  const now = moment(run, state, position);
  const [input, output] = [run.mainInput(now.step), now.step.output];
  if (!run.homes(input)) return drawing;
  const done = state.backward ? 1 : now.progress;
  drawStrip(plan, drawing, state, now, input, ARC, Infinity);
  drawJumps(plan, drawing, state, now, input);
  if (writes(now.step) && run.homes(output)) {
    const written = Math.round(done * sizeOf(run.tensors[output].shape));
    drawStrip(plan, drawing, state, now, output, ARC + strip.height + 14, written);
  }
  return drawing;
}

/** Whether the step fills new memory. */
export function writes(step) {
  return step.kind !== "move" || step.copy;
}

function cellOfMemory({ strip }, address, top) {
  const x = (address % strip.perLine) * strip.cellWidth;
  return [x, top + Math.floor(address / strip.perLine) * (strip.line + 1)];
}

function drawStrip(plan, drawing, state, now, id, top, written) {
  const { run, strip } = plan;
  const homes = run.storage(id);
  const paint = painter(plan, state, now, id, null);
  const where = new Map((run.homes(id) ?? []).map((home, k) => [home, k]));
  homes.forEach((home, address) => {
    const [x, y] = cellOfMemory(plan, address, top);
    const width = strip.cellWidth - (strip.cellWidth > 4 ? 1 : 0.25);
    if (home < 0 || address >= written) drawing.box(x, y, width, strip.line, "faint");
    else drawing.box(x, y, width, strip.line, paint(where.get(home)).fill);
    if (home === state.cell && state.cell >= 0 && address < written)
      drawing.outline(x - 0.5, y - 0.5, width + 1, strip.line + 1, "ink", 2);
  });
}

/** The reading head's jumps while it reads the marked row of the step's output. */
function drawJumps(plan, drawing, state, now, input) {
  const { run, strip } = plan;
  const row = markedRow(run, state, now, input);
  const centre = (k) => {
    const [x, y] = cellOfMemory(plan, run.address(input, k), ARC);
    return [x + strip.cellWidth / 2, y];
  };
  for (let i = 1; i < row.length; i++) {
    const [start, end] = [centre(row[i - 1]), centre(row[i])];
    const lift = Math.min(start[1], end[1]) - Math.min(2 * ARC - 6, 5 + Math.abs(end[0] - start[0]) / 2);
    drawing.curve([start, [(start[0] + end[0]) / 2, lift], end], "ink", 1);
  }
  row.forEach((k) => {
    const [x, y] = centre(k);
    drawing.box(x - 1.5, y - 3, 3, 3, "ink");
  });
}

/** The element of the left (0) or right (1) tensor at a point of the panes, or null. */
export function hit(plan, state, position, x, y) {
  const { run, size } = plan;
  const now = moment(run, state, position);
  const cell = plan.cellsOf[now.index];
  const right = x > size.width - size.pane;
  const id = right ? now.to : now.from;
  const left = right ? size.width - size.pane + MARGIN : MARGIN;
  const homes = run.homes(id);
  if (!homes || (right && now.progress < 1)) return null;
  const { place } = arrange(run.tensors[id].shape, cell.width, cell.height);
  for (let k = 0; k < homes.length; k++) {
    const [cx, cy] = place(k);
    if (x >= left + cx && x < left + cx + cell.width && y >= MARGIN + cy && y < MARGIN + cy + cell.height)
      return { id, k, home: homes[k] };
  }
  return null;
}
