// Draws a map: every tensor as a small picture of its real elements, the lines between
// them, the matrices, and one act's numbers on their way.

import { shareColour, valueFill } from "../figure/colours.js";
import { eased, shareOf } from "../figure/motion.js";
import { sizeOf } from "../permute_lens/recording.js";
import { followed, looksOf } from "../permute_lens/scene.js";
import { isCut } from "../permute_lens/window.js";
import { endsOf, rowsOf } from "./map_flight.js";
import { matrixOf } from "./map_graph.js";
import { MATRIX } from "./map_layout.js";

const LATER = 0.28; // how strong what has not happened yet is drawn
const HEAD = 5; // of an arrow

/**
 * @typedef {object} View what of a map is shown
 * @property {number} position steps done, with a fraction on the way
 * @property {boolean} moving
 * @property {number} current group that is shown, -1 for none
 * @property {number[]} lit steps that are pointed at
 * @property {number} cell input element that is followed, -1 for none
 * @property {string} [window] what the windows of large tensors show, if not what is followed
 * @property {string} fill
 * @property {import("./map_graph.js").Group[] | null} here the only ones that don't stand back
 * @property {[number, number][]} misfits axes that the next step can't take: a tensor's number, and the axis
 */

/**
 * @param {*} plan
 * @param {View} view
 * @param {number} progress of the current group
 */
export function drawMap(plan, drawing, view, progress) {
  const { groups, layout, run } = plan;
  const isDone = (group) =>
    view.here ? view.here.includes(group) : group.steps[group.steps.length - 1] < view.position || isCurrent(group);
  const isCurrent = (group) => view.current >= 0 && groups[view.current] === group;
  for (const link of layout.links) {
    const strong = isCurrent(link.group) || link.group.steps.some((i) => view.lit.includes(i));
    drawLink(drawing, link, strong, layout.acts.get(link.group));
  }
  for (const group of groups) {
    const act = layout.acts.get(group);
    if (act.matrix) drawMatrix(plan, drawing, group, act, isDone(group) ? 1 : LATER);
  }
  const made = new Map(groups.map((group) => [group.output, group]));
  for (const station of layout.stations.values()) {
    const group = made.get(station.id);
    const onItsWay = group && isCurrent(group) && progress < 1;
    if (onItsWay) drawPlaces(drawing, station);
    else drawStation(plan, drawing, view, station, !group || isDone(group) || feeds(view.here, station.id) ? 1 : LATER);
    const isMisfit = (axis) => view.misfits.some(([id, other]) => id === station.id && other === axis);
    const names = run.tensors[station.id].axes.map((name, axis) => (isMisfit(axis) ? `✗ ${name}` : name));
    drawing.text(
      station.x,
      station.y + station.height + 11,
      names.length ? `(${names.join(", ")})` : "one number",
      10.5,
      "ink",
    );
  }
  if (view.current < 0) return;
  if (progress < 1) drawFlight(plan, drawing, view, groups[view.current], progress);
  else drawFirstRow(plan, drawing, view, groups[view.current]);
}

const feeds = (groups, id) => Boolean(groups?.some(({ inputs }) => inputs.includes(id)));

function drawLink(drawing, { points }, strong, act) {
  const [stroke, thickness] = strong ? ["accent", 2.5] : ["line", 1.25];
  const [x, y] = points[points.length - 1];
  const [upper, lower] = [act.y - MATRIX / 2 - 3, act.y + MATRIX / 2 + 2];
  const way = act.matrix ? [...points.slice(0, -1), [x, upper]] : points;
  for (let i = 1; i < way.length; i++) {
    const [[x0, y0], [x1, y1]] = [way[i - 1], way[i]];
    const middle = [(x0 + x1) / 2, (y0 + y1) / 2];
    drawing.curve([[x0, y0], [x0, y0 + (y1 - y0) * 0.35], middle], stroke, thickness);
    drawing.curve([middle, [x1, y1 - (y1 - y0) * 0.35], [x1, y1]], stroke, thickness);
  }
  if (act.matrix)
    drawing.curve(
      [
        [x, lower],
        [x, (lower + y) / 2],
        [x, y],
      ],
      stroke,
      thickness,
    );
  for (const side of [-1, 1])
    drawing.curve(
      [
        [x + side * HEAD * 0.7, y - HEAD],
        [x + side * HEAD * 0.35, y - HEAD / 2],
        [x, y],
      ],
      stroke,
      thickness,
    );
}

