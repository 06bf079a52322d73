"""Checks for the book's exercises: they run your answer and say what it does."""

from .height import check_height_rows
from .permutes import check_undoes

__all__ = ["check_height_rows", "check_undoes"]
