// A film of the training: the network as it was after some of its steps.

import { bytesOf } from "./network.js";

/**
 * @typedef {object} Frame
 * @property {number} step of the training, after which the network was so
 * @property {number} loss of the test images, mean cross-entropy
 * @property {number} accuracy share of the test images that are classified right
 *
 * @typedef {object} Film
 * @property {Frame[]} frames the last one is the network that the figure has anyway
 * @property {(i: number) => Float64Array} numbers all weights of a frame but the last
 */

/**
 * Check what Python wrote of a film.
 * @param {*} film null where there is none
 * @param {number[]} lengths how many numbers each part of the network's layers has
 * @returns {Film | null}
 */
export function readFilm(film, lengths) {
  if (film === null || film === undefined) return null;
  const { steps, loss, accuracy, scales, base64 } = film;
  const count = steps?.length;
  const numbers = lengths.reduce((a, b) => a + b, 0);
  const isList = (list, length, test) => Array.isArray(list) && list.length === length && list.every(test);
  const isIn = (low, high) => (n) => typeof n === "number" && n >= low && n <= high;
  const isScales = (list) => isList(list, lengths.length, isIn(0, 1e30));
  const isWhole =
    count >= 2 &&
    isList(steps, count, (n, i) => Number.isInteger(n) && n >= 0 && (!i || n > steps[i - 1])) &&
    isList(loss, count, isIn(0, 1e30)) &&
    isList(accuracy, count, isIn(0, 1)) &&
    isList(scales, count - 1, isScales) &&
    isList(base64, count - 1, (text) => bytesIn(text) === numbers);
  if (!isWhole) throw new Error("the film of its training is damaged");
  return {
    frames: steps.map((step, i) => ({ step, loss: loss[i], accuracy: accuracy[i] })),
    numbers: (i) => numbersOf(base64[i], lengths, scales[i]),
  };
}

/** How many bytes a text in base64 has; -1 if it is none. */
const bytesIn = (text) =>
  typeof text === "string" && text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text)
    ? (text.length / 4) * 3 - text.match(/=*$/)[0].length
    : -1;

/** Each weight is a whole number, times the scale of its layer's part. */
function numbersOf(text, lengths, scales) {
  const whole = new Int8Array(bytesOf(text).buffer);
  const numbers = new Float64Array(whole.length);
  let at = 0;
  lengths.forEach((length, part) => {
    for (const end = at + length; at < end; at++) numbers[at] = whole[at] * scales[part];
  });
  return numbers;
}

const WIDTH = 300;
const HEIGHT = 44;

/** The next frame as it plays; undefined at the end. */
export const nextFrame = ({ frames }, frame) =>
  frame < 0 ? undefined : { frame: frame < frames.length - 2 ? frame + 1 : -1 };

/** The slider over the steps of the training, and what came of each. */
export function filmHtml({ frames }, frame, plays, asleep) {
  const last = frames.length - 1;
  const at = frame < 0 ? last : frame;
  const now = frames[at];
  const x = (i) => (6 + ((WIDTH - 12) * i) / last).toFixed(1);
  const most = Math.max(...frames.map(({ loss }) => loss));
  const heights = {
    loss: frames.map(({ loss }) => 4 + (HEIGHT - 8) * (1 - loss / most)),
    accuracy: frames.map(({ accuracy }) => 4 + (HEIGHT - 8) * (1 - accuracy)),
  };
  const curve = (name) =>
    `<polyline class="vip-film-${name}" points="${heights[name].map((y, i) => `${x(i)},${y.toFixed(1)}`).join(" ")}"/>` +
    heights[name].map((y, i) => `<path class="vip-film-${name}" d="M${x(i)},${y.toFixed(1)}h0"/>`).join("");
  const words = `step ${now.step} of ${frames[last].step}: loss ${now.loss.toFixed(2)}, ${Math.round(100 * now.accuracy)} % right`;
  return `<div class="vip-film-head"${plays ? " data-in-sight" : ""}><button type="button" class="vip-scripted" data-do="roll" aria-pressed="${plays}">${plays ? "❚❚ Pause" : "▶ Play"}<span class="vip-unseen"> the training</span></button>
<span>its training, <b>${words}</b></span></div>
<input type="range" class="vip-film-slider" min="0" max="${last}" value="${at}" data-set="frame" aria-label="Step of the training" aria-valuetext="${words}"${asleep ? " disabled" : ""}>
<svg class="vip-film" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="Loss and accuracy after ${frames.length} of the steps: loss from ${frames[0].loss.toFixed(2)} to ${frames[last].loss.toFixed(2)}, accuracy from ${Math.round(100 * frames[0].accuracy)} to ${Math.round(100 * frames[last].accuracy)} %">
<path class="vip-film-now" d="M${x(at)},0V${HEIGHT}"/>${curve("loss")}${curve("accuracy")}</svg>
<span class="vip-film-legend"><span><i class="vip-film-loss">●</i> loss: how bad the answers are</span> <span><i class="vip-film-accuracy">■</i> share of test pictures right</span> <span>the steps are not evenly spaced</span></span>`;
}
