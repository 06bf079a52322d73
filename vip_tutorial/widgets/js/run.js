// Reads a recorded run (tracing/recording.py) and answers questions about its elements:
// where each came from, what it has seen, its value, its gradient, its address.

/** Tensors with more elements than this are told of, not drawn. */
export const MOST_DRAWN = 2048;

/** Number of elements of a shape. @param {number[]} shape */
export function sizeOf(shape) {
  return shape.reduce((product, n) => product * n, 1);
}

/** Coordinates of the element with row-major number `index`. */
export function unravel(index, shape) {
  const coordinates = new Array(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    coordinates[axis] = index % shape[axis];
    index = Math.floor(index / shape[axis]);
  }
  return coordinates;
}

/** Row-major number of the element at `coordinates`. */
export function ravel(coordinates, shape) {
  return coordinates.reduce((index, c, axis) => index * shape[axis] + c, 0);
}

/** The numbers of the elements that differ from `index` along `axis` only. */
export function lineAlong(index, axis, shape) {
  const coordinates = unravel(index, shape);
  return Array.from({ length: shape[axis] }, (_, c) => {
    coordinates[axis] = c;
    return ravel(coordinates, shape);
  });
}

/**
 * Check a recording and wrap it.
 * @param {object} json what `Trace.to_json()` gave
 * @returns {Run}
 * @throws {Error} with a sentence for the reader, if the recording is damaged
 */
export function readRun(json) {
  if (!json || json.format !== "vip-trace") throw new Error("this is not a recorded run");
  if (json.version !== 1)
    throw new Error(`this recording has version ${json.version}; the figure reads version 1`);
  const { tensors, steps } = json;
  const listed = Array.isArray(tensors) && Array.isArray(steps) && Array.isArray(json.inputs);
  if (!listed || !steps.length) throw new Error("this recording holds no steps");
  tensors.forEach((t, i) => {
    const whole = t && t.id === i && Array.isArray(t.shape) && Array.isArray(t.axes);
    if (!whole || t.strides?.length !== t.shape.length || t.axes.length !== t.shape.length)
      throw new Error(`tensor ${i} of this recording is damaged`);
    if (t.values && t.values.length !== sizeOf(t.shape))
      throw new Error(`tensor ${i} of this recording has ${t.values.length} values`);
  });
  steps.forEach((step, i) => {
    const known = step?.inputs?.length && [...step.inputs, step.output].every((id) => tensors[id]);
    if (!known) throw new Error(`step ${i + 1} of this recording is damaged`);
    const { map } = step;
    const inside = sizeOf(tensors[step.inputs[0]].shape);
    if (map && (map.length !== sizeOf(tensors[step.output].shape) || map.some((k) => !(k >= 0 && k < inside))))
      throw new Error(`step ${i + 1} of this recording moves elements that do not exist`);
  });
  return new Run(json);
}

class Run {
  constructor(json) {
    this.name = json.name ?? "";
    this.tensors = json.tensors;
    this.steps = json.steps;
    this.omitted = json.omitted ?? [];
    this.root = json.inputs[0] ?? json.steps[0].inputs[0];
    this.maker = new Map(json.steps.map((step) => [step.output, step]));
    this.memory = new Map();
  }

  /** The input of a step that its output is laid over: the one of the same shape. */
  mainInput(step) {
    if (step.kind === "move") return step.inputs[0];
    const shape = String(this.tensors[step.output].shape);
    return step.inputs.find((id) => String(this.tensors[id].shape) === shape) ?? step.inputs[0];
  }

  hasGradient() {
    return this.tensors.some((t) => t.gradient);
  }

  /** Whether every element of tensor `id` can be drawn. */
  isComplete(id) {
    if (sizeOf(this.tensors[id].shape) > MOST_DRAWN) return false;
    return this.homes(id) !== null || this.values(id) !== null;
  }

