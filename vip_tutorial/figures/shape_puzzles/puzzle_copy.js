// Puzzles of the kind "is the result a view, or a copy?"

import { addressIn, applyCall, birthsIn, freshStrides, freshTensor, tensorsAlong } from "./strided.js";
import { randomBelow, callText, codeOf, otherOrder, axesSentence, shuffledList, notYet } from "./puzzle_parts.js";
import { unravel } from "../../lens/permute_lens/recording.js";
import { tuple } from "../../lens/permute_lens/words.js";

/** @returns {Omit<import("./puzzle_kinds.js").Puzzle, "kind" | "number" | "level">} */
export function make(level, random) {
  const shape = shuffledList(level < 3 ? [2, 3, 4] : [2, 3, 2, 4], random).slice(0, level < 2 ? 3 : 4);
  const wantsCopy = random() < 0.5;
  let calls, along;
  // Both answers shall be as frequent, though views are rarer among the chains.
  do {
    calls = copyChain(level, shape, random);
    along = tensorsAlong(freshTensor(shape), calls);
  } while ((along.at(-1).strip !== along[0].strip) !== wantsCopy);
  const at = along.findIndex((tensor, i) => i && tensor.strip !== along[i - 1].strip);
  const last = at > 0 ? at : calls.length;
  const [before, { args }] = [along[last - 1], calls[last - 1]];
  const axis = before.shape.findIndex((size, i) => size !== args[i]);
  return {
    ask: `${axesSentence(shape)}. Is the result a view of x's memory, or a copy?`,
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
    judge: (text) => judge({ calls, along, at, before }, text),
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
    const axis = randomBelow(tensor.shape.length - 1, random);
    const { shape } = tensor;
    const cut = shape.findIndex((size) => size === 4);
    if (level > 1 && cut >= 0 && random() < 0.35)
      add("reshape", [...shape.slice(0, cut), 2, 2, ...shape.slice(cut + 1)]);
    else add("reshape", [...shape.slice(0, axis), shape[axis] * shape[axis + 1], ...shape.slice(axis + 2)]);
  }
  return calls;
}

function judge({ calls, along, at, before }, text) {
  const said = text.toLowerCase();
  if (!["view", "copy"].includes(said)) return notYet("Say view or copy.");
  const [begin, end] = [along[0], along.at(-1)];
  const isCopy = at > 0;
  const lies = (tensor) => stripOf(tensor, "what lies in memory: a new strip, in the order of reading");
  const untouched = stripOf(begin, "what lies in memory: x's strip, untouched");
  if (!isCopy) {
    const rule = `It is a view: the strides ${tuple(end.strides)} read the shape ${tuple(end.shape)} from x's strip, where every number lies as before.`;
    if (said === "view") return { right: true, words: rule, wanted: untouched };
    return notYet(
      rule,
      { ...lies({ ...end, strip: birthsIn(end) }), caption: "as you say: written anew" },
      { ...untouched, caption: "as it is: x's strip, untouched" },
    );
  }
  const call = callText(calls[at - 1]);
  const walk = brokenWalk(before, along[at].shape);
  const reason = walk
    ? `${call} has to walk over the addresses ${walk.slice(0, 5).join(", ")}${walk.length > 5 ? ", …" : ""} along one axis, and no single stride makes these jumps. So the numbers are written anew: a copy.`
    : `No strides read the old strip in the order that ${call} asks for. So the numbers are written anew: a copy.`;
  if (said === "copy") return { right: true, words: reason, wanted: lies(along[at]) };
  if (!walk)
    return notYet(
      reason,
      { ...untouched, caption: "as you say: x's strip, untouched" },
      { ...lies(along[at]), caption: "as it is: a new strip" },
    );
  const stride = walk[1] - walk[0];
  const steps = walk.map((_, i) => walk[0] + i * stride);
  return notYet(
    reason,
    walkOf(before, steps, `as you say, one stride: ${stride}`),
    walkOf(before, walk, "what has to be read"),
  );
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
  return {
    caption,
    shape: [addresses.length],
    births: addresses.map((address) => strip[address] ?? -1),
    labels: addresses,
  };
}

function stripOf({ strip }, caption) {
  return { caption, shape: [strip.length], births: strip, labels: strip };
}
