// The kinds of puzzles: each is made from a seed, and knows how to judge an answer.
// What is right is worked out with strides and births, never looked up in a table.

import { make as makeAddress } from "./puzzle_address.js";
import { make as makeCopy } from "./puzzle_copy.js";
import { make as makeEinops } from "./puzzle_einops.js";
import { make as makeLine } from "./puzzle_line.js";
import { make as makeOrder } from "./puzzle_order.js";
import { make as makePlace } from "./puzzle_place.js";
import { make as makeSeen } from "./puzzle_seen.js";
import { make as makeShape } from "./puzzle_shape.js";
import { hashOfText, randomFrom, notYet } from "./puzzle_parts.js";
import { tidyAnswer } from "./puzzle_reading.js";

/**
 * @typedef {object} Puzzle
 * @property {string} kind
 * @property {number} number which of its kind and seed, from 1
 * @property {number} level 1 to 4
 * @property {string} ask the question
 * @property {number[]} shape of the tensor that it begins with
 * @property {number[]} strides
 * @property {string[] | null} axes its axes by name
 * @property {Born} born what a birth is counted along
 * @property {import("./strided.js").Call[]} calls
 * @property {string} code what is printed of them
 * @property {number[]} [strip] births by address, where the tensor is no fresh one
 * @property {Record<string, number>} [sizes] what the names in its calls stand for
 * @property {string[]} [options] the answers to choose from
 * @property {string[]} [choose] the axes that an answer is put together from
 * @property {(order: number[]) => Picture} [turned] what these axes, in an order, make of x
 * @property {number} [mark] the element that is asked about
 * @property {Picture} [empty] the grid in which the answer is a place
 * @property {Picture} [target] what the right line makes
 * @property {{letter: string, code: string}[]} [lines] the lines to choose from
 * @property {number} [tokens] rows, and columns, of tokens that are chosen or not
 * @property {string} example how an answer may look
 * @property {string} answer a right answer, as it would be typed
 * @property {string[]} hints three of them
 * @property {(work: {given?: string, looked?: boolean, at?: number}, asleep: boolean) => string} [memory] its strip,
 *   drawn, where an answer may be given by a click
 * @property {(text: string) => Verdict} judge
 *
 * @typedef {object} Born
 * @property {string[]} axes
 * @property {number[]} shape
 * @property {number[]} [hues] the axes that give a cell its hue and its lightness
 * @property {"W"} [walks] the rows that are asked for go from column to column: these have a hue each, so that
 *   a row that is right has them all
 * @property {string} [said] what the colours say, if it is not the usual
 *
 * @typedef {object} Verdict
 * @property {boolean} right
 * @property {string} words what the answer means
 * @property {Picture} [mine] what the answer would do
 * @property {Picture} [wanted] what is asked
 *
 * @typedef {object} Picture
 * @property {string} caption
 * @property {number[]} shape
 * @property {number[]} births -1 where no number is
 * @property {(number | string)[]} [labels] what to write into the cells
 * @property {number} [mark] the cell to outline
 */

const MAKERS = {
  shape: makeShape,
  order: makeOrder,
  copy: makeCopy,
  address: makeAddress,
  einops: makeEinops,
  place: makePlace,
  line: makeLine,
  seen: makeSeen,
};

export const KINDS = {
  shape: "Which shape?",
  order: "Which order?",
  copy: "View or copy?",
  address: "Which address?",
  einops: "einops",
  place: "Where does it go?",
  line: "Which line?",
  seen: "Who sees whom?",
};

/** The puzzle with this number; the same seed always makes the same one. @returns {Puzzle} */
export function makePuzzle(kind, seed, number) {
  const random = randomFrom(hashOfText(`${kind} ${seed} ${number}`));
  const level = Math.min(4, Math.ceil(number / 2));
  return { kind, number, level, ...MAKERS[kind](level, random, number) };
}

/** Say whether an answer is right, and what it means. @returns {Verdict} */
export function judgeAnswer(puzzle, given) {
  const { text, problem } = tidyAnswer(given, puzzle.example);
  return problem ? notYet(problem) : puzzle.judge(text);
}
