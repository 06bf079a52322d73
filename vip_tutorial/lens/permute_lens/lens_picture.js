// A lens as a picture that stands alone, in a file: all that its figure shows at a moment,
// with the words around it.  The words are set in letters of one width, so that whoever
// draws them, colour and line stand where they belong.

import { openFigure } from "../figure/figure.js";
import { escape } from "../figure/host.js";
import { Drawing, drawWhole, paintSvg } from "../figure/paint.js";
import { MARGIN } from "./exhibit.js";
import { codeHtml, headsHtml, memoryHtml, sayText, stridesHtml } from "./lens_html.js";
import { legendHtml } from "./legend.js";
import { memoryParts } from "./memory.js";
import { paneParts } from "./panes.js";
import { figure, lensState } from "./permute_lens.js";
import { exhibitOf, moment } from "./scene.js";

const EDGE = 16;
const LETTER = 0.602; // of its size is a letter wide
const LINE = 1.45;
const FONT = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace";
const PLAIN = {};
const MARKED = { back: "#FFE9A8", ink: "#1B1F24" };

/**
 * @param {object} data the figure's values
 * @param {Record<string, string>} theme the colours that have names
 * @returns {string} JSON: the picture as SVG, and the marks that it is made of
 */
export function picture(data, theme) {
  const { scene, start } = openFigure(figure, data);
  const { run, plans, title } = scene;
  const plan = plans.wide;
  const state = lensState(start);
  const now = moment(run, state, state.step);
  const { left, right, between, height } = exhibitOf(plan, now, state);
  const sheet = new Sheet(plan.size.width, theme);
  const { source, call } = now.step;
  sheet.write(escape(title), { size: 17 });
  sheet.write(codeHtml(run, state), { size: 14 });
  sheet.write(`ran as ${escape(call)}${source ? escape(`   ${source.file}, line ${source.line}`) : ""}`);
  sheet.skip(6);
  const places = [left, ...(between ? [between] : []), right];
  const heads = headsHtml(run, state)
    .split(/<div data-part="\w+">/)
    .slice(1); // as many
  const edges = [...places.slice(1).map(({ x }) => x), plan.size.width];
  sheet.side(heads.map((html, i) => [html, { x: places[i].x + MARGIN, width: edges[i] - places[i].x - 12 }]));
  sheet.skip(4);
  sheet.add(drawWhole({ ...paneParts(plan, state, state.step), height }));
  sheet.write(legendHtml(plan, state).replaceAll("</span> <span>", " · "));
  sheet.skip(8);
  sheet.write(memoryHtml(run, state));
  sheet.write(stridesHtml(run, state));
  const strip = memoryParts(plan, state, state.step);
  const drawn = drawWhole(strip);
  if (drawn.boxes.length) sheet.add(drawn);
  sheet.skip(6);
  const words = sayText(run, state, plan);
  sheet.write(escape(words), { size: 13 });
  sheet.write(figure.foot({ ...scene, program: "" })); // nobody can press a picture
  return sheet.done(title, words);
}

class Sheet {
  constructor(width, theme) {
    this.width = width;
    this.theme = theme;
    this.y = EDGE;
    this.drawing = new Drawing(width + 2 * EDGE, 0);
  }

  skip(height) {
    this.y += height;
  }

  /** A drawing of its own, under what is there; the names of its colours become colours. */
  add({ height, layers, marks }) {
    const colour = (name) => this.theme[name] ?? name;
    const { drawing: whole, y } = this;
    for (const { fill, alpha, layer, cells } of layers)
      for (let i = 0; i < cells.length; i += 4)
        whole.box(cells[i] + EDGE, cells[i + 1] + y, cells[i + 2], cells[i + 3], colour(fill), alpha, layer);
    for (const mark of marks) {
      const moved = { ...mark };
      if (mark.points) moved.points = mark.points.map(([px, py]) => [px + EDGE, py + y]);
      else [moved.x, moved.y] = [mark.x + EDGE, mark.y + y];
      for (const key of ["fill", "stroke"]) if (mark[key]) moved[key] = colour(mark[key]);
      whole.marks.push(moved);
    }
    this.y += height;
  }

