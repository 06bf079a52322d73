"""Small pages with lenses on them, made as the book makes its own."""

import json
import re
from collections.abc import Callable

import torch

from vip_tutorial import WeightedPermuteMLP, trace
from vip_tutorial.figures import PermuteLens

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>A test page</title>
<link rel="stylesheet" href="vip_widgets.css">
<script src="vip_widgets.js" defer></script>
</head>
<body><main><h1>A test page</h1>
{figures}
<h2 id="elsewhere">Elsewhere</h2></main></body>
</html>
"""


def figure(lens: PermuteLens, damage: Callable[[str], str] = str) -> str:
    """A lens as it stands on a built page; `damage` changes its JSON afterwards."""
    from vip_site.figures import first_frame  # it needs more than the lens

    state = lens.page_state()
    html = lens.static_html(first_frame(lens.kind, state))
    start = html.index('<script type="application/json">')
    return html[:start] + re.sub(
        r'(<script type="application/json">)(.*)(</script>)',
        lambda found: found[1] + damage(found[2]) + found[3],
        html[start:],
        flags=re.DOTALL,
    )


def change_recording(change: Callable[[dict], None]) -> Callable[[str], str]:
    """Damage for `figure`: JSON that can be read, of a recording that is wrong."""

    def damage(text: str) -> str:
        data = json.loads(text)
        change(data["recording"])
        return json.dumps(data)

    return damage


def page(*figures: str) -> str:
    return PAGE.format(figures="\n".join(figures))


def height_lens(name: str = "toy", N: int = 4, S: int = 2, **arguments) -> PermuteLens:
    """The height branch on N x N tokens of N * S channels, with a gradient."""
    torch.manual_seed(0)
    module = WeightedPermuteMLP(N * S, N)
    x = torch.randn(1, N, N, N * S)
    recording = trace(module.height, x, gradient=torch.randn_like(x))
    lens = PermuteLens(recording, name=name, title=f"Lens {name}", **arguments)
    lens.trace = recording
    return lens


def module_lens(name: str, C: int, N: int, **arguments) -> PermuteLens:
    """The whole module, for one picture."""
    torch.manual_seed(0)
    recording = trace(WeightedPermuteMLP(C, N).eval(), torch.randn(1, N, N, C))
    lens = PermuteLens(recording, name=name, **arguments)
    lens.trace = recording
    return lens
