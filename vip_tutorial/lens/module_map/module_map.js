// The map of a run: all of it in one look, beside the lines that made it.  A press on a
// line or on an act opens the lens there.

import { axisColour } from "../figure/colours.js";
import { firstFrameOf, choiceField, renderFigure } from "../figure/figure.js";
import { escape, offHtml } from "../figure/host.js";
import { isCalm } from "../figure/motion.js";
import { drawWhole, paintParts, paintSvg } from "../figure/paint.js";
import { SIGNS, bornParts, partsHtml } from "../permute_lens/legend.js";
import { ARROWS, actionName, freed, letGo } from "../permute_lens/lens_acts.js";
import { figure as lens } from "../permute_lens/permute_lens.js";
import { speedHtml } from "../permute_lens/player.js";
import { formatOf, neighbour } from "../permute_lens/scene.js";
import { hasWindows } from "../permute_lens/window.js";
import { groupsOf, modulesOf, movesOf, nameOf } from "./map_graph.js";
import { layOut, throughWindows } from "./map_layout.js";
import { listingOf } from "./map_listing.js";
import { drawMap } from "./map_picture.js";
import { mapWords } from "./map_words.js";

const SLOW = 2800; // milliseconds of an act
const MOST_IN_SIGHT = 380; // of the height of the picture
const STEPS_OF_SLIDER = { ArrowRight: 1, ArrowUp: 1, PageUp: 1, ArrowLeft: -1, ArrowDown: -1, PageDown: -1 };

const HELP =
  "Point at a line of code, or at an act of the picture, to see them together; press it to open the lens there, which shows the step large. " +
  "Click a cell of a tensor to follow its number through the run; where it is blended with others, it is said what it has gone into. " +
  "On the picture: arrow keys follow the neighbour along the last two axes, Shift and arrow keys along the two before them, Escape lets go; " +
  "N and P go from act to act, Home and End jump, Space plays. " +
  "In the lens: ";

