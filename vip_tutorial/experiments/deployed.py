"""ViP-Small/7 outside of PyTorch: bytes, seconds, and whether the answers stay.

`python -m vip_tutorial.experiments.deployed` writes the network as ONNX and as int8,
times both beside PyTorch, and writes `results/deployed.json`.  It takes some minutes
and wants a machine that does little else.  The weights are random, and so are the
pictures: how many first answers stay says how rough the rounding is, no more.
"""

import os
import platform
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..networks.onnx import loaded, quantised, to_onnx
from ..study.timing import interleaved
from ..vision_permutator import vip_s7
from . import results

SEED, SIDE = 0, 224
BATCHES = (1, 32)
COMPARED = 64  # pictures whose answers are compared
LEAST = 5  # times that each way runs, at least


def measure() -> dict[str, Any]:
    """Write, run, compare and time; prints as it goes."""
    torch.manual_seed(SEED)
    model = vip_s7().eval()
    images = torch.randn(COMPARED, 3, SIDE, SIDE)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "vip_s7.onnx")
        to_onnx(model, file)
        files = {"onnx": file, "int8": quantised(file)}
        size = {name: path.stat().st_size for name, path in files.items()}
        print(size, flush=True)
        with torch.inference_mode():
            scores = {"pytorch": torch.cat([model(part) for part in images.split(8)])}
        scores |= {n: loaded(f, batch=8)(images) for n, f in files.items()}
        first = {name: each.argmax(dim=1) for name, each in scores.items()}
        seconds = []
        for threads in sorted({1, cores}):
            for batch in BATCHES:
                x = images[:batch]
                ways = {"pytorch": partial(model, x)}
                ways |= {n: partial(loaded(f, threads), x) for n, f in files.items()}
                found = interleaved(ways, 20, LEAST, threads)
                rounded = {name: round(time, 4) for name, time in found.items()}
                seconds.append({"threads": threads, "batch": batch} | rounded)
                print(seconds[-1], flush=True)
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": cores,
        "bytes": size,
        "compared": COMPARED,
        "same_first": {
            name: (first[name] == first["pytorch"]).sum().item() for name in files
        },
        "farthest": {
            name: (scores[name] - scores["pytorch"]).abs().max().item()
            for name in files
        },
        "spread": scores["pytorch"].std().item(),
        "seconds": seconds,
    }


if __name__ == "__main__":
    results.write("deployed", measure())
