// The values of a program, and how the arguments of a call become what an operation takes.

import { Fault, outside, tuple } from "./faults.js";
import { ARGUMENTS } from "./hints.js";
import { Tensor } from "./tensor.js";

/** A number with a point; whole numbers are plain. */
export class Float {
  /** @param {number} value */
  constructor(value) {
    this.value = value;
  }
}

/** A tuple, a list, or the size of a tensor. */
export class Items {
  /**
   * @param {"tuple" | "list" | "Size"} kind
   * @param {any[]} items
   */
  constructor(kind, items) {
    this.kind = kind;
    this.items = items;
  }
}

/** `1:3` in an index. */
export class Slice {
  constructor(start, stop, step) {
    this.start = start;
    this.stop = stop;
    this.step = step;
  }
}

/** Something that can be called, or that holds such things: `torch`, `F.pad`, `x.permute`. */
export class Callable {
  /**
   * @param {string} name
   * @param {(call: {args: any[], named: Map<string, any>, node: any}) => any} run
   */
  constructor(name, run) {
    this.name = name;
    this.run = run;
  }
}

export class Module {
  /** @param {string} name */
  constructor(name) {
    this.name = name;
  }
}

/** What a program has imported, and the playground has not. */
export class Elsewhere {
  /** @param {string} path */
  constructor(path) {
    this.path = path;
  }
}

/** A text with f before it: a program may print it, and no more. */
export class FilledText {}

export const ELLIPSIS = Symbol("...");

export const isWhole = (value) => typeof value === "number";
export const isNumeric = (value) => isWhole(value) || value instanceof Float || typeof value === "boolean";
export const numberOf = (value) => (value instanceof Float ? value.value : Number(value));

/** What Python calls the type of a value. */
export function typeOf(value) {
  if (value === null) return "NoneType";
  if (value instanceof Tensor) return "Tensor";
  if (value instanceof Items) return value.kind === "Size" ? "torch.Size" : value.kind;
  if (value instanceof Float) return "float";
  if (value instanceof Slice) return "slice";
  if (value instanceof Callable) return "function";
  if (value instanceof Module) return "module";
  if (value === ELLIPSIS) return "ellipsis";
  if (value instanceof FilledText) return "str";
  return { number: "int", boolean: "bool", string: "str" }[typeof value] ?? "object";
}

/** A value as the tracer writes it in a call. */
export function written(value) {
  if (value instanceof Tensor) return `tensor of ${tuple(value.shape)}`;
  if (value instanceof Items) return `(${value.items.map(written).join(", ")})`;
  if (Array.isArray(value)) return `(${value.map(written).join(", ")})`;
  if (value instanceof Slice) {
    const parts = [value.start, value.stop].map((part) => (part === null ? "" : written(part)));
    return (value.step === null ? parts : [...parts, written(value.step)]).join(":");
  }
  if (value === ELLIPSIS) return "...";
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (value instanceof Callable || value instanceof Module) return value.name;
  if (value instanceof FilledText) return 'f"..."';
  if (value instanceof Float) return Number.isInteger(value.value) ? value.value.toFixed(1) : String(value.value);
  return String(value);
}

/** E.g. "permute(0, 3, 2, 1, 4)" or "[:, None]". */
export function callText(name, args, named) {
  const rest = args[0] instanceof Tensor ? args.slice(1) : args;
  if (name === "getitem") {
    const [index] = rest;
    return `[${(index instanceof Items && index.kind === "tuple" ? index.items : [index]).map(written).join(", ")}]`;
  }
  const values = rest.filter((value) => value !== null).map(written);
  if (name === "linear")
    values.splice(
      0,
      Infinity,
      ...rest.flatMap((value, i) => (value ? [`${["weight", "bias"][i]} ${tuple(value.shape)}`] : [])),
    );
  return `${name}(${[...values, ...[...named].map(([key, value]) => `${key}=${written(value)}`)].join(", ")})`;
}

/** Other words for a parameter. */
const ALIASES = {
  axis: "dim",
  input: "x",
  tensor: "x",
  axes: "dims",
  dim: "dims",
  keepdims: "keepdim",
  n: "size",
  size: "shape",
  split_size: "split_size_or_sections",
};

/** @type {Map<string, {name: string, type: string, usual: any, isRest: boolean}[]>} */
const known = new Map();

function parametersOf(takes) {
  if (!known.has(takes))
    known.set(
      takes,
      takes.split(" ").map((text) => {
        const isRest = text.startsWith("*");
        const [, name, type = isRest ? "ints" : "tensor", usual] = /^\*?(\w+)(?::([\w?]+))?(?:=(.*))?$/.exec(text);
        return {
          name,
          type: name === "tensors" ? "tensors" : type,
          usual: usual === undefined ? undefined : usualOf(usual),
          isRest,
        };
      }),
    );
  return known.get(takes);
}