/** The matrix that every row is multiplied by, as it is: one box a weight. */
function drawMatrix({ run }, drawing, group, { x, y }, alpha) {
  const { weight } = matrixOf(run, group);
  const [rows, columns] = weight.shape;
  const most = 32; // boxes a side; a larger matrix is drawn by every n-th of its numbers
  const [down, across] = [Math.ceil(rows / most), Math.ceil(columns / most)];
  const [high, wide] = [Math.ceil(rows / down), Math.ceil(columns / across)];
  const side = MATRIX / Math.max(high, wide);
  const { values } = weight;
  const scale = values.reduce((top, v) => (Number.isFinite(v) ? Math.max(top, Math.abs(v)) : top), 0);
  const [left, top] = [x - (side * wide) / 2, y - (side * high) / 2];
  for (let r = 0; r < high; r++)
    for (let c = 0; c < wide; c++)
      drawing.box(
        left + c * side,
        top + r * side,
        side - 0.3,
        side - 0.3,
        valueFill(values[r * down * columns + c * across], scale),
        alpha,
        1,
      );
  drawing.outline(left - 1, top - 1, side * wide + 2, side * high + 2, "ink", 1);
}

function drawPlaces(drawing, { x, y, width, height }) {
  drawing.outline(x - width / 2 - 0.5, y - 0.5, width + 1, height + 1, "faint", 1);
}

function drawStation(plan, drawing, view, station, alpha) {
  const { run, lens } = plan;
  const { id, layout, cell } = station;
  const left = station.x - station.width / 2;
  if (!layout) {
    drawing.box(left, station.y, station.width, station.height, "faint", alpha);
    const size = run.tensors[id].shape.join(" × ");
    drawing.text(station.x, station.y + 17, size, 11, "ink");
    return;
  }
  if (!run.homes(id)) return drawNumbers(plan, drawing, station, left, alpha);
  const looks = looksOf(lens, id, view.fill);
  for (const k of layout.elements) {
    const [x, y] = layout.place(k);
    drawCell(drawing, left + x, station.y + y, cell, looks[k], alpha);
  }
  const here = view.cell >= 0 ? run.whereIs(view.cell, id) : -1;
  if (layout.shows(here)) {
    const [x, y] = layout.place(here);
    drawing.outline(left + x - 1, station.y + y - 1, cell.width + 1.5, cell.height + 1.5, "ink", 1.75);
  }
}

/** @param {{fill: string, seen?: string[]}} look */
function drawCell(drawing, x, y, { width, height }, look, alpha, layer = 0) {
  const { fill, seen } = look;
  const inset = width >= 4 && height >= 4 ? 0.75 : 0.2;
  const [w, h] = [width - inset, height - inset];
  drawing.box(x, y, w, h, fill, alpha, layer);
  seen?.forEach((other, i) =>
    drawing.box(x + (w * i) / seen.length, y + h * 0.4, w / seen.length, h * 0.6, other, alpha, layer + 1),
  );
}

/** Numbers that have no place in the input: a bar for each; shares of a whole lie on each other. */
function drawNumbers({ run }, drawing, { id, y, layout, cell, width, height }, left, alpha) {
  const values = run.values(id) ?? [];
  const shares = sharesOf(run, id);
  if (shares) {
    const { parts, each } = shares;
    const wide = width / each;
    for (let c = 0; c < each; c++) {
      let top = y;
      for (let part = 0; part < parts; part++) {
        const share = values[part * each + c];
        const high = height * (Number.isFinite(share) ? share : 0);
        drawing.box(left + c * wide, top, wide - 0.75, high, shareColour(part), alpha);
        top += high;
      }
    }
    return;
  }
  const scale = values.reduce((top, v) => (Number.isFinite(v) ? Math.max(top, Math.abs(v)) : top), 0);
  for (const k of layout.elements) {
    const value = values[k];
    const [x, top] = layout.place(k);
    const high = scale > 0 && Number.isFinite(value) ? Math.max(1, (cell.height - 1) * (Math.abs(value) / scale)) : 1;
    drawing.box(left + x, y + top, cell.width - 0.75, cell.height - 0.75, "soft", alpha);
    drawing.box(
      left + x,
      y + top + cell.height - 0.75 - high,
      cell.width - 0.75,
      high,
      valueFill(value, scale),
      alpha,
      1,
    );
  }
}

/** Whether a tensor holds shares: what a softmax over its first long axis left. */
export function sharesOf(run, id) {
  const { shape } = run.tensors[id];
  if (isCut(shape)) return null; // more than there is room for
  let step = run.maker.get(id);
  const keepsAll = ({ kind, map, inputs }) =>
    kind === "move" && map?.length === sizeOf(run.tensors[inputs[0]].shape) && map.every((source, k) => source === k);
  while (step && keepsAll(step)) step = run.maker.get(step.inputs[0]);
  if (step?.op !== "softmax" || step.mixed?.length !== 1) return null;
  const before = run.tensors[step.output].shape;
  if (step.mixed[0] !== before.findIndex((n) => n > 1)) return null;
  const parts = before[step.mixed[0]];
  return { parts, each: sizeOf(shape) / parts };
}

