"""Checks for the book's exercises: they run your answer and say what it does."""

from .address import check_address
from .permutes import check_undoes
from .rows import check_height_rows, check_width_rows
from .weights import check_branch_weights

__all__ = [
    "check_address",
    "check_branch_weights",
    "check_height_rows",
    "check_undoes",
    "check_width_rows",
]
