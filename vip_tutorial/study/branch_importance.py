"""How much does a trained network lean on a branch?  Six ways to ask, and a warning.

    mean_weights        the branch weights themselves, averaged
    blend_shares        how much of the blend comes from it: weight times branch
    output_shares       the same behind the projection
    accuracy_without    what is left when the branch is taken away
    accuracy_alone      what is left when it is all there is
    SomeBranches        train again without it: the token mixer for that

The first five ask what *this* network does, the last what the *task* needs.  They need
not agree.  `rescaled` shows why the first two can say anything at all: it writes a
network anew, with other branch weights and the same outputs.

Letters as in `permute_mlp`.  The three branches stand in the order height, width,
channel everywhere.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
from torch import Tensor

from .._util.arguments import whole_number
from ..permute_mlp import WeightedPermuteMLP
from ..training.data import Labelled
from ..training.fit import accuracy
from ..vision_permutator import VisionPermutator
from .branch_weights import ask_each, weights_by_block

BRANCHES = ("height", "width", "channel")

Change = Callable[[Tensor], Tensor]  # from weights (3, B, C) to others of this shape


# --- Read ---------------------------------------------------------------------------


def mean_weights(model: VisionPermutator, images: Tensor) -> Tensor:
    """The branch weights of each block, averaged over images and channels.

    Shape:
        `(B, in_chans, height, width)` to `(blocks, 3)`; each row sums to 1.
    """
    weights = weights_by_block(model, images).values()  # (3, B, C) each
    return torch.stack([a.mean(dim=(1, 2)) for a in weights])  # (blocks, 3)


def blend_shares(model: VisionPermutator, images: Tensor) -> Tensor:
    """How much of each block's blend comes from each branch.

    The blend is a_h * h + a_w * w + a_c * c.  The size of a part is its root mean
    square over images, tokens and channels; the share is its part of the three sizes.

    Shape:
        `(B, in_chans, height, width)` to `(blocks, 3)`; each row sums to 1.
    """
    return _shares(model, images, lambda mixer, part: part)


def output_shares(model: VisionPermutator, images: Tensor) -> Tensor:
    """How much of what each token mixer puts out comes from each branch.

    Like `blend_shares`, but each part is measured behind the projection, which may make
    a channel of the blend louder or still.  `rescaled` cannot change these shares.

    Shape:
        `(B, in_chans, height, width)` to `(blocks, 3)`; each row sums to 1.
    """
    return _shares(model, images, lambda mixer, part: part @ mixer.proj.weight.T)


def _shares(
    model: VisionPermutator,
    images: Tensor,
    seen: Callable[[WeightedPermuteMLP, Tensor], Tensor],
) -> Tensor:
    def measure(mixer: WeightedPermuteMLP, x: Tensor) -> Tensor:
        branches = torch.stack(mixer.branches(x))  # (3, B, H, W, C)
        weights = mixer.branch_weights(*branches)[:, :, None, None]  # (3, B, 1, 1, C)
        parts = seen(mixer, weights * branches)  # (3, B, H, W, C)
        return parts.square().mean(dim=(1, 2, 3, 4)).sqrt()  # (3,)

    each = torch.stack([*ask_each(model, images, measure).values()])  # (blocks, 3)
    return each / each.sum(dim=1, keepdim=True)  # (blocks, 3)


def mixers(model: VisionPermutator) -> list[WeightedPermuteMLP]:
    """The token mixers of all blocks.

    Raises:
        TypeError: If a block mixes tokens with anything but a `WeightedPermuteMLP`.
    """
    found = [block.attn for block in model.blocks]
    for number, mixer in enumerate(found):
        if not isinstance(mixer, WeightedPermuteMLP):
            raise TypeError(
                f"block {number} mixes tokens with {type(mixer).__name__}; branch "
                "weights are what a WeightedPermuteMLP has"
            )
    return found


# --- Intervene ----------------------------------------------------------------------


def without(branch: str) -> Change:
    """Set the weight of a branch to 0; the other two keep theirs."""
    return partial(_without, _place(branch))


def alone(branch: str) -> Change:
    """Set the weight of a branch to 1 and the other two to 0."""
    return fixed(torch.eye(3)[_place(branch)])


def fixed(weights: Tensor) -> Change:
    """The same weights for every image.

    Args:
        weights: `(3,)`, or `(3, C)` with weights of their own for every channel.

    Raises:
        ValueError: If the first axis of `weights` is not 3 long, or one is not finite.
        TypeError: If they are no tensor.
    """
    _check_numbers("weights", weights)
    if weights.ndim not in (1, 2) or len(weights) != 3:
        raise ValueError(
            f"weights has shape {tuple(weights.shape)}; give (3,), one number a branch "
            "for all channels, or (3, C)"
        )
    return partial(_fixed, weights)


def _without(place: int, weights: Tensor) -> Tensor:
    weights = weights.clone()
    weights[place] = 0
    return weights


def _fixed(to: Tensor, weights: Tensor) -> Tensor:
    if to.ndim == 2 and to.shape[1] != weights.shape[2]:
        raise ValueError(
            f"weights has shape {tuple(to.shape)} and the block {weights.shape[2]} "
            f"channels: give (3, {weights.shape[2]}), or (3,) for all channels"
        )
    to = to.to(weights).reshape(3, 1, -1)  # (3, 1, 1) or (3, 1, C)
    return to.expand_as(weights)  # (3, B, C)


def _place(branch: str) -> int:
    if branch not in BRANCHES:
        raise ValueError(
            f"there is no branch {branch!r}: take one of {', '.join(BRANCHES)}"
        )
    return BRANCHES.index(branch)


@contextmanager
def weights_changed(
    model: VisionPermutator, change: Change, blocks: Iterable[int] | None = None
) -> Iterator[None]:
    """Within this, the blocks use other branch weights than they compute.

    Changes can stand inside each other; the inner one gets what the outer one gives.
    Whatever happens within, afterwards the network is as it was.

        with weights_changed(model, without("height")):
            accuracy(model, test)

    Args:
        model: The network.
        change: What to make of the weights `(3, B, C)`.
        blocks: Which blocks, by number from 0; all if None.

    Raises:
        ValueError: If there is no such block, or the change makes weights of another
            shape.
        TypeError: If a block is no number, or the change makes no tensor.
    """
    chosen = mixers(model)
    if blocks is not None:
        chosen = [chosen[i] for i in _numbers(blocks, len(chosen))]
    with ExitStack() as undo:
        for mixer in chosen:
            undo.enter_context(_changed(mixer, change))
        yield


@contextmanager
def _changed(mixer: WeightedPermuteMLP, change: Change) -> Iterator[None]:
    # An attribute of the instance hides the method of the class.
    before = vars(mixer).get("branch_weights")
    computed = mixer.branch_weights

    def changed(h: Tensor, w: Tensor, c: Tensor) -> Tensor:
        weights = computed(h, w, c)  # (3, B, C)
        shape, weights = weights.shape, change(weights)
        if not isinstance(weights, Tensor):
            raise TypeError(
                f"the change made a {type(weights).__name__} of the weights; it must "
                "return a tensor of their shape"
            )
        if weights.shape != shape:
            raise ValueError(
                f"the change made weights of shape {tuple(weights.shape)} of such of "
                f"{tuple(shape)}; it must keep the shape (3, B, C)"
            )
        return weights  # (3, B, C)

    mixer.branch_weights = changed
    try:
        yield
    finally:
        del mixer.branch_weights
        if before is not None:
            mixer.branch_weights = before


def _numbers(blocks: Iterable[int], count: int) -> list[int]:
    if not isinstance(blocks, Iterable) or isinstance(blocks, str):
        raise TypeError(
            f"blocks is {blocks!r}; it must be a list of numbers, e.g. blocks=[0]"
        )
    numbers = [whole_number("a block", number, least=0) for number in blocks]
    for number in numbers:
        if number >= count:
            raise ValueError(
                f"there is no block {number}: the network has {count}, numbered from "
                f"0 to {count - 1}"
            )
        if numbers.count(number) > 1:
            raise ValueError(f"blocks has {number} more than once: name each once")
    return numbers


def accuracy_changed(
    model: VisionPermutator,
    data: Labelled,
    change: Change,
    blocks: Iterable[int] | None = None,
) -> float:
    """Share of the images that the network classifies right under a change."""
    with weights_changed(model, change, blocks):
        return accuracy(model, data)


def accuracy_without(model: VisionPermutator, data: Labelled) -> Tensor:
    """Accuracy when a branch is taken away in all blocks, for each branch: `(3,)`."""
    return torch.tensor([accuracy_changed(model, data, without(b)) for b in BRANCHES])


def accuracy_alone(model: VisionPermutator, data: Labelled) -> Tensor:
    """Accuracy when a branch is all there is in all blocks, for each branch: `(3,)`."""
    return torch.tensor([accuracy_changed(model, data, alone(b)) for b in BRANCHES])


# --- Train without ------------------------------------------------------------------


class SomeBranches(WeightedPermuteMLP):
    """A `WeightedPermuteMLP` that lacks some branches: zeros stand in their place.

    The weights, too, are made without them, so nothing of the picture gets through a
    branch that is missing.  As a token mixer: `partial(SomeBranches, kept=["width"])`.

    Args:
        dim: Channels of a token, C.
        kept: The branches that are there, some of `BRANCHES`, each once.
        **options: Arguments of `WeightedPermuteMLP`.

    Raises:
        ValueError: If `kept` names no branch, one twice, or something else.

    Shape:
        `(B, H, W, C)` to `(B, H, W, C)`, with H = W = N.
    """

    def __init__(self, dim: int, *, kept: Sequence[str] = BRANCHES, **options):
        super().__init__(dim, **options)
        if not kept or isinstance(kept, str) or len(set(kept)) != len(kept):
            raise ValueError(
                f"kept is {kept!r}; it must be a list of the branches that are there, "
                f"each once: one or more of {', '.join(BRANCHES)}, e.g. ['width']"
            )
        self.kept = tuple(BRANCHES[_place(branch)] for branch in kept)

    def branches(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The outputs of the branches that are there, and zeros, `(B, H, W, C)`."""
        h, w, c = (
            getattr(self, branch)(x) if branch in self.kept else torch.zeros_like(x)
            for branch in BRANCHES
        )
        return h, w, c

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, kept={self.kept}"


