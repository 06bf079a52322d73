"""The network that runs in the page against PyTorch, and a reader who plays with it."""

import json
import re
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from figure_driver import Figure
from lens_pages import page as page_of
from torch import nn

from vip_tutorial import PermuteMLP, WeightedPermuteMLP
from vip_tutorial.figures import LiveViP
from vip_tutorial.figures.live_vip.live_network import MOST_WEIGHTS
from vip_tutorial.networks import pretrained
from vip_tutorial.training.data import Scale, patterns
from vip_tutorial.vision_permutator import VisionPermutator

BRANCHES = "hwc"


@pytest.fixture(scope="module")
def core(engine_of):
    return engine_of("live_vip.js")


@dataclass
class Trained:
    """The digit network, its scale, and images that it was not trained with."""

    model: VisionPermutator
    scale: Scale
    images: torch.Tensor

    def widget(self, **options) -> LiveViP:
        return LiveViP(self.model, self.scale, **options)


@pytest.fixture(scope="module")
def trained():
    _, test = pretrained.pictures("digits")
    return Trained(pretrained.load("digits"), pretrained.scale("digits"), test.images)


def network(seed=0, **options):
    """A network that is not trained, with weights of some size everywhere."""
    usual = {
        "layers": [2],
        "embed_dims": [16],
        "patch_size": 1,
        "img_size": 8,
        "in_chans": 1,
        "num_classes": 3,
    }
    torch.manual_seed(seed)
    model = VisionPermutator(**(usual | options)).eval()
    for p in model.parameters():
        nn.init.normal_(p, std=0.3)
    return model


class Changed(WeightedPermuteMLP):
    """A module whose branches can be switched off and whose weights can be held."""

    off, held = "", None

    def branch_weights(self, h, w, c):
        weights = super().branch_weights(h, w, c)  # (3, B, C)
        if self.held is not None:
            weights = self.held[:, None].expand_as(weights)  # (3, B, C)
        keep = [float(branch not in self.off) for branch in BRANCHES]
        return weights * torch.tensor(keep)[:, None, None]  # (3, B, C)


def truth(model, scale, images, off=(), held=()):
    """PyTorch's scores in float64, `(count, classes)`."""
    exact = VisionPermutator(
        [len(model.blocks)],
        [model.patch_embed.proj.out_channels],
        patch_size=model.patch_embed.proj.kernel_size[0],
        img_size=model.img_size,
        in_chans=1,
        num_classes=model.num_classes,
        mlp_ratio=model.blocks[0].mlp.fc1.out_features
        / model.blocks[0].mlp.fc1.in_features,
        qkv_bias=model.blocks[0].attn.mlp_c.bias is not None,
        skip_lam=model.blocks[0].skip_lam,
        global_pool=model.global_pool,
        token_mixer=partial(Changed, branch_order=model.blocks[0].attn.branch_order),
    )
    exact.load_state_dict(model.state_dict())
    exact.double().eval()
    for block, branches in zip(exact.blocks, off):
        block.attn.off = branches
    for block, weights in zip(exact.blocks, held):
        block.attn.held = weights
    with torch.no_grad():
        return exact((images.double() - scale.mean) / scale.spread)


def in_the_page(core, widget, images, off=(), held=()):
    """The same in JavaScript; `held` as the widget's own `means`."""
    depth = widget.network["depth"]
    changes = []
    for i in range(depth):
        change = {"off": off[i] if off else ""}
        if held and held[i] is not None:
            change["fixed"] = [dict(zip(BRANCHES, p)) for p in zip(*held[i])]
        changes.append(change)
    pixels = images.double().flatten(1).tolist()
    found = core.eval(
        f"""(() => {{
          const weights = $network.readWeights({json.dumps(widget.weights)});
          const network = $network.read({json.dumps(widget.network)}, weights);
          const changes = {json.dumps(changes)};
          const run = (picture) => $network.run(network, picture, changes).scores;
          return JSON.stringify({json.dumps(pixels)}.map(run));
        }})()""",
        timeout_sec=120,
    )
    return torch.tensor(json.loads(found), dtype=torch.float64)


def check_scores(core, widget, model, scale, images, off=(), held=()):
    tensors = [h if h is None else torch.tensor(h, dtype=torch.float64) for h in held]
    torch.testing.assert_close(
        in_the_page(core, widget, images, off, held),
        truth(model, scale, images, off, tensors),
        atol=1e-5,
        rtol=0,
    )


