"""The capstone: any module that is right is praised, and of a wrong one the first wrong
element is told and shown."""

import re
import time

import pytest
import torch
from torch import nn
from torch.nn.functional import gelu

from notebooks import paths, read
from tables import in_turn
from vip_tutorial import WeightedPermuteMLP
from vip_tutorial.exercises import check_whole, runner
from vip_tutorial.study.faults import failures
from vip_tutorial.study.faults.mutants import (
    MUTANTS,
    ArticleOrder,
    HeightTransposed,
    PoolDetached,
    WidthTurnedTwice,
)

# --- right ones ---------------------------------------------------------------------


class Sections(nn.Module):
    """One forward, names of its own, the width branch by a circle of three axes."""

    def __init__(self, dim, segment_dim):
        super().__init__()
        self.n = segment_dim
        self.alpha, self.beta, self.gamma = (
            nn.Linear(dim, dim, bias=False) for _ in range(3)
        )
        self.omega = nn.Linear(dim, dim)
        self.stretch = nn.Linear(dim // 4, 3 * dim)
        self.squeeze = nn.Linear(dim, dim // 4)
        self.leave_out = nn.Dropout(0.0)

    def forward(self, x):
        B, H, W, C = x.shape
        cut = x.view(B, H, W, self.n, C // self.n)
        up = self.beta(cut.transpose(1, 3).flatten(3)).view(B, self.n, W, H, -1)
        up = up.transpose(1, 3).reshape(x.shape)
        along = cut.permute(0, 3, 1, 2, 4).flatten(3)
        along = self.alpha(along).view(B, self.n, H, W, -1)
        along = along.permute(0, 2, 3, 1, 4).reshape(x.shape)
        own = self.gamma(x)
        mean = (own + along + up).mean((1, 2))
        share = self.stretch(gelu(self.squeeze(mean))).view(B, 1, 1, C, 3).softmax(-1)
        x = (torch.stack((up, along, own), dim=-1) * share).sum(-1)
        return self.leave_out(self.omega(x))


class Bare(nn.Module):
    """No layer at all: parameters that lie the other way round, and einsums."""

    def __init__(self, C, N):
        super().__init__()
        self.N = N
        for name, shape in {
            **dict.fromkeys("abcd", (C, C)),
            **{"e": (C,), "f": (C, C // 4), "g": (C // 4,)},
            **{"h": (C // 4, 3 * C), "i": (3 * C,)},
        }.items():
            setattr(self, name, nn.Parameter(torch.randn(shape)))

    def forward(self, x):
        B, H, W, C = x.shape
        N, S = self.N, C // self.N
        z, d, b = x.unflatten(3, (N, S)), self.d, self.b
        h = torch.einsum("bgwnt,gths->bhwns", z, d.reshape(H, S, H, S)).flatten(3)
        w = torch.einsum("bhvnt,vtws->bhwns", z, b.reshape(W, S, W, S)).flatten(3)
        c = x @ self.c
        share = gelu((h + w + c).mean((1, 2)) @ self.f + self.g) @ self.h + self.i
        share = share.reshape(B, 1, 1, C, 3).softmax(-1)
        return (torch.stack((h, w, c), -1) * share).sum(-1) @ self.a + self.e


class ByConvolution(Sections):
    """The channel branch and the projection are 1 x 1 convolutions."""

    def __init__(self, dim, segment_dim):
        super().__init__(dim, segment_dim)
        self.gamma = AsTokens(dim, bias=False)
        self.omega = AsTokens(dim, bias=True)


class AsTokens(nn.Module):
    def __init__(self, dim, bias):
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, 1, bias=bias)

    def forward(self, x):
        return self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def within(kind: type[nn.Module]) -> type[nn.Module]:
    """The same, one level deeper."""

    class Within(nn.Module):
        def __init__(self, dim, segment_dim):
            super().__init__()
            self.inner = kind(dim, segment_dim)

        def forward(self, x):
            return self.inner(x)

    return Within


def disguised(kind: type[nn.Module]) -> type[nn.Module]:
    """The same, with parameters whose names and order say nothing."""

    class Disguised(nn.Module):
        def __init__(self, dim, segment_dim):
            super().__init__()
            self.core = kind(dim, segment_dim)
            self.kept = []
            for name, parameter in sorted(self.core.named_parameters(), key=str):
                owner, _, name = name.rpartition(".")
                owner = self.core.get_submodule(owner)
                mine = f"p{(7 * len(self.kept)) % 9}"
                del owner._parameters[name]
                self.kept.append((owner, name, mine))
                self.register_parameter(mine, parameter)

        def forward(self, x):
            for owner, name, mine in self.kept:
                object.__setattr__(owner, name, getattr(self, mine))
            try:
                return self.core(x)
            finally:
                for owner, name, _ in self.kept:
                    del owner.__dict__[name]

    return Disguised


RIGHT = {
    "the package's": WeightedPermuteMLP,
    "a function": lambda dim, segment_dim: WeightedPermuteMLP(dim, segment_dim),
    "sections": Sections,
    "bare": Bare,
    "convolutions": ByConvolution,
    "disguised": disguised(WeightedPermuteMLP),
}


@in_turn("kind", RIGHT.values(), ids=RIGHT)
def test_a_right_module_is_praised_whatever_its_names(kind, capsys):
    assert check_whole(kind) is None
    out = capsys.readouterr().out
    assert out.startswith("Right: ") and "Not yet" not in out
    named = kind in (RIGHT["the package's"], RIGHT["a function"])
    assert ("Which is which: " in out) != named
    assert "Not asked: pooling, since it takes 4 x 4 tokens" in out
    assert ("Not asked: dropout" in out) == (kind is Bare)


def test_the_names_are_found_by_what_they_do(capsys):
    check_whole(Sections)
    assert (
        "Which is which: beta is mlp_h, alpha is mlp_w, gamma is mlp_c, "
        "squeeze is reweight.fc1, stretch is reweight.fc2, omega is proj "
        "(told apart by what they do)."
    ) in capsys.readouterr().out


# --- wrong ones ---------------------------------------------------------------------

WITHOUT_AN_ELEMENT = {  # the output is right, or there is none to compare
    "height biased": "it has 2 biases of (8,)",
    "layers tied": "are one and the same parameter",
    "pool detached": "The check gradient",
    "surprise dropout": "The check training",
    "dropped too early": "The check dropout",
}


@in_turn("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_mutant_is_caught_and_recognised(mutant, capsys):
    lenses = check_whole(within(mutant.module))
    out = capsys.readouterr().out
    assert out.startswith("Not yet. ")
    if told := WITHOUT_AN_ELEMENT.get(mutant.name):
        assert told in out and lenses is None
        return
    assert f"It does what the mutant “{mutant.name}” does: " in out
    place = ", ".join(map(str, lenses.element))
    assert f"y[{place}] is " in out
    b, i, j, c = lenses.element
    for lens in (lenses.yours, lenses.right):
        shape = lens.recording["tensors"][0]["shape"]
        cell = ((b * shape[1] + i) * shape[2] + j) * shape[3] + c
        assert f";cell={cell};" in lens.start
        assert lens.title.endswith(f"[{place}]")


@pytest.mark.slow
@in_turn("mutant", [HeightTransposed, WidthTurnedTwice, ArticleOrder, PoolDetached])
def test_a_disguised_mutant_is_caught_too(mutant, capsys):
    check_whole(disguised(mutant))
    assert capsys.readouterr().out.startswith("Not yet. ")


def test_a_layer_is_what_it_does_and_not_what_it_is_called(capsys):
    class OnItsSide(Sections):  # so alpha runs along columns, with width's share
        def forward(self, x):
            return super().forward(x.transpose(1, 2)).transpose(1, 2)

    check_whole(OnItsSide)
    out = capsys.readouterr().out
    assert "alpha is mlp_h, beta is mlp_w" in out
    assert "It does what the mutant “branches exchanged” does" in out


def test_the_first_wrong_element_is_told_with_where_it_comes_from(capsys):
    lenses = check_whole(within(HeightTransposed))
    out = capsys.readouterr().out
    assert out.startswith(
        "Not yet. The height branch: y[0, 0, 1, 0] is 82 and should be -7, which comes "
        "from x[0, 1, 1, 0] alone. Yours comes from x[0, 3, 0, 1]."
    )
    x = torch.tensor(lenses.right.recording["tensors"][0]["values"])
    x = x.reshape(1, 4, 4, 8)
    assert (x[0, 3, 0, 1], x[0, 1, 1, 0]) == (82, -7)
    # The call at which they part, and the lenses stand there.
    assert "number 6, permute(0, 2, 3, 1, 4), in x = x.permute(0, 2, 3, 1, 4)" in out
    assert "step=6;" in lenses.yours.start and "step=6;" in lenses.right.start


class Plain(WeightedPermuteMLP):
    """Its branches are right, and nobody weighs them."""

    def forward(self, x):
        return self.proj(sum(self.branches(x)))


class Unborn(nn.Module):
    def __init__(self, dim, segment_dim):
        self.layer = nn.Linear(dim, dim)  # before super().__init__()


def test_how_strong_a_branch_is_is_for_the_blend_to_say(capsys):
    check_whole(Plain)
    assert capsys.readouterr().out.startswith("Not yet. The blend: y[0, 0, 0, 0] is ")


def test_the_line_is_one_of_the_answer_and_not_of_what_it_inherits(capsys):
    check_whole(Unborn)
    out = capsys.readouterr().out
    assert "The line: self.layer = nn.Linear(dim, dim)" in out
    check_whole(nn.Module)
    assert "The line" not in capsys.readouterr().out


def test_the_stub_of_the_chapter_is_not_praised_and_its_solution_is(capsys):
    (path,) = (path for path in paths() if path.stem.startswith("09-"))
    cells = {cell["id"]: "".join(cell["source"]) for cell in read(path)["cells"]}
    names = {"__name__": "__main__"}
    exec(cells["capstone"], names)
    assert capsys.readouterr().out.startswith("Not yet. The height branch: ")
    (solution,) = re.findall(
        r"```python\n(.*?)```", cells["text-capstone-solution"], re.S
    )
    exec(f"{solution}\ncheck_whole(Mine)", names)
    assert capsys.readouterr().out.startswith("Right: ")


# --- strange ones -------------------------------------------------------------------


class OneTooMany(Sections):
    def __init__(self, dim, segment_dim):
        super().__init__(dim, segment_dim)
        self.spare = nn.Parameter(torch.zeros(5))


class Strange(Sections):
    def forward(self, x):
        return self.answer(x)


def strange(answer) -> type[nn.Module]:
    return type("Mine", (Strange,), {"answer": answer})


def explodes(self, x):
    raise ValueError("made up")


def never_ends(self, x):
    while True:
        time.sleep(0.001)


def only_later(self, x):
    return never_ends(self, x) if x.dtype == torch.float64 else x


def counts(self, x):
    self.calls = getattr(self, "calls", 0) + 1
    return x if self.calls < 4 else explodes(self, x)


STRANGE = {
    "explodes": (strange(explodes), "raised ValueError: made up\nThe line: raise"),
    "never ends": (strange(never_ends), "Time ran out: yours(dim=8"),
    "ends in float32": (strange(only_later), "Time ran out: yours"),
    "counts its calls": (strange(counts), "raised ValueError: made up"),
    "exits": (strange(lambda self, x: exit()), "raised SystemExit"),
    "another shape": (strange(lambda self, x: x[:, :1]), "has shape (2, 1, 4, 8)"),
    "shape by size": (
        strange(lambda self, x: x if len(x) > 1 else x.flatten(1)),
        "has shape (1, 128); it must be that of x",
    ),
    "two tensors": (strange(lambda self, x: (x, x)), "it must return a tensor"),
    "nothing": (strange(lambda self, x: None), "returned None"),
    "whole numbers": (strange(lambda self, x: x.int()), "should stay torch.float32"),
    "no memory": (strange(lambda self, x: x.to("meta")), "float32 on meta"),
    "nan": (strange(lambda self, x: x * float("nan")), "is nan and should be"),
    "its input": (strange(lambda self, x: x), "Your forward calls nothing"),
    "zero": (strange(lambda self, x: x * 0), "Nothing comes through"),
    "noise": (strange(lambda self, x: torch.randn_like(x)), "and should be -63"),
    "spoils": (strange(lambda self, x: x.mul_(2)), "changed its input"),
    "an array": (strange(lambda self, x: x.numpy()), "it must return a tensor"),
    "no gradient": (
        strange(lambda self, x: Sections.forward(self, x).detach()),
        "The check gradient of yours raised RuntimeError",
    ),
    "no parameters": (nn.Identity, "it has no parameters"),
    "one parameter": (lambda dim, n: nn.Linear(dim, dim), "1 of the 4 parameters"),
    "one too many": (OneTooMany, "it has a spare of (5,), which the right module has"),
    "no module": (lambda dim, segment_dim: None, "returned None"),
    "takes nothing": (lambda: None, "raised TypeError"),
    "a module": (Sections(8, 4), "hand over the class, Sections"),
    "a number": (42, "must be a function"),
}


@in_turn("answer, told", STRANGE.values(), ids=STRANGE)
def test_no_module_is_too_strange_for_a_sentence(answer, told, capsys, monkeypatch):
    if "ran out" in told:
        monkeypatch.setattr(runner, "SECONDS", 0.1)
        monkeypatch.setattr(runner, "PATIENCE", 0.3)
    check_whole(answer)
    out = capsys.readouterr().out
    assert out.startswith("Not yet. ") and told in out, out
    assert len(out) < 1500


# --- the checks of chapter 9 --------------------------------------------------------


def test_the_checks_are_asked_of_any_module():
    assert failures(Sections, N=3, S=2) == failures(Bare, N=3, S=2) == {}
    told = failures(disguised(HeightTransposed), N=3, S=2)
    assert {"formula", "reach", "transpose"} <= set(told)
    assert failures(lambda C, N: nn.Linear(C, C), N=3, S=2) == {
        "parameters": "it has 1 of the 4 parameters of shape (6, 6), weight; they are "
        "the weight of the channel branch, the weight of the height branch, the weight "
        "of the width branch, the weight of the projection"
    }


@pytest.mark.parametrize("seed", [0, 1])
def test_random_numbers_are_left_alone(seed, capsys):
    torch.manual_seed(seed)
    expected = torch.rand(3)
    torch.manual_seed(seed)
    check_whole(within(HeightTransposed))
    assert torch.equal(torch.rand(3), expected)
