// What one number is made of, as a sum that can be checked: whose numbers, times which weights.

import { groupOf } from "./panes.js";
import { middleOf } from "./middle.js";
import { focusIn, moment } from "./scene.js";
import { birthName } from "./words.js";

const SHOWN = 3; // terms; of the others it is said how many there are
const EXACT = 1e-3; // numbers are recorded to six digits

/** A sentence on the followed number, or the first, of a step that makes new ones; "" if none is sure. */
export function sumWords(run, state) {
  const isBefore = state.backward ? state.step === run.steps.length : state.step === 0;
  if (isBefore) return "";
  const now = moment(run, state, state.step);
  const numbers = state.backward ? run.gradient(now.to) : run.values(now.to);
  const k = focusIn(run, state, now);
  if (!numbers || !Number.isFinite(numbers[k])) return "";
  const made = madeOf(run, state, now, k);
  if (!made || !isClose(made.result, numbers[k], made.terms)) return "";
  const isFollowed = state.cell >= 0 && run.whereIs(state.cell, now.to) >= 0;
  if (!isFollowed && numbers[k] === 0) return ""; // nothing to see where nobody asked
  const what = state.backward ? "gradient" : "number";
  const others = state.cell >= 0 ? "One that it goes into, a new" : "The first shown, a new";
  const which = isFollowed ? "Its new" : k > 0 ? others : "The first new";
  return `${which} ${what}${made.how}: ${made.text} = ${short(numbers[k])}.`;
}

/** @returns {{text: string, how: string, result: number, terms: number[]} | null} */
function madeOf(run, state, now, k) {
  const middle = middleOf(run, now.step, now.backward);
  const before = now.backward ? run.gradient(now.from) : run.values(now.from);
  if (!before) return null;
  if (middle?.kind === "matrix") return product(run, now, middle, before, k);
  if (middle?.kind === "gradients") {
    const rest = middle.values[k];
    const total = run.gradient(now.to)[k];
    return {
      text: `${short(total - rest)} from this step + ${short(rest)} from the others`,
      how: "",
      result: total,
      terms: [total],
    };
  }
  if (middle?.kind === "second" && middle.sign) return pair(run, now, middle, before, k);
  return now.backward ? null : shared(run, state, now, before);
}

/** A row times a line of the matrix. */
function product(run, { from, backward }, { values, shape, name, bias }, before, k) {
  const [given, taken] = shape;
  const [mine, its] = backward ? [taken, given] : [given, taken];
  const [row, line] = [Math.floor(k / mine), k % mine];
  const homes = run.homes(from);
  const terms = [];
  const texts = [];
  for (let i = 0; i < its; i++) {
    const [x, w] = [before[row * its + i], values[backward ? i * taken + line : line * taken + i]];
    terms.push(x * w);
    if (i >= SHOWN) continue;
    const who = homes && !backward ? ` (${birthName(run, homes[row * its + i])})` : "";
    texts.push(`${short(x)}${who} × ${short(w)}`);
  }
  const shift = bias && !backward ? bias[line] : 0;
  return {
    text: joined(texts, its, "terms") + (bias && !backward ? ` + bias ${short(shift)}` : ""),
    how: `, its row times ${name}[${backward ? ":, " : ""}${line}]`,
    result: sum(terms) + shift,
    terms: [...terms, shift],
  };
}

/** Two numbers that meet. */
function pair(run, { backward, step, from }, { values, source, sign, id }, before, k) {
  // The first of them may be stretched, too.
  const at = backward ? k : (run.sources(step, from)?.base(k) ?? k);
  const [x, y] = [before[at], values[source(k)]];
  if (x === undefined || y === undefined) return null;
  const [one, other] = id !== undefined && step.inputs[0] === id && !backward ? [y, x] : [x, y];
  const result = { "+": one + other, "−": one - other, "×": one * other, "÷": one / other }[sign];
  return { text: `${short(one)} ${sign} ${short(other)}`, how: "", result, terms: [one, other, result] };
}

/** A mean, a sum or a softmax, of the numbers that share it. */
function shared(run, state, now, before) {
  const group = groupOf(run, state, now);
  const numbers = group.map((k) => before[k]);
  if (!group.length) return null;
  const plain = joined(numbers.slice(0, SHOWN).map(short), group.length, "numbers");
  const { op } = now.step;
  if (op === "sum") return { text: plain, how: "", result: sum(numbers), terms: numbers };
  if (op === "mean")
    return { text: `(${plain}) ÷ ${group.length}`, how: "", result: sum(numbers) / group.length, terms: numbers };
  if (op !== "softmax") return null;
  const own = before[focusIn(run, state, now)];
  const powers = joined(
    numbers.slice(0, SHOWN).map((x) => `e^${short(x)}`),
    group.length,
    "powers",
  );
  return {
    text: `e^${short(own)} ÷ (${powers})`,
    how: "",
    result: Math.exp(own) / sum(numbers.map(Math.exp)),
    terms: [1],
  };
}

const sum = (numbers) => numbers.reduce((total, x) => total + x, 0);

const joined = (texts, count, what) => texts.join(" + ") + (count > texts.length ? ` + …, ${count} ${what}` : "");

function isClose(result, number, terms) {
  return Math.abs(result - number) <= EXACT * Math.max(...terms.map(Math.abs), Math.abs(number));
}

/** A number in three digits. */
function short(x) {
  return String(Number(x.toPrecision(3))).replace("-", "−");
}
