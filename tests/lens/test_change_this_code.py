"""The program behind "Change this code" does in the playground what the run did."""

import json

import pytest
import torch
from torch import nn

from tables import in_turn
from vip_tutorial import PermuteMLP, WeightedPermuteMLP, trace
from vip_tutorial.lens import PermuteLens
from vip_tutorial.lens.playground.from_run import program_of


class Patches(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(8, 6)

    def forward(self, image):
        B, C, H, W = image.shape
        image = image.reshape(B, C, H // 2, 2, W // 2, 2)
        image = image.permute(0, 2, 4, 3, 5, 1)
        image = image.flatten(3).flatten(1, 2)
        return self.embed(image)


def dealt(x):
    C, K = x.shape
    return x.reshape(K, C).t().reshape(C, K)


@pytest.fixture(scope="module")
def engine(engine_of):
    return engine_of("links.js", "playground.js")


MIXER = PermuteMLP(8, 4)


@in_turn(
    "function, shape",
    [
        (MIXER.height, (1, 4, 4, 8)),
        (MIXER.width, (2, 4, 4, 8)),
        (MIXER.channel, (1, 4, 4, 8)),
        (Patches(), (1, 2, 4, 6)),
        (dealt, (4, 3)),
    ],
)
def test_a_program_does_what_the_run_did(engine, function, shape):
    run = trace(function, torch.randn(shape)).to_json()
    link = PermuteLens(trace(function, torch.randn(shape))).program
    text = link.partition("#playground=")[2]
    asked = f"$links.readLink({json.dumps(text)}, {{}})"
    found = json.loads(
        engine.eval(
            f"(() => {{ const {{ program, problem }} = {asked}; return JSON.stringify("
            "[program, problem, $playground.outcomeOf(program)]); })()"
        )
    )
    program, problem, outcome = found
    assert problem == "" and outcome["fault"] is None, outcome["fault"]
    assert program == program_of(run) | {"same": "", "kept": ""}

    def steps(recording):
        shapes = [tensor["shape"] for tensor in recording["tensors"]]
        return [
            (step["op"], step.get("map"), shapes[step["output"]])
            for step in recording["steps"]
        ]

    assert steps(outcome["recording"]) == steps(run)


@in_turn(
    "function, shape",
    [
        (WeightedPermuteMLP(8, 4), (1, 4, 4, 8)),  # several functions
        (lambda x: x + torch.ones(()), (4, 4)),  # what comes in is no name it knows
        (lambda x: x.reshape(MIXER.dim, 2), (4, 4)),
    ],
)
def test_where_there_is_no_program_there_is_no_link(function, shape):
    assert PermuteLens(trace(function, torch.randn(shape))).program == ""
