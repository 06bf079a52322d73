// Shape puzzles: a question about a line of reshapes and permutes, an answer that is
// checked, and beside what was asked for a picture of what the answer would do.

import { axisColour, birthFill, inkOn } from "../../lens/figure/colours.js";
import { escape } from "../../lens/figure/host.js";
import { choiceField, firstFrameOf, renderFigure, wholeField } from "../../lens/figure/figure.js";
import { arrange, fitCell } from "../../lens/figure/layout.js";
import { Drawing, paintSvg } from "../../lens/figure/paint.js";
import { judgeAnswer, makePuzzle, KINDS } from "./puzzle_kinds.js";
import { isOrder } from "./puzzle_parts.js";
import { readNumbers, tidyAnswer } from "./puzzle_reading.js";
import { freshTensor } from "./strided.js";
import { sizeOf, unravel } from "../../lens/permute_lens/recording.js";
import { tuple } from "../../lens/permute_lens/words.js";

const LAST = 999;
const STRIP_LINE = 12; // cells of a strip before it is wrapped
const HINTS = 3;

const figure = {
  kind: "shape_puzzles",
  title: "Shape puzzles",
  watched: ["kinds"],
  help:
    "Type an answer and press Enter. With focus on <b>Previous</b> or <b>Next</b> the arrow keys walk through the puzzles. " +
    "With focus on a row of axes, left and right choose one, and with Shift they move it.",
  fields: {
    kind: choiceField("shape", (scene) => scene.kinds),
    number: wholeField(1, 1, LAST),
    seed: wholeField(1, 0, 999999),
  },

  prepare(get) {
    const kinds = get("kinds");
    if (!Array.isArray(kinds) || !kinds.length || !kinds.every((kind) => Object.hasOwn(KINDS, kind)))
      throw new Error(`its kinds of puzzles are none of ${Object.keys(KINDS).join(", ")}`);
    return { kinds };
  },

  html(scene, state, asleep) {
    const { puzzle, work, id } = current(scene, state);
    const off = asleep ? " disabled" : "";
    return `
${kindsHtml(scene, puzzle, off)}
<div class="vip-puzzle-row vip-scripted" data-keys="walk">
  <button type="button" data-do="walk" data-value="-1"${asleep || state.number === 1 ? " disabled" : ""}>◂ Previous</button>
  <strong>Puzzle ${puzzle.number}</strong>
  <button type="button" data-do="walk" data-value="1"${asleep || state.number === LAST ? " disabled" : ""}>Next ▸</button>
  <span class="vip-note">level ${puzzle.level} of 4${state.solved?.length ? `; solved: ${state.solved.length}` : ""}</span>
</div>
<p class="vip-ask" aria-live="polite">${escape(puzzle.ask)}</p>
<p class="vip-line"><code>${escape(puzzle.code)}</code></p>
<div class="vip-desk"><div>${pictureHtml(startPicture(puzzle), puzzle)}${puzzle.memory?.(work, asleep) ?? ""}</div>
<div>${answerHtml(scene, puzzle, work, id, off)}
${hintsHtml(puzzle, work)}</div></div>
${verdictHtml(puzzle, work)}
<div class="vip-unscripted">
  <details><summary>Hints</summary><ol>${puzzle.hints.map((hint) => `<li>${escape(hint)}</li>`).join("")}</ol></details>
  <details><summary>The answer</summary><p><code>${escape(puzzle.answer)}</code></p></details>
</div>`;
  },

  say(scene, state) {
    const { puzzle, work } = current(scene, state);
    if (work.last === "hint") return `Hint ${work.hints} of ${HINTS}: ${puzzle.hints[work.hints - 1]}`;
    if (work.last === "answer") return `The answer is ${puzzle.answer}. ${judgeAnswer(puzzle, puzzle.answer).words}`;
    if (work.given === undefined)
      return `A cell is one number; its colour says where it was born. ${coloursSaid(puzzle)}`;
    const { right, words } = judgeAnswer(puzzle, work.given);
    return `${right ? "Right" : "Not yet"}. ${words}`;
  },

  act(scene, state, { name, value, key, shift }) {
    const { puzzle, work, id, kind } = current(scene, state);
    const go = (changes) => ({ kind, number: state.number, seed: state.seed, ...changes });
    const worked = (changes) => go({ work: { ...work, id, ...changes } });
    if (name === "kind" && scene.kinds.includes(value)) return go({ kind: value, number: 1 });
    if (name === "walk") {
      const by = key === undefined ? Number(value) : { ArrowLeft: -1, ArrowRight: 1 }[key];
      const number = state.number + by;
      return number >= 1 && number <= LAST ? go({ number }) : undefined;
    }
    if (name === "hint" && work.hints < HINTS) return worked({ hints: work.hints + 1, last: "hint" });
    if (name === "hint") return worked({ last: "answer", looked: true });
    if (name === "answer") {
      const given = typeof value === "string" ? value : String(value?.answer ?? "");
      const counts = judgeAnswer(puzzle, given).right && !work.looked && !state.solved?.includes(id);
      return { ...worked({ given, last: "given" }), ...(counts ? { solved: [...(state.solved ?? []), id] } : {}) };
    }
    return puzzle.choose && orderAct(puzzle, work, worked, { name, value, key, shift });
  },
};

