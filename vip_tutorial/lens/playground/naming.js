// Names the axes of a tensor from those of the tensors that it was made from, as the tracer
// does (tracing/axes.py, where the rules are told): a name follows its axis, and where it is
// not known what an axis is, its name is its size.

import { sizeOfShape, Tensor } from "./tensor.js";
import { unravel } from "../permute_lens/recording.js";

const PRIMES = [3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41];
const RESHAPES = ["reshape", "view", "unflatten", "flatten"];

/**
 * @typedef {object} Atom a piece that axes are made of
 * @property {string} name
 * @property {number} size
 * @property {Atom[]} parts it and its siblings, if it is a part that the code has no name for
 * @property {Atom | null} whole what it is a part of
 * @property {Atom[]} madeOf what was merged into it, if the code then gave it a name of its own
 * @property {boolean} isClaimed whether the code named this part
 *
 * @typedef {Atom[]} Axis
 * @typedef {{shape: number[], axes: Axis[]}} Named
 */

/** @returns {Atom} */
const atom = (name, size, more = {}) => ({ name, size, parts: [], whole: null, madeOf: [], isClaimed: false, ...more });

/** @returns {Named} */
export const namedBy = (names, shape) => ({ shape: [...shape], axes: names.map((name, k) => [atom(name, shape[k])]) });

const bySize = (shape) => namedBy(shape.map(String), shape);

export const namesOf = ({ axes }) => axes.map((axis) => axis.map(({ name }) => name).join("*"));

const isNumber = (name) => /^\d+$/.test(name);
const same = (one, other) => one.length === other.length && one.every((item, i) => item === other[i]);

/**
 * What the axes of a step's output are made of.
 * @param {object} step
 * @param {string} step.op
 * @param {string} step.kind
 * @param {boolean} step.copy
 * @param {number[] | null} step.order
 * @param {number[] | null} step.mixed
 * @param {any[] | null} step.reads
 * @param {(Named | null)[]} operands of each tensor that went in, null of one that is not followed
 * @param {number[]} after shape of what came out
 * @param {number[] | null} picks where each element came from, if it only moved
 * @param {(string | null)[]} claims what the code calls the axes
 * @param {Map<string, string>} meanings what each name has meant in this run; it is added to
 * @param {(probe: Tensor) => Tensor} again makes the call again, on another first tensor
 * @param {{terms: string[], words: Record<string, string> | null} | null} equation of an einsum
 * @returns {Named}
 */
export function namesAfter(step, operands, after, picks, claims, meanings, again, equation) {
  const inputs = operands.filter((named) => named !== null);
  const [first] = inputs;
  for (const one of inputs.flatMap(({ axes }) => axes.flat()))
    if (one.whole === null && !one.madeOf.length && !meanings.has(one.name)) meanings.set(one.name, "axis");
  const named = chooseRule(step, operands, inputs, first, after, picks, claims, meanings, again, equation);
  return apart(named.axes.length === after.length ? named : bySize(after));
}

/** One atom for each axis: `x @ x.mT` has an axis of x twice, and parts of the one are none of the other. */
function apart({ shape, axes }) {
  const seen = new Set();
  const own = axes.map((axis) => {
    const fresh = axis.some((one) => seen.has(one)) ? axis.map(({ name, size }) => atom(name, size)) : axis;
    for (const one of fresh) seen.add(one);
    return fresh;
  });
  return { shape, axes: own };
}

function chooseRule(step, operands, inputs, first, after, picks, claims, meanings, again, equation) {
  const { op, kind, order } = step;
  if (op === "einsum") return equation ? ofEquation(equation, operands, after) : bySize(after);
  if (order) return { shape: after, axes: order.map((axis) => first.axes[axis]) };
  if (kind === "move" && RESHAPES.includes(op)) return reshaped(first, after, claims, meanings);
  if (kind === "move" || kind === "collect") {
    if (!picks || after.includes(0)) return unmapped(step, first, after, again);
    return withOnes(step, first, followed(inputs, after, picks, claims), again);
  }
  if (op === "matmul" && inputs.length === 2) return ofProduct(inputs[0], inputs[1], after);
  const isProduct = (op === "matmul" || op === "linear") && operands[0] === first;
  if (isProduct && first.shape.length === after.length)
    return keeping(
      first,
      after,
      after.map((_, k) => k),
    );
  if (kind === "pointwise") return broadcast(inputs, after);
  if (kind === "reduce" && step.mixed) {
    const kept = first.axes.map((_, k) => k).filter((k) => !step.mixed.includes(k));
    if (after.length === kept.length || after.length !== first.axes.length) return keeping(first, after, kept);
  }
  if ((kind === "reduce" || op === "softmax") && same(first.shape, after))
    return { shape: after, axes: [...first.axes] };
  return asRead(step, inputs, after);
}

