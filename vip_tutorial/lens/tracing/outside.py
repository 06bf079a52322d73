"""What calls take that no step made: weights, masks, and what came unseen."""

from numbers import Integral, Number

from torch import Tensor

from .beneath import place_of
from .calls import flat, is_empty_shell, is_plain
from .modules import Names
from .omissions import Omissions
from .recording import Operand
from .source import SourceLine
from .tensors import Tensors, as_numbers, checksum

# They make a tensor of numbers that Python or NumPy has, or that lie in memory.
_TAKING_NUMBERS = frozenset(
    "tensor as_tensor asarray from_numpy frombuffer from_dlpack from_file set_ full "
    "new_tensor new_full scalar_tensor full_like fill_".split()
)
# They compute with a number that they are given, though it is a whole one.
_COMPUTING = frozenset(
    "add sub mul div truediv floordiv mod remainder pow radd rsub rmul rdiv rtruediv "
    "rpow iadd isub imul idiv itruediv true_divide multiply subtract divide clamp lerp "
    "where masked_fill addcmul fill maximum minimum setitem pad constant_pad_nd "
    "index_fill scatter index_put clip linspace logspace".split()
)
# Numbers that they are given say how they are done, and are seldom the run's.
_SETTINGS = frozenset(
    "layer_norm rms_norm group_norm batch_norm instance_norm normalize norm "
    "linalg_norm linalg_vector_norm vector_norm native_layer_norm native_group_norm "
    "native_batch_norm dropout dropout1d dropout2d dropout3d alpha_dropout "
    "feature_alpha_dropout feature_dropout native_dropout interpolate "
    "scaled_dot_product_attention quantile".split()
)


# They write to buffers of their own, and in training read nothing there.
_KEEPING_COUNT = frozenset(["batch_norm", "instance_norm"])


class Outside:
    """Keeps operands, and tells what may hold numbers of the run by a way unseen.

    Numbers leave a run as Python's or NumPy's.  From then on a tensor that nobody knows
    may hold them; before, it is a constant.

    Args:
        operands: Where the operands go.
        names: The names of parameters and buffers.
        tensors: Those that are followed.
        missing: Where it is said what is left out.
    """

    def __init__(
        self,
        operands: list[Operand],
        names: Names,
        tensors: Tensors,
        missing: Omissions,
    ):
        self._operands = operands
        self._names = names
        self._tensors = tensors
        self._missing = missing
        self._numbers: dict[int, tuple] = {}  # number and checksum of an operand
        self._constants: dict[int, str] = {}  # what no input went into: how it was made
        self._hidden: set[int] = set()  # of which that is not known
        self._kept: list[Tensor] = []  # so that no id() is used again
        self._written: set[tuple] = set()  # places that calls wrote to on the side
        self._has_left = False  # whether numbers went where no trace can follow
        self._has_left_as_number = False
        self._left: set[Number] = set()  # as what they went

    def note_leaving(self, taken: list[Tensor], result: object) -> None:
        """A call gave something that is no tensor; it may hold what it took."""
        if any(self._tensors.id_of(x) is not None or self.is_hidden(x) for x in taken):
            self._has_left |= not isinstance(result, bool)  # by which code chooses
            numbers = [x for x in flat(result) if isinstance(x, Number)]
            self._has_left_as_number |= not all(isinstance(x, bool) for x in numbers)
            self._left.update(numbers)

    def note_written(self, places: set[tuple]) -> None:
        """A call wrote to memory, and not what it gave: such as a running mean."""
        self._written |= places

    def note_helpers(self) -> None:
        """A thread began to work: what it does is not seen, and it may do anything."""
        self._has_left = True

    def note_constant(
        self,
        name: str,
        taken: list[Tensor],
        output: Tensor,
        is_taken_back: bool = False,
    ) -> None:
        """Something was made from no input: a mask, or a parameter in another shape.

        Args:
            name: Of the operation that made it.
            taken: What it was made from.
            output: What was made.
            is_taken_back: Whether it may hold a number that has left as Python's.
        """
        is_taken_back |= self._has_left and name in _TAKING_NUMBERS
        if is_taken_back or any(map(self.is_hidden, taken)):
            self._hidden.add(id(output))
        elif any(x is output for x in taken):
            self._constants.setdefault(id(output), "")  # it was filled, and is itself
        elif taken:
            before = self._constants.get(id(taken[0])) or self._names.of(taken[0])
            self._constants[id(output)] = f"{before or 'a tensor'}, {name}"
        else:
            self._constants[id(output)] = ""
        self._kept.append(output)

    def is_hidden(self, x: Tensor) -> bool:
        """Whether a tensor may hold what left the trace, by NumPy or as a number."""
        if id(x) in self._hidden or place_of(x) in self._written:
            return True
        is_old = id(x) in self._constants or id(x) in self._numbers
        return self._has_left and not is_old and not self._names.of(x)

    def takes_back(self, name: str, arguments: object, line: SourceLine | None) -> bool:
        """Whether a call may take a number that has left as Python's.

        It may, if it computes with one that is not written in its line.
        """
        name = name.strip("_")
        if not self._has_left_as_number:
            return False
        text = line.text if line else ""
        numbers = [x for x in flat(arguments) if isinstance(x, Number)]
        strange = [x for x in numbers if str(x) not in text and f"{x:g}" not in text]
        if name not in _COMPUTING:  # a whole number is an axis, a size, a place
            strange = [x for x in strange if not isinstance(x, Integral)]
        if name in _SETTINGS:
            strange = [x for x in strange if x in self._left]
        if all(isinstance(x, bool) for x in strange):
            return False
        self._missing.back[name] = None
        return True

    def given(self, taken: list[Tensor], name: str) -> tuple[list[int], bool]:
        """Numbers of what a call takes and no step made; and whether any is hidden.

        Args:
            taken: The tensors that it takes.
            name: Of the operation.
        """
        found, is_hidden = [], False
        for x in taken:
            if self._tensors.id_of(x) is not None:
                continue
            is_own = name in _KEEPING_COUNT and self._names.of(x)
            is_unseen = id(x) in self._missing.unseen or not is_plain(x)
            if is_unseen or (self.is_hidden(x) and not is_own):
                is_hidden = True
                self._missing.unseen[id(x)] = x
                continue
            how = self._constants.get(id(x))
            if how:
                self._missing.aside[how] = None
            number = self._number(x, how or "")
            if number is not None:
                found.append(number)
        return found, is_hidden

    def _number(self, x: Tensor, how: str) -> int | None:
        """The number of an operand, which is kept; None if there is no room for it."""
        number, sum_ = self._numbers.get(id(x), (None, None))
        if number is not None and sum_ == checksum(x):
            return number
        if x.numel() > min(self._tensors.most, self._tensors.room):
            return None
        self._tensors.room -= x.numel()
        number = len(self._operands)
        values = None
        if not is_empty_shell(x):
            values = self._missing.explored("values of a tensor", as_numbers, x)
        self._operands.append(Operand(self._names.of(x) or how, list(x.shape), values))
        self._numbers[id(x)] = (number, checksum(x))
        self._kept.append(x)
        return number

    def let_go(self) -> None:
        self._kept.clear()
