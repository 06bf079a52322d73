// einsum: its equation, its numbers, and which elements they are made from.

import { Fault, outside } from "./faults.js";
import { pointwise, products, sameType, sums } from "./mixes.js";
import { inOrder, reshape } from "./shape_moves.js";
import { contiguousStrides, made } from "./tensor.js";

/** @typedef {import("./tensor.js").Tensor} Tensor */

/**
 * The letters of each tensor of an equation, and last those of its result.
 * @param {string} equation
 * @param {Tensor[]} tensors
 * @returns {string[]}
 */
export function termsOf(equation, tensors) {
  const wrong = (message, help) => new Fault("RuntimeError", `einsum(): ${message}`, help);
  const text = equation.replaceAll(" ", "");
  if (text.includes(".")) throw outside("An einsum with ...");
  const strange = /[^A-Za-z,>-]/.exec(text.replace("->", ""));
  if (strange || text.replace("->", "").match(/[->]/))
    throw wrong(
      `invalid subscript given in the equation '${equation.slice(0, 60)}'`,
      'An axis is one letter, as in "bhwc,cd->bhwd".',
    );
  const [left, right] = text.split("->");
  const terms = left.split(",");
  if (terms.length !== tensors.length)
    throw wrong(
      `${terms.length > tensors.length ? "fewer" : "more"} operands were provided than specified in the equation`,
      `The equation names ${terms.length}, and ${tensors.length} came.`,
    );
  /** @type {Map<string, number>} */
  const lengths = new Map();
  terms.forEach((term, i) => {
    if (term.length !== tensors[i].ndim)
      throw wrong(
        `the number of subscripts in the equation (${term.length}) does not match the number of dimensions (${tensors[i].ndim}) for operand ${i} and no ellipsis was given`,
        `“${term}” names ${term.length} axes, and the tensor has ${tensors[i].ndim}.`,
      );
    [...term].forEach((letter, k) => {
      const [before, n] = [lengths.get(letter) ?? 1, tensors[i].shape[k]];
      if (before !== 1 && n !== 1 && before !== n)
        throw wrong(
          `subscript ${letter} has size ${n} for operand ${i} which does not broadcast with previously seen size ${before}`,
          `“${letter}” is one axis, and must be as long in each tensor: is a letter meant to be another?`,
        );
      lengths.set(letter, before === 1 ? n : before);
    });
  });
  const result =
    right ??
    [...new Set(left.replaceAll(",", ""))]
      .filter((c) => left.split(c).length === 2)
      .sort()
      .join("");
  [...result].forEach((letter, k) => {
    if (!lengths.has(letter))
      throw wrong(
        `output subscript ${letter} does not appear in the equation for any input operand`,
        "What comes out was there before.",
      );
    if (result.indexOf(letter) < k)
      throw wrong(`output subscript ${letter} appears more than once in the output`, "Name it once.");
  });
  return [...terms, result];
}

/**
 * `einsum` of one tensor or two, as PyTorch computes it: a product of matrices, seen in another order.  An axis of
 * length 1 may have another stride than there.
 */
export function einsum(equation, tensors) {
  const terms = termsOf(equation, tensors);
  if (tensors.length > 2) throw outside("An einsum of more than two tensors");
  const result = terms.at(-1);
  const sumLetters = [...new Set(terms.slice(0, -1).join(""))]
    .filter((letter) => !result.includes(letter))
    .sort(byCode);
  const letters = [...result, ...sumLetters];
  const laid = tensors.map((x, i) => alongLetters(x, terms[i], letters));
  const drop = (x) => x.as(x.shape.slice(0, result.length), x.strides.slice(0, result.length));
  if (laid.length === 1) {
    if (!sumLetters.length) return laid[0];
    const kept = [...result].map((_, k) => k);
    return made(sums(laid[0], kept), laid[0].shape.slice(0, result.length), undefined, laid[0].dtype);
  }
  let [a, b] = laid;
  const summed = [];
  sumLetters.forEach((_, i) => {
    const k = result.length + i;
    if (a.shape[k] !== 1 && b.shape[k] !== 1) summed.push(k);
    else if (a.shape[k] !== 1) a = summedOver(a, k);
    else if (b.shape[k] !== 1) b = summedOver(b, k);
  });
  if (!summed.length) return drop(pointwise([a, b], (one, other) => one * other));
  const dtype = sameType(a, b, false);
  return Object.assign(drop(productOver(a, b, summed)), { dtype });
}

/** Capitals come first. */
const byCode = (one, other) => one.charCodeAt(0) - other.charCodeAt(0);

/** A tensor with an axis for each letter, 1 long where it has none; of one letter twice the diagonal. */
function alongLetters(x, term, letters) {
  const [shape, strides] = [[], []];
  for (const letter of letters) {
    const axes = [...term].flatMap((one, k) => (one === letter ? [k] : []));
    const lengths = axes.map((k) => x.shape[k]);
    if (new Set(lengths).size > 1)
      throw new Fault(
        "RuntimeError",
        `einsum(): subscript ${letter} is repeated for operand 0 but the sizes don't match, ${lengths[1]} != ${lengths[0]}`,
        "A letter twice in one tensor takes its diagonal.",
      );
    shape.push(lengths[0] ?? 1);
    strides.push(axes.length ? axes.reduce((sum, k) => sum + x.strides[k], 0) : 1);
  }
  return x.as(shape, strides);
}

function summedOver(x, axis) {
  const kept = x.shape.map((_, k) => k).filter((k) => k !== axis);
  return made(sums(x, kept), x.shape.with(axis, 1), undefined, x.dtype);
}

/** PyTorch's `sumproduct_pair`. */
function productOver(a, b, summed) {
  const both = [];
  const [left, right] = [[], []];
  a.shape.forEach((n, k) => {
    if (summed.includes(k)) return;
    const [inA, inB] = [n > 1, b.shape[k] > 1];
    (inA && inB ? both : inB ? right : left).push(k); // one that neither has stays with the left
  });
  if (left.length && right.length && right.at(-1) < left[0]) return productOver(b, a, summed); // then nothing is turned
  const count = (x, axes) => axes.reduce((product, k) => product * x.shape[k], 1);
  const matrix = (x, order, shape) => reshape({ x: inOrder(x, order), shape });
  const found = products(
    matrix(a, [...both, ...left, ...summed, ...right], [count(a, both), count(a, left), count(a, summed)]),
    matrix(b, [...both, ...summed, ...right, ...left], [count(b, both), count(b, summed), count(b, right)]),
  );
  const order = [...both, ...left, ...summed, ...right];
  const shape = order.map((k) =>
    summed.includes(k) ? 1 : left.includes(k) || both.includes(k) ? a.shape[k] : b.shape[k],
  );
  const seen = found.as(shape, contiguousStrides(shape));
  return inOrder(
    seen,
    a.shape.map((_, k) => order.indexOf(k)),
  );
}

/** Of an einsum: the elements at the same letters. */
export function readsOfEquation(terms, tensors, out) {
  const result = terms.at(-1);
  const found = new Map();
  for (const [i, x] of tensors.entries()) {
    const term = terms[i];
    if (new Set(term).size < term.length || found.has(x)) return new Map();
    found.set(
      x,
      [...term].map((letter, k) =>
        result.includes(letter) && x.shape[k] === out.shape[result.indexOf(letter)] ? result.indexOf(letter) : null,
      ),
    );
  }
  return found;
}
