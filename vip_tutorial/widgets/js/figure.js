// The smaller figures: each is a description, and this module is what they share.
//
// A figure reads its data once (`prepare`), writes its whole picture as HTML from a state
// (`html`), says it in a sentence (`say`), and answers an action with what that changes in
// the state (`act`).  Nothing else draws, so the first frame that is written into a built
// page and the living figure cannot differ; but for `paint`, which fills canvases where the
// first frame has the same picture as SVG.
//
// Actions come from attributes in the figure's HTML:
//   data-do="name" data-value="3"   a click                {name, value}; "copy" and "reset"
//                                   are answered here
//   data-set="name"                 a control's new value  {name, value}
//   data-keys="name"                a key on an element that has focus  {name, key, shift}
//   data-drag="name" around data-at="7"   a pointer drawn over elements  {name, value}
//   data-submit="name" on a form    its fields             {name, value: {...}}
//   data-point="name"               a click at a place in it, 0 to 1  {name, x, y, width}

import { copyLink, escape, linkHtml, problemHtml, renderWith, themeOf, watchLooks } from "./host.js";
import { patch } from "./patch.js";

const STROKE = 4; // pixels: no cell that is drawn on is narrower

/**
 * @typedef {object} Field one part of a figure's state, as it stands in a link
 * @property {*} usual what a link leaves unsaid; never to be changed, or old links show
 *   other pictures
 * @property {(text: string, scene: object) => *} read the value; undefined if it is none.
 *   Written down it may hold letters, digits and . , _ * -
 *
 * @typedef {object} Figure
 * @property {string} kind
 * @property {string} title its heading where it is given none
 * @property {string[]} watched the model's values that it is made from
 * @property {(get: (key: string) => *) => object} prepare checks them; throws a sentence
 * @property {Record<string, Field>} fields
 * @property {(scene: object, state: object, asleep: boolean) => string | string[]} html a figure
 *   with much in it gives parts of one element each, and only those that differ are touched
 * @property {(scene: object, state: object) => string} say what is written under it; the state's
 *   `heard`, what the last action left to say that stands elsewhere in it, is spoken only
 * @property {(scene: object, state: object, action: object) => object | undefined} act
 * @property {string} help what mouse and keys do
 * @property {(body: HTMLElement, scene: object, state: object, theme: () => Record<string, string>) => void} [paint]
 *   fills the canvases that its HTML has; without a script that HTML has SVG in their place
 */

/** anywidget's entry point for a figure. @param {Figure} figure */
export const renderFigure = (figure) =>
  renderWith(figure.kind, ["title", ...figure.watched], ({ model, el, again }) => bringFigureToLife(figure, model, el, again));

/** The figure's HTML before any script has run. @param {Figure} figure */
export const firstFrameOf = (figure) => (data) => {
  try {
    const { scene, start } = opened(figure, { get: (key) => data[key] });
    return wholeHtml(figure, scene, start, "", true);
  } catch (error) {
    return problemHtml(error);
  }
};

/** The state as text: what differs from the usual. */
export function writeFields(fields, state) {
  const said = Object.entries(fields).filter(([key, { usual }]) => String(state[key]) !== String(usual));
  return ["v1", ...said.map(([key]) => `${key}=${state[key]}`)].join(";");
}

/**
 * Read such a text.  Where it says nothing of a field, that is the usual; what cannot be
 * read is left as it is in `otherwise`, and told.
 * @returns {{state: object, problem: string}}
 */
export function readFields(fields, text, otherwise, scene) {
  const [version, ...parts] = String(text).split(";").filter(Boolean);
  if (version !== "v1")
    return { state: { ...otherwise }, problem: "This link is not one that the figure knows; it shows its first picture." };
  const state = { ...otherwise };
  for (const [key, { usual }] of Object.entries(fields)) state[key] = usual;
  const bad = [];
  for (const part of parts) {
    const at = part.indexOf("=");
    const key = part.slice(0, at);
    const value = Object.hasOwn(fields, key) ? fields[key].read(part.slice(at + 1), scene) : undefined;
    if (value === undefined) {
      bad.push(part);
      if (Object.hasOwn(fields, key)) state[key] = otherwise[key];
    } else state[key] = value;
  }
  const list = bad.slice(0, 3).map((part) => `“${part.slice(0, 24)}”`);
  return { state, problem: bad.length ? `This link asks for ${list.join(", ")}, which this figure does not have.` : "" };
}

/** A field that is a whole number. */
export const wholeField = (usual, low, high) => ({
  usual,
  read: (text, scene) => {
    const top = typeof high === "function" ? high(scene) : high;
    return /^-?\d{1,9}$/.test(text) && +text >= low && +text <= top ? +text : undefined;
  },
});

/** A field that is one of some words. */
export const choiceField = (usual, choices) => ({
  usual,
  read: (text, scene) => ((typeof choices === "function" ? choices(scene) : choices).includes(text) ? text : undefined),
});

function opened(figure, model) {
  const scene = figure.prepare((key) => model.get(key));
  scene.title = model.get("title") || figure.title;
  scene.name = model.get("name") || figure.kind;
  scene.isPage = model.get("link") !== "";
  const usual = Object.fromEntries(Object.entries(figure.fields).map(([key, field]) => [key, field.usual]));
  const given = model.get("start");
  const start = given ? readFields(figure.fields, given, usual, scene).state : usual;
  return { scene, start };
}

