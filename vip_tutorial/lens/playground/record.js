// Writes down what a program does, in the form of `Trace.to_json()` (tracing/recording.py),
// so that the figures draw it as they draw a recording of PyTorch.

import { namedBy, namesAfter, namesOf } from "./naming.js";
import { beyond } from "./faults.js";
import { MOST_ELEMENTS, Tensor, made, sizeOfShape } from "./tensor.js";

const MOST_STEPS = 256;
const MOST_NUMBERS = 1_000_000; // values and places, of all steps
const FIRST = 2 ** 40; // numbered elements begin here, so that none is taken for another number

/** Six significant digits; JSON has no NaN and no infinity. */
function shortened(value) {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  return Number(value.toPrecision(6)) + 0; // and no -0
}

/**
 * @typedef {object} Asked one call, to be written down
 * @property {string} op
 * @property {string} call its text
 * @property {*} operation of `moves.js` or `mixes.js`
 * @property {*} given its arguments
 * @property {{file: string, function: string, line: number, text: string, start: number, end: number}} source
 * @property {(shape: number[]) => (string | null)[]} claims what the code calls the axes of a result
 * @property {(operand: number) => string[] | null} [patternNames] what its pattern says of an operand
 * @property {*} [equation] of an einsum
 */

export class Recorder {
  /** @param {Tensor} x @param {string[] | null} axes */
  constructor(x, axes) {
    this.tensors = [];
    this.steps = [];
    this.operands = [];
    this.named = [];
    /** @type {Map<object, number>} */
    this.storages = new Map();
    /** @type {Map<Tensor, number>} */
    this.numbers = new Map();
    this.meanings = new Map();
    this.room = MOST_NUMBERS;
    this.register(x, true);
    this.isNamed = axes !== null;
    if (axes) this.name(0, namedBy(axes, x.shape));
  }

  /** What the reader's line calls the axes of the input, if they have no names yet. */
  nameInput(names) {
    if (this.isNamed || names.length !== this.tensors[0].shape.length) return;
    this.isNamed = true;
    this.name(0, namedBy(names, this.tensors[0].shape));
  }

  name(id, named) {
    this.named[id] = named;
    this.tensors[id].axes = namesOf(named);
  }

  register(x, keepsValues) {
    const id = this.tensors.length;
    if (!this.storages.has(x.storage)) this.storages.set(x.storage, this.storages.size);
    const axes = x.shape.map((_, k) => `d${k}`);
    this.take(x.size);
    this.tensors.push({
      id,
      shape: [...x.shape],
      axes,
      strides: [...x.strides],
      offset: x.offset,
      storage: this.storages.get(x.storage),
      dtype: x.dtype,
      device: "cpu",
      values: keepsValues ? Array.from(x.values(), shortened) : null,
      gradient: null,
    });
    this.named.push(namedBy(axes, x.shape));
    x.id = id;
    return id;
  }

  take(count) {
    this.room -= count;
    if (this.room < 0)
      throw beyond("The steps of this program hold more numbers than the playground keeps.", "Take a smaller input.");
  }

  /** Number of a tensor that no step made. */
  operand(x) {
    if (!this.numbers.has(x)) {
      this.numbers.set(x, this.operands.length);
      this.operands.push({ name: "", shape: [...x.shape], values: Array.from(x.values(), shortened) });
    }
    return this.numbers.get(x);
  }

  /**
   * Write a call down that gave `results`.
   * @param {Asked} asked
   * @param {Tensor[]} results
   * @param {boolean} isOne whether the call gives a tensor, and no tuple of them
   */
  record(asked, results, isOne) {
    const taken = Object.values(asked.given)
      .flat()
      .filter((value) => value instanceof Tensor);
    const followed = taken.filter((x) => x.id !== null);
    if (!followed.length) return;
    const inputs = followed.map((x) => x.id);
    const picksOf = asked.operation.kind ? null : this.followElements(asked, followed);
    results.forEach((out, i) => {
      if (this.steps.length >= MOST_STEPS)
        throw beyond(`This program makes more than ${MOST_STEPS} steps.`, "Let a loop run less often.");
      this.step(
        asked,
        out,
        taken,
        followed,
        [...inputs],
        picksOf?.(i) ?? null,
        isOne ? asked.call : `${asked.call}[${i}]`,
      );
    });
  }

