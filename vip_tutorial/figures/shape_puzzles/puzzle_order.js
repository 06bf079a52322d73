// Puzzles of the kind "which permute?": before a reshape that merges, or to undo another.

import { applyCall, birthsIn, freshTensor, inverseOrder, permuted } from "./strided.js";
import {
  axesCount,
  callText,
  codeOf,
  gridPicture,
  isOrder,
  listedNumbers,
  otherOrder,
  pictureSizes,
  rowsCompared,
  sameList,
  axesSentence,
  bornAlong,
  walkWords,
  notYet,
} from "./puzzle_parts.js";
import { readNumbers } from "./puzzle_reading.js";
import { tuple } from "../../lens/permute_lens/words.js";

/** @returns {Omit<import("./puzzle_kinds.js").Puzzle, "kind" | "number" | "level">} */
export function make(level, random, number) {
  const sizes = pictureSizes(random, 1);
  const axes = [
    ["H", "W", "C"],
    ["H", "W", "N", "S"],
    ["B", "H", "W", "N", "S"],
    ["B", "H", "W", "N", "S"],
  ][level - 1];
  const shape = axes.map((name) => sizes[name]);
  const rank = axes.length;
  const undo = number % 2 === 0;
  const circle = number === 2; // the first to be undone does not undo itself
  const all = axes.map((_, axis) => axis);
  const given = axes[0] === "B" ? [0, ...otherOrder(all.slice(1), random)] : otherOrder(all, random, circle);
  const order = undo ? inverseOrder(given) : given;
  /** @type {import("./strided.js").Call[]} */
  const calls = undo
    ? [{ op: "permute", args: given }]
    : [{ op: "reshape", args: mergedLast(given.map((axis) => axes[axis])) }];
  const names = given.map((axis) => axes[axis]);
  const rows = walkWords(names.slice(-2));
  const born = { axes, shape, ...bornAlong(undo ? [] : names.slice(-2)) };
  const begin = freshTensor(shape);
  const right = undo ? begin : applyCall(permuted(begin, order), calls[0], sizes);
  return {
    ask: undo
      ? `${axesSentence(shape, true, axes)}. It has gone through the permute below. Which permute brings every axis home?`
      : `${axesSentence(shape, true, axes)}. Which permute has to come before this reshape, so that each row holds ${rows}?`,
    shape,
    strides: begin.strides,
    axes,
    born,
    sizes,
    calls,
    code: undo ? `${codeOf(calls)}.permute(?)` : `x.permute(?)${callText(calls[0])}`,
    choose: undo ? names : axes,
    turned: (numbers) => {
      const now = numbers.map((axis) => (undo ? names : axes)[axis]);
      const made = permuted(undo ? applyCall(begin, calls[0]) : begin, numbers);
      return gridPicture(made, `with the axes so: ${tuple(now)} = ${tuple(made.shape)}`);
    },
    example: `(${all.join(", ")})`,
    answer: tuple(order),
    hints: undo
      ? [
          `On the way in place 0 gets axis ${given[0]}, place 1 axis ${given[1]}, and so on: the axes now stand as ${tuple(names)}.`,
          "For each place of the way back ask: where does the axis that belongs here stand now?",
          `All but the last two: ${all
            .slice(0, -2)
            .map((k) => `${axes[k]} stands at ${names.indexOf(axes[k])}`)
            .join(", ")}.`,
        ]
      : [
          `A reshape only merges neighbours. Read it: the axes must stand as ${tuple(names)} before it.`,
          `In x they stand as ${tuple(axes)}: ${axes.map((name, axis) => `${name} is ${axis}`).join(", ")}.`,
          `It begins with ${order.slice(0, -2).join(", ")}.`,
        ],
    judge: (text) => judge({ born, axes, order, undo, calls, sizes, names, begin, right, rank }, text),
  };
}

function judge({ born, axes, order, undo, calls, sizes, names, begin, right, rank }, text) {
  const now = undo ? names : axes;
  const places = Object.fromEntries(now.map((name, place) => [name, place]));
  const { numbers, problem } = readNumbers(text, places);
  if (problem) return notYet(problem);
  if (!isOrder(numbers, rank))
    return notYet(
      `A permute of ${axesCount(rank)} names each of 0 to ${rank - 1} once; yours is ${listedNumbers(numbers)}.`,
    );
  const turned = permuted(undo ? applyCall(begin, calls[0]) : begin, numbers);
  const stand = numbers.map((axis) => now[axis]);
  const wanted = gridPicture(right, undo ? `home: ${tuple(axes)}` : `asked: rows of ${names.slice(-2).join("*")}`);
  if (sameList(numbers, order))
    return {
      right: true,
      words: undo
        ? `There and back again, every axis is home.${sameList(order, calls[0].args) ? " The same numbers both ways: only two axes changed places." : " Other numbers than on the way in: the axes went round in a circle, and have to go round the other way."}`
        : `The axes stand as ${tuple(stand)}, and the last two are merged: each row holds ${walkWords(names.slice(-2))}.`,
      wanted,
    };
  if (undo) {
    const place = stand.findIndex((name, i) => name !== axes[i]);
    return notYet(
      `The axes would stand as ${tuple(stand)}: place ${place} holds ${stand[place]}, and home is ${axes[place]}. ${axes[place]} now stands at place ${places[axes[place]]}; fetch it from there.`,
      gridPicture(turned, `yours: ${tuple(stand)}`),
      wanted,
    );
  }
  const mine = applyCall(turned, calls[0], sizes);
  const words = sameList(birthsIn(mine), birthsIn(right))
    ? `Here, with B = 1, that gives the same numbers. With two pictures it would not: the axes must stand as ${tuple(names)}, and yours stand as ${tuple(stand)}.`
    : rowsCompared(mine, right, born);
  return notYet(words, gridPicture(mine, `yours: ${tuple(stand)}, merged`), wanted);
}

/** The names of axes with the last two made one. */
function mergedLast(names) {
  return [...names.slice(0, -2), names.slice(-2).join("*")];
}
