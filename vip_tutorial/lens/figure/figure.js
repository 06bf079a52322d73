// A figure is a description, and this module is what all of them share.
//
// A figure reads its data once (`prepare`), writes its whole picture as HTML from a state
// (`html`), says it in a sentence (`say`), and answers an action with what that changes in
// the state (`act`).  Nothing else draws, so the first frame that is written into a built
// page and the living figure cannot differ; but for `paint`, which fills canvases where the
// first frame has the same picture as SVG.
//
// Actions come from attributes in the figure's HTML:
//   data-do="name" data-value="3"   a click                {name, value}; "copy", "embed",
//                                   "reset" are answered here
//   data-set="name"                 a control's new value  {name, value}
//   data-keys="name"                a key on an element that has focus  {name, key, shift}
//   data-drag="name" around data-at="7"   a pointer drawn over elements  {name, value, begins}
//   data-stroke="name"              a pointer drawn in it  {name, path, begins}; the path is where
//                                   it has been since the last time, [x, y] with 0 to 1 inside
//   data-submit="name" on a form    its fields             {name, value: {...}}
//   data-let-go="name"              a control that was let go  {name, value}
//   data-point="name"               a click at a place in it, 0 to 1  {name, x, y, width}
//   data-in-sight                   what shall be in sight while the figure moves, of several the one shown
//   data-glance="value"             pointed at or focused, until it is no more  {name: "glance", value}
// and of the page around the figure, which names an axis to be lit  {name: "light", value}

import { copyEmbed, copyLink, escape, linkHtml, problemHtml, renderWith, themeOf, watchLooks } from "./host.js";
import { isCalm, makeMotion } from "./motion.js";
import { patch } from "./patch.js";

const STROKE = 4; // pixels: no cell that is drawn on is narrower

/**
 * @typedef {object} Field one part of a figure's state, as it stands in a link
 * @property {*} usual what a link leaves unsaid; never to be changed, or old links show
 *   other pictures.  A field that has none stands in each link, or the link says too little
 * @property {(text: string, scene: object) => *} read the value; undefined if it is none.
 *   Written down it may hold letters, digits and . , _ * -
 *
 * @typedef {object} Figure
 * @property {string} kind
 * @property {string} [title] its heading where it is given none, nor the scene has one
 * @property {string[]} watched the model's values that it is made from
 * @property {(get: (key: string) => *) => object} prepare checks them; throws a sentence
 * @property {Record<string, Field>} fields
 * @property {(scene: object) => object} [first] what of the first picture is not the usual
 * @property {(scene: object, state: object) => string[]} [misfits] fields of a link that do not
 *   fit the rest of it
 * @property {(scene: object, state: object, asleep: boolean) => string | string[]} html a figure
 *   with much in it gives parts of one element each, and only those that differ are touched
 * @property {(scene: object, state: object, body?: HTMLElement) => string} say what is written
 *   under it; the state's `heard`, what the last action left to say that stands elsewhere in it,
 *   is spoken only
 * @property {(scene: object, state: object, action: object) => object | undefined} act what an
 *   action changes in the state.  What stands in no field is forgotten with the next link or
 *   "reset"; `heard` and `glance` with the next change
 * @property {(scene: object, state: object) => string} [options] controls beside the last buttons
 * @property {(scene: object) => string} [foot] what stands under all
 * @property {string | ((scene: object) => string)} help what mouse and keys do
 * @property {Motion} [motion] how it moves, if it does
 * @property {(scene: object, state: object) => string[]} [lit] letters that the page shall light, too
 * @property {(scene: object, state: object, place: object) => string} [hint] of a place in `data-point`
 * @property {(scene: object, state: object) => Record<string, *>} [tells] values of the model that
 *   follow from the state, for whoever watches them in a notebook
 * @property {(body: HTMLElement, scene: object, state: object, theme: () => Record<string, string>) => void} [paint]
 *   fills the canvases that its HTML has; without a script that HTML has SVG in their place
 *
 * @typedef {object} Motion of a figure whose picture takes time to change.  Changes that are to
 *   happen `slowly` are painted in between, with the state's `moving` on its way to the field,
 *   from where it is or from the number that `slowly` is; with `playing` it goes on until that
 *   is false or the field is changed otherwise
 * @property {string} field
 * @property {(scene: object, state: object) => object | undefined} next changes of the next step of
 *   play; undefined at the end
 * @property {(scene: object, state: object) => number | undefined} [lasts] milliseconds of the way to a state
 * @property {(scene: object, state: object) => *} [shows] what of a moment on the way is more than a
 *   painted canvas: where it changes, all is drawn anew
 * @property {(start: object) => object} calm what the first picture has besides for readers who
 *   want no motion
 */