  /**
   * For every element of tensor `id` the element of the input whose place it has.
   * A move carries places along; an element-wise or linear step with as many outputs
   * as inputs keeps them; after anything else there is no such place (null).
   */
  homes(id) {
    return this.#once(`homes ${id}`, () => {
      const size = sizeOf(this.tensors[id].shape);
      if (id === this.root) return size > MOST_DRAWN ? null : Array.from({ length: size }, (_, k) => k);
      const step = this.maker.get(id);
      if (!step) return null;
      const before = this.homes(this.mainInput(step));
      if (step.kind === "move") return before && step.map && step.map.map((k) => before[k]);
      const same = String(this.tensors[this.mainInput(step)].shape) === String(this.tensors[id].shape);
      return same && (step.kind === "mix" || step.kind === "pointwise") ? before : null;
    });
  }

  /** Which element of tensor `id` has the place of input element `home`; -1 if none. */
  whereIs(home, id) {
    const places = this.#once(`places ${id}`, () => new Map(this.homes(id)?.map((h, k) => [h, k]).reverse()));
    return places.get(home) ?? -1;
  }

  /** Values of tensor `id`, in logical order; null if they were left out. */
  values(id) {
    return this.#once(`values ${id}`, () => {
      const { values } = this.tensors[id];
      if (values) return values.map(toNumber);
      const step = this.maker.get(id);
      if (!step?.map) return null;
      const before = this.values(step.inputs[0]);
      return before && step.map.map((k) => before[k]);
    });
  }

  /** Gradient at tensor `id`: as recorded, or the moves that use it, undone. */
  gradient(id) {
    return this.#once(`gradient ${id}`, () => {
      const { gradient, shape } = this.tensors[id];
      if (gradient) return gradient.map(toNumber);
      const uses = this.steps.filter((step) => step.inputs.includes(id));
      if (!uses.length || uses.some((step) => !step.map)) return null;
      const total = new Array(sizeOf(shape)).fill(0);
      for (const step of uses) {
        const after = this.gradient(step.output);
        if (!after) return null;
        step.map.forEach((source, k) => (total[source] += after[k]));
      }
      return total;
    });
  }

  /** The input elements that element `k` of tensor `id` depends on, as a Set. */
  seen(id, k) {
    if (id === this.root) return new Set([k]);
    const step = this.maker.get(id);
    const all = new Set();
    if (!step) return all;
    for (const [input, sources] of this.#sources(step, k))
      for (const source of sources) for (const home of this.seen(input, source)) all.add(home);
    return all;
  }

  /**
   * For every element of tensor `id` a bit mask: which values the input's coordinate
   * along `axis` takes among all that the element has seen.
   */
  seenAlong(id, axis) {
    return this.#once(`seen ${id} ${axis}`, () => {
      const { shape } = this.tensors[id];
      if (id === this.root)
        return Array.from({ length: sizeOf(shape) }, (_, k) => 1 << (unravel(k, shape)[axis] ?? 0) % 31);
      const step = this.maker.get(id);
      return Array.from({ length: sizeOf(shape) }, (_, k) => {
        let mask = 0;
        if (step)
          for (const [input, sources] of this.#sources(step, k)) {
            const masks = this.seenAlong(input, axis);
            for (const source of sources) mask |= masks[source];
          }
        return mask;
      });
    });
  }

  /** Pairs [input, its elements] that element `k` of the output of `step` is made from. */
  *#sources(step, k) {
    if (step.kind === "move") {
      if (step.map) yield [step.inputs[0], [step.map[k]]];
      return;
    }
    const out = this.tensors[step.output].shape;
    const at = unravel(k, out);
    for (const input of new Set(step.inputs)) {
      const { shape } = this.tensors[input];
      yield [input, this.#agreeing(step, shape, out, at)];
    }
  }

  /** Elements of `shape` that agree with output coordinates `at` on every unmixed axis. */
  #agreeing(step, shape, out, at) {
    const mixed = step.mixed ?? shape.map((_, axis) => axis);
    const kept = shape.map((_, axis) => axis).filter((axis) => !mixed.includes(axis));
    // A reduction drops its axes; what remains stands in the same order.  Otherwise
    // axes line up from the right, as in broadcasting.
    const dropped = mixed.length > 0 && shape.length - out.length === mixed.length;
    const target = (axis) => at[dropped ? kept.indexOf(axis) : axis + out.length - shape.length];
    const first = shape.map((n, axis) => (kept.includes(axis) && n > 1 ? target(axis) : 0));
    return mixed.reduce(
      (found, axis) => found.flatMap((k) => lineAlong(k, axis, shape)),
      [ravel(first, shape)],
    );
  }

  /** Address in its storage of element `k` of tensor `id`. */
  address(id, k) {
    const { shape, strides, offset } = this.tensors[id];
    return unravel(k, shape).reduce((sum, c, axis) => sum + c * strides[axis], offset);
  }

  /** What lies in the memory of tensor `id`: per address the home of the element there. */
  storage(id) {
    return this.#once(`storage ${id}`, () => {
      const homes = this.homes(id);
      const cells = [];
      homes?.forEach((home, k) => (cells[this.address(id, k)] = home));
      return Array.from(cells, (home) => home ?? -1);
    });
  }

  /** How many of the first `count` steps copied to new memory. */
  copies(count) {
    return this.steps.slice(0, count).filter((step) => step.kind === "move" && step.copy).length;
  }

  #once(key, compute) {
    if (!this.memory.has(key)) this.memory.set(key, compute());
    return this.memory.get(key);
  }
}

function toNumber(value) {
  if (value === "inf") return Infinity;
  if (value === "-inf") return -Infinity;
  return Number(value);
}
