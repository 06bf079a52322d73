// The permute lens: step, scrub or play a recorded run and follow its elements.
//
// `renderLens({ model, el })` is anywidget's contract and serves notebooks and the site
// alike.  `lensFirstFrame` writes the same HTML with an SVG picture at build time, so a page
// shows the figure before, and without, any script.

import { axisColour } from "./colours.js";
import { paintCanvas, paintSvg } from "./paint.js";
import { readRun, sizeOf } from "./run.js";
import { drawMemory, drawPanes, fitsNotes, followed, hit, litAxis, moment, planScene, writes } from "./scene.js";
import { plainState, readState, writeState } from "./state.js";
import { axisWords, birthName, cellWords, rowWords, stepWords, tuple } from "./words.js";

const NARROW = 560; // a figure narrower than this many pixels gets the narrow picture
const MOVE_MS = 900;
const REST_MS = 700;

const escape = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/** Everything that the model says, checked. @throws {Error} if the run is damaged */
function prepare(model) {
  const run = readRun(model.get("recording"));
  const options = {
    name: model.get("name") || "lens",
    title: model.get("title") || run.name,
    hue: model.get("hue"),
    light: model.get("light"),
    picture: model.get("picture"),
  };
  const count = run.steps.length;
  const limits = {
    steps: count,
    cells: sizeOf(run.tensors[run.root].shape),
    gradient: run.hasGradient(),
    picture: Boolean(options.picture),
  };
  const usual = { ...plainState(), step: Math.min(1, count), fill: options.picture ? "picture" : "birth" };
  const { state: start } = model.get("start") ? readState(model.get("start"), usual, limits) : { state: usual };
  const plans = { wide: planScene(run, options, "wide"), narrow: planScene(run, options, "narrow") };
  const asked = model.get("state");
  const { state, problem } = asked ? readState(asked, start, limits) : { state: { ...start }, problem: "" };
  return { run, options, limits, start, plans, state, problem };
}

// --- the parts of the figure, as HTML ------------------------------------------------

function codeHtml(run, state) {
  const { step } = moment(run, state, state.step);
  const { source } = step;
  if (!source) return `<code>${escape(step.call)}</code>`;
  const [before, call, after] = [
    source.text.slice(0, source.start),
    source.text.slice(source.start, source.end),
    source.text.slice(source.end),
  ];
  return (
    `<span class="vip-where">${escape(source.file)}, line ${source.line}, in ${escape(source.function)}</span>` +
    `<code>${escape(before)}<mark>${escape(call)}</mark>${escape(after)}</code>`
  );
}

/** The call with its live numbers; each whole number that names an axis is a button. */
function callHtml(run, state) {
  const { step } = moment(run, state, state.step);
  const { axes } = run.tensors[step.output];
  const numbers = step.call.match(/-?\d+/g) ?? [];
  if (!["permute", "reshape", "view"].includes(step.op) || numbers.length !== axes.length)
    return `ran as <code>${escape(step.call)}</code>`;
  let axis = -1;
  const html = step.call.replace(/-?\d+/g, (number) => {
    axis++;
    const lit = state.axis === axis;
    return (
      `<button type="button" data-axis="${axis}" aria-pressed="${lit}" style="--axis:${axisColour(axes[axis])}" ` +
      `aria-label="${number}: axis ${escape(axes[axis])} of the result">${number}<sub aria-hidden="true">${escape(axes[axis])}</sub></button>`
    );
  });
  return `ran as <code>${html}</code>`;
}

function headHtml(run, state, side) {
  const now = moment(run, state, state.step);
  const untouched = now.progress === 0;
  const id = side === "left" || untouched ? now.from : now.to;
  const { axes, shape, strides } = run.tensors[id];
  const lit = litAxis(run, state, now, id);
  const names = axes.map((name, axis) => {
    const colours = name.split("*").map((part) => `<b style="--axis:${axisColour(part)}">${escape(part)}</b>`);
    return `<span${axis === lit ? ' class="vip-lit"' : ""}>${colours.join("·")}</span>`;
  });
  const label = side === "left" ? "before" : untouched ? "not yet moved" : "after";
  return (
    `<span class="vip-label">${label}</span> <span class="vip-axes">(${names.join(", ")})</span>` +
    `<span class="vip-numbers">shape ${tuple(shape)}</span><span class="vip-numbers">strides ${tuple(strides)}</span>`
  );
}

