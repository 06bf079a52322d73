// Runs a program of the playground, within bounds, and records what it does.

import {
  Callable,
  ELLIPSIS,
  Elsewhere,
  FilledText,
  Float,
  Items,
  Module,
  Slice,
  bound,
  callText,
  isNumeric,
  isWhole,
  typeOf,
  written,
} from "./calls.js";
import { claimsOf, expressionName, patternNames } from "./axis_claims.js";
import { Fault, beyond, outside } from "./faults.js";
import { einsum, readsOfEquation, termsOf } from "./einsum.js";
import { INSTEAD, METHODS_OF, PYTHONS, REAL } from "./hints.js";
import { indexGiven, part } from "./indices.js";
import { parse } from "./language.js";
import {
  ATTRIBUTES,
  BUILTINS,
  EINOPS,
  IN_FUNCTIONAL,
  IN_TORCH,
  MAKERS,
  MATH,
  METHODS,
  MODULES,
  checkedWhole,
  itemsOf,
  nearest,
  normals,
} from "./library.js";
import { MIXES, meetsZero } from "./mixes.js";
import { MOVES } from "./moves.js";
import { holds, isTrue, ofValues } from "./operators.js";
import { recipeOf } from "./patterns.js";
import { Recorder } from "./record.js";
import { assignedIn } from "./scopes.js";
import { LONGEST_TEXT, sourceOf } from "./source_lines.js";
import { Tensor, checkSize, made, sizeOfShape } from "./tensor.js";

const MOST_TICKS = 50_000; // parts of the program that are looked at
const MOST_TIME = 1500; // milliseconds
const DEEPEST = 20; // functions that call each other

/**
 * @typedef {object} Told a fault of a program, as it is shown
 * @property {string} kind
 * @property {string} message
 * @property {string} help
 * @property {number} line from 1; 0 if it is of none
 * @property {number} column from 0
 * @property {[number, number][]} axes that do not fit: the tensor's number in the recording, and the axis
 *
 * Run a program.
 * @param {string} code
 * @param {{shape: number[], axes?: string | string[] | null, values?: "numbered" | "random"}} input of the tensor `x`
 * @returns {{recording: object | null, fault: Told | null}} `recording` as `Trace.to_json()` gives it, of what ran
 *   before a fault, too; null if nothing moved
 */
export function run(code, { shape, axes = null, values = "numbered" }) {
  let program = null;
  code = code.replace(/\r\n?/g, "\n");
  try {
    checkSize(shape);
    const size = sizeOfShape(shape);
    const numbers = values === "random" ? normals(size) : Float64Array.from({ length: size }, (_, k) => k);
    const x = made(numbers, [...shape]);
    program = new Program(code, x, axes && [...axes]);
    program.start();
    return { recording: program.recording(), fault: null };
  } catch (error) {
    const fault = error instanceof Fault ? error : surprise(error);
    const told = tell(fault, code);
    const failed = `The run broke off: ${told.kind}: ${told.message} ${told.help}`.trim();
    return { recording: program?.recorder.steps.length ? program.recording(failed) : null, fault: told };
  }
}

/** What should not happen is said as a sentence, too. */
function surprise(error) {
  const isDeep = error instanceof RangeError;
  return isDeep
    ? beyond("This program is nested too deeply, or too large.", "Give parts of it names of their own.")
    : new Fault(
        "Outside the playground",
        "The playground cannot run this program.",
        `It stopped at: ${error?.message ?? error}.`,
      );
}

/** @returns {Told} */
function tell({ kind, message, help, line, from, axes }, code) {
  const start = from === undefined ? -1 : code.lastIndexOf("\n", from - 1);
  return {
    kind,
    message: message.slice(0, 600),
    help: help.slice(0, 600),
    line,
    column: from === undefined ? 0 : from - start - 1,
    axes: axes.flatMap(([{ id }, axis]) => (id === null ? [] : [[id, axis]])),
  };
}

/** What a `return` hands up. */
class Returned {
  constructor(value) {
    this.value = value;
  }
}

const BREAK = Symbol("break");
const CONTINUE = Symbol("continue");

/**
 * @typedef {object} Frame a call of a function, or the whole program
 * @property {string} name
 * @property {Map<string, any>} names
 * @property {Set<string>} own names that it gives values to somewhere
 * @property {Frame | null} outer in which the function was defined
 */

