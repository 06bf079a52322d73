// Moves that take a part.

import { Fault, sizes } from "./faults.js";
import { axisOf, unsqueeze } from "./shape_moves.js";
import { checkSize, contiguousStrides, copied, made, sizeOfShape } from "./tensor.js";

/** A copy in which the output's element at `at` is the element of `x` at `from(at)`. */
export function gathered(x, shape, from, strides = contiguousStrides(shape)) {
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

/** From `start` to `end` along an axis, each `step`th. */
export function sliced(x, axis, start, end, step) {
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

export function split({ x, split_size_or_sections: parts, dim }) {
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
      ).on(x, axis);
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

export function chunk({ x, chunks, dim }) {
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

export function narrow({ x, dim, start, length }) {
  if (!x.ndim) throw new Fault("RuntimeError", "narrow() cannot be applied to a 0-dim tensor.", "It holds one number.");
  if (length < 0) throw new Fault("RuntimeError", "narrow(): length must be non-negative.", "Ask for at least 0.");
  const axis = axisOf(dim, x.ndim);
  const n = x.shape[axis];
  if (start < -n || start > n)
    throw new Fault(
      "IndexError",
      `start out of range (expected to be in range of [${-n}, ${n}], but got ${start})`,
      `Axis ${axis} is ${n} long: its elements are 0 to ${n - 1}.`,
    ).on(x, axis);
  const first = start < 0 ? start + n : start;
  if (first + length > n)
    throw new Fault(
      "RuntimeError",
      `start (${first}) + length (${length}) exceeds dimension size (${n}).`,
      `Axis ${axis} is ${n} long: from ${first} there are ${n - first} left.`,
    ).on(x, axis);
  return sliced(x, axis, first, first + length, 1);
}

export function select({ x, dim, index }) {
  if (!x.ndim) throw new Fault("IndexError", "select() cannot be applied to a 0-dim tensor.", "It holds one number.");
  const axis = axisOf(dim, x.ndim);
  const n = x.shape[axis];
  if (index < -n || index >= n)
    throw new Fault(
      "IndexError",
      `select(): index ${index} out of range for tensor of size ${sizes(x.shape)} at dimension ${axis}`,
      `Axis ${axis} is ${n} long: its elements are 0 to ${n - 1}.`,
    ).on(x, axis);
  return chosen(x, axis, index < 0 ? index + n : index);
}

/** @typedef {{start: number | null, stop: number | null, step: number | null}} Slice */

/** `x[...]`: numbers, slices, None and an ellipsis. */
export function getitem({ x, index }) {
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
        ).on(x, own);
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

export function indexSelect({ x, dim, index }) {
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

export function gather({ x, dim, index }) {
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
    ).on(x, axis);
  let k = 0;
  return gathered(x, [...index.shape], (at) => (x.ndim ? at.with(axis, places[k++]) : []));
}

export function unfold({ x, dimension, size, step }) {
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
