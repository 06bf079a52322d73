"""Other weights: what each is made of, and what an output token then depends on."""

import math
from functools import partial

import pytest
import torch

from tables import in_turn
from vip_tutorial import WeightedPermuteMLP
from vip_tutorial.experiments.mixers import as_models
from vip_tutorial.mixers.dynamic import KINDS, DynamicPermuteMLP
from vip_tutorial.networks.checkpoints import load_checkpoint, save_checkpoint
from vip_tutorial.study.reach import in_line, reach
from vip_tutorial.training import Recipe, fit, small_network
from vip_tutorial.training.data import Labelled
from vip_tutorial.vision_permutator import VisionPermutator


def made(device="cpu", **options):
    module = DynamicPermuteMLP(12, 4, **options).to(device, torch.float64)
    if options.get("weights") == "static":
        torch.nn.init.normal_(module.logits)
    x = torch.randn(2, 4, 4, 12, device=device)
    return module, x.double()


@in_turn("order", ["hwc", "cwh"])
def test_pooled_at_temperature_1_is_the_papers(device, order):
    module, x = made(device, branch_order=order)
    paper = WeightedPermuteMLP(12, 4, branch_order=order).to(device, torch.float64)
    paper.load_state_dict(module.state_dict())
    torch.testing.assert_close(module(x), paper(x), rtol=0, atol=0)


@in_turn("order", ["hwc", "cwh"])
@in_turn("temperature", [0.3, 1.0, 7.0])
def test_token_wise_weights_token_by_token(device, order, temperature):
    module, x = made(
        device, weights="token", temperature=temperature, branch_order=order
    )
    h, w, c = module.branches(x)
    for i in range(4):
        for j in range(4):
            seen = h[:, i, j] + w[:, i, j] + c[:, i, j]
            logits = module.reweight(seen).reshape(2, 12, 3)
            shares = (logits / temperature).softmax(-1)
            parts = (h, w, c) if order == "hwc" else (c, w, h)
            blend = sum(shares[..., k] * part[:, i, j] for k, part in enumerate(parts))
            torch.testing.assert_close(module(x)[:, i, j], module.proj(blend))


@in_turn("order", ["hwc", "cwh"])
def test_static_weights_are_the_softmax_of_what_is_learned(device, order):
    module, x = made(device, weights="static", branch_order=order)
    weights = module.branch_weights(*module.branches(x))
    for image in range(2):  # they are h, w, c in either order
        torch.testing.assert_close(weights[:, image], module.logits.softmax(0))
    assert "reweight.fc1.weight" not in module.state_dict()


def test_static_weights_start_at_a_third_each():
    module = DynamicPermuteMLP(12, 4, weights="static").double()
    weights = module.branch_weights(*module.branches(torch.randn(2, 4, 4, 12).double()))
    torch.testing.assert_close(weights, torch.full_like(weights, 1 / 3))


@in_turn("kind", KINDS)
def test_what_an_output_token_depends_on(kind):
    module, x = made(weights=kind)
    rows, columns = in_line(4, 4)
    off_the_cross = reach(module, x[:1])[~(rows | columns)]
    assert (off_the_cross > 0).all() if kind == "pooled" else (off_the_cross == 0).all()


@in_turn("kind", KINDS)
def test_the_temperature_from_one_branch_to_a_third_of_each(device, kind):
    module, x = made(device, weights=kind)
    if kind != "static":
        torch.nn.init.normal_(module.reweight.fc2.weight)
    parts = module.branches(x)
    usual = module.branch_weights(*parts)
    torch.testing.assert_close(usual.sum(0), torch.ones_like(usual[0]))

    def at(temperature):
        other, _ = made(device, weights=kind, temperature=temperature)
        other.load_state_dict(module.state_dict())
        return other.branch_weights(*parts)

    torch.testing.assert_close(at(1e9), torch.full_like(usual, 1 / 3))
    torch.testing.assert_close(at(1e-9).amax(0), torch.ones_like(usual[0]))
    # The order of the branches never changes, and cooling widens their distance.
    for colder, warmer in ((0.5, 1.0), (1.0, 2.0)):
        cold, warm = at(colder), at(warmer)
        assert (cold.argsort(0) == warm.argsort(0)).all()
        assert (cold.amax(0) >= warm.amax(0)).all()


def test_a_learned_temperature_learns_and_is_kept(device):
    module, x = made(device, learned=True, temperature=2.0)
    assert module.temperature.item() == pytest.approx(2.0)
    module(x).square().sum().backward()
    assert module.log_temperature.grad.abs() > 0
    kept = module.state_dict()
    assert "log_temperature" in kept
    # A fixed one is a setting and not a weight: official files load unchanged.
    assert "log_temperature" not in made(temperature=2.0)[0].state_dict()


def test_the_temperature_goes_where_the_module_goes():
    module = DynamicPermuteMLP(12, 4, temperature=0.5).to("meta")
    assert module(torch.empty(1, 4, 4, 12, device="meta")).is_meta


