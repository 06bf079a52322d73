// What a program finds when it looks a name up: torch, einops and some of Python's own.

import { Callable, Float, Items, Module, isNumeric, isWhole, numberOf, typeOf } from "./calls.js";
import { Fault, beyond, outside } from "./faults.js";
import { MIXES } from "./mixes.js";
import { MOVES } from "./moves.js";
import { Tensor, checkSize, made, sizeOfShape } from "./tensor.js";

const MOST_TURNS = 1024;

/** Operations by where they are found. @type {(where: string) => Record<string, *>} */
const found = (where) =>
  Object.fromEntries(
    Object.entries({ ...MOVES, ...MIXES }).filter(([, { where: places }]) => places.split(" ").includes(where)),
  );

const ALSO = {
  subtract: "sub",
  multiply: "mul",
  divide: "div",
  true_divide: "div",
  concat: "cat",
  concatenate: "cat",
  mm: "",
  negative: "neg",
};

export const METHODS = found("method");
export const ATTRIBUTES = found("attribute");
export const IN_TORCH = { ...found("torch") };
for (const [name, own] of Object.entries(ALSO)) if (own) IN_TORCH[name] ??= IN_TORCH[own];
export const IN_FUNCTIONAL = {
  ...found("functional"),
  relu: MIXES.relu,
  softmax: {
    ...MIXES.softmax,
    takes: "x dim:int?=None",
    run(given) {
      if (given.dim === null) throw outside("A softmax that does not say along which axis", "Add dim=-1, say.");
      return MIXES.softmax.run(given);
    },
  },
};

/** The name nearest to one that is not there: `permute` for `premute`. @returns {string | null} */
export function nearest(name, names) {
  const close = names.filter(
    (other) => distance(name.toLowerCase(), other.toLowerCase()) <= Math.min(2, Math.floor(name.length / 3)),
  );
  return close[0] ?? null;
}

function distance(one, other) {
  let row = Array.from({ length: other.length + 1 }, (_, j) => j);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++)
      next[j] = Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + Number(one[i - 1] !== other[j - 1]));
    row = next;
  }
  return row[other.length];
}

/** The items of what a loop runs over. @param {*} value @param {(x: Tensor) => any[]} unbind */
export function itemsOf(value, unbind) {
  if (value instanceof Items) return value.items;
  if (value instanceof Tensor) {
    if (!value.ndim) throw new Fault("TypeError", "iteration over a 0-d tensor", "It holds one number.");
    return unbind(value);
  }
  if (typeof value === "string") return [...value];
  throw new Fault(
    "TypeError",
    `'${typeOf(value)}' object is not iterable`,
    "A loop runs over a range, a tuple, a list or a tensor.",
  );
}

const needWhole = (value) => {
  if (typeof value === "boolean") return Number(value);
  if (!isWhole(value))
    throw new Fault(
      "TypeError",
      `'${typeOf(value)}' object cannot be interpreted as an integer`,
      "A whole number is needed.",
    );
  return value;
};

function range(args) {
  const [start, stop, step] = args.length === 1 ? [0, args[0], 1] : [args[0], args[1], args[2] ?? 1];
  if (!args.length || args.length > 3)
    throw new Fault("TypeError", `range expected 1 to 3 arguments, got ${args.length}`);
  const [from, to, by] = [start, stop, step].map(needWhole);
  if (by === 0) throw new Fault("ValueError", "range() arg 3 must not be zero");
  const count = Math.max(0, Math.ceil((to - from) / by));
  if (count > MOST_TURNS)
    throw beyond(
      `A range of ${count.toLocaleString("en")} is more than the playground runs through: ${MOST_TURNS.toLocaleString("en")}.`,
    );
  return new Items(
    "list",
    Array.from({ length: count }, (_, i) => from + i * by),
  );
}

const plain = (name, run) =>
  new Callable(name, ({ args, named }) => {
    if (named.size) throw outside(`${name}() with ${[...named.keys()][0]}=`);
    return run(args);
  });

/** What an own function of Python runs over: no bare tensor, whose parts would be steps of the run. */
const listed = (name, value) =>
  itemsOf(value, () => {
    throw outside(`${name}() of a tensor`, "Of x.unbind() it is.");
  });

