"""The reduced Permute-MLPs, the miniature ablation that uses them, and its results."""

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import pytest
import torch

from tables import in_turn
from test_shape_comments import B, C, N, complaints
from vip_tutorial import PermuteMLP, vision_permutator
from vip_tutorial.experiments import ablations, results
from vip_tutorial.experiments.ablations import (
    DEPTH,
    DIM,
    EXPERIMENTS,
    MIXERS,
    RECIPE,
    REGULARISATIONS,
    SEEDS,
    Experiment,
    as_models,
    logistic,
    network,
    pictures,
    right,
)
from vip_tutorial.mixers import fewer_branches
from vip_tutorial.mixers.fewer_branches import ReducedPermuteMLP
from vip_tutorial.mixers.rivals import Placed, SelfAttention
from vip_tutorial.study.cost import count_multiply_adds, count_parameters
from vip_tutorial.study.oracles import channel_einsum, height_einsum, width_einsum
from vip_tutorial.study.reach import reach
from vip_tutorial.training import fit, predict

CHOICES = ["h", "w", "c", "hw", "ch", "wc", "hwc"]


# --- Permute-MLPs with a branch less -------------------------------------------------


def oracle(module, x):
    """By einsum: a branch that stays as it is, one that is gone as zero or channels."""
    whole = {"h": height_einsum, "w": width_einsum}
    total = torch.zeros_like(x)
    for letter in "hwc":
        if letter not in module.kept and not module.replaced:
            continue
        linear = getattr(module, f"mlp_{letter}")
        if letter in module.kept and letter != "c":
            total += whole[letter](x, linear.weight, module.segment_dim, linear.bias)
        else:
            total += channel_einsum(x, linear.weight, linear.bias)
    return channel_einsum(total, module.proj.weight, module.proj.bias)


@in_turn("replaced", [False, True])
@in_turn("branches", CHOICES)
def test_a_reduced_one_is_the_formula(branches, replaced, device):
    module = ReducedPermuteMLP(6, 3, True, branches=branches, replaced=replaced)
    module = module.to(device, torch.float64)
    x = torch.randn(2, 3, 3, 6, device=device, dtype=torch.float64)
    torch.testing.assert_close(module(x), oracle(module, x))
    module(x).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in module.parameters())


def test_with_all_three_it_is_the_plain_sum():
    module, plain = ReducedPermuteMLP(8, 4), PermuteMLP(8, 4)
    plain.load_state_dict(module.state_dict())
    x = torch.randn(2, 4, 4, 8)
    assert torch.equal(module(x), plain(x))


def test_what_is_left_out_costs_nothing_and_what_is_replaced_costs_the_same():
    x, plain = torch.randn(1, 4, 4, 8), PermuteMLP(8, 4)
    for branches in CHOICES:
        less = 3 - len(branches)
        out = ReducedPermuteMLP(8, 4, branches=branches)
        replaced = ReducedPermuteMLP(8, 4, branches=branches, replaced=True)
        assert count_parameters(out) == count_parameters(plain) - 64 * less
        assert count_multiply_adds(out, x) == 16 * 64 * (4 - less)
        assert count_parameters(replaced) == count_parameters(plain)
        assert count_multiply_adds(replaced, x) == count_multiply_adds(plain, x)


@in_turn("replaced", [False, True])
def test_who_sees_whom(replaced):
    x = torch.randn(1, 3, 3, 6)
    for branches in CHOICES:
        module = ReducedPermuteMLP(6, 3, branches=branches, replaced=replaced)
        seen = reach(module, x) > 0
        itself = "c" in branches or replaced
        for i, j, k, m in torch.cartesian_prod(*[torch.arange(3)] * 4):
            column = "h" in branches and j == m
            row = "w" in branches and i == k
            alone = itself and i == k and j == m
            assert seen[i, j, k, m] == bool(column or row or alone), branches


@in_turn("branches", ["", "x", "hh", "hwcx", "h w"])
def test_other_letters_are_refused(branches):
    with pytest.raises(ValueError, match="letters of those that stay"):
        ReducedPermuteMLP(8, 4, branches=branches)


