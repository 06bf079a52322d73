// Two answers side by side: which elements lie elsewhere in the one than in the other.

import { arrange, fitCell } from "../figure/layout.js";
import { Drawing, paintSvg } from "../figure/paint.js";
import { planScene, looksOf } from "../permute_lens/scene.js";
import { MOST_DRAWN, readRun, sizeOf, unravel } from "../permute_lens/recording.js";
import { birthName } from "../permute_lens/words.js";
import { tuple } from "./faults.js";

const BOX = { width: 300, height: 190 };
const LARGEST = { width: 30, height: 18 };

/**
 * @typedef {object} Comparison
 * @property {boolean} same
 * @property {string} words
 * @property {number[] | null} moved elements that differ; null if the shapes do
 */

/**
 * What one run gives, beside what another gives.
 * @param {object} recording
 * @param {object} other
 * @param {string} name what the other is called, e.g. "the kept answer"
 * @returns {Comparison}
 */
export function compare(recording, other, name) {
  const [mine, theirs] = [recording, other].map(answerOf);
  if (String(mine.shape) !== String(theirs.shape)) {
    const shapes = `Another shape: yours has ${tuple(mine.shape)}, ${name} ${tuple(theirs.shape)}.`;
    const inOrder = mine.values.length === theirs.values.length && !differing(mine, theirs).length;
    const more = inOrder ? " Read in order, the numbers are the same: only a reshape is between them." : "";
    return { same: false, words: shapes + more, moved: null };
  }
  const moved = differing(mine, theirs);
  const size = mine.values.length;
  if (!moved.length)
    return {
      same: true,
      words: `The same as ${name}: shape ${tuple(mine.shape)}, and all ${size} elements in their places.`,
      moved,
    };
  const [first] = moved;
  const place = `[${unravel(first, mine.shape).join(", ")}]`;
  const count = `${moved.length} of ${size} elements ${moved.length === 1 ? "is another" : "are others"} than in ${name}.`;
  return {
    same: false,
    words: `${count} The first is at ${place}: yours is ${nameOf(mine, first)}, there it is ${nameOf(theirs, first)}.`,
    moved,
  };
}

/** Elements that come from elsewhere, where nothing but moves was made, or are other numbers. */
function differing(mine, theirs) {
  const placed = mine.isMoved && theirs.isMoved;
  const isElsewhere = (k) => placed && mine.homes[k] !== theirs.homes[k];
  return mine.values.flatMap((value, k) => (isElsewhere(k) || !isNear(value, theirs.values[k]) ? [k] : []));
}

/** A recording has six digits of a number, and a sum in another order may differ in the last. */
const isNear = (one, other) =>
  Object.is(one + 0, other + 0) || Math.abs(one - other) <= 3e-6 * Math.max(Math.abs(one), Math.abs(other), 1);

/** The last tensor of a run. */
function answerOf(recording) {
  const run = readRun(recording);
  const id = run.outputs.at(-1) ?? run.steps.at(-1).output;
  const homes = run.homes(id);
  const isMoved = homes !== null && run.steps.every(({ kind }) => kind === "move" || kind === "collect");
  return { run, id, shape: run.tensors[id].shape, values: run.values(id) ?? [], homes, isMoved };
}

function nameOf({ run, values, homes }, k) {
  const number = String(+values[k].toPrecision(4));
  if (!homes) return number;
  return homes[k] < 0 ? `a ${number} that was put in` : birthName(run, homes[k]);
}

/** The answer of a run as a picture, the elements in `moved` framed; empty if it has too many. */
export function answerHtml(recording, moved, words) {
  const { run, id, shape } = answerOf(recording);
  if (sizeOf(shape) > MOST_DRAWN) return "";
  const looks = looksOf(planScene(run, { hue: "H", light: "W", picture: null }, "narrow"), id, "birth");
  const cell = fitCell([shape], BOX.width, BOX.height, LARGEST);
  const { width, height, place } = arrange(shape, cell.width, cell.height);
  const drawing = new Drawing(width + 2, height + 2);
  looks.forEach(({ fill, bar }, k) => {
    const [x, y] = place(k);
    drawing.box(x + 1, y + 1, cell.width - 0.5, cell.height - 0.5, fill ?? bar?.colour ?? "faint");
  });
  for (const k of moved ?? []) {
    const [x, y] = place(k);
    drawing.outline(x + 2, y + 2, cell.width - 2.5, cell.height - 2.5, "ink", 1.5);
  }
  return `<div class="vip-play-answer" style="width:${drawing.width}px">${paintSvg(drawing, "vip-picture", words)}</div>`;
}
