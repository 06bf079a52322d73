// What the lens says: the same sentences for the page, the live region and the picture's
// description, so that they cannot drift apart.

import { writes } from "./memory.js";
import { middleOf } from "./middle.js";
import { moment } from "./scene.js";
import { lineAlong, sizeOf, unravel } from "./recording.js";

/** "(B, N, W, H*S)" */
export function tuple(parts) {
  return `(${parts.join(", ")}${parts.length === 1 ? "," : ""})`;
}

/** "h2 w1 c5": where an element of the input was born. */
export function birthName(run, home) {
  const { axes, shape } = run.tensors[run.root];
  return unravel(home, shape)
    .map((c, axis) => (shape[axis] > 1 ? coordinate(axes[axis], c) : ""))
    .filter(Boolean)
    .join(" ");
}

/** "h2", or "d0=2" where the name itself ends in a digit. */
function coordinate(name, c) {
  return name.toLowerCase() + (/\d$/.test(name) ? "=" : "") + c;
}

/** One or two sentences on the step that is shown. */
export function stepWords(run, state) {
  const count = run.steps.length;
  if (state.step === 0 && !state.backward) {
    const { axes, shape } = run.tensors[run.root];
    return `The input, ${tuple(axes)} = ${tuple(shape)}: ${sizeOf(shape)} numbers. Nothing has happened yet.`;
  }
  if (state.step === count && state.backward)
    return "The gradient arrives at the output. Press Next to send it back through the steps.";
  const { step, index } = moment(run, state, state.step);
  const name = `Step ${index + 1} of ${count}, ${step.call.replace(/\((tensor|weight).*/, "")}`;
  if (state.undone) return `${name.replace("Step", "Back over step")}: what it did is undone.`;
  return state.backward
    ? `${name}, backward: ${backwardWords(run, step)}`
    : `${name}: ${forwardWords(run, state, step, index)}`;
}

function forwardWords(run, state, step, index) {
  const [before, after] = [run.tensors[run.mainInput(step)], run.tensors[step.output]];
  const size = sizeOf(after.shape);
  if (step.kind === "move" && !step.copy) {
    const same = tuple(before.strides) === tuple(after.strides);
    const way = same
      ? "the strides stay, too"
      : `only the strides change, from ${tuple(before.strides)} to ${tuple(after.strides)}`;
    return `a view. No number moves in memory; ${way}.`;
  }
  if (step.kind === "move")
    return (
      `a copy, number ${run.copies(index + 1)} of ${run.copies(run.steps.length)}. No strides over the old memory read ` +
      `${tuple(after.axes)} in this order, so all ${size} numbers are written anew.`
    );
  if (step.kind === "mix") return mixWords(run, state, step, before, after);
  if (step.kind === "reduce") return `${size} numbers remain; each has seen every number that it sums up.`;
  if (step.kind === "pointwise") return pointwiseWords(run, step, size);
  return step.op.endsWith("_") ? `${size} numbers, written over those that the tensor held.` : `${size} new numbers.`;
}

function pointwiseWords(run, step, size) {
  const middle = middleOf(run, step, false);
  if (middle?.kind !== "second") return "element by element; no number meets another place's number.";
  const few = middle.values.length;
  return middle.isStretched
    ? `each number meets one of the ${few} of the other tensor, which ${few === 1 ? "is" : "are"} stretched over all ${size} places.`
    : "each number meets the one that has its place in the other tensor.";
}

function mixWords(run, state, step, before, after) {
  const [taken, given] = [before, after].map(({ shape }) => shape[shape.length - 1]);
  const row = `each row of ${taken} numbers along ${before.axes[before.axes.length - 1]}`;
  if (taken !== given)
    return `${row} is replaced by ${given} blends of the whole row. The new numbers have no home in the input.`;
  const shown = ["value", "gradient"].includes(state.fill)
    ? ""
    : " A cell keeps its home and shows below it all that it has now seen.";
  return `${row} is replaced by as many blends of the whole row.${run.homes(step.output) ? shown : ""}`;
}

