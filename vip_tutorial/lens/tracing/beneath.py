"""What PyTorch does under one call: its inner (ATen) operations.

The schema of an operation says which tensors it writes to; a table says which of them
only move elements, and which of their arguments the elements come from.  The other
arguments choose: an index, a mask, a condition.
"""

import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from .calls import flat, is_empty_shell, is_plain, overload_name

# Operations that only move elements, and the arguments that these come from.  What is
# written here is a candidate: each is made again on numbered elements, and what came
# out decides.
_FROM = {
    (0,): "clone contiguous index index_select gather take masked_select roll flip "
    "rot90 repeat constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d "
    "replication_pad1d replication_pad2d replication_pad3d index_fill index_fill_ "
    "zero_ fill fill_ zero pixel_shuffle pixel_unshuffle channel_shuffle "
    "native_channel_shuffle im2col col2im upsample_nearest1d upsample_nearest2d "
    "upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d "
    "_upsample_nearest_exact3d tril triu tril_ triu_ narrow_copy _unsafe_view "
    "_reshape_copy _reshape_alias embedding alias lift lift_fresh lift_fresh_copy "
    "_unsafe_index _pad_circular diag_embed",
    (0, 1): "copy copy_ cat stack slice_scatter select_scatter diagonal_scatter "
    "as_strided_scatter block_diag column_stack hstack vstack dstack",
    (0, 2): "index_put index_put_ _index_put_impl_ _unsafe_index_put masked_fill "
    "masked_fill_ masked_scatter masked_scatter_ put put_",
    (0, 3): "index_copy index_copy_ scatter scatter_ index_add index_add_ scatter_add "
    "scatter_add_",
    (1, 2): "where",
}
MOVERS = {name: at for at, names in _FROM.items() for name in names.split()}
# Of these, the ones that bring in nothing from elsewhere.
_WHOLE = frozenset(
    "clone contiguous index index_select gather take masked_select roll flip rot90 "
    "repeat pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle "
    "narrow_copy _unsafe_view _reshape_copy _reshape_alias _to_copy".split()
)
# Operations that choose elements by their size and say which: values and indices.
CHOOSERS = frozenset(
    "max min sort topk kthvalue median nanmedian mode cummax cummin".split()
)
# They read the shape of a tensor and none of its elements.
_OBLIVIOUS = frozenset(
    "zeros_like ones_like empty_like full_like rand_like randn_like randint_like "
    "new_zeros new_ones new_empty new_full new_empty_strided bernoulli_ uniform_ "
    "normal_ random_ exponential_ sym_size sym_stride sym_numel".split()
)
# Element by element, though PyTorch does not tag them so.
_POINTWISE = frozenset(
    "native_dropout _to_copy hardswish hardswish_ hardsigmoid hardsigmoid_ celu celu_ "
    "relu6 relu6_ rrelu rrelu_with_noise selu selu_ mish mish_ log_sigmoid_forward "
    "softshrink hardshrink hardtanh hardtanh_ threshold threshold_ prelu "
    "_prelu_kernel clamp clamp_ polar complex".split()
)
# Views that show the same bits as other numbers.
_REREADS = frozenset("_conj _neg_view view_as_real view_as_complex".split())
# In training they write a running mean and variance, and their schemas do not say so.
_NORMS_THAT_COUNT = frozenset(
    "native_batch_norm cudnn_batch_norm miopen_batch_norm".split()
)
# They may stand among element-wise operations without mixing places.
_IN_ORDER = frozenset("expand alias detach clone copy_ _to_copy".split())


@dataclass
class Inner:
    """One operation under a call.

    Attributes:
        func: What ran.
        args: What it was given.
        kwargs: What it was given by name.
        outputs: The tensors that came out.
        numbers: What each of them held, if it was small; else None.
    """

    func: OpOverload
    args: tuple
    kwargs: dict[str, Any]
    outputs: list[Tensor]
    numbers: list[Tensor | None]

    @property
    def name(self) -> str:
        return overload_name(self.func)

    def tensors(self) -> list[Tensor]:
        return [x for x in flat((self.args, self.kwargs)) if isinstance(x, Tensor)]

    def written(self) -> list[Tensor]:
        """Tensors whose numbers it wrote; another shape of the same is no write."""
        if torch.Tag.inplace_view in self.func.tags:
            return []
        found = []
        for k, argument in enumerate(self.func._schema.arguments):
            if argument.alias_info is not None and argument.alias_info.is_write:
                given = self.args[k] if k < len(self.args) else None
                found.append(self.kwargs.get(argument.name, given))
        if self.name in _NORMS_THAT_COUNT and self.args[5]:
            found += self.args[3:5]
        return [x for x in flat(found) if isinstance(x, Tensor)]

    def data(self) -> list[Tensor]:
        """The tensors whose elements can come out; the others only choose."""
        at = MOVERS.get(self.name)
        if at is None:
            return self.tensors()
        names = [a.name for a in self.func._schema.arguments]
        given = [
            self.args[k] if k < len(self.args) else self.kwargs.get(names[k])
            for k in at
            if k < len(names)
        ]
        return [x for x in flat(given) if isinstance(x, Tensor)]

    def is_view(self) -> bool:
        if self.name in _REREADS or not self.outputs:
            return False
        places = {place_of(x) for x in self.tensors()[:1]}
        same = all(y.dtype == self.tensors()[0].dtype for y in self.outputs)
        return same and not self.written() and {*map(place_of, self.outputs)} <= places