class Program {
  constructor(code, x, axes) {
    this.code = code;
    this.x = x;
    this.recorder = new Recorder(x, axes);
    this.ticks = 0;
    this.until = Date.now() + MOST_TIME;
    /** @type {Map<string, any>} */
    this.globals = new Map([
      ["x", x],
      ["torch", new Module("torch")],
      ["F", new Module("torch.nn.functional")],
      ["nn", new Module("torch.nn")],
    ]);
    for (const name of ["einops", "math"]) this.globals.set(name, new Module(name));
    for (const name of EINOPS) this.globals.set(name, new Module(`einops.${name}`));
    /** @type {Frame[]} */
    this.frames = [{ name: "program", names: this.globals, own: new Set(), outer: null }];
    this.result = null;
    this.statement = null;
    /** The first tensor of the program's own that it calls x. @type {Tensor | null} */
    this.own = null;
  }

  get frame() {
    return this.frames[this.frames.length - 1];
  }

  start() {
    const body = parse(this.code);
    const end = this.block(body);
    if (end instanceof Returned) this.result = end.value;
    // A function that nobody called is what the reader pasted.
    const functions = body.filter(({ type }) => type === "def");
    if (
      this.result === null &&
      functions.length &&
      body.every(({ type }) => ["def", "import", "pass"].includes(type))
    ) {
      const last = functions.at(-1);
      const found = this.globals.get(last.name);
      const needed = last.parameters.filter(({ name, usual }) => !usual && name !== "self");
      if (needed.length !== 1) throw this.at(outside(`A function of ${needed.length} arguments`), last);
      const args = last.parameters[0].name === "self" ? [null, this.x] : [this.x];
      this.result = found.run({ args, named: new Map(), node: last });
      if (this.result === null)
        throw this.at(
          new Fault("Nothing comes out", `${last.name} returns nothing.`, "Is “return x” missing as its last line?"),
          last,
        );
    }
  }

  /** @param {string | null} [failed] */
  recording(failed = null) {
    const { recorder } = this;
    const { steps } = recorder;
    if (!steps.length)
      throw new Fault(
        "Nothing moved",
        "The program makes no step of x.",
        this.own
          ? `Only the x that is given is followed, and the program makes one of its own: leave that line out, and put ${this.own.shape.join(", ")} into the field for the shape.`
          : "Begin with a line such as x = x.permute(0, 2, 1, 3): the playground shows what it does.",
      );
    const all = [];
    const visit = (value) => {
      if (value instanceof Tensor && value.id !== null) all.push(value.id);
      else if (value instanceof Items) value.items.forEach(visit);
    };
    if (!failed) visit(this.result);
    return recorder.json("program", all.length && !failed ? all : [steps.at(-1).output], failed);
  }

  at(fault, node) {
    fault.line ||= node.line;
    fault.from ??= node.from;
    return fault;
  }

  tick(node) {
    this.ticks++;
    if (this.ticks > MOST_TICKS || (this.ticks % 64 === 0 && Date.now() > this.until))
      throw this.at(
        beyond("This program runs for too long.", "Let its loops run less often, or take a smaller input."),
        node,
      );
  }

  // --- statements ------------------------------------------------------------------------

  /** @returns {Returned | symbol | undefined} what ended it early */
  block(body) {
    for (const statement of body) {
      const ended = this.run(statement);
      if (ended !== undefined) return ended;
    }
  }

  run(node) {
    this.tick(node);
    this.statement = node;
    try {
      return this.execute(node);
    } catch (error) {
      if (error instanceof Fault) throw this.at(error, node);
      throw error;
    }
  }

