// Where everything stands on a map: tensors in rows by how far the run has come, branches
// side by side, and lines that never run through a tensor.

import { arrange, fitCell } from "../figure/layout.js";
import { sizeOf } from "../permute_lens/recording.js";
import { countsOf, isCut, seenThrough, whole, windowOf } from "../permute_lens/window.js";
import { matrixOf } from "./map_graph.js";

const SIZES = {
  wide: { width: 640, thumb: { width: 148, height: 70 }, lane: 172, gap: 42 },
  narrow: { width: 328, thumb: { width: 80, height: 62 }, lane: 96, gap: 40 },
};
const CELL = { width: 15, height: 8 };
const TIGHT = [0, 2, 4]; // between blocks and between blocks of blocks
const LINE = 13; // of writing
const PASS = 12; // what a line needs that only passes a row
const MARGIN = 6;
export const MATRIX = 34; // its side

/**
 * @typedef {object} Station a tensor on the map
 * @property {number} id
 * @property {number} row
 * @property {number} x its middle
 * @property {number} y its top
 * @property {number} width
 * @property {number} height
 * @property {ReturnType<typeof whole> | null} layout of its cells, or of those that its window has;
 *   null if they are not drawn
 * @property {{width: number, height: number}} cell
 *
 * @typedef {object} Link what leads from a tensor to the group that takes it
 * @property {number} from a tensor
 * @property {import("./map_graph.js").Group} group
 * @property {[number, number][]} points from the first to the last
 *
 * @typedef {object} Layout
 * @property {number} width
 * @property {number} height
 * @property {Map<number, Station>} stations
 * @property {Link[]} links
 * @property {Map<import("./map_graph.js").Group, {x: number, y: number, matrix: boolean}>} acts
 *   where the name of each group stands, and its matrix
 */

/** @returns {Layout} */
export function layOut(run, groups, format) {
  const size = SIZES[format];
  const stations = new Map();
  const add = (id, row) => stations.set(id, { id, row, ...thumbOf(run, id, size) });
  const taken = new Set(groups.flatMap(({ inputs }) => inputs));
  const made = new Set(groups.map(({ output }) => output));
  for (const id of taken) if (!made.has(id)) add(id, 0);
  for (const { inputs, output } of groups) add(output, 1 + Math.max(...inputs.map((id) => stations.get(id).row)));
  // As far down as what is made of it lets it: branches of unequal length meet side by side.
  for (const { inputs } of [...groups].reverse())
    for (const id of inputs) {
      const users = groups.filter((group) => group.inputs.includes(id));
      stations.get(id).row = Math.min(...users.map(({ output }) => stations.get(output).row)) - 1;
    }

  // A line that passes a row has a place in it, so that nothing stands in its way.
  const depth = 1 + Math.max(...[...stations.values()].map(({ row }) => row));
  const rows = Array.from({ length: depth }, () => []);
  const nodes = new Map();
  const node = (key, row, width) => {
    const made = { key, row, width, above: [], below: [], x: 0 };
    nodes.set(key, made);
    rows[row].push(made);
    return made;
  };
  for (const { id, row, width } of stations.values()) node(id, row, Math.max(width, size.lane));
  const ways = groups.flatMap((group) =>
    group.inputs.map((from) => {
      const end = stations.get(group.output).row;
      const way = [nodes.get(from)];
      for (let row = way[0].row + 1; row < end; row++) way.push(node(`${from} ${group.output} ${row}`, row, PASS));
      way.push(nodes.get(group.output));
      way.slice(1).forEach((next, i) => {
        way[i].below.push(next);
        next.above.push(way[i]);
      });
      return { from, group, way };
    }),
  );
  sortRows(rows);
  placeAcross(rows);
  const all = [...nodes.values()];
  const left = Math.min(...all.map(({ x, width }) => x - width / 2));
  const right = Math.max(...all.map(({ x, width }) => x + width / 2));
  const width = Math.max(size.width, Math.ceil(right - left) + 2 * MARGIN);
  const shift = (width - (right - left)) / 2 - left;
  for (const one of all) one.x += shift;

  const mixed = new Set(groups.filter((group) => matrixOf(run, group)).map(({ output }) => stations.get(output).row));
  let y = MARGIN;
  const tops = rows.map((row, i) => {
    if (i) y += size.gap + (mixed.has(i) ? 16 : 0);
    const top = y;
    y += Math.max(...row.map(({ key }) => stations.get(key)?.height ?? 0)) + LINE;
    return top;
  });
  const bottoms = rows.map(
    (row, i) => tops[i] + Math.max(...row.map(({ key }) => stations.get(key)?.height ?? 0)) + LINE,
  );
  for (const station of stations.values()) {
    station.x = nodes.get(station.id).x;
    station.y = tops[station.row];
  }
  const links = ways.map(({ from, group, way }) => {
    const points = way.flatMap((one, i) => {
      const station = stations.get(one.key);
      if (!station)
        return [
          [one.x, tops[one.row] - 4],
          [one.x, bottoms[one.row]],
        ];
      return [[one.x, i ? station.y - 3 : station.y + station.height + LINE]];
    });
    return { from, group, points: /** @type {[number, number][]} */ (points) };
  });
  const acts = new Map(
    groups.map((group) => {
      const { x, row, y } = stations.get(group.output);
      const above = row ? bottoms[row - 1] : y;
      return [group, { x, y: (above + y) / 2, matrix: Boolean(matrixOf(run, group)) }];
    }),
  );
  return { width, height: Math.ceil(y) + MARGIN, stations, links, acts };
}

