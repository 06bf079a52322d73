// Indices, of tensors and of tuples, lists and sizes.

import { ELLIPSIS, Float, Items, Slice, isWhole, typeOf } from "./calls.js";
import { Fault, outside } from "./faults.js";

/** What `getitem` takes, of the index that stands in the program. */
export function indexGiven(index) {
  const items = index instanceof Items && index.kind !== "list" ? index.items : [index];
  return items.map((item) => {
    if (item === ELLIPSIS) return "...";
    if (item === null || isWhole(item)) return item;
    if (item instanceof Slice) {
      const parts = [item.start, item.stop, item.step];
      if (!parts.every((part) => part === null || isWhole(part)))
        throw new Fault(
          "TypeError",
          "slice indices must be integers or None or have an __index__ method",
          "A whole number is needed: // divides without a point.",
        );
      return { start: parts[0], stop: parts[1], step: parts[2] };
    }
    if (item instanceof Float)
      throw new Fault(
        "IndexError",
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got float)",
        "// divides without a point.",
      );
    throw outside(
      "An index that is a list, a tensor or a truth",
      "x.index_select(dim, indices) takes a tensor of them.",
    );
  });
}

/** `value[index]` of what is no tensor. */
export function part(value, index) {
  if (!(value instanceof Items))
    throw new Fault(
      "TypeError",
      `'${typeOf(value)}' object is not subscriptable`,
      "Only tensors, tuples and lists have indices.",
    );
  const { items, kind } = value;
  if (isWhole(index)) {
    if (index < -items.length || index >= items.length)
      throw new Fault(
        "IndexError",
        `${kind === "list" ? "list" : "tuple"} index out of range`,
        `It has ${items.length} items, 0 to ${items.length - 1}.`,
      );
    return items.at(index);
  }
  if (
    !(index instanceof Slice) ||
    ![index.start, index.stop, index.step].every((part) => part === null || isWhole(part))
  )
    throw new Fault(
      "TypeError",
      `${kind === "list" ? "list" : "tuple"} indices must be integers or slices, not ${typeOf(index)}`,
      "",
    );
  const step = index.step ?? 1;
  if (step === 0) throw new Fault("ValueError", "slice step cannot be zero", "");
  const n = items.length;
  const clamp = (part, low, high) => Math.max(low, Math.min(high, part < 0 ? part + n : part));
  const found = [];
  if (step > 0)
    for (let i = clamp(index.start ?? 0, 0, n); i < clamp(index.stop ?? n, 0, n); i += step) found.push(items[i]);
  else {
    const stop = index.stop === null ? -1 : clamp(index.stop, -1, n - 1);
    for (let i = index.start === null ? n - 1 : clamp(index.start, -1, n - 1); i > stop; i += step)
      found.push(items[i]);
  }
  return new Items(kind, found);
}
