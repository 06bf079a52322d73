// The parts of a lens as HTML, for the permute lens and for a figure that has one in it.

import { axisColour } from "../figure/colours.js";
import { escape } from "../figure/host.js";
import { writes } from "./memory.js";
import { drawWhole, paintSvg } from "../figure/paint.js";
import { legendHtml } from "./legend.js";
import { middleOf } from "./middle.js";
import { fitsBlends, fitsNotes, groupOf, paneParts } from "./panes.js";
import { MOST_FOLLOWED, isMove, memoryOf, sizeOf } from "./recording.js";
import { litAxis, moment } from "./scene.js";
import { sumWords } from "./sums.js";
import { isCut, memoryLength, turnedWindow } from "./window.js";
import { axisWords, cellWords, rowWords, spansOf, stepWords, tuple, windowWords } from "./words.js";

export function codeHtml(run, state) {
  const { step } = moment(run, state, state.step);
  const { source } = step;
  if (!source) return `<code>${escape(step.call)}</code>`;
  const [before, call, after] = [
    source.text.slice(0, source.start),
    source.text.slice(source.start, source.end),
    source.text.slice(source.end),
  ];
  return `<code>${escape(before)}<mark>${escape(call)}</mark>${escape(after)}</code>`;
}

/**
 * Where the call stands, and the call with its live numbers; each whole number that names an axis is a button,
 * which sleeps until a script answers it.
 */
export function callHtml(run, state, asleep = false) {
  const { step } = moment(run, state, state.step);
  const { axes } = run.tensors[step.output];
  const pieces = step.call.split(/(-?\d+)/); // every other one is a number
  if (!["permute", "reshape", "view"].includes(step.op) || pieces.length !== 2 * axes.length + 1)
    return ranHtml(step, escape(step.call));
  const html = axes.map((_, axis) => {
    const lit = state.axis === axis;
    const number = pieces[2 * axis + 1];
    const [after, between] = pieces[2 * axis + 2].split(/(\s*$)/); // a comma or a bracket stays with its number
    return (
      `<span class="vip-argument"><button type="button" data-do="axis" data-value="${axis}" data-glance="${axis}"${asleep ? " disabled" : ""} aria-pressed="${lit}" style="--axis:${axisColour(axes[axis])}" ` +
      `aria-label="${number}: axis ${escape(axes[axis])} of the result">${number}<sub aria-hidden="true">${escape(axes[axis])}</sub></button>${escape(after)}</span>${between ?? ""}`
    );
  });
  return ranHtml(step, escape(pieces[0]) + html.join(""));
}

function ranHtml({ source }, call) {
  const where = source
    ? `<span class="vip-where">${escape(source.file)}, line ${escape(source.line)}, in ${escape(source.function)}</span>`
    : "";
  return `<span>ran as <code>${call}</code></span>${where}`;
}

/** What stands over the tensor on the left or on the right; over what is between them `betweenHtml`. */
function headHtml(run, state, side) {
  const now = moment(run, state, state.step);
  const id = side === "left" ? now.from : now.to;
  const lit = litAxis(run, state, now, id);
  const [here, there] = now.backward ? ["came out", "went in"] : ["before", "after"];
  const label = side === "left" ? here : now.progress === 0 ? "to come" : there;
  const { axes, shape } = run.tensors[id];
  return `<span class="vip-label">${label}</span> ${axesHtml(axes, lit)}${shapeHtml(shape)}${windowHtml(run, state, id, side)}`;
}

/** What of a large tensor is shown, and buttons to see the rest. */
function windowHtml(run, state, id, side) {
  const spans = spansOf(run, state, id).map(({ axis, name, first, last, of }) => {
    const turn = (by, sign, word) =>
      `<button type="button" class="vip-scripted" data-do="window" data-value="${id} ${axis} ${by}" aria-label="${word} ${escape(name)}, ${side}"` +
      `${turnedWindow(run, state, id, axis, by) === undefined ? ' aria-disabled="true"' : ""}>${sign}</button>`;
    const span = `${escape(name)} ${first}${last > first ? `–${last}` : ""} of ${of}`;
    return `<span class="vip-window">${turn(-1, "−", "earlier")}${turn(1, "+", "later")}<span>${span}</span></span>`;
  });
  return spans.join("");
}

function axesHtml(axes, lit = -1) {
  const names = axes.map((name, axis) => {
    const colours = name.split("*").map((part) => `<b style="--axis:${axisColour(part)}">${escape(part)}</b>`);
    return `<span${axis === lit ? ' class="vip-lit"' : ""}>${colours.join("*")}</span>`;
  });
  return `<span class="vip-axes">(${names.join(", ")})</span>`;
}

const shapeHtml = (shape, more = "", label = "shape") =>
  `<span class="vip-numbers"><span class="vip-label">${label}</span> ${tuple(shape)}${more}</span>`;

const weightHtml = (name) => `<b class="vip-weight">${escape(name).replace(/([._])/g, "$1<wbr>")}</b>`;

const MEETS = { "+": "plus", "−": "minus", "×": "times", "÷": "divided by" };