function usualOf(text) {
  if (text === "None") return null;
  if (text === "False") return false;
  if (/^-?\d+$/.test(text)) return Number(text);
  if (/^\(.*\)$/.test(text)) return (text.match(/-?\d+/g) ?? []).map(Number);
  return text;
}

/**
 * The arguments of a call by the names of an operation's parameters.
 * @param {string} name of the operation
 * @param {string} takes its parameters
 * @param {any[]} args the tensor first, if it is a method
 * @param {Map<string, any>} named
 * @param {boolean} isMethod
 */
export function bound(name, takes, args, named, isMethod) {
  const parameters = parametersOf(takes);
  const given = {};
  const left = [...args];
  for (const parameter of parameters) {
    if (!left.length) break;
    if (!parameter.isRest) given[parameter.name] = left.shift();
    else if (left.length === 1 && left[0] instanceof Items) given[parameter.name] = left.shift();
    else if (isMethod) given[parameter.name] = new Items("tuple", left.splice(0));
    else given[parameter.name] = left.shift();
  }
  if (left.length)
    throw new Fault(
      "TypeError",
      `${name}() takes ${parameters.length - (isMethod ? 1 : 0)} positional arguments but ${args.length - (isMethod ? 1 : 0)} were given`,
      signature(name, parameters),
    );
  for (const [key, value] of named) {
    const parameter =
      parameters.find((one) => one.name === key) ??
      parameters.find((one) => one.name === ALIASES[key] && one.name !== key);
    if (!parameter && ARGUMENTS.has(key)) throw outside(`The argument ${key}= of ${name}()`);
    if (!parameter)
      throw new Fault(
        "TypeError",
        `${name}() got an unexpected keyword argument '${key}'`,
        signature(name, parameters),
      );
    if (parameter.name in given)
      throw new Fault("TypeError", `${name}() got multiple values for argument '${key}'`, signature(name, parameters));
    given[parameter.name] = value;
  }
  const found = {};
  parameters.forEach((parameter, i) => {
    const { name: key, usual } = parameter;
    if (key in given) found[key] = converted(name, parameter, given[key], i);
    else if (usual !== undefined) found[key] = usual;
    else
      throw new Fault(
        "TypeError",
        `${name}() missing 1 required positional arguments: "${key}"`,
        signature(name, parameters),
      );
  });
  return found;
}

const signature = (name, parameters) =>
  `It is ${name}(${parameters
    .slice(parameters[0].name === "x" ? 1 : 0)
    .map(({ name: key, isRest }) => (isRest ? `*${key}` : key))
    .join(", ")}).`;

/** What an operation takes, of a value of the program. */
function converted(name, { name: key, type }, value, position) {
  const wrong = (needed, came = value) =>
    new Fault(
      "TypeError",
      `${name}(): argument '${key}' (position ${position}) must be ${needed}, not ${typeOf(came)}`,
      `“${key}” takes ${needed}.`,
    );
  if (type.endsWith("?") && value === null) return null;
  const items = value instanceof Items ? value.items : null;
  switch (type.replace("?", "")) {
    case "tensor":
      if (!(value instanceof Tensor)) throw wrong("Tensor");
      return value;
    case "tensors":
      if (!items?.every((item) => item instanceof Tensor)) throw wrong("tuple of Tensors");
      return items;
    case "int":
      if (!isWhole(value)) throw wrong("int");
      return value;
    case "bool":
      if (typeof value !== "boolean") throw wrong("bool");
      return value;
    case "ints": {
      const bad = items?.findIndex((item) => !isWhole(item)) ?? 0;
      if (items && bad < 0) return items;
      if (!items || !bad) throw wrong("tuple of ints", items ? items[0] : value);
      const type = typeOf(items[bad]);
      throw new Fault(
        "TypeError",
        `${name}(): argument '${key}' failed to unpack the object at pos ${bad + 1} with error "type must be tuple of ints,but got ${type}"`,
        "Whole numbers are needed: // divides without a point.",
      );
    }
    case "axes":
      if (isWhole(value)) return value;
      if (!items?.every(isWhole)) throw wrong("tuple of ints");
      return items;
    case "number":
      if (!isNumeric(value) && !(value instanceof Tensor)) throw wrong("Number");
      return value instanceof Tensor ? value : numberOf(value);
    default:
      return value instanceof Float ? value.value : value;
  }
}
