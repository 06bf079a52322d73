// A branch of an opened block, step by step: the permute lens on the numbers that the
// network computes for the picture.  What ran is recorded once, in Python, and is the same
// for each block and picture; what is drawn and said of it is the lens' own.

import { axisColour } from "../../lens/figure/colours.js";
import { choiceField, wholeField } from "../../lens/figure/figure.js";
import { escape } from "../../lens/figure/host.js";
import { actionName, actOnLens } from "../../lens/permute_lens/lens_acts.js";
import {
  callHtml,
  codeHtml,
  headsHtml,
  legendsHtml,
  optionsHtml,
  panesHtml,
  sayText,
} from "../../lens/permute_lens/lens_html.js";
import {
  actOnPlayer,
  lastsOf,
  nextOf,
  pictureAt,
  playerHtml,
  positionOf,
  shownOf,
  SPEEDS,
} from "../../lens/permute_lens/player.js";
import { stepWords } from "../../lens/permute_lens/words.js";
import { applyLayer } from "./network.js";
import { paintParts } from "../../lens/figure/paint.js";
import { paneParts } from "../../lens/permute_lens/panes.js";
import { MOST_DRAWN, ravel, readRun, sizeOf, unravel } from "../../lens/permute_lens/recording.js";
import { formatOf, planScene, replanned } from "../../lens/permute_lens/scene.js";
import { tokenLevels } from "./flow_picture.js";
import { levelsOf } from "../shared/drawing.js";
import { BRANCHES, signHtml } from "../shared/triangle.js";

const FILLS = { picture: "its piece of the picture", birth: "where it was born", value: "its value" };
const NAMES = Object.fromEntries(BRANCHES);

export const HELP =
  "Press a picture of a branch to go through its steps: on the lens N and P step, Home and End jump, Space plays; click a number, or " +
  "move with the arrows (with Shift along the outer axes), to follow it; Escape lets it go.";

/** The parts of a state that are the lens'; the number that is followed is the figure's own. */
export const fields = {
  branch: { usual: "", read: (text, scene) => (Object.hasOwn(scene.recordings, text) ? text : undefined) },
  step: wholeField(1, 0, (scene) => Math.max(0, ...Object.values(scene.recordings).map(({ steps }) => steps.length))),
  fill: choiceField("birth", Object.keys(FILLS)),
  axis: wholeField(-1, -1, 9),
  follow: wholeField(1, 0, 1),
  speed: choiceField("1", SPEEDS),
};

/** Which of a branch's steps, from 1, lays its rows, mixes them, or brings them home. */
export function stepsOf(scene, branch) {
  const { steps } = scene.recordings[branch];
  const find = (isIt, from = steps) => steps.indexOf(from.find(isIt)) + 1;
  const isPermute = ({ order }) => Boolean(order);
  const mix = find(({ kind }) => kind === "mix");
  const [lay, home] = [find(isPermute), find(isPermute, [...steps].reverse())];
  return { lay: lay || mix, mix, home: home || mix };
}

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

/** The numbers of every tensor: the moves move x, and the Linear is the network's. */
function numbersOf(recording, x, layer) {
  const values = [];
  values[recording.inputs[0]] = [...x];
  for (const { map, inputs, output } of recording.steps) {
    const before = values[inputs[0]];
    values[output] = map ? map.map((k) => before[k]) : [...applyLayer(layer, Float64Array.from(before))];
  }
  return values;
}

/** The recording with the matrix and the bias of the network's Linear. */
function withLayer(recording, layer) {
  const operands = (recording.operands ?? []).map((operand) => ({
    ...operand,
    values: [...(operand.shape.length === 2 ? layer.weight : layer.bias)],
  }));
  return { ...recording, operands };
}

/** The lens on the branch that is open; undefined if none is. */
export function lensOf(scene, state, { now, network }) {
  if (!state.open || !state.branch) return undefined;
  const step = now.steps[state.open - 1];
  step.lenses ??= {}; // as long as the network's numbers are kept, so is what is drawn of them
  const lens = (step.lenses[state.branch] ??= makeLens(scene, state, step, network));
  const { run } = lens;
  const last = run.steps.length;
  const { step: to, moving } = state;
  const played = {
    ...state,
    playing: Boolean(state.playing && !state.rolls),
    step: Math.min(to, last),
    moving: moving === undefined ? moving : Math.min(moving, last),
  };
  const { step: at, undone } = shownOf(played);
  const { axes } = run.tensors[run.steps[Math.max(0, at - 1)].output];
  const axis = state.axis < axes.length ? state.axis : -1;
  const cell = state.follow ? state.token * scene.network.C + state.channel : -1;
  const shown = { step: at, undone, cell, fill: state.fill, numbers: "none", axis, backward: false };
  return { ...lens, played, shown, now: { ...shown, step: played.step } };
}

