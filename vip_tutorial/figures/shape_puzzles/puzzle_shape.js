// Puzzles of the kind "which shape does this line give?"

import { birthsIn, freshStrides, freshTensor, inverseOrder, reshaped, tensorsAlong } from "./strided.js";
import {
  axesCount,
  randomBelow,
  callText,
  codeOf,
  gridPicture,
  listedNumbers,
  otherOrder,
  pictureSizes,
  sameList,
  axesSentence,
  shuffledList,
  notYet,
} from "./puzzle_parts.js";
import { readNumbers } from "./puzzle_reading.js";
import { sizeOf } from "../../lens/permute_lens/recording.js";
import { tuple } from "../../lens/permute_lens/words.js";

const MOST_AXES = 6;

/** @returns {Omit<import("./puzzle_kinds.js").Puzzle, "kind" | "number" | "level">} */
export function make(level, random, number) {
  const named = level > 2;
  const sizes = named ? pictureSizes(random, 1) : {};
  const shape = named ? "BHWC".split("").map((name) => sizes[name]) : shuffledList([2, 3, 4], random);
  /** @type {import("./strided.js").Call[]} */
  const calls = named ? [{ op: "reshape", args: ["B", "H", "W", "N", "S"] }] : [];
  // Small numbers first, then an order that does not undo itself.
  const order = named ? [0, ...otherOrder([1, 2, 3, 4], random)] : otherOrder([0, 1, 2], random, number > 1);
  calls.push({ op: "permute", args: order });
  if (level === 2)
    calls.push(random() < 0.5 ? { op: "flatten", args: [1] } : { op: "reshape", args: [-1, shape[order[2]]] });
  if (level === 4) calls.push({ op: "flatten", args: [1 + randomBelow(3, random)] });
  const along = tensorsAlong(freshTensor(shape), calls, sizes);
  const right = along.at(-1);
  const names = named ? namesAlong(calls) : null;
  const place = named ? 1 : 0; // the first that can be another
  const last = calls.at(-1);
  const merges = last.op !== "permute";
  const turned = along[calls.length - (merges ? 1 : 0)];
  return {
    ask: `${axesSentence(shape, named)}${named ? `, and the channels are cut into N = ${sizes.N} segments of S = ${sizes.S}` : ""}. Which shape does this line give?`,
    shape,
    strides: freshStrides(shape),
    axes: named ? "BHWC".split("") : null,
    born: { axes: named ? "BHWC".split("") : [], shape },
    sizes,
    calls,
    code: codeOf(calls),
    example: "(2, 3, 4)",
    answer: tuple(names ?? right.shape),
    hints: [
      "A permute lists the old axes in their new order: its first number says which old axis comes to place 0.",
      `Place ${place} gets old axis ${order[place]}, of size ${turned.shape[place]}; place ${place + 1} gets old axis ${order[place + 1]}, of size ${turned.shape[place + 1]}.`,
      merges
        ? `After the permute the shape is ${tuple(turned.shape)}. ${last.op === "flatten" ? `flatten(${last.args[0]}) makes one axis of all from axis ${last.args[0]} on` : "The -1 stands for whatever is left"}.`
        : `All but the last: (${right.shape.slice(0, -1).join(", ")}, ?). The product of all sizes is ${sizeOf(shape)}.`,
    ],
    judge: (text) => judge({ shape, calls, along, sizes, order, right }, text),
  };
}

function judge({ shape, calls, along, sizes, order, right }, text) {
  const { numbers, problem } = readNumbers(text, sizes);
  if (problem) return notYet(problem);
  const made = calls.map((call, i) => `${callText(call)} makes ${tuple(along[i + 1].shape)}`);
  const wanted = gridPicture(right, "what the line makes");
  if (sameList(numbers, right.shape)) return { right: true, words: `${made.join(", then ")}.`, wanted };
  const count = sizeOf(shape);
  if (numbers.includes(0) || sizeOf(numbers) !== count)
    return notYet(
      `Your shape ${listedNumbers(numbers)} has room for ${sizeOf(numbers) < 1e9 ? sizeOf(numbers) : "very many"} numbers, and x holds ${count}. ` +
        "No permute, reshape or flatten loses or adds one.",
      roomOf(numbers, right, count),
      wanted,
    );
  // What would give this shape?  Two ways in which a permute is often misread.
  const instead = (changed) => tensorsAlong(freshTensor(shape), changed, sizes).at(-1);
  const swap = (args) => calls.map((call) => (call.op === "permute" ? { ...call, args } : call));
  const inverse = instead(swap(inverseOrder(order)));
  const without = instead(swap(order.map((_, axis) => axis)));
  const mine = (tensor) => (numbers.length > MOST_AXES ? undefined : gridPicture(tensor, `you say ${tuple(numbers)}`));
  if (sameList(numbers, inverse.shape))
    return notYet(
      `You sent old axis 0 to place ${order[0]}. A permute works the other way: its first number, ${order[0]}, says which old axis comes to place 0.`,
      mine(inverse),
      wanted,
    );
  if (sameList(numbers, without.shape))
    return notYet("That is the shape with the permute left out.", mine(without), wanted);
  const first = right.shape.findIndex((size, axis) => size !== numbers[axis]);
  const reshapedMine = mine(reshaped(right, numbers));
  if (numbers.length !== right.shape.length)
    return notYet(
      `Your shape has ${axesCount(numbers.length)}, the result has ${right.shape.length}. The numbers would be read in the same order, but cut into other rows.`,
      reshapedMine,
      wanted,
    );
  const why = calls.at(-1).op === "permute" ? `: there comes old axis ${order[first]}` : "";
  return notYet(
    `Place ${first} is not of size ${numbers[first]}${why}. The numbers would be read in the same order, but cut into other rows.`,
    reshapedMine,
    wanted,
  );
}

/** A picture of a shape with too many or too few places, if it can be drawn at all. */
function roomOf(numbers, right, count) {
  const size = sizeOf(numbers);
  if (numbers.length > MOST_AXES || !size || size > 120) return undefined;
  const births = birthsIn(right);
  return {
    caption: `you say ${tuple(numbers)}: ${size > count ? `places too many, ${size - count}` : `places too few, ${count - size}`}`,
    shape: numbers,
    births: Array.from({ length: size }, (_, k) => births[k] ?? -1),
  };
}

/** The names of a chain that cuts, permutes and perhaps flattens. */
function namesAlong(calls) {
  return calls.reduce((names, { op, args }) => {
    if (op === "reshape") return args;
    if (op === "permute") return args.map((axis) => names[axis]);
    return [...names.slice(0, args[0]), names.slice(args[0]).join("*")];
  }, []);
}
