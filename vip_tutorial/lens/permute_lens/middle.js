// What stands between the tensor before a step and the one after it: the matrix that its
// rows meet, a second tensor, or the gradients that come in from elsewhere.

import { sizeOf } from "./recording.js";

const SIGNS = { add: "+", sub: "−", mul: "×", div: "÷" };

/**
 * @typedef {object} Middle
 * @property {"matrix" | "second" | "other" | "gradients"} kind a matrix; a second tensor, laid
 *   over the first; one that is not; what the other uses of a tensor send back to it
 * @property {number[]} values
 * @property {number[]} shape
 * @property {string[]} [axes]
 * @property {string} [name] of a weight
 * @property {number[] | null} [bias]
 * @property {string} [sign]
 * @property {number} [id] of the second tensor, if it is one of the run's
 * @property {(k: number) => number} [source] which of its elements meets element k
 * @property {boolean} [isStretched] whether one of its elements meets several
 * @property {number[]} [uses] steps, from 0, that send a gradient
 */

/** @type {WeakMap<object, Map<string, any>>} */
const found = new WeakMap();

/** @returns {any} a `Middle`, or null */
export function middleOf(run, step, backward) {
  if (!found.has(run)) found.set(run, new Map());
  const key = `${step.output} ${backward}`;
  const known = found.get(run);
  if (!known.has(key)) known.set(key, backward ? middleBack(run, step) : (matrixOf(run, step) ?? secondOf(run, step)));
  return known.get(key);
}

function matrixOf(run, step) {
  const map = run.linearMap(step);
  if (!map?.weight.values.length) return null; // one of no rows or no columns cannot be drawn
  return {
    kind: "matrix",
    values: map.weight.values.map(Number),
    shape: map.weight.shape,
    name: map.weight.name || "weight",
    bias: map.bias?.values?.map(Number) ?? null,
  };
}

/** What a call with one sign does with two numbers; undefined for others. */
function signOf({ op }) {
  const name = op
    .replace(/^_+|_+$/g, "")
    .replace("multiply", "mul")
    .replace("subtract", "sub")
    .replace(/true_?divide/, "div");
  return SIGNS[name];
}

function secondOf(run, step) {
  const main = run.mainInput(step);
  if (step.kind === "move" || step.kind === "mix") return null;
  const second = step.inputs.find((id) => id !== main);
  const size = sizeOf(run.tensors[step.output].shape);
  if (second !== undefined) {
    if (!run.isComplete(second) || !run.values(second) || !run.isComplete(step.output)) return null;
    const { shape, axes } = run.tensors[second];
    const about = { id: second, values: run.values(second), shape, axes };
    if (step.kind !== "pointwise") return { kind: "other", ...about };
    const source = run.sources(step, second)?.base;
    if (!source) return null;
    return { kind: "second", ...about, sign: signOf(step), source, isStretched: sizeOf(shape) < size };
  }
  // A weight that is laid over the tensor, such as the scale of a layer.
  const weights = (step.operands ?? []).map((number) => run.operands[number]);
  if (step.kind !== "pointwise" || weights.length !== 1 || !weights[0].values || !run.isComplete(step.output))
    return null;
  const [{ shape, values, name }] = weights;
  const source = laidOver(shape, run.tensors[step.output].shape);
  if (!source) return null;
  const axes = shape.map(String);
  return {
    kind: "second",
    values: values.map(Number),
    shape,
    axes,
    name,
    sign: signOf(step),
    source,
    isStretched: sizeOf(shape) < size,
  };
}

/** Which element of a shape meets element k of a larger one, by broadcasting; null if it can't be. */
function laidOver(shape, larger) {
  const missing = larger.length - shape.length;
  if (missing < 0 || shape.some((n, axis) => n !== 1 && n !== larger[axis + missing])) return null;
  return (k) => {
    let [element, step] = [0, 1];
    for (let axis = larger.length - 1; axis >= missing; axis--) {
      const n = shape[axis - missing];
      if (n > 1) element += (k % larger[axis]) * step;
      step *= n;
      k = Math.floor(k / larger[axis]);
    }
    return element;
  };
}

function middleBack(run, step) {
  const input = run.mainInput(step);
  const uses = run.steps.flatMap((other, i) => (other !== step && other.inputs.includes(input) ? [i] : []));
  const total = run.gradient(input);
  if (uses.length && total && run.isComplete(input)) {
    const own = sentBack(run, step, input);
    const { shape, axes } = run.tensors[input];
    if (own)
      return {
        kind: "gradients",
        values: total.map((all, k) => all - own[k]),
        shape,
        axes,
        sign: "+",
        uses,
        source: (k) => k,
      };
  }
  if (!run.gradient(step.output)) return null;
  const second = step.kind === "pointwise" && signOf(step) === "×" ? secondOf(run, step) : null;
  return matrixOf(run, step) ?? second;
}

/** The gradient that one step sends to what it takes; null if that is not known. */
function sentBack(run, step, input) {
  const arrived = run.gradient(step.output);
  if (!arrived || step.inputs.filter((id) => id === input).length > 1) return null;
  const sent = new Array(sizeOf(run.tensors[input].shape)).fill(0);
  if (step.map) {
    if (input !== step.inputs[0]) return null;
    step.map.forEach((source, k) => (sent[source] += arrived[k]));
    return sent;
  }
  const matrix = matrixOf(run, step);
  if (matrix) {
    const [given, taken] = matrix.shape;
    arrived.forEach((g, k) => {
      const [row, j] = [Math.floor(k / given), k % given];
      for (let i = 0; i < taken; i++) sent[row * taken + i] += g * matrix.values[j * taken + i];
    });
    return sent;
  }
  const sign = signOf(step);
  if (step.kind !== "pointwise" || step.inputs.length !== 2 || !"+×".includes(sign ?? " ")) return null;
  const other = step.inputs.find((id) => id !== input);
  const values = sign === "×" ? run.values(other) : null;
  if (sign === "×" && !values) return null;
  const [at, beside] = [input, other].map((id) => run.sources(step, id)?.base);
  if (!at || !beside) return null;
  arrived.forEach((g, k) => (sent[at(k)] += values ? g * values[beside(k)] : g));
  return sent;
}
