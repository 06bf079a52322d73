// On the site, the letters of the axes are the same thing in the text and in the figures:
// they carry their colour, pointing at one lights its axis in the lenses in sight, and an
// axis that is lit in a lens lights its letter in the text.

import { axisColour } from "../../../vip_tutorial/lens/figure/colours.js";

const MEANINGS = {
  B: "images in the batch",
  H: "rows of tokens",
  W: "tokens in a row",
  C: "channels of a token",
  N: "segments of the channels",
  S: "channels in a segment",
};
const NO_PROSE =
  "pre, code, math, svg, a, button, select, h1, h2, h3, h4, h5, h6, script, style, .vip, [data-vip-widget]";

/** Wrap the letters of a page's text, and tie them to its figures. @param {HTMLElement} page */
export function tieAxisNames(page) {
  const words = wrapLetters(page);
  const lenses = [...page.querySelectorAll(".vip-permute_lens")];
  const light = (name) => {
    for (const lens of lenses)
      if (!name || isInSight(lens)) lens.dispatchEvent(new CustomEvent("vip-light", { detail: name }));
  };
  const letterOf = ({ target }) => target.closest?.(".vip-letter");
  let kept = null; // the letter that was pressed
  const press = (letter) => {
    kept?.setAttribute("aria-pressed", "false");
    kept = letter === kept ? null : letter;
    kept?.setAttribute("aria-pressed", "true");
    light(kept?.textContent ?? "");
  };
  for (const type of ["pointerover", "pointerout"])
    page.addEventListener(type, (event) => {
      const letter = letterOf(event);
      if (letter) light(type === "pointerover" ? letter.textContent : (kept?.textContent ?? ""));
    });
  page.addEventListener("click", (event) => {
    if (letterOf(event)?.role === "button") press(letterOf(event));
  });
  page.addEventListener("keydown", (event) => {
    const letter = letterOf(event);
    if (letter?.role !== "button" || !["Enter", " "].includes(event.key)) return;
    event.preventDefault();
    press(letter);
  });
  page.addEventListener("vip-lit", (/** @type {CustomEvent<string[]>} */ { detail }) => {
    for (const word of words) word.classList.toggle("vip-lit", detail.includes(word.textContent));
  });
}

/** The first of each letter can be reached by key and pressed; the others are for the pointer. */
function wrapLetters(page) {
  const found = [];
  const walker = document.createTreeWalker(page, NodeFilter.SHOW_TEXT, (node) =>
    node.parentElement.closest(NO_PROSE) ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT,
  );
  const texts = [];
  while (walker.nextNode()) texts.push(walker.currentNode);
  const met = new Set();
  for (const text of texts) {
    const pieces = text.data.split(/(?<!model |[A-Za-z]-)\b([BHWCNS])\b/);
    if (pieces.length === 1) continue;
    const nodes = pieces.map((piece, i) => {
      if (i % 2 === 0) return piece;
      const letter = document.createElement("span");
      letter.className = "vip-letter";
      letter.textContent = piece;
      letter.title = `${piece}: ${MEANINGS[piece]}`;
      letter.style.setProperty("--axis", axisColour(piece));
      if (!met.has(piece)) {
        letter.tabIndex = 0;
        letter.setAttribute("role", "button");
        letter.setAttribute("aria-pressed", "false");
        met.add(piece);
      }
      found.push(letter);
      return letter;
    });
    text.replaceWith(...nodes);
  }
  return found;
}

function isInSight(element) {
  const { top, bottom } = element.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
}