export const figure = {
  kind: "module_map",
  title: lens.title,
  watched: [...lens.watched, "here"],
  help: (scene) =>
    (scene.here
      ? "Press an act to open the lens there, which shows the step large. Click a cell to follow it. In the lens: "
      : HELP) + lens.help(scene),

  fields: {
    ...lens.fields,
    step: { ...lens.fields.step, usual: undefined },
    view: choiceField("map", ["map", "lens"]),
    open: choiceField("", ({ run }) => ["", "all", ...modulesOf(run)]),
  },

  misfits: (scene, state) => (state.view === "lens" ? lens.misfits(scene, state) : []),

  prepare(get) {
    const scene = lens.prepare(get);
    const here = get("here") || "";
    const title = here ? `You are here: ${here}` : scene.title;
    const misfits = get("misfits") ?? [];
    return { ...scene, title, here, misfits, listing: listingOf(scene.run), maps: new Map() };
  },

  first: (scene) => ({ ...lens.first(scene), step: scene.run.steps.length }),

  html(scene, state, asleep) {
    if (state.view === "lens") {
      const back =
        '<p class="vip-map-back vip-scripted"><button type="button" data-do="map">◀ Back to the map</button></p>';
      return [back, ...[lens.html(scene, state, asleep)].flat()];
    }
    const view = viewOf(scene, state);
    if (scene.here) return `<div class="vip-map vip-here">${pictureHtml(scene, state, view, asleep)}</div>`;
    return [
      `<div class="vip-map">${pictureHtml(scene, state, view, asleep)}${playerHtml(scene, state)}${codeHtml(scene, state, view, asleep)}</div>`,
    ];
  },

  options(scene, state) {
    if (state.view === "lens") return lens.options(scene, state);
    if (scene.here) return "";
    const fills = Object.entries(scene.fills).filter(([key]) => key !== "gradient");
    const choices = fills.map(
      ([key, text]) => `<option value="${key}"${key === state.fill ? " selected" : ""}>${text}</option>`,
    );
    const every = state.open === "all" ? " checked" : "";
    const module = every ? "" : state.open;
    return (
      `<label>Colour a cell by <select data-part="fill" data-set="fill">${choices.join("")}</select></label>` +
      `<label>Speed ${speedHtml(state.speed)}</label>` +
      `<label><input type="checkbox" data-set="every"${every}> every step by itself</label>` +
      (module ? `<button type="button" data-do="fold">Fold ${escape(module)} again</button>` : "")
    );
  },

  foot: lens.foot,

  say(scene, state, body) {
    return state.view === "lens" ? lens.say(scene, state, body) : wordsOf(scene, state);
  },

  act(scene, state, action) {
    const { name, value } = action;
    if (name === "map") return { view: "map", dir: "", axis: -1, seek: true };
    if (name === "open") {
      const calm = isCalm() ? lens.motion.calm(state) : {};
      return { view: "lens", step: +value, axis: -1, seek: true, ...calm };
    }
    if (state.view === "lens") return lens.act.call(lens, scene, state, action);
    return actOnMap(scene, state, action);
  },

  motion: {
    field: "step",
    next(scene, state) {
      if (state.view === "lens") return lens.motion.next(scene, state);
      const next = mapOf(scene, state).groups[actAt(scene, state) + 1];
      return next ? { step: endOf(next), slowly: true } : undefined;
    },
    lasts: (scene, state) => (state.view === "map" ? SLOW / state.speed : lens.motion.lasts(scene, state)),
    shows: (scene, state) =>
      state.view === "map" ? String(viewOf(scene, state).current) : lens.motion.shows(scene, state),
    calm: () => ({}), // in the map nothing is written into the cells
  },

  lit: (scene, state) => (state.view === "lens" ? lens.lit(scene, state) : []),

  hint: (scene, state, place) => (state.view === "lens" ? lens.hint(scene, state, place) : ""),

  paint(body, scene, state, theme) {
    if (state.view === "lens") return lens.paint(body, scene, state, theme);
    const stage = body.querySelector('[data-part="map"]');
    const format = (scene.format = formatOf(body.clientWidth)); // the style sheet asks the figure's width, too
    const view = viewOf(scene, state);
    const picture = pictureOf(mapOf(scene, state)[format], view);
    const scrub = body.querySelector('[data-part="scrub"]');
    if (scrub) scrub.value = state.moving ?? state.step;
    makeRoom(body);
    const scale = (stage.clientWidth / picture.width) * (window.devicePixelRatio || 1);
    paintParts(
      stage.querySelector("canvas"),
      picture,
      scale,
      theme(),
      JSON.stringify([picture.width, view, state.open]),
    );
  },
};

/** The player stands on the sentence, however long that is. @param {HTMLElement} body */
function makeRoom({ style, nextElementSibling: sentence }) {
  const high = `${/** @type {HTMLElement} */ (sentence).offsetHeight}px`;
  if (style.getPropertyValue("--vip-said") !== high) style.setProperty("--vip-said", high);
}

/** What a map says of a state; a small one does not change. */
function wordsOf(scene, state) {
  if (scene.here)
    return "The part that this chapter is about, in the whole module. Press one of its acts to open the lens there.";
  return mapWords(scene.run, mapOf(scene, state).groups, state, actAt(scene, state));
}

const endOf = ({ steps }) => steps[steps.length - 1] + 1;

/** The act that a state has reached, -1 before the first. */
const actAt = (scene, state) =>
  state.step <= 0 ? -1 : mapOf(scene, state).groups.findIndex((group) => state.step <= endOf(group));

/** The groups that are shown, and where they stand in either format. */
function mapOf({ run, plans, maps }, { open }) {
  if (!maps.has(open)) {
    const groups = groupsOf(run, open);
    const flights = new Map();
    const plan = (format) => ({ run, groups, flights, lens: plans[format], layout: layOut(run, groups, format) });
    maps.set(open, { groups, wide: plan("wide"), narrow: plan("narrow") });
  }
  return maps.get(open);
}

/** Whether the whole run is shown, rather than the last of its acts. */
const seesWhole = ({ run }, { step, moving, playing, arrived }) =>
  step >= run.steps.length && moving === undefined && !playing && !arrived;

