// The permute lens: step, scrub or play a recorded run and follow its elements.

import { firstFrameOf, choiceField, renderFigure, wholeField } from "../figure/figure.js";
import { escape } from "../figure/host.js";
import { actionName, actOnLens, letGo } from "./lens_acts.js";
import {
  callHtml,
  codeHtml,
  headsHtml,
  legendsHtml,
  memoryHtml,
  optionsHtml,
  panesHtml,
  sayText,
  stageHtml,
  stridesHtml,
  failedHtml,
} from "./lens_html.js";
import { memoryParts } from "./memory.js";
import { actOnPlayer, lastsOf, nextOf, pictureAt, playerHtml, positionOf, shownOf, SPEEDS } from "./player.js";
import { paintParts } from "../figure/paint.js";
import { hit, paneParts } from "./panes.js";
import { fillOf, formatOf, moment, planScene } from "./scene.js";
import { readRun, sizeOf } from "./recording.js";
import { hasWindows, readWindow } from "./window.js";
import { birthName, stepWords } from "./words.js";

const NUMBERS = { none: "nothing", birth: "", value: "value", order: "reading order of a row" };

const MOST_BUTTONS = 100;

const HELP_WINDOWS =
  "Of a tensor too large to draw, the picture has a window: − and + over it move it, and so do Page Up and Page Down " +
  "on the picture, with Shift along the axis before; it goes along with a cell that you follow. ";

