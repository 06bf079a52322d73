// Two models, some seeds each: is the difference between them more than chance?

import { escape } from "../../lens/figure/host.js";
import { firstFrameOf, renderFigure, wholeField } from "../../lens/figure/figure.js";

const PLOT = { width: 660, left: 50, right: 610 };
const CHANCE = 0.05;
const NOISE = 0.2;
const MOST_SEEDS = 10; // seeds: 184,756 deals, in some milliseconds
const MOST_BARS = 140;

/**
 * What the difference would be for every way to deal the results out, in sums over a
 * group; the deal that really happened first.
 * @param {number[]} one @param {number[]} other as many
 * @returns {number[]}
 */
export function dealsOf(one, other) {
  const all = [...one, ...other];
  const total = all.reduce((a, b) => a + b, 0);
  const found = [];
  const take = (from, left, sum) => {
    if (left === 0) found.push(2 * sum - total);
    else for (let i = from; i + left <= all.length; i++) take(i + 1, left - 1, sum + all[i]);
  };
  take(0, one.length, 0);
  return found;
}

/** How many deals differ at least as much as the first, and how many there are. */
export function chanceOf(one, other) {
  const found = dealsOf(one, other);
  const as = found.filter((d) => Math.abs(d) >= Math.abs(found[0])).length;
  return { found, as, of: found.length, share: as / found.length };
}

/** "184,756" */
const grouped = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");

const meanOf = (numbers) => numbers.reduce((a, b) => a + b, 0) / numbers.length;

/** The two models as chosen, and what came of the seeds that are looked at. */
function pairOf(scene, state) {
  const find = (name, otherwise) => scene.models.find((m) => m.name === name) ?? scene.models[otherwise];
  const models = [find(state.one, 0), find(state.other, 1)];
  const seen = models.map((m) => m.right.slice(0, state.seeds));
  const key = String(seen); // what is looked at is asked for several times a frame
  if (scene.dealt?.key !== key) scene.dealt = { key, ...chanceOf(...seen) };
  const means = seen.map((right) => (100 * meanOf(right)) / scene.of);
  return { models, seen, means, ...scene.dealt };
}

const figure = {
  kind: "seed_comparison",
  title: "Which difference is noise?",
  watched: ["models", "of"],
  help:
    "Choose two models and how many seeds of each you look at, with the mouse or with Tab and the arrow keys. " +
    "Hollow marks are seeds that you don't look at.",
  fields: {
    one: { usual: "", read: (text, scene) => (scene.models.some((m) => m.name === text) ? text : undefined) },
    other: { usual: "", read: (text, scene) => (scene.models.some((m) => m.name === text) ? text : undefined) },
    seeds: wholeField(5, 2, (scene) => scene.most),
  },

  prepare(get) {
    const models = get("models");
    const of = get("of");
    const isCount = (n) => Number.isInteger(n) && n >= 0 && n <= of;
    if (!Number.isInteger(of) || of < 1) throw new Error("the number of test images is no whole number from 1");
    if (!Array.isArray(models) || models.length < 2) throw new Error("there are no two models to compare");
    const most = models[0]?.right?.length;
    for (const model of models) {
      if (typeof model?.name !== "string" || typeof model.label !== "string" || typeof model.group !== "string")
        throw new Error("a model has no name, no label or no group");
      if (!Array.isArray(model.right) || model.right.length !== most || !model.right.every(isCount))
        throw new Error(
          `the results of ${model.name} are not as many whole numbers up to ${of} as those of the first model`,
        );
    }
    if (!(most >= 5 && most <= MOST_SEEDS)) throw new Error("each model needs five to ten seeds");
    const groups = new Set(models.map(({ group }) => group));
    return { models, of, most, named: ({ label, group }) => (groups.size > 1 ? `${label}, ${group}` : label) };
  },

  html(scene, state, asleep) {
    const pair = pairOf(scene, state);
    const off = asleep ? " disabled" : "";
    const options = (chosen) =>
      scene.models
        .map(
          (m) =>
            `<option value="${escape(m.name)}"${m === chosen ? " selected" : ""}>${escape(scene.named(m))}</option>`,
        )
        .join("");
    const select = (field, sign, i) =>
      `<label><span class="vip-sign-${field}" aria-hidden="true">${sign}</span> model ${i ? "B" : "A"}` +
      `<select data-set="${field}"${off}>${options(pair.models[i])}</select></label>`;
    return `
<div class="vip-inputs">${select("one", "●", 0)}${select("other", "◆", 1)}
<label>seeds of each: <b>${state.seeds}</b><input type="range" min="2" max="${scene.most}" step="1" value="${state.seeds}" data-set="seeds"${off}></label></div>
${dotsSvg(scene, state, pair)}
<p class="vip-note">All ${grouped(pair.of)} ways to deal these ${2 * state.seeds} results to two models, by the difference that would come out. Strong bars: at least as large as the real one, at ▼.</p>
${pileSvg(scene, state, pair)}
<p class="vip-verdict ${pair.share > CHANCE ? "vip-bad" : "vip-good"}">${verdictOf(scene, state, pair)}</p>`;
  },

  say(scene, state) {
    const { models, means, as, of } = pairOf(scene, state);
    const [one, other] = models.map((m) => `“${scene.named(m)}”`);
    return `${one} names ${means[0].toFixed(1)} % right in the mean, ${other} ${means[1].toFixed(1)} %. ${grouped(as)} of ${grouped(of)} deals of the ${2 * state.seeds} results differ at least as much.`;
  },

  act(scene, state, { name, value }) {
    if (!Object.hasOwn(this.fields, name)) return undefined;
    const read = this.fields[name].read(String(value), scene);
    return read === undefined ? undefined : { [name]: read };
  },
};

