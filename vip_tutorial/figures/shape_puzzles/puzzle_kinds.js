// The five kinds of puzzles: each is made from a seed, and knows how to judge an answer.
// What is right is worked out with strides and births, never looked up in a table.

import { make as makeAddress } from "./puzzle_address.js";
import { make as makeCopy } from "./puzzle_copy.js";
import { make as makeEinops } from "./puzzle_einops.js";
import { make as makeOrder } from "./puzzle_order.js";
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
 * @property {{axes: string[], shape: number[]}} born what a birth is counted along
 * @property {import("./strided.js").Call[]} calls
 * @property {string} code what is printed of them
 * @property {number[]} [strip] births by address, where the tensor is no fresh one
 * @property {Record<string, number>} [sizes] what the names in its calls stand for
 * @property {string[]} [options] the answers to choose from
 * @property {string[]} [choose] the axes that an answer is put together from
 * @property {string} example how an answer may look
 * @property {string} answer a right answer, as it would be typed
 * @property {string[]} hints three of them
 * @property {(work: {given?: string, looked?: boolean}, asleep: boolean) => string} [memory] its strip,
 *   drawn, where an answer may be given by a click
 * @property {(text: string) => Verdict} judge
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

const MAKERS = { shape: makeShape, order: makeOrder, copy: makeCopy, address: makeAddress, einops: makeEinops };

export const KINDS = {
  shape: "Which shape?",
  order: "Which order?",
  copy: "View or copy?",
  address: "Which address?",
  einops: "einops",
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