function memoryHtml(run, state) {
  if (state.backward) return "Memory, with the gradient of the number that lies at each place.";
  const { step, index } = moment(run, state, state.step);
  const done = state.step === 0 ? 0 : index + 1;
  const total = run.copies(run.steps.length);
  const what = writes(step) ? "read above, written below" : "the step writes nothing";
  return `Memory: ${what}. <b>Copies so far: ${run.copies(done)} of ${total}.</b>`;
}

function sayText(run, state, plan) {
  const parts = [stepWords(run, state)];
  if (plan && state.numbers !== "none" && !fitsNotes(plan, state, moment(run, state, state.step)))
    parts.push("The cells are too small to write in; follow one to hear its numbers.");
  if (state.axis >= 0) parts.push(axisWords(run, state));
  else if (state.cell >= 0) parts.push(cellWords(run, state));
  return parts.join(" ");
}

function optionHtml(role, label, choices, chosen) {
  const options = choices.map(([value, text]) => `<option value="${value}"${value === chosen ? " selected" : ""}>${text}</option>`);
  return `<label>${label} <select data-part="${role}">${options.join("")}</select></label>`;
}

function figureHtml({ run, options, limits, plans, state, problem }, pictures) {
  const many = run.steps.length > 12; // then a button has room for its number only
  const steps = run.steps.map((step, i) => {
    const name = many ? ` title="${escape(step.op)}" aria-label="${i + 1} ${escape(step.op)}"` : "";
    return `<button type="button" data-step="${i}"${name}><small>${i + 1}</small>${many ? "" : ` ${escape(step.op)}`}</button>`;
  });
  const fills = [["birth", "where it was born"], ["value", "its value"]];
  if (options.picture) fills.unshift(["picture", "its piece of the picture"]);
  const numbers = [["none", "nothing"], ["birth", "birth row and column"], ["value", "value"], ["order", "reading order of a row"]];
  const { wide, narrow } = plans;
  const ratio = (plan, height) => `${plan.size.width} / ${height}`;
  const memoryHeight = (plan) => drawMemory(plan, state, 0).height;
  const stage = (part, heights) =>
    `--wide:${ratio(wide, heights[0])};--narrow:${ratio(narrow, heights[1])}" data-part="${part}`;
  return `
<div class="vip-title"><strong>${escape(options.title)}</strong></div>
<div class="vip-code" data-part="code">${codeHtml(run, state)}</div>
<div class="vip-call" data-part="call">${callHtml(run, state)}</div>
<div class="vip-steps vip-scripted${run.steps.length > 12 ? " vip-many" : ""}" role="group" aria-label="Steps of the run" data-part="steps">${steps.join("")}</div>
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
  ${optionHtml("fill", "Colour a cell by", fills, state.fill)}
  ${optionHtml("numbers", "Write in it", numbers, state.numbers)}
  ${limits.gradient ? `<label><input type="checkbox" data-part="backward"${state.backward ? " checked" : ""}> gradient, backward</label>` : ""}
  <button type="button" data-do="copy">${"Copy link to this picture"}</button>
  <button type="button" data-do="reset">Start again</button>
</div>
<p class="vip-link" data-part="link" hidden><label>Link <input type="text" readonly></label></p>
<details class="vip-keys vip-scripted"><summary>Mouse and keys</summary>
Click a cell to follow it through every step; click it again to let it go. On the picture: arrow keys follow the neighbour along the
last two axes, Shift and arrow keys along the two before them, Escape lets go; N and P step, Home and End jump, Space plays.
Choose a number of the call to light the axis that it names.</details>
${run.omitted.map((sentence) => `<p class="vip-omitted">${escape(sentence)}</p>`).join("")}`;
}

/** The figure's HTML before any script has run. @param {object} data the model's values */
export function lensFirstFrame(data) {
  const model = { get: (key) => data[key] };
  try {
    const all = prepare({ get: (key) => (key === "state" ? "" : model.get(key)) });
    const { run, state, plans } = all;
    const label = escape(`${sayText(run, state)} ${rowWords(run, state)}`);
    const both = (draw, text) =>
      ["wide", "narrow"].map((format) => paintSvg(draw(plans[format], state, state.step), `vip-${format}`, text)).join("");
    return figureHtml(all, { panes: both(drawPanes, label), strip: both(drawMemory, "The memory that the step reads and writes.") });
  } catch (error) {
    return problemHtml(error);
  }
}

