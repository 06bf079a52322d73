"""Vision Permutator beside what people would take instead, on photographs of 224 px.

`python -m vip_tutorial.experiments.beside` counts parameters and multiply-adds, times
one image and eight on one thread, and writes `results/beside.json`.  It needs timm,
takes some minutes, and wants a machine that does little else.  The accuracies are not
measured here: they are the ones that were published, each network with a recipe of its
own, and say where they stand.
"""

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch

from ..study.cost import count_multiply_adds, count_parameters
from ..study.timing import interleaved
from ..vision_permutator import vip_s7, vip_s14
from . import results

SIDE, BATCHES = 224, (1, 8)
SECONDS = 90  # of taking turns, for each size of a batch
VIP = "Hou et al., arXiv:2106.12368"


@dataclass(frozen=True)
class Rival:
    """A network whose accuracy on ImageNet was published.

    Attributes:
        label: What it is called in its paper.
        timm: Its name in timm; empty for this package's own.
        top1: Per cent of ImageNet's validation images, 224 x 224, no other data.
        source: Where that stands.
    """

    label: str
    timm: str
    top1: float
    source: str


RIVALS = (
    Rival("ViP-Small/14", "", 80.5, f"{VIP}, Table 2"),
    Rival("ViP-Small/7", "", 81.5, f"{VIP}, Table 2"),
    Rival("Mixer-B/16", "mixer_b16_224", 78.5, f"{VIP}, Table 2, with ViP's recipe"),
    Rival("ResMLP-S24", "resmlp_24_224", 79.4, f"{VIP}, Table 2"),
    Rival("gMLP-S", "gmlp_s16_224", 79.6, f"{VIP}, Table 2"),
    Rival("DeiT-S", "deit_small_patch16_224", 79.9, f"{VIP}, Table 3"),
    Rival("Swin-T", "swin_tiny_patch4_window7_224", 81.3, f"{VIP}, Table 3"),
    Rival("ResNet-50d", "resnet50d", 79.5, f"{VIP}, Table 3"),
    Rival("ConvNeXt-T", "convnext_tiny", 82.1, "Liu et al., arXiv:2201.03545, Table 1"),
)
_OWN = {"ViP-Small/14": vip_s14, "ViP-Small/7": vip_s7}


def network(rival: Rival) -> torch.nn.Module:
    """It, untrained: what it takes does not depend on what it has learned."""
    if rival.label in _OWN:
        return _OWN[rival.label]().eval()
    import timm

    return timm.create_model(rival.timm, pretrained=False).eval()


def measure() -> dict[str, Any]:
    """Count and time them all; prints as it goes."""
    import timm

    networks = {rival.label: network(rival) for rival in RIVALS}
    images = {batch: torch.randn(batch, 3, SIDE, SIDE) for batch in BATCHES}
    seconds = {
        batch: interleaved(
            {name: partial(model, x) for name, model in networks.items()},
            seconds=SECONDS,
        )
        for batch, x in images.items()
    }
    rows = []
    for rival in RIVALS:
        model = networks[rival.label]
        counted = {
            "parameters": count_parameters(model),
            "multiply_adds": count_multiply_adds(model, images[1]),
            "seconds": {str(n): round(seconds[n][rival.label], 5) for n in BATCHES},
        }
        rows.append(asdict(rival) | counted)
        print(rows[-1], flush=True)
    return {"timm": timm.__version__, "rivals": rows}


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(0)
    results.write("beside", measure())
