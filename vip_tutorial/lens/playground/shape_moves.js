// Moves to another shape or another order of axes: they move no number, or copy them in order.

import { Fault, sizes, tuple } from "./faults.js";
import { backwards, contiguousStrides, copied, sizeOfShape, stridesOfView } from "./tensor.js";

/** An axis from 0, of a number that may count from the end. */
export function axisOf(dim, ndim) {
  const count = Math.max(ndim, 1);
  if (dim < -count || dim >= count)
    throw new Fault(
      "IndexError",
      `Dimension out of range (expected to be in range of [${-count}, ${count - 1}], but got ${dim})`,
      `There is no axis ${dim}: they are 0 to ${count - 1}, or ${-count} to -1.`,
    );
  return dim < 0 ? dim + count : dim;
}

/** Several axes, each named once. */
export function axesOf(dims, ndim) {
  const found = dims.map((dim) => axisOf(dim, ndim));
  const twice = found.find((axis, i) => found.indexOf(axis) < i);
  if (twice !== undefined)
    throw new Fault("RuntimeError", `dim ${twice} appears multiple times in the list of dims`, "Name each axis once.");
  return found;
}

// --- other shapes ----------------------------------------------------------------------

/** The shape that sizes with a -1 stand for. */
function inferred(shape, size) {
  const rests = shape.filter((n) => n === -1).length;
  if (rests > 1)
    throw new Fault(
      "RuntimeError",
      "only one dimension can be inferred",
      "Only one size may be -1: write the others out.",
    );
  const bad = shape.findIndex((n) => n < -1);
  if (bad >= 0)
    throw new Fault(
      "RuntimeError",
      `invalid shape dimension ${shape[bad]} at index ${bad} of shape ${sizes(shape)}`,
      "A size is at least 0, or -1 for what is left.",
    );
  const given = shape.reduce((product, n) => (n === -1 ? product : product * n), 1);
  if (rests && given === 0 && size === 0)
    throw new Fault(
      "RuntimeError",
      `cannot reshape tensor of 0 elements into shape ${sizes(shape)} because the unspecified dimension size -1 can be any value and is ambiguous`,
      "Write the size out.",
    );
  if (rests ? given === 0 || size % given : given !== size)
    throw new Fault(
      "RuntimeError",
      `shape '${sizes(shape)}' is invalid for input of size ${size}`,
      sizeHelp(shape, given, size),
    );
  return shape.map((n) => (n === -1 ? size / given : n));
}

const sizeHelp = (shape, given, size) =>
  shape.includes(-1)
    ? `There are ${size} numbers, and the sizes that are given make ${given}, which does not divide them: one of ${sizes(shape)} is wrong.`
    : `There are ${size} numbers, and ${shape.join(" x ") || 1} is ${given}: the sizes must make as many; a -1 in place of one lets PyTorch work it out.`;

export function view({ x, shape }) {
  const after = inferred(shape, x.size);
  const strides = stridesOfView(x, after);
  if (!strides)
    throw new Fault(
      "RuntimeError",
      "view size is not compatible with input tensor's size and stride (at least one dimension spans across two contiguous subspaces). Use .reshape(...) instead.",
      `A view only reads the memory in another way, and no strides read ${tuple(x.shape)} with strides ${tuple(x.strides)} in the order that ${tuple(after)} asks for: use .reshape, which copies where it has to, or .contiguous() before the view.`,
    );
  return x.as(after, strides);
}

export function reshape({ x, shape }) {
  const after = inferred(shape, x.size);
  const strides = stridesOfView(x, after);
  if (strides) return x.as(after, strides);
  const copy = copied(x);
  return copy.as(after, contiguousStrides(after));
}

export function flatten({ x, start_dim, end_dim }) {
  const [start, end] = [axisOf(start_dim, x.ndim), axisOf(end_dim, x.ndim)];
  if (start > end)
    throw new Fault(
      "RuntimeError",
      "flatten() has invalid args: start_dim cannot come after end_dim",
      `It merges the axes from ${start_dim} to ${end_dim}, and ${start} stands after ${end}.`,
    );
  if (!x.ndim) return reshape({ x, shape: [1] });
  if (start === end) return x;
  const merged = sizeOfShape(x.shape.slice(start, end + 1));
  return reshape({ x, shape: [...x.shape.slice(0, start), merged, ...x.shape.slice(end + 1)] });
}

export function unflatten({ x, dim, sizes: parts }) {
  const axis = axisOf(dim, x.ndim);
  if (!parts.length)
    throw new Fault("RuntimeError", "unflatten: sizes must be non-empty", "Give the sizes of its parts.");
  if (!x.ndim)
    throw new Fault("RuntimeError", "unflatten: a tensor without axes has none to cut", "It holds one number.");
  const given = parts.reduce((product, n) => (n === -1 ? product : product * n), 1);
  const n = x.shape[axis];
  const isWhole = !parts.includes(-1) && given === n && parts.every((part) => part >= 0);
  const isCut = parts.filter((part) => part === -1).length === 1 && given > 0 && n % given === 0;
  if (!isWhole && !isCut)
    throw new Fault(
      "RuntimeError",
      parts.filter((part) => part === -1).length > 1
        ? "only one dimension can be inferred"
        : `unflatten: Provided sizes ${sizes(parts)} don't multiply up to the size of dim ${axis} (${n}) in the input tensor`,
      parts.includes(-1)
        ? `Axis ${axis} is ${n} long, which ${sizes(parts)} do not divide.`
        : `Axis ${axis} is ${n} long, and ${parts.join(" x ")} is ${given}: the sizes must make as many.`,
    ).on(x, axis);
  const whole = parts.map((part) => (part === -1 ? n / given : part));
  return view({ x, shape: [...x.shape.slice(0, axis), ...whole, ...x.shape.slice(axis + 1)] });
}

