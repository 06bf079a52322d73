"""The checks of `study.faults` pass the right module and catch every faulty one.

How much a test suite sees is measured by breaking the code on purpose.  What catches
which mutant is printed at the end of the run.
"""

import subprocess
import sys
from functools import cache

import pytest
import torch

from tables import in_turn
from vip_tutorial import WeightedPermuteMLP
from vip_tutorial.study.faults import checks
from vip_tutorial.study.faults.checks import CHECKS, failures
from vip_tutorial.study.faults.mutants import MUTANTS, Mutant, SoftmaxOverBatch
from vip_tutorial.study.faults.views import VIEWS, evidence, ink, speaking

SIZES = [(2, 4), (3, 2), (4, 3), (7, 1), (8, 2)]  # N, S


each_mutant = in_turn("mutant", MUTANTS, ids=lambda mutant: mutant.name)


@cache
def caught(mutant: Mutant) -> dict[str, str]:
    return failures(mutant.module)


# --- the right module --------------------------------------------------------------


@in_turn("name", CHECKS)
@in_turn("N, S", SIZES)
def test_the_right_module_passes(name, N, S):
    assert CHECKS[name](WeightedPermuteMLP, N, S) is None


def test_a_check_takes_any_factory_and_leaves_random_numbers_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    assert failures(lambda C, N: WeightedPermuteMLP(C, segment_dim=N)) == {}
    evidence(WeightedPermuteMLP, WeightedPermuteMLP)
    assert torch.equal(torch.rand(3), expected)


def test_the_other_order_of_branches_is_told_from_the_right_one():
    found = failures(lambda C, N: WeightedPermuteMLP(C, N, branch_order="cwh"))
    assert set(found) == {"transpose", "owners", "blend"}  # the formula knows of it


# --- the mutants -------------------------------------------------------------------


def test_there_are_enough_of_them():
    names = [mutant.name for mutant in MUTANTS]
    assert len(names) == len(set(names)) >= 12


@each_mutant
@in_turn("B", [1, 3])
def test_a_mutant_keeps_its_shape_trains_and_raises_nothing(mutant, B):
    module = mutant.module(12, 4)
    x = torch.randn(B, 4, 4, 12, requires_grad=True)
    before = [parameter.clone() for parameter in module.parameters()]
    out = module(x)
    assert out.shape == x.shape
    out.square().sum().backward()
    torch.optim.SGD(module.parameters(), lr=0.01).step()
    assert x.grad.isfinite().all()
    after = list(module.parameters())
    assert sum(not torch.equal(a, b) for a, b in zip(before, after)) >= 4


@each_mutant
def test_the_shape_check_catches_no_mutant(mutant):
    checks.shape(mutant.module)


# A test each: what they note is gathered from every process of the run.
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_is_caught(mutant, who_catches_what):
    found = caught(mutant)
    who_catches_what(mutant.name, list(found))
    assert found, f"no check notices: {mutant.fault}"
    for sentence in found.values():
        assert len(sentence) > 10 and "\n" not in sentence


@each_mutant
@in_turn("N, S", SIZES)
def test_it_is_caught_at_other_sizes_too(mutant, N, S):
    if S == 1 and mutant.name == "height interleaved":
        return  # segments of one channel can't be interleaved: it is right
    first = next(iter(caught(mutant)))
    with pytest.raises(AssertionError):
        CHECKS[first](mutant.module, N, S)


@in_turn("name", [name for name in CHECKS if name != "shape"])
def test_every_other_check_catches_some(name):
    assert any(name in caught(mutant) for mutant in MUTANTS)


def test_what_the_formula_does_not_see():
    unseen = {mutant.name for mutant in MUTANTS if "formula" not in caught(mutant)}
    alone = {
        next(iter(caught(mutant))) for mutant in MUTANTS if len(caught(mutant)) == 1
    }
    assert "pool detached" in unseen and "surprise dropout" in unseen
    assert alone == {"gradient", "dropout", "parameters"}


@pytest.mark.slow  # it starts four processes
@in_turn(
    "test, is_told, processes",
    [
        ("every_mutant_is_caught[tanh gelu]", True, "2"),
        ("the_shape_check_catches_no_mutant", False, "0"),
    ],
)
def test_a_run_ends_with_what_catches_what(test, is_told, processes):
    # By its full name: a pattern could choose this test, which would call itself.
    test = f"{__file__}::test_{test}"
    command = [sys.executable, "-m", "pytest"]
    run = subprocess.run(
        [*command, "-q", "-n", processes, "-p", "no:cacheprovider", test],
        capture_output=True,
        text=True,
    )
    assert "1 passed" in run.stdout
    assert ("tanh gelu  formula gradient\n" in run.stdout) == is_told
    assert ("which check catches which mutant" in run.stdout) == is_told


# --- their records -----------------------------------------------------------------


@each_mutant
def test_a_mutant_says_what_is_wrong_and_shows_it(mutant):
    assert mutant.fault.endswith(".") and mutant.seen.endswith(".")
    right, wrong = mutant.lines()
    assert right and wrong and right != wrong
    assert len(set(wrong) - set(right)) <= 5  # it reads in one look
    assert callable(getattr(WeightedPermuteMLP, mutant.method))


