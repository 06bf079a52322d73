"""Pictures in which a fault can be seen: what to look at, and at which weights.

With random weights a wrong output looks like a right one: noise.  So the module is
given weights that speak.  mlp_h lets ink run down, mlp_w lets wind blow it to the left,
mlp_c leaves a grey picture alone, and the re-weighting gives the first channels to
height, the middle ones to width and the last ones to the channel branch.  Then a
handwritten digit goes through, and each `View` shows one thing of what comes out.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

from ...training.data import digit

Factory = Callable[[int, int], nn.Module]

_N, _S = 8, 2
_C = _N * _S
_CLEAR = 0.15  # of all that is shown: a smaller difference asks for another view
_SEEN = 0.05  # of the darkest cell: a smaller difference the eye doesn't find


@dataclass(frozen=True)
class View:
    """A way to look at a module.

    Attributes:
        title: What is shown.
        expect: What a right module shows there, in a sentence.
        look: Draws it, as a matrix of numbers from 0 up.
        form: "image" (the tokens of a picture), "matrix" (channels by channels),
            "shares" or "bars" (a row for each branch, a column for each channel).
        given: For an image, gives the picture that goes in, `(H, W)`.
    """

    title: str
    expect: str
    look: Callable[[nn.Module], Tensor]
    form: str = "image"
    given: Callable[[], Tensor] | None = None


@dataclass(frozen=True)
class Evidence:
    """What a view shows of a right module and of a wrong one.

    Attributes:
        view: Name of the view, in `VIEWS`.
        right: What it shows of the right module.
        wrong: What it shows of the wrong one.
    """

    view: str
    right: Tensor
    wrong: Tensor

    @property
    def difference(self) -> float:
        """How much of what is shown differs: from 0, nothing, to 1, everything."""
        total = self.right.sum() + self.wrong.sum()
        apart = (self.right - self.wrong).abs().sum()
        return (apart / total).item() if total > 0 else 0.0

    @property
    def visible(self) -> bool:
        """Whether an eye can find the difference."""
        darkest = max(self.right.max(), self.wrong.max())
        return bool((self.right - self.wrong).abs().max() > _SEEN * darkest)


def evidence(right: Factory, wrong: Factory) -> Evidence:
    """The view that tells a wrong module from a right one.

    It is the first of `VIEWS`, which go from the plain to the subtle, that shows a
    clear difference; if none does, it is the one that shows the largest.

    Args:
        right: Makes the right module from `dim` and `segment_dim`; the class will do.
        wrong: Makes the wrong one.
    """
    modules = speaking(right), speaking(wrong)
    found = []
    for name, view in VIEWS.items():
        found.append(Evidence(name, *map(view.look, modules)))
        if found[-1].difference > _CLEAR:
            return found[-1]
    return max(found, key=lambda each: each.difference)


# --- What is looked at --------------------------------------------------------------


def speaking(make: Factory) -> nn.Module:
    """A module for 8 x 8 tokens of 16 channels, with weights that speak."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        module = make(_C, _N).eval()
        nn.init.normal_(module.reweight.fc1.weight, std=0.5)
        nn.init.normal_(module.reweight.fc2.weight, std=0.2)
    steps = torch.arange(_N)[:, None] - torch.arange(_N)  # from token to token
    runs = torch.where(steps >= 0, 0.7 ** steps.abs(), 0.0)  # (H, H)
    segment = torch.full((_S, _S), 1 / _S)
    before = torch.ones(_C, _C).tril()
    place = torch.linspace(0, 1, _C)[:, None]
    favours = -18 * (place - torch.tensor([0.0, 0.5, 1.0])) ** 2  # (C, 3)
    with torch.no_grad():
        module.mlp_h.weight.copy_(torch.kron(runs, segment))
        module.mlp_w.weight.copy_(torch.kron(runs.T.contiguous(), segment))
        module.mlp_c.weight.copy_(before / before.sum(1, keepdim=True))
        module.reweight.fc1.bias.zero_()
        module.reweight.fc2.bias.copy_(favours.flatten())
        module.proj.weight.copy_(torch.eye(_C))
        module.proj.bias.zero_()
    return module


def ink(index: int = 7) -> Tensor:
    """A handwritten digit, all of whose channels hold its grey, `(1, 8, 8, 16)`."""
    return _ink(index).clone()


def _digit() -> Tensor:
    return ink()[0, :, :, 0]  # (H, W)


@cache
def _ink(index: int) -> Tensor:
    return digit(index)[0][None, :, :, None].repeat(1, 1, 1, _C)  # (1, H, W, C)


# --- How it is looked at ------------------------------------------------------------


@torch.no_grad()
def _height(module: nn.Module) -> Tensor:
    return module.height(ink())[0].mean(-1)


@torch.no_grad()
def _width(module: nn.Module) -> Tensor:
    return module.width(ink())[0].mean(-1)


def _channel(number: int) -> Callable[[nn.Module], Tensor]:
    @torch.no_grad()
    def look(module: nn.Module) -> Tensor:
        return module(ink())[0, :, :, number]

    return look


