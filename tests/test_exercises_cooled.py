"""The exercise of the chapter on other weights: a temperature, put into a Linear."""

import pytest
import torch

from vip_tutorial.exercises import check_cooled


def scaled(*keys, by=lambda x, temperature: x / temperature):
    def cooled(state, temperature):
        return {k: by(x, temperature) if k in keys else x for k, x in state.items()}

    return cooled


def in_place(state, temperature):
    for key in ("fc2.weight", "fc2.bias"):
        state[key] /= temperature
    return state


def clears(state, temperature):
    state.clear()
    return state


def transposed(state, temperature):
    return state | {"fc2.weight": state["fc2.weight"].T / temperature}


FC2 = ("fc2.weight", "fc2.bias")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda state, temperature: None, "returned None. Does your function end"),
        (lambda state, temperature: 1 / 0, "raised ZeroDivisionError"),
        (lambda state: state, "raised TypeError"),
        (lambda state, temperature: state, "what it was before, as at temperature 1"),
        (in_place, "changed its input"),
        (clears, "changed its input"),
        (lambda state, temperature: list(state), "it must return a dictionary"),
        (lambda state, temperature: {}, "it must have those of state: fc1.weight"),
        (transposed, "fc2.weight is torch.Size([1, 12]); it must stay a tensor (12, 1"),
        (lambda s, t: s | {"fc2.bias": 3}, "fc2.bias is 3; it must stay a tensor (12,"),
        (lambda s, t: {k: x.half() for k, x in s.items()}, "must stay torch.float64"),
        (scaled(*FC2, by=lambda x, t: x * t), "a temperature divides"),
        (scaled("fc2.weight"), "the weight of fc2 is divided, its bias is not"),
        (scaled("fc2.bias"), "the bias of fc2 is divided, its weight is not"),
        (scaled("fc1.weight", "fc1.bias"), "half of what goes into a GELU"),
        (scaled("fc1.weight", "fc1.bias", *FC2), "fc1 has changed"),
        (scaled(*FC2, by=lambda x, t: x / t**2), "the first number that the softmax"),
    ],
)
def test_cooled_says_what_is_wrong(answer, told, capsys):
    check_cooled(answer)
    out = capsys.readouterr().out
    assert out.startswith("Not yet.") and told in out


def test_one_temperature_is_not_all(capsys):
    check_cooled(scaled(*FC2, by=lambda x, temperature: x * 4))
    out = capsys.readouterr().out
    assert out.startswith("Not yet.") and "cooled(state, 3)" in out


def test_cooled_accepts_any_right_way(capsys):
    def with_copies(state, temperature):
        new = {key: numbers.clone() for key, numbers in state.items()}
        new["fc2.weight"] *= 1 / temperature
        new["fc2.bias"].div_(temperature)
        return new

    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    for answer in (with_copies, scaled(*FC2)):
        check_cooled(answer)
        assert capsys.readouterr().out.startswith("Right, at the temperatures 0.25, 3")
    assert torch.equal(torch.rand(3), expected)
