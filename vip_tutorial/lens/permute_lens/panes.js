// Draws what stands side by side at a step: the tensor before it, what it meets, and the
// tensor after it, or its numbers on their way there.

import { axisColour } from "../figure/colours.js";
import { clamp, eased, shareOf } from "../figure/motion.js";
import {
  LOWEST_FRAME,
  along,
  cellDrawer,
  corner,
  drawCells,
  drawNote,
  drawPlaces,
  frame,
  grown,
  noteWriter,
} from "./cells.js";
import { MARGIN, countOf, elementAt } from "./exhibit.js";
import { flightOf } from "./flight.js";
import { drawMatrix, drawMeeting, drawThroughMatrix, madeNow } from "./matrix.js";
import { MOST_FOLLOWED, lineAlong } from "./recording.js";
import { exhibitOf, fillOf, focusIn, followed, litAxis, looksOf, markedRow, moment } from "./scene.js";
import { drawSecond, drawSigns, secondLooks } from "./second.js";

const LOWEST_OUTLINE = 5; // in lower cells the outlines of a row would be all that one sees
const VEIL = 0.6; // over what the followed element does not meet
const [ABOVE, FLYING] = [4, 8]; // layers
const SLIDE = 0.12; // of the time, what was the result becomes what comes next
const STRETCH = 0.3; // of the rest, a small tensor stretches over a larger one
const isSmall = ({ width, height }) => Math.min(width, height) < LOWEST_FRAME;

/**
 * The picture of a moment: in one part, since the numbers cross it, over what stays as it is.
 * @returns {{width: number, height: number, parts: import("../figure/paint.js").Part[]}}
 */
export function paneParts(plan, state, position) {
  const [width, height] = [plan.size.width, plan.paneHeight];
  const now = moment(plan.run, state, position);
  const { still, draw } = drawingOf(plan, state, now);
  const looks = [now.index, now.backward, fillOf(state), state.numbers, still.key].join(" ");
  const part = {
    x: 0,
    y: 0,
    width,
    height,
    key: `${now.index} ${now.progress}`,
    still: { of: plan, key: looks, draw: still.draw },
    draw,
  };
  return { width, height, parts: [part] };
}

/** What of the moment stays as it is while numbers move or are followed, and the rest of it. */
function drawingOf(plan, state, now) {
  const exhibit = exhibitOf(plan, now, state);
  const { left, right, middle } = exhibit;
  const isDone = now.progress === 1;
  const slides = !isDone && now.progress > 0 && wasResult(plan.run, now);
  const slid = slides ? eased(clamp(now.progress / SLIDE)) : 1;
  if (slid < 1)
    return {
      still: { key: `places ${exhibit.key}`, draw: (drawing) => drawPlaces(plan, drawing, right) },
      draw: (drawing) =>
        drawTensor(plan, drawing, state, { ...left, x: left.x + (right.x - left.x) * (1 - slid) }, false),
    };
  const share = slides ? clamp((now.progress - SLIDE) / (1 - SLIDE)) : now.progress;
  const stretched = middle?.isStretched ? clamp(share / STRETCH) : 1;
  const onWay = middle?.isStretched ? clamp((share - STRETCH) / (1 - STRETCH)) : share;
  const isMatrix = middle?.kind === "matrix";
  const isLit = isMatrix && (isDone ? state.cell >= 0 : madeNow(plan, state, now, exhibit, onWay) >= 0);
  const isWritten = isDone || now.progress === 0; // in flight no number could be read
  const still = (drawing) => {
    drawTensor(plan, drawing, state, left, isWritten);
    if (isMatrix) drawMatrix(drawing, exhibit, isLit);
    else if (middle?.kind === "other") drawTensor(plan, drawing, state, exhibit.between, isWritten);
    else if (middle) drawSecond(plan, drawing, state, exhibit, stretched);
    if (middle && !isMatrix) drawSigns(plan, drawing, exhibit);
    if (isDone) drawTensor(plan, drawing, state, right, true);
    else drawPlaces(plan, drawing, right);
  };
  const draw = (drawing) => {
    drawFocus(plan, drawing, state, now, left, left, isWritten);
    if (middle && !isMatrix && middle.kind !== "other")
      drawFocus(plan, drawing, state, now, right, exhibit.between, false, middle);
    drawGroup(plan, drawing, state, now, left);
    if (!isDone) return drawFlight(plan, drawing, state, now, exhibit, onWay);
    if (isMatrix) drawMeeting(plan, drawing, state, now, exhibit);
    drawFocus(plan, drawing, state, now, right, right, true);
  };
  return { still: { key: [isDone, isWritten, stretched, isLit, exhibit.key].join(" "), draw: still }, draw };
}