function verdictOf(scene, state, { models, means, as, of, share }) {
  const gap = Math.abs(means[0] - means[1]).toFixed(1);
  const isRare = share < 0.0005;
  const p = `p = ${grouped(as)} / ${grouped(of)} ${isRare ? "&lt; 0.001" : `= ${share.toFixed(3)}`}`;
  if (models[0] === models[1]) return "These are the same networks.";
  if (2 / of > CHANCE)
    return `${gap} points apart; ${p}. With ${state.seeds} seeds each, p cannot be below 2 / ${of} = ${(2 / of).toFixed(2)}: nothing could convince you.`;
  const often =
    as === of ? "every time" : isRare ? "less than once in 1,000" : `about ${Math.round(1000 * share)} times in 1,000`;
  const verdict =
    share > NOISE
      ? "Call it noise until you know more."
      : share > CHANCE
        ? "That is too often to rule chance out, and too seldom to be sure that it is chance."
        : "That is seldom. How many pairs have you tried before this one?";
  return `${gap} points apart; ${p}. Chance alone does this ${often}. ${verdict}`;
}

/** Accuracy of every seed, one row for each model. */
function dotsSvg(scene, state, { models, seen, means }) {
  const { width, left, right } = PLOT;
  const all = models.flatMap((m) => m.right).map((r) => (100 * r) / scene.of);
  const low = Math.floor(Math.min(...all) - 0.5);
  const high = Math.min(100, Math.ceil(Math.max(...all) + 0.5));
  const at = (percent) => left + ((right - left) * (percent - low)) / (high - low);
  const marks = models.map((model, row) => {
    const y = 34 + 44 * row;
    const stacked = new Map();
    const dots = model.right.map((count, seed) => {
      const up = stacked.get(count) ?? 0;
      stacked.set(count, up + 1);
      const used = seed < state.seeds ? "" : ' class="vip-unused"';
      return `<g${used} transform="translate(${at((100 * count) / scene.of).toFixed(1)},${y - 7 * up})"><path d="${row ? "M0,-7 7,0 0,7 -7,0Z" : "M-6,0a6,6 0 1 0 12,0a6,6 0 1 0 -12,0"}"/></g>`;
    });
    const x = at(means[row]).toFixed(1);
    return `<g class="vip-run-${row ? "other" : "one"}">${dots.join("")}<path class="vip-mean" d="M${x},${y + 8}V${y + 17}"/></g>`;
  });
  const step = [0.5, 1, 2, 5, 10, 20].find((s) => (high - low) / s <= 6);
  const ticks = [];
  for (let t = Math.ceil(low / step) * step; t <= high; t += step)
    ticks.push(
      `<path class="vip-tick" d="M${at(t).toFixed(1)},8V100"/><text x="${at(t).toFixed(1)}" y="118">${+t.toFixed(1)} %</text>`,
    );
  const told = models
    .map((m, i) => `${m.label}: ${seen[i].map((r) => ((100 * r) / scene.of).toFixed(1)).join(", ")} per cent`)
    .join("; ");
  return `<svg class="vip-dots" viewBox="0 0 ${width} 124" role="img" aria-label="Test accuracy by seed. ${escape(told)}.">${ticks.join("")}${marks.join("")}</svg>`;
}

