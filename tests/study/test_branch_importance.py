"""How much a network leans on a branch: each reading by hand, each change undone."""

import copy
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from tables import in_turn
from vip_tutorial import PermuteMLP
from vip_tutorial.experiments import branches, results
from vip_tutorial.experiments.branches import SEEDS
from vip_tutorial.networks import pretrained
from vip_tutorial.study.branch_importance import (
    BRANCHES,
    SomeBranches,
    accuracy_alone,
    accuracy_changed,
    accuracy_without,
    alone,
    blend_shares,
    fixed,
    made_static,
    mean_weights,
    mixers,
    output_shares,
    rescaled,
    weights_changed,
    without,
)
from vip_tutorial.study.branch_weights import weights_by_block
from vip_tutorial.training import accuracy, fit, small_network
from vip_tutorial.training.data import Labelled
from vip_tutorial.vision_permutator import VisionPermutator


def network(depth=2, order="hwc", **options):
    """A network whose every parameter is random, so that nothing is 0 by chance."""
    images = torch.randn(6, 1, 8, 8)
    data = Labelled(images, torch.arange(6) % 3, 3)
    options.setdefault("qkv_bias", True)
    model = small_network(data, depth=depth, dim=16, **options)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.4)
    for mixer in mixers(model):
        mixer.branch_order = order
    return model.eval()


def given_to(model, images):
    """What each token mixer gets."""
    got = []
    hooks = [
        mixer.register_forward_pre_hook(lambda _, given: got.append(given[0]))
        for mixer in mixers(model)
    ]
    with torch.no_grad():
        model(images)
    for hook in hooks:
        hook.remove()
    return got


@pytest.fixture
def images():
    return torch.randn(6, 1, 8, 8)


# --- the readings -------------------------------------------------------------------


def test_mean_weights_and_shares_by_hand(images):
    model = network()
    tokens = given_to(model, images)
    model.train()
    found = [f(model, images) for f in (mean_weights, blend_shares, output_shares)]
    assert model.training
    for block, (mixer, x) in enumerate(zip(mixers(model), tokens)):
        h, w, c = mixer.branches(x)
        a = mixer.branch_weights(h, w, c)
        means, blend, output = [], [], []
        for k, branch in enumerate((h, w, c)):
            means.append(sum(a[k].flatten().tolist()) / a[k].numel())
            part = torch.einsum("bc,bijc->bijc", a[k], branch)
            blend.append(part.norm().item())
            seen = torch.einsum("oc,bijc->bijo", mixer.proj.weight, part)
            output.append(seen.norm().item())
        for got, sizes in zip(found, (means, blend, output)):
            truth = torch.tensor(sizes) / sum(sizes)
            torch.testing.assert_close(got[block], truth, atol=1e-5, rtol=1e-4)


def test_accuracy_without_and_alone_by_hand():
    model = network(depth=1)
    images = torch.randn(60, 1, 8, 8)
    data = Labelled(images, torch.randint(3, (60,)), 3)
    # The three ways to be without a branch, and to have only one, by other means: the
    # blend of a static network whose branch matrices are zero.
    (weights,) = weights_by_block(model, images).values()
    for k, branch in enumerate(BRANCHES):
        with weights_changed(model, without(branch)):
            (changed,) = weights_by_block(model, images).values()
        kept = [i for i in range(3) if i != k]
        assert (changed[k] == 0).all() and torch.equal(changed[kept], weights[kept])
        with weights_changed(model, alone(branch)):
            (changed,) = weights_by_block(model, images).values()
        assert (changed[k] == 1).all() and (changed[kept] == 0).all()

        bare = copy.deepcopy(model)
        others = [getattr(bare.blocks[0].attn, f"mlp_{BRANCHES[i][0]}") for i in kept]
        for linear in others:
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)
        with weights_changed(bare, fixed(torch.ones(3))):
            expected = accuracy(bare, data)
        assert accuracy_alone(model, data)[k] == pytest.approx(expected)
    with torch.no_grad():
        model.head.bias -= model(images).mean(dim=0)  # so that no class is all
    found = accuracy_without(model, data)
    by_hand = [accuracy_changed(model, data, without(b)) for b in BRANCHES]
    assert found.tolist() == pytest.approx(by_hand)
    assert len({*by_hand, accuracy(model, data)}) > 1


