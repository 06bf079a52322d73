// Reads what a reader typed into a puzzle: sizes, orders of axes, addresses and einops
// patterns, each in any of its usual notations.  What cannot be read gets a sentence.

import { sizeOf } from "../../lens/permute_lens/recording.js";

const LONGEST_ANSWER = 200;
const MOST_AXES = 8; // in a pattern; more would take long to try
const MOST_TYPED = 1e9;

/**
 * The answer without its accidents (full-width signs, spaces at the ends).
 * @returns {{text?: string, problem?: string}}
 */
export function tidyAnswer(given, example) {
  const long = String(given);
  if (long.length > LONGEST_ANSWER)
    return {
      problem: `That is ${long.length.toLocaleString("en")} characters long; an answer here takes far less than ${LONGEST_ANSWER}.`,
    };
  const text = long.normalize("NFKC").trim();
  return text ? { text } : { problem: `Type an answer first, for example ${example}.` };
}

/**
 * A list of whole numbers: "(2, 3, 4)", "2,3,4", "[2 3 4]", "2 x 3 x 4",
 * "torch.Size([2, 3, 4])", "x.permute(0, 2, 1)", and with names "(B, N, W, H*S)".
 * @param {string} text tidied
 * @param {Record<string, number>} names what a name stands for
 * @returns {{numbers?: number[], problem?: string}}
 */
