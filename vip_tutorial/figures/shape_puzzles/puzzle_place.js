// Puzzles of the kind "where does this element go?": its place in an empty grid.

import { birthsIn, freshStrides, freshTensor, tensorsAlong } from "./strided.js";
import {
  callText,
  codeOf,
  listedNumbers,
  notYet,
  otherOrder,
  pictureSizes,
  randomBelow,
  shuffledList,
} from "./puzzle_parts.js";
import { readNumbers } from "./puzzle_reading.js";
import { unravel } from "../../lens/permute_lens/recording.js";
import { tuple } from "../../lens/permute_lens/words.js";

/** @returns {Omit<import("./puzzle_kinds.js").Puzzle, "kind" | "number" | "level">} */
export function make(level, random, number) {
  const { shape, axes, sizes, calls, born, told } = [moved, dealt, cut, home][level - 1](random, number);
  const along = tensorsAlong(freshTensor(shape), calls, sizes);
  const right = along.at(-1);
  const births = birthsIn(right);
  // One that goes somewhere, if any does.
  const moving = births.filter((birth, k) => birth !== k);
  const all = moving.length ? moving : births.slice(1, -1);
  const element = all[randomBelow(all.length, random)];
  const path = along.map((tensor) => unravel(birthsIn(tensor).indexOf(element), tensor.shape));
  const name = `x[${path[0].join(", ")}]`;
  return {
    ask: `x = ${tuple(axes ?? shape)}${axes ? ` = ${tuple(shape)}` : ""}${told}. Where in the result, ${tuple(right.shape)}, does ${name} stand? It is framed; click its place.`,
    shape,
    strides: freshStrides(shape),
    axes,
    born,
    sizes,
    calls,
    code: codeOf(calls),
    mark: element,
    empty: { caption: `the result: ${tuple(right.shape)}`, shape: right.shape, births: births.map(() => -1) },
    example: tuple(right.shape.map(() => 0)),
    answer: tuple(path.at(-1)),
    hints: [
      "A permute takes the coordinates into its order. A reshape keeps the place in the order of reading, and counts it anew.",
      `${callText(calls[0])} makes ${tuple(along[1].shape)}.`,
      calls.length > 1
        ? `After ${callText(calls[0])} it stands at [${path[1].join(", ")}].`
        : `The first coordinate of its place is ${path[1][0]}.`,
    ],
    judge: (text) => judge({ along, calls, births, element, path, name }, text),
  };
}

/**
 * @typedef {object} Chain what happens to x
 * @property {number[]} shape
 * @property {string[] | null} axes
 * @property {Record<string, number>} sizes
 * @property {import("./strided.js").Call[]} calls
 * @property {import("./puzzle_kinds.js").Born} born
 * @property {string} told what is said of x
 */

/** One permute. @returns {Chain} */
function moved(random) {
  const shape = shuffledList([2, 3, 4], random);
  return {
    shape,
    axes: null,
    sizes: {},
    calls: [{ op: "permute", args: otherOrder([0, 1, 2], random) }],
    born: { axes: [], shape },
    told: " is fresh",
  };
}

/** The row of numbers from which each channel gets three; every second time it is cut wrongly. @returns {Chain} */
function dealt(random, number) {
  const sizes = { B: 1, C: 4, K: 3 };
  const isRight = number % 2 === 1;
  return {
    shape: [1, 12],
    axes: ["B", "C*K"],
    sizes,
    calls: isRight
      ? [
          { op: "reshape", args: ["B", "C", "K"] },
          { op: "permute", args: [2, 0, 1] },
        ]
      : [
          { op: "reshape", args: ["B", "K", "C"] },
          { op: "permute", args: [1, 0, 2] },
        ],
    born: {
      axes: ["B", "C", "K"],
      shape: [1, 4, 3],
      hues: [1, 2],
      said: "The hue is the channel that a number is meant for, and it gets darker from branch to branch: 21 is channel 2, branch 1.",
    },
    told: `, three numbers for each of ${sizes.C} channels, one a branch`,
  };
}

/** The way into the height or the width branch. @returns {Chain} */
function cut(random) {
  const sizes = pictureSizes(random, 1);
  const isHeight = random() < 0.5;
  return {
    shape: ["B", "H", "W", "C"].map((name) => sizes[name]),
    axes: ["B", "H", "W", "C"],
    sizes,
    calls: [
      { op: "reshape", args: ["B", "H", "W", "N", "S"] },
      { op: "permute", args: isHeight ? [0, 3, 2, 1, 4] : [0, 1, 3, 2, 4] },
      { op: "reshape", args: isHeight ? ["B", "N", "W", "H*S"] : ["B", "H", "N", "W*S"] },
    ],
    born: { axes: ["B", "H", "W", "C"], shape: ["B", "H", "W", "C"].map((name) => sizes[name]) },
    told: `, with N = ${sizes.N} and S = ${sizes.S}`,
  };
}

/** The way back from one of them. @returns {Chain} */
function home(random) {
  const sizes = pictureSizes(random, 1);
  const isHeight = random() < 0.5;
  const parts = isHeight ? ["B", "N", "W", "H", "S"] : ["B", "H", "N", "W", "S"];
  const axes = [...parts.slice(0, 3), `${parts[3]}*S`];
  const shape = parts.map((name) => sizes[name]);
  return {
    shape: [...shape.slice(0, 3), shape[3] * shape[4]],
    axes,
    sizes,
    calls: [
      { op: "reshape", args: parts },
      { op: "permute", args: isHeight ? [0, 3, 2, 1, 4] : [0, 1, 3, 2, 4] },
      { op: "reshape", args: ["B", "H", "W", "C"] },
    ],
    born: { axes: parts, shape },
    told: `, with N = ${sizes.N} and S = ${sizes.S}`,
  };
}

function judge({ along, calls, births, element, path, name }, text) {
  const { numbers, problem } = readNumbers(text);
  if (problem) return notYet(problem);
  const { shape } = along.at(-1);
  if (numbers.length !== shape.length)
    return notYet(
      `A place in the result has ${shape.length} coordinates, one for each axis; yours is ${listedNumbers(numbers)}.`,
    );
  const far = numbers.findIndex((c, axis) => c >= shape[axis]);
  if (far >= 0)
    return notYet(
      `Axis ${far} of the result has ${shape[far]} ${shape[far] === 1 ? "place" : "places"}, counted from 0; there is no ${numbers[far]}.`,
    );
  const k = numbers.reduce((sum, c, axis) => sum * shape[axis] + c, 0);
  const grid = (caption, place) => ({
    caption,
    shape,
    births: births.map((birth, i) => (i === place ? birth : -1)),
    mark: place,
  });
  const whole = { caption: "every element in its place", shape, births, mark: births.indexOf(element) };
  if (births[k] === element) {
    const steps = calls.map((call, i) => `${callText(call)} brings it to [${path[i + 1].join(", ")}]`);
    return { right: true, words: `${steps.join(", then ")}.`, wanted: whole };
  }
  const there = unravel(births[k], along[0].shape);
  return notYet(
    `At [${numbers.join(", ")}] stands x[${there.join(", ")}]; you look for ${name}.`,
    grid(`yours: what stands at [${numbers.join(", ")}]`, k),
    calls.length > 1 ? betweenPicture(along[1], calls[0], element) : undefined,
  );
}

/** The element after the first call: half of the way. */
function betweenPicture(tensor, call, element) {
  const births = birthsIn(tensor);
  return {
    caption: `where it stands after ${callText(call)}`,
    shape: tensor.shape,
    births,
    mark: births.indexOf(element),
  };
}
