// The fan-in: choose an output token, and see which input tokens are added up in it, and
// through which branch.  Python has measured every strength; here lines are drawn.

import { axisColour } from "../../lens/figure/colours.js";
import { choiceField, firstFrameOf, renderFigure, wholeField } from "../../lens/figure/figure.js";
import { escape } from "../../lens/figure/host.js";
import { neighbourOf, placeWords, shapeWords } from "../shared/tokens.js";

const CELL = 36;
const EDGE = 18; // room for the numbers of rows
const TOP = 34; // and for those of columns, and a word over them
const GAP = 112; // between the two images
const KNOT = 11; // radius of a branch's knot between them
const DASHES = ["", "7 4", "2 4", "9 3 2 3"]; // a branch is told by more than its colour

const figure = {
  kind: "fan_in",
  title: "What is added up in one token",
  watched: ["branches", "grid"],
  help: "Click an output token, or on either image use the arrow keys. The buttons show one branch alone.",
  fields: {
    at: wholeField(0, 0, (scene) => scene.tokens - 1),
    only: choiceField("all", (scene) => ["all", ...scene.branches.map(({ letter }) => letter)]),
  },

  prepare(get) {
    const [rows, columns] = get("grid") ?? [];
    if (![rows, columns].every((n) => Number.isInteger(n) && n > 0) || rows * columns > 64)
      throw new Error("it has no grid of tokens");
    const tokens = rows * columns;
    const isRow = (row) =>
      row?.length === tokens && row.every((strength) => Number.isFinite(strength) && strength >= 0);
    const branches = get("branches");
    if (!Array.isArray(branches) || !branches.length || branches.length > 4) throw new Error("it has no branch");
    for (const branch of branches) {
      if (!/^[a-z]$/.test(branch?.letter)) throw new Error("one of its branches has no letter");
      if (branch.strengths?.length !== tokens || !branch.strengths.every(isRow))
        throw new Error(`the strengths of ${branch.letter} do not fit the tokens`);
    }
    return {
      rows,
      columns,
      tokens,
      branches: branches.map(({ letter, strengths }) => ({
        letter,
        strengths,
        strongest: Math.max(...strengths.flat()),
        colour: axisColour(letter.toUpperCase()),
      })),
    };
  },

  html(scene, state, asleep) {
    const button = (value, words) =>
      `<button type="button" data-do="only" data-value="${value}" aria-pressed="${state.only === value}"${asleep ? " disabled" : ""}>${words}</button>`;
    const letters = scene.branches.map(({ letter }) => letter);
    const terms = scene.branches.map(
      ({ letter, colour }) => `<b class="vip-axis" style="--axis:${colour}">${letter}</b>`,
    );
    return `
<div class="vip-fan-choice" role="group" aria-label="Branches">${button("all", letters.join(" + "))}${letters.map((letter) => button(letter, `${letter} alone`)).join("")}</div>
${fanSvg(scene, state)}
<p class="vip-note">A line is a dependence that is not 0, and the thicker, the stronger in its branch. ${terms.map((term, i) => `${term} ${["whole", "dashed", "dotted", "dash and dot"][i]}`).join(", ")}.</p>`;
  },

  say(scene, state) {
    const { branches, tokens } = scene;
    const seen = branches.map(({ strengths }) => strengths[state.at]);
    const through = branches.map(({ letter }, b) => {
      const count = seen[b].filter(Boolean).length;
      return `through ${letter} ${count} of ${tokens}${count ? shapeWords(scene, state.at, seen[b]).replace(/^: /, ", ") : ""}`;
    });
    const sum = Array.from({ length: tokens }, (_, t) => seen.reduce((total, one) => total + one[t], 0));
    const itself = seen.filter((one) => one[state.at] > 0).length;
    const times = ["not at all", "once", "twice"][itself] ?? `${itself} times`;
    return (
      `What comes into the token in ${placeWords(scene, state.at)}: ${through.join("; ")}. ` +
      `Together ${sum.filter(Boolean).length} tokens${shapeWords(scene, state.at, sum)}; itself comes in ${times}.`
    );
  },

  act(scene, state, { name, value, key }) {
    if (name === "only") return { only: value };
    if (name !== "at") return undefined;
    const to = key === undefined ? Number(value) : neighbourOf(scene, state.at, key);
    return to === undefined || to === state.at ? undefined : { at: to };
  },
};

