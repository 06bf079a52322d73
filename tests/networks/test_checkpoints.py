"""Checkpoints: every usual file loads, every wrong one leaves the model as it was."""

import argparse
import copy
import io
import os
import pickle
import re
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tables import in_turn
from vip_tutorial._util.files import write_atomically
from vip_tutorial.mixers.fast import made_fast
from vip_tutorial.networks import checkpoints
from vip_tutorial.networks.checkpoints import (
    load_checkpoint,
    read_checkpoint,
    resample_weights,
    save_checkpoint,
)
from vip_tutorial.permute_mlp import PermuteMLP, WeightedPermuteMLP
from vip_tutorial.vision_permutator import VisionPermutator


def small(seed=0, **options) -> VisionPermutator:
    torch.manual_seed(seed)
    usual = {"layers": [1, 1], "embed_dims": [16, 32], "transitions": [True]}
    usual |= {"patch_size": 2, "img_size": 16, "num_classes": 5}
    model = VisionPermutator(**(usual | options)).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)
    return model


def image(side=16):
    return torch.randn(2, 3, side, side)


@pytest.fixture
def trained():
    return small(seed=1)


def untouched(model, before) -> bool:
    after = model.state_dict()
    return all(torch.equal(after[k], v) for k, v in before.items())


# --- what loads --------------------------------------------------------------------

WRAPPINGS = {
    "bare": lambda state: state,
    "state_dict": lambda state: {"state_dict": state, "epoch": 3},
    "ema": lambda state: {"state_dict_ema": state},
    "module": lambda state: {
        "state_dict": {f"module.{k}": v for k, v in state.items()}
    },
    "compiled": lambda state: {f"_orig_mod.module.{k}": v for k, v in state.items()},
    "compiled blocks": lambda state: {
        k.replace(".attn.", "._orig_mod.attn."): v for k, v in state.items()
    },
}


@in_turn("wrapping", WRAPPINGS)
@in_turn("zipped", [True, False])
def test_official_style_files_load_unchanged(trained, tmp_path, wrapping, zipped):
    path = tmp_path / "vip.pth"
    torch.save(
        WRAPPINGS[wrapping](trained.state_dict()),
        path,
        _use_new_zipfile_serialization=zipped,
    )
    model, x = small(), image()
    load_checkpoint(model, path, img_size=16)
    assert torch.equal(model(x), trained(x))


def test_a_round_trip_keeps_every_bit_and_the_size(trained, tmp_path):
    path = tmp_path / "own.safetensors"
    save_checkpoint(trained, path, recipe="none")
    weights, img_size = read_checkpoint(path)
    assert img_size == 16
    assert list(sorted(weights)) == sorted(trained.state_dict())
    model, x = small(), image()
    load_checkpoint(model, path)
    assert torch.equal(model(x), trained(x))


def test_on_every_device(device, trained, tmp_path):
    path = tmp_path / "own.safetensors"
    save_checkpoint(trained.to(device), path)
    model = small().to(device)
    load_checkpoint(model, path)
    x = image().to(device)
    torch.testing.assert_close(model(x), trained(x))
    assert next(model.parameters()).device.type == device.type


@in_turn("wrapping", WRAPPINGS)
def test_what_is_in_such_a_file_loads_too(trained, wrapping):
    model, x, content = small(), image(), WRAPPINGS[wrapping](trained.state_dict())
    names = list(content)
    load_checkpoint(model, content, img_size=16)
    assert torch.equal(model(x), trained(x))
    assert list(content) == names


def test_a_parallel_models_state_dict_loads(trained):
    model, x = small(), image()
    parallel = nn.DataParallel(trained)
    load_checkpoint(model, parallel.state_dict(), img_size=16)
    assert torch.equal(model(x), trained(x))


def test_another_number_of_classes_keeps_the_models_own_head(trained):
    model = small(num_classes=3)
    head = model.head.weight.clone()
    load_checkpoint(model, trained.state_dict(), img_size=16, head=False)
    assert torch.equal(model.head.weight, head)
    x = image()
    assert torch.equal(model.forward_features(x), trained.forward_features(x))


# --- the order of the branches -----------------------------------------------------


def in_the_articles_order(model: VisionPermutator) -> VisionPermutator:
    """The same model, whose modules read their weights as c, w, h."""
    other = copy.deepcopy(model)
    for block in other.blocks:
        block.attn.branch_order = "cwh"
    return other


def test_weights_in_the_articles_order_are_converted(trained):
    article, x = in_the_articles_order(trained), image()
    weights = {
        name.replace(".reweight.", ".reweighting."): value
        for name, value in article.state_dict().items()
    }
    model = small()
    load_checkpoint(model, weights, img_size=16)  # known by the name
    torch.testing.assert_close(model(x), article(x))
    renamed = article.state_dict()
    load_checkpoint(model, renamed, img_size=16)  # unconverted: loads, and is wrong
    assert (model(x) - article(x)).abs().max() > 1e-3
    load_checkpoint(model, renamed, img_size=16, branch_order="cwh")
    torch.testing.assert_close(model(x), article(x))
    load_checkpoint(model, weights, img_size=16, branch_order="hwc")  # as told
    assert untouched(model, renamed)


