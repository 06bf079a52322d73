// Brings the figures of a built page to life, with no kernel and no network.  A page
// holds each widget's first frame and, beside it, the widget's state as JSON.

import { tieAxisNames } from "./axis_names.js";
import { findInFragment } from "./state.js";

const SAVE_MS = 100; // browsers are slow to write an address, and a held key writes many

/** A stand-in for the notebook's model: JSON in, state kept in the page's address. */
function pageModel(data) {
  const listeners = {};
  const name = data.name;
  const values = { ...data, link: location.href.split("#")[0] };
  const model = {
    get: (key) => values[key],
    set: (key, value) => (values[key] = value),
    on: (event, listener) => (listeners[event] ??= []).push(listener),
    off: (event, listener) => (listeners[event] = (listeners[event] ?? []).filter((l) => l !== listener)),
    save_changes() {
      if (saving) return;
      save();
      saving = setTimeout(() => {
        saving = 0;
        if (values.state !== saved) save();
      }, SAVE_MS);
    },
  };
  let saving = 0;
  let saved = "";
  const save = () => {
    saved = values.state;
    const others = location.hash.slice(1).split("&").filter((part) => part.includes("=") && !part.startsWith(`${name}=`));
    try {
      history.replaceState(null, "", `#${[...others, `${name}=${values.state}`].join("&")}`);
    } catch {
      // Some browsers refuse this for pages opened from disk; the figure works on.
    }
  };
  const read = () => findInFragment(location.hash, name);
  if (read() !== null) values.state = read();
  window.addEventListener("hashchange", () => {
    if (read() === null) return; // a link to elsewhere on the page
    values.state = read();
    listeners["change:state"]?.forEach((listener) => listener());
  });
  return model;
}

/** @param {Record<string, (context: {model: object, el: HTMLElement}) => void>} renderers */
export function hydrate(renderers) {
  for (const figure of document.querySelectorAll("[data-vip-widget]")) {
    const el = figure.querySelector(".vip") ?? figure;
    try {
      if (!Object.hasOwn(renderers, figure.dataset.vipWidget)) throw new Error("no such figure");
      const data = JSON.parse(figure.querySelector("script[type='application/json']")?.textContent ?? "");
      renderers[figure.dataset.vipWidget]({ model: pageModel(data), el });
      if (findInFragment(location.hash, data.name) !== null) figure.scrollIntoView();
    } catch (error) {
      el.textContent = `This figure's data is damaged (${error.message}); the rest of the page works without it.`;
    }
  }
  const page = document.querySelector("article") ?? document.querySelector("main");
  if (page) tieAxisNames(page);
}
