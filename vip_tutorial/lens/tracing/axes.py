"""Name the axes of a tensor from the names of the tensors it was made from.

A name follows its axis, whatever the code calls the result: if `x` is (B, H, W, N, S)
and nothing was permuted, then `x.reshape(B, N, W, H * S)` is (B, H, W, N*S) still.
The names in the code are taken where an axis is new: cut out of another, or stretched.
A part that the code has no name for carries its parent's, and its size: "H:2".

Names never follow from equal sizes.  Where it is not known what an axis is, its name
is its size.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from .beneath import CHOOSERS
from .calls import NORMS, Call, einsum_terms
from .claims import claims_of, equation_words
from .recording import Step

_PERMUTATIONS = frozenset(
    "permute transpose swapaxes swapdims movedim moveaxis t T mT H mH adjoint "
    "transpose_ swapaxes_ swapdims_ t_".split()
)
_RESHAPES = frozenset(
    "reshape view unflatten flatten ravel view_as reshape_as _unsafe_view "
    "_reshape_alias".split()
)
_PRIMES = (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41)
_KEPT = NORMS.union("softmax log_softmax softmin safe_softmax cumsum cumprod".split())


@dataclass(eq=False)
class Atom:
    """A piece that axes are made of: a whole axis of an input, or a part of one.

    Attributes:
        name: What it is called.
        size: How long it is.
        parts: It and its siblings, in order, if it is a part that the code has no name
            for.
        whole: What it is a part of.
        made_of: What was merged into it, if the code then gave it a name of its own.
        is_claimed: Whether the code named this part, and not its whole and its size.
    """

    name: str
    size: int
    parts: tuple["Atom", ...] = ()
    whole: "Atom | None" = None
    made_of: tuple["Atom", ...] = ()
    is_claimed: bool = False


Axis = tuple[Atom, ...]


@dataclass
class Named:
    """The shape of a tensor and what its axes are made of."""

    shape: list[int]
    axes: list[Axis] = field(default_factory=list)

    @classmethod
    def by(cls, names: Sequence[str], shape: Sequence[int]) -> "Named":
        """With new axes of these names; "H*S" is no sum of two that are known."""
        return cls(list(shape), [(Atom(n, s),) for n, s in zip(names, shape)])

    def names(self) -> list[str]:
        return ["*".join(atom.name for atom in axis) for axis in self.axes]


def by_size(shape: Sequence[int]) -> Named:
    """Axes of which nothing is known but how long they are."""
    return Named.by([str(size) for size in shape], shape)


def permutation(name: str, call: Call, ndim: int) -> list[int] | None:
    """`order` with `output axis k = input axis order[k]`; None for other calls.

    The call is made on an empty tensor whose axes all have different strides, so that
    the strides of the result tell which axis went where.
    """
    if name not in _PERMUTATIONS:
        return None
    probe = torch.empty_strided([1] * ndim, tuple(range(ndim)), device="meta")
    return list(call.on(probe).stride())


def names_after(
    step: Step,
    call: Call,
    operands: Sequence[Named | None],
    after: list[int],
    picks: torch.Tensor | None,
    meanings: dict[str, tuple],
) -> Named:
    """What the axes of a step's output are made of.

    Args:
        step: The step, complete but for these names.
        call: The call that it was.
        operands: For each tensor that went in its axes, if it is followed.
        after: Shape of what came out.
        picks: Where each element came from, of those that are followed.
        meanings: What each name has meant in this run; it is added to.
    """
    return _apart(_named_after(step, call, operands, after, picks, meanings))


def _apart(named: Named) -> Named:
    """One atom for each axis: `x @ x.mT` has an axis of x twice.

    What is cut out of the one is no part of the other.
    """
    seen: set[Atom] = set()
    for k, axis in enumerate(named.axes):
        if not seen.isdisjoint(axis):
            named.axes[k] = axis = tuple(Atom(atom.name, atom.size) for atom in axis)
        seen.update(axis)
    return named


def _named_after(
    step: Step,
    call: Call,
    operands: Sequence[Named | None],
    after: list[int],
    picks: torch.Tensor | None,
    meanings: dict[str, tuple],
) -> Named:
    inputs = [named for named in operands if named is not None]
    first = inputs[0]
    for atom in (atom for named in inputs for axis in named.axes for atom in axis):
        if atom.whole is None and not atom.made_of:
            meanings.setdefault(atom.name, ("axis",))
    name = step.op.strip("_")
    if step.op == "einsum" and isinstance(call.args[0], str):
        ndims = [x.ndim for x in call.tensors()]
        words = equation_words(step, call.args[0].replace(" ", ""))
        return _of_equation(call.args[0], ndims, operands, after, words)
    if step.order is not None:
        return Named(after, [first.axes[k] for k in step.order])
    if step.kind == "move" and step.op in _RESHAPES:
        return _reshaped(first, after, claims_of(step, after), meanings)
    if step.kind in ("move", "collect"):
        if picks is None or 0 in after:
            return _unmapped(step, call, first, after)
        chooses = name in CHOOSERS
        named = _followed(inputs, after, picks, claims_of(step, after), chooses)
        return _with_ones(step, call, first, named)
    if name in ("matmul", "mm", "bmm") and len(inputs) == 2:
        return _of_product(*inputs, after)
    is_product = name in ("matmul", "mm", "bmm", "linear") and operands[0] is first
    if is_product and len(first.shape) == len(after):
        return _keeping(first, after, range(len(after)))
    if step.kind == "pointwise":
        return _broadcast(inputs, after)
    if step.kind == "reduce" and step.mixed is not None:
        kept = [k for k in range(len(first.axes)) if k not in step.mixed]
        if len(after) == len(kept) or len(after) != len(first.axes):
            return _keeping(first, after, kept)
    if (step.kind in ("norm", "reduce") or name in _KEPT) and first.shape == after:
        return Named(after, list(first.axes))
    return _as_read(step, inputs, after)


def _keeping(first: Named, after: list[int], kept: Sequence[int]) -> Named:
    """The axes of an input, in order, and sizes where they have changed."""
    if len(kept) != len(after):
        return by_size(after)
    axes = [
        first.axes[k] if first.shape[k] == size else (Atom(str(size), size),)
        for k, size in zip(kept, after)
    ]
    return Named(after, axes)


def _as_read(step: Step, inputs: list[Named], after: list[int]) -> Named:
    """An axis that elements keep their coordinate along keeps its name."""
    named = by_size(after)
    if not step.reads:
        return named
    for input_, reads in zip(reversed(inputs), reversed(step.reads)):
        for k, entry in enumerate(reads):
            at = entry["axis"] if isinstance(entry, dict) else entry
            if at is None or not after[at] == input_.shape[k] > 1:
                continue
            # A window slides along the axis, and stands at its place.
            places = entry["at"] if isinstance(entry, dict) else []
            if all(c in there for c, there in enumerate(places)):
                named.axes[at] = input_.axes[k]
    return named


def _reshaped(
    before: Named,
    after: list[int],
    claims: list[str | None],
    meanings: dict[str, tuple],
) -> Named:
    """Cut both shapes into the shortest runs of equal product, and name each run."""
    named = by_size(after)
    if 0 in before.shape or 0 in after:
        return named
    # Axes of size 1 can stand anywhere: such a one keeps its name if it stays between
    # the same neighbours.
    ones: list[tuple[int, Axis]] = []
    atoms: list[Atom] = []
    product = 1
    for axis, size in zip(before.axes, before.shape):
        if size == 1:
            ones.append((product, axis))
        else:
            atoms += axis
        product *= size
    old = list(atoms)
    run: list[Atom] = []
    cut: list[int] = []
    left = right = 1
    for k, size in enumerate(after):
        if size == 1:
            same = next((one for one in ones if one[0] == right), None)
            if same:
                ones.remove(same)
            named.axes[k] = same[1] if same else (Atom(claims[k] or "1", 1),)
            continue
        cut.append(k)
        right *= size
        while left < right:
            atom = atoms.pop(0)
            run.append(atom)
            left *= atom.size
        if left == right:
            pieces = _dealt(run, [after[j] for j in cut])
            for j, piece in zip(cut, pieces):
                named.axes[j] = _claimed(piece, claims[j], old, claims, meanings)
            run, cut = [], []
    return named


def _dealt(atoms: list[Atom], sizes: list[int]) -> list[Axis]:
    """Atoms dealt out to axes of these sizes, in order, and cut where need be."""
    left = [part for atom in atoms for part in (atom.made_of or (atom,))]
    left = atoms if len(sizes) == 1 else left
    dealt: list[list[Atom]] = []
    cuts: dict[Atom, list[tuple[int, int]]] = {}  # of an atom: axis and size of parts
    for k, size in enumerate(sizes):
        dealt.append([])
        for atom in left:
            gone = 1
            for _, part in cuts.get(atom, ()):
                gone *= part
            rest = atom.size // gone
            if rest == 1 or size == 1:
                continue
            if size % rest == 0:
                part = rest
            elif rest % size == 0:
                part = size
            else:
                return [(Atom(str(n), n),) for n in sizes]
            cuts.setdefault(atom, []).append((k, part))
            dealt[k].append(atom)
            size //= part
    parts = {atom: _parts(atom, [n for _, n in found]) for atom, found in cuts.items()}
    next_part = {atom: iter(found) for atom, found in parts.items()}
    return [_joined([next(next_part[atom]) for atom in axis]) for axis in dealt]


def _parts(atom: Atom, sizes: list[int]) -> tuple[Atom, ...]:
    if len(sizes) == 1:
        return (atom,)
    label = "" if atom.name.isdigit() else f"{atom.name}:"
    parts = tuple(Atom(f"{label}{size}", size, whole=atom) for size in sizes)
    for part in parts:
        part.parts = parts
    return parts


def _joined(atoms: list[Atom]) -> Axis:
    """Parts that stand together again, all and in order, are the whole.

    If the code has names of its own for all of them, they go on side by side.
    """
    for i, atom in enumerate(atoms):
        count = len(atom.parts)
        is_named = all(part.is_claimed for part in atom.parts)
        if count and not is_named and tuple(atoms[i : i + count]) == atom.parts:
            return _joined([*atoms[:i], atom.whole, *atoms[i + count :]])
    return tuple(atoms)


def _claimed(
    piece: Axis,
    claim: str | None,
    old: Sequence[Atom],
    claims: Sequence[str | None],
    meanings: dict[str, tuple],
) -> Axis:
    """With the name that the code has for an axis, if the axis is a new one.

    A name that has meant another axis in this run is no name for this one: a merge in
    the wrong order is not what the code calls it.
    """
    if not claim:
        return piece
    parts, parent = piece[0].parts, piece[0].whole
    if parent and piece == parts and claim == parent.name:
        return (parent,)
    if not {atom.name for atom in old}.isdisjoint(claim.split("*")):
        return piece
    size = _size(piece)
    if len(piece) == 1 and piece[0] not in old and parent:
        whole, part = parent.name, piece[0]
        meaning = ("part", whole, parts.index(part), size)
        if whole.isdigit():  # of which nothing is known: the code has the only name
            part.name, part.is_claimed = claim, True
        elif claims.count(claim) > 1 or meanings.setdefault(claim, meaning) != meaning:
            part.name = f"{whole}:{claim}"
        else:
            part.name, part.is_claimed = claim, True
        return piece
    if piece[0].name.isdigit() and piece[0] not in old:
        return (Atom(claim, size),)
    if len(piece) == 1 or "*" in claim:
        return piece
    meaning = ("made of", *(atom.name for atom in piece))
    if meanings.setdefault(claim, meaning) != meaning:
        return piece
    return (Atom(claim, size, made_of=piece),)


def _size(axis: Axis) -> int:
    return math.prod(atom.size for atom in axis)


def _followed(
    inputs: list[Named],
    after: list[int],
    at: torch.Tensor,
    claims: list[str | None],
    chooses: bool,
) -> Named:
    """An axis of an input is where its coordinate goes, and no other's does.

    All inputs that elements came from have to say the same.  Where a call chooses along
    an axis, the coordinate that it chose follows no axis, and says nothing.
    """
    named = by_size(after)
    first = 0
    said: list[list[Axis]] = [[] for _ in after]
    is_read = [False] * len(after)
    for input_ in inputs:
        count = math.prod(input_.shape)
        here = ((at >= first) & (at < first + count)).reshape(after)
        came = torch.unravel_index((at - first).clamp(0, count - 1), input_.shape)
        first += count
        if not here.any():
            continue
        ways = [
            [_way(coordinate.reshape(after), here, a) for a in range(len(after))]
            for coordinate in came
        ]
        if chooses:
            ways = [
                along
                if any(way.is_function for way in along)
                else [_Way(True, 1)] * len(after)
                for along in ways
            ]
        for a, size in enumerate(after):
            sources = [k for k, along in enumerate(ways) if along[a].distinct > 1]
            is_read[a] |= bool(sources)
            alone = sources[0] if len(sources) == 1 else None
            if alone is not None and ways[alone][a].is_function:
                whole = ways[alone][a].distinct == size == input_.shape[alone]
                said[a].append(input_.axes[alone] if whole else ())
            elif size > 1:
                said[a].append(())
    for a, size in enumerate(after):
        labels = {"*".join(atom.name for atom in axis) for axis in said[a]}
        if len(labels) == 1 and "" not in labels:
            named.axes[a] = said[a][0]
        elif claims[a] and not is_read[a]:
            named.axes[a] = (Atom(claims[a], size),)
    return named


@dataclass
class _Way:
    """How a coordinate of what went in goes along an axis of the result."""

    is_function: bool  # it follows from the place along this axis alone
    distinct: int  # how many values it takes along it; 1 if it does not depend on it


def _way(coordinate: torch.Tensor, here: torch.Tensor, axis: int) -> _Way:
    """`here` says which elements of the result come from the tensor at all."""
    low = coordinate.where(here, torch.iinfo(torch.int64).max)
    high = coordinate.where(here, -1)
    along = high.amax(axis), low.amin(axis)
    if bool((along[0] <= along[1]).all()):
        return _Way(False, 1)
    others = [k for k in range(coordinate.ndim) if k != axis]
    low = low.amin(others) if others else low
    high = high.amax(others) if others else high
    met = high >= 0
    is_function = bool((low[met] == high[met]).all())
    return _Way(is_function, int(high[met].unique().numel()) if is_function else 2)


def _unmapped(step: Step, call: Call, first: Named, after: list[int]) -> Named:
    """Of a move whose elements were not followed: what the strides of a view tell."""
    named = by_size(after)
    if step.op == "contiguous" or step.op == "clone" or step.op == "detach":
        return Named(after, list(first.axes)) if first.shape == after else named
    if step.kind != "move" or step.copy or len(first.shape) > len(_PRIMES):
        return named
    for k, source in enumerate(_view_sources(call, first)):
        if source is not None and first.shape[source] == after[k]:
            named.axes[k] = first.axes[source]
    return named


def _with_ones(step: Step, call: Call, first: Named, named: Named) -> Named:
    """Axes of size 1 have no coordinate to follow; the strides of a view tell them."""
    new = [k for k, size in enumerate(named.shape) if size == 1]
    if not new or 1 not in first.shape:
        return named
    if step.kind == "collect" and len(first.shape) == len(named.shape):
        for k in new:  # it puts tensors beside each other, and turns none
            named.axes[k] = first.axes[k] if first.shape[k] == 1 else named.axes[k]
        return named
    if named.shape == first.shape:  # nothing went where it could be taken for another
        for k in new:
            named.axes[k] = first.axes[k]
        return named
    if step.kind != "move" or step.copy or len(first.shape) > len(_PRIMES):
        return named
    sources = _view_sources(call, first)
    if len(sources) == len(named.shape):
        for k in new:
            if sources[k] is not None and first.shape[sources[k]] == 1:
                named.axes[k] = first.axes[sources[k]]
    return named


def _view_sources(call: Call, first: Named) -> list[int | None]:
    """For each axis of a view the axis that it was, as its stride tells."""
    strides = _PRIMES[: len(first.shape)]
    # Memory is needed only where an index is a tensor, which is read.
    device = "cpu" if len(call.tensors()) > 1 else "meta"
    probe = torch.empty_strided(first.shape, strides, device=device)
    left = {stride: k for k, stride in enumerate(strides)}
    sources = [left.pop(s, None) for s in reversed(call.on(probe).stride())]
    return sources[::-1]


def _broadcast(inputs: list[Named], after: list[int]) -> Named:
    """Each axis is named by the first tensor that has it in full.

    It has no name where another tensor has there what the first has elsewhere: then H
    and W meet, and it is both.
    """
    named = by_size(after)
    inputs = sorted(inputs, key=lambda input_: input_.shape != after)
    for back in range(len(after), 0, -1):
        found = [
            (input_.names()[-back], input_)
            for input_ in inputs
            if len(input_.shape) >= back and input_.shape[-back] == after[-back]
        ]
        found.sort(key=lambda one: one[1].axes[-back][0].name.isdigit())
        if not found:
            continue
        (name, first), *others = found
        elsewhere = {n for n in first.names() if not n.isdigit()} - {name}
        if elsewhere.isdisjoint(n for n, _ in others):
            named.axes[-back] = first.axes[-back]
    return named


def _of_equation(
    equation: str,
    ndims: list[int],
    operands: Sequence[Named | None],
    after: list[int],
    words: dict[str, str] | None,
) -> Named:
    """Names after `einsum("bhwns,hg->...", ...)`: a letter stands for an axis.

    It is also a name, for an axis that has none; so is what `words` has for it.
    """
    found = einsum_terms(equation, ndims, len(after))
    if found is None:
        return by_size(after)
    *terms, result = found
    names: dict[str, Axis] = {}
    for term, named in zip(terms, operands):
        if named is not None:
            for letter, axis in zip(term, named.axes):
                is_unnamed = re.fullmatch(r"[d-m]?\d+", axis[0].name) and len(axis) == 1
                if is_unnamed and letter.isalpha() and words is not None:
                    axis = (Atom(words.get(letter, letter), axis[0].size),)
                names.setdefault(letter, axis)
    axes = [
        names.get(letter, (Atom(str(size), size),))
        for letter, size in zip(result, after)
    ]
    return Named(after, axes)


def _of_product(left: Named, right: Named, after: list[int]) -> Named:
    """Names after `left @ right`, where a row of the left meets a column."""
    if len(right.shape) > 1 and len(left.shape) == len(after):
        last = right.axes[-1]
        named = _keeping(left, after, range(len(after)))
        named.axes[-1] = last
        return named
    return by_size(after)