  /** Run a move again on numbered elements; gives for each result where its elements came from. */
  followElements({ operation, given }, followed) {
    let first = FIRST;
    /** @type {Map<Tensor, Tensor>} */
    const twins = new Map();
    for (const x of followed) {
      if (!twins.has(x))
        twins.set(
          x,
          made(
            Float64Array.from({ length: x.size }, (_, k) => first + k),
            [...x.shape],
          ),
        );
      first += x.size;
    }
    const twin = (value) => {
      if (Array.isArray(value)) return value.map(twin);
      if (!(value instanceof Tensor) || value.dtype === "int64") return value;
      return twins.get(value) ?? made(new Float64Array(value.size), [...value.shape]);
    };
    const put = Object.fromEntries(Object.entries(given).map(([key, value]) => [key, twin(value)]));
    const found = [operation.run(put, true)].flat();
    return (i) => Array.from(found[i].values(), (v) => (v >= FIRST ? v - FIRST : -1));
  }

  step(asked, out, taken, followed, inputs, picks, call) {
    const { op, operation, given, source } = asked;
    const isSame = followed.includes(out);
    const copy = !taken.some((x) => x.storage === out.storage);
    const step = { op, call, kind: operation.kind ?? "move", inputs, output: 0, copy };
    Object.assign(step, { map: null, order: null, mixed: null, source, operands: [], module: null });
    step.operands = [...taken.filter((x) => x.id === null)].map((x) => this.operand(x));
    if (picks && isSame && op !== "contiguous") {
      // PyTorch gave the tensor itself back.
      Object.assign(step, { kind: "pointwise", mixed: [], reads: followed.map((x) => x.shape.map((_, axis) => axis)) });
      picks = null;
    } else if (picks) picks = this.keepPicks(step, picks, operation.order?.(given) ?? null);
    else {
      const reads = operation.reads(given, out);
      step.mixed = followed[0] === given.x || step.kind === "pointwise" ? operation.mixed(given) : null;
      step.reads = followed.map((x) => reads.get(x) ?? x.shape.map(() => null));
      const isCut = operation.mayBeCut?.(given, followed, out);
      if (isCut || !followed.every((x) => reads.has(x))) step.known = "bound";
      if (step.kind !== "pointwise" && followed[0] !== given.x) step.kind = "other";
    }
    if (!this.isNamed)
      taken.forEach((x, k) => {
        const names = x.id === 0 && asked.patternNames?.(k);
        if (names) this.nameInput(names);
      });
    const operands = (picks ? step.inputs : taken.map((x) => x.id)).map((id) => (id === null ? null : this.named[id]));
    step.output = this.register(out, step.kind !== "move" || step.map === null);
    if (step.map) this.tensors[step.output].values = null;
    const again = (probe) => /** @type {Tensor} */ ([operation.run({ ...given, x: probe }, true)].flat()[0]);
    const equation = asked.equation ?? null;
    const after = [...out.shape];
    this.name(
      step.output,
      namesAfter(
        { order: null, mixed: null, reads: null, ...step },
        operands,
        after,
        picks,
        asked.claims(after),
        this.meanings,
        again,
        equation,
      ),
    );
    this.steps.push(step);
  }

  /** Say of a step where its elements came from: one tensor, or several and none. */
  keepPicks(step, picks, order) {
    const counts = step.inputs.map((id) => sizeOfShape(this.tensors[id].shape));
    const used = [];
    let first = 0;
    counts.forEach((count, k) => {
      const start = first;
      if (picks.some((pick) => pick >= start && pick < start + count)) used.push({ k, start });
      first += count;
    });
    this.take(picks.length);
    if (used.length > 1 || picks.includes(-1)) {
      step.kind = "collect";
      if (first <= 4 * MOST_ELEMENTS) step.picks = picks;
      return picks;
    }
    if (used.length && used[0].k) {
      const [{ k, start }] = used;
      step.inputs.unshift(...step.inputs.splice(k, 1));
      picks = picks.map((pick) => pick - start);
    }
    Object.assign(step, { map: picks, order });
    return picks;
  }

  /** The recording as JSON. */
  json(name, outputs, failed = null) {
    return {
      format: "vip-trace",
      version: 1,
      name,
      tensors: this.tensors,
      steps: this.steps,
      inputs: [0],
      outputs,
      operands: this.operands,
      omitted: [],
      failed,
    };
  }
}
