"""Checkpoints: every usual file loads, every wrong one leaves the model as it was."""

import copy
import os
import pickle

import pytest
import torch
from torch import nn

from vip_tutorial import checkpoints
from vip_tutorial.checkpoints import (
    load_checkpoint,
    read_checkpoint,
    resample_weights,
    save_checkpoint,
    write_atomically,
)
from vip_tutorial.permute_mlp import PermuteMLP
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
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("zipped", [True, False])
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


@pytest.mark.parametrize("wrapping", WRAPPINGS)
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
    load_checkpoint(model, weights, img_size=16)  # unconverted: loads, and is wrong
    assert (model(x) - article(x)).abs().max() > 1e-3
    load_checkpoint(model, weights, img_size=16, branch_order="cwh")
    torch.testing.assert_close(model(x), article(x))


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
    with pytest.raises(ValueError, match="224 x 224"):
        load_checkpoint(small(), path)


@pytest.mark.parametrize("side", [8, 32])
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


@pytest.mark.parametrize("wrong", WRONG)
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


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.7, 0.999])
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
    with pytest.raises(ValueError, match="vip"):
        load_checkpoint(model, path, img_size=16)
    assert untouched(model, before)


class Mischief:
    def __reduce__(self):
        return os.mkdir, ("mischief",)


@pytest.mark.parametrize("legacy", [True, False])
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


@pytest.mark.parametrize("step", ["open", "fsync", "replace"])
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


@pytest.mark.parametrize("orders", [("cwh", "cwh"), ("hwc", "cwh")])
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


@pytest.mark.parametrize("before", [4, 8])
def test_resampling_keeps_what_an_even_column_gives(before):
    """From 4 rows to 8 and back: the mean answer to a column of equal tokens."""
    from vip_tutorial.checkpoints import _resampled

    after, C = 12 - before, 16
    weight = torch.randn(C, C, dtype=torch.float64)
    moved = _resampled(weight, before, after)
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


@pytest.mark.parametrize("rows", [TO_FOUR, TO_TWO], ids=["more", "fewer"])
def test_resampling_entry_by_entry(rows):
    from vip_tutorial.checkpoints import _resampled

    after, before, C = len(rows), len(rows[0]), 8
    weight = torch.randn(C, C, dtype=torch.float64)
    moved = _resampled(weight, before, after)
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


@pytest.mark.parametrize("side", [8, 32])
def test_both_branches_of_every_block_are_resampled_and_nothing_else(trained, side):
    from vip_tutorial.checkpoints import _resampled

    state, model = trained.state_dict(), small(img_size=side)
    found = resample_weights(state, model, 16)
    assert list(found) == list(state)
    grids = {"network.0.0.attn": 8, "network.2.0.attn": 4}
    for name, value in state.items():
        mixer, _, branch = name.removesuffix(".weight").rpartition(".")
        if branch in ("mlp_h", "mlp_w"):
            value = _resampled(value, grids[mixer], grids[mixer] * side // 16)
        assert torch.equal(found[name], value), name


NOT_PLAIN = {
    "nan": lambda weight: weight + torch.nan,
    "whole": lambda weight: weight.long(),
    "complex": lambda weight: weight + 1j,
    "sparse": lambda weight: weight.to_sparse(),
    "meta": lambda weight: weight.to("meta"),
}


@pytest.mark.parametrize("kind", NOT_PLAIN)
def test_weights_that_are_no_real_numbers_are_refused(trained, kind):
    value = NOT_PLAIN[kind](trained.head.weight.detach())
    model = small()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(
        ValueError, match=r"head\.weight is not a dense tensor of finite"
    ):
        load_checkpoint(model, trained.state_dict() | {"head.weight": value})
    assert untouched(model, before)


@pytest.mark.parametrize(
    ("content", "told"),
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


@pytest.mark.parametrize(
    ("img_size", "error", "told"),
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
    save_checkpoint(trained, tmp_path / "odd.safetensors", img_size="abc")
    with pytest.raises(ValueError, match="images of size 'abc'"):
        load_checkpoint(small(), tmp_path / "odd.safetensors")
    save_checkpoint(trained, tmp_path / "none.safetensors", img_size="0")
    with pytest.raises(ValueError, match="images of size '0'"):
        load_checkpoint(small(), tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match="same global_pool"):
        load_checkpoint(small(global_pool="flatten"), trained.state_dict(), img_size=16)
