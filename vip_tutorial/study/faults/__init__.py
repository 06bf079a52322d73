"""Faulty modules that keep every shape, and what catches them.

mutants  one fault each, as people really make them
checks   properties that the right module has
foreign  a module of another hand, with names of its own, asked the same
views    pictures in which a fault can be seen
"""

from .checks import CHECKS, failures
from .mutants import MUTANTS, Mutant
from .views import VIEWS, Evidence, evidence

__all__ = [
    "CHECKS",
    "MUTANTS",
    "VIEWS",
    "Evidence",
    "Mutant",
    "evidence",
    "failures",
]
