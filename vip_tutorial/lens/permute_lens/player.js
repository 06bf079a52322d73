// How far a lens has come, done or on its way, and the player that leads it there, be the
// lens a figure of its own or a part of one.

import { escape, offHtml } from "../figure/host.js";
import { actionName, actOnLens, stepTo } from "./lens_acts.js";
import { middleOf } from "./middle.js";
import { moment } from "./scene.js";

export const SPEEDS = ["0.5", "1", "2"];
const LASTS = { move: 2400, mix: 3200, second: 2600, rest: 1400 }; // milliseconds, at speed 1
const SLIDER_KEYS = { ArrowRight: 1, ArrowUp: 1, PageUp: 1, ArrowLeft: -1, ArrowDown: -1, PageDown: -1 };

/**
 * @typedef {object} Played the part of a figure's state that its player knows
 * @property {number} [step]
 * @property {number} [moving] where the picture is on its way to the step
 * @property {boolean} [playing]
 * @property {string} [speed]
 * @property {string} [dir] "back" on the gradient's way
 */

/** The step that is seen, done or on its way, and whether that is the way back. @param {Played} state */
export function shownOf({ step = 0, moving = step, dir }) {
  if (moving === step) return { step, undone: false };
  const [low, high] = [Math.floor(moving), Math.ceil(moving)];
  if (dir === "back") return moving > step ? { step: high - 1, undone: false } : { step: low, undone: true };
  return moving < step ? { step: low + 1, undone: false } : { step: high, undone: true };
}

/** Where the picture is: at the state's step, or on the way there. @param {Played} state */
export const positionOf = ({ step = 0, moving }) => moving ?? step;

/** The same, as it is drawn: at the very beginning of a step that one is seen, not the one before it. */
export function pictureAt(state) {
  const { step } = shownOf(state);
  const at = positionOf(state);
  if (state.moving === undefined) return at;
  return state.dir === "back" ? Math.min(at, step + 1 - 1e-6) : Math.max(at, step - 1 + 1e-6);
}

export function speedHtml(speed) {
  const options = SPEEDS.map(
    (one) => `<option value="${one}"${one === String(speed) ? " selected" : ""}>${one} ×</option>`,
  );
  return `<select data-set="speed" aria-label="Speed">${options.join("")}</select>`;
}

/** @param {*} run @param {Played} state @param {string} words of the step that is shown */
export function playerHtml(run, state, words) {
  const last = run.steps.length;
  const [first, end] = state.dir === "back" ? [last, 0] : [0, last];
  const off = (isOff) => offHtml(isOff && !state.playing);
  return `<div class="vip-player vip-scripted">
  <button type="button" data-do="back"${off(state.step === first)}>◀ Back</button>
  <button type="button" data-do="play" aria-pressed="${Boolean(state.playing)}">${state.playing ? "❚❚ Pause" : "▶ Play"}</button>
  <button type="button" data-do="next"${off(state.step === end)}>Next ▶</button>
  <input type="range" min="0" max="${last}" step="0.01" value="${positionOf(state)}" data-part="scrub" data-set="scrub" data-let-go="land"
    data-keys="scrub" aria-label="Scrub through the steps" aria-valuetext="${escape(words)}">
  ${speedHtml(state.speed)}
</div>`;
}

/** What is changed by the next step of play; undefined at the end. */
export const nextOf = (lens, now) =>
  now.step === (now.backward ? 0 : lens.run.steps.length)
    ? undefined
    : actOnLens(lens, now, now.step, { name: "next" });

/** Milliseconds of a step: one row first, slowly, and then the others, takes its time. */
export function lastsOf(run, now, state) {
  const { step, backward } = moment(run, now, pictureAt(state));
  const kind =
    step.kind === "mix" || step.kind === "move" ? step.kind : middleOf(run, step, backward) ? "second" : "rest";
  return LASTS[kind] / state.speed;
}

/**
 * What an action on the player changes; undefined if it is no such action.
 * @param {{run: *, plans: object}} lens
 * @param {import("./scene.js").LensState} now with the step that the state leads to
 * @param {Played} state
 */
export function actOnPlayer(lens, now, state, action) {
  const { run } = lens;
  const { value, key, calm } = action;
  switch (actionName(action)) {
    case "play":
      if (state.playing) return { playing: false };
      return {
        playing: true,
        ...(nextOf(lens, now) ? {} : stepTo(run, now, now.backward ? run.steps.length : 0, false)),
        slowly: false,
      };
    case "next":
    case "back": // show the step that is on its way
      return state.playing ? { playing: false } : actOnLens(lens, now, positionOf(state), action);
    case "speed":
      return { speed: value };
    case "scrub": {
      if (key !== undefined) return key in SLIDER_KEYS ? stepTo(run, now, now.step + SLIDER_KEYS[key]) : undefined;
      const position = calm ? Math.round(value) : +value;
      const changes = stepTo(run, now, now.backward ? Math.floor(position) : Math.ceil(position), false);
      return { ...changes, moving: position === changes.step ? undefined : position };
    }
    case "land":
      return stepTo(run, now, Math.round(value));
  }
}
