"""What a WeightedPermuteMLP must do, as a short list of checks.

A check takes whatever makes a module from `dim` and `segment_dim`, the class itself for
one.  It builds a module, looks at it, and returns nothing if all is well; if not, it
raises an AssertionError that says in a sentence what it saw.  The book and the test
suite use the same list, `CHECKS`.

Only one check knows the formula.  The others are things that hold whatever the weights
are, and most of them could be written by somebody who has never seen the code.

All modules here have N = H = W segments of S channels, weights of fixed seeds, and
float64 numbers; your own random numbers are left alone.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..oracles import weighted_permute_mlp_einsum
from .foreign import CannotAsk, Misfit, by_role, find_roles, shapes

Factory = Callable[[int, int], nn.Module]
Check = Callable[..., None]

_NAMES = (  # that the checks use
    *("height", "width", "channel", "branches", "branch_weights"),
    *("mlp_h", "mlp_w", "mlp_c", "reweight", "proj", "proj_drop"),
    *("segment_dim", "branch_order"),
)
_CLOSE = 1e-9  # far above what float64 rounds off, far below any fault


def failures(make: Factory, N: int = 4, S: int = 3) -> dict[str, str]:
    """What every check says to a module.

    A module of another hand will do, with names of its own: see `foreign`.  A check
    that cannot be asked of it does not fail.

    Args:
        make: The class, or a function of `dim` and `segment_dim`.
        N: Segments, rows and columns.
        S: Channels in a segment.

    Returns:
        For each check that fails, by name, what it saw.
    """
    try:
        make = asked(make, N, S)
    except Misfit as misfit:
        return {"parameters": str(misfit)}
    found = {}
    for name, check in CHECKS.items():
        try:
            check(make, N, S)
        except AssertionError as error:
            found[name] = str(error)
        except CannotAsk:
            pass
    return found


def asked(make: Factory, N: int, S: int) -> Factory:
    """What makes a module that every check can be put to.

    Raises:
        Misfit: If the module that `make` makes has other names than the package's, and
            its parameters are not those of a WeightedPermuteMLP.
    """
    module = _module(make, N, S)
    if all(hasattr(module, name) for name in _NAMES):
        return make
    roles = find_roles(module, N, S)
    return lambda dim, segment_dim: by_role(make(dim, segment_dim), N, S, roles)


# --- What a module is tried on -----------------------------------------------------


def _module(make: Factory, N: int, S: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make(N * S, N).double().eval()


def _images(N: int, S: int, B: int = 2, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(
        B, N, N, N * S, generator=generator, dtype=torch.float64
    )  # (B, H, W, C)


def _difference(one: Tensor, other: Tensor) -> float:
    """The largest difference of two elements, as a part of the largest element."""
    return ((one - other).abs().max() / other.abs().max()).item()


def _compare(one: Tensor, other: Tensor, what: str) -> None:
    difference = _difference(one, other)
    assert difference <= _CLOSE, (
        f"{what}, off by {difference:.2g} of the largest number"
    )


# --- The checks --------------------------------------------------------------------


def shape(make: Factory, N: int = 4, S: int = 3) -> None:
    """The output has the shape of the input."""
    x = _images(N, S)
    got = _module(make, N, S)(x).shape
    assert got == x.shape, f"{tuple(x.shape)} went in and {tuple(got)} came out"


def formula(make: Factory, N: int = 4, S: int = 3) -> None:
    """The output is what an einsum without any permute gives."""
    module, x = _module(make, N, S), _images(N, S)
    with torch.no_grad():
        right = weighted_permute_mlp_einsum(module, x)
        _compare(module(x), right, "the output is another")


def gradient(make: Factory, N: int = 4, S: int = 3) -> None:
    """Every gradient is what that einsum gives."""
    module, x = _module(make, N, S), _images(N, S).requires_grad_()
    named = {"the input": x, **dict(module.named_parameters())}
    blame = _images(N, S, seed=2)
    got, right = (
        torch.autograd.grad(
            y, list(named.values()), blame, allow_unused=True, materialize_grads=True
        )
        for y in (module(x), weighted_permute_mlp_einsum(module, x))
    )
    for name, one, other in zip(named, got, right):
        _compare(one, other, f"the gradient of {name} is another")


def reach(make: Factory, N: int = 4, S: int = 3) -> None:
    """A branch mixes a token with its column, its row, or with itself alone."""
    module = _module(make, N, S)
    row, column = torch.arange(N)[:, None], torch.arange(N)[None, :]
    same_row = (row[..., None, None] == row).expand(N, N, N, N)
    same_column = (column[..., None, None] == column).expand(N, N, N, N)
    wanted = {
        "height": same_column,
        "width": same_row,
        "channel": same_row & same_column,
    }
    for name, right in wanted.items():
        moves = _moves(getattr(module, name), N, S).any(2).any(-1)  # (H, W, H, W)
        for i, j, g, k in (moves != right).nonzero().tolist()[:1]:
            verb = "moves" if moves[i, j, g, k] else "doesn't move"
            raise AssertionError(
                f"{name}: a change of token ({i}, {j}) {verb} token ({g}, {k})"
            )


def segments(make: Factory, N: int = 4, S: int = 3) -> None:
    """Height and width mix channels within a segment alone."""
    module = _module(make, N, S)
    segment = torch.arange(N * S) // S
    right = segment[:, None] == segment
    for name in ("height", "width"):
        moves = _moves(getattr(module, name), N, S)
        moves = moves.any(0).any(0).any(1).any(1)  # (C, C)
        for c, d in (moves != right).nonzero().tolist()[:1]:
            verb = "moves" if moves[c, d] else "doesn't move"
            raise AssertionError(f"{name}: a change of channel {c} {verb} channel {d}")


def _moves(branch: Callable[[Tensor], Tensor], N: int, S: int) -> Tensor:
    """Which numbers of the output each number of the input moves.

    Returns:
        Booleans `(H, W, C, H, W, C)`.
    """
    shape = (N, N, N * S)
    ones = torch.eye(N * N * N * S, dtype=torch.float64).reshape(-1, *shape)
    with torch.no_grad():
        moved = branch(ones) - branch(torch.zeros_like(ones[:1]))
    return (moved.abs() > _CLOSE).reshape(*shape, *shape)


def transpose(make: Factory, N: int = 4, S: int = 3) -> None:
    """Height and width are treated alike.

    The picture is turned at its diagonal; the layers of the two branches and their rows
    of reweight.fc2 are exchanged; then the output is turned, and otherwise the same.
    """
    module, x = _module(make, N, S), _images(N, S)
    with torch.no_grad():
        before = module(x)
        module.mlp_h, module.mlp_w = module.mlp_w, module.mlp_h
        for parameter in module.reweight.fc2.parameters():
            rows = parameter.data.unflatten(0, (N * S, 3))
            rows[:, [0, 1]] = rows[:, [1, 0]]
        after = module(x.transpose(1, 2)).transpose(1, 2)
    _compare(after, before, "height and width are not treated alike")


def batch(make: Factory, N: int = 4, S: int = 3) -> None:
    """The pictures of a batch do not meet."""
    module, x = _module(make, N, S), _images(N, S, B=3)
    with torch.no_grad():
        alone = torch.cat([module(one[None]) for one in x])
        _compare(module(x), alone, "in company a picture gives something else")


def shares(make: Factory, N: int = 4, S: int = 3) -> None:
    """The three weights of a channel are positive and sum to 1."""
    weights = _branch_weights(_module(make, N, S), N, S)  # (3, B, C)
    total = weights.sum(dim=0)
    worst = total.flatten()[(total - 1).abs().argmax()].item()
    assert abs(worst - 1) <= _CLOSE, f"the weights of a channel sum to {worst:.3g}"
    assert (weights > 0).all(), "a weight is not positive"


def owners(make: Factory, N: int = 4, S: int = 3) -> None:
    """Row 3*c + k of reweight.fc2 is for channel c and branch k of h, w, c."""
    module = _module(make, N, S)
    nn.init.zeros_(module.reweight.fc2.weight)
    for c in range(N * S):
        for k, branch in enumerate(("height", "width", "channel")):
            nn.init.zeros_(module.reweight.fc2.bias)
            module.reweight.fc2.bias.data[3 * c + k] = 100.0
            weights = _branch_weights(module, N, S)[:, 0]  # (3, C)
            right = torch.full_like(weights, 1 / 3)
            right[:, c] = 0.0
            right[k, c] = 1.0
            assert torch.allclose(weights, right, atol=_CLOSE), (
                f"row 3*{c} + {k} of reweight.fc2 doesn't give channel {c}, and it "
                f"alone, to {branch}"
            )


def pooling(make: Factory, N: int = 4, S: int = 3) -> None:
    """Of the tokens the mean counts, not their places or their number."""
    module = _module(make, N, S)
    h, w, c = (_images(N, S, seed=seed) for seed in range(3))
    with torch.no_grad():
        right = module.branch_weights(h.clone(), w.clone(), c.clone())
        changes = {
            "the tokens in another order": lambda y: y.flip(1).roll(1, dims=2),
            "the same picture four times side by side": lambda y: y.repeat(1, 2, 2, 1),
        }
        for what, change in changes.items():
            got = module.branch_weights(change(h), change(w), change(c))
            _compare(got, right, f"{what}: other weights")


def blend(make: Factory, N: int = 4, S: int = 3) -> None:
    """Given all the weight, a branch is all that is projected."""
    module, x = _module(make, N, S), _images(N, S)
    nn.init.zeros_(module.reweight.fc2.weight)
    with torch.no_grad():
        for k, branch in enumerate(("height", "width", "channel")):
            nn.init.zeros_(module.reweight.fc2.bias)
            module.reweight.fc2.bias.data[k::3] = 100.0
            right = module.proj(getattr(module, branch)(x))
            _compare(module(x), right, f"all weight on {branch} gives another output")


def untouched(make: Factory, N: int = 4, S: int = 3) -> None:
    """It leaves what it is handed as it was."""
    module, x = _module(make, N, S), _images(N, S)
    given = x.clone()
    with torch.no_grad():
        module(x)
        assert torch.equal(x, given), "it changed its input"
        branches = dict(zip("hwc", (_images(N, S, seed=seed) for seed in range(3))))
        given = {name: y.clone() for name, y in branches.items()}
        module.branch_weights(*branches.values())
    for name, y in branches.items():
        assert torch.equal(y, given[name]), f"branch_weights changed its input {name}"


def training(make: Factory, N: int = 4, S: int = 3) -> None:
    """With nothing to drop, training and evaluation compute the same."""
    module, x = _module(make, N, S), _images(N, S)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        same = torch.equal(module.train()(x), module.eval()(x))
    assert same, "in training it computes something else than in evaluation"


def dropout(make: Factory, N: int = 4, S: int = 3) -> None:
    """In training proj_drop zeroes outputs, and does nothing else."""
    module, x = _module(make, N, S), _images(N, S)
    module.proj_drop.p = 0.5
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        full, dropped = module.eval()(x), module.train()(x)
    assert (dropped == 0).any(), "with proj_drop at one half, nothing is dropped"
    kept = torch.where(dropped == 0, 0.0, 2 * full)
    _compare(dropped, kept, "what proj_drop keeps is not the output doubled")


def parameters(make: Factory, N: int = 4, S: int = 3) -> None:
    """The parameters have the names and shapes of the authors' code."""
    right = shapes(N * S)
    module = _module(make, N, S)
    got = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    for name in right:
        assert name in got, f"it has no {name}"
    for name, sizes in got.items():
        assert name in right, f"it has a {name}, which the authors' code has not"
        assert sizes == right[name], f"{name} is {sizes}, not {right[name]}"
    own = {id(parameter) for parameter in module.parameters()}
    assert len(own) == len(right), "two of its parameters are one and the same"


def _branch_weights(module: nn.Module, N: int, S: int) -> Tensor:
    with torch.no_grad():
        return module.branch_weights(*module.branches(_images(N, S)))  # (3, B, C)


CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        shape,
        formula,
        gradient,
        reach,
        segments,
        transpose,
        batch,
        shares,
        owners,
        pooling,
        blend,
        untouched,
        training,
        dropout,
        parameters,
    )
}
