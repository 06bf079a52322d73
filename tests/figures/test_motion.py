"""A walk from one picture to the next shows nothing that lies outside it."""

import json


def test_a_frame_that_began_before_its_walk_shows_the_start(engine_of):
    engine = engine_of("motion.js")
    shown = engine.eval("""
      const frames = [], seen = [];
      globalThis.performance = { now: () => 100 };
      globalThis.requestAnimationFrame = (next) => frames.push(next);
      globalThis.cancelAnimationFrame = globalThis.clearTimeout = () => {};
      const { walk } = $motion.makeMotion();
      walk(3, 5, (at) => seen.push(at), () => seen.push("end"), 10);
      for (const now of [92, 100, 105, 130]) frames.shift()(now);
      JSON.stringify(seen);
    """)
    assert json.loads(shown) == [3, 3, 4, 5, "end"]
