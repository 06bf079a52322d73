// The operations that make new numbers, and which elements each of them is made from.

import { Fault, outside, sizes } from "./faults.js";
import { axesOf, axisOf, inOrder, reshape, unsqueeze } from "./shape_moves.js";
import {
  addresses,
  broadcastShape,
  checkSize,
  contiguousStrides,
  copied,
  made,
  sizeOfShape,
  stretched,
  stridesLike,
  Tensor,
} from "./tensor.js";

/** Products of matrices take time; a program has so much of it. */
const MOST_PRODUCTS = 4_000_000;

/**
 * @typedef {object} Mix an operation, see `moves.js`, and
 * @property {string} takes
 * @property {string} where
 * @property {string} kind "pointwise", "reduce", "mix" or "other"
 * @property {(given: *) => Tensor} run
 * @property {(given: *, out: Tensor) => Map<Tensor, any[]>} reads of each tensor, per axis (tracing/reads.py)
 * @property {(given: *) => number[] | null} mixed axes along which an element sees everything
 * @property {(given: *, followed: Tensor[], out: Tensor) => boolean} [mayBeCut] whether a zero may hide something
 */

// --- element by element ------------------------------------------------------------------

/** Laid over each other, as PyTorch broadcasts. */
export function pointwise(inputs, compute) {
  const tensors = inputs.filter((input) => input instanceof Tensor);
  const shape = broadcastShape(tensors.map((x) => x.shape));
  if (!shape) throw misfit(tensors);
  checkSize(shape);
  const isInt =
    tensors.every((x) => x.dtype === "int64") &&
    inputs.every((input) => Number.isInteger(input) || input instanceof Tensor);
  const columns = inputs.map((input) => (input instanceof Tensor ? stretched(input, shape).values() : null));
  const values = new Float64Array(sizeOfShape(shape));
  for (let k = 0; k < values.length; k++)
    values[k] = compute(...inputs.map((input, i) => (columns[i] ? columns[i][k] : input)));
  return made(values, shape, stridesLike(tensors, shape, tensors.length < inputs.length), isInt ? "int64" : "float64");
}

function misfit([one, other]) {
  const ndim = Math.max(one.ndim, other.ndim);
  for (let back = 1; back <= ndim; back++) {
    const [n, m] = [one.shape.at(-back), other.shape.at(-back)];
    if (back > one.ndim || back > other.ndim || n === m || n === 1 || m === 1) continue;
    return new Fault(
      "RuntimeError",
      `The size of tensor a (${n}) must match the size of tensor b (${m}) at non-singleton dimension ${ndim - back}`,
      `Shapes line up from the right, and axis -${back} is ${n} long in one and ${m} in the other: they must be as long, or one of them 1; put a new axis with [:, None] where one is missing.`,
    )
      .on(one, -back)
      .on(other, -back);
  }
  return new Fault("RuntimeError", "shape mismatch: objects cannot be broadcast to a single shape");
}

function laidOver(x, out) {
  const missing = out.ndim - x.ndim;
  return x.shape.map((n, k) => (n === out.shape[k + missing] ? k + missing : null));
}

const readsOver = (given, out) =>
  new Map(
    Object.values(given)
      .filter((x) => x instanceof Tensor)
      .map((x) => [x, laidOver(x, out)]),
  );

const hasZero = (x) => (x instanceof Tensor ? x.values().includes(0) : x === 0);

/** Whether what is followed meets a zero of another factor. */
export const meetsZero = (factors, followed) =>
  factors.some((one) => followed.includes(one) && factors.some((other) => other !== one && hasZero(other)));

/** What is made of whole numbers is no longer whole, as by a division. */
const asFloat = (x) => Object.assign(x, { dtype: "float64" });
const asItIs = (x) => x;

/** What PyTorch calls a type of numbers, in one message and in another. */
const TYPES = { float64: ["double", "Double"], int64: ["long int", "Long"] };
const MIXED_TYPES = "torch.arange and torch.tensor of whole numbers make whole ones: give them dtype=torch.float64.";

/** @param {Tensor} x @param {[string, string]} message its kind and its words */
const needsFloat = (x, message) => {
  if (x.dtype !== "float64") throw new Fault(...message, MIXED_TYPES);
};

/** A product takes numbers of one type. */
export function sameType(x, other, areMatrices = other.ndim === 2) {
  if (x.dtype === other.dtype) return x.dtype;
  const [one, two] = [TYPES[x.dtype], TYPES[other.dtype]];
  const message = areMatrices
    ? `expected m1 and m2 to have the same dtype, but got: ${one[0]} != ${two[0]}`
    : `expected scalar type ${one[1]} but found ${two[1]}`;
  throw new Fault("RuntimeError", message, MIXED_TYPES);
}

