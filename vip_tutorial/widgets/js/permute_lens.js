// The permute lens: step, scrub or play a recorded run and follow its elements.
//
// `render({ model, el })` is anywidget's contract and serves notebooks and the site
// alike.  On the site it finds the figure's HTML in place and only brings it to life.

import { copyLink, renderWith, themeOf, watchLooks } from "./host.js";
import { callHtml, codeHtml, figureHtml, firstFrame as frameOf, headHtml, memoryHtml, prepare, sayText } from "./lens_html.js";
import { memoryParts } from "./memory.js";
import { paintParts } from "./paint.js";
import { hit, paneParts } from "./panes.js";
import { fillOf, formatOf, moment, neighbour } from "./scene.js";
import { readState, writeState } from "./state.js";
import { birthName, rowWords, stepWords } from "./words.js";

const MOVE_MS = 900;
const REST_MS = 700;

/** The figure's HTML before any script has run. */
export const firstFrame = frameOf;

/** anywidget's entry point. */
export const render = renderWith("permute_lens", ["recording", "title", "picture", "hue", "light"], ({ model, el, again }) => {
  const all = prepare(model);
  if (again) all.problem = ""; // the state was for another run; nobody used a link
  if (!el.querySelector(":scope > .vip-stage")) el.innerHTML = figureHtml(all, { panes: "", strip: "" });
  return bringToLife(el, model, all);
});

function bringToLife(el, model, all) {
  const { run, options, limits, start, plans } = all;
  let { state, problem } = all;
  let position = state.step;
  let moving = 0; // request for the next frame of a move
  let resting = 0; // timer of the rest between two steps of play
  let playing = false;
  let lit = ""; // name of the axis that is lit
  let told = null; // the step that the call on the page is of
  const part = (name) => el.querySelector(`[data-part="${name}"]`);
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
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

  const plan = () => plans[formatOf(stage.clientWidth)];

  function paint() {
    const theme = themeOf(el);
    for (const [name, partsOf] of [["panes", paneParts], ["strip", memoryParts]]) {
      const picture = partsOf(plan(), state, position);
      const scale = (part(name).clientWidth / picture.width) * (window.devicePixelRatio || 1);
      paintParts(canvases[name], picture, scale, theme, JSON.stringify([picture.width, state]));
    }
  }

  /** The call is rebuilt for another step only, so that focus stays on its numbers. */
  function tellCall(step) {
    const call = part("call");
    if (step !== told) {
      const focused = call.contains(document.activeElement) ? document.activeElement.dataset.axis : undefined;
      call.innerHTML = callHtml(run, state);
      if (focused !== undefined) (call.querySelector(`[data-axis="${focused}"]`) ?? stage).focus({ preventScroll: true });
      told = step;
    }
    for (const button of call.querySelectorAll("[data-axis]"))
      button.setAttribute("aria-pressed", String(+button.dataset.axis === state.axis));
  }

  /** What stands over the pictures; the text around the figure is told which axis is lit. */
  function tellHeads() {
    part("left").innerHTML = headHtml(run, state, "left");
    part("right").innerHTML = headHtml(run, state, "right");
    const name = run.tensors[moment(run, state, state.step).step.output].axes[state.axis] ?? "";
    if (name === lit) return;
    lit = name;
    el.dispatchEvent(new CustomEvent("vip-lit", { detail: name.split("*"), bubbles: true }));
  }

  function tell() {
    const { index, step } = moment(run, state, state.step);
    part("code").innerHTML = codeHtml(run, state);
    tellCall(step);
    tellHeads();
    part("memory").innerHTML = memoryHtml(run, state);
    const words = [problem, sayText(run, state, plan())].filter(Boolean).join(" ");
    if (part("say").textContent !== words) part("say").textContent = words;
    stage.setAttribute("aria-label", `${options.title}. ${sayText(run, state)} ${rowWords(run, state)}`);
    part("steps").querySelectorAll("button").forEach((button, i) => {
      if (i === index && (state.step > 0 || state.backward)) button.setAttribute("aria-current", "step");
      else button.removeAttribute("aria-current");
    });
    part("fill").value = fillOf(state);
    part("fill").disabled = state.backward; // the way back is the gradient's
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
    tell();
    paint();
    model.set("state", writeState(state));
    model.save_changes?.();
  }

  /** Walk to a whole position; the cells move unless the reader wants calm. */
  function walkTo(target, then) {
    cancelAnimationFrame(moving);
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
      if (share < 1) moving = requestAnimationFrame(frame);
      else then?.();
    };
    moving = requestAnimationFrame(frame);
  }

  const forward = () => (state.backward ? -1 : 1);
  const atEnd = () => (state.backward ? state.step === 0 : state.step === run.steps.length);

  function stop() {
    playing = false;
    cancelAnimationFrame(moving);
    clearTimeout(resting);
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
      walkTo(state.step + forward(), () => (resting = setTimeout(next, calm.matches ? 2 * REST_MS : REST_MS)));
    };
    next();
  }

  /** Stop, and show the step that was on its way. */
  function pause() {
    stop();
    change({ step: state.step });
  }

  function stepBy(direction) {
    if (playing) return pause();
    stop();
    walkTo(state.step + direction * forward());
  }

  function jumpTo(step) {
    stop();
    change({ step });
  }

  function reset() {
    stop();
    change({ ...start });
    part("link").hidden = true;
  }

  /** Follow the neighbour of the followed element along an axis of the right-hand tensor. */
  function moveAlong(axisFromEnd, by) {
    const cell = neighbour(run, state, axisFromEnd, by);
    if (cell !== undefined) change({ cell, axis: -1 });
  }

  const keys = {
    ArrowRight: (e) => moveAlong(e.shiftKey ? 2 : 0, 1),
    ArrowLeft: (e) => moveAlong(e.shiftKey ? 2 : 0, -1),
    ArrowDown: (e) => moveAlong(e.shiftKey ? 3 : 1, 1),
    ArrowUp: (e) => moveAlong(e.shiftKey ? 3 : 1, -1),
    n: () => stepBy(1),
    p: () => stepBy(-1),
    Home: () => jumpTo(0),
    End: () => jumpTo(run.steps.length),
    " ": () => (playing ? pause() : play()),
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
        play: () => (playing ? pause() : play()),
        copy: () => copyLink(el, model, options.name, writeState(state), (words) => (part("say").textContent = words)),
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
  on(part("call"), "keydown", (event) => event.key === "Escape" && change({ axis: -1 }));
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
  /** Light an axis of the step's output for the time being, or show again what is kept. */
  function glance(axis) {
    const kept = state;
    if (axis >= 0) state = { ...state, axis };
    paint();
    tellHeads();
    state = kept;
  }
  // Hovering or focusing a number of the call shows its axis; choosing it keeps it.
  for (const [type, lit] of [["pointerover", true], ["pointerout", false], ["focusin", true], ["focusout", false]])
    on(part("call"), type, (event) => {
      const axis = event.target.closest("[data-axis]")?.dataset.axis;
      if (axis !== undefined && !playing) glance(lit ? +axis : -1);
    });
  // The text around the figure names an axis by its letter.
  on(el, "vip-light", ({ detail: letter }) => {
    const { axes } = run.tensors[moment(run, state, state.step).step.output];
    if (!playing) glance(axes.findIndex((name) => letter && name.split("*").includes(letter)));
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

  const unwatch = watchLooks(el, () => paint());
  part("scrub").value = position;
  tell();
  paint();
  el.dataset.ready = "true";
  return () => {
    stop();
    undo.forEach((call) => call());
    model.off?.("change:state", adopt);
    unwatch();
  };
}