def _takes(branch: str) -> Callable[[nn.Module], Tensor]:
    """Which channel of a branch's output, by row, takes from which of its input."""

    @torch.no_grad()
    def look(module: nn.Module) -> Tensor:
        run = getattr(module, branch)
        x = torch.eye(_C)[:, None, None, :].repeat(1, _N, _N, 1)  # (C, H, W, C)
        moved = run(x) - run(torch.zeros_like(x))  # (C, H, W, C)
        return (moved.abs().sum((1, 2)) > 1e-6).T.float()  # (C, C)

    return look


@torch.no_grad()
def _blank(module: nn.Module) -> Tensor:
    return module.height(torch.zeros_like(ink()))[0].abs().mean(-1)


@torch.no_grad()
def _twice(module: nn.Module) -> Tensor:
    module = copy.deepcopy(module).train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return (module(ink()) - module(ink()))[0].abs().mean(-1)


@torch.no_grad()
def _dropped(module: nn.Module) -> Tensor:
    module = copy.deepcopy(module)
    module.proj.weight.fill_(1 / _C)
    module.proj_drop.p = 0.5
    grey = torch.ones_like(ink())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return (module.train()(grey) / module.eval()(grey))[0, :, :, 0].abs()


@torch.no_grad()
def _deaf(module: nn.Module) -> Tensor:
    module = copy.deepcopy(module)
    for layer in (module.mlp_h, module.mlp_w, module.mlp_c):
        layer.weight.zero_()
    blank = torch.zeros_like(ink())
    return (_used(module, ink()) - _used(module, blank)).abs()[:, 0]  # (3, C)


@torch.no_grad()
def _shuffled(module: nn.Module) -> Tensor:
    branches = module.branches(ink())
    turned = [branch.flip(1, 2) for branch in branches]
    difference = module.branch_weights(*turned) - module.branch_weights(*branches)
    return difference.abs()[:, 0]  # (3, C)


@torch.no_grad()
def _shares(module: nn.Module) -> Tensor:
    return _used(module, torch.cat([ink(7), ink(0)]))[:, 0]  # (3, C)


def _used(module: nn.Module, x: Tensor) -> Tensor:
    """The weights that a run of the module asks for, `(3, B, C)`."""
    used = []
    compute = module.branch_weights
    module.branch_weights = lambda *branches: used.append(compute(*branches)) or used[0]
    module(x)
    del module.branch_weights
    return used[0] if used else compute(*module.branches(x))


def _blame(module: nn.Module) -> Tensor:
    x = ink().requires_grad_()
    module(x)[0, 4, 3].sum().backward()
    assert x.grad is not None
    blame = x.grad[0].abs().sum(-1)  # (H, W)
    # On a scale by powers of ten, of which five are shown.
    return (blame / blame.max()).clamp(min=1e-5).log10() / 5 + 1


VIEWS: dict[str, View] = {
    "height": View(
        "The height branch",
        "mlp_h was told to let ink run down.",
        _height,
        given=_digit,
    ),
    "width": View(
        "The width branch",
        "mlp_w was told to let wind blow the ink to the left.",
        _width,
        given=_digit,
    ),
    "segments": View(
        "Who takes from whom in the height branch",
        "There are 8 segments of 2 neighbours, and a channel takes from its own.",
        _takes("height"),
        "matrix",
    ),
    "channels": View(
        "Who takes from whom in the channel branch",
        "mlp_c was told to take from a channel itself and from all before it.",
        _takes("channel"),
        "matrix",
    ),
    "blank": View(
        "The height branch of a picture with nothing on it",
        "The branch has no bias, so of nothing it makes nothing.",
        _blank,
        given=lambda: torch.zeros(_N, _N),
    ),
    "twice": View(
        "What changes when the same digit goes through twice, in training",
        "Nothing was to be dropped, so nothing should change.",
        _twice,
        given=_digit,
    ),
    "dropped": View(
        "An even grey in training, with proj_drop at one half",
        "Every number of the output should be dropped, or be doubled.",
        _dropped,
        given=lambda: torch.full((_N, _N), 0.5),
    ),
    "deaf": View(
        "What a digit changes in the weights, with the branches set to zero",
        "The weights come from what the branches give, and here they give nothing.",
        _deaf,
        "bars",
    ),
    "shuffled": View(
        "What changes in the weights when the tokens change places",
        "The weights come from the mean of all tokens, so nothing should change.",
        _shuffled,
        "bars",
    ),
    "shares": View(
        "The three weights of each channel",
        "They were told to go from height over width to channel, and they sum to 1.",
        _shares,
        "shares",
    ),
    "first": View(
        "The first channel of the output",
        "It was told to take the height branch, where ink runs down.",
        _channel(0),
        given=_digit,
    ),
    "middle": View(
        "A middle channel of the output",
        "It was told to take the width branch, where ink is blown to the left.",
        _channel(_C // 2),
        given=_digit,
    ),
    "last": View(
        "The last channel of the output",
        "It was told to take the channel branch, which leaves the digit alone.",
        _channel(_C - 1),
        given=_digit,
    ),
    "blame": View(
        "Which tokens one token hears of, by its gradient",
        "The token in row 4, column 3 hears from above, from the right and, through "
        "the weights, very faintly from everywhere.",
        _blame,
        given=_digit,
    ),
}
