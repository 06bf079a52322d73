"""The memory strip: every address that it tells, against PyTorch; how it is walked."""

import pytest
import torch

from tables import in_turn
from vip_tutorial.figures import MemoryStrip

X = torch.arange(24.0).reshape(2, 3, 4) / 2
MOVES = {
    "turned": lambda x: x.permute(2, 0, 1),
    "cut": lambda x: x.reshape(4, 6),
    "part": lambda x: x[:, 1:, ::2],
    "flat": lambda x: x.permute(2, 1, 0).reshape(-1),
}


@pytest.fixture(scope="module")
def strip():
    return MemoryStrip(X, MOVES, name="strip")


def test_each_tensor_is_read_as_pytorch_reads_it(strip):
    read = {told["label"]: told for told in strip.tensors}
    copies = []
    for label, move in {"x": lambda x: x, **MOVES}.items():
        told, y = read[label], move(X)
        memory = torch.tensor([X.flatten()[birth] for birth in told["strip"]])
        again = memory.as_strided(told["shape"], told["strides"], told["start"])
        assert torch.equal(again, y)
        if told["copy"]:
            copies.append(label)
        else:
            assert told["strip"] == list(range(24))
            assert (told["strides"], told["start"]) == (
                list(y.stride()),
                y.storage_offset(),
            )
    assert copies == ["flat"]


def test_jumps_lead_to_what_is_clicked(open_figure, strip):
    figure = open_figure(strip, reduced_motion="reduce")
    grid = figure.figure.locator(".vip-strip-grid")
    for view, (_, move) in enumerate({"x": lambda x: x, **MOVES}.items()):
        figure.button("view").nth(view).click()
        y = move(torch.arange(24).reshape(2, 3, 4))
        for at in ((0,) * y.ndim, tuple(size - 1 for size in y.shape)):
            birth = int(y[at])
            grid.locator(f'[data-at="{birth}"]').click()
            address = y.storage_offset() + sum(
                c * stride for c, stride in zip(at, y.stride())
            )
            body = figure.part("body").inner_text()
            assert f"[{', '.join(map(str, at))}] lies at" in body
            assert body.rstrip().endswith(f"= {address}")
            jumps = figure.figure.locator(".vip-jump text").all_text_contents()
            assert y.storage_offset() + sum(map(int, jumps)) == address
            assert len(jumps) == sum(at)


def test_arrows_walk_the_grid_and_the_strip(open_figure, strip):
    figure = open_figure(strip)
    figure.figure.locator(".vip-strip-grid").focus()
    for key, at in (
        ("ArrowRight", 1),
        ("ArrowDown", 5),
        ("Shift+ArrowRight", 17),  # along the third axis from the end
        ("ArrowUp", 13),
        ("ArrowUp", 13),  # there it ends
        ("ArrowLeft", 12),
    ):
        figure.page.keyboard.press(key)
        assert figure.state == f"v1;at={at}"
    figure.button("view").nth(3).click()  # a part of x: 12 is not in it
    assert figure.state == "v1;view=3;at=4"
    figure.figure.locator("[data-keys=strip]").focus()
    figure.page.keyboard.press("ArrowRight")  # over what the view skips
    assert figure.state == "v1;view=3;at=6"


@in_turn(
    "arguments, error, told",
    [
        ({"x": [1, 2]}, TypeError, "x is a list"),
        ({"x": torch.zeros(7, 7)}, ValueError, r"shape \(7, 7\)"),
        ({"x": X.permute(2, 0, 1)}, ValueError, "it is a view of another tensor"),
        ({"moves": [abs]}, TypeError, "moves must be a dict"),
        ({"moves": {"twice": lambda x: x + x}}, ValueError, "twice must hold numbers"),
        ({"moves": {"wide": lambda x: x.expand(2, 2, 3, 4)}}, ValueError, "each once"),
        (
            {"moves": {"all": lambda x: x.tolist()}},
            ValueError,
            "must give a tensor",
        ),
        ({"at": 24}, ValueError, "0 to 23"),
        ({"at": 1, "start": "v1"}, ValueError, "give one of them"),
    ],
)
def test_arguments_that_it_cannot_take(arguments, error, told):
    with pytest.raises(error, match=told):
        MemoryStrip(**{"x": X, **arguments})
