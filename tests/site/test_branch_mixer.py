"""The branch mixer's numbers against PyTorch, and the mixer drawn on by a reader."""

import json
import math
import re
from functools import partial

import pytest
import torch
from torch import nn

from vip_tutorial import PermuteMLP, WeightedPermuteMLP
from vip_tutorial.experiments import results
from vip_tutorial.experiments.brush import Pen, covered, distances
from vip_tutorial.figures import BranchMixer
from vip_tutorial.figures.shared.pictures import LEVELS
from vip_tutorial.mixers.dynamic import DynamicPermuteMLP
from vip_tutorial.networks import pretrained
from vip_tutorial.study.branch_weights import exchanged_order, weights_by_block
from vip_tutorial.training.data import as_tokens, digit, patterns

PEN = Pen(**results.read("brush")["pen"])


@pytest.fixture(scope="module")
def core(engine_of):
    return engine_of("branch_mixer.js")


def module_and_embed(C=32, seed=0, **options):
    torch.manual_seed(seed)
    return WeightedPermuteMLP(C, 8, **options), partial(as_tokens, dim=C)


def mixer(C=16, seed=0, **options):
    return BranchMixer(*module_and_embed(C, seed), **options)


def truth(module, embed, picture):
    """The module's own weights of one picture, `(3, C)`."""
    with torch.no_grad():
        x = embed(picture.float()).double()
        exact = type(module)(
            module.dim,
            module.segment_dim,
            module.mlp_c.bias is not None,
            branch_order=module.branch_order,
        ).double()
        exact.load_state_dict(module.state_dict())
        return exact.branch_weights(*exact.branches(x))[:, 0]


def in_the_page(core, block, picture, temperature=1):
    ink = picture.double().flatten().tolist()
    given = f"{json.dumps(block)}, {json.dumps(ink)}, {temperature}"
    found = core.eval(f"JSON.stringify($branch_mixer.weightsOf({given}))")
    points = json.loads(found)
    return torch.tensor([[p[b] for p in points] for b in "hwc"], dtype=torch.float64)


# --- The numbers -------------------------------------------------------------------


def test_erf_and_gelu(core):
    xs = torch.linspace(-9, 9, 1801, dtype=torch.float64)
    xs = torch.cat([xs, torch.tensor([1e-9, -1e-300, 0.0], dtype=torch.float64)])
    found = json.loads(core.eval(f"JSON.stringify({xs.tolist()}.map($layers.erf))"))
    for x, y in zip(xs.tolist(), found):
        assert math.isclose(y, math.erf(x), rel_tol=2e-15, abs_tol=1e-300), x
    found = json.loads(core.eval(f"JSON.stringify({xs.tolist()}.map($layers.gelu))"))
    found = torch.tensor(found, dtype=torch.float64)
    torch.testing.assert_close(found, nn.functional.gelu(xs), rtol=0, atol=1e-14)


@pytest.mark.parametrize("order", ["hwc", "cwh"])
@pytest.mark.parametrize("C, bias", [(16, False), (32, True)])
def test_weights_are_pytorchs(core, C, bias, order):
    module, embed = module_and_embed(C, qkv_bias=bias, branch_order=order)
    block = BranchMixer(module, embed).blocks[0]
    pictures = [digit(3)[0], torch.rand(8, 8), *patterns(seed=5).values()]
    for picture in pictures:
        found = in_the_page(core, block, picture)
        torch.testing.assert_close(
            found, truth(module, embed, picture), atol=1e-6, rtol=0
        )
        torch.testing.assert_close(found.sum(0), torch.ones(C, dtype=torch.float64))


@pytest.mark.parametrize("scores", [[0, 1, -2], [1000, 1001, 999], [-2000, 0, 5]])
def test_softmax(core, scores):
    found = json.loads(core.eval(f"JSON.stringify($layers.softmax({scores}))"))
    truth = torch.tensor(scores, dtype=torch.float64).softmax(0)
    torch.testing.assert_close(torch.tensor(found, dtype=torch.float64), truth)