def test_an_input_that_does_not_fit_is_refused():
    for branches in CHOICES:
        module = ReducedPermuteMLP(8, 4, branches=branches)
        with pytest.raises(ValueError, match="H = 3"):
            module(torch.randn(1, 3, 4, 8))


def test_its_shape_comments_are_true():
    source = Path(fewer_branches.__file__).read_text(encoding="utf-8")

    def runs(code):
        for replaced in (False, True):
            module = code.ReducedPermuteMLP(C, N, branches="h", replaced=replaced)
            yield module, torch.randn(B, N, N, C)

    assert complaints(source, runs, "vip_tutorial.mixers") == {}


def test_placed_adds_where_a_token_stands(device):
    layer = Placed(SelfAttention(6), 3, 4, 6).to(device)
    x = torch.randn(2, 3, 4, 6, device=device)
    torch.testing.assert_close(layer(x), layer.layer(x + layer.place[None]))
    shuffled = x.flip(1)
    assert torch.allclose(
        layer.layer(shuffled), layer.layer(x).flip(1), rtol=0, atol=1e-5
    )
    assert not torch.allclose(layer(shuffled), layer(x).flip(1), rtol=0, atol=1e-5)


# --- The experiment ------------------------------------------------------------------


@pytest.fixture(scope="module")
def measured():
    return results.read("ablations")


@in_turn("mixer", MIXERS)
def test_every_mixer_makes_a_network_that_learns(mixer, device):
    model = network(EXPERIMENTS["4x4"], mixer, seed=0).to(device)
    model(torch.randn(2, 1, 8, 8, device=device)).square().sum().backward()
    unused = [n for n, p in model.named_parameters() if p.grad is None]
    assert unused == []


def test_the_seed_makes_the_network():
    def first(mixer, seed):
        return next(network(EXPERIMENTS["4x4"], mixer, seed).blocks[0].parameters())

    for mixer in ("weighted", "placed"):
        one, same, other = (
            network(EXPERIMENTS["4x4"], mixer, s).state_dict() for s in (0, 0, 1)
        )
        assert all(torch.equal(one[key], same[key]) for key in one)
        key = "network.0.0.mlp.fc1.weight"
        assert not torch.equal(one[key], other[key])


def test_transposed_pictures_are_the_same_pictures():
    for upright, lying in zip(pictures(), pictures(transposed=True)):
        assert torch.equal(lying.images.mT, upright.images)
        assert torch.equal(lying.labels, upright.labels)


def test_a_branch_on_transposed_pictures_is_the_other_branch():
    upright = network(EXPERIMENTS["8x8"], "cw", seed=0).double()
    lying = network(EXPERIMENTS["8x8"], "ch", seed=0).double()
    names = {key: key.replace("mlp_w", "mlp_h") for key in upright.state_dict()}
    lying.load_state_dict({names[k]: v for k, v in upright.state_dict().items()})
    images = torch.randn(3, 1, 8, 8).double()
    torch.testing.assert_close(upright(images), lying(images.mT))


def test_the_results_are_of_this_code(measured):
    settings = {"dim": DIM, "depth": DEPTH, "seeds": list(SEEDS)}
    assert measured["recipe"] == asdict(RECIPE) | settings
    assert measured["of"] == len(pictures()[1].labels) == 500
    assert list(measured["runs"]) == list(EXPERIMENTS)
    for name, experiment in EXPERIMENTS.items():
        assert tuple(measured["runs"][name]) == experiment.mixers
        for mixer, run in measured["runs"][name].items():
            model = network(experiment, mixer, seed=0)
            assert run["parameters"] == count_parameters(model)
            x = torch.zeros(1, 1, 8, 8)
            assert run["multiply_adds"] == count_multiply_adds(model, x)
            assert len(run["right"]) == len(SEEDS)


@pytest.mark.slow
def test_one_network_trained_again(measured):
    # To the bit on the machine and with the threads of the results; elsewhere near.
    again = right(EXPERIMENTS["4x4"], "h", seed=1)
    assert abs(again - measured["runs"]["4x4"]["h"]["right"][1]) <= 10


