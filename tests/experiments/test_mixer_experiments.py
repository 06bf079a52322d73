"""The pictures of the experiments, and what was measured with them."""

from dataclasses import asdict
from functools import partial

import pytest
import torch

from tables import in_turn
from vip_tutorial.experiments import (
    ablations,
    faults,
    garments,
    mixers,
    results,
    strokes,
)
from vip_tutorial.study.cost import count_multiply_adds, count_parameters
from vip_tutorial.training import small_network, tasks
from vip_tutorial.training.data import Labelled


@pytest.fixture
def squares():
    images = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    images[0, 0, 0, 0] = 0.0
    return Labelled(images, torch.arange(6), 6)


def test_the_label_of_nested_names_stroke_and_mark(monkeypatch):
    """Four cells with a mark of three pixels each; both are found in the picture."""
    clean = partial(tasks.nested, noise=0)
    monkeypatch.setitem(tasks.TASKS, "nested", (clean, *tasks.TASKS["nested"][1:]))
    images, labels, classes = tasks.task("nested", 200, seed=5)
    assert classes == 16 and labels.unique().tolist() == list(range(16))
    for image, label in zip(images[:, 0], labels.tolist()):
        stroke, mark = divmod(label, 4)
        cells = image.reshape(4, 4, 4, 4).sum(dim=(1, 3))  # (4, 4)
        assert sorted(cells.flatten().tolist()) == [0] * 12 + [3] * 4
        assert kind(cells.nonzero()) == stroke
        for row, column in cells.nonzero().tolist():
            cell = image[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
            assert kind(cell.nonzero()) == mark


def kind(places):
    """0 a row, 1 a column, 2 the diagonal, 3 the other one."""
    rows, columns = places.diff(dim=0).T
    if (rows == 0).all():
        return 0
    if (columns == 0).all():
        return 1
    return 2 if (rows == columns).all() else 3


def test_grown_pictures_are_the_same_pictures(squares):
    assert torch.equal(mixers.grown(squares, 8).images, squares.images)
    larger = mixers.grown(squares, 24).images
    assert larger.shape == (6, 1, 24, 24)
    # Bilinear, so the mean is kept, nearly, and no pixel is outside of what there was.
    torch.testing.assert_close(
        larger.mean((1, 2, 3)), squares.images.mean((1, 2, 3)), rtol=0.05, atol=0
    )
    assert larger.min() >= squares.images.min() and larger.max() <= squares.images.max()


def test_pictures_with_fewer_pixels_are_means_of_all_of_them(squares):
    """Half the side: each pixel from four old ones a side, the border from three."""
    rows = torch.zeros(4, 8)
    for row in range(4):
        for k, share in zip(range(2 * row - 1, 2 * row + 3), (1, 3, 3, 1)):
            if 0 <= k < 8:
                rows[row, k] = share
    rows /= rows.sum(dim=1, keepdim=True)
    expected = rows @ squares.images @ rows.T
    torch.testing.assert_close(mixers.grown(squares, 4).images, expected)


@in_turn("shift", [-2.0, 0.0, 3.0])
def test_the_paper_around_a_placed_picture_is_as_dark_as_the_darkest(squares, shift):
    """Of all pictures, and not black: standardised pictures go below 0."""
    shifted = squares._replace(images=squares.images + shift)
    sheets = mixers.placed(shifted, 12).images
    for sheet, picture in zip(sheets, shifted.images):
        assert (sheet == shifted.images.min()).sum() >= 12 * 12 - 8 * 8
        expected = picture.sum() + (12 * 12 - 8 * 8) * shifted.images.min()
        torch.testing.assert_close(sheet.sum(), expected)


def test_right_is_a_count_of_pictures(monkeypatch, squares):
    fifty = Labelled(torch.zeros(50, 1, 8, 8), torch.zeros(50, dtype=torch.int64), 10)
    monkeypatch.setattr(mixers, "accuracy", lambda model, data: 0.58)
    assert 0.58 * 50 < 29  # by a little: not what is wanted
    assert mixers.right(None, fifty) == 29


@in_turn("data, side, classes", [("digits", 8, 10), ("nested", 16, 16)])
def test_what_is_filed_of_the_cost_is_what_the_variants_cost(data, side, classes):
    pictures = Labelled(torch.zeros(1, 1, side, side), torch.zeros(1), classes)
    for name, filed in results.read("mixers")["runs"][data].items():
        mixer, dim = mixers.VARIANTS[name]
        model = small_network(
            pictures,
            depth=mixers.DEPTH,
            dim=dim,
            patch_size=side // 8,
            token_mixer=mixer,
        )
        assert count_parameters(model) == filed["parameters"], name
        cost = count_multiply_adds(model, pictures.images)
        assert cost == filed["multiply_adds"], name


def test_strokes_are_counted_by_what_they_are_and_are_called():
    """Sixteen classes, four marks each: who calls every picture class 5 calls it 1."""
    scores = torch.zeros(8, 16)
    scores[:, 5] = 1
    scores[0, 12] = 2
    labels = torch.tensor([0, 4, 5, 7, 8, 12, 13, 15])
    data = Labelled(torch.zeros(8, 1, 16, 16), labels, 16)
    table = mixers.strokes_named(lambda_module(scores), data)
    wanted = [[0, 0, 0, 1], [0, 3, 0, 0], [0, 1, 0, 0], [0, 3, 0, 0]]
    assert table == wanted


def lambda_module(scores):
    class Fixed(torch.nn.Module):
        def forward(self, images):
            return scores

    return Fixed()


def test_cold_is_a_quarter():
    mixer, dim = mixers.VARIANTS["cold"]
    module = mixer(dim, segment_dim=8)
    assert module.temperature == 0.25 and not module.learned


def test_placed_pictures_lie_whole_on_a_sheet_of_paper(squares):
    sheets = mixers.placed(squares, 12).images
    corners = set()
    for sheet, picture in zip(sheets[:, 0], squares.images[:, 0]):
        found = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if torch.equal(sheet[top : top + 8, left : left + 8], picture)
        ]
        assert len(found) == 1
        assert sheet.sum().item() == pytest.approx(picture.sum().item())
        corners.update(found)
    assert len(corners) > 1
    assert torch.equal(mixers.placed(squares, 8).images, squares.images)


