// The five kinds of puzzles: each is made from a seed, and knows how to judge an answer.
// What is right is worked out with strides and births, never looked up in a table.

import { addressIn, applyCall, birthsIn, freshStrides, freshTensor, inverseOrder, permuted, reshaped, tensorsAlong } from "./strided.js";
import { readNumbers, readPattern, shapeOfSide, sizesOfNames, tidyAnswer } from "./puzzle_reading.js";
import { sizeOf, unravel } from "./run.js";
import { tuple } from "./words.js";

/**
 * @typedef {object} Puzzle
 * @property {string} kind
 * @property {number} level 1 to 4
 * @property {string} ask the question
 * @property {number[]} shape of the tensor that it begins with
 * @property {number[]} strides
 * @property {string[] | null} axes its axes by name
 * @property {{axes: string[], shape: number[]}} born what a birth is counted along
 * @property {import("./strided.js").Call[]} calls
 * @property {string} code what is printed of them
 * @property {string} answer a right answer, as it would be typed
 * @property {string[]} hints three of them
 * @property {(text: string) => Verdict} judge
 *
 * @typedef {object} Verdict
 * @property {boolean} right
 * @property {string} words what the answer means
 * @property {Picture} [mine] what the answer would do
 * @property {Picture} [wanted] what is asked
 *
 * @typedef {object} Picture
 * @property {string} caption
 * @property {number[]} shape
 * @property {number[]} births -1 where no number is
 * @property {(number | string)[]} [labels] what to write into the cells
 * @property {number} [mark] the cell to outline
 */

const MOST_DRAWN_AXES = 6;
const MAKERS = { shape: makeShape, order: makeOrder, copy: makeCopy, address: makeAddress, einops: makeEinops };

export const PUZZLE_KINDS = {
  shape: "Which shape?",
  order: "Which order?",
  copy: "View or copy?",
  address: "Which address?",
  einops: "einops",
};

/** The puzzle with this number; the same seed always makes the same one. @returns {Puzzle} */
export function makePuzzle(kind, seed, number) {
  const random = mulberry32(hashOf(`${kind} ${seed} ${number}`));
  const level = Math.min(4, Math.ceil(number / 2));
  return { kind, number, level, ...MAKERS[kind](level, random, number) };
}

/** Say whether an answer is right, and what it means. @returns {Verdict} */
export function judgeAnswer(puzzle, given) {
  const { text, problem } = tidyAnswer(given, puzzle.example);
  return problem ? wrong(problem) : puzzle.judge(text);
}

// --- which shape? --------------------------------------------------------------------

function makeShape(level, random, number) {
  const named = level > 2;
  const sizes = named ? pictureSizes(random, 1) : {};
  const shape = named ? "BHWC".split("").map((name) => sizes[name]) : shuffled([2, 3, 4], random);
  const calls = named ? [{ op: "reshape", args: ["B", "H", "W", "N", "S"] }] : [];
  // Small numbers first, then an order that does not undo itself.
  const order = named ? [0, ...otherOrder([1, 2, 3, 4], random)] : otherOrder([0, 1, 2], random, number > 1);
  calls.push({ op: "permute", args: order });
  if (level === 2) calls.push(random() < 0.5 ? { op: "flatten", args: [1] } : { op: "reshape", args: [-1, shape[order[2]]] });
  if (level === 4) calls.push({ op: "flatten", args: [1 + below(3, random)] });
  const along = tensorsAlong(freshTensor(shape), calls, sizes);
  const right = along.at(-1);
  const names = named ? namesAlong(calls) : null;
  const place = named ? 1 : 0; // the first that can be another
  const last = calls.at(-1);
  const merges = last.op !== "permute";
  const turned = along[calls.length - (merges ? 1 : 0)];
  return {
    ask: `${sentenceOf(shape, named)}${named ? `, and the channels are cut into N = ${sizes.N} segments of S = ${sizes.S}` : ""}. Which shape does this line give?`,
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
    judge: (text) => judgeShape({ shape, calls, along, sizes, order, right }, text),
  };
}

