// Which lines of the program a step comes from.

export const LONGEST_TEXT = 400; // of a line in a recording

/** The lines of a call, and where in them it stands, as tracing/source.py has it. */
export function sourceOf(node, code, within) {
  let from = node.from;
  const dotted = node.type === "call" ? node.callee : node;
  const name = dotted.type === "attribute" ? dotted.to - dotted.name.length : -1;
  const isLater = name >= 0 && code.slice(from, name).includes("\n");
  if (isLater) from = code.lastIndexOf(".", name);
  const first = code.lastIndexOf("\n", from - 1) + 1;
  const end = code.indexOf("\n", node.to);
  const lines = code.slice(first, end < 0 ? code.length : end).split("\n");
  const indentOf = (line) => line.length - line.trimStart().length;
  const most = indentOf(lines[0]);
  const indents = lines.map((line) => Math.min(indentOf(line), most));
  const count = code.slice(from, node.to).split("\n").length;
  let text = lines
    .map((line, i) => line.slice(indents[i]))
    .join("\n")
    .trimEnd();
  let start = from - first - indents[0];
  let stop = node.to - first - indents.slice(0, count).reduce((sum, n) => sum + n, 0);
  const inner =
    node.type === "call"
      ? node.callee.type === "attribute"
        ? node.callee.value
        : null
      : node.type === "attribute" || node.type === "subscript"
        ? node.value
        : null;
  let root = inner;
  while (root?.type === "attribute") root = root.value;
  if (!isLater && root && root.type !== "name") {
    let own = inner.to;
    while (") \t\n".includes(code[own])) own++;
    start += own - from;
  }
  if (text.length > LONGEST_TEXT && stop > LONGEST_TEXT) {
    text = `…${text.slice(start)}`;
    [start, stop] = [1, stop - start + 1];
  }
  if (text.length > LONGEST_TEXT) text = `${text.slice(0, LONGEST_TEXT - 1)}…`;
  stop = Math.min(stop, text.length);
  const line = code.slice(0, from).split("\n").length;
  return {
    file: "playground",
    function: within,
    line,
    text,
    start: Math.max(0, Math.min(start, stop)),
    end: stop,
  };
}
