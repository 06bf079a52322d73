// The row of axes that can be moved: dragged by a pointer, or moved by keys and buttons.

import { axisColour } from "../../lens/figure/colours.js";
import { escape, offHtml } from "../../lens/figure/host.js";
import { tuple } from "../../lens/permute_lens/words.js";
import { isOrder } from "./puzzle_parts.js";
import { pictureHtml } from "./puzzle_picture.js";
import { readNumbers, tidyAnswer } from "./puzzle_reading.js";

/** The order in which the axes stand, and the axis that is picked. */
function axesOf(puzzle, work) {
  const order = work.order ?? puzzle.choose.map((_, place) => place);
  return { order, picked: work.picked ?? order[0] };
}

/** What an action changes in a reader's work, if it is one of these. */
export function chipsAct(puzzle, work, { name, value, key, shift, begins }) {
  const { order, picked } = axesOf(puzzle, work);
  if (name === "typed") {
    const places = Object.fromEntries(puzzle.choose.map((letter, place) => [letter, place]));
    const { text } = tidyAnswer(value, "");
    const { numbers } = text ? readNumbers(text, places) : {};
    return { typed: value, order: numbers && isOrder(numbers, order.length) ? numbers : order };
  }
  if (name === "pick" || (name === "carry" && begins)) return { picked: Number(value) };
  const from = order.indexOf(picked);
  const by = name === "move" ? Number(value) : name === "axes" ? { ArrowLeft: -1, ArrowRight: 1 }[key] : 0;
  const to = name === "carry" ? order.indexOf(Number(value)) : from + by; // over which chip it is
  if (to === from || !(to >= 0 && to < order.length)) return undefined;
  if (name === "axes" && !shift) return { picked: order[to] };
  const moved = order.filter((place) => place !== picked);
  moved.splice(to, 0, picked);
  return { order: moved, picked, typed: tuple(moved), last: "moved" };
}

/** How the axes stand now, in a sentence. */
export function chipsSaid(puzzle, work) {
  return `The axes now stand as ${tuple(axesOf(puzzle, work).order.map((place) => puzzle.choose[place]))}.`;
}

/** The chips, and what they have done to the grid so far. */
export function chipsHtml({ name }, puzzle, work) {
  const { order, picked } = axesOf(puzzle, work);
  const letter = puzzle.choose[picked];
  const chip = (place) => {
    const axis = puzzle.choose[place];
    return (
      `<span role="option" id="${escape(name)}-axis-${axis}" class="vip-chip" aria-selected="${place === picked}" data-do="pick" data-value="${place}" data-at="${place}" ` +
      `style="--axis:${axisColour(axis)}"><b class="vip-axis">${axis}</b> <small>${place}</small></span>`
    );
  };
  const at = order.indexOf(picked);
  return `<div class="vip-puzzle-row vip-scripted"><div class="vip-chips" role="listbox" tabindex="0" aria-orientation="horizontal" data-keys="axes" data-drag="carry"
  aria-label="The axes in their new order" aria-activedescendant="${escape(name)}-axis-${letter}">${order.map(chip).join("")}</div>
  <span class="vip-moves"><button type="button" data-do="move" data-value="-1"${offHtml(at === 0)}>◂ move ${letter}</button>
  <button type="button" data-do="move" data-value="1"${offHtml(at === order.length - 1)}>move ${letter} ▸</button></span></div>
<div class="vip-along vip-scripted">${pictureHtml(puzzle.turned(order), puzzle)}</div>`;
}