/** Over all that stands side by side at a step. */
export function headsHtml(run, state) {
  const now = moment(run, state, state.step);
  const middle = middleOf(run, now.step, now.backward);
  const way = !middle ? "" : middle.kind === "matrix" ? " vip-with-matrix" : " vip-with-second";
  const between = middle ? `<div data-part="between">${betweenHtml(run, state, now, middle)}</div>` : "";
  return (
    `<div class="vip-heads${way}"><div data-part="left">${headHtml(run, state, "left")}</div>${between}` +
    `<div data-part="right">${headHtml(run, state, "right")}</div></div>`
  );
}

function betweenHtml(run, state, { step, backward }, { kind, id, name, sign, axes, shape, uses, isStretched }) {
  const label = (text) => `<span class="vip-label">${text}</span> `;
  if (kind === "matrix")
    return `${label("times")}${weightHtml(name.replace(/\.weight$/, ""))}${shapeHtml(shape, backward ? ", turned" : "", "weight")}`;
  if (kind === "gradients")
    return `${label("plus")}<b>what the others send</b><span class="vip-numbers">steps ${uses.map((i) => i + 1).join(", ")}</span>`;
  const isFirst = id !== undefined && step.inputs[0] === id && ["−", "÷"].includes(sign);
  const word = isFirst ? { "−": "taken from", "÷": "dividing" }[sign] : (MEETS[sign] ?? "and");
  return `${label(word)}${name ? weightHtml(name) : axesHtml(axes)}${shapeHtml(shape, isStretched ? ", stretched" : "")}${kind === "other" ? windowHtml(run, state, id, "middle") : ""}`;
}

/** The line over the memory of a step. */
export function memoryHtml(run, state) {
  const { step, index } = moment(run, state, state.step);
  if (state.backward)
    return writes(run, step)
      ? "Memory, by gradient: <b>below</b> of what the step wrote, <b>above</b> of what it read."
      : "Memory, by gradient: the step wrote nothing, so it is one strip.";
  const done = state.step === 0 || state.undone ? index : index + 1;
  const total = run.copies(run.steps.length);
  const part = isCut(run.tensors[run.mainInput(step)].shape) || isCut(run.tensors[step.output].shape);
  const why = whyNoStrip(run, run.mainInput(step));
  const what = why || (state.undone ? undoneTo(run, step) : doneTo(run, step));
  const shown = part && !why ? " Shown is where the numbers of the windows lie." : "";
  return `Memory: ${what}.${shown} <b>Copies so far: ${run.copies(done)} of ${total}.</b>`;
}

/** Where a run broke off: each thing on a line of its own, and last how to mend it. */
export function failedHtml({ failed }) {
  if (!failed) return "";
  const lines = failed.split("\n").filter((line) => line.trim());
  return `<ul class="vip-failed">${lines.map((line) => `<li>${escape(line.trim())}</li>`).join("")}</ul>`;
}

export function stridesHtml(run, state) {
  const { step } = moment(run, state, state.step);
  const [before, after] = [run.mainInput(step), step.output].map((id) => tuple(run.tensors[id].strides));
  return `Strides: ${before}${before === after ? " before and after" : ` before, ${after} after`}.`;
}

function doneTo(run, step) {
  const memory = memoryOf(run, step);
  if (memory === "write") return "one strip, above as it was and below as it is written over";
  if (memory !== "new") return "the step writes nothing";
  return isMove(step) ? "read above, written below" : "read above, new numbers below";
}

const undoneTo = (run, step) =>
  writes(run, step) ? "what the step wrote below is taken back" : "the step wrote nothing";

function whyNoStrip(run, id) {
  if (memoryLength(run, id)) return "";
  const { shape } = run.tensors[id];
  if (sizeOf(shape) > MOST_FOLLOWED) return "too many numbers to draw";
  if (!run.isComplete(id)) return "not drawn, which number lies where is not recorded";
  return run.homes(id) ? "the numbers lie too far apart to draw" : "not drawn, these numbers have no home";
}

export function sayText(run, state, plan) {
  const parts = [stepWords(run, state)];
  const now = moment(run, state, state.step);
  if (plan && state.numbers !== "none") {
    if (!fitsNotes(plan, state, now))
      parts.push("The cells are too small to write in; follow one to read its numbers.");
    else if (now.step.kind === "mix" && !fitsBlends(plan, state, now))
      parts.push("The blends have no room for what is written.");
  }
  if (state.undone) return parts.join(" ");
  if (state.axis >= 0) parts.push(axisWords(run, state));
  else if (state.cell >= 0) parts.push(cellWords(run, state));
  const group = state.step > 0 ? groupOf(run, state, now) : [];
  if (group.length) parts.push(`The outline holds the ${group.length} numbers that share a sum.`);
  parts.push(sumWords(run, state), windowWords(run, state));
  return parts.filter(Boolean).join(" ");
}

/** A control to choose from names by key. */
export function optionsHtml(set, label, names, chosen, more = "") {
  const options = Object.entries(names).map(
    ([key, text]) => `<option value="${key}"${key === chosen ? " selected" : ""}>${escape(text)}</option>`,
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

/** What the looks of the cells mean; in words of either format, since the cells differ. */
export function legendsHtml({ plans }, state) {
  const [wide, narrow] = ["wide", "narrow"].map((format) => legendHtml(plans[format], state));
  if (wide === narrow) return wide;
  return `<span class="vip-wide">${wide}</span><span class="vip-narrow">${narrow}</span>`;
}
