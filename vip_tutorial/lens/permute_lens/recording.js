// Reads a recorded run (tracing/recording.py) and answers questions about its elements:
// where each came from, what it has seen, its value, its gradient, its address.

/** Of tensors with more elements than this a window is drawn. */
export const MOST_DRAWN = 2048;

/** The elements of tensors with more than this are not followed; there is too much to keep of them. */
export const MOST_FOLLOWED = 16384;

export const LONGEST_STRIP = 4 * MOST_DRAWN; // of memory, with the gaps between the elements
// As in tracing/damage.py: what is read of a recording at most.
const MOST_NUMBERS = 2_800_000;
const LETTERS = 12; // that a number takes as JSON
const MOST_STEPS = 1024;
const MOST_AXES = 256;
const LONGEST_TEXT = 2 * 65_536; // Python counts a pair of surrogates as one
const END_OF_MEMORY = 2 ** 63;
const KINDS = ["move", "collect", "mix", "pointwise", "norm", "reduce", "other"];
const KEEPING = ["mix", "pointwise", "norm"]; // with as many outputs as inputs they keep places
export const MASK_BITS = 24; // a multiple of the number of hues, so that a bit tells its hue

/** Number of elements of a shape. @param {number[]} shape */
export function sizeOf(shape) {
  return shape.includes(0) ? 0 : shape.reduce((product, n) => product * n, 1); // an endless one times 0 is no number
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

/** Whether a step makes no number, but moves some. */
export const isMove = ({ kind }) => kind === "move" || kind === "collect";

/**
 * What a step did to memory: "new" if its result has some of its own, "write" if what was there
 * was written over, "view" if it is seen in another way, "same" if nothing is different at all.
 */
export function memoryOf(run, step) {
  if (step.copy) return "new";
  const [before, after] = [step.inputs[0], step.output].map((id) => run.tensors[id]);
  // Old recordings do not say what was written to; the name of a call tells it.
  if (step.writes ?? (step.kind !== "move" && (step.op.endsWith("_") || step.op === "setitem"))) return "write";
  const isSame = ["shape", "strides", "offset", "storage"].every((key) => String(before[key]) === String(after[key]));
  // The same memory may be read as other numbers, such as conjugate ones.
  return isSame && step.kind !== "other" ? "same" : "view";
}

/** How far apart two neighbours along `axis` are in row-major order. */
function stepAlong(axis, shape) {
  return sizeOf(shape.slice(axis + 1));
}

/** The numbers of the elements that differ from `index` along `axis` only. */
export function lineAlong(index, axis, shape) {
  if (sizeOf(shape) === 0) return []; // however long the axis is
  const coordinates = unravel(index, shape);
  return Array.from({ length: shape[axis] }, (_, c) => {
    coordinates[axis] = c;
    return ravel(coordinates, shape);
  });
}

/**
 * Check a recording and wrap it.
 * @param {Record<string, *>} json what `Trace.to_json()` gave
 * @returns {Run}
 * @throws {Error} with a sentence for the reader, if the recording is damaged
 */
export function readRun(json) {
  if (!json || json.format !== "vip-trace") throw new Error("this is not a recorded run");
  const version = JSON.stringify(json.version)?.slice(0, 40);
  if (version !== "1") throw new Error(`this recording has version ${version}; the figure reads version 1`);
  const { tensors, steps, inputs, operands = [] } = json;
  if (![tensors, steps, inputs].every(Array.isArray)) throw new Error("this recording holds no steps");
  if (!steps.length)
    throw new Error(
      ["this recording holds no steps", ...[json.omitted, json.failed].flat().filter(isText)]
        .join(". ")
        .replace(/\.$/, ""),
    );
  if (!Array.isArray(operands)) throw new Error("the operands of this recording are damaged");
  if (steps.length > MOST_STEPS || isTooLarge(json))
    throw new Error("this recording is too large; trace a part of the function, or a smaller input");
  tensors.forEach((tensor, i) => {
    if (!isTensor(tensor) || tensor.id !== i) throw new Error(`tensor ${i} of this recording is damaged`);
  });
  operands.forEach((operand, i) => {
    const { name, shape, values } = operand ?? {};
    const isRead = () => values == null || (isNumbers(values) && values.length === sizeOf(shape));
    if (!isText(name) || !isWhole(shape) || !isRead()) throw new Error(`operand ${i} of this recording is damaged`);
  });
  steps.forEach((step, i) => {
    const isNew = step?.output > (steps[i - 1]?.output ?? -1) && !inputs.includes(step.output);
    const isGiven = isWhole(step?.operands ?? [], operands.length);
    if (!isStep(step, tensors) || !isNew || !isGiven) throw new Error(`step ${i + 1} of this recording is damaged`);
    const inside = sizeOf(tensors[step.inputs[0]].shape);
    const size = sizeOf(tensors[step.output].shape);
    if (step.map != null && !(isWhole(step.map, inside) && step.map.length === size))
      throw new Error(`step ${i + 1} of this recording moves elements that do not exist`);
  });
  if (!isWhole(inputs, tensors.length)) throw new Error("this recording has no such inputs");
  if (!(json.omitted ?? []).every?.(isText)) throw new Error("what this recording left out is damaged");
  if (!isText(json.failed ?? "")) throw new Error("what broke off this recording is damaged");
  if (!isText(json.name ?? "")) throw new Error("the name of this recording is damaged");
  return new Run(json);
}

/** Whether it holds more than is read; texts count as the numbers that would be as long. */
function isTooLarge(json) {
  let room = MOST_NUMBERS;
  const left = [json];
  while (left.length && room >= 0) {
    const values = Object.values(left.pop());
    room -= values.length;
    if (room < 0) break;
    for (const value of values)
      if (typeof value === "string") room -= value.length / LETTERS;
      else if (value && typeof value === "object") left.push(value);
  }
  return room < 0;
}

const isText = (text) => typeof text === "string" && text.length <= LONGEST_TEXT;

/** Whether `list` holds whole numbers only, from 0 to below `limit`. */
function isWhole(list, limit = Infinity) {
  return Array.isArray(list) && list.every((n) => Number.isInteger(n) && n >= 0 && n < limit);
}

function isTensor(tensor) {
  const { shape, axes, strides, offset, storage, values, gradient } = tensor ?? {};
  if (!isWhole(shape) || !isWhole(strides) || !isWhole([offset, storage]) || !Array.isArray(axes)) return false;
  return (
    strides.length === shape.length &&
    axes.length === shape.length &&
    axes.length <= MOST_AXES &&
    axes.every(isText) &&
    endOf(tensor) <= END_OF_MEMORY &&
    [values, gradient].every((list) => list == null || (isNumbers(list) && list.length === sizeOf(shape)))
  );
}

/** The address after the last one of a tensor. */
function endOf({ shape, strides, offset }) {
  return shape.includes(0) ? offset : 1 + shape.reduce((last, n, axis) => last + (n - 1) * strides[axis], offset);
}

const isNumbers = (list) => Array.isArray(list) && list.every(isNumber);

function isNumber(value) {
  return Number.isFinite(value) || ["nan", "inf", "-inf"].includes(value);
}

function isStep(step, tensors) {
  const { op, call, kind, inputs, output, order, mixed, source, module } = step ?? {};
  if (![op, call, kind, module ?? ""].every(isText)) return false;
  if (!["exact", "bound", "unknown", undefined].includes(step.known)) return false;
  if (![step.writes, step.backward].every((flag) => [true, false, undefined].includes(flag))) return false;
  // A step makes something new of what was there before it.
  if (!isWhole([output], tensors.length) || !isWhole(inputs, output) || !inputs.length) return false;
  const [before, after] = [inputs[0], output].map((id) => tensors[id].shape);
  const rank = before.length;
  const isOrder = () =>
    isWhole(order, rank) && new Set(order).size === rank && String(order.map((axis) => before[axis])) === String(after);
  return (
    KINDS.includes(kind) &&
    typeof step.copy === "boolean" &&
    (kind === "move" || (order == null && step.map == null)) &&
    (order == null || isOrder()) &&
    (mixed == null || isWhole(mixed, rank)) &&
    (step.picks == null || (kind === "collect" && arePicks(step, tensors))) &&
    (step.reads == null || areReads(step, tensors)) &&
    (source == null ||
      ([source.text, source.file, source.function].every(isText) &&
        isWhole([source.line, source.start, source.end]) &&
        source.start <= source.end &&
        source.end <= source.text.length))
  );
}

/** Whether each element is one of those that went in, counted through, or -1. */
function arePicks({ picks, inputs, output }, tensors) {
  const count = inputs.reduce((sum, id) => sum + sizeOf(tensors[id].shape), 0);
  return (
    Array.isArray(picks) &&
    picks.length === sizeOf(tensors[output].shape) &&
    picks.every((k) => Number.isInteger(k) && k >= -1 && k < count)
  );
}

/** Whether what is said of the axes of each input fits their lengths. */
function areReads({ reads, inputs, output }, tensors) {
  const after = tensors[output].shape;
  const fits = (entry, size) => {
    if (entry === null) return true;
    if (Number.isInteger(entry)) return entry >= 0 && entry < after.length && after[entry] <= size;
    const { axis, at } = entry ?? {};
    if (!isWhole([axis], after.length) || !Array.isArray(at) || at.length !== after[axis]) return false;
    // In order, each once: or to read them could take forever.
    return at.every((places) => isWhole(places, size) && places.every((n, i) => !i || n > places[i - 1]));
  };
  return (
    Array.isArray(reads) &&
    reads.length === inputs.length &&
    reads.every((entries, i) => {
      const { shape } = tensors[inputs[i]];
      return (
        Array.isArray(entries) && entries.length === shape.length && entries.every((e, axis) => fits(e, shape[axis]))
      );
    })
  );
}

class Run {
  constructor(json) {
    this.name = json.name ?? "";
    this.tensors = json.tensors;
    this.steps = json.steps;
    this.inputs = json.inputs;
    this.operands = (json.operands ?? []).map(({ name, shape, values }) => ({
      name,
      shape,
      values: values?.map(toNumber),
    }));
    this.outputs = Array.isArray(json.outputs) ? json.outputs : [];
    this.omitted = json.omitted ?? [];
    /** Where the run broke off and why; "" if it did not. */
    this.failed = json.failed ?? "";
    this.root = json.inputs[0] ?? json.steps[0].inputs[0];
    this.maker = new Map(json.steps.map((step) => [step.output, step]));
    this.memory = new Map();
  }

  /**
   * The same run on other numbers; what was found out about places stays found out.
   * @param {number[][]} values of each tensor
   */
  withValues(values) {
    const run = new Run({ ...this, tensors: this.tensors.map((tensor, id) => ({ ...tensor, values: values[id] })) });
    for (const [key, known] of this.memory) if (!/^(values|gradient) /.test(key)) run.memory.set(key, known);
    return run;
  }

  /** The input of a step that its output is laid over: one of the same shape, still in place. */
  mainInput(step) {
    if (step.kind === "move") return step.inputs[0];
    const shape = String(this.tensors[step.output].shape);
    const alike = step.inputs.filter((id) => String(this.tensors[id].shape) === shape);
    return alike.find((id) => this.homes(id)) ?? alike[0] ?? step.inputs[0];
  }

  /**
   * The shape that tensor `id` is drawn in where its last axis is a token's channels: those
   * in the two axes that the run itself cuts them into, or in about as many as fit a square.
   */
  asTokens(id) {
    const { shape, axes } = this.tensors[id];
    const root = this.tensors[this.root];
    if (shape.length < 3 || String(axes) !== String(root.axes)) return shape;
    const outer = shape.slice(0, -1);
    const cut = this.steps.find(({ kind, order, inputs, output }) => {
      const after = this.tensors[output].shape;
      return (
        kind === "move" &&
        !order &&
        inputs[0] === this.root &&
        after.length === shape.length + 1 &&
        String(after.slice(0, -2)) === String(outer)
      );
    });
    if (cut) return [...this.tensors[cut.output].shape];
    const channels = shape[shape.length - 1];
    let across = Math.round(Math.sqrt(channels));
    while (channels % across) across--;
    return [...outer, channels / across, across];
  }

  /** The weight and the bias of a linear step, as recorded; the weight is null if it was too large. */
  linearMap(step) {
    const [weight, bias] = (step.operands ?? []).map((number) => this.operands[number]);
    const [taken, given] = [step.inputs[0], step.output].map((id) => this.tensors[id].shape.at(-1));
    if (step.kind !== "mix" || String(weight?.shape) !== String([given, taken]) || !weight.values) return null;
    return { weight, bias: String(bias?.shape) === String([given]) ? bias : null };
  }

  hasGradient() {
    return this.tensors.some((t) => t.gradient);
  }

  /** Whether any element of tensor `id` can be drawn. */
  isComplete(id) {
    if (sizeOf(this.tensors[id].shape) > MOST_FOLLOWED) return false;
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
      if (size > MOST_FOLLOWED) return null;
      if (id === this.root) return Array.from({ length: size }, (_, k) => k);
      const step = this.maker.get(id);
      if (!step) return null;
      if (step.kind === "collect") return this.#collected(step, (input) => this.homes(input));
      const before = this.homes(this.mainInput(step));
      if (step.kind === "move") return before && step.map ? step.map.map((k) => before[k]) : null;
      const same = String(this.tensors[this.mainInput(step)].shape) === String(this.tensors[id].shape);
      return same && KEEPING.includes(step.kind) ? before : null;
    });
  }

  /** What a collection takes from its inputs, -1 for what comes from none; null if that is not known. */
  #collected({ picks, inputs }, of) {
    if (!picks || picks.every((k) => k < 0)) return null;
    let first = 0;
    const all = [];
    for (const id of inputs) {
      const size = sizeOf(this.tensors[id].shape);
      const isUsed = picks.some((k) => k >= first && k < first + size);
      const found = isUsed ? of(id) : new Array(size).fill(-1);
      if (!found) return null;
      all.push(...found);
      first += size;
    }
    return picks.map((k) => (k < 0 ? -1 : all[k]));
  }

  /** Which element of tensor `id` has the place of input element `home`; -1 if none. */
  whereIs(home, id) {
    const places = this.#once(
      `places ${id}`,
      () =>
        new Map(
          this.homes(id)
            ?.map((h, k) => [h, k])
            .reverse(),
        ),
    );
    return home < 0 ? -1 : (places.get(home) ?? -1);
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
      if (!uses.length || uses.some((step) => !step.map || step.backward === false)) return null;
      if (sizeOf(shape) > MOST_FOLLOWED) return null;
      const total = new Array(sizeOf(shape)).fill(0);
      for (const step of uses) {
        if (step.inputs[0] !== id) continue; // a move takes nothing of its other inputs
        const after = this.gradient(step.output);
        if (!after) return null;
        step.map.forEach((source, k) => (total[source] += after[k]));
      }
      return total;
    });
  }

  /** The input elements that element `k` of tensor `id` is made from; null if that is not known exactly. */
  seen(id, k) {
    return this.knowledge(id) === "exact" ? this.#reached(id, k) : null;
  }

  /** The input elements that element `k` of tensor `id` is made from at most; null if not even that is known. */
  seenAtMost(id, k) {
    return this.knowledge(id) === "unknown" ? null : this.#reached(id, k);
  }

  #reached(id, k) {
    const wanted = new Map([[id, new Set([k])]]);
    // From the last step to the first, each tensor comes after all that it went into.
    for (const step of [...this.steps].reverse())
      step.inputs.forEach((input, i) => {
        const of = wanted.has(step.output) ? this.madeOf(step, i) : () => [];
        const found = wanted.get(input) ?? new Set();
        for (const element of wanted.get(step.output) ?? []) for (const source of of(element)) found.add(source);
        wanted.set(input, found);
      });
    return wanted.get(this.root) ?? new Set();
  }

  /**
   * For every element of tensor `id` a bit mask: which values (modulo MASK_BITS) the
   * input's coordinate along `axis` takes among all that the element is made from; null if
   * that is not known exactly.
   */
  seenAlong(id, axis) {
    if (this.knowledge(id) !== "exact") return null;
    return this.#once(`seen ${id} ${axis}`, () => {
      const { shape } = this.tensors[id];
      const size = sizeOf(shape);
      if (id === this.root)
        return Array.from({ length: size }, (_, k) => 1 << ((unravel(k, shape)[axis] ?? 0) % MASK_BITS));
      const masks = new Array(size).fill(0);
      const step = this.maker.get(id);
      step?.inputs.forEach((input, i) => {
        const before = this.seenAlong(input, axis);
        const known = new Map();
        const of = this.madeOf(step, i);
        for (let k = 0; k < size; k++) {
          const sources = of(k);
          if (!known.has(sources))
            known.set(
              sources,
              sources.reduce((mask, element) => mask | before[element], 0),
            );
          masks[k] |= known.get(sources);
        }
      });
      return masks;
    });
  }

  /** How well it is known what the elements of a tensor are made from: "exact", "bound" or "unknown". */
  knowledge(id) {
    return this.#once(`known ${id}`, () => {
      if (sizeOf(this.tensors[id].shape) > MOST_FOLLOWED) return "unknown";
      if (id === this.root || this.inputs.includes(id)) return "exact";
      const step = this.maker.get(id);
      if (!step || (step.kind === "move" && !step.map) || (step.kind === "collect" && !step.picks)) return "unknown";
      const found = step.inputs.map((input) => this.knowledge(input));
      // Old recordings do not say; there an operation without axes was not looked into.
      found.push(step.known ?? (step.kind === "other" && !step.mixed && !step.reads ? "bound" : "exact"));
      return ["unknown", "bound"].find((word) => found.includes(word)) ?? "exact";
    });
  }

  /**
   * A function that gives, for an element of the output of `step`, the elements of its input
   * number `i` that it is made from.
   * @returns {(k: number) => number[]}
   */
  madeOf(step, i) {
    return this.#once(`made of ${step.output} ${i}`, () => {
      if (step.kind === "move") return i ? () => [] : (k) => [step.map[k]];
      if (step.kind === "collect") {
        const sizes = step.inputs.map((id) => sizeOf(this.tensors[id].shape));
        const first = sizes.slice(0, i).reduce((sum, n) => sum + n, 0);
        return (k) => (step.picks[k] >= first && step.picks[k] < first + sizes[i] ? [step.picks[k] - first] : []);
      }
      const regular = this.sources(step, step.inputs[i], i);
      const groups = new Map();
      const once = (key, make) => {
        if (!groups.has(key)) groups.set(key, make());
        return groups.get(key);
      };
      if (regular) return (k) => once(regular.base(k), () => regular.offsets.map((offset) => regular.base(k) + offset));
      const { shape } = this.tensors[step.inputs[i]];
      const out = this.tensors[step.output].shape;
      const placesOf = (entry, axis, at) => {
        if (entry === null) return Array.from({ length: shape[axis] }, (_, c) => c);
        return typeof entry === "number" ? [at[entry]] : entry.at[at[entry.axis]];
      };
      return (k) => {
        const at = unravel(k, out);
        const places = step.reads[i].map((entry, axis) => placesOf(entry, axis, at));
        const steps = shape.map((_, axis) => stepAlong(axis, shape));
        return once(places.join("|"), () =>
          places.reduce((found, those, axis) => found.flatMap((k) => those.map((c) => k + c * steps[axis])), [0]),
        );
      };
    });
  }

  /**
   * Which elements of `input` each element of the output of `step` is made from: those at
   * `base(k)` plus each of the `offsets`; null if they do not follow each other so evenly, or
   * are more than are followed.
   */
  sources(step, input, i = step.inputs.indexOf(input)) {
    if (step.kind === "collect" || (step.kind === "move" && !step.map)) return null;
    if (step.kind === "move") {
      const offsets = input === step.inputs[0] ? [0] : [];
      return { base: (k) => step.map[k], offsets };
    }
    return this.#once(`sources ${step.output} ${i}`, () => {
      const { shape } = this.tensors[input];
      if (sizeOf(shape) > MOST_FOLLOWED) return null;
      const out = this.tensors[step.output].shape;
      const reads = step.reads?.[i] ?? this.#usualReads(step, input);
      if (reads.some((entry) => entry !== null && typeof entry !== "number")) return null;
      const weights = new Array(out.length).fill(0);
      reads.forEach((entry, axis) => {
        if (entry !== null) weights[entry] += stepAlong(axis, shape);
      });
      const whole = reads.flatMap((entry, axis) => (entry === null ? [axis] : []));
      const offsets = whole.reduce((found, axis) => found.flatMap((k) => lineAlong(k, axis, shape)), [0]);
      const base = (k) => {
        let sum = 0;
        for (let axis = out.length - 1; axis >= 0; axis--) {
          sum += (k % out[axis]) * weights[axis];
          k = Math.floor(k / out[axis]);
        }
        return sum;
      };
      return { base, offsets };
    });
  }

  /** What a step reads that does not say so: along the axes that it mixes, everything. */
  #usualReads(step, input) {
    const { shape } = this.tensors[input];
    const out = this.tensors[step.output].shape;
    const every = shape.map((_, axis) => axis);
    const same = step.kind === "pointwise" || input === step.inputs[0];
    const mixed = new Set((same && step.mixed) || every);
    // A reduction drops its axes; what remains stands in the same order.  Otherwise
    // axes line up from the right, as in broadcasting.
    const kept = every.filter((axis) => !mixed.has(axis));
    const dropped = mixed.size > 0 && shape.length - out.length === mixed.size;
    return every.map((axis) => {
      const target = dropped ? kept.indexOf(axis) : axis + out.length - shape.length;
      return kept.includes(axis) && out[target] === shape[axis] ? target : null;
    });
  }

  /** Address in its storage of element `k` of tensor `id`. */
  address(id, k) {
    const { shape, strides, offset } = this.tensors[id];
    return unravel(k, shape).reduce((sum, c, axis) => sum + c * strides[axis], offset);
  }

  /**
   * What lies in the memory of tensor `id`, from the first address that the run uses: per
   * place the home of the element there, -1 for none.  Empty if the run uses too few
   * places too far apart, and of a tensor that is drawn in a window.
   */
  storage(id) {
    return this.#once(`storage ${id}`, () => {
      if (!this.homes(id) || sizeOf(this.tensors[id].shape) > MOST_DRAWN) return [];
      const cells = new Array(this.#span(id).length).fill(-1);
      if (cells.length) this.homes(id)?.forEach((home, k) => (cells[this.place(id, k)] = home));
      return cells;
    });
  }

  /** Where in `storage` element `k` of tensor `id` stands. */
  place(id, k) {
    return this.address(id, k) - this.#span(id).start;
  }

  /** The part of the memory of tensor `id` that the run uses. */
  #span(id) {
    const { storage } = this.tensors[id];
    return this.#once(`span ${storage}`, () => {
      let [start, end] = [Infinity, 0];
      for (const { id, shape, strides, offset } of this.tensors) {
        if (this.tensors[id].storage !== storage || !this.homes(id)?.length) continue;
        if (sizeOf(shape) > MOST_DRAWN) continue;
        start = Math.min(start, offset);
        end = Math.max(end, endOf({ shape, strides, offset }));
      }
      const length = end - start;
      const isExact = Number.isSafeInteger(end); // else an address would stand for its neighbours, too
      return { start, length: isExact && length > 0 && length <= LONGEST_STRIP ? length : 0 };
    });
  }

  /** How many of the first `count` steps copied to new memory. */
  copies(count) {
    return this.steps.slice(0, count).filter((step) => isMove(step) && step.copy).length;
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
