// What the looks of the cells mean at this moment, in words and small samples.

import { birthFill, birthHue, inkOn, valueFill } from "../figure/colours.js";
import { escape } from "../figure/host.js";
import { hasFrames } from "./panes.js";
import { exhibitOf, fillOf, looksOf, moment } from "./scene.js";

const MOST_SAMPLES = 8;

/** @returns {string} HTML */
export function legendHtml(plan, state) {
  const { run, birth, options } = plan;
  const fill = fillOf(state);
  const now = moment(run, state, state.step);
  const { left, right, middle } = exhibitOf(plan, now, state);
  const shown = [left, ...(now.progress > 0 ? [right] : [])].filter(({ layout }) => layout);
  const looks = shown.flatMap(({ id }) => looksOf(plan, id, fill));
  const { axes, shape } = run.tensors[run.root];
  const parts = [];
  const hasHome = shown.some(({ id }) => run.homes(id));
  if (hasHome && fill === "picture") parts.push("grey: its token's piece of the picture");
  if ((hasHome || looks.some(({ seen }) => seen)) && fill === "birth") parts.push(...bornParts(plan));
  if (state.numbers !== "birth" && looks.some(({ mark }) => mark !== undefined)) {
    const names = birth.marks.map((axis) => letter(axes[axis])).join(", ");
    const last = birth.marks.reduce((product, axis) => product * shape[axis], 1) - 1;
    parts.push(`mark at the top: ${names}, left 0, right ${last}`);
  }
  if (looks.some(({ seen }) => seen)) parts.push("below: all that a blend has seen");
  if (looks.some(({ bar }) => bar)) parts.push("bar: a number that has no place in the input");
  const byValue = ["value", "gradient"].includes(fill) || middle?.kind === "matrix" || looks.some(({ bar }) => bar);
  if (byValue) {
    const what = ["value", "gradient"].includes(fill) ? `its ${fill}` : middle?.kind === "matrix" ? "weight" : "number";
    parts.push(`${what}: ${SIGNS}`);
  }
  if (middle?.isStretched) parts.push("framed: what is really there; faded: stretched");
  if (hasFrames(plan, state, now)) parts.push("frame: a row of a Linear");
  return partsHtml(parts);
}

/** What hue and lightness say of where a number was born. */
export function bornParts({ run, birth }) {
  const { axes, shape } = run.tensors[run.root];
  if (!axes.length) return [];
  const samples = (axis, colour) =>
    Array.from({ length: Math.min(shape[axis], MOST_SAMPLES) }, (_, i) => swatch(colour(i), i)).join("") +
    (shape[axis] > MOST_SAMPLES ? "…" : "");
  const hue = `colour: ${letter(axes[birth.hue])} ${samples(birth.hue, birthHue)}`;
  if (birth.light === birth.hue) return [hue];
  const light = samples(birth.light, (i) => birthFill(0, i, shape[birth.light]));
  return [hue, `lightness: ${letter(axes[birth.light])} ${light}`];
}

export const partsHtml = (parts) => parts.map((part) => `<span>${part}</span>`).join(" ");

const letter = (name) => `<b>${escape(name.toLowerCase())}</b>`;

const swatch = (colour, text) => `<i style="background:${colour};color:${inkOn(colour)}">${text}</i>`;

/** Samples of a value's colours. */
export const SIGNS = [-1, -0.5, 0, 0.5, 1]
  .map((v) => swatch(valueFill(v, 1), ["−", "", "0", "", "+"][v * 2 + 2]))
  .join("");
