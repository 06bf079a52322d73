// The state of a lens as a short text, for links and for the Python widget:
// "v1;step=3;cell=21;fill=value".  Texts of every earlier version must keep working.

const FILLS = ["birth", "picture", "value", "gradient"];
const NUMBERS = ["none", "birth", "value", "order"];

/**
 * @typedef {object} LensState
 * @property {number} step steps done, 0 to the number of steps
 * @property {number} cell input element that is followed, -1 for none
 * @property {string} fill what colours a cell
 * @property {string} numbers what is written in a cell
 * @property {boolean} backward whether the gradient's way back is shown
 * @property {number} axis axis of the step's output that is lit, -1 for none
 */

/**
 * What a text leaves unsaid; never to be changed, or old links show other pictures.
 * @returns {LensState}
 */
export function plainState() {
  return { step: 0, cell: -1, fill: "birth", numbers: "none", backward: false, axis: -1 };
}

/** Write down what differs from the plain state. */
export function writeState(state) {
  const base = plainState();
  const parts = ["v1", `step=${state.step}`];
  for (const key of ["cell", "fill", "numbers", "axis"])
    if (state[key] !== base[key]) parts.push(`${key}=${state[key]}`);
  if (state.backward) parts.push("dir=back");
  return parts.join(";");
}

/**
 * Read such a text.  Where nothing in it can be read, `otherwise` is the state.
 * @param {string} text
 * @param {LensState} otherwise
 * @param {{steps: number, cells: number, gradient: boolean, picture: boolean, axes: (state: LensState) => number}} limits
 * @returns {{state: LensState, problem: string}} problem: a sentence, "" if none
 */
export function readState(text, otherwise, limits) {
  const state = plainState();
  const [version, ...parts] = String(text).split(";").filter(Boolean);
  if (version !== "v1") return { state: { ...otherwise }, problem: "This link is not one that the figure knows; it shows its first picture." };
  const bad = [];
  const whole = (value, low, high) => /^-?\d{1,6}$/.test(value) && +value >= low && +value <= high;
  for (const part of parts) {
    const [key, value = ""] = part.split("=");
    if (key === "step" && whole(value, 0, limits.steps)) state.step = +value;
    else if (key === "cell" && whole(value, -1, limits.cells - 1)) state.cell = +value;
    else if (key === "axis" && whole(value, -1, 99)) state.axis = +value;
    else if (key === "numbers" && NUMBERS.includes(value)) state.numbers = value;
    else if (key === "fill" && FILLS.includes(value) && limits[value] !== false) state.fill = value;
    else if (key === "dir" && value === "back" && limits.gradient) state.backward = true;
    else bad.push(part);
  }
  if (state.axis >= limits.axes(state)) {
    bad.push(`axis=${state.axis}`);
    state.axis = -1;
  }
  // A link without a step that exists says too little to leave the first picture.
  const known = parts.some((part) => part.startsWith("step=") && !bad.includes(part));
  if (!known) Object.assign(state, otherwise);
  const problem = bad.length
    ? `This link asks for “${bad.slice(0, 3).map((part) => part.slice(0, 24)).join("”, “")}”, which this figure does not have; ` +
      `${known ? "the rest of it is shown" : "it shows its first picture"}.`
    : known
      ? ""
      : "This link names no step; the figure shows its first picture.";
  return { state, problem };
}

/** The part of a URL fragment that belongs to the figure called `name`, or null. */
export function findInFragment(fragment, name) {
  for (const part of fragment.replace(/^#/, "").split("&"))
    if (part.startsWith(`${name}=`)) {
      try {
        return decodeURIComponent(part.slice(name.length + 1));
      } catch {
        return part.slice(name.length + 1);
      }
    }
  return null;
}
