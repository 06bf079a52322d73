"""A film shows the very training that `fit` does, and says of each frame what is so."""

import json
import re

import pytest
import torch
from torch.nn.functional import cross_entropy

from tables import in_turn
from vip_tutorial.mixers.dynamic import DynamicPermuteMLP
from vip_tutorial.training import (
    Film,
    Labelled,
    Recipe,
    accuracy,
    film_of,
    fit,
    predict,
    small_network,
)

RECIPE = Recipe(epochs=3, batch=32)  # 4 steps an epoch
AT = [0, 4, 8, 12]


def pictures(count, seed):
    """Which of four corners is the brightest?"""
    images = torch.randn(count, 1, 4, 4, generator=torch.Generator().manual_seed(seed))
    return Labelled(images, images[:, 0, ::3, ::3].flatten(1).argmax(1), 4)


TRAIN, TEST = pictures(100, 0), pictures(60, 1)


def fresh(**options):
    return small_network(TRAIN, dim=8, **options)


@pytest.fixture(scope="module")
def filmed():
    model = fresh()
    return model, film_of(model, TRAIN, TEST, RECIPE, AT)


def test_it_is_the_training_that_fit_does(filmed):
    model, film = filmed
    assert (film.recipe, film.steps) == (RECIPE, 12)
    assert [frame.step for frame in film.frames] == AT
    assert not model.training and not model._forward_pre_hooks
    for frame, epochs in zip(film.frames, (0, 1, 2, 3)):
        alone = fresh()
        if epochs:
            fit(alone, TRAIN, TEST, RECIPE, stop=epochs, verbose=False)
        assert frame.exact_accuracy == accuracy(alone, TEST)
        assert list(frame.whole) == list(alone.state_dict())
        for name, weight in alone.state_dict().items():
            scale, whole = frame.scale[name], frame.whole[name]
            assert torch.tensor(scale).half().item() == scale
            assert (frame.weights()[name] - weight).abs().max() <= 0.5001 * scale
            # All of the range is made use of, but where a weight is nothing at all.
            assert whole.abs().max() in ((126, 127) if weight.any() else (0,))
    assert all(map(torch.equal, model.parameters(), alone.parameters()))


def test_a_frame_tells_of_the_weights_that_it_keeps(filmed):
    for frame in filmed[1].frames:
        model = fresh(seed=7).eval()
        model.load_state_dict(frame.weights())
        loss = cross_entropy(predict(model, TEST.images), TEST.labels).item()
        assert (frame.loss, frame.accuracy) == (loss, accuracy(model, TEST))


def test_it_comes_back_from_its_files(filmed, tmp_path):
    film = filmed[1]
    film.save(tmp_path / "mine.safetensors")
    back = Film.load(str(tmp_path / "mine.safetensors"))
    assert (back.recipe, back.steps) == (film.recipe, film.steps)
    for one, other in zip(back.frames, film.frames, strict=True):
        assert repr(one) == repr(other)  # steps, losses and accuracies
        assert one.scale == other.scale and list(one.whole) == list(other.whole)
        assert all(map(torch.equal, one.whole.values(), other.whole.values()))
    for use in (film.save, Film.load):
        with pytest.raises(ValueError, match=r"mine.json is .* mine.safetensors"):
            use(tmp_path / "mine.json")
        with pytest.raises(TypeError, match="path is a int"):
            use(3)


def flip(path):
    raw = bytearray(path.read_bytes())
    raw[-5] ^= 1
    path.write_bytes(raw)


def cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def say(**facts):
    """Change what the card tells."""

    def change(path):
        path.write_text(json.dumps(json.loads(path.read_text()) | facts))

    return change