def test_only_a_whole_part_of_a_name_is_the_articles(trained):
    weights = {
        name.replace(".reweight.", ".my_reweighting."): value
        for name, value in trained.state_dict().items()
    }
    with pytest.raises(ValueError, match=r"lacks network\.0\.0\.attn\.reweight\."):
        load_checkpoint(small(), weights, img_size=16)


@in_turn("order", ["chw", "", 3])
def test_an_order_that_there_is_not(trained, order):
    with pytest.raises(ValueError, match=r"branch_order is .*'hwc' or 'cwh'"):
        load_checkpoint(small(), trained.state_dict(), img_size=16, branch_order=order)


def test_and_the_other_way(trained):
    model, x = in_the_articles_order(small()), image()
    load_checkpoint(model, trained.state_dict(), img_size=16)
    torch.testing.assert_close(model(x), trained(x))


# --- another grid ------------------------------------------------------------------


def test_another_grid_is_refused_with_the_reason(trained):
    model = small(img_size=32)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError) as excinfo:
        load_checkpoint(model, trained.state_dict(), img_size=16)
    for part in ("16 x 16", "32 x 32", "nonsense", "img_size=16", "resample=True"):
        assert part in str(excinfo.value)
    assert untouched(model, before)


def test_the_authors_files_are_taken_to_be_for_224(trained, tmp_path):
    path = tmp_path / "vip.pth"
    torch.save(trained.state_dict(), path)
    told = r"nothing says .* 224 x 224, the authors', is assumed.*Pass img_size=16"
    for resample in (False, True):  # a guess is nothing to resample from
        model = small()
        before = copy.deepcopy(model.state_dict())
        with pytest.raises(ValueError, match=told):
            load_checkpoint(model, path, resample=resample)
        assert untouched(model, before)
    load_checkpoint(model, path, img_size=16)
    assert untouched(model, trained.state_dict())


def test_a_file_that_says_its_size_is_resampled(trained, tmp_path):
    path, wide = tmp_path / "own.safetensors", small(img_size=32)
    save_checkpoint(trained, path)
    load_checkpoint(wide, path, resample=True)
    assert untouched(wide, resample_weights(trained.state_dict(), wide, 16))


@in_turn("side", [8, 32])
def test_resampled_weights_do_alike_with_a_picture_of_another_size(side):
    """Fewer rows are exact where rows are alike; more rows at least run and blend."""
    model, other = (
        small(layers=[1], embed_dims=[32], transitions=[]),
        small(layers=[1], embed_dims=[32], transitions=[], img_size=side),
    )
    weights = resample_weights(model.state_dict(), other, 16)
    assert {k for k, v in weights.items() if not torch.equal(v, model.state_dict()[k])}
    load_checkpoint(other, model.state_dict(), img_size=16, resample=True)
    assert other(image(side)).isfinite().all()
    if side < 16:
        # The same column in every row, and so one sum over the rows on both grids.
        tokens = torch.randn(1, 1, 1, 32)
        large = model.blocks[0].attn.height(tokens.expand(1, 8, 8, 32))
        small_ = other.blocks[0].attn.height(tokens.expand(1, 4, 4, 32))
        torch.testing.assert_close(
            small_.mean(1), large.mean(1)[:, :4], rtol=1e-4, atol=1e-5
        )


def test_resampling_to_the_same_grid_changes_nothing(trained):
    weights = resample_weights(trained.state_dict(), small(), 16)
    for name, value in trained.state_dict().items():
        torch.testing.assert_close(weights[name], value)


