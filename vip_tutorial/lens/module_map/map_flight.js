// How the numbers of one act get from the tensors that it takes to the one that it leaves.

import { MOST_FOLLOWED, sizeOf } from "../permute_lens/recording.js";

/**
 * For each tensor that a group takes and that is drawn: per element, the element of its output that it ends
 * in; -1 for none.  Where elements keep a home, that says where; else what they are part of.
 * @param {*} run
 * @param {import("./map_graph.js").Group} group
 * @returns {Map<number, number[]>}
 */
export function endsOf(run, group) {
  const countOf = (id) => sizeOf(run.tensors[id].shape);
  const ends = new Map([[group.output, Array.from({ length: countOf(group.output) }, (_, k) => k)]]);
  for (const number of [...group.steps].reverse()) {
    const step = run.steps[number];
    const after = ends.get(step.output);
    if (!after) continue; // what nothing on the map is made from
    step.inputs.forEach((id, i) => {
      if (countOf(id) > MOST_FOLLOWED) return;
      const before = ends.get(id) ?? new Array(countOf(id)).fill(-1);
      ends.set(id, before);
      const homes = run.homes(id);
      if (homes && run.homes(step.output)) {
        homes.forEach((home, k) => (before[k] = after[run.whereIs(home, step.output)] ?? before[k]));
        return;
      }
      if ((step.kind === "move" && !step.map) || (step.kind === "collect" && !step.picks)) return;
      const of = run.madeOf(step, i);
      after.forEach((end, k) => {
        for (const element of of(k)) if (before[element] === -1) before[element] = end;
      });
    });
  }
  return new Map(group.inputs.map((id) => [id, ends.get(id) ?? []]));
}

/**
 * The elements of a group's output in the rows that they travel in: those that lie side by
 * side where the Linear takes them, else where the group leaves them.
 * @returns {number[]} per element of the output the number of its row
 */
export function rowsOf(run, group) {
  const mix = group.steps.map((i) => run.steps[i]).find(({ kind }) => kind === "mix");
  const pivot = mix ? mix.output : group.output;
  const { shape } = run.tensors[pivot];
  const length = shape[shape.length - 1] ?? 1;
  const rowOf = (k) => Math.floor(k / length);
  const size = sizeOf(run.tensors[group.output].shape);
  if (pivot === group.output) return Array.from({ length: size }, (_, k) => rowOf(k));
  const later = { ...group, inputs: [pivot], steps: group.steps.filter((i) => run.steps[i].output > pivot) };
  const rows = new Array(size).fill(0);
  endsOf(run, later)
    .get(pivot)
    .forEach((end, k) => end >= 0 && (rows[end] = rowOf(k)));
  return rows;
}
