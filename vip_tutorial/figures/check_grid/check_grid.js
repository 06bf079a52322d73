// The check grid: faulty modules down, checks across, and a mark where a check catches.
// What each check said when it met each module comes from Python.

import { choiceField, firstFrameOf, renderFigure } from "../../lens/figure/figure.js";
import { escape } from "../../lens/figure/host.js";

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/** A name as it stands in a link. */
const slug = (name) => name.replaceAll(" ", "-");

const isText = (text) => typeof text === "string";

const figure = {
  kind: "check_grid",
  title: "What catches what",
  watched: ["checks", "mutants"],
  help: "Press a mark, or anywhere in the grid. With focus on the grid the arrow keys go from mark to mark.",
  fields: {
    mutant: choiceField("none", (scene) => scene.mutants.map(({ name }) => slug(name))),
    check: choiceField("none", (scene) => scene.checks.map(({ name }) => slug(name))),
  },
  misfits: (scene, { mutant, check }) => {
    if ((mutant === "none") === (check === "none")) return [];
    return [mutant === "none" ? "check" : "mutant"]; // a mark has both
  },

  prepare(get) {
    const [checks, mutants] = [get("checks"), get("mutants")];
    if (!Array.isArray(checks) || !checks.length || !checks.every(({ name, asks }) => isText(name) && isText(asks)))
      throw new Error("it has no checks");
    const isMutant = (mutant) =>
      isText(mutant?.name) && isText(mutant.fault) && mutant.said && Object.values(mutant.said).every(isText);
    if (!Array.isArray(mutants) || !mutants.length || !mutants.every(isMutant)) throw new Error("it has no mutants");
    return { checks, mutants };
  },

  html({ checks, mutants }, state) {
    const [row, column] = chosen({ checks, mutants }, state);
    const lit = (is) => (is ? "vip-check-lit" : "");
    const head = ({ name }, c) => `<th scope="col" class="${lit(c === column)}"><span>${escape(name)}</span></th>`;
    const mark = (mutant, r, { name }, c) => {
      const found = Object.hasOwn(mutant.said, name);
      const now = r === row && c === column;
      const words = [
        found && "vip-caught",
        now && "vip-check-at",
        !now && (r === row || c === column) && "vip-check-line",
      ];
      return `<td class="${words.filter(Boolean).join(" ")}" data-do="mark" data-value="${r * checks.length + c}"><i>${found ? "x" : "·"}</i></td>`;
    };
    const line = (mutant, r) =>
      `<tr><th scope="row" class="${lit(r === row)}">${escape(mutant.name)}</th>${checks.map((check, c) => mark(mutant, r, check, c)).join("")}</tr>`;
    const counts = checks.map(({ name }) => mutants.filter(({ said }) => Object.hasOwn(said, name)).length);
    return `
<p class="vip-note"><span class="vip-check-key vip-caught"><i>x</i></span> the check catches it, <span class="vip-check-key"><i>·</i></span> it passes. Below: how many each check catches.</p>
<p class="vip-note vip-check-more">The grid goes on to the right.</p>
<div class="vip-scroll vip-check-scroll" tabindex="0" role="group" data-keys="marks" aria-label="Mutants and checks. Arrow keys go from mark to mark."><table>
<thead><tr><td></td>${checks.map(head).join("")}</tr></thead>
<tbody>${mutants.map(line).join("\n")}</tbody>
<tfoot><tr><th scope="row">caught, of ${mutants.length}</th>${counts.map((count) => `<td>${count}</td>`).join("")}</tr></tfoot></table></div>`;
  },

  say(scene, state) {
    const { checks, mutants } = scene;
    const [row, column] = chosen(scene, state);
    if (row < 0) {
      const marks = mutants.reduce((sum, { said }) => sum + Object.keys(said).length, 0);
      return `${mutants.length} mutants met ${checks.length} checks: ${marks} catches. Press a mark, and read what the check said.`;
    }
    const [{ name, fault, said }, check] = [mutants[row], checks[column]];
    return Object.hasOwn(said, check.name)
      ? `${check.name} catches “${name}”: ${said[check.name]}. (${fault})`
      : `${check.name} passes “${name}”. It asks: ${check.asks} With this fault that still holds. (${fault})`;
  },

  act(scene, state, { name, value, key }) {
    const { checks, mutants } = scene;
    const at = (row, column) => ({ mutant: slug(mutants[row].name), check: slug(checks[column].name) });
    if (name === "mark") return at(Math.floor(Number(value) / checks.length), Number(value) % checks.length);
    if (name !== "marks" || !STEPS[key]) return undefined;
    const [row, column] = chosen(scene, state);
    if (row < 0) return at(0, 0);
    const [r, c] = [row + STEPS[key][0], column + STEPS[key][1]];
    return mutants[r] && checks[c] ? at(r, c) : undefined;
  },

  paint(body) {
    // Where the grid scrolls, what is looked at stays in sight.
    const [box, at] = [body.querySelector(".vip-check-scroll"), body.querySelector(".vip-check-at")];
    if (!at || box.scrollWidth <= box.clientWidth) return;
    const names = body.querySelector("tbody th").offsetWidth;
    if (at.offsetLeft - names < box.scrollLeft) box.scrollLeft = at.offsetLeft - names;
    else if (at.offsetLeft + at.offsetWidth > box.scrollLeft + box.clientWidth)
      box.scrollLeft = at.offsetLeft + at.offsetWidth - box.clientWidth;
  },
};

/** Row and column of the mark that is looked at; -1 each if none is. */
function chosen({ checks, mutants }, { mutant, check }) {
  return [mutants.findIndex(({ name }) => slug(name) === mutant), checks.findIndex(({ name }) => slug(name) === check)];
}

export const render = renderFigure(figure);
export const firstFrame = firstFrameOf(figure);
