"""Checks for the book's exercises: they run your answer and say what it does."""

from .address import check_address
from .catches import check_catches
from .channels import check_channels_first
from .coarser import check_coarser
from .confusion import check_confusion
from .cooled import check_cooled
from .costs import check_multiply_adds
from .home import check_adds_home
from .luck import check_chance
from .permutes import check_undoes
from .pieces import check_heard
from .rows import check_height_rows, check_width_rows
from .seen import check_column_then_square, check_groups_of_rows
from .shares import check_shares
from .sizes import check_fits
from .unnoticed import check_unnoticed
from .weights import check_branch_weights

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
    "check_groups_of_rows",
    "check_heard",
    "check_height_rows",
    "check_multiply_adds",
    "check_shares",
    "check_undoes",
    "check_unnoticed",
    "check_width_rows",
]
