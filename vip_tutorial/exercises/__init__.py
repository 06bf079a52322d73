"""Checks for the book's exercises: they run your answer and say what it does."""

from .address import check_address
from .catches import check_catches
from .permutes import check_undoes
from .rows import check_height_rows, check_width_rows

__all__ = [
    "check_address",
    "check_catches",
    "check_height_rows",
    "check_undoes",
    "check_width_rows",
]
