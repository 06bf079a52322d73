// Draws what stands side by side at a step: the tensor before it, what it meets, and the
// tensor after it, or its numbers on their way there.

import { axisColour, inkOn } from "../figure/colours.js";
import { clamp, eased, shareOf } from "../figure/motion.js";
import { MARGIN, countOf, elementAt, rowLength } from "./exhibit.js";
import { flightOf } from "./flight.js";
import { MOST_DRAWN, lineAlong, sizeOf, unravel } from "./recording.js";
import { barsOf, colouredBy, exhibitOf, fillOf, fillsOf, focusIn, followed, litAxis, looksOf, markedRow, moment } from "./scene.js";

const LOWEST_FRAME = 7; // in lower cells the frames would be all that one sees
const LOWEST_OUTLINE = 5; // and so would be the outlines of the cells of a row
const NARROWEST_MARK = 4;
const NARROWEST_STRIPE = 1;
const LOWEST_PAIR = 10; // cells that have room for two lines of what was seen
const FADED = 0.4; // how strong what stands back is drawn
const SLIDE = 0.12; // of the time, what was the result becomes what comes next
const STRETCH = 0.3; // of the rest, a small tensor stretches over a larger one
const IN = 0.35; // of the first row's time, it gets to the matrix
const SMALLEST = 7.5; // letters that can be read
const isSmall = ({ width, height }) => Math.min(width, height) < LOWEST_FRAME;

/**
 * The picture of a moment: in one part, since the numbers cross it.
 * @returns {{width: number, height: number, parts: import("../figure/paint.js").Part[]}}
 */
export function paneParts(plan, state, position) {
  const [width, height] = [plan.size.width, plan.paneHeight];
  const now = moment(plan.run, state, position);
  return { width, height, parts: [{ x: 0, y: 0, width, height, key: `${now.index} ${now.progress}`, ...drawingOf(plan, state, now) }] };
}

/** How the moment is drawn; while numbers move, what does not is apart. */
function drawingOf(plan, state, now) {
  const exhibit = exhibitOf(plan, now);
  const { left, right, middle } = exhibit;
  const ground = (drawing, { stretched = 1, lit = true }) => {
    drawTensor(plan, drawing, state, now, left, now.progress === 0 || now.progress === 1);
    drawMiddle(plan, drawing, state, now, exhibit, stretched, lit);
    drawGroup(plan, drawing, state, now, left);
  };
  if (now.progress === 1)
    return {
      draw(drawing) {
        ground(drawing, {});
        if (middle?.kind === "matrix") drawMeeting(plan, drawing, state, now, exhibit);
        drawTensor(plan, drawing, state, now, right);
      },
    };
  const slides = now.progress > 0 && wasResult(plan.run, now);
  const slid = slides ? eased(clamp(now.progress / SLIDE)) : 1;
  if (slid < 1)
    return {
      draw(drawing) {
        drawPlaces(plan, drawing, right);
        drawTensor(plan, drawing, state, now, { ...left, x: left.x + (right.x - left.x) * (1 - slid) }, false, false);
      },
    };
  const share = slides ? clamp((now.progress - SLIDE) / (1 - SLIDE)) : now.progress;
  const stretched = middle?.isStretched ? clamp(share / STRETCH) : 1;
  const onWay = middle?.isStretched ? clamp((share - STRETCH) / (1 - STRETCH)) : share;
  const lit = middle?.kind === "matrix" && madeNow(plan, state, now, exhibit, onWay) >= 0;
  const still = (drawing) => {
    ground(drawing, { stretched, lit });
    drawPlaces(plan, drawing, right);
  };
  const fly = (drawing) => drawFlight(plan, drawing, state, now, exhibit, onWay);
  return { still: { key: `${now.index} ${now.progress === 0} ${stretched} ${lit}`, draw: still }, draw: fly };
}

/** What stands between, as far as it is not on its way. */
function drawMiddle(plan, drawing, state, now, exhibit, stretched, lit) {
  const { between, middle } = exhibit;
  if (!middle) return;
  if (middle.kind === "matrix") drawMatrix(drawing, state, exhibit, now.progress < 1 ? lit : state.cell >= 0);
  else if (middle.kind === "other") drawTensor(plan, drawing, state, now, between);
  else drawSecond(plan, drawing, state, now, exhibit, stretched);
  if (middle.kind !== "matrix") drawSigns(plan, drawing, exhibit);
}

/** Whether the tensor before the step is what the step before it left. */
function wasResult(run, { index, backward, from }) {
  const before = run.steps[index + (backward ? 1 : -1)];
  return Boolean(before) && (backward ? run.mainInput(before) : before.output) === from;
}

