"""The exercise of the chapter on speed."""

import pytest
import torch

from vip_tutorial.exercises import check_adds_home


def views(blend, mixed):
    B, H, W, C = blend.shape
    N = mixed.shape[1]
    home = mixed.view(B, N, W, H, C // N).permute(0, 3, 2, 1, 4)
    return blend.view(B, H, W, N, C // N), home


def by_addcmul(blend, mixed, share):
    into, home = views(blend, mixed)
    B, _, _, N, S = into.shape
    into.addcmul_(home, share.view(B, 1, 1, N, S))


def by_transposes(blend, mixed, share):
    H, N, C = blend.shape[1], mixed.shape[1], blend.shape[3]
    # The other way about: the blend goes to where the branch lies.
    there = blend.unflatten(3, (N, C // N)).transpose(1, 3)
    weight = share.unflatten(1, (N, 1, 1, C // N))
    there.addcmul_(mixed.unflatten(3, (H, C // N)), weight)
    return blend


@pytest.mark.parametrize("answer", [by_addcmul, by_transposes])
def test_any_way_without_a_copy_is_right(answer, capsys):
    check_adds_home(answer)
    assert capsys.readouterr().out.startswith("Right for 3 sizes, with 3 passes")


def multiplied_first(blend, mixed, share):
    into, home = views(blend, mixed)
    into += share.view(len(share), 1, 1, *into.shape[3:]) * home


def copied_home(blend, mixed, share):
    home = views(blend, mixed)[1].reshape(blend.shape)
    blend.addcmul_(home, share[:, None, None, :])


def a_new_tensor(blend, mixed, share):
    home = views(blend, mixed)[1].reshape(blend.shape)
    return blend + home * share[:, None, None, :]


def as_it_lies(blend, mixed, share):
    blend.addcmul_(mixed, share[:, None, None, :])


def of_the_width_branch(blend, mixed, share):
    B, H, W, C = blend.shape
    home = mixed.view(B, H, H, W, C // H).permute(0, 1, 3, 2, 4)
    blend += home.reshape(B, H, W, C) * share[:, None, None, :]


def without_share(blend, mixed, share):
    into, home = views(blend, mixed)
    into += home


def spoils(blend, mixed, share):
    by_addcmul(blend, mixed, share)
    share.zero_()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda *given: None, "left blend as it was"),
        (lambda *given: 1 // 0, "raised ZeroDivisionError"),
        (lambda blend, mixed: None, "raised TypeError"),
        (3, "must be a function"),
        (multiplied_first, "makes 5 passes"),
        (copied_home, "makes 5 passes"),
        (a_new_tensor, "you made a new tensor"),
        (as_it_lies, "adds mixed as it lies"),
        (of_the_width_branch, "the way home of the width branch"),
        (without_share, "leaves out share"),
        (spoils, "changed mixed or share"),
        (lambda b, m, s: b.add_(1), "adds other numbers"),
    ],
)
def test_it_says_what_is_wrong(answer, told, capsys):
    check_adds_home(answer)
    out = capsys.readouterr().out
    assert out.startswith("Not yet.") and told in out, out


def test_a_slow_answer_is_stopped(monkeypatch, capsys):
    monkeypatch.setattr("vip_tutorial.exercises.runner.SECONDS", 0.2)

    def forever(*given):
        while True:
            pass

    check_adds_home(forever)
    assert "was still running" in capsys.readouterr().out


def test_random_numbers_are_left_alone():
    torch.manual_seed(0)
    wanted = torch.rand(1)
    torch.manual_seed(0)
    check_adds_home(by_addcmul)
    assert torch.equal(torch.rand(1), wanted)
