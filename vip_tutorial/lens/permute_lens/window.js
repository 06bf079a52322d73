// Which elements of a tensor are drawn.  Of a small one all are; of a large one a window is: as
// many whole rows, and whole blocks of rows, as there is room for, where the reader looks.

import { LONGEST_STRIP, MOST_DRAWN, ravel, sizeOf, unravel } from "./recording.js";

/**
 * @typedef {object} Window of a tensor
 * @property {number[]} starts its first coordinate along each axis
 * @property {number[]} counts how many it shows along each axis
 * @property {number[]} elements that it shows, in order
 * @property {Map<number, number>} at which of them, counted from 0, an element is
 */

/** Whether not all elements of a shape are drawn. */
export const isCut = (shape) => sizeOf(shape) > MOST_DRAWN;

/** How many are drawn along each axis: all of the last ones, for as long as there is room. */
export function countsOf(shape) {
  if (!isCut(shape)) return shape;
  let room = MOST_DRAWN;
  return shape.reduceRight((counts, n) => {
    counts.unshift(Math.max(1, Math.min(n, room)));
    room = Math.floor(room / counts[0]);
    return counts;
  }, []);
}

/** The axes along which a window can be moved. */
export const cutAxes = (shape) => {
  const counts = countsOf(shape);
  return shape.map((_, axis) => axis).filter((axis) => counts[axis] < shape[axis]);
};

/** Whether any tensor of a run has a window. */
export const hasWindows = (run) => run.tensors.some(({ id, shape }) => isCut(shape) && run.isComplete(id));

/**
 * What of a state the windows depend on: a tensor and the element of it that is looked at.
 * @param {{cell: number, window?: string}} state
 */
function chosen(run, state) {
  return state.window ? state.window.split(".").map(Number) : [run.root, Math.max(0, state.cell)];
}

/** The element of the input that is followed or, if none is, looked at; -1 if that is not one of the input. */
export function homeLookedAt(run, state) {
  const [id, k] = chosen(run, state.cell >= 0 ? { cell: state.cell } : state);
  return id === run.root ? k : -1;
}

/** A window as it stands in a link: "3.40", tensor 3 where element 40 is; undefined if there is none. */
export function readWindow(run, text) {
  if (!/^\d{1,9}\.\d{1,9}$/.test(text) || !hasWindows(run)) return undefined;
  const [id, k] = text.split(".").map(Number);
  return run.tensors[id] && k < sizeOf(run.tensors[id].shape) ? text : undefined;
}

/** The same, for windows that are to show element `k` of tensor `id`: by its home, if it has one. */
export function windowAt(run, id, k) {
  const home = run.homes(id)?.[k] ?? -1;
  if (home < 0) return `${id}.${k}`;
  return home > 0 ? `${run.root}.${home}` : "";
}

/** @type {WeakMap<object, {key: string, looks: Map<number, number>, windows: Map<string, Window>}>} */
const known = new WeakMap();

function knownOf(run, state) {
  const key = chosen(run, state).join(".");
  let found = known.get(run);
  if (!found) known.set(run, (found = { key: "", looks: new Map(), windows: new Map() }));
  if (found.key !== key) Object.assign(found, { key, looks: lookedAt(run, state) });
  return found;
}

/**
 * Per tensor the element that its window shows: that with the chosen one's home or, where
 * none has it, the one that lies as far on as in the tensor that it is made from.
 */
function lookedAt(run, state) {
  const sizes = run.tensors.map(({ shape }) => sizeOf(shape));
  const asFar = (k, from, to) => Math.floor((k * sizes[to]) / sizes[from]) || 0; // of nothing, too
  const found = new Map();
  let [id, k] = chosen(run, state);
  found.set(id, k);
  const homeOf = () => run.homes(id)?.[k] ?? -1;
  while (homeOf() < 0 && run.maker.has(id)) {
    const before = run.mainInput(run.maker.get(id));
    [id, k] = [before, asFar(k, id, before)];
    found.set(id, k);
  }
  const home = homeOf();
  for (const { id } of run.tensors) {
    if (found.has(id)) continue;
    const here = run.whereIs(home, id);
    const before = run.maker.has(id) ? run.mainInput(run.maker.get(id)) : run.root;
    found.set(id, here >= 0 ? here : found.has(before) ? asFar(found.get(before), before, id) : 0);
  }
  return found;
}

/**
 * The window of tensor `id`; null if all of it is drawn.
 * @param {number[]} [shape] that it is drawn in
 * @returns {Window | null}
 */
export function windowOf(run, state, id, shape = run.tensors[id].shape) {
  if (!isCut(shape)) return null;
  const { looks, windows } = knownOf(run, state);
  const counts = countsOf(shape);
  // From page to page, so that what is followed doesn't scroll at each step; the last page is full.
  const starts = unravel(looks.get(id), shape).map((c, axis) =>
    Math.min(c - (c % counts[axis]), shape[axis] - counts[axis]),
  );
  const key = `${shape} ${starts}`;
  if (!windows.has(key)) {
    const elements = Array.from({ length: sizeOf(counts) }, (_, i) =>
      ravel(
        unravel(i, counts).map((c, axis) => c + starts[axis]),
        shape,
      ),
    );
    windows.set(key, { starts, counts, elements, at: new Map(elements.map((k, i) => [k, i])) });
  }
  return windows.get(key);
}

/** The state's window, one page on or back along an axis of a tensor; undefined if there is no more. */
export function turnedWindow(run, state, id, axis, by) {
  const { shape } = run.tensors[id];
  const count = countsOf(shape)[axis];
  const at = unravel(knownOf(run, state).looks.get(id), shape);
  const page = Math.floor(at[axis] / count) + by;
  if (page < 0 || page * count >= shape[axis]) return undefined;
  at[axis] = Math.min(page * count + (at[axis] % count), shape[axis] - 1);
  return windowAt(run, id, ravel(at, shape));
}

/**
 * A place whose cells can be drawn: `layout.elements` are those that it has, and it `shows` no others.
 * @template {{layout: *}} P
 * @param {P} place
 * @param {Window | null} window null if it has all of them
 * @returns {P}
 */
export function seenThrough(place, window) {
  const { layout } = place;
  if (!layout || !window) return place;
  const { elements, at } = window;
  return {
    ...place,
    layout: { ...layout, elements, shows: (k) => at.has(k), place: (k) => layout.place(at.get(k)) },
  };
}

/** A layout that has a place for each of `count` elements. */
export function whole(layout, count) {
  return { ...layout, elements: Array.from({ length: count }, (_, k) => k), shows: (k) => k >= 0 && k < count };
}

/** How many places of memory are drawn of a tensor; 0 if it is not known or too long. */
export function memoryLength(run, id) {
  const { shape, strides } = run.tensors[id];
  if (!isCut(shape)) return run.storage(id).length;
  const length = countsOf(shape).reduce((sum, n, axis) => sum + (n - 1) * strides[axis], 1);
  return run.homes(id) && length <= LONGEST_STRIP ? length : 0;
}