function judgeShape({ shape, calls, along, sizes, order, right }, text) {
  const { numbers, problem } = readNumbers(text, sizes);
  if (problem) return wrong(problem);
  const made = calls.map((call, i) => `${callText(call)} makes ${tuple(along[i + 1].shape)}`);
  const wanted = gridOf(right, "what the line makes");
  if (same(numbers, right.shape)) return { right: true, words: `${made.join(", then ")}.`, wanted };
  const count = sizeOf(shape);
  if (numbers.includes(0) || sizeOf(numbers) !== count)
    return wrong(
      `Your shape ${listed(numbers)} has room for ${sizeOf(numbers) < 1e9 ? sizeOf(numbers) : "very many"} numbers, and x holds ${count}. ` +
        "No permute, reshape or flatten loses or adds one.",
      roomOf(numbers, right, count),
      wanted,
    );
  // What would give this shape?  Two ways in which a permute is often misread.
  const instead = (changed) => tensorsAlong(freshTensor(shape), changed, sizes).at(-1);
  const swap = (args) => calls.map((call) => (call.op === "permute" ? { ...call, args } : call));
  const inverse = instead(swap(inverseOrder(order)));
  const without = instead(swap(order.map((_, axis) => axis)));
  const mine = (tensor) => (numbers.length > MOST_DRAWN_AXES ? undefined : gridOf(tensor, `you say ${tuple(numbers)}`));
  if (same(numbers, inverse.shape))
    return wrong(
      `You sent old axis 0 to place ${order[0]}. A permute works the other way: its first number, ${order[0]}, says which old axis comes to place 0.`,
      mine(inverse),
      wanted,
    );
  if (same(numbers, without.shape)) return wrong("That is the shape with the permute left out.", mine(without), wanted);
  const first = right.shape.findIndex((size, axis) => size !== numbers[axis]);
  const reshapedMine = mine(reshaped(right, numbers));
  if (numbers.length !== right.shape.length)
    return wrong(
      `Your shape has ${axesOf(numbers.length)}, the result has ${right.shape.length}. The numbers would be read in the same order, but cut into other rows.`,
      reshapedMine,
      wanted,
    );
  const why = calls.at(-1).op === "permute" ? `: there comes old axis ${order[first]}` : "";
  return wrong(`Place ${first} is not of size ${numbers[first]}${why}. The numbers would be read in the same order, but cut into other rows.`, reshapedMine, wanted);
}

/** A picture of a shape with too many or too few places, if it can be drawn at all. */
function roomOf(numbers, right, count) {
  const size = sizeOf(numbers);
  if (numbers.length > MOST_DRAWN_AXES || !size || size > 120) return undefined;
  const births = birthsIn(right);
  return {
    caption: `you say ${tuple(numbers)}: ${size > count ? `places too many, ${size - count}` : `places too few, ${count - size}`}`,
    shape: numbers,
    births: Array.from({ length: size }, (_, k) => births[k] ?? -1),
  };
}

// --- which order of the axes? ----------------------------------------------------------

