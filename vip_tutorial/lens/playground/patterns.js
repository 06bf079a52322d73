// einops: what a pattern does, as the calls of PyTorch that einops makes of it.

import { Fault } from "./faults.js";

const wrong = (message, help = "") => new Fault("EinopsError", message, help);

const MERGED = "(…"; // an ellipsis in brackets: one axis of all that it stands for

/** One side of a pattern: for each axis the names that are in it. @returns {string[][]} */
function sideOf(text, pattern) {
  const groups = [];
  let open = null;
  const seen = new Set();
  for (const [token] of text.replaceAll("...", " … ").matchAll(/[()]|…|[^\s()…]+/g)) {
    if (token === "(") {
      if (open)
        throw wrong(
          "Axis composition is one-level (brackets inside brackets not allowed)",
          "Name the axes side by side.",
        );
      open = [];
      groups.push(open);
    } else if (token === ")") {
      if (!open) throw wrong("Brackets are not balanced", `In “${pattern}”, a ) has no (.`);
      open = null;
    } else {
      if (token !== "…" && !/^(?:\d+|[A-Za-z_]\w*)$/.test(token))
        throw wrong(
          `Unknown character '${token.slice(0, 12)}'`,
          "A pattern holds names, numbers, brackets and one ->.",
        );
      if (token !== "1" && !/^\d+$/.test(token)) {
        if (seen.has(token))
          throw wrong(
            `Indexing expression contains duplicate dimension "${token}"`,
            "Each axis has a name of its own.",
          );
        seen.add(token);
      }
      if (open) open.push(token === "…" ? MERGED : token);
      else groups.push([token]);
    }
  }
  if (open) throw wrong(`Imbalanced parentheses in expression: "${text.trim()}"`, "A ( is not closed.");
  // A 1 is an axis with nothing in it.
  return groups.map((group) => group.filter((name) => name !== "1"));
}

/**
 * The calls that a pattern stands for.
 * @param {"rearrange" | "repeat" | "reduce"} name
 * @param {import("./tensor.js").Tensor} x
 * @param {string} pattern
 * @param {Map<string, number>} lengths those that the call names
 * @returns {{op: string, sizes: number[]}[]} "reshape", "permute", "reduce" along axes, "unsqueeze" and "expand"
 */
