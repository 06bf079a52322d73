// The mutant spotter: two pictures, one of them by a faulty module.  Which?  The pictures,
// the lines of code and what the checks say come from Python; here they are shown.

import { axisColour, pixelFill } from "../../lens/figure/colours.js";
import { choiceField, firstFrameOf, renderFigure, wholeField } from "../../lens/figure/figure.js";
import { escape } from "../../lens/figure/host.js";

// What a picture of each form holds: whole numbers up to `levels`, row by row.
export const FORMS = {
  image: { rows: 8, columns: 8, levels: 99 },
  matrix: { rows: 16, columns: 16, levels: 1 },
  shares: { rows: 3, columns: 16, levels: 999 },
  bars: { rows: 3, columns: 16, levels: 999 },
};
const BRANCHES = [
  ["H", "height"],
  ["W", "width"],
  ["C", "channel"],
];
const NAMES = ["A", "B"];
const GUESSES = [
  ["A", "A is wrong"],
  ["B", "B is wrong"],
  ["same", "I see no difference"],
];
const KEYS = {
  a: ["guess", "A"],
  b: ["guess", "B"],
  s: ["guess", "same"],
  n: ["turn", 1],
  ArrowRight: ["turn", 1],
  p: ["turn", -1],
  ArrowLeft: ["turn", -1],
};

/** The rounds of a game, checked. */
function readRounds(game) {
  if (!Array.isArray(game?.rounds) || game.rounds.length === 0 || !game.views) throw new Error("it has no rounds");
  for (const [i, round] of game.rounds.entries()) {
    const view = game.views[round?.view];
    const form = FORMS[view?.form];
    const isPicture = (numbers) =>
      numbers?.length === form.rows * form.columns &&
      numbers.every((n) => Number.isInteger(n) && n >= 0 && n <= form.levels);
    if (!form) throw new Error(`nothing says how to draw round ${i + 1}`);
    if (round.pictures?.length !== 2 || !round.pictures.every(isPicture))
      throw new Error(`round ${i + 1} has no two pictures`);
    if (![0, 1].includes(round.wrong)) throw new Error(`round ${i + 1} does not say which picture is wrong`);
    if (!Array.isArray(round.code) || !round.code.every((pair) => pair?.length === 3))
      throw new Error(`round ${i + 1} has no code`);
    if (!Array.isArray(round.caught) || !(round.top > 0))
      throw new Error(`round ${i + 1} does not say what it has measured`);
    if (view.form === "image" ? !isPicture(view.given) : view.given?.length !== 0)
      throw new Error(`round ${i + 1} does not say what went in`);
  }
  return game.rounds;
}

/** What the rows and the columns of an image hold together, and how many of its cells hold nothing. */
export function sumsOf(numbers, form) {
  const sums = { rows: Array(form.rows).fill(0), columns: Array(form.columns).fill(0), empty: 0 };
  numbers.forEach((n, i) => {
    sums.rows[Math.floor(i / form.columns)] += n;
    sums.columns[i % form.columns] += n;
    if (n === 0) sums.empty++;
  });
  return sums;
}

/** The three weights of each channel, as they were before they were made whole numbers. */
export function weightsOf(numbers, { columns, levels }, top) {
  return Array.from({ length: columns }, (_, c) => [0, 1, 2].map((k) => (numbers[k * columns + c] * top) / levels));
}

// --- What is said of a picture ------------------------------------------------------

function saidOf(numbers, view, top) {
  const form = FORMS[view.form];
  if (view.form === "matrix") {
    const counts = Array.from({ length: form.rows }, (_, i) => rowOf(numbers, form, i).filter(Boolean).length);
    const [low, high] = [Math.min(...counts), Math.max(...counts)];
    return `marks ${low === high ? low : `${low} to ${high}`} channels in each row`; // which ones, its own words say
  }
  const weights = weightsOf(numbers, form, top);
  const sums = weights.map(([h, w, c]) => h + w + c);
  const [low, high] = [Math.min(...sums), Math.max(...sums)].map(rounded);
  if (view.form === "bars") return `shows changes of up to ${high}`;
  const leaders = weights.map((three) => BRANCHES[three.indexOf(Math.max(...three))][0]);
  return `has weights that sum to ${low}${low === high ? "" : ` to ${high}`}; from channel to channel these lead: ${leaders.join(" ")}`;
}

