// Puzzles of the kind "whom does this token see?": the tokens that it depends on.

import { notYet, randomBelow, shuffledList } from "./puzzle_parts.js";
import { freshStrides } from "./strided.js";
import { unravel } from "../../lens/permute_lens/recording.js";

const SIDE = 5;
const TOKENS = Array.from({ length: SIDE * SIDE }, (_, k) => k);

/**
 * @typedef {object} Layer
 * @property {string} name as it stands in a sentence
 * @property {(x: string) => string} code
 * @property {(from: number, to: number) => boolean} sees whether one token goes into another
 */

const rowOf = (k) => Math.floor(k / SIDE);
const columnOf = (k) => k % SIDE;
const near = (a, b) => Math.abs(a - b) <= 1;

/** @type {Record<string, Layer>} */
const LAYERS = {
  height: {
    name: "the height branch",
    code: (x) => `height(${x})`,
    sees: (from, to) => columnOf(from) === columnOf(to),
  },
  width: { name: "the width branch", code: (x) => `width(${x})`, sees: (from, to) => rowOf(from) === rowOf(to) },
  channel: { name: "the channel branch", code: (x) => `channel(${x})`, sees: (from, to) => from === to },
  square: {
    name: "the 3 × 3 convolution",
    code: (x) => `convolution(${x})`,
    sees: (from, to) => near(rowOf(from), rowOf(to)) && near(columnOf(from), columnOf(to)),
  },
};

/** Two or more layers that are added. @returns {Layer} */
function added(name, ...layers) {
  return {
    name,
    code: (x) => layers.map((layer) => layer.code(x)).join(" + "),
    sees: (from, to) => layers.some((layer) => layer.sees(from, to)),
  };
}

const SUMS = [
  added("the sum of the three branches", LAYERS.height, LAYERS.width, LAYERS.channel),
  added("the sum of two branches", LAYERS.height, LAYERS.channel),
  added("the sum of two branches", LAYERS.width, LAYERS.channel),
  added("the sum of a branch and the convolution", LAYERS.height, LAYERS.square),
  added("the sum of a branch and the convolution", LAYERS.width, LAYERS.square),
];

/** @returns {Omit<import("./puzzle_kinds.js").Puzzle, "kind" | "number" | "level">} */
export function make(level, random) {
  const single = shuffledList([LAYERS.height, LAYERS.width, LAYERS.square], random);
  const sum = SUMS[randomBelow(SUMS.length, random)];
  const layers = [[single[0]], single.slice(0, 2), [sum], [sum, single[0]]][level - 1];
  const to = TOKENS[randomBelow(TOKENS.length, random)];
  const seen = seenThrough(layers, to);
  const place = `row ${rowOf(to)}, column ${columnOf(to)}`;
  const code = layers.reduce((x, layer) => layer.code(x), "x");
  const answer = named(seen);
  return {
    ask: `On which tokens of x, ${SIDE} × ${SIDE}, does the token of y in ${place} depend? It is framed; choose them, then check.`,
    shape: [SIDE, SIDE],
    strides: freshStrides([SIDE, SIDE]),
    axes: ["H", "W"],
    born: {
      axes: ["H", "W"],
      shape: [SIDE, SIDE],
      said: "The framed token depends on all tokens from which a path leads to it, whatever the weights are.",
    },
    calls: [],
    code: `y = ${code}`,
    mark: to,
    tokens: SIDE,
    example: "00 01 14",
    answer,
    hints: [
      "A branch takes from a whole line: height from the column, width from the row, channel from the token itself. A 3 × 3 convolution takes from the token and the eight around it.",
      layers.length > 1
        ? `Go backwards. Of what ${layers[0].name} gives, ${layers[1].name} takes ${count(seenThrough(layers.slice(1), to))}. Whom has each of these seen?`
        : "What is added up is seen if any of the parts sees it.",
      `It depends on ${count(seen)}.`,
    ],
    judge: (text) => judge({ layers, to, seen, place }, text),
  };
}

/** The tokens from which a path leads to a token, the last layer being the outermost. */
function seenThrough(layers, to) {
  return layers.reduceRight(
    (tokens, layer) => TOKENS.filter((from) => tokens.some((token) => layer.sees(from, token))),
    [to],
  );
}

/** Tokens as they are written in an answer: 12 is row 1, column 2. */
export const named = (tokens) => tokens.map((k) => unravel(k, [SIDE, SIDE]).join("")).join(" ");

const spoken = (k) => `row ${rowOf(k)}, column ${columnOf(k)}`;
const count = (tokens) => `${tokens.length} ${tokens.length === 1 ? "token" : "tokens"}`;

function judge({ layers, to, seen, place }, text) {
  const words = text.split(/[\s,;]+/).filter(Boolean);
  const inside = new RegExp(`^[0-${SIDE - 1}]{2}$`);
  const strange = words.find((word) => !inside.test(word));
  if (strange !== undefined || !words.length)
    return notYet(`Choose tokens; in writing each is two digits, row and column from 0 to ${SIDE - 1}, such as 14.`);
  const chosen = TOKENS.filter((k) => words.includes(named([k])));
  const picture = (tokens, caption) => ({
    caption: `${caption}: ${count(tokens)}`,
    shape: [SIDE, SIDE],
    births: TOKENS.map((k) => (tokens.includes(k) ? k : -1)),
    mark: to,
  });
  const missing = seen.find((k) => !chosen.includes(k));
  const tooMany = chosen.find((k) => !seen.includes(k));
  const wanted = picture(seen, "what it depends on");
  if (missing === undefined && tooMany === undefined)
    return { right: true, words: `The token in ${place} depends on ${count(seen)} of ${TOKENS.length}.`, wanted };
  const mine = picture(chosen, "yours");
  if (tooMany !== undefined) return notYet(`No path leads from ${spoken(tooMany)} to it.`, mine);
  if (layers.length < 2)
    return notYet(`The token in ${spoken(missing)} is missing: ${layers[0].name} takes from it.`, mine);
  const between = seenThrough(layers.slice(1), to).find((k) => layers[0].sees(missing, k));
  return notYet(
    `The token in ${spoken(missing)} is missing: ${layers[1].name} takes ${spoken(between)}, and ${layers[0].name} has made that from it.`,
    mine,
  );
}