/**
 * The differences as bars, each with how many deals have them: one bar for a difference or,
 * where they are many, for `step` side by side.  The real one is the first of its bar, so a
 * bar is either as far or it is not; only the middle one, which both sides share, is cut.
 * @returns {{from: number, to: number, count: number}[]}
 */
export function barsOf(found) {
  const real = Math.abs(found[0]);
  const most = found.reduce((a, d) => Math.max(a, Math.abs(d)), 0);
  const step = 2 * Math.ceil((most + 1) / MOST_BARS); // they are an even number apart
  const bars = new Map();
  for (const d of found) {
    const size = Math.abs(d);
    const first = real + Math.floor((size - real) / step) * step;
    const last = first + step - 2;
    const [from, to] = first <= 0 ? [-last, last] : d < 0 ? [-last, -first] : [first, last];
    const bar = bars.get(from) ?? { from, to, count: 0 };
    bar.count += 1;
    bars.set(from, bar);
  }
  return [...bars.values()];
}

/** The bars, as high as there are deals for a difference. */
function pileSvg(scene, state, { found, as, of }) {
  const { width, left, right } = PLOT;
  const points = (d) => (100 * d) / scene.of / state.seeds;
  const most = found.reduce((a, d) => Math.max(a, Math.abs(d)), 1) * 1.08;
  const at = (d) => (left + right) / 2 + ((right - left) / 2) * (d / most);
  const piles = barsOf(found);
  const height = ({ from, to, count }) => (2 * count) / (to - from + 2);
  const tall = 76 / Math.max(...piles.map(height));
  const gap = at(2) - at(0) > 3 ? 1 : 0;
  const bars = piles.map((pile) => {
    const { from, to } = pile;
    const wide = Math.max(1.5, Math.min(14 * ((to - from) / 2 + 1), at(to + 2) - at(from) - gap));
    const far = Math.min(Math.abs(from), Math.abs(to)) >= Math.abs(found[0]) ? ' class="vip-far"' : "";
    const high = tall * height(pile);
    return `<rect${far} x="${(at((from + to) / 2) - wide / 2).toFixed(1)}" y="${(96 - high).toFixed(1)}" width="${wide.toFixed(1)}" height="${high.toFixed(1)}"/>`;
  });
  const edge = Math.floor(points(most) * (points(most) >= 2 ? 1 : 10)) / (points(most) >= 2 ? 1 : 10);
  const ticks = [-edge, 0, edge].map((t) => {
    const x = at((t * scene.of * state.seeds) / 100).toFixed(1);
    return `<path class="vip-tick" d="M${x},96V101"/><text x="${x}" y="118">${t > 0 ? "+" : ""}${String(t).replace("-", "−")} pt</text>`;
  });
  const x = at(found[0]);
  const mark = `<path class="vip-real" d="M${x - 6},4H${x + 6}L${x},13Z"/>`;
  return (
    `<svg class="vip-pile" viewBox="0 0 ${width} 124" role="img" aria-label="${grouped(as)} of ${grouped(of)} deals differ by ${Math.abs(points(found[0])).toFixed(1)} points or more.">` +
    `<path class="vip-tick" d="M${left},96H${right}"/>${ticks.join("")}${bars.join("")}${mark}</svg>`
  );
}

export const render = renderFigure(figure);
export const firstFrame = firstFrameOf(figure);
