// What mouse and keys change in a lens, be it a figure of its own or a part of one.

import { hit } from "./panes.js";
import { formatOf, neighbour } from "./scene.js";

const KEYS = { n: "next", p: "back", Home: "first", End: "last", " ": "play", Escape: "let go" };
export const ARROWS = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 1], ArrowUp: [1, -1] };

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
      return found ? { cell: found.home, axis: -1 } : undefined;
    }
    case "walk": {
      const [fromEnd, by] = ARROWS[key] ?? [];
      if (!by) return undefined;
      const cell = neighbour(run, state, fromEnd + (shift ? 2 : 0), by);
      return cell === undefined ? {} : { cell, axis: -1 };
    }
  }
}