def test_on_a_device(device):
    model = network()
    images = torch.randn(6, 1, 8, 8)
    data = Labelled(images, torch.arange(6) % 3, 3)
    readings = (mean_weights, blend_shares, output_shares)
    here = [read(model, images) for read in readings]
    here += [accuracy_without(model, data), accuracy_alone(model, data)]
    model = model.to(device)
    there = [read(model, images.to(device)).cpu() for read in readings]
    there += [accuracy_without(model, data), accuracy_alone(model, data)]
    for one, other in zip(here[:3], there[:3]):
        torch.testing.assert_close(other, one, atol=1e-4, rtol=1e-3)
    for one, other in zip(here[3:], there[3:]):
        assert (one - other).abs().max() <= 1.01 / 6  # one image on the edge
    static = made_static(model, 2 * [torch.tensor([0.2, 0.5, 0.3])])
    again = rescaled(static, torch.tensor([0.1, 1.0, 2.0]))
    with torch.no_grad():
        one, other = static(images.to(device)), again(images.to(device))
    torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)


# --- changes and their end ----------------------------------------------------------


def test_a_change_is_undone_and_leaves_no_trace(images):
    model = network()
    before = model(images)
    names = [set(vars(mixer)) for mixer in mixers(model)]
    with weights_changed(model, without("height")):
        assert not torch.allclose(model(images), before)
    assert torch.equal(model(images), before)
    assert [set(vars(mixer)) for mixer in mixers(model)] == names