def test_patches_with_a_bias(core):
    torch.manual_seed(0)
    conv = nn.Conv2d(1, 16, kernel_size=2, stride=2)
    module = WeightedPermuteMLP(16, 4)

    def embed(picture):
        return conv(picture[None, None]).permute(0, 2, 3, 1)

    block = BranchMixer(module, embed).blocks[0]
    picture = torch.rand(8, 8)
    torch.testing.assert_close(
        in_the_page(core, block, picture),
        truth(module, embed, picture),
        atol=1e-6,
        rtol=0,
    )


def at_temperature(module, temperature):
    """The same parameters, in a module with this temperature."""
    exact = DynamicPermuteMLP(
        module.dim, module.segment_dim, temperature=temperature
    ).double()
    exact.load_state_dict(module.state_dict())
    return exact


@pytest.mark.parametrize("temperature", [0.01, 0.25, 0.316, 1, 4, 100])
def test_the_temperature_is_pytorchs(core, temperature):
    module, embed = module_and_embed(16)
    exact = at_temperature(module, temperature)
    block = BranchMixer(module, embed).blocks[0]
    for picture in [digit(3)[0], *patterns(seed=5).values()]:
        with torch.no_grad():
            truth = exact.branch_weights(*exact.branches(embed(picture).double()))
        found = in_the_page(core, block, picture, temperature)
        torch.testing.assert_close(
            found, truth[:, 0], atol=max(1e-6, 1e-6 / temperature), rtol=0
        )


def first_block(temperature=None, **options):
    """The first block of the trained network, as a figure, and the network."""
    model, scale = pretrained.load("digits"), pretrained.scale("digits")

    def embed(picture):
        return model.patch_embed(((picture - scale.mean) / scale.spread)[None, None])

    block = model.blocks[0]
    figure = BranchMixer(
        block.attn, embed, norm=block.norm1, temperature=temperature, **options
    )
    return figure, model, scale


def test_a_trained_block_behind_its_norm(core):
    figure, model, scale = first_block()
    anything = torch.randint(17, (8, 8)) / 16
    for picture in [digit(3)[0], digit(44)[0], anything, *patterns(seed=5).values()]:
        image = ((picture * 16).round() / 16 - scale.mean) / scale.spread
        image = image[None, None].double()
        real, *_ = weights_by_block(model.double(), image).values()
        found = in_the_page(core, figure.blocks[0], picture)
        torch.testing.assert_close(found, real[:, 0], atol=5e-6, rtol=0)


@pytest.mark.parametrize(
    ("picture", "told"),
    [
        ("eight", "at this temperature each channel stays where it is"),
        ("seven", "both have the same pooled vector"),
    ],
)
def test_points_that_do_not_move_have_one_of_two_reasons(picture, told):
    """So cold that every channel is decided, or really the same picture."""
    start = f"v1;picture={picture};other=seven"
    pictures = {"seven": digit(7)[0], "eight": digit(8)[0]}
    figure, _, _ = first_block(0.01, pictures=pictures, start=start)
    frame = first_frame(figure)
    assert f"no point moves: {told}." in frame


def test_the_labels_follow_the_order():
    module, embed = module_and_embed(16)
    article = WeightedPermuteMLP(16, 8, branch_order="cwh")
    article.load_state_dict(exchanged_order(module.state_dict()))
    frames = [first_frame(BranchMixer(m, embed)) for m in (module, article)]
    assert frames[0] == frames[1]
    article.load_state_dict(module.state_dict())
    assert first_frame(BranchMixer(article, embed)) != frames[0]


def test_places_in_the_triangle(core):
    def place(weights, zoom=1):
        found = core.eval(
            f"JSON.stringify($triangle.placeOf({weights}, {zoom}) ?? null)"
        )
        return json.loads(found)

    corners = {"h": [200, 30], "w": [372, 328], "c": [28, 328]}
    for branch, corner in corners.items():
        weights = {b: float(b == branch) for b in "hwc"}
        assert place(weights) == corner
        assert place(weights, 2) is None  # outside
        enlarged = {b: 1 / 3 + (2 / 3 if b == branch else -1 / 3) / 4 for b in "hwc"}
        assert place(enlarged, 4) == corner
    third = {b: 1 / 3 for b in "hwc"}
    for zoom in (1, 8):
        middle = [sum(c[axis] for c in corners.values()) / 3 for axis in (0, 1)]
        assert place(third, zoom) == pytest.approx(middle, abs=0.05)


