// The lines of source that a recording names, in the order in which they ran first.

/**
 * @typedef {object} Line
 * @property {string} text without what is said after a "#"
 * @property {number[]} steps that it made, from 0
 *
 * @param {*} run
 * @returns {{lines: Line[], functions: {name: string, lines: number[]}[]}} `functions` are
 *   runs of lines of one function
 */
export function listingOf(run) {
  const lines = [];
  const known = new Map();
  const functions = [];
  run.steps.forEach((step, i) => {
    const { source, call } = step;
    const key = source ? `${source.file} ${source.function} ${source.line} ${source.text}` : `call ${call}`;
    if (known.has(key)) return void lines[known.get(key)].steps.push(i);
    known.set(key, lines.length);
    const name = nameOf(step);
    // A function that is called again, or goes on after another, has its lines in one place.
    let home = functions.find((one) => one.name === name && one.file === source?.file);
    if (!home) functions.push((home = { name, file: source?.file, lines: [] }));
    home.lines.push(lines.length);
    lines.push({ text: source ? withoutComment(source.text) : call, line: source?.line ?? 0, steps: [i] });
  });
  for (const one of functions) one.lines.sort((a, b) => lines[a].line - lines[b].line);
  return { lines, functions };
}

/**
 * The function of a step's line; a forward by the module that it is of, if that is not the
 * one that runs.  A call of a layer stands in the forward of what holds the layer.
 */
function nameOf({ source, module }) {
  const owner = (module ?? "").split(".").slice(0, -1).join(".");
  return source?.function === "forward" && owner ? `${owner}.forward` : (source?.function ?? "");
}

/** A "#" that no quote stands behind begins a comment. */
function withoutComment(text) {
  return text.replace(/\s+#[^'"\n]*$/gm, "");
}
