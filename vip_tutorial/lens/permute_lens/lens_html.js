// The parts of a lens as HTML, for the permute lens and for a figure that has one in it.

import { axisColour } from "../figure/colours.js";
import { escape } from "../figure/host.js";
import { writes } from "./memory.js";
import { drawWhole, paintSvg } from "../figure/paint.js";
import { fitsBlends, fitsNotes, hasFrames, paneParts } from "./panes.js";
import { litAxis, moment } from "./scene.js";
import { axisWords, cellWords, colourWords, rowWords, stepWords, tuple } from "./words.js";

export function codeHtml(run, state) {
  const { step } = moment(run, state, state.step);
  const { source } = step;
  if (!source) return `<code>${escape(step.call)}</code>`;
  const [before, call, after] = [
    source.text.slice(0, source.start),
    source.text.slice(source.start, source.end),
    source.text.slice(source.end),
  ];
  return (
    `<span class="vip-where">${escape(source.file)}, line ${escape(source.line)}, in ${escape(source.function)}</span>` +
    `<code>${escape(before)}<mark>${escape(call)}</mark>${escape(after)}</code>`
  );
}

/**
 * The call with its live numbers; each whole number that names an axis is a button,
 * which sleeps until a script answers it.
 */
export function callHtml(run, state, asleep = false) {
  const { step } = moment(run, state, state.step);
  const { axes } = run.tensors[step.output];
  const pieces = step.call.split(/(-?\d+)/); // every other one is a number
  if (!["permute", "reshape", "view"].includes(step.op) || pieces.length !== 2 * axes.length + 1)
    return `ran as <code>${escape(step.call)}</code>`;
  const html = pieces.map((number, i) => {
    if (i % 2 === 0) return escape(number);
    const axis = (i - 1) / 2;
    const lit = state.axis === axis;
    return (
      `<button type="button" data-do="axis" data-value="${axis}" data-glance="${axis}"${asleep ? " disabled" : ""} aria-pressed="${lit}" style="--axis:${axisColour(axes[axis])}" ` +
      `aria-label="${number}: axis ${escape(axes[axis])} of the result">${number}<sub aria-hidden="true">${escape(axes[axis])}</sub></button>`
    );
  });
  return `ran as <code>${html.join("")}</code>`;
}

export function headHtml(run, state, side) {
  const now = moment(run, state, state.step);
  const untouched = now.progress === 0;
  const id = side === "left" || untouched ? now.from : now.to;
  const { axes, shape, strides } = run.tensors[id];
  const lit = litAxis(run, state, now, id);
  const names = axes.map((name, axis) => {
    const colours = name.split("*").map((part) => `<b style="--axis:${axisColour(part)}">${escape(part)}</b>`);
    return `<span${axis === lit ? ' class="vip-lit"' : ""}>${colours.join("*")}</span>`;
  });
  const label = side === "left" ? "before" : untouched ? "not yet moved" : "after";
  return (
    `<span class="vip-label">${label}</span> <span class="vip-axes">(${names.join(", ")})</span>` +
    `<span class="vip-numbers">shape ${tuple(shape)}</span><span class="vip-numbers">strides ${tuple(strides)}</span>`
  );
}

export function memoryHtml(run, state) {
  const { step, index } = moment(run, state, state.step);
  if (state.backward)
    return writes(step)
      ? "Memory, by gradient: <b>below</b> of what the step wrote, <b>above</b> of what it read."
      : "Memory, by gradient: the step wrote nothing, so it is one strip.";
  const done = state.step === 0 ? 0 : index + 1;
  const total = run.copies(run.steps.length);
  const what = whyNoStrip(run, run.mainInput(step)) || doneTo(step);
  return `Memory: ${what}. <b>Copies so far: ${run.copies(done)} of ${total}.</b>`;
}

function doneTo(step) {
  if (!writes(step)) return "the step writes nothing";
  if (step.kind === "move") return "read above, written below";
  return step.op.endsWith("_")
    ? "one strip, above as it was and below as it is written over"
    : "read above, new numbers below";
}

function whyNoStrip(run, id) {
  if (run.storage(id).length) return "";
  if (!run.isComplete(id)) return "too many numbers to draw";
  return run.homes(id)
    ? "the numbers lie too far apart to draw"
    : "not drawn, since these numbers have no single place in the input";
}

export function sayText(run, state, plan) {
  const parts = [stepWords(run, state)];
  const now = moment(run, state, state.step);
  if (plan && state.step > 0 && !state.backward && hasFrames(plan, state, now))
    parts.push("A thin frame holds each row that goes into a Linear or comes out of one.");
  if (plan && state.numbers !== "none") {
    if (!fitsNotes(plan, state, now))
      parts.push("The cells are too small to write in; follow one to read its numbers.");
    else if (now.step.kind === "mix" && !fitsBlends(plan, now))
      parts.push("The blends have no room for what is written.");
  }
  if (state.axis >= 0) parts.push(axisWords(run, state));
  else if (state.cell >= 0) parts.push(cellWords(run, state));
  parts.push(colourWords(state));
  return parts.join(" ");
}

/** A control to choose from names by key. */
export function optionsHtml(set, label, names, chosen, more = "") {
  const options = Object.entries(names).map(
    ([key, text]) => `<option value="${key}"${key === chosen ? " selected" : ""}>${text}</option>`,
  );
  return `<label>${label} <select data-part="${set}" data-set="${set}"${more}>${options.join("")}</select></label>`;
}

/**
 * A place for a picture: a canvas or, where no script paints, the picture in both formats.
 * @param {(plan: *) => number} heightOf
 * @param {string} attributes
 * @param {((plan: object) => *) | undefined} partsOf the parts of the picture; none where a script paints
 */
export function stageHtml(plans, heightOf, attributes, partsOf, label) {
  const ratio = (plan) => `${plan.size.width} / ${heightOf(plan)}`;
  const svg = (format) => paintSvg(drawWhole(partsOf(plans[format])), `vip-${format}`, label);
  const picture = partsOf ? svg("wide") + svg("narrow") : '<canvas aria-hidden="true"></canvas>';
  return `<div class="vip-stage" style="--wide:${ratio(plans.wide)};--narrow:${ratio(plans.narrow)}" ${attributes}>${picture}</div>`;
}

/** The tensors before and after a step, to walk over and to click; it says `words`. */
export function panesHtml({ run, plans }, state, words, asleep) {
  const label = `${words} ${rowWords(run, state)}`;
  const awake = `tabindex="0" role="application" aria-roledescription="tensor" data-keys="walk" data-point="follow" data-refuge aria-label="${escape(label)}"`;
  const partsOf = asleep && ((plan) => paneParts(plan, state, state.step));
  return stageHtml(plans, (plan) => plan.paneHeight, `data-part="panes" ${asleep ? "" : awake}`, partsOf, label);
}
