"""Checks for the book's exercises: they run your answer and say what it does."""

from .ch01 import check_column_then_square
from .ch02 import check_address
from .ch03 import check_channels_first
from .ch04 import check_height_rows
from .ch05 import check_width_rows
from .ch06 import check_branch_weights
from .ch07 import check_multiply_adds
from .ch08 import check_undoes
from .ch09 import check_catches
from .ch10 import check_fits
from .ch11 import check_confusion
from .ch12 import check_unnoticed
from .ch13 import check_chance
from .ch14 import check_coarser
from .ch15 import check_cooled
from .ch16 import check_groups_of_rows
from .ch17 import check_adds_home
from .ch18 import check_shares
from .ch19 import check_heard
from .ch20 import check_front
from .whole import check_whole

__all__ = [
    "check_address",
    "check_adds_home",
    "check_branch_weights",
    "check_catches",
    "check_chance",
    "check_channels_first",
    "check_coarser",
    "check_column_then_square",
    "check_confusion",
    "check_cooled",
    "check_fits",
    "check_front",
    "check_groups_of_rows",
    "check_heard",
    "check_height_rows",
    "check_multiply_adds",
    "check_shares",
    "check_undoes",
    "check_unnoticed",
    "check_whole",
    "check_width_rows",
]