@in_turn("side", [8, 32])
def test_a_bias_that_is_equal_in_all_rows_stays_so(side):
    model, other = (
        small(layers=[1], embed_dims=[32], transitions=[], qkv_bias=True, img_size=s)
        for s in (16, side)
    )
    branch = model.blocks[0].attn.mlp_h
    nn.init.zeros_(branch.weight)
    with torch.no_grad():
        branch.bias.copy_(torch.arange(4.0).repeat(8))  # 8 rows of 4 channels
    load_checkpoint(other, model.state_dict(), img_size=16, resample=True)
    tokens = torch.zeros(1, side // 2, side // 2, 32)
    out = other.blocks[0].attn.height(tokens)
    torch.testing.assert_close(out, out[:, :1, :1].expand_as(out))
    # A segment still holds its channels, or the mean of those that share a map now.
    wanted = [0.0, 1.0, 2.0, 3.0] if side < 16 else [1.0, 2.0]
    segment = out[0, 0, 0, : len(wanted)].tolist()
    assert segment == pytest.approx(wanted)


def test_what_cannot_be_resampled_is_told(trained):
    weights, model = trained.state_dict(), small()
    with pytest.raises(TypeError, match="the model is a str"):
        resample_weights(weights, "vip_s7", 16)
    for size, error in ((0, ValueError), (-16, ValueError), ("16", TypeError)):
        with pytest.raises(error, match="img_size is"):
            resample_weights(weights, model, size)
    with pytest.raises(ValueError, match="weights holds a list; it must hold a state"):
        resample_weights([], model, 16)


def test_a_file_that_cannot_be_written_is_named(trained, tmp_path):
    path = tmp_path / "none" / "own.safetensors"
    with pytest.raises(FileNotFoundError, match=r"it was not written: .*own") as fault:
        save_checkpoint(trained, path)
    assert fault.value.filename == str(path)


def test_only_a_whole_weight_is_resampled(trained):
    weights = trained.state_dict()
    name = next(key for key in weights if key.endswith("mlp_h.weight"))
    whole = weights.pop(name)
    with pytest.raises(
        ValueError, match=rf"{re.escape(name)} is missing; only a whole"
    ):
        resample_weights(weights, small(), 16)
    with pytest.raises(ValueError, match=r"is \(3, \d+\); only a whole weight"):
        resample_weights(weights | {name: whole[:3]}, small(), 16)


def test_grids_that_do_not_divide_are_refused(trained):
    model = small(img_size=24, embed_dims=[24, 24])
    weights = small(img_size=16, embed_dims=[24, 24]).state_dict()
    with pytest.raises(ValueError, match="multiple of the other"):
        load_checkpoint(model, weights, img_size=16, resample=True)


# --- what does not load ------------------------------------------------------------


def drop(state):
    return {k: v for k, v in state.items() if k != "network.2.0.norm1.bias"}


WRONG = {
    "a key less": (drop, ("lacks network.2.0.norm1.bias", "1 names")),
    "a key more": (lambda s: s | {"x": torch.ones(1)}, ("has x", "1 are unknown")),
    "another width": (
        lambda s: s | {"norm.weight": torch.ones(7)},
        ("norm.weight has shape (7,)", "(32,)"),
    ),
    "other classes": (
        lambda s: s | {"head.weight": torch.ones(9, 32), "head.bias": torch.ones(9)},
        ("9 classes", "num_classes=9", "head=False"),
    ),
    "no tensors": (lambda s: {"epoch": 3, "lr": 0.1}, ("'epoch'", "int", "tensors")),
    "a list": (lambda s: [1, 2], ("list", "state dict")),
    "nothing": (lambda s: {}, ("dict", "state dict")),
}


@in_turn("wrong", WRONG)
def test_a_wrong_file_gets_a_sentence_and_leaves_the_model(trained, tmp_path, wrong):
    change, parts = WRONG[wrong]
    path = tmp_path / "vip.pth"
    torch.save(change(trained.state_dict()), path)
    model = small()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError) as excinfo:
        load_checkpoint(model, path, img_size=16)
    assert [part for part in parts if part not in str(excinfo.value)] == []
    assert untouched(model, before)


@in_turn("suffix", ["pth", "safetensors"])
@in_turn("share", [0.0, 0.1, 0.7, 0.999])
def test_a_file_that_is_cut_off_is_damaged(trained, tmp_path, suffix, share):
    path = tmp_path / f"vip.{suffix}"
    if suffix == "pth":
        torch.save(trained.state_dict(), path)
    else:
        save_checkpoint(trained, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    model = small()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=rf"vip\.{suffix} is damaged or cut off: \w+"):
        load_checkpoint(model, path, img_size=16)
    assert untouched(model, before)


class Mischief:
    def __reduce__(self):
        return os.mkdir, ("mischief",)


@in_turn("legacy", [True, False])
def test_a_file_that_would_run_code_is_not_opened(tmp_path, monkeypatch, legacy):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pth"
    if legacy:
        path.write_bytes(pickle.dumps({"state_dict": Mischief()}, protocol=2))
    else:
        torch.save({"state_dict": Mischief()}, path)
    with pytest.raises(ValueError, match="run code"):
        load_checkpoint(small(), path)
    assert not (tmp_path / "mischief").exists()


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*none\.pth"):
        load_checkpoint(small(), tmp_path / "none.pth")


# --- writing -----------------------------------------------------------------------


