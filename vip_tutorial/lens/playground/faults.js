// What is wrong with a program, told as PyTorch or Python would, and how to mend it.

/** A fault of the reader's program: never one of ours. */
export class Fault extends Error {
  /**
   * @param {string} kind what Python would raise, e.g. "RuntimeError"
   * @param {string} message in PyTorch's or Python's own words
   * @param {string} [help] what came, what was needed and how to mend it
   */
  constructor(kind, message, help = "") {
    super(message);
    this.kind = kind;
    this.help = help;
    /** Line of the program, from 1; 0 if it is of none. */
    this.line = 0;
    /** Where in the program it is, in characters. @type {number | undefined} */
    this.from = undefined;
    /** The axes that do not fit, each with its tensor. @type {[import("./tensor.js").Tensor, number][]} */
    this.axes = [];
  }

  /**
   * Say of a tensor which axis does not fit, for it to be marked in the picture.
   * @param {import("./tensor.js").Tensor} tensor
   * @param {number} axis from 0, or negative from the end
   */
  on(tensor, axis) {
    this.axes.push([tensor, axis < 0 ? axis + tensor.ndim : axis]);
    return this;
  }
}

const IN_COLAB = "trace it in Colab, where all of Python and PyTorch runs.";

/**
 * What this language does not have, though Python or PyTorch does.
 * @param {string} what
 * @param {string} [instead] what to write, in a sentence
 */
export const outside = (what, instead = "") =>
  new Fault(
    "Outside the playground",
    `${what} is not part of the playground.`,
    instead ? `${instead} Or ${IN_COLAB}` : `To see what it does, ${IN_COLAB}`,
  );

/** More than the playground does for one program. */
export const beyond = (what, help) => new Fault("Too much", what, help);

/** `[2, 3]`, as PyTorch writes sizes. */
export const sizes = (shape) => `[${shape.join(", ")}]`;

/** `(2, 3)` and `(2,)`, as Python writes a tuple. */
export const tuple = (items) => `(${items.join(", ")}${items.length === 1 ? "," : ""})`;