export function recipeOf(name, x, pattern, lengths) {
  const { shape } = x;
  const sides = pattern.split("->");
  if (sides.length !== 2) throw wrong("a pattern has two sides", 'Write it as "b h w c -> b (h w) c".');
  let [left, right] = sides.map((side) => sideOf(side, pattern));
  const names = (groups) => groups.flat();
  if (names(left).includes(MERGED))
    throw wrong(`Ellipsis inside parenthesis in the left side is not allowed: ${pattern}`);
  const ellipsisLeft = left.findIndex((group) => group[0] === "…");
  if (names(right).some((one) => one === "…" || one === MERGED) && ellipsisLeft < 0)
    throw wrong(
      `Ellipsis found in right side, but not left side of a pattern ${pattern}`,
      "What ... stands for is on the left.",
    );
  if (ellipsisLeft >= 0) {
    const count = shape.length - (left.length - 1);
    if (count < 0) throw wrongCount(`>=${left.length - 1}`, shape);
    const axes = Array.from({ length: count }, (_, i) => `…${i}`);
    left = left.toSpliced(ellipsisLeft, 1, ...axes.map((axis) => [axis]));
    right = right.flatMap((group) =>
      group[0] === "…" ? axes.map((axis) => [axis]) : [group.flatMap((one) => (one === MERGED ? axes : [one]))],
    );
  } else if (left.length !== shape.length) throw wrongCount(left.length, shape);
  let anonymous = 0;
  const apart = (groups) =>
    groups.map((group) =>
      group.map((one) => {
        if (!/^\d+$/.test(one)) return one;
        if (name === "rearrange")
          throw wrong(
            "Non-unitary anonymous axes are not supported in rearrange (exception is length 1)",
            "Give the axis a name, and its length as name=2.",
          );
        const own = `#${anonymous++}`;
        given.set(own, Number(one));
        return own;
      }),
    );
  const given = new Map(lengths);
  [left, right] = [apart(left), apart(right)];
  const [inLeft, inRight] = [names(left), names(right)];
  const list = (found) => `{${found.map((one) => `'${one}'`).join(", ")}}`;
  const gone = inLeft.filter((one) => !inRight.includes(one));
  const fresh = inRight.filter((one) => !inLeft.includes(one));
  if (name === "rearrange" && gone.length + fresh.length)
    throw wrong(
      `Identifiers only on one side of expression (should be on both): ${list([...gone, ...fresh])}`,
      "rearrange keeps every axis: repeat makes new ones, reduce takes some away.",
    );
  if (name === "repeat" && gone.length) throw wrong(`Unexpected identifiers on the left side of repeat: ${list(gone)}`);
  if (name === "repeat") {
    const unsized = fresh.filter((one) => !given.has(one));
    if (unsized.length)
      throw wrong(`Specify sizes for new axes in repeat: ${list(unsized)}`, `Write ${unsized[0]}=2 after the pattern.`);
  }
  if (name === "reduce" && fresh.length)
    throw wrong(`Unexpected identifiers on the right side of reduce: ${list(fresh)}`);
  for (const one of lengths.keys())
    if (![...inLeft, ...inRight].includes(one))
      throw wrong(`Axis ${one} is not used in transform`, "Its name does not stand in the pattern.");

  left.forEach((group, k) => {
    const unknown = group.filter((one) => !given.has(one));
    if (unknown.length > 1)
      throw wrong(`Could not infer sizes for ${list(unknown)}`, `Write ${unknown[1]}=2 after the pattern.`);
    const known = group.filter((one) => given.has(one)).reduce((product, one) => product * given.get(one), 1);
    if (!unknown.length && known !== shape[k])
      throw wrong(
        `Shape mismatch, ${shape[k]} != ${known}`,
        `Axis ${k} is ${shape[k]} long, and “${group.join(" ")}” makes ${known}.`,
      ).on(x, k);
    if (unknown.length) {
      if (known === 0 || shape[k] % known)
        throw wrong(
          `Shape mismatch, can't divide axis of length ${shape[k]} in chunks of ${known}`,
          `Axis ${k} is ${shape[k]} long, and ${known} does not divide it.`,
        ).on(x, k);
      given.set(unknown[0], shape[k] / known);
    }
  });
  const order = [...inRight.filter((one) => inLeft.includes(one)), ...gone];
  const axes = order.map((one) => inLeft.indexOf(one));
  const calls = [];
  const sizesOf = (found) => found.map((one) => given.get(one));
  if (left.some((group) => group.length !== 1)) calls.push({ op: "reshape", sizes: sizesOf(inLeft) });
  if (axes.some((axis, k) => axis !== k)) calls.push({ op: "permute", sizes: axes });
  if (gone.length) calls.push({ op: "reduce", sizes: gone.map((_, i) => order.length - gone.length + i) });
  if (fresh.length) {
    const stretched = inRight.map(() => -1);
    inRight.forEach((one, k) => {
      if (inLeft.includes(one)) return;
      calls.push({ op: "unsqueeze", sizes: [k] });
      stretched[k] = given.get(one);
    });
    calls.push({ op: "expand", sizes: stretched });
  }
  if (right.some((group) => group.length !== 1))
    calls.push({ op: "reshape", sizes: right.map((group) => sizesOf(group).reduce((product, n) => product * n, 1)) });
  return calls;
}

const wrongCount = (needed, shape) =>
  wrong(
    `Wrong shape: expected ${needed} dims. Received ${shape.length}-dim tensor.`,
    `The tensor has shape ${JSON.stringify(shape)}; the left side names each of its axes.`,
  );

/** What an equation or a pattern names on its left, per axis; null if that is not to be read. @returns {string[][] | null} */
export function groupsOf(pattern) {
  const left = pattern.split("->")[0];
  if (!/^[\w\s()]*$/.test(left) || !left) return null;
  return [...left.matchAll(/\(([^()]*)\)|(\w+)/g)].map(([, inside, one]) =>
    (inside || one || "").split(/\s+/).filter(Boolean),
  );
}
