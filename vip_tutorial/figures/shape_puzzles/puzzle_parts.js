// What the kinds of puzzles share: what a row of a tensor holds in words, the pictures of a
// verdict, sizes and chance.

import { birthsIn } from "./strided.js";
import { unravel } from "../../lens/permute_lens/recording.js";
import { tuple } from "../../lens/permute_lens/words.js";

/** Which of the axes that births are counted along change within row `row` of a tensor. */
export function alongRow(tensor, row, { axes, shape }) {
  const births = rowsOfBirths(tensor)[row].map((birth) => unravel(birth, shape));
  return axes.filter((_, axis) => births.some((at) => at[axis] !== births[0][axis]));
}

function rowsOfBirths(tensor) {
  const births = birthsIn(tensor);
  const length = tensor.shape.at(-1);
  return Array.from({ length: births.length / length }, (_, row) => births.slice(row * length, (row + 1) * length));
}

/** @returns {{walks?: "W"}} whether rows that walk along these axes go from column to column */
export const bornAlong = (names) => (names.includes("W") && !names.includes("H") ? { walks: "W" } : {});

/** "one segment of one column": what a row that walks along these axes holds. */
export function walkWords(names) {
  const has = (name) => names.includes(name);
  const where =
    has("H") && has("W")
      ? "tokens in several rows and columns"
      : has("H")
        ? "one column"
        : has("W")
          ? "one row of the picture"
          : "one token";
  const what =
    has("C") || (has("N") && has("S"))
      ? "all channels"
      : has("S")
        ? "one segment"
        : has("N")
          ? "one channel of every segment"
          : "one channel";
  return `${what} of ${where}${has("B") ? ", from several pictures" : ""}`;
}

export function rowsCompared(mine, right, born) {
  const [mineRows, rightRows] = [rowsOfBirths(mine), rowsOfBirths(right)];
  const row = rightRows.findIndex((births, i) => !sameList(births, mineRows[i]));
  const [got, asked] = [alongRow(mine, row, born), alongRow(right, row, born)];
  if (walkWords(got) !== walkWords(asked))
    return `Row ${row} of yours holds ${walkWords(got)}; asked is ${walkWords(asked)}.`;
  const sorted = (births) => [...births].sort((a, b) => a - b);
  if (sameList(sorted(mineRows[row]), sorted(rightRows[row])))
    return `Row ${row} of yours holds the right numbers in the wrong order: the axis that stands last among the merged ones is the one that runs fastest.`;
  return `Each row of yours holds ${walkWords(got)}, as asked, but the rows stand in another order.`;
}

export function notYet(words, mine, wanted) {
  return { right: false, words, mine, wanted };
}

export function gridPicture(tensor, caption) {
  return { caption, shape: tensor.shape, births: birthsIn(tensor) };
}

export function listedNumbers(numbers) {
  return numbers.length > 8 ? `(${numbers.slice(0, 8).join(", ")}, …)` : tuple(numbers);
}

/** Whether the numbers name each of `rank` axes once. */
export function isOrder(numbers, rank) {
  return numbers.length === rank && [...numbers].sort((a, b) => a - b).every((axis, i) => axis === i);
}

/** No two of H, W and N are equal, so nothing fits by accident. */
export function pictureSizes(random, B) {
  const [H, W, N] = shuffledList([2, 3, 4], random);
  return { B, H, W, C: 2 * N, N, S: 2 };
}

export function axesSentence(shape, named = false, axes = ["B", "H", "W", "C"]) {
  return named ? `x has the axes ${tuple(axes)} = ${tuple(shape)}` : `x is fresh, of shape ${tuple(shape)}`;
}

export function callText({ op, args }) {
  return `.${op}(${args.join(", ").replaceAll("*", " * ")})`;
}

export function codeOf(calls) {
  return `x${calls.map(callText).join("")}`;
}

export function axesCount(count) {
  return `${count} ${count === 1 ? "axis" : "axes"}`;
}

export function sameList(one, other) {
  return one.length === other.length && one.every((value, i) => value === other[i]);
}

// --- chance that can be repeated --------------------------------------------------

/** Random numbers from 0 to 1: Tommy Ettinger's mulberry32. */
export function randomFrom(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** FNV-1a: a text as a whole number. */
export function hashOfText(text) {
  let hash = 0x811c9dc5;
  for (const letter of text) hash = Math.imul(hash ^ letter.codePointAt(0), 0x01000193);
  return hash >>> 0;
}

export function randomBelow(limit, random) {
  return Math.floor(random() * limit);
}

export function shuffledList(list, random) {
  const left = [...list];
  return list.map(() => left.splice(randomBelow(left.length, random), 1)[0]);
}

/** Another order of the axes; `circle`: one that does not undo itself, if there are three. */
export function otherOrder(axes, random, circle = false) {
  for (;;) {
    const order = shuffledList(axes, random);
    const stays = order.every((axis, i) => axis === axes[i]);
    const undoesItself = order.every((axis, i) => order[axes.indexOf(axis)] === axes[i]);
    if (!stays && !(circle && undoesItself)) return order;
  }
}