/** The puzzle that a state shows, and what the reader has done with it. */
function current(scene, state) {
  const kind = scene.kinds.includes(state.kind) ? state.kind : scene.kinds[0];
  const id = `${kind}-${state.seed}-${state.number}`;
  if (scene.made?.id !== id) scene.made = { id, puzzle: makePuzzle(kind, state.seed, state.number) };
  const work = state.work?.id === id ? state.work : { hints: 0 };
  return { puzzle: scene.made.puzzle, work, id, kind };
}

// --- the row of axes that can be moved ---------------------------------------------------------

function axesOfWork(puzzle, work) {
  const order = work.order ?? puzzle.choose.map((_, place) => place);
  return { order, picked: work.picked ?? order[0] };
}

function orderAct(puzzle, work, worked, { name, value, key, shift }) {
  const { order, picked } = axesOfWork(puzzle, work);
  if (name === "typed") {
    const places = Object.fromEntries(puzzle.choose.map((letter, place) => [letter, place]));
    const { text } = tidyAnswer(value, "");
    const { numbers } = text ? readNumbers(text, places) : {};
    return worked({ typed: value, order: numbers && isOrder(numbers, order.length) ? numbers : order });
  }
  if (name === "pick") return worked({ picked: Number(value) });
  const by = name === "move" ? Number(value) : name === "axes" ? { ArrowLeft: -1, ArrowRight: 1 }[key] : 0;
  const from = order.indexOf(picked);
  const to = from + by;
  if (!by || to < 0 || to >= order.length) return undefined;
  if (name === "axes" && !shift) return worked({ picked: order[to] });
  const moved = order.filter((place) => place !== picked);
  moved.splice(to, 0, picked);
  return worked({ order: moved, picked, typed: tuple(moved) });
}

function chipsHtml({ name }, puzzle, work) {
  const { order, picked } = axesOfWork(puzzle, work);
  const letter = puzzle.choose[picked];
  const chip = (place) => {
    const axis = puzzle.choose[place];
    return (
      `<span role="option" id="${escape(name)}-axis-${axis}" class="vip-chip" aria-selected="${place === picked}" data-do="pick" data-value="${place}" ` +
      `style="--axis:${axisColour(axis)}"><b class="vip-axis">${axis}</b> <small>${place}</small></span>`
    );
  };
  const at = order.indexOf(picked);
  return `<div class="vip-puzzle-row vip-scripted"><div class="vip-chips" role="listbox" tabindex="0" aria-orientation="horizontal" data-keys="axes"
  aria-label="The axes in their new order" aria-activedescendant="${escape(name)}-axis-${letter}">${order.map(chip).join("")}</div>
  <span class="vip-moves"><button type="button" data-do="move" data-value="-1"${at ? "" : " disabled"}>◂ move ${letter}</button>
  <button type="button" data-do="move" data-value="1"${at < order.length - 1 ? "" : " disabled"}>move ${letter} ▸</button></span></div>`;
}

// --- parts of the picture ------------------------------------------------------------------------

function kindsHtml({ kinds }, puzzle, off) {
  if (kinds.length < 2) return "";
  const button = (kind) =>
    `<button type="button" data-do="kind" data-value="${kind}" aria-pressed="${kind === puzzle.kind}"${off}>${KINDS[kind]}</button>`;
  return `<div class="vip-puzzle-row vip-choice vip-scripted" role="group" aria-label="Kind of puzzle">${kinds.map(button).join("")}</div>`;
}

