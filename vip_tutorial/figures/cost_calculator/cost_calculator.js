// The cost calculator: which sizes fit the module, and what it and other ways to mix
// tokens cost at these sizes.

import { axisColour } from "../../lens/figure/colours.js";
import { escape, offHtml } from "../../lens/figure/host.js";
import { firstFrameOf, renderFigure, wholeField } from "../../lens/figure/figure.js";

const SIZES = {
  H: { label: "rows of tokens", high: 256 },
  W: { label: "tokens in a row", high: 256 },
  N: { label: "segments", high: 256 },
  C: { label: "channels", high: 8192 },
};

/**
 * Weights and multiply-adds of one layer that mixes tokens, for one image.  Counted are
 * the products of Linear layers and matrices, as PyTorch's flop counter does.
 * @returns {{key: string, fixed?: boolean, name: string, parameters: number, macs: number, note: string}[]}
 */
export function costsOf({ H, W, C }) {
  const tokens = H * W;
  const quarter = Math.floor(C / 4);
  const hidden = Math.max(1, Math.floor(C / 2));
  const plain = { parameters: 4 * C * C + C, macs: 4 * tokens * C * C };
  return [
    {
      key: "weighted",
      fixed: true,
      name: "Weighted Permute-MLP",
      note: "three branches, re-weighting, projection",
      parameters: plain.parameters + C * quarter + quarter + 3 * C * quarter + 3 * C,
      macs: plain.macs + 4 * C * quarter,
    },
    { key: "plain", fixed: true, name: "Permute-MLP, plain sum", note: "three branches, projection", ...plain },
    {
      key: "attention",
      name: "Self-attention",
      note: "query, key, value, projection; every token looks at every token",
      parameters: 4 * C * C + C,
      macs: 4 * tokens * C * C + 2 * tokens * tokens * C,
    },
    {
      key: "mixer",
      name: "MLP-Mixer, token mixing",
      note: `two layers over the ${tokens} tokens, ${hidden} wide; channels do not mix here`,
      parameters: 2 * tokens * hidden + hidden + tokens,
      macs: 2 * tokens * hidden * C,
    },
    {
      key: "dense",
      name: "One dense layer",
      note: "every number of the image with every other",
      parameters: (tokens * C) ** 2,
      macs: (tokens * C) ** 2,
    },
  ];
}

/** Why these sizes do not fit the module; an empty list if they do. */
export function misfits({ H, W, N, C }) {
  const found = [];
  if (C % N) found.push(`${C} channels cannot be cut into ${N} equal segments: ${C} / ${N} leaves ${C % N}`);
  if (H !== N) found.push(`H is ${H} and N is ${N}, so rows of H × S would not be C long`);
  if (W !== N) found.push(`W is ${W} and N is ${N}, so rows of W × S would not be C long`);
  if (C < 4) found.push("the re-weighting squeezes C to C // 4, so C must be at least 4");
  return found;
}

/** 1234567 as "1,234,567", or "1.23e15" where that is too long to read. */
function numberText(count) {
  return count < 1e12 ? count.toLocaleString("en") : count.toExponential(2).replace("e+", "e");
}

/** A gap in a bar that would be longer than there is room. */
const BREAK = '<path class="vip-break" d="M80 4L87 0H93L86 4z"/>';

/** What the whole length of a bar stands for.  The dense layer would leave the others no length to see. */
function scaleOf(rows, key) {
  const most = Math.max(...rows.filter((row) => row.key !== "dense").map((row) => row[key]));
  const dense = rows.find((row) => row.key === "dense")[key];
  return dense > 1.2 * most ? most : Math.max(most, dense);
}

function timesText(ratio) {
  return ratio < 10 ? ratio.toFixed(1) : Math.round(ratio).toLocaleString("en");
}