function keeping(first, after, kept) {
  if (kept.length !== after.length) return bySize(after);
  const axes = kept.map((k, i) => (first.shape[k] === after[i] ? first.axes[k] : [atom(String(after[i]), after[i])]));
  return { shape: after, axes };
}

/** An axis that elements keep their coordinate along keeps its name. */
function asRead({ reads }, inputs, after) {
  const named = bySize(after);
  if (!reads) return named;
  for (let i = Math.min(inputs.length, reads.length) - 1; i >= 0; i--)
    reads[i].forEach((entry, k) => {
      const at = entry?.axis ?? entry;
      if (at === null || !(after[at] === inputs[i].shape[k] && after[at] > 1)) return;
      if ((entry?.at ?? []).every((places, c) => places.includes(c))) named.axes[at] = inputs[i].axes[k];
    });
  return named;
}

// --- another shape ---------------------------------------------------------------------

/** Cut both shapes into the shortest runs of equal product, and name each run. */
function reshaped(before, after, claims, meanings) {
  const named = bySize(after);
  if (before.shape.includes(0) || after.includes(0)) return named;
  const ones = [];
  const atoms = [];
  let product = 1;
  before.axes.forEach((axis, k) => {
    if (before.shape[k] === 1) ones.push({ product, axis });
    else atoms.push(...axis);
    product *= before.shape[k];
  });
  const old = [...atoms];
  let [run, cut] = [[], []];
  let [left, right] = [1, 1];
  for (const [k, size] of after.entries()) {
    if (size === 1) {
      const i = ones.findIndex((one) => one.product === right);
      named.axes[k] = i >= 0 ? ones.splice(i, 1)[0].axis : [atom(claims[k] || "1", 1)];
      continue;
    }
    cut.push(k);
    right *= size;
    while (left < right) {
      const one = atoms.shift();
      if (!one) return bySize(after); // one name stands for two axes, and they cannot be told apart
      run.push(one);
      left *= one.size;
    }
    if (left !== right) continue;
    const pieces = dealt(
      run,
      cut.map((j) => after[j]),
    );
    cut.forEach((j, i) => (named.axes[j] = claimed(pieces[i], claims[j], old, claims, meanings)));
    [run, cut] = [[], []];
  }
  return named;
}

/** Atoms dealt out to axes of these sizes, in order, and cut where need be. */
function dealt(atoms, sizes) {
  const left = sizes.length === 1 ? atoms : atoms.flatMap((one) => (one.madeOf.length ? one.madeOf : [one]));
  const axes = [];
  /** @type {Map<Atom, number[]>} */
  const cuts = new Map();
  for (let size of sizes) {
    const axis = [];
    axes.push(axis);
    for (const one of left) {
      const gone = (cuts.get(one) ?? []).reduce((product, n) => product * n, 1);
      const rest = Math.floor(one.size / gone);
      if (rest === 1 || size === 1) continue;
      let part;
      if (size % rest === 0) part = rest;
      else if (rest % size === 0) part = size;
      else return sizes.map((n) => [atom(String(n), n)]);
      cuts.set(one, [...(cuts.get(one) ?? []), part]);
      axis.push(one);
      size = Math.floor(size / part);
    }
  }
  const parts = new Map([...cuts].map(([one, found]) => [one, partsOf(one, found)]));
  return axes.map((axis) => joined(axis.map((one) => parts.get(one).shift())));
}

/** Fresh each time: what is dealt out is shifted from it. */
function partsOf(one, sizes) {
  if (sizes.length === 1) return [one];
  const label = isNumber(one.name) ? "" : `${one.name}:`;
  const parts = sizes.map((size) => atom(`${label}${size}`, size, { whole: one }));
  for (const part of parts) part.parts = [...parts];
  return [...parts];
}