# --- The numbers -------------------------------------------------------------------


def test_200_digits_are_scored_as_in_pytorch(core, trained):
    widget = trained.widget()
    assert widget.weights["dtype"] == "float16"  # those of the package lose nothing
    check_scores(core, widget, trained.model, trained.scale, trained.images[:200])


THIRDS = [[1 / 3] * 32] * 3


@pytest.mark.parametrize(
    "off, hold",
    [
        (["h", ""], []),
        pytest.param(["wc", "hw"], [], marks=pytest.mark.slow),
        pytest.param(["hwc", "hwc"], [], marks=pytest.mark.slow),
        pytest.param(["", ""], [THIRDS, THIRDS], marks=pytest.mark.slow),
        pytest.param(["", ""], "means", marks=pytest.mark.slow),
        (["w", ""], [None, THIRDS]),
    ],
)
def test_forced_and_held_networks_too(core, trained, off, hold):
    widget = trained.widget(mean_over=trained.images[:50])
    held = widget.means if hold == "means" else hold
    images = trained.images[:200]
    check_scores(core, widget, trained.model, trained.scale, images, off, held)


@pytest.mark.parametrize(
    "options",
    [
        {"patch_size": 2},
        {"img_size": 12, "patch_size": 3, "num_classes": 1},
        {"global_pool": "flatten"},
        {"qkv_bias": True, "skip_lam": 2.0},
        {"layers": [1], "mlp_ratio": 1.5},
        {"token_mixer": partial(WeightedPermuteMLP, branch_order="cwh")},
        {"layers": [3], "embed_dims": [24]},
    ],
)
def test_other_networks(core, options):
    model = network(**options)
    scale = Scale(0.4, 0.7)
    widget = LiveViP(model, scale)
    assert widget.weights["dtype"] == "float32"
    images = torch.rand(5, 1, model.img_size, model.img_size)
    check_scores(
        core, widget, model, scale, images, ["h", "wc", ""][: len(model.blocks)]
    )


def test_blocks_that_differ(core):
    """Norms, orders and the like are each block's own."""
    model = network(layers=[2])
    one, two = model.blocks
    one.norm1.eps, one.norm2.eps, two.norm1.eps, two.norm2.eps = 1e-1, 1e-2, 1e-3, 1
    model.norm.eps = 0.5
    two.attn.branch_order = "cwh"
    two.skip_lam = 3.0
    scale = Scale(0.4, 0.7)
    images = torch.rand(5, 1, model.img_size, model.img_size)
    found = in_the_page(core, LiveViP(model, scale), images)
    with torch.no_grad():
        exact = model.double()((images.double() - scale.mean) / scale.spread)
    torch.testing.assert_close(found, exact, rtol=0, atol=1e-5)


def test_what_happens_inside_of_a_block(core, trained):
    model = pretrained.load("digits").double()
    widget = trained.widget()
    image = (trained.images[:1].double() - trained.scale.mean) / trained.scale.spread
    seen = {}
    block = model.blocks[1]
    block.register_forward_hook(lambda m, x, y: seen.update(before=x[0], after=y))
    attn = block.attn
    attn.register_forward_pre_hook(lambda m, x: seen.update(x=x[0]))
    attn.proj.register_forward_pre_hook(lambda m, x: seen.update(blend=x[0]))
    with torch.no_grad():
        model(image)
        outputs = attn.branches(seen["x"])
        weights = attn.branch_weights(*outputs)[:, 0]
    pixels = trained.images[0].double().flatten().tolist()
    found = json.loads(
        core.eval(
            f"""(() => {{
          const network = $network.read({json.dumps(widget.network)},
            $network.readWeights({json.dumps(widget.weights)}));
          const none = {{ off: "" }};
          const step = $network.run(network, {pixels}, [none, none]).steps[1];
          const {{ before, outputs: {{ h, w, c }}, blend, after, points }} = step;
          const flat = [before, h, w, c, blend, after].map((x) => [...x]);
          return JSON.stringify({{ flat, points }});
        }})()"""
        )
    )
    expected = [seen["before"], *outputs, seen["blend"], seen["after"]]
    for js, x in zip(found["flat"], expected, strict=True):
        assert js == pytest.approx(x.flatten().tolist(), abs=1e-9)
    for row, branch in zip(weights, BRANCHES):
        assert [p[branch] for p in found["points"]] == pytest.approx(row.tolist())