/** @returns {Mix} */
const between = (where, compute, more = {}) => ({
  takes: "x other:number",
  where,
  kind: "pointwise",
  run: ({ x, other }) => pointwise([x, other], compute),
  reads: readsOver,
  mixed: () => [],
  ...more,
});

/** @returns {Mix} */
const alone = (where, compute, finish = asFloat) => ({
  takes: "x",
  where,
  kind: "pointwise",
  run: ({ x }) => finish(pointwise([x], compute)),
  reads: readsOver,
  mixed: () => [],
});

// --- along axes --------------------------------------------------------------------------

/** The axes that a reduction takes together: all, if it names none. */
function reduced({ x, dim }) {
  const dims = dim === null ? [] : [dim].flat();
  return dims.length ? axesOf(dims, x.ndim) : x.shape.map((_, axis) => axis);
}

function reduction(finish, check = (_x) => {}) {
  const keptOf = (x, axes) => x.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  return {
    takes: "x dim:axes?=None keepdim:bool=False",
    where: "method torch",
    kind: "reduce",
    run(given) {
      const { x, keepdim } = given;
      check(x);
      const axes = reduced(given).filter((axis) => axis < x.ndim);
      const kept = keptOf(x, axes);
      const shape = kept.map((axis) => x.shape[axis]);
      const values = sums(x, kept);
      const count = axes.reduce((product, axis) => product * x.shape[axis], 1);
      const whole = keepdim ? x.shape.map((n, axis) => (axes.includes(axis) ? 1 : n)) : shape;
      return made(
        values.map((sum) => finish(sum, count)),
        whole,
        undefined,
        x.dtype,
      );
    },
    reads(given, out) {
      const { x } = given;
      const axes = reduced(given);
      const kept = keptOf(x, axes);
      return new Map([
        [x, x.shape.map((_, axis) => (axes.includes(axis) ? null : out.ndim === x.ndim ? axis : kept.indexOf(axis)))],
      ]);
    },
    mixed: (given) => (given.x.ndim ? reduced(given) : []),
  };
}

/** Sums over all but the axes `kept`, in their order. */
export function sums(x, kept) {
  const others = x.shape.map((_, axis) => axis).filter((axis) => !kept.includes(axis));
  const values = inOrder(x, [...kept, ...others]).values();
  const count = sizeOfShape(others.map((axis) => x.shape[axis]));
  const found = new Float64Array(sizeOfShape(kept.map((axis) => x.shape[axis])));
  for (let k = 0; k < values.length; k++) found[Math.floor(k / count)] += values[k];
  return found;
}

/** @type {Mix} */
const softmax = {
  takes: "x dim:int dtype:any=None",
  where: "method torch functional",
  kind: "other",
  run({ x, dim }) {
    const axis = axisOf(dim, x.ndim);
    const kernel = axis >= x.ndim - 1 ? "softmax_lastdim_kernel_impl" : "softmax_kernel_impl";
    needsFloat(x, ["NotImplementedError", `"${kernel}" not implemented for 'Long'`]);
    const out = copied(x);
    const { data } = out.storage;
    const n = x.shape[axis] ?? 1;
    const stride = out.strides[axis] ?? 1;
    addresses(x.ndim ? out.as(out.shape.with(axis, Math.min(n, 1)), out.strides) : out).forEach((start) => {
      const at = Array.from({ length: n }, (_, c) => start + c * stride);
      const most = Math.max(...at.map((address) => data[address]));
      at.forEach((address) => (data[address] = Math.exp(data[address] - most)));
      const sum = at.reduce((total, address) => total + data[address], 0);
      at.forEach((address) => (data[address] /= sum));
    });
    return out;
  },
  reads: ({ x, dim }) => new Map([[x, x.shape.map((_, axis) => (axis === axisOf(dim, x.ndim) ? null : axis))]]),
  mixed: ({ x, dim }) => (x.ndim ? [axisOf(dim, x.ndim)] : []),
  mayBeCut: (_, __, out) => hasZero(out),
};

// --- products ----------------------------------------------------------------------------

/** `(rows, inner)` times `(inner, columns)`, for each of a batch. */
export function products(left, right) {
  const [batch, rows, inner] = left.shape;
  const columns = right.shape[2];
  if (batch * rows * inner * columns > MOST_PRODUCTS)
    throw new Fault(
      "Too much",
      `This takes ${(batch * rows * inner * columns).toLocaleString("en")} products, and the playground makes ${MOST_PRODUCTS.toLocaleString("en")} in one step.`,
      "Take a smaller input.",
    );
  checkSize([batch, rows, columns]);
  const [a, b] = [left.values(), right.values()];
  const found = new Float64Array(batch * rows * columns);
  for (let n = 0; n < batch; n++)
    for (let i = 0; i < rows; i++)
      for (let k = 0; k < inner; k++) {
        const factor = a[(n * rows + i) * inner + k];
        for (let j = 0; j < columns; j++)
          found[(n * rows + i) * columns + j] += factor * b[(n * inner + k) * columns + j];
      }
  return made(found, [batch, rows, columns]);
}