  execute(node) {
    switch (node.type) {
      case "assign": {
        const value = this.evaluate(node.value);
        for (const target of node.targets) this.assign(target, value);
        this.keep(value);
        return;
      }
      case "change": {
        const before = this.evaluate(node.target);
        if (before instanceof Tensor)
          throw outside(`Writing into a tensor, as ${node.operator}= does`, `Write x = x ${node.operator} ...`);
        const value = this.binary(node.operator, before, this.evaluate(node.value), node);
        this.assign(node.target, value);
        this.keep(value);
        return;
      }
      case "expression":
        this.keep(this.evaluate(node.value));
        return;
      case "return":
        return new Returned(node.value ? this.evaluate(node.value) : null);
      case "for": {
        for (const item of itemsOf(this.evaluate(node.over), (x) => this.unbind(x, node.over))) {
          this.tick(node);
          this.assign(node.target, item);
          const ended = this.block(node.body);
          if (ended === BREAK) break;
          if (ended instanceof Returned) return ended;
        }
        return;
      }
      case "if":
        return this.block(isTrue(this.evaluate(node.test)) ? node.body : node.other);
      case "assert":
        if (!isTrue(this.evaluate(node.test)))
          throw new Fault(
            "AssertionError",
            this.code.slice(node.from, node.to).slice(0, 200),
            "The line claims what is not so.",
          );
        return;
      case "def":
        this.frame.names.set(node.name, this.defined(node));
        return;
      case "import":
        for (const { path, as } of node.names) this.bring(path, as);
        return;
      case "break":
        return BREAK;
      case "continue":
        return CONTINUE;
    }
  }

  /** The last value that holds a tensor is what the program gives. */
  keep(value) {
    if (this.frames.length > 1) return;
    const holds = (one) => (one instanceof Tensor ? one.id !== null : one instanceof Items && one.items.some(holds));
    if (holds(value)) this.result = value;
  }

  assign(target, value) {
    switch (target.type) {
      case "name":
        if (target.name === "x" && value instanceof Tensor && value.id === null) this.own ??= value;
        this.frame.names.set(target.name, value);
        return;
      case "tuple":
      case "list": {
        const items = [...itemsOf(value, (x) => this.unbind(x, target))];
        const rest = target.items.findIndex(({ type }) => type === "star");
        if (rest >= 0 && items.length >= target.items.length - 1) {
          const after = target.items.length - 1 - rest;
          const taken = items.splice(rest, items.length - rest - after);
          items.splice(rest, 0, new Items("list", taken));
        }
        const [count, needed] = [items.length, target.items.length];
        if (count !== needed)
          throw this.at(
            new Fault(
              "ValueError",
              count > needed
                ? `too many values to unpack (expected ${needed})`
                : `not enough values to unpack (expected ${needed}, got ${count})`,
              `There are ${count} values, ${written(value).slice(0, 80)}, and ${needed} names for them.`,
            ),
            target,
          );
        target.items.forEach((item, i) => this.assign(item, items[i]));
        return;
      }
      case "star":
        return this.assign(target.value, value);
      case "subscript":
        throw this.at(outside("Writing into a tensor, or a list, with [...] ="), target);
      default:
        throw this.at(
          new Fault("SyntaxError", "cannot assign to expression", "On the left of = stands a name."),
          target,
        );
    }
  }

  /** What is not here is told when it is used. */
  bring(path, as) {
    const [head, ...rest] = path.split(".");
    if (head === "__future__") return;
    const name = as || (MODULES.includes(path) ? head : (rest.at(-1) ?? head));
    const { names } = this.frame;
    if (MODULES.includes(path)) return void names.set(name, new Module(as ? path : head));
    const home = [head, ...rest.slice(0, -1)].join(".");
    if (!rest.length || !MODULES.includes(home)) return void names.set(name, new Elsewhere(path));
    try {
      names.set(name, this.ofModule(home, rest.at(-1)));
    } catch (fault) {
      if (fault?.kind !== "Outside the playground") throw fault;
      names.set(name, new Elsewhere(path));
    }
  }

  defined(node) {
    const { name, parameters, body } = node;
    const usual = parameters.map((parameter) => (parameter.usual ? this.evaluate(parameter.usual) : undefined));
    const own = new Set(assignedIn(body));
    const outer = this.frame;
    return new Callable(name, ({ args, named }) => {
      if (this.frames.length > DEEPEST) throw beyond(`Functions call each other more than ${DEEPEST} deep.`);
      const names = new Map();
      parameters.forEach((parameter, i) => {
        const value = i < args.length ? args[i] : named.has(parameter.name) ? named.get(parameter.name) : usual[i];
        if (i < args.length && named.has(parameter.name))
          throw new Fault("TypeError", `${name}() got multiple values for argument '${parameter.name}'`);
        if (value === undefined)
          throw new Fault("TypeError", `${name}() missing 1 required positional argument: '${parameter.name}'`);
        names.set(parameter.name, value);
      });
      if (args.length > parameters.length)
        throw new Fault(
          "TypeError",
          `${name}() takes ${parameters.length} positional arguments but ${args.length} were given`,
        );
      const strange = [...named.keys()].find((key) => !parameters.some((parameter) => parameter.name === key));
      if (strange) throw new Fault("TypeError", `${name}() got an unexpected keyword argument '${strange}'`);
      const before = this.statement;
      this.frames.push({ name, names, own, outer });
      const ended = this.block(body);
      this.frames.pop();
      this.statement = before;
      return ended instanceof Returned ? ended.value : null;
    });
  }

