// The permute lens as HTML: what `permute_lens.js` brings to life, and what stands on the page
// before, and without, any script.

import { axisColour } from "./colours.js";
import { escape, linkHtml, problemHtml } from "./host.js";
import { memoryParts, writes } from "./memory.js";
import { drawWhole, paintSvg } from "./paint.js";
import { fitsBlends, fitsNotes, hasFrames, paneParts } from "./panes.js";
import { readRun, sizeOf } from "./recording.js";
import { fillOf, litAxis, moment, planScene } from "./scene.js";
import { plainState, readState } from "./state.js";
import { axisWords, cellWords, colourWords, rowWords, stepWords, tuple } from "./words.js";

/** Everything that the model says, checked. @throws {Error} if the run is damaged */
export function prepare(model) {
  const run = readRun(model.get("recording"));
  const options = {
    name: model.get("name") || "lens",
    title: model.get("title") || run.name,
    hue: model.get("hue"),
    light: model.get("light"),
    picture: model.get("picture"),
    // A notebook has no address to link to: there the state itself is copied.
    isPage: model.get("link") !== "",
  };
  const count = run.steps.length;
  const limits = {
    steps: count,
    cells: sizeOf(run.tensors[run.root].shape),
    gradient: run.hasGradient(),
    picture: Boolean(options.picture),
    axes: (state) => run.tensors[moment(run, state, state.step).step.output].axes.length,
  };
  const usual = { ...plainState(), step: Math.min(1, count), fill: options.picture ? "picture" : "birth" };
  const { state: start } = model.get("start") ? readState(model.get("start"), usual, limits) : { state: usual };
  const plans = { wide: planScene(run, options, "wide"), narrow: planScene(run, options, "narrow") };
  const asked = model.get("state");
  const { state, problem } = asked ? readState(asked, start, limits) : { state: { ...start }, problem: "" };
  return { run, options, limits, start, plans, state, problem };
}

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
 * which sleeps until a script answers it; `named` gives the attributes that tell which.
 */
export function callHtml(run, state, asleep = false, named = (axis) => `data-axis="${axis}"`) {
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
      `<button type="button" ${named(axis)}${asleep ? " disabled" : ""} aria-pressed="${lit}" style="--axis:${axisColour(axes[axis])}" ` +
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
  return step.op.endsWith("_") ? "one strip, above as it was and below as it is written over" : "read above, new numbers below";
}

function whyNoStrip(run, id) {
  if (run.storage(id).length) return "";
  if (!run.isComplete(id)) return "too many numbers to draw";
  return run.homes(id) ? "the numbers lie too far apart to draw" : "not drawn, since these numbers have no single place in the input";
}

export function sayText(run, state, plan) {
  const parts = [stepWords(run, state)];
  const now = moment(run, state, state.step);
  if (plan && state.step > 0 && !state.backward && hasFrames(plan, state, now)) parts.push("A thin frame holds each row that goes into a Linear or comes out of one.");
  if (plan && state.numbers !== "none") {
    if (!fitsNotes(plan, state, now)) parts.push("The cells are too small to write in; follow one to read its numbers.");
    else if (now.step.kind === "mix" && !fitsBlends(plan, now)) parts.push("The blends have no room for what is written.");
  }
  if (state.axis >= 0) parts.push(axisWords(run, state));
  else if (state.cell >= 0) parts.push(cellWords(run, state));
  parts.push(colourWords(state));
  return parts.join(" ");
}

function optionHtml(role, label, choices, chosen) {
  const options = choices.map(([value, text]) => `<option value="${value}"${value === chosen ? " selected" : ""}>${text}</option>`);
  return `<label>${label} <select data-part="${role}">${options.join("")}</select></label>`;
}

