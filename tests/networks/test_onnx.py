"""Networks outside PyTorch: ONNX Runtime computes the same, int8 nearly."""

import errno
import importlib
import logging
import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from vip_tutorial.mixers.lightweight import LightPermuteMLP
from vip_tutorial.networks import checkpoints, pretrained
from vip_tutorial.networks import onnx as export
from vip_tutorial.networks.onnx import loaded, quantised, run_onnx, to_onnx
from vip_tutorial.training import predict
from vip_tutorial.vision_permutator import VisionPermutator

for package in ("onnxruntime", "onnxscript"):
    pytest.importorskip(package)
onnx = pytest.importorskip("onnx")

SHOWN = 200
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def digits():
    """The bundled network, and standardised test digits with their labels."""
    model = pretrained.load("digits")
    _, test = pretrained.pictures("digits")
    return model, pretrained.scale("digits")(test)


@pytest.fixture(scope="module")
def file(digits, tmp_path_factory):
    """That network, exported in the middle of a training with stochastic depth."""
    path = tmp_path_factory.mktemp("onnx") / "digits.onnx"
    sizes = pretrained.card("digits")["network"] | {"drop_path_rate": 0.9}
    model = VisionPermutator(**sizes).train()
    model.load_state_dict(digits[0].state_dict())
    to_onnx(model, path)
    assert model.training
    return path


@pytest.mark.parametrize("batch", [1, 7, SHOWN, 2 * SHOWN])
def test_onnx_runtime_computes_what_pytorch_does(digits, file, batch):
    model, test = digits
    images = test.images[:SHOWN]
    scores = loaded(file, batch=batch)(images)
    # float32, in another order: scores go up to ten, and this is some of its steps.
    torch.testing.assert_close(scores, predict(model, images), rtol=1e-5, atol=2e-5)


def test_no_image_at_all(file):
    assert run_onnx(file, torch.zeros(0, 1, 8, 8)).shape == (0, 10)


@pytest.mark.parametrize(
    "mixer",
    [
        partial(LightPermuteMLP, rank=4),
        partial(LightPermuteMLP, groups=4),
        partial(LightPermuteMLP, groups=2, across="channels"),
        partial(LightPermuteMLP, shared=True),
    ],
    ids=["rank", "rows", "channels", "shared"],
)
@pytest.mark.slow
def test_the_lighter_mixers_go_through_both(mixer, tmp_path):
    torch.manual_seed(0)
    model = VisionPermutator(
        [1], [8], patch_size=2, img_size=8, num_classes=5, token_mixer=mixer
    )
    for parameter in model.parameters():  # as far from rounding as trained ones
        torch.nn.init.normal_(parameter, std=0.5)
    images = torch.randn(50, 3, 8, 8)
    expected = predict(model, images)
    to_onnx(model, tmp_path / "a.onnx")
    exact = run_onnx(tmp_path / "a.onnx", images)
    torch.testing.assert_close(exact, expected, rtol=1e-4, atol=1e-4)
    rough = run_onnx(quantised(tmp_path / "a.onnx"), images)
    distance = (rough - expected).norm() / expected.norm()
    # Some hundredths, as a rule.  Processors without whole-number dot products (VNNI)
    # add pairs of them in 16 bits, where the largest are cut off: 0.31 was seen.
    assert 1e-4 < distance < 0.5


@pytest.mark.slow
def test_the_file_holds_no_dropout_and_the_model_keeps_its_mode(tmp_path):
    model = VisionPermutator(
        [2], [8], patch_size=4, img_size=8, num_classes=3, drop_path_rate=0.9
    ).train()
    to_onnx(model, tmp_path / "a.onnx")
    assert model.training
    images = torch.randn(9, 3, 8, 8)
    torch.testing.assert_close(
        run_onnx(tmp_path / "a.onnx", images), predict(model, images)
    )


def test_the_file_tells_nothing_of_the_machine_that_wrote_it(file):
    content = file.read_bytes()
    assert b".py" not in content and b"site-packages" not in content


def test_int8_is_smaller_and_names_nearly_as_many_right(digits, file):
    model, test = digits
    small = quantised(file)
    assert small == file.with_name("digits.int8.onnx")
    assert small.stat().st_size < 0.8 * file.stat().st_size
    scores, exact = run_onnx(small, test.images), predict(model, test.images)
    assert not torch.allclose(scores, exact, atol=1e-3)  # it is rounded
    right = [(s.argmax(1) == test.labels).sum().item() for s in (scores, exact)]
    assert abs(right[0] - right[1]) <= 10  # 2 points


