"""A module that somebody else wrote, asked as if it were the package's.

The checks of this room ask a module for its branches and its weights by name: `height`,
`mlp_h`, `branch_weights`.  A module of another hand computes the same under names of
its own, or in one long forward with no name for anything.  What it must have is the
right parameters.  Which is which is told by their shapes, and for the four of one shape
by what they do.  After that every question can be put by weights alone: to see the
height branch, set the other two to zero, the three shares to a third and the projection
to three times the identity.
"""

import re
from dataclasses import dataclass
from itertools import permutations, product

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ...permute_mlp import Mlp
from ..oracles import branches_einsum, weighted_permute_mlp_einsum

_CLOSE = 1e-9  # in float64; far above what it rounds off
_BRANCHES = ("mlp_h.weight", "mlp_w.weight", "mlp_c.weight")
_SQUARE = (*_BRANCHES, "proj.weight")  # all C x C
_USES = {
    "mlp_h.weight": "the weight of the height branch",
    "mlp_w.weight": "the weight of the width branch",
    "mlp_c.weight": "the weight of the channel branch",
    "reweight.fc1.weight": "the weight of the re-weighting's first Linear",
    "reweight.fc1.bias": "the bias of the re-weighting's first Linear",
    "reweight.fc2.weight": "the weight of the re-weighting's second Linear",
    "reweight.fc2.bias": "the bias of the re-weighting's second Linear",
    "proj.weight": "the weight of the projection",
    "proj.bias": "the bias of the projection",
}
_HINTS = {  # what people call them; it decides only where nothing else does
    "mlp_h.weight": r"h|\w*height\w*|\w*col\w*|\w*vert\w*",
    "mlp_w.weight": r"w|\w*width\w*|\w*row\w*|\w*horiz\w*",
    "mlp_c.weight": r"c|ch|\w*chan\w*|\w*token\w*",
    "proj.weight": r"\w*proj\w*|\w*out\w*|last|final|fuse",
}


class Misfit(Exception):
    """The parameters are not those of a WeightedPermuteMLP; the sentence says why."""


class CannotAsk(Exception):
    """A question that this module has no place for; the sentence says which."""


@dataclass(frozen=True)
class Place:
    """Where a module keeps one of the parameters.

    Attributes:
        name: The module's own name for it.
        shape: Its shape there.
        turned: Whether it is kept with its two axes exchanged.
    """

    name: str
    shape: tuple[int, ...]
    turned: bool = False

    def put(self, value: Tensor) -> Tensor:
        """A value, as it has to lie there."""
        return (value.T if self.turned else value).reshape(self.shape)

    def take(self, value: Tensor) -> Tensor:
        """What lies there, as the package has it."""
        value = value.reshape(value.shape[:2])
        return value.T if self.turned else value


@dataclass(frozen=True)
class Roles:
    """Which parameter of a module is which.

    Attributes:
        places: For each of the package's names, where the module keeps it.
        found: How the four of one shape were told apart: "by what they do", "by their
            names" or "by their order".
    """

    places: dict[str, Place]
    found: str

    def __str__(self) -> str:
        layers = {
            role.removesuffix(".weight"): place.name.removesuffix(".weight")
            for role, place in self.places.items()
            if role.endswith("weight")
        }
        pairs = ", ".join(f"{name} is {role}" for role, name in layers.items())
        return f"{pairs} (told apart {self.found})"

    @property
    def are_the_packages(self) -> bool:
        """Whether the names are the package's own, but for what stands before them."""
        return all(f".{p.name}".endswith(f".{role}") for role, p in self.places.items())


