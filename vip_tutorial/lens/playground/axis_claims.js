// What a program says of the axes of what it makes: by its sizes, or by a pattern.

import { groupsOf } from "./patterns.js";

/** Calls whose arguments are sizes: their names are those of the axes. */
const SIZED = ["reshape", "view", "unflatten", "expand"];

/** What an expression says that an axis is called. @returns {string | null} */
export function expressionName(node) {
  if (node.type === "name" || (node.type === "attribute" && node.value.type === "name")) return node.name;
  if (node.type === "number" && !node.isFloat) return String(node.value);
  if (node.type === "binary" && node.sign === "*") {
    const parts = [expressionName(node.left), expressionName(node.right)];
    return parts.includes(null) ? null : parts.join("*");
  }
  return null;
}

const patternOf = (node) =>
  node.type === "call"
    ? node.args.find(({ type, value }) => type === "text" && value.includes("->"))?.value
    : undefined;

/** `["B", "N", "W", "H*S"]` for the call `x.reshape(B, N, W, H * S)`. @returns {(string | null)[]} */
export function claimsOf(name, node, shape) {
  const count = shape.length;
  const nothing = new Array(count).fill(null);
  const pattern = patternOf(node);
  const groups = pattern === undefined ? null : groupsOf(pattern);
  if (groups) {
    const single = groups.flatMap((group) => (group.length ? group : ["1"]));
    // Of one that is 1 long it may be the other side of the pattern that has it.
    return single.length === count ? single.map((one, k) => (shape[k] > 1 ? one : null)) : nothing;
  }
  if (node.type !== "call" || !["attribute", "name"].includes(node.callee.type) || node.callee.name !== name)
    return nothing;
  if (!SIZED.includes(name) || !node.args.length) return nothing;
  let { args } = node;
  const last = args.at(-1);
  let at = 0;
  if (name === "unflatten") {
    const [dim] = args;
    if (dim.type === "number" && !dim.isFloat) at = dim.value;
    else if (dim.type === "unary" && dim.sign === "-" && dim.value.type === "number")
      at = count - (last.items?.length ?? 0) - dim.value.value + 1;
    else return nothing;
  }
  if (last.type === "tuple" || last.type === "list") args = last.items;
  else if (args.length === 1) return nothing;
  const found = args.map(expressionName).map((one) => (one === null || /^\d+$/.test(one) ? null : one));
  const claims = [...nothing.slice(0, at), ...found, ...nothing.slice(at + found.length)];
  return claims.length === count ? claims : nothing;
}

export function patternNames(name, node, equation, operand) {
  if (name === "einsum") return equation ? [...equation.terms[operand]] : null;
  const pattern = patternOf(node);
  const groups = pattern === undefined ? null : groupsOf(pattern);
  return groups && groups.map((group) => group.join("*") || "1");
}