# --- What is refused ---------------------------------------------------------------


class TokenWise(WeightedPermuteMLP):
    """One set of weights for each token: a different way to make them."""

    def branch_weights(self, h, w, c):
        return super().branch_weights(
            *(b.flatten(0, 2)[:, None, None] for b in (h, w, c))
        )


class Maximum(WeightedPermuteMLP):
    def branch_weights(self, h, w, c):
        pooled = (h + w + c).amax(dim=(1, 2), keepdim=True)
        return super().branch_weights(pooled, pooled * 0, pooled * 0)


@pytest.mark.parametrize("kind", [TokenWise, Maximum, "relu"])
def test_weights_made_in_another_way_are_refused(kind):
    if kind == "relu":
        module = WeightedPermuteMLP(16, 8)
        module.reweight.act = nn.ReLU()
    else:
        module = kind(16, 8)
    with pytest.raises(ValueError, match="in another way than the figure"):
        BranchMixer(module, partial(as_tokens, dim=16))


def test_arguments_that_do_not_fit():
    module, embed = module_and_embed(16)
    with pytest.raises(TypeError, match="PermuteMLP; branch weights"):
        BranchMixer(PermuteMLP(16, 8), embed)
    with pytest.raises(ValueError, match="embed is not linear"):
        BranchMixer(module, lambda p: embed(p) ** 2)
    with pytest.raises(ValueError, match="pictures is empty"):
        BranchMixer(module, embed, {})
    with pytest.raises(ValueError, match=r"'a b'.*letters, digits and hyphens"):
        BranchMixer(module, embed, {"a b": torch.zeros(8, 8)})
    with pytest.raises(ValueError, match=r"shape \(8,\); it must be"):
        BranchMixer(module, embed, {"a": torch.zeros(8)})
    with pytest.raises(ValueError, match=r"'b' has shape \(8, 4\).*= \(8, 8\)"):
        BranchMixer(module, embed, {"a": torch.zeros(8, 8), "b": torch.zeros(8, 4)})
    for level in (1.5, -1, math.nan):
        with pytest.raises(ValueError, match="grey levels go from 0"):
            BranchMixer(module, embed, {"a": torch.full((8, 8), level)})
    with pytest.raises(TypeError, match="no argument size_"):
        BranchMixer(module, embed, size_=3)


def test_a_norm_wants_a_pixel_a_token():
    torch.manual_seed(0)
    norm = nn.LayerNorm(16)
    module, embed = module_and_embed(16)
    conv = nn.Conv2d(1, 16, kernel_size=2, stride=2)
    patches = WeightedPermuteMLP(16, 4)
    with pytest.raises(ValueError, match="each pixel must be a token"):
        BranchMixer(patches, lambda p: conv(p[None, None]).movedim(1, 3), norm=norm)
    places = torch.rand(8, 8, 16)
    with pytest.raises(ValueError, match="or tokens that differ"):
        BranchMixer(module, lambda p: embed(p) + places, norm=norm)
    # Three directions at least: no two numbers for each level say where it leads.
    for curved in (lambda x: (9 * x).sin(), torch.tanh):
        with pytest.raises(ValueError, match="norm is none that the figure can show"):
            BranchMixer(module, embed, norm=curved)


def along_rows(x):
    """A norm over the channels that takes in the row, too."""
    return x + (x - x.mean(dim=2, keepdim=True))


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(8), along_rows])
def test_a_norm_that_looks_at_other_pixels_is_named(norm):
    module, embed = module_and_embed(16)
    with pytest.raises(ValueError, match="each token must depend on its pixel alone"):
        BranchMixer(module, embed, norm=norm)


