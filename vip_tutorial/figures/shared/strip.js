// A strip of memory: its cells in lines, an address under each, and the jumps that lead to one.

import { shareColour } from "../../lens/figure/colours.js";
import { escape } from "../../lens/figure/host.js";

export const CELL = { width: 26, height: 24 };
const EDGE = 2;
const ADDRESS = 12; // room under a line for the addresses
const ARC = 34; // and over it for the jumps
const DASHES = ["", "6 3", "2 3", "8 3 2 3"]; // an axis is told by more than its colour

/**
 * @typedef {object} StripCell
 * @property {string} fill
 * @property {string} [label] what is written into it
 * @property {string} [ink] the colour of that
 * @property {boolean} [lit] it is the one that is looked at
 * @property {string} [attributes] what a click on it does
 *
 * @typedef {object} Jump one step along an axis
 * @property {number} axis
 * @property {number} from address
 * @property {number} to
 */

/** The jumps from the first element to one: its index × the stride, axis by axis. @returns {Jump[]} */
export function jumpsTo({ strides, start = 0 }, at) {
  let from = start;
  return at.flatMap((steps, axis) =>
    Array.from({ length: steps }, () => ({ axis, from, to: (from += strides[axis]) })),
  );
}

/** "2 × 4 + 1 × 1", each term underlined as its jumps are drawn. */
export function sumHtml({ strides, start = 0 }, at) {
  const terms = at.map(
    (c, axis) =>
      `<span class="vip-term vip-term-${axis}" style="--axis:${shareColour(axis)}">${c} × ${strides[axis]}</span>`,
  );
  return [...(start ? [String(start)] : []), ...terms].join(" + ");
}

/** The length of a line: the longest walk along the inner axes that has room. */
export function lineLength(shape, most) {
  const total = shape.reduce((product, size) => product * size, 1);
  const walks = shape.map((_, axis) => shape.slice(axis).reduce((product, size) => product * size, 1));
  return total <= most ? total : Math.max(...walks.filter((walk) => walk <= most), Math.min(most, shape.at(-1) ?? 1));
}

/**
 * @param {StripCell[]} cells by address
 * @param {{perLine: number, jumps?: Jump[], lines?: boolean, attributes: string}} how `lines`: addresses
 *   stand at the beginning of each line only
 */
export function stripSvg(cells, { perLine, jumps = [], lines = false, attributes }) {
  const side = lines ? 26 : 0;
  const line = (lines ? 0 : ADDRESS) + CELL.height + (jumps.length || !lines ? ARC : 3);
  const [width, height] = [side + perLine * CELL.width + 2 * EDGE, Math.ceil(cells.length / perLine) * line + 2 * EDGE];
  const corner = (address) => [
    EDGE + side + (address % perLine) * CELL.width,
    EDGE + line - CELL.height - (lines ? 0 : ADDRESS) + Math.floor(address / perLine) * line,
  ];
  const drawn = cells.map(({ fill, ink, label = "", lit, attributes: does = "" }, address) => {
    const [x, y] = corner(address);
    const text = label === "" ? "" : words(x + CELL.width / 2, y + 16, label, "vip-strip-label", `fill:${ink}`);
    const under = lines ? "" : words(x + CELL.width / 2, y + CELL.height + 10, address, lit ? "vip-strip-at" : "");
    return (
      `<g ${does}><rect class="${lit ? "vip-strip-lit" : ""}" x="${x + 0.5}" y="${y + 0.5}" width="${CELL.width - 1}" height="${CELL.height - 1}" ` +
      `style="fill:${fill}"/>${text}${under}</g>`
    );
  });
  const heads = lines
    ? cells.flatMap((_, address) =>
        address % perLine ? [] : [words(EDGE + side - 5, corner(address)[1] + 16, address, "vip-strip-head")],
      )
    : [];
  return (
    `<svg class="vip-strip" style="--wide:${width}px" viewBox="0 0 ${width} ${height}" ${attributes}>` +
    `${heads.join("")}${drawn.join("")}${jumps.map((jump) => jumpSvg(jump, corner, perLine, CELL.height + (lines ? 0 : ADDRESS))).join("")}</svg>`
  );
}

function words(x, y, text, className, style = "") {
  return `<text x="${x}" y="${y}" class="${className}"${style && ` style="${style}"`}>${escape(text)}</text>`;
}

/** An arc over the line, or a line to another one, with how far it jumps. */
function jumpSvg({ axis, from, to }, corner, perLine, under) {
  const middle = (address) => corner(address)[0] + CELL.width / 2;
  const [x0, x1, y0, y1] = [middle(from), middle(to), corner(from)[1], corner(to)[1]];
  const same = Math.floor(from / perLine) === Math.floor(to / perLine);
  const lift = Math.min(2 * ARC - 26, 16 + 3 * Math.abs(to - from));
  const path = same
    ? `M${x0} ${y0 - 2}Q${(x0 + x1) / 2} ${y0 - lift} ${x1} ${y1 - 3}`
    : `M${x0} ${y0 + under}Q${(x0 + x1) / 2} ${(y0 + under + y1) / 2} ${x1} ${y1 - 3}`;
  const [x, y] = same ? [(x0 + x1) / 2, y0 - lift / 2 - 5] : [x0 + 14, y0 + under + 11]; // beside its start: over its end the next arcs begin
  return (
    `<g class="vip-jump" style="--axis:${shareColour(axis)}"><path d="${path}"${DASHES[axis] && ` stroke-dasharray="${DASHES[axis]}"`}/>` +
    `<path class="vip-jump-head" d="M${x1} ${y1}l-4 -6h8z"/>${words(x, y, `+${to - from}`, "")}</g>`
  );
}
