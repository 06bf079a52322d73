"""Checks for the book's exercises: they run your function and say what it does."""

from .height import check_height_rows

__all__ = ["check_height_rows"]
