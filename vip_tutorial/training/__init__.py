"""Pictures, tasks with known answers, and a training loop that can be resumed.

data         digits, patterns, grids of tokens
image_files  pictures of your own, from a folder
tasks        made-up pictures whose answer is known
loop         the training loop, `fit`
film         what a network was in the middle of its training
resume       a run in a file: broken off, taken up, never mixed with another
"""

from .data import Labelled, Scale, as_tokens, digit, digits, mnist, patterns
from .film import Film, Frame, film_of
from .image_files import class_names, read_folder
from .loop import History, Recipe, accuracy, arguments_for, fit, predict, small_network
from .tasks import nested, task

__all__ = [
    "Film",
    "Frame",
    "History",
    "Labelled",
    "Recipe",
    "Scale",
    "accuracy",
    "arguments_for",
    "as_tokens",
    "class_names",
    "digit",
    "digits",
    "film_of",
    "fit",
    "mnist",
    "nested",
    "patterns",
    "predict",
    "read_folder",
    "small_network",
    "task",
]