function problemHtml(error) {
  return `<p class="vip-problem">This figure cannot be drawn: ${escape(error.message)}. The rest of the page works without it.</p>`;
}

// --- the living figure ---------------------------------------------------------------

/** anywidget's entry point. */
export function renderLens({ model, el }) {
  const draw = () => {
    el.classList.add("vip", "vip-lens");
    el.vipClose?.();
    try {
      const all = prepare(model);
      if (!el.querySelector(":scope > .vip-stage")) el.innerHTML = figureHtml(all, { panes: "", strip: "" });
      el.vipClose = bringToLife(el, model, all);
    } catch (error) {
      el.innerHTML = problemHtml(error);
    }
  };
  const redraw = () => {
    el.innerHTML = "";
    draw();
  };
  draw();
  for (const key of ["recording", "title", "picture", "hue", "light"]) model.on(`change:${key}`, redraw);
  return () => el.vipClose?.();
}

function bringToLife(el, model, all) {
  const { run, options, limits, start, plans } = all;
  let { state, problem } = all;
  let position = state.step;
  let timer = 0;
  let playing = false;
  const part = (name) => el.querySelector(`[data-part="${name}"]`);
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  if (calm.matches && !model.get("state") && state.numbers === "none") state.numbers = start.numbers = "order";

  el.setAttribute("role", "group");
  el.setAttribute("aria-label", options.title);
  const canvases = {};
  for (const name of ["panes", "strip"]) {
    canvases[name] = document.createElement("canvas");
    canvases[name].setAttribute("aria-hidden", "true");
    part(name).replaceChildren(canvases[name]);
  }
  const stage = part("panes");
  stage.tabIndex = 0;
  stage.setAttribute("role", "application");
  stage.setAttribute("aria-roledescription", "tensor");

  const plan = () => plans[stage.clientWidth < NARROW ? "narrow" : "wide"];

  function paint() {
    const theme = themeOf(el, dark.matches);
    for (const [name, draw] of [["panes", drawPanes], ["strip", drawMemory]]) {
      const canvas = canvases[name];
      const drawing = draw(plan(), state, position);
      const scale = (part(name).clientWidth / drawing.width) * (window.devicePixelRatio || 1);
      canvas.width = Math.round(drawing.width * scale);
      canvas.height = Math.round(drawing.height * scale);
      const context = canvas.getContext("2d");
      context.scale(scale, scale);
      paintCanvas(context, drawing, theme);
    }
  }

  function tell() {
    const { index } = moment(run, state, state.step);
    part("code").innerHTML = codeHtml(run, state);
    if (!part("call").contains(document.activeElement)) part("call").innerHTML = callHtml(run, state);
    for (const button of part("call").querySelectorAll("[data-axis]"))
      button.setAttribute("aria-pressed", String(+button.dataset.axis === state.axis));
    part("left").innerHTML = headHtml(run, state, "left");
    part("right").innerHTML = headHtml(run, state, "right");
    part("memory").innerHTML = memoryHtml(run, state);
    const words = [problem, sayText(run, state, plan())].filter(Boolean).join(" ");
    if (part("say").textContent !== words) part("say").textContent = words;
    stage.setAttribute("aria-label", `${options.title}. ${sayText(run, state)} ${rowWords(run, state)}`);
    part("steps").querySelectorAll("button").forEach((button, i) => {
      if (i === index && (state.step > 0 || state.backward)) button.setAttribute("aria-current", "step");
      else button.removeAttribute("aria-current");
    });
    part("fill").value = state.fill;
    part("numbers").value = state.numbers;
    if (part("backward")) part("backward").checked = state.backward;
    part("scrub").setAttribute("aria-valuetext", stepWords(run, state));
  }

  /** Take over some changes, show them, and let the host know. */
  function change(changes, keepPosition = false) {
    const stepped = "step" in changes && changes.step !== state.step;
    state = { ...state, ...(stepped || "backward" in changes ? { axis: -1 } : {}), ...changes };
    problem = "";
    if (!keepPosition) position = state.step;
    part("scrub").value = position;
    if (stepped || "backward" in changes) part("call").innerHTML = "";
    tell();
    paint();
    model.set("state", writeState(state));
    model.save_changes?.();
  }

  /** Walk to a whole position; the cells move unless the reader wants calm. */
  function walkTo(target, then) {
    cancelAnimationFrame(timer);
    target = Math.max(0, Math.min(run.steps.length, target));
    const start = position;
    if (calm.matches || start === target) {
      change({ step: target });
      then?.();
      return;
    }
    // Show the words of the step at once, so that they can be read while cells move.
    change({ step: target }, true);
    const began = performance.now();
    const frame = (now) => {
      const share = Math.min(1, (now - began) / MOVE_MS);
      position = start + (target - start) * share;
      part("scrub").value = position;
      paint();
      if (share < 1) timer = requestAnimationFrame(frame);
      else then?.();
    };
    timer = requestAnimationFrame(frame);
  }

  const forward = () => (state.backward ? -1 : 1);
  const atEnd = () => (state.backward ? state.step === 0 : state.step === run.steps.length);

  function stop() {
    playing = false;
    cancelAnimationFrame(timer);
    clearTimeout(timer);
    const button = el.querySelector('[data-do="play"]');
    button.setAttribute("aria-pressed", "false");
    button.textContent = "▶ Play";
  }

  function play() {
    if (atEnd()) change({ step: state.backward ? run.steps.length : 0 });
    playing = true;
    const button = el.querySelector('[data-do="play"]');
    button.setAttribute("aria-pressed", "true");
    button.textContent = "❚❚ Pause";
    const next = () => {
      if (!playing || atEnd()) return stop();
      walkTo(state.step + forward(), () => (timer = setTimeout(next, calm.matches ? 2 * REST_MS : REST_MS)));
    };
    next();
  }

  function stepBy(direction) {
    const was = playing;
    stop();
    if (!was) walkTo(state.step + direction * forward());
    else change({ step: state.step });
  }

  function reset() {
    stop();
    change({ ...start });
    part("link").hidden = true;
  }

  function copyLink() {
    const text = writeState(state);
    const page = model.get("link");
    const link = page ? `${page}#${options.name}=${text}` : text;
    const line = part("link");
    const field = line.querySelector("input");
    line.hidden = false;
    field.value = link;
    field.select();
    navigator.clipboard?.writeText(link).then(
      () => (part("say").textContent = page ? "Link copied." : "State copied; pass it as state= to the widget."),
      () => {},
    );
  }

  /** Follow the neighbour of the followed element along an axis of the right-hand tensor. */
  function moveAlong(axisFromEnd, by) {
    const { to } = moment(run, state, state.step);
    const { shape } = run.tensors[to];
    const axes = shape.map((_, axis) => axis).filter((axis) => shape[axis] > 1);
    const axis = axes[axes.length - 1 - axisFromEnd];
    const homes = run.homes(to);
    if (axis === undefined || !homes) return;
    const k = Math.max(0, run.whereIs(followed(state), to));
    if (state.cell < 0) return change({ cell: homes[k], axis: -1 });
    const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
    const c = Math.floor(k / inner) % shape[axis];
    const next = Math.max(0, Math.min(shape[axis] - 1, c + by));
    change({ cell: homes[k + (next - c) * inner], axis: -1 });
  }

  const keys = {
    ArrowRight: (e) => moveAlong(e.shiftKey ? 2 : 0, 1),
    ArrowLeft: (e) => moveAlong(e.shiftKey ? 2 : 0, -1),
    ArrowDown: (e) => moveAlong(e.shiftKey ? 3 : 1, 1),
    ArrowUp: (e) => moveAlong(e.shiftKey ? 3 : 1, -1),
    n: () => stepBy(1),
    p: () => stepBy(-1),
    Home: () => change({ step: 0 }),
    End: () => change({ step: run.steps.length }),
    " ": () => (playing ? stop() : play()),
    Escape: () => change({ cell: -1, axis: -1 }),
  };

  const on = (target, type, handler) => {
    target.addEventListener(type, handler);
    undo.push(() => target.removeEventListener(type, handler));
  };
  const undo = [];
  on(el, "click", (event) => {
    const button = event.target.closest("button");
    if (!button || !el.contains(button)) return;
    const { axis, step } = button.dataset;
    if (axis !== undefined) change({ axis: +axis === state.axis ? -1 : +axis });
    else if (step !== undefined) {
      stop();
      walkTo(state.backward ? +step : +step + 1);
    } else
      ({
        back: () => stepBy(-1),
        next: () => stepBy(1),
        play: () => (playing ? (stop(), change({ step: state.step })) : play()),
        copy: copyLink,
        reset,
      })[button.dataset.do]?.();
  });
  on(el, "change", (event) => {
    const { part: name } = event.target.dataset;
    if (name === "fill" || name === "numbers") change({ [name]: event.target.value });
    if (name === "backward") {
      stop();
      change({ backward: event.target.checked, step: event.target.checked ? run.steps.length : 0 });
    }
  });
  on(part("scrub"), "input", (event) => {
    stop();
    position = Number(event.target.value);
    if (calm.matches) position = Math.round(position);
    const step = state.backward ? Math.floor(position) : Math.ceil(position);
    if (step !== state.step) change({ step }, true);
    else paint();
  });
  on(part("scrub"), "change", (event) => walkTo(Math.round(Number(event.target.value))));
  on(part("scrub"), "keydown", (event) => {
    const by = { ArrowRight: 1, ArrowUp: 1, PageUp: 1, ArrowLeft: -1, ArrowDown: -1, PageDown: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    stop();
    walkTo(state.step + by);
  });
  on(stage, "keydown", (event) => {
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act(event);
  });
  const elementAt = (event) => {
    const box = canvases.panes.getBoundingClientRect();
    const scale = plan().size.width / box.width;
    return hit(plan(), state, position, (event.clientX - box.left) * scale, (event.clientY - box.top) * scale);
  };
  on(canvases.panes, "click", (event) => {
    const found = elementAt(event);
    if (found) change({ cell: found.home === state.cell ? -1 : found.home, axis: -1 });
  });
  on(canvases.panes, "pointermove", (event) => {
    const found = elementAt(event);
    canvases.panes.title = found ? `${birthName(run, found.home)}, address ${run.address(found.id, found.k)}` : "";
    canvases.panes.style.cursor = found ? "pointer" : "";
  });
  // Hovering or focusing a number of the call shows its axis; choosing it keeps it.
  for (const [type, lit] of [["pointerover", true], ["pointerout", false], ["focusin", true], ["focusout", false]])
    on(part("call"), type, (event) => {
      const axis = event.target.closest("[data-axis]")?.dataset.axis;
      if (axis === undefined || playing) return;
      const kept = state.axis;
      if (lit) state = { ...state, axis: +axis };
      paint();
      part("left").innerHTML = headHtml(run, state, "left");
      part("right").innerHTML = headHtml(run, state, "right");
      state = { ...state, axis: kept };
      if (!lit) paint();
    });

  const adopt = () => {
    const text = model.get("state");
    if (text === writeState(state)) return;
    stop();
    const read = text ? readState(text, start, limits) : { state: { ...start }, problem: "" };
    ({ state, problem } = read);
    position = state.step;
    part("scrub").value = position;
    tell();
    paint();
  };
  model.on("change:state", adopt);

  const resized = new ResizeObserver(() => paint());
  resized.observe(el);
  const themed = new MutationObserver(() => paint());
  for (const watched of [document.documentElement, document.body])
    themed.observe(watched, { attributes: true, attributeFilter: ["data-theme", "theme", "class", "data-jp-theme-light"] });
  dark.addEventListener("change", paint);
  part("scrub").value = position;
  tell();
  paint();
  el.dataset.ready = "true";
  return () => {
    stop();
    undo.forEach((call) => call());
    model.off?.("change:state", adopt);
    resized.disconnect();
    themed.disconnect();
    dark.removeEventListener("change", paint);
  };
}

/** The theme colours that the style sheet gives this figure, in this page's theme. */
function themeOf(el, systemIsDark) {
  const { documentElement: html, body } = document;
  const said = html.dataset.theme || html.getAttribute("theme") || (body.dataset.jpThemeLight === "false" ? "dark" : "");
  const isDark = said ? said === "dark" : body.classList.contains("vscode-dark") || (systemIsDark && !body.dataset.jpThemeLight);
  el.dataset.vipTheme = isDark ? "dark" : "light";
  const style = getComputedStyle(el);
  return Object.fromEntries(["ink", "faint"].map((name) => [name, style.getPropertyValue(`--vip-${name}`).trim()]));
}
