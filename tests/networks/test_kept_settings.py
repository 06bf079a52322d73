"""A file of weights keeps all of a network, or says what it would lose."""

import copy
from enum import Enum
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from vip_tutorial.mixers.any_size import AnySizePermuteMLP
from vip_tutorial.networks.checkpoints import load_checkpoint, save_checkpoint
from vip_tutorial.permute_mlp import WeightedPermuteMLP
from vip_tutorial.vision_permutator import VisionPermutator


class Mixer(WeightedPermuteMLP):
    """One that may get anything."""


def network(mixer=Mixer, norm=None, **attributes):
    """A network whose mixer has a layer and attributes more than it knows of."""
    torch.manual_seed(0)
    model = VisionPermutator(
        [1], [16], patch_size=2, img_size=8, num_classes=3, token_mixer=mixer
    ).eval()
    attn = model.blocks[0].attn
    attn.norm = norm or nn.Identity()
    for name, value in attributes.items():
        setattr(attn, name, value)
    return model


def closure(factor):
    return lambda x: factor * x


def hidden(**attributes):
    """What a network has that only calls of its methods give it."""
    model = network(**attributes)
    model.blocks[0].attn.register_buffer("grid", torch.ones(2), persistent=False)
    return model


def with_forward(part, forward):
    model = network()
    model.get_submodule(part).forward = forward
    return model


def hooked(part, kind):
    model = network()
    getattr(model.get_submodule(part), f"register_{kind}")(lambda *given: None)
    return model


ATTN = "network.0.0.attn"
UNKEPT = {  # and what is said of it
    "tensor": (network(own=torch.ones(2)), f"{ATTN} has own, Tensor, neither"),
    "weights": (network(own=[nn.Parameter(torch.ones(2))]), f"{ATTN} has own, list"),
    "modules": (network(own={"a": nn.Linear(2, 2)}), f"{ATTN} has own, dict"),
    "array": (network(own=np.ones(2)), f"{ATTN} has own, ndarray"),
    "lambda": (network(own=lambda x: x), f"{ATTN} has own, <lambda>"),
    "closure": (network(own=closure(2)), f"{ATTN} has own, closure.<locals>.<lambda>"),
    "in part": (network(own=[1, partial(closure(2), 3)]), f"{ATTN} has own, list"),
    "method": (network(own="ab".join), f"{ATTN} has own, str.join"),
    "buffer": (hidden(), f"{ATTN} has the buffer grid, not persistent"),
    "hook": (hooked(ATTN, "forward_hook"), f"{ATTN} has a forward hook"),
    "hook before": (hooked("head", "forward_pre_hook"), "head has a forward hook"),
    "forward": (with_forward(ATTN, closure(2)), f"{ATTN} has forward, closure"),
    "PyTorch's": (with_forward("head", torch.tanh), "head has forward, "),
    "of nothing": (
        with_forward("network.0.0.drop_path", torch.tanh),
        "network.0.0.drop_path has forward, ",
    ),
}


def test_what_a_file_would_lose_is_told_before_it_is_written(tmp_path):
    path = tmp_path / "a.safetensors"
    for model, told in UNKEPT.values():
        with pytest.raises(ValueError) as refused:
            save_checkpoint(model, path)
        said = str(refused.value)
        assert said.startswith(told) and "would lose it" in said, (told, said)
        assert not path.exists(), told
    several = network(own=torch.ones(2), other=torch.ones(2))
    with pytest.raises(ValueError, match=r"has own,.* \(1 more are like it\); make a"):
        save_checkpoint(several, path)


class Way(Enum):
    FAR, NEAR = 1, 2


class Shouts(nn.Identity):
    """Looks like nothing, and is something."""

    def forward(self, x):
        return 2 * x


class Rare(nn.Dropout):
    """Likewise."""


class LayerNorm(nn.LayerNorm):
    """Has the name of one of PyTorch's."""


def gelu(x):
    """So has this."""