/** anywidget's entry point for a figure. @param {Figure} figure */
export const renderFigure = (figure) =>
  renderWith(figure.kind, ["title", ...figure.watched], ({ model, el, again }) =>
    bringFigureToLife(figure, model, el, again),
  );

/**
 * The figure's HTML before any script has run; or `isAwake`, as it is drawn then.
 * @param {Figure} figure
 */
export const firstFrameOf = (figure) => (data, isAwake) => {
  try {
    const { scene, start } = openFigure(figure, data);
    return wholeHtml(figure, scene, start, "", !isAwake);
  } catch (error) {
    return problemHtml(error);
  }
};

/** A figure's scene, and the state of its first picture. @param {Figure} figure */
export const openFigure = (figure, data) => opened(figure, { get: (key) => data[key] });

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
export function readFields(figure, text, otherwise, scene) {
  const { fields } = figure;
  const [version, ...parts] = String(text).split(";").filter(Boolean);
  if (version !== "v1")
    return {
      state: { ...otherwise },
      problem: "This link is not one that the figure knows; it shows its first picture.",
    };
  const usual = Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, field.usual]));
  const needed = Object.keys(fields).filter((key) => usual[key] === undefined);
  const state = { ...otherwise, ...usual };
  const bad = [];
  for (const part of parts) {
    const at = part.indexOf("=");
    const key = part.slice(0, at);
    const value = Object.hasOwn(fields, key) ? fields[key].read(part.slice(at + 1), scene) : undefined;
    if (value === undefined) {
      bad.push(part);
      if (Object.hasOwn(fields, key)) state[key] = (needed.length ? usual : otherwise)[key];
    } else state[key] = value;
  }
  for (const key of figure.misfits?.(scene, state) ?? []) {
    bad.push(`${key}=${state[key]}`);
    state[key] = usual[key];
  }
  const unsaid = needed.filter((key) => state[key] === undefined);
  if (unsaid.length) Object.assign(state, otherwise);
  const list = bad.slice(0, 3).map((part) => `“${part.slice(0, 24)}”`);
  const rest = unsaid.length ? "; it shows its first picture" : needed.length ? "; the rest of it is shown" : "";
  if (bad.length)
    return { state, problem: `This link asks for ${list.join(", ")}, which this figure does not have${rest}.` };
  return {
    state,
    problem: unsaid.length ? `This link names no ${unsaid.join(", ")}; the figure shows its first picture.` : "",
  };
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
  scene.title = model.get("title") || scene.title || figure.title;
  scene.name = model.get("name") || figure.kind;
  scene.isPage = model.get("link") !== "";
  scene.hasOwn = Boolean(model.get("alone"));
  const usual = Object.fromEntries(Object.entries(figure.fields).map(([key, field]) => [key, field.usual]));
  const first = { ...usual, ...figure.first?.(scene) };
  const given = model.get("start");
  const start = given ? readFields(figure, given, first, scene).state : first;
  return { scene, start };
}

function wholeHtml(figure, scene, state, problem, asleep = false) {
  const { line } = linkHtml(scene.isPage, scene.hasOwn);
  const words = [problem, figure.say(scene, state)].filter(Boolean).join(" ");
  return `
<div class="vip-title"><strong>${escape(scene.title)}</strong></div>
<div class="vip-body" data-part="body">${partsOf(figure, scene, state, asleep).join("")}</div>
<p class="vip-say" data-part="say" aria-live="polite">${saidHtml(words)}</p>
<p class="vip-unseen" data-part="heard" aria-live="polite"></p>
<div class="vip-options vip-scripted" data-part="options">${optionsOf(figure, scene, state)}</div>
${line}
<details class="vip-keys vip-scripted"><summary>Mouse and keys</summary>${typeof figure.help === "function" ? figure.help(scene) : figure.help}</details>${figure.foot?.(scene) ?? ""}`;
}

/** Nobody is asked to press what only a script would answer, if there is anything else to say. */
function saidHtml(words) {
  const asked = /Press [^.]*\./g;
  return words.replace(asked, "").trim()
    ? escape(words).replace(asked, '<span class="vip-scripted">$&</span>')
    : escape(words);
}

const optionsOf = (figure, scene, state) =>
  `${figure.options?.(scene, state) ?? ""}${linkHtml(scene.isPage, scene.hasOwn).buttons}`;

const partsOf = (figure, scene, state, asleep) => [figure.html(scene, state, asleep)].flat();