/** Parts that stand together again, all and in order, are the whole. @returns {Axis} */
function joined(atoms) {
  for (let i = 0; i < atoms.length; i++) {
    const { parts, whole } = atoms[i];
    const count = parts.length;
    const isNamed = parts.every((part) => part.isClaimed);
    if (count && !isNamed && same(atoms.slice(i, i + count), parts))
      return joined([...atoms.slice(0, i), whole, ...atoms.slice(i + count)]);
  }
  return atoms;
}

/** With the name that the code has for an axis, if the axis is a new one. */
function claimed(piece, claim, old, claims, meanings) {
  if (!claim) return piece;
  const [first] = piece;
  const { parts } = first;
  if (parts.length && same(piece, parts) && claim === first.whole.name) return [first.whole];
  if (old.some(({ name }) => claim.split("*").includes(name))) return piece;
  const size = piece.reduce((product, one) => product * one.size, 1);
  if (piece.length === 1 && !old.includes(first) && parts.length) {
    const whole = first.whole.name;
    const meaning = JSON.stringify(["part", whole, parts.indexOf(first), size]);
    if (isNumber(whole)) [first.name, first.isClaimed] = [claim, true];
    else if (claims.filter((one) => one === claim).length > 1 || means(meanings, claim, meaning) !== meaning)
      first.name = `${whole}:${claim}`;
    else [first.name, first.isClaimed] = [claim, true];
    return piece;
  }
  if (isNumber(first.name) && !old.includes(first)) return [atom(claim, size)];
  if (piece.length === 1 || claim.includes("*")) return piece;
  const meaning = JSON.stringify(["made of", ...piece.map(({ name }) => name)]);
  if (means(meanings, claim, meaning) !== meaning) return piece;
  return [atom(claim, size, { madeOf: piece })];
}

/** What a name means; the first time it is said, that. */
function means(meanings, name, meaning) {
  if (!meanings.has(name)) meanings.set(name, meaning);
  return meanings.get(name);
}

// --- elements that moved ---------------------------------------------------------------

/** An axis of an input is where its coordinate goes, and no other's does. */
function followed(inputs, after, picks, claims) {
  const named = bySize(after);
  const said = after.map(() => []);
  const isRead = after.map(() => false);
  const places = picks.map((_, k) => unravel(k, after));
  let first = 0;
  for (const input of inputs) {
    const count = sizeOfShape(input.shape);
    const here = [];
    picks.forEach((pick, k) => {
      if (pick >= first && pick < first + count) here.push({ at: places[k], came: unravel(pick - first, input.shape) });
    });
    first += count;
    if (!here.length) continue;
    const ways = input.shape.map((_, k) => after.map((_, axis) => wayOf(here, k, axis)));
    after.forEach((size, axis) => {
      const sources = ways.flatMap((along, k) => (along[axis].distinct > 1 ? [k] : []));
      isRead[axis] ||= sources.length > 0;
      const [alone] = sources;
      if (sources.length === 1 && ways[alone][axis].isFunction) {
        const isWhole = ways[alone][axis].distinct === size && size === input.shape[alone];
        said[axis].push(isWhole ? input.axes[alone] : []);
      } else if (size > 1) said[axis].push([]);
    });
  }
  after.forEach((size, axis) => {
    const labels = new Set(said[axis].map((one) => one.map(({ name }) => name).join("*")));
    if (labels.size === 1 && !labels.has("")) named.axes[axis] = said[axis][0];
    else if (claims[axis] && !isRead[axis]) named.axes[axis] = [atom(claims[axis], size)];
  });
  return named;
}

/** How coordinate `k` of what went in goes along an axis of the result. */
function wayOf(here, k, axis) {
  // Does it differ along this axis anywhere, all else equal?
  const lines = new Map();
  let isStill = true;
  for (const { at, came } of here) {
    const line = at.toSpliced(axis, 1).join();
    const known = lines.get(line);
    if (known === undefined) lines.set(line, came[k]);
    else if (known !== came[k]) {
      isStill = false;
      break;
    }
  }
  if (isStill) return { isFunction: false, distinct: 1 };
  const found = new Map();
  for (const { at, came } of here) {
    if (found.has(at[axis]) && found.get(at[axis]) !== came[k]) return { isFunction: false, distinct: 2 };
    found.set(at[axis], came[k]);
  }
  return { isFunction: true, distinct: new Set(found.values()).size };
}