@pytest.mark.parametrize(
    "norm, kind, said",
    [
        (3, TypeError, "norm is 3; it must be a function"),
        ("ln", TypeError, "norm is 'ln'; it must be a function"),
        (nn.LayerNorm(8), ValueError, r"tokens \(1, 8, 8, 16\) of torch.float32"),
        (
            nn.LayerNorm(16).double(),
            ValueError,
            "give one for 16 channels of this dtype",
        ),
        (lambda x: None, TypeError, "norm returned None for the tokens"),
        (lambda x: x[..., :3], TypeError, r"norm returned \(1, 8, 8, 3\) for"),
    ],
)
def test_what_is_no_norm_for_these_tokens(norm, kind, said):
    module, embed = module_and_embed(16)
    with pytest.raises(kind, match=said):
        BranchMixer(module, embed, norm=norm)


@pytest.mark.parametrize("norm", [nn.LayerNorm(16), nn.RMSNorm(16), nn.Identity()])
def test_norms_that_make_a_plane(norm):
    module, embed = module_and_embed(16)
    for each in (module, module.double()):
        BranchMixer(each, embed, norm=norm.to(each.mlp_c.weight.dtype))


def test_other_kinds_of_weights_are_refused():
    embed = partial(as_tokens, dim=16)
    for kind in ("static", "token"):
        module = DynamicPermuteMLP(16, 8, weights=kind)
        with pytest.raises(ValueError, match="in another way than the figure"):
            BranchMixer(module, embed)
    BranchMixer(DynamicPermuteMLP(16, 8), embed)


@pytest.mark.parametrize("temperature", [0, -1, 0.009, 100, math.nan, math.inf])
def test_a_temperature_that_cannot_be(temperature):
    with pytest.raises(ValueError, match=r"at least 0\.01 and below 100"):
        mixer(temperature=temperature)


def test_a_temperature_is_rounded_to_one_that_can_be():
    assert mixer(temperature=99.99).start == "v1;temperature=99.9"


def test_a_temperature_that_is_said_wrongly():
    with pytest.raises(TypeError, match="temperature is 'cold'; it must be a number"):
        mixer(temperature="cold")
    with pytest.raises(ValueError, match="say the temperature as an argument"):
        mixer(start="v1;temperature=2")


def first_frame(widget) -> str:
    site = pytest.importorskip("vip_site.figures", exc_type=ImportError)
    return site.first_frame("branch_mixer", widget.page_state())


DAMAGE = {
    "size": lambda data: data.update(size=[8, 0]),
    "pictures": lambda data: data.update(pictures=[["a", "012"]]),
    "levels": lambda data: data["pictures"][0].__setitem__(1, "z" * 64),
    "no blocks": lambda data: data.update(blocks=[]),
    "order": lambda data: data["blocks"][0].update(order="hhc"),
    "matrix": lambda data: data["blocks"][0]["fc1"]["weight"].pop(),
    "offset": lambda data: data["blocks"][0]["fc1"]["bias"].pop(),
    "row": lambda data: data["blocks"][0]["fc1"]["weight"][3].pop(),
    "no curves": lambda data: data["blocks"][0].update(curves=None),
    "curve": lambda data: data["blocks"][0].update(curves=[[0, 1]]),
    "curves": lambda data: data["blocks"][0].update(curves=[[0] * 17, [1] * 17]),
    "two of three": lambda data: [
        part.pop() for part in data["blocks"][0]["fc2"].values()
    ],
    "text": lambda data: data["blocks"][0]["fc1"]["bias"].__setitem__(0, "1"),
    "nothing": lambda data: data["blocks"][0]["fc2"].update(weight=None),
    "fc2": lambda data: data["blocks"][0]["fc2"]["weight"].pop(),
}


@pytest.mark.parametrize("spoil", DAMAGE.values(), ids=list(DAMAGE))
def test_damaged_numbers_get_a_sentence(core, spoil):
    data = mixer().page_state()
    spoil(data)
    html = core.eval(f"$branch_mixer.firstFrame({json.dumps(data)})")
    assert html.startswith('<p class="vip-problem">This figure cannot be drawn: ')
    assert "damaged" in html or "no size" in html


