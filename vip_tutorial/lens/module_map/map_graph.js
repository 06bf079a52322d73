// What a map of a run shows: its steps in groups, so that a whole module fits one look.
//
// A group is what a reader would call one act: "lay the columns down as rows" (three
// moves), "mix the rows and bring them home" (a Linear and three moves).  It takes the
// tensors that stand on the map, its stations, and leaves one more.

import { sizeOf } from "../permute_lens/recording.js";

/**
 * @typedef {object} Group
 * @property {number[]} steps which steps of the run, from 0, in order
 * @property {number[]} inputs the tensors that it takes, each once
 * @property {number} output the tensor that it leaves
 * @property {string} [module] the module that it is, folded
 * @property {string} [within] the module that it is in, where that is plain to see
 */

const MOST_ACTS = 40; // more of them no look takes in: they fold by module

/**
 * @param {*} run
 * @param {string} open the one module that shall not be folded; "all" if each step shall be a group of its own
 * @returns {Group[]} in the order in which they ended
 */
export function groupsOf(run, open) {
  const every = run.steps.map((_, i) => i);
  if (open === "all") return every.map((i) => groupOf(run, [i]));
  const acts = (steps) => fold(run, steps).map((act) => groupOf(run, act));
  if (!isLong(run)) return acts(every);
  return partsOf(run).flatMap(({ name, steps, isWhole }) => {
    const isFolded = isWhole && name !== open;
    /** @type {Group[]} */
    const groups = isFolded ? [groupOf(run, steps)] : acts(steps);
    const more = isFolded ? { module: name } : { within: name };
    return groups.map((group) => ({ ...group, ...more }));
  });
}

/** The names of the modules that fold: none in a run of few acts. */
export function modulesOf(run) {
  if (!isLong(run)) return [];
  return [
    ...new Set(
      partsOf(run)
        .filter(({ isWhole }) => isWhole)
        .map(({ name }) => name),
    ),
  ];
}

const isLong = (run) => run.steps.length > MOST_ACTS && fold(run, [...run.steps.keys()]).length > MOST_ACTS;

/** The outermost of the modules that a step is in; of those in a list the one that it is: "blocks.0". */
const outermost = ({ module }) => module?.match(/^(?:[^.]+\.)*?\d+(?=\.|$)|^[^.]+/)?.[0] ?? "";

/** The run in parts of one outermost module each; a whole one is seen from outside by its last tensor alone. */
function partsOf(run) {
  /** @type {{name: string, steps: number[], isWhole: boolean}[]} */
  const parts = [];
  run.steps.forEach((step, i) => {
    const name = outermost(step);
    if (parts.at(-1)?.name === name) parts.at(-1).steps.push(i);
    else parts.push({ name, steps: [i], isWhole: false });
  });
  const lastUse = new Map(run.steps.flatMap(({ inputs }, i) => inputs.map((id) => [id, i])));
  for (const part of parts) {
    const end = part.steps.at(-1);
    const inner = part.steps.slice(0, -1).map((i) => run.steps[i].output);
    part.isWhole =
      part.name !== "" &&
      part.steps.length > 1 &&
      inner.every((id) => (lastUse.get(id) ?? end) <= end && !run.outputs.includes(id));
  }
  return parts;
}

function groupOf(run, steps) {
  const made = new Set(steps.map((i) => run.steps[i].output));
  const taken = steps.flatMap((i) => run.steps[i].inputs).filter((id) => !made.has(id));
  return { steps, inputs: [...new Set(taken)], output: run.steps[steps[steps.length - 1]].output };
}

/** Some steps of a run in acts: the steps of each, in order. */
function fold(run, all) {
  const uses = new Map(run.tensors.map(({ id }) => [id, 0]));
  for (const { inputs } of run.steps) for (const id of new Set(inputs)) uses.set(id, uses.get(id) + 1);
  /** @type {Map<number, number[]>} the group that ends with a tensor which is used once */
  const open = new Map();
  const groups = new Set();
  all.forEach((i) => {
    const step = run.steps[i];
    const sources = [...new Set(step.inputs)];
    const joined = sources
      .map((id) => [id, open.get(id)])
      .filter(([, group]) => group && isOneAct(run, step, group, sources.length > 1));
    const steps = [...joined.flatMap(([, group]) => group), i].sort((a, b) => a - b);
    for (const [id, group] of joined) {
      groups.delete(group);
      open.delete(id);
    }
    groups.add(steps);
    if (uses.get(step.output) === 1 && !run.outputs.includes(step.output)) open.set(step.output, steps);
  });
  return [...groups].sort((one, other) => one[one.length - 1] - other[other.length - 1]);
}

/** Whether a step belongs to the act that made what it takes. */
function isOneAct(run, step, group, takesSeveral) {
  const steps = group.map((i) => run.steps[i]);
  const works = steps.filter(({ kind }) => kind !== "move");
  const before = steps[steps.length - 1];
  if (step.kind === "move") return !takesSeveral;
  if (takesSeveral) {
    // A sum of products is one act, and what is stretched over a tensor is part of it.
    const isSpread = !works.length && sizeIn(run, before) < sizeIn(run, step);
    return step.kind === "pointwise" && (isSpread || isCombination(before));
  }
  if (step.kind === "mix") {
    const part = partOf(step);
    return part.length > 1 && works.some((one) => partOf(one)[0] === part[0]);
  }
  return works.length > 0;
}

const isCombination = ({ kind, inputs }) => kind === "pointwise" && new Set(inputs).size > 1;

const sizeIn = (run, { output }) => sizeOf(run.tensors[output].shape);

/** The names of the modules that a step is in, from the outermost on, or from within a module of a list. */
export function partOf({ module }, within = "") {
  if (!module) return [];
  return /\d$/.test(within) ? module.slice(within.length).split(".").slice(1) : module.split(".");
}

/** What a group is called: its modules, and its other steps by their names. */
export function nameOf(run, group) {
  if (group.module) return group.module;
  const steps = group.steps.map((i) => run.steps[i]);
  const works = steps.filter(({ kind, op }) => kind !== "move" && op !== "dropout");
  if (!works.length) return (steps.filter(({ kind }) => kind !== "move")[0] ?? steps[0]).op;
  const tops = works.map((step) => {
    const part = partOf(step, group.within);
    const alike = works.filter((one) => part.length && partOf(one, group.within)[0] === part[0]);
    if (!part.length) return step.op;
    return alike.length > 1 ? part[0] : part.join(".");
  });
  return [...new Set(tops)].join(" · ");
}

/** The names of the moves of a group, in order. */
export function movesOf(run, group) {
  if (group.module) return [];
  return group.steps
    .map((i) => run.steps[i])
    .filter(({ kind, op }) => kind === "move" && op !== "dropout") // which moves nothing
    .map(({ op }) => op);
}

/** The matrix of the only linear step of a group, if it is known and holds anything. */
export function matrixOf(run, group) {
  if (group.module) return null;
  const mixes = group.steps.map((i) => run.steps[i]).filter(({ kind }) => kind === "mix");
  const map = mixes.length === 1 ? run.linearMap(mixes[0]) : null;
  return map?.weight.values.length ? map : null;
}