function bringFigureToLife(figure, model, el, again) {
  const { scene, start } = opened(figure, model);
  if (figure.motion && isCalm()) Object.assign(start, figure.motion.calm(start));
  let state = { ...start };
  let problem = "";
  const part = (name) => el.querySelector(`[data-part="${name}"]`);

  const read = (text) => (text ? readFields(figure, text, start, scene) : { state: { ...start }, problem: "" });
  ({ state, problem } = read(model.get("state")));
  if (again) problem = ""; // the state was for other data; nobody used a link

  el.setAttribute("role", "group");
  el.setAttribute("aria-label", scene.title);
  if (!part("body")) el.innerHTML = wholeHtml(figure, scene, state, problem);

  let shown; // the parts of the body, as it is
  let lit = "";
  let isShowing = false; // what had focus may go, and tells of it in the middle of a change
  let widthOfSay = 0;
  /** A longer sentence makes room for itself, and a shorter one leaves it: what stands below moves once. */
  function keepRoom() {
    const { offsetWidth: width, offsetHeight: height, style } = part("say");
    style.minHeight = width && width === widthOfSay ? `${height}px` : "";
    widthOfSay = width;
  }
  function show() {
    isShowing = true;
    keepRoom();
    const parts = partsOf(figure, scene, state, false);
    const hadFocus = el.contains(document.activeElement);
    patch(part("body"), parts, shown);
    shown = parts;
    if (figure.options) patch(part("options"), [optionsOf(figure, scene, state)]);
    if (hadFocus && !el.contains(document.activeElement))
      el.querySelector("[data-refuge]")?.focus({ preventScroll: true });
    say([problem, figure.say(scene, state, part("body"))].filter(Boolean).join(" "));
    part("heard").textContent = state.heard ?? "";
    const letters = figure.lit?.(scene, state) ?? [];
    if (String(letters) !== lit) el.dispatchEvent(new CustomEvent("vip-lit", { detail: letters, bubbles: true }));
    lit = String(letters);
    isShowing = false;
    paint(); // last, since it asks how wide the page has made it
  }
  /** What follows from a state, after the state itself: who hears it may ask for that. */
  function tell() {
    if (scene.isPage || !figure.tells) return; // nobody listens
    for (const [key, value] of Object.entries(figure.tells(scene, state))) model.set(key, value);
    model.save_changes?.();
  }
  function paint() {
    figure.paint?.(part("body"), scene, state, () => themeOf(el));
  }
  function say(words) {
    if (part("say").textContent !== words) part("say").textContent = words;
  }

  const motion = makeMotion();
  const { field } = figure.motion ?? {};
  const shows = () => figure.motion.shows?.(scene, state);
  function moveTo(position) {
    const before = shows();
    state = { ...state, moving: position === state[field] ? undefined : position };
    if (state.moving !== undefined && shows() === before) paint();
    else show();
  }
  function playOn() {
    const next = figure.motion.next(scene, state);
    change(next ? { ...next, playing: true } : { playing: false });
  }
  const rest = () => state.playing && motion.rest(playOn);

  function change({ slowly = false, seek = false, ...changes }) {
    const from = typeof slowly === "number" ? slowly : (state.moving ?? state[field]);
    const walks = slowly !== false && !isCalm() && from !== changes[field];
    const turns = field in changes;
    if (turns || changes.playing === false) {
      motion.stop();
      state = { ...state, playing: false, moving: walks ? from : undefined };
    }
    state = { ...state, heard: "", glance: undefined, ...changes };
    problem = "";
    try {
      show();
    } catch (error) {
      el.innerHTML = problemHtml(error); // data that is damaged where it was not looked at
      return;
    }
    model.set("state", writeFields(figure.fields, state));
    model.save_changes?.();
    tell();
    if (seek && el.getBoundingClientRect().top < 0) el.scrollIntoView(); // what took the picture's place is shorter
    if (walks || (state.playing && slowly !== false)) seekMotion();
    if (walks) motion.walk(from, state[field], moveTo, rest, figure.motion.lasts?.(scene, state));
    else if (slowly !== false) rest();
    else if (changes.playing) playOn();
  }
  /** What moves is brought into sight, if the reader has set it going from elsewhere. */
  function seekMotion() {
    const place = [...el.querySelectorAll("[data-in-sight]")].find((one) => one.getClientRects().length);
    place?.scrollIntoView({ block: "nearest", behavior: isCalm() ? "instant" : "smooth" });
  }
  /** For the time being, and not to be kept. */
  function glance(changes) {
    if (!changes || isShowing) return;
    state = { ...state, ...changes };
    show();
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
  const pointIn = (place, { clientX, clientY }) => {
    const { left, top, width, height } = place.getBoundingClientRect();
    return { x: (clientX - left) / width, y: (clientY - top) / height, width };
  };
  on(el, "click", (event) => {
    const { do: name, value } = within(event, "[data-do]")?.dataset ?? {};
    if (name === "copy") copyLink(el, model, scene.name, writeFields(figure.fields, state), say);
    else if (name === "embed") copyEmbed(el, model, scene, writeFields(figure.fields, state), say);
    else if (name === "reset") {
      part("link").hidden = true;
      state = {}; // forget, too, what stands in no link
      change({ ...start });
    } else if (name) act({ name, value });
    const place = within(event, "[data-point]");
    if (!place || name) return; // a button that lies on a picture is no place of it
    act({ name: place.dataset.point, ...pointIn(place, event) });
  });
  on(el, "input", (event) => {
    const control = within(event, "[data-set]");
    if (control)
      act({
        name: control.dataset.set,
        value: control.type === "checkbox" ? control.checked : control.value,
        calm: isCalm(),
      });
  });
  on(el, "change", (event) => {
    const control = within(event, "[data-let-go]");
    if (control) act({ name: control.dataset.letGo, value: control.value });
  });
  for (const [type, isOn] of [
    ["pointerover", true],
    ["pointerout", false],
    ["focusin", true],
    ["focusout", false],
  ])
    on(el, type, (event) => {
      const place = within(event, "[data-glance]");
      if (place) glance(figure.act(scene, state, { name: "glance", value: isOn ? place.dataset.glance : "" }));
    });
  on(el, "vip-light", ({ detail }) => glance(figure.act(scene, state, { name: "light", value: detail })));
  // Not "submit", which never comes in a frame that allows no forms.  Enter presses the button, too.
  on(el, "click", (event) => {
    const form = within(event, '[data-submit] [type="submit"]')?.form;
    if (!form) return;
    event.preventDefault();
    if (form.reportValidity()) act({ name: form.dataset.submit, value: Object.fromEntries(new FormData(form)) });
  });
  on(el, "keydown", (event) => {
    const place = within(event, "[data-keys]");
    if (!place || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.repeat && event.key === " ") return event.preventDefault(); // held down, it would toggle
    if (act({ name: place.dataset.keys, key: event.key, shift: event.shiftKey, value: place.dataset.value }))
      event.preventDefault();
  });
  let stroke = null; // the place that is drawn on, by which pointer, and where that was last
  const draw = (event) => {
    if (!stroke.place.dataset.stroke) return drawOver(event);
    const { place, begins } = stroke;
    const passed = event.getCoalescedEvents?.() ?? []; // a quick pointer has been at several places
    const path = (passed.length ? passed : [event]).map((one) => {
      const { x, y } = pointIn(place, one);
      return [x, y];
    });
    stroke.begins = false;
    act({ name: place.dataset.stroke, path, begins });
  };
  const drawOver = ({ clientX: x, clientY: y }) => {
    const { place, from } = stroke;
    const count = Math.ceil(Math.hypot(x - from.x, y - from.y) / STROKE) || 1;
    const over = new Set(); // a quick pointer leaps; what lies between is drawn over, too
    for (let i = 1; i <= count; i++) {
      const spot = document.elementFromPoint(from.x + ((x - from.x) * i) / count, from.y + ((y - from.y) * i) / count);
      const at = /** @type {HTMLElement} */ (spot?.closest("[data-at]"));
      if (at && place.contains(at)) over.add(at.dataset.at);
    }
    stroke.from = { x, y };
    let changes;
    for (const value of over) {
      const { begins } = stroke;
      stroke.begins = false;
      const more = figure.act(scene, { ...state, ...changes }, { name: place.dataset.drag, value, begins });
      if (more) changes = { ...changes, ...more };
    }
    if (changes) change(changes);
  };
  on(el, "pointerdown", (event) => {
    const place = within(event, "[data-drag], [data-stroke]");
    if (!place || stroke || event.button) return; // a second finger, another button
    if (place.dataset.stroke) place.setPointerCapture(event.pointerId); // it may go out and come back in
    stroke = { place, id: event.pointerId, from: { x: event.clientX, y: event.clientY }, begins: true };
    draw(event);
  });
  on(el, "pointermove", (event) => {
    const place = figure.hint && within(event, "[data-point]");
    if (!place) return;
    event.target.title = figure.hint(scene, state, pointIn(place, event));
    event.target.style.cursor = event.target.title ? "pointer" : "";
  });
  on(el, "pointermove", (event) => stroke?.id === event.pointerId && event.buttons && draw(event));
  for (const end of ["pointerup", "pointercancel"])
    on(document, end, ({ pointerId }) => stroke?.id === pointerId && (stroke = null));

  const adopt = () => {
    if (model.get("state") === writeFields(figure.fields, state)) return;
    motion.stop();
    ({ state, problem } = read(model.get("state")));
    show();
    tell();
  };
  model.on("change:state", adopt);
  const unwatch = watchLooks(el, () => {
    themeOf(el);
    paint();
  });
  themeOf(el);
  show();
  tell();
  el.dataset.ready = "true";
  return () => {
    motion.stop();
    undo.forEach((call) => call());
    model.off?.("change:state", adopt);
    unwatch();
  };
}
