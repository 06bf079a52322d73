"""Training: the same seed, the same weights; stopped and resumed, the same weights."""

import copy
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tables import in_turn
from vip_tutorial.mixers.fewer_branches import ReducedPermuteMLP
from vip_tutorial.permute_mlp import WeightedPermuteMLP
from vip_tutorial.study.branch_importance import SomeBranches
from vip_tutorial.training import Recipe, accuracy, fit, predict, small_network
from vip_tutorial.training import loop as training
from vip_tutorial.training import resume as runs
from vip_tutorial.training.data import Labelled, Scale, digits
from vip_tutorial.training.tasks import TASKS, task
from vip_tutorial.vision_permutator import VisionPermutator


def small(seed=0, **options) -> VisionPermutator:
    torch.manual_seed(seed)
    usual = {"patch_size": 2, "img_size": 8, "in_chans": 1, "num_classes": 10}
    usual |= {"layers": [1], "embed_dims": [16], "mlp_ratio": 2}
    return VisionPermutator(**(usual | options))


@pytest.fixture(scope="module")
def data():
    return digits()


def few(data, count=200):
    train, test = map(Scale.of(data[0]), data)
    return (
        Labelled(train.images[:count], train.labels[:count], 10),
        Labelled(test.images[:100], test.labels[:100], 10),
    )


RECIPE = Recipe(epochs=3)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_the_digits_are_split_once_and_for_all(data):
    train, test = data
    assert train.images.shape == (1297, 1, 8, 8) and test.images.shape == (500, 1, 8, 8)
    assert (train.images.min(), train.images.max()) == (0, 1)
    scaled = Scale.of(train)(train).images
    assert scaled.mean().abs() < 1e-5
    assert scaled.std().item() == pytest.approx(1, abs=1e-5)
    assert test.labels.bincount().min() >= 48  # stratified
    again, _ = digits()
    assert torch.equal(again.images, train.images)


def test_the_same_seed_gives_the_same_weights_to_the_bit(data):
    models = [small(), small(), small()]
    one = fit(models[0], *few(data), RECIPE, verbose=False)
    torch.rand(7)  # the caller's own numbers do not matter
    two = fit(models[1], *few(data), RECIPE, verbose=False)
    fit(models[2], *few(data), Recipe(epochs=3, seed=1), verbose=False)
    assert one == two
    assert torch.equal(weights(models[0]), weights(models[1]))
    assert not torch.equal(weights(models[0]), weights(models[2]))


def test_training_leaves_the_callers_random_numbers_alone(data):
    torch.manual_seed(3)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    model = small()
    torch.manual_seed(3)
    fit(model, *few(data), Recipe(epochs=1), verbose=False)
    assert torch.equal(torch.rand(2), wanted)


class StoppedAt(Exception):
    pass


@in_turn("drop_path", [0.0, 0.3])
def test_stopped_and_resumed_is_the_same(data, tmp_path, monkeypatch, drop_path):
    straight = small(drop_path_rate=drop_path, layers=[2])
    wanted = fit(straight, *few(data), RECIPE, verbose=False)
    path = tmp_path / "run.pt"
    real = training._epoch
    done = []

    def until_the_second(*args):
        if len(done) == 2:
            raise StoppedAt
        done.append(1)
        return real(*args)

    monkeypatch.setattr(training, "_epoch", until_the_second)
    with pytest.raises(StoppedAt):
        fit(
            small(drop_path_rate=drop_path, layers=[2]),
            *few(data),
            RECIPE,
            resume=path,
            verbose=False,
        )
    monkeypatch.setattr(training, "_epoch", real)
    resumed = small(seed=9, drop_path_rate=drop_path, layers=[2])
    history = fit(resumed, *few(data), RECIPE, resume=path, verbose=False)
    assert history == wanted
    assert torch.equal(weights(resumed), weights(straight))


KILLED = """
import sys
from pathlib import Path
sys.path[:0] = {tests!r}
from test_training import RECIPE, digits, few, fit, small
from vip_tutorial.training import loop as training
from vip_tutorial.training import resume as runs
training.torch.set_num_threads(1)  # as in this process
real, times = runs.save, []
def save(*args):
    real(*args)
    print("saved", flush=True)
    times.append(1)
    if len(times) > 15:  # waits there for the end, however late it comes
        sys.stdin.read()
runs.save = save
fit(small(), *few(digits()), training.Recipe(epochs=20), resume={path!r}, verbose=False)
"""