def test_int8_weights_are_int8(file):
    import onnx

    kinds = {
        tensor.data_type
        for tensor in onnx.load(quantised(file)).graph.initializer
        if len(tensor.dims) == 2
    }
    assert kinds == {onnx.TensorProto.INT8}


@pytest.mark.slow
def test_writing_says_nothing(digits, file, tmp_path, capfd, caplog):
    to_onnx(digits[0], tmp_path / "a.onnx")
    quantised(tmp_path / "a.onnx")
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []
    log = logging.getLogger("torch.onnx._internal.exporter._registration")
    assert log.level == logging.NOTSET  # as it was


# --- Nothing is told to anybody -------------------------------------------------------

USES = """
import sys, torch
from vip_tutorial.networks.onnx import quantised, run_onnx
run_onnx(quantised(sys.argv[1]), torch.zeros(2, 1, 8, 8))
assert "onnxruntime" in sys.modules
"""


@pytest.mark.slow
def test_onnx_runtime_leaves_no_trace_and_calls_nobody(file, tmp_path):
    """In a fresh process, by itself: not even `make` has set anything."""
    home, calls = tmp_path / "home", tmp_path / "calls"
    home.mkdir()
    network = shutil.copy(file, tmp_path)
    usual = {k: v for k, v in os.environ.items() if not k.startswith(("ORT_", "XDG_"))}
    command = [sys.executable, "-c", USES, network]
    if watched := shutil.which("strace") is not None:
        command = ["strace", "-f", "-e", "trace=connect,sendto", "-o", calls, *command]
    subprocess.run(
        command,
        env=usual | {"HOME": str(home), "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=300,
    )
    assert list(home.iterdir()) == []
    if watched:
        # AF_UNIX is talk within the machine.
        told = [line for line in calls.read_text().splitlines() if "AF_INET" in line]
        assert told == []


def test_telemetry_is_the_users_to_choose(monkeypatch):
    for chosen, then in ((None, "1"), ("1", "1"), ("0", "0")):
        monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
        if chosen is not None:
            monkeypatch.setenv("ORT_DISABLE_TELEMETRY", chosen)
        importlib.reload(export)
        assert os.environ["ORT_DISABLE_TELEMETRY"] == then
        told = subprocess.run(
            ["make", "-s", "--no-print-directory", "-f", "-", "shown"],
            input=(ROOT / "Makefile").read_text()
            + "\nshown:\n\t@echo $$ORT_DISABLE_TELEMETRY\n",
            env={k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
            | ({} if chosen is None else {"ORT_DISABLE_TELEMETRY": chosen}),
            capture_output=True,
            text=True,
            check=True,
        )
        assert told.stdout == f"{then}\n"


def test_nothing_else_imports_onnx_runtime():
    """What imports it by itself may do so before the telemetry is off."""
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in ("vip_tutorial", "book", "examples", "tools", "tests")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".ipynb")
        and re.search(r"(import|from) onnxruntime", path.read_text(encoding="utf-8"))
    }
    # The second has the first imported before.
    assert found == {"vip_tutorial/networks/onnx.py", "tests/networks/test_onnx.py"}


# --- What cannot be done --------------------------------------------------------------


@pytest.mark.parametrize(
    "call, package, said",
    [
        (lambda: to_onnx(None, "a.onnx"), "onnxscript", "to write ONNX files takes it"),
        (lambda: run_onnx("a.onnx", None), "onnxruntime", "to run ONNX files takes it"),
        (lambda: quantised("a.onnx"), "onnx", "to quantise ONNX files takes it"),
    ],
)
def test_a_missing_package_is_named(call, package, said, monkeypatch):
    real = export.find_spec
    monkeypatch.setattr(
        export, "find_spec", lambda name: None if name == package else real(name)
    )
    with pytest.raises(ModuleNotFoundError, match=said) as raised:
        call()
    assert str(raised.value).endswith(f"pip install {package}")


def test_all_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="onnx and onnxscript are not"):
        to_onnx(None, "a.onnx")