@in_turn(
    "experiment",
    [
        Experiment(("h",)),
        Experiment(("h",), patch=1),
        Experiment(("h",), transposed=True),
        Experiment(("h",), longer=3),
    ],
)
def test_each_run_is_trained_as_the_experiment_says(experiment, monkeypatch):
    trainings = []
    monkeypatch.setattr(ablations, "fit", lambda *a, **options: trainings.append(a))
    counts = right(experiment, "h", seed=4)
    ((model, train, test, recipe),) = trainings
    assert recipe == replace(RECIPE, epochs=30 * experiment.longer, seed=4)
    wanted = network(experiment, "h", seed=4).state_dict()
    assert all(torch.equal(v, wanted[k]) for k, v in model.state_dict().items())
    for part, upright in zip((train, test), pictures()):
        lying = experiment.transposed
        assert torch.equal(part.images.mT if lying else part.images, upright.images)
    named = predict(model, test.images).argmax(1) == test.labels
    assert counts == named.sum().item()


@pytest.mark.slow
def test_all_is_measured(monkeypatch):
    runs = []

    def noted(*run):
        runs.append(run)
        return len(runs)

    monkeypatch.setattr(ablations, "right", noted)
    monkeypatch.setattr(ablations, "logistic", lambda c: round(1000 * c))
    course = ablations.course
    monkeypatch.setattr(ablations, "course", partial(course, stop=1))
    found = ablations.measure()
    assert runs == [
        (experiment, mixer, seed)
        for experiment in EXPERIMENTS.values()
        for mixer in experiment.mixers
        for seed in SEEDS
    ]
    counts = [
        count
        for name in EXPERIMENTS
        for run in found["runs"][name].values()
        for count in run["right"]
    ]
    assert counts == list(range(1, len(runs) + 1))
    assert found["logistic"] == {"0.01": 10, "0.1": 100, "1.0": 1000}
    written = results.read("ablations")
    assert (found["recipe"], found["of"]) == (written["recipe"], written["of"])
    assert set(found["courses"]) == set(written["courses"])
    for name, begun in found["courses"].items():
        # One epoch of it: seeds are further apart than this.
        filed = written["courses"][name]["loss"]
        assert len(filed) == RECIPE.epochs
        assert begun["loss"] == pytest.approx(filed[:1], abs=2e-4)


@pytest.mark.parametrize(
    "c",
    [
        REGULARISATIONS[0],
        *(pytest.param(c, marks=pytest.mark.slow) for c in REGULARISATIONS[1:]),
    ],
)
def test_the_linear_floor_measured_again(measured, c):
    assert abs(logistic(c) - measured["logistic"][str(c)]) <= 2


def test_models_for_the_figure(measured):
    models = as_models(measured)
    assert len(models) == len(EXPERIMENTS["4x4"].mixers + EXPERIMENTS["8x8"].mixers)
    assert models[0] == {
        "name": "4x4-c",
        "label": MIXERS["c"].label,
        "group": "4 x 4 tokens",
        "right": measured["runs"]["4x4"]["c"]["right"],
    }


# --- What the paper's Table 7 says of its weights -------------------------------------


def test_the_parameters_of_the_papers_ablation():
    with torch.device("meta"):
        weighted = vision_permutator.vip_s14()
        plain = vision_permutator.vip_s14(token_mixer=PermuteMLP)
    assert count_parameters(weighted) == 29_892_904
    assert count_parameters(plain) == 27_216_232


@pytest.mark.slow
def test_five_equal_results_are_not_one_network_five_times():
    size = EXPERIMENTS["4x4"]
    train, test = pictures()
    mistakes = []
    for seed in range(2):
        model = network(size, "conv", seed)
        recipe = replace(RECIPE, seed=seed)
        fit(model, train, test, recipe, verbose=False)
        mistakes.append(predict(model, test.images).argmax(1) != test.labels)
    assert not torch.equal(*mistakes)
    on_file = results.read("ablations")["runs"]["4x4"]["conv"]["right"]
    assert len(set(on_file)) == 1  # else chapter 13 need not speak of it