  /** Pieces of text beside each other. */
  side(pieces) {
    const top = this.y;
    const ends = pieces.map(([html, place]) => {
      this.y = top;
      this.write(html, place);
      return this.y;
    });
    this.y = Math.max(...ends);
  }

  /** Text as the figure has it, in lines; of its looks what tells something is kept. */
  write(html, { x = 0, width = this.width, size = 12 } = {}) {
    const most = Math.max(8, Math.floor(width / (size * LETTER)));
    const lines = [[]];
    let at = 0;
    const turn = () => {
      if (at) lines.push([]);
      at = 0;
    };
    for (const { text, look } of runsOf(html)) {
      if (text === "\n") turn();
      else
        for (const word of look.back ? [text] : text.split(/(?<=\s)(?=\S)/))
          for (let rest = word; rest;) {
            if (at && at + rest.trimEnd().length > most) turn();
            const piece = rest.slice(0, Math.max(most - at, 1));
            lines.at(-1).push({ text: piece, at, look });
            at += piece.length;
            rest = rest.slice(piece.length);
          }
    }
    for (const line of lines.filter((one) => one.length)) {
      this.y += size * LINE;
      for (const run of joined(line)) this.#run(run, x + EDGE, size);
    }
  }

  #run({ text, at, look: { ink = "ink", back, under } }, x, size) {
    const { drawing: whole, theme, y } = this;
    const skipped = text.length - text.trimStart().length;
    const [left, long] = [x + at * size * LETTER, text.length * size * LETTER];
    if (back) whole.box(left, y - size * 0.95, long, size * 1.25, back);
    if (under) whole.box(left, y + size * 0.22, long, 2, under);
    const shown = text.trim().replaceAll("  ", "\u00a0\u00a0"); // which SVG would make one
    if (shown) whole.text(left + skipped * size * LETTER, y, shown, size, theme[ink] ?? ink, "start");
  }

  done(title, words) {
    const { drawing, theme } = this;
    drawing.height = Math.ceil(this.y + EDGE);
    drawing.box(0, 0, drawing.width, drawing.height, theme.paper, 1, -1);
    const head = `<title>${escape(title)}</title><desc>${escape(words)}</desc>`;
    const svg = paintSvg(drawing, "vip-picture", title)
      .replace(">", ` width="${drawing.width}" height="${drawing.height}" font-family="${FONT}">${head}`)
      // What XML may not hold, not even escaped.
      .replace(/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, "\ufffd");
    const { width, height, layers, marks } = drawing;
    return JSON.stringify({ svg, width, height, layers, marks });
  }
}

/** Text with its looks, out of HTML that the figure made itself. */
function* runsOf(html) {
  let look = PLAIN;
  for (const piece of html.replace(/<button[^]*?<\/button>/g, "").split(/(<[^>]*>)/)) {
    const [, axis] = /^<b style="--axis:(#\w+)"/.exec(piece) ?? [];
    const [, back, ink] = /^<i style="background:(#\w+);color:(#\w+)"/.exec(piece) ?? [];
    if (piece[0] !== "<") {
      const text = unescape(piece);
      if (text || look.ink) yield { text: look === PLAIN || look === MARKED || look.under ? text : ` ${text} `, look };
    } else if (axis) look = { under: axis };
    else if (back) look = { back, ink };
    else if (piece === "<mark>") look = MARKED;
    else if (/^<\/(b|i|mark)>/.test(piece)) look = PLAIN;
    else if (/^<(p|span) class="vip-(numbers|window|omitted|failed)"/.test(piece)) yield { text: "\n", look };
  }
}

/** Runs that look alike, as one. */
function joined(line) {
  const found = [];
  for (const { text, at, look } of line) {
    const last = found.at(-1);
    if (last?.look === look) last.text += text;
    else found.push({ text, at, look });
  }
  return found;
}

const unescape = (text) => text.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(code)).replace(/[\t\n\r]/g, " ");
