"""A recording that no run can have given is refused, in Python and by the lens."""

import copy
import json
import math

import pytest
import torch

from vip_tutorial import WeightedPermuteMLP, trace
from vip_tutorial.figures import PermuteLens
from vip_tutorial.lens.tracing import Trace

NAN, INF = math.nan, math.inf
DELETED = object()
# Where, what stands there instead, a word of what is said.  Tensor 0 is (1, 4, 4, 8);
# step 0 reshapes it, step 1 permutes, step 2 copies and step 3 is the Linear.
READ_BY_THE_LENS = [
    ("inputs", [99], "99"),
    ("inputs", [-1], "inputs"),
    ("inputs", [0.5], "inputs"),
    ("inputs", ["0"], "inputs"),
    ("inputs", [True], "inputs"),
    ("inputs", 0, "inputs"),
    ("inputs", DELETED, "inputs"),
    ("inputs", [0, 3], "there before"),
    ("name", 3, "name"),
    ("omitted", [3], "omitted"),
    ("omitted", "all", "omitted"),
    ("steps", {}, "steps"),
    ("steps", DELETED, "steps"),
    ("steps.2", None, "step 3"),
    ("steps.2", [], "step 3"),
    ("steps.2.inputs", [], "no inputs"),
    ("steps.2.inputs", [99], "99"),
    ("steps.2.inputs", [3], "3"),  # its own output
    ("steps.2.inputs", [5], "5"),  # what comes later
    ("steps.2.inputs", [NAN], "inputs"),
    ("steps.2.inputs", DELETED, "inputs"),
    ("steps.2.output", 99, "99"),
    ("steps.2.output", 2, "there before"),  # made by the step before
    ("steps.2.output", 0, "there before"),  # given
    ("steps.2.output", None, "output"),
    ("steps.2.op", None, "op"),
    ("steps.2.call", 7, "call"),
    ("steps.2.kind", "teleport", "kind"),
    ("steps.2.kind", "mix", "map"),  # which has none
    ("steps.2.kind", [], "kind"),
    ("steps.2.copy", 1, "copy"),
    ("steps.2.copy", DELETED, "copy"),
    ("steps.2.map.5", 128, "128"),
    ("steps.2.map.5", -1, "map"),
    ("steps.2.map.5", 1.5, "map"),
    ("steps.2.map.5", None, "map"),
    ("steps.2.map", [0, 1], "128"),
    ("steps.2.map", "0 1", "map"),
    ("steps.1.order", [0, 3, 2, 1, 9], "order"),
    ("steps.1.order", [0, 3, 3, 1, 4], "order"),
    ("steps.1.order", [0, 3, 2, 1], "order"),
    ("steps.1.order", [0, 1, 2, 4, 3], "order"),  # not what the shapes say
    ("steps.3.mixed", [7], "mixed"),
    ("steps.3.mixed", [-1], "mixed"),
    ("steps.3.mixed", 3, "mixed"),
    ("steps.3.source", "line 7", "source"),
    ("steps.3.source.line", NAN, "line"),
    ("steps.3.source.text", None, "text"),
    ("steps.3.source.start", 4000, "source"),
    ("steps.3.source.end", 4000, "source"),
    ("steps.3.source.file", DELETED, "file"),
    ("steps.3.operands", [99], "99"),
    ("steps.3.operands", [-1], "operands"),
    ("steps.3.operands", "0", "operands"),
    ("steps.3.module", 3, "module"),
    ("operands", 3, "operands"),
    ("operands.0.name", 3, "name"),
    ("operands.0.shape", [8], "64"),
    ("operands.0.values.5", "a", "values"),
    ("tensors", None, "tensors"),
    ("tensors.4", {}, "tensor 4"),
    ("tensors.4.id", 5, "5"),
    ("tensors.4.shape", [1, 4, 4, -8], "shape"),
    ("tensors.4.shape", [1, 4, INF, 8], "shape"),
    ("tensors.4.shape", [1, 4, 4.5, 8], "shape"),
    ("tensors.0.shape", [1, 4, 4, 9], "128"),
    ("tensors.4.strides", [1], "strides"),
    ("tensors.4.strides.1", NAN, "strides"),
    ("tensors.4.strides.1", "4", "strides"),
    ("tensors.4.axes", ["B"], "axes"),
    ("tensors.4.axes.0", 3, "axes"),
    ("tensors.4.offset", INF, "offset"),
    ("tensors.4.offset", DELETED, "offset"),
    ("tensors.4.storage", -1, "storage"),
    ("tensors.4.values", [1, 2], "128"),
    ("tensors.4.values.3", "a", "values"),
    ("tensors.4.values.3", None, "values"),
    ("tensors.4.values.3", INF, "values"),  # which is written "inf"
    ("tensors.4.values.3", True, "values"),
    ("tensors.4.gradient", {}, "gradient"),
    ("tensors.7.gradient", [0.0], "128"),
]
NOT_READ_BY_IT = [
    ("name", DELETED, "name"),
    ("omitted", DELETED, "omitted"),
    ("outputs", [99], "99"),
    ("outputs", DELETED, "outputs"),
    ("steps.2.map", DELETED, "map"),
    ("steps.2.colour", "red", "colour"),
    ("tensors.4.dtype", None, "dtype"),
    ("tensors.4.values", DELETED, "values"),
]


@pytest.fixture(scope="module")
def recording() -> dict:
    torch.manual_seed(0)
    x = torch.randn(1, 4, 4, 8)
    branch = WeightedPermuteMLP(8, 4).height
    return json.loads(json.dumps(trace(branch, x, gradient=x).to_json()))


def damaged(recording: dict, path: str, value: object) -> dict:
    data = place = copy.deepcopy(recording)
    *way, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    for key in way:
        place = place[key]
    if value is DELETED:
        del place[last]
    else:
        place[last] = value
    return data


def test_it_is_refused_with_the_place_that_is_damaged(recording):
    assert Trace.from_json(recording).table()
    for path, value, word in READ_BY_THE_LENS + NOT_READ_BY_IT:
        with pytest.raises(ValueError, match="damaged") as fault:
            Trace.from_json(damaged(recording, path, value))
            pytest.fail(f"{path} = {value!r} was accepted")
        assert word in str(fault.value), (path, value)
        assert "trace the function again" in str(fault.value)
        assert len(str(fault.value)) < 200


def test_the_lens_says_so_instead_of_a_picture(recording):
    pytest.importorskip("py_mini_racer")
    from vip_site.figures import first_frame

    state = PermuteLens(Trace.from_json(recording)).page_state()

    def frame(*damage) -> str:
        return first_frame(
            "permute_lens", {**state, "recording": damaged(recording, *damage)}
        )

    for path, value, _ in READ_BY_THE_LENS:
        told = frame(path, None if value in (NAN, INF) else value)
        assert told.startswith('<p class="vip-problem">'), (path, value)
        assert "recording" in told and len(told) < 250, told
    for path, value, _ in NOT_READ_BY_IT:
        assert "vip-problem" not in frame(path, value), path


def test_steps_in_another_order_are_refused(recording):
    for first in range(len(recording["steps"]) - 1):
        data = copy.deepcopy(recording)
        steps = data["steps"]
        steps[first], steps[first + 1] = steps[first + 1], steps[first]
        with pytest.raises(ValueError, match="damaged"):
            Trace.from_json(data)