export const figure = {
  kind: "permute_lens",
  title: "A recorded run",
  watched: ["recording", "picture", "hue", "light", "program"],
  help: ({ run }) =>
    (hasWindows(run) ? HELP_WINDOWS : "") +
    "Click a cell to follow it through every step; click it again to let it go. On the picture: arrow keys follow the neighbour along the " +
    "last two axes, Shift and arrow keys along the two before them, Escape lets go; N and P step, Home and End jump, Space plays. " +
    "Choose a number of the call to light the axis that it names.",

  fields: {
    step: wholeField(undefined, 0, ({ run }) => run.steps.length),
    cell: wholeField(-1, -1, ({ run }) => sizeOf(run.tensors[run.root].shape) - 1),
    fill: choiceField("birth", ({ fills }) => Object.keys(fills)),
    numbers: choiceField("none", Object.keys(NUMBERS)),
    axis: wholeField(-1, -1, 99),
    window: { usual: "", read: (text, { run }) => readWindow(run, text) },
    speed: choiceField("1", SPEEDS),
    dir: { usual: "", read: (text, { run }) => (text === "back" && run.hasGradient() ? text : undefined) },
  },

  /** A step has its own number of axes. */
  misfits: ({ run }, state) => (state.axis < axesOf(run, lensState(state)).length ? [] : ["axis"]),

  prepare(get) {
    const run = readRun(get("recording"));
    const { axes, shape } = run.tensors[run.root];
    const long = axes.filter((_, axis) => shape[axis] > 1).map((name) => name.toLowerCase());
    const options = { hue: get("hue"), light: get("light"), picture: get("picture") };
    const plans = { wide: planScene(run, options, "wide"), narrow: planScene(run, options, "narrow") };
    if (options.picture && !isPictureOf(options.picture, shape, plans.wide.birth))
      throw new Error("its picture is no grid of grey levels, one for each token");
    const fills = {
      ...(options.picture ? { picture: "its piece of the picture" } : {}),
      birth: "where it was born",
      value: "its value",
      ...(run.hasGradient() ? { gradient: "its gradient" } : {}),
    };
    return {
      run,
      fills,
      numbers: { ...NUMBERS, birth: `where it was born: ${long.join(", ") || "one number"}` },
      title: run.name,
      plans,
      program: /^[\w:/.-]*#playground=[\w;=-]*$/.test(get("program") ?? "") ? get("program") : "",
    };
  },

  first: ({ run, fills }) => ({ step: Math.min(1, run.steps.length), fill: fills.picture ? "picture" : "birth" }),

  html(scene, state, asleep) {
    const { run, plans, title } = scene;
    const now = lensState(state);
    const lit = { ...now, axis: state.glance ?? now.axis };
    const many = run.steps.length > 16; // then a button has room for its number only
    const shown = run.steps.length > MOST_BUTTONS ? [] : run.steps; // of more the slider is left
    const { index } = moment(run, now, now.step);
    const steps = shown.map(({ op }, i) => {
      const current = i === index && (now.step > 0 || now.backward) ? ' aria-current="step"' : "";
      return `<button type="button" data-do="step" data-value="${i + 1}" title="${escape(op)}" aria-label="${i + 1} ${escape(op)}"${current}><small>${i + 1}</small>${many ? "" : `<span> ${escape(op)}</span>`}</button>`;
    });
    const strip = asleep ? "The memory that the step reads and writes." : "";
    return [
      `<div class="vip-steps vip-scripted${many ? " vip-many" : ""}" role="group" aria-label="Steps of the run" data-part="steps">${steps.join("")}</div>`,
      `<div class="vip-code" data-part="code">${codeHtml(run, now)}</div>`,
      `<div class="vip-call" data-part="call" data-keys="call">${callHtml(run, now, asleep)}</div>`,
      headsHtml(run, lit),
      panesHtml(scene, now, `${title}. ${sayText(run, now)}`, asleep),
      `<p class="vip-looks" data-part="legend">${legendsHtml(scene, now)}</p>`,
      playerHtml(run, state, stepWords(run, now)),
      `<details class="vip-fold" open data-yours><summary class="vip-memory" data-part="memory">${memoryHtml(run, now)}</summary>
<p class="vip-numbers" data-part="strides">${stridesHtml(run, now)}</p>
${stageHtml(
  plans,
  (plan) => memoryParts(plan, now, 0).height,
  'data-part="strip"',
  asleep && ((plan) => memoryParts(plan, now, now.step)),
  strip,
)}</details>`,
    ];
  },

  options({ run, fills, numbers }, state) {
    const now = lensState(state);
    const fill = optionsHtml("fill", "Colour a cell by", fills, fillOf(now), now.backward ? " disabled" : ""); // the way back is the gradient's
    const backward = `<label><input type="checkbox" data-part="backward" data-set="backward"${now.backward ? " checked" : ""}> gradient, backward</label>`;
    return `${fill}${optionsHtml("numbers", "Write in it", numbers, now.numbers)}${run.hasGradient() ? backward : ""}`;
  },

  foot: ({ run, program }) =>
    (program ? `<p class="vip-note"><a href="${escape(program)}">Change this code</a> in the playground.</p>` : "") +
    failedHtml(run) +
    run.omitted.map((sentence) => `<p class="vip-omitted">${escape(sentence)}</p>`).join(""),

  say: ({ run, plans }, state, body) =>
    sayText(run, lensState(state), body && plans[formatOf(stageOf(body, "panes").clientWidth)]),

  act(scene, state, action) {
    const { run } = scene;
    const { name, value, key, calm } = action;
    const now = { ...lensState(state), step: state.step }; // not the one that is seen on the way there
    const last = run.steps.length;
    const played = actOnPlayer(scene, now, state, action);
    if (played) return played;
    switch (actionName(action)) {
      case "let go":
        return { ...letGo(run, now), axis: -1 };
      case "call":
        return key === "Escape" ? { axis: -1 } : undefined;
      case "numbers":
        return { numbers: value };
      case "backward":
        return { dir: value ? "back" : "", step: value ? last : 0, axis: -1 };
      case "glance":
        return state.playing ? undefined : { glance: value === "" ? undefined : +value };
      case "light": {
        const axis = value ? axesOf(run, now).findIndex((axis) => axis.split("*").includes(value)) : -1;
        return state.playing ? undefined : { glance: axis < 0 ? undefined : axis };
      }
      default: {
        const changes = actOnLens(scene, now, positionOf(state), action);
        return name === "follow" && changes?.cell === state.cell ? { ...changes, ...letGo(run, now) } : changes;
      }
    }
  },

  motion: {
    field: "step",
    next: (scene, state) => nextOf(scene, { ...lensState(state), step: state.step }),
    lasts: ({ run }, state) => lastsOf(run, lensState(state), state),
    shows: (_, state) => JSON.stringify(shownOf(state)),
    calm: ({ numbers }) => (numbers === "none" ? { numbers: "order" } : {}), // what the motion would show
  },

  /** The axis that is lit, by its letters: the text around the figure is told. */
  lit: ({ run }, state) => axesOf(run, lensState(state))[state.glance ?? state.axis]?.split("*") ?? [],

  hint({ run, plans }, state, { x, y, width }) {
    const plan = plans[formatOf(width)];
    const found = hit(plan, lensState(state), pictureAt(state), x * plan.size.width, y * plan.paneHeight);
    return found ? `${birthName(run, found.home)}, address ${run.address(found.id, found.k)}` : "";
  },

  paint(body, { plans }, state, theme) {
    const now = { ...lensState(state), axis: state.glance ?? state.axis };
    body.querySelector('[data-part="scrub"]').value = positionOf(state);
    for (const [name, partsOf] of /** @type {[string, typeof paneParts][]} */ ([
      ["panes", paneParts],
      ["strip", memoryParts],
    ])) {
      const stage = stageOf(body, name);
      const picture = partsOf(plans[formatOf(stageOf(body, "panes").clientWidth)], now, pictureAt(state));
      const scale = (stage.clientWidth / picture.width) * (window.devicePixelRatio || 1);
      paintParts(stage.querySelector("canvas"), picture, scale, theme(), JSON.stringify([picture.width, now]));
    }
  },
};

/** Whether there is a number for each token that the cells are coloured by. */
const isPictureOf = (picture, shape, { hue, light }) =>
  Array.isArray(picture) &&
  picture.length === (shape[hue] ?? 1) &&
  picture.every(
    (row) => Array.isArray(row) && row.length === (shape[light] ?? 1) && row.every((level) => Number.isFinite(level)),
  );

/** The state as it is drawn and told of. @returns {import("./scene.js").LensState} */
export const lensState = ({ cell, fill, numbers, axis, dir, window, ...state }) => ({
  ...shownOf({ ...state, dir }),
  cell,
  fill,
  numbers,
  axis,
  window,
  backward: dir === "back",
});

const axesOf = (run, state) => run.tensors[moment(run, state, state.step).step.output].axes;

const stageOf = (body, name) => body.querySelector(`[data-part="${name}"]`);

export const render = renderFigure(figure);
export const firstFrame = firstFrameOf(figure);
