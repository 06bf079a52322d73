// Puzzles of the kind "at which address does this element lie?"

import { birthFill, inkOn } from "../../lens/figure/colours.js";
import { jumpsTo, stripSvg, sumHtml } from "../shared/strip.js";
import { addressIn, birthsIn, freshStrides, freshTensor, permuted } from "./strided.js";
import { randomBelow, otherOrder, shuffledList, notYet } from "./puzzle_parts.js";
import { readNumbers } from "./puzzle_reading.js";
import { unravel } from "../../lens/permute_lens/recording.js";
import { tuple } from "../../lens/permute_lens/words.js";

/** @returns {Omit<import("./puzzle_kinds.js").Puzzle, "kind" | "number" | "level">} */
export function make(level, random) {
  const sizes = shuffledList(level > 3 ? [2, 3, 4, 2] : [2, 3, 4, 5], random);
  const fresh = freshTensor(sizes.slice(0, [2, 3, 3, 4][level - 1]));
  const turned =
    level > 2
      ? permuted(
          fresh,
          otherOrder(
            fresh.shape.map((_, axis) => axis),
            random,
          ),
        )
      : fresh;
  const { shape, strides } = turned;
  let at;
  do at = shape.map((size) => randomBelow(size, random));
  while (at.filter((c) => c > 0).length < 2);
  const right = addressIn(turned, at);
  const terms = at.map((c, axis) => `${c} × ${strides[axis]}`);
  const element = `x[${at.join(", ")}]`;
  return {
    ask: `x has shape ${tuple(shape)} and strides ${tuple(strides)}${level > 2 ? ": it has been permuted" : ""}. At which address, counted from 0, does ${element} lie?`,
    shape,
    strides,
    strip: fresh.strip,
    axes: null,
    born: { axes: [], shape: fresh.shape },
    calls: [],
    code: element,
    example: "7",
    answer: String(right),
    hints: [
      "Each stride says how far one step along its axis jumps. Multiply each coordinate by its stride, and add up.",
      `Along axis 0 you take ${at[0]} ${at[0] === 1 ? "step" : "steps"} of ${strides[0]}: that is ${at[0] * strides[0]}.`,
      `${terms.join(" + ")} = ?`,
    ],
    memory: (work, asleep) => memoryHtml({ turned, fresh, at, right }, work, asleep),
    judge: (text) => judge({ turned, at, right, terms, element }, text),
  };
}

const LINE = 10; // cells, so that the lines begin at 0, 10, 20, ...

const WAYS = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -LINE, ArrowDown: LINE };

/** What an action changes in a reader's work, if it is on the strip; `given` if it is an answer. */
export function addressAct({ strip }, work, { name, key, value }) {
  if (name === "typed") return { typed: value, at: undefined };
  if (name !== "cells") return undefined;
  const at = work.at ?? 0;
  if (key === "Enter" || key === " ") return { at, typed: String(at), given: String(at) };
  if (!WAYS[key]) return undefined;
  const to = work.at === undefined ? 0 : at + WAYS[key];
  return to in strip ? { at: to, typed: String(to), last: "moved" } : undefined;
}

/** Where the mark is now, in a sentence. */
export const addressSaid = (_, { at }) => `The mark is at address ${at}. Press Enter to choose it.`;

/**
 * The strip to click in: bare as long as it is asked about, then with its colours and the jumps.
 * @param {*} asked
 * @param {{given?: string, looked?: boolean, at?: number}} work
 */
function memoryHtml(asked, work, asleep) {
  const { turned, fresh, at, right } = asked;
  const { given, looked } = work;
  const mine = readNumbers(given ?? "").numbers?.[0];
  const open = looked || mine === right;
  const cells = turned.strip.map((birth, address) => {
    const [row, column] = unravel(birth, fresh.shape);
    const fill = open ? birthFill(row, column, fresh.shape[1]) : "var(--vip-soft)";
    const missed = address === mine && !open;
    return {
      fill,
      ink: open ? inkOn(fill) : "var(--vip-ink)",
      label: open && address === right ? address : missed ? "✗" : "",
      lit: open ? address === right : address === work.at,
      attributes: asleep ? "" : `data-do="answer" data-value="${address}"`,
    };
  });
  const words = `The strip, ${cells.length} cells in lines of ${LINE}. ${open ? `The jumps lead to ${right}.` : "Click a cell, type its address, or go there with the arrow keys and press Enter."}`;
  const how = open
    ? `The jumps: ${sumHtml(turned, at)} = <b>${right}</b>`
    : "The strip; each line begins with its address. Click the cell, or type.";
  return (
    `<p class="vip-caption">${how}</p>` +
    `<div class="vip-strip-board"${asleep ? "" : ` tabindex="0" role="application" data-keys="cells" aria-label="${words}"`}>` +
    stripSvg(cells, {
      perLine: Math.min(LINE, cells.length),
      jumps: open ? jumpsTo(turned, at) : [],
      lines: true,
      attributes: asleep ? `role="img" aria-label="${words}"` : 'aria-hidden="true"',
    }) +
    "</div>"
  );
}

function judge({ turned, at, right, terms, element }, text) {
  const { numbers, problem } = readNumbers(text);
  if (problem) return notYet(problem);
  if (numbers.length !== 1) return notYet(`An address is one number; you gave ${numbers.length}.`);
  const { shape, strip } = turned;
  const [mine] = numbers;
  const addresses = freshTensor(shape).strip.map((k) => addressIn(turned, unravel(k, shape)));
  const births = birthsIn(turned);
  const grid = (address, label, caption) => {
    const mark = addresses.indexOf(address);
    return { caption, shape, births, mark, labels: births.map((_, k) => (k === mark ? label : "")) };
  };
  if (mine === right)
    return {
      right: true,
      words: `${terms.join(" + ")} = ${right}.`,
      wanted: { ...grid(right, right, "every number with its address"), labels: addresses },
    };
  const wanted = grid(right, "?", `${element}, which is asked`);
  if (mine >= strip.length)
    return notYet(
      `The strip holds ${strip.length} numbers and ends at address ${strip.length - 1}; ${mine} lies outside.`,
      undefined,
      wanted,
    );
  const there = unravel(addresses.indexOf(mine), shape);
  const fresh = addressIn({ strides: freshStrides(shape) }, at);
  return notYet(
    `At ${mine} lies x[${there.join(", ")}].` +
      (mine === fresh
        ? " You counted as if x had just been made; its strides are others."
        : ` You look for ${element}.`),
    grid(mine, mine, `what lies at ${mine}`),
    wanted,
  );
}
