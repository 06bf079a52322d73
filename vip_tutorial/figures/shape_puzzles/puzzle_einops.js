// Puzzles of the kind "which einops pattern does the same?"

import { birthsIn, freshStrides, freshTensor, inverseOrder, permuted, tensorsAlong } from "./strided.js";
import {
  alongRow,
  axesCount,
  randomBelow,
  codeOf,
  gridPicture,
  pictureSizes,
  rowsCompared,
  sameList,
  axesSentence,
  bornAlong,
  walkWords,
  notYet,
  otherOrder,
} from "./puzzle_parts.js";
import { readPattern, shapeOfSide, sizesOfNames } from "./puzzle_reading.js";
import { tuple } from "../../lens/permute_lens/words.js";

const WAYS_IN = [
  [0, 3, 2, 1, 4],
  [0, 1, 3, 2, 4],
  [0, 3, 1, 2, 4],
]; // height, width, the article's width

/** @returns {Omit<import("./puzzle_kinds.js").Puzzle, "kind" | "number" | "level">} */
export function make(level, random) {
  const { B, H, W, C, N, S } = pictureSizes(random, 2);
  const sizes = level < 3 ? { B, H, W, C: N } : { B, H, W, C, N, S };
  const token = "BHWC".split("");
  const parts = "BHWNS".split("");
  let [begin, end, calls] = [token.map((name) => [name]), null, null];
  if (level < 3) {
    const order = [0, ...otherOrder([1, 2, 3], random)];
    end = order.map((axis) => [token[axis]]);
    calls = [{ op: "permute", args: order }];
    if (level === 2) {
      const at = 1 + randomBelow(2, random);
      end = [...end.slice(0, at), [...end[at], ...end[at + 1]], ...end.slice(at + 2)];
      calls.push({ op: "reshape", args: end.map((group) => group.join("*")) });
    }
  } else {
    const order = WAYS_IN[randomBelow(3, random)];
    const turned = order.map((axis) => parts[axis]);
    const rows = [...turned.slice(0, 3).map((name) => [name]), turned.slice(3)];
    const picture = [["B"], ["H"], ["W"], ["N", "S"]];
    [begin, end] = level === 3 ? [picture, rows] : [rows, picture];
    const split = begin.flat();
    calls = [
      { op: "reshape", args: split },
      { op: "permute", args: level === 3 ? order : inverseOrder(order) },
      { op: "reshape", args: level === 3 ? end.map((group) => group.join("*")) : token },
    ];
  }
  const shape = shapeOfSide(begin, sizes);
  const axes = begin.map((group) => group.join("*").replace("N*S", "C"));
  const right = tensorsAlong(freshTensor(shape), calls, sizes).at(-1);
  const rows = (level === 4 ? begin : end).at(-1);
  const born = {
    axes: begin.flat(),
    shape: begin.flat().map((name) => sizes[name]),
    ...bornAlong(level > 2 ? rows : []),
  };
  const answer = `${sideText(begin)} -> ${sideText(end)}`;
  return {
    ask: `${axesSentence(shape, true, axes)}${level > 2 ? `, with N = ${sizes.N} and S = ${sizes.S}` : ""}. Which einops pattern does the same as ${calls.length > 1 ? "these calls" : "this call"}?`,
    shape,
    strides: freshStrides(shape),
    axes,
    born,
    sizes,
    calls,
    code: codeOf(calls),
    example: "a b c -> a (c b)",
    answer,
    hints: [
      "On the left stand the axes of what comes in, one lower-case letter each, in their order. An axis that gets cut stands as its parts, in brackets.",
      `The left side is ${sideText(begin)}.`,
      `On the right the same letters stand in this order: ${end.flat().join(" ").toLowerCase()}. ${end.some((group) => group.length > 1) ? "Put brackets around those that become one axis." : "No brackets: nothing is merged."}`,
    ],
    judge: (text) => judge({ shape, right, born, sizes, given: sideText(begin) }, text),
  };
}

function judge({ shape, right, born, sizes, given }, text) {
  const { sides, problem } = readPattern(text, shape.length, given);
  if (problem) return notYet(problem);
  const [left, end] = sides;
  if (left.length !== shape.length)
    return notYet(
      `Your left side has ${axesCount(left.length)}; what comes in has ${shape.length}, ${tuple(shape)}. Bracket the parts of an axis that gets cut.`,
    );
  const lone = left.findIndex((group, i) => !group.length && shape[i] !== 1);
  if (lone >= 0) return notYet(`A 1 stands for an axis of size 1; axis ${lone} has size ${shape[lone]}.`);
  const wantedBirths = birthsIn(right);
  const outcome = (named) => {
    const cut = freshTensor(left.flat().map((name) => named[name]));
    const turned = permuted(
      cut,
      end.flat().map((name) => left.flat().indexOf(name)),
    );
    return { shape: shapeOfSide(end, named), births: birthsIn(turned) };
  };
  const outcomes = sizesOfNames(left, shape, sizes).map(outcome);
  const wanted = gridPicture(right, `asked: ${tuple(right.shape)}`);
  if (outcomes.some((made) => sameList(made.shape, right.shape) && sameList(made.births, wantedBirths)))
    return {
      right: true,
      words: `The pattern names what goes in and what comes out; the reshapes and the permute follow from it. Each row holds ${walkWords(alongRow(right, 0, born))}.`,
      wanted,
    };
  // Letters of the puzzle mean its sizes; others may mean those that fit.
  const isFamiliar = left.flat().every((name) => Object.hasOwn(sizes, name.toUpperCase()));
  const mine = (!isFamiliar && outcomes.find((made) => sameList(made.shape, right.shape))) || outcomes[0];
  const strip = { shape: mine.shape, strides: freshStrides(mine.shape), strip: mine.births };
  const picture = gridPicture(strip, `yours: ${tuple(mine.shape)}`);
  if (!sameList(mine.shape, right.shape))
    return notYet(
      `Your pattern makes the shape ${tuple(mine.shape)}; the line makes ${tuple(right.shape)}.`,
      picture,
      wanted,
    );
  return notYet(rowsCompared(strip, right, born), picture, wanted);
}

function sideText(groups) {
  return groups
    .map((group) => (group.length > 1 ? `(${group.join(" ")})` : group[0]))
    .join(" ")
    .toLowerCase();
}