/** @returns {import("./map_picture.js").View & {progress: number}} */
function viewOf(scene, state) {
  const { groups } = mapOf(scene, state);
  const position = state.moving ?? state.step;
  // On the way the next act has begun, where the last one has ended.
  const isIn = (group) => (state.moving === undefined ? position <= endOf(group) : position < endOf(group));
  const isWhole = seesWhole(scene, state);
  const current =
    (position <= 0 && state.moving === undefined) || isWhole ? -1 : groups.findIndex((group) => isIn(group));
  const start = current > 0 ? endOf(groups[current - 1]) : 0;
  const progress =
    state.moving === undefined || current < 0 ? 1 : (position - start) / (endOf(groups[current]) - start);
  const lit = state.glance === undefined ? [] : stepsOf(scene, state, state.glance);
  const fill = state.fill === "gradient" ? "birth" : state.fill;
  const here = scene.here ? groups.filter((group) => isHere(scene, group)) : null;
  const { cell, window } = state;
  const { misfits } = scene;
  return { position, moving: state.moving !== undefined, current, progress, lit, cell, window, fill, here, misfits };
}

const isHere = ({ run, here }, group) =>
  group.steps.map((i) => run.steps[i]).some(({ source, module }) => source?.function === here || module === here);

/** The steps that a line ("l3") or an act ("a3") stands for. */
function stepsOf(scene, state, place) {
  const number = +place.slice(1);
  const all = place[0] === "l" ? scene.listing.lines : mapOf(scene, state).groups;
  return all[number]?.steps ?? [];
}

function pictureOf(map, view) {
  const plan = { ...map, layout: throughWindows(map.run, view, map.layout) };
  const { width, height } = plan.layout;
  const key = `${view.progress}`;
  return {
    width,
    height,
    parts: [{ x: 0, y: 0, width, height, key, draw: (drawing) => drawMap(plan, drawing, view, view.progress) }],
  };
}

function codeHtml(scene, state, view, asleep) {
  const { listing } = scene;
  const act = mapOf(scene, state).groups[view.current];
  const isLit = (steps) => steps.some((i) => view.lit.includes(i));
  const groups = listing.functions.map(({ name, lines }) => {
    const rows = lines.map((index, i) => {
      const { text, steps, line } = listing.lines[index];
      const previous = listing.lines[lines[i - 1]];
      const isGap = previous && line > previous.line + previous.text.split("\n").length;
      const gap = isGap ? '<li class="vip-map-gap" aria-hidden="true">…</li>' : "";
      const now = act && steps.some((i) => act.steps.includes(i));
      const marks = `${isLit(steps) || now ? ' class="vip-lit"' : ""}`;
      const doing = asleep ? " disabled" : "";
      return (
        `${gap}<li><button type="button" data-do="open" data-value="${steps[0] + 1}" data-glance="l${index}"${marks}${doing}>` +
        `<code>${escape(text)}</code></button></li>`
      );
    });
    return `<li><b style="--axis:${branchColour(name)}">${escape(name)}</b><ol>${rows.join("")}</ol></li>`;
  });
  return (
    `<div class="vip-map-code"><p class="vip-note">Lines that make steps; “…” for the rest.</p>` +
    `<ol aria-label="The lines that make steps">${groups.join("")}</ol></div>`
  );
}

function pictureHtml(scene, state, view, asleep) {
  const map = mapOf(scene, state);
  const label = `${scene.title}. ${wordsOf(scene, state)}`;
  const svg = (format) => paintSvg(drawWhole(pictureOf(map[format], view)), `vip-${format}`, label);
  const picture = asleep ? svg("wide") + svg("narrow") : '<canvas aria-hidden="true"></canvas>';
  const awake = asleep
    ? ""
    : `tabindex="0" role="application" aria-roledescription="map" data-keys="walk" data-point="follow" data-refuge aria-label="${escape(label)}"`;
  const ratio = (format) => `${map[format].layout.width} / ${map[format].layout.height}`;
  const acts = (format) =>
    `<div class="vip-map-acts vip-${format}">${map.groups.map((group, i) => actHtml(scene, map[format], group, i, view, asleep, format)).join("")}</div>`;
  const inSight = (format) => inSightHtml(map[format].layout, map.groups[view.current], format);
  return (
    `<div class="vip-map-side"><div class="vip-stage" style="--wide:${ratio("wide")};--narrow:${ratio("narrow")}">` +
    `<div class="vip-map-canvas" data-part="map" ${awake}>${picture}</div>${acts("wide")}${acts("narrow")}${inSight("wide")}${inSight("narrow")}</div>` +
    `${scene.here ? "" : `<p class="vip-looks">${legendHtml(scene, view)}</p>`}</div>`
  );
}