def test_another_module_is_refused(tmp_path):
    with pytest.raises(TypeError, match="model is a Linear; it must be a Vision"):
        to_onnx(torch.nn.Linear(2, 2), tmp_path / "a.onnx")


@pytest.mark.parametrize("use", [quantised, loaded])
def test_a_file_that_is_not_there(use, tmp_path):
    with pytest.raises(FileNotFoundError, match="write it with to_onnx"):
        use(tmp_path / "a.onnx")


def test_a_file_that_is_none(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=r"a\.onnx is no ONNX file that can be run"):
        loaded(tmp_path / "a.onnx")


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_off_is_not_quantised(file, tmp_path, share):
    content = file.read_bytes()
    path = tmp_path / "a.onnx"
    path.write_bytes(content[: int(share * len(content))] or b"nonsense")
    with pytest.raises(ValueError, match=r"a\.onnx is no ONNX file that can be run"):
        quantised(path)
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_quantised_is_not_quantised_again(file):
    with pytest.raises(ValueError, match="has the name of a file that is quantised al"):
        quantised(quantised(file))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_other_weights_than_float32(dtype, tmp_path):
    model = VisionPermutator([1], [8], patch_size=2, img_size=8).to(dtype)
    with pytest.raises(TypeError, match=rf"{dtype}.* export model\.float\(\)"):
        to_onnx(model, tmp_path / "a.onnx")


def test_a_place_where_no_file_can_be_is_told_before_the_slow_part(
    digits, tmp_path, monkeypatch
):
    monkeypatch.setattr(torch.onnx, "export", None)
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*none; make it"):
        to_onnx(digits[0], tmp_path / "none" / "a.onnx")
    with pytest.raises(IsADirectoryError, match="is a folder: give the name of a file"):
        to_onnx(digits[0], tmp_path)


def test_an_int8_file_is_not_put_in_the_place_of_a_folder(file, tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(file.read_bytes())
    (tmp_path / "a.int8.onnx").mkdir()
    with pytest.raises(IsADirectoryError, match=r"a\.int8\.onnx is a folder"):
        quantised(path)


def full(*args, **options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("write", [to_onnx, quantised])
def test_a_full_disk_is_told_with_the_path_and_leaves_the_old_file(
    digits, file, tmp_path, monkeypatch, write
):
    path = tmp_path / "a.onnx"
    path.write_bytes(file.read_bytes())
    small = quantised(path)
    old = path.read_bytes(), small.read_bytes()
    # The slow part, which writes nothing.
    exported = SimpleNamespace(model_proto=onnx.load(path))
    monkeypatch.setattr(torch.onnx, "export", lambda *given, **options: exported)
    monkeypatch.setattr(checkpoints.os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as raised:
        to_onnx(digits[0], path) if write is to_onnx else quantised(path)
    wanted = path if write is to_onnx else small
    assert raised.value.errno == errno.ENOSPC and raised.value.filename == str(wanted)
    assert (path.read_bytes(), small.read_bytes()) == old
    assert sorted(tmp_path.iterdir()) == [small, path]


def test_an_int8_file_that_is_half_written_is_not_seen(file, tmp_path, monkeypatch):
    import onnxruntime.quantization

    path = tmp_path / "a.onnx"
    path.write_bytes(file.read_bytes())
    old = quantised(path).read_bytes()

    def half(source, to, **options):
        to.write_bytes(b"half")
        full()

    monkeypatch.setattr(onnxruntime.quantization, "quantize_dynamic", half)
    with pytest.raises(OSError, match="No space left"):
        quantised(path)
    assert (tmp_path / "a.int8.onnx").read_bytes() == old


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.complex64])
def test_images_that_are_no_real_numbers(file, dtype):
    with pytest.raises(TypeError, match=rf"images has dtype {dtype}; the file takes r"):
        run_onnx(file, torch.zeros(2, 1, 8, 8).to(dtype))


@pytest.mark.parametrize("shape", [(3, 1, 8, 7), (1, 8, 8), (3, 3, 8, 8)])
def test_images_of_another_size(file, shape):
    with pytest.raises(ValueError, match=r"the file takes \(count, 1, 8, 8\)"):
        run_onnx(file, torch.zeros(shape))


def test_images_that_are_no_tensor(file):
    with pytest.raises(TypeError, match="images is a list"):
        run_onnx(file, [[0.0]])