def test_a_class_of_your_own_can_be_a_mutant():
    class NothingDone(WeightedPermuteMLP):
        """The channel branch does nothing.

        Seen: the digit.
        """

        def channel(self, x):
            return x

    mutant = Mutant.of(NothingDone)
    assert mutant.name == "nothing done"
    assert mutant.fault == "The channel branch does nothing."
    assert (mutant.seen, mutant.known) == ("The digit.", "")
    assert mutant.lines()[1] == ["return x"]
    assert "formula" in failures(NothingDone)


def test_what_is_no_mutant_is_refused():
    class Silent(WeightedPermuteMLP):
        def channel(self, x):
            return x

    class Double(Silent):
        """Two faults."""

        def height(self, x):
            return x

        def width(self, x):
            return x

    with pytest.raises(ValueError, match="Silent has no docstring"):
        Mutant.of(Silent)
    with pytest.raises(ValueError, match="Double overrides height, width"):
        Mutant.of(Double)


# --- the pictures ------------------------------------------------------------------


@in_turn("name", VIEWS)
def test_a_view_shows_numbers_from_zero_up_and_changes_nothing(name):
    module = speaking(WeightedPermuteMLP)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    shown = VIEWS[name].look(module)
    sizes = {"image": (8, 8), "matrix": (16, 16), "shares": (3, 16), "bars": (3, 16)}
    assert shown.shape == sizes[VIEWS[name].form]
    assert (VIEWS[name].given is not None) == (VIEWS[name].form == "image")
    assert shown.min() >= 0 and shown.isfinite().all()
    assert torch.equal(VIEWS[name].look(module), shown)
    assert not module.training
    assert all(torch.equal(before[k], v) for k, v in module.state_dict().items())


@each_mutant
def test_every_fault_but_one_can_be_seen(mutant):
    found = evidence(WeightedPermuteMLP, mutant.module)
    assert found.visible == (mutant.name != "tanh gelu")
    assert 0 < found.difference <= 1


def test_two_right_modules_show_no_difference():
    found = evidence(WeightedPermuteMLP, WeightedPermuteMLP)
    assert found.difference == 0 and not found.visible


def test_what_the_views_promise_of_a_right_module():
    module = speaking(WeightedPermuteMLP)
    show = {name: view.look(module) for name, view in VIEWS.items()}
    digit = show["last"]
    runs = show["height"]
    assert (runs[1:] >= 0.69 * runs[:-1]).all()  # ink runs down, losing three tenths
    assert (show["width"][:, :-1] >= 0.69 * show["width"][:, 1:]).all()
    assert torch.equal(show["segments"], torch.eye(8).kron(torch.ones(2, 2)))
    assert torch.equal(show["channels"], torch.ones(16, 16).tril())
    for blank in ("blank", "twice", "deaf", "shuffled"):
        assert show[blank].max() < 1e-6
    assert set(show["dropped"].flatten().round(decimals=4).tolist()) == {0.0, 2.0}
    torch.testing.assert_close(show["shares"].sum(0), torch.ones(16))
    leads = show["shares"].argmax(0).tolist()
    assert leads == sorted(leads) and set(leads) == {0, 1, 2}
    assert torch.corrcoef(torch.stack([show["first"], runs]).flatten(1))[0, 1] > 0.95
    assert digit[7, 7] < 0.1 * digit.max()
    faint = show["blame"].clone()
    faint[:5, 3] = faint[4, 3:] = 0  # above it and to the right
    assert show["blame"][:5, 3].min() > faint.max() > 0
    assert faint[5:, :3].min() > 0


class AsksTwice(WeightedPermuteMLP):
    """Asks for weights of its height branch alone, and later of nothing."""

    def forward(self, x):
        h, w, c = self.branches(x)
        first = self.branch_weights(h, 0 * w, 0 * c)
        self.branch_weights(0 * h, 0 * w, 0 * c)
        return first[0, :, None, None] * h


@torch.no_grad()
def test_the_shares_are_those_that_a_run_asks_for():
    module = speaking(AsksTwice)
    h, w, c = module.branches(torch.cat([ink(7), ink(0)]))
    wanted = module.branch_weights(h, 0 * w, 0 * c)[:, 0]
    assert torch.equal(VIEWS["shares"].look(module), wanted)
    of_all = module.branch_weights(h, w, c)[:, 0]
    of_nothing = module.branch_weights(0 * h, 0 * w, 0 * c)[:, 0]
    for other in (of_all, of_nothing):
        assert not torch.allclose(wanted, other, atol=1e-3)


@torch.no_grad()
def test_the_shares_are_of_one_picture_beside_another():
    """Alone, or beside itself, weights that run over the batch would look even."""
    module = speaking(SoftmaxOverBatch)
    both = torch.cat([ink(7), ink(0)])
    weights = module.branch_weights(*module.branches(both))  # (3, 2, C)
    assert torch.equal(VIEWS["shares"].look(module), weights[:, 0])
    assert (weights[:, 0] - weights[:, 1]).abs().max() > 1e-3
