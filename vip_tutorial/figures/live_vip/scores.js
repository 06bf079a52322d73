// The answer of a network: a score for each class, as a table.

import { escape } from "../../lens/figure/host.js";
import { roundTenth } from "../shared/triangle.js";

export const winnerOf = (shares) => shares.indexOf(Math.max(...shares));

/** A number as it is read: with a true minus, and as many digits as help. */
export const numberText = (x) =>
  (Math.abs(x) < 1e5 ? x.toFixed(3).replace("-0.000", "0.000") : x.toExponential(2)).replace("-", "−");

/**
 * @param {string[]} labels of the classes
 * @param {{scores: number[], shares: number[]}} now
 * @param {{scores: number[], shares: number[]} | undefined} free the same, left alone
 * @param {{scores: number[], shares: number[]} | undefined} kept of another picture
 * @param {string} keptTitle
 * @param {{scores: number[]}} trained what the bars are drawn beside: the network at the end of its film
 */
export function scoresHtml(labels, now, free, kept, keptTitle, trained) {
  const scaled = [now, free, kept, trained];
  const most = Math.max(1e-9, ...scaled.flatMap((run) => (run ? run.scores.map(Math.abs) : [])));
  const x = (score) => roundTenth(50 + (49 * score) / most);
  const best = winnerOf(now.shares);
  const bar = (score) =>
    `<rect x="${Math.min(50, x(score))}" width="${roundTenth(Math.abs(x(score) - 50))}" y="2" height="8"/>`;
  const tick = (kind, run, i) => (run ? `<path d="M${x(run.scores[i])},0V12" class="vip-live-${kind}"/>` : "");
  const share = (run, i) => (run ? `<td class="vip-number">${run.shares[i].toFixed(3)}</td>` : "");
  const rows = labels.map(
    (label, i) =>
      `<tr${i === best ? ' class="vip-live-best"' : ""}><th scope="row">${i === best ? "▸ " : ""}${escape(label)}</th>` +
      `<td class="vip-live-bar"><svg viewBox="0 0 100 12" preserveAspectRatio="none" role="img" aria-label="score ${numberText(now.scores[i])}">` +
      `<path d="M50,0V12" class="vip-live-zero"/>${bar(now.scores[i])}${tick("free", free, i)}${tick("kept", kept, i)}</svg></td>` +
      `${share(now, i)}${share(free, i)}${share(kept, i)}</tr>`,
  );
  const head = (run, text) => (run ? `<th scope="col" class="vip-number">${escape(text)}</th>` : "");
  const heads = [
    head(now, free || kept ? "now" : "probability"),
    head(free, "left alone\u00a0┆"),
    head(kept, `${keptTitle}\u00a0┃`),
  ];
  return `<div class="vip-scroll vip-live-scores" tabindex="0" role="group" aria-label="Scores of the classes"><table><thead><tr><th scope="col">class</th><th scope="col">score</th>${heads.join("")}</tr></thead><tbody>${rows.join("")}</tbody></table></div>`;
}
