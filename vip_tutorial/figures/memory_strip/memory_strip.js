// The memory strip: a tensor as a grid, and the strip that it lies in.  Follow one number:
// the jumps that lead to it are its indices times the strides.  Python has run every move.

import { birthFill, inkOn } from "../../lens/figure/colours.js";
import { escape } from "../../lens/figure/host.js";
import { firstFrameOf, renderFigure, wholeField } from "../../lens/figure/figure.js";
import { arrange, fitCell } from "../../lens/figure/layout.js";
import { sizeOf, unravel } from "../../lens/permute_lens/recording.js";
import { tuple } from "../../lens/permute_lens/words.js";
import { CELL, jumpsTo, lineLength, stripSvg, sumHtml } from "../shared/strip.js";

const MOST_IN_LINE = 12;
const ROOM = [312, 260]; // of the grid
const EDGE = 18; // room for the numbers of rows and columns

/**
 * @typedef {object} Reading a tensor: a strip, and a rule for reading it
 * @property {string} label the line that makes it
 * @property {number[]} shape
 * @property {number[]} strides
 * @property {number} start address of its first element
 * @property {number[]} strip births by address
 * @property {boolean} copy whether the strip is a new one
 * @property {number[]} births of its elements, in the order in which it is read
 */

const isWhole = (n) => Number.isInteger(n) && n >= 0;

/** @returns {Reading} */
function readReading(given, numbers) {
  const { label, shape, strides, start, strip, copy } = given ?? {};
  const lists = [shape, strides, strip].every((list) => Array.isArray(list) && list.every(isWhole));
  if (typeof label !== "string" || !lists || !isWhole(start)) throw new Error("one of its tensors cannot be read");
  if (!shape.length || strides.length !== shape.length || sizeOf(shape) > strip.length || sizeOf(shape) < 1)
    throw new Error(`the strides of “${label}” do not fit its shape`);
  const births = Array.from({ length: sizeOf(shape) }, (_, k) =>
    unravel(k, shape).reduce((sum, c, axis) => sum + c * strides[axis], start),
  ).map((address) => strip[address]);
  if (!births.every((birth) => birth < numbers.length)) throw new Error(`“${label}” reads outside its strip`);
  return { label, shape, strides, start, strip, copy: Boolean(copy), births };
}

const figure = {
  kind: "memory_strip",
  title: "A strip and a rule",
  watched: ["tensors", "numbers"],
  help:
    "Click a cell of the grid or of the strip to follow its number. On the grid: arrow keys move along the last two axes, " +
    "with Shift along the two before them. On the strip: left and right go to the address before and after.",
  fields: {
    view: wholeField(0, 0, (scene) => scene.readings.length - 1),
    at: wholeField(0, 0, (scene) => scene.numbers.length - 1),
  },
  misfits: ({ readings }, { view, at }) => (readings[view].births.includes(at) ? [] : ["at"]),

  prepare(get) {
    const [tensors, numbers] = [get("tensors"), get("numbers")];
    if (!Array.isArray(numbers) || !numbers.length || !numbers.every((n) => typeof n === "string"))
      throw new Error("it has no numbers");
    if (!Array.isArray(tensors) || !tensors.length) throw new Error("it has no tensor");
    const readings = tensors.map((tensor) => readReading(tensor, numbers));
    if (readings[0].births.some((birth, k) => birth !== k) || readings[0].births.length !== numbers.length)
      throw new Error("its first tensor is not the whole strip");
    const shapes = readings.map(({ shape }) => shape);
    const cell = fitCell(shapes, ROOM[0] - EDGE, ROOM[1] - EDGE, CELL);
    const boxes = shapes.map((shape) => arrange(shape, cell.width, cell.height));
    const size = [
      EDGE + Math.max(...boxes.map((b) => b.width)) + 4,
      EDGE + Math.max(...boxes.map((b) => b.height)) + 4,
    ];
    return { readings, numbers, cell, boxes, size, perLine: lineLength(readings[0].shape, MOST_IN_LINE) };
  },

  html(scene, state, asleep) {
    const { readings, perLine, numbers } = scene;
    const reading = readings[state.view];
    const at = whereIs(reading, state.at);
    const address = addressOf(reading, at);
    const button = ({ label }, i) =>
      `<button type="button" data-do="view" data-value="${i}" aria-pressed="${i === state.view}"${asleep ? " disabled" : ""}><code>${escape(label)}</code></button>`;
    const choice = `<div class="vip-strip-choice" role="group" aria-label="What is made of x">${readings.map(button).join("")}</div>`;
    const cells = reading.strip.map((birth, place) => ({
      ...looksOf(scene, birth),
      label: numbers[birth],
      lit: place === address,
      attributes: `data-at="${birth}"`,
    }));
    const strip = stripSvg(cells, {
      perLine,
      jumps: jumpsTo(reading, at),
      attributes: `tabindex="0" role="application" data-keys="strip" data-drag="at" aria-label="The strip, ${cells.length} numbers. ${escape(whereWords(reading, at, numbers[state.at]))}"`,
    });
    return `
${readings.length > 1 ? choice : ""}
<div class="vip-strip-stage">
<div><p class="vip-strip-caption"><b>The strip</b>${reading.copy ? ", a new one" : state.view ? ", the same" : ""}: an address under each number</p>${strip}</div>
<div><p class="vip-strip-caption"><b>The tensor</b>: shape ${tuple(reading.shape)}, strides ${tuple(reading.strides)}</p>${gridSvg(scene, state, reading, at)}</div>
</div>
<p class="vip-strip-sum"><code>${escape(elementName(reading, at))}</code> lies at ${sumHtml(reading, at)} = <b>${address}</b></p>`;
  },

  say({ readings, numbers }, state) {
    const reading = readings[state.view];
    const where = `To the number ${numbers[state.at]}: ${walkWords(reading, whereIs(reading, state.at))}.`;
    if (!state.view) return where;
    if (reading.copy) return `No rule reads the old strip in this order, so a new one was written. ${where}`;
    return `The strip is the same; shape ${tuple(reading.shape)} and strides ${tuple(reading.strides)} are another rule for it. ${where}`;
  },

  act({ readings }, state, { name, value, key, shift }) {
    if (name === "view") {
      const { births } = readings[Number(value)];
      return { view: Number(value), at: births.includes(state.at) ? state.at : births[0] };
    }
    const reading = readings[state.view];
    const follow = (birth) => (reading.births.includes(birth) ? { at: birth } : undefined);
    if (name === "at") return Number(value) === state.at ? undefined : follow(Number(value));
    const at = whereIs(reading, state.at);
    if (name === "strip") {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[key];
      let address = addressOf(reading, at);
      do address += by;
      while (address in reading.strip && !reading.births.includes(reading.strip[address]));
      return by && address in reading.strip ? { at: reading.strip[address] } : undefined;
    }
    if (name !== "grid") return undefined;
    const moved = stepIn(reading.shape, at, key, shift);
    return moved && { at: reading.births[placeOf(reading.shape, moved)] };
  },
};

