// Puzzles of the kind "which line does this?": a picture, and several lines of code.

import { birthsIn, freshStrides, freshTensor, tensorsAlong } from "./strided.js";
import { callText, codeOf, gridPicture, notYet, rowsCompared, sameList, shuffledList } from "./puzzle_parts.js";
import { tuple } from "../../lens/permute_lens/words.js";

const LETTERS = ["A", "B", "C", "D"];

/** @returns {Omit<import("./puzzle_kinds.js").Puzzle, "kind" | "number" | "level">} */
export function make(level, random) {
  const { tensor, axes, sizes, born, lines, told } = [permutes, flattened, waysIn, waysHome][level - 1]();
  const chains = shuffledList(lines, random)
    .slice(0, LETTERS.length)
    .map((calls) => ({ calls, made: tensorsAlong(tensor, calls, sizes).at(-1) }));
  const right = Math.floor(random() * chains.length);
  const { made } = chains[right];
  const others = chains.filter((_, i) => i !== right);
  const crossed = others[Math.floor(random() * others.length)];
  return {
    ask: `x = ${tuple(axes)} = ${tuple(tensor.shape)}${told}. Which of the lines has made the picture “what came out”?`,
    shape: tensor.shape,
    strides: tensor.strides,
    strip: tensor.strip,
    axes,
    born,
    sizes,
    calls: chains[right].calls,
    code: "",
    target: gridPicture(made, `what came out: ${tuple(made.shape)}`),
    lines: chains.map(({ calls }, i) => ({ letter: LETTERS[i], code: codeOf(calls) })),
    example: "B",
    answer: LETTERS[right],
    hints: [
      "Look at the first row of what came out. Which axes does it walk along: does the row of the picture change, or the column?",
      `It is not ${LETTERS[chains.indexOf(crossed)]}.`,
      `The line ${chains[right].calls[0].op === "permute" ? `begins with ${callText(chains[right].calls[0])}` : "has no permute"}.`,
    ],
    judge: (text) => judge({ chains, right, made, born }, text),
  };
}

/** All axes of one length: no shape tells them apart. */
function permutes() {
  const shape = [3, 3, 3];
  const orders = [
    [0, 2, 1],
    [1, 0, 2],
    [2, 1, 0],
    [1, 2, 0],
    [2, 0, 1],
  ];
  return {
    tensor: freshTensor(shape),
    axes: ["H", "W", "C"],
    sizes: {},
    born: { axes: ["H", "W", "C"], shape },
    lines: orders.map((args) => [{ op: "permute", args }]),
    told: "",
  };
}

/** A merge of two axes after several permutes, all of one shape. */
function flattened() {
  const shape = [4, 4, 2];
  const merge = { op: "reshape", args: [4, 8] };
  const orders = [
    [1, 0, 2],
    [0, 2, 1],
    [1, 2, 0],
  ];
  return {
    tensor: freshTensor(shape),
    axes: ["H", "W", "C"],
    sizes: {},
    born: { axes: ["H", "W", "C"], shape },
    lines: [[merge], ...orders.map((args) => [{ op: "permute", args }, merge])],
    told: "",
  };
}

const SIZES = { B: 1, H: 3, W: 3, N: 3, S: 2, C: 6 };
const PARTS = ["B", "H", "W", "N", "S"];
const CUT = { axes: PARTS, shape: PARTS.map((name) => SIZES[name]) };

/** What brings columns or rows side by side, and what does not. */
function waysIn() {
  const line = (args) => [...(args ? [{ op: "permute", args }] : []), { op: "reshape", args: ["B", "N", "W", "H*S"] }];
  return {
    tensor: freshTensor(CUT.shape),
    axes: PARTS,
    sizes: SIZES,
    born: CUT,
    lines: [null, [0, 3, 2, 1, 4], [0, 1, 3, 2, 4], [0, 3, 1, 2, 4], [0, 2, 3, 1, 4]].map(line),
    told: ", with H = W = N as the module needs it",
  };
}

/** The way back of the height branch, and how it is got wrong. */
function waysHome() {
  const rows = tensorsAlong(freshTensor(CUT.shape), [{ op: "permute", args: [0, 3, 2, 1, 4] }]).at(-1);
  const line = (args) => [...(args ? [{ op: "permute", args }] : []), { op: "reshape", args: ["B", "H", "W", "C"] }];
  return {
    tensor: { shape: rows.shape, strides: freshStrides(rows.shape), strip: birthsIn(rows) },
    axes: ["B", "N", "W", "H", "S"],
    sizes: SIZES,
    born: CUT,
    lines: [null, [0, 3, 2, 1, 4], [0, 2, 3, 1, 4], [0, 3, 2, 4, 1], [0, 2, 3, 4, 1]].map(line),
    told: ", the columns that the height branch has mixed",
  };
}

function judge({ chains, right, made, born }, text) {
  const typed = text.replaceAll(" ", "").toLowerCase();
  const chosen = chains.findIndex(
    ({ calls }, i) => typed === LETTERS[i].toLowerCase() || typed === codeOf(calls).replaceAll(" ", "").toLowerCase(),
  );
  if (chosen < 0) return notYet(`Choose a line, ${LETTERS.slice(0, -1).join(", ")} or ${LETTERS.at(-1)}.`);
  const wanted = gridPicture(made, `what came out: ${tuple(made.shape)}`);
  const { calls, made: mine } = chains[chosen];
  if (chosen === right) return { right: true, words: `${codeOf(calls)} does that.`, wanted };
  const words = sameList(mine.shape, made.shape)
    ? rowsCompared(mine, made, born)
        .replaceAll("of yours", `of ${LETTERS[chosen]}`)
        .replace("asked is", "the picture has")
        .replace("as asked", "as the picture has")
    : `${LETTERS[chosen]} makes the shape ${tuple(mine.shape)}.`;
  return notYet(words, gridPicture(mine, `what ${LETTERS[chosen]} makes`), wanted);
}
