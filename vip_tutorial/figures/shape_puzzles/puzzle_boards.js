// Answers that are given on a grid: one place in it, or several tokens.  A pointer chooses by
// a click; with focus the arrow keys go from cell to cell, and Enter or the space bar chooses.

import { escape } from "../../lens/figure/host.js";
import { unravel } from "../../lens/permute_lens/recording.js";
import { cellsOf, painted } from "./puzzle_picture.js";
import { named } from "./puzzle_seen.js";

const LARGE = { width: 34, height: 28 }; // a finger has to meet it
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// --- one place ---------------------------------------------------------------------------------

/** The empty result, with the place that is chosen. */
export function placeHtml(puzzle, work) {
  const { empty } = puzzle;
  const at = work.at ?? -1;
  const picture = { ...empty, mark: at, labels: empty.births.map((_, k) => (k === at ? "?" : "")) };
  const { svg, width } = painted(picture, puzzle, LARGE);
  const now = at < 0 ? "nothing chosen" : `chosen: [${unravel(at, empty.shape).join(", ")}]`;
  return `<p class="vip-caption">${escape(empty.caption)}</p>
<div class="vip-board vip-scripted" style="--wide:${width}px" tabindex="0" role="application" data-keys="spot" data-point="spot"
  aria-label="${escape(`${empty.caption}; ${now}. Arrow keys go from place to place, Enter puts it there.`)}">${svg}</div>`;
}

/** What an action changes in a reader's work, if it is on the board; `given` if it is an answer. */
export function placeAct(puzzle, work, { name, key, x, y, value }) {
  const { shape } = puzzle.empty;
  const chosen = (k) => ({ at: k, typed: `(${unravel(k, shape).join(", ")})` });
  if (name === "typed") return { typed: value, at: undefined };
  if (name !== "spot") return undefined;
  const cells = cellsOf(puzzle.empty, LARGE);
  const middle = (k) => {
    const [left, top] = cells.place(k);
    return [left + cells.cell.width / 2, top + cells.cell.height / 2];
  };
  const all = puzzle.empty.births.map((_, k) => k);
  if (key === undefined) {
    const far = (k) => Math.hypot(middle(k)[0] - x * cells.width, middle(k)[1] - y * cells.height);
    const k = all.reduce((best, other) => (far(other) < far(best) ? other : best));
    return far(k) > cells.cell.width ? undefined : { ...chosen(k), given: chosen(k).typed };
  }
  const at = work.at ?? 0;
  if (key === "Enter" || key === " ") return { ...chosen(at), given: chosen(at).typed };
  if (!WAYS[key]) return undefined;
  if (work.at === undefined) return { ...chosen(0), last: "moved" };
  const [right, down] = WAYS[key];
  const [fromX, fromY] = middle(at);
  // The nearest in that direction; what lies aside counts more.
  const away = (k) => {
    const [byX, byY] = [middle(k)[0] - fromX, middle(k)[1] - fromY];
    const ahead = byX * right + byY * down;
    return ahead <= 0.5 ? Infinity : ahead + 4 * Math.abs(byX * down + byY * right);
  };
  const to = all.reduce((best, k) => (away(k) < away(best) ? k : best), at);
  return to === at ? undefined : { ...chosen(to), last: "moved" };
}

/** Where the mark is now, in a sentence. */
export const placeSaid = (puzzle, work) =>
  `The mark is at [${unravel(work.at, puzzle.empty.shape).join(", ")}]. Press Enter to put it there.`;

// --- several tokens ----------------------------------------------------------------------------

const rowAndColumn = (k, side) => `row ${Math.floor(k / side)}, column ${k % side}`;

/** All tokens, each to be chosen or not. */
export function tokensHtml({ name }, puzzle, work) {
  const side = puzzle.tokens;
  const chosen = work.chosen ?? [];
  const at = work.at ?? puzzle.mark;
  const token = (_, k) => {
    const isChosen = chosen.includes(k);
    const kind = `${k === puzzle.mark ? " vip-framed" : ""}${k === at ? " vip-current" : ""}`;
    const about = `${rowAndColumn(k, side)}${k === puzzle.mark ? ", the framed one" : ""}`;
    return `<span role="option" id="${escape(name)}-token-${k}" class="vip-token${kind}" aria-selected="${isChosen}" aria-label="${about}" data-do="token" data-value="${k}">${isChosen ? "✓" : ""}</span>`;
  };
  return `<div class="vip-tokens vip-scripted" style="--side:${side}" role="listbox" tabindex="0" aria-multiselectable="true" data-keys="tokens"
  aria-label="The tokens of x; arrow keys go from one to the next, the space bar chooses" aria-activedescendant="${escape(name)}-token-${at}">${Array.from({ length: side * side }, token).join("")}</div>`;
}

/** What an action changes in a reader's work, if it is on the tokens; `given` if it is an answer. */
export function tokensAct(puzzle, work, { name, key, value }) {
  const side = puzzle.tokens;
  const chosen = work.chosen ?? [];
  const at = work.at ?? puzzle.mark;
  const toggled = (k) => ({
    at: k,
    chosen: chosen.includes(k) ? chosen.filter((other) => other !== k) : [...chosen, k],
    last: "moved",
  });
  if (name === "token") return toggled(Number(value));
  if (name === "check") return { given: named([...chosen].sort((a, b) => a - b)) || "-" };
  if (name !== "tokens") return undefined;
  if (key === "Enter" || key === " ") return toggled(at);
  if (!WAYS[key]) return undefined;
  const [column, row] = [(at % side) + WAYS[key][0], Math.floor(at / side) + WAYS[key][1]];
  const isInside = column >= 0 && column < side && row >= 0 && row < side;
  return isInside ? { at: row * side + column } : undefined; // which is spoken as the active option
}

/** What is chosen now, in a sentence. */
export function tokensSaid(puzzle, work) {
  const { length } = work.chosen ?? [];
  return `${length} ${length === 1 ? "token" : "tokens"} chosen.`;
}