def test_an_interrupted_write_leaves_the_old_file(trained, tmp_path, monkeypatch):
    path = tmp_path / "own.safetensors"
    save_checkpoint(trained, path)
    old = path.read_bytes()

    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints.os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(small(seed=2), path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_takes_the_place_of_the_old_one_and_never_its_bytes(tmp_path):
    """Who has the old file open goes on reading it, whole."""
    path, same = tmp_path / "file", tmp_path / "the same file"
    path.write_bytes(b"old")
    os.link(path, same)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new" and same.read_bytes() == b"old"
    assert sorted(tmp_path.iterdir()) == [path, same]


@in_turn("step", ["open", "fsync", "replace"])
def test_a_write_that_fails_at_any_step_leaves_the_old_file(
    tmp_path, monkeypatch, step
):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def stop(*args):
        raise OSError("the disk is full")

    if step == "open":
        monkeypatch.setattr("builtins.open", stop)
    else:
        monkeypatch.setattr(checkpoints.os, step, stop)
    with pytest.raises(OSError, match="the disk is full"):
        write_atomically(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@in_turn("fault", [OSError("the disk is full"), KeyboardInterrupt("the disk is full")])
def test_a_clean_up_that_fails_does_not_hide_why(tmp_path, monkeypatch, fault):
    def fail(*args, **options):
        raise fault

    def fail_again(*args, **options):
        raise PermissionError("and nothing can be removed")

    monkeypatch.setattr(checkpoints.os, "fsync", fail)
    monkeypatch.setattr(Path, "unlink", fail_again)
    with pytest.raises(type(fault), match="the disk is full"):
        write_atomically(tmp_path / "file", b"new")


@in_turn("name", ["a" * 255, "\u00e9" * 127, "\U0001f600" * 63])
def test_a_name_may_be_as_long_as_names_are(tmp_path, name):
    for content in (b"1", b"2"):
        write_atomically(tmp_path / name, content)
    assert [f.read_bytes() for f in tmp_path.iterdir()] == [b"2"]


def test_all_is_on_the_disk_before_the_old_file_goes(tmp_path, monkeypatch):
    steps, path = [], tmp_path / "file"
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(
            checkpoints.os,
            name,
            lambda *args, name=name, real=real: (steps.append(name), real(*args)),
        )
    write_atomically(path, b"new")
    assert steps == ["fsync", "replace"]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "no" / "file", b"")


# --- what was found by trying to break it -------------------------------------------


@in_turn("orders", [("cwh", "cwh"), ("hwc", "cwh")])
def test_a_file_loads_whatever_the_order_of_the_models_is(tmp_path, orders):
    def with_orders(seed):
        model = small(seed)
        for block, order in zip(model.blocks, orders):
            block.attn.branch_order = order
        return model

    saved, loaded = with_orders(1), with_orders(2)
    save_checkpoint(saved, tmp_path / "a.safetensors")
    load_checkpoint(loaded, tmp_path / "a.safetensors")
    assert untouched(loaded, saved.state_dict())
    authors = small(3)
    load_checkpoint(authors, tmp_path / "a.safetensors")
    x = image()
    torch.testing.assert_close(authors(x), saved(x))


def test_a_plain_permute_mlp_is_resampled_too(trained):
    source = small(token_mixer=PermuteMLP)
    grown = small(token_mixer=PermuteMLP, img_size=32)
    load_checkpoint(grown, source.state_dict(), img_size=16, resample=True)
    name = "network.0.0.attn.mlp_h.weight"
    assert not torch.equal(grown.state_dict()[name], source.state_dict()[name])


@in_turn("before", [4, 8])
def test_resampling_keeps_what_an_even_column_gives(before):
    """From 4 rows to 8 and back: the mean answer to a column of equal tokens."""
    from vip_tutorial.mixers.resampling import resampled

    after, C = 12 - before, 16
    weight = torch.randn(C, C, dtype=torch.float64)
    moved = resampled(weight, before, after)
    S, T = C // before, C // after
    # Rows of the output are averaged, and those of the input summed up.
    was = weight.reshape(before, S, before, S).mean(0).sum(1)  # (S, S)
    now = moved.reshape(after, T, after, T).mean(0).sum(1)  # (T, T)
    if after > before:  # an old segment's mean over its new segments
        parts = was.reshape(2, T, 2, T)
        torch.testing.assert_close(now, sum(parts[i, :, i] for i in range(2)) / 2)
    else:
        both = torch.block_diag(was, was)
        torch.testing.assert_close(now, both)


def at(weight, rows, row_out, channel_out, row_in, channel_in):
    """An entry of a weight of `mlp_h`: from (row, channel of a segment) to another."""
    S = len(weight) // rows
    return weight[row_out * S + channel_out, row_in * S + channel_in].item()


# Where the middle of a new row lies between the middles of the old ones.
TO_FOUR = [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]]
TO_TWO = [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]]