const doNotFit = (message, x, other) => {
  const inner = other.ndim > 1 ? other.shape.at(-2) : other.shape[0];
  const meets = other.ndim > 1 ? "last but one" : "only one";
  return new Fault(
    "RuntimeError",
    message,
    `In a product the last axis of the left, ${x.shape.at(-1)} long, meets the ${meets} of the right, ${inner} long, and they must be as long: is a .mT missing, or a permute before it?`,
  )
    .on(x, -1)
    .on(other, other.ndim > 1 ? -2 : 0);
};

function matmul({ x, other }) {
  if (!x.ndim || !other.ndim)
    throw new Fault(
      "RuntimeError",
      `both arguments to matmul need to be at least 1D, but they are ${x.ndim}D and ${other.ndim}D`,
      "A product needs at least one axis on each side.",
    );
  const left = x.ndim === 1 ? unsqueeze({ x, dim: 0 }) : x;
  const right = other.ndim === 1 ? unsqueeze({ x: other, dim: 1 }) : other;
  const [inner, needed] = [left.shape.at(-1), right.shape.at(-2)];
  const batch = broadcastShape([left.shape.slice(0, -2), right.shape.slice(0, -2)]);
  if (inner !== needed) throw doNotFit(wordsOfMisfit(x, other, left, right, batch), x, other);
  if (!batch)
    throw misfit([
      left.as(left.shape.slice(0, -2), left.strides.slice(0, -2)),
      right.as(right.shape.slice(0, -2), right.strides.slice(0, -2)),
    ]);
  const [rows, columns] = [left.shape.at(-2), right.shape.at(-1)];
  const count = sizeOfShape(batch);
  checkSize([count, rows, inner]);
  const whole = (tensor) => {
    const ends = tensor.shape.slice(-2);
    return reshape({ x: stretched(tensor, [...batch, ...ends]), shape: [count, ...ends] });
  };
  const dtype = sameType(x, other);
  const found = Object.assign(products(whole(left), whole(right)), { dtype });
  const shape = [...batch, ...(x.ndim > 1 ? [rows] : []), ...(other.ndim > 1 ? [columns] : [])];
  return found.as(shape, contiguousStrides(shape));
}

/** PyTorch has other words for each way in which two do not fit. */
function wordsOfMisfit(x, other, left, right, batch) {
  const rows = sizeOfShape(left.shape.slice(0, -1));
  const [inner, needed, columns] = [left.shape.at(-1), right.shape.at(-2), right.shape.at(-1)];
  if (x.ndim === 1 && other.ndim === 1)
    return `inconsistent tensor size, expected tensor [${inner}] and src [${needed}] to have the same number of elements, but got ${inner} and ${needed} elements respectively`;
  if (other.ndim === 1) return `size mismatch, got input (${rows}), mat (${rows}x${inner}), vec (${needed})`;
  if (other.ndim === 2) return `mat1 and mat2 shapes cannot be multiplied (${rows}x${inner} and ${needed}x${columns})`;
  const count = sizeOfShape(batch ?? []);
  return `Expected size for first two dimensions of batch2 tensor to be: [${count}, ${inner}] but got: [${count}, ${needed}].`;
}

function readsOfProduct({ x, other }, out) {
  if (x === other) return new Map();
  const [rows, columns] = [x.ndim > 1, other.ndim > 1];
  const batch = out.ndim - Number(rows) - Number(columns);
  const outer = (tensor, count) =>
    tensor.shape.slice(0, count).map((n, k) => (n === out.shape[k + batch - count] ? k + batch - count : null));
  return new Map([
    [x, [...outer(x, x.ndim - 1 - Number(rows)), ...(rows ? [batch] : []), null]],
    [other, [...outer(other, other.ndim - 1 - Number(columns)), null, ...(columns ? [out.ndim - 1] : [])]],
  ]);
}

