// Brushes: what a stroke leaves on a picture whose pixels have levels of ink, 0 to 16.

/** The pen that writes most like the digits: experiments/brush.py measured it, in pixels. */
export const PEN = { width: 1.25, rim: 0 };

const SPOTS = 8; // spots to the side of a pixel, in which a pen is looked at

/**
 * @typedef {{H: number, W: number}} Size
 * @typedef {[number, number][]} Path places one after the other, x and y in pixels from the upper left
 * @typedef {{width: number, rim: number}} Pen a round nib, and in how wide a ring its ink fades out
 */

/**
 * What a pen leaves on paper: of each pixel the share that it covers.  It takes the whole
 * stroke, since two of its pieces may cover two parts of one pixel.
 * @param {Size} size @param {Path} path @param {Pen} pen
 * @returns {number[]} levels, row by row
 */
export function covered({ H, W }, path, { width, rim }) {
  const far = new Float64Array(H * W * SPOTS ** 2).fill(Infinity); // squared, from each spot to the path
  const reach = (width + rim) / 2 + 1 / SPOTS;
  const range = (a, b, sides) => [
    Math.max(0, Math.floor((Math.min(a, b) - reach) * SPOTS)),
    Math.min(sides * SPOTS, Math.ceil((Math.max(a, b) + reach) * SPOTS)),
  ];
  path.forEach(([x1, y1], i) => {
    const [x0, y0] = path[Math.max(0, i - 1)];
    const [dx, dy] = [x1 - x0, y1 - y0];
    const length = Math.max(1e-12, dx * dx + dy * dy);
    const [left, right] = range(x0, x1, W);
    const [top, bottom] = range(y0, y1, H);
    for (let row = top; row < bottom; row++)
      for (let column = left; column < right; column++) {
        const [x, y] = [(column + 0.5) / SPOTS, (row + 0.5) / SPOTS];
        const along = Math.min(1, Math.max(0, ((x - x0) * dx + (y - y0) * dy) / length));
        const [ex, ey] = [x - (x0 + along * dx), y - (y0 + along * dy)];
        const spot = row * W * SPOTS + column;
        far[spot] = Math.min(far[spot], ex * ex + ey * ey);
      }
  });
  const ink = new Float64Array(H * W);
  far.forEach((squared, spot) => {
    const inside = width / 2 - Math.sqrt(squared);
    const share = rim ? Math.min(1, Math.max(0, inside / rim + 0.5)) : +(inside >= 0);
    ink[Math.floor(spot / (W * SPOTS ** 2)) * W + Math.floor((spot % (W * SPOTS)) / SPOTS)] += share;
  });
  return Array.from(ink, (sum) => Math.floor((sum * 16) / SPOTS ** 2 + 0.5));
}

/**
 * What a hard brush leaves on paper: full ink in each pixel on its way.
 * @param {Size} size @param {Path} path
 */
export function crossed({ H, W }, path) {
  const levels = Array(H * W).fill(0);
  path.forEach(([x1, y1], i) => {
    const [x0, y0] = path[Math.max(0, i - 1)];
    const [dx, dy] = [x1 - x0, y1 - y0];
    const count = Math.max(1, Math.ceil(Math.sqrt(dx * dx + dy * dy) * SPOTS));
    for (let k = 0; k <= count; k++) {
      const [column, row] = [Math.floor(x0 + dx * (k / count)), Math.floor(y0 + dy * (k / count))];
      if (column >= 0 && column < W && row >= 0 && row < H) levels[row * W + column] = 16;
    }
  });
  return levels;
}

/** Ink on top of a picture: no pixel gets lighter. */
export const inked = (levels, ink) => levels.map((level, i) => Math.max(level, ink[i]));

/** What a rubber leaves of it: no pixel gets darker. */
export const rubbed = (levels, gone) => levels.map((level, i) => Math.min(level, 16 - gone[i]));