@in_turn("rows", [TO_FOUR, TO_TWO], ids=["more", "fewer"])
def test_resampling_entry_by_entry(rows):
    from vip_tutorial.mixers.resampling import resampled

    after, before, C = len(rows), len(rows[0]), 8
    weight = torch.randn(C, C, dtype=torch.float64)
    moved = resampled(weight, before, after)
    S, T = C // before, C // after

    def interpolated(row_out, channel_out, row_in, channel_in):
        """An output row is a mean of old ones; an old input row's weight is dealt."""
        total = 0.0
        for g in range(before):
            for k in range(before):
                share = rows[row_in][k] / sum(row[k] for row in rows)
                old = at(weight, before, g, channel_out, k, channel_in)
                total += rows[row_out][g] * old * share
        return total

    for h, out, m, into in torch.cartesian_prod(*map(torch.arange, (after, T) * 2)):
        h, out, m, into = (n.item() for n in (h, out, m, into))
        if after > before:  # the mean over the new segments of an old one
            parts = range(after // before)
            wanted = sum(interpolated(h, p * T + out, m, p * T + into) for p in parts)
            wanted /= len(parts)
        else:  # a channel of an old segment hears of none of another
            apart = out // S != into // S
            wanted = 0.0 if apart else interpolated(h, out % S, m, into % S)
        assert at(moved, after, h, out, m, into) == pytest.approx(wanted, abs=1e-12)


@in_turn("side", [8, 32])
def test_both_branches_of_every_block_are_resampled_and_nothing_else(trained, side):
    from vip_tutorial.mixers.resampling import resampled

    state, model = trained.state_dict(), small(img_size=side)
    found = resample_weights(state, model, 16)
    assert list(found) == list(state)
    grids = {"network.0.0.attn": 8, "network.2.0.attn": 4}
    for name, value in state.items():
        mixer, _, branch = name.removesuffix(".weight").rpartition(".")
        if branch in ("mlp_h", "mlp_w"):
            value = resampled(value, grids[mixer], grids[mixer] * side // 16)
        assert torch.equal(found[name], value), name


NOT_PLAIN = {
    "whole": lambda weight: weight.long(),
    "complex": lambda weight: weight + 1j,
    "sparse": lambda weight: weight.to_sparse(),
    "meta": lambda weight: weight.to("meta"),
}


@in_turn("kind", NOT_PLAIN)
def test_weights_that_are_no_real_numbers_are_refused(trained, kind):
    value = NOT_PLAIN[kind](trained.head.weight.detach())
    model = small()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=r"head\.weight is not a dense tensor of real"):
        load_checkpoint(model, trained.state_dict() | {"head.weight": value})
    assert untouched(model, before)


NOT_FINITE = {  # of what dtype, and the model's
    "nan": (torch.nan, torch.float32, torch.float32),
    "inf": (torch.inf, torch.float32, torch.float32),
    "-inf": (-torch.inf, torch.float32, torch.float32),
    "too large": (1e300, torch.float64, torch.float32),
    "too large for half": (1e6, torch.float32, torch.float16),
    "nan in 8 bits": (torch.nan, torch.float8_e4m3fn, torch.float32),
}


@in_turn("kind", NOT_FINITE)
def test_weights_that_are_not_finite_in_the_model_are_refused(trained, kind):
    number, dtype, own = NOT_FINITE[kind]
    value = trained.head.weight.detach().to(torch.float64)
    value[1, 2] = number
    model = small().to(own)
    before = copy.deepcopy(model.state_dict())
    told = rf"head\.weight is not finite everywhere, in {own}: .*dtype too small"
    weights = trained.state_dict() | {"head.weight": value.to(dtype)}
    with pytest.raises(ValueError, match=told):
        load_checkpoint(model, weights, img_size=16)
    assert untouched(model, before)


@in_turn("dtype", [torch.float8_e4m3fn, torch.float64, torch.float16])
def test_weights_of_another_dtype_load(trained, dtype):
    weights = {k: v.to(dtype) for k, v in trained.state_dict().items()}
    model = small()
    load_checkpoint(model, weights, img_size=16)
    assert untouched(model, {k: v.float() for k, v in weights.items()})
    assert model.head.weight.dtype == torch.float32


def test_a_model_of_8_bits_is_saved_and_loaded(trained, tmp_path):
    path, model = tmp_path / "a.safetensors", small().to(torch.float8_e4m3fn)
    save_checkpoint(trained.to(torch.float8_e4m3fn), path)
    load_checkpoint(model, path)
    assert torch.equal(model.head.weight.float(), trained.head.weight.float())


MODELS = {
    "another module": (lambda: nn.Linear(2, 2), TypeError, "a Linear; .*VisionPermut"),
    "meta": (lambda: small().to("meta"), ValueError, "on 'meta'.*no contents"),
}


@in_turn("kind", MODELS)
def test_a_model_that_cannot_hold_weights(trained, tmp_path, kind):
    make, error, told = MODELS[kind]
    with pytest.raises(error, match=told):
        load_checkpoint(make(), trained.state_dict(), img_size=16)
    with pytest.raises(error, match=told):
        save_checkpoint(make(), tmp_path / "a.safetensors")
    assert list(tmp_path.iterdir()) == []


@in_turn("source", [None, [1], io.BytesIO(), nn.Linear(2, 2), b"a", 3])
def test_a_source_that_is_no_file_and_no_mapping(source):
    kind = type(source).__name__
    told = f"is a {kind}; it must be the name of a file, or .*a state dict"
    with pytest.raises(TypeError, match=told):
        load_checkpoint(small(), source)


def test_names_that_are_one_without_module_are_refused(trained):
    model, weights = small(), trained.state_dict()
    more = {"module.norm.bias": weights["norm.bias"] + 1}
    with pytest.raises(ValueError, match=r"has norm\.bias twice, once called module\."):
        load_checkpoint(model, weights | more, img_size=16)
    name = "network.0.0.attn.reweight.fc2.bias"
    more = {name.replace("reweight", "reweighting"): weights[name]}
    with pytest.raises(ValueError, match=r"has network\..*fc2\.bias twice"):
        load_checkpoint(model, weights | more, img_size=16)


def test_module_is_dropped_in_front_alone(tmp_path):
    path = tmp_path / "a.pth"
    torch.save({"module.a": torch.ones(1), "b.module.c": torch.ones(1)}, path)
    assert list(read_checkpoint(path)[0]) == ["a", "b.module.c"]


def test_of_several_state_dicts_the_plain_one_counts(tmp_path):
    path = tmp_path / "a.pth"
    torch.save(
        {"model": {}, "state_dict_ema": {"a": torch.ones(2)}}
        | {"state_dict": {"a": torch.ones(1)}},
        path,
    )
    assert read_checkpoint(path)[0]["a"].shape == (1,)


@in_turn(
    "content, told",
    [
        ({}, "the mapping holds a dict; it must hold a state dict"),
        ({"epoch": 3}, "the mapping holds 'epoch', of type int"),
        ({3: torch.ones(1)}, "the mapping holds 3, of type Tensor"),
        ({"head.weight": [1.0]}, "the mapping holds 'head.weight', of type list"),
    ],
)
def test_a_mapping_that_is_no_state_dict(content, told):
    model = small()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=told):
        load_checkpoint(model, content, img_size=16)
    assert untouched(model, before)