function fanSvg(scene, state) {
  const { rows, columns, branches } = scene;
  const [width, height] = [2 * EDGE + 2 * columns * CELL + GAP, TOP + Math.max(rows, 3) * CELL + 6];
  const right = EDGE + columns * CELL + GAP;
  const middle = (token, left) => [
    left + ((token % columns) + 0.5) * CELL,
    TOP + (Math.floor(token / columns) + 0.5) * CELL,
  ];
  const shown = branches.map(({ letter }) => state.only === "all" || state.only === letter);
  const spread = Math.min(CELL * 1.4, (rows * CELL - 2 * KNOT) / Math.max(1, branches.length - 1));
  const knots = branches.map((_, b) => [
    EDGE + columns * CELL + GAP * 0.55,
    TOP + (rows * CELL) / 2 + (b - (branches.length - 1) / 2) * spread,
  ]);
  const end = middle(state.at, right);
  const lines = branches.map((branch, b) => (shown[b] ? linesOf(branch, b, scene, state, middle, knots[b], end) : ""));
  const through = (token) => branches.filter(({ strengths }, b) => shown[b] && strengths[state.at][token] > 0);
  const words = `Input and output, ${rows} by ${columns} tokens each; chosen is the output token in ${placeWords(scene, state.at)}`;
  return (
    `<svg class="vip-fan" style="--wide:${width}px" viewBox="0 0 ${width} ${height}" tabindex="0" role="application" data-keys="at" aria-label="${escape(words)}">` +
    `${edges(scene, state, EDGE, -9, "input")}${edges(scene, state, right, columns * CELL + 9, "output")}` +
    `${tokensSvg(scene, EDGE, (token) => (through(token).length ? 'class="vip-fan-token vip-fan-in"' : 'class="vip-fan-token"'))}` +
    `${tokensSvg(scene, right, (token) => `class="vip-fan-token${token === state.at ? " vip-fan-at" : ""}" data-do="at" data-value="${token}"`)}` +
    `<g class="vip-fan-lines">${lines.join("")}</g>` +
    `<g>${Array.from({ length: scene.tokens }, (_, token) => chipsSvg(through(token), middle(token, EDGE))).join("")}</g>` +
    `<g>${knotsSvg(branches, shown, knots)}</g></svg>`
  );
}

function edges({ rows, columns }, { at }, left, side, name) {
  const number = (index, x, y, lit) => `<text class="${lit ? "vip-fan-lit" : ""}" x="${x}" y="${y}">${index}</text>`;
  return [
    `<text x="${left + (columns * CELL) / 2}" y="13">${name}</text>`,
    ...Array.from({ length: columns }, (_, c) => number(c, left + (c + 0.5) * CELL, TOP - 5, c === at % columns)),
    ...Array.from({ length: rows }, (_, r) =>
      number(r, left + side, TOP + (r + 0.5) * CELL + 4, r === Math.floor(at / columns)),
    ),
  ].join("");
}

function tokensSvg({ tokens, columns }, left, attributes) {
  const square = (_, token) => {
    const [x, y] = [left + (token % columns) * CELL, TOP + Math.floor(token / columns) * CELL];
    return `<rect x="${x + 1}" y="${y + 1}" width="${CELL - 2}" height="${CELL - 2}" ${attributes(token)}/>`;
  };
  return `<g>${Array.from({ length: tokens }, square).join("")}</g>`;
}

/** The letters of the branches through which an input token comes. @param {number[]} place */
function chipsSvg(through, place) {
  const [x, y] = place;
  const chip = ({ letter, colour }, i) => {
    const at = x + (i - (through.length - 1) / 2) * 11;
    return `<rect x="${at - 5.5}" y="${y - 8}" width="11" height="16" style="fill:${colour}"/><text class="vip-fan-letter" x="${at}" y="${y + 4}">${letter}</text>`;
  };
  return through.map(chip).join("");
}

/** From each token that comes in to the branch's knot, and from there on to the output token, at `end`. */
function linesOf({ strengths, strongest, colour }, b, { tokens, columns }, { at }, middle, knot, end) {
  const [[x, y], [endX, endY]] = [knot, end];
  const look = (wide) =>
    `style="stroke:${colour}" stroke-width="${wide.toFixed(1)}"${DASHES[b] && ` stroke-dasharray="${DASHES[b]}"`}`;
  const lines = Array.from({ length: tokens }, (_, token) => {
    const strength = strengths[at][token];
    if (!strength) return "";
    const [x0, y0] = middle(token, EDGE);
    const bow = 10 * ((token % columns) - (columns - 1) / 2); // or the lines of a row lay on each other
    return `<path d="M${x0} ${y0}C${x0 + 40} ${y0 + bow} ${x - 40} ${y + bow} ${x - KNOT} ${y}" ${look(1 + (2 * strength) / strongest)}/>`;
  });
  return `${lines.join("")}<path d="M${x + KNOT} ${y}C${x + 30} ${y} ${endX - 50} ${endY} ${endX - CELL / 2 + 3} ${endY}" ${look(2.5)}/>`;
}

function knotsSvg(branches, shown, knots) {
  return branches
    .map(({ letter, colour }, b) => {
      const [x, y] = knots[b];
      const plus = b ? `<text class="vip-fan-plus" x="${x}" y="${(y + knots[b - 1][1]) / 2 + 5}">+</text>` : "";
      return `${plus}<g${shown[b] ? "" : ' class="vip-fan-off"'}><circle cx="${x}" cy="${y}" r="${KNOT}" style="fill:${colour}"/><text class="vip-fan-letter" x="${x}" y="${y + 5}">${letter}</text></g>`;
    })
    .join("");
}

export const render = renderFigure(figure);
export const firstFrame = firstFrameOf(figure);
