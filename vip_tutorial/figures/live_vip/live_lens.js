// A branch of an opened block, step by step: the permute lens on the numbers that the
// network computes for the picture.  What ran is recorded once, in Python, and is the same
// for each block and picture; what is drawn and said of it is the lens' own.

import { axisColour } from "../../lens/figure/colours.js";
import { choiceField, wholeField } from "../../lens/figure/figure.js";
import { escape } from "../../lens/figure/host.js";
import { actOnLens } from "../../lens/permute_lens/lens_acts.js";
import {
  callHtml,
  codeHtml,
  headsHtml,
  legendsHtml,
  optionsHtml,
  panesHtml,
  sayText,
} from "../../lens/permute_lens/lens_html.js";
import { applyLayer } from "./network.js";
import { paintParts } from "../../lens/figure/paint.js";
import { paneParts } from "../../lens/permute_lens/panes.js";
import { MOST_DRAWN, ravel, readRun, sizeOf, unravel } from "../../lens/permute_lens/recording.js";
import { formatOf, planScene } from "../../lens/permute_lens/scene.js";
import { BRANCHES, signHtml } from "../shared/triangle.js";

const FILLS = { birth: "where it was born", value: "its value" };
const NAMES = Object.fromEntries(BRANCHES);

export const HELP =
  "Choose a branch of an opened block to go through its steps: N and P on the picture step, Home and End jump; click a number, or " +
  "move with the arrows (with Shift along the outer axes), to follow it.";

/** The parts of a state that are the lens'; the number that is followed is the figure's own. */
export const fields = {
  branch: { usual: "", read: (text, scene) => (Object.hasOwn(scene.recordings, text) ? text : undefined) },
  step: wholeField(1, 0, (scene) => Math.max(0, ...Object.values(scene.recordings).map(({ steps }) => steps.length))),
  fill: choiceField("birth", Object.keys(FILLS)),
  axis: wholeField(-1, -1, 9),
};

/**
 * Check the recordings of the branches: of moves, and of one Linear from C to C.
 * @param {Record<string, object>} recordings by branch; empty if there are too many numbers
 */
export function readRecordings(recordings, { N, C }) {
  const isAsTokens = ({ shape }) => String(shape) === String([1, N, N, C]);
  const branches = BRANCHES.map(([b]) => b);
  const damaged = new Error("the recorded steps of its branches are damaged");
  if (!recordings || typeof recordings !== "object") throw damaged;
  if (!Object.keys(recordings).length) return {};
  const filled = Object.fromEntries(branches.map((b) => [b, withMoves(recordings[b])]));
  for (const b of branches) {
    const { root, steps, tensors } = readRun(filled[b]);
    if (filled[b].inputs[0] !== root) throw damaged;
    const isChain = steps.every(({ inputs }, i) => inputs[0] === (i ? steps[i - 1].output : root));
    const mixes = steps.filter(({ kind }) => kind !== "move");
    const mixesRows = mixes.every(
      ({ kind, inputs, output }) => kind === "mix" && [inputs[0], output].every((id) => tensors[id].shape.at(-1) === C),
    );
    if (
      !isChain ||
      mixes.length !== 1 ||
      !mixesRows ||
      !isAsTokens(tensors[root]) ||
      !isAsTokens(tensors[steps.at(-1).output])
    )
      throw damaged;
  }
  return filled;
}

/** The recording with its moves, which Python leaves out: they follow from shapes and order. */
function withMoves(recording) {
  const { tensors, steps } = readRun(recording);
  const moveOf = ({ order, inputs: [input], output }) => {
    const [before, shape] = [input, output].map((id) => tensors[id].shape);
    if (sizeOf(shape) > MOST_DRAWN) throw new Error("the recorded steps of its branches are damaged");
    const every = Array.from({ length: sizeOf(shape) }, (_, k) => k);
    if (!order) return every; // a reshape takes all in their order
    const back = order.map((_, axis) => order.indexOf(axis));
    return every.map((k) => {
      const at = unravel(k, shape);
      return ravel(
        back.map((axis) => at[axis]),
        before,
      );
    });
  };
  return { ...recording, steps: steps.map((step) => (step.kind === "move" ? { ...step, map: moveOf(step) } : step)) };
}

/** The recording with numbers: its moves move x, and its Linear is the network's. */
function withNumbers(recording, x, layer) {
  const values = [];
  values[recording.inputs[0]] = [...x];
  for (const { map, inputs, output } of recording.steps) {
    const before = values[inputs[0]];
    values[output] = map ? map.map((k) => before[k]) : [...applyLayer(layer, Float64Array.from(before))];
  }
  const operands = (recording.operands ?? []).map((operand) => ({
    ...operand,
    values: [...(operand.shape.length === 2 ? layer.weight : layer.bias)],
  }));
  return {
    ...recording,
    operands,
    tensors: recording.tensors.map((tensor) => ({ ...tensor, values: values[tensor.id] })),
  };
}

