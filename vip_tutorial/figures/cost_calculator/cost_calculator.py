"""The cost calculator: which sizes fit the module, and what they cost."""

import traitlets

from ...lens.figure.host import BookWidget


class CostCalculator(BookWidget):
    """Choose H, W, N and C: do they fit, how many weights, how many multiply-adds?

    Beside the two Permute-MLPs stand one layer of self-attention, MLP-Mixer's token
    mixing and a dense layer over the whole image.

    Args:
        title: Heading of the figure.
        name: Name of the figure in links, letters, digits and hyphens.
        start: State of the first picture, e.g. "v1;H=14;W=14;N=14;C=384".
    """

    kind = "cost_calculator"

    name = traitlets.Unicode("costs").tag(sync=True)