function backwardWords(run, step) {
  const middle = middleOf(run, step, true);
  if (middle?.kind === "gradients") {
    const steps = middle.uses.map((i) => i + 1);
    const names = steps.length > 1 ? `steps ${steps.slice(0, -1).join(", ")} and ${steps.at(-1)}` : `step ${steps[0]}`;
    return (
      `this tensor went into ${names}, too. What ${steps.length > 1 ? "they send" : "it sends"} back is added to what comes ` +
      `through ${step.op}.`
    );
  }
  if (step.kind === "move")
    return "the gradient goes back the way the numbers came, each to the place that it was taken from. Nothing is mixed.";
  if (step.kind === "mix")
    return "each number of a row passes its gradient to every number of the row that it was made from.";
  return "the gradient of each number is passed to what it was made from.";
}

/** What is known of the followed element at the step that is shown. */
export function cellWords(run, state) {
  const { step, from, to } = moment(run, state, state.step);
  const parts = [`You follow ${birthName(run, state.cell)}`];
  const [input, output] = [run.mainInput(step), step.output];
  const k = run.whereIs(state.cell, input);
  const j = run.whereIs(state.cell, output);
  if (k >= 0) parts.push(`address ${run.address(input, k)} before the step`);
  if (j >= 0)
    parts.push(writes(step) ? `address ${run.address(output, j)} in new memory after it` : "the same address after it");
  const id = state.backward ? to : state.step === 0 ? from : to;
  const at = run.whereIs(state.cell, id);
  const numbers = state.backward ? run.gradient(id) : run.values(id);
  if (at >= 0 && numbers) parts.push(`${state.backward ? "gradient" : "value"} ${round(numbers[at])}`);
  if (!state.backward && state.step > 0 && j >= 0) {
    const seen = run.seen(output, j);
    if (seen?.size > 1) parts.push(`it has seen ${seenWords(run, seen)}`);
  }
  return parts.join(", ") + ".";
}

/** "8 numbers: h 0 to 3, w 1, c 4 to 5" */
function seenWords(run, seen) {
  const { axes, shape } = run.tensors[run.root];
  const all = [...seen].map((home) => unravel(home, shape));
  const spans = axes.map((name, axis) => {
    if (shape[axis] === 1) return "";
    const values = all.map((at) => at[axis]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return `${name.toLowerCase()} ${low}${high > low ? ` to ${high}` : ""}`;
  });
  return `${seen.size} numbers: ${spans.filter(Boolean).join(", ")}`;
}

/** What lights up for axis `axis` of the step's output. */
export function axisWords(run, state) {
  const { step } = moment(run, state, state.step);
  const [before, after] = [run.tensors[run.mainInput(step)], run.tensors[step.output]];
  const name = after.axes[state.axis];
  const stride = after.strides[state.axis];
  const was = step.order ? `axis ${step.order[state.axis]} of the input, ${before.axes[step.order[state.axis]]}` : null;
  const walk = `one step along it jumps ${stride} ${stride === 1 ? "place" : "places"} in memory`;
  return `Axis ${state.axis} of the output is ${name}, ${after.shape[state.axis]} long${was ? `; it was ${was}` : ""}; ${walk}.`;
}

/** The order in which the marked row is read, e.g. for the picture's description. */
export function rowWords(run, state) {
  const { step } = moment(run, state, Math.max(1, state.step));
  const { shape } = run.tensors[step.output];
  const homes = run.homes(step.output);
  if (!homes || !shape.length) return "";
  const k = Math.max(0, run.whereIs(Math.max(0, state.cell), step.output));
  const row = lineAlong(k, shape.length - 1, shape).slice(0, 8);
  return `The row that holds it reads ${row.map((i) => birthName(run, homes[i])).join(", ")}${row.length < shape[shape.length - 1] ? ", …" : ""}.`;
}

function round(value) {
  return Number.isFinite(value) ? String(Number(value.toPrecision(4))) : String(value);
}