def test_a_fixed_temperature_is_there_without_any_contents():
    """A module made on meta gets memory, then weights; a setting is in neither."""
    with torch.device("meta"):
        module = DynamicPermuteMLP(12, 4, temperature=4.0)
    module.to_empty(device="cpu")
    usual = DynamicPermuteMLP(12, 4, temperature=4.0)
    module.load_state_dict(usual.state_dict())
    x = torch.randn(1, 4, 4, 12)
    torch.testing.assert_close(module(x), usual(x))


@in_turn("dtype", [torch.float16, torch.bfloat16])
@in_turn("temperature", [1e-30, 1e-6, 1e30])
def test_half_precision_takes_every_temperature(dtype, temperature):
    module = DynamicPermuteMLP(12, 4, temperature=temperature)
    torch.nn.init.normal_(module.reweight.fc2.weight, std=9)
    module.to(dtype)
    parts = torch.randn(3, 2, 4, 4, 12, dtype=dtype)
    weights = module.branch_weights(*parts)
    assert weights.dtype == dtype and weights.isfinite().all()


def test_static_weights_mean_the_same_in_either_order(tmp_path):
    """They are in no listing, so there is nothing that they could be exchanged for."""
    options = {"layers": [1], "embed_dims": [12], "img_size": 4, "patch_size": 1}

    def network(order):
        mixer = partial(DynamicPermuteMLP, weights="static", branch_order=order)
        return VisionPermutator(**options, num_classes=2, token_mixer=mixer).eval()

    one, other = network("cwh"), network("hwc")
    torch.nn.init.normal_(one.blocks[0].attn.logits, std=3)
    save_checkpoint(one, tmp_path / "static.safetensors")
    load_checkpoint(other, tmp_path / "static.safetensors")
    image = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(one(image), other(image))


def test_a_run_does_not_go_on_at_another_temperature(tmp_path):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(8, 1, 4, 4, generator=generator)
    data = Labelled(images, torch.arange(8) % 2, 2)
    recipe = Recipe(epochs=1, batch=4, lr=1e-3)

    def run(**options):
        mixer = partial(DynamicPermuteMLP, **options)
        model = small_network(data, dim=8, patch_size=1, token_mixer=mixer)
        fit(model, data, data, recipe, resume=tmp_path / "run.pt", verbose=False)

    run(temperature=0.25)
    run(temperature=0.25)
    for other in ({"temperature": 4.0}, {"temperature": 0.25, "weights": "token"}):
        with pytest.raises(ValueError, match=r"run\.pt"):
            run(**other)


@in_turn("kind", KINDS)
def test_a_network_takes_it_by_one_argument(device, kind):
    model = VisionPermutator(
        [2],
        [8],
        patch_size=2,
        img_size=8,
        token_mixer=partial(DynamicPermuteMLP, weights=kind, learned=True),
    ).to(device)
    model(torch.randn(2, 3, 8, 8, device=device)).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.isfinite().all(), name


@in_turn("temperature", [0, -1, 0.0, math.inf, math.nan])
def test_a_temperature_that_cannot_be(temperature):
    with pytest.raises(ValueError, match=r"temperature is .*; it must be"):
        DynamicPermuteMLP(12, 4, temperature=temperature)


@in_turn("temperature", [1e-50, 1e-44, 1e40])
def test_a_temperature_that_float32_cannot_divide_by(temperature):
    with pytest.raises(
        ValueError, match=r"it must be from 1e-30 to 1e\+30, or float32"
    ):
        DynamicPermuteMLP(12, 4, temperature=temperature)


@in_turn("sign", [1, -1])
def test_a_temperature_that_no_float_reaches(sign):
    with pytest.raises(ValueError, match=r"temperature is -?inf; it must be finite"):
        DynamicPermuteMLP(12, 4, temperature=sign * 10**400)


@in_turn("temperature", [1e-30, 1e30])
def test_the_coldest_and_the_warmest_give_numbers(temperature):
    module = DynamicPermuteMLP(12, 4, temperature=temperature)
    torch.nn.init.normal_(module.reweight.fc2.weight)
    assert module(torch.randn(2, 4, 4, 12)).isfinite().all()


@in_turn("learned", ["False", 1, None])
def test_learned_is_yes_or_no(learned):
    with pytest.raises(TypeError, match=r"learned is .*; it must be True or False"):
        DynamicPermuteMLP(12, 4, learned=learned)


def test_a_temperature_that_is_no_number():
    with pytest.raises(TypeError, match="temperature is '1'; it must be a number"):
        DynamicPermuteMLP(12, 4, temperature="1")


@in_turn("kind", ["pool", None, 3])
def test_weights_of_no_such_kind(kind):
    with pytest.raises(ValueError, match=r"weights is .*; it must be 'static'"):
        DynamicPermuteMLP(12, 4, weights=kind)


def test_measured_variants_as_the_figure_takes_them():
    runs = {"digits": {"sum": {"right": [1, 2]}, "token": {"right": [3, 4]}}}
    labels = {"token": "token-wise", "cold": "never trained here", "sum": "plain"}
    assert as_models({"runs": runs}, labels, "digits") == [
        {"name": "token", "label": "token-wise", "group": "digits", "right": [3, 4]},
        {"name": "sum", "label": "plain", "group": "digits", "right": [1, 2]},
    ]