def test_it_is_undone_when_an_error_is_raised(images):
    model = network()
    before = model(images)
    with (
        pytest.raises(RuntimeError, match="in between"),
        weights_changed(model, without("height")),
    ):
        raise RuntimeError("in between")
    assert torch.equal(model(images), before)
    # And when the change itself fails, or a block does not exist.
    with (
        pytest.raises(ZeroDivisionError),
        weights_changed(model, lambda a: a / (1 // 0)),
    ):
        model(images)
    with (
        pytest.raises(ValueError, match="no block 5"),
        weights_changed(model, without("width"), [0, 5]),
    ):
        pass
    assert torch.equal(model(images), before)


def test_changes_inside_each_other(images):
    model = network()
    before = model(images)
    with weights_changed(model, without("height")):
        once = model(images)
        with weights_changed(model, lambda a: 2 * a):
            (first, _) = weights_by_block(model, images).values()
            assert (first[0] == 0).all() and not torch.allclose(model(images), once)
        assert torch.equal(model(images), once)
    assert torch.equal(model(images), before)


def test_one_block_alone(images):
    model = network()
    first, second = weights_by_block(model, images).values()
    with weights_changed(model, alone("width"), blocks=[1]):
        changed = list(weights_by_block(model, images).values())
    assert torch.equal(changed[0], first)
    assert (changed[1] == torch.eye(3)[1][:, None, None]).all()
    with weights_changed(model, alone("width")):
        everywhere = list(weights_by_block(model, images).values())
    assert torch.equal(everywhere[0], everywhere[1])


def test_one_third_each_is_the_plain_sum(images):
    model = network(depth=1)
    plain = copy.deepcopy(model)
    mixer = PermuteMLP(16, 8, qkv_bias=True)
    mixer.load_state_dict(model.blocks[0].attn.state_dict(), strict=False)
    mixer.proj.weight.data /= 3
    plain.blocks[0].attn = mixer
    with weights_changed(model, fixed(torch.full((3,), 1 / 3))):
        torch.testing.assert_close(model(images), plain(images), atol=1e-4, rtol=1e-4)


def test_weights_of_every_channel_may_be_fixed(images):
    model = network(depth=1)
    weights = torch.randn(3, 16).softmax(dim=0)
    with weights_changed(model, fixed(weights)):
        (found,) = weights_by_block(model, images).values()
    assert torch.equal(found, weights[:, None].expand(3, 6, 16))


def test_what_there_is_not():
    with pytest.raises(ValueError, match=r"no branch 'depth'.*height, width, channel"):
        without("depth")
    with pytest.raises(ValueError, match="no branch 'H'"):
        alone("H")
    for shape in ((4,), (16, 3), (3, 2, 16), ()):
        with pytest.raises(ValueError, match=r"give \(3,\)"):
            fixed(torch.ones(shape))
    plain = VisionPermutator([1], [8], (), 2, img_size=16, token_mixer=PermuteMLP)
    with pytest.raises(TypeError, match=r"block 0 mixes tokens with PermuteMLP"):
        mixers(plain)


@in_turn(
    "blocks, error, told",
    [
        ([2], ValueError, "no block 2: the network has 2, numbered from 0 to 1"),
        ([-1], ValueError, "a block is -1; it must be at least 0"),
        (["network.0.1"], TypeError, "a block is 'network.0.1'; it must be a whole"),
        ("01", TypeError, r"blocks is '01'.*blocks=\[0\]"),
        (1, TypeError, r"blocks is 1;.*blocks=\[0\]"),
        ([1, 1], ValueError, "1 more than once"),
    ],
)
def test_blocks_that_there_are_not(images, blocks, error, told):
    model = network()
    before = model(images)
    with (
        pytest.raises(error, match=told),
        weights_changed(model, without("width"), blocks),
    ):
        pass
    assert torch.equal(model(images), before)


@in_turn(
    "change, error, told",
    [
        (lambda a: None, TypeError, "made a NoneType of the weights"),
        (lambda a: a[:2], ValueError, r"shape \(2, 6, 16\) of such of \(3, 6, 16\)"),
        (lambda a: a[:, :1], ValueError, "must keep the shape"),
        (fixed(torch.ones(3, 8)), ValueError, r"\(3, 8\).*16 channels: give \(3, 16"),
    ],
)
def test_a_change_must_keep_the_shape(images, change, error, told):
    model = network()
    before = model(images)
    with pytest.raises(error, match=told), weights_changed(model, change):
        model(images)
    assert torch.equal(model(images), before)


# --- branches that are missing ------------------------------------------------------


@in_turn("kept", [["height"], ["width", "channel"], BRANCHES])
def test_some_branches_are_those_of_the_whole_module(kept):
    mixer = SomeBranches(16, segment_dim=4, kept=kept)
    x = torch.randn(2, 4, 4, 16)
    for branch, out in zip(BRANCHES, mixer.branches(x)):
        there = getattr(mixer, branch)(x) if branch in kept else torch.zeros_like(x)
        assert torch.equal(out, there)
    parts = dict(zip(BRANCHES, mixer.branch_weights(*mixer.branches(x))))
    blend = sum(parts[b][:, None, None] * getattr(mixer, b)(x) for b in kept)
    torch.testing.assert_close(mixer(x), mixer.proj(blend))


@in_turn(
    "kept, told",
    [
        ([], r"kept is \[\].*one or more of height, width, channel"),
        ("width", r"kept is 'width'.*\['width'\]"),
        (["width", "width"], "each once"),
        (["h"], "no branch 'h'"),
    ],
)
def test_branches_that_cannot_be_kept(kept, told):
    with pytest.raises(ValueError, match=told):
        SomeBranches(16, segment_dim=4, kept=kept)


def permuted(images, axis):
    order = torch.tensor([3, 0, 7, 1, 6, 2, 5, 4])
    return images.index_select(axis, order)


@in_turn(
    "missing, axis, head, unseen",
    [
        ("height", 2, "avg", True),
        ("width", 3, "avg", True),
        ("height", 3, "avg", False),
        ("width", 2, "avg", False),
        ("channel", 2, "avg", False),
        ("height", 2, "flatten", False),
    ],
)
def test_what_a_network_cannot_see_without_a_branch(
    images, missing, axis, head, unseen
):
    kept = [b for b in BRANCHES if b != missing]
    model = network(
        token_mixer=partial(SomeBranches, kept=kept), global_pool=head
    ).double()
    images = images.double()
    gap = (model(permuted(images, axis)) - model(images)).abs().max().item()
    assert (gap < 1e-12) == unseen


# --- the rewrite --------------------------------------------------------------------


@in_turn("order", ["hwc", "cwh"])
@in_turn("by_channel", [False, True])
def test_static_weights_are_fixed_ones(images, order, by_channel):
    model = network(order=order)
    shape = (3, 16) if by_channel else (3,)
    weights = [torch.randn(shape).softmax(dim=0) for _ in range(2)]
    static = made_static(model, weights)
    with (
        weights_changed(model, fixed(weights[0]), [0]),
        weights_changed(model, fixed(weights[1]), [1]),
    ):
        torch.testing.assert_close(static(images), model(images), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(static(images), model(images), atol=1e-2)


@in_turn("order", ["hwc", "cwh"])
def test_a_rewrite_keeps_every_output(images, order):
    model = network(order=order).double()
    images = images.double()
    weights = [torch.randn(3, 16).double().softmax(dim=0) for _ in range(2)]
    static = made_static(model, weights)
    before = {k: v.clone() for k, v in static.state_dict().items()}
    again = rescaled(static, torch.tensor([1e-3, 1.0, 7.0]))
    with torch.no_grad():
        out, same = static(images), again(images)
    assert (out - same).abs().max() < 1e-9 * out.abs().max()
    assert all(torch.equal(v, before[k]) for k, v in static.state_dict().items())
    # The weights have changed, and so has the share of the blend.  That of the output
    # has not.
    for block in range(2):
        a = torch.tensor([1e-3, 1.0, 7.0]).double()[:, None] * weights[block]
        expected = (a / a.sum(dim=0)).mean(dim=1)
        torch.testing.assert_close(mean_weights(again, images)[block], expected)
    assert (
        blend_shares(again, images) - blend_shares(static, images)
    ).abs().max() > 0.1
    torch.testing.assert_close(
        output_shares(again, images), output_shares(static, images)
    )


def test_with_one_weight_for_all_channels_the_blend_keeps_its_shares(images):
    static = made_static(network(), 2 * [torch.tensor([0.5, 0.3, 0.2])])
    again = rescaled(static, torch.tensor([0.01, 1.0, 1.0]))
    assert (mean_weights(again, images)[:, 0] < 0.01).all()
    torch.testing.assert_close(
        blend_shares(again, images), blend_shares(static, images), atol=1e-5, rtol=1e-4
    )


def test_what_cannot_be_rewritten():
    model = network()
    with pytest.raises(ValueError, match=r"block 0 depend on the image.*made_static"):
        rescaled(model, torch.ones(3))
    with pytest.raises(ValueError, match="weights for 1 blocks, the network has 2"):
        made_static(model, [torch.full((3,), 1 / 3)])


THIRDS = torch.full((3,), 1 / 3)


@in_turn(
    "weights, error, told",
    [
        ([0.2, 0.5, 0.3], TypeError, r"block 1 is a list; .*torch\.tensor"),
        (torch.ones(4) / 4, ValueError, r"\(4,\); it must be \(3,\) or \(3, 16\)"),
        (torch.ones(3, 8) / 3, ValueError, r"block 1 has shape \(3, 8\)"),
        (torch.ones(16, 3) / 3, ValueError, r"block 1 has shape \(16, 3\)"),
        (torch.tensor([0.0, 0.5, 0.5]), ValueError, "has 0 to 0.5.*more than 0"),
        (torch.tensor([-0.5, 0.5, 1.0]), ValueError, "has -0.5 to 1"),
        (
            torch.tensor([1e-60, 0.5, 0.5], dtype=torch.float64),
            ValueError,
            "block 1, in torch.f",
        ),
        (THIRDS * torch.nan, ValueError, "block 1 is .nan.*finite"),
        (THIRDS * 2, ValueError, "block 1 sum to 2 over the branches"),
        (THIRDS * 1.05, ValueError, "block 1 sum to 1.05 over the branches"),
    ],
)
def test_what_cannot_be_static_weights(weights, error, told):
    model = network()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(error, match=told):
        made_static(model, [THIRDS, weights])
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


@in_turn(
    "factors, error, told",
    [
        ([1.0, 2.0, 3.0], TypeError, r"factors is a list; .*torch\.tensor"),
        (torch.ones(2), ValueError, r"\(2,\); it must be \(3,\)"),
        (torch.ones(3, 16), ValueError, r"factors has shape \(3, 16\)"),
        (torch.tensor([0.0, 1.0, 1.0]), ValueError, r"has 0 to 1;.*without\("),
        (torch.tensor([1.0, -2.0, 1.0]), ValueError, "has -2 to 1"),
        (
            torch.tensor([1.0, 1e60, 1.0], dtype=torch.float64),
            ValueError,
            "float32, has 1 to inf",
        ),
        (torch.tensor([1.0, torch.inf, 1.0]), ValueError, "must be finite"),
        (torch.tensor([torch.nan, 1.0, 1.0]), ValueError, "must be finite"),
    ],
)
def test_what_cannot_be_factors(factors, error, told):
    static = made_static(network(), [THIRDS, THIRDS])
    before = copy.deepcopy(static.state_dict())
    with pytest.raises(error, match=told):
        rescaled(static, factors)
    assert all(torch.equal(v, before[k]) for k, v in static.state_dict().items())


def test_weights_that_cannot_be_fixed():
    with pytest.raises(TypeError, match="weights is a list"):
        fixed([1, 0, 0])
    with pytest.raises(ValueError, match="must be finite"):
        fixed(torch.tensor([1.0, torch.nan, 0.0]))


# --- what was measured --------------------------------------------------------------


def test_agreement_by_hand():
    patterns = torch.tensor([[1.0, 2, 3], [2.0, 4, 6], [3.0, 2, 1]])
    # Correlations 1, -1 and -1.
    assert branches.agreement(patterns) == pytest.approx(-1 / 3)


def test_chance_agrees_with_nothing_in_particular():
    torch.manual_seed(3)
    patterns = torch.randn(4, 10)
    found = branches.agreement_by_chance(patterns, tries=300)
    # Six pairs; the correlation of ten numbers in random order spreads by 1/3.
    assert abs(found.mean()) < 0.03
    assert found.std().item() == pytest.approx(1 / 3 / 6**0.5, rel=0.15)
    same = torch.randn(10).expand(4, 10)
    assert branches.agreement(same) == pytest.approx(1)
    assert branches.agreement_by_chance(same, tries=100).max() < 0.9


def test_weights_by_class_by_hand():
    model = network()
    images, labels = torch.randn(9, 1, 8, 8), torch.arange(9) % 3
    found = branches.weights_by_class(model, Labelled(images, labels, 3))
    assert found.shape == (2, 3, 3)
    for label in range(3):
        for block, a in enumerate(
            weights_by_block(model, images[labels == label]).values()
        ):
            torch.testing.assert_close(found[block, label], a.mean(dim=(1, 2)))


def test_at_their_means_the_weights_of_every_block_are(monkeypatch):
    model, images = network(), torch.randn(30, 1, 8, 8)
    data = Labelled(images, torch.arange(30) % 3, 3)
    means = [a.mean(dim=1) for a in weights_by_block(model, images).values()]
    seen = []

    def look(model, data):
        seen.extend(weights_by_block(model, data.images).values())
        return accuracy(model, data)

    monkeypatch.setattr(branches, "accuracy", look)
    found = branches._at_mean(model, data)
    assert len(seen) == 2
    for a, mean in zip(seen, means):
        torch.testing.assert_close(a, mean[:, None].expand_as(a))
    static = made_static(model, means)
    assert found == pytest.approx(accuracy(static, data), abs=1.01 / 30)


@in_turn("name", ["row", "linerow", "rowflat"])
@pytest.mark.slow
def test_the_first_seed_is_the_network_that_comes_with_the_package(name):
    how = branches.PROBLEMS[name]
    test = branches.images(how)[1]
    theirs = pretrained.scale(name)(pretrained.pictures(name)[1])
    torch.testing.assert_close(test.images, theirs.images)
    written = results.read("branches")["problems"][name]["networks"][0]
    found = branches.readings(pretrained.load(name), test)
    assert set(found) == set(written)
    for key, numbers in found.items():
        # Trained on this machine or that, the last digits differ.
        got, said = torch.tensor(numbers), torch.tensor(written[key])
        torch.testing.assert_close(got, said, atol=0.02, rtol=0)


def test_the_file_says_what_the_experiment_does():
    written = results.read("branches")
    assert written["recipe"] == vars(pretrained.FOR_TASKS)
    assert set(written["problems"]) == set(branches.PROBLEMS)
    for name, found in written["problems"].items():
        how = branches.PROBLEMS[name]
        assert how.recipe == pretrained.FOR_TASKS
        assert len(found["networks"]) == branches.SEEDS
        assert set(found["only"]) == set(BRANCHES)
        assert {len(a) for a in found["only"].values()} == {branches.SEEDS_RETRAINED}
        assert ("without_needed" in found) == (name in branches.NEEDED)
    heights = torch.tensor(written["digits"]["height"])
    assert heights.shape == (branches.SEEDS_DIGITS, 2, 10)
    how = pretrained.TRAININGS["digits"]
    test = branches.images(how)[1]
    found = branches.weights_by_class(pretrained.load("digits"), test)[..., 0]
    torch.testing.assert_close(found, heights[0], atol=0.02, rtol=0)


def test_the_experiment_trains_what_it_says():
    recipe = pretrained.Recipe(epochs=1, batch=500)
    how = pretrained.Training("few", "row", recipe=recipe)
    one = branches.trained(how, seed=3, kept=["width"])
    (mixer,) = mixers(one)
    assert isinstance(mixer, SomeBranches) and mixer.kept == ("width",)
    assert not one.training
    for value in one.state_dict().values():
        assert torch.equal(value, value.half().float())
    train, test = branches.images(how)
    only = partial(SomeBranches, kept=["width"])
    by_hand = small_network(train, seed=3, token_mixer=only)
    fit(by_hand, train, test, replace(recipe, seed=3), verbose=False)
    for name, value in by_hand.half().float().state_dict().items():
        assert torch.equal(one.state_dict()[name], value), name


@in_turn("name", ["row", "linerow", "colour"])
def test_a_problem_is_measured_with_and_without_its_branches(name, monkeypatch):
    how, trainings = branches.PROBLEMS[name], []
    numbers = {}  # an accuracy for each training, told apart by its number

    def trained(how, seed, kept=BRANCHES):
        trainings.append((how, seed, tuple(kept)))
        return len(trainings)

    def told(model, test):
        numbers[model] = trainings[model - 1]
        return model

    monkeypatch.setattr(branches, "trained", trained)
    monkeypatch.setattr(branches, "readings", told)
    monkeypatch.setattr(branches, "accuracy", told)
    found = branches.problem(name)
    assert all(training[0] == how for training in trainings)

    def runs(models):
        return [numbers[model][1:] for model in models]

    assert runs(found["networks"]) == [(seed, BRANCHES) for seed in range(SEEDS)]
    assert list(found["only"]) == list(BRANCHES)
    for branch in BRANCHES:
        assert runs(found["only"][branch]) == [(0, (branch,)), (1, (branch,))]
    without_needed = {
        "row": [(seed, ("width", "channel")) for seed in range(SEEDS)],
        "linerow": [(seed, ("height", "channel")) for seed in range(SEEDS)],
    }
    assert runs(found.get("without_needed", [])) == without_needed.get(name, [])
    assert len(trainings) == SEEDS + 6 + SEEDS * (name in without_needed)


@pytest.mark.slow
def test_a_network_is_retrained_and_measured(monkeypatch):
    """Nothing replaced but the number of pictures: no training, no accuracy."""
    how = pretrained.Training(
        "few", "row", recipe=pretrained.Recipe(epochs=1, batch=1500)
    )
    monkeypatch.setitem(branches.PROBLEMS, "row", how)
    monkeypatch.setattr(branches, "SEEDS", 1)
    monkeypatch.setattr(branches, "SEEDS_RETRAINED", 1)
    test = branches.images(how)[1]
    found = branches.problem("row")
    kept = ["width", "channel"]
    again = accuracy(branches.trained(how, 0, kept), test)
    assert found["without_needed"] == [again]
    whole = branches.readings(branches.trained(how, 0), test)
    assert found["networks"] == [whole]