function makeOrder(level, random, number) {
  const sizes = pictureSizes(random, 1);
  const axes = [["H", "W", "C"], ["H", "W", "N", "S"], ["B", "H", "W", "N", "S"], ["B", "H", "W", "N", "S"]][level - 1];
  const shape = axes.map((name) => sizes[name]);
  const rank = axes.length;
  const undo = number % 2 === 0;
  const circle = number === 2; // the first to be undone does not undo itself
  const all = axes.map((_, axis) => axis);
  const given = axes[0] === "B" ? [0, ...otherOrder(all.slice(1), random)] : otherOrder(all, random, circle);
  const order = undo ? inverseOrder(given) : given;
  const calls = undo ? [{ op: "permute", args: given }] : [{ op: "reshape", args: mergedLast(given.map((axis) => axes[axis])) }];
  const names = given.map((axis) => axes[axis]);
  const rows = walkWords(names.slice(-2));
  const begin = freshTensor(shape);
  const right = undo ? begin : applyCall(permuted(begin, order), calls[0], sizes);
  return {
    ask: undo
      ? `${sentenceOf(shape, true, axes)}. It has gone through the permute below. Which permute brings every axis home?`
      : `${sentenceOf(shape, true, axes)}. Which permute has to come before this reshape, so that each row holds ${rows}?`,
    shape,
    strides: begin.strides,
    axes,
    born: { axes, shape },
    sizes,
    calls,
    code: undo ? `${codeOf(calls)}.permute(?)` : `x.permute(?)${callText(calls[0])}`,
    choose: undo ? names : axes,
    example: `(${all.join(", ")})`,
    answer: tuple(order),
    hints: undo
      ? [
          `On the way in place 0 gets axis ${given[0]}, place 1 axis ${given[1]}, and so on: the axes now stand as ${tuple(names)}.`,
          "For each place of the way back ask: where does the axis that belongs here stand now?",
          `All but the last two: ${all.slice(0, -2).map((k) => `${axes[k]} stands at ${names.indexOf(axes[k])}`).join(", ")}.`,
        ]
      : [
          `A reshape only merges neighbours. Read it: the axes must stand as ${tuple(names)} before it.`,
          `In x they stand as ${tuple(axes)}: ${axes.map((name, axis) => `${name} is ${axis}`).join(", ")}.`,
          `It begins with ${order.slice(0, -2).join(", ")}.`,
        ],
    judge: (text) => judgeOrder({ shape, axes, order, undo, calls, sizes, names, begin, right, rank }, text),
  };
}

function judgeOrder({ shape, axes, order, undo, calls, sizes, names, begin, right, rank }, text) {
  const now = undo ? names : axes;
  const places = Object.fromEntries(now.map((name, place) => [name, place]));
  const { numbers, problem } = readNumbers(text, places);
  if (problem) return wrong(problem);
  if (!isOrder(numbers, rank))
    return wrong(`A permute of ${axesOf(rank)} names each of 0 to ${rank - 1} once; yours is ${listed(numbers)}.`);
  const turned = permuted(undo ? applyCall(begin, calls[0]) : begin, numbers);
  const stand = numbers.map((axis) => now[axis]);
  const wanted = gridOf(right, undo ? `home: ${tuple(axes)}` : `asked: rows of ${names.slice(-2).join("*")}`);
  if (same(numbers, order))
    return {
      right: true,
      words: undo
        ? `There and back again, every axis is home.${same(order, calls[0].args) ? " The same numbers both ways: only two axes changed places." : " Other numbers than on the way in: the axes went round in a circle, and have to go round the other way."}`
        : `The axes stand as ${tuple(stand)}, and the last two are merged: each row holds ${walkWords(names.slice(-2))}.`,
      wanted,
    };
  if (undo) {
    const place = stand.findIndex((name, i) => name !== axes[i]);
    return wrong(
      `The axes would stand as ${tuple(stand)}: place ${place} holds ${stand[place]}, and home is ${axes[place]}. ${axes[place]} now stands at place ${places[axes[place]]}; fetch it from there.`,
      gridOf(turned, `yours: ${tuple(stand)}`),
      wanted,
    );
  }
  const mine = applyCall(turned, calls[0], sizes);
  const words = same(birthsIn(mine), birthsIn(right))
    ? `Here, with B = 1, that gives the same numbers. With two pictures it would not: the axes must stand as ${tuple(names)}, and yours stand as ${tuple(stand)}.`
    : rowsCompared(mine, right, { axes, shape });
  return wrong(words, gridOf(mine, `yours: ${tuple(stand)}, merged`), wanted);
}

// --- view or copy? ----------------------------------------------------------------------

