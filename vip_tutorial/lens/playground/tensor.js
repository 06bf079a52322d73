// A tensor as PyTorch has it: a piece of memory, and how it is read.

import { Fault, beyond, sizes } from "./faults.js";

/** Elements of the largest tensor; what is larger is neither followed nor drawn by the figures. */
export const MOST_ELEMENTS = 16384;

/** Axes of a tensor. */
const MOST_AXES = 24;

/**
 * @typedef {object} Storage a piece of memory; nothing in the playground writes to one again
 * @property {Float64Array} data
 */

export class Tensor {
  /**
   * @param {Storage} storage
   * @param {number[]} shape
   * @param {number[]} strides
   * @param {number} offset
   * @param {string} dtype "float64" or "int64"
   */
  constructor(storage, shape, strides, offset = 0, dtype = "float64") {
    this.storage = storage;
    this.shape = shape;
    this.strides = strides;
    this.offset = offset;
    this.dtype = dtype;
    /** Its number in the recording; null of what no input went into. @type {number | null} */
    this.id = null;
  }

  get ndim() {
    return this.shape.length;
  }

  get size() {
    return sizeOfShape(this.shape);
  }

  /** Another look at the same memory. */
  as(shape, strides, offset = this.offset) {
    checkSize(shape);
    return new Tensor(this.storage, shape, strides, offset, this.dtype);
  }

  /** The elements in logical order. */
  values() {
    const { data } = this.storage;
    return Float64Array.from(addresses(this), (address) => data[address]);
  }
}

/** A tensor of its own, with these elements in logical order. */
export function made(values, shape, strides = contiguousStrides(shape), dtype = "float64") {
  checkSize(shape);
  const tensor = new Tensor({ data: new Float64Array(values.length) }, shape, strides, 0, dtype);
  addresses(tensor).forEach((address, k) => (tensor.storage.data[address] = values[k]));
  return tensor;
}

export const sizeOfShape = (shape) => (shape.includes(0) ? 0 : shape.reduce((product, n) => product * n, 1));

/** Refuse what is too large before any of it is made. */
export function checkSize(shape) {
  const negative = shape.findIndex((n) => n < 0);
  if (negative >= 0)
    throw new Fault(
      "RuntimeError",
      `Trying to create tensor with negative dimension ${shape[negative]}: ${sizes(shape)}`,
      "The length of an axis is at least 0.",
    );
  if (shape.length > MOST_AXES)
    throw beyond(`A tensor of ${shape.length} axes is more than the playground draws: ${MOST_AXES} at most.`);
  const size = sizeOfShape(shape);
  if (size > MOST_ELEMENTS)
    throw beyond(
      `A tensor of shape ${sizes(shape)} has ${size.toLocaleString("en")} elements, and the playground holds ${MOST_ELEMENTS.toLocaleString("en")}.`,
      "Take a smaller input: what a move does shows in a small one, too.",
    );
}

/** Addresses of the elements in logical order. @param {{shape: number[], strides: number[], offset: number}} tensor */
export function addresses({ shape, strides, offset }) {
  const size = sizeOfShape(shape);
  const found = new Array(size);
  const at = new Array(shape.length).fill(0);
  let address = offset;
  for (let k = 0; k < size; k++) {
    found[k] = address;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      address += strides[axis];
      if (++at[axis] < shape[axis]) break;
      address -= strides[axis] * shape[axis];
      at[axis] = 0;
    }
  }
  return found;
}

export function contiguousStrides(shape) {
  const strides = new Array(shape.length);
  let next = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = next;
    next *= Math.max(shape[axis], 1);
  }
  return strides;
}

/** Strides with the axes `order` in memory, the innermost first. */
export function stridesInOrder(shape, order) {
  const strides = new Array(shape.length);
  let next = 1;
  for (const axis of order) {
    strides[axis] = next;
    next *= Math.max(shape[axis], 1);
  }
  return strides;
}

/** Whether the elements lie in memory in this order of the axes, the innermost first, without a gap. */
function isPacked({ shape, strides }, order) {
  let next = 1;
  for (const axis of order) {
    if (shape[axis] === 1) continue;
    if (strides[axis] !== next) return false;
    next *= shape[axis];
  }
  return true;
}

export const backwards = (ndim) => Array.from({ length: ndim }, (_, k) => ndim - 1 - k);

export const isContiguous = (x) => x.shape.includes(0) || isPacked(x, backwards(x.ndim));

/** Whether no two elements share an address and no address between them is free. */
function isDense(x) {
  if (isContiguous(x)) return true;
  const rank = (axis) => (x.shape[axis] < 2 ? Infinity : x.strides[axis]);
  const order = x.shape.map((_, axis) => axis).sort((a, b) => (rank(a) === rank(b) ? 0 : rank(a) - rank(b)));
  return isPacked(x, order);
}

/** The order of axes, innermost first, that PyTorch calls "channels last". */
const channelsLast = (ndim) => [1, ...backwards(ndim).slice(0, ndim - 2), 0];

