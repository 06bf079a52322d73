// The permute lens: step, scrub or play a recorded run and follow its elements.

import { firstFrameOf, choiceField, renderFigure, wholeField } from "../figure/figure.js";
import { escape } from "../figure/host.js";
import { actionName, actOnLens, stepTo } from "./lens_acts.js";
import { callHtml, codeHtml, headHtml, memoryHtml, optionsHtml, panesHtml, sayText, stageHtml } from "./lens_html.js";
import { memoryParts } from "./memory.js";
import { paintParts } from "../figure/paint.js";
import { hit, paneParts } from "./panes.js";
import { fillOf, formatOf, moment, planScene } from "./scene.js";
import { readRun, sizeOf } from "./recording.js";
import { birthName, stepWords } from "./words.js";

const NUMBERS = { none: "nothing", birth: "birth row and column", value: "value", order: "reading order of a row" };
const SLIDER_KEYS = { ArrowRight: 1, ArrowUp: 1, PageUp: 1, ArrowLeft: -1, ArrowDown: -1, PageDown: -1 };

export const figure = {
  kind: "permute_lens",
  watched: ["recording", "picture", "hue", "light"],
  help:
    "Click a cell to follow it through every step; click it again to let it go. On the picture: arrow keys follow the neighbour along the " +
    "last two axes, Shift and arrow keys along the two before them, Escape lets go; N and P step, Home and End jump, Space plays. " +
    "Choose a number of the call to light the axis that it names.",

  fields: {
    step: wholeField(undefined, 0, ({ run }) => run.steps.length),
    cell: wholeField(-1, -1, ({ run }) => sizeOf(run.tensors[run.root].shape) - 1),
    fill: choiceField("birth", ({ fills }) => Object.keys(fills)),
    numbers: choiceField("none", Object.keys(NUMBERS)),
    axis: wholeField(-1, -1, 99),
    dir: { usual: "", read: (text, { run }) => (text === "back" && run.hasGradient() ? text : undefined) },
  },

  /** A step has its own number of axes. */
  misfits: ({ run }, state) => (state.axis < axesOf(run, lensState(state)).length ? [] : ["axis"]),

  prepare(get) {
    const run = readRun(get("recording"));
    const options = { hue: get("hue"), light: get("light"), picture: get("picture") };
    const fills = {
      ...(options.picture ? { picture: "its piece of the picture" } : {}),
      birth: "where it was born",
      value: "its value",
      ...(run.hasGradient() ? { gradient: "its gradient" } : {}),
    };
    return {
      run,
      fills,
      title: run.name,
      plans: { wide: planScene(run, options, "wide"), narrow: planScene(run, options, "narrow") },
    };
  },

  first: ({ run, fills }) => ({ step: Math.min(1, run.steps.length), fill: fills.picture ? "picture" : "birth" }),

  html(scene, state, asleep) {
    const { run, plans, title } = scene;
    const now = lensState(state);
    const lit = { ...now, axis: state.glance ?? now.axis };
    const many = run.steps.length > 16; // then a button has room for its number only
    const { index } = moment(run, now, now.step);
    const steps = run.steps.map(({ op }, i) => {
      const name = many ? ` title="${escape(op)}" aria-label="${i + 1} ${escape(op)}"` : "";
      const current = i === index && (now.step > 0 || now.backward) ? ' aria-current="step"' : "";
      return `<button type="button" data-do="step" data-value="${i + 1}"${name}${current}><small>${i + 1}</small>${many ? "" : ` ${escape(op)}`}</button>`;
    });
    const strip = asleep ? "The memory that the step reads and writes." : "";
    return [
      `<div class="vip-code" data-part="code">${codeHtml(run, now)}</div>`,
      `<div class="vip-call" data-part="call" data-keys="call">${callHtml(run, now, asleep)}</div>`,
      `<div class="vip-steps vip-scripted${many ? " vip-many" : ""}" role="group" aria-label="Steps of the run" data-part="steps">${steps.join("")}</div>`,
      `<div class="vip-player vip-scripted">
  <button type="button" data-do="back">◀ Back</button>
  <button type="button" data-do="play" aria-pressed="${Boolean(state.playing)}">${state.playing ? "❚❚ Pause" : "▶ Play"}</button>
  <button type="button" data-do="next">Next ▶</button>
  <input type="range" min="0" max="${run.steps.length}" step="0.01" value="${positionOf(state)}" data-part="scrub" data-set="scrub" data-let-go="land"
    data-keys="scrub" aria-label="Scrub through the steps" aria-valuetext="${escape(stepWords(run, now))}">
</div>`,
      `<div class="vip-heads"><div data-part="left">${headHtml(run, lit, "left")}</div><div data-part="right">${headHtml(run, lit, "right")}</div></div>`,
      panesHtml(scene, now, `${title}. ${sayText(run, now)}`, asleep),
      `<div class="vip-memory" data-part="memory">${memoryHtml(run, now)}</div>`,
      stageHtml(
        plans,
        (plan) => memoryParts(plan, now, 0).height,
        'data-part="strip"',
        asleep && ((plan) => memoryParts(plan, now, now.step)),
        strip,
      ),
    ];
  },

  options({ run, fills }, state) {
    const now = lensState(state);
    const fill = optionsHtml("fill", "Colour a cell by", fills, fillOf(now), now.backward ? " disabled" : ""); // the way back is the gradient's
    const backward = `<label><input type="checkbox" data-part="backward" data-set="backward"${now.backward ? " checked" : ""}> gradient, backward</label>`;
    return `${fill}${optionsHtml("numbers", "Write in it", NUMBERS, now.numbers)}${run.hasGradient() ? backward : ""}`;
  },

  foot: ({ run }) => run.omitted.map((sentence) => `<p class="vip-omitted">${escape(sentence)}</p>`).join(""),

  say: ({ run, plans }, state, body) =>
    sayText(run, lensState(state), body && plans[formatOf(stageOf(body, "panes").clientWidth)]),

  act(scene, state, action) {
    const { run } = scene;
    const { name, value, key, calm } = action;
    const now = lensState(state);
    const last = run.steps.length;
    switch (actionName(action)) {
      case "play":
        if (state.playing) return { playing: false };
        return {
          playing: true,
          ...(this.motion.next(scene, state) ? {} : stepTo(run, now, now.backward ? last : 0, false)),
          slowly: false,
        };
      case "next":
      case "back": // show the step that is on its way
        return state.playing ? { playing: false } : actOnLens(scene, now, positionOf(state), action);
      case "let go":
        return { cell: -1, axis: -1 };
      case "call":
        return key === "Escape" ? { axis: -1 } : undefined;
      case "numbers":
        return { numbers: value };
      case "backward":
        return { dir: value ? "back" : "", step: value ? last : 0, axis: -1 };
      case "scrub": {
        if (key !== undefined) return key in SLIDER_KEYS ? stepTo(run, now, now.step + SLIDER_KEYS[key]) : undefined;
        const position = calm ? Math.round(value) : +value;
        const changes = stepTo(run, now, now.backward ? Math.floor(position) : Math.ceil(position), false);
        return { ...changes, moving: position === changes.step ? undefined : position };
      }
      case "land":
        return stepTo(run, now, Math.round(value));
      case "glance":
        return state.playing ? undefined : { glance: value === "" ? undefined : +value };
      case "light": {
        const axis = value ? axesOf(run, now).findIndex((axis) => axis.split("*").includes(value)) : -1;
        return state.playing ? undefined : { glance: axis < 0 ? undefined : axis };
      }
      default: {
        const changes = actOnLens(scene, now, positionOf(state), action);
        return name === "follow" && changes?.cell === state.cell ? { ...changes, cell: -1 } : changes;
      }
    }
  },

  motion: {
    field: "step",
    next(scene, state) {
      const now = lensState(state);
      return now.step === (now.backward ? 0 : scene.run.steps.length)
        ? undefined
        : actOnLens(scene, now, now.step, { name: "next" });
    },
    calm: ({ numbers }) => (numbers === "none" ? { numbers: "order" } : {}), // what the motion would show
  },

  /** The axis that is lit, by its letters: the text around the figure is told. */
  lit: ({ run }, state) => axesOf(run, lensState(state))[state.glance ?? state.axis]?.split("*") ?? [],

  hint({ run, plans }, state, { x, y, width }) {
    const plan = plans[formatOf(width)];
    const found = hit(plan, lensState(state), positionOf(state), x * plan.size.width, y * plan.paneHeight);
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
      const picture = partsOf(plans[formatOf(stageOf(body, "panes").clientWidth)], now, positionOf(state));
      const scale = (stage.clientWidth / picture.width) * (window.devicePixelRatio || 1);
      paintParts(stage.querySelector("canvas"), picture, scale, theme(), JSON.stringify([picture.width, now]));
    }
  },
};

/** The state as it is drawn. @returns {import("./scene.js").LensState} */
const lensState = ({ step = 0, cell, fill, numbers, axis, dir }) => ({
  step,
  cell,
  fill,
  numbers,
  axis,
  backward: dir === "back",
});

/** Where the picture is: at the state's step, or on the way there. */
const positionOf = ({ step, moving }) => moving ?? step;

const axesOf = (run, state) => run.tensors[moment(run, state, state.step).step.output].axes;

const stageOf = (body, name) => body.querySelector(`[data-part="${name}"]`);

export const render = renderFigure(figure);
export const firstFrame = firstFrameOf(figure);