W, CARD = "film.safetensors", "film.json"
DAMAGES = {
    "a bit": (W, flip, "another film.safetensors"),
    "cut off": (W, cut, "another film.safetensors"),
    "weights gone": (W, lambda p: p.unlink(), "there is no file .*film.safetensors"),
    "card gone": (CARD, lambda p: p.unlink(), "there is no file .*film.json"),
    "card cut off": (CARD, cut, "damaged"),
    "card of something else": (CARD, lambda p: p.write_text("[1, 2]"), "no film"),
    "card no text": (CARD, lambda p: p.write_bytes(b"\xff\xfe\0"), "damaged"),
    "no frames": (CARD, say(frames=[]), "damaged"),
    "a frame without a step": (CARD, say(frames=[{"loss": 1.0}]), "damaged"),
    "fewer steps than frames": (CARD, say(steps=3), "after step 3"),
    "unknown weights": (CARD, say(parameters=["head.weight"]), "damaged"),
    "no recipe": (CARD, say(recipe={"epochs": 0}), "epochs is 0"),
}


@in_turn("what", DAMAGES)
def test_what_is_damaged_is_refused(what, filmed, tmp_path):
    place, damage, told = DAMAGES[what]
    filmed[1].save(tmp_path / W)
    damage(tmp_path / place)
    with pytest.raises(ValueError, match=told) as caught:
        Film.load(tmp_path / W)
    assert re.search("copy (it|both)", str(caught.value))


WRONG = {
    "nothing": ([], ValueError, r"at names no step: give one or more from 0 to 12"),
    "a number": (5, TypeError, r"at is a int; it must be a list"),
    "text": ("0", TypeError, r"at is a str"),
    "half a step": ([0, 1.5], TypeError, r"at\[1\] is 1.5.*whole"),
    "before the first": ([-1, 3], ValueError, r"at\[0\] is -1.*at least 0"),
    "beyond the last": ([0, 13], ValueError, r"at has 13.*ends after step 12"),
    "falling": ([0, 4, 3], ValueError, r"at has 3 after 4.*sorted\(set\(at\)\)"),
    "twice": ([4, 4], ValueError, r"at has 4 after 4"),
}


@in_turn("what", WRONG)
def test_steps_that_there_are_not_are_refused(what):
    at, kind, told = WRONG[what]
    model = fresh()
    with pytest.raises(kind, match=told):
        film_of(model, TRAIN, TEST, RECIPE, at)
    assert all(map(torch.equal, model.parameters(), fresh().parameters()))
    with pytest.raises(TypeError, match="recipe is a dict"):
        film_of(model, TRAIN, TEST, {}, [0])
    with pytest.raises(TypeError, match="train is a tuple"):
        film_of(model, tuple(TRAIN), TEST, RECIPE, [0])


def test_what_no_film_can_keep_is_refused():
    model = fresh()
    model.register_buffer("count", torch.tensor(3))
    with pytest.raises(ValueError, match=r"count has dtype torch.int64.*buffers"):
        film_of(model, TRAIN, TEST, RECIPE, [0])
    model = fresh()
    with torch.no_grad():
        model.head.bias += 1e9  # softmax does not mind
    with pytest.raises(ValueError, match=r"head.bias goes up to 1e\+09"):
        film_of(model, TRAIN, TEST, RECIPE, [0])
    assert not model._forward_pre_hooks


def test_weights_smaller_than_float16_can_scale_are_rounded_and_no_more():
    model = fresh()
    with torch.no_grad():
        model.norm.bias.fill_(9e-6)  # a 127th lies between the two least of float16
        model.head.bias.copy_(torch.tensor([1e-6, -4e-7, 0, 0]))
    wanted = {name: p.detach().clone() for name, p in model.named_parameters()}
    frame = film_of(model, TRAIN, TEST, RECIPE, [0]).frames[0]
    for name in ("norm.bias", "head.bias"):
        off = (frame.weights()[name] - wanted[name]).abs().max()
        assert off <= 0.5001 * frame.scale[name] <= 2**-23


def test_of_any_network_that_fit_takes():
    model = fresh(token_mixer=DynamicPermuteMLP)
    film = film_of(model, TRAIN, TEST, RECIPE, torch.arange(2).tolist())
    assert [frame.step for frame in film.frames] == [0, 1]
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 4))
    frame = film_of(model, TRAIN, TEST, RECIPE, range(12, 13)).frames[0]
    assert list(frame.whole) == ["1.weight", "1.bias"]