/** Images in digits: 9 is what the fullest row or column of the two holds. */
export function imagesSaid(pictures, given) {
  const form = FORMS.image;
  const sums = pictures.map((numbers) => sumsOf(numbers, form));
  const most = Math.max(1, ...sums.flatMap(({ rows, columns }) => [...rows, ...columns]));
  const digits = (some) => some.map((n) => Math.min(9, Math.round((9 * n) / most))).join(" ");
  const said = ({ rows, columns, empty }) =>
    empty === given.length ? "nothing" : `${digits(rows)} and ${digits(columns)}, with ${empty} cells empty`;
  const [a, b, before] = [...sums, sumsOf(given, form)].map(said);
  return `Rows from the top, and columns from the left, hold: in A ${a}; in B ${b}. In what goes in: ${before}.`;
}

const rowOf = (numbers, { columns }, i) => numbers.slice(i * columns, (i + 1) * columns);
const rounded = (number) => String(Number(number.toPrecision(2)));

function takesWords(numbers, form, channel) {
  const from = rowOf(numbers, form, channel).flatMap((n, i) => (n > 0 ? [i] : []));
  return `channel ${channel} takes from ${from.join(", ") || "none"}`;
}

/** All of a picture in words, for who cannot see it. */
function spelled(numbers, view, top) {
  const form = FORMS[view.form];
  const rows = Array.from({ length: form.rows }, (_, i) => i);
  if (view.form === "image")
    return `${form.levels} is darkest. ${rows.map((i) => `Row ${i}: ${rowOf(numbers, form, i).join(" ")}`).join(". ")}.`;
  if (view.form === "matrix") return `${rows.map((i) => takesWords(numbers, form, i)).join("; ")}.`;
  const weights = weightsOf(numbers, form, top);
  return BRANCHES.map(([, name], k) => `${name}: ${weights.map((w) => rounded(w[k])).join(" ")}`).join(". ");
}

/** What can be said of the two pictures and does not tell which is wrong; for who cannot see them. */
function unseenWords(round, view) {
  if (view.form === "image") return imagesSaid(round.pictures, view.given);
  const [a, b] = round.pictures.map((numbers) => saidOf(numbers, view, round.top));
  return a === b ? `Of both the same can be said: each ${a}.` : `A ${a}. B ${b}.`;
}

// --- What is drawn ------------------------------------------------------------------

function pictureHtml(numbers, view, top, label) {
  const form = FORMS[view.form];
  const words = escape(`${label} ${spelled(numbers, view, top)}`);
  if (view.form === "shares" || view.form === "bars") return barsHtml(numbers, form, view.form, top, words);
  const cells = numbers.map((n, i) => {
    const [x, y] = [i % form.columns, Math.floor(i / form.columns)];
    return n ? `<rect x="${x}" y="${y}" width="1" height="1" fill="${pixelFill(n / form.levels)}"/>` : "";
  });
  return (
    `<svg role="img" aria-label="${words}" viewBox="0 0 ${form.columns} ${form.rows}" shape-rendering="crispEdges">` +
    `<rect width="${form.columns}" height="${form.rows}" fill="${pixelFill(0)}"/>${cells.join("")}</svg>`
  );
}

/** Stacked bars; width and channel carry one and two pale lines, besides their colours. */
function barsHtml(numbers, form, kind, top, words) {
  const parts = [];
  for (let c = 0; c < form.columns; c++) {
    let foot = 100;
    for (let k = 0; k < 3; k++) {
      const height = (100 * numbers[k * form.columns + c]) / form.levels;
      foot -= height;
      if (height > 0) parts.push(barHtml(k, 10 * c + 0.5, foot, 9, height));
    }
  }
  const one = 100 - 100 / top;
  const line = kind === "shares" ? `<path class="vip-one" d="M0 ${one.toFixed(2)}H160"/>` : "";
  return `<svg role="img" aria-label="${words}" viewBox="-1 -2 162 104" preserveAspectRatio="none"><rect width="160" height="100" fill="${pixelFill(0)}"/>${parts.join("")}${line}</svg>`;
}

