"""The exercises of the chapters on who sees whom and on the whole module."""

import time

import numpy as np
import pytest
import torch

from vip_tutorial.exercises import (
    check_column_then_square,
    check_groups_of_rows,
    check_multiply_adds,
)

# --- Who sees whom -------------------------------------------------------------------


def sees(row, column, other_row, other_column):
    return abs(column - other_column) <= 1


def cross(row, column, other_row, other_column):
    return row == other_row or column == other_column


def slow(*arguments):
    time.sleep(0.01)
    return sees(*arguments)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda *a: None, "returned None"),
        (lambda r, c: True, "raised TypeError"),
        (lambda *a: 1 // 0, "raised ZeroDivisionError"),
        (lambda *a: "yes", "returned 'yes'; it must return True or False"),
        (lambda *a: 1, "returned 1; it must return True or False"),
        # The cross: the first output token is in the corner.
        (cross, "    # # x\n    # ? .\n    # ? .\n"),
        (
            lambda r, c, o, p: abs(r - o) <= 1 and abs(c - p) <= 1,
            "    # # .\n    # # .\n    ? ? .\n",
        ),
        (lambda *a: True, "x  not seen; you say it is"),
        (lambda r, c, o, p: abs(r - o) <= 1, "    # # x\n    # # x\n    ? ? .\n"),
    ],
)
def test_who_sees_whom_says_what_is_wrong(answer, told, capsys):
    check_column_then_square(answer)
    out = capsys.readouterr().out
    assert out.startswith("Not yet.") and told in out


def test_only_marks_that_stand_in_the_picture_are_explained(capsys):
    check_column_then_square(lambda *a: True)
    assert "?  seen" not in capsys.readouterr().out


@pytest.mark.parametrize("kind", [bool, np.bool_, torch.tensor])
def test_who_sees_whom_accepts_any_kind_of_truth(kind, capsys):
    check_column_then_square(lambda *a: kind(sees(*a)))
    assert capsys.readouterr().out.startswith("Right")


def test_who_sees_whom_does_not_wait_for_ever(capsys, monkeypatch):
    monkeypatch.setattr("vip_tutorial.exercises.runner.SECONDS", 0.1)
    check_column_then_square(slow)
    assert "still running after" in capsys.readouterr().out


def test_who_sees_whom_leaves_the_readers_random_numbers_alone(capsys):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    check_column_then_square(sees)
    assert torch.equal(torch.rand(3), expected)


# --- Two modules with groups of rows ------------------------------------------------


def in_one_square(row, column, other_row, other_column, size):
    return row // size == other_row // size and column // size == other_column // size


def in_one_band(row, column, other_row, other_column, size):
    return row // size == other_row // size


def a_cross(row, column, other_row, other_column, size):
    return row == other_row or column == other_column


def near(row, column, other_row, other_column, size):
    return abs(row - other_row) < size and abs(column - other_column) < size


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda *a: None, "returned None"),
        (lambda r, c, o, p: True, "raised TypeError"),
        (lambda *a: 1, "returned 1; it must return True or False"),
        (a_cross, "    # # x x\n    # ? . .\n    x . . .\n    x . . .\n"),
        (lambda *a: True, "    # # x x\n    # # x x\n    x x x x\n    x x x x\n"),
        (in_one_band, "    # # x x\n    # # x x\n    . . . .\n    . . . .\n"),
        # Right in the corner, but the squares do not go with the token.
        (near, "in groups of 2, the output token in row 0, column 1"),
    ],
)
def test_groups_of_rows_say_what_is_wrong(answer, told, capsys):
    check_groups_of_rows(answer)
    out = capsys.readouterr().out
    assert out.startswith("Not yet.") and told in out


def test_groups_of_rows_leave_the_readers_random_numbers_alone(capsys):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    check_groups_of_rows(in_one_square)
    assert torch.equal(torch.rand(3), expected)
    assert capsys.readouterr().out.startswith("Right, for each of")


# --- What it costs -------------------------------------------------------------------


def right(H, W, C):
    return 4 * H * W * C * C + 4 * C * (C // 4)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda H, W, C: None, "returned None"),
        (lambda C: C, "raised TypeError"),
        (lambda H, W, C: "many", "must return a number"),
        (lambda H, W, C: True, "must return a number"),
        (lambda H, W, C: 3 * H * W * C * C + 4 * C * (C // 4), "the projection"),
        (lambda H, W, C: 4 * H * W * C * C, "left out the re-weighting"),
        (lambda H, W, C: H * W * right(1, 1, C), "once an image, on the mean"),
        (lambda H, W, C: 4 * H * W * C * C + C * (C // 4), "you counted the first"),
        (lambda H, W, C: 4 * H * W * C**2 + 3 * C * (C // 4), "you counted the second"),
        (lambda H, W, C: 3 * H * W * C * C, "the branches alone"),
        (lambda H, W, C: 4 * H * W * C * C + C * C, "rounded down"),
        (lambda H, W, C: 2 * right(H, W, C), "twice as much"),
        (lambda H, W, C: right(1, 1, C), "for one token"),
        (lambda H, W, C: H * W * C, "count each Linear"),
    ],
)
def test_costs_say_what_is_wrong(answer, told, capsys):
    check_multiply_adds(answer)
    out = capsys.readouterr().out
    assert out.startswith("Not yet.") and told in out


@pytest.mark.parametrize("kind", [int, float])
def test_costs_accept_the_right_number(kind, capsys):
    check_multiply_adds(lambda H, W, C: kind(right(H, W, C)))
    assert capsys.readouterr().out.startswith("Right")
