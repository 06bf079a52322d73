// What the lens says: the same sentences for the page, the live region and the picture's
// description, so that they cannot drift apart.

import { middleOf } from "./middle.js";
import { followed, moment } from "./scene.js";
import { isMove, lineAlong, memoryOf, sizeOf, unravel } from "./recording.js";
import { cutAxes, isCut, windowOf } from "./window.js";

/** "(B, N, W, H*S)" */
export function tuple(parts) {
  return `(${parts.join(", ")}${parts.length === 1 ? "," : ""})`;
}

/** "h2 w1 c5": where an element of the input was born. */
export function birthName(run, home) {
  const { axes, shape } = run.tensors[run.root];
  if (home < 0) return "none of the input";
  const name = unravel(home, shape)
    .map((c, axis) => (shape[axis] > 1 ? coordinate(axes[axis], c) : ""))
    .filter(Boolean)
    .join(" ");
  return name || "the only number";
}

/** "1 new number", "3 new numbers" */
const counted = (count, what = "") => `${count} ${what}${count === 1 ? "number" : "numbers"}`;

/** "h2", or "d0=2" where the name itself ends in a digit. */
function coordinate(name, c) {
  return name.toLowerCase() + (/\d$/.test(name) ? "=" : "") + c;
}

/** From where to where a tensor is shown along each axis that its window cuts; none if it has no window. */
export function spansOf(run, state, id) {
  const { axes, shape } = run.tensors[id];
  if (!isCut(shape) || !run.isComplete(id)) return [];
  const { starts, counts } = windowOf(run, state, id);
  return cutAxes(shape).map((axis) => ({
    axis,
    name: /^\d*$/.test(axes[axis]) ? `axis ${axis}` : axes[axis].toLowerCase(),
    first: starts[axis],
    last: starts[axis] + counts[axis] - 1,
    of: shape[axis],
  }));
}

/** What is shown of the tensors that are too large to be drawn whole; "" if none is. */
export function windowWords(run, state) {
  const { from, to } = moment(run, state, state.step);
  const [left, right] = [from, to].map((id) =>
    spansOf(run, state, id)
      .map(({ name, first, last, of }) => `${name} ${first}${last > first ? ` to ${last}` : ""} of ${of}`)
      .join(", "),
  );
  if (left && right && left !== right) return `Shown are ${left} on the left and ${right} on the right.`;
  if (left || right)
    return `Shown are ${left || right}${left && right ? "" : left ? " on the left" : " on the right"}.`;
  return "";
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
  const name = `Step ${index + 1} of ${count}, ${step.call.replace(/\(+(tensor|weight).*/, "")}`;
  if (state.undone) return `${name.replace("Step", "Back over step")}: what it did is undone.`;
  return state.backward
    ? `${name}, backward: ${backwardWords(run, step)}`
    : `${name}: ${forwardWords(run, state, step, index)}`;
}

function forwardWords(run, state, step, index) {
  const [before, after] = [run.tensors[run.mainInput(step)], run.tensors[step.output]];
  const size = sizeOf(after.shape);
  const memory = memoryOf(run, step);
  if (memory === "same") return "it gives back the tensor that it took. No number moves, and none is made.";
  if (isMove(step)) return moveWords(run, step, index, memory);
  const over = memory === "write" ? " They are written over what the tensor held." : "";
  if (step.known === "unknown")
    return `${counted(size)}. Something that no step made went in, so what ${size === 1 ? "it is" : "they are"} made from is not known.${over}`;
  if (step.kind === "mix") return mixWords(run, state, step, before, after) + over;
  if (step.kind === "norm") return `each number is set against ${measureOf(step)}. It keeps its place.${over}`;
  if (step.kind === "reduce") return `${counted(size)} ${size === 1 ? "remains" : "remain"}${shareWords(run, step)}.`;
  if (step.kind === "pointwise") return pointwiseWords(run, step, size) + over;
  if (memory === "view") return `a view. Nothing is written; the same memory is read as ${counted(size, "other ")}.`;
  if (over) return `${counted(size)}.${over}`;
  const made = counted(size, "new ");
  if (/^(matmul|mm|bmm)$/.test(step.op)) return `${made}, each a row of one tensor times a column of the other.`;
  if (/^(conv|avg_pool)\dd$/.test(step.op)) return `${made}, each made from those under its window.`;
  const bound = step.known === "bound" ? " Each is made from some or all of the numbers that went in." : "";
  return `${made}.${bound}`;
}

/** What a norm sets a number against. */
function measureOf({ op, reads }) {
  if (/^(rms_norm|normalize)/.test(op)) return "the size of those that it shares it with";
  if (reads?.[0].every(Number.isInteger)) return "a mean and a spread that were there before";
  return "the mean and the spread of those that it shares them with";
}

/** ", each made from 16 numbers", if all are made from as many. */
function shareWords(run, step) {
  const [before, after] = [step.inputs[0], step.output].map((id) => sizeOf(run.tensors[id].shape));
  if (!after || before % after) return "";
  return /^(amax|amin|max|min)$/.test(step.op)
    ? `, each one of ${before / after}`
    : `, each made from ${before / after}`;
}

function moveWords(run, step, index, memory) {
  const [before, after] = [run.tensors[step.inputs[0]], run.tensors[step.output]];
  const size = sizeOf(after.shape);
  if (step.kind === "collect") return collectWords(run, step, size, memory);
  if (memory === "write")
    return staysInPlace(run, step)
      ? "every number stays where it was. None is made."
      : `${counted(size)}, moved to where others were.`;
  if (memory === "view") return `a view. No number moves in memory; ${viewWords(before, after)}.`;
  const why = {
    none: `No strides over the old memory read ${tuple(after.axes)} in this order, so all ${size} numbers are written anew.`,
    some: `Strides could read the old memory in this order; ${step.op} writes all ${size} numbers anew all the same.`,
    backward: `It runs backward, and PyTorch has no strides that do, so all ${size} numbers are written anew.`,
    unknown: `All ${size} numbers are written anew.`,
  }[stridesFor(run, step)];
  return `a copy, number ${run.copies(index + 1)} of ${run.copies(run.steps.length)}. ${why}`;
}