function makeLens(scene, { branch, open, frame, picture }, { x }, network) {
  const recording = scene.recordings[branch];
  const layer = network.blocks[open - 1][branch];
  const { N } = network;
  const ink = tokenLevels({ network, levels: levelsOf(scene, picture).map((level) => level / 16) });
  const rows = Array.from({ length: N }, (_, h) => ink.slice(h * N, (h + 1) * N));
  const options = { hue: "H", light: "W", picture: rows };
  // While one draws only numbers change: what the recording is, and where all stands, stays.
  const key = `${branch} ${open} ${frame}`;
  const last = scene.lens?.key === key ? scene.lens : { key, ...planned(withLayer(recording, layer), options) };
  const run = last.run.withValues(numbersOf(recording, x, layer));
  const [wide, narrow] = [last.plans.wide, last.plans.narrow].map((plan) => replanned(plan, run, options));
  scene.lens = { key, run, plans: { wide, narrow } };
  return scene.lens;
}

function planned(recording, options) {
  const run = readRun(recording);
  return { run, plans: { wide: planScene(run, options, "wide"), narrow: planScene(run, options, "narrow") } };
}

/** What is said of the step that is shown. */
function wordsOf({ branch, open }, { run, shown }) {
  const name = NAMES[branch];
  const ends = {
    0: "What comes in are the tokens before, normalised. ",
    [run.steps.length]: `What comes out are the tiles of ${name} above. `,
  };
  return `Block ${open}, ${name} branch. ${ends[shown.step] ?? ""}${sayText(run, shown)}`;
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

function stepsHtml(state, lens, asleep) {
  const { run, plans, shown, played } = lens;
  const words = wordsOf(state, lens);
  const steps = run.steps.map(
    ({ op }, i) =>
      `<button type="button" data-do="step" data-value="${i + 1}"${i + 1 === shown.step ? ' aria-current="step"' : ""}><small>${i + 1}</small><span> ${escape(op)}</span></button>`,
  );
  return `
<div class="vip-code">${codeHtml(run, shown)}</div>
<div class="vip-call">${callHtml(run, shown, asleep)}</div>
<div class="vip-steps vip-scripted" role="group" aria-label="Steps of the branch" data-part="steps">${steps.join("")}</div>
${headsHtml(run, shown)}
<div class="vip-live-stage" data-in-sight>${panesHtml({ run, plans }, shown, words, asleep)}</div>
<p class="vip-looks">${legendsHtml({ plans }, shown)}</p>
${playerHtml(run, played, stepWords(run, shown))}
<div class="vip-inputs">${optionsHtml("fill", "Colour a cell by", FILLS, shown.fill)}</div>
<p class="vip-note vip-live-words">${escape(words)}</p>`;
}

/** Draw the step on its canvas. */
export function paint(body, scene, state, moment, theme) {
  const canvas = body.querySelector(".vip-live-lens canvas");
  const lens = canvas && lensOf(scene, state, moment);
  if (!lens) return;
  const { plans, shown, played } = lens;
  body.querySelector('[data-part="scrub"]').value = positionOf(played);
  const width = canvas.parentElement.clientWidth;
  const picture = paneParts(plans[formatOf(width)], shown, pictureAt(played));
  const looks = JSON.stringify([state.picture, state.frame, state.off, state.hold, state.open, state.branch, shown]);
  paintParts(canvas, picture, (width / picture.width) * (window.devicePixelRatio || 1), theme(), looks);
}

/** How a lens that is open moves; without one nothing does. */
export const motion = {
  field: "step",
  next(scene, state) {
    const lens = lensOf(scene, state, scene.momentOf(state));
    return lens && nextOf(lens, lens.now);
  },
  lasts(scene, state) {
    const lens = lensOf(scene, state, scene.momentOf(state));
    return lens ? lastsOf(lens.run, lens.shown, lens.played) : 0;
  },
  shows: (_, state) => JSON.stringify(shownOf(state)),
  calm: () => ({}),
};

/** What an action on the lens changes; undefined if it is no such action. */
export function act(scene, state, moment, action) {
  const { name, value } = action;
  const heard = (changes) => ({
    ...changes,
    heard: heardOf(scene, { ...state, ...changes, moving: undefined }, moment),
  });
  if (name === "branch") return heard(value ? { branch: value, step: 1, axis: -1 } : { branch: "" });
  if (name === "lens") {
    const [, open, branch, step] = /^(\d+)([hwc])(\d+)$/.exec(value);
    return heard({ open: +open, branch, step: +step, axis: -1, slowly: +step - 1 });
  }
  const lens = lensOf(scene, state, moment);
  if (!lens) return undefined;
  const { C } = scene.network;
  if (actionName(action) === "let go") return heard({ follow: 0 });
  /** @type {*} */
  const changes =
    actOnPlayer(lens, lens.now, lens.played, action) ?? actOnLens(lens, lens.now, positionOf(lens.played), action);
  if (!changes) return undefined;
  const { cell, ...more } = changes;
  if (cell === undefined) return heard(more);
  if (cell === lens.now.cell && name === "follow") return heard({ follow: 0 });
  return heard({ ...more, follow: 1, token: Math.floor(cell / C), channel: cell % C });
}

function heardOf(scene, state, moment) {
  const lens = lensOf(scene, state, moment);
  return lens ? wordsOf(state, lens) : "";
}
