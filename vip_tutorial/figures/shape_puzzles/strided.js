// Tensors as they lie in memory: a strip of numbers, and a rule for reading it.  A number
// is known by its birth: its place in the fresh tensor that everything began with.

import { sizeOf, unravel } from "../../lens/permute_lens/recording.js";

/**
 * @typedef {object} Strided
 * @property {number[]} shape
 * @property {number[]} strides
 * @property {number[]} strip births, by address; a view has the very strip of its base
 *
 * @typedef {object} Call one call of a chain, e.g. {op: "reshape", args: ["N", "H*S", -1]}
 * @property {"permute" | "transpose" | "reshape" | "flatten"} op
 * @property {(number | string)[]} args names stand for sizes
 */

/** @returns {Strided} a tensor that was just made */
export function freshTensor(shape) {
  return { shape, strides: freshStrides(shape), strip: Array.from({ length: sizeOf(shape) }, (_, k) => k) };
}

export function freshStrides(shape) {
  return shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
}

/** The order that undoes an order of axes. */
export function inverseOrder(order) {
  return order.map((_, axis) => order.indexOf(axis));
}

/** Where an element lies in the strip. */
export function addressIn({ strides }, at) {
  return at.reduce((sum, c, axis) => sum + c * strides[axis], 0);
}

/** The births of all elements, in the order in which the tensor is read. */
export function birthsIn(tensor) {
  const { shape, strip } = tensor;
  return strip.slice(0, sizeOf(shape)).map((_, k) => strip[addressIn(tensor, unravel(k, shape))]);
}

/** @returns {Strided} its axes in another order: another rule for the same strip */
export function permuted({ shape, strides, strip }, order) {
  return { shape: order.map((axis) => shape[axis]), strides: order.map((axis) => strides[axis]), strip };
}

/** @returns {Strided} read as another shape: of the same strip if a rule can do that */
export function reshaped(tensor, shape) {
  const strides = viewStrides(tensor, shape);
  return strides ? { shape, strides, strip: tensor.strip } : { ...freshTensor(shape), strip: birthsIn(tensor) };
}

/** Strides with which the strip reads as `wanted`, or null.  No axis has size 0. */
export function viewStrides({ shape, strides }, wanted) {
  const found = new Array(wanted.length).fill(1);
  let [from, to] = [shape.length - 1, wanted.length - 1];
  while (from >= 0) {
    // A walk: neighbouring axes, from the inside out, that one stride reads.
    const step = strides[from];
    let length = shape[from--];
    while (from >= 0 && (shape[from] === 1 || strides[from] === length * step)) length *= shape[from--];
    // The wanted axes have to cut it without a rest.
    let cut = 1;
    while (to >= 0 && (cut < length || wanted[to] === 1)) {
      found[to] = cut * step;
      cut *= wanted[to--];
    }
    if (cut !== length) return null;
  }
  return found;
}

/** The value of a size that is written with names: 3, "H" or "H*S". */
function sizeNamed(size, names) {
  return String(size)
    .split("*")
    .reduce((product, factor) => product * (names[factor] ?? Number(factor)), 1);
}

/** @returns {Strided} what a call makes of a tensor */
export function applyCall(tensor, { op, args }, names = {}) {
  const { shape } = tensor;
  if (op === "permute") return permuted(tensor, args);
  if (op === "transpose") {
    const exchange = (axis) => (axis === args[0] ? args[1] : axis === args[1] ? args[0] : axis);
    return permuted(
      tensor,
      shape.map((_, axis) => exchange(axis)),
    );
  }
  if (op === "flatten") return reshaped(tensor, [...shape.slice(0, args[0]), sizeOf(shape.slice(args[0]))]);
  const sizes = args.map((size) => sizeNamed(size, names));
  return reshaped(
    tensor,
    sizes.map((size) => (size === -1 ? -sizeOf(shape) / sizeOf(sizes) : size)),
  );
}

/** A tensor after none, one, ... all calls of a chain. @returns {Strided[]} */
export function tensorsAlong(tensor, calls, names) {
  return calls.reduce((made, call) => [...made, applyCall(made.at(-1), call, names)], [tensor]);
}