/** Whether a write put nothing in another's place, as y[0:0] = 5 and y.copy_(y) do. */
function staysInPlace(run, { map, inputs: [input], output }) {
  const isSame = run.tensors[input].storage === run.tensors[output].storage;
  return isSame && map?.every((source, k) => run.address(input, source) === run.address(output, k));
}

/** How memory is read in another way: with other strides, from another address. */
function viewWords(before, after) {
  const strides = `from ${tuple(before.strides)} to ${tuple(after.strides)}`;
  const same = tuple(before.strides) === tuple(after.strides);
  if (before.offset === after.offset) return same ? "the strides stay, too" : `only the strides change, ${strides}`;
  const start = `it is read from address ${after.offset} on, not from ${before.offset}`;
  return same ? start : `the strides change, ${strides}, and ${start}`;
}

function collectWords(run, step, size, memory) {
  const where = memory === "write" ? "written into memory that was there" : "written to new memory";
  if (!step.picks) return `${size} numbers are collected and ${where}; which came from where is not recorded.`;
  let first = 0;
  const from = new Set();
  for (const id of step.inputs) {
    const end = first + sizeOf(run.tensors[id].shape);
    if (step.picks.some((k) => k >= first && k < end)) from.add(id);
    first = end;
  }
  const fresh = step.picks.filter((k) => k < 0).length;
  const origin = step.known === "unknown" ? "from what no step made" : "from none of what went in";
  const sources = from.size === 1 ? "one tensor" : `${from.size} tensors`;
  const moved =
    size > fresh ? `${counted(size - fresh)} ${size - fresh === 1 ? "is" : "are"} taken from ${sources}` : "";
  const new_ = fresh ? `${moved ? fresh : counted(fresh)} ${fresh === 1 ? "comes" : "come"} ${origin}` : "";
  return `${[moved, new_].filter(Boolean).join(", and ")}. They are ${where}, and nothing is mixed.`;
}

/** Whether strides over the memory of its input read the result of a move: "none" do, "some", or only "backward". */
function stridesFor(run, { map, inputs, output }) {
  const { shape } = run.tensors[output];
  if (!map?.length) return "unknown";
  const at = map.map((k) => run.address(inputs[0], k));
  const steps = shape.map((n, axis) => (n > 1 ? at[sizeOf(shape.slice(axis + 1))] - at[0] : 0));
  const isEven = at.every(
    (address, k) => address === unravel(k, shape).reduce((sum, c, axis) => sum + c * steps[axis], at[0]),
  );
  if (!isEven) return "none";
  return steps.some((n) => n < 0) ? "backward" : "some";
}

function pointwiseWords(run, step, size) {
  const main = run.mainInput(step);
  const followed = [...new Set(step.inputs)].filter((id) => id !== main);
  const others = followed.map((id) => run.tensors[id].shape);
  if (!others.length) others.push(...(step.operands ?? []).map((number) => run.operands[number].shape));
  if (!others.length) return "element by element; no number meets another place's number.";
  const counts = [run.tensors[main].shape, ...others].map(sizeOf);
  if (others.length > 1 || counts[0] !== size) {
    const few = counts.filter((count) => count !== size);
    const stretched = few.length
      ? `; where there are fewer, ${few.join(" and ")}, they are stretched over all places`
      : "";
    return `each of the ${counted(size)} is made from one of each tensor that went in, at its place${stretched}.`;
  }
  const few = counts[1];
  return few === size
    ? "each number meets the one that has its place in the other tensor."
    : `each number meets one of the ${few} of the other tensor, which ${few === 1 ? "is" : "are"} stretched over all ${size} places.`;
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
  if (j >= 0) {
    const [address, memory] = [run.address(output, j), memoryOf(run, step)];
    const isMoved = memory === "write" && address !== run.address(input, k);
    if (memory === "new") parts.push(`address ${address} in new memory after it`);
    else parts.push(isMoved ? `address ${address} after it` : "the same address after it");
  }
  const id = state.backward ? to : state.step === 0 ? from : to;
  const at = run.whereIs(state.cell, id);
  const numbers = state.backward ? run.gradient(id) : run.values(id);
  if (at >= 0 && numbers) parts.push(`${state.backward ? "gradient" : "value"} ${round(numbers[at])}`);
  if (!state.backward && state.step > 0 && j >= 0) {
    const [seen, most] = [run.seen(output, j), run.seenAtMost(output, j)];
    if (seen?.size > 1) parts.push(`it has seen ${seenWords(run, seen)}`);
    else if (!most) parts.push("what it is made from is not known");
    else if (!seen) parts.push(`it is made from at most ${seenWords(run, most)}`);
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
  return `${seen.size} ${seen.size === 1 ? "number" : "numbers"}: ${spans.filter(Boolean).join(", ")}`;
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
  const k = followed(run, state, step.output);
  const row = lineAlong(k, shape.length - 1, shape).slice(0, 8);
  return `The row that holds it reads ${row.map((i) => birthName(run, homes[i])).join(", ")}${row.length < shape[shape.length - 1] ? ", …" : ""}.`;
}

function round(value) {
  return Number.isFinite(value) ? String(Number(value.toPrecision(4))) : String(value);
}