COMPARED = {  # in the file, in the model, and what is said
    "truth": ({"own": np.bool_(True)}, {"own": False}, "True.*False"),
    "enum": ({"own": Way.FAR}, {"own": Way.NEAR}, "Way.FAR.*Way.NEAR"),
    "dtype": ({"own": torch.half}, {"own": torch.float}, "float16.*float32"),
    "complex": ({"own": 1j}, {"own": 2j}, "1j.*2j"),
    "range": ({"own": range(2)}, {"own": range(3)}, r"\(0, 2\).*\(0, 3\)"),
    "function": ({"own": gelu}, {"own": nn.functional.gelu}, r"settings\.gelu.*_C"),
    "a set": ({"own": {torch.tanh, gelu}}, {"own": {gelu, torch.relu}}, "tanh.*relu"),
    "in the file": ({"own": 1}, {}, "own=1 in the file and no own in the model"),
    "in the model": ({}, {"own": 1}, "no own in the file and own=1 in the model"),
    "identity": ({"norm": Shouts()}, {}, "norm is Shouts in the file and nothing"),
    "dropout": ({}, {"norm": Rare()}, "norm is nothing in the file and Rare"),
    "namesake": (
        {"norm": LayerNorm(16)},
        {"norm": nn.LayerNorm(16)},
        r"settings\.LayerNorm in the file and LayerNorm in",
    ),
}


def test_what_is_not_plain_is_compared_all_the_same(tmp_path):
    path = tmp_path / "a.safetensors"
    for one, other, told in COMPARED.values():
        save_checkpoint(network(**one), path)
        load_checkpoint(network(**one), path)
        model = network(**other)
        before = copy.deepcopy(model.state_dict())
        with pytest.raises(ValueError, match=f"attn.* ?({told}).*build the model as"):
            load_checkpoint(model, path)
        assert all(torch.equal(model.state_dict()[k], v) for k, v in before.items())


class Careless(Mixer):
    not_settings = ("branch_order", "own", "grid")


def test_what_need_not_agree_does_not(tmp_path):
    path = tmp_path / "a.safetensors"
    save_checkpoint(hidden(mixer=Careless, own=torch.ones(2)), path)
    load_checkpoint(network(mixer=Careless, own=torch.ones(3)), path)
    save_checkpoint(network(own=torch.device("cpu")), path)
    load_checkpoint(network(own=torch.device("meta")), path)
    save_checkpoint(network(norm=nn.LSTM(4, 4)), path)  # which keeps its weights twice
    load_checkpoint(network(norm=nn.LSTM(4, 4)), path)
    save_checkpoint(network(norm=nn.LayerNorm(16)), path)
    model = network(norm=nn.LayerNorm(16))
    model.blocks[0].attn.norm.of_another_version = True  # of PyTorch
    load_checkpoint(model, path)
    one, other = network(mixer=WeightedPermuteMLP), network(mixer=AnySizePermuteMLP)
    for model, way in ((one, other), (other, one)):  # each loads the other's
        save_checkpoint(model, path)
        load_checkpoint(way, path)


def expanded(model):
    model.norm.weight.data = torch.zeros(1).expand(16)


def windows(model):
    model.head.weight.data = torch.zeros(18).as_strided((3, 16), (1, 1))


def in_part(model):
    both = torch.zeros(24)
    model.norm.weight.data, model.norm.bias.data = both[:16], both[8:]


def turned(model):
    attn = model.blocks[0].attn
    attn.mlp_h.weight.data = attn.mlp_w.weight.data.T


def interleaved(model):
    both = torch.zeros(32)
    model.norm.weight.data, model.norm.bias.data = both[::2], both[1::2]


SHARED = {  # and what is said of it
    expanded: "norm.weight keeps one number in several places",
    windows: "head.weight keeps one number in several places",
    in_part: "norm.weight and norm.bias are one weight in the model, or share a part",
    turned: "attn.mlp_h.weight and .*attn.mlp_w.weight are one weight",
    interleaved: None,  # nothing is shared
}


def test_memory_that_weights_share_loses_none_of_them(tmp_path):
    weights = {k: torch.randn_like(v) for k, v in network().state_dict().items()}
    for change, told in SHARED.items():
        model = network()
        change(model)
        before = copy.deepcopy(model.state_dict())
        if told:
            with pytest.raises(ValueError, match=f"{told}.*would be lost"):
                load_checkpoint(model, weights, img_size=8)
        else:
            load_checkpoint(model, weights, img_size=8)
        after = before if told else weights
        assert all(torch.equal(model.state_dict()[k], v) for k, v in after.items())
    # What agrees loads: these were one when they were saved.
    one, other = network(), network()
    for model in (one, other):
        turned(model)
    nn.init.normal_(one.blocks[0].attn.mlp_w.weight)
    save_checkpoint(one, tmp_path / "a.safetensors")
    load_checkpoint(other, tmp_path / "a.safetensors")
    for name, value in one.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)
