// A drawing is a list of marks.  It is painted on a canvas where there is a script and
// written as SVG where there is none, so both show the same picture.

import { bitmapUrl } from "./bitmap.js";
import { escape } from "./host.js";

/**
 * Boxes are kept by fill: to change the colour for each of 2,048 cells would be slow.
 * Colours are "#rrggbb", or the name of a theme colour ("ink", "faint", "accent").
 */
export class Drawing {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.boxes = [];
    this.byFill = new Map();
    this.marks = [];
  }

  /** What lies on a higher layer covers what lies on a lower one, whatever came first. */
  box(x, y, width, height, fill, alpha = 1, layer = 0) {
    // No text is put together to find the group: this runs for each cell of each frame.
    let groups = this.byFill.get(fill);
    if (!groups) this.byFill.set(fill, (groups = []));
    let group = groups.find((one) => one.alpha === alpha && one.layer === layer);
    if (!group) {
      group = { fill, alpha, layer, cells: [] };
      groups.push(group);
      this.boxes.push(group);
    }
    group.cells.push(x, y, width, height);
  }

  get layers() {
    return [...this.boxes].sort((one, other) => one.layer - other.layer);
  }

  /**
   * Many cells without gaps, one after the other: quicker to paint than boxes.
   * @param {import("./bitmap.js").Bitmap} bitmap
   */
  image(x, y, width, height, bitmap, alpha = 1) {
    this.marks.push({ kind: "image", x, y, width, height, bitmap, alpha });
  }

  outline(x, y, width, height, stroke, thickness = 1) {
    this.marks.push({ kind: "outline", x, y, width, height, stroke, thickness });
  }

  curve(points, stroke, thickness = 1) {
    this.marks.push({ kind: "curve", points, stroke, thickness });
  }

  text(x, y, text, size, fill, anchor = "middle") {
    this.marks.push({ kind: "text", x, y, text, size, fill, anchor });
  }
}

/**
 * @typedef {object} Part of a picture; whatever it draws stays within its rectangle
 * @property {number} x
 * @property {number} y
 * @property {number} width
 * @property {number} height
 * @property {string} key what it looks like, as far as the picture's `looks` don't say
 * @property {(drawing: Drawing) => void} draw
 * @property {Still} [still] what lies under it
 *
 * @typedef {object} Still what stays as it is while something moves over it, and is painted once
 * @property {object} of what it is a picture of
 * @property {string} key what it looks like
 * @property {(drawing: Drawing) => void} draw
 */

/** The whole of a picture that comes in parts. */
export function drawWhole({ width, height, parts }) {
  const drawing = new Drawing(width, height);
  for (const { still, draw } of parts) {
    still?.draw(drawing);
    draw(drawing);
  }
  return drawing;
}

const paintedParts = new WeakMap(); // canvas: the keys of what it shows
const stills = new WeakMap(); // canvas: what lay still under its first part that has such, by its key

/**
 * Paint a picture, the parts alone that look different from what the canvas shows.
 * @param {HTMLCanvasElement} canvas
 * @param {{width: number, height: number, parts: Part[]}} picture
 * @param {number} scale pixels of the canvas for one of the picture
 * @param {Record<string, string>} theme
 * @param {string} looks what all parts depend on
 */
export function paintParts(canvas, { width, height, parts }, scale, theme, looks) {
  const [across, down] = [Math.round(width * scale), Math.round(height * scale)];
  if (!across || !down) return; // folded away; when it opens it gets another size
  if (canvas.width !== across || canvas.height !== down) {
    [canvas.width, canvas.height] = [across, down]; // which empties it
    paintedParts.delete(canvas);
  }
  const shown = paintedParts.get(canvas) ?? [];
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  parts.forEach((part, i) => {
    const key = `${part.key} ${JSON.stringify(theme)} ${looks}`;
    if (shown[i] === key) return;
    shown[i] = key;
    context.clearRect(part.x, part.y, part.width, part.height);
    const { still, ...moving } = part;
    if (still) {
      const below = stillOf(canvas, still, { width, height }, scale, theme);
      context.drawImage(below, 0, 0, width, height);
    }
    paintCanvas(context, drawWhole({ width, height, parts: [moving] }), theme);
  });
  paintedParts.set(canvas, shown);
}

function stillOf(canvas, { of, key: looks, draw }, { width, height }, scale, theme) {
  const key = `${looks} ${JSON.stringify(theme)} ${canvas.width}`;
  const known = stills.get(canvas);
  if (known?.of === of && known.key === key) return known.image;
  const image = document.createElement("canvas");
  [image.width, image.height] = [canvas.width, canvas.height];
  const context = image.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  paintCanvas(context, drawWhole({ width, height, parts: [{ x: 0, y: 0, width, height, key, draw }] }), theme);
  stills.set(canvas, { of, key, image });
  return image;
}

