// Draws the tensor before a step and the tensor after it, or its cells on their way.

import { axisColour, inkOn } from "../figure/colours.js";
import { MOST_DRAWN, lineAlong, sizeOf, unravel } from "./recording.js";
import { MARGIN, fillOf, followed, layoutOf, litAxis, looksOf, markedRow, moment } from "./scene.js";

const LOWEST_FRAME = 7; // in lower cells the frames would be all that one sees
const LOWEST_OUTLINE = 5; // and so would be the outlines of the cells of a row
const isSmall = ({ width, height }) => Math.min(width, height) < LOWEST_FRAME;

/**
 * The tensor before the step and the one after it, each with a part of the picture to
 * itself.  A part looks the same as long as its key, the state and the plan stay.
 * @returns {{width: number, height: number, parts: import("../figure/paint.js").Part[]}}
 */
export function paneParts(plan, state, position) {
  const { size, paneHeight } = plan;
  const now = moment(plan.run, state, position);
  const part = (x, id, progress) => ({
    x,
    y: 0,
    width: size.pane,
    height: paneHeight,
    key: `${id} ${progress}`,
    draw: (drawing) => drawTensor(plan, drawing, state, now, id, { x: x + MARGIN, y: MARGIN }, progress),
  });
  const right = size.width - size.pane;
  return { width: size.width, height: paneHeight, parts: [part(0, now.from, null), part(right, now.to, now.progress)] };
}

/** Where each element of the right-hand tensor stands on its way there. */
function places(plan, now, progress) {
  const there = layoutOf(plan, now.to, now.index);
  const here = layoutOf(plan, now.from, now.index);
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
    const size = sizeOf(run.tensors[id].shape).toLocaleString("en");
    drawing.text(at.x, at.y + 16, `${size} elements:`, 12, "ink", "start");
    drawing.text(at.x, at.y + 34, `drawn are up to ${MOST_DRAWN.toLocaleString("en")}`, 12, "ink", "start");
    return;
  }
  const { shape } = run.tensors[id];
  const layout = layoutOf(plan, id, now.index);
  const still = progress === null || progress >= 1;
  const place = still ? layout.place : places(plan, now, progress);
  const joined = fillOf(state) === "picture"; // then the cells of a token are one pixel
  const inset = joined ? 0 : cell.width >= 5 && cell.height >= 5 ? 1 : 0.25;
  const [w, h] = [cell.width - inset, cell.height - inset];
  const looks = looksOf(plan, id, fillOf(state));
  const blended = still || progress >= 0.5 || now.step.kind === "move";
  const marked = markedRow(run, state, now, id);
  // While one element is followed, whatever it does not meet stands back.
  const near = new Set(marked);
  const alpha = (k) => (state.cell < 0 || !near.size || near.has(k) ? 1 : 0.4);
  const writable = state.numbers !== "none" && fitsNotes(plan, state, now);
  for (let k = 0; k < sizeOf(shape); k++) {
    const [px, py] = place(k);
    const [x, y] = [px + at.x, py + at.y];
    const { fill, seen: all } = looks[k];
    const seen = blended ? all : undefined;
    drawing.box(x, y, w, h, fill, alpha(k));
    // What a blend has seen is shown in its lower third; its home above.
    seen?.forEach((hue, i) =>
      drawing.box(x + (w * i) / seen.length, y + h * 0.66, w / seen.length, h * 0.34, hue, alpha(k), 1),
    );
    const note = writable && (!seen || fitsBlends(plan, now)) && noteIn(plan, state, id, k, marked);
    if (note)
      drawing.text(x + w / 2, y + (seen ? h * 0.33 : h / 2) + 3.5, note, 10, alpha(k) < 1 ? "ink" : inkOn(fill));
  }
  if (still) drawMarks(plan, drawing, state, now, id, at, layout, marked);
  const here = state.cell >= 0 ? run.whereIs(state.cell, id) : -1;
  if (here >= 0) frame(drawing, at, place(here), cell, "ink", isSmall(cell) ? 1.5 : 3, 1);
}

/** Whether what the reader wants written into the cells fits there. */
export function fitsNotes(plan, state, now) {
  const cell = plan.cellsOf[now.index];
  return cell.height >= 10 && cell.width >= (state.numbers === "value" ? 24 : 15);
}

/** Whether it also fits into the part of a blend that shows its home. */
export function fitsBlends(plan, now) {
  return plan.cellsOf[now.index].height > 16;
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
  const digits = Math.abs(value) < 9.95 && !Number.isInteger(value) ? 1 : 0;
  return value
    .toFixed(digits)
    .replace(/^-/, "−")
    .replace(/^−?0\.0$/, "0");
}

function frame(drawing, at, [x, y], cell, stroke, thickness, grow = 0) {
  drawing.outline(
    at.x + x - grow - 0.5,
    at.y + y - grow - 0.5,
    cell.width + 2 * grow,
    cell.height + 2 * grow,
    stroke,
    thickness,
  );
}

function drawMarks(plan, drawing, state, now, id, at, layout, marked) {
  const { run } = plan;
  const cell = plan.cellsOf[now.index];
  if (!run.homes(id)) return;
  frameRows(run, cell, drawing, id, at, layout);
  const axis = litAxis(run, state, now, id);
  const { shape, axes } = run.tensors[id];
  if (axis >= 0) {
    const here = Math.max(0, run.whereIs(followed(state), id));
    for (const k of lineAlong(here, axis, shape))
      frame(drawing, at, layout.place(k), cell, axisColour(axes[axis]), 2.5);
  } else if ((state.cell >= 0 || state.numbers === "order") && Math.min(cell.width, cell.height) >= LOWEST_OUTLINE) {
    for (const k of marked) frame(drawing, at, layout.place(k), cell, "ink", isSmall(cell) ? 0.4 : 1.25);
  }
}

/** Whether the rows of a tensor are what a linear map takes or gives. */
function meetsLinear(run, id) {
  return run.steps.some((step) => step.kind === "mix" && [run.mainInput(step), step.output].includes(id));
}

/** Whether frames round the rows are drawn at this step. */
export function hasFrames(plan, state, now) {
  const { run } = plan;
  return meetsLinear(run, now.to) && run.homes(now.to) !== null && plan.cellsOf[now.index].height >= LOWEST_FRAME;
}

/** A frame round each row that a linear map takes or gives. */
function frameRows(run, cell, drawing, id, at, layout) {
  const length = layout.rowLength;
  if (!meetsLinear(run, id) || cell.height < LOWEST_FRAME) return;
  for (let k = 0; k < sizeOf(run.tensors[id].shape); k += length) {
    const [x, y] = layout.place(k);
    drawing.outline(at.x + x - 0.5, at.y + y - 0.5, length * cell.width, cell.height, "ink", 0.75);
  }
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
  const { place } = layoutOf(plan, id, now.index);
  for (let k = 0; k < homes.length; k++) {
    const [cx, cy] = place(k);
    if (x >= left + cx && x < left + cx + cell.width && y >= MARGIN + cy && y < MARGIN + cy + cell.height)
      return { id, k, home: homes[k] };
  }
  return null;
}
