// A picture to draw on, level by level, or to choose by name; the mixer and the network
// that runs in the page begin with it.

import { pixelFill } from "../../lens/figure/colours.js";
import { escape } from "../../lens/figure/host.js";
import { covered, crossed, inked, PEN, rubbed } from "./brush.js";

const LEVELS = "0123456789abcdefg"; // sixteenths of ink, one letter a pixel
const RUBBER = { ...PEN, width: 2 * PEN.width }; // who rubs a line out does not hit its middle
const EDGE = 0.1; // around the pixels, in pixels
const STEP = 0.1; // of a pixel: a stroke has no need of places that lie closer

/**
 * @typedef {object} Pictures
 * @property {number} H rows of pixels
 * @property {number} W pixels in a row
 * @property {number} pixels
 * @property {Map<string, string>} byName each named picture, level by level
 * @property {string} first the name of the one that is shown first
 */

export const HELP =
  "Draw with mouse or finger. The pen covers a part of a pixel; with “hard brush” ticked a stroke inks whole pixels, " +
  "with “rub out” it leaves paper. With keys: Tab to the picture; arrows move, Space inks or rubs out, 0 to 9 set a " +
  "grey level.";

/** The parts of a state that are pictures: the one that is shown, and one beside it. */
export const fields = {
  picture: { usual: "", read: (text, scene) => keyOf(scene, text) },
  other: { usual: "", read: (text, scene) => (keyOf(scene, text) === undefined ? undefined : text) },
};

/** Check what Python wrote of the pictures. @returns {Pictures} */
export function readPictures(size, pictures) {
  const isSide = (n) => Number.isInteger(n) && n > 0 && n <= 64;
  if (!Array.isArray(size) || size.length !== 2 || !size.every(isSide)) throw new Error("its pictures have no size");
  const scene = { H: size[0], W: size[1], pixels: size[0] * size[1] };
  const isPicture = (pair) => Array.isArray(pair) && typeof pair[0] === "string" && isLevels(scene, pair[1]);
  if (!Array.isArray(pictures) || !pictures.length || !pictures.every(isPicture))
    throw new Error("its pictures are damaged");
  return Object.assign(scene, { byName: new Map(pictures), first: pictures[0][0] });
}

function isLevels({ pixels }, text) {
  return text?.length === pixels && /^[0-9a-g]+$/.test(text);
}

/** A picture as the state has it, by name or level by level; "" is the first. */
function keyOf(scene, text) {
  if (text === scene.first) return "";
  return scene.byName.has(text) || isLevels(scene, text) ? text : undefined;
}

/** What a picture of the state is called. */
export function titleOf(scene, picture) {
  return picture === "" || scene.byName.has(picture) ? (picture || scene.first).replaceAll("-", " ") : "the drawing";
}

/** Levels of its pixels, 0 to 16. @returns {number[]} */
export function levelsOf(scene, picture) {
  return [...(scene.byName.get(picture || scene.first) ?? picture)].map((letter) => LEVELS.indexOf(letter));
}

function pixelWords(scene, level, at) {
  const ink = { 0: "paper", 16: "ink" }[level] ?? `grey, ${level} sixteenths`;
  return `Row ${Math.floor(at / scene.W)}, column ${at % scene.W}: ${ink}.`;
}

function painted(scene, levels, at, level) {
  const picture = levels.map((old, i) => LEVELS[i === at ? level : old]).join("");
  return { picture, at, heard: pixelWords(scene, level, at) };
}

/**
 * A pointer was drawn over the picture.  What its whole stroke leaves is laid over the
 * picture that there was before.
 */
function stroked(scene, state, { path, begins }) {
  const { H, W } = scene;
  const place = ([x, y]) => [x * (W + 2 * EDGE) - EDGE, y * (H + 2 * EDGE) - EDGE];
  const goesOn = !begins && state.stroke?.picture === state.picture;
  const { from, path: way } = goesOn ? state.stroke : { from: state.picture, path: [] };
  const whole = [...way];
  for (const [x, y] of path.map(place)) {
    const [lastX, lastY] = whole.at(-1) ?? [Infinity, Infinity];
    if (Math.hypot(x - lastX, y - lastY) >= STEP) whole.push([x, y]);
  }
  const ink = state.hard ? crossed(scene, whole) : covered(scene, whole, state.rub ? RUBBER : PEN);
  const before = levelsOf(scene, from);
  const after = (state.rub ? rubbed : inked)(before, ink);
  const picture = after.some((level, i) => level !== before[i]) ? after.map((level) => LEVELS[level]).join("") : from;
  const inside = (at, sides) => Math.min(sides - 1, Math.max(0, Math.floor(at)));
  const [x, y] = whole.at(-1);
  return { picture, at: inside(y, H) * W + inside(x, W), stroke: { from, path: whole, picture } };
}

