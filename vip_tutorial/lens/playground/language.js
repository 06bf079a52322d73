// The playground's language: a part of Python, read into a tree.  Nothing is ever handed to
// the page's own language.

import { Fault, beyond, outside } from "./faults.js";
import { INSTEAD } from "./hints.js";
import { KEYWORDS, TEXT, faultAt, tokensOf } from "./lexer.js";

/** @typedef {import("./lexer.js").Token} Token */

const LONGEST = 20_000; // characters of a program
const DEEPEST = 40; // brackets and operators in each other

/**
 * @typedef {object} Node a part of a program
 * @property {string} type
 * @property {number} from where it begins in the program, in characters
 * @property {number} to where it ends
 * @property {number} line its line, from 1
 * @property {any} [name] and what else a type of node has
 * @property {any} [parameters]
 */

/** Statements that Python has and this language has not. */
const FOREIGN = new Set("while class try with raise lambda global nonlocal del async await yield".split(" "));

const foreign = (token) => faultAt(outside(`“${token.text}”`, INSTEAD[token.text]), token);

/**
 * Read a program.
 * @param {string} source
 * @returns {Node[]} its statements
 * @throws {Fault} if it is none
 */
export function parse(source) {
  if (source.length > LONGEST)
    throw beyond(
      `This program has ${source.length.toLocaleString("en")} characters; the playground reads ${LONGEST.toLocaleString("en")}.`,
      "Leave out what moves nothing.",
    );
  return new Parser(tokensOf(source)).program();
}

class Parser {
  constructor(tokens) {
    this.tokens = tokens;
    this.i = 0;
    this.depth = 0;
  }

  get now() {
    return this.tokens[this.i];
  }

  get before() {
    return this.tokens[this.i - 1];
  }

  is(text) {
    return (this.now.type === "sign" || this.now.type === "name") && this.now.text === text;
  }

  take(text) {
    return this.is(text) ? this.tokens[this.i++] : null;
  }

  /** @param {string} [message] @param {string} [help] @param {Token} [token] */
  wrong(message = "invalid syntax", help = "", token = this.now) {
    return faultAt(new Fault("SyntaxError", message, help), token);
  }

  need(text, help = "") {
    const found = this.take(text);
    if (found) return found;
    const came =
      this.now.type === "newline" || this.now.type === "end"
        ? "the line ends"
        : `“${this.now.text.slice(0, 20)}” stands`;
    throw this.wrong(`expected '${text}'`, help || `There ${came} where “${text}” is needed.`);
  }

  /** Run `read` one level deeper. */
  deeper(read) {
    if (++this.depth > DEEPEST)
      throw faultAt(beyond("This is nested too deeply.", "Give parts of it names of their own."), this.now);
    const found = read();
    this.depth--;
    return found;
  }

  node(type, start, more) {
    return { type, from: start.from, to: this.before.to, line: start.line, ...more };
  }

  program() {
    const body = [];
    while (this.now.type !== "end") body.push(...this.statement());
    return body;
  }

  block() {
    this.need(":", "A colon ends the line before a block.");
    if (this.now.type !== "newline") return this.simple();
    this.i++;
    if (this.now.type !== "indent")
      throw this.wrong("expected an indented block", "Indent the lines that belong to it.");
    this.i++;
    const body = [];
    while (this.now.type !== "dedent" && this.now.type !== "end") body.push(...this.statement());
    if (this.now.type === "dedent") this.i++;
    return body;
  }

  statement() {
    return this.deeper(() => {
      const start = this.now;
      if (start.type === "indent")
        throw this.wrong("unexpected indent", "This line begins further right than the one before it.");
      if (start.type === "newline") {
        this.i++;
        return [];
      }
      if (this.is("@")) throw faultAt(outside("A decorator"), start);
      if (start.type === "name" && FOREIGN.has(start.text)) throw foreign(start);
      if (this.take("for")) {
        const target = this.targets();
        this.need("in");
        const over = this.expressions();
        const body = this.block();
        if (this.is("else")) throw faultAt(outside("else after a loop"), this.now);
        return [this.node("for", start, { target, over, body })];
      }
      if (this.take("if")) return [this.branch(start)];
      if (this.take("def")) return [this.definition(start)];
      return this.simple();
    });
  }