function makeCopy(level, random) {
  const shape = shuffled(level < 3 ? [2, 3, 4] : [2, 3, 2, 4], random).slice(0, level < 2 ? 3 : 4);
  const wantsCopy = random() < 0.5;
  let calls, along;
  // Both answers shall be as frequent, though views are rarer among the chains.
  do {
    calls = copyChain(level, shape, random);
    along = tensorsAlong(freshTensor(shape), calls);
  } while (along.at(-1).strip !== along[0].strip !== wantsCopy);
  const at = along.findIndex((tensor, i) => i && tensor.strip !== along[i - 1].strip);
  const last = at > 0 ? at : calls.length;
  const [before, { args }] = [along[last - 1], calls[last - 1]];
  const axis = before.shape.findIndex((size, i) => size !== args[i]);
  return {
    ask: `${sentenceOf(shape)}. Is the result a view of x's memory, or a copy?`,
    shape,
    strides: along[0].strides,
    axes: null,
    born: { axes: [], shape },
    calls,
    code: codeOf(calls),
    options: ["view", "copy"],
    example: "view",
    answer: wantsCopy ? "copy" : "view",
    hints: [
      "A permute never copies, nor does cutting an axis in two. Only merging axes can.",
      `Before ${callText(calls[last - 1])} the shape is ${tuple(before.shape)} and the strides are ${tuple(before.strides)}.`,
      args.length > before.shape.length
        ? `It cuts axis ${axis} in two.`
        : `It merges axes ${axis} and ${axis + 1}. One walk reads both if the stride of the outer one, ${before.strides[axis]}, is the stride of the inner one times its length, ${before.strides[axis + 1]} × ${before.shape[axis + 1]}.`,
    ],
    judge: (text) => judgeCopy({ calls, along, at, before }, text),
  };
}

/** A permute and a reshape; at higher levels more of them, splits among them. */
function copyChain(level, shape, random) {
  const calls = [];
  let tensor = freshTensor(shape);
  const add = (op, args) => {
    calls.push({ op, args });
    tensor = applyCall(tensor, calls.at(-1));
  };
  for (let round = 0; round < (level > 3 ? 2 : 1); round++) {
    const all = tensor.shape.map((_, axis) => axis);
    if (level > 1 || random() < 0.7) add("permute", otherOrder(all, random));
    const axis = below(tensor.shape.length - 1, random);
    const { shape } = tensor;
    const cut = shape.findIndex((size) => size === 4);
    if (level > 1 && cut >= 0 && random() < 0.35) add("reshape", [...shape.slice(0, cut), 2, 2, ...shape.slice(cut + 1)]);
    else add("reshape", [...shape.slice(0, axis), shape[axis] * shape[axis + 1], ...shape.slice(axis + 2)]);
  }
  return calls;
}

function judgeCopy({ calls, along, at, before }, text) {
  const said = text.toLowerCase();
  if (!["view", "copy"].includes(said)) return wrong("Say view or copy.");
  const [begin, end] = [along[0], along.at(-1)];
  const isCopy = at > 0;
  const lies = (tensor) => stripOf(tensor, "what lies in memory: a new strip, in the order of reading");
  const untouched = stripOf(begin, "what lies in memory: x's strip, untouched");
  if (!isCopy) {
    const rule = `It is a view: the strides ${tuple(end.strides)} read the shape ${tuple(end.shape)} from x's strip, where every number lies as before.`;
    if (said === "view") return { right: true, words: rule, wanted: untouched };
    return wrong(rule, { ...lies({ ...end, strip: birthsIn(end) }), caption: "as you say: written anew" }, { ...untouched, caption: "as it is: x's strip, untouched" });
  }
  const call = callText(calls[at - 1]);
  const walk = brokenWalk(before, along[at].shape);
  const reason = walk
    ? `${call} has to walk over the addresses ${walk.slice(0, 5).join(", ")}${walk.length > 5 ? ", …" : ""} along one axis, and no single stride makes these jumps. So the numbers are written anew: a copy.`
    : `No strides read the old strip in the order that ${call} asks for. So the numbers are written anew: a copy.`;
  if (said === "copy") return { right: true, words: reason, wanted: lies(along[at]) };
  if (!walk) return wrong(reason, { ...untouched, caption: "as you say: x's strip, untouched" }, { ...lies(along[at]), caption: "as it is: a new strip" });
  const stride = walk[1] - walk[0];
  const steps = walk.map((_, i) => walk[0] + i * stride);
  return wrong(reason, walkOf(before, steps, `as you say, one stride: ${stride}`), walkOf(before, walk, "what has to be read"));
}

