"""Checks for the book's exercises: they run your answer and say what it does."""

from .address import check_address
from .channels import check_channels_first
from .permutes import check_undoes
from .rows import check_height_rows, check_width_rows

__all__ = [
    "check_address",
    "check_channels_first",
    "check_height_rows",
    "check_undoes",
    "check_width_rows",
]
