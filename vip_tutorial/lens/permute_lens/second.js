// Draws a second tensor that is laid over the first, stretched where it is smaller.

import { eased } from "../figure/motion.js";
import { along, cellDrawer, corner, frame, LOWEST_FRAME } from "./cells.js";
import { MARGIN } from "./exhibit.js";
import { barsOf, colouredBy, fillOf, looksOf } from "./scene.js";

const PALER = 0.55; // how strong a copy is drawn that is not really there

/** The look of each of its elements. */
export function secondLooks(plan, state, middle) {
  const key = `second ${fillOf(state)}`;
  middle.looks ??= {};
  return (middle.looks[key] ??= looksOfSecond(plan, fillOf(state), middle));
}

function looksOfSecond(plan, fill, { id, kind, values }) {
  if (kind === "gradients" || fill === "value" || fill === "gradient") return colouredBy(values, values.length);
  return id !== undefined && plan.run.homes(id) ? looksOf(plan, id, fill) : barsOf(values);
}

/** A tensor that is laid over another: as far as it has stretched, what it really holds framed. */
export function drawSecond(plan, drawing, state, { between, middle, right }, stretched) {
  if (!right.layout) return;
  const looks = secondLooks(plan, state, middle);
  const draws = cellDrawer(drawing, state, between.cell);
  const first = new Map();
  const share = eased(stretched);
  for (const k of right.layout.elements) {
    const source = middle.source(k);
    const isOwn = !first.has(source);
    if (isOwn) first.set(source, k);
    const [x, y] = along(corner(between, first.get(source)), corner(between, k), share);
    draws(x, y, looks[source], isOwn ? 1 : PALER, isOwn ? 2 : 0);
  }
  if (!middle.isStretched) return;
  const thickness = between.cell.height < LOWEST_FRAME ? 0.5 : 1;
  for (const k of first.values()) frame(drawing, corner(between, k), between.cell, "ink", thickness);
}

export function drawSigns({ size }, drawing, { left, right, middle, between }) {
  if (!middle || !right.layout) return;
  const y = MARGIN + Math.min(right.layout.height / 2, 110) + 6;
  const wide = size.between;
  if (middle.sign) drawing.text(left.x + left.width + wide / 2, y, middle.sign, wide > 20 ? 20 : 14, "ink");
  drawing.text(between.x + left.width + wide / 2, y, "=", wide > 20 ? 20 : 14, "ink");
}