export function squeeze({ x, dim }) {
  const gone = dim === null ? x.shape.map((_, axis) => axis) : axesOf([dim].flat(), x.ndim);
  const kept = x.shape.map((_, axis) => axis).filter((axis) => !(gone.includes(axis) && x.shape[axis] === 1));
  return x.as(
    kept.map((axis) => x.shape[axis]),
    kept.map((axis) => x.strides[axis]),
  );
}

export function unsqueeze({ x, dim }) {
  const axis = axisOf(dim, x.ndim + 1);
  const stride = axis < x.ndim ? x.shape[axis] * x.strides[axis] : 1;
  return x.as(x.shape.toSpliced(axis, 0, 1), x.strides.toSpliced(axis, 0, stride));
}

// --- other orders ----------------------------------------------------------------------

export const inOrder = (x, order) =>
  x.as(
    order.map((axis) => x.shape[axis]),
    order.map((axis) => x.strides[axis]),
  );

/** The order of axes that each permutation of axes stands for. */
export const ORDERS = {
  permute({ x, dims }) {
    if (dims.length !== x.ndim)
      throw new Fault(
        "RuntimeError",
        `permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering of dimensions i.e. input.dim() = ${x.ndim} is not equal to len(dims) = ${dims.length}`,
        permuteHelp(x, dims),
      );
    const order = dims.map((dim) => axisOf(dim, x.ndim));
    if (new Set(order).size < order.length)
      throw new Fault("RuntimeError", "permute(): duplicate dims are not allowed.", permuteHelp(x, dims));
    return order;
  },
  transpose: ({ x, dim0, dim1 }) => exchanged(x.ndim, axisOf(dim0, x.ndim), axisOf(dim1, x.ndim)),
  movedim({ x, source, destination }) {
    const [from, to] = [source, destination].map((dims) => [dims].flat());
    if (from.length !== to.length)
      throw new Fault(
        "RuntimeError",
        `movedim: Invalid source or destination dims: source (${sizes(from)} dims) should contain the same number of dims as destination (${sizes(to)} dims)`,
        "Each axis that is named goes to one place.",
      );
    const [away, there] = [from, to].map((dims) => dims.map((dim) => axisOf(dim, x.ndim)));
    for (const [axes, word, given] of /** @type {[number[], string, number[]][]} */ ([
      [away, "source", from],
      [there, "destination", to],
    ]))
      if (new Set(axes).size < axes.length)
        throw new Fault(
          "RuntimeError",
          `movedim: repeated dim in \`${word}\` (${sizes(given)})`,
          "Name each axis once.",
        );
    if (!x.ndim) return [];
    const order = new Array(x.ndim).fill(-1);
    there.forEach((place, i) => (order[place] = away[i]));
    const rest = x.shape.map((_, axis) => axis).filter((axis) => !away.includes(axis));
    return order.map((axis) => (axis < 0 ? rest.shift() : axis));
  },
  T: ({ x }) => backwards(x.ndim),
  t({ x }) {
    if (x.ndim > 2)
      throw new Fault(
        "RuntimeError",
        `t() expects a tensor with <= 2 dimensions, but self is ${x.ndim}D`,
        "Say which axes with transpose(0, 1), or the last two with .mT.",
      );
    return backwards(x.ndim);
  },
  mT({ x }) {
    if (!x.ndim) return [];
    if (x.ndim < 2)
      throw new Fault(
        "RuntimeError",
        `tensor.mT is only supported on matrices or batches of matrices. Got ${x.ndim}-D tensor.`,
        "It exchanges the last two axes.",
      );
    return exchanged(x.ndim, x.ndim - 2, x.ndim - 1);
  },
};
ORDERS.swapaxes = ({ x, axis0, axis1 }) => ORDERS.transpose({ x, dim0: axis0, dim1: axis1 });
ORDERS.swapdims = ORDERS.transpose;
ORDERS.moveaxis = ORDERS.movedim;

export function exchanged(ndim, one, other) {
  const order = Array.from({ length: ndim }, (_, axis) => axis);
  if (ndim) [order[one], order[other]] = [other, one];
  return order;
}

function permuteHelp(x, dims) {
  const named = dims.map((dim) => (dim < 0 ? dim + x.ndim : dim));
  const every = x.shape.map((_, axis) => axis);
  const missing = every.filter((axis) => !named.includes(axis));
  const double = [...new Set(named.filter((axis, i) => named.indexOf(axis) < i))];
  const parts = [
    missing.length ? `axis ${missing.join(" and ")} missing` : "",
    double.length ? `axis ${double.join(" and ")} named more than once` : "",
  ].filter(Boolean);
  return `permute names each of the ${x.ndim} axes, 0 to ${x.ndim - 1}, once${parts.length ? `: ${parts.join(", ")}` : `, and here are ${dims.length}`}.`;
}