/** A tensor as it is, with its marks. */
function drawTensor(plan, drawing, state, now, place, isAtRest = true, isInPlace = true) {
  const { run } = plan;
  const { id, cell, layout } = place;
  const at = { x: place.x + MARGIN, y: place.y };
  if (!layout) {
    const size = countOf(run, id).toLocaleString("en");
    drawing.text(at.x, at.y + 16, `${size} elements:`, 12, "ink", "start");
    drawing.text(at.x, at.y + 34, `drawn are up to ${MOST_DRAWN.toLocaleString("en")}`, 12, "ink", "start");
    return;
  }
  const looks = looksOf(plan, id, fillOf(state));
  const marked = markedRow(run, state, now, id);
  const draws = cellDrawer(drawing, state, cell);
  // While one element is followed, whatever it does not meet stands back.
  const near = new Set(marked);
  const alpha = (k) => (state.cell < 0 || !near.size || near.has(k) ? 1 : FADED);
  const write = isAtRest && state.numbers !== "none" && noteWriter(plan, state, id, cell);
  for (let k = 0; k < looks.length; k++) {
    const [px, py] = layout.place(k);
    const { fill, seen, bar } = looks[k];
    const note = write && !(seen && cell.height <= 16) && write.text(k, marked); // a small blend has no room
    // What is written says more than the mark, and needs its place.
    draws(at.x + px, at.y + py, note && state.numbers === "birth" ? { ...looks[k], mark: undefined } : looks[k], alpha(k));
    if (!note) continue;
    const ink = bar || alpha(k) < 1 ? "ink" : inkOn(fill);
    const middle = (seen ? cell.height * 0.33 : cell.height / 2) + write.size * 0.36;
    drawing.text(at.x + px + cell.width / 2, at.y + py + middle, note, write.size, ink);
  }
  if (!isInPlace) return;
  drawMarks(plan, drawing, state, now, place, marked);
  const here = state.cell >= 0 ? run.whereIs(state.cell, id) : -1;
  if (here >= 0) frame(drawing, at, layout.place(here), cell, "ink", isSmall(cell) ? 1.5 : 3, 1);
}

