// Shape puzzles: a question about a line of reshapes and permutes, an answer that is
// checked, and beside what was asked for a picture of what the answer would do.

import { escape, offHtml } from "../../lens/figure/host.js";
import { choiceField, firstFrameOf, renderFigure, wholeField } from "../../lens/figure/figure.js";
import { addressAct, addressSaid } from "./puzzle_address.js";
import { placeAct, placeHtml, placeSaid, tokensAct, tokensHtml, tokensSaid } from "./puzzle_boards.js";
import { chipsAct, chipsHtml, chipsSaid } from "./puzzle_chips.js";
import { judgeAnswer, makePuzzle, KINDS } from "./puzzle_kinds.js";
import { coloursSaid, pictureHtml, startPicture } from "./puzzle_picture.js";

const LAST = 999;
const HINTS = 3;

const figure = {
  kind: "shape_puzzles",
  title: "Shape puzzles",
  watched: ["kinds"],
  help:
    "Type an answer and press Enter. With focus on <b>Previous</b> or <b>Next</b> the arrow keys walk through the puzzles. " +
    "Drag an axis to its place; with focus on the row of axes, left and right choose one, and with Shift they move it. " +
    "In a grid or a strip click a cell, or go there with the arrow keys and press Enter.",
  fields: {
    kind: choiceField("shape", (scene) => scene.kinds),
    number: wholeField(1, 1, LAST),
    seed: wholeField(1, 0, 999999),
  },

  prepare(get) {
    const kinds = get("kinds");
    if (!Array.isArray(kinds) || !kinds.length || !kinds.every((kind) => Object.hasOwn(KINDS, kind)))
      throw new Error(`its kinds of puzzles are none of ${Object.keys(KINDS).join(", ")}`);
    // A chapter may begin further on; its reader counts from there.
    const said = (key, usual) => new RegExp(`;${key}=(\\w+)`).exec(get("start") ?? "")?.[1] ?? usual;
    return { kinds, begins: { [said("kind", "shape")]: Number(said("number", 1)) } };
  },

  html(scene, state, asleep) {
    const { puzzle, work, id } = current(scene, state);
    const off = asleep ? " disabled" : "";
    return `
${kindsHtml(scene, puzzle, off)}
<div class="vip-puzzle-row vip-scripted" data-keys="walk">
  <button type="button" data-do="walk" data-value="-1"${off || offHtml(state.number === 1)}>◂ Previous</button>
  <strong>${nameHtml(scene, puzzle)}</strong>
  <button type="button" data-do="walk" data-value="1"${off || offHtml(state.number === LAST)}>Next ▸</button>
  <span class="vip-note">level ${puzzle.level} of 4${state.solved?.length ? `; solved: ${state.solved.length}` : ""}</span>
</div>
<p class="vip-ask" aria-live="polite">${escape(puzzle.ask)}</p>
${puzzle.code && `<p class="vip-line"><code>${escape(puzzle.code)}</code></p>`}
<div class="vip-desk">${puzzle.tokens ? "" : `<div>${pictureHtml(startPicture(puzzle), puzzle)}${puzzle.memory?.(work, asleep) ?? ""}</div>`}
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
    if (work.last === "moved") return answersOf(puzzle).said(puzzle, work);
    if (work.given === undefined)
      return puzzle.born.said
        ? coloursSaid(puzzle)
        : `A cell is one number; its colour says where it was born. ${coloursSaid(puzzle)}`;
    const { right, words } = judgeAnswer(puzzle, work.given);
    return `${right ? "Right" : "Not yet"}. ${words}`;
  },

  act(scene, state, action) {
    const { name, value, key } = action;
    const { puzzle, work, id, kind } = current(scene, state);
    const go = (changes) => ({ kind, number: state.number, seed: state.seed, ...changes });
    const worked = (changes) => go({ work: { ...work, id, ...changes } });
    const answered = (changes) => {
      const counts = judgeAnswer(puzzle, changes.given).right && !work.looked && !state.solved?.includes(id);
      return {
        ...worked({ ...changes, last: "given" }),
        ...(counts ? { solved: [...(state.solved ?? []), id] } : {}),
      };
    };
    if (name === "kind" && scene.kinds.includes(value)) return go({ kind: value, number: 1 });
    if (name === "walk") {
      const by = key === undefined ? Number(value) : { ArrowLeft: -1, ArrowRight: 1 }[key];
      const number = state.number + by;
      return number >= 1 && number <= LAST ? go({ number }) : undefined;
    }
    if (name === "hint" && work.hints < HINTS) return worked({ hints: work.hints + 1, last: "hint" });
    if (name === "hint") return worked({ last: "answer", looked: true });
    if (name === "answer") return answered({ given: typeof value === "string" ? value : String(value?.answer ?? "") });
    const changes = answersOf(puzzle)?.act(puzzle, work, action);
    return changes && (changes.given === undefined ? worked(changes) : answered(changes));
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

/** A puzzle's number, as the reader counts; what comes before a chapter's first is there to warm up. */
function nameHtml({ begins }, { kind, number }) {
  const first = begins[kind] ?? 1;
  return number < first ? `Warm-up ${number}` : `Puzzle ${number - first + 1}`;
}

/** What takes the answers of a puzzle that is not only typed or chosen among words. */
function answersOf(puzzle) {
  if (puzzle.choose) return { html: chipsHtml, act: chipsAct, said: chipsSaid };
  if (puzzle.memory) return { html: () => "", act: addressAct, said: addressSaid };
  if (puzzle.empty) return { html: (_, ...rest) => placeHtml(...rest), act: placeAct, said: placeSaid };
  if (puzzle.tokens) return { html: tokensHtml, act: tokensAct, said: tokensSaid };
  return undefined;
}

// --- parts of the picture ------------------------------------------------------------------------

function kindsHtml({ kinds }, puzzle, off) {
  if (kinds.length < 2) return "";
  const button = (kind) =>
    `<button type="button" data-do="kind" data-value="${kind}" aria-pressed="${kind === puzzle.kind}"${off}>${KINDS[kind]}</button>`;
  return `<div class="vip-puzzle-row vip-choice vip-scripted" role="group" aria-label="Kind of puzzle">${kinds.map(button).join("")}</div>`;
}

function answerHtml(scene, puzzle, work, id, off) {
  const hint = `<button type="button" data-do="hint" class="vip-scripted"${off || offHtml(work.last === "answer")}>${work.hints < HINTS ? "A hint" : "The answer"}</button>`;
  if (puzzle.options) {
    const option = (word) =>
      `<button type="button" data-do="answer" data-value="${word}" class="vip-scripted"${off}>A ${word}</button>`;
    return `<div class="vip-puzzle-row vip-answer" data-key="${id}">${puzzle.options.map(option).join("")} ${hint}</div>`;
  }
  if (puzzle.lines) {
    const line = ({ letter, code }) =>
      `<button type="button" data-do="answer" data-value="${letter}" class="vip-code-line"${off}><b>${letter}</b> <code>${callsHtml(code)}</code></button>`;
    return `${pictureHtml(puzzle.target, puzzle)}<div class="vip-answer vip-choices" data-key="${id}">${puzzle.lines.map(line).join("")}</div><div class="vip-puzzle-row">${hint}</div>`;
  }
  const own = answersOf(puzzle);
  const grid = own?.html(scene, puzzle, work) ?? "";
  if (puzzle.tokens)
    return `<div data-key="${id}">${grid}</div><div class="vip-puzzle-row"><button type="button" data-do="check" class="vip-scripted"${off}>Check</button> ${hint}</div>`;
  const typed = own ? ` data-set="typed" value="${escape(work.typed ?? "")}"` : "";
  return `${grid}
<form class="vip-puzzle-row vip-answer" data-submit="answer" data-key="${id}">
<label>Your answer <input type="text" name="answer" autocomplete="off" autocapitalize="off" spellcheck="false"
  placeholder="${escape(`such as ${puzzle.example}`)}"${typed}${off}></label>
<button type="submit" class="vip-scripted"${off}>Check</button> ${hint}</form>`;
}

/** Code that is broken before a call, if it has to be, and not among its arguments. */
const callsHtml = (code) => escape(code).replaceAll(" ", "&nbsp;").replaceAll(".", "<wbr>.");

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

export const render = renderFigure(figure);
export const firstFrame = firstFrameOf(figure);
