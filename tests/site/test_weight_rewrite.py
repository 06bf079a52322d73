"""The rewrite: its numbers are the package's, and its sliders move them."""

import json

import pytest
import torch

from vip_tutorial import PermuteMLP, WeightedPermuteMLP
from vip_tutorial.figures import WeightRewrite
from vip_tutorial.study.branch_importance import made_static, mixers, rescaled
from vip_tutorial.training import small_network
from vip_tutorial.training.data import Labelled

AT = (2, 5)


@pytest.fixture
def network():
    """A small network with static weights that differ from channel to channel."""
    images = torch.randn(4, 1, 8, 8)
    model = small_network(Labelled(images, torch.arange(4), 4), dim=16)
    for mixer in mixers(model):
        for parameter in mixer.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    return made_static(model, [torch.randn(3, 16).softmax(dim=0)]).double()


@pytest.fixture
def x():
    return torch.randn(1, 8, 8, 16, dtype=torch.float64)


@pytest.fixture(scope="module")
def core(engine_of):
    return engine_of("weight_rewrite.js")


def token(widget):
    names = ("weights", "branches", "projection", "offset")
    return json.dumps({name: getattr(widget, name) for name in names})


@torch.no_grad()
def measured(mixer, x):
    """The same with PyTorch, from a mixer that has really been rewritten."""
    branches = torch.stack(mixer.branches(x))  # (3, 1, H, W, C)
    weights = mixer.branch_weights(*branches)  # (3, 1, C)
    parts = weights[:, 0] * branches[:, 0, *AT]  # (3, C)
    sizes = [
        p.square().mean(dim=1).sqrt() for p in (parts, parts @ mixer.proj.weight.T)
    ]
    return {
        "means": weights.mean(dim=(1, 2)),
        "loudness": branches[:, 0, *AT].square().mean(dim=1).sqrt(),
        "blendShares": sizes[0] / sizes[0].sum(),
        "outputShares": sizes[1] / sizes[1].sum(),
        "output": mixer(x)[0, *AT],
    }


@pytest.mark.parametrize("steps", [(0, 0, 0), (-50, 0, 7), (200, -200, 3)])
def test_its_numbers_are_those_of_the_rewritten_network(core, network, x, steps):
    widget = WeightRewrite(mixers(network)[0], x, at=AT)
    state = json.dumps(dict(zip("hwc", steps)))
    got = core.eval(
        f"$weight_rewrite.tokenOf({token(widget)}, $weight_rewrite.factorsOf({state}))"
    )
    factors = 2.0 ** (torch.tensor(steps, dtype=torch.float64) / 8)
    truth = measured(mixers(rescaled(network, factors))[0], x)
    for name, numbers in truth.items():
        found = torch.tensor(list(got[name]), dtype=torch.float64)
        # The figure has five digits of each number.
        torch.testing.assert_close(found, numbers, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize(
    "wanted", [(0.02, 0.49, 0.49), (1 / 3,) * 3, (0.02, 0.02, 0.96)]
)
def test_the_weights_that_are_wished_for(core, network, x, wanted):
    widget = WeightRewrite(mixers(network)[0], x, at=AT)
    got = core.eval(
        "(({ factorsOf, tokenOf, towards }) => {"
        f" const token = {token(widget)};"
        f" const state = towards(token, {list(wanted)});"
        " return tokenOf(token, factorsOf(state)).means; })($weight_rewrite)"
    )
    assert list(got) == pytest.approx(wanted, abs=0.02)


def test_no_sliders_come_nearer_to_a_wish(core, network, x):
    """Computed anew, here: whole steps, in the middle, as far as the sliders go."""
    numbers = json.loads(token(WeightRewrite(mixers(network)[0], x, at=AT)))
    uneven = numbers | {"weights": [[1e-25] * 16, [0.5] * 16, [0.5] * 16]}
    for given in (numbers, uneven):
        for wanted in ((0.02, 0.49, 0.49), (0.5, 0.2, 0.3), (0.02, 0.02, 0.96)):
            got = core.eval(
                "(({ towards, factorsOf }, token) => { const s = towards(token, "
                f"{list(wanted)}); return [s.h, s.w, s.c, ...factorsOf(s)]; }})"
                f"($weight_rewrite, {json.dumps(given)})"
            )
            shares = torch.tensor(given["weights"], dtype=torch.float64)
            powers = torch.zeros(3, dtype=torch.float64)
            for _ in range(1000):
                parts = shares * 2 ** powers[:, None]
                means = (parts / parts.sum(0)).mean(1)
                powers += (torch.tensor(wanted) / means).log2()
            middle = (powers.max() + powers.min()) / 2
            steps = (8 * (powers - middle)).round().clamp(-200, 200)
            assert list(got)[:3] == steps.tolist()
            assert list(got)[3:] == pytest.approx((2 ** (steps / 8)).tolist())
    assert max(steps) == 200 == -min(steps)


def test_sliders_and_keys(open_figure, network, x):
    figure = open_figure(WeightRewrite(mixers(network)[0], x, at=AT))
    before = figure.part("body").locator("tbody td").all_inner_texts()
    assert figure.said.startswith("As frozen: mean weights")
    figure.setting("h").focus()
    figure.page.keyboard.press("Home")
    assert figure.state == "v1;h=-200"
    after = figure.part("body").locator("tbody td").all_inner_texts()
    weight, loudness, _, output = range(4)
    assert after[weight] == "0.00" != before[weight]
    assert float(after[loudness]) == pytest.approx(
        2**25 * float(before[loudness]), rel=0.1
    )
    assert after[output::4] == before[output::4]
    assert after[loudness + 4] == before[loudness + 4]
    assert "by more than rounding, 1e-12" in figure.said
    strips = figure.part("body").locator(".vip-rewrite-strip rect")
    fills = strips.evaluate_all("(all) => all.map((r) => r.getAttribute('fill'))")
    assert fills[:16] == fills[16:] and len(set(fills)) > 5
    assert figure.setting("h").evaluate("(el) => el === document.activeElement")


def test_a_wish_is_a_button(open_figure, network, x):
    figure = open_figure(WeightRewrite(mixers(network)[0], x, at=AT))
    figure.button("wish").first.click()
    means = figure.part("body").locator("tbody tr td:nth-child(2)").all_inner_texts()
    assert [float(m) for m in means] == pytest.approx([0.02, 0.49, 0.49], abs=0.02)
    figure.press("reset")
    assert figure.said.startswith("As frozen: mean weights")


def test_what_it_cannot_show_is_refused(network, x):
    mixer = mixers(network)[0]
    with pytest.raises(ValueError, match=r"at is \(2, 8\).*8 x 8 tokens"):
        WeightRewrite(mixer, x, at=(2, 8))
    with pytest.raises(ValueError, match="one image of tokens"):
        WeightRewrite(mixer, x.repeat(2, 1, 1, 1), at=AT)
    with pytest.raises(ValueError, match=r"depend on the image.*made_static"):
        WeightRewrite(WeightedPermuteMLP(16, 8), x.float(), at=AT)
    with pytest.raises(TypeError, match="got a PermuteMLP"):
        WeightRewrite(PermuteMLP(16, 8), x.float(), at=AT)


def spoilt(network, change):
    mixer = mixers(network)[0]
    change(mixer)
    return mixer


def no_bias(mixer):
    mixer.proj = torch.nn.Linear(16, 16, bias=False).double()


def no_projection(mixer):
    mixer.proj = torch.nn.Identity()


def other_weighting(mixer):
    mixer.reweight = torch.nn.Linear(16, 48)


def nan_projection(mixer):
    mixer.proj.weight.data[2, 3] = torch.nan


def no_weight(mixer):
    mixer.reweight.fc2.bias.data[0] = -1e6


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        (no_bias, ValueError, "projection has no bias"),
        (no_projection, TypeError, "proj is a Identity; this figure rewrites a Linear"),
        (other_weighting, TypeError, "reweight is a Linear; this figure rewrites a Ml"),
        (nan_projection, ValueError, "proj.weight holds numbers that are not finite"),
        (no_weight, ValueError, "a branch weight of this mixer is 0"),
    ],
)
def test_other_mixers_are_refused(network, x, change, error, told):
    with pytest.raises(error, match=told):
        WeightRewrite(spoilt(network, change), x, at=AT)


