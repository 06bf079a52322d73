"""The exercises of the chapters on the network and on training."""

import numpy as np
import pytest
import torch

from vip_tutorial.exercises import check_confusion, check_fits

# --- For which pictures can a network be built? --------------------------------------


def fits(img_size, patch_size, embed_dims, transitions):
    if img_size % patch_size:
        return False
    side = img_size // patch_size
    for dim, halved in zip(embed_dims, transitions):
        if dim % side or (halved and side % 2):
            return False
        side = side // 2 if halved else side
    return True


def halves_too_early(img_size, patch_size, embed_dims, transitions):
    side, rest = divmod(img_size, patch_size)
    for dim, halved in zip(embed_dims, transitions):
        rest = rest or (halved and side % 2)
        side = side // 2 if halved else side
        rest = rest or side == 0 or dim % side
    return not rest


@pytest.mark.parametrize("kind", [bool, np.bool_, torch.tensor])
def test_sizes_accepts_any_kind_of_truth(kind, capsys):
    check_fits(lambda *a: kind(fits(*a)))
    assert capsys.readouterr().out.startswith("Right, for 4 networks")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda *a: None, "returned None. Does your function end in a return?"),
        (lambda *a: 1 // 0, "raised ZeroDivisionError"),
        (lambda i, p: True, "raised TypeError"),
        (lambda i, p, e, t: i % p, "returned 1; it must return True or False"),
        (lambda *a: True, "img_size 1 is not a multiple of patch_size 7"),
        (lambda *a: False, "(True, False, False, False)) returned False, and the"),
        (lambda i, p, e, t: i % p == 0, "cannot be halved"),
        # No odd grid at a transition, and nothing else.
        (
            lambda i, p, e, t: i % p == 0 and not (any(t) and i // p % 2),
            "leaves",
        ),
        # Each width, but with the first grid's side.
        (
            lambda i, p, e, t: (
                i % p == 0
                and not (any(t) and i // p % 2)
                and not any(d % (i // p) for d in e)
            ),
            "Ask each stage with the side of its own grid",
        ),
        # The first width only.
        (
            lambda i, p, e, t: (
                i % p == 0 and not (any(t) and i // p % 2) and e[0] % (i // p) == 0
            ),
            "For a network of two stages",
        ),
        (halves_too_early, "the network says: dim"),
    ],
)
def test_sizes_says_what_is_wrong(answer, told, capsys):
    check_fits(answer)
    out = capsys.readouterr().out
    assert out.startswith("Not yet.") and told in out


def test_sizes_leaves_random_numbers_alone():
    torch.manual_seed(0)
    wanted = torch.rand(1)
    torch.manual_seed(0)
    check_fits(fits)
    check_confusion(counted)
    assert torch.equal(torch.rand(1), wanted)


# --- What is taken for what? ---------------------------------------------------------


def counted(guesses, labels, classes):
    counts = torch.zeros(classes, classes, dtype=torch.int64)
    for true, said in zip(labels, guesses):
        counts[true, said] += 1
    return counts


def by_unique(guesses, labels, classes):
    pairs = torch.stack([labels, guesses])
    places, times = pairs.unique(dim=1, return_counts=True)
    counts = torch.zeros(classes, classes, dtype=torch.int64)
    counts[places[0], places[1]] = times
    return counts


def once_each(guesses, labels, classes):
    counts = torch.zeros(classes, classes, dtype=torch.int64)
    counts[labels, guesses] += 1
    return counts


def spoils(guesses, labels, classes):
    labels *= classes
    return counted(guesses, labels // classes, classes)


def without_the_last(guesses, labels, classes):
    most = int(max(guesses.max(), labels.max())) + 1
    return counted(guesses, labels, most)


@pytest.mark.parametrize("answer", [counted, by_unique])
def test_any_way_to_count_is_right(answer, capsys):
    check_confusion(answer)
    assert capsys.readouterr().out.startswith("Right, for 3, 10, 4 classes")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda *a: None, "returned None"),
        (lambda g, n: None, "raised TypeError"),
        (lambda *a: counted(*a).tolist(), "returned list; it must return a tensor"),
        (lambda *a: counted(*a).double(), "should stay torch.int64"),
        (lambda *a: counted(*a).T, "right when turned"),
        (once_each, "and not how often"),
        (spoils, "changed its input"),
        (without_the_last, "A class that never occurs has a row and a column"),
        (lambda g, n, k: counted(g, n, k).flatten(), "has shape (9,)"),
        (lambda g, n, k: counted(g, n, k).fill_diagonal_(0), "in row 0, column 0"),
    ],
)
def test_confusion_says_what_is_wrong(answer, told, capsys):
    check_confusion(answer)
    out = capsys.readouterr().out
    assert out.startswith("Not yet.") and told in out
