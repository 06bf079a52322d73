"""How far a result may be from the truth, and how that was measured.

The truth is `weighted_permute_mlp_einsum` in float64 on the CPU, with exactly the
weights and the input of the module under test: first both are rounded to its dtype,
then they are widened.  The error is the largest difference of an element, as a part of
the largest element of the truth.

`python tests/tolerances.py` measures it anew: the worst of 40 seeds for each of the
`SHAPES`, both branch orders in turn, on the CPU, torch 2.13.0.  Another device sums in
another order and so rounds otherwise: the tests allow `MARGIN` times the error.
"""

import torch
from torch import Tensor

from vip_tutorial import WeightedPermuteMLP
from vip_tutorial.study.oracles import weighted_permute_mlp_einsum

MEASURED = {
    torch.float64: 8.6e-16,
    torch.float32: 4.0e-07,
    torch.bfloat16: 7.6e-03,
    torch.float16: 8.4e-04,
}
MARGIN = 4

SHAPES = [(2, 4, 3), (1, 8, 8), (3, 7, 2), (2, 14, 2)]  # B, N = H = W, S


def error(result: Tensor, truth: Tensor) -> float:
    difference = (result.detach().cpu().double() - truth.detach()).abs().max()
    return (difference / truth.detach().abs().max()).item()


def tolerance(dtype: torch.dtype) -> float:
    return MARGIN * MEASURED[dtype]


def measure(dtype: torch.dtype, device="cpu", seeds: int = 40) -> float:
    worst = 0.0
    for seed in range(seeds):
        for B, N, S in SHAPES:
            torch.manual_seed(seed)
            order = ("hwc", "cwh")[seed % 2]
            module = WeightedPermuteMLP(N * S, N, qkv_bias=True, branch_order=order)
            module = module.to(device, dtype)
            x = torch.randn(B, N, N, N * S).to(device, dtype)
            result = module(x)
            truth = weighted_permute_mlp_einsum(module.cpu().double(), x.cpu().double())
            worst = max(worst, error(result, truth))
    return worst


if __name__ == "__main__":
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        print(f"    {dtype}: {measure(dtype):.1e},")
