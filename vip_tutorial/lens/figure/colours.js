// The colours of the book, told apart by colour-blind readers.  Axes have dark ones and cells
// light ones, so that the one is never taken for the other.

const HUES = ["#E9C034", "#8FA0F5", "#74CF70", "#F192BE", "#C9A27E", "#4FC3C7", "#FF9C85", "#A9B4BF"];

/** One colour per axis letter, wherever the letter stands: figure, code and prose. */
const AXES = { B: "#767676", H: "#D55E00", W: "#0072B2", C: "#009E73", N: "#AA4499", S: "#8F7000", K: "#5E35B1" };

/** Colour of an axis by its name; merged axes ("H*S") take that of their first letter. */
export function axisColour(name) {
  return AXES[name[0]] ?? "#767676";
}

/** Fill of a cell born at `row` of `rows` (hue) and `column` of `columns` (lightness). */
export function birthFill(row, column, columns) {
  const pale = columns > 1 ? 0.62 * (1 - column / (columns - 1)) : 0.3;
  return mix(HUES[row % HUES.length], "#FFFFFF", pale);
}

/** The pure hue of a birth row. */
export function birthHue(row) {
  return HUES[row % HUES.length];
}

/** Blue for negative, orange for positive, pale at zero; `scale` is the strongest. */
export function valueFill(value, scale) {
  if (!Number.isFinite(value)) return "#FF00FF";
  const strength = scale > 0 ? Math.min(1, Math.abs(value) / scale) : 0;
  return mix("#E9EAEC", value < 0 ? "#2166AC" : "#C05800", strength);
}

/** Shade of a pixel, 0 (paper) to 1 (ink). */
export function pixelFill(level) {
  return mix("#E8E4D8", "#14141C", Math.max(0, Math.min(1, level)));
}

/** The colours of a bitmap, as `[red, green, blue]`: of values from -1 to 1, of a pixel, and of no number. */
const SHADES = 32;
export const VALUE_PALETTE = [
  ...Array.from({ length: 2 * SHADES + 1 }, (_, i) => channels(valueFill(i - SHADES, SHADES))),
  channels(valueFill(NaN, 1)),
];
export const PIXEL_PALETTE = Array.from({ length: SHADES + 1 }, (_, i) => channels(pixelFill(i / SHADES)));

/** The number of a value's colour in its palette. */
export const valueShade = (value, scale) =>
  Number.isFinite(value)
    ? SHADES + Math.round(SHADES * (scale > 0 ? Math.max(-1, Math.min(1, value / scale)) : 0))
    : 2 * SHADES + 1;
export const pixelShade = (level) => Math.round(SHADES * Math.max(0, Math.min(1, level)));

/** Nearly black or white, whichever has the higher contrast with a fill. */
export function inkOn(fill) {
  if (!inks.has(fill)) inks.set(fill, computeInk(fill));
  return inks.get(fill);
}

const inks = new Map(); // each cell of each frame asks

function computeInk(fill) {
  const light = (v) => (v <= 10 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  const [r, g, b] = channels(fill).map(light);
  const luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  return luminance > 0.1916 ? "#111111" : "#FFFFFF"; // where both contrasts are equal
}

function mix(from, to, share) {
  const [a, b] = [channels(from), channels(to)];
  const parts = a.map((v, i) => Math.round(v + (b[i] - v) * share));
  return "#" + parts.map((v) => v.toString(16).padStart(2, "0")).join("");
}

function channels(hex) {
  return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

const SHARES = ["#D55E00", "#0072B2", "#009E73", "#767676", "#AA4499", "#8F7000"];

/** Colour of the part with that number, where numbers are shares of a whole. */
export const shareColour = (part) => SHARES[part % SHARES.length];