  // --- expressions -----------------------------------------------------------------------

  evaluate(node) {
    this.tick(node);
    try {
      return this.value(node);
    } catch (error) {
      if (error instanceof Fault) throw this.at(error, node);
      throw error;
    }
  }

  value(node) {
    switch (node.type) {
      case "number":
        return node.isFloat ? new Float(node.value) : checkedWhole(node.value);
      case "text":
        return node.isFilled ? new FilledText() : node.value;
      case "constant":
        return node.value;
      case "ellipsis":
        return ELLIPSIS;
      case "name":
        return this.lookUp(node.name);
      case "tuple":
      case "list":
        return new Items(node.type, this.spread(node.items));
      case "star":
        throw new Fault("SyntaxError", "can't use starred expression here");
      case "choose":
        return this.evaluate(isTrue(this.evaluate(node.test)) ? node.value : node.other);
      case "either": {
        const left = this.evaluate(node.left);
        return isTrue(left) ? left : this.evaluate(node.right);
      }
      case "both": {
        const left = this.evaluate(node.left);
        return isTrue(left) ? this.evaluate(node.right) : left;
      }
      case "not":
        return !isTrue(this.evaluate(node.value));
      case "compare":
        return this.compare(node);
      case "unary": {
        const value = this.evaluate(node.value);
        if (value instanceof Tensor) {
          if (node.sign === "+") throw outside("+ before a tensor");
          return this.perform("neg", MIXES.neg, [value], new Map(), node, false);
        }
        if (!isNumeric(value))
          throw new Fault(
            "TypeError",
            `bad operand type for unary ${node.sign}: '${typeOf(value)}'`,
            "It is no number.",
          );
        const sign = node.sign === "-" ? -1 : 1;
        return value instanceof Float ? new Float(sign * value.value) : sign * Number(value) + 0;
      }
      case "binary": {
        const left = this.evaluate(node.left);
        return this.binary(node.sign, left, this.evaluate(node.right), node);
      }
      case "attribute":
        return this.attribute(this.evaluate(node.value), node.name, node);
      case "subscript":
        return this.subscript(this.evaluate(node.value), node);
      case "slice":
        return new Slice(...node.parts.map((part) => (part ? this.evaluate(part) : null)));
      case "comprehension": {
        const items = itemsOf(this.evaluate(node.over), (x) => this.unbind(x, node.over));
        const { names } = this.frame;
        const before = new Map(names); // what a comprehension names is its own
        const found = [];
        for (const item of items) {
          this.tick(node);
          this.assign(node.target, item);
          if (!node.test || isTrue(this.evaluate(node.test))) found.push(this.evaluate(node.item));
        }
        names.clear();
        for (const [name, value] of before) names.set(name, value);
        return new Items("list", found);
      }
      case "call":
        return this.call(node);
    }
    throw new Fault("SyntaxError", "invalid syntax");
  }

  spread(nodes) {
    return nodes.flatMap((node) =>
      node.type === "star"
        ? itemsOf(this.evaluate(node.value), (x) => this.unbind(x, node.value))
        : [this.evaluate(node)],
    );
  }

