"""The four Vision Permutators by name in timm, for all that timm can do with a model.

    >>> import timm
    >>> import vip_tutorial.networks.timm  # registers vip_s14, vip_s7, vip_m7, vip_l7
    >>> model = timm.create_model("vip_s7", num_classes=10, drop_path_rate=0.1)

timm's training script then trains them, with its augmentation, mixup, moving average
of the weights, distributed data parallel and checkpoints.  The authors' checkpoint
files load through `checkpoint_path=`, or, with another number of classes, through
`pretrained=True, pretrained_cfg_overlay={"file": path}`.

Needs timm and torchvision, which no extra of the package brings, since torchvision
wants a torch of its own; nothing else in the package imports this.
"""

from typing import Any

from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .._util.arguments import real_number
from ..vision_permutator import SIZES, VisionPermutator


class TimmVisionPermutator(VisionPermutator):
    """`VisionPermutator` with the methods that timm's tools look for.

    Args:
        *args: Arguments of `VisionPermutator`.
        img_size: Side of the images; timm itself gives a pair, height and width.
        drop_rate: Dropout probability before the head.
        **options: Arguments of `VisionPermutator`.

    Shape:
        `(B, in_chans, img_size, img_size)` to `(B, num_classes)`.

    Raises:
        ValueError: If `img_size` is a pair of two different sides.
    """

    computes_like = VisionPermutator  # so that each loads the other's files
    not_settings = (
        *VisionPermutator.not_settings,
        *("grad_checkpointing", "pretrained_cfg", "default_cfg"),
    )

    def __init__(
        self,
        *args: Any,
        img_size: int | tuple[int, int] = 224,
        drop_rate: float = 0.0,
        **options: Any,
    ):
        super().__init__(*args, img_size=_side(img_size), **options)
        self.head_drop = nn.Dropout(real_number("drop_rate", drop_rate, 0, 1))
        self.head_hidden_size = self.num_features
        self.grad_checkpointing = False

    def forward_features(self, image: Tensor) -> Tensor:
        """The normalised tokens after the last block, `(B, H, W, C)`."""
        if not (self.grad_checkpointing and self.training):
            return super().forward_features(image)
        self._check(image)
        x = self.patch_embed(image)  # (B, H, W, C)
        for stage in self.network:
            for block in stage if isinstance(stage, nn.Sequential) else [stage]:
                x = checkpoint(block, x, use_reentrant=False)
        return self.norm(x)  # (B, H, W, C)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Scores `(B, num_classes)` of tokens `(B, H, W, C)`, or what makes them."""
        x = self.head_drop(self.pool(x))  # (B, num_features)
        return x if pre_logits else self.head(x)

    def forward(self, image: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(image))

    def get_classifier(self) -> nn.Module:
        """The head."""
        return self.head

    def reset_classifier(self, num_classes: int, global_pool: str | None = None):
        """Put a fresh head in place; the pooling stays as the model was built."""
        if global_pool not in (None, self.global_pool):
            raise ValueError(
                f"global_pool is {global_pool!r} and the model was built with "
                f"{self.global_pool!r}: build another one"
            )
        super().reset_classifier(num_classes)

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Whether training computes each block twice, to keep less of it in memory."""
        self.grad_checkpointing = enable

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Names of parameters by depth, for a learning rate that differs by layer."""
        blocks = r"^network\.(\d+)" if coarse else r"^network\.(\d+)\.(\d+)"
        return {
            "stem": r"^patch_embed",
            "blocks": [(blocks, None), (r"^norm", (99999,))],
        }


def _side(img_size: int | tuple[int, int]) -> int:
    if not isinstance(img_size, (list, tuple)):
        return img_size
    if len(set(img_size)) != 1:
        raise ValueError(
            f"img_size is {img_size!r}; a Vision Permutator takes square images: give "
            "one number, or the same number twice"
        )
    return img_size[0]


def _create(name: str, pretrained: bool, options: dict[str, Any]) -> nn.Module:
    overlay = options.get("pretrained_cfg_overlay") or {}
    given = options.get("pretrained_cfg")
    named = isinstance(given, dict) and (given.get("file") or given.get("state_dict"))
    if pretrained and not (overlay.get("file") or named):
        raise ValueError(
            f"no weights of {name} are hosted for timm: download the authors' file "
            "and pass checkpoint_path=path, or, for another number of classes, "
            "pretrained_cfg_overlay={'file': path} too"
        )
    return build_model_with_cfg(
        TimmVisionPermutator, name, pretrained, **(SIZES[name] | options)
    )


def _cfg() -> dict[str, Any]:
    return {
        "num_classes": 1000,
        "input_size": (3, 224, 224),
        "fixed_input_size": True,
        "pool_size": None,
        "crop_pct": 0.9,
        "interpolation": "bicubic",
        "mean": IMAGENET_DEFAULT_MEAN,
        "std": IMAGENET_DEFAULT_STD,
        "first_conv": "patch_embed.proj",
        "classifier": "head",
    }


default_cfgs = generate_default_cfgs({f"{name}.untrained": _cfg() for name in SIZES})


# timm knows a model by the name of a function of this module, so each size has one;
# written out, and not made in a loop, they can be found by searching and imported.
@register_model
def vip_s14(pretrained: bool = False, **options: Any) -> TimmVisionPermutator:
    """Small/14 for timm, see `vision_permutator.vip_s14`."""
    return _create("vip_s14", pretrained, options)


@register_model
def vip_s7(pretrained: bool = False, **options: Any) -> TimmVisionPermutator:
    """Small/7 for timm, see `vision_permutator.vip_s7`."""
    return _create("vip_s7", pretrained, options)


@register_model
def vip_m7(pretrained: bool = False, **options: Any) -> TimmVisionPermutator:
    """Medium/7 for timm, see `vision_permutator.vip_m7`."""
    return _create("vip_m7", pretrained, options)


@register_model
def vip_l7(pretrained: bool = False, **options: Any) -> TimmVisionPermutator:
    """Large/7 for timm, see `vision_permutator.vip_l7`."""
    return _create("vip_l7", pretrained, options)