/** The layout as the windows of a state show it. @param {Layout} layout @returns {Layout} */
export function throughWindows(run, state, layout) {
  const all = [...layout.stations];
  if (!all.some(([id]) => isCut(run.tensors[id].shape))) return layout;
  const seen = all.map(([id, station]) => [id, seenThrough(station, windowOf(run, state, id, run.asTokens(id)))]);
  return { ...layout, stations: new Map(/** @type {[number, Station][]} */ (seen)) };
}

/** How large a tensor stands there. */
function thumbOf(run, id, { thumb }) {
  if (!run.isComplete(id)) return { x: 0, y: 0, width: thumb.width * 0.7, height: 26, layout: null, cell: CELL };
  const shape = countsOf(run.asTokens(id));
  const isMany = sizeOf(shape) > 256;
  const grow = isMany ? 1.35 : 1;
  const largest = run.homes(id) ? CELL : { width: 11, height: 13 };
  const cell = fitCell([shape], thumb.width, thumb.height * grow, largest, TIGHT);
  const layout = whole(arrange(shape, cell.width, cell.height, TIGHT), sizeOf(shape));
  return { x: 0, y: 0, width: layout.width, height: layout.height, layout, cell };
}

/** Order each row so that few lines cross: by the middle of what a tensor is made from and makes. */
function sortRows(rows) {
  const place = (row) => row.forEach((node, i) => (node.at = (i + 0.5) / row.length));
  rows.forEach(place);
  const middle = (nodes) => nodes.reduce((sum, { at }) => sum + at, 0) / nodes.length;
  const sort = (row, side) => {
    for (const node of row) node.wish = node[side].length ? middle(node[side]) : node.at;
    row.sort((one, other) => one.wish - other.wish);
    place(row);
  };
  for (let turn = 0; turn < 3; turn++) {
    rows.slice(1).forEach((row) => sort(row, "above"));
    [...rows]
      .reverse()
      .slice(1)
      .forEach((row) => sort(row, "below"));
  }
  rows.slice(1).forEach((row) => sort(row, "above"));
}

/** Put each node as near to the middle of its neighbours as the others of its row let it. */
function placeAcross(rows) {
  // What has one way in and one way out stands in a straight line, rather than in the middle.
  const pull = (above, below) => (above.below.length === 1 && below.above.length === 1 ? 60 : 1);
  const apart = (one, other) => (one.width + other.width) / 2;
  for (const row of rows) row.forEach((node, i) => (node.x = i ? row[i - 1].x + apart(row[i - 1], node) : 0));
  for (let turn = 0; turn < 60; turn++) {
    for (const row of turn % 2 ? [...rows].reverse() : rows) {
      const wish = row.map((node) => {
        const near = [
          ...node.above.map((one) => [one.x, pull(one, node)]),
          ...node.below.map((one) => [one.x, pull(node, one)]),
        ];
        const all = near.reduce((sum, [, by]) => sum + by, 0);
        return all ? near.reduce((sum, [x, by]) => sum + x * by, 0) / all : node.x;
      });
      const [ahead, back] = [[...wish], [...wish]];
      for (let i = 1; i < row.length; i++) ahead[i] = Math.max(ahead[i], ahead[i - 1] + apart(row[i - 1], row[i]));
      for (let i = row.length - 2; i >= 0; i--) back[i] = Math.min(back[i], back[i + 1] - apart(row[i], row[i + 1]));
      row.forEach((node, i) => (node.x = (ahead[i] + back[i]) / 2));
    }
  }
}
