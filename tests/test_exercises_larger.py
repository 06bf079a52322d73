"""The exercises of the chapters on larger training and on other sizes."""

import pytest
import torch

from vip_tutorial.exercises import check_heard, check_shares

# --- Which images does a process take? -----------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        lambda batch, rank, world: batch[rank::world],
        lambda batch, rank, world: torch.tensor(batch).chunk(world)[rank],
        lambda batch, rank, world: sorted(batch)[rank::world],
    ],
)
def test_any_fair_share_is_right(answer, capsys):
    check_shares(answer)
    assert capsys.readouterr().out.startswith("Right in 5 steps")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda *a: None, "returned None. Does your function end in a return?"),
        (lambda *a: 1 // 0, "raised ZeroDivisionError"),
        (lambda batch: batch, "raised TypeError"),
        (lambda batch, rank, world: batch, "must take 4, since the mean of their"),
        (lambda batch, rank, world: batch[: len(batch) // world], "has already"),
        (lambda batch, rank, world: [batch[0]] * 4, "which itself has already"),
        (lambda batch, rank, world: range(4), "is no image of this step"),
        (lambda batch, rank, world: [], "returned 0 of 8 images"),
        (lambda batch, rank, world: 7, "it must return a list of images"),
        (lambda batch, rank, world: [batch.pop()], "changed the batch"),
        (7, "must be a function"),
    ],
)
def test_shares_says_what_is_wrong(answer, told, capsys):
    check_shares(answer)
    out = capsys.readouterr().out
    assert out.startswith("Not yet.") and told in out


# --- Which rows does an output row hear of? ------------------------------------------


def heard(how, row, N, H):
    if how == "resample":
        return range(H)
    if how == "tiles":
        first = row // N * N
        return range(first, first + N)
    return range(row % (H // N), H, H // N)


@pytest.mark.parametrize("kind", [list, set, lambda rows: torch.tensor(list(rows))])
def test_heard_accepts_any_kind_of_rows(kind, capsys):
    check_heard(lambda *a: kind(heard(*a)))
    assert capsys.readouterr().out == (
        "Right for all 114 output rows of 5 grids, in three ways.\n"
    )


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda *a: None, "returned None. Does your function end in a return?"),
        (lambda *a: 1 // 0, "raised ZeroDivisionError"),
        (lambda how, row: [row], "raised TypeError"),
        (lambda *a: 3, "it must return the numbers of rows"),
        (lambda how, row, N, H: range(N), "Stretched weights stand between all"),
        (lambda how, row, N, H: range(H), "which piece is this row in?"),
        (
            lambda how, row, N, H: (
                range(row % N, H, N) if how == "strided" else heard(how, row, N, H)
            ),
            "takes the next",
        ),
    ],
)
def test_heard_says_what_is_wrong(answer, told, capsys):
    check_heard(answer)
    out = capsys.readouterr().out
    assert out.startswith("Not yet.") and told in out