/** The memory format that PyTorch suggests for a tensor: the order of its axes, the innermost first. */
export function suggested(x) {
  return isLikeChannelsLast(x) ? channelsLast(x.ndim) : backwards(x.ndim);
}

function isLikeChannelsLast({ ndim, shape, strides }) {
  if ((ndim !== 4 && ndim !== 5) || strides[1] === 0) return false;
  let least = 0;
  for (const axis of channelsLast(ndim)) {
    if (shape[axis] === 0 || strides[axis] < least) return false;
    if (axis === 0 && least === strides[1]) return false;
    least = strides[axis] * Math.max(shape[axis], 1);
  }
  return true;
}

/** The strides of a copy of `x`, as `clone` makes it. */
export const preservedStrides = (x) => (isDense(x) ? [...x.strides] : stridesInOrder(x.shape, orderOf([x], x.shape)));

/** A copy with these strides. */
export const copied = (x, strides = contiguousStrides(x.shape)) => made(x.values(), [...x.shape], strides, x.dtype);

/**
 * The strides that read the elements of `x` in another shape of as many elements; null if there are none, and a
 * copy has to be made.  This is PyTorch's `computeStride`.
 */
export function stridesOfView({ shape, strides, size }, after) {
  if (!shape.length) return after.map(() => 1);
  if (size === 0) return String(shape) === String(after) ? [...strides] : contiguousStrides(after);
  const found = new Array(after.length);
  let k = after.length - 1;
  let base = strides[strides.length - 1];
  let [inOld, inNew] = [1, 1];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    inOld *= shape[axis];
    const goesOn = axis > 0 && (shape[axis - 1] === 1 || strides[axis - 1] === inOld * base);
    if (goesOn) continue;
    while (k >= 0 && (inNew < inOld || after[k] === 1)) {
      found[k] = inNew * base;
      inNew *= after[k];
      k--;
    }
    if (inNew !== inOld) return null;
    if (axis > 0) [base, inOld, inNew] = [strides[axis - 1], 1, 1];
  }
  return k < 0 ? found : null;
}

/** The shape of tensors laid over each other; null if they do not fit. @param {number[][]} shapes */
export function broadcastShape(shapes) {
  const ndim = Math.max(...shapes.map((shape) => shape.length));
  const found = new Array(ndim).fill(1);
  for (const shape of shapes)
    for (let back = 1; back <= shape.length; back++) {
      const [there, here] = [found[ndim - back], shape[shape.length - back]];
      if (there !== here && there !== 1 && here !== 1) return null;
      if (there === 1) found[ndim - back] = here;
    }
  return found;
}

/** `x` read in a larger shape, its axes of length 1 stretched. */
export function stretched(x, shape) {
  const missing = shape.length - x.ndim;
  const strides = shape.map((n, axis) => {
    const own = axis - missing;
    return own < 0 || (x.shape[own] === 1 && n !== 1) ? 0 : x.strides[own];
  });
  return x.as(shape, strides);
}

/**
 * The strides that an element-wise operation gives its result: PyTorch's TensorIterator.
 * @param {Tensor[]} inputs
 * @param {number[]} shape
 * @param {boolean} hasNumber whether a number takes part, which is a tensor without axes
 */
export function stridesLike(inputs, shape, hasNumber) {
  const isSame = inputs.every((x) => String(x.shape) === String(shape)) && !(hasNumber && shape.length);
  if (isSame && inputs.every(isContiguous)) return contiguousStrides(shape);
  if (isSame && shape.length === 4) {
    const order = channelsLast(shape.length);
    if (inputs.every((x) => isPacked(x, order))) return stridesInOrder(shape, order);
  }
  const first = String(inputs[0].strides);
  if (isSame && inputs.every((x) => isDense(x) && String(x.strides) === first)) return [...inputs[0].strides];
  return stridesInOrder(shape, orderOf(inputs, shape));
}

/** The order of axes, the innermost first, that the tensors have that are laid over `shape`. @param {Tensor[]} inputs */
function orderOf(inputs, shape) {
  const all = inputs.map((x) => stretchedStrides(x, shape));
  const compared = (one, other) => {
    for (const strides of all) {
      const [a, b] = [strides[one], strides[other]];
      if (a === 0 || b === 0) continue;
      if (a !== b) return a - b;
      if (shape[one] > shape[other]) return 1;
    }
    return 0;
  };
  const order = backwards(shape.length);
  for (let i = 1; i < order.length; i++)
    for (let at = i, before = i - 1; before >= 0; before--) {
      const sign = compared(order[before], order[at]);
      if (sign < 0) break;
      if (sign > 0) {
        [order[before], order[at]] = [order[at], order[before]];
        at = before;
      }
    }
  return order;
}

/** Strides of `x` laid over `shape`; along axes of length 1 it does not move. */
function stretchedStrides(x, shape) {
  const missing = shape.length - x.ndim;
  return shape.map((n, axis) => {
    const own = axis - missing;
    return own < 0 || (x.shape[own] === 1 && n !== 1) ? 0 : x.strides[own];
  });
}
