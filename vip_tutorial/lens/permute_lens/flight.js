// In which rows the numbers of a step travel, and from where to where.

import { sizeOf } from "./recording.js";
import { exhibitOf, focusIn } from "./scene.js";

const MOST_PAIRS = 4096;

/**
 * @typedef {object} Flight of the numbers of a step
 * @property {number[]} order per element that is shown on the right: as which row it arrives
 * @property {number} count how many rows there are
 * @property {[number, number][]} pairs elements on the left and where on the right each ends
 */

/** Only what the windows show flies. @returns {Flight} */
export function flightOf(plan, state, now) {
  const { run, flights } = plan;
  const focus = focusIn(run, state, now);
  const { left, right, key: windows } = exhibitOf(plan, now, state);
  const key = `${now.index} ${now.backward} ${focus} ${windows}`;
  if (!flights.has(key)) {
    const pairs = pairsOf(run, now.step);
    const rows = rowsOf(run, now.step);
    const onRight = now.backward ? rowsBack(run, now, pairs, rows) : rows;
    const isShown = (place, k) => !windows || Boolean(place.layout?.shows(k));
    const shown = windows ? (right.layout?.elements ?? []).map((k) => onRight[k]) : onRight;
    const all = [...new Set(shown)].sort((one, other) => one - other);
    const first = isShown(right, focus) ? onRight[focus] : shown[0];
    const places = new Map([first, ...all.filter((row) => row !== first)].map((row, i) => [row, i]));
    const ways = now.backward ? pairs.map(([source, k]) => [k, source]) : pairs;
    flights.set(key, {
      order: onRight.map((row) => places.get(row)),
      count: places.size,
      pairs: ways.filter(([start, end]) => isShown(left, start) && isShown(right, end)),
    });
  }
  return flights.get(key);
}

/** Which element of the input each element of the output is laid over, or made from. */
function pairsOf(run, step) {
  const main = run.mainInput(step);
  const [before, after] = [main, step.output].map((id) => run.tensors[id].shape);
  if (step.kind === "move") return step.map?.map((source, k) => [source, k]) ?? [];
  if (step.kind === "collect") {
    const first = step.inputs
      .slice(0, step.inputs.indexOf(main))
      .reduce((sum, id) => sum + sizeOf(run.tensors[id].shape), 0);
    const own = (source) => source >= first && source < first + sizeOf(before);
    return step.picks?.flatMap((source, k) => (own(source) ? [[source - first, k]] : [])) ?? [];
  }
  const every = Array.from({ length: sizeOf(after) }, (_, k) => k);
  if (String(before) === String(after)) return every.map((k) => [k, k]);
  if (!step.mixed || step.kind === "mix") return [];
  const { base, offsets } = run.sources(step, main) ?? {};
  if (!base || offsets.length * every.length > MOST_PAIRS) return [];
  return every.flatMap((k) => offsets.map((offset) => [base(k) + offset, k]));
}

/**
 * The row that each element of the output travels in: what shares a sum; of a permute the
 * numbers that a Linear takes or gave side by side; of a reshape the longer rows.
 */
function rowsOf(run, step) {
  const main = run.mainInput(step);
  const { shape } = run.tensors[step.output];
  const every = Array.from({ length: sizeOf(shape) }, (_, k) => k);
  const inRows = (length) => every.map((k) => Math.floor(k / length));
  const [taken, given] = [main, step.output].map((id) => run.tensors[id].shape.at(-1) ?? 1);
  if (step.kind !== "move") {
    const sources = step.kind === "pointwise" ? null : run.sources(step, main);
    return sources && sources.offsets.length > 1 && step.mixed ? every.map(sources.base) : inRows(given);
  }
  if (!step.map) return inRows(given);
  const rows = step.order ? rowsOfLinear(run, step) : taken > given ? step.map.map((k) => Math.floor(k / taken)) : null;
  if (rows && new Set(rows).size > 1) return rows;
  const short = given <= 2 && shape.length > 2; // then a block moves, not a row
  return inRows(short ? given * shape.at(-2) : given);
}

/** The rows of the Linear that comes after some moves, or came before them; null if there is none. */
function rowsOfLinear(run, step) {
  const length = (id) => run.tensors[id].shape.at(-1);
  let at = step.map.map((_, k) => k);
  for (let id = step.output; ;) {
    const next = run.steps.filter((other) => other.inputs[0] === id);
    const mix = next.find(({ kind }) => kind === "mix");
    if (mix) return at.map((k) => Math.floor(k / length(id)));
    const move = next.find(({ kind, map }) => kind === "move" && map?.length === at.length);
    if (!move) break;
    const to = [];
    move.map.forEach((source, k) => (to[source] = k));
    at = at.map((k) => to[k]);
    id = move.output;
  }
  at = step.map;
  for (let id = step.inputs[0]; ;) {
    const made = run.maker.get(id);
    if (made?.kind === "mix") return at.map((k) => Math.floor(k / length(id)));
    if (made?.kind !== "move" || !made.map) return null;
    at = at.map((k) => made.map[k]);
    id = made.inputs[0];
  }
}

/** Backward, an element of the input comes with the row that it went with. */
function rowsBack(run, { to }, pairs, rows) {
  const found = new Array(sizeOf(run.tensors[to].shape));
  for (const [source, k] of pairs) found[source] ??= rows[k];
  const length = run.tensors[to].shape.at(-1) ?? 1;
  return Array.from(found, (row, k) => row ?? Math.floor(k / length));
}