  lookUp(name) {
    for (let frame = this.frame; frame; frame = frame.outer) {
      if (frame.names.has(name)) {
        const value = frame.names.get(name);
        if (value instanceof Elsewhere) throw outside(value.path, INSTEAD[name]);
        return value;
      }
      if (frame.own.has(name))
        throw new Fault(
          "UnboundLocalError",
          `cannot access local variable '${name}' where it is not associated with a value`,
          `${frame.name} gives ${name} a value further down, so it is a name of its own there: make ${name} an argument.`,
        );
    }
    if (Object.hasOwn(BUILTINS, name)) return BUILTINS[name];
    if (PYTHONS.has(name)) throw outside(`${name}()`);
    const near = nearest(name, [...this.globals.keys()]);
    const help =
      name === "self"
        ? "Here is no module: write self.fc as F.linear."
        : `Only x is there at the start.${near ? ` Is ${near} meant?` : ""}`;
    throw new Fault("NameError", `name '${name}' is not defined`, help);
  }

  compare({ first, parts }) {
    let left = this.evaluate(first);
    for (const { sign, value } of parts) {
      const right = this.evaluate(value);
      if (!holds(sign, left, right)) return false;
      left = right;
    }
    return true;
  }

  binary(sign, left, right, node) {
    const isOfTensors = left instanceof Tensor || right instanceof Tensor;
    return isOfTensors ? this.ofTensors(sign, left, right, node) : ofValues(sign, left, right);
  }

  ofTensors(sign, left, right, node) {
    const isForward = left instanceof Tensor;
    const other = isForward ? right : left;
    const misfit = (help) =>
      new Fault("TypeError", `unsupported operand type(s) for ${sign}: '${typeOf(left)}' and '${typeOf(right)}'`, help);
    if (!(other instanceof Tensor) && !isNumeric(other)) throw misfit("A tensor goes with tensors and numbers.");
    const names = isForward
      ? { "+": "add", "-": "sub", "*": "mul", "/": "div", "**": "pow", "@": "matmul" }
      : { "+": "add", "-": "rsub", "*": "mul", "/": "rdiv" };
    const name = names[sign];
    if (sign === "@" && !(other instanceof Tensor)) throw misfit("@ is for two tensors; * takes a number.");
    if (!name) throw outside(`The operator ${sign} for tensors`);
    const args = isForward ? [left, right] : [right, left];
    return this.perform(name, MIXES[name], args, new Map(), node, false);
  }

  // --- names with a dot, indices and calls -------------------------------------------------

  attribute(value, name, node) {
    if (value instanceof Module) return this.ofModule(value.name, name);
    if (value instanceof Tensor) return this.ofTensor(value, name, node);
    if (value instanceof Items && name === "numel" && value.kind === "Size")
      return new Callable("numel", () => value.items.reduce((product, n) => product * n, 1));
    if (typeOf(value) === "str" || METHODS_OF[typeOf(value)]?.includes(name))
      throw outside(`.${name} of a ${typeOf(value)}`, INSTEAD[name]);
    throw new Fault("AttributeError", `'${typeOf(value)}' object has no attribute '${name}'`, "");
  }

  ofModule(module, name) {
    const operation = (own) =>
      new Callable(name, ({ args, named, node }) =>
        this.perform(operationName(own, name), own, args, named, node, false),
      );
    const path = `${module}.${name}`;
    if (MODULES.includes(path)) return new Module(path);
    if (module === "torch") {
      if (name === "einsum") return new Callable("einsum", (call) => this.einsum(call));
      if (Object.hasOwn(IN_TORCH, name)) return operation(IN_TORCH[name]);
      if (Object.hasOwn(MAKERS, name)) return MAKERS[name];
    }
    if (module === "torch.nn.functional" && Object.hasOwn(IN_FUNCTIONAL, name)) return operation(IN_FUNCTIONAL[name]);
    if (module === "einops" && EINOPS.includes(name)) return new Module(path);
    if (module === "math" && Object.hasOwn(MATH, name)) return MATH[name];
    const isMethod = module === "torch" && Object.hasOwn(METHODS, name);
    const near = REAL.has(name) ? null : nearest(name, this.namesOf(module));
    if (isMethod || near)
      throw new Fault(
        "AttributeError",
        `module '${module}' has no attribute '${name}'`,
        isMethod ? `It is a method of tensors: x.${name}(...).` : `Is ${module}.${near} meant?`,
      );
    throw outside(path, INSTEAD[name]);
  }

  namesOf(module) {
    if (module === "torch") return [...Object.keys(IN_TORCH), ...Object.keys(MAKERS), "einsum"];
    return Object.keys({ "torch.nn.functional": IN_FUNCTIONAL, math: MATH }[module] ?? {});
  }