def test_names_of_pictures_are_escaped(core):
    data = mixer().page_state()
    data["pictures"][0][0] = "<script>alert(1)</script>"
    assert "<script>" not in core.eval(f"$branch_mixer.firstFrame({json.dumps(data)})")


# --- A reader at work --------------------------------------------------------------


def shown(figure):
    """The table's numbers: of the followed channel, of the mean, of the leads."""
    rows = figure.box.locator("tbody tr").all()
    cells = [[c.inner_text() for c in row.locator("td").all()] for row in rows]
    one, mean = ([float(row[k]) for row in cells] for k in (0, 2))
    return one, mean, [int(row[3]) for row in cells]


def check(figure, widget, module, embed, picture, channel=0):
    """The table says what PyTorch computes from the picture."""
    weights = truth(module, embed, picture)
    one, mean, leads = shown(figure)
    assert one == pytest.approx(weights[:, channel].tolist(), abs=6e-4)
    assert mean == pytest.approx(weights.mean(1).tolist(), abs=6e-4)
    assert leads == weights.argmax(0).bincount(minlength=3).tolist()
    # The state says which picture that is, also to Python.
    widget.state = figure.state or ""
    assert torch.equal(widget.picture, picture)


def drawn(figure):
    """The picture on the page, read from its pixels' colours."""
    fills = figure.box.locator("[data-at]").evaluate_all(
        "all => all.map((one) => one.getAttribute('fill'))"
    )
    dark = [int(fill[1:3], 16) for fill in fills]
    return torch.tensor([(0xE8 - v) / (0xE8 - 0x14) * 16 for v in dark]).round() / 16


def scale_of(figure):
    """Where on the page the picture begins, and how large a pixel of it is."""
    box = figure.box.locator("[data-stroke]").bounding_box()
    scale = box["width"] / 8.2
    return box["x"] + 0.1 * scale, box["y"] + 0.1 * scale, scale


def place(figure, x, y):
    """A whole place on the page; x and y in pixels of the picture."""
    left, top, scale = scale_of(figure)
    return round(left + x * scale), round(top + y * scale)


def on_paper(figure, *places, pen=PEN):
    """The ink, 0 to 1, of a stroke through these places on the page."""
    left, top, scale = scale_of(figure)
    points = torch.tensor(places, dtype=torch.float64) - torch.tensor([left, top])
    path = points / scale
    pieces = torch.stack([torch.cat([path[:1], path[:-1]]), path], dim=1)
    return covered(distances(pieces, 8, 8), pen) / 16


def pixel(figure, row, column):
    return place(figure, column + 0.5, row + 0.5)


def test_pictures_are_chosen_and_channels_followed(open_figure):
    module, embed = module_and_embed(16)
    widget = BranchMixer(module, embed)
    figure = open_figure(widget)
    check(figure, widget, module, embed, digit(7)[0])
    for name, picture in patterns().items():
        figure.setting("picture").select_option(name)
        assert figure.state == f"v1;picture={name}"
        assert torch.equal(drawn(figure), picture.flatten())
        check(figure, widget, module, embed, picture)
    figure.setting("picture").select_option("seven")
    assert figure.state == "v1"
    figure.setting("channel").focus()
    for _ in range(5):
        figure.page.keyboard.press("ArrowRight")
    assert figure.state == "v1;channel=5"
    check(figure, widget, module, embed, digit(7)[0], channel=5)
    assert "Channel 5 takes" in figure.said
    far = truth(module, embed, digit(7)[0]).amax(0).argmax().item()
    for part in (f'g[data-value="{far}"] rect', f'circle[data-value="{far}"]'):
        figure.press("reset")
        figure.box.locator(part).click(force=True)
        assert figure.state == f"v1;channel={far}"
    check(figure, widget, module, embed, digit(7)[0], channel=far)


