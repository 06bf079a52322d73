// What mouse and keys change in a lens, be it a figure of its own or a part of one.

import { hit } from "./panes.js";
import { formatOf, moment, neighbour } from "./scene.js";
import { cutAxes, hasWindows, turnedWindow, windowAt } from "./window.js";

const KEYS = { n: "next", p: "back", Home: "first", End: "last", " ": "play", Escape: "let go" };
export const ARROWS = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 1], ArrowUp: [1, -1] };

const PAGES = { PageDown: 1, PageUp: -1 };

/** From now on the windows go along with what is followed. @param {{window?: string}} state */
export const freed = (state) => (state.window ? { window: "" } : {});

/**
 * No element is followed any more; the windows stay where they are.
 * @param {{cell: number, window?: string}} state
 */
export function letGo(run, state) {
  const stays = state.cell >= 0 && !state.window && hasWindows(run);
  return { cell: -1, ...(stays ? { window: windowAt(run, run.root, state.cell) } : {}) };
}

/** The windows a page on or back along a cut axis: of the tensor after the step, else of that before it. */
function turned(run, state, fromEnd, by) {
  const { from, to } = moment(run, state, state.step);
  const id = [to, from].find((id) => run.isComplete(id) && cutAxes(run.tensors[id].shape).length);
  if (id === undefined) return undefined;
  const window = turnedWindow(run, state, id, cutAxes(run.tensors[id].shape).at(-1 - fromEnd) ?? 0, by);
  return window === undefined ? {} : { window };
}

/** The name of an action; that of a key on the picture is what the key stands for. */
export const actionName = ({ name, key }) =>
  name === "walk" ? (KEYS[key.length === 1 ? key.toLowerCase() : key] ?? name) : name;

/**
 * The changes that lead to a step; another step has other axes.
 * @param {boolean | number} slowly whether the way there is seen, or from where on
 */
export function stepTo(run, state, step, slowly = true) {
  const there = Math.max(0, Math.min(run.steps.length, step));
  return { step: there, slowly, ...(there === state.step ? {} : { axis: -1 }) };
}

/**
 * What an action changes of a lens' state; undefined if it is no such action.
 * @param {{run: ReturnType<typeof import("./recording.js").readRun>, plans: object}} lens
 * @param {import("./scene.js").LensState} state
 * @param {number} position where the picture is, be it on its way to the state's step
 * @returns {Partial<import("./scene.js").LensState> & {slowly?: boolean | number} | undefined}
 */
export function actOnLens({ run, plans }, state, position, action) {
  const { value, key, shift, x, y, width } = action;
  const forward = state.backward ? -1 : 1;
  switch (actionName(action)) {
    case "step": {
      // As it stands on its button, counted from 1: that step is seen, whatever lies between.
      const there = state.backward ? value - 1 : +value;
      return stepTo(run, state, there, Math.max(0, Math.min(run.steps.length, there - forward)));
    }
    case "next":
    case "back": {
      const there = state.step + (actionName(action) === "next" ? forward : -forward);
      return stepTo(run, state, there, Math.abs(there - position) <= 1 || state.step); // no step is run through
    }
    case "first":
      return stepTo(run, state, 0, false);
    case "last":
      return stepTo(run, state, run.steps.length, false);
    case "fill":
      return { fill: value };
    case "axis":
      return { axis: +value === state.axis ? -1 : +value };
    case "follow": {
      const plan = plans[formatOf(width)];
      const found = hit(plan, state, position, x * plan.size.width, y * plan.paneHeight);
      return found ? { cell: found.home, axis: -1, ...freed(state) } : undefined;
    }
    case "window": {
      const [id, axis, by] = value.split(" ").map(Number);
      const window = turnedWindow(run, state, id, axis, by);
      return window === undefined ? {} : { window };
    }
    case "walk": {
      if (key in PAGES) return turned(run, state, shift ? 1 : 0, PAGES[key]);
      const [fromEnd, by] = ARROWS[key] ?? [];
      if (!by) return undefined;
      const cell = neighbour(run, state, fromEnd + (shift ? 2 : 0), by);
      return cell === undefined ? {} : { cell, axis: -1, ...freed(state) };
    }
  }
}