def place_of(x: Tensor) -> tuple:
    """Where a tensor's memory is: the same for all views of it."""
    if not is_plain(x):
        return ("nowhere", id(x))
    storage = x.untyped_storage()
    try:
        # A fake tensor has no memory, whatever device it says, and complains if asked.
        address = 0 if storage.device.type == "meta" else storage.data_ptr()
    except RuntimeError:  # inside jvp
        address = 0
    return (address or ("shell", storage._cdata), str(x.device))


def what_it_does(log: list[Inner], followed: Iterable[Tensor]) -> str:
    """What a call did to the elements of the tensors that are followed.

    Args:
        log: What ran under it.
        followed: The tensors among its arguments that are followed.

    Returns:
        "move" if it only moved them, "pointwise" if none met the place of another,
        "choose" if it picked some by their size, "none" if it read none, else "other".
    """
    found = [(inner.name, kind) for inner, kind in _followed(log, followed)]
    kinds = {kind for _, kind in found}
    if not kinds:
        return "none"
    if kinds <= {"view", "move"}:
        return "move"
    if kinds == {"choose"}:
        return "choose"
    in_order = all(kind == "pointwise" or name in _IN_ORDER for name, kind in found)
    return "pointwise" if in_order else "other"


def only_moves_whole(log: list[Inner], followed: Sequence[Tensor]) -> bool:
    """Whether all elements of a move come from one tensor, whatever they are."""
    moved = [inner for inner, kind in _followed(log, followed) if kind == "move"]
    names = {inner.name for inner in moved}
    return len(followed) == 1 and names <= _WHOLE


def at_work(log: list[Inner], followed: Iterable[Tensor]) -> list[Inner]:
    """The operations that took what is followed, or what was made from it."""
    return [inner for inner, _ in _followed(log, followed)]


def reads_none(log: list[Inner], followed: Sequence[Tensor]) -> bool:
    """Whether the operations asked what is followed for its shape alone."""
    places = {place_of(x) for x in followed}
    taking = [inner for inner in log if places & {*map(place_of, inner.tensors())}]
    return bool(log) and all(inner.name in _OBLIVIOUS for inner in taking)


def choosers(log: list[Inner], followed: Sequence[Tensor]) -> set[tuple]:
    """Places of memory that nothing can come out of: it was taken to choose by."""
    taken = {place_of(x) for inner in log for x in inner.tensors()}
    data = {place_of(x) for inner in at_work(log, followed) for x in inner.data()}
    return taken - data


def _followed(
    log: list[Inner], followed: Iterable[Tensor]
) -> Iterator[tuple[Inner, str]]:
    places = {place_of(x) for x in followed}
    for inner in log:
        given = {place_of(x) for x in inner.data()}
        if not places & given or inner.name in _OBLIVIOUS:
            continue
        places |= {place_of(x) for x in (*inner.outputs, *inner.written())}
        yield inner, _kind(inner)


def _kind(inner: Inner) -> str:
    name, tags = inner.name, inner.func.tags
    if inner.is_view():
        return "view"
    if name == "_to_copy" and inner.outputs[0].dtype == inner.tensors()[0].dtype:
        return "move"
    if name in ("max", "min", "median", "nanmedian") and len(inner.outputs) != 2:
        return "pointwise" if len(inner.tensors()) > 1 else "other"
    if name in CHOOSERS:
        return "choose"
    if name in MOVERS or torch.Tag.view_copy in tags:
        return "move"
    if name in _POINTWISE or torch.Tag.pointwise in tags:
        return "pointwise"
    return "other"


class Beneath(TorchDispatchMode):
    """Hands each inner operation of a run to a listener, but for the recorder's own.

    Args:
        listener: Is called with each operation.
        loser: Is called with what an operator made that runs functions (torch.cond).
        most: Of tensors with more elements no numbers are kept.
    """

    supports_higher_order_operators = True

    def __init__(
        self,
        listener: Callable[[Inner], None],
        loser: Callable[[list[Tensor]], None],
        most: int,
    ):
        super().__init__()
        self._listener = listener
        self._loser = loser
        self._most = most

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if not isinstance(func, OpOverload):
            result = func(*args, **kwargs)
            self._loser([x for x in flat(result) if isinstance(x, Tensor)])
            return result
        if not getattr(_own, "depth", 0) and _is_compound(func):
            with self, torch._C.DisableTorchFunction():  # its parts are looked for
                return func._op_dk(_COMPOSITE, *args, **kwargs)
        with torch._C.DisableTorchFunction():
            result = func(*args, **kwargs)
        # A fake tensor is asked for its device by an operation, too.
        if not getattr(_own, "depth", 0) and func.namespace != "prim":
            with unobserved():
                outputs = [x for x in flat(result) if isinstance(x, Tensor)]
                numbers = [self._copied(x) for x in outputs]
                self._listener(Inner(func, args, kwargs, outputs, numbers))
        return result

    def _copied(self, x: Tensor) -> Tensor | None:
        if not is_plain(x) or is_empty_shell(x) or x.numel() > self._most:
            return None
        return x.detach().clone()


_COMPOSITE = torch._C.DispatchKey.CompositeImplicitAutograd


@functools.cache
def _is_compound(func: OpOverload) -> bool:
    """Whether an operation only calls others; in inference mode they come as such."""
    has = functools.partial(torch._C._dispatch_has_kernel_for_dispatch_key, func.name())
    try:
        return has(_COMPOSITE) and not any(map(has, ("CPU", "CUDA")))
    except RuntimeError:  # prim::device and its like, which are of no dispatcher
        return False


_own = threading.local()


@contextmanager
def unobserved() -> Iterator[None]:
    """What the recorder itself does with tensors: no trace around it may see it."""
    _own.depth = getattr(_own, "depth", 0) + 1
    try:
        with torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch():
            yield
    finally:
        _own.depth -= 1
