"""The models through timm's own doors; `make test-timm` runs this where timm is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

timm = pytest.importorskip(
    "timm", reason="timm is not installed here: `make test-timm` runs these tests"
)

from timm.data import Mixup  # noqa: E402
from timm.loss import SoftTargetCrossEntropy  # noqa: E402
from timm.optim import create_optimizer_v2, param_groups_layer_decay  # noqa: E402
from timm.utils import ModelEmaV3  # noqa: E402

import vip_tutorial.networks.timm  # noqa: E402, F401
from vip_tutorial import vision_permutator  # noqa: E402

SMALL = {"layers": [1, 1], "embed_dims": [8, 16], "img_size": 32, "patch_size": 4}
NAMES = ["vip_s14", "vip_s7", "vip_m7", "vip_l7"]
ROOT = Path(__file__).parents[2]


def small(**options):
    usual = SMALL | {"num_classes": 5, "transitions": [True]}
    return timm.create_model("vip_s7", **(usual | options))


def test_timm_knows_them():
    assert sorted(timm.list_models("vip_*")) == sorted(NAMES)
    assert timm.list_models("vip_*", pretrained=True) == []


@pytest.mark.parametrize("name", NAMES)
def test_they_are_the_packages(name):
    with torch.device("meta"):
        ours = getattr(vision_permutator, name)(num_classes=7, img_size=448)
        theirs = timm.create_model(name, num_classes=7, img_size=448)
    shapes = {k: v.shape for k, v in ours.state_dict().items()}
    assert {k: v.shape for k, v in theirs.state_dict().items()} == shapes
    config = timm.data.resolve_data_config({}, model=theirs)
    assert config["input_size"] == (3, 224, 224)


def test_no_argument_but_the_name():
    """timm takes the size from its configuration then, and gives it as a pair."""
    with torch.device("meta"):
        assert timm.create_model("vip_s14").img_size == 224
        assert timm.create_model("vip_s14", img_size=(448, 448)).img_size == 448


def test_images_that_are_not_square():
    with pytest.raises(ValueError, match=r"img_size is \(32, 64\); .* square images"):
        small(img_size=(32, 64))


def test_same_weights_same_answer():
    torch.manual_seed(0)
    model = small().eval()
    ours = vision_permutator.VisionPermutator(
        **SMALL, transitions=[True], num_classes=5
    )
    ours.load_state_dict(model.state_dict())
    image = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(model(image), ours.eval()(image), rtol=0, atol=0)


def test_what_the_training_script_passes():
    """The arguments of timm's train.py; it leaves out those that are None."""
    model = small(
        in_chans=1,
        drop_rate=0.0,
        drop_path_rate=0.1,
        drop_block_rate=None,
        global_pool=None,
        bn_momentum=None,
        bn_eps=None,
        scriptable=False,
    )
    assert model.num_classes == 5 and model.in_chans == 1
    optimizer = create_optimizer_v2(model, opt="adamw", lr=1e-3, weight_decay=0.05)
    # Biases and norms are not decayed.
    decayed = {group["weight_decay"] for group in optimizer.param_groups}
    assert decayed == {0.0, 0.05}


def test_dropout_before_the_head():
    model = small(drop_rate=0.5)
    image = torch.randn(1, 3, 32, 32)
    assert not torch.equal(model(image), model(image))
    model.eval()
    assert torch.equal(model(image), model(image))


def test_a_checkpoint_in_the_official_form(tmp_path):
    trained = small()
    torch.save({"state_dict": trained.state_dict()}, tmp_path / "vip.pth")
    for state, weight in (
        small(checkpoint_path=tmp_path / "vip.pth").state_dict().items()
    ):
        torch.testing.assert_close(weight, trained.state_dict()[state], rtol=0, atol=0)
    overlay = {"file": str(tmp_path / "vip.pth"), "num_classes": 5}
    other = small(num_classes=3, pretrained=True, pretrained_cfg_overlay=overlay)
    assert other.head.weight.shape == (3, 16)
    torch.testing.assert_close(other.norm.weight, trained.norm.weight)
    same = other.network[0][0].attn.proj.weight
    torch.testing.assert_close(same, trained.network[0][0].attn.proj.weight)


