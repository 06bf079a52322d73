"""The clock runs everything in turn, and the parts are those of the module."""

import itertools
import sys
import time
from collections import UserDict
from types import SimpleNamespace

import pytest
import torch

from tables import in_turn
from vip_tutorial import PermuteMLP, WeightedPermuteMLP
from vip_tutorial.mixers.dynamic import DynamicPermuteMLP
from vip_tutorial.mixers.lightweight import LightPermuteMLP
from vip_tutorial.study import timing
from vip_tutorial.study.cost import count_bytes_moved, count_multiply_adds
from vip_tutorial.study.timing import interleaved, parts


def test_the_ways_take_turns():
    seen, state = [], set()

    def run(name):
        seen.append(name)
        state.add((torch.get_num_threads(), torch.is_inference_mode_enabled()))

    ways = {name: lambda name=name: run(name) for name in "abc"}
    before = torch.get_num_threads()
    best = interleaved(ways, seconds=0, least=4, threads=2)
    assert list(best) == ["a", "b", "c"]
    # Once to warm up, then back and forth.
    assert "".join(seen) == "abc" + "cba" + "abc" + "cba" + "abc"
    assert state == {(2, True)}
    assert (torch.get_num_threads(), torch.is_inference_mode_enabled()) == (
        before,
        False,
    )


def test_three_rounds_at_least():
    seen = []
    interleaved({"it": lambda: seen.append(torch.get_num_threads())}, seconds=0)
    assert seen == [1] * 4  # one of them to warm up


def test_the_shortest_time_counts(monkeypatch):
    clock = iter([0, 9, 10, 13, 20, 21, 30, 32])
    monkeypatch.setattr(timing, "_clock", lambda threads: lambda: float(next(clock)))
    assert interleaved({"it": lambda: None}, seconds=0, least=4) == {"it": 1.0}


def test_the_clock(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    assert timing._clock(1) is time.thread_time
    assert timing._clock(2) is time.perf_counter
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    waited = []
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda: waited.append(1))
    assert timing._clock(1)() <= time.perf_counter() and waited == [1]


def test_what_others_take_is_left_out(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    if sys.platform == "win32":
        pytest.skip("Windows counts a thread's time in steps of 16 ms")
    slept = interleaved({"it": lambda: time.sleep(0.05)}, seconds=0, least=2)
    assert slept["it"] < 0.04


def test_it_goes_on_as_long_as_it_is_told(monkeypatch):
    seen, ticks = [], itertools.count()
    clock = SimpleNamespace(perf_counter=lambda: float(next(ticks)))
    monkeypatch.setattr(timing, "time", clock)
    monkeypatch.setattr(timing, "_clock", lambda threads: time.thread_time)
    interleaved({"it": lambda: seen.append(1)}, seconds=5, least=1)
    # To warm up, at least once, and again while the clock says 1, 2, 3 and 4.
    assert len(seen) == 6


def test_the_threads_are_put_back_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError):
        interleaved({"it": lambda: 1 // 0}, threads=before + 1)
    assert torch.get_num_threads() == before


def test_nothing_to_time():
    with pytest.raises(ValueError, match="nothing to time"):
        interleaved({})


@in_turn(
    "wrong, kind, said",
    [
        ({"least": 0}, ValueError, "least is 0; it must be at least 1"),
        ({"threads": 0}, ValueError, "threads is 0; it must be at least 1"),
        ({"threads": "two"}, TypeError, "threads is 'two'; it must be a whole number"),
        ({"seconds": -1}, ValueError, "seconds is -1; it must be at least 0"),
        ({"seconds": float("inf")}, ValueError, "seconds is inf; it must be finite"),
        ({"ways": [print]}, TypeError, "ways is a list; give ways as {name: function}"),
        (
            {"ways": {"it": 3}},
            TypeError,
            "the way 'it' is 3, which can't be called",
        ),
    ],
)
def test_what_cannot_be_timed(wrong, kind, said):
    with pytest.raises(kind, match=said):
        interleaved(**({"ways": {"it": lambda: pytest.fail("it ran")}} | wrong))


def test_parts_of_what_does_not_fit():
    module = WeightedPermuteMLP(24, 4)
    with pytest.raises(ValueError, match="H = W = segment_dim = 4"):
        parts(module, torch.zeros(2, 4, 8, 24))
    with pytest.raises(ValueError, match="C must be dim = 24"):
        parts(module, torch.zeros(2, 4, 4, 12))
    for other in (
        PermuteMLP(24, 4),
        DynamicPermuteMLP(24, 4, weights="token"),  # other weights to blend with
        LightPermuteMLP(24, 4, rank=4),  # no large Linear
    ):
        name = type(other).__name__
        with pytest.raises(TypeError, match=f"got {name}; the parts are those"):
            parts(other, torch.zeros(2, 4, 4, 24))


def test_the_parts_are_the_whole():
    """By the products and the bytes that each part counts."""
    with torch.device("meta"):
        module = WeightedPermuteMLP(24, 4)
        x = torch.empty(2, 4, 4, 24)
    of = parts(module, x)
    assert list(of) == ["products", "copies", "sum, weights, blend"]

    def total(count):
        return sum(count(lambda x, run=run: run(), x) for run in of.values())

    assert total(count_multiply_adds) == count_multiply_adds(module, x)
    assert total(count_bytes_moved) == count_bytes_moved(module, x)
    assert count_bytes_moved(lambda x: of["copies"](), x) == 8 * x.nbytes


def test_any_mapping_is_a_list_of_ways():
    assert interleaved(UserDict(it=lambda: None), seconds=0)["it"] >= 0