def test_drawing_hard_with_the_mouse(open_figure):
    module, embed = module_and_embed(16)
    widget = BranchMixer(module, embed)
    figure = open_figure(widget)
    figure.press("clear")
    figure.setting("hard").check()
    assert figure.state == f"v1;picture={'0' * 64}"  # a brush stands in no link
    picture = torch.zeros(8, 8)
    check(figure, widget, module, embed, picture)
    mouse = figure.page.mouse
    mouse.move(*pixel(figure, 2, 1))
    mouse.down()
    for column in range(1, 6):
        mouse.move(*pixel(figure, 2, column), steps=3)
        picture[2, column] = 1
    mouse.up()
    mouse.move(*pixel(figure, 6, 6))  # with no button down
    assert torch.equal(drawn(figure), picture.flatten())
    check(figure, widget, module, embed, picture)
    assert figure.setting("picture").input_value() == "own"
    mouse.move(*pixel(figure, 2, 3))  # a stroke may begin on ink
    mouse.down()
    mouse.move(*pixel(figure, 7, 3))  # a leap, and no gap
    mouse.move(*pixel(figure, 7, -12))  # out of the figure, and in elsewhere
    mouse.move(*pixel(figure, 5, -12))
    mouse.move(*pixel(figure, 5, 0))
    mouse.up()
    picture[2:, 3] = picture[7, :3] = picture[5, 0] = 1
    for button in ("right", "middle"):
        mouse.click(*pixel(figure, 6, 6), button=button)
    check(figure, widget, module, embed, picture)
    figure.setting("rub").check()
    mouse.move(*pixel(figure, 2, 2))
    mouse.down()
    mouse.move(*pixel(figure, 2, 4))
    mouse.up()
    picture[2, 2:5] = 0
    check(figure, widget, module, embed, picture)
    figure.press("clear")
    assert not figure.setting("rub").is_checked()
    assert figure.said.startswith("The drawing. The largest weight is that of height")


def test_drawing_with_the_mouse(open_figure):
    """The pen covers parts of pixels, wherever between them the pointer was."""
    module, embed = module_and_embed(16)
    widget = BranchMixer(module, embed)
    figure = open_figure(widget)
    figure.press("clear")
    mouse = figure.page.mouse

    def stroke(*path):
        mouse.move(*path[0])
        mouse.down()
        for to in path[1:]:
            mouse.move(*to)
        mouse.up()

    dot = place(figure, 2.3, 1.4)
    stroke(dot)  # a click without a drag
    picture = on_paper(figure, dot)
    assert 0 < picture.count_nonzero() <= 4 and 0 < picture.max() < 1
    check(figure, widget, module, embed, picture)
    corner = [place(figure, *to) for to in ((6.2, 1.3), (6.2, 6.8), (1.4, 7.2))]
    stroke(*corner)
    picture = torch.maximum(picture, on_paper(figure, *corner))
    check(figure, widget, module, embed, picture)
    stroke(*corner)  # once more: what is inked stays as it is
    check(figure, widget, module, embed, picture)
    figure.setting("rub").check()
    stroke(*corner[:2])
    gone = on_paper(figure, *corner[:2], pen=Pen(2 * PEN.width))
    assert torch.equal(gone[2:6, 6], torch.ones(4))
    picture = torch.minimum(picture, 1 - gone)
    check(figure, widget, module, embed, picture)


def test_drawing_with_a_finger(open_figure):
    module, embed = module_and_embed(16)
    widget = BranchMixer(module, embed, {"blank": torch.zeros(8, 8)})
    figure = open_figure(widget, has_touch=True, width=360, height=300)
    finger = figure.page.context.new_cdp_session(figure.page)

    def touch(kind, *points):
        points = [{"x": x, "y": y} for x, y in points]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    path = [pixel(figure, row, 4) for row in range(1, 7)]
    touch("touchStart", path[0])
    for to in path[1:]:
        touch("touchMove", to)
    touch("touchMove", path[-1], pixel(figure, 0, 0))  # a second finger
    touch("touchEnd")
    assert figure.page.evaluate("scrollY") == 0  # it drew and did not scroll
    check(figure, widget, module, embed, on_paper(figure, *path))


