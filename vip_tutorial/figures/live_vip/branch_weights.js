// The branch weights of each block: the cloud of the channels, its mean and spread, and how
// much of what the block adds each branch makes up.

import {
  BRANCHES,
  branchSign,
  leaderOf,
  meanMark,
  meanWeights,
  placeOf,
  signHtml,
  html as triangleHtml,
} from "../shared/triangle.js";
import { outputShares } from "./network.js";

/** Of one block; `ring` is the channel that is followed. */
export function weightsHtml(network, i, step, off, ring) {
  const { points } = step;
  const mean = meanWeights(points);
  const dots = points.map((point) => branchSign(leaderOf(point), placeOf(point, 1)));
  const [x, y] = placeOf(points[ring], 1);
  const inside = `${dots.join("")}${meanMark(placeOf(mean, 1))}<circle cx="${x}" cy="${y}" r="13" class="vip-triangle-ring"/>`;
  const shares = outputShares(network, i, step, off);
  const rows = BRANCHES.map(([b, name]) => {
    const spread = Math.sqrt(points.reduce((sum, point) => sum + (point[b] - mean[b]) ** 2, 0) / points.length);
    const isOff = off.includes(b);
    return (
      `<tr><th scope="row">${signHtml(b)}${name}</th><td class="vip-number">${isOff ? "off" : `${mean[b].toFixed(2)} ± ${spread.toFixed(2)}`}</td>` +
      `<td class="vip-number">${Math.round(100 * shares[b])} %</td></tr>`
    );
  });
  const names = BRANCHES.filter(([b]) => off.includes(b)).map(([, name]) => name);
  const told = names.length
    ? `<p class="vip-note">Off: ${names.join(", ")}. The triangle has the weights as they were computed; what is off counts as 0.</p>`
    : "";
  return `<div class="vip-live-cloud"><strong>Block ${i + 1}</strong>
${triangleHtml(`the weights of ${points.length} channels, their mean, and a ring round channel ${ring}`, 1, inside)}
<table><thead><tr><th scope="col">branch</th><th scope="col" class="vip-number">weight</th><th scope="col" class="vip-number">of the output</th></tr></thead><tbody>${rows.join("")}</tbody></table>${told}</div>`;
}

/** What stands in the triangles and the tables. */
export const WEIGHTS_LEGEND =
  '<p class="vip-note">A mark is a channel, in the shape of the branch that leads in it; ✳ their mean, ○ the followed channel. ' +
  "weight: the mean over the channels ± their standard deviation. of the output: how much of what the branches add to the tokens, behind the projection, comes from each.</p>";