function barHtml(k, x, y, width, height) {
  const rect = (at, wide, paint) =>
    `<rect x="${at}" y="${y.toFixed(2)}" width="${wide}" height="${height.toFixed(2)}" fill="${paint}"/>`;
  const lines = [[], [0.5], [0.3, 0.7]][k].map((share) => rect(x + width * share - 0.4, 0.8, "#FFFFFF"));
  return rect(x, width, axisColour(BRANCHES[k][0])) + lines.join("");
}

function legendHtml() {
  const items = BRANCHES.map(
    ([, name], k) =>
      `<span><svg viewBox="0 0 10 10" aria-hidden="true">${barHtml(k, 0, 0, 10, 10)}</svg> ${name}</span>`,
  );
  return `<p class="vip-note vip-legend">${items.join(" ")}</p>`;
}

/** The right and the faulty lines, each pair one above the other, so that they compare. */
function codeHtml(round) {
  const line = (sign, words, text) =>
    `<code${words ? ` class="vip-changed"><span class="vip-unseen">${words}: </span>` : ">"}${sign} ${text}</code>`;
  const lines = round.code.map(([mark, right, wrong]) => {
    if (mark === "...") return line(" ", "", "…");
    if (mark === "=") return line(" ", "", escape(right));
    const [one, other] = markedHtml(right, wrong);
    return (right && line("−", "should be", one)) + (wrong && line("+", "is", other));
  });
  return `<p class="vip-note"><code>${escape(round.method)}</code>: − as it should be, + as it is here</p><div class="vip-lines">${lines.join("")}</div>`;
}

/** Two lines as HTML, with what is not the same in both marked. */
export function markedHtml(one, other) {
  if (!one || !other) return [escape(one), escape(other)];
  const shorter = Math.min(one.length, other.length);
  let head = 0;
  while (head < shorter && one[head] === other[head]) head++;
  let tail = 0;
  while (tail < shorter - head && one.at(-1 - tail) === other.at(-1 - tail)) tail++;
  if (head + tail < shorter / 2) return [escape(one), escape(other)]; // another line, not a changed one
  return [one, other].map((text) => {
    const [before, inside, after] = [
      text.slice(0, head),
      text.slice(head, text.length - tail),
      text.slice(text.length - tail),
    ].map(escape);
    return `${before}${inside && `<mark>${inside}</mark>`}${after}`;
  });
}

function verdictOf(round, guess) {
  const wrong = NAMES[round.wrong];
  if (!round.visible) {
    const apart = `${wrong} is the faulty one, and no two cells differ by more than ${rounded(round.apart)} of the darkest.`;
    return `${guess === "same" ? "Right: nothing can be seen." : "Nobody can see it."} ${apart}`;
  }
  if (guess === wrong) return `Right: ${wrong} is wrong.`;
  return guess === "same"
    ? `They differ, look again: ${wrong} is wrong.`
    : `No, ${guess} is as it should be: ${wrong} is wrong.`;
}

function caughtWords(round) {
  const caught = round.caught.filter((name) => name !== "shape");
  const shape = `Shape check: ${round.caught.includes("shape") ? "failed" : "passed"}.`;
  if (!caught.length) return `${shape} No other check catches it either.`;
  const [name, words] = round.told;
  return `${shape} Caught by ${caught.join(", ")}. What ${name} says: “${words}”.`;
}

function answerHtml(round, guess) {
  if (guess === "none") return "";
  const isRight = guess === (round.visible ? NAMES[round.wrong] : "same");
  const known = round.known ? `<p class="vip-note">Met before in ${escape(round.known)}</p>` : "";
  return `
<p class="vip-verdict ${isRight ? "vip-good" : "vip-bad"}">${isRight ? "✓" : "✗"} <b>${escape(round.fault)}</b></p>
<p>${escape(round.seen)}</p>
${codeHtml(round)}
${known}`;
}