function unmapped({ op, kind, copy }, first, after, again) {
  const named = bySize(after);
  if (op === "contiguous" || op === "clone")
    return same(first.shape, after) ? { shape: after, axes: [...first.axes] } : named;
  if (kind !== "move" || copy || first.shape.length > PRIMES.length) return named;
  viewSources(first, again).forEach((source, k) => {
    if (source !== null && first.shape[source] === after[k]) named.axes[k] = first.axes[source];
  });
  return named;
}

/** Axes of size 1 have no coordinate to follow; the strides of a view tell them. */
function withOnes({ kind, copy }, first, named, again) {
  const fresh = named.shape.flatMap((size, k) => (size === 1 ? [k] : []));
  if (!fresh.length || !first.shape.includes(1)) return named;
  if (kind === "collect" && first.shape.length === named.shape.length) {
    for (const k of fresh) if (first.shape[k] === 1) named.axes[k] = first.axes[k];
    return named;
  }
  if (same(named.shape, first.shape)) {
    for (const k of fresh) named.axes[k] = first.axes[k];
    return named;
  }
  if (kind !== "move" || copy || first.shape.length > PRIMES.length) return named;
  const sources = viewSources(first, again);
  if (sources.length === named.shape.length)
    for (const k of fresh)
      if (sources[k] !== null && first.shape[sources[k]] === 1) named.axes[k] = first.axes[sources[k]];
  return named;
}

/** For each axis of a view the axis that it was, as its stride tells. @returns {(number | null)[]} */
function viewSources(first, again) {
  const strides = PRIMES.slice(0, first.shape.length);
  const probe = new Tensor({ data: new Float64Array(0) }, [...first.shape], strides);
  const left = new Map(strides.map((stride, k) => [stride, k]));
  return again(probe)
    .strides.toReversed()
    .map((stride) => {
      const source = left.get(stride) ?? null;
      left.delete(stride);
      return source;
    })
    .toReversed();
}

// --- elements that met -----------------------------------------------------------------

/** Each axis is named by the first tensor that has it in full, if no other has there what the first has elsewhere. */
function broadcast(inputs, after) {
  const named = bySize(after);
  const sorted = inputs.toSorted((one, other) => Number(!same(one.shape, after)) - Number(!same(other.shape, after)));
  for (let back = after.length; back > 0; back--) {
    const found = sorted
      .filter(({ shape }) => shape.length >= back && shape.at(-back) === after.at(-back))
      .map((one) => ({ one, name: namesOf(one).at(-back), axis: one.axes.at(-back) }))
      .sort((a, b) => Number(isNumber(a.axis[0].name)) - Number(isNumber(b.axis[0].name)));
    if (!found.length) continue;
    const [{ one, name, axis }, ...others] = found;
    const elsewhere = namesOf(one).filter((other) => !isNumber(other) && other !== name);
    if (!others.some((other) => elsewhere.includes(other.name))) named.axes[after.length - back] = axis;
  }
  return named;
}

function ofEquation({ terms, words }, operands, after) {
  const result = terms.at(-1);
  /** @type {Map<string, Axis>} */
  const names = new Map();
  operands.forEach((named, i) =>
    named?.axes.forEach((axis, k) => {
      const letter = terms[i][k];
      const isUnnamed = axis.length === 1 && /^[d-m]?\d+$/.test(axis[0].name);
      const own =
        isUnnamed && words && /^[A-Za-z]$/.test(letter) ? [atom(words[letter] ?? letter, axis[0].size)] : axis;
      if (!names.has(letter)) names.set(letter, own);
    }),
  );
  return {
    shape: after,
    axes: [...result].map((letter, k) => names.get(letter) ?? [atom(String(after[k]), after[k])]),
  };
}

function ofProduct(left, right, after) {
  if (!(right.shape.length > 1 && left.shape.length === after.length)) return bySize(after);
  const named = keeping(
    left,
    after,
    after.map((_, k) => k),
  );
  named.axes[after.length - 1] = right.axes.at(-1);
  return named;
}
