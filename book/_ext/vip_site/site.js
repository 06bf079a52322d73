// Brings a page of the site to life: its figures, and the letters of the axes in its text.

import { hydrate as wakeFigures } from "../../../vip_tutorial/lens/figure/page.js";
import { tieAxisNames } from "./axis_names.js";

/** @param {Record<string, (context: {model: object, el: HTMLElement}) => void>} renderers */
export function hydrate(renderers) {
  wakeFigures(renderers);
  const page = document.querySelector("article") ?? document.querySelector("main");
  if (page) tieAxisNames(page);
}
