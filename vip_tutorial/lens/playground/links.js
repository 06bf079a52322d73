// A program as text that can stand in a link, and back.

import { EXAMPLES, ofExample } from "./examples.js";

const LONGEST = 8000; // characters of a link that mail and chat let through
const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const MOST_UNPACKED = 50_000; // characters of what a compressed link holds
const EXTRAS = ["map", "same", "kept"]; // may be empty, and then stand in no link
const KEYS = ["code", "shape", "axes", "values", ...EXTRAS];
const LIMITS = { code: 20_000, shape: 60, axes: 200, values: 10, map: 400, same: 400, kept: 20_000 };

/** Text as letters, digits, - and _. */
export function packed(text) {
  return lettersOf(unescapedBytes(text.toWellFormed()));
}

function lettersOf(bytes) {
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
  try {
    return decodeURIComponent(
      bytesOf(letters)
        .map((byte) => `%${byte.toString(16).padStart(2, "0")}`)
        .join(""),
    );
  } catch {
    return null;
  }
}

/** The bytes that letters stand for; null if they are none. */
function bytesOf(letters) {
  if (!/^[\w-]*$/.test(letters) || letters.length % 4 === 1) return null;
  const found = [];
  let [bits, held] = [0, 0];
  for (const letter of letters) {
    held = ((held << 6) | DIGITS.indexOf(letter)) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    found.push((held >> bits) & 255);
  }
  return found;
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
  const text = textOf(program, first);
  return text.length > LONGEST ? tooLong(text) : { text, problem: "" };
}

/** As writeLink, and compressed where the browser can do that and it makes the link shorter. */
export async function writeShortLink(program, first) {
  const text = textOf(program, first);
  const json = jsonOf(program);
  const isCompressed = typeof CompressionStream !== "undefined" && json.length <= MOST_UNPACKED;
  const short = isCompressed ? `v2;z=${lettersOf(await deflated(json))}` : text;
  const best = short.length < text.length ? short : text;
  return best.length > LONGEST ? tooLong(best) : { text: best, problem: "" };
}

const jsonOf = (program, keys = KEYS) => {
  const said = keys.filter((key) => key === "map" || !EXTRAS.includes(key) || program[key]);
  return JSON.stringify(Object.fromEntries(said.map((key) => [key, program[key]])));
};

const tooLong = ({ length }) => ({
  text: "v1",
  problem: `This program is too long for a link: it would have ${length.toLocaleString("en")} characters, and many places cut a link off after ${LONGEST.toLocaleString("en")}. Leave out what moves nothing, or send the code as text.`,
});

function textOf(program, first) {
  if (KEYS.every((key) => program[key] === first[key])) return "v1";
  const example = EXAMPLES.find(
    ({ code, shape, axes }) => code === program.code && shape.join(", ") === program.shape && axes === program.axes,
  );
  if (!example || program.values !== "numbered") return `v1;p=${packed(jsonOf(program))}`;
  const isPlain = EXTRAS.every((key) => !program[key]);
  return `v1;example=${example.name}${isPlain ? "" : `;p=${packed(jsonOf(program, EXTRAS))}`}`;
}

async function deflated(text) {
  const stream = new Blob([text.toWellFormed()]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  return [...new Uint8Array(await new Response(stream).arrayBuffer())];
}

/** The text again; null if it is damaged, or longer than any program: few letters can hold very many. */
async function inflated(bytes) {
  const packed = new Blob([Uint8Array.from(bytes)]).stream();
  const reader = packed.pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return text + decoder.decode();
      text += decoder.decode(value, { stream: true });
      if (text.length > MOST_UNPACKED) {
        reader.cancel().catch(() => {});
        return null;
      }
    }
  } catch {
    return null;
  }
}

/** Whether a link has to be unpacked before it can be read. */
export const isShortLink = (text) => String(text).startsWith("v2;");

/** As readLink, of a compressed link too. */
export async function readAnyLink(text, first) {
  if (!isShortLink(text)) return readLink(text, first);
  if (typeof DecompressionStream === "undefined")
    return { program: { ...first }, problem: "This link is compressed, and this browser cannot unpack it." };
  const letters = /^v2;z=([\w-]+)$/.exec(String(text).slice(0, 2 * LONGEST))?.[1];
  const bytes = letters && bytesOf(letters);
  return filled(bytes ? await inflated(bytes) : null, first) ?? noProgram(first);
}

const noProgram = (first) => ({
  program: { ...first },
  problem: "This link holds no program that the playground knows; it shows its first one.",
});

/** A program with what a JSON text says of it; null if that is none. */
function filled(json, program) {
  let data;
  try {
    data = JSON.parse(json ?? "");
  } catch {
    return null;
  }
  if (!data || typeof data !== "object") return null;
  const found = { ...program };
  for (const key of KEYS) {
    const value = Object.hasOwn(data, key) ? data[key] : (program[key] ?? "");
    if (typeof value !== "string" || value.length > LIMITS[key]) return null;
    found[key] = value;
  }
  return ["numbered", "random"].includes(found.values) ? { program: found, problem: "" } : null;
}

/**
 * The program that a link holds.
 * @param {string} text
 * @param {import("./playground.js").Program} first
 * @returns {{program: import("./playground.js").Program, problem: string}}
 */
export function readLink(text, first) {
  const bad = noProgram(first);
  const [version, ...parts] = String(text)
    .slice(0, 2 * LONGEST)
    .split(";");
  if (version !== "v1") return bad;
  let program = { ...first };
  for (const part of parts) {
    if (part.startsWith("example=")) {
      const example = EXAMPLES.find(({ name }) => name === part.slice(8));
      if (!example) return bad;
      program = ofExample(example);
    } else if (part.startsWith("p=")) {
      const found = filled(unpacked(part.slice(2)), program);
      if (!found) return bad;
      program = found.program;
    } else if (part) return bad;
  }
  return { program, problem: "" };
}
