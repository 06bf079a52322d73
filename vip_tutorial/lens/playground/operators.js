// Operators and comparisons of numbers, tuples and lists, as Python has them.

import { Float, Items, Module, isNumeric, isWhole, numberOf, typeOf } from "./calls.js";
import { Fault, beyond, outside } from "./faults.js";
import { checkedWhole, itemsOf } from "./library.js";
import { Tensor } from "./tensor.js";

/** Whether Python takes a value for true. */
export function isTrue(value) {
  if (value instanceof Tensor) throw outside("Asking whether a tensor is true");
  if (value instanceof Items) return value.items.length > 0;
  if (value instanceof Float) return value.value !== 0;
  return Boolean(value);
}

/** Whether a comparison holds. @param {string} sign */
export function holds(sign, left, right) {
  if (left instanceof Tensor || right instanceof Tensor) {
    if (sign === "is") return left === right;
    if (sign === "is not") return left !== right;
    throw outside("Comparing tensors");
  }
  const alike = (one, other) => {
    if (isNumeric(one) && isNumeric(other)) return numberOf(one) === numberOf(other);
    if (one instanceof Items && other instanceof Items)
      return (
        (one.kind === "list") === (other.kind === "list") &&
        one.items.length === other.items.length &&
        one.items.every((item, i) => alike(item, other.items[i]))
      );
    return one === other || (one instanceof Module && one.name === other?.name);
  };
  if (sign === "==" || sign === "is") return alike(left, right);
  if (sign === "!=" || sign === "is not") return !alike(left, right);
  if (sign === "in" || sign === "not in") {
    const isIn = itemsOf(right, () => []).some((item) => alike(item, left));
    return isIn === (sign === "in");
  }
  if (!isNumeric(left) || !isNumeric(right))
    throw new Fault(
      "TypeError",
      `'${sign}' not supported between instances of '${typeOf(left)}' and '${typeOf(right)}'`,
      "Numbers are compared with numbers.",
    );
  const [a, b] = [numberOf(left), numberOf(right)];
  return { "<": a < b, ">": a > b, "<=": a <= b, ">=": a >= b }[sign];
}

/** What an operator makes of two values, none of which is a tensor. @param {string} sign */
export function ofValues(sign, left, right) {
  if (isNumeric(left) && isNumeric(right)) return ofNumbers(sign, left, right);
  if (left instanceof Items && sign === "+") {
    if (!(right instanceof Items))
      throw new Fault(
        "TypeError",
        `can only concatenate ${left.kind} (not "${typeOf(right)}") to ${left.kind}`,
        "Put the number into a tuple: (n,).",
      );
    if ((left.kind === "list") !== (right.kind === "list"))
      throw new Fault(
        "TypeError",
        `can only concatenate ${left.kind} (not "${right.kind}") to ${left.kind}`,
        "Make both tuples.",
      );
    return new Items(left.kind === "Size" && right.kind === "Size" ? "Size" : left.kind === "list" ? "list" : "tuple", [
      ...left.items,
      ...right.items,
    ]);
  }
  const [list, count] = left instanceof Items ? [left, right] : [right, left];
  if (sign === "*" && list instanceof Items && isWhole(count)) {
    if (list.items.length * count > 4096) throw beyond("This list is too long for the playground.");
    return new Items(
      list.kind === "Size" ? "tuple" : list.kind,
      Array.from({ length: Math.max(0, count) }, () => list.items).flat(),
    );
  }
  throw new Fault("TypeError", `unsupported operand type(s) for ${sign}: '${typeOf(left)}' and '${typeOf(right)}'`, "");
}

function ofNumbers(sign, left, right) {
  const [a, b] = [numberOf(left), numberOf(right)];
  const isFloat = left instanceof Float || right instanceof Float;
  const byZero = (message) => {
    if (b === 0) throw new Fault("ZeroDivisionError", message, "The number on the right is 0.");
  };
  const done = (value) => (isFloat ? new Float(value) : checkedWhole(value));
  switch (sign) {
    case "+":
      return done(a + b);
    case "-":
      return done(a - b);
    case "*":
      return done(a * b);
    case "/":
      byZero("division by zero");
      return new Float(a / b);
    case "//":
      byZero("division by zero");
      return done(Math.floor(a / b));
    case "%":
      byZero("division by zero");
      return done(a - Math.floor(a / b) * b);
    case "**":
      if (a === 0 && b < 0) throw new Fault("ZeroDivisionError", "0.0 cannot be raised to a negative power", "");
      return isFloat || b < 0 ? new Float(a ** b) : checkedWhole(a ** b);
  }
  throw new Fault(
    "TypeError",
    `unsupported operand type(s) for ${sign}: '${typeOf(left)}' and '${typeOf(right)}'`,
    "@ is for tensors.",
  );
}
