// The few layers that figures compute by themselves, in float64.

/**
 * The error function, right to the last digits: the terms of this series all have the
 * sign of x, so none of them cancel.
 */
export function erf(x) {
  if (Math.abs(x) >= 6) return Math.sign(x); // the rest is less than float64 can tell
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** GELU, exact, by erf. @param {number} x */
export const gelu = (x) => (x * (1 + erf(x / Math.SQRT2))) / 2;

/** `Linear`: each row of the weight times x, plus the bias. @returns {number[]} */
export const linear = ({ weight, bias }, x) =>
  weight.map((row, i) => row.reduce((sum, factor, j) => sum + factor * x[j], bias[i]));

/** @param {number[]} scores @returns {number[]} positive, with the sum 1 */
export function softmax(scores) {
  const top = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/** Whether x is nested lists of finite numbers, with these lengths. */
export function isTable(x, length, ...inner) {
  return (
    Array.isArray(x) &&
    x.length === length &&
    x.every((y) => (inner.length ? isTable(y, ...inner) : Number.isFinite(y)))
  );
}