function extreme(name, pick) {
  return plain(name, (args) => {
    const all = args.length === 1 ? listed(name, args[0]) : args;
    if (!all.length) throw new Fault("ValueError", `${name}() arg is an empty sequence`);
    if (!all.every(isNumeric)) throw outside(`${name}() of other than numbers`);
    return all.reduce((best, value) => (pick(numberOf(value), numberOf(best)) ? value : best));
  });
}

/** Python's own functions. */
export const BUILTINS = {
  range: plain("range", range),
  len: plain("len", ([value, ...more]) => {
    if (more.length || value === undefined) throw new Fault("TypeError", "len() takes exactly one argument");
    if (value instanceof Tensor && !value.ndim) throw new Fault("TypeError", "len() of a 0-d tensor");
    if (value instanceof Tensor) return value.shape[0];
    if (value instanceof Items) return value.items.length;
    if (typeof value === "string") return value.length;
    throw new Fault("TypeError", `object of type '${typeOf(value)}' has no len()`, "It has no items to be counted.");
  }),
  int: plain("int", ([value = 0]) => {
    if (!isNumeric(value)) throw outside(`int() of a ${typeOf(value)}`);
    return Math.trunc(numberOf(value));
  }),
  float: plain("float", ([value = 0]) => {
    if (!isNumeric(value)) throw outside(`float() of a ${typeOf(value)}`);
    return new Float(numberOf(value));
  }),
  tuple: plain("tuple", ([value]) => new Items("tuple", value === undefined ? [] : listed("tuple", value))),
  list: plain("list", ([value]) => new Items("list", value === undefined ? [] : listed("list", value))),
  abs: plain("abs", ([value]) => {
    if (!isNumeric(value)) throw outside(`abs() of a ${typeOf(value)}`);
    return value instanceof Float ? new Float(Math.abs(value.value)) : Math.abs(numberOf(value));
  }),
  min: extreme("min", (a, b) => a < b),
  max: extreme("max", (a, b) => a > b),
  zip: plain("zip", (args) => {
    const all = args.map((value) => listed("zip", value));
    const count = all.length ? Math.min(...all.map((items) => items.length)) : 0;
    return new Items(
      "list",
      Array.from(
        { length: count },
        (_, i) =>
          new Items(
            "tuple",
            all.map((items) => items[i]),
          ),
      ),
    );
  }),
  enumerate: plain(
    "enumerate",
    ([value, start = 0]) =>
      new Items(
        "list",
        listed("enumerate", value).map((item, i) => new Items("tuple", [i + needWhole(start), item])),
      ),
  ),
  reversed: plain("reversed", ([value]) => new Items("list", [...listed("reversed", value)].reverse())),
  sum: plain("sum", ([value, start = 0]) => {
    const items = listed("sum", value);
    if (![start, ...items].every(isNumeric)) throw outside("sum() of other than numbers", "Tensors are added by +.");
    const sum = items.reduce((all, item) => all + numberOf(item), numberOf(start));
    return [start, ...items].some((item) => item instanceof Float) ? new Float(sum) : checkedWhole(sum);
  }),
  print: new Callable("print", () => null),
};

const ofNumber = (name, run) =>
  plain(name, ([value]) => {
    if (!isNumeric(value)) throw new Fault("TypeError", `must be real number, not ${typeOf(value)}`);
    return run(numberOf(value));
  });

export const MATH = {
  prod: plain("prod", ([value]) => {
    const items = listed("math.prod", value);
    if (!items.every(isNumeric)) throw outside("math.prod of other than numbers");
    const product = items.map(numberOf).reduce((all, n) => all * n, 1);
    return items.some((item) => item instanceof Float) ? new Float(product) : checkedWhole(product);
  }),
  sqrt: ofNumber("sqrt", (value) => {
    if (value < 0) throw new Fault("ValueError", "math domain error");
    return new Float(Math.sqrt(value));
  }),
  isqrt: ofNumber("isqrt", (value) => Math.floor(Math.sqrt(value))),
  ceil: ofNumber("ceil", Math.ceil),
  floor: ofNumber("floor", Math.floor),
};