export function readNumbers(text, names = {}) {
  let inside = text.replace(/^[\w.]*(?=\()/, "").replace(/\.$/, "");
  // Between commas a cross multiplies; without them it stands between the sizes.
  if (/[,;]/.test(inside)) inside = inside.replace(/\s*[×⋅]\s*|\s+x\s+/gi, "*");
  inside = inside.replace(/\s*(\*|·|\/\/|\/|\+)\s*/g, "$1");
  for (let bracketed; (bracketed = /^[([{](.*)[)\]}]$/s.exec(inside.trim()));) inside = bracketed[1];
  const numbers = [];
  for (const part of inside.split(/[\s,;x×]+/i).filter(Boolean)) {
    const number = valueTyped(part, names);
    if (typeof number === "string") return { problem: number };
    numbers.push(number);
  }
  return numbers.length ? { numbers } : { problem: `There is no number in “${shortened(text)}”.` };
}

/** A whole number, or a sentence saying why `part` is none. */
function valueTyped(part, names) {
  const known = Object.keys(names);
  let sum = 0;
  for (const term of part.split("+")) {
    let product = 1;
    for (const [, sign, factor] of term.replace(/[()]/g, "").matchAll(/(^|\*|·|\/\/|\/)([^*·/]*)/g)) {
      const named = names[factor.toUpperCase()];
      if (named === undefined && !/^\d+$/.test(factor)) {
        if (/^-\d+$/.test(factor)) return `${shortened(factor)} is below zero; no number here is.`;
        return `“${shortened(part)}” is no whole number${known.length ? `, and no name of this puzzle (${known.join(", ")})` : ""}.`;
      }
      const value = named ?? Number(factor);
      product = sign.startsWith("/") ? product / value : product * value;
      if (sign === "//") product = Math.floor(product);
      if (!Number.isInteger(product)) return `“${shortened(part)}” is no whole number.`;
    }
    sum += product;
  }
  return sum < MOST_TYPED ? sum : `${shortened(part)} is far more than there is in this puzzle.`;
}

/** The beginning of what somebody typed. */
function shortened(text) {
  const letters = [...text];
  return letters.length > 16 ? `${letters.slice(0, 15).join("")}…` : text;
}

/**
 * An einops pattern, in quotes or not: "b h w (n s) -> b n w (h s)".
 * @param {string} text tidied
 * @param {number} rank axes of what comes in, for "..."
 * @param {string} [given] the left side of who types the right one alone
 * @returns {{sides?: string[][][], problem?: string}} two sides, of groups, of names
 */
export function readPattern(text, rank, given) {
  const pattern = (/(["'“”])(.*?)(["'“”])/s.exec(text)?.[2] ?? text).replace(/→|=>/g, "->");
  const halves = pattern.split("->");
  if (given && halves.length === 1) halves.unshift(/[a-z]/.test(pattern) ? given : given.toUpperCase());
  if (halves.length !== 2)
    return { problem: "A pattern has two sides with one arrow between them, for example a b -> b a." };
  const sides = [];
  for (const half of halves) {
    const side = readSide(half);
    if (typeof side === "string") return { problem: side };
    sides.push(side);
  }
  const dots = sides.map((side) => side.filter(([name]) => name === "...").length);
  if (dots[0] !== dots[1] || dots[0] > 1)
    return { problem: "The dots ... may stand once on each side, for the same axes." };
  const missing = Array.from({ length: Math.max(0, rank + 1 - sides[0].length) }, (_, i) => [`.${i}`]);
  const [left, right] = sides.map((side) => side.flatMap((group) => (group[0] === "..." ? missing : [group])));
  const names = [left, right].map((side) => side.flat());
  for (const [i, where] of ["left", "right"].entries()) {
    const twice = names[i].find((name, at) => names[i].indexOf(name) !== at);
    if (twice)
      return {
        problem: `The axis ${shortened(twice)} stands twice on the ${where}; each axis needs a letter of its own.`,
      };
    const lost = names[i].find((name) => !names[1 - i].includes(name));
    if (lost)
      return { problem: `The axis ${shortened(lost)} stands on the ${where} only; no axis may appear or get lost.` };
  }
  if (names[0].length > MOST_AXES)
    return { problem: `That names ${names[0].length} axes; this puzzle has no more than ${MOST_AXES}.` };
  return { sides: [left, right] };
}

/** Groups of names; a 1 is a group with no name in it, or nothing inside a group. */
function readSide(half) {
  const side = [];
  let group = null;
  for (const [token] of half.matchAll(/[()]|\.\.\.|[a-z]\w*|\d+|\S/gi)) {
    if (token === "(" && group) return "Brackets in brackets have no meaning here: (a b c) is one axis made of three.";
    if (token === ")" && !group) return "There is a ) with no ( before it.";
    if (token === "(") side.push((group = []));
    else if (token === ")") group = null;
    else if (token === "..." && group) return "The dots ... may not stand in brackets.";
    else if (token === "," || token === "*")
      return `A pattern has no “${token}”: spaces stand between axes, and (a b) is a times b.`;
    else if (/^\d/.test(token) && token !== "1")
      return `${shortened(token)}? Name the axes by letters; the only number that a pattern takes is 1.`;
    else if (!/^(1|\.\.\.|[a-z]\w*)$/i.test(token)) return `“${shortened(token)}” is no name of an axis; use letters.`;
    else if (group) group.push(...(token === "1" ? [] : [token]));
    else side.push(token === "1" ? [] : [token]);
  }
  return group ? "There is a ( without its )." : side;
}

/**
 * All ways to give the names sizes so that the groups have those of `shape`; the ways
 * that agree most with `usual` sizes come first.
 * @param {string[][]} groups @param {number[]} shape @param {Record<string, number>} usual
 * @returns {Record<string, number>[]}
 */
export function sizesOfNames(groups, shape, usual) {
  let ways = [{}];
  groups.forEach((group, i) => {
    ways = ways.flatMap((way) =>
      cutsOfSize(shape[i], group.length).map((sizes) => ({
        ...way,
        ...Object.fromEntries(group.map((name, k) => [name, sizes[k]])),
      })),
    );
  });
  const agreeing = (way) => Object.keys(way).filter((name) => usual[name.toUpperCase()] === way[name]).length;
  return ways.sort((one, other) => agreeing(other) - agreeing(one));
}

/** All lists of `count` whole numbers whose product is `size`. */
function cutsOfSize(size, count) {
  if (count === 0) return size === 1 ? [[]] : [];
  if (count === 1) return [[size]];
  return divisorsOf(size).flatMap((first) => cutsOfSize(size / first, count - 1).map((rest) => [first, ...rest]));
}

function divisorsOf(size) {
  return Array.from({ length: size }, (_, i) => i + 1).filter((n) => size % n === 0);
}

/** Shape of a side of a pattern. */
export function shapeOfSide(groups, sizes) {
  return groups.map((group) => sizeOf(group.map((name) => sizes[name])));
}
