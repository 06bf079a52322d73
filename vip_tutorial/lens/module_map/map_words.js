// What a map says: where the run is, what an act does, and where a followed number has got to.

import { sizeOf, unravel } from "../permute_lens/recording.js";
import { birthName, tuple } from "../permute_lens/words.js";
import { movesOf, nameOf, partOf } from "./map_graph.js";

/** Of two tensors, or more, that meet element by element. */
const MEETINGS = { add: "summed", sub: "subtracted", mul: "multiplied", div: "divided" };
const REDUCTIONS = { mean: "averaged", sum: "summed", amax: "reduced to the largest", amin: "reduced to the smallest" };

/**
 * @param {*} run
 * @param {import("./map_graph.js").Group[]} groups
 * @param {{step: number, cell: number, open: string, playing?: boolean, moving?: number, arrived?: boolean}} state
 * @param {number} current act that the state has reached, -1 for none
 */
export function mapWords(run, groups, state, current) {
  const { axes, shape } = run.tensors[run.root];
  const unit = state.open === "all" ? "step" : "act";
  const isEnd = state.step >= run.steps.length && state.moving === undefined && !state.playing;
  if (current < 0)
    return join(
      `The input, ${tuple(axes)} = ${tuple(shape)}. Press Next for the first of ${counted(groups.length, unit)}.`,
      followWords(run, state.cell, run.root),
    );
  if (isEnd && !state.arrived) {
    const acts = unit === "act" ? ` in ${counted(groups.length, "act")}` : "";
    const follow = state.cell < 0 ? "" : `You follow ${birthName(run, state.cell)}, framed wherever it has a place.`;
    return join(
      `The whole run: ${counted(run.steps.length, "step")}${acts}. Press Play to see ${groups.length > 1 ? "them one after the other" : "it"}.`,
      follow,
    );
  }
  const name = `${unit === "act" ? "Act" : "Step"} ${current + 1} of ${groups.length}`;
  const end = isEnd ? "That was the whole run." : "";
  const group = groups[current];
  return join(`${name}: ${actWords(run, group)}`, end, followWords(run, state.cell, group.output));
}

const counted = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

const join = (...sentences) => sentences.filter(Boolean).join(" ");

/** A sentence or two on an act. */
function actWords(run, group) {
  const steps = group.steps.map((i) => run.steps[i]);
  const [before, after] = [group.inputs[0], group.output].map((id) => tuple(run.tensors[id].axes));
  if (group.module)
    return `${group.module}, ${steps.length} steps in one: ${before} becomes ${after}. Press it to see them.`;
  const moves = movesOf(run, group);
  if (moves.length === steps.length) {
    const lies = gatherWords(run, group);
    return `${lies && `${lies}: `}${moves.join(", ")}. No number changes; ${before} becomes ${after}.`;
  }
  // Where numbers meet in no other step, and nothing is moved before they do.
  const [first, ...rest] = steps;
  const isKept = ({ kind, inputs }) => kind === "move" || (kind === "pointwise" && new Set(inputs).size === 1);
  if (first.kind === "mix" && rest.every(isKept)) {
    const { axes, shape } = run.tensors[first.inputs[0]];
    const isHome = run.homes(group.output)?.every((home, k) => home === k);
    const home = moves.length ? ` Then ${isHome ? "home, by " : ""}${moves.join(", ")}: ${after}.` : "";
    return `${nameOf(run, group)} mixes each row of ${shape[shape.length - 1]} numbers along ${axes[axes.length - 1]}; nothing else meets.${home}`;
  }
  const does = [...new Set(steps.map((step) => doneBy(run, step, group.within)).filter(Boolean))];
  const [last, ...others] = [...does].reverse();
  const done = others.length ? `${others.reverse().join(", ")} and ${last}` : last;
  const eachAlone = steps.every(({ kind }) => kind === "pointwise" || kind === "move") ? ", element by element" : "";
  return `${takenBy(run, group)} ${done ?? "used"}${eachAlone}: ${after}${leftBy(run, steps)}.`;
}

/** Along which axes of the input the rows of a tensor lead, and how far; null if they are not all alike. */
function rowsAlong(run, id) {
  const homes = run.homes(id);
  const length = run.tensors[id].shape.at(-1) ?? 1;
  if (!homes || length < 2) return null;
  const { shape } = run.tensors[run.root];
  const places = homes.map((home) => unravel(home, shape));
  const countsAt = (start) =>
    shape.map((_, axis) => new Set(places.slice(start, start + length).map((place) => place[axis])).size);
  const counts = countsAt(0);
  for (let start = length; start < homes.length; start += length)
    if (String(countsAt(start)) !== String(counts)) return null;
  return counts;
}

const GATHERED = { H: "columns lie down as rows", W: "what stands in a row lies side by side" };