def test_drawing_with_keys(open_figure):
    module, embed = module_and_embed(16)
    widget = BranchMixer(module, embed, {"blank": torch.zeros(8, 8)})
    figure = open_figure(widget)
    grid = figure.box.locator("[data-keys=draw]")
    grid.focus()
    press = figure.page.keyboard.press
    press("ArrowUp")  # there is nothing above
    assert figure.heard == "Row 0, column 0: paper."
    press("ArrowDown")
    press("ArrowRight")
    assert figure.heard == "Row 1, column 1: paper."
    assert figure.state == "v1"  # a place is no picture
    press(" ")
    assert figure.heard == "Row 1, column 1: ink."
    assert figure.said.startswith("The drawing.")
    press("ArrowRight")
    press("5")
    assert figure.heard == "Row 1, column 2: grey, 9 sixteenths."
    assert "Row 1, column 2" in grid.get_attribute("aria-label")
    picture = torch.zeros(8, 8)
    picture[1, 1], picture[1, 2] = 1, 9 / 16
    check(figure, widget, module, embed, picture)
    assert grid.evaluate("(el) => el === document.activeElement")
    press("ArrowLeft")
    for _ in range(4):  # held down
        figure.page.keyboard.down(" ")
    figure.page.keyboard.up(" ")
    picture[1, 1] = 0
    check(figure, widget, module, embed, picture)
    figure.press("reset")
    assert figure.heard == ""
    check(figure, widget, module, embed, torch.zeros(8, 8))


@pytest.mark.slow
def test_a_drawing_stands_in_the_link(open_figure):
    module, embed = module_and_embed(16)
    widget = BranchMixer(module, embed)
    levels = torch.randint(17, (8, 8))
    text = "".join(LEVELS[level] for level in levels.flatten())
    figure = open_figure(widget, f"mixer=v1;picture={text};channel=3")
    check(figure, widget, module, embed, levels / 16, channel=3)
    broken = open_figure(widget, f"mixer=v1;picture={text[1:]};channel=16")
    assert broken.said.startswith("This link asks for “picture=")
    assert "channel=16" in broken.said


def test_comparing(open_figure):
    module, embed = module_and_embed(16)
    figure = open_figure(BranchMixer(module, embed))
    moves = figure.box.locator(".vip-triangle > path:not([class])")
    assert moves.count() == 0
    figure.setting("other").select_option("blank")
    assert moves.count() > 8
    seven, blank = (truth(module, embed, p) for p in (digit(7)[0], patterns()["blank"]))
    change = (seven - blank).abs().amax(0)
    found = re.search(
        r"channel (\d+) moves .* by ([\d.]+)\. .* ([\d.]+) on", figure.said
    )
    assert int(found[1]) == change.argmax()
    assert float(found[2]) == pytest.approx(change.max().item(), rel=0.06)
    assert float(found[3]) == pytest.approx(change.mean().item(), rel=0.06)
    linked = open_figure(
        BranchMixer(module, embed), "mixer=v1;picture=noise;other=seven"
    )
    assert linked.setting("other").input_value() == "seven"
    assert linked.said.startswith("From seven to noise, channel")
    figure.press("keep")  # the first picture, which the state does not name
    assert figure.state == "v1;other=seven" and moves.count() == 0
    figure.setting("picture").select_option("checkerboard")
    figure.press("keep")
    assert figure.state == "v1;picture=checkerboard;other=checkerboard"
    figure.setting("picture").select_option("even-grey")
    assert "no point moves" in figure.said and moves.count() == 0
    figure.page.mouse.click(*pixel(figure, 0, 0))
    assert "no point moves" not in figure.said
    figure.press("keep")
    assert figure.setting("other").input_value() == "own"
    assert "no point moves" in figure.said


def test_freezing_and_the_mean(open_figure):
    widget = mixer()
    figure = open_figure(widget, "mixer=v1;other=blank")
    dots = figure.box.locator("g[data-do]")
    assert dots.count() == 16
    figure.setting("freeze").check()
    one, mean, leads = shown(figure)
    assert one == mean == [0.333] * 3 and leads == [0, 0, 0]
    assert figure.said.startswith("Frozen: every channel takes one third")
    places = {dot.inner_html() for dot in dots.all()}
    assert len(places) == 1
    figure.setting("freeze").uncheck()
    figure.setting("show").check()
    assert figure.state == "v1;other=blank;show=mean" and dots.count() == 0
    weights = truth(*module_and_embed(16), digit(7)[0])
    low, high = (f"{v:.3f}" for v in (weights[0].min(), weights[0].max()))
    assert f"their height weights run from {low} to {high}" in figure.said