/** The lens on the branch that is open; undefined if none is. */
export function lensOf(scene, state, { now }) {
  if (!state.open || !state.branch) return undefined;
  const step = now.steps[state.open - 1];
  step.lenses ??= {}; // as long as the network's numbers are kept, so is what is drawn of them
  const lens = (step.lenses[state.branch] ??= makeLens(scene, state, step));
  const { run } = lens;
  const at = Math.min(state.step, run.steps.length);
  const { axes } = run.tensors[run.steps[Math.max(0, at - 1)].output];
  const axis = state.axis < axes.length ? state.axis : -1;
  const cell = state.token * scene.network.C + state.channel;
  return { ...lens, state: { step: at, cell, fill: state.fill, numbers: "none", axis, backward: false } };
}

function makeLens(scene, { branch, open }, { x }) {
  const run = readRun(withNumbers(scene.recordings[branch], x, scene.network.blocks[open - 1][branch]));
  const options = { hue: "H", light: "W" };
  return { run, plans: { wide: planScene(run, options, "wide"), narrow: planScene(run, options, "narrow") } };
}

/** What is said of the step that is shown. */
function wordsOf({ branch, open }, { run, state }) {
  const name = NAMES[branch];
  const ends = {
    0: "What comes in are the tokens before, normalised. ",
    [run.steps.length]: `What comes out is the map of ${name} above, in all channels. `,
  };
  return `Block ${open}, ${name} branch. ${ends[state.step] ?? ""}${sayText(run, state)}`;
}

/** The buttons that open a branch, and the steps of the one that is open. */
export function html(scene, state, moment, asleep) {
  if (!Object.keys(scene.recordings).length)
    return '<p class="vip-note">The steps of a branch are not shown: these tokens have more numbers than the figure draws.</p>';
  const buttons = BRANCHES.map(([b, name]) => {
    const isOpen = state.branch === b;
    return `<button type="button" data-do="branch" data-value="${isOpen ? "" : b}" aria-expanded="${isOpen}">${signHtml(b)}${name}</button>`;
  });
  const lens = lensOf(scene, state, moment);
  return `<div class="vip-steps vip-scripted" role="group" aria-label="Branches, step by step"><span>Step through a branch, with the numbers of this picture:</span>${buttons.join("")}</div>
${lens ? `<div class="vip-live-lens" style="--axis:${axisColour(state.branch.toUpperCase())}">${stepsHtml(state, lens, asleep)}</div>` : ""}`;
}

function stepsHtml(state, { run, plans, state: at }, asleep) {
  const words = wordsOf(state, { run, state: at });
  const steps = run.steps.map(
    ({ op }, i) =>
      `<button type="button" data-do="step" data-value="${i + 1}"${i + 1 === at.step ? ' aria-current="step"' : ""}><small>${i + 1}</small> ${escape(op)}</button>`,
  );
  const walk = (label, to) => `<button type="button" data-do="step" data-value="${to}">${label}</button>`;
  return `
<div class="vip-code">${codeHtml(run, at)}</div>
<div class="vip-call">${callHtml(run, at, asleep)}</div>
<div class="vip-steps vip-scripted" role="group" aria-label="Steps of the branch">${steps.join("")}</div>
<div class="vip-player vip-scripted">${walk("◀ Back", at.step - 1)}${walk("Next ▶", at.step + 1)}${optionsHtml("fill", "Colour a cell by", FILLS, at.fill)}</div>
${headsHtml(run, at)}
${panesHtml({ run, plans }, at, words, asleep)}
<p class="vip-looks">${legendsHtml({ plans }, at)}</p>
<p class="vip-note vip-live-words">${escape(words)}</p>`;
}

/** Draw the step on its canvas. */
export function paint(body, scene, state, moment, theme) {
  const canvas = body.querySelector(".vip-live-lens canvas");
  const lens = canvas && lensOf(scene, state, moment);
  if (!lens) return;
  const { run, plans, state: at } = lens;
  const width = canvas.parentElement.clientWidth;
  const picture = paneParts(plans[formatOf(width)], at, at.step);
  const looks = JSON.stringify([state.picture, state.off, state.hold, state.open, state.branch, at]);
  paintParts(canvas, picture, (width / picture.width) * (window.devicePixelRatio || 1), theme(), looks);
}

/** What an action on the lens changes; undefined if it is no such action. */
export function act(scene, state, moment, action) {
  const { name, value } = action;
  const heard = (changes) => ({ ...changes, heard: heardOf(scene, { ...state, ...changes }, moment) });
  if (name === "branch") return heard(value ? { branch: value, step: 1, axis: -1 } : { branch: "" });
  const lens = lensOf(scene, state, moment);
  if (!lens) return undefined;
  const { C } = scene.network;
  const changes = actOnLens(lens, lens.state, lens.state.step, action);
  if (!changes) return undefined;
  const { slowly: _, cell, ...more } = changes; // nothing moves here
  return heard({ ...more, ...(cell === undefined ? {} : { token: Math.floor(cell / C), channel: cell % C }) });
}

function heardOf(scene, state, moment) {
  const lens = lensOf(scene, state, moment);
  return lens ? wordsOf(state, lens) : "";
}
