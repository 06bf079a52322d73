// The words of a program: names, numbers, texts and signs, with Python's indents.

import { Fault, outside } from "./faults.js";

/**
 * @typedef {object} Token
 * @property {"name" | "number" | "text" | "sign" | "newline" | "indent" | "dedent" | "end"} type
 * @property {string} text
 * @property {number} from
 * @property {number} to
 * @property {number} line
 */

const SIGNS =
  /^(?:\*\*=|\/\/=|>>=|<<=|\.\.\.|\*\*|\/\/|->|:=|==|!=|<=|>=|<<|>>|\+=|-=|\*=|\/=|%=|@=|&=|\|=|\^=|[-+*/%@=<>()[\]{},:.;~&|^!])/;
const NAME = /^[\p{L}_][\p{L}\p{N}_]*/u;
const NUMBER = /^(?:0[xX][\da-fA-F_]+|(?:\d[\d_]*)?\.\d[\d_]*(?:[eE][-+]?\d+)?|\d[\d_]*\.?(?:[eE][-+]?\d+)?)/;
export const TEXT = /^[rRuUbBfF]{0,2}("""[\s\S]*?"""|'''[\s\S]*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')/;
export const KEYWORDS = new Set(
  "False None True and as assert async await break class continue def del elif else except finally for from global if import in is lambda nonlocal not or pass raise return try while with yield".split(
    " ",
  ),
);

/** A fault, and where in the program it is. */
export function faultAt(fault, { line, from }) {
  fault.line ||= line;
  fault.from ??= from;
  return fault;
}

/** @param {string} source @returns {Token[]} */
export function tokensOf(source) {
  const tokens = [];
  const indents = [0];
  let [i, line, depth] = [0, 1, 0];
  let isStart = true;
  const push = (type, from, to) => tokens.push({ type, text: source.slice(from, to), from, to, line });
  const wrong = (message, help) => faultAt(new Fault("SyntaxError", message, help), { line, from: i });
  while (i < source.length) {
    if (isStart && depth === 0) {
      const width = /^[ \t]*/.exec(source.slice(i, i + 200))[0].length;
      const next = source[i + width];
      if (next === "\n" || next === "#" || next === undefined) {
        const end = source.indexOf("\n", i);
        i = end < 0 ? source.length : end + 1;
        line++;
        continue;
      }
      i += width;
      isStart = false;
      if (width > indents[indents.length - 1]) {
        indents.push(width);
        push("indent", i, i);
      }
      while (width < indents[indents.length - 1]) {
        indents.pop();
        push("dedent", i, i);
      }
      if (width !== indents[indents.length - 1])
        throw wrong(
          "unindent does not match any outer indentation level",
          "Lines of one block begin below each other.",
        );
    }
    const rest = source.slice(i, i + 4000);
    const c = source[i];
    if (c === "\n") {
      if (depth === 0) {
        push("newline", i, i);
        isStart = true;
      }
      i++;
      line++;
    } else if (c === " " || c === "\t" || c === "\r" || c === "\f" || c === "\u00a0") i++;
    else if (c === "#") {
      const end = source.indexOf("\n", i);
      i = end < 0 ? source.length : end;
    } else if (c === "\\" && /^\\\r?\n/.test(rest)) {
      i += rest[1] === "\r" ? 3 : 2;
      line++;
    } else {
      const text = TEXT.exec(rest);
      const name = !text && NAME.exec(rest);
      const number = !text && !name && NUMBER.exec(rest);
      const sign = !text && !name && !number && SIGNS.exec(rest);
      const found = text || name || number || sign;
      if (!found) {
        if (c === '"' || c === "'") throw wrong("unterminated string literal", `The text that ${c} begins has no end.`);
        throw wrong(
          `invalid character '${c}' (U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")})`,
          "Python has no such sign.",
        );
      }
      if (text && /^[rR]?[bB]/.test(text[0])) throw faultAt(outside("A text with b before it"), { line, from: i });
      if (sign && "([{".includes(sign[0])) depth++;
      if (sign && ")]}".includes(sign[0])) depth = Math.max(0, depth - 1);
      const end = i + found[0].length;
      push(text ? "text" : name ? "name" : number ? "number" : "sign", i, end);
      line += text ? found[0].split("\n").length - 1 : 0;
      i = end;
    }
  }
  if (!isStart) push("newline", i, i);
  while (indents.pop() > 0) push("dedent", i, i);
  push("end", i, i);
  return tokens;
}