/** @param {CanvasRenderingContext2D} context @param {Record<string, string>} theme */
function paintCanvas(context, drawing, theme) {
  const colour = (name) => theme[name] ?? name;
  for (const { fill, alpha, cells } of drawing.layers) {
    context.globalAlpha = alpha;
    context.fillStyle = colour(fill);
    for (let i = 0; i < cells.length; i += 4) context.fillRect(cells[i], cells[i + 1], cells[i + 2], cells[i + 3]);
  }
  context.globalAlpha = 1;
  for (const mark of drawing.marks) {
    if (mark.kind === "text") {
      context.fillStyle = colour(mark.fill);
      context.font = `${mark.size}px system-ui, sans-serif`;
      context.textAlign = mark.anchor === "middle" ? "center" : mark.anchor;
      context.fillText(mark.text, mark.x, mark.y);
      continue;
    }
    if (mark.kind === "image") {
      context.globalAlpha = mark.alpha;
      context.imageSmoothingEnabled = false;
      context.drawImage(bitmapCanvas(mark.bitmap), mark.x, mark.y, mark.width, mark.height);
      context.globalAlpha = 1;
      continue;
    }
    context.strokeStyle = colour(mark.stroke);
    context.lineWidth = mark.thickness;
    if (mark.kind === "outline") {
      context.strokeRect(mark.x, mark.y, mark.width, mark.height);
      continue;
    }
    /** @type {[number, number][]} */
    const [start, middle, end] = mark.points;
    context.beginPath();
    context.moveTo(...start);
    context.quadraticCurveTo(...middle, ...end);
    context.stroke();
  }
}

let spare; // a canvas that every bitmap goes through

function bitmapCanvas({ columns, cells, palette }) {
  spare ??= document.createElement("canvas");
  const rows = cells.length / columns;
  if (spare.width !== columns || spare.height !== rows) [spare.width, spare.height] = [columns, rows];
  const context = spare.getContext("2d");
  const image = context.createImageData(columns, rows);
  const colours = pixelsOf(palette);
  const pixels = new Uint32Array(image.data.buffer);
  for (let k = 0; k < pixels.length; k++) pixels[k] = colours[cells[k]];
  context.putImageData(image, 0, 0);
  return spare;
}

const opaque = new WeakMap(); // by palette: its colours, as the bytes of an image hold them

function pixelsOf(palette) {
  if (!opaque.has(palette)) {
    const bytes = Uint8Array.from(palette.flatMap(([r, g, b]) => [r, g, b, 255]));
    opaque.set(palette, new Uint32Array(bytes.buffer));
  }
  return opaque.get(palette);
}

/**
 * The same drawing as an SVG element, for pages without a script, print and PDF.
 * @param {Drawing} drawing
 * @param {string} className
 * @param {string} label
 * @param {{name: string, ids: Map<string, string>}} [bitmaps] those that other drawings of the
 *   figure called `name` have on the page already: each is written once
 */
export function paintSvg(drawing, className, label, bitmaps) {
  const n = (value) => Math.round(value * 100) / 100;
  const colour = (name) => (name[0] === "#" ? name : `var(--vip-${name})`);
  const parts = [];
  for (const { fill, alpha, cells } of drawing.layers) {
    let path = "";
    // From box to box by steps, which are alike again and again: half the bytes of a page.
    let [fromX, fromY] = [0, 0];
    for (let i = 0; i < cells.length; i += 4) {
      const [x, y, width, height] = [0, 1, 2, 3].map((k) => n(cells[i + k]));
      path += `m${n(x - fromX)} ${n(y - fromY)}h${width}v${height}h${-width}z`;
      [fromX, fromY] = [x, y];
    }
    parts.push(`<path style="fill:${colour(fill)}"${alpha < 1 ? ` opacity="${alpha}"` : ""} d="${path}"/>`);
  }
  for (const mark of drawing.marks) {
    const stroke = `fill="none" style="stroke:${colour(mark.stroke ?? "ink")}" stroke-width="${mark.thickness}"`;
    if (mark.kind === "text")
      parts.push(
        `<text x="${n(mark.x)}" y="${n(mark.y)}" font-size="${mark.size}" text-anchor="${mark.anchor}" ` +
          `style="fill:${colour(mark.fill)}">${escape(mark.text)}</text>`,
      );
    else if (mark.kind === "image") parts.push(imageSvg(mark, bitmaps));
    else if (mark.kind === "outline")
      parts.push(
        `<rect x="${n(mark.x)}" y="${n(mark.y)}" width="${n(mark.width)}" height="${n(mark.height)}" ${stroke}/>`,
      );
    else {
      const [start, middle, end] = mark.points.map((point) => point.map(n).join(" "));
      parts.push(`<path d="M${start}Q${middle} ${end}" ${stroke}/>`);
    }
  }
  return (
    `<svg class="${className}" viewBox="0 0 ${drawing.width} ${drawing.height}" role="img" ` +
    `aria-label="${escape(label)}" xmlns="http://www.w3.org/2000/svg">${parts.join("")}</svg>`
  );
}

function imageSvg({ x, y, width, height, bitmap, alpha }, bitmaps = { name: "", ids: new Map() }) {
  const n = (value) => Math.round(value * 100) / 100;
  const url = bitmapUrl(bitmap);
  const known = bitmaps.ids.get(url);
  const id = known ?? escape(`${bitmaps.name}-bitmap-${bitmaps.ids.size}`);
  bitmaps.ids.set(url, id);
  const [columns, rows] = [bitmap.columns, bitmap.cells.length / bitmap.columns];
  const place = `x="${n(x)}" y="${n(y)}" width="${n(width)}" height="${n(height)}"`;
  const symbol =
    `<symbol id="${id}" viewBox="0 0 ${columns} ${rows}" preserveAspectRatio="none">` +
    `<image width="${columns}" height="${rows}" preserveAspectRatio="none" style="image-rendering:pixelated" href="${url}"/></symbol>`;
  return `${known ? "" : symbol}<use href="#${id}" ${place}${alpha < 1 ? ` opacity="${alpha}"` : ""}/>`;
}
