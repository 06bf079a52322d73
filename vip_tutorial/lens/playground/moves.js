// The moves: what each does to shape, strides and memory, as PyTorch does it.
//
// A move is a pure function of its arguments.  So it can be run again on numbered elements,
// and what comes out says where each came from.

import { Fault, outside, sizes, tuple } from "./faults.js";
import {
  addresses,
  checkSize,
  contiguousStrides,
  copied,
  isContiguous,
  made,
  preservedStrides,
  sizeOfShape,
  stridesInOrder,
  stridesOfView,
  suggested,
  backwards,
} from "./tensor.js";

/** @typedef {import("./tensor.js").Tensor} Tensor */

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

function view({ x, shape }) {
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

function flatten({ x, start_dim, end_dim }) {
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

function unflatten({ x, dim, sizes: parts }) {
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
    );
  const whole = parts.map((part) => (part === -1 ? n / given : part));
  return view({ x, shape: [...x.shape.slice(0, axis), ...whole, ...x.shape.slice(axis + 1)] });
}

function squeeze({ x, dim }) {
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
const ORDERS = {
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

function exchanged(ndim, one, other) {
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

// --- more of the same ------------------------------------------------------------------

export function expand({ x, size }) {
  if (size.length < x.ndim)
    throw new Fault(
      "RuntimeError",
      `expand(torch.DoubleTensor{${sizes(x.shape)}}, size=${sizes(size)}): the number of sizes provided (${size.length}) must be greater or equal to the number of dimensions in the tensor (${x.ndim})`,
      "Write a size for each axis, -1 for those that stay.",
    );
  const missing = size.length - x.ndim;
  const [shape, strides] = [[], []];
  for (let i = size.length - 1; i >= 0; i--) {
    const own = i - missing;
    let n = own >= 0 ? x.shape[own] : 1;
    let stride = own >= 0 ? x.strides[own] : x.ndim ? shape[i + 1] * strides[i + 1] : 0;
    const wanted = size[i];
    if (wanted === -1) {
      if (own < 0)
        throw new Fault(
          "RuntimeError",
          `The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension ${i}`,
          "-1 keeps the length of an axis, and this one is new.",
        );
    } else if (wanted !== n) {
      if (n !== 1)
        throw new Fault(
          "RuntimeError",
          `The expanded size of the tensor (${wanted}) must match the existing size (${n}) at non-singleton dimension ${i}.  Target sizes: ${sizes(size)}.  Tensor sizes: ${sizes(x.shape)}`,
          `expand stretches axes of length 1 alone, and one of ${n} is asked to be ${wanted}: use repeat or repeat_interleave to copy.`,
        );
      [n, stride] = [wanted, 0];
    }
    [shape[i], strides[i]] = [n, stride];
  }
  return x.as(shape, strides);
}

/** A copy in which the output's element at `at` is the element of `x` at `from(at)`. */
function gathered(x, shape, from, strides = contiguousStrides(shape)) {
  checkSize(shape);
  const { data } = x.storage;
  const at = new Array(shape.length).fill(0);
  const values = new Float64Array(sizeOfShape(shape));
  for (let k = 0; k < values.length; k++) {
    let address = x.offset;
    const place = from(at);
    for (let axis = 0; axis < place.length; axis++) address += place[axis] * x.strides[axis];
    values[k] = data[address];
    for (let axis = shape.length - 1; axis >= 0 && ++at[axis] === shape[axis]; axis--) at[axis] = 0;
  }
  return made(values, shape, strides, x.dtype);
}

function repeat({ x, repeats }) {
  if (repeats.length < x.ndim)
    throw new Fault(
      "RuntimeError",
      "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor",
      `Say for each of the ${x.ndim} axes how often, 1 for those that stay.`,
    );
  const missing = repeats.length - x.ndim;
  const own = [...new Array(missing).fill(1), ...x.shape];
  const shape = own.map((n, axis) => n * repeats[axis]);
  return gathered(x, shape, (at) => x.shape.map((n, axis) => at[axis + missing] % n));
}

function repeatInterleave({ x, repeats, dim }) {
  if (typeof repeats !== "number") throw outside("repeat_interleave with other than one number of repeats");
  if (dim === null) x = x.ndim === 1 ? x : reshape({ x, shape: [-1] });
  // Of one number PyTorch takes no axis at all, and says so of axis 1.
  const axis = axisOf(dim !== null && !x.ndim ? 1 : (dim ?? 0), x.ndim);
  if (repeats < 0) throw new Fault("RuntimeError", "Repeats must be non-negative", "Take at least 0.");
  if (!x.ndim) x = reshape({ x, shape: [1] });
  const shape = x.shape.with(axis, x.shape[axis] * repeats);
  return gathered(x, shape, (at) => at.with(axis, Math.floor(at[axis] / repeats)));
}

// --- turned round ----------------------------------------------------------------------

export function flip({ x, dims }) {
  const axes = axesOf(dims, x.ndim);
  const from = (at) => at.map((c, axis) => (axes.includes(axis) ? x.shape[axis] - 1 - c : c));
  return gathered(x, [...x.shape], from, preservedStrides(x));
}

function roll({ x, shifts, dims }) {
  const [by, along] = [[shifts].flat(), [dims].flat()];
  if (!by.length) throw new Fault("RuntimeError", "`shifts` required", "Say by how many places.");
  if (!along.length && by.length === 1) {
    const rolled = rolledOnce(reshape({ x: copied(x), shape: [-1] }), by[0], 0);
    return rolled.as([...x.shape], contiguousStrides(x.shape));
  }
  if (by.length !== along.length)
    throw new Fault(
      "RuntimeError",
      `shifts and dimensions must align. shifts: ${by.length}, dims:${along.length}`,
      "Each axis that is named has a shift of its own.",
    );
  return along.reduce((rolled, dim, i) => rolledOnce(rolled, by[i], dim), x);
}

function rolledOnce(x, shift, dim) {
  if (x.size === 0) return copied(x, preservedStrides(x));
  const axis = axisOf(dim, x.ndim);
  const n = x.shape[axis] ?? 1;
  if (!x.ndim)
    throw new Fault("IndexError", "Dimension specified as 0 but tensor has no dimensions", "It holds one number.");
  const start = (((n - (shift % n)) % n) + n) % n;
  return cat({ tensors: [sliced(x, axis, start, n, 1), sliced(x, axis, 0, start, 1)], dim: axis });
}

function rot90({ x, k, dims }) {
  if (dims.length !== 2)
    throw new Fault(
      "RuntimeError",
      `expected total rotation dims == 2, but got dims = ${dims.length}`,
      "Name the two axes of the plane.",
    );
  if (x.ndim < 2)
    throw new Fault(
      "RuntimeError",
      `expected total dims >= 2, but got total dims = ${x.ndim}`,
      "A plane has two axes.",
    );
  const [one, other] = dims.map((dim) => axisOf(dim, x.ndim));
  if (dims[0] === dims[1] || Math.abs(dims[0] - dims[1]) === x.ndim)
    throw new Fault(
      "RuntimeError",
      `expected rotation dims to be different, but got dim0 = ${dims[0]} and dim1 = ${dims[1]}`,
      "A plane has two axes.",
    );
  const turns = ((k % 4) + 4) % 4;
  if (turns === 0) return copied(x);
  const turned = flip({ x, dims: turns === 2 ? dims : [turns === 1 ? other : one] });
  return turns === 2 ? turned : inOrder(turned, exchanged(x.ndim, one, other));
}

// --- parts -----------------------------------------------------------------------------

/** From `start` to `end` along an axis, each `step`th. */
function sliced(x, axis, start, end, step) {
  const count = Math.max(0, Math.ceil((end - start) / step));
  return x.as(
    x.shape.with(axis, count),
    x.strides.with(axis, x.strides[axis] * step),
    x.offset + start * x.strides[axis],
  );
}

const hasAxes = (x, what) => {
  if (!x.ndim)
    throw new Fault(
      "RuntimeError",
      `${what} expects at least a 1-dimensional tensor`,
      "This tensor holds one number and has no axes.",
    );
};

function split({ x, split_size_or_sections: parts, dim }) {
  hasAxes(x, "split");
  const axis = axisOf(dim, x.ndim);
  const n = x.shape[axis];
  if (typeof parts !== "number") {
    if (parts.some((part) => part < 0))
      throw new Fault(
        "RuntimeError",
        `split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes=${sizes(parts)}`,
        "A part has at least 0 places.",
      );
    const sum = parts.reduce((total, part) => total + part, 0);
    if (sum !== n)
      throw new Fault(
        "RuntimeError",
        `split_with_sizes expects split_sizes to sum exactly to ${n} (input tensor's size at dimension ${axis}), but got split_sizes=${sizes(parts)}`,
        `The parts make ${sum}, and the axis is ${n} long.`,
      );
    return cutInto(x, axis, parts);
  }
  if (parts < 0)
    throw new Fault(
      "RuntimeError",
      `split expects split_size be non-negative, but got split_size=${parts}`,
      "A part has at least 1 place.",
    );
  if (parts === 0 && n !== 0)
    throw new Fault(
      "RuntimeError",
      `split_size can only be 0 if dimension size is 0, but got dimension size of ${n}`,
      "A part has at least 1 place.",
    );
  const count = parts ? Math.max(1, Math.ceil(n / parts)) : 1;
  return cutInto(
    x,
    axis,
    Array.from({ length: count }, (_, i) => Math.min(parts, n - i * parts)),
  );
}

function cutInto(x, axis, parts) {
  let start = 0;
  return parts.map((part) => sliced(x, axis, start, (start += part), 1));
}

function chunk({ x, chunks, dim }) {
  hasAxes(x, "chunk");
  if (chunks <= 0)
    throw new Fault(
      "RuntimeError",
      `chunk expects \`chunks\` to be greater than 0, got: ${chunks}`,
      "Ask for at least one.",
    );
  const axis = axisOf(dim, x.ndim);
  const size = Math.ceil(x.shape[axis] / chunks);
  if (size === 0) return cutInto(x, axis, new Array(Math.min(chunks, 256)).fill(0));
  return split({ x, split_size_or_sections: size, dim });
}

export function unbind({ x, dim }) {
  if (!x.ndim)
    throw new Fault("IndexError", "Dimension specified as 0 but tensor has no dimensions", "It holds one number.");
  const axis = axisOf(dim, x.ndim);
  return Array.from({ length: x.shape[axis] }, (_, c) => chosen(x, axis, c));
}

const chosen = (x, axis, c) =>
  x.as(x.shape.toSpliced(axis, 1), x.strides.toSpliced(axis, 1), x.offset + c * x.strides[axis]);

function narrow({ x, dim, start, length }) {
  if (!x.ndim) throw new Fault("RuntimeError", "narrow() cannot be applied to a 0-dim tensor.", "It holds one number.");
  if (length < 0) throw new Fault("RuntimeError", "narrow(): length must be non-negative.", "Ask for at least 0.");
  const axis = axisOf(dim, x.ndim);
  const n = x.shape[axis];
  if (start < -n || start > n)
    throw new Fault(
      "IndexError",
      `start out of range (expected to be in range of [${-n}, ${n}], but got ${start})`,
      `Axis ${axis} is ${n} long: its elements are 0 to ${n - 1}.`,
    );
  const first = start < 0 ? start + n : start;
  if (first + length > n)
    throw new Fault(
      "RuntimeError",
      `start (${first}) + length (${length}) exceeds dimension size (${n}).`,
      `Axis ${axis} is ${n} long: from ${first} there are ${n - first} left.`,
    );
  return sliced(x, axis, first, first + length, 1);
}

function select({ x, dim, index }) {
  if (!x.ndim) throw new Fault("IndexError", "select() cannot be applied to a 0-dim tensor.", "It holds one number.");
  const axis = axisOf(dim, x.ndim);
  const n = x.shape[axis];
  if (index < -n || index >= n)
    throw new Fault(
      "IndexError",
      `select(): index ${index} out of range for tensor of size ${sizes(x.shape)} at dimension ${axis}`,
      `Axis ${axis} is ${n} long: its elements are 0 to ${n - 1}.`,
    );
  return chosen(x, axis, index < 0 ? index + n : index);
}

/** @typedef {{start: number | null, stop: number | null, step: number | null}} Slice */

/** `x[...]`: numbers, slices, None and an ellipsis. */
function getitem({ x, index }) {
  const named = index.filter((item) => item !== null && item !== "...").length;
  if (named > x.ndim)
    throw new Fault(
      "IndexError",
      x.ndim
        ? `too many indices for tensor of dimension ${x.ndim}`
        : "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a 0-dim tensor to a number",
      `The tensor has ${x.ndim} axes, and ${named} are named.`,
    );
  let [found, axis, own] = [x.as([...x.shape], [...x.strides]), 0, 0];
  for (const item of index) {
    if (item === "...") {
      axis += x.ndim - named;
      own += x.ndim - named;
    } else if (item === null) {
      found = unsqueeze({ x: found, dim: axis++ });
    } else if (typeof item === "number") {
      const n = found.shape[axis];
      if (item < -n || item >= n)
        throw new Fault(
          "IndexError",
          `index ${item} is out of bounds for dimension ${own} with size ${n}`,
          `Axis ${own} is ${n} long: its elements are 0 to ${n - 1}.`,
        );
      found = chosen(found, axis, item < 0 ? item + n : item);
      own++;
    } else {
      const n = found.shape[axis];
      const step = item.step ?? 1;
      if (step === 0) throw new Fault("ValueError", "slice step cannot be zero", "Take a step of at least 1.");
      if (step < 0)
        throw new Fault("ValueError", "step must be greater than zero", "PyTorch has no steps backwards: use .flip.");
      const clamp = (value) => Math.max(0, Math.min(n, value < 0 ? value + n : value));
      const start = clamp(item.start ?? 0);
      found = sliced(found, axis, start, Math.max(start, clamp(item.stop ?? n)), step);
      axis++;
      own++;
    }
  }
  return found;
}

function indexSelect({ x, dim, index }) {
  const axis = axisOf(dim, x.ndim);
  if (index.ndim > 1)
    throw new Fault("IndexError", "index_select(): Index is supposed to be a vector", "Give a tensor with one axis.");
  checkIndex(index, "index_select(): Expected dtype int32 or int64 for index");
  const n = x.shape[axis] ?? 1;
  const places = [...index.values()];
  const far = places.find((c) => c < 0 || c >= n);
  if (far !== undefined)
    throw new Fault(
      "IndexError",
      "index out of range in self",
      `Axis ${axis} is ${n} long, and the index holds ${far}.`,
    );
  if (!x.ndim) return copied(x);
  return gathered(x, x.shape.with(axis, places.length), (at) => at.with(axis, places[at[axis]]));
}

function checkIndex(index, message) {
  if (index.dtype !== "int64")
    throw new Fault("RuntimeError", message, "Make it with torch.arange or torch.tensor([0, 1]).");
}

function gather({ x, dim, index }) {
  const axis = axisOf(dim, x.ndim);
  checkIndex(index, "gather(): Expected dtype int32/int64 for index");
  if (index.size === 0) return made([], [...index.shape], undefined, x.dtype);
  if (Math.max(index.ndim, 1) !== Math.max(x.ndim, 1))
    throw new Fault(
      "RuntimeError",
      "Index tensor must have the same number of dimensions as input tensor",
      `The index has ${index.ndim} axes, and the tensor ${x.ndim}.`,
    );
  const wide = index.shape.findIndex((n, k) => k !== axis && n > x.shape[k]);
  if (wide >= 0)
    throw new Fault(
      "RuntimeError",
      `Size does not match at dimension ${wide} expected index ${sizes(index.shape)} to be no larger than self ${sizes(x.shape)} apart from dimension ${axis}`,
      "Along the other axes the index may not be longer than the tensor.",
    );
  const n = x.shape[axis] ?? 1;
  const places = index.values();
  const far = places.find((c) => c < 0 || c >= n);
  if (far !== undefined)
    throw new Fault(
      "RuntimeError",
      `index ${far} is out of bounds for dimension ${axis} with size ${n}`,
      `Axis ${axis} is ${n} long: its elements are 0 to ${n - 1}.`,
    );
  let k = 0;
  return gathered(x, [...index.shape], (at) => (x.ndim ? at.with(axis, places[k++]) : []));
}

function unfold({ x, dimension, size, step }) {
  const axis = axisOf(dimension, x.ndim);
  const n = x.shape[axis] ?? 1;
  if (size < 0) throw new Fault("RuntimeError", `size is ${size} but must be >= 0`, "A window has at least one place.");
  if (size > n)
    throw new Fault(
      "RuntimeError",
      `maximum size for tensor at dimension ${axis} is ${n} but size is ${size}`,
      "The window is longer than the axis.",
    );
  if (step <= 0)
    throw new Fault("RuntimeError", `step is ${step} but must be > 0`, "The window moves on by at least 1.");
  if (!x.ndim) return x.as([size], [1]);
  return x.as(
    [...x.shape.with(axis, Math.floor((n - size) / step) + 1), size],
    [...x.strides.with(axis, x.strides[axis] * step), x.strides[axis]],
  );
}

// --- several, and more than there was ----------------------------------------------------

export function cat({ tensors, dim }) {
  if (!tensors.length)
    throw new Fault("ValueError", "torch.cat(): expected a non-empty list of Tensors", "Give it at least one.");
  const bare = tensors.findIndex((x) => !x.ndim);
  if (bare >= 0)
    throw new Fault(
      "RuntimeError",
      `zero-dimensional tensor (at position ${bare}) cannot be concatenated`,
      "It has no axis to lie along: use stack.",
    );
  const isSkipped = (x) => x.ndim === 1 && x.size === 0;
  const whole = tensors.filter((x) => !isSkipped(x));
  const first = whole[0] ?? tensors[0];
  const axis = axisOf(dim, first.ndim);
  for (const x of whole) {
    if (x.ndim !== first.ndim)
      throw new Fault(
        "RuntimeError",
        `Tensors must have same number of dimensions: got ${first.ndim} and ${x.ndim}`,
        `${first.ndim} axes and ${x.ndim} axes do not go together: add one with unsqueeze, or use stack for tensors that are alike.`,
      );
    const off = x.shape.findIndex((n, k) => k !== axis && n !== first.shape[k]);
    if (off >= 0)
      throw new Fault(
        "RuntimeError",
        `Sizes of tensors must match except in dimension ${axis}. Expected size ${first.shape[off]} but got size ${x.shape[off]} for tensor number ${tensors.indexOf(x)} in the list.`,
        `Only axis ${axis} may differ, and axis ${off} does, ${first.shape[off]} and ${x.shape[off]}: is dim=${off} meant?`,
      );
  }
  const shape = [...first.shape];
  shape[axis] = whole.reduce((sum, x) => sum + x.shape[axis], 0);
  checkSize(shape);
  const orders = new Set(tensors.map((x) => String(suggested(x))));
  const order = orders.size === 1 && first.ndim > 3 ? suggested(first) : backwards(shape.length);
  const inner = sizeOfShape(shape.slice(axis + 1));
  const outer = sizeOfShape(shape.slice(0, axis));
  const values = new Float64Array(sizeOfShape(shape));
  let start = 0;
  for (const x of whole) {
    const own = x.values();
    const run = x.shape[axis] * inner;
    for (let i = 0; i < outer; i++) values.set(own.subarray(i * run, (i + 1) * run), i * shape[axis] * inner + start);
    start += run;
  }
  const dtype = tensors.every((x) => x.dtype === "int64") ? "int64" : "float64";
  return made(values, shape, stridesInOrder(shape, order), dtype);
}

function stack({ tensors, dim }) {
  if (!tensors.length) throw new Fault("RuntimeError", "stack expects a non-empty TensorList", "Give it at least one.");
  const [first] = tensors;
  const axis = axisOf(dim, first.ndim + 1);
  const other = tensors.findIndex((x) => String(x.shape) !== String(first.shape));
  if (other >= 0)
    throw new Fault(
      "RuntimeError",
      `stack expects each tensor to be equal size, but got ${sizes(first.shape)} at entry 0 and ${sizes(tensors[other].shape)} at entry ${other}`,
      "stack puts tensors of one shape side by side: use cat for those that differ along an axis.",
    );
  checkSize([tensors.length, ...first.shape]);
  if (axis === first.ndim) return cat({ tensors: tensors.map((x) => unsqueeze({ x, dim: axis })), dim: axis });
  return view({ x: cat({ tensors, dim: axis }), shape: first.shape.toSpliced(axis, 0, tensors.length) });
}

/** Of numbered elements, `isTwin`, the frame is nothing. */
function pad({ x, pad: by, mode, value }, isTwin) {
  if (mode !== "constant") throw outside(`Padding of the mode '${mode}'`);
  if (by.length % 2)
    throw new Fault("RuntimeError", "Padding length must be divisible by 2", "Each axis has two ends.");
  if (by.length > 2 * x.ndim)
    throw new Fault(
      "RuntimeError",
      `Padding length should be less than or equal to two times the input dimension but got padding length ${by.length} and input of dimension ${x.ndim}`,
      `There are ${x.ndim} axes, each with two ends, the last axis first.`,
    );
  const ends = x.shape.map((_, axis) => {
    const i = 2 * (x.ndim - 1 - axis);
    return [by[i] ?? 0, by[i + 1] ?? 0];
  });
  let inner = x;
  ends.forEach(([before, after], axis) => {
    if (before < 0) inner = narrow({ x: inner, dim: axis, start: -before, length: inner.shape[axis] + before });
    if (after < 0) inner = narrow({ x: inner, dim: axis, start: 0, length: inner.shape[axis] + after });
  });
  if (by.every((n) => n <= 0)) return copied(inner, preservedStrides(inner));
  const more = ends.map((pair) => pair.map((n) => Math.max(n, 0)));
  const shape = x.shape.map((n, axis) => n + ends[axis][0] + ends[axis][1]);
  const negative = shape.findIndex((n) => n < 0);
  if (negative >= 0)
    throw new Fault(
      "RuntimeError",
      `The input size ${x.shape[negative]}, plus negative padding ${ends[negative].join(" and ")} resulted in a negative output size, which is invalid.`,
      "Cut off less.",
    );
  checkSize(shape);
  const fill = isTwin ? 0 : Number(value ?? 0);
  const framed = made(
    new Float64Array(sizeOfShape(shape)).fill(fill),
    shape,
    stridesInOrder(shape, suggested(x)),
    x.dtype,
  );
  const hole = framed.as(
    [...inner.shape],
    framed.strides,
    more.reduce((sum, [before], axis) => sum + before * framed.strides[axis], 0),
  );
  fillIn(hole, inner);
  return framed;
}

/** Put the elements of `x` where those of `hole` lie, which is new. */
function fillIn(hole, x) {
  const values = x.values();
  addresses(hole).forEach((address, k) => (hole.storage.data[address] = values[k]));
}

function pixelShuffle({ x, upscale_factor: r }) {
  if (x.ndim < 3)
    throw new Fault(
      "RuntimeError",
      `pixel_shuffle expects input to have at least 3 dimensions, but got input with ${x.ndim} dimension(s)`,
      "The last three axes are channels, height and width.",
    );
  if (r <= 0)
    throw new Fault(
      "RuntimeError",
      `pixel_shuffle expects a positive upscale_factor, but got ${r}`,
      "Take at least 1.",
    );
  const [c, h, w] = x.shape.slice(-3);
  if (c % (r * r))
    throw new Fault(
      "RuntimeError",
      `pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but input.size(-3)=${c} is not divisible by ${r * r}`,
      `Each pixel becomes ${r} x ${r}, whose numbers are ${r * r} of its channels: there must be a multiple of as many.`,
    );
  const shape = [...x.shape.slice(0, -3), c / (r * r), h * r, w * r];
  const from = (at) => {
    const [oc, oh, ow] = at.slice(-3);
    return [...at.slice(0, -3), oc * r * r + (oh % r) * r + (ow % r), Math.floor(oh / r), Math.floor(ow / r)];
  };
  return gathered(x, shape, from, stridesInOrder(shape, suggested(x)));
}

function pixelUnshuffle({ x, downscale_factor: r }) {
  if (x.ndim < 3)
    throw new Fault(
      "RuntimeError",
      `pixel_unshuffle expects input to have at least 3 dimensions, but got input with ${x.ndim} dimension(s)`,
      "The last three axes are channels, height and width.",
    );
  if (r <= 0)
    throw new Fault(
      "RuntimeError",
      `pixel_unshuffle expects a positive downscale_factor, but got ${r}`,
      "Take at least 1.",
    );
  const [c, h, w] = x.shape.slice(-3);
  for (const [n, word, dim] of /** @type {[number, string, number][]} */ ([
    [h, "height", -2],
    [w, "width", -1],
  ]))
    if (n % r)
      throw new Fault(
        "RuntimeError",
        `pixel_unshuffle expects ${word} to be divisible by downscale_factor, but input.size(${dim})=${n} is not divisible by ${r}`,
        `${r} x ${r} pixels become one.`,
      );
  const shape = [...x.shape.slice(0, -3), c * r * r, h / r, w / r];
  const from = (at) => {
    const [oc, oh, ow] = at.slice(-3);
    const inside = oc % (r * r);
    return [...at.slice(0, -3), Math.floor(oc / (r * r)), oh * r + Math.floor(inside / r), ow * r + (inside % r)];
  };
  return gathered(x, shape, from, stridesInOrder(shape, suggested(x)));
}

function channelShuffle({ x, groups }) {
  if (x.ndim <= 2)
    throw new Fault(
      "RuntimeError",
      `channel_shuffle expects input with > 2 dims, but got input with sizes ${sizes(x.shape)}`,
      "Axis 1 holds the channels.",
    );
  const c = x.shape[1];
  if (groups <= 0)
    throw new Fault(
      "RuntimeError",
      `Number of groups to divide channels in must be positive. Value of groups:${groups}`,
      "Take at least 1.",
    );
  if (c % groups)
    throw new Fault(
      "RuntimeError",
      `Number of channels must be divisible by groups. Got ${c} channels and ${groups} groups.`,
      "Each group has as many channels.",
    );
  const each = c / groups;
  const from = (at) => at.with(1, (at[1] % groups) * each + Math.floor(at[1] / groups));
  return gathered(x, [...x.shape], from, stridesInOrder(x.shape, suggested(x)));
}

/**
 * @typedef {object} Operation
 * @property {string} takes its parameters, see `calls.js`
 * @property {string} where "method", "torch", "functional" or "attribute", parted by blanks
 * @property {(given: *, isTwin?: boolean) => Tensor | Tensor[]} run
 * @property {(given: *) => number[]} [order] of a permutation of axes
 */

const move = (takes, where, run) => ({ takes, where, run });
const turn = (takes, where, name) => ({
  takes,
  where,
  order: ORDERS[name],
  run: (given) => inOrder(given.x, ORDERS[name](given)),
});

/** @type {Record<string, Operation>} */
export const MOVES = {
  view: move("x *shape", "method", view),
  reshape: move("x *shape", "method torch", reshape),
  flatten: move("x start_dim:int=0 end_dim:int=-1", "method torch", flatten),
  unflatten: move("x dim:int sizes:ints", "method torch", unflatten),
  squeeze: move("x dim:axes?=None", "method torch", squeeze),
  unsqueeze: move("x dim:int", "method torch", unsqueeze),
  permute: turn("x *dims", "method torch", "permute"),
  transpose: turn("x dim0:int dim1:int", "method torch", "transpose"),
  swapaxes: turn("x axis0:int axis1:int", "method torch", "swapaxes"),
  swapdims: turn("x dim0:int dim1:int", "method torch", "swapdims"),
  movedim: turn("x source:axes destination:axes", "method torch", "movedim"),
  moveaxis: turn("x source:axes destination:axes", "method torch", "moveaxis"),
  t: turn("x", "method torch", "t"),
  T: turn("x", "attribute", "T"),
  mT: { ...turn("x", "attribute", "mT"), run: ({ x }) => (x.ndim ? inOrder(x, ORDERS.mT({ x })) : x) },
  expand: move("x *size", "method", expand),
  repeat: move("x *repeats", "method", repeat),
  repeat_interleave: move("x repeats:any dim:int?=None", "method torch", repeatInterleave),
  flip: move("x *dims", "method torch", flip),
  roll: move("x shifts:axes dims:axes=()", "method torch", roll),
  rot90: move("x k:int=1 dims:ints=(0,1)", "method torch", rot90),
  chunk: move("x chunks:int dim:int=0", "method torch", chunk),
  split: move("x split_size_or_sections:axes dim:int=0", "method torch", split),
  unbind: move("x dim:int=0", "method torch", unbind),
  narrow: move("x dim:int start:int length:int", "method torch", narrow),
  select: move("x dim:int index:int", "method torch", select),
  getitem: move("x index:any", "", getitem),
  index_select: move("x dim:int index:tensor", "method torch", indexSelect),
  gather: move("x dim:int index:tensor", "method torch", gather),
  unfold: move("x dimension:int size:int step:int", "method", unfold),
  contiguous: move("x", "method", ({ x }) => (isContiguous(x) ? x : copied(x))),
  clone: move("x", "method torch", ({ x }) => copied(x, preservedStrides(x))),
  cat: move("tensors dim:int=0", "torch", cat),
  stack: move("tensors dim:int=0", "torch", stack),
  pad: move("x pad:ints mode:any=constant value:any=None", "functional", pad),
  pixel_shuffle: move("x upscale_factor:int", "functional torch", pixelShuffle),
  pixel_unshuffle: move("x downscale_factor:int", "functional torch", pixelUnshuffle),
  channel_shuffle: move("x groups:int", "functional torch", channelShuffle),
};