/** What moves that lay columns or rows of an image side by side are for; "" for others. */
function gatherWords(run, { inputs, output }) {
  const { axes } = run.tensors[run.root];
  if (!Object.keys(GATHERED).every((axis) => axes.includes(axis))) return "";
  const [before, after] = [inputs[0], output].map((id) => rowsAlong(run, id));
  if (!before || !after || String(before) === String(after)) return "";
  const long = axes.filter((_, axis) => after[axis] > 1);
  const [name, ...more] = long.filter((axis) => axis !== "C");
  if (more.length || !GATHERED[name]) return "";
  const channels = after[axes.indexOf("C")];
  return `${GATHERED[name]}${channels ? `, ${counted(channels, "channel")} at a time` : ""}`;
}

/** What an act takes, with its verb: by the functions that made it, if each made one. */
function takenBy(run, { inputs }) {
  if (inputs.length === 1) return `${tuple(run.tensors[inputs[0]].axes)} is`;
  const makers = inputs.map((id) => run.maker.get(id)?.source?.function);
  if (new Set(makers).size < inputs.length || makers.some((name) => !name || name === "forward"))
    return `${inputs.length} tensors are`;
  return `What ${makers.slice(0, -1).join(", ")} and ${makers.at(-1)} have made is`;
}

/** What a step does to its tensor, as a participle; "" where nothing is to be said. */
function doneBy(run, step, within) {
  const { kind, op, inputs, mixed } = step;
  if (kind === "move" || op === "dropout") return "";
  const { axes } = run.tensors[inputs[0]];
  const along = (mixed ?? []).map((axis) => axes[axis]).filter((name) => !/^\d/.test(name));
  const over = along.length ? ` over ${along.join(" and ")}` : "";
  const [module] = partOf(step, within);
  if (module) return `taken through ${module}`;
  if (kind === "reduce") return `${REDUCTIONS[op] ?? `reduced by ${op}`}${over}`;
  if (op === "softmax") return `made by softmax into shares that sum to 1${over}`;
  return (new Set(inputs).size > 1 && MEETINGS[op]) || `taken through ${op}`;
}

/** How many numbers that leaves, where it is so many for each place along one axis. */
function leftBy(run, steps) {
  const step = [...steps].reverse().find(({ kind }) => kind !== "move");
  if (step?.kind !== "reduce" && step?.op !== "softmax") return "";
  const isSoftmax = step.op === "softmax";
  const { axes, shape } = run.tensors[step.output];
  const long = axes.filter((_, axis) => shape[axis] > 1 && !(isSoftmax && step.mixed?.includes(axis)));
  if (long.length !== 1) return "";
  const each = long[0] === "C" ? "channel" : `place along ${long[0]}`;
  if (!isSoftmax) return `, one number for each ${each}`;
  const count = (step.mixed ?? []).reduce((product, axis) => product * shape[axis], 1);
  return `, ${count} shares for each ${each}`;
}

/** Where the followed number has got to in a tensor. */
function followWords(run, cell, id) {
  if (cell < 0) return "";
  const name = birthName(run, cell);
  const { axes, shape } = run.tensors[id];
  const at = run.homes(id) ? run.whereIs(cell, id) : -1;
  const reached = reachOf(run, cell).get(id);
  if (!reached) return `You follow ${name}; where it has gone in ${tuple(axes)} was not recorded.`;
  if (!reached.size) return `You follow ${name}, which has not gone into ${tuple(axes)}.`;
  if (reached.size === 1 && at >= 0)
    return `You follow ${name}, framed at [${unravel(at, shape).join(", ")}] of ${tuple(axes)}.`;
  const all = sizeOf(shape);
  const many = reached.size === all ? `all ${all}` : `${reached.size} of the ${all}`;
  const place = at < 0 ? "" : "; the frame is round the one that has its place";
  return `You follow ${name}, which has gone into ${many} numbers of ${tuple(axes)}${place}.`;
}

const reaches = new WeakMap(); // run: what was asked for last

/** Which elements of each tensor a number of the input has gone into. @returns {Map<number, Set<number>>} */
function reachOf(run, cell) {
  if (reaches.get(run)?.cell === cell) return reaches.get(run).found;
  const found = new Map([[run.root, new Set([cell])]]);
  for (const step of run.steps) {
    if (run.knowledge(step.output) !== "exact") continue; // not all of its way is recorded
    const made = new Set();
    step.inputs.forEach((input, i) => {
      const before = found.get(input);
      if (!before?.size) return;
      const of = run.madeOf(step, i);
      for (let k = sizeOf(run.tensors[step.output].shape) - 1; k >= 0; k--)
        if (of(k).some((element) => before.has(element))) made.add(k);
    });
    found.set(step.output, made);
  }
  reaches.set(run, { cell, found });
  return found;
}