def test_enlarging_says_what_is_left_out(open_figure):
    figure = open_figure(mixer())
    for zoom in (2, 4, 8):
        figure.setting("zoom").select_option(str(zoom))
        weights = truth(*module_and_embed(16), digit(7)[0])
        inside = (1 / 3 + (weights - 1 / 3) * zoom >= 0).all(0).sum()
        assert figure.box.locator("g[data-do]").count() == inside
        told = re.search(r"Points outside of this view: (\d+)", figure.said)
        assert int(told[1] if told else 0) == 16 - inside
    assert inside < 16


# --- The temperature ---------------------------------------------------------------


def test_no_slider_unless_it_is_asked_for(open_figure):
    figure = open_figure(mixer(), "mixer=v1;temperature=0.25")
    assert figure.setting("temperature").count() == 0
    assert "temperature=0.25" in figure.said  # as what this figure does not have
    assert "Temperature" not in figure.said


@pytest.mark.slow
def test_the_slider_moves_the_cloud(open_figure):
    widget, model, scale = first_block(temperature=1, start="v1;channel=3")
    figure = open_figure(widget)
    attn = model.blocks[0].attn
    image = (digit(7)[0] - scale.mean) / scale.spread
    with torch.no_grad():
        x = model.blocks[0].norm1(model.patch_embed(image[None, None])).double()

    def check_at(temperature):
        exact = at_temperature(attn, temperature)
        with torch.no_grad():
            weights = exact.branch_weights(*exact.branches(x))[:, 0]
        one, mean, leads = shown(figure)
        assert one == pytest.approx(weights[:, 3].tolist(), abs=6e-4)
        assert mean == pytest.approx(weights.mean(1).tolist(), abs=6e-4)
        assert leads == weights.argmax(0).bincount(minlength=3).tolist()
        decided = (weights.amax(0) > 0.9).sum().item()
        assert f"{decided} of 32 channels take more than 0.9" in figure.said
        return figure.said

    slider = figure.setting("temperature")
    assert "Temperature 1: nothing is changed" in check_at(1)
    slider.focus()
    for _ in range(12):
        figure.page.keyboard.press("ArrowLeft")
    assert figure.state == "v1;channel=3;temperature=0.251"
    assert slider.get_attribute("aria-valuetext") == "0.251"
    assert "driven farther apart" in check_at(0.251)
    figure.page.keyboard.press("End")
    assert figure.state == "v1;channel=3;temperature=100"
    assert "the hottest here" in check_at(100)
    figure.page.keyboard.press("ArrowLeft")
    assert "all is drawn to the middle" in check_at(89.1)
    figure.page.keyboard.press("Home")
    assert "the coldest here" in check_at(0.01)
    figure.setting("freeze").check()
    assert "Temperature" not in figure.said
    figure.press("reset")
    assert figure.state == "v1;channel=3"
    check_at(1)


def test_a_temperature_in_a_link(open_figure):
    widget, *_ = first_block(temperature=0.25)
    assert widget.start == "v1;temperature=0.25"
    for good in ("0.01", "0.25", "100", "3.1416"):
        figure = open_figure(widget, f"mixer=v1;temperature={good}")
        assert figure.said.startswith(f"Temperature {good}: ")
    # What a link does not say is the usual, not what this page began with.
    assert open_figure(widget, "mixer=v1").said.startswith("Temperature 1: ")
    for bad in ("0", "-1", "101", "0.001", "1e1", "", "warm"):
        figure = open_figure(widget, f"mixer=v1;temperature={bad}")
        assert figure.said.startswith(f"This link asks for “temperature={bad}”")
        assert "Temperature 0.25: " in figure.said  # as it began
