// The reach probe: choose an output token, and see which input tokens it depends on.
// Python has measured every strength (reach.py); here they are read, shaded and told.

import { axisColour, pixelFill } from "../../lens/figure/colours.js";
import { choiceField, firstFrameOf, renderFigure, wholeField } from "../../lens/figure/figure.js";
import { escape } from "../../lens/figure/host.js";
import { neighbourOf, placeWords, shapeWords } from "../shared/tokens.js";

const POWERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const CELL = 40; // a token in the picture
const EDGE = 18; // room for the numbers of rows and columns
const THUMB = 10; // a token in the small picture of a map
const FAINTEST = 0.1; // how opaque the shade of the weakest strength is

/**
 * @typedef {object} ReachMap
 * @property {string} label
 * @property {Float64Array} strengths of output token i by input token j at i * tokens + j
 * @property {number} low the weakest strength that is not 0, or 0; with one scale, of all maps
 * @property {number} high the strongest, likewise
 */

/** The strengths that `_pack` in reach_probe.py wrote. @returns {Float64Array} */
export function unpackStrengths({ top, powers, digits }) {
  let used = 0;
  return Float64Array.from(powers, (power) => {
    if (power === ".") return 0;
    const number = Number(`${digits.slice(used, used + 3)}e${top - POWERS.indexOf(power) - 2}`);
    used += 3;
    return number;
  });
}

function readMap(map, tokens) {
  const { label, top, powers, digits } = map ?? {};
  if (![label, powers, digits].every((text) => typeof text === "string") || !Number.isInteger(top))
    throw new Error("one of its maps cannot be read");
  if (!/^[a-zA-Z.]*$/.test(powers) || !/^\d*$/.test(digits))
    throw new Error(`the strengths of “${label}” are not written as they must be`);
  if (powers.length !== tokens * tokens || digits.length !== 3 * powers.replaceAll(".", "").length)
    throw new Error(`the map “${label}” does not have a strength for each pair of tokens`);
  const strengths = unpackStrengths(map);
  const some = strengths.filter((strength) => strength > 0);
  return {
    label,
    strengths,
    low: some.reduce((a, b) => Math.min(a, b), some[0] ?? 0),
    high: some.reduce((a, b) => Math.max(a, b), 0),
  };
}

function onOneScale(maps) {
  const some = maps.filter(({ high }) => high > 0);
  const [low, high] = [Math.min(...some.map((map) => map.low)), Math.max(0, ...some.map((map) => map.high))];
  return maps.map((map) => ({ ...map, low: high ? low : 0, high }));
}

/** How strongly output token `at` depends on each input token. */
function seenFrom(map, at, tokens) {
  return map.strengths.subarray(at * tokens, (at + 1) * tokens);
}

/** How opaque the shade of a strength is: 0 for none at all, and never 0 else. */
export function shadeOf(strength, { low, high }, shade) {
  if (!strength) return 0;
  const span = Math.log(high / low);
  const share = shade === "linear" ? strength / high : span > 0 ? Math.log(strength / low) / span : 1;
  return FAINTEST + (1 - FAINTEST) * share;
}

