// The moves: what each does to shape, strides and memory, as PyTorch does it.
//
// A move is a pure function of its arguments.  So it can be run again on numbered elements,
// and what comes out says where each came from.

import { cat, channelShuffle, pad, pixelShuffle, pixelUnshuffle, stack } from "./join_moves.js";
import { chunk, gather, getitem, indexSelect, narrow, select, split, unbind, unfold } from "./part_moves.js";
import { expand, flip, repeat, repeatInterleave, roll, rot90 } from "./place_moves.js";
import { ORDERS, flatten, inOrder, reshape, squeeze, unflatten, unsqueeze, view } from "./shape_moves.js";
import { copied, isContiguous, preservedStrides } from "./tensor.js";

/** @typedef {import("./tensor.js").Tensor} Tensor */

/**
 * @typedef {object} Operation
 * @property {string} takes its parameters, see `calls.js`
 * @property {string} where "method", "torch", "functional" or "attribute", parted by blanks
 * @property {(given: *, isTwin?: boolean) => Tensor | Tensor[]} run
 * @property {(given: *) => number[]} [order] of a permutation of axes
 */

const move = (takes, where, run) => ({ takes, where, run });
const turn = (takes, where, name) => ({
  takes,
  where,
  order: ORDERS[name],
  run: (given) => inOrder(given.x, ORDERS[name](given)),
});

/** @type {Record<string, Operation>} */
export const MOVES = {
  view: move("x *shape", "method", view),
  reshape: move("x *shape", "method torch", reshape),
  flatten: move("x start_dim:int=0 end_dim:int=-1", "method torch", flatten),
  unflatten: move("x dim:int sizes:ints", "method torch", unflatten),
  squeeze: move("x *dim:axes?=None", "method torch", squeeze),
  unsqueeze: move("x dim:int", "method torch", unsqueeze),
  permute: turn("x *dims", "method torch", "permute"),
  transpose: turn("x dim0:int dim1:int", "method torch", "transpose"),
  swapaxes: turn("x axis0:int axis1:int", "method torch", "swapaxes"),
  swapdims: turn("x dim0:int dim1:int", "method torch", "swapdims"),
  movedim: turn("x source:axes destination:axes", "method torch", "movedim"),
  moveaxis: turn("x source:axes destination:axes", "method torch", "moveaxis"),
  t: turn("x", "method torch", "t"),
  T: turn("x", "attribute", "T"),
  mT: { ...turn("x", "attribute", "mT"), run: ({ x }) => (x.ndim ? inOrder(x, ORDERS.mT({ x })) : x) },
  expand: move("x *size", "method", expand),
  repeat: move("x *repeats", "method", repeat),
  repeat_interleave: move("x repeats:any dim:int?=None", "method torch", repeatInterleave),
  flip: move("x *dims", "method torch", flip),
  roll: move("x shifts:axes dims:axes=()", "method torch", roll),
  rot90: move("x k:int=1 dims:ints=(0,1)", "method torch", rot90),
  chunk: move("x chunks:int dim:int=0", "method torch", chunk),
  split: move("x split_size_or_sections:axes dim:int=0", "method torch", split),
  unbind: move("x dim:int=0", "method torch", unbind),
  narrow: move("x dim:int start:int length:int", "method torch", narrow),
  select: move("x dim:int index:int", "method torch", select),
  getitem: move("x index:any", "", getitem),
  index_select: move("x dim:int index:tensor", "method torch", indexSelect),
  gather: move("x dim:int index:tensor", "method torch", gather),
  unfold: move("x dimension:int size:int step:int", "method", unfold),
  contiguous: move("x", "method", ({ x }) => (isContiguous(x) ? x : copied(x))),
  clone: move("x", "method torch", ({ x }) => copied(x, preservedStrides(x))),
  cat: move("tensors dim:int=0", "torch", cat),
  stack: move("tensors dim:int=0", "torch", stack),
  pad: move("x pad:ints mode:any=constant value:any=None", "functional", pad),
  pixel_shuffle: move("x upscale_factor:int", "functional torch", pixelShuffle),
  pixel_unshuffle: move("x downscale_factor:int", "functional torch", pixelUnshuffle),
  channel_shuffle: move("x groups:int", "functional torch", channelShuffle),
};
