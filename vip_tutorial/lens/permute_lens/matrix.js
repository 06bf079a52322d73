// Draws a matrix between two tensors: the row that meets it, the line of it that makes a
// number, and the numbers on their way through it.

import { clamp, eased, shareOf } from "../figure/motion.js";
import { along, cellDrawer, corner, grown } from "./cells.js";
import { flightOf } from "./flight.js";
import { fillOf, fillsOf, focusIn, looksOf } from "./scene.js";

const FADED = 0.4; // how strong the other lines are drawn
const IN = 0.35; // of the first row's time, it gets to the matrix
const ONE = 0.3; // of the rest is what one number takes

/**
 * What of a matrix goes in and comes out where: a row above it and to its right, backward turned.
 * @returns {{into: any, out: any}} of each how many cells there are, how large, and where
 */
function gates({ between, middle }, backward) {
  const { x, y, side, width, rows, strip, stripHeight } = between;
  const [given, taken] = middle.shape;
  const above = { count: taken, cell: { width: side, height: stripHeight - 3 }, at: (i) => [x + i * side, strip] };
  const beside = { count: given, cell: { width: 9, height: side }, at: (j) => [x - 12, y + j * side] };
  const rightOf = { count: given, cell: { width: side, height: side }, at: (j) => [x + width + 2, y + j * side] };
  const below = { count: taken, cell: { width: side, height: side }, at: (i) => [x + i * side, y + rows * side] };
  return backward ? { into: beside, out: below } : { into: above, out: rightOf };
}

/** The matrix; faded while one line of it is lit. */
export function drawMatrix(drawing, { between, middle }, isFaded) {
  const { x, y, side, rows, columns } = between;
  const inset = side >= 5 ? 1 : 0.25;
  middle.fills ??= fillsOf(middle.values);
  for (let j = 0; j < rows; j++)
    for (let i = 0; i < columns; i++)
      drawing.box(
        x + i * side,
        y + j * side,
        side - inset,
        side - inset,
        middle.fills[j * columns + i],
        isFaded ? FADED : 1,
      );
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
export function madeNow(plan, state, now, exhibit, share) {
  const { count } = gates(exhibit, now.backward).out;
  const first = shareOf(share, 0, flightOf(plan, state, now).count);
  return first > IN && first < 1 ? Math.min(count - 1, Math.floor(((first - IN) / (1 - IN)) * count)) : -1;
}

/** At rest: the row that meets the matrix, the line that it meets, and the number that comes of it. */
export function drawMeeting(plan, drawing, state, now, exhibit) {
  const { left, right } = exhibit;
  const { into, out } = gates(exhibit, now.backward);
  if (left.layout && !looksOf(plan, left.id, fillOf(state)).length) return; // no row meets it
  const focus = focusIn(plan.run, state, now);
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
  const last = row * into.count + into.count - 1;
  const [fx, fy] = corner(left, last);
  const [sx, sy] = into.at(0);
  const start = [fx + left.cell.width + 1, fy + left.cell.height / 2];
  const end = now.backward ? [sx - 1, y + 4] : [sx - 2, sy + into.cell.height / 2];
  if (left.layout.shows(last)) drawing.curve([start, [end[0] - 8, end[1]], end], "ink", 1);
  if (!right.layout.shows(focus)) return;
  const [tx, ty] = corner(right, focus);
  const out = now.backward ? [x + width / 2, y + height + 1] : [x + width + 1, y + height / 2];
  const there = [tx - 2, ty + right.cell.height / 2];
  drawing.curve([out, [there[0] - 10, now.backward ? out[1] + 10 : there[1]], there], "ink", 1);
}

export function drawThroughMatrix(plan, drawing, state, now, exhibit, shares, progress) {
  const { left, right } = exhibit;
  const made = madeNow(plan, state, now, exhibit, progress);
  if (made >= 0) drawLine(drawing, exhibit, now.backward, made);
  const { into, out } = gates(exhibit, now.backward);
  const [before, after] = [left, right].map(({ id }) => looksOf(plan, id, fillOf(state)));
  const { order } = flightOf(plan, state, now);
  const shareTo = (k) => {
    const share = shares[order[k]];
    if (order[k] !== 0) return clamp(share * 2 - 1);
    const start = ((1 - ONE) * (k % out.count)) / Math.max(1, out.count - 1);
    return clamp((clamp((share - IN) / (1 - IN)) - start) / ONE);
  };
  const draws = cellDrawer(drawing, state, right.cell);
  for (const k of right.layout.elements) {
    const share = eased(shareTo(k));
    if (share === 1) draws(...corner(right, k), after[k]);
    if (share === 0 || share === 1) continue;
    const size = grown(share, out.cell, right.cell);
    cellDrawer(drawing, state, size)(...along(out.at(k % out.count), corner(right, k), share), after[k], 1, 8);
  }
  for (const k of left.layout.elements) {
    const row = Math.floor(k / into.count);
    const place = order[row * out.count];
    const share = shares[place] ?? 1;
    const way = eased(clamp(share / (place === 0 ? IN : 0.5)));
    if (way === 0 || share === 1 || (place !== 0 && way === 1)) continue;
    const size = grown(way, left.cell, into.cell);
    cellDrawer(drawing, state, size)(...along(corner(left, k), into.at(k % into.count), way), before[k], 1, 8);
  }
}