/** The addresses along an axis of `shape` that no single stride can read, or null. */
function brokenWalk(tensor, shape) {
  const addresses = freshTensor(tensor.shape).strip.map((k) => addressIn(tensor, unravel(k, tensor.shape)));
  const steps = freshStrides(shape);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const walk = Array.from({ length: shape[axis] }, (_, i) => addresses[i * steps[axis]]);
    if (walk.some((address, i) => i > 1 && address - walk[i - 1] !== walk[1] - walk[0])) return walk;
  }
  return null;
}

function walkOf({ strip }, addresses, caption) {
  return { caption, shape: [addresses.length], births: addresses.map((address) => strip[address] ?? -1), labels: addresses };
}

function stripOf({ strip }, caption) {
  return { caption, shape: [strip.length], births: strip, labels: strip };
}

// --- which address? -----------------------------------------------------------------------

function makeAddress(level, random) {
  const sizes = shuffled(level > 3 ? [2, 3, 4, 2] : [2, 3, 4, 5], random);
  const fresh = freshTensor(sizes.slice(0, [2, 3, 3, 4][level - 1]));
  const turned = level > 2 ? permuted(fresh, otherOrder(fresh.shape.map((_, axis) => axis), random)) : fresh;
  const { shape, strides } = turned;
  let at;
  do at = shape.map((size) => below(size, random));
  while (at.filter((c) => c > 0).length < 2);
  const right = addressIn(turned, at);
  const terms = at.map((c, axis) => `${c} × ${strides[axis]}`);
  const element = `x[${at.join(", ")}]`;
  return {
    ask: `x has shape ${tuple(shape)} and strides ${tuple(strides)}${level > 2 ? ": it has been permuted" : ""}. At which address, counted from 0, does ${element} lie?`,
    shape,
    strides,
    strip: fresh.strip,
    axes: null,
    born: { axes: [], shape: fresh.shape },
    calls: [],
    code: element,
    example: "7",
    answer: String(right),
    hints: [
      "Each stride says how far one step along its axis jumps. Multiply each coordinate by its stride, and add up.",
      `Along axis 0 you take ${at[0]} ${at[0] === 1 ? "step" : "steps"} of ${strides[0]}: that is ${at[0] * strides[0]}.`,
      `${terms.join(" + ")} = ?`,
    ],
    judge: (text) => judgeAddress({ turned, at, right, terms, element }, text),
  };
}

function judgeAddress({ turned, at, right, terms, element }, text) {
  const { numbers, problem } = readNumbers(text);
  if (problem) return wrong(problem);
  if (numbers.length !== 1) return wrong(`An address is one number; you gave ${numbers.length}.`);
  const { shape, strip } = turned;
  const [mine] = numbers;
  const addresses = freshTensor(shape).strip.map((k) => addressIn(turned, unravel(k, shape)));
  const births = birthsIn(turned);
  const grid = (address, label, caption) => {
    const mark = addresses.indexOf(address);
    return { caption, shape, births, mark, labels: births.map((_, k) => (k === mark ? label : "")) };
  };
  if (mine === right) return { right: true, words: `${terms.join(" + ")} = ${right}.`, wanted: { ...grid(right, right, "every number with its address"), labels: addresses } };
  const wanted = grid(right, "?", `${element}, which is asked`);
  if (mine >= strip.length)
    return wrong(`The strip holds ${strip.length} numbers and ends at address ${strip.length - 1}; ${mine} lies outside.`, undefined, wanted);
  const there = unravel(addresses.indexOf(mine), shape);
  const fresh = addressIn({ strides: freshStrides(shape) }, at);
  return wrong(
    `At ${mine} lies x[${there.join(", ")}].` + (mine === fresh ? " You counted as if x had just been made; its strides are others." : ` You look for ${element}.`),
    grid(mine, mine, `what lies at ${mine}`),
    wanted,
  );
}

// --- einops -------------------------------------------------------------------------------

const WAYS_IN = [[0, 3, 2, 1, 4], [0, 1, 3, 2, 4], [0, 3, 1, 2, 4]]; // height, width, the article's width