/** @type {Mix} */
const linear = {
  takes: "x weight:tensor bias:any=None",
  where: "functional",
  kind: "mix",
  run({ x, weight, bias }) {
    if (weight.ndim !== 2) throw outside("A weight that is no matrix");
    if (!x.ndim)
      throw new Fault(
        "RuntimeError",
        `both arguments to linear need to be at least 1D, but they are 0D and ${weight.ndim}D`,
        "It holds one number.",
      );
    const [given, taken] = weight.shape;
    const rows = sizeOfShape(x.shape.slice(0, -1));
    if (x.shape.at(-1) !== taken)
      throw new Fault(
        "RuntimeError",
        x.ndim === 1
          ? `size mismatch, got input (${given}), mat (${given}x${taken}), vec (${x.shape[0]})`
          : `mat1 and mat2 shapes cannot be multiplied (${rows}x${x.shape.at(-1)} and ${taken}x${given})`,
        `Linear takes rows of ${taken} numbers along the last axis, and there they are ${x.shape.at(-1)} long: put the axis that it is meant for last.`,
      ).on(x, -1);
    const flat = reshape({ x, shape: [1, rows, taken] });
    const dtype = sameType(x, weight);
    const found = products(flat, unsqueeze({ x: inOrder(weight, [1, 0]), dim: 0 }));
    const shape = [...x.shape.slice(0, -1), given];
    const out = Object.assign(found.as(shape, contiguousStrides(shape)), { dtype });
    if (bias === null) return out;
    if (!(bias instanceof Tensor))
      throw new Fault("TypeError", "linear(): argument 'bias' (position 3) must be Tensor");
    if (bias.ndim > 1 || (bias.ndim && ![1, given].includes(bias.shape[0])))
      throw new Fault(
        "RuntimeError",
        `The expanded size of the tensor (${given}) must match the existing size (${bias.shape.at(-1)}) at non-singleton dimension 1.  Target sizes: ${sizes([rows, given])}.  Tensor sizes: ${sizes(bias.shape)}`,
        `The bias has a number for each of the ${given} outputs.`,
      );
    if (bias.dtype !== dtype) throw new Fault("RuntimeError", "self and mat2 must have the same dtype", MIXED_TYPES);
    return pointwise([out, bias], (sum, b) => sum + b);
  },
  reads({ x, weight, bias }, out) {
    const last = out.ndim - 1;
    let entry = null;
    if (weight.size <= 4096 && hasZero(weight)) {
      const values = weight.values();
      const at = Array.from({ length: weight.shape[0] }, (_, row) =>
        Array.from({ length: weight.shape[1] }, (_, c) => c).filter((c) => values[row * weight.shape[1] + c] !== 0),
      );
      entry = { axis: last, at };
    }
    const found = new Map([[x, [...out.shape.keys()].slice(0, -1).concat([entry])]]);
    if (weight !== x) found.set(weight, [last, null]);
    if (bias instanceof Tensor && bias !== x && bias !== weight) found.set(bias, [last]);
    return found;
  },
  mixed: ({ x }) => [x.ndim - 1],
  mayBeCut: ({ x, weight }, followed) =>
    meetsZero(
      [x, weight],
      followed.filter((one) => one !== x),
    ),
};

/** @type {Record<string, Mix>} */
export const MIXES = {
  add: between("method torch", (a, b) => a + b),
  sub: between("method torch", (a, b) => a - b),
  rsub: between("", (a, b) => b - a),
  mul: between("method torch", (a, b) => a * b, {
    mayBeCut: ({ x, other }, followed) => meetsZero([x, other], followed),
  }),
  div: between("method torch", (a, b) => a / b, {
    run: ({ x, other }) => asFloat(pointwise([x, other], (a, b) => a / b)),
  }),
  rdiv: between("", (a, b) => b / a, {
    run: ({ x, other }) => asFloat(pointwise([pointwise([x], (a) => 1 / a), other], (a, b) => a * b)),
  }),
  pow: between("method torch", (a, b) => a ** b, {
    run({ x, other }) {
      if (other instanceof Tensor) return pointwise([x, other], (a, b) => a ** b);
      if (x.dtype === "int64" && Number.isInteger(other) && other < 0)
        throw new Fault("RuntimeError", "Integers to negative integer powers are not allowed.", MIXED_TYPES);
      const found = pointwise([x], (a) => a ** other);
      return Number.isInteger(other) ? found : asFloat(found);
    },
  }),
  neg: alone("method torch", (a) => (a === 0 ? 0 : -a), asItIs),
  abs: alone("method torch", Math.abs, asItIs),
  relu: alone("method torch", (a) => (a > 0 ? a : a < 0 ? 0 : a), asItIs),
  exp: alone("method torch", Math.exp),
  sqrt: alone("method torch", Math.sqrt),
  sin: alone("method torch", Math.sin),
  cos: alone("method torch", Math.cos),
  tanh: alone("method torch", Math.tanh),
  sigmoid: alone("method torch", (a) => 1 / (1 + Math.exp(-a))),
  sum: reduction((sum) => sum),
  mean: reduction(
    (sum, count) => sum / count,
    (x) =>
      needsFloat(x, [
        "RuntimeError",
        "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: Long",
      ]),
  ),
  softmax,
  linear,
  matmul: {
    takes: "x other:tensor",
    where: "method torch",
    kind: "other",
    run: matmul,
    reads: readsOfProduct,
    mixed: () => null,
    mayBeCut: ({ x, other }, followed) => meetsZero([x, other], followed),
  },
};
