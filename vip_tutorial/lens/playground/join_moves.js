// Moves that join several tensors, or make more room than there was.

import { Fault, outside, sizes } from "./faults.js";
import { gathered, narrow } from "./part_moves.js";
import { axisOf, unsqueeze, view } from "./shape_moves.js";
import {
  addresses,
  backwards,
  checkSize,
  copied,
  made,
  preservedStrides,
  sizeOfShape,
  stridesInOrder,
  suggested,
} from "./tensor.js";

/** @typedef {import("./tensor.js").Tensor} Tensor */

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
      )
        .on(first, off)
        .on(x, off);
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

export function stack({ tensors, dim }) {
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
export function pad({ x, pad: by, mode, value }, isTwin) {
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

function checkPixels(name, x, factor, r) {
  if (x.ndim < 3)
    throw new Fault(
      "RuntimeError",
      `${name} expects input to have at least 3 dimensions, but got input with ${x.ndim} dimension(s)`,
      "The last three axes are channels, height and width.",
    );
  if (r <= 0) throw new Fault("RuntimeError", `${name} expects a positive ${factor}, but got ${r}`, "Take at least 1.");
}

export function pixelShuffle({ x, upscale_factor: r }) {
  checkPixels("pixel_shuffle", x, "upscale_factor", r);
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

export function pixelUnshuffle({ x, downscale_factor: r }) {
  checkPixels("pixel_unshuffle", x, "downscale_factor", r);
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

export function channelShuffle({ x, groups }) {
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
