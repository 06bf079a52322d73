// Which names are a function's own.

/** @typedef {import("./language.js").Node} Node */

/**
 * Names to which a block gives values.  In a function they are its own from its first line on, as in Python.
 * @param {any[]} body
 * @returns {string[]}
 */
export function assignedIn(body) {
  return body.flatMap((node) => {
    switch (node.type) {
      case "assign":
        return node.targets.flatMap(namesIn);
      case "change":
        return namesIn(node.target);
      case "for":
        return [...namesIn(node.target), ...assignedIn(node.body)];
      case "if":
        return [...assignedIn(node.body), ...assignedIn(node.other)];
      case "def":
        return [node.name];
      case "import":
        return node.names.map(({ path, as }) => as || path.split(".")[0]);
      default:
        return [];
    }
  });
}

function namesIn(target) {
  if (target.type === "name") return [target.name];
  if (target.type === "star") return namesIn(target.value);
  return (target.items ?? []).flatMap(namesIn);
}