function wholeHtml(figure, scene, state, problem, asleep = false) {
  const link = linkHtml(scene.isPage);
  const words = [problem, figure.say(scene, state)].filter(Boolean).join(" ");
  return `
<div class="vip-title"><strong>${escape(scene.title)}</strong></div>
<div class="vip-body" data-part="body">${partsOf(figure, scene, state, asleep).join("")}</div>
<p class="vip-say" data-part="say" aria-live="polite">${escape(words)}</p>
<p class="vip-unseen" data-part="heard" aria-live="polite"></p>
<div class="vip-options vip-scripted">
  ${link.buttons}
</div>
${link.line}
<details class="vip-keys vip-scripted"><summary>Mouse and keys</summary>${figure.help}</details>`;
}

const partsOf = (figure, scene, state, asleep) => [figure.html(scene, state, asleep)].flat();

function bringFigureToLife(figure, model, el, again) {
  const { scene, start } = opened(figure, model);
  let state = { ...start };
  let problem = "";
  const part = (name) => el.querySelector(`[data-part="${name}"]`);

  const read = (text) => (text ? readFields(figure.fields, text, start, scene) : { state: { ...start }, problem: "" });
  ({ state, problem } = read(model.get("state")));
  if (again) problem = ""; // the state was for other data; nobody used a link

  el.setAttribute("role", "group");
  el.setAttribute("aria-label", scene.title);
  if (!part("body")) el.innerHTML = wholeHtml(figure, scene, state, problem);

  let shown; // the parts of the body, as it is
  function show() {
    const parts = partsOf(figure, scene, state, false);
    patch(part("body"), parts, shown);
    shown = parts;
    say([problem, figure.say(scene, state)].filter(Boolean).join(" "));
    part("heard").textContent = state.heard ?? "";
    paint(); // last, since it asks how wide the page has made it
  }
  function paint() {
    figure.paint?.(part("body"), scene, state, () => themeOf(el));
  }
  function say(words) {
    if (part("say").textContent !== words) part("say").textContent = words;
  }
  function change(changes) {
    state = { ...state, heard: "", ...changes };
    problem = "";
    try {
      show();
    } catch (error) {
      el.innerHTML = problemHtml(error); // data that is damaged where it was not looked at
      return;
    }
    model.set("state", writeFields(figure.fields, state));
    model.save_changes?.();
  }
  function act(action) {
    const changes = figure.act(scene, state, action);
    if (changes) change(changes);
    return Boolean(changes);
  }

  const undo = [];
  const on = (target, type, handler) => {
    target.addEventListener(type, handler);
    undo.push(() => target.removeEventListener(type, handler));
  };
  const within = (event, selector) => {
    const found = event.target.closest?.(selector);
    return found && el.contains(found) ? found : null;
  };
  on(el, "click", (event) => {
    const { do: name, value } = within(event, "[data-do]")?.dataset ?? {};
    if (name === "copy") copyLink(el, model, scene.name, writeFields(figure.fields, state), say);
    else if (name === "reset") {
      part("link").hidden = true;
      state = {}; // forget, too, what stands in no link
      change({ ...start });
    } else if (name) act({ name, value });
    const place = within(event, "[data-point]");
    if (!place) return;
    const { left, top, width, height } = place.getBoundingClientRect();
    act({ name: place.dataset.point, x: (event.clientX - left) / width, y: (event.clientY - top) / height, width });
  });
  on(el, "input", (event) => {
    const control = within(event, "[data-set]");
    if (control) act({ name: control.dataset.set, value: control.type === "checkbox" ? control.checked : control.value });
  });
  on(el, "submit", (event) => {
    const form = within(event, "[data-submit]");
    if (!form) return;
    event.preventDefault();
    act({ name: form.dataset.submit, value: Object.fromEntries(new FormData(form)) });
  });
  on(el, "keydown", (event) => {
    const place = within(event, "[data-keys]");
    if (!place || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.repeat && event.key === " ") return event.preventDefault(); // held down, it would toggle
    if (act({ name: place.dataset.keys, key: event.key, shift: event.shiftKey, value: place.dataset.value })) event.preventDefault();
  });
  let stroke = null; // the place that is drawn on, by which pointer, and where that was last
  const draw = ({ clientX: x, clientY: y }) => {
    const { place, from } = stroke;
    const count = Math.ceil(Math.hypot(x - from.x, y - from.y) / STROKE) || 1;
    const over = new Set(); // a quick pointer leaps; what lies between is drawn over, too
    for (let i = 1; i <= count; i++) {
      const spot = document.elementFromPoint(from.x + ((x - from.x) * i) / count, from.y + ((y - from.y) * i) / count);
      const at = spot?.closest("[data-at]");
      if (at && place.contains(at)) over.add(at.dataset.at);
    }
    stroke.from = { x, y };
    let changes;
    for (const value of over) {
      const more = figure.act(scene, { ...state, ...changes }, { name: place.dataset.drag, value });
      if (more) changes = { ...changes, ...more };
    }
    if (changes) change(changes);
  };
  on(el, "pointerdown", (event) => {
    const place = within(event, "[data-drag]");
    if (!place || stroke || event.button) return; // a second finger, another button
    stroke = { place, id: event.pointerId, from: { x: event.clientX, y: event.clientY } };
    draw(event);
  });
  on(el, "pointermove", (event) => stroke?.id === event.pointerId && event.buttons && draw(event));
  for (const end of ["pointerup", "pointercancel"]) on(document, end, ({ pointerId }) => stroke?.id === pointerId && (stroke = null));

  const adopt = () => {
    if (model.get("state") === writeFields(figure.fields, state)) return;
    ({ state, problem } = read(model.get("state")));
    show();
  };
  model.on("change:state", adopt);
  const unwatch = watchLooks(el, () => {
    themeOf(el);
    paint();
  });
  themeOf(el);
  show();
  el.dataset.ready = "true";
  return () => {
    undo.forEach((call) => call());
    model.off?.("change:state", adopt);
    unwatch();
  };
}