# --- Rewrite ------------------------------------------------------------------------


def made_static(model: VisionPermutator, weights: Sequence[Tensor]) -> VisionPermutator:
    """A network whose branch weights no longer depend on the image.

    Args:
        model: The network, which stays as it is.
        weights: For each block, positive weights `(3,)` or `(3, C)` that sum to 1 over
            the branches.

    Returns:
        A copy that computes what `model` does under `fixed(weights)`.

    Raises:
        ValueError: If they are not as many, or not such weights.
        TypeError: If they are no tensors.
    """
    model = copy.deepcopy(model)
    found = mixers(model)
    if len(weights) != len(found):
        raise ValueError(
            f"got weights for {len(weights)} blocks, the network has {len(found)}: "
            "give each block its own"
        )
    with torch.no_grad():
        for number, (mixer, a) in enumerate(zip(found, weights)):
            name = f"weights of block {number}"
            _check_numbers(name, a, (3,), (3, mixer.dim))
            a = _positive(name, a.to(mixer.reweight.fc2.bias))
            if (a.sum(dim=0) - 1).abs().max() > 1e-3:
                raise ValueError(
                    f"the {name} sum to {a.sum(dim=0).flatten().tolist()[0]:g} over "
                    "the branches; they must sum to 1: divide them by their sum"
                )
            scores = a.log().reshape(3, -1)
            scores = scores.expand(3, mixer.dim)  # (3, C)
            mixer.reweight.fc2.weight.zero_()
            mixer.reweight.fc2.bias.copy_(_dealt(mixer, scores))
    return model