function answerHtml(scene, puzzle, work, id, off) {
  const hint = `<button type="button" data-do="hint" class="vip-scripted"${off || (work.last === "answer" ? " disabled" : "")}>${work.hints < HINTS ? "A hint" : "The answer"}</button>`;
  if (puzzle.options) {
    const option = (word) =>
      `<button type="button" data-do="answer" data-value="${word}" class="vip-scripted"${off}>A ${word}</button>`;
    return `<div class="vip-puzzle-row vip-answer" data-key="${id}">${puzzle.options.map(option).join("")} ${hint}</div>`;
  }
  const typed = puzzle.choose ? ` data-set="typed" value="${escape(work.typed ?? "")}"` : "";
  return `${puzzle.choose ? chipsHtml(scene, puzzle, work) : ""}
<form class="vip-puzzle-row vip-answer" data-submit="answer" data-key="${id}">
<label>Your answer <input type="text" name="answer" autocomplete="off" autocapitalize="off" spellcheck="false"
  placeholder="${escape(`such as ${puzzle.example}`)}"${typed}${off}></label>
<button type="submit" class="vip-scripted"${off}>Check</button> ${hint}</form>`;
}

function hintsHtml(puzzle, { hints, last }) {
  const shown = puzzle.hints.slice(0, hints - (last === "hint" ? 1 : 0)); // the newest is said
  return `<ol class="vip-hints">${shown.map((hint) => `<li>${escape(hint)}</li>`).join("")}</ol>`;
}

function verdictHtml(puzzle, work) {
  if (work.last === "answer") {
    const { wanted } = judgeAnswer(puzzle, puzzle.answer);
    return `<p class="vip-verdict">The answer: <code>${escape(puzzle.answer)}</code></p>${pairHtml([wanted], puzzle)}`;
  }
  if (work.given === undefined) return "";
  const { right, mine, wanted } = judgeAnswer(puzzle, work.given);
  const mark = right ? "✓ Right." : "✗ Not yet.";
  return `<p class="vip-verdict ${right ? "vip-good" : "vip-bad"}">${mark}</p>${pairHtml([mine, wanted], puzzle)}`;
}

function pairHtml(pictures, puzzle) {
  return `<div class="vip-pair">${pictures
    .filter(Boolean)
    .map((picture) => pictureHtml(picture, puzzle))
    .join("")}</div>`;
}

function startPicture(puzzle) {
  const { shape, axes, strides, strip } = puzzle;
  const births = strip
    ? shape.reduce(
        (list, n, axis) => list.flatMap((a) => Array.from({ length: n }, (_, c) => a + c * strides[axis])),
        [0],
      )
    : freshTensor(shape).strip;
  return { caption: `x: ${axes ? `${tuple(axes)} = ` : ""}${tuple(shape)}`, shape, births };
}

/** The axes that give a cell its hue and its lightness. */
function colourAxes({ axes, shape }) {
  const [H, W] = [axes.indexOf("H"), axes.indexOf("W")];
  return H >= 0 && W >= 0 ? [H, W] : [0, Math.min(1, shape.length - 1)];
}

function coloursSaid({ born }) {
  if (born.axes.includes("H"))
    return "The hue is its row of the picture, and within a row it gets darker from left to right: 01 is row 0, column 1.";
  return "The hue is its place along axis 0 of the fresh tensor, and it gets darker along axis 1: 01 is place 0, then place 1.";
}

/** A small grid of cells, coloured by birth, with a caption. */
function pictureHtml(picture, puzzle) {
  const { births, labels, mark } = picture;
  const length = births.length;
  // A strip is wrapped like text.
  const shape =
    picture.shape.length > 1 || length <= STRIP_LINE ? picture.shape : [Math.ceil(length / STRIP_LINE), STRIP_LINE];
  const { born } = puzzle;
  const [hue, light] = colourAxes(born);
  const birthName = (birth) => {
    const at = unravel(birth, born.shape);
    return birth < 0 ? "" : `${at[hue]}${at[light]}`;
  };
  const cell = fitCell([shape], 316, 260, { width: 26, height: 20 });
  const { width, height, place } = arrange(shape, cell.width, cell.height);
  const drawing = new Drawing(Math.ceil(width) + 4, Math.ceil(height) + 4);
  births.forEach((birth, k) => {
    const [x, y] = place(k).map((c) => c + 2);
    const at = unravel(Math.max(0, birth), born.shape);
    const fill = birth < 0 ? "faint" : birthFill(at[hue], at[light], born.shape[light]);
    const label = labels?.[k] ?? birthName(birth);
    drawing.box(x, y, cell.width - 1, cell.height - 1, fill, mark !== undefined && label === "" ? 0.35 : 1);
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
  return (
    `<div class="vip-grid" style="--wide:${drawing.width}px"><p class="vip-caption">${escape(picture.caption)}</p>` +
    `${paintSvg(drawing, "vip-cells", alt)}</div>`
  );
}

export const render = renderFigure(figure);
export const firstFrame = firstFrameOf(figure);
