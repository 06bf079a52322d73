// A small picture of cells in few colours, as an address that needs no file: BMP, which every
// browser reads and which is written without compressing anything.

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const HEAD = 54; // bytes before the palette

/**
 * @typedef {object} Bitmap
 * @property {number} columns
 * @property {Uint8Array} cells number of each cell's colour, row after row
 * @property {number[][]} palette red, green and blue of each colour, 0 to 255
 */

/** @param {Bitmap} bitmap */
export function bitmapUrl({ columns, cells, palette }) {
  const rows = cells.length / columns;
  const width = Math.ceil(columns / 4) * 4; // a row of the file begins at a multiple of four
  const start = HEAD + 4 * palette.length;
  const bytes = new Uint8Array(start + width * rows);
  const view = new DataView(bytes.buffer);
  bytes.set([66, 77]); // "BM"
  for (const [at, number] of [
    [2, bytes.length],
    [10, start],
    [14, HEAD - 14],
    [18, columns],
    [22, rows],
    [26, 1 + 8 * 65536], // one plane, eight bits a cell
    [34, width * rows],
    [46, palette.length],
  ])
    view.setUint32(at, number, true);
  palette.forEach(([r, g, b], i) => bytes.set([b, g, r, 0], HEAD + 4 * i));
  for (let row = 0; row < rows; row++)
    bytes.set(cells.subarray(row * columns, (row + 1) * columns), start + (rows - 1 - row) * width); // from the bottom up
  return `data:image/bmp;base64,${base64(bytes)}`;
}

/** Written out because the engine that draws first frames has no btoa. */
function base64(bytes) {
  let text = "";
  for (let k = 0; k < bytes.length; k += 3) {
    const three = (bytes[k] << 16) | ((bytes[k + 1] ?? 0) << 8) | (bytes[k + 2] ?? 0);
    for (let i = 0; i < 4; i++) text += k + i > bytes.length ? "=" : LETTERS[(three >> (18 - 6 * i)) & 63];
  }
  return text;
}
