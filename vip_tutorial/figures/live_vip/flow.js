// The flow of a network as parts of a figure: canvases that its pictures are painted on, and
// over the pictures of a branch buttons that open the lens there.

import { axisColour } from "../../lens/figure/colours.js";
import { Drawing, paintParts, paintSvg } from "../../lens/figure/paint.js";
import { formatOf } from "../../lens/permute_lens/scene.js";
import { BRANCHES } from "../shared/triangle.js";
import { layOut, tileAt } from "./flow_layout.js";
import { drawBlock, drawEnd, drawStart } from "./flow_picture.js";
import { stepsOf } from "./live_lens.js";

const ACTS = {
  h: { lay: "columns become rows", mix: "each row is mixed", home: "rows go home as columns" },
  w: { lay: "rows lie side by side", mix: "each row is mixed", home: "rows go home" },
  c: { lay: "each token by itself", mix: "its channels are mixed", home: "nothing has moved" },
};
const SHORT = { lay: { h: "columns → rows", w: "rows", c: "tokens" }, mix: "mix", home: "home" };

/** @returns {Record<"wide" | "narrow", *>} where all stands */
export const planFlow = (network) => layOut(network);

/** The sections of a flow, from top to bottom: "start", the numbers of the blocks, "end". */
const placesOf = (plan, section) => plan[typeof section === "number" ? "block" : section];

function drawnOf(plan, section, flow) {
  const places = placesOf(plan, section);
  const drawing = new Drawing(places.width, places.height);
  if (section === "start") drawStart(drawing, flow, places);
  else if (section === "end") drawEnd(drawing, flow, places);
  else drawBlock(drawing, flow, section, places);
  return drawing;
}

/** A section's place to draw; where no script paints, its picture. */
export function sectionHtml(scene, plans, section, flow, asleep) {
  const words = `${flow.beside ? "The difference to the other picture. " : ""}${wordsOf(scene, section)}`;
  const bitmaps = { name: `${scene.name}-${section}`, ids: new Map() };
  const svg = (format) => paintSvg(drawnOf(plans[format], section, flow), `vip-${format}`, words, bitmaps);
  const ratio = (format) => `${placesOf(plans[format], section).width} / ${placesOf(plans[format], section).height}`;
  const picture = asleep ? svg("wide") + svg("narrow") : `<canvas role="img" aria-label="${words}"></canvas>`;
  const over = ["wide", "narrow"].map((format) =>
    overHtml(scene, placesOf(plans[format], section), section, format, asleep),
  );
  return (
    `<div class="vip-stage vip-flow${flow.beside ? " vip-differs" : ""}" style="--wide:${ratio("wide")};--narrow:${ratio("narrow")}" data-flow="${section}"` +
    `${asleep ? "" : ` data-point="pick-${section}"`}>${picture}${over.join("")}</div>`
  );
}

function wordsOf({ network: { C } }, section) {
  const tiles = `each of the ${C} channels a tile`;
  if (section === "start") return `The picture becomes tokens, ${tiles}.`;
  if (section === "end") return "The last tokens are normalised and averaged; a Linear makes scores of the mean.";
  const lanes = BRANCHES.map(([b, name]) => `${name}: ${ACTS[b].lay}, ${ACTS[b].mix}, ${ACTS[b].home}`);
  return `Block ${section + 1}. ${lanes.join("; ")}. The three are weighed and blended, projected and added, and the channel MLP is added; ${tiles}.`;
}

/** What everything is called, and the buttons. */
function overHtml(scene, places, section, format, asleep) {
  const percent = (part, whole) => `${((100 * part) / whole).toFixed(2)}%`;
  const at = (x, y, width, height) =>
    `left:${percent(x, places.width)};top:${percent(y, places.height)};width:${percent(width, places.width)};height:${percent(height, places.height)}`;
  const label = (box, text) => {
    const left = Math.max(0, box.x - 20);
    const right = Math.min(places.width, box.x + box.width + 20);
    return `<span style="${at(left, box.y - 12, right - left, 11)}">${text}</span>`;
  };
  const inner =
    typeof section === "number"
      ? blockOver(scene, places, section, at, label, asleep)
      : endsOver(scene, places, section, label);
  return `<div class="vip-flow-over vip-${format}">${inner}</div>`;
}

function endsOver({ network: { C, sizes } }, { boxes }, section, label) {
  const names =
    section === "start"
      ? ["picture", `tokens, ${C} channels`]
      : ["norm", sizes.flatten ? "all tokens" : "mean", "probabilities"];
  return boxes.map((box, i) => label(box, names[i])).join("");
}

function blockOver(scene, { lanes, blend, middle, after }, section, at, label, asleep) {
  const buttons = BRANCHES.flatMap(([b, name]) => {
    if (!scene.recordings[b]) return [];
    const steps = stepsOf(scene, b);
    const lane = lanes[b];
    const button = (act, from, to) => {
      const text = act === "lay" ? SHORT.lay[b] : SHORT[act];
      const bottom = Math.max(from.y + from.height, to.y + to.height);
      const top = Math.min(from.y, to.y) - 12;
      return (
        `<button type="button" style="${at(from.x - 2, top, to.x + to.width - from.x + 4, bottom - top + 2)};--axis:${axisColour(b.toUpperCase())}" data-do="lens" ` +
        `data-value="${section + 1}${b}${steps[act]}" aria-label="Block ${section + 1}, ${name}: ${ACTS[b][act]}; see it step by step"${asleep ? " disabled" : ""}><span>${text}</span></button>`
      );
    };
    const { x, y, width, height } = lane.bars;
    const blend =
      `<button type="button" style="${at(x - 2, y - 12, width + 4, height + 14)};--axis:${axisColour(b.toUpperCase())}" data-do="blend" ` +
      `data-value="${section + 1}" aria-label="Block ${section + 1}, ${name}: weighed and blended; see the numbers"${asleep ? " disabled" : ""}></button>`;
    return [
      blend,
      button("lay", lane.picture, lane.rows),
      button("mix", lane.matrix, lane.matrix),
      button("home", lane.mixed, lane.home),
    ];
  });
  const names = [label(blend, "blend"), label(middle, "project, add"), label(after, "channel MLP, add")];
  return buttons.join("") + names.join("");
}

/** Paint every section. */
export function paintFlow(body, plans, flow, theme, looks) {
  for (const stage of body.querySelectorAll("[data-flow]")) {
    const { flow: name } = stage.dataset;
    const section = /^\d+$/.test(name) ? +name : name;
    const width = stage.clientWidth;
    const plan = plans[formatOf(width)];
    const { width: wide, height } = placesOf(plan, section);
    const draw = (drawing) => Object.assign(drawing, drawnOf(plan, section, flow));
    const picture = { width: wide, height, parts: [{ x: 0, y: 0, width: wide, height, key: "", draw }] };
    paintParts(stage.querySelector("canvas"), picture, (width / wide) * (window.devicePixelRatio || 1), theme(), looks);
  }
}

/** The channel and token that are pointed at in a section; undefined if none is. */
export function pickAt(plans, section, flow, { x, y, width }) {
  const places = placesOf(plans[formatOf(width)], section);
  const { lanes, boxes, blend, middle, after } = places;
  const tiles = boxes
    ? [section === "start" ? boxes[1] : boxes[0]]
    : [lanes.h.home, lanes.w.home, lanes.c.home, blend, middle, after];
  return tileAt(tiles, flow.network, flow.order, x * places.width, y * places.height);
}
