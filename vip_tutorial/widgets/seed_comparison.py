"""Two models, some seeds each: is the difference more than chance?"""

from collections.abc import Sequence
from typing import Any

import traitlets

from .host import BookWidget, script, style


class SeedComparison(BookWidget):
    """Choose two models and a number of seeds: dots, difference, permutation test.

    Args:
        models: One dictionary a model: its `name` (letters, digits and hyphens, for
            links), its `label`, the `group` that it is listed under, and `right`: for
            each seed, how many test images it names right.  Five to seven seeds.
        of: How many test images there are.
        title: Heading of the figure.
        name: Name of the figure in links, letters, digits and hyphens.
        start: State of the first picture, e.g. "v1;one=4x4-c;other=4x4-h;seeds=3".

    Raises:
        ValueError: If there are no two models, or the results of one do not fit.
    """

    kind = "ablation"
    module = "ablation.js"
    render = "renderAblation"
    frame = "ablationFirstFrame"
    shown = ("models", "of")
    _esm = script(module, render)
    _css = style(kind)

    name = traitlets.Unicode("ablation").tag(sync=True)
    models = traitlets.List().tag(sync=True)
    of = traitlets.Int().tag(sync=True)

    def __init__(self, models: Sequence[dict[str, Any]], of: int, **kwargs: Any):
        models = [dict(model) for model in models]
        if len(models) < 2:
            raise ValueError(f"{len(models)} models: give at least two to compare")
        for model in models:
            _check(model, len(models[0].get("right", ())), of)
        if len({model["name"] for model in models}) < len(models):
            raise ValueError("two models have one name; links could not tell them")
        super().__init__(models=models, of=of, **kwargs)


def _check(model: dict[str, Any], seeds: int, of: int) -> None:
    if missing := {"name", "label", "group", "right"} - set(model):
        raise ValueError(f"a model lacks {', '.join(sorted(missing))}: {model}")
    name, right = model["name"], model["right"]
    if not name.isascii() or not name.replace("-", "").isalnum():
        raise ValueError(
            f"a model's name is {name!r}; it stands in links, so it may hold letters, "
            "digits and hyphens only"
        )
    if not 5 <= seeds <= 7 or len(right) != seeds:
        raise ValueError(
            f"{name} has {len(right)} results and the first model {seeds}: all need "
            "the same number, 5 to 7"
        )
    if not all(isinstance(count, int) and 0 <= count <= of for count in right):
        raise ValueError(
            f"{name} has the results {right}; they must be whole numbers from 0 to {of}"
        )