/** Draws cells of one size, each by its look. */
function cellDrawer(drawing, state, { width, height }) {
  const joined = fillOf(state) === "picture"; // then the cells of a token are one pixel
  const inset = joined ? 0 : width >= 5 && height >= 5 ? 1 : 0.25;
  const stripes = (x, y, w, h, colours, alpha, layer) => {
    const count = Math.min(colours.length, Math.max(2, Math.floor(w / NARROWEST_STRIPE))); // of more one would see none
    for (let i = 0; i < count; i++)
      drawing.box(x + (w * i) / count, y, w / count, h, colours[Math.floor((i * colours.length) / count)], alpha, layer);
  };
  return (x, y, look, alpha = 1, layer = 0) => {
    const [w, h] = [width - inset, height - inset];
    const { fill, seen, also, bar, mark } = look;
    drawing.box(x, y, w, h, fill, alpha, layer);
    if (bar) {
      const room = bar.negative ? h / 2 : h;
      const long = Math.max(1, Math.abs(bar.value) * room);
      drawing.box(x, bar.value < 0 ? y + room : y + room - long, w, long, bar.colour, alpha, layer + 1);
      return;
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

// --- Numbers on their way -------------------------------------------------------------

function drawPlaces(plan, drawing, place) {
  const { cell, layout } = place;
  if (!layout) return;
  const inset = cell.width >= 5 && cell.height >= 5 ? 1 : 0.25;
  for (let k = 0; k < countOf(plan.run, place.id); k++) {
    const [x, y] = layout.place(k);
    drawing.box(place.x + MARGIN + x, place.y + y, cell.width - inset, cell.height - inset, "soft");
  }
}

/** One row first, and then the others; no text flies. */
function drawFlight(plan, drawing, state, now, exhibit, progress) {
  const { left, right, middle } = exhibit;
  if (!right.layout) return;
  const { order, count, pairs } = flightOf(plan, state, now);
  const shares = Array.from({ length: count }, (_, row) => shareOf(progress, row, count));
  const after = looksOf(plan, right.id, fillOf(state));
  const shareTo = (k) => shares[order[k]];
  if (middle?.kind === "matrix" && left.layout) return drawThroughMatrix(plan, drawing, state, now, exhibit, shares, progress);
  const draws = cellDrawer(drawing, state, right.cell);
  after.forEach((look, k) => {
    if (shareTo(k) === 1) draws(...corner(right, k), look);
  });
  const cells = cellPairs(plan, state, exhibit, pairs);
  for (const { from, start, look, k } of cells) {
    const share = eased(shareTo(k));
    if (share === 0 || share === 1) continue;
    const there = corner(right, k);
    const size = between2(share, from.cell, right.cell);
    cellDrawer(drawing, state, size)(...along(start, there, share), share < 0.5 ? look : (after[k] ?? look), 1, 3);
  }
}

/** Cells that fly: from the tensor on the left, and from a second one. */
function cellPairs(plan, state, { left, right, between, middle }, pairs) {
  const before = left.layout ? looksOf(plan, left.id, fillOf(state)) : [];
  const found = left.layout ? pairs.map(([source, k]) => ({ from: left, start: corner(left, source), look: before[source], k })) : [];
  if (middle?.source && right.layout) {
    const looks = secondLooks(plan, state, middle);
    for (let k = 0; k < countOf(plan.run, right.id); k++)
      found.push({ from: between, start: corner(between, k), look: looks[middle.source(k)], k });
  }
  return found;
}

const corner = ({ x, y, layout }, k) => {
  const [left, top] = layout.place(k);
  return [x + MARGIN + left, y + top];
};
const along = ([x0, y0], [x1, y1], share) => [x0 + (x1 - x0) * share, y0 + (y1 - y0) * share];
const between2 = (share, from, to) => ({
  width: from.width + (to.width - from.width) * share,
  height: from.height + (to.height - from.height) * share,
});

// --- A matrix -------------------------------------------------------------------------

/** What of a matrix goes in and comes out where: a row above it and to its right, backward turned. */
function gates({ between, middle }, backward) {
  const { x, y, side, width, rows, columns, strip, stripHeight } = between;
  const [given, taken] = middle.shape;
  const above = { count: taken, cell: { width: side, height: stripHeight - 3 }, at: (i) => [x + i * side, strip] };
  const beside = { count: given, cell: { width: 9, height: side }, at: (j) => [x - 12, y + j * side] };
  const rightOf = { count: given, cell: { width: side, height: side }, at: (j) => [x + width + 2, y + j * side] };
  const below = { count: taken, cell: { width: side, height: side }, at: (i) => [x + i * side, y + rows * side] };
  return backward ? { into: beside, out: below, columns } : { into: above, out: rightOf, columns };
}

/** The matrix; faded while one line of it is lit. */
function drawMatrix(drawing, state, { between, middle }, isFaded) {
  const { x, y, side, rows, columns } = between;
  const inset = side >= 5 ? 1 : 0.25;
  middle.fills ??= fillsOf(middle.values);
  for (let j = 0; j < rows; j++)
    for (let i = 0; i < columns; i++)
      drawing.box(x + i * side, y + j * side, side - inset, side - inset, middle.fills[j * columns + i], isFaded ? FADED : 1);
}

/** The line of the matrix that makes one number. @returns {[number, number, number, number]} where it stands */
function drawLine(drawing, { between, middle }, backward, made) {
  const { x, y, side, rows, columns } = between;
  const inset = side >= 5 ? 1 : 0.25;
  for (let i = 0; i < (backward ? rows : columns); i++) {
    const [row, column] = backward ? [i, made] : [made, i];
    const fill = middle.fills[row * columns + column];
    drawing.box(x + column * side, y + row * side, side - inset, side - inset, fill, 1, 1);
  }
  const line = backward ? [x + made * side, y, side, rows * side] : [x, y + made * side, columns * side, side];
  drawing.outline(line[0] - 1, line[1] - 1, line[2] + 1, line[3] + 1, "ink", 2);
  return /** @type {[number, number, number, number]} */ (line);
}

/** Which number of the first row is being made; -1 for none. */
function madeNow(plan, state, now, exhibit, share) {
  const { count } = gates(exhibit, now.backward).out;
  const first = shareOf(share, 0, flightOf(plan, state, now).count);
  return first > IN && first < 1 ? Math.min(count - 1, Math.floor(((first - IN) / (1 - IN)) * count)) : -1;
}

/** At rest: the row that meets the matrix, the line that it meets, and the number that comes of it. */
function drawMeeting(plan, drawing, state, now, exhibit) {
  const { left, right } = exhibit;
  const { into, out } = gates(exhibit, now.backward);
  const focus = focusIn(plan.run, state, now.to);
  const line = drawLine(drawing, exhibit, now.backward, focus % out.count);
  if (!left.layout || !right.layout) return;
  const row = Math.floor(focus / out.count);
  const looks = looksOf(plan, left.id, fillOf(state));
  const draws = cellDrawer(drawing, state, into.cell);
  for (let i = 0; i < into.count; i++) draws(...into.at(i), looks[row * into.count + i]);
  drawArrows(drawing, exhibit, now, row, focus, into, line);
}

/** From the row to the matrix, and from the lit line of the matrix to the number that it makes. */
function drawArrows(drawing, { left, right }, now, row, focus, into, [x, y, width, height]) {
  const [fx, fy] = corner(left, row * into.count + into.count - 1);
  const [sx, sy] = into.at(0);
  const start = [fx + left.cell.width + 1, fy + left.cell.height / 2];
  const end = now.backward ? [sx - 1, y + 4] : [sx - 2, sy + into.cell.height / 2];
  drawing.curve([start, [end[0] - 8, end[1]], end], "ink", 1);
  const [tx, ty] = corner(right, focus);
  const out = now.backward ? [x + width / 2, y + height + 1] : [x + width + 1, y + height / 2];
  const there = [tx - 2, ty + right.cell.height / 2];
  drawing.curve([out, [there[0] - 10, now.backward ? out[1] + 10 : there[1]], there], "ink", 1);
}

function drawThroughMatrix(plan, drawing, state, now, exhibit, shares, progress) {
  const { left, right } = exhibit;
  const made = madeNow(plan, state, now, exhibit, progress);
  if (made >= 0) drawLine(drawing, exhibit, now.backward, made);
  const { into, out } = gates(exhibit, now.backward);
  const [before, after] = [left, right].map(({ id }) => looksOf(plan, id, fillOf(state)));
  const { order } = flightOf(plan, state, now);
  const shareTo = (k) => {
    const share = shares[order[k]];
    if (order[k] !== 0) return clamp(share * 2 - 1);
    const one = 0.3; // of the rest of the time is what one number takes
    const start = ((1 - one) * (k % out.count)) / Math.max(1, out.count - 1);
    return clamp((clamp((share - IN) / (1 - IN)) - start) / one);
  };
  const draws = cellDrawer(drawing, state, right.cell);
  after.forEach((look, k) => {
    const share = eased(shareTo(k));
    if (share === 1) draws(...corner(right, k), look);
    if (share === 0 || share === 1) return;
    const size = between2(share, out.cell, right.cell);
    cellDrawer(drawing, state, size)(...along(out.at(k % out.count), corner(right, k), share), look, 1, 3);
  });
  before.forEach((look, k) => {
    const row = Math.floor(k / into.count);
    const place = order[row * out.count];
    const share = shares[place];
    const way = eased(clamp(share / (place === 0 ? IN : 0.5)));
    if (way === 0 || share === 1 || (place !== 0 && way === 1)) return;
    const size = between2(way, left.cell, into.cell);
    cellDrawer(drawing, state, size)(...along(corner(left, k), into.at(k % into.count), way), look, 1, 3);
  });
}

// --- A second tensor, and what shares a sum --------------------------------------------

function secondLooks(plan, state, middle) {
  const key = `second ${fillOf(state)}`;
  middle.looks ??= {};
  return (middle.looks[key] ??= looksOfSecond(plan, fillOf(state), middle));
}

function looksOfSecond(plan, fill, { id, kind, values }) {
  if (kind === "gradients" || fill === "value" || fill === "gradient") return colouredBy(values, values.length);
  return id !== undefined && plan.run.homes(id) ? looksOf(plan, id, fill) : barsOf(values);
}

/** A tensor that is laid over another: as far as it has stretched, what it really holds framed. */
function drawSecond(plan, drawing, state, now, { between, middle, right }, stretched) {
  if (!right.layout) return;
  const looks = secondLooks(plan, state, middle);
  const draws = cellDrawer(drawing, state, between.cell);
  const near = new Set(markedRow(plan.run, state, now, right.id));
  const first = new Map();
  const share = eased(stretched);
  for (let k = 0; k < countOf(plan.run, right.id); k++) {
    const source = middle.source(k);
    const isOwn = !first.has(source);
    if (isOwn) first.set(source, k);
    const [x, y] = along(corner(between, first.get(source)), corner(between, k), share);
    const back = state.cell >= 0 && near.size && !near.has(k) ? FADED : 1;
    draws(x, y, looks[source], isOwn ? back : back * 0.55, isOwn ? 2 : 0);
  }
  if (!middle.isStretched) return;
  for (const k of first.values()) frame(drawing, { x: 0, y: 0 }, corner(between, k), between.cell, "ink", isSmall(between.cell) ? 0.5 : 1);
}

function drawSigns({ size }, drawing, { left, right, middle, between }) {
  if (!middle || !right.layout) return;
  const y = MARGIN + Math.min(right.layout.height / 2, 110) + 6;
  const wide = size.between;
  if (middle.sign) drawing.text(left.x + left.width + wide / 2, y, middle.sign, wide > 20 ? 20 : 14, "ink");
  drawing.text(between.x + left.width + wide / 2, y, "=", wide > 20 ? 20 : 14, "ink");
}

/** The elements of the tensor before the step that share a sum with the focus; empty if none do. */
export function groupOf(run, state, { step, backward, from, to }) {
  if (backward || step.kind === "move" || step.kind === "mix" || !step.mixed?.length) return [];
  const { base, offsets } = run.sources(step, from);
  const start = base(focusIn(run, state, to));
  return offsets.map((offset) => start + offset);
}

/** An outline round what shares a sum. */
function drawGroup({ run }, drawing, state, now, left) {
  const group = left.layout ? groupOf(run, state, now) : [];
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

const line = (drawing, x0, y0, x1, y1) => drawing.curve([[x0, y0], [(x0 + x1) / 2, (y0 + y1) / 2], [x1, y1]], "ink", 2);

// --- What is written into the cells ------------------------------------------------------

/** What is written into the cells of a tensor, and how large; null if it has no room. */
function noteWriter(plan, state, id, cell) {
  const { run, birth } = plan;
  const values = state.numbers === "value" && (state.backward ? run.gradient(id) : run.values(id));
  const homes = state.numbers === "birth" && run.homes(id);
  const root = run.tensors[run.root].shape;
  const longest =
    state.numbers === "birth"
      ? birthNote(birth, root, root.map((n) => n - 1)).length
      : state.numbers === "value"
        ? 4
        : String(rowLength(run, id)).length;
  const size = Math.min(13, cell.height * 0.62, (cell.width - 3.5) / (Math.max(2, longest) * 0.58));
  if (size < SMALLEST) return null;
  const text = (k, marked) => {
    if (state.numbers === "order") return marked.includes(k) ? String(marked.indexOf(k) + 1) : "";
    if (homes) return birthNote(birth, root, unravel(homes[k], root));
    return values ? shortNumber(values[k]) : "";
  };
  return { size, text };
}

/** Where an element was born, along all axes of the input that are longer than 1. */
function birthNote({ real }, shape, at) {
  return real.map((axis) => at[axis]).join(real.some((axis) => shape[axis] > 10) ? "\u2009" : "");
}

/** Whether what the reader wants written into the cells fits there. */
export function fitsNotes(plan, state, now) {
  const { left, right } = exhibitOf(plan, now);
  return [left, right].some(({ id, cell, layout }) => layout && noteWriter(plan, state, id, cell));
}

/** Whether it also fits into the part of a blend that shows its home. */
export function fitsBlends(plan, now) {
  return exhibitOf(plan, now).right.cell.height > 16;
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

// --- Frames --------------------------------------------------------------------------------

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

function drawMarks(plan, drawing, state, now, place, marked) {
  const { run } = plan;
  const { id, cell, layout } = place;
  const at = { x: place.x + MARGIN, y: place.y };
  if (!run.homes(id)) return;
  frameRows(run, drawing, place);
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
export function hasFrames(plan, now) {
  const { run } = plan;
  const { left, right } = exhibitOf(plan, now);
  return [left, right].some(({ id, cell, layout }) => layout && run.homes(id) && meetsLinear(run, id) && cell.height >= LOWEST_FRAME);
}

/** A frame round each row that a linear map takes or gives. */
function frameRows(run, drawing, { id, x, y, cell, layout }) {
  const length = layout.rowLength;
  if (!meetsLinear(run, id) || cell.height < LOWEST_FRAME) return;
  for (let k = 0; k < sizeOf(run.tensors[id].shape); k += length) {
    const [px, py] = layout.place(k);
    drawing.outline(x + MARGIN + px - 0.5, y + py - 0.5, length * cell.width, cell.height, "ink", 0.75);
  }
}

/** The element of the left or right tensor at a point of the panes, or null. */
export function hit(plan, state, position, x, y) {
  const { run } = plan;
  const now = moment(run, state, position);
  const { left, right } = exhibitOf(plan, now);
  const place = x >= right.x ? right : left;
  const homes = run.homes(place.id);
  if (!homes || (place === right && now.progress < 1)) return null;
  const k = elementAt(place, homes.length, x, y);
  return k < 0 ? null : { id: place.id, k, home: homes[k] };
}