def test_the_first_epochs_are_those_of_the_whole_run(data, tmp_path):
    train, test = few(data)
    whole, begun = small(), small()
    history = fit(whole, train, test, RECIPE, verbose=False)
    options = {"resume": tmp_path / "run", "verbose": False}
    first = fit(begun, train, test, RECIPE, stop=2, **options)
    assert not begun.training
    assert (first.loss, first.accuracy) == (history.loss[:2], history.accuracy[:2])
    # A stop beyond the recipe's end is no stop.
    assert fit(begun, train, test, RECIPE, stop=9, **options) == history
    with pytest.raises(ValueError, match="stop"):
        fit(begun, train, test, RECIPE, stop=0)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_killed_in_the_middle_and_resumed_is_the_same(data, tmp_path):
    path, recipe = tmp_path / "run.pt", Recipe(epochs=20)
    code = KILLED.format(
        tests=[str(Path(__file__).parent), str(Path(__file__).parents[1])],
        path=str(path),
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    for _ in range(3):  # the start, and two epochs
        assert run.stdout.readline() == "saved\n"
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()
    run.stdin.close()
    done = len(torch.load(path, weights_only=True)["history"]["loss"])
    assert 1 <= done < 20
    resumed, straight = small(), small()
    history = fit(resumed, *few(data), recipe, resume=path, verbose=False)
    wanted = fit(straight, *few(data), recipe, verbose=False)
    assert history.loss[done:] == wanted.loss[done:]
    assert torch.equal(weights(resumed), weights(straight))


def test_it_learns(data, capsys):
    model = small(embed_dims=[32], layers=[2])
    history = fit(model, *data, Recipe(epochs=15))
    assert history.accuracy[-1] > 0.94
    assert history.loss[-1] < history.loss[0] / 4
    assert accuracy(model, data[1]) == history.accuracy[-1]
    lines = capsys.readouterr().out.splitlines()
    assert 5 <= len(lines) <= 10
    assert lines[-1].startswith("epoch  15 of 15")
    assert not model.training


def test_on_every_device(device, data):
    model = small()
    history = fit(model, *few(data), RECIPE, device=device, verbose=False)
    assert next(model.parameters()).device.type == device.type
    on_cpu = fit(small(), *few(data), RECIPE, verbose=False)
    assert history.loss == pytest.approx(on_cpu.loss, rel=1e-2)


def test_predictions_have_dropout_off_and_leave_the_mode(data):
    model = small(drop_path_rate=0.5, layers=[3]).train()
    images = data[1].images[:7]
    whole, parts = predict(model, images), predict(model, images, batch=3)
    torch.testing.assert_close(whole, parts, rtol=0, atol=1e-6)
    assert model.training
    assert predict(model, images[:0]).shape == (0, 10)


# --- bad input ---------------------------------------------------------------------


CHANGES = {
    "empty": (lambda t: Labelled(t.images[:0], t.labels[:0], 10), ("no images",)),
    "one class": (
        lambda t: t._replace(labels=t.labels * 0),
        ("label 0", "tell apart"),
    ),
    "high": (lambda t: t._replace(labels=t.labels + 1), ("1 to 10", "0 to 9")),
    "low": (lambda t: t._replace(labels=t.labels - 1), ("-1 to 8",)),
    "few labels": (lambda t: t._replace(labels=t.labels[:5]), ("200 images", "(5,)")),
    "nan": (lambda t: t._replace(images=t.images / 0), ("not numbers", "image 0")),
    "one class of one": (lambda t: t._replace(classes=1), ("classes is 1", "least 2")),
    "no channels": (
        lambda t: t._replace(images=t.images[:, 0]),
        ("(200, 8, 8)", "(count, in_chans, height, width)", "images[:, None]"),
    ),
    "flat": (lambda t: t._replace(images=t.images.flatten(1)), ("(200, 64)",)),
    "oblong": (
        lambda t: t._replace(images=t.images[..., :7]),
        ("(200, 1, 8, 7)", "square", "crop or pad"),
    ),
    "channels last": (
        lambda t: t._replace(images=t.images.permute(0, 2, 3, 1)),
        ("(200, 8, 8, 1)", "images.permute(0, 3, 1, 2)"),
    ),
    "meta": (
        lambda t: t._replace(images=t.images.to("meta")),
        ("images is on 'meta'",),
    ),
    "meta labels": (
        lambda t: t._replace(labels=t.labels.to("meta")),
        ("labels is on 'meta'", "no contents"),
    ),
    "large": (
        lambda t: t._replace(images=t.images.repeat(1, 1, 2, 2)),
        ("(1, 1, 16, 16)", "(B, 1, 8, 8)"),
    ),
    "more classes than scores": (
        lambda t: t._replace(classes=11),
        ("(1, 10)", "num_classes=11"),
    ),
}
KINDS = {
    "float labels": (lambda t: t._replace(labels=t.labels.float()), ("labels.long()",)),
    "small labels": (lambda t: t._replace(labels=t.labels.int()), ("labels.long()",)),
    "labels in a list": (
        lambda t: t._replace(labels=t.labels.tolist()),
        ("list", "torch.as_tensor"),
    ),
    "bytes": (lambda t: t._replace(images=t.images.byte()), ("uint8", "/ 255")),
    "images in an array": (
        lambda t: t._replace(images=t.images.numpy()),
        ("ndarray", "(count, in_chans, height, width)", "torch.from_numpy"),
    ),
    "sparse": (
        lambda t: t._replace(images=t.images.to_sparse()),
        ("images is no dense tensor", "x.to_dense()"),
    ),
    "a tuple": (lambda t: tuple(t), ("tuple", "Labelled")),
    "half a class": (lambda t: t._replace(classes=2.5), ("2.5", "whole number")),
}


@in_turn("fault", CHANGES | KINDS)
@in_turn("name", ["train", "test"])
def test_data_that_cannot_be_learnt_is_refused(data, fault, name):
    change, parts = (CHANGES | KINDS)[fault]
    both = dict(zip(("train", "test"), few(data), strict=True))
    both[name] = change(both["train"])
    if name == "test" and fault == "one class":
        return  # is no fault there
    model = small()
    before = weights(model).clone()
    with pytest.raises(ValueError if fault in CHANGES else TypeError) as excinfo:
        fit(model, **both, recipe=RECIPE)
    assert [part for part in parts if part not in str(excinfo.value)] == []
    assert torch.equal(weights(model), before)


@in_turn(
    "options, error, parts",
    [
        ({"epochs": 0}, ValueError, ("epochs is 0", "at least 1")),
        ({"epochs": 1.5}, TypeError, ("epochs is 1.5", "whole number")),
        ({"batch": 0}, ValueError, ("batch is 0", "at least 1")),
        ({"lr": -1}, ValueError, ("lr is -1", "at least 0")),
        ({"lr": float("nan")}, ValueError, ("lr is nan",)),
        ({"lr": float("inf")}, ValueError, ("lr is inf",)),
        ({"lr": "fast"}, TypeError, ("'fast'", "number")),
        ({"weight_decay": -0.1}, ValueError, ("weight_decay is -0.1",)),
        ({"warmup": 1.5}, ValueError, ("warmup is 1.5", "below 1")),
        ({"warmup": -0.5}, ValueError, ("warmup is -0.5",)),
        ({"seed": None}, TypeError, ("seed is None",)),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(options, error, parts):
    with pytest.raises(error) as excinfo:
        Recipe(**options)
    assert [part for part in parts if part not in str(excinfo.value)] == []


@in_turn("warmup", [0, 0.05, 0.1, 0.5, 0.99])
def test_any_warmup_from_none_to_almost_all_works(data, warmup):
    train, test = few(data, 20)
    fit(small(), train, test, Recipe(1, batch=1, warmup=warmup), verbose=False)


@in_turn("count", [1, 65])
def test_a_last_batch_of_one_is_used(data, count):
    train, test = few(data, 66)
    train = Labelled(train.images[:count], train.labels[:count], 10)
    if count == 1:
        with pytest.raises(ValueError, match="nothing to tell apart"):
            fit(small(), train, test, RECIPE)
        return
    history = fit(small(), train, test, RECIPE, verbose=False)
    assert len(history.loss) == 3


def test_pixels_up_to_255_get_a_warning_and_others_none(data, recwarn):
    train, test = few(data)
    raw = data[0]._replace(images=data[0].images[:200], labels=data[0].labels[:200])
    for factor in (1, 16):  # from 0 to 1; and as scikit-learn has them
        fit(
            small(),
            raw._replace(images=raw.images * factor),
            test,
            Recipe(1),
            verbose=False,
        )
    fit(small(), train, test, Recipe(1), verbose=False)
    assert [w for w in recwarn if issubclass(w.category, UserWarning)] == []
    with pytest.warns(UserWarning, match=r"of train have mean 7\d.*divide.*Scale"):
        fit(
            small(),
            raw._replace(images=raw.images * 255),
            test,
            Recipe(1),
            verbose=False,
        )


def test_a_prediction_that_fails_leaves_the_mode(data):
    model = small().train()
    with pytest.raises(ValueError, match=r"image\[None\]"):
        predict(model, data[1].images[0])
    assert model.training
    with pytest.raises(TypeError, match=r"data\.images"):
        predict(model, data[1])
    with pytest.raises(TypeError, match=r"images is a ndarray.*torch\.from_numpy"):
        predict(model, data[1].images.numpy())
    with pytest.raises(ValueError, match="batch is 0"):
        predict(model, data[1].images, batch=0)
    with pytest.raises(ValueError, match="no images"):
        accuracy(model, Labelled(data[1].images[:0], data[1].labels[:0], 10))


def test_a_network_for_pictures_that_are_not_square(data):
    with pytest.raises(ValueError, match="square"):
        small_network(data[0]._replace(images=data[0].images[..., :4]))
    with pytest.raises(TypeError, match="Labelled"):
        small_network(data[0].images)


# --- where a run is kept -----------------------------------------------------------


def starts(data, path):
    """Fit, and say how many epochs were begun before it stopped."""
    begun = []

    def begin(*args):
        begun.append(1)
        raise StoppedAt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_epoch", begin)
        with pytest.raises(Exception) as excinfo:
            fit(small(), *few(data), RECIPE, resume=path, verbose=False)
    return len(begun), excinfo.value


def test_a_file_that_cannot_be_written_stops_before_the_first_epoch(
    data, tmp_path, monkeypatch
):
    begun, error = starts(data, tmp_path / "missing" / "run.pt")
    assert begun == 0 and isinstance(error, FileNotFoundError)
    assert "create it first" in str(error)
    begun, error = starts(data, tmp_path)
    assert begun == 0 and isinstance(error, ValueError | OSError)
    needed = 6 * 4 * weights(small()).numel()  # with AdamW's, and beside the old file
    usage = shutil.disk_usage(tmp_path)
    for free in (1000, needed // 3, needed - 1):
        full = usage._replace(free=free)
        monkeypatch.setattr(shutil, "disk_usage", lambda path, full=full: full)
        begun, error = starts(data, tmp_path / "run.pt")
        assert begun == 0 and isinstance(error, OSError) and "disk has" in str(error)
        assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    begun, error = starts(data, tmp_path / "run.pt")
    assert begun == 1 and isinstance(error, StoppedAt)


def test_a_quota_that_is_reached_stops_before_the_first_epoch(data, tmp_path):
    resource = pytest.importorskip("resource")  # not on Windows
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        begun, error = starts(data, tmp_path / "run.pt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert begun == 0 and isinstance(error, OSError)
    assert list(tmp_path.iterdir()) == []


def test_stopped_in_the_first_epoch_and_resumed_keeps_the_first_weights(data, tmp_path):
    path, straight, resumed = tmp_path / "run.pt", small(), small(seed=5)
    starts(data, path)
    fit(straight, *few(data), RECIPE, verbose=False)
    fit(resumed, *few(data), RECIPE, resume=path, verbose=False)
    assert torch.equal(weights(resumed), weights(straight))


def with_order(order):
    model = small()
    model.blocks[0].attn.branch_order = order
    return model


def with_frozen_head():
    model = small()
    model.head.requires_grad_(False)
    return model


OTHERS = {  # than small(), with weights of the same shapes unless it is wider
    "wider": (lambda: small(embed_dims=[32]), "embed|32"),
    "order": (lambda: with_order("cwh"), "'hwc' where this one has .*'cwh'"),
    "skip": (lambda: small(skip_lam=2.0), "skip_lam=1.0 where .* skip_lam=2.0"),
    "drop path": (lambda: small(drop_path_rate=0.5, layers=[2]), "DropPath|Permutator"),
    "mixer": (
        lambda: small(token_mixer=partial(SomeBranches, kept=["width"])),
        "WeightedPermuteMLP.* where .*SomeBranches",
    ),
    "frozen": (with_frozen_head, "head.weight .* True where .* False"),
    "double": (lambda: small().double(), "float32, .*float64"),
}


@in_turn("other", OTHERS)
def test_a_run_of_another_network_is_not_resumed(data, tmp_path, other):
    make, told = OTHERS[other]
    path = tmp_path / "run.pt"
    starts(data, path)
    file, model = path.read_bytes(), make()
    parts = [
        part._replace(images=part.images.to(model.head.weight)) for part in few(data)
    ]
    about = runs.described(RECIPE, small(), *parts)  # only the network differs
    run = torch.load(path, weights_only=True)
    torch.save(run | {"about": about}, path)
    file, before = path.read_bytes(), weights(model).clone()
    with pytest.raises(ValueError, match=f"of another network.*({told}).*remove it"):
        fit(model, *parts, RECIPE, resume=path, verbose=False)
    assert torch.equal(weights(model), before)
    assert path.read_bytes() == file


@in_turn("kept", [["height"], ["width"]])
def test_the_same_but_for_one_setting(data, tmp_path, kept):
    """Settings that no weight and no number of weights shows."""

    def make(**options):
        return small(token_mixer=partial(SomeBranches, **options))

    path = tmp_path / "run.pt"
    fit(make(kept=kept), *few(data), Recipe(1), resume=path, verbose=False)
    fit(make(kept=kept), *few(data), Recipe(1), resume=path, verbose=False)
    with pytest.raises(ValueError, match=r"kept=\('.*kept=\('channel"):
        fit(make(kept=["channel"]), *few(data), Recipe(1), resume=path, verbose=False)


class Secretive(WeightedPermuteMLP):
    """A mixer with a setting that its repr does not show."""

    how: object

    def __init__(self, *sizes, how, **options):
        super().__init__(*sizes, **options)
        self.how = how


def test_networks_that_look_alike_are_told_apart(data, tmp_path):
    def make(how):
        return small(token_mixer=partial(Secretive, how=how))

    path, other = tmp_path / "run.pt", tmp_path / "other.pt"
    assert repr(make("near")) == repr(make("far"))
    for how in ("near", "near"):
        fit(make(how), *few(data), Recipe(1), resume=path, verbose=False)
    told = r"of another network: it has .*attn\.how = 'near' where .*attn\.how = 'far'"
    with pytest.raises(ValueError, match=told):
        fit(make("far"), *few(data), Recipe(1), resume=path, verbose=False)
    for how in (torch.ones(2), lambda x: x):  # of which nothing can be told
        with pytest.raises(ValueError, match=r"attn has how, .*could not tell it from"):
            fit(make(how), *few(data), Recipe(1), resume=other, verbose=False)
        assert not other.exists()
        fit(make(how), *few(data), Recipe(1), verbose=False)
    model = make("near")
    model.head.register_forward_hook(lambda *given: None)  # the caller's own concern
    fit(model, *few(data), Recipe(1), resume=path, verbose=False)


def one_pixel(part):
    images = part.images.clone()
    images[3, 0, 2, 2] += 1
    return part._replace(images=images)


def one_label(part):
    labels = part.labels.clone()
    labels[3] = (labels[3] + 1) % 10
    return part._replace(labels=labels)


def in_another_order(part):
    return part._replace(images=part.images.flip(0), labels=part.labels.flip(0))


@in_turn("name", ["training", "test"])
@in_turn("change", [one_pixel, one_label, in_another_order])
def test_a_run_of_other_images_is_not_resumed(data, tmp_path, change, name):
    path, both = tmp_path / "run.pt", list(few(data))
    fit(small(), *both, Recipe(1), resume=path, verbose=False)
    where = ("training", "test").index(name)
    both[where] = change(both[where])
    model = small(seed=5)
    before = weights(model).clone()
    with pytest.raises(ValueError, match=f"a run with other {name} images or labels"):
        fit(model, *both, Recipe(1), resume=path, verbose=False)
    assert torch.equal(weights(model), before)


def test_fewer_images_are_others(data, tmp_path):
    path = tmp_path / "run.pt"
    starts(data, path)
    with pytest.raises(ValueError, match="other training images"):
        fit(small(), *few(data, 100), RECIPE, resume=path, verbose=False)


def test_a_file_that_is_no_run_or_does_not_say_of_what_is_not_resumed(data, tmp_path):
    path = tmp_path / "run.pt"
    starts(data, path)
    run = torch.load(path, weights_only=True)
    for missing in [
        ["about"],
        ["about", "network"],
        ["about", "test images or labels"],
    ]:
        old = copy.deepcopy(run)
        whole = old
        for key in missing[:-1]:
            whole = whole[key]
        del whole[missing[-1]]
        torch.save(old, path)
        told = r"no run .* resumed.*start anew"
        if missing == ["about"]:
            told = "no file that fit wrote, so it stays as it is"
        with pytest.raises(ValueError, match=told):
            fit(small(), *few(data), RECIPE, resume=path, verbose=False)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="remove it to start anew"):
        fit(small(), *few(data), RECIPE, resume=path, verbose=False)


def test_a_network_says_what_its_weights_do_not():
    told = repr(small(token_mixer=partial(SomeBranches, kept=["width"])))
    for part in (
        "img_size=8, global_pool='avg'",
        "skip_lam=1.0",
        "dim=16, segment_dim=4, branch_order='hwc', kept=('width',)",
    ):
        assert part in told
    reduced = repr(ReducedPermuteMLP(8, 4, branches="hc", replaced=True))
    assert "dim=8, segment_dim=4, branches='hc', replaced=True" in reduced


def save_legacy(weights, path):
    torch.save(weights, path, _use_new_zipfile_serialization=False)


NO_RUNS = {
    "weights": torch.save,
    "old weights": save_legacy,
    "safetensors": lambda weights, path: save_file(weights, path),
    "about something": lambda weights, path: torch.save({"about": "ships"}, path),
    "a list": lambda weights, path: torch.save([1], path),
    "text": lambda weights, path: path.write_text("my diary"),
}


@in_turn("kind", NO_RUNS)
def test_nobody_is_told_to_remove_what_fit_did_not_write(data, tmp_path, kind):
    path, model = tmp_path / "run.pt", small(seed=5)
    NO_RUNS[kind](model.state_dict(), path)
    content, before = path.read_bytes(), weights(model).clone()
    told = "no file that fit wrote.*another name.*load_checkpoint"
    with pytest.raises(ValueError, match=told) as excinfo:
        fit(model, *few(data), RECIPE, resume=path, verbose=False)
    assert "remove it" not in str(excinfo.value)
    assert path.read_bytes() == content and torch.equal(weights(model), before)


def test_a_run_may_have_any_name(data, tmp_path):
    for _ in range(2):
        path = tmp_path / "run.safetensors"
        fit(small(), *few(data), Recipe(1), resume=path, verbose=False)


@in_turn("resume", [3, True, b"run.pt", ["run.pt"]])
def test_what_is_no_name_of_a_file_is_not_resumed(data, resume):
    kind = type(resume).__name__
    with pytest.raises(TypeError, match=f"resume is a {kind}; it must be the name"):
        fit(small(), *few(data), RECIPE, resume=resume, verbose=False)


WITHOUT_RESULT = {
    "no module": (lambda: len, TypeError, "model is a builtin.*torch.nn.Module"),
    "nothing to learn": (nn.Flatten, ValueError, "Flatten, has no parameters"),
    "frozen": (
        lambda: small().requires_grad_(False),
        ValueError,
        r"frozen.*requires_grad_\(True\)",
    ),
    "no classes": (
        lambda: small(num_classes=0),
        ValueError,
        r"num_classes=0.*reset_classifier\(10\)",
    ),
    "meta": (lambda: small().to("meta"), ValueError, "the model is on 'meta'"),
    "two results": (lambda: Twofold(small()), TypeError, "gives a tuple; it must give"),
}


class Twofold(nn.Sequential):
    """Gives its scores twice, as some networks give those of a helper, too."""

    def forward(self, x):
        scores = super().forward(x)
        return scores, scores


@in_turn("fault", WITHOUT_RESULT)
def test_a_model_that_cannot_learn_is_refused(data, fault):
    make, error, told = WITHOUT_RESULT[fault]
    with pytest.raises(error, match=told):
        fit(make(), *few(data), Recipe(1), verbose=False)


@in_turn(
    "name, error, told",
    [
        ("gpu", ValueError, "device is 'gpu', and there is none here .*take 'cpu'"),
        ("cuda:99", ValueError, "device is 'cuda:99', and there is none here"),
        ("", ValueError, "device is '', and"),
        ("meta", ValueError, "no contents: take 'cpu'"),
        (None, TypeError, "device is None; it must be the name"),
    ],
)
def test_a_device_that_is_not_there_is_refused(data, name, error, told):
    model = small()
    before = weights(model).clone()
    with pytest.raises(error, match=told):
        fit(model, *few(data), Recipe(1), device=name, verbose=False)
    assert torch.equal(weights(model), before)


def test_a_part_may_be_frozen(data):
    model = small()
    model.patch_embed.requires_grad_(False)
    before = [p.clone() for p in model.patch_embed.parameters()]
    fit(model, *few(data), Recipe(1), verbose=False)
    assert all(map(torch.equal, before, model.patch_embed.parameters()))


def test_what_has_no_parameters_can_predict(data):
    images = data[1].images[:3]
    assert torch.equal(predict(nn.Flatten(), images), images.flatten(1))


def test_a_recipe_holds_pythons_own_numbers():
    recipe = Recipe(epochs=np.int64(2), lr=np.float32(0.5), seed=np.int64(3))
    assert recipe == Recipe(epochs=2, lr=0.5, seed=3)
    assert {type(value) for value in vars(recipe).values()} == {int, float}


def test_a_loss_that_is_no_number_stops_early_and_says_so(data):
    with pytest.raises(FloatingPointError, match=r"loss is nan at step \d+: lower the"):
        model = small()
        nn.init.constant_(model.head.bias, float("nan"))
        fit(model, *few(data), RECIPE)


def test_the_loss_says_at_which_step(data):
    """Pixels up to 1e38 are finite, and the loss of the third batch is not."""
    train, test = few(data, 128)
    batch = 16
    with torch.random.fork_rng():
        torch.manual_seed(0)  # as in the first epoch with seed 0
        third = torch.randperm(128).split(batch)[2]
    images = train.images.clone()
    images[third[5]] = 3e38
    with (
        pytest.warns(UserWarning, match="far from 0 and 1"),
        pytest.raises(FloatingPointError, match="at step 3: lower"),
    ):
        fit(
            small(),
            train._replace(images=images),
            test,
            Recipe(2, batch=batch, lr=1e-9),
            verbose=False,
        )


def test_an_infinite_loss_is_no_number(data):
    class Torn(nn.Module):
        """Sure, without end, of the last class."""

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(10))

        def forward(self, x):
            scores = self.weight.expand(len(x), 10)
            return scores.masked_fill(torch.arange(10) < 9, -torch.inf)

    with pytest.raises(FloatingPointError, match="the loss is inf at step 1:"):
        fit(Torn(), *few(data), RECIPE, verbose=False)


def test_a_network_that_is_lost_in_the_last_step_is_noticed(data, tmp_path):
    """No loss is computed after it."""
    path, recipe = tmp_path / "run.pt", Recipe(epochs=1, batch=999, lr=1e20)
    told = "best score is no finite number for 100 of 100 images: .* lower learning"
    with pytest.raises(FloatingPointError, match=told):
        fit(small(), *few(data), recipe, resume=path, verbose=False)
    run = torch.load(path, weights_only=True)
    assert run["history"] == {"loss": [], "accuracy": []}
    assert all(value.isfinite().all() for value in run["model"].values())


def test_a_class_may_be_ruled_out(data):
    """One score of minus infinity, and the best is a number all the same."""

    class Ruled(nn.Flatten):
        def forward(self, x):
            scores = super().forward(x)[:, :10].clone()
            scores[:, 3] = -torch.inf
            return scores

    assert 0 <= accuracy(Ruled(), few(data)[1]) <= 1


@in_turn("factor", [1, 255])
def test_pixels_far_below_nothing_get_a_warning(data, factor):
    images = data[0].images[:200] * factor - 255
    train, test = (
        data[0]._replace(images=images, labels=data[0].labels[:200]),
        few(data)[1],
    )
    with pytest.warns(UserWarning, match=r"of train have mean -[12]\d\d"):
        fit(small(), train, test, Recipe(1), verbose=False)


def test_no_two_epochs_of_any_seeds_have_one_order(data, monkeypatch):
    orders = []

    def note(*args):
        orders.append(tuple(torch.randperm(50).tolist()))
        return 0.0

    monkeypatch.setattr(training, "_epoch", note)
    for seed in range(3):
        fit(small(), *few(data), Recipe(3, seed=seed), verbose=False)
    assert len(set(orders)) == 9


def test_the_same_bytes_in_another_form_are_other_images(data):
    train, test = few(data)

    def changed(**parts):
        about = runs.described(RECIPE, small(), train._replace(**parts), test)
        return about["training images or labels"]

    turned = train.images.reshape(200, 1, 4, 16)
    as_whole = train.images.view(torch.int32)
    digests = {changed(), changed(images=turned), changed(images=as_whole)}
    assert len(digests) == 3
    shaped = train.labels[:, None]
    assert changed(labels=shaped) not in digests


def test_a_run_of_another_recipe_is_not_resumed(data, tmp_path):
    path = tmp_path / "run.pt"
    fit(small(), *few(data), Recipe(epochs=1), resume=path, verbose=False)
    with pytest.raises(ValueError, match=r"epochs=1.*epochs=2"):
        fit(small(), *few(data), Recipe(epochs=2), resume=path, verbose=False)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ValueError, match="remove it to start anew"):
        fit(small(), *few(data), Recipe(epochs=1), resume=path, verbose=False)


# --- the tasks ---------------------------------------------------------------------


@in_turn("name", TASKS)
def test_a_task_is_what_its_seed_says(name):
    one, same, other = task(name, 50, 1), task(name, 50, 1), task(name, 50, 2)
    assert torch.equal(one.images, same.images) and torch.equal(one.labels, same.labels)
    assert not torch.equal(one.images, other.images)
    side = 16 if name == "nested" else 8
    assert one.images.shape == (50, TASKS[name][1], side, side)
    assert sorted(set(one.labels.tolist())) == list(range(one.classes))


def test_the_labels_are_true():
    images, labels, _ = task("row", 100)
    assert torch.equal(images[:, 0].sum(2).argmax(1), labels)
    images, labels, _ = task("linerow", 100)
    rows = (images[:, 0].sum(2) > 0).sum(1)
    assert torch.equal(rows, torch.where(labels == 1, 1, 4))
    assert ((images[:, 0].sum(1) > 0).sum(1) == 4).all()  # the columns tell nothing
    images, labels, _ = task("stripes", 100)
    flat = images[:, 0].std(2).amax(1) < 1e-6
    assert torch.equal(flat, labels == 1)
    images, labels, _ = task("colour", 100)
    assert torch.equal(images.sum((2, 3)).argmax(1), labels)
    assert (images.sum((1, 2, 3)) == 6).all()


def test_an_unknown_task():
    with pytest.raises(ValueError, match=r"no task 'x'.*row, linerow"):
        task("x", 3)


def test_a_folder_is_no_file_to_resume(data, tmp_path):
    with pytest.raises(IsADirectoryError, match="give a file in it"):
        fit(small(), *few(data), RECIPE, resume=tmp_path, verbose=False)


@in_turn(
    "damage",
    [
        lambda run: run.pop("optimizer"),
        lambda run: run.update(optimizer="junk"),
        lambda run: run["history"].update(loss=[1.0] * 9),
        lambda run: run["history"].update(loss="abc"),
        lambda run: run["scheduler"].update(last_epoch=1),
        lambda run: run["scheduler"].update(total_steps=99),
        lambda run: run["model"].update({"head.bias": "junk"}),
    ],
)
def test_a_damaged_run_is_refused_and_the_model_stays(data, tmp_path, damage):
    file = tmp_path / "run.pt"
    fit(small(), *few(data), RECIPE, resume=file, verbose=False)
    run = torch.load(file, weights_only=True)
    damage(run)
    torch.save(run, file)
    model = small(seed=5)
    before = weights(model).clone()
    with pytest.raises(ValueError, match="remove it to start anew"):
        fit(model, *few(data), RECIPE, resume=file, verbose=False)
    assert torch.equal(weights(model), before)


def group(**other):
    return lambda run: run["optimizer"]["param_groups"][0].update(other)


def moments(**other):
    return lambda run: run["optimizer"]["state"][0].update(other)


def series(**other):
    return lambda run: run["history"].update(other)


NOT_OF_THE_RECIPE = [  # what is done to the file of a whole run of 2 epochs; the answer
    (group(betas=("a", "b")), r"param_groups\.0\.betas\.0 is 'a', not 0\.\d+"),
    (group(betas=(0.5, 0.999)), r"betas\.0 is 0\.5, not"),
    (group(lr=1.0), r"lr is 1\.0, not"),
    (group(weight_decay=1), r"weight_decay is 1, not 0\.01"),
    (group(amsgrad=True), "amsgrad is True, not False"),
    (group(params=[0]), r"params is \[0\], not"),
    (
        lambda run: run["optimizer"].update(param_groups=[]),
        r"param_groups is \[\], not",
    ),
    (lambda run: run["optimizer"].update(state=[]), "state is a list, not a dict"),
    (lambda run: run["optimizer"]["state"].update({99: 1}), "state has 99"),
    (lambda run: run["optimizer"]["state"].pop(3), "state lacks parameters"),
    (moments(step=torch.tensor(99.0)), r"state\.0\.step is 99 after 8"),
    (moments(exp_avg=torch.zeros(3)), r"exp_avg is \(\(3,\).*, not \(\(16, 1, 2, 2\)"),
    (moments(more=torch.zeros(3)), r"state\.0 has more"),
    (moments(exp_avg=torch.full((16, 1, 2, 2), torch.nan)), r"0\.exp_avg has impos"),
    (moments(exp_avg=torch.full((16, 1, 2, 2), torch.inf)), r"0\.exp_avg has impos"),
    (moments(exp_avg_sq=torch.full((16, 1, 2, 2), -1e-9)), r"0\.exp_avg_sq has impos"),
    (lambda run: run.update(learnt=torch.ones(2)), "lacks parameters that have learnt"),
    (lambda run: run["about"].update(network=3), "its network is no text"),
    (lambda run: run["about"].update(recipe=torch.ones(2)), "its recipe is no text"),
    (series(extra=[1.0, 1.0]), "history is .*'extra'"),
    (lambda run: run["history"].pop("loss"), r"history is \['accuracy'\], not"),
    (series(loss=[1, 2]), r"history\.loss is \[1, 2\]"),
    (series(loss=[float("nan")] * 2), r"history\.loss is \[nan"),
    (series(accuracy=[0.5, 1.5]), r"history\.accuracy is \[0\.5, 1\.5\]"),
    (series(loss=[1.0]), "loss of 1 and the accuracy of 2 epochs"),
    (lambda run: run.pop("history"), "history is NoneType"),
    (lambda run: run["scheduler"].update(base_lrs=[1.0]), r"base_lrs\.0 is 1\.0, not"),
    (lambda run: run.update(model=3), "model is a int, not a dict"),
    (lambda run: run["model"].update(more=torch.ones(1)), "model has more"),
]


def test_a_run_that_its_recipe_does_not_make_is_refused(data, tmp_path):
    file, recipe = tmp_path / "run.pt", Recipe(epochs=2)
    wanted = fit(small(), *few(data), recipe, resume=file, verbose=False)
    run, model = torch.load(file, weights_only=True), small(seed=5)
    before = weights(model).clone()
    for damage, told in NOT_OF_THE_RECIPE:
        damaged = copy.deepcopy(run)
        damage(damaged)
        torch.save(damaged, file)
        with pytest.raises(ValueError, match=f"is a damaged run .*{told}.*start anew"):
            fit(model, *few(data), recipe, resume=file, verbose=False)
        assert torch.equal(weights(model), before), told
    for key in list(run["optimizer"]["param_groups"][0]):  # as other versions may
        if key not in runs.OF_THE_RECIPE:
            del run["optimizer"]["param_groups"][0][key]
    del run["learnt"], run["about"]["settings"]  # as in the files of version 0.1
    torch.save(run, file)
    assert fit(model, *few(data), recipe, resume=file, verbose=False) == wanted
    assert not torch.equal(weights(model), before)


def test_accuracy_of_data_that_do_not_fit_is_refused(data):
    _, test = few(data)
    for change, told in (
        ({"labels": test.labels[:, None]}, "one label an image"),
        ({"labels": test.labels[:1]}, "one label an image"),
        ({"images": test.images * torch.nan}, "not numbers"),
    ):
        with pytest.raises(ValueError, match=told):
            accuracy(small(), test._replace(**change))
    with pytest.raises(ValueError, match=r"makes \(1, 7\) of one .*num_classes=10"):
        accuracy(small(num_classes=7), test)
    with pytest.raises(ValueError, match=r"no classifier.*reset_classifier\(10\)"):
        accuracy(small(num_classes=0), test)
    with pytest.raises(TypeError, match=r"the data is a tuple; .*Labelled"):
        accuracy(small(), tuple(test))


def test_to_predict_pixels_may_be_no_numbers(data):
    images = data[1].images[:2] * torch.nan
    assert predict(small(), images).isnan().all()


def test_the_loss_is_the_mean_over_all_images(data):
    """The last, smaller batch counts for its share."""
    train, test = few(data, count=96)
    model = small()
    frozen = Recipe(epochs=1, batch=64, lr=1e-12, weight_decay=0)
    told = fit(model, train, test, frozen, verbose=False).loss[0]
    truth = torch.nn.functional.cross_entropy(small()(train.images), train.labels)
    assert told == pytest.approx(truth.item(), rel=1e-4)


def test_weight_decay_is_used(data):
    ends = []
    for decay in (0.0, 0.5):
        model = small()
        fit(model, *few(data), Recipe(epochs=1, weight_decay=decay), verbose=False)
        ends.append(weights(model))
    assert not torch.equal(*ends)


def test_to_measure_warns_of_nothing(data):
    """Only training does, where it helps; here a warning would be an error."""
    _, test = few(data)
    accuracy(small(), test._replace(images=test.images * 255))