def shapes(C: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the parameters of the authors' code, for C channels."""
    return {
        "mlp_c.weight": (C, C),
        "mlp_h.weight": (C, C),
        "mlp_w.weight": (C, C),
        "reweight.fc1.weight": (C // 4, C),
        "reweight.fc1.bias": (C // 4,),
        "reweight.fc2.weight": (3 * C, C // 4),
        "reweight.fc2.bias": (3 * C,),
        "proj.weight": (C, C),
        "proj.bias": (C,),
    }


class ByRole(nn.Module):
    """Another hand's module under the names of the package's.

    It has the parameters under the package's names, and hands them to the module for
    each call.  Its branches and weights are not read from the module's code: they are
    what comes out if the parameters let nothing else through.

    Args:
        module: The module, for N x N tokens.
        roles: Which of its parameters is which.
        N: Rows, columns and segments.
        S: Channels in a segment.
    """

    def __init__(self, module: nn.Module, roles: Roles, N: int, S: int):
        super().__init__()
        C = N * S
        self.dim, self.segment_dim, self.branch_order = C, N, "hwc"
        with torch.random.fork_rng(devices=[]):
            self.mlp_c, self.mlp_h, self.mlp_w = (
                nn.Linear(C, C, bias=False) for _ in range(3)
            )
            self.reweight, self.proj = Mlp(C, C // 4, 3 * C), nn.Linear(C, C)
        self.roles = roles
        self._module = (module,)  # in a tuple, its parameters are not this one's, too
        given = dict(module.named_parameters(remove_duplicate=False))
        with torch.no_grad():
            for role, parameter in self.named_parameters():
                place = roles.places[role]
                parameter.copy_(place.take(given[place.name].detach()))

    def forward(self, x: Tensor) -> Tensor:
        """What the module makes of an image, `(B, H, W, C)`."""
        return self.run(x, dict(self.named_parameters()))

    def run(self, x: Tensor, values: dict[str, Tensor]) -> Tensor:
        """The same with other parameters; what is not named is zero."""
        given = {}
        for role, parameter in self.named_parameters():
            place = self.roles.places[role]
            value = values.get(role)
            value = torch.zeros_like(parameter) if value is None else value
            given[place.name] = place.put(value)
        return functional_call(self._module[0], given, (x,))

    def height(self, x: Tensor) -> Tensor:
        """The height branch alone."""
        return self._alone("mlp_h.weight", x)

    def width(self, x: Tensor) -> Tensor:
        """The width branch alone."""
        return self._alone("mlp_w.weight", x)

    def channel(self, x: Tensor) -> Tensor:
        """The channel branch alone."""
        return self._alone("mlp_c.weight", x)

    def branches(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Each branch alone."""
        return self.height(x), self.width(x), self.channel(x)

    def _alone(self, role: str, x: Tensor) -> Tensor:
        weight = self.get_parameter(role)
        third = 3 * torch.eye(self.dim, dtype=weight.dtype)  # undoes the equal shares
        return self.run(x, {role: weight, "proj.weight": third})

    def branch_weights(self, h: Tensor, w: Tensor, c: Tensor) -> Tensor:
        """The weights that it gives three branches with this sum, `(3, B, C)`.

        A branch whose weight is the identity gives its input.  So the sum goes in as
        the picture, one branch hands it on, and what comes out is its share of it.
        """
        x, N = h + w + c, self.segment_dim
        if x.shape[1:3] != (N, N):
            raise CannotAsk(f"it takes {N} x {N} tokens and no other number")
        one = torch.eye(self.dim, dtype=x.dtype)
        own = {k: v for k, v in self.named_parameters() if k.startswith("reweight")}
        weights = []
        for role in _BRANCHES:
            out = self.run(x, {**own, role: one, "proj.weight": one})
            weights.append((out * x).sum((1, 2)) / x.square().sum((1, 2)))
        return torch.stack(weights)

    @property
    def proj_drop(self) -> nn.Module:
        """Its dropout; of several the one that is called so, or the last."""
        drops = {
            name: part
            for name, part in self._module[0].named_modules()
            if isinstance(part, nn.Dropout)
        }
        if not drops:
            raise CannotAsk("it has no nn.Dropout")
        named = [part for name, part in drops.items() if re.search("proj|out", name)]
        return (named or list(drops.values()))[-1]

    def train(self, mode: bool = True) -> "ByRole":
        """Set it, and the module, to training."""
        self._module[0].train(mode)
        return super().train(mode)

    def _apply(self, *arguments, **options):
        self._module[0]._apply(*arguments, **options)
        return super()._apply(*arguments, **options)


def by_role(module: nn.Module, N: int, S: int, roles: Roles | None = None) -> ByRole:
    """A module under the package's names, in evaluation, with float64 numbers.

    Args:
        module: It is changed: its numbers become float64.
        N: Rows, columns and segments.
        S: Channels in a segment.
        roles: Which of its parameters is which, if that is known already.

    Raises:
        Misfit: If its parameters are not those of a WeightedPermuteMLP.
    """
    module = module.double().eval()
    return ByRole(module, roles or find_roles(module, N, S), N, S).double().eval()


# --- Which is which ----------------------------------------------------------------


def find_roles(module: nn.Module, N: int, S: int) -> Roles:
    """Find out which parameter of a module is which.

    Raises:
        Misfit: If they are not those of a WeightedPermuteMLP.
    """
    fits = _by_shape(module, N * S)
    bias = fits["proj.bias"][0]
    sure = {role: places[0] for role, places in fits.items() if role not in _SQUARE}
    squares = list(dict.fromkeys(place.name for place in fits["proj.weight"]))
    ways = []
    for order in permutations(squares):
        options = [
            [place for place in fits[role] if place.name == name]
            for role, name in zip(_SQUARE, order)
        ]
        own = _owner(order[-1]) == _owner(bias.name) or not _owner(bias.name)
        if own or _owner(bias.name) not in map(_owner, squares):
            ways += [{**sure, **dict(zip(_SQUARE, way))} for way in product(*options)]
    trial = _Trial(module, Roles(ways[0], ""), N, S)
    scores = list(map(trial.score, ways))
    best = max(scores)
    likely = [way for way, score in zip(ways, scores) if score == best]
    if right := next(filter(trial.is_right, likely), None):
        return Roles(_in_order(right), "by what they do")
    if best and len(likely) == 1:
        return Roles(_in_order(likely[0]), "by what they do")
    named = [sum(_is_called(role, way[role]) for role in _SQUARE) for way in likely]
    way = likely[named.index(max(named))]
    return Roles(_in_order(way), "by their names" if any(named) else "by their order")


def _by_shape(module: nn.Module, C: int) -> dict[str, list[Place]]:
    """For each parameter that is needed, all that could be it."""
    given = dict(module.named_parameters(remove_duplicate=False))
    by_object: dict[int, str] = {}
    for name, parameter in given.items():
        if other := by_object.get(id(parameter)):
            raise Misfit(f"{other} and {name} are one and the same parameter")
        by_object[id(parameter)] = name
    if not given:
        raise Misfit(
            "it has no parameters; layers count if they stand in self, or in an "
            "nn.ModuleList, and not in a plain list"
        )
    right, left = shapes(C), dict(given)
    fits: dict[str, list[Place]] = {}
    for role, shape in right.items():
        fits[role] = [
            Place(name, tuple(parameter.shape), turned)
            for name, parameter in given.items()
            for turned in ((False, True) if _is_bare(module, name) else (False,))
            if (not turned or len(shape) == 2)
            and _plain(parameter) == (shape[::-1] if turned else shape)
        ]
        for place in fits[role]:
            left.pop(place.name, None)
        names = {place.name for place in fits[role]}
        needed = [other for other in right if right[other] == shape]
        if len(names) < len(needed):
            raise Misfit(_too_few(names, needed, shape, given))
        if len(names) > len(needed):
            raise Misfit(_too_many(names, needed, shape))
    for name, parameter in left.items():
        shape = tuple(parameter.shape)
        raise Misfit(f"it has a {name} of {shape}, which the right module has not")
    return fits


def _too_few(names: set[str], needed: list[str], shape: tuple, given: dict) -> str:
    has = ", ".join(f"{name} {tuple(value.shape)}" for name, value in given.items())
    if names:
        return (
            f"it has {len(names)} of the {len(needed)} parameters of shape {shape}, "
            f"{', '.join(sorted(names))}; they are "
            f"{', '.join(_USES[role] for role in needed)}"
        )
    return f"it has no parameter of {shape}, {_USES[needed[0]]}; it has {has}"


def _too_many(names: set[str], needed: list[str], shape: tuple) -> str:
    listed, count = ", ".join(sorted(names)), len(names)
    if needed == ["proj.bias"]:
        return (
            f"it has {count} biases of {shape}, {listed}; only the projection has one. "
            "The three branches are nn.Linear(dim, dim, bias=False)"
        )
    return (
        f"it has {count} parameters of {shape}, {listed}; the right module has "
        f"{len(needed)}: {', '.join(_USES[role] for role in needed)}"
    )


def _plain(parameter: Tensor) -> tuple[int, ...]:
    """Its shape; a 1 x 1 convolution's is that of a Linear."""
    shape = tuple(parameter.shape)
    return shape[:2] if set(shape[2:]) == {1} else shape


def _is_bare(module: nn.Module, name: str) -> bool:
    """Whether a parameter belongs to no layer of PyTorch: it may lie either way."""
    return type(module.get_submodule(_owner(name))).__module__[:5] != "torch"


def _owner(name: str) -> str:
    return name.rpartition(".")[0]


def _in_order(way: dict[str, Place]) -> dict[str, Place]:
    return {role: way[role] for role in _USES}


def _is_called(role: str, place: Place) -> bool:
    words = re.split(r"[._]|\d+", place.name.removesuffix(".weight").lower())
    return any(re.fullmatch(_HINTS[role], word) for word in words)


class _Trial:
    """Random weights, and what the right module makes of an image with them."""

    def __init__(self, module: nn.Module, roles: Roles, N: int, S: int):
        self.asked = ByRole(module, roles, N, S).double()
        generator = torch.Generator().manual_seed(3)

        def numbers(*sizes: int) -> Tensor:
            return torch.randn(*sizes, generator=generator, dtype=torch.float64)

        self.x = numbers(2, N, N, N * S)
        with torch.no_grad():
            for parameter in self.asked.parameters():
                parameter.copy_(numbers(*parameter.shape) / parameter.shape[-1] ** 0.5)
            self.right = weighted_permute_mlp_einsum(self.asked, self.x)
            self.branches = dict(zip(_BRANCHES, branches_einsum(self.asked, self.x)))

        self._made: dict[tuple, Tensor] = {}

    def is_right(self, way: dict[str, Place]) -> bool:
        """Whether the module computes what it should, if its parameters are these."""
        return _are_alike(self._run(way, *way), self.right)

    def score(self, way: dict[str, Place]) -> int:
        """How much of it does."""
        proj = way["proj.weight"]
        score = 0
        for role, wanted in self.branches.items():
            key = "alone", role, way[role], proj.name
            made = self._once(key, way, role, alone=True)
            score += _are_alike(made, wanted)
        made = self._once(("projected", way[role], proj), way, role, "proj.weight")
        score += _are_alike(made, wanted @ self.asked.proj.weight.T)
        # Without a projection nothing of the picture is left.
        rest = [role for role in way if role != "proj.weight"]
        still = self._once(("still", proj.name), way, *rest)
        return score + bool((still - still[:1, :1, :1]).abs().max() < _CLOSE)

    def _once(self, key: tuple, way: dict[str, Place], *roles: str, alone=False):
        """What many ways have in common runs once."""
        if key not in self._made:
            self._made[key] = self._run(way, *roles, alone=alone)
        return self._made[key]

    @torch.no_grad()
    def _run(self, way: dict[str, Place], *roles: str, alone: bool = False) -> Tensor:
        self.asked.roles = Roles(way, "")
        values = {role: self.asked.get_parameter(role) for role in roles}
        if alone:
            values["proj.weight"] = torch.eye(self.asked.dim, dtype=self.x.dtype)
        return self.asked.run(self.x, values)


def _are_alike(one: Tensor, other: Tensor) -> bool:
    """Whether they are equal but for a factor, which the shares may bring in."""
    if not isinstance(one, Tensor) or one.shape != other.shape:
        return False
    size = other.abs().sum()
    factor = one.abs().sum() / size
    return bool((one - factor * other).abs().max() < _CLOSE * size and factor > 0)