  ofTensor(x, name, node) {
    const about = {
      shape: () => new Items("Size", x.shape),
      ndim: () => x.ndim,
      dtype: () => new Module(`torch.${x.dtype}`),
      device: () => "cpu",
      size: () =>
        new Callable("size", ({ args, named }) => {
          const dim = args[0] ?? named.get("dim") ?? null;
          this.nameInput(x);
          if (dim === null) return new Items("Size", x.shape);
          return part(new Items("Size", x.shape), dim);
        }),
      stride: () =>
        new Callable("stride", ({ args }) => {
          const all = new Items("tuple", x.strides);
          return args.length ? part(all, args[0]) : all;
        }),
      dim: () => new Callable("dim", () => x.ndim),
      numel: () => new Callable("numel", () => x.size),
      storage_offset: () => new Callable("storage_offset", () => x.offset),
      is_contiguous: () => new Callable("is_contiguous", () => MOVES.contiguous.run({ x }) === x),
    };
    if (Object.hasOwn(about, name)) {
      if (name === "shape") this.nameInput(x);
      return about[name]();
    }
    if (Object.hasOwn(ATTRIBUTES, name)) return this.perform(name, ATTRIBUTES[name], [x], new Map(), node, true, name);
    if (Object.hasOwn(METHODS, name))
      return new Callable(name, (call) =>
        this.perform(name, METHODS[name], [x, ...call.args], call.named, call.node, true),
      );
    if (/[^_]_$/.test(name)) throw outside(`Writing into a tensor, as .${name}() does`, INSTEAD[name]);
    const known = [...Object.keys(METHODS), ...Object.keys(ATTRIBUTES), ...Object.keys(about)];
    const near = REAL.has(name) ? null : nearest(name, known);
    if (near) throw new Fault("AttributeError", `'Tensor' object has no attribute '${name}'`, `Is .${near} meant?`);
    throw outside(`.${name}`, INSTEAD[name]);
  }

  /** A line that unpacks the shape of the input says what its axes are called. */
  nameInput(x) {
    if (x.id !== 0 || this.statement?.type !== "assign" || this.statement.targets.length !== 1) return;
    const [target] = this.statement.targets;
    const { value } = this.statement;
    const isShape =
      (value.type === "attribute" && value.name === "shape") ||
      (value.type === "call" &&
        value.callee.type === "attribute" &&
        value.callee.name === "size" &&
        !value.args.length);
    if (!isShape || target.type !== "tuple") return;
    const names = target.items.map(expressionName);
    if (!names.includes(null) && !names.includes("_")) this.recorder.nameInput(names);
  }

  subscript(value, node) {
    const index = this.evaluate(node.index);
    if (!(value instanceof Tensor)) return part(value, index);
    return this.perform("getitem", MOVES.getitem, [value, index], new Map(), node, true, null, {
      x: value,
      index: indexGiven(index),
    });
  }

  call(node) {
    const callee = this.evaluate(node.callee);
    const args = this.spread(node.args);
    const named = new Map(node.named.map(({ name, value }) => [name, this.evaluate(value)]));
    if (callee instanceof Module && callee.name.startsWith("einops."))
      return this.einops(callee.name.slice(7), args, named, node);
    if (!(callee instanceof Callable))
      throw new Fault("TypeError", `'${typeOf(callee)}' object is not callable`, "Only a function can be called.");
    return callee.run({ args, named, node });
  }

  unbind(x, node) {
    return this.perform("unbind", MOVES.unbind, [x, 0], new Map(), node, true).items;
  }