def test_what_is_filed_is_of_the_experiments_that_there_are():
    found = results.read("mixers")
    assert list(found["runs"]["digits"]) == list(mixers.VARIANTS)
    assert list(found["runs"]["nested"]) == list(mixers.NESTED)
    seeds = {"digits": mixers.SEEDS, "nested": mixers.NESTED_SEEDS}
    assert found["seeds"] == {data: list(each) for data, each in seeds.items()}
    for data, runs in found["runs"].items():
        for run in runs.values():
            assert len(run["right"]) == len(seeds[data])
            assert all(0 <= count <= found["of"][data] for count in run["right"])
    # A stroke that is named wrong makes the picture wrong.
    for right, table in zip(
        found["runs"]["nested"]["weighted"]["right"], found["strokes"]
    ):
        assert sum(map(sum, table)) == 1000
        assert sum(table[k][k] for k in range(4)) >= right
    # At its own size a network answers as it did, whatever the way.
    for variant in ("weighted", "conv"):
        usual = found["runs"]["digits"][variant]["right"]
        for right, ways in zip(usual, found["sizes"][variant]):
            assert {c["8"] for c in ways.values() if "8" in c} == {right}


def test_the_strokes_are_filed_with_the_seeds_that_were_named():
    filed = results.read("strokes")
    seeds = set(strokes.SEEDS)
    assert filed["seeds"] == list(strokes.SEEDS) and not seeds & {*mixers.NESTED_SEEDS}
    assert filed["recipe"] == asdict(mixers.NESTED_RECIPE)
    assert filed["stuck_below"] == strokes.STUCK_BELOW
    assert filed["settings"] == {n: s.recipe for n, s in strokes.SETTINGS.items()}
    for setting, runs in filed["runs"].items():
        for variant, right in runs.items():
            assert (setting, variant) in strokes.RUNS and len(right) <= len(seeds)
            assert all(0 <= number <= filed["of"] for number in right)


def test_weights_that_start_even_give_each_branch_a_third():
    model = mixers.network("nested", "weighted", seed=0)
    before = model.blocks[0].attn.mlp_h.weight.clone()
    strokes.even_start(model)
    attn = model.blocks[0].attn
    assert torch.equal(attn.mlp_h.weight, before)
    x = torch.randn(2, 8, 8, 32)
    weights = attn.branch_weights(*attn.branches(x))
    torch.testing.assert_close(weights, torch.full_like(weights, 1 / 3))


def test_moved_garments_keep_their_labels_and_half_are_mirrored():
    images = torch.zeros(50, 1, 32, 32)
    images[:, 0, 10:13, 8:14] = torch.arange(1.0, 7.0)  # grows from left to right
    data = Labelled(images, torch.arange(50) % 10, 10)
    moved = garments.varied(data, seed=0)
    assert len(moved.images) == garments.COPIES * 50
    assert torch.equal(moved.labels.reshape(garments.COPIES, 50)[1], data.labels)
    mirrored, places = 0, set()
    for image in moved.images[:, 0]:
        rows, columns = image.nonzero().unbind(1)
        top, left = rows.min().item(), columns.min().item()
        seen = image[top, left : left + 6]
        falls = seen[0] > seen[-1]
        mirrored += falls.item()
        wanted = torch.arange(1.0, 7.0)
        assert torch.equal(seen, wanted.flip(0) if falls else wanted)
        places.add((top - 10, left - (32 - 14 if falls else 8)))
    assert 60 < mirrored < 140
    assert places == {(i, j) for i in range(-2, 3) for j in range(-2, 3)}


def test_the_network_that_is_kept_is_the_one_that_is_filed():
    found = results.read("mixers")
    test = mixers.pictures()[1]
    filed = found["runs"]["digits"]["token"]["right"][0]
    # Another processor may round a picture to the other side.
    assert abs(mixers.right(mixers.kept(), test) - filed) <= 2
    assert tuple(found["courses"]) == mixers.COURSES
    for variant, course in found["courses"].items():
        assert len(course["loss"]) == mixers.RECIPE.epochs
        right = found["runs"]["digits"][variant]["right"][0]
        assert round(course["accuracy"][-1] * found["of"]["digits"]) == right


def test_faults_are_filed_of_the_modules_that_there_are():
    found = results.read("faults")
    assert list(found["runs"]) == [kind.__name__ for kind in faults.KINDS]
    for kind, networks in zip(faults.KINDS, found["runs"].values()):
        assert len(networks) == len(faults.SEEDS)
        assert {len(net["loss"]) for net in networks} == {faults.RECIPE.epochs}
        # Seeds are further apart than this, and another processor is not.
        begun = faults.course(kind, faults.SEEDS[-1], stop=1)
        assert begun.loss[0] == pytest.approx(networks[-1]["loss"][0], abs=2e-4)


def test_twins_are_one_network_under_two_names():
    upright, lying = ablations.twins(seed=3)
    images = torch.randn(5, 1, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(upright(images), lying(images.mT))
        assert not torch.allclose(upright(images), lying(images), atol=1e-3)
