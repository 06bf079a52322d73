"""Two models, some seeds each: is the difference more than chance?"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import traitlets

from ..._util.arguments import whole_number
from ...lens.figure.host import BookWidget


class SeedComparison(BookWidget):
    """Choose two models and a number of seeds: dots, difference, permutation test.

    Args:
        models: One dictionary a model: its `name` (letters, digits and hyphens, for
            links), its `label`, the `group` that it is listed under, and `right`: for
            each seed, how many test images it names right.  Five to ten seeds.
        of: How many test images there are.
        title: Heading of the figure.
        name: Name of the figure in links, letters, digits and hyphens.
        start: State of the first picture, e.g. "v1;one=4x4-c;other=4x4-h;seeds=3".

    Raises:
        TypeError: If `models` are not dictionaries, or one holds what is no text or no
            list.
        ValueError: If there are no two models, or the results of one do not fit.
    """

    kind = "seed_comparison"
    shown = ("models", "of")

    name = traitlets.Unicode("ablation").tag(sync=True)
    models = traitlets.List().tag(sync=True)
    of = traitlets.Int().tag(sync=True)

    def __init__(self, models: Sequence[dict[str, Any]], of: int, **kwargs: Any):
        of = whole_number("of", of)
        if not isinstance(models, Iterable) or isinstance(models, str | Mapping):
            raise TypeError(
                f"models is a {type(models).__name__}; it must be a list with one "
                "dictionary for each model"
            )
        models = [_checked(model, of) for model in models]
        if len(models) < 2:
            raise ValueError(f"{len(models)} models: give at least two to compare")
        seeds = len(models[0]["right"])
        for model in models:
            name, found = model["name"], len(model["right"])
            if not 5 <= seeds <= 10 or found != seeds:
                raise ValueError(
                    f"{name} has {found} results and the first model {seeds}: all need "
                    "the same number, 5 to 10"
                )
        if len({model["name"] for model in models}) < len(models):
            raise ValueError("two models have one name; links could not tell them")
        super().__init__(models=models, of=of, **kwargs)


def _checked(model: Any, of: int) -> dict[str, Any]:
    """A model as the page gets it; what is no number of images is refused."""
    if not isinstance(model, Mapping):
        raise TypeError(
            f"a model is a {type(model).__name__}; it must be a dictionary with name, "
            "label, group and right"
        )
    if missing := {"name", "label", "group", "right"} - set(model):
        raise ValueError(f"a model lacks {', '.join(sorted(missing))}: {model}")
    for key in ("name", "label", "group"):
        if not isinstance(model[key], str):
            raise TypeError(f"a model's {key} is {model[key]!r}; it must be a text")
    name, right = model["name"], model["right"]
    if not name.isascii() or not name.replace("-", "").isalnum():
        raise ValueError(
            f"a model's name is {name!r}; it stands in links, so it may hold letters, "
            "digits and hyphens only"
        )
    if not isinstance(right, Iterable) or isinstance(right, str | Mapping):
        raise TypeError(
            f"{name} has the results {right!r}; they must be a list, a whole number "
            "for each seed"
        )
    right = list(right)
    try:
        counts = [whole_number("a result", count, least=0) for count in right]
    except (TypeError, ValueError):
        counts = []
    if len(counts) < len(right) or any(count > of for count in counts):
        raise ValueError(
            f"{name} has the results {right}; they must be whole numbers from 0 to {of}"
        )
    return {**model, "right": counts}