/** Coordinates of a number in a tensor. */
const whereIs = ({ births, shape }, birth) => unravel(births.indexOf(birth), shape);
const addressOf = ({ strides, start }, at) => at.reduce((sum, c, axis) => sum + c * strides[axis], start);
const placeOf = (shape, at) => at.reduce((place, c, axis) => place * shape[axis] + c, 0);
const elementName = ({ label }, at) => `${label}[${at.join(", ")}]`;

/** Where an arrow key leads; undefined for another key, or at the end of an axis. */
function stepIn(shape, at, key, shift) {
  const [back, by] = { ArrowLeft: [1, -1], ArrowRight: [1, 1], ArrowUp: [2, -1], ArrowDown: [2, 1] }[key] ?? [];
  const axis = shape.length - back - (shift ? 2 : 0);
  const to = at[axis] + by;
  return to >= 0 && to < shape[axis] ? at.map((c, i) => (i === axis ? to : c)) : undefined;
}

function looksOf({ readings: [{ shape }] }, birth) {
  const [row, column = 0] = unravel(birth, shape);
  const fill = birthFill(row, column, shape[1] ?? 1);
  return { fill, ink: inkOn(fill) };
}

function gridSvg(scene, state, reading, at) {
  const { cell, boxes, size, numbers } = scene;
  const { place } = boxes[state.view];
  const { shape, births } = reading;
  // Cells stand in the order of their births, so that each glides to where it goes.
  const cells = numbers.map((number, birth) => {
    const k = births.indexOf(birth);
    const [x, y] = k < 0 ? [0, 0] : place(k);
    const { fill, ink } = looksOf(scene, birth);
    const lit = birth === state.at ? "vip-strip-lit" : "";
    return (
      `<g ${k < 0 ? 'class="vip-strip-gone"' : `data-at="${birth}"`} style="transform:translate(${EDGE + x}px,${EDGE + y}px)">` +
      `<rect class="${lit}" x=".5" y=".5" width="${cell.width - 1}" height="${cell.height - 1}" style="fill:${fill}"/>` +
      `<text class="vip-strip-label" x="${cell.width / 2}" y="${cell.height / 2 + 4}" style="fill:${ink}">${escape(number)}</text></g>`
    );
  });
  const last = shape.length - 1;
  const edge = (index, axis, x, y) =>
    `<text x="${x}" y="${y}"${at[axis] === index ? ' class="vip-strip-at"' : ""}>${index}</text>`;
  const across = Array.from({ length: shape[last] }, (_, i) =>
    edge(i, last, EDGE + i * cell.width + cell.width / 2, EDGE - 5),
  );
  const down =
    shape.length === 2
      ? Array.from({ length: shape[0] }, (_, i) =>
          edge(i, 0, EDGE / 2 - 1, EDGE + i * cell.height + cell.height / 2 + 4),
        )
      : [];
  const words = `The tensor, shape ${tuple(shape)}. ${whereWords(reading, at, numbers[state.at])}`;
  return (
    `<svg class="vip-strip vip-strip-grid" style="--wide:${size[0]}px" viewBox="0 0 ${size.join(" ")}" tabindex="0" role="application" ` +
    `data-keys="grid" data-drag="at" aria-label="${escape(words)}">${across.join("")}${down.join("")}${cells.join("")}</svg>`
  );
}

function whereWords(reading, at, number) {
  return `${elementName(reading, at)}, the number ${number}, lies at address ${addressOf(reading, at)}: ${walkWords(reading, at)}.`;
}

function walkWords(reading, at) {
  const walks = at.flatMap((c, axis) => (c ? [`${c} ${c === 1 ? "step" : "steps"} of ${reading.strides[axis]}`] : []));
  const from = reading.start ? ` from ${reading.start} on` : "";
  return `${walks.join(", then ") || "no step at all"}${from}`;
}

export const render = renderFigure(figure);
export const firstFrame = firstFrameOf(figure);