  branch(start) {
    const test = this.expression();
    const body = this.block();
    let other = [];
    const next = this.now;
    if (this.take("elif")) other = [this.deeper(() => this.branch(next))];
    else if (this.take("else")) other = this.block();
    return this.node("if", start, { test, body, other });
  }

  /** `def f(x):`, with names and no more between the brackets but annotations. */
  definition(start) {
    const name = this.name();
    this.need("(");
    const parameters = [];
    while (!this.is(")")) {
      if (this.is("*") || this.is("**")) throw faultAt(outside("A function with *args"), this.now);
      const parameter = this.name();
      if (this.take(":")) this.expression();
      const usual = this.take("=") ? this.expression() : null;
      parameters.push({ name: parameter, usual });
      if (!this.take(",")) break;
    }
    this.need(")");
    if (this.take("->")) this.expression();
    const body = this.block();
    return this.node("def", start, { name, parameters, body });
  }

  name() {
    const token = this.now;
    if (token.type !== "name" || KEYWORDS.has(token.text))
      throw this.wrong("invalid syntax", `A name is needed where “${token.text.slice(0, 20)}” stands.`);
    this.i++;
    return token.text;
  }

  /** Statements of one line, parted by semicolons. */
  simple() {
    const body = [];
    do {
      if (this.now.type === "newline" || this.now.type === "end") break;
      body.push(this.small());
    } while (this.take(";"));
    if (this.now.type === "newline") this.i++;
    else if (this.now.type !== "end" && this.now.type !== "dedent") {
      const { text } = this.now;
      if (/^[)\]}]$/.test(text)) throw this.wrong(`unmatched '${text}'`, "No bracket stands open here.");
      throw this.wrong("invalid syntax", `“${text.slice(0, 20)}” cannot stand here.`);
    }
    return body;
  }

  small() {
    const start = this.now;
    if (start.type === "name" && FOREIGN.has(start.text)) throw foreign(start);
    if (this.take("pass")) return this.node("pass", start, {});
    if (this.take("break")) return this.node("break", start, {});
    if (this.take("continue")) return this.node("continue", start, {});
    if (this.take("return")) {
      const isEmpty = this.now.type === "newline" || this.now.type === "end";
      return this.node("return", start, { value: isEmpty ? null : this.expressions() });
    }
    if (this.take("assert")) {
      const test = this.expression();
      if (this.take(",")) this.expression();
      return this.node("assert", start, { test });
    }
    if (this.is("import") || this.is("from")) return this.imported(start);
    const first = this.expressions();
    if (this.take(":")) {
      this.expression(); // an annotation says nothing here
      if (!this.is("=")) return this.node("pass", start, {});
    }
    const operator = /^(\*\*|\/\/|[-+*/%@])=$/.exec(this.now.text);
    if (this.now.type === "sign" && operator) {
      this.i++;
      return this.node("change", start, { target: first, operator: operator[1], value: this.expressions() });
    }
    if (!this.is("=")) return this.node("expression", start, { value: first });
    const all = [first];
    while (this.take("=")) all.push(this.expressions());
    const value = all.pop();
    return this.node("assign", start, { targets: all, value });
  }

  imported(start) {
    const isFrom = Boolean(this.take("from"));
    if (!isFrom) this.need("import");
    const dotted = () => {
      let path = this.name();
      while (this.take(".")) path += `.${this.name()}`;
      return path;
    };
    const from = isFrom ? dotted() : "";
    if (isFrom) this.need("import");
    const isOpen = isFrom && this.take("(");
    const names = [];
    do {
      if (this.is(")")) break;
      if (this.is("*")) throw faultAt(outside("import *"), this.now);
      const path = dotted();
      names.push({ path: from ? `${from}.${path}` : path, as: this.take("as") ? this.name() : from ? path : "" });
    } while (this.take(","));
    if (isOpen) this.need(")");
    return this.node("import", start, { names });
  }

  targets() {
    const start = this.now;
    const items = [this.starred()];
    let isTuple = false;
    while (this.take(",")) {
      isTuple = true;
      if (this.is("in")) break;
      items.push(this.starred());
    }
    return isTuple ? this.node("tuple", start, { items }) : items[0];
  }

  starred() {
    return this.is("*") ? this.star(() => this.postfix()) : this.postfix();
  }

  /** One expression, or a tuple without brackets. */
  expressions() {
    const start = this.now;
    const one = () => (this.is("*") ? this.star() : this.expression());
    const first = one();
    if (!this.is(",")) return first;
    const items = [first];
    while (this.take(",")) {
      if (this.now.type === "newline" || this.now.type === "end" || /^[=)\]}:;]$/.test(this.now.text)) break;
      items.push(one());
    }
    return this.node("tuple", start, { items });
  }

  star(read = () => this.expression()) {
    const start = this.now;
    this.need("*");
    return this.node("star", start, { value: read() });
  }

  expression() {
    return this.deeper(() => {
      const start = this.now;
      if (this.now.type === "name" && FOREIGN.has(this.now.text)) throw foreign(this.now);
      const value = this.or();
      if (this.is(":=")) throw faultAt(outside("A := inside an expression"), this.now);
      if (!this.take("if")) return value;
      const test = this.or();
      this.need("else");
      return this.node("choose", start, { test, value, other: this.expression() });
    });
  }

  or() {
    const start = this.now;
    let left = this.and();
    while (this.take("or")) left = this.node("either", start, { left, right: this.and() });
    return left;
  }

  and() {
    const start = this.now;
    let left = this.not();
    while (this.take("and")) left = this.node("both", start, { left, right: this.not() });
    return left;
  }

  not() {
    const start = this.now;
    if (!this.take("not")) return this.comparison();
    return this.deeper(() => this.node("not", start, { value: this.not() }));
  }

  comparison() {
    const start = this.now;
    const first = this.sum();
    const parts = [];
    for (;;) {
      let sign = ["==", "!=", "<=", ">=", "<", ">", "in", "is"].find((one) => this.is(one));
      if (!sign && this.is("not") && this.tokens[this.i + 1].text === "in") {
        this.i++;
        sign = "not in";
      }
      if (!sign) break;
      this.i++;
      if (sign === "is" && this.take("not")) sign = "is not";
      parts.push({ sign, value: this.sum() });
    }
    if (this.is("&") || this.is("|") || this.is("^") || this.is("<<") || this.is(">>"))
      throw faultAt(outside(`The operator ${this.now.text}`), this.now);
    return parts.length ? this.node("compare", start, { first, parts }) : first;
  }

  sum() {
    return this.leftward(["+", "-"], () => this.product());
  }

  product() {
    return this.leftward(["*", "/", "//", "%", "@"], () => this.unary());
  }

  leftward(signs, next) {
    const start = this.now;
    let left = next();
    for (let sign; (sign = signs.find((one) => this.is(one)));) {
      this.i++;
      left = this.node("binary", start, { sign, left, right: next() });
    }
    return left;
  }

  unary() {
    const start = this.now;
    if (this.is("~")) throw faultAt(outside("The operator ~"), this.now);
    for (const sign of ["-", "+"])
      if (this.take(sign)) return this.deeper(() => this.node("unary", start, { sign, value: this.unary() }));
    const base = this.postfix();
    if (!this.take("**")) return base;
    return this.deeper(() => this.node("binary", start, { sign: "**", left: base, right: this.unary() }));
  }

  postfix() {
    const start = this.now;
    let value = this.atom();
    for (;;) {
      if (this.take(".")) {
        const name = this.name();
        value = this.node("attribute", start, { value, name });
      } else if (this.take("(")) value = this.call(start, value);
      else if (this.take("[")) {
        const index = this.index();
        this.need("]", "The bracket [ is not closed.");
        value = this.node("subscript", start, { value, index });
      } else return value;
    }
  }

  call(start, callee) {
    const args = [];
    const named = [];
    while (!this.is(")")) {
      if (this.is("**")) throw faultAt(outside("A call with **"), this.now);
      if (this.is("*")) args.push(this.star());
      else if (this.now.type === "name" && this.tokens[this.i + 1].text === "=" && !KEYWORDS.has(this.now.text)) {
        const token = this.now;
        const name = this.name();
        this.need("=");
        if (named.some((other) => other.name === name))
          throw this.wrong(`keyword argument repeated: ${name}`, "An argument is given once.", token);
        named.push({ name, value: this.expression() });
      } else {
        if (named.length) throw this.wrong("positional argument follows keyword argument");
        const value = this.expression();
        args.push(this.is("for") ? this.comprehension(this.now, value) : value);
      }
      if (!this.take(",")) break;
    }
    this.need(")", "The bracket ( is not closed.");
    return this.node("call", start, { callee, args, named });
  }

  index() {
    const start = this.now;
    const items = [this.slice()];
    let isTuple = false;
    while (this.take(",")) {
      isTuple = true;
      if (this.is("]")) break;
      items.push(this.slice());
    }
    return isTuple ? this.node("tuple", start, { items }) : items[0];
  }

  slice() {
    const start = this.now;
    const part = () => (this.is(":") || this.is(",") || this.is("]") ? null : this.expression());
    const from = part();
    if (!this.take(":")) {
      if (!from) throw this.wrong();
      return from;
    }
    const to = part();
    const step = this.take(":") ? part() : null;
    return this.node("slice", start, { parts: [from, to, step] });
  }

  comprehension(start, item) {
    this.need("for");
    const target = this.targets();
    this.need("in");
    const over = this.or();
    const test = this.take("if") ? this.or() : null;
    if (this.is("for") || this.is("if")) throw faultAt(outside("A comprehension of several loops"), this.now);
    return this.node("comprehension", start, { item, target, over, test });
  }

  atom() {
    return this.deeper(() => {
      const token = this.now;
      if (token.type === "number") {
        this.i++;
        if (this.now.type === "name" && this.now.from === token.to)
          throw this.wrong("invalid decimal literal", "", token);
        const text = token.text.replaceAll("_", "");
        const isFloat = !/^0[xX]/.test(text) && /[.eE]/.test(text);
        return this.node("number", token, { value: Number(text), isFloat });
      }
      if (token.type === "text") {
        let value = "";
        let isFilled = false; // f"...": what stands in its braces is not looked at
        while (this.now.type === "text") {
          const body = TEXT.exec(this.now.text)[1];
          isFilled ||= /^[rR]?[fF]/.test(this.now.text);
          const quotes = /^("""|''')/.test(body) ? 3 : 1;
          value += body
            .slice(quotes, -quotes)
            .replace(/\\n/g, "\n")
            .replace(/\\(["'\\])/g, "$1")
            .replace(/\\\n/g, "");
          this.i++;
        }
        return this.node("text", token, { value, isFilled });
      }
      if (this.take("...")) return this.node("ellipsis", token, {});
      if (this.take("(")) return this.bracket(token);
      if (this.take("[")) {
        if (this.take("]")) return this.node("list", token, { items: [] });
        const first = this.is("*") ? this.star() : this.expression();
        if (this.is("for")) {
          const found = this.comprehension(token, first);
          this.need("]");
          return { ...found, to: this.before.to };
        }
        const items = [first];
        while (this.take(",")) {
          if (this.is("]")) break;
          items.push(this.is("*") ? this.star() : this.expression());
        }
        this.need("]", "The bracket [ is not closed.");
        return this.node("list", token, { items });
      }
      if (this.is("{")) throw faultAt(outside("A dict or a set"), token);
      if (token.type === "name") {
        if (FOREIGN.has(token.text)) throw foreign(token);
        const constants = { True: true, False: false, None: null };
        this.i++;
        if (Object.hasOwn(constants, token.text)) return this.node("constant", token, { value: constants[token.text] });
        if (KEYWORDS.has(token.text)) throw this.wrong("invalid syntax", `“${token.text}” cannot stand here.`, token);
        return this.node("name", token, { name: token.text });
      }
      if (token.type === "newline" || token.type === "end" || token.type === "dedent")
        throw this.wrong("invalid syntax", "The line ends where something is missing.");
      throw this.wrong("invalid syntax", `“${token.text.slice(0, 20)}” cannot stand here.`);
    });
  }

  bracket(token) {
    if (this.take(")")) return this.node("tuple", token, { items: [] });
    const value = this.is("*") ? this.star() : this.expression();
    if (this.is("for")) {
      const found = this.comprehension(token, value);
      this.need(")");
      return { ...found, to: this.before.to };
    }
    if (!this.is(",")) {
      this.need(")", "The bracket ( is not closed.");
      return value.type === "star"
        ? value
        : { ...value, outer: { from: token.from, to: this.before.to, line: token.line } };
    }
    const items = [value];
    while (this.take(",")) {
      if (this.is(")")) break;
      items.push(this.is("*") ? this.star() : this.expression());
    }
    this.need(")", "The bracket ( is not closed.");
    return this.node("tuple", token, { items });
  }
}
