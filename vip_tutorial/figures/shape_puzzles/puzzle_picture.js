// The pictures of the puzzles: grids of cells that are coloured by birth, with a caption.

import { birthFill, inkOn } from "../../lens/figure/colours.js";
import { escape } from "../../lens/figure/host.js";
import { arrange, fitCell } from "../../lens/figure/layout.js";
import { Drawing, paintSvg } from "../../lens/figure/paint.js";
import { sizeOf, unravel } from "../../lens/permute_lens/recording.js";
import { tuple } from "../../lens/permute_lens/words.js";
import { birthsIn, freshTensor } from "./strided.js";

const STRIP_LINE = 12; // cells of a strip before it is wrapped
const ROOM = 18; // of a cell for three digits
const EDGE = 2; // room for outlines

/** @typedef {import("./puzzle_kinds.js").Picture} Picture */

/** What the colours and the numbers of the cells say. */
export function coloursSaid({ born, shape }) {
  if (born.said) return born.said;
  if (born.axes.includes("H")) {
    const way =
      born.walks === "W"
        ? "The hue is its column of the picture, and within a column it gets darker downwards"
        : "The hue is its row of the picture, and within a row it gets darker from left to right";
    const tight = cellsOf({ shape }).cell.width < ROOM ? " Narrow cells leave the channel out." : "";
    return `${way}: 012 is row 0, column 1, channel 2.${tight}`;
  }
  return "The hue is its place along axis 0 of the fresh tensor, and it gets darker along axis 1: 01 is place 0, then place 1.";
}

/** The axes that give a cell its hue and its lightness. @param {import("./puzzle_kinds.js").Born} born */
function colourAxes(born) {
  const named = nameAxes(born);
  return born.walks === "W" ? named.reverse() : named;
}

/** The axes that name a cell: its row and its column, where it has them. @param {import("./puzzle_kinds.js").Born} born */
function nameAxes({ axes, shape, hues }) {
  if (hues) return hues;
  const [H, W] = [axes.indexOf("H"), axes.indexOf("W")];
  return H >= 0 && W >= 0 ? [H, W] : [0, Math.min(1, shape.length - 1)];
}

/** Which channel a number is of, where it has one: a hue and a lightness alone would not tell lines apart. */
function channelName({ axes, shape }, at) {
  const [H, W, C, N, S] = ["H", "W", "C", "N", "S"].map((name) => axes.indexOf(name));
  if (H < 0 || W < 0) return "";
  if (C >= 0) return String(at[C]);
  return N >= 0 && S >= 0 ? String(at[N] * shape[S] + at[S]) : "";
}

/** The tensor that a puzzle begins with. @param {import("./puzzle_kinds.js").Puzzle} puzzle @returns {Picture} */
export function startPicture({ shape, axes, strides, strip = freshTensor(shape).strip, mark }) {
  const caption = `x: ${axes ? `${tuple(axes)} = ` : ""}${tuple(shape)}`;
  return { caption, shape, births: birthsIn({ shape, strides, strip }), mark };
}

/** Where the cells of a picture stand. @param {Pick<Picture, "shape">} picture */
export function cellsOf(picture, largest = { width: 26, height: 20 }) {
  const length = sizeOf(picture.shape);
  // A strip is wrapped like text.
  const shape =
    picture.shape.length > 1 || length <= STRIP_LINE ? picture.shape : [Math.ceil(length / STRIP_LINE), STRIP_LINE];
  const cell = fitCell([shape], 316, 260, largest);
  const { width, height, place } = arrange(shape, cell.width, cell.height);
  return {
    cell,
    width: Math.ceil(width) + 2 * EDGE,
    height: Math.ceil(height) + 2 * EDGE,
    place: (k) => place(k).map((c) => c + EDGE),
  };
}

/** A small grid of cells, coloured by birth, with a caption. @param {Picture} picture */
export function pictureHtml(picture, puzzle) {
  const { svg, width } = painted(picture, puzzle);
  return `<div class="vip-grid" style="--wide:${width}px"><p class="vip-caption">${escape(picture.caption)}</p>${svg}</div>`;
}

/**
 * The grid alone.
 * @param {Picture} picture
 * @param {{born: import("./puzzle_kinds.js").Born}} puzzle
 * @param {{width: number, height: number}} [largest] that a cell may be
 */
export function painted(picture, { born }, largest) {
  const { births, labels, mark } = picture;
  const [hue, light] = colourAxes(born);
  const { cell, width, height, place } = cellsOf(picture, largest);
  const [first, second] = nameAxes(born);
  const birthName = (birth) => {
    const at = unravel(birth, born.shape);
    return birth < 0 ? "" : `${at[first]}${at[second]}${cell.width < ROOM ? "" : channelName(born, at)}`;
  };
  const drawing = new Drawing(width, height);
  births.forEach((birth, k) => {
    const [x, y] = place(k);
    const at = unravel(Math.max(0, birth), born.shape);
    const fill = birth < 0 ? "faint" : birthFill(at[hue], at[light], born.shape[light]);
    const label = labels?.[k] ?? birthName(birth);
    const isFaded = mark !== undefined && label === "" && birth >= 0;
    drawing.box(x, y, cell.width - 1, cell.height - 1, fill, isFaded ? 0.35 : 1);
    if (cell.width >= 12 && cell.height >= 9 && label !== "")
      drawing.text(
        x + cell.width / 2,
        y + cell.height / 2 + 3,
        label,
        Math.min(10, cell.width - 4, cell.height),
        birth < 0 ? "ink" : inkOn(fill),
      );
    if (k === mark) drawing.outline(x - 0.5, y - 0.5, cell.width, cell.height, "ink", 2);
  });
  const rowLength = Math.min(picture.shape.at(-1), 24);
  const row = births
    .slice(0, rowLength)
    .map((birth) => birthName(birth) || "empty")
    .join(" ");
  const alt = `${picture.caption}; ${sizeOf(picture.shape)} cells, the first row born at ${row}`;
  return { svg: paintSvg(drawing, "vip-cells", alt), width, height };
}
