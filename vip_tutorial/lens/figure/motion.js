// What takes time in a figure: a walk from one picture to the next, and the rests between
// two walks while it plays.  One of them at a time.

const MOVE_MS = 900;
const REST_MS = 700;

/** Whether the reader wants pictures that do not move. */
export const isCalm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

const FIRST = 0.5; // of the time belongs to the first row alone
const ONE = 0.3; // of the time is what each of the others takes

/**
 * How far the row is that comes `place`-th of `count` at a share of the time: one row
 * first, slowly, and then the others, one soon after the other.
 */
export function shareOf(progress, place, count) {
  if (count === 1) return clamp(progress);
  if (place === 0) return clamp(progress / FIRST);
  const start = FIRST + (1 - FIRST - ONE) * (count > 2 ? (place - 1) / (count - 2) : 0);
  return clamp((progress - start) / ONE);
}

export const clamp = (share) => Math.max(0, Math.min(1, share));

/** Slow at both ends. */
export const eased = (share) => share * share * (3 - 2 * share);

export function makeMotion() {
  let frame = 0;
  let timer = 0;
  const stop = () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
  };
  return {
    stop,

    /** Show each value on the way, the last one as it is. */
    walk(from, to, show, then, ms = MOVE_MS) {
      stop();
      const began = performance.now();
      const next = (now) => {
        const share = Math.max(0, (now - began) / ms); // a frame may have begun before its walk
        show(share < 1 ? from + (to - from) * share : to);
        if (share < 1) frame = requestAnimationFrame(next);
        else then();
      };
      frame = requestAnimationFrame(next);
    },

    rest(then) {
      stop();
      timer = setTimeout(then, isCalm() ? 2 * REST_MS : REST_MS);
    },
  };
}