function makeEinops(level, random) {
  const sizes = pictureSizes(random, 2);
  const token = "BHWC".split("");
  const parts = "BHWNS".split("");
  let [begin, end, calls] = [token.map((name) => [name]), null, null];
  if (level < 3) {
    const order = [0, ...otherOrder([1, 2, 3], random)];
    end = order.map((axis) => [token[axis]]);
    calls = [{ op: "permute", args: order }];
    if (level === 2) {
      const at = 1 + below(2, random);
      end = [...end.slice(0, at), [...end[at], ...end[at + 1]], ...end.slice(at + 2)];
      calls.push({ op: "reshape", args: end.map((group) => group.join("*")) });
    }
  } else {
    const order = WAYS_IN[below(3, random)];
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
  const born = { axes: begin.flat(), shape: begin.flat().map((name) => sizes[name]) };
  const answer = `${sideText(begin)} -> ${sideText(end)}`;
  return {
    ask: `${sentenceOf(shape, true, axes)}${level > 2 ? `, with N = ${sizes.N} and S = ${sizes.S}` : ""}. Which einops pattern does the same as ${calls.length > 1 ? "these calls" : "this call"}?`,
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
    judge: (text) => judgeEinops({ shape, right, born, sizes }, text),
  };
}

function judgeEinops({ shape, right, born, sizes }, text) {
  const { sides, problem } = readPattern(text, shape.length);
  if (problem) return wrong(problem);
  const [left, end] = sides;
  if (left.length !== shape.length) return wrong(`Your left side has ${axesOf(left.length)}; what comes in has ${shape.length}, ${tuple(shape)}. Bracket the parts of an axis that gets cut.`);
  const lone = left.findIndex((group, i) => !group.length && shape[i] !== 1);
  if (lone >= 0) return wrong(`A 1 stands for an axis of size 1; axis ${lone} has size ${shape[lone]}.`);
  const wantedBirths = birthsIn(right);
  const outcome = (named) => {
    const cut = freshTensor(left.flat().map((name) => named[name]));
    const turned = permuted(cut, end.flat().map((name) => left.flat().indexOf(name)));
    return { shape: shapeOfSide(end, named), births: birthsIn(turned) };
  };
  const outcomes = sizesOfNames(left, shape, sizes).map(outcome);
  const wanted = gridOf(right, `asked: ${tuple(right.shape)}`);
  if (outcomes.some((made) => same(made.shape, right.shape) && same(made.births, wantedBirths)))
    return { right: true, words: `The pattern names what goes in and what comes out; the reshapes and the permute follow from it. Each row holds ${walkWords(alongRow(right, 0, born))}.`, wanted };
  // Letters of the puzzle mean its sizes; others may mean those that fit.
  const isFamiliar = left.flat().every((name) => Object.hasOwn(sizes, name.toUpperCase()));
  const mine = (!isFamiliar && outcomes.find((made) => same(made.shape, right.shape))) || outcomes[0];
  const strip = { shape: mine.shape, strides: freshStrides(mine.shape), strip: mine.births };
  const picture = gridOf(strip, `yours: ${tuple(mine.shape)}`);
  if (!same(mine.shape, right.shape)) return wrong(`Your pattern makes the shape ${tuple(mine.shape)}; the line makes ${tuple(right.shape)}.`, picture, wanted);
  return wrong(rowsCompared(strip, right, born), picture, wanted);
}

function sideText(groups) {
  return groups.map((group) => (group.length > 1 ? `(${group.join(" ")})` : group[0])).join(" ").toLowerCase();
}

// --- what a row means ----------------------------------------------------------------------

/** Which of the axes that births are counted along change within row `row` of a tensor. */
function alongRow(tensor, row, { axes, shape }) {
  const births = rowsOf(tensor)[row].map((birth) => unravel(birth, shape));
  return axes.filter((_, axis) => births.some((at) => at[axis] !== births[0][axis]));
}

function rowsOf(tensor) {
  const births = birthsIn(tensor);
  const length = tensor.shape.at(-1);
  return Array.from({ length: births.length / length }, (_, row) => births.slice(row * length, (row + 1) * length));
}

/** "one segment of one column": what a row that walks along these axes holds. */
export function walkWords(names) {
  const has = (name) => names.includes(name);
  const where = has("H") && has("W") ? "tokens in several rows and columns" : has("H") ? "one column" : has("W") ? "one row of the picture" : "one token";
  const what = has("C") || (has("N") && has("S")) ? "all channels" : has("S") ? "one segment" : has("N") ? "one channel of every segment" : "one channel";
  return `${what} of ${where}${has("B") ? ", from several pictures" : ""}`;
}

function rowsCompared(mine, right, born) {
  const [mineRows, rightRows] = [rowsOf(mine), rowsOf(right)];
  const row = rightRows.findIndex((births, i) => !same(births, mineRows[i]));
  const [got, asked] = [alongRow(mine, row, born), alongRow(right, row, born)];
  if (walkWords(got) !== walkWords(asked)) return `Row ${row} of yours holds ${walkWords(got)}; asked is ${walkWords(asked)}.`;
  const sorted = (births) => [...births].sort((a, b) => a - b);
  if (same(sorted(mineRows[row]), sorted(rightRows[row])))
    return `Row ${row} of yours holds the right numbers in the wrong order: the axis that stands last among the merged ones is the one that runs fastest.`;
  return `Each row of yours holds ${walkWords(got)}, as asked, but the rows stand in another order.`;
}

// --- small things ---------------------------------------------------------------------------

function wrong(words, mine, wanted) {
  return { right: false, words, mine, wanted };
}

function gridOf(tensor, caption) {
  return { caption, shape: tensor.shape, births: birthsIn(tensor) };
}

function listed(numbers) {
  return numbers.length > 8 ? `(${numbers.slice(0, 8).join(", ")}, …)` : tuple(numbers);
}

/** Whether the numbers name each of `rank` axes once. */
export function isOrder(numbers, rank) {
  return numbers.length === rank && [...numbers].sort((a, b) => a - b).every((axis, i) => axis === i);
}

/** No two of H, W and N are equal, so nothing fits by accident. */
function pictureSizes(random, B) {
  const [H, W, N] = shuffled([2, 3, 4], random);
  return { B, H, W, C: 2 * N, N, S: 2 };
}

function sentenceOf(shape, named = false, axes = ["B", "H", "W", "C"]) {
  return named ? `x has the axes ${tuple(axes)} = ${tuple(shape)}` : `x is fresh, of shape ${tuple(shape)}`;
}

/** The names of a chain that cuts, permutes and perhaps flattens. */
function namesAlong(calls) {
  return calls.reduce((names, { op, args }) => {
    if (op === "reshape") return args;
    if (op === "permute") return args.map((axis) => names[axis]);
    return [...names.slice(0, args[0]), names.slice(args[0]).join("*")];
  }, []);
}

/** The names of axes with the last two made one. */
function mergedLast(names) {
  return [...names.slice(0, -2), names.slice(-2).join("*")];
}

export function callText({ op, args }) {
  return `.${op}(${args.join(", ").replaceAll("*", " * ")})`;
}

function codeOf(calls) {
  return `x${calls.map(callText).join("")}`;
}

function axesOf(count) {
  return `${count} ${count === 1 ? "axis" : "axes"}`;
}

function same(one, other) {
  return one.length === other.length && one.every((value, i) => value === other[i]);
}

// --- chance that can be repeated ---------------------------------------------------------------

/** Random numbers from 0 to 1: Tommy Ettinger's mulberry32. */
function mulberry32(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** FNV-1a: a text as a whole number. */
function hashOf(text) {
  let hash = 0x811c9dc5;
  for (const letter of text) hash = Math.imul(hash ^ letter.codePointAt(0), 0x01000193);
  return hash >>> 0;
}

function below(limit, random) {
  return Math.floor(random() * limit);
}

function shuffled(list, random) {
  const left = [...list];
  return list.map(() => left.splice(below(left.length, random), 1)[0]);
}

/** Another order of the axes; `circle`: one that does not undo itself, if there are three. */
function otherOrder(axes, random, circle = false) {
  for (;;) {
    const order = shuffled(axes, random);
    const stays = order.every((axis, i) => axis === axes[i]);
    const undoesItself = order.every((axis, i) => order[axes.indexOf(axis)] === axes[i]);
    if (!stays && !(circle && undoesItself)) return order;
  }
}