def test_other_tokens_are_refused(network, x):
    mixer = mixers(network)[0]
    for hole in (torch.nan, torch.inf):
        spoilt = x.clone()
        spoilt[0, 7, 7, 3] = hole  # of a token that is not shown
        with pytest.raises(ValueError, match="x holds numbers that are not finite"):
            WeightRewrite(mixer, spoilt, at=AT)
    with pytest.raises(TypeError, match="x is a list; it must be a tensor"):
        WeightRewrite(mixer, x.tolist(), at=AT)
    with pytest.raises(ValueError, match="one image of tokens"):
        WeightRewrite(mixer, x[0], at=AT)
    with pytest.raises(ValueError, match="12"):
        WeightRewrite(mixer, x[..., :12], at=AT)
    with pytest.raises(ValueError, match="4"):
        WeightRewrite(mixer, x[:, :4, :4], at=AT)
    with pytest.raises(TypeError, match="float32"):
        WeightRewrite(mixer, x.float(), at=AT)


@pytest.mark.parametrize("at", [None, 3, (1,), (1, 2, 3), (1.0, 2), ("a", 1), "ab"])
def test_other_places_are_refused(network, x, at):
    with pytest.raises(
        ValueError, match=r"it must be \(row, column\) of one of the 8 x"
    ):
        WeightRewrite(mixers(network)[0], x, at=at)


@pytest.mark.parametrize("damage", ["weights", "branches", "projection", "offset"])
def test_damaged_numbers_get_a_sentence(network, x, damage):
    from vip_site.figures import first_frame

    state = WeightRewrite(mixers(network)[0], x, at=AT).page_state()
    assert "<table>" in first_frame("weight_rewrite", state)
    for broken in (None, state[damage][:-1], [["a"]]):
        frame = first_frame("weight_rewrite", state | {damage: broken})
        assert "vip-problem" in frame and "<table>" not in frame


def test_a_weight_that_is_not_positive_gets_a_sentence(network, x):
    from vip_site.figures import first_frame

    state = WeightRewrite(mixers(network)[0], x, at=AT).page_state()
    state["weights"][1][3] = 0
    assert "not all positive" in first_frame("weight_rewrite", state)