/** Whether the tensor before the step is what the step before it left. */
function wasResult(run, { index, backward, from }) {
  const before = run.steps[index + (backward ? 1 : -1)];
  return Boolean(before) && (backward ? run.mainInput(before) : before.output) === from;
}

function drawTensor(plan, drawing, state, place, isWritten) {
  const { run } = plan;
  if (place.layout) {
    drawCells(plan, drawing, state, place, isWritten);
    if (run.homes(place.id)) frameRows(run, drawing, place);
    return;
  }
  whyNotDrawn(countOf(run, place.id)).forEach((line, i) =>
    drawing.text(place.x + MARGIN, place.y + 16 + 17 * i, line, 12, "ink", "start"),
  );
}

/** In place of a tensor that has no cells: in lines short enough for a narrow page. */
function whyNotDrawn(count) {
  const most = MOST_FOLLOWED.toLocaleString("en");
  const size = `${count.toLocaleString("en")} ${count === 1 ? "element" : "elements"}`;
  if (count > MOST_FOLLOWED) return [`${size}:`, `${most} at most`, "are followed; trace", "a smaller input"];
  return [`${size}:`, "not recorded, as said", "under the figure"];
}

/**
 * What of a tensor hangs on the element that is followed, or on the axis that is lit: all
 * that the element does not meet stands back behind a veil.
 * @param {*} tensor whose elements they are
 * @param {*} place where they stand
 * @param {import("./middle.js").Middle} [middle] the second tensor, if it is that
 */
function drawFocus(plan, drawing, state, now, tensor, place, isWritten, middle) {
  const { run } = plan;
  const { id } = tensor;
  const { cell, layout } = place;
  if (!layout || !run.homes(id)) return;
  const marked = markedRow(run, state, now, id).filter(layout.shows);
  const looks = middle ? secondLooks(plan, state, middle) : looksOf(plan, id, fillOf(state));
  const lookOf = (k) => looks[middle ? middle.source(k) : k];
  if (state.cell >= 0 && marked.length) {
    drawing.box(place.x + MARGIN - 1, place.y - 1, layout.width + 2, layout.height + 2, "paper", VEIL, ABOVE);
    const draws = cellDrawer(drawing, state, cell);
    const write =
      isWritten && !middle && ["birth", "value"].includes(state.numbers) ? noteWriter(plan, state, id, cell) : null;
    for (const k of marked) {
      const note = write ? write.text(k) : "";
      draws(
        ...corner(place, k),
        note && state.numbers === "birth" ? { ...lookOf(k), mark: undefined } : lookOf(k),
        1,
        ABOVE + 1,
      );
      if (note) drawNote(drawing, corner(place, k), cell, lookOf(k), note, write.size);
    }
  }
  const order = isWritten && !middle && state.numbers === "order" && noteWriter(plan, state, id, cell);
  if (order) marked.forEach((k, i) => drawNote(drawing, corner(place, k), cell, lookOf(k), String(i + 1), order.size));
  const axis = middle ? -1 : litAxis(run, state, now, id);
  const { shape, axes } = run.tensors[id];
  if (axis >= 0) {
    const lit = lineAlong(followed(run, state, id), axis, shape).filter(layout.shows);
    for (const k of lit) frame(drawing, corner(place, k), cell, axisColour(axes[axis]), 2.5);
  } else if ((state.cell >= 0 || state.numbers === "order") && Math.min(cell.width, cell.height) >= LOWEST_OUTLINE)
    for (const k of marked) frame(drawing, corner(place, k), cell, "ink", isSmall(cell) ? 0.4 : 1.25);
  const here = state.cell >= 0 ? run.whereIs(state.cell, id) : -1;
  if (layout.shows(here)) frame(drawing, corner(place, here), cell, "ink", isSmall(cell) ? 1.5 : 3, 1);
}

/** One row first, and then the others; no text flies. */
function drawFlight(plan, drawing, state, now, exhibit, progress) {
  const { left, right, middle } = exhibit;
  if (!right.layout) return;
  const { order, count, pairs } = flightOf(plan, state, now);
  const shares = Array.from({ length: count }, (_, row) => shareOf(progress, row, count));
  const after = looksOf(plan, right.id, fillOf(state));
  const shareTo = (k) => shares[order[k]];
  if (middle?.kind === "matrix" && left.layout)
    return drawThroughMatrix(plan, drawing, state, now, exhibit, shares, progress);
  const draws = cellDrawer(drawing, state, right.cell);
  for (const k of right.layout.elements) if (shareTo(k) === 1) draws(...corner(right, k), after[k]);
  const cells = cellPairs(plan, state, exhibit, pairs);
  for (const { from, start, look, k } of cells) {
    const share = eased(shareTo(k));
    if (share === 0 || share === 1) continue;
    const there = corner(right, k);
    const size = grown(share, from.cell, right.cell);
    cellDrawer(drawing, state, size)(...along(start, there, share), share < 0.5 ? look : (after[k] ?? look), 1, FLYING);
  }
}