const figure = {
  kind: "reach_probe",
  title: "Who sees whom",
  watched: ["maps", "grid", "picture", "one_scale"],
  help:
    "Click or drag over the tokens to choose an output token; choose a map by its small picture. " +
    "On the tokens: arrow keys move the output token, 1 to 8 choose a map, Shift and arrow keys read the strength of one input token, " +
    "Escape ends that. With <b>Read one token</b> the mouse reads, too.",
  fields: {
    map: wholeField(0, 0, (scene) => scene.maps.length - 1),
    at: wholeField(0, 0, (scene) => scene.tokens - 1),
    shade: choiceField("linear", ["linear", "log"]),
    read: wholeField(-1, -1, (scene) => scene.tokens - 1),
  },

  prepare(get) {
    const [rows, columns] = get("grid") ?? [];
    if (![rows, columns].every((size) => Number.isInteger(size) && size > 0))
      throw new Error("it has no grid of tokens");
    const tokens = rows * columns;
    const picture = get("picture") ?? null;
    if (
      picture &&
      !(picture.length === rows && picture.every((row) => row.length === columns && row.every(Number.isFinite)))
    )
      throw new Error("its picture does not fit the tokens");
    const maps = (get("maps") ?? []).map((map) => readMap(map, tokens));
    if (!maps.length) throw new Error("it has no map");
    return {
      rows,
      columns,
      tokens,
      picture: picture?.flat() ?? null,
      maps: get("one_scale") ? onOneScale(maps) : maps,
    };
  },

  html(scene, state, asleep) {
    const map = scene.maps[state.map];
    const off = asleep ? " disabled" : "";
    return `
<div class="vip-reach-stage">
<div>${tokensSvg(scene, state)}
<div class="vip-reach-key"><span><svg viewBox="0 0 16 16" aria-hidden="true">${zeroSvg(8, 8, 5, ' fill="none"')}</svg> exactly 0</span>
<span>${numberText(map.low)} <svg class="vip-reach-ramp" viewBox="0 0 60 16" aria-hidden="true">${rampSvg(map, state.shade)}</svg> ${numberText(map.high)}</span>
<span><svg viewBox="0 0 16 16" aria-hidden="true"><rect class="vip-reach-at" x="2" y="2" width="12" height="12"/></svg> the output token</span></div></div>
<div class="vip-reach-maps" role="group" aria-label="Maps" style="--across:${scene.maps.length % 3 === 1 ? 2 : 3}">${scene.maps
      .map(
        (one, i) =>
          `<button type="button" data-do="map" data-value="${i}" aria-pressed="${i === state.map}"${off}>${thumbSvg(scene, state, one)}` +
          `<b>${escape(one.label)}</b> <span>${countOf(scene, one, state.at)} of ${scene.tokens}</span></button>`,
      )
      .join("")}</div>
</div>
<div class="vip-reach-choices">
<label>Shade <select data-set="shade"${off}>${[
      ["linear", "by strength"],
      ["log", "by its logarithm"],
    ]
      .map(([value, text]) => `<option value="${value}"${value === state.shade ? " selected" : ""}>${text}</option>`)
      .join("")}</select></label>
<button type="button" data-do="read" aria-pressed="${state.read >= 0}"${off}>Read one token</button></div>`;
  },

  say(scene, state) {
    const map = scene.maps[state.map];
    const seen = seenFrom(map, state.at, scene.tokens);
    if (state.read >= 0) return readingWords(scene, state, seen);
    const count = countOf(scene, map, state.at);
    const who = `“${map.label}”: the output token in ${placeWords(scene, state.at)}`;
    if (!count) return `${who} depends on no input token.`;
    const [strong, weak] = [Math.max(...seen), Math.min(...seen.filter((s) => s > 0))];
    const share = `${count} of ${scene.tokens} input tokens, ${Math.round((100 * count) / scene.tokens)} %`;
    const where = (strength) =>
      seen.indexOf(strength) === state.at ? "its own place" : placeWords(scene, seen.indexOf(strength));
    return (
      `${who} depends on ${share}${shapeWords(scene, state.at, seen)}. ` +
      `Strongest ${numberText(strong)}, ${where(strong)}; weakest ${numberText(weak)}, ${where(weak)}.`
    );
  },

  act(scene, state, { name, value, key, shift }) {
    if (name === "map") return { map: Number(value) };
    if (name === "shade") return { shade: value };
    if (name === "read") return { read: state.read < 0 ? state.at : -1 };
    if (name === "tokens" && key === undefined) {
      const moved = state.read < 0 ? "at" : "read";
      return state[moved] === Number(value) ? undefined : { [moved]: Number(value) };
    }
    if (name !== "tokens") return undefined;
    if (key === "Escape") return state.read < 0 ? undefined : { read: -1 };
    if (/^[1-8]$/.test(key)) return Number(key) <= scene.maps.length ? { map: Number(key) - 1 } : undefined;
    const from = shift && state.read >= 0 ? state.read : state.at;
    const to = neighbourOf(scene, from, key);
    return to === undefined ? undefined : { [shift ? "read" : "at"]: to };
  },
};

// --- what is drawn -------------------------------------------------------------------