/** The part of the picture in which an act happens: its output, and as much above as a small window can show. */
function inSightHtml({ stations, height }, group, format) {
  if (!group) return "";
  const end = stations.get(group.output);
  const bottom = end.y + end.height + 16;
  const top = Math.max(bottom - MOST_IN_SIGHT, Math.min(...group.inputs.map((id) => stations.get(id).y)));
  const percent = (y) => ((100 * y) / height).toFixed(2);
  return `<i class="vip-map-now vip-${format}" data-in-sight style="top:${percent(top)}%;height:${percent(bottom - top)}%"></i>`;
}

/** What the looks of the map's cells mean. */
function legendHtml({ run, plans }, { fill }) {
  const born = { birth: bornParts(plans.wide), picture: ["grey: its token's piece of the picture"] }[fill] ?? [];
  if (born.length) born.push("below: all that a blend has seen");
  return partsHtml([...born, `weight, value: ${SIGNS}`, ...(hasWindows(run) ? ["of a large tensor: a part"] : [])]);
}

/** The name of an act, where it stands in the picture: a button that opens the lens there. */
function actHtml({ run }, { layout, groups }, group, i, view, asleep, format) {
  const { x, y, matrix } = layout.acts.get(group);
  const name = nameOf(run, group);
  const moves = movesOf(run, group);
  const first = run.steps[group.steps[0]];
  const isMoves = moves.length === group.steps.length;
  const said = isMoves ? moves.join(", ") : name;
  const isLit = i === view.current || group.steps.some((step) => view.lit.includes(step));
  const isTight = format === "narrow";
  const short = !isMoves ? name : moves.length > 1 ? `${moves.length} moves` : moves[0];
  const style = `left:${((100 * x) / layout.width).toFixed(2)}%;top:${((100 * y) / layout.height).toFixed(2)}%`;
  const named = branchName(run, groups, group);
  const head = named && !(isTight && matrix) ? `<b style="--axis:${branchColour(named)}">${escape(named)}</b> ` : "";
  const text = head && isTight ? "" : group.module ? `${short} ▸` : short;
  const where = first.source?.function ? `${first.source.function}: ` : "";
  const doing = group.module
    ? `data-do="unfold" data-value="${escape(group.module)}" aria-expanded="false"`
    : `data-do="open" data-value="${tellingStep(run, group)}"`;
  const folded = group.module ? `, ${group.steps.length} steps` : "";
  return (
    `<button type="button" class="${matrix ? "vip-beside" : ""}${isLit ? " vip-lit" : ""}${view.moving && i === view.current ? " vip-passed" : ""}${view.here && !view.here.includes(group) ? " vip-back" : ""}" style="${style}" ${doing} ` +
    `data-glance="a${i}" aria-label="${escape(`${where}${said}${folded}`)}"${asleep ? " disabled" : ""}>${head}${escape(text)}</button>`
  );
}

/** The function that a branch begins in, where several begin at one tensor. */
function branchName(run, groups, { inputs, steps }) {
  const nameOfFirst = (group) => run.steps[group.steps[0]].source?.function ?? "";
  const name = run.steps[steps[0]].source?.function ?? "";
  if (inputs.length > 1) return "";
  const others = groups.filter((group) => group.inputs.length === 1 && group.inputs[0] === inputs[0]);
  return others.length > 1 && others.filter((group) => nameOfFirst(group) === name).length === 1 ? name : "";
}

/** The colour of a branch by what it is called: height has that of H. */
const branchColour = (name) => axisColour(name[0]?.toUpperCase() ?? "");

/** Number, from 1, of the step of a group that says most: its Linear, else its first that is no move. */
function tellingStep(run, group) {
  const telling =
    group.steps.find((i) => run.steps[i].kind === "mix") ?? group.steps.find((i) => run.steps[i].kind !== "move");
  return (telling ?? group.steps[0]) + 1;
}