const figure = {
  kind: "cost_calculator",
  title: "What it costs, and where it fits",
  watched: [],
  help: "Type a size, or use the arrow keys in its field. <b>Make it fit</b> sets W and N to H, and C to a multiple of it.",
  fields: Object.fromEntries(
    Object.entries({ H: 8, W: 8, N: 8, C: 512 }).map(([size, usual]) => [size, wholeField(usual, 1, SIZES[size].high)]),
  ),
  prepare: () => ({}),

  html(scene, state, asleep) {
    const inputs = Object.entries(SIZES).map(
      ([size, { label, high }]) =>
        `<label><b class="vip-axis" style="--axis:${axisColour(size)}">${size}</b> ${label} <input type="number" min="1" max="${high}" ` +
        `step="1" value="${state[size]}" data-set="${size}"${asleep ? " disabled" : ""}></label>`,
    );
    const rows = costsOf(state);
    const scales = { parameters: scaleOf(rows, "parameters"), macs: scaleOf(rows, "macs") };
    const [dense] = rows.slice(-1);
    const fits = misfits(state);
    const cell = (row, key) =>
      fits.length && row.fixed ? '<td class="vip-number"><span>does not run</span></td>' : bar(row[key], key);
    const bar = (value, key) =>
      `<td class="vip-number"><span>${numberText(value)}</span><svg viewBox="0 0 100 4" aria-hidden="true" preserveAspectRatio="none">` +
      `<rect width="${Math.min(100, (100 * value) / scales[key])}" height="4"/>${value > scales[key] ? BREAK : ""}</svg></td>`;
    const broken = Object.entries({ parameters: "for its weights", macs: "for its multiply-adds" }).flatMap(
      ([key, which]) => (dense[key] > scales[key] ? [`${timesText(dense[key] / scales[key])} times ${which}`] : []),
    );
    return `
<div class="vip-inputs">${inputs.join("")}
<button type="button" data-do="fit" class="vip-scripted"${offHtml(!fits.length)}>Make it fit</button></div>
<p class="vip-verdict ${fits.length ? "vip-bad" : "vip-good"}">${fits.length ? "✗ It does not fit." : "✓ It fits."} ${sums(state)}</p>
<div class="vip-scroll" tabindex="0" role="group" aria-label="Table of costs"><table>
<thead><tr><th scope="col">one layer that mixes tokens</th><th scope="col" class="vip-number">weights</th><th scope="col" class="vip-number">multiply-adds an image</th></tr></thead>
<tbody>${rows
      .map(
        (row) =>
          `<tr class="vip-first"><th scope="row">${row.name}</th>${cell(row, "parameters")}${cell(row, "macs")}</tr>` +
          `<tr><td colspan="3"><small>${escape(row.note)}</small></td></tr>`,
      )
      .join("")}</tbody></table></div>
<p class="vip-note">${
      broken.length
        ? `The bars of a column have one scale; those of the dense layer are broken off. Drawn on, they would be ${broken.join(" and ")} as long as the column is wide.`
        : "The bars of a column have one scale."
    }</p>`;
  },

  say(scene, state) {
    if (state.bad) return `${state.bad} must be a whole number from 1 to ${SIZES[state.bad].high}.`;
    const found = misfits(state);
    if (found.length) return `${capital(found.join("; "))}.`;
    const [weighted, , attention] = costsOf(state);
    const ratio = attention.macs / weighted.macs;
    return `The weighted module has ${numberText(weighted.parameters)} weights. Attention takes ${ratio.toFixed(2)} times its multiply-adds at this size.`;
  },

  act(scene, state, { name, value }) {
    if (name === "fit") {
      const { H } = state;
      return {
        W: H,
        N: H,
        C: Math.min(Math.max(1, Math.round(state.C / H), Math.ceil(4 / H)) * H, Math.floor(SIZES.C.high / H) * H),
        bad: "",
      };
    }
    if (!(name in SIZES)) return undefined;
    const read = this.fields[name].read(String(value));
    return read === undefined ? { bad: name } : { [name]: read, bad: "" };
  },
};

function sums({ H, W, N, C }) {
  const S = C / N;
  if (!Number.isInteger(S)) return `S = C / N = ${C} / ${N} is not a whole number.`;
  const is = (product) => (product === C ? "=" : "≠");
  return `S = C / N = ${S}. H × S = ${H} × ${S} = ${H * S} ${is(H * S)} C, W × S = ${W} × ${S} = ${W * S} ${is(W * S)} C.`;
}

function capital(text) {
  return text[0].toUpperCase() + text.slice(1);
}

export const render = renderFigure(figure);
export const firstFrame = firstFrameOf(figure);
