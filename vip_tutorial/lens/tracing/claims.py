"""What the reader's own code calls axes: in a line that unpacks a shape, in the sizes
that a reshape names, in a pattern of einops or einsum.
"""

import ast
import re
from string import ascii_lowercase
from typing import Any

from .calls import Call
from .recording import Step

# Of their calls the arguments are sizes, whose names are those of the axes.
_SIZED = frozenset(
    "reshape view unflatten _unsafe_view _reshape_alias expand broadcast_to".split()
)


def unpacked_names(line: str) -> list[str] | None:
    """`["B", "H", "W", "C"]` for the line `B, H, W, C = x.shape`."""
    match _parsed(line):
        case ast.Assign(
            targets=[ast.Tuple(elts=elements)],
            value=ast.Attribute(attr="shape")
            | ast.Call(func=ast.Attribute(attr="size"), args=[]),
        ):
            names = [_expression_name(element) for element in elements]
            return None if None in names or "_" in names else names
    return None


def pattern_names(step: Step, call: Call, operand: int) -> list[str] | None:
    """`["b", "h*p", "w", "c"]` for `rearrange(x, "b (h p) w c -> ...", p=2)`.

    Also for what einsum's letters say of one of its operands.
    """
    if step.op == "einsum" and isinstance(call.args[0], str):
        equation = call.args[0].replace(" ", "")
        terms = equation.partition("->")[0].split(",")
        words = equation_words(step, equation)
        if "." in equation or words is None:
            return None
        return [words.get(letter, letter) for letter in terms[operand]]
    groups = _pattern(step)
    return groups and ["*".join(group) or "1" for group in groups]


def equation_words(step: Step, equation: str) -> dict[str, str] | None:
    """What the reader's line calls the letters of an equation, if it has other words.

    einops writes "row column -> column" with letters of its own, and those are nobody's
    names: None, if they are not to be found out.
    """
    pattern = _written_pattern(step)
    letters = "".join(dict.fromkeys(filter(str.isalpha, equation)))
    if pattern is None:
        return None if ascii_lowercase.startswith(letters) else {}
    if pattern.replace(" ", "") == equation:
        return {}
    words: dict[str, str] = {}
    theirs = re.split(",|->", pattern)
    ours = re.split(",|->", equation)
    if [len(term.split()) for term in theirs] != [len(term) for term in ours]:
        return None
    for letters, term in zip(ours, theirs):
        words |= zip(letters, term.split())
    return words


def _written_pattern(step: Step) -> str | None:
    line = step.source
    call = line and _parsed(line.text[line.start : line.end].lstrip("."), "eval")
    if not isinstance(call, ast.Call):
        return None
    texts = [x.value for x in call.args if isinstance(x, ast.Constant)]
    return next((t for t in texts if isinstance(t, str) and "->" in t), None)


def _pattern(step: Step) -> list[list[str]] | None:
    """What the left side of an einops pattern says, in the line that made a call."""
    pattern = _written_pattern(step)
    left = pattern and pattern.partition("->")[0]
    if not left or not re.fullmatch(r"[\w\s()]*", left):
        return None
    pieces = re.findall(r"\(([^()]*)\)|(\w+)", left)
    return [(inside or one).split() for inside, one in pieces]


def claims_of(step: Step, shape: list[int]) -> list[str | None]:
    """`["B", "N", "W", "H*S"]` for the call `x.reshape(B, N, W, H * S)`.

    None stands for each axis that the call has no name for.

    Args:
        step: The step that the call is.
        shape: Of what came out.
    """
    count = len(shape)
    nothing = [None] * count
    line = step.source
    call = line and _parsed(line.text[line.start : line.end].lstrip("."), "eval")
    groups = _pattern(step)
    if groups is not None:
        single = [name for group in groups for name in group or ["1"]]
        if len(single) != count:
            return nothing
        # Of one that is 1 long it may be the other side of the pattern that has it.
        return [name if size > 1 else None for name, size in zip(single, shape)]
    match call:
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name), args=args):
            if name != step.op or name not in _SIZED or not args:
                return nothing
            at = 0
            if name == "unflatten":
                match args[0]:
                    case ast.Constant(value=int(at)):
                        pass
                    case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=back)):
                        at = count - len(getattr(args[-1], "elts", ())) - back + 1
                    case _:
                        return nothing
            if isinstance(args[-1], ast.Tuple | ast.List):
                args = args[-1].elts
            elif len(args) == 1:
                return nothing  # perhaps a name for the whole shape
            found = [_expression_name(arg) for arg in args]
            found = [None if n is None or n.isdigit() else n for n in found]
            claims = [*nothing[:at], *found, *nothing[at + len(found) :]]
            return claims if len(claims) == count else nothing
    return nothing


def _expression_name(node: ast.AST) -> str | None:
    match node:
        case ast.Name(id=name) | ast.Attribute(value=ast.Name(), attr=name):
            return name
        case ast.Constant(value=int(value)) if value >= 0:
            return str(value)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            parts = _expression_name(left), _expression_name(right)
            return None if None in parts else "*".join(parts)
    return None


def _parsed(text: str, mode: str = "exec") -> Any:
    text = text.strip()
    try:  # the brackets let an expression run over several lines
        tree = ast.parse(f"({text}\n)" if mode == "eval" else text, mode=mode)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree.body if mode == "eval" else (tree.body or [None])[0]
