// What takes time in a figure: a walk from one picture to the next, and the rests between
// two walks while it plays.  One of them at a time.

const MOVE_MS = 900;
const REST_MS = 700;

/** Whether the reader wants pictures that do not move. */
export const isCalm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

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
        const share = (now - began) / ms;
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
