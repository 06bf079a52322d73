// A program as text that can stand in a link, and back.

import { EXAMPLES } from "./examples.js";

const LONGEST = 8000; // characters of a link that mail and chat let through
const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const KEYS = ["code", "shape", "axes", "values", "map"];
const LIMITS = { code: 20_000, shape: 60, axes: 200, values: 10, map: 400 };

/** Text as letters, digits, - and _. */
export function packed(text) {
  const bytes = unescapedBytes(text.toWellFormed());
  let found = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const [a, b = 0, c = 0] = bytes.slice(i, i + 3);
    const all = (a << 16) | (b << 8) | c;
    const count = Math.min(4, bytes.length - i + 1);
    for (let k = 0; k < count; k++) found += DIGITS[(all >> (18 - 6 * k)) & 63];
  }
  return found;
}

/** The text again; null if it is none. */
export function unpacked(letters) {
  if (!/^[\w-]*$/.test(letters) || letters.length % 4 === 1) return null;
  let [hex, bits, held] = ["", 0, 0];
  for (const letter of letters) {
    held = ((held << 6) | DIGITS.indexOf(letter)) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    hex += `%${((held >> bits) & 255).toString(16).padStart(2, "0")}`;
  }
  try {
    return decodeURIComponent(hex);
  } catch {
    return null;
  }
}

/** UTF-8. @returns {number[]} */
function unescapedBytes(text) {
  const found = [];
  for (const [piece] of encodeURIComponent(text).matchAll(/%..|[^%]/g))
    found.push(piece.length === 3 ? parseInt(piece.slice(1), 16) : piece.charCodeAt(0));
  return found;
}

/**
 * A program as the state of a figure.
 * @param {import("./playground.js").Program} program
 * @param {import("./playground.js").Program} first what needs no words
 * @returns {{text: string, problem: string}}
 */
export function writeLink(program, first) {
  const said = KEYS.filter((key) => program[key] !== first[key]);
  if (!said.length) return { text: "v1", problem: "" };
  const example = EXAMPLES.find(
    ({ code, shape, axes }) => code === program.code && shape.join(", ") === program.shape && axes === program.axes,
  );
  const rest = program.map ? { map: program.map } : {};
  const text =
    example && program.values === "numbered"
      ? `v1;example=${example.name}${program.map ? `;p=${packed(JSON.stringify(rest))}` : ""}`
      : `v1;p=${packed(JSON.stringify(Object.fromEntries(KEYS.map((key) => [key, program[key]]))))}`;
  if (text.length > LONGEST)
    return {
      text: "v1",
      problem: `This program is too long for a link: it would have ${text.length.toLocaleString("en")} characters, and many places cut a link off after ${LONGEST.toLocaleString("en")}. Leave out what moves nothing, or send the code as text.`,
    };
  return { text, problem: "" };
}

/**
 * The program that a link holds.
 * @param {string} text
 * @param {import("./playground.js").Program} first
 * @returns {{program: import("./playground.js").Program, problem: string}}
 */
export function readLink(text, first) {
  const bad = {
    program: { ...first },
    problem: "This link holds no program that the playground knows; it shows its first one.",
  };
  const [version, ...parts] = String(text)
    .slice(0, 2 * LONGEST)
    .split(";");
  if (version !== "v1") return bad;
  let program = { ...first };
  for (const part of parts) {
    if (part.startsWith("example=")) {
      const example = EXAMPLES.find(({ name }) => name === part.slice(8));
      if (!example) return bad;
      const { code, shape, axes } = example;
      program = { code, shape: shape.join(", "), axes, values: "numbered", map: "" };
    } else if (part.startsWith("p=")) {
      const json = unpacked(part.slice(2));
      let data;
      try {
        data = JSON.parse(json ?? "");
      } catch {
        return bad;
      }
      if (!data || typeof data !== "object") return bad;
      for (const key of KEYS) {
        const value = Object.hasOwn(data, key) ? data[key] : program[key];
        if (typeof value !== "string" || value.length > LIMITS[key]) return bad;
        program[key] = value;
      }
      if (!["numbered", "random"].includes(program.values)) return bad;
    } else if (part) return bad;
  }
  return { program, problem: "" };
}