/** Where an arrow key leads from a cell of a grid; undefined for another key. */
export function arrowMove({ H, W }, at, key) {
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[key];
  if (!step) return undefined;
  const [row, column] = [Math.floor(at / W) + step[0], (at % W) + step[1]];
  return row >= 0 && row < H && column >= 0 && column < W ? row * W + column : at;
}

function keyed(scene, state, key) {
  const levels = levelsOf(scene, state.picture);
  const { at = 0 } = state;
  const to = arrowMove(scene, at, key);
  if (to !== undefined) return { at: to, heard: pixelWords(scene, levels[to], to) };
  if (key === " ") return painted(scene, levels, at, levels[at] > 8 ? 0 : 16);
  return /^\d$/.test(key) ? painted(scene, levels, at, Math.round((+key * 16) / 9)) : undefined;
}

/** What an action on the picture or its controls changes; undefined if it is no such action. */
export function act(scene, state, action) {
  const { name, value, key } = action;
  if (name === "draw") return action.path ? stroked(scene, state, action) : keyed(scene, state, key);
  if (name === "picture" || name === "other") {
    if (value && !scene.byName.has(value)) return undefined; // the drawing is chosen already
    return { [name]: name === "picture" ? keyOf(scene, value) : value };
  }
  if (name === "rub" || name === "hard") return { [name]: value };
  if (name === "keep") return { other: state.picture || scene.first };
  return name === "clear" ? { picture: "0".repeat(scene.pixels), rub: false } : undefined;
}

/** A control to choose from pairs of key and name. */
export function selectHtml(set, label, chosen, pairs, asleep) {
  const options = pairs.map(
    ([key, name]) => `<option value="${escape(key)}"${key === chosen ? " selected" : ""}>${escape(name)}</option>`,
  );
  return `<label>${label} <select data-set="${set}"${asleep ? " disabled" : ""}>${options.join("")}</select></label>`;
}

function gridHtml(scene, state) {
  const { H, W } = scene;
  const { at: cursor = 0 } = state;
  const levels = levelsOf(scene, state.picture);
  const square = (at, more) => `<rect x="${at % W}" y="${Math.floor(at / W)}" width="1" height="1" ${more}/>`;
  const pixels = levels.map((level, at) => square(at, `data-at="${at}" fill="${pixelFill(level / 16)}"`));
  return (
    `<div class="vip-drawing-grid" tabindex="0" role="application" data-keys="draw" ` +
    `aria-label="Picture of ${H} by ${W} pixels, to draw on. ${pixelWords(scene, levels[cursor], cursor)}">` +
    `<svg viewBox="${-EDGE} ${-EDGE} ${W + 2 * EDGE} ${H + 2 * EDGE}" data-stroke="draw" aria-hidden="true">${pixels.join("")}${square(cursor, 'class="vip-drawing-cursor"')}</svg></div>`
  );
}

const boxHtml = (set, isOn, label) =>
  `<label class="vip-scripted vip-rub"><input type="checkbox" data-set="${set}"${isOn ? " checked" : ""}> ${label}</label>`;

/** The picture and its controls. */
export function html(scene, state, asleep) {
  const named = [...scene.byName.keys()].map((key) => [key, titleOf(scene, key)]);
  const drawn = (text) => text !== "" && !scene.byName.has(text);
  const own = (text, name) => (drawn(text) ? [["own", name]] : []);
  const chosen = (text) => (drawn(text) ? "own" : text);
  return `<div class="vip-drawing">
${gridHtml(scene, state)}
<div class="vip-inputs">
${selectHtml("picture", "picture", chosen(state.picture || scene.first), [...own(state.picture, "your drawing"), ...named], asleep)}
${selectHtml("other", "compare with", chosen(state.other), [["", "nothing"], ...own(state.other, "what you kept"), ...named], asleep)}
${boxHtml("hard", state.hard, "hard brush")}
${boxHtml("rub", state.rub, "rub out")}
<button type="button" class="vip-scripted" data-do="clear">Clear</button>
<button type="button" class="vip-scripted" data-do="keep">Keep to compare</button>
</div></div>`;
}