export function figureHtml({ run, options, limits, plans, state, problem }, pictures) {
  const many = run.steps.length > 16; // then a button has room for its number only
  const steps = run.steps.map((step, i) => {
    const name = many ? ` title="${escape(step.op)}" aria-label="${i + 1} ${escape(step.op)}"` : "";
    return `<button type="button" data-step="${i}"${name}><small>${i + 1}</small>${many ? "" : ` ${escape(step.op)}`}</button>`;
  });
  const fills = [["birth", "where it was born"], ["value", "its value"]];
  if (options.picture) fills.unshift(["picture", "its piece of the picture"]);
  if (limits.gradient) fills.push(["gradient", "its gradient"]);
  const numbers = [["none", "nothing"], ["birth", "birth row and column"], ["value", "value"], ["order", "reading order of a row"]];
  const { wide, narrow } = plans;
  const link = linkHtml(options.isPage);
  const ratio = (plan, height) => `${plan.size.width} / ${height}`;
  const memoryHeight = (plan) => memoryParts(plan, state, 0).height;
  const stage = (part, heights) =>
    `--wide:${ratio(wide, heights[0])};--narrow:${ratio(narrow, heights[1])}" data-part="${part}`;
  return `
<div class="vip-title"><strong>${escape(options.title)}</strong></div>
<div class="vip-code" data-part="code">${codeHtml(run, state)}</div>
<div class="vip-call" data-part="call">${callHtml(run, state, true)}</div>
<div class="vip-steps vip-scripted${many ? " vip-many" : ""}" role="group" aria-label="Steps of the run" data-part="steps">${steps.join("")}</div>
<div class="vip-player vip-scripted">
  <button type="button" data-do="back">◀ Back</button>
  <button type="button" data-do="play" aria-pressed="false">▶ Play</button>
  <button type="button" data-do="next">Next ▶</button>
  <input type="range" min="0" max="${run.steps.length}" step="0.01" value="${state.step}" data-part="scrub" aria-label="Scrub through the steps">
</div>
<div class="vip-heads"><div data-part="left">${headHtml(run, state, "left")}</div><div data-part="right">${headHtml(run, state, "right")}</div></div>
<div class="vip-stage" style="${stage("panes", [wide.paneHeight, narrow.paneHeight])}">${pictures.panes}</div>
<div class="vip-memory" data-part="memory">${memoryHtml(run, state)}</div>
<div class="vip-stage" style="${stage("strip", [memoryHeight(wide), memoryHeight(narrow)])}">${pictures.strip}</div>
<p class="vip-say" data-part="say" aria-live="polite">${escape([problem, sayText(run, state)].filter(Boolean).join(" "))}</p>
<div class="vip-options vip-scripted">
  ${optionHtml("fill", "Colour a cell by", fills, fillOf(state))}
  ${optionHtml("numbers", "Write in it", numbers, state.numbers)}
  ${limits.gradient ? `<label><input type="checkbox" data-part="backward"${state.backward ? " checked" : ""}> gradient, backward</label>` : ""}
  ${link.buttons}
</div>
${link.line}
<details class="vip-keys vip-scripted"><summary>Mouse and keys</summary>
Click a cell to follow it through every step; click it again to let it go. On the picture: arrow keys follow the neighbour along the
last two axes, Shift and arrow keys along the two before them, Escape lets go; N and P step, Home and End jump, Space plays.
Choose a number of the call to light the axis that it names.</details>
${run.omitted.map((sentence) => `<p class="vip-omitted">${escape(sentence)}</p>`).join("")}`;
}

/** The figure's HTML before any script has run. @param {object} data the model's values */
export function firstFrame(data) {
  const model = { get: (key) => data[key] };
  try {
    const all = prepare({ get: (key) => (key === "state" ? "" : model.get(key)) });
    const { run, state, plans } = all;
    const label = `${sayText(run, state)} ${rowWords(run, state)}`;
    const both = (partsOf, text) =>
      ["wide", "narrow"].map((format) => paintSvg(drawWhole(partsOf(plans[format], state, state.step)), `vip-${format}`, text)).join("");
    return figureHtml(all, { panes: both(paneParts, label), strip: both(memoryParts, "The memory that the step reads and writes.") });
  } catch (error) {
    return problemHtml(error);
  }
}