function scoreWords(tried) {
  const guesses = Object.values(tried ?? {});
  return guesses.length ? `First guesses: ${guesses.filter(Boolean).length} of ${guesses.length} right.` : "";
}

const figure = {
  kind: "mutant_spotter",
  title: "One of the two is wrong",
  watched: ["game"],
  help:
    "Press the picture that is wrong, or the button that says what you think. While a button has focus: <b>A</b>, <b>B</b> and <b>S</b> guess (S: no difference), " +
    "<b>N</b> and <b>P</b>, or the arrows, go to the next and the previous round. A link holds the round and your guess, not the score.",
  fields: {
    round: wholeField(1, 1, (scene) => scene.rounds.length),
    guess: choiceField("none", ["none", "A", "B", "same"]),
  },
  prepare: (get) => ({ rounds: readRounds(get("game")), views: get("game").views }),

  html(scene, state, asleep) {
    const round = scene.rounds[state.round - 1];
    const view = scene.views[round.view];
    const off = asleep ? " disabled" : "";
    const hasBars = view.form === "shares" || view.form === "bars";
    const given = view.given.length
      ? `<div class="vip-given">${pictureHtml(view.given, view, 1, "What goes in.")}<span>goes in</span></div>`
      : "";
    const pictures = round.pictures.map((numbers, i) => {
      const told = state.guess === "none" ? "" : i === round.wrong ? " ✗ faulty" : " ✓ right";
      const picked = state.guess === NAMES[i] ? ' class="vip-picked"' : "";
      return `<div${picked} data-do="pick" data-value="${NAMES[i]}" title="${GUESSES[i][1]}">${pictureHtml(numbers, view, round.top, `Picture ${NAMES[i]}.`)}<span><b>${NAMES[i]}</b>${told}</span></div>`;
    });
    const guesses = GUESSES.map(
      ([value, words]) =>
        `<button type="button" data-do="guess" data-value="${value}" aria-pressed="${state.guess === value}"${off}>${words}</button>`,
    );
    return `
<div data-keys="spot">
<p><b>Round ${state.round} of ${scene.rounds.length}: ${escape(view.title)}.</b> ${escape(view.expect)} One of the two pictures is a faulty module’s. Which?</p>
<div class="vip-pictures vip-${view.form}">${given}${pictures.join("")}</div>
<p class="vip-unseen" aria-live="polite">${unseenWords(round, view)}</p>
<div>${hasBars ? legendHtml() : ""}${view.form === "bars" ? `<p class="vip-note">Full height: ${rounded(round.top)}.</p>` : ""}</div>
<div class="vip-steps vip-scripted">${guesses.join("\n")}</div>
<div class="vip-steps vip-scripted"><button type="button" data-do="turn" data-value="-1"${off}>Previous</button>
<button type="button" data-do="turn" data-value="1"${off}>Next</button> <span>${scoreWords(state.tried)}</span></div>
${answerHtml(round, state.guess)}
</div>`;
  },

  say(scene, state) {
    const round = scene.rounds[state.round - 1];
    if (state.guess !== "none") return `${verdictOf(round, state.guess)} ${caughtWords(round)}`;
    return "Press the picture that is wrong, or one of the buttons above.";
  },

  act(scene, state, /** @type {{name: string, value?: *, key?: string}} */ { name, value, key }) {
    if (name === "spot") {
      const [action, of] = KEYS[key.length === 1 ? key.toLowerCase() : key] ?? [];
      return action && this.act(scene, state, { name: action, value: of });
    }
    if (name === "pick") return this.act(scene, state, { name: "guess", value });
    if (name === "turn") {
      const count = scene.rounds.length;
      return { round: ((state.round - 1 + Number(value) + count) % count) + 1, guess: "none" };
    }
    if (name !== "guess") return undefined;
    const round = scene.rounds[state.round - 1];
    const isRight = value === (round.visible ? NAMES[round.wrong] : "same");
    return { guess: value, tried: { [state.round]: isRight, ...state.tried } };
  },
};

export const render = renderFigure(figure);
export const firstFrame = firstFrameOf(figure);