/** Cells that fly: from the tensor on the left, and from a second one. */
function cellPairs(plan, state, { left, right, between, middle }, pairs) {
  const before = left.layout ? looksOf(plan, left.id, fillOf(state)) : [];
  const found = left.layout
    ? pairs.map(([source, k]) => ({ from: left, start: corner(left, source), look: before[source], k }))
    : [];
  if (middle?.source && right.layout) {
    const looks = secondLooks(plan, state, middle);
    for (const k of right.layout.elements)
      found.push({ from: between, start: corner(between, k), look: looks[middle.source(k)], k });
  }
  return found;
}

/** The elements of the tensor before the step that share a sum with the focus; empty if none do. */
export function groupOf(run, state, now) {
  const { step, backward, from } = now;
  if (backward || step.kind === "move" || step.kind === "mix" || !step.mixed?.length) return [];
  const sources = run.sources(step, from);
  if (!sources) return [];
  const { base, offsets } = sources;
  const start = base(focusIn(run, state, now));
  return offsets.map((offset) => start + offset);
}

/** An outline round what shares a sum. */
function drawGroup({ run }, drawing, state, now, left) {
  const group = left.layout ? groupOf(run, state, now).filter(left.layout.shows) : [];
  const { cell } = left;
  const at = new Map(group.map((k) => [String(left.layout.place(k).map(Math.round)), k]));
  for (const k of group) {
    const [px, py] = left.layout.place(k);
    const [x, y] = corner(left, k).map((v) => v - 0.5);
    const is = (dx, dy) => at.has(String([px + dx * cell.width, py + dy * cell.height].map(Math.round)));
    const [right, bottom] = [x + cell.width, y + cell.height];
    if (!is(0, -1)) line(drawing, x, y, right, y);
    if (!is(0, 1)) line(drawing, x, bottom, right, bottom);
    if (!is(-1, 0)) line(drawing, x, y, x, bottom);
    if (!is(1, 0)) line(drawing, right, y, right, bottom);
  }
}

const line = (drawing, x0, y0, x1, y1) =>
  drawing.curve(
    [
      [x0, y0],
      [(x0 + x1) / 2, (y0 + y1) / 2],
      [x1, y1],
    ],
    "ink",
    2,
  );

/** Whether what the reader wants written into the cells fits there. */
export function fitsNotes(plan, state, now) {
  const { left, right } = exhibitOf(plan, now, state);
  return [left, right].some(({ id, cell, layout }) => layout && noteWriter(plan, state, id, cell));
}

/** Whether it also fits into the part of a blend that shows its home. */
export function fitsBlends(plan, state, now) {
  return exhibitOf(plan, now, state).right.cell.height > 16;
}

/** Whether the rows of a tensor are what a linear map takes or gives. */
function meetsLinear(run, id) {
  return run.steps.some((step) => step.kind === "mix" && [run.mainInput(step), step.output].includes(id));
}

/** Whether frames round the rows are drawn at this step. */
export function hasFrames(plan, state, now) {
  const { run } = plan;
  const { left, right } = exhibitOf(plan, now, state);
  return [left, right].some(
    ({ id, cell, layout }) => layout && run.homes(id) && meetsLinear(run, id) && cell.height >= LOWEST_FRAME,
  );
}

/** A frame round each row that a linear map takes or gives. */
function frameRows(run, drawing, { id, x, y, cell, layout }) {
  const length = layout.rowLength;
  if (!meetsLinear(run, id) || cell.height < LOWEST_FRAME) return;
  for (let i = 0; i < layout.elements.length; i += length) {
    const [px, py] = layout.place(layout.elements[i]);
    drawing.outline(x + MARGIN + px - 0.5, y + py - 0.5, length * cell.width, cell.height, "ink", 0.75);
  }
}

/** The element of the left or right tensor at a point of the panes, or null. */
export function hit(plan, state, position, x, y) {
  const { run } = plan;
  const now = moment(run, state, position);
  const { left, right } = exhibitOf(plan, now, state);
  const place = x >= right.x ? right : left;
  const homes = run.homes(place.id);
  if (!homes || (place === right && now.progress < 1)) return null;
  const k = elementAt(place, x, y);
  return k < 0 ? null : { id: place.id, k, home: homes[k] };
}