def rescaled(model: VisionPermutator, factors: Tensor) -> VisionPermutator:
    """The same function, written with other branch weights.

    Weight a of a branch becomes f * a and the branch itself 1 / f times as loud.  So
    that a channel's three weights still sum to 1 they are divided by their sum t, and
    the projection, which comes next, multiplies the channel by t.

    This is exact where the weights are the same for all images, see `made_static`:
    otherwise t would depend on the image, and the weights would hear the new loudness.

    Args:
        model: A network with static branch weights; it stays as it is.
        factors: f of height, width and channel, `(3,)`, positive.

    Returns:
        A copy with the same outputs, up to rounding.

    Raises:
        ValueError: If the weights of a block depend on the image, or `factors` are not
            three positive numbers.
        TypeError: If they are no tensor.
    """
    _check_numbers("factors", factors, (3,))
    model = copy.deepcopy(model)
    with torch.no_grad():
        for number, mixer in enumerate(mixers(model)):
            fc2 = mixer.reweight.fc2
            if fc2.weight.any():
                raise ValueError(
                    f"the branch weights of block {number} depend on the image, and "
                    "would hear the change: make them static first, see made_static"
                )
            f = _positive("factors", factors.to(fc2.bias))
            scores = fc2.bias.clone()  # (C*3,)
            fc2.bias += _dealt(mixer, f.log()[:, None].expand(3, mixer.dim))
            before = scores.reshape(-1, 3).softmax(dim=1)  # (C, 3)
            order = f if mixer.branch_order == "hwc" else f.flip(0)  # (3,)
            total = before @ order  # (C,)
            mixer.proj.weight *= total
            for linear, factor in zip((mixer.mlp_h, mixer.mlp_w, mixer.mlp_c), f):
                for parameter in linear.parameters():
                    parameter /= factor
    return model


def _dealt(mixer: WeightedPermuteMLP, scores: Tensor) -> Tensor:
    """Scores `(3, C)` as the bias of `reweight.fc2` has them, `(C*3,)`."""
    if mixer.branch_order == "cwh":
        scores = scores.flip(0)  # (3, C)
    return scores.T.reshape(-1)  # (C*3,)


def _check_numbers(name: str, numbers: Tensor, *shapes: tuple[int, ...]) -> None:
    if not isinstance(numbers, Tensor):
        raise TypeError(
            f"{name} is a {type(numbers).__name__}; it must be a tensor: "
            "torch.tensor([...]) with a number for height, width and channel"
        )
    if shapes and tuple(numbers.shape) not in shapes:
        raise ValueError(
            f"{name} has shape {tuple(numbers.shape)}; it must be "
            f"{' or '.join(map(str, shapes))}, in the order height, width, channel"
        )
    if not numbers.isfinite().all():
        raise ValueError(f"{name} is {numbers.tolist()}; all must be finite")


def _positive(name: str, numbers: Tensor) -> Tensor:
    """The numbers, as they are in the network's dtype, if they have logarithms."""
    if not (numbers.isfinite() & (numbers > 0)).all():
        raise ValueError(
            f"{name}, in {numbers.dtype}, has {numbers.min().item():g} to "
            f"{numbers.max().item():g}; all must be more than 0 and finite: to switch "
            "a branch off, use weights_changed(model, without(...))"
        )
    return numbers