/** The numbers of one act on their way: one row first, and then the others. */
function drawFlight(plan, drawing, view, group, progress) {
  const { run, layout, lens } = plan;
  const end = layout.stations.get(group.output);
  if (!end.layout) return;
  const { ends, rows, order } = flightOf(plan, group, view);
  const act = layout.acts.get(group);
  const after = run.homes(group.output) ? looksOf(lens, group.output, view.fill) : null;
  const count = new Set(order.values()).size;
  for (const [id, to] of ends) {
    const start = layout.stations.get(id);
    if (!start.layout) continue;
    const before = run.homes(id) ? looksOf(lens, id, view.fill) : null;
    const away = end.x < start.x - 1 ? -1 : 1;
    const lifted = (at) => [at[0] + away * (start.width / 2 + 8), at[1] + 5];
    for (const k of start.layout.elements) {
      const target = to[k] ?? -1;
      if (!end.layout.shows(target)) continue;
      const place = order.get(rows[target]);
      const share = eased(shareOf(progress, place, count));
      if (share === 0) continue;
      const from = cornerOf(start, k);
      // The first row is lifted out as it stands, so that it is seen to lie down on its way.
      const way = [
        from,
        ...(place || act.matrix ? [] : [lifted(from)]),
        ...(act.matrix ? [overMatrix(act, k)] : []),
        cornerOf(end, target),
      ];
      const [x, y] = along(way, share);
      const past = share >= 0.5;
      const { cell } = past ? end : start;
      const look = (past ? (after?.[target] ?? before?.[k]) : before?.[k]) ?? { fill: "#8a8f96" };
      drawCell(drawing, x, y, cell, look, 1, 3);
      if (place === 0) drawing.outline(x - 0.6, y - 0.6, cell.width + 0.4, cell.height + 0.4, "line", 0.75);
    }
  }
}

/** At rest: the row that went first, where it was and where it is. */
function drawFirstRow(plan, drawing, view, group) {
  const { layout } = plan;
  const end = layout.stations.get(group.output);
  if (!end.layout) return;
  const { ends, rows, order } = flightOf(plan, group, view);
  if (order.size < 2) return;
  const isFirst = (target) => target >= 0 && order.get(rows[target]) === 0;
  outlineCells(drawing, end, isFirst);
  for (const [id, to] of ends) {
    const start = layout.stations.get(id);
    if (start.layout) outlineCells(drawing, start, (k) => isFirst(to[k]));
  }
}

/** One outline round the cells that lie side by side. */
function outlineCells(drawing, station, isWanted) {
  const { width, height } = station.cell;
  const runs = [];
  for (const k of station.layout.elements) {
    if (!isWanted(k)) continue;
    const [x, y] = cornerOf(station, k);
    const run = runs[runs.length - 1];
    if (run && run.y === y && Math.abs(run.x + run.width - x) < 0.1) run.width += width;
    else runs.push({ x, y, width });
  }
  for (const run of runs) drawing.outline(run.x - 0.75, run.y - 0.75, run.width + 0.75, height + 0.75, "ink", 1.25);
}

/**
 * A place on the way that leads by `stops`, each leg of it in the same time.
 * @param {number[][]} stops
 */
function along(stops, share) {
  const legs = stops.length - 1;
  const leg = Math.min(legs - 1, Math.floor(share * legs));
  return between(stops[leg], stops[leg + 1], share * legs - leg);
}

/** @param {number[]} from @param {number[]} to @param {number} share */
const between = (from, to, share) => from.map((start, i) => start + (to[i] - start) * share);

/** Where a number of a row meets the matrix: the row lies across it. */
const overMatrix = ({ x, y }, k) => [x - MATRIX / 2 + ((k % 8) * MATRIX) / 8, y - 3];

function cornerOf({ x, y, width, layout }, k) {
  const [left, top] = layout.place(k);
  return [x - width / 2 + left, y + top];
}

/** What of a flight does not change while it lasts. */
function flightOf(plan, group, view) {
  const { run, flights, layout } = plan;
  const { elements } = layout.stations.get(group.output).layout;
  const here = followed(run, view, group.output);
  const key = `${group.steps} ${here} ${elements[0]}`;
  if (!flights.has(key)) {
    const rows = rowsOf(run, group);
    const first = rows[here];
    const all = [...new Set(elements.map((k) => rows[k]))].sort((one, other) => one - other);
    const order = new Map([first, ...all.filter((row) => row !== first)].map((row, i) => [row, i]));
    flights.set(key, { ends: endsOf(run, group), rows, order });
  }
  return flights.get(key);
}
