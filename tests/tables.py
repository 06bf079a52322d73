"""One test for a table of cases: all its rows run, and those that fail are named."""

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch


def in_turn(
    names: str, rows: Iterable, ids: Callable | Iterable | None = None
) -> Callable:
    """Like `pytest.mark.parametrize`, but one test, which takes the rows in turn.

    Each row starts as a test does: with the same seed, an empty `tmp_path` and an
    unused `monkeypatch`.  What another fixture gives is shared by the rows.

    Args:
        names: The arguments that a row fills, with commas in between.
        rows: A value each, or as many as there are names.
        ids: What to call the rows, or a function of a value that says it.
    """
    arguments = [name.strip() for name in names.split(",")]
    rows = [(row,) if len(arguments) == 1 else tuple(row) for row in rows]
    if ids is None or callable(ids):
        called = ["-".join(map(ids or _short, row)) for row in rows]
    else:
        called = [str(name) for name in ids]
    if not rows or len(called) != len(rows):
        raise ValueError(f"{len(rows)} rows and {len(called)} names for them")

    def decorate(test: Callable) -> Callable:
        @functools.wraps(test)
        def all_rows(**given: Any) -> None:
            failed, faults, skipped = [], [], []
            for number, (name, row) in enumerate(zip(called, rows)):
                torch.manual_seed(0)
                try:
                    with _anew(given, number) as fresh:
                        test(**fresh, **dict(zip(arguments, row, strict=True)))
                except pytest.skip.Exception as reason:
                    skipped.append(reason)
                except (Exception, pytest.fail.Exception) as fault:
                    fault.add_note(f"row: {name}")
                    failed.append(name)
                    faults.append(fault)
            if faults:
                told = f"{len(faults)} of {len(rows)} rows: {', '.join(failed)}"
                raise BaseExceptionGroup(told, faults)
            if len(skipped) == len(rows):
                raise skipped[0]
            assert not skipped, f"{len(skipped)} of {len(rows)} rows are skipped alone"

        wanted = inspect.signature(test)
        others = [p for n, p in wanted.parameters.items() if n not in arguments]
        if len(others) + len(arguments) != len(wanted.parameters):
            raise TypeError(f"{test.__name__} does not take all of {names}")
        all_rows.__signature__ = wanted.replace(parameters=others)
        return all_rows

    return decorate


@contextlib.contextmanager
def _anew(given: dict[str, Any], number: int):
    with contextlib.ExitStack() as stack:
        fresh = dict(given)
        if "tmp_path" in given:
            fresh["tmp_path"] = given["tmp_path"] / f"row {number}"
            fresh["tmp_path"].mkdir()
        if "monkeypatch" in given:
            patch = pytest.MonkeyPatch.context()
            fresh["monkeypatch"] = stack.enter_context(patch)
        yield fresh


def _short(value: Any) -> str:
    if isinstance(value, str):
        return value
    told = getattr(value, "__name__", None) or repr(value)
    return told if len(told) < 60 else f"{told[:59]}…"