function tokensSvg(scene, state) {
  const { rows, columns, tokens, picture } = scene;
  const map = scene.maps[state.map];
  const seen = seenFrom(map, state.at, tokens);
  const corner = (token) => [EDGE + (token % columns) * CELL, EDGE + Math.floor(token / columns) * CELL];
  const square = (token, inset, attributes) => {
    const [x, y] = corner(token);
    return `<rect x="${x + inset}" y="${y + inset}" width="${CELL - 2 * inset}" height="${CELL - 2 * inset}" ${attributes}/>`;
  };
  const cells = Array.from(seen, (strength, token) => {
    const [x, y] = corner(token);
    const pixel = picture ? ` fill="${pixelFill(picture[token])}"` : ' fill="transparent"';
    const inside = strength
      ? square(token, 1, `class="vip-reach-shade" fill-opacity="${shadeOf(strength, map, state.shade).toFixed(3)}"`) +
        (picture ? square(token, 10, pixel) : "")
      : `<rect x="${x}" y="${y}" width="${CELL}" height="${CELL}" fill="transparent"/>` +
        zeroSvg(x + CELL / 2, y + CELL / 2, picture ? 9 : 5, pixel);
    return `<g data-at="${token}">${inside}</g>`;
  });
  const numbers = [
    ...Array.from({ length: columns }, (_, c) =>
      edgeSvg(EDGE + (c + 0.5) * CELL, EDGE - 5, c, "W", c === state.at % columns),
    ),
    ...Array.from({ length: rows }, (_, r) =>
      edgeSvg(EDGE / 2 - 1, EDGE + (r + 0.5) * CELL + 5, r, "H", r === Math.floor(state.at / columns)),
    ),
  ];
  const read =
    state.read < 0
      ? ""
      : square(state.read, 6, 'class="vip-reach-read"') +
        square(state.read, 6, 'class="vip-reach-read vip-reach-dashes"');
  return (
    `<svg class="vip-reach-tokens" viewBox="0 0 ${EDGE + columns * CELL + 2} ${EDGE + rows * CELL + 2}" data-drag="tokens" data-keys="tokens" tabindex="0" ` +
    `role="application" aria-label="${rows} by ${columns} tokens. Arrow keys move the output token, Shift and arrow keys read an input token.">` +
    `${numbers.join("")}${cells.join("")}${square(state.at, 2, 'class="vip-reach-at"')}${read}</svg>`
  );
}

function edgeSvg(x, y, number, axis, lit) {
  return `<text x="${x}" y="${y}" text-anchor="middle" class="${lit ? "vip-reach-lit" : ""}" style="--axis:${axisColour(axis)}">${number}</text>`;
}

/** A ring, filled with the token's pixel if there is a picture: no dependence at all. */
function zeroSvg(x, y, radius, fill) {
  return `<circle class="vip-reach-zero" cx="${x}" cy="${y}" r="${radius}"${fill}/>`;
}

function thumbSvg({ rows, columns, tokens }, state, map) {
  const place = (token) =>
    `x="${(token % columns) * THUMB}" y="${Math.floor(token / columns) * THUMB}" width="${THUMB}" height="${THUMB}"`;
  const cells = Array.from(seenFrom(map, state.at, tokens), (strength, token) =>
    strength ? `<rect ${place(token)} fill-opacity="${shadeOf(strength, map, state.shade).toFixed(2)}"/>` : "",
  );
  return (
    `<svg viewBox="-1 -1 ${columns * THUMB + 2} ${rows * THUMB + 2}" aria-hidden="true"><g class="vip-reach-shade">${cells.join("")}</g>` +
    `<rect ${place(state.at)} class="vip-reach-at"/></svg>`
  );
}

function rampSvg(map, shade) {
  const steps = 12;
  return Array.from({ length: steps }, (_, i) => {
    const strength = map.low + ((map.high - map.low) * i) / (steps - 1);
    const opacity = shade === "linear" ? shadeOf(strength, map, shade) : FAINTEST + ((1 - FAINTEST) * i) / (steps - 1);
    return `<rect x="${5 * i}" y="1" width="5" height="14" class="vip-reach-shade" fill-opacity="${opacity.toFixed(2)}"/>`;
  }).join("");
}

// --- what is said --------------------------------------------------------------------

function countOf({ tokens }, map, at) {
  return seenFrom(map, at, tokens).reduce((count, strength) => count + (strength > 0), 0);
}

/** "0.0123", "5e-7": three significant digits. */
function numberText(strength) {
  return String(Number(strength.toPrecision(3)));
}

function readingWords(scene, state, seen) {
  const strength = seen[state.read];
  const who = `Input token in ${placeWords(scene, state.read)}`;
  const output = `the output token in ${placeWords(scene, state.at)}`;
  if (!strength) return `${who}: exactly 0. A nudge there does not move ${output}.`;
  const strong = Math.max(...seen);
  const share =
    strength === strong ? "the strongest of all" : `${numberText((100 * strength) / strong)} % of the strongest`;
  return `${who}: ${numberText(strength)}, ${share} that ${output} depends on.`;
}

export const render = renderFigure(figure);
export const firstFrame = firstFrameOf(figure);
