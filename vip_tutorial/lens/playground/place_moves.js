// Moves that say again, or turn round.

import { Fault, outside, sizes } from "./faults.js";
import { cat } from "./join_moves.js";
import { gathered, sliced } from "./part_moves.js";
import { axesOf, axisOf, exchanged, inOrder, reshape } from "./shape_moves.js";
import { contiguousStrides, copied, preservedStrides } from "./tensor.js";

/** @typedef {import("./tensor.js").Tensor} Tensor */

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
        ).on(x, own);
      [n, stride] = [wanted, 0];
    }
    [shape[i], strides[i]] = [n, stride];
  }
  return x.as(shape, strides);
}

export function repeat({ x, repeats }) {
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

export function repeatInterleave({ x, repeats, dim }) {
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

export function roll({ x, shifts, dims }) {
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

export function rot90({ x, k, dims }) {
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
