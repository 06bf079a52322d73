"""How long something takes, and how long its parts take.

A clock on a busy machine tells what else the machine does as well.  So the candidates
take turns, and of each the shortest time counts: whatever disturbs makes it longer.
"""

import math
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from .._util.arguments import real_number, whole_number
from .._util.inputs import check_input
from ..mixers.fast import FastPermuteMLP
from ..permute_mlp import WeightedPermuteMLP

Ways = dict[str, Callable[[], Any]]


def interleaved(
    ways: Ways, seconds: float = 2.0, least: int = 3, threads: int = 1
) -> dict[str, float]:
    """The shortest time of each way, in seconds; the ways take turns.

    One thread on a processor is timed by the time that the processor spent on it, so
    that other programs are left out.  Otherwise the clock is on the wall, and waits
    until a GPU is done.

    Args:
        ways: What to run, by name.
        seconds: How long to go on, all together.
        least: Every way runs at least so often, however long that takes, and once more
            to warm up.
        threads: How many threads of the processor PyTorch may use.

    Raises:
        ValueError: If there is nothing to run, or a number is too small.
        TypeError: If a way is no function, or a number is none.
    """
    _check_ways(ways)
    seconds = real_number("seconds", seconds, 0, math.inf)
    least = whole_number("least", least)
    threads = whole_number("threads", threads, most=1024)
    best = dict.fromkeys(ways, float("inf"))
    clock = _clock(threads)
    threads_before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            for run in ways.values():
                run()
            order, rounds = list(ways), 0
            end = time.perf_counter() + seconds
            while rounds < least or time.perf_counter() < end:
                # Back and forth, so that nobody always follows the same neighbour.
                for name in order if rounds % 2 else order[::-1]:
                    start = clock()
                    ways[name]()
                    best[name] = min(best[name], clock() - start)
                rounds += 1
    finally:
        torch.set_num_threads(threads_before)
    return best


def _check_ways(ways: Ways) -> None:
    needed = "give ways as {name: function}"
    if not isinstance(ways, Mapping):
        raise TypeError(f"ways is a {type(ways).__name__}; {needed}")
    if not ways:
        raise ValueError(f"there is nothing to time; {needed}")
    for name, run in ways.items():
        if not callable(run):
            raise TypeError(
                f"the way {name!r} is {run!r}, which can't be called; "
                f"{needed}, e.g. with lambda: module(x)"
            )


def _clock(threads: int) -> Callable[[], float]:
    if torch.accelerator.is_available():
        return _when_done
    if threads > 1 or sys.platform == "win32":
        return time.perf_counter  # Windows counts a thread's time in steps of 16 ms
    return time.thread_time


def _when_done() -> float:
    # As torch.utils.benchmark does; it writes a warning where it finds CUDA and no GPU.
    torch.accelerator.synchronize()
    return time.perf_counter()


def parts(module: WeightedPermuteMLP, x: Tensor) -> Ways:
    """The module's work in three parts, each on numbers that lie ready for it.

    Args:
        module: A `WeightedPermuteMLP` or a `FastPermuteMLP`.
        x: Tokens, `(B, H, W, C)`, with H = W = N.

    Returns:
        What to run, by name.  The "products" are the four large Linear, the "copies"
        the four reshapes that copy, and "sum, weights, blend" is all the rest.  Run
        apart they need not add up to the module: each finds the cache as it left it
        itself.

    Raises:
        ValueError: If `x` does not fit the module.
        TypeError: If `module` is none of these two, which have large Linear and weights
            for each picture, or `x` is no tensor of its dtype.
    """
    if type(module) not in (WeightedPermuteMLP, FastPermuteMLP):
        raise TypeError(
            f"got {type(module).__name__}; the parts are those of a WeightedPermuteMLP"
        )
    check_input(x, module.mlp_c.weight, module.dim, module.segment_dim)
    B, H, W, C = x.shape
    N, S = module.segment_dim, C // module.segment_dim
    h, w, c = (torch.randn_like(x) for _ in range(3))  # (B, H, W, C) each
    ready = x.reshape(B, N, W, H * S)  # (B, N, W, H*S)
    tokens = x.unflatten(3, (N, S))  # (B, H, W, N, S)

    def products() -> None:
        module.mlp_h(ready)
        module.mlp_w(ready)
        module.mlp_c(ready)
        module.proj(ready)

    def copies() -> None:
        # An involution copies as much on the way back as on the way there.
        for _ in range(2):
            tokens.permute(0, 3, 2, 1, 4).reshape(B, N, W, H * S)  # (B, N, W, H*S)
            tokens.permute(0, 1, 3, 2, 4).reshape(B, H, N, W * S)  # (B, H, N, W*S)

    def rest() -> Tensor:
        weights = module.branch_weights(h, w, c)[:, :, None, None, :]
        a_h, a_w, a_c = weights  # (B, 1, 1, C) each
        return a_h * h + a_w * w + a_c * c

    return {"products": products, "copies": copies, "sum, weights, blend": rest}