  einops(name, args, named, node) {
    const of = (key, i) => {
      if (i < args.length) return args[i];
      const value = named.get(key);
      named.delete(key);
      return value;
    };
    const [x, pattern, how] = [of("tensor", 0), of("pattern", 1), of("reduction", 2)];
    if (x instanceof Items) throw outside(`einops' ${name} of a list`, "torch.stack makes a tensor of it.");
    if (pattern instanceof FilledText) throw outside("A pattern with f before it", "Write the text out.");
    if (!(x instanceof Tensor))
      throw new Fault("TypeError", `Tensor type unknown to einops ${typeOf(x ?? null)}`, "It takes a tensor first.");
    if (typeof pattern !== "string")
      throw new Fault(
        "TypeError",
        `${name}() needs a pattern, not ${typeOf(pattern ?? null)}`,
        'E.g. "b h w c -> b (h w) c".',
      );
    const lengths = new Map(
      [...named].map(([key, value]) => {
        if (!isWhole(value)) throw new Fault("TypeError", `${name}(): ${key} must be int, not ${typeOf(value)}`, "");
        return [key, value];
      }),
    );
    if (name === "reduce" && !["sum", "mean"].includes(how)) throw outside(`einops' reduce by ${written(how ?? null)}`);
    const tuple = (found) => new Items("tuple", found);
    let now = x;
    for (const { op, sizes } of recipeOf(/** @type {any} */ (name), x, pattern, lengths))
      if (op === "reduce") now = this.perform(how, MIXES[how], [now], new Map([["dim", tuple(sizes)]]), node, true);
      else if (op === "unsqueeze") now = this.perform(op, MOVES[op], [now, ...sizes], new Map(), node, true);
      else now = this.perform(op, MOVES[op], [now, tuple(sizes)], new Map(), node, true);
    return now;
  }

  einsum({ args, named, node }) {
    const [equation, ...rest] = args;
    const tensors = rest.length === 1 && rest[0] instanceof Items ? rest[0].items : rest;
    if (equation instanceof FilledText) throw outside("An equation with f before it", "Write the text out.");
    if (typeof equation !== "string") throw outside("An einsum without an equation first");
    if (named.size || !tensors.every((x) => x instanceof Tensor) || !tensors.length)
      throw new Fault(
        "TypeError",
        "einsum() takes an equation and tensors",
        'E.g. torch.einsum("bhwc,cd->bhwd", x, w).',
      );
    const terms = termsOf(equation, tensors);
    const given = { equation, tensors };
    const isMove = tensors.length === 1 && [...terms[0]].every((letter) => terms[1].includes(letter));
    const operation = {
      run: (put) => einsum(equation, put.tensors),
      ...(isMove
        ? {}
        : {
            kind: "other",
            reads: (_, out) => readsOfEquation(terms, tensors, out),
            mixed: () => null,
            mayBeCut: (_, followed) => meetsZero(tensors, followed),
          }),
    };
    return this.perform("einsum", operation, args, named, node, false, null, given, { terms, words: {} });
  }

  /**
   * Run an operation and record what it does.
   * @param {string} name
   * @param {*} operation
   * @param {any[]} args
   * @param {Map<string, any>} named
   * @param {*} node the call, or what else of the program asks for it
   * @param {boolean} isMethod
   * @param {string | null} [text] of the call, if it is none
   * @param {*} [given] the arguments, if they are not to be read from `args`
   * @param {*} [equation]
   */
  perform(name, operation, args, named, node, isMethod, text = null, given = null, equation = null) {
    this.tick(node);
    const put = given ?? bound(name, operation.takes, args, named, isMethod);
    const found = operation.run(put);
    const results = [found].flat();
    const call = text ?? callText(name, ...textArguments(name, args, named));
    const asked = {
      op: name,
      call: call.length <= LONGEST_TEXT ? call : `${call.slice(0, LONGEST_TEXT - 1)}…`,
      operation,
      given: put,
      source: sourceOf(node, this.code, this.frame.name),
      claims: (shape) => claimsOf(name, node, shape),
      patternNames: (operand) => patternNames(name, node, equation, operand),
      equation,
    };
    this.recorder.record(asked, results, !Array.isArray(found));
    return Array.isArray(found) ? new Items("tuple", results) : found;
  }
}

const operationName = (operation, name) =>
  Object.keys(MOVES).find((key) => MOVES[key] === operation) ??
  Object.keys(MIXES).find((key) => MIXES[key] === operation) ??
  name;

/** What Python's part of PyTorch makes of the arguments of a call before it is one. */
function textArguments(name, args, named) {
  const at = (key, i, usual) => named.get(key) ?? args[i] ?? usual;
  if (name === "pad")
    return [
      [args[0], at("pad", 1)],
      new Map([
        ["mode", at("mode", 2, "constant")],
        ["value", at("value", 3, null)],
      ]),
    ];
  if (name === "split") return [[args[0], at("split_size", 1)], new Map([["dim", at("dim", 2, 0)]])];
  return [args, named];
}