/** A whole number that is told apart from its neighbours. */
export function checkedWhole(value) {
  if (!Number.isSafeInteger(value))
    throw beyond("A number of this program is too large.", "Whole numbers here have at most 15 digits.");
  return value + 0;
}

// --- tensors that come from nowhere -------------------------------------------------------

function sizesFrom(args, named) {
  const given =
    named.get("size") ?? (args.length === 1 && args[0] instanceof Items ? args[0] : new Items("tuple", args));
  const shape = given instanceof Items ? given.items : [given];
  shape.forEach(needWhole);
  checkSize(shape);
  return shape;
}

const filled = (name, value) =>
  new Callable(name, ({ args, named }) => {
    const shape = sizesFrom(args, named);
    const isInt = isLong(named);
    return made(new Float64Array(sizeOfShape(shape)).fill(value), shape, undefined, isInt ? "int64" : "float64");
  });

const isLong = (named) => {
  for (const key of named.keys())
    if (!["size", "dtype", "device", "requires_grad"].includes(key)) throw outside(`The argument ${key}=`);
  return named.get("dtype")?.name === "torch.int64";
};

function arange({ args, named }) {
  if (!args.length || args.length > 3) throw new Fault("TypeError", "arange() takes an end, or start, end and step");
  if (!args.every(isWhole)) throw outside("torch.arange of other than whole numbers");
  const [start, stop, step] = args.length === 1 ? [0, args[0], 1] : [args[0], args[1], args[2] ?? 1];
  if (step === 0) throw new Fault("RuntimeError", "step must be nonzero");
  if ((stop - start) * step < 0)
    throw new Fault("RuntimeError", "upper bound and lower bound inconsistent with step sign");
  const count = Math.ceil((stop - start) / step);
  checkSize([count]);
  const hasType = named.has("dtype");
  return made(
    Float64Array.from({ length: count }, (_, i) => start + i * step),
    [count],
    undefined,
    hasType && !isLong(named) ? "float64" : "int64",
  );
}

function tensor({ args, named }) {
  const [value] = args;
  const shape = [];
  for (let inner = value; inner instanceof Items; inner = inner.items[0]) shape.push(inner.items.length);
  checkSize(shape);
  const leaves = [];
  let isFloat = named.has("dtype") && !isLong(named);
  const visit = (part, depth) => {
    if (part instanceof Items) {
      if (part.items.length !== shape[depth])
        throw new Fault(
          "ValueError",
          `expected sequence of length ${shape[depth]} at dim ${depth} (got ${part.items.length})`,
          "Rows are as long as each other.",
        );
      part.items.forEach((item) => visit(item, depth + 1));
    } else if (isNumeric(part) && depth === shape.length) {
      isFloat ||= part instanceof Float;
      leaves.push(numberOf(part));
    } else throw outside(`torch.tensor of a ${typeOf(part)}`);
  };
  visit(value ?? null, 0);
  return made(leaves, shape, undefined, isFloat ? "float64" : "int64");
}

function eye({ args, named }) {
  const [rows, columns = rows] = args.map(needWhole);
  checkSize([rows, columns]);
  isLong(named);
  return made(
    Float64Array.from({ length: rows * columns }, (_, k) => Number(Math.floor(k / columns) === k % columns)),
    [rows, columns],
  );
}

/** Numbers that look random and are the same each time. */
export function normals(count, seed = 0) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return Float64Array.from(
    { length: count },
    () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
  );
}

export const MAKERS = {
  zeros: filled("zeros", 0),
  ones: filled("ones", 1),
  arange: new Callable("arange", arange),
  tensor: new Callable("tensor", tensor),
  eye: new Callable("eye", eye),
  randn: new Callable("randn", ({ args, named }) => {
    const shape = sizesFrom(args, named);
    isLong(named);
    return made(normals(sizeOfShape(shape), 1), shape);
  }),
  long: new Module("torch.int64"),
  int64: new Module("torch.int64"),
  float: new Module("torch.float64"),
  float64: new Module("torch.float64"),
};

/** What `import` knows. */
export const MODULES = ["torch", "torch.nn", "torch.nn.functional", "einops", "math", "__future__", "typing"];

export const EINOPS = ["rearrange", "repeat", "reduce"];