def test_there_is_nothing_to_download():
    with pytest.raises(ValueError, match="no weights of vip_s7 are hosted for timm"):
        timm.create_model("vip_s7", pretrained=True)


def test_another_head():
    model = small()
    model.reset_classifier(3)
    assert model.get_classifier().weight.shape == (3, 16) and model.num_classes == 3
    image = torch.randn(2, 3, 32, 32)
    features = model.forward_head(model.forward_features(image), pre_logits=True)
    assert features.shape == (2, model.head_hidden_size)
    model.reset_classifier(0, "avg")
    assert model(image).shape == (2, model.num_features)
    with pytest.raises(ValueError, match="global_pool is 'max' and the model was"):
        model.reset_classifier(3, "max")


def test_computing_blocks_twice_changes_nothing():
    torch.manual_seed(0)
    model = small()
    image = torch.randn(2, 3, 32, 32)
    gradients = []
    for twice in (False, True):
        model.set_grad_checkpointing(twice)
        model.zero_grad()
        model(image).square().sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    torch.testing.assert_close(*gradients)


def test_layers_have_their_own_learning_rate():
    groups = param_groups_layer_decay(small(), layer_decay=0.5, weight_decay=0.05)
    scales = {group["lr_scale"] for group in groups}
    assert len(scales) >= 4 and max(scales) == 1


def test_moving_average_and_mixup_train():
    """One step as timm takes it."""
    torch.manual_seed(0)
    model = small()
    average = ModelEmaV3(model, decay=0.5)
    mix = Mixup(mixup_alpha=0.8, cutmix_alpha=1.0, num_classes=5)
    images, labels = mix(torch.randn(4, 3, 32, 32), torch.arange(4))
    loss = SoftTargetCrossEntropy()(model(images), labels)
    loss.backward()
    before = model.head.weight.detach().clone()
    create_optimizer_v2(model, opt="adamw", lr=0.1).step()
    average.update(model)
    moved = average.module.head.weight
    torch.testing.assert_close(moved, (before + model.head.weight.detach()) / 2)


def test_the_lines_of_chapter_18():
    chapter = json.loads((ROOT / "book/18-to-imagenet-scale.ipynb").read_text())
    (cell,) = (c for c in chapter["cells"] if c["id"] == "text-timm")
    lines = "".join(cell["source"]).split("```python\n")[1].split("```")[0]
    found = {}
    exec(lines, found)
    assert found["model"].head.out_features == 10


def test_a_script_that_is_handed_over_to(tmp_path):
    """timm's own is not in its package: this one takes the configuration as it does."""
    script = tmp_path / "train.py"
    (tmp_path / "beside.py").write_text("")  # timm's script has files beside it
    script.write_text(
        "import argparse, timm, torch, yaml, beside\n"
        "parser = argparse.ArgumentParser()\n"
        "for name in 'config', 'model', 'data-dir':\n"
        "    parser.add_argument('--' + name)\n"
        "parser.add_argument('--min-lr', type=float)\n"
        "settings = yaml.safe_load(open(parser.parse_known_args()[0].config))\n"
        "parser.set_defaults(**settings)\n"
        "args = parser.parse_args()\n"
        "with torch.device('meta'):\n"
        "    model = timm.create_model(args.model, drop_path_rate=args.drop_path)\n"
        "print(type(model).__name__, args.min_lr + args.lr, args.data_dir)\n"
    )
    told = [sys.executable, "-m", "vip_tutorial.networks.recipe", "vip_m7"]
    settings = subprocess.run(told, cwd=ROOT, capture_output=True, check=True).stdout
    (tmp_path / "vip.yaml").write_bytes(settings)
    example = ROOT / "examples/train_with_timm.py"
    given = ["--config", tmp_path / "vip.yaml", "--data-dir", "here"]
    done = subprocess.run(
        [sys.executable, example, script, *given],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["TimmVisionPermutator", "0.00201", "here"]