@in_turn(
    "img_size, error, told",
    [
        ("16", TypeError, "img_size is '16'; it must be a whole number"),
        (0, ValueError, "img_size is 0; it must be at least 1"),
        (-16, ValueError, "img_size is -16"),
        (64, ValueError, r"16 channels.* 32 segments .* images of 64 x 64"),
        (17, ValueError, "multiple of the other"),
    ],
)
def test_a_size_that_no_weights_are_for(trained, img_size, error, told):
    model = small()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(error, match=told):
        load_checkpoint(model, trained.state_dict(), img_size=img_size, resample=True)
    assert untouched(model, before)


def test_other_faults_get_a_sentence(trained, tmp_path):
    with pytest.raises(ValueError, match="name that ends in"):
        save_checkpoint(trained, tmp_path / "vip.pth")
    (tmp_path / "hello.pth").write_text("hello")
    with pytest.raises(ValueError, match=r"hello\.pth"):
        load_checkpoint(small(), tmp_path / "hello.pth")
    for size in ("abc", "0", "-16", "16.0", "", "9" * 5000, "\u0661\u0666"):
        path = tmp_path / "odd.safetensors"
        save_file(trained.state_dict(), path, metadata={"img_size": size})
        with pytest.raises(ValueError, match=f"images of size '{size[:20]}'"):
            load_checkpoint(small(), path)
    with pytest.raises(ValueError, match="same global_pool"):
        load_checkpoint(small(global_pool="flatten"), trained.state_dict(), img_size=16)


FOREIGN = {
    "lfs": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7",
        "git lfs pull",
    ),
    "page": (b"\n<!DOCTYPE html><html><head>" + "\u00e9".encode() * 40, "a web page"),
    "xml": (b'<?xml version="1.0"?><Error>', "a web page"),
    "text": (b"Not found", "is text that begins 'Not found'"),
    "text with a brace": (b"Settings{}", "is text that begins 'Settings"),
}


@in_turn("suffix", ["pth", "safetensors"])
@in_turn("kind", FOREIGN)
def test_a_file_that_was_never_weights_is_called_what_it_is(tmp_path, kind, suffix):
    content, told = FOREIGN[kind]
    path = tmp_path / f"vip.{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"vip\.{suffix} holds no weights.*{told}"):
        load_checkpoint(small(), path)


@in_turn("name", ["a.pth", "a.SAFETENSORS", "a"])
def test_the_content_tells_how_a_file_is_read(trained, tmp_path, name):
    save_checkpoint(trained, tmp_path / "own.safetensors")
    (tmp_path / "own.safetensors").rename(tmp_path / name)
    model = small()
    load_checkpoint(model, tmp_path / name)
    assert untouched(model, trained.state_dict())
    torch.save(trained.state_dict(), tmp_path / "zip.safetensors")
    load_checkpoint(small(), tmp_path / "zip.safetensors", img_size=16)


@in_turn("length", range(0x20, 0x80))
def test_a_header_may_have_any_length(tmp_path, length):
    """Its length comes first, and may look like the first letter of a page."""
    path = tmp_path / "a.safetensors"
    header = b'{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}'
    if length < len(header):
        header = b"{}"
    header = header.ljust(length)
    path.write_bytes(length.to_bytes(8, "little") + header)
    if header.startswith(b"{}"):
        with pytest.raises(ValueError, match="holds a dict; it must hold a state dict"):
            read_checkpoint(path)
    else:
        assert list(read_checkpoint(path)[0]) == ["a"]


def test_the_options_of_a_script_may_lie_beside_the_weights(trained, tmp_path):
    path, model = tmp_path / "vip.pth", small()
    options = argparse.Namespace(model="vip_s7", lr=1e-3, scale=[0.08, 1.0])
    torch.save({"state_dict": trained.state_dict(), "args": options}, path)
    load_checkpoint(model, path, img_size=16)
    assert untouched(model, trained.state_dict())
    options.out = Path("out")
    torch.save({"state_dict": trained.state_dict(), "args": options}, path)
    with pytest.raises(ValueError, match="run code"):  # and nothing beside them
        load_checkpoint(model, path, img_size=16)


def test_a_folder_is_no_checkpoint(trained, tmp_path):
    with pytest.raises(IsADirectoryError, match=r"is the folder .*give a file"):
        load_checkpoint(small(), tmp_path)
    folder = tmp_path / "a.safetensors"
    folder.mkdir()
    with pytest.raises(IsADirectoryError, match=r"is the folder .*give a file"):
        save_checkpoint(trained, folder)


@in_turn("suffix", ["pth", "safetensors"])
def test_a_file_that_cannot_be_read_is_not_called_damaged(
    trained, tmp_path, monkeypatch, suffix
):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(b"x")

    def refuse(*args):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(PermissionError, match="Permission denied"):
        load_checkpoint(small(), path)


