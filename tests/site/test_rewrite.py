"""The rewrite: its numbers are the package's, and its sliders move them."""

import json

import pytest
import torch

from vip_tutorial import PermuteMLP, WeightedPermuteMLP
from vip_tutorial.branch_importance import made_static, mixers, rescaled
from vip_tutorial.data import Labelled
from vip_tutorial.training import small_network
from vip_tutorial.widgets import WeightRewrite

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
def core():
    engine = pytest.importorskip("py_mini_racer").MiniRacer()
    from vip_tutorial.widgets.bundle import bundle

    engine.eval(bundle("rewrite.js"))
    return engine


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
    got = core.eval(f"rewriteToken({token(widget)}, rewriteFactors({state}))")
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
        f"(() => {{ const token = {token(widget)};"
        f" const state = rewriteTowards(token, {list(wanted)});"
        " return rewriteToken(token, rewriteFactors(state)).means; })()"
    )
    assert list(got) == pytest.approx(wanted, abs=0.02)


def test_sliders_and_keys(open_figure, network, x):
    figure = open_figure(WeightRewrite(mixers(network)[0], x, at=AT))
    before = figure.part("body").locator("tbody td").all_inner_texts()
    assert figure.said.startswith("As trained")
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
    assert figure.said.startswith("As trained")


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


@pytest.mark.parametrize("damage", ["weights", "branches", "projection", "offset"])
def test_damaged_numbers_get_a_sentence(network, x, damage):
    from vip_tutorial.widgets.site import first_frame

    state = WeightRewrite(mixers(network)[0], x, at=AT).page_state()
    assert "<table>" in first_frame("rewrite", state)
    for broken in (None, state[damage][:-1], [["a"]]):
        frame = first_frame("rewrite", state | {damage: broken})
        assert "vip-problem" in frame and "<table>" not in frame


def test_a_weight_that_is_not_positive_gets_a_sentence(network, x):
    from vip_tutorial.widgets.site import first_frame

    state = WeightRewrite(mixers(network)[0], x, at=AT).page_state()
    state["weights"][1][3] = 0
    assert "not all positive" in first_frame("rewrite", state)