function playerHtml({ run }, state) {
  const { step } = state;
  return `<div class="vip-player vip-scripted">
  <button type="button" data-do="back"${offHtml(step <= 0)}>◀ Back</button>
  <button type="button" data-do="play" aria-pressed="${Boolean(state.playing)}">${state.playing ? "❚❚ Pause" : "▶ Play"}</button>
  <button type="button" data-do="next"${offHtml(step >= run.steps.length && !state.playing)}>Next ▶</button>
  <input type="range" min="0" max="${run.steps.length}" step="0.01" value="${state.moving ?? step}" data-part="scrub" data-set="scrub" data-let-go="land"
    data-keys="scrub" aria-label="Scrub through the run" aria-valuetext="step ${step} of ${run.steps.length}">
</div>`;
}

function actOnMap(scene, state, action) {
  const { value, key, shift, x, y, calm } = action;
  const { run } = scene;
  const { groups } = mapOf(scene, state);
  const current = actAt(scene, state);
  const stepOf = (i) => (i < 0 ? 0 : endOf(groups[Math.min(i, groups.length - 1)]));
  const to = (i, slowly = true) => ({ step: stepOf(i), slowly, arrived: true });
  const asked = actionName(action);
  // A small map has no acts to walk through.
  if (scene.here && action.name === "walk" && !["walk", "let go"].includes(asked)) return undefined;
  switch (asked) {
    case "play":
      if (state.playing) return { playing: false };
      return { ...(current + 1 < groups.length ? {} : { step: 0 }), playing: true, slowly: false, arrived: false };
    case "next":
      return state.playing ? { playing: false } : to(current + 1);
    case "back":
      return state.playing ? { playing: false } : to(current - 1, false);
    case "first":
      return { step: 0 };
    case "last":
      return { step: run.steps.length, arrived: false };
    case "let go":
      return letGo(run, state);
    case "fill":
      return { fill: value };
    case "speed":
      return { speed: value };
    case "every":
      return { open: value ? "all" : "" };
    case "unfold":
      return { open: value };
    case "fold":
      return { open: "" };
    case "scrub": {
      if (key !== undefined) {
        const by = STEPS_OF_SLIDER[key];
        return by && to(current + by, false);
      }
      const position = +value;
      const next = groups.findIndex((group) => position <= endOf(group));
      const step = position > 0 ? stepOf(next < 0 ? groups.length : next) : 0;
      return { step, moving: !calm && position < step ? position : undefined };
    }
    case "land": {
      const away = (i) => Math.abs(value - stepOf(i));
      const nearest = groups.reduce((best, _, i) => (away(i) < away(best) ? i : best), -1);
      return { ...to(nearest, false), arrived: value < run.steps.length };
    }
    case "glance":
      return { glance: value === "" ? undefined : value };
    case "follow": {
      const cell = hitMap(mapOf(scene, state)[scene.format], state, x, y);
      if (cell === undefined) return undefined;
      return cell === state.cell ? letGo(run, state) : { cell, ...freed(state) };
    }
    case "walk": {
      const [fromEnd, by] = ARROWS[key] ?? [];
      if (!by) return undefined;
      const now = { ...state, moving: undefined, backward: false };
      return { cell: neighbour(run, now, fromEnd + (shift ? 2 : 0), by) ?? state.cell, ...freed(state) };
    }
  }
}

/** The element of the input whose place is pointed at. */
function hitMap({ run, layout }, state, x, y) {
  const [left, top] = [x * layout.width, y * layout.height];
  for (const station of throughWindows(run, state, layout).stations.values()) {
    const homes = station.layout && run.homes(station.id);
    if (!homes) continue;
    const [dx, dy] = [left - station.x + station.width / 2, top - station.y];
    const k = station.layout.elements.find((i) => {
      const [cx, cy] = station.layout.place(i);
      return dx >= cx && dx < cx + station.cell.width && dy >= cy && dy < cy + station.cell.height;
    });
    if (k !== undefined) return homes[k];
  }
}

export const render = renderFigure(figure);
export const firstFrame = firstFrameOf(figure);