def test_a_safetensors_file_that_fails_while_it_is_read(trained, tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    save_checkpoint(trained, path)

    def fail(*args):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("safetensors.safe_open", fail)
    with pytest.raises(ValueError, match=r"a\.safetensors is damaged.*Input/output"):
        load_checkpoint(small(), path)


NOTES = {
    "a number": ({"epochs": 3}, TypeError, "the note epochs is 3; it must be text"),
    "nothing": ({"why": None}, TypeError, "the note why is None"),
    "the size": ({"img_size": "16"}, ValueError, "can't be called 'img_size'"),
    "the format": ({"format": "np"}, ValueError, "can't be called 'format'"),
}


@in_turn("kind", NOTES)
def test_a_note_that_cannot_be_kept(trained, tmp_path, kind):
    notes, error, told = NOTES[kind]
    with pytest.raises(error, match=told):
        save_checkpoint(trained, tmp_path / "a.safetensors", **notes)
    assert list(tmp_path.iterdir()) == []


def test_what_could_not_be_loaded_again_is_not_saved(trained, tmp_path):
    trained.norm.bias.data[3] = torch.nan
    with pytest.raises(ValueError, match=r"norm\.bias is not finite .*loaded again"):
        save_checkpoint(trained, tmp_path / "a.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_transposed_parameter_is_saved_as_it_reads(trained, tmp_path):
    turned = trained.norm.weight.new_empty(5, 32).normal_().T.contiguous().T
    assert not turned.is_contiguous()
    trained.head.weight.data = turned
    save_checkpoint(trained, tmp_path / "a.safetensors")
    model = small()
    load_checkpoint(model, tmp_path / "a.safetensors")
    assert torch.equal(model.head.weight, turned)


# --- settings, and what else a file must not lose ----------------------------------


class Unshaped(WeightedPermuteMLP):
    """A mixer with settings in whatever form, none of which changes a shape."""

    def __init__(self, *sizes, norm=None, **settings):
        own = ("scale", "axes", "act", "how")
        given = {key: settings.pop(key) for key in own if key in settings}
        super().__init__(*sizes, **settings)
        self.norm = norm or nn.Identity()
        self.scale, self.axes, self._act, self.how = 1.0, (1, 2), torch.relu, None
        for key, value in given.items():
            setattr(self, "_act" if key == "act" else key, value)


UNLIKE = {  # in the file and in the model
    "number": ({"scale": 2}, {"scale": 3.0}, "scale=2 .*scale=3.0"),
    "tuple": ({"axes": (1, 2)}, {"axes": [2, 1]}, r"axes=\[1, 2\] .*axes=\[2, 1\]"),
    "function": ({"act": torch.tanh}, {"act": torch.relu}, "tanh.*relu"),
    "partly given": (
        {"act": partial(torch.clamp, min=0)},
        {"act": partial(torch.clamp, min=1)},
        "0.*1",
    ),
    "nothing": ({"how": None}, {"how": "far"}, "None.*far"),
    "norm": (
        {"norm": nn.LayerNorm(16, elementwise_affine=False)},
        {},
        r"\.norm is LayerNorm in the file and nothing in the model",
    ),
    "eps": (
        {"norm": nn.LayerNorm(16, eps=1e-3)},
        {"norm": nn.LayerNorm(16)},
        r"norm has eps=0\.001 .*eps=1e-05",
    ),
    "activation": ({"norm": nn.ReLU()}, {"norm": nn.GELU()}, "ReLU .*GELU"),
}


def mixed(**settings):
    usual = {"layers": [1], "embed_dims": [16], "transitions": []}
    return small(**usual, token_mixer=partial(Unshaped, **settings))


def test_settings_in_any_form_are_compared(tmp_path):
    path = tmp_path / "a.safetensors"
    for one, other, told in UNLIKE.values():
        save_checkpoint(mixed(**one), path)
        load_checkpoint(mixed(**one), path)
        model = mixed(**other)
        before = copy.deepcopy(model.state_dict())
        with pytest.raises(ValueError, match=f"attn.*({told}).*build the model as"):
            load_checkpoint(model, path)
        assert untouched(model, before)
    save_checkpoint(small(skip_lam=2), path)
    load_checkpoint(small(skip_lam=2.0), path)
    with pytest.raises(ValueError, match=r"network\.0\.0 has skip_lam=2 .*=1\.0 in"):
        load_checkpoint(small(), path)
    save_checkpoint(small(token_mixer=partial(WeightedPermuteMLP)), path)
    with pytest.raises(ValueError, match=r"attn is WeightedPermuteMLP in .* Unlike in"):
        load_checkpoint(
            small(token_mixer=type("Unlike", (WeightedPermuteMLP,), {})), path
        )


def test_what_computes_alike_loads_all_the_same(trained, tmp_path):
    path, x = tmp_path / "a.safetensors", image()
    save_checkpoint(trained, path)
    dropping = small(
        drop_path_rate=0.5, token_mixer=partial(WeightedPermuteMLP, proj_drop=0.5)
    )
    for model in (dropping, made_fast(small())):
        load_checkpoint(model, path)
        torch.testing.assert_close(model(x), trained(x))
        save_checkpoint(model, tmp_path / "b.safetensors")
        load_checkpoint(small(), tmp_path / "b.safetensors")
    load_checkpoint(small(num_classes=3, global_pool="flatten"), path, head=False)
    wide = small(img_size=32)
    load_checkpoint(wide, path, resample=True)
    assert untouched(wide, resample_weights(trained.state_dict(), wide, 16))


def test_what_the_file_says_is_not_talked_over(trained, tmp_path):
    path = tmp_path / "a.safetensors"
    save_checkpoint(trained, path)
    with pytest.raises(ValueError, match="img_size is 32 and the file says 16: leave"):
        load_checkpoint(small(img_size=32), path, img_size=32)
    with pytest.raises(ValueError, match="branch_order is 'cwh' and the file says"):
        load_checkpoint(small(), path, branch_order="cwh")
    load_checkpoint(small(), path, img_size=16, branch_order="hwc")
    for note in ("", "[1]", '{"": 3}', "[" * 9999):
        notes = {"vip_tutorial.settings": note, "img_size": "16"}
        save_file(trained.state_dict(), path, metadata=notes)
        with pytest.raises(ValueError, match="its settings cannot be read"):
            load_checkpoint(small(), path)


def test_two_weights_for_one_place_are_not_lost_in_silence(trained):
    tied = small()
    tied.blocks[0].attn.mlp_w = tied.blocks[0].attn.mlp_h
    before = copy.deepcopy(tied.state_dict())
    told = r"mlp_h\.weight and .*mlp_w\.weight are one weight .* one would be lost"
    with pytest.raises(ValueError, match=told):
        load_checkpoint(tied, trained.state_dict(), img_size=16)
    assert untouched(tied, before)
    load_checkpoint(small(), tied.state_dict(), img_size=16)


class Buffered(WeightedPermuteMLP):
    """A mixer with one buffer more."""

    def __init__(self, *sizes, buffer, name="own", **options):
        super().__init__(*sizes, **options)
        self.bn = nn.BatchNorm2d(16)
        self.register_buffer(name, buffer)


def buffered(buffer, **options):
    usual = {"layers": [1], "embed_dims": [16], "transitions": []}
    mixer = partial(Buffered, buffer=buffer.clone(), **options)
    return small(**usual, token_mixer=mixer)


KEPT = [
    torch.tensor([True, False]),
    torch.tensor(2**60 + 1),
    torch.tensor([255], dtype=torch.uint8),
    torch.zeros(0),
    torch.arange(4, dtype=torch.int32),
]


def test_every_kind_of_number_that_is_saved_is_loaded(tmp_path):
    path = tmp_path / "a.safetensors"
    for buffer in KEPT:
        for name in ("own", "reweighting"):  # a name that means something elsewhere
            model = buffered(buffer, name=name)
            model.blocks[0].attn.bn.num_batches_tracked += 7
            save_checkpoint(model, path)
            other = buffered(torch.zeros_like(buffer), name=name)
            load_checkpoint(other, path)
            assert untouched(other, model.state_dict())
    number, small_ = torch.tensor(300), torch.tensor(0, dtype=torch.uint8)
    for come, wanted, told in (
        (number, small_, "own has numbers that torch.uint8 cannot hold"),
        (number, torch.tensor(True), "own is not a dense tensor of truth values"),
        (number * 1.5, number, "own is not a dense tensor of whole numbers"),
    ):
        with pytest.raises(ValueError, match=told):
            load_checkpoint(buffered(wanted), buffered(come).state_dict(), img_size=16)


class Telling(WeightedPermuteMLP):
    """A mixer that keeps more than tensors."""

    def get_extra_state(self):
        return {"a": 1}


def huge():
    model = small(layers=[0], embed_dims=[4], transitions=[])
    model.img_size = 100_000
    return model


NEVER_LOADED = {
    "complex": lambda: buffered(torch.ones(2) * 1j),
    "sparse": lambda: buffered(torch.eye(2).to_sparse()),
    "meta": lambda: buffered(torch.ones(2, device="meta")),
    "no tensor": lambda: small(token_mixer=Telling),
    "huge": huge,
}


@pytest.mark.parametrize("kind", NEVER_LOADED)
def test_what_could_never_be_loaded_is_refused_when_it_is_saved(tmp_path, kind):
    told = "not a dense tensor of real numbers: the file could|no contents|was not wri"
    with pytest.raises(ValueError, match=told):
        save_checkpoint(NEVER_LOADED[kind](), tmp_path / "a.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_link_stays_one_and_a_private_file_private(tmp_path):
    file, link = tmp_path / "file", tmp_path / "link"
    link.symlink_to("file")
    write_atomically(link, b"1")  # where it leads, though nothing is there yet
    file.chmod(0o640)
    write_atomically(link, b"2")
    assert link.is_symlink() and file.read_bytes() == b"2"
    assert file.stat().st_mode & 0o777 == 0o640
    assert sorted(tmp_path.iterdir()) == [file, link]
    (tmp_path / "round").symlink_to("round")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "to the pipe").symlink_to("pipe")
    for name in ("round", "pipe", "to the pipe"):
        with pytest.raises(OSError, match="no regular file; it was not written"):
            write_atomically(tmp_path / name, b"3")
    assert (tmp_path / "pipe").is_fifo() and len(list(tmp_path.iterdir())) == 5