def test_the_means_are_over_the_images(trained):
    images = trained.images[:40]
    means = torch.tensor(trained.widget(mean_over=images).means)
    assert means.shape == (2, 3, 32)
    torch.testing.assert_close(means.sum(1), torch.ones(2, 32))
    model = pretrained.load("digits").double()
    found = []
    for block in model.blocks:

        def note(attn, given):
            found.append(attn.branch_weights(*attn.branches(given[0])).mean(1))

        block.attn.register_forward_pre_hook(note)
    with torch.no_grad():
        model((images.double() - trained.scale.mean) / trained.scale.spread)
    torch.testing.assert_close(means.double(), torch.stack(found), atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_numbers_survive_the_way(core, dtype):
    edge = torch.tensor([0.0, -0.0, 1, -2.5, 65504, 2**-24, -(2**-14), 1 / 3, 6e-5])
    model = network()
    numbers = edge.to(dtype).float()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(numbers.repeat(p.numel() // 9 + 1)[: p.numel()].reshape(p.shape))
    widget = LiveViP(model, Scale(0, 1))
    assert widget.weights["dtype"] == str(dtype).removeprefix("torch.")
    read = f"$network.readWeights({json.dumps(widget.weights)})"
    text = f"JSON.stringify([...{read}.subarray(0, 9)])"
    assert json.loads(core.eval(text)) == numbers.tolist()


# --- What is refused ---------------------------------------------------------------


def spoilt(model, change):
    change(model)
    return model


def relu(model):
    model.blocks[1].mlp.act = nn.ReLU()


def nan(model):
    model.blocks[0].attn.proj.weight.data[3, 2] = torch.nan


def wider(model):
    model.img_size = 17  # 8 tokens a side, as before, and a pixel over


def other_head(model):
    model.head = nn.Sequential(model.head)


def other_block(model):
    model.network[0][1] = network(mlp_ratio=1).blocks[0]


class Same(WeightedPermuteMLP):
    """Of another kind, and yet the same."""

    def forward(self, x):
        return super().forward(x)


class Sum(WeightedPermuteMLP):
    """Made of the same numbers, and yet another."""

    def branch_weights(self, h, w, c):
        return torch.ones_like(super().branch_weights(h, w, c))


def part_of(path, value):
    """A network of which one part, e.g. "blocks.1.norm2", is another."""
    model = network()
    *way, last = path.split(".")
    part = model
    for name in way:
        part = part[int(name)] if name.isdigit() else getattr(part, name)
    setattr(part, last, value)
    return model


# Of each of these networks network.js would compute something else, or nothing.
OTHER_PARTS = [
    ("patch_embed.proj", nn.Conv2d(1, 16, 1, bias=False)),
    ("patch_embed.proj", nn.Conv2d(1, 16, 3, padding=1)),  # patches overlap
    ("patch_embed.proj", nn.Conv2d(1, 16, 2, stride=2, padding=1)),
    ("patch_embed.proj", nn.Conv2d(1, 16, (1, 2), stride=(1, 2))),
    ("patch_embed.proj", nn.Conv2d(1, 16, 2, stride=2)),  # 4 x 4 tokens, not 8 x 8
    ("patch_embed.proj", nn.Conv2d(1, 16, 1, dilation=3, padding=0, stride=2)),
    ("img_size", 7),
    ("head", nn.Linear(16, 3, bias=False)),
    ("head", nn.Identity()),
    ("head", nn.Linear(16, 4)),
    ("global_pool", "flatten"),
    ("pool", lambda x: x.amax(dim=(1, 2))),
    ("norm", nn.LayerNorm(16, elementwise_affine=False)),
    ("norm", nn.RMSNorm(16)),
    ("norm", nn.Identity()),
    ("blocks.1.norm2", nn.LayerNorm(16, elementwise_affine=False)),
    ("blocks.0.norm1", nn.LayerNorm(16, bias=False)),
    ("blocks.0.attn.mlp_h", nn.Linear(16, 16)),  # the other branches have no bias
    ("blocks.1.attn.mlp_w", nn.Identity()),
    ("blocks.0.attn.proj", nn.Identity()),
    ("blocks.0.attn.reweight", nn.Linear(16, 48)),
    ("blocks.1.attn.branch_order", "hcw"),
    ("blocks.0.attn.reweight.act", nn.GELU("tanh")),
    ("blocks.1.mlp.act", nn.ReLU()),
    ("blocks.1.mlp.act", nn.GELU("tanh")),
    ("blocks.0.skip_lam", torch.ones(2)),
]


S = Scale(0.3, 0.4)
GREY = torch.full((8, 8), 0.5)
REFUSED = {
    "no network": (
        lambda: LiveViP(nn.Linear(2, 2), S),
        TypeError,
        "a Linear .*runs a",
    ),
    "colour": (lambda: LiveViP(network(in_chans=3), S), ValueError, "with in_chans=1"),
    "transition": (
        lambda: LiveViP(
            network(layers=[1, 1], embed_dims=[16, 16], transitions=[True]), S
        ),
        ValueError,
        "would compute something else: block 2 gives",
    ),
    "no block": (lambda: LiveViP(network(layers=[0]), S), ValueError, "no block"),
    "subclass": (
        lambda: LiveViP(network(token_mixer=Sum), S),
        ValueError,
        "would compute something else: block 1 gives",
    ),
    "nan eps": (
        lambda: LiveViP(part_of("norm.eps", torch.nan), S),
        ValueError,
        "eps of .*nan.* must be finite",
    ),
    "skip": (
        lambda: LiveViP(part_of("blocks.0.skip_lam", torch.inf), S),
        ValueError,
        "skip_lam of .inf, 1.0.; each must be finite",
    ),
    "relu": (
        lambda: LiveViP(spoilt(network(), relu), S),
        ValueError,
        "would compute something else: block 2 gives",
    ),
    "nan": (
        lambda: LiveViP(spoilt(network(), nan), S),
        ValueError,
        r"network\.0\.0\.attn\.proj\.weight are not all finite",
    ),
    "head": (
        lambda: LiveViP(spoilt(network(), other_head), S),
        TypeError,
        "got a VisionPermutator .*Sequential",
    ),
    "other block": (
        lambda: LiveViP(spoilt(network(), other_block), S),
        ValueError,
        "cannot make this network of its sizes",
    ),
    "no classes": (
        lambda: LiveViP(network(num_classes=0), S),
        ValueError,
        "has 0 classes",
    ),
    "classes": (
        lambda: LiveViP(network(num_classes=21), S),
        ValueError,
        "21 classes.*to 20",
    ),
    "pixels": (
        lambda: LiveViP(network(img_size=40, patch_size=5), S),
        ValueError,
        "1,600 pixels",
    ),
    "weights": (
        lambda: LiveViP(network(embed_dims=[64]), S),
        ValueError,
        f"weights; a page has to load .*{MOST_WEIGHTS:,}",
    ),
    "scale": (lambda: LiveViP(network(), (0, 1)), TypeError, "must be the Scale"),
    "spread": (lambda: LiveViP(network(), Scale(0, 0)), ValueError, "spread above 0"),
    "picture size": (
        lambda: LiveViP(network(), S, {"a": torch.zeros(4, 4)}),
        ValueError,
        "4 x 4 pixels and the network takes 8 x 8",
    ),
    "picture": (
        lambda: LiveViP(network(), S, {"a": GREY * 3}),
        ValueError,
        "to 1 .ink",
    ),
    "labels": (
        lambda: LiveViP(network(), S, labels=["a"]),
        ValueError,
        "1 labels and 3",
    ),
    "label": (lambda: LiveViP(network(), S, labels="abc"), TypeError, "list of names"),
    "means": (
        lambda: LiveViP(network(), S, mean_over=GREY),
        ValueError,
        r"shape \(8, 8\); it must be images \(count, 1, 8, 8\)",
    ),
    "mean list": (lambda: LiveViP(network(), S, mean_over=[1]), TypeError, "is list"),
    "mean nan": (
        lambda: LiveViP(network(), S, mean_over=GREY[None, None] / 0 * 0),
        ValueError,
        "pixels that are not numbers",
    ),
    "other mixer": (
        lambda: LiveViP(network(token_mixer=PermuteMLP), S),
        TypeError,
        "got a VisionPermutator .*'PermuteMLP'",
    ),
    "blocks": (
        lambda: LiveViP(network(layers=[65], embed_dims=[8]), S),
        ValueError,
        "has 65 blocks.* 1 to 64",
    ),
    "rest of pixels": (
        lambda: LiveViP(spoilt(network(patch_size=2, img_size=16), wider), S),
        ValueError,
        "cannot make this network.* 17 ",
    ),
    "mean": (lambda: LiveViP(network(), Scale(torch.nan, 1)), ValueError, "finite"),
    "scale of none": (
        lambda: LiveViP(network(), Scale(0, None)),
        TypeError,
        "does not hold two numbers",
    ),
    "scale of many": (
        lambda: LiveViP(network(), Scale(0, torch.ones(3))),
        TypeError,
        "does not hold two numbers",
    ),
    "picture list": (
        lambda: LiveViP(network(), S, [GREY]),
        TypeError,
        "pictures is a list; give pictures by name",
    ),
    "picture numbers": (
        lambda: LiveViP(network(), S, {7: GREY}),
        TypeError,
        "give pictures by name",
    ),
    "picture text": (
        lambda: LiveViP(network(), S, {"a": "grey"}),
        TypeError,
        "picture 'a' is a str that is no grid of numbers",
    ),
    "label number": (lambda: LiveViP(network(), S, labels=3), TypeError, "labels is 3"),
    "empty label": (
        lambda: LiveViP(network(), S, labels=["a", "", "c"]),
        TypeError,
        "list of names",
    ),
    "means standardised": (
        lambda: LiveViP(network(), S, mean_over=GREY[None, None] - 1),
        ValueError,
        "from -0.5 to -0.5; they must go from 0 to 1.*before they were standardised",
    ),
    "unknown": (
        lambda: LiveViP(network(), S, weight=1),
        TypeError,
        "no argument weight",
    ),
}


@pytest.mark.parametrize("make, error, words", REFUSED.values(), ids=list(REFUSED))
def test_what_the_page_cannot_run_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_other_parts_are_refused():
    for path, part in OTHER_PARTS:
        with pytest.raises((TypeError, ValueError), match="this figure runs a Vis"):
            pytest.fail(f"{path} {part}: {LiveViP(part_of(path, part), S)}")


def test_what_computes_the_same_is_taken():
    model = network(token_mixer=Same).double().train()
    before = torch.random.get_rng_state()
    widget = LiveViP(model, S)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert widget.network["depth"] == 2


DAMAGE = {
    "no weights": lambda data: data.update(weights=None),
    "cut weights": lambda data: data["weights"].update(base64="AAAA"),
    "no base64": lambda data: data["weights"].update(base64="?" * 400),
    "dtype": lambda data: data["weights"].update(dtype="int8"),
    "nan": lambda data: data["weights"].update(base64="AHwA" * 10_000),
    "no sizes": lambda data: data.update(network=None),
    "dim": lambda data: data["network"].update(dim=10**9),
    "depth": lambda data: data["network"].update(depth=1.5),
    "orders": lambda data: data["network"].update(orders=["hwc", "hcw"]),
    "scale": lambda data: data["network"].update(scale=[0, 0]),
    "scores that are none": lambda data: data["network"].update(scale=[0, 1e-320]),
    "side": lambda data: data["network"].update(side=16),
    "labels": lambda data: data.update(labels=["a"]),
    "means": lambda data: data.update(means=[[[1]]]),
    "pictures": lambda data: data.update(pictures=[]),
    "no recordings": lambda data: data.update(recordings=None),
    "one recording": lambda data: data["recordings"].pop("w"),
    "other size recorded": lambda data: data.update(recordings=elsewhere_recorded()),
    "no linear": lambda data: data["recordings"]["h"]["steps"][3].update(kind="move"),
    "two linears": lambda data: data["recordings"]["w"]["steps"][6].update(kind="mix"),
    "no input": lambda data: data["recordings"]["c"].update(inputs=[]),
    "much": lambda data: data["recordings"]["w"]["tensors"][2].update(
        shape=[1, 10**4, 10**4, 1, 1]
    ),
    "no linear map": lambda data: data["recordings"]["c"]["steps"][0].update(
        kind="pointwise"
    ),
    "other order": lambda data: data["recordings"]["w"]["steps"][1].update(
        order=[0, 0, 0, 0, 0]
    ),
    "no chain": lambda data: data["recordings"]["h"]["steps"][2].update(inputs=[1]),
}


def elsewhere_recorded():
    return LiveViP(network(img_size=4), S).recordings


@pytest.mark.parametrize("spoil", DAMAGE.values(), ids=list(DAMAGE))
def test_damaged_numbers_get_a_sentence(core, spoil):
    data = LiveViP(network(), S).page_state()
    data = json.loads(json.dumps(data))
    spoil(data)
    html = core.eval(f"$live_vip.firstFrame({json.dumps(data)})")
    assert html.startswith('<p class="vip-problem">This figure cannot be drawn: ')
    assert re.search(
        "damaged|no numbers|network&#39;s size|not a recorded run|do not exist", html
    )


def test_names_are_escaped(core):
    widget = LiveViP(network(), S, labels=["<b>", "<script>", "c"])
    assert "<script>" not in core.eval(
        f"$live_vip.firstFrame({json.dumps(widget.page_state())})"
    )


# --- A reader at work --------------------------------------------------------------


def number_of(text):
    return float(text.replace("\N{MINUS SIGN}", "-"))


def shown(figure):
    """The table: the probabilities, column by column, and the marked class."""
    rows = figure.box.locator(".vip-live-scores tbody tr").all()
    cells = [[c.inner_text() for c in r.locator("td.vip-number").all()] for r in rows]
    winner = figure.box.locator(".vip-live-best th").inner_text().removeprefix("▸ ")
    return [[float(v) for v in column] for column in zip(*cells)], winner


def check_table(figure, trained, *columns):
    """Each column is a picture with its changes, as `truth` takes them."""
    found, winner = shown(figure)
    assert len(found) == len(columns)
    for numbers, (picture, *changes) in zip(found, columns):
        scores = truth(trained.model, trained.scale, picture[None, None], *changes)
        assert numbers == pytest.approx(scores.softmax(1)[0].tolist(), abs=6e-4)
    picture, *changes = columns[0]
    scores = truth(trained.model, trained.scale, picture[None, None], *changes)
    assert winner == str(scores.argmax().item())
    assert f"answers {winner}, with probability {max(found[0]):.3f}" in figure.said
    label, share = figure.box.locator(".vip-live-answer").inner_text().split()
    assert label == winner and float(share) == pytest.approx(max(found[0]), abs=6e-3)


def picture_of(widget, figure):
    widget.state = figure.state or ""
    return widget.picture


def test_choosing_and_drawing(open_figure, trained):
    widget = trained.widget()
    figure = open_figure(widget)
    check_table(figure, trained, (widget.picture,))
    figure.setting("picture").select_option("three")
    check_table(figure, trained, (picture_of(widget, figure),))
    assert shown(figure)[1] == "3"
    figure.press("clear")
    assert figure.said.startswith("Every pixel is paper: there is nothing to tell")
    check_table(figure, trained, (torch.zeros(8, 8),))
    figure.setting("hard").check()
    box = figure.box.locator('[data-stroke=draw] [data-at="11"]').bounding_box()
    figure.page.mouse.move(box["x"] + 5, box["y"] + 5)
    figure.page.mouse.down()
    for _ in range(4):
        box["y"] += box["height"]
        figure.page.mouse.move(box["x"] + 5, box["y"] + 5)
    figure.page.mouse.up()
    figure.box.locator("[data-keys=draw]").focus()
    for key in ("ArrowRight", "5"):
        figure.page.keyboard.press(key)
    picture = picture_of(widget, figure)
    assert picture.count_nonzero() == 6
    check_table(figure, trained, (picture,))
    figure.setting("hard").uncheck()
    figure.page.mouse.click(box["x"], box["y"])  # about where four pixels meet
    softer = picture_of(widget, figure)
    greys = softer[softer != picture]
    assert (softer >= picture).all() and 0 < greys.min() and greys.max() < 1
    check_table(figure, trained, (softer,))
    ink = open_figure(widget, f"live=v1;picture={'g' * 64}")
    assert ink.said.startswith("Every pixel is ink")


def test_switching_branches_off_and_holding_weights(open_figure, trained):
    widget = trained.widget(mean_over=trained.images[:50])
    figure = open_figure(widget, "live=v1")
    seven = widget.picture
    thirds = torch.full((3, 32), 1 / 3, dtype=torch.float64)
    means = torch.tensor(widget.means, dtype=torch.float64)
    figure.setting("on1h").uncheck()
    assert figure.state == "v1;off=1h"
    assert not figure.setting("on0h").is_checked()
    check_table(figure, trained, (seven, ["h", ""]), (seven,))
    assert "block 1: height off. Left alone" in figure.said
    figure.setting("on0w").uncheck()
    assert figure.state == "v1;off=1hw.2w"
    check_table(figure, trained, (seven, ["hw", "w"]), (seven,))
    figure.setting("on0h").check()
    figure.setting("on0w").check()
    assert figure.state == "v1"
    check_table(figure, trained, (seven,))
    figure.setting("hold2").select_option("mean")
    assert figure.setting("hold0").input_value() == "various"
    check_table(figure, trained, (seven, [], [None, means[1]]), (seven,))
    figure.setting("hold0").select_option("third")
    assert figure.state == "v1;hold=1third.2third"
    check_table(figure, trained, (seven, [], [thirds, thirds]), (seven,))
    weights = figure.box.locator(".vip-live-cloud tr > td:nth-child(2)")
    assert weights.all_inner_texts() == ["0.33 ± 0.00"] * 6
    figure.setting("hold0").select_option("")
    assert figure.state == "v1"


def test_comparing_two_pictures(open_figure, trained):
    widget = trained.widget()
    figure = open_figure(widget, "live=v1;off=2c")
    seven = widget.picture
    figure.press("keep")
    figure.setting("picture").select_option("two")
    two = picture_of(widget, figure)
    off = ["", "c"]
    check_table(figure, trained, (two, off), (two,), (seven, off))
    assert "Beside it, seven: " in figure.said
    outlined = figure.painted()[0]
    figure.setting("other").select_option("three")
    others = figure.painted()[0]
    figure.setting("other").select_option("")
    assert len({outlined, others, figure.painted()[0]}) == 3  # the pixels that differ
    check_table(figure, trained, (two, off), (two,))


def test_opening_a_block(open_figure, trained):
    figure = open_figure(trained.widget(), "live=v1;channel=1")
    maps = figure.box.locator(".vip-live-map")
    assert maps.count() == 0
    figure.button("open").nth(1).click()
    assert maps.count() == 6 and figure.state == "v1;open=2;channel=1"
    figure.setting("channel").focus()
    place = int(figure.setting("channel").input_value())
    for key, to in (("ArrowRight", place + 1), ("ArrowLeft", place)):
        figure.page.keyboard.press(key)
        said = figure.setting("channel").get_attribute("aria-valuetext")
        assert said.endswith(f"number {to + 1} of 32 by liveliness")
    assert figure.state == "v1;open=2;channel=1"
    place = figure.box.locator("[data-keys=token]")
    place.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        figure.page.keyboard.press(key)
    assert figure.state == "v1;open=2;channel=1;token=17"
    assert figure.heard.startswith("Row 2, column 1, channel 1: the token holds ")
    assert place.evaluate("(el) => el === document.activeElement")
    model = pretrained.load("digits")
    seen = {}
    attn = model.blocks[1].attn
    attn.register_forward_pre_hook(lambda m, x: seen.update(x=x[0]))
    attn.proj.register_forward_pre_hook(lambda m, x: seen.update(blend=x[0]))
    model.blocks[1].register_forward_hook(
        lambda m, x, y: seen.update(before=x[0], after=y)
    )
    picture = trained.widget().picture[None, None]
    with torch.no_grad():
        model((picture - trained.scale.mean) / trained.scale.spread)
        h, w, c = attn.branches(seen["x"])
        weights = attn.branch_weights(h, w, c)[:, 0, 1].tolist()
    numbers = maps.locator("b").all_inner_texts()
    expected = [seen["before"], h, w, c, seen["blend"], seen["after"]]
    assert [number_of(v) for v in numbers] == pytest.approx(
        [x[0, 2, 1, 1].item() for x in expected], abs=2e-3
    )
    small = maps.locator("small").all_inner_texts()[1:4]
    assert [float(s.removeprefix("weight ")) for s in small] == pytest.approx(
        weights, abs=6e-4
    )
    for token in (0, 7, 35, 60):
        maps.nth(3).locator(f'[data-at="{token}"]').click()
        number = number_of(maps.nth(1).locator("b").inner_text())
        wanted = h[0, :, :, 1].flatten()[token].item()
        assert number == pytest.approx(wanted, abs=2e-3)
    assert figure.state.endswith(";token=60")
    figure.button("open").nth(1).click()
    assert maps.count() == 0


def test_a_link_says_it_all(open_figure, trained):
    widget = trained.widget(mean_over=trained.images[:50])
    text = f"v1;picture={'g0' * 32};other=two;off=1hw.2c;hold=1mean;open=2;channel=31"
    figure = open_figure(widget, f"live={text};token=63")
    figure.press("copy")
    link = figure.part("link").locator("input").input_value()
    assert link.endswith(f"#live={text};token=63")
    assert "asks for" not in figure.said
    assert figure.box.locator(".vip-live-map").count() == 6
    for bad in ("off=3h", "off=1wh", "off=2c.1h", "hold=1half", "open=3", "token=64"):
        broken = open_figure(widget, f"live=v1;{bad}")
        assert broken.said.startswith(f"This link asks for “{bad}”")
    unknown = open_figure(trained.widget(), "live=v1;hold=1mean")
    assert unknown.said.startswith("This link asks for “hold=1mean”")


def test_a_picture_that_is_one_grey_and_one_class(open_figure):
    model = network(num_classes=1, img_size=4)
    widget = LiveViP(model, S, {"grey": torch.full((4, 4), 0.5)}, ["only"], name="one")
    figure = open_figure(widget)
    assert figure.said == "Grey: the network answers only, with probability 1.000."
    assert patterns(4, 4).keys() == dict(LiveViP(model, S).pictures).keys()


# --- Weights that come later -------------------------------------------------------


@pytest.fixture
def open_built(open_page, places):
    """A page as the Sphinx extension finishes it, with the figure far down or not."""
    extension = pytest.importorskip("vip_site")

    def open_built(*widgets, protocol="http", fragment="", far=False, **options):
        app = SimpleNamespace(
            outdir=places.folder,
            add_css_file=lambda *a, **k: None,
            add_js_file=lambda *a, **k: None,
        )
        body = "".join(widget.static_html() for widget in widgets)
        context = {
            "body": body,
            "script_files": [],
            "pathto": lambda name, resource: f"../{name}",
        }
        extension._finish_page(app, "built", "page.html", context, None)
        assert widgets[0].weights["base64"] not in context["body"]
        space = '<div style="height: 5000px">Far above</div>' if far else ""
        html = page_of(space + context["body"])
        (places.folder / "lens/built.html").write_text(html, encoding="utf-8")
        return open_page(places(protocol, "lens/built.html") + fragment, **options)

    return open_built


COUNT = "document.querySelectorAll('script[src*=vip-data]').length"
SHIFTS = """
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const { value } of list.getEntries()) shifts.push(value);
  }).observe({ type: "layout-shift", buffered: true });
"""


@pytest.mark.parametrize("protocol", ["http", "file"])
def test_weights_load_when_the_reader_comes_near(open_built, trained, protocol):
    page = open_built(trained.widget(), protocol=protocol, far=True, script=SHIFTS)
    assert page.evaluate(COUNT) == 0
    parts = [".vip-live-scores", ".vip-live-weights", ".vip-live-head"]
    still = [page.locator(part).all_inner_texts() for part in parts]
    assert "▸ 7" in still[0][0]  # the first frame has the real answer
    page.mouse.wheel(0, 5000)
    figure = Figure(page, "live")
    assert page.evaluate(COUNT) == 1
    assert page.evaluate("shifts") == []
    assert [page.locator(part).all_inner_texts() for part in parts] == still
    figure.setting("picture").select_option("three")
    assert shown(figure)[1] == "3"


def test_a_link_to_the_figure_loads_them_too(open_built, trained):
    figure = Figure(
        open_built(trained.widget(), far=True, fragment="#live=v1;picture=two"), "live"
    )
    assert shown(figure)[1] == "2" and figure.page.evaluate("scrollY") > 3000


@pytest.mark.slow
def test_two_figures_of_one_network_load_it_once(open_built, trained):
    page = open_built(trained.widget(), trained.widget(name="again"))
    for name in ("live", "again"):
        Figure(page, name).setting("on0h").uncheck()
    assert page.evaluate(COUNT) == 1


def test_where_they_cannot_be_loaded_the_first_frame_says_so(
    open_built, trained, fence, places
):
    other = LiveViP(network(), S, name="other")
    page = open_built(other, far=True)
    for file in (places.folder / "_static/vip-data").iterdir():
        file.unlink()
    page.mouse.wheel(0, 5000)
    page.locator("#other .vip-say", has_text="could not be loaded").wait_for()
    assert page.locator("#other .vip-triangle").count() == 2
    assert page.locator("#other button:enabled").count() == 0
    assert page.locator("#elsewhere").is_visible()
    assert len(fence.console) == 1 and "404" in fence.console.pop()
    assert fence.errors == []
