"""The table of architectures: how each is built, where it is split, and how its input is preprocessed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from camcore.model.manifest import Preprocessing

if TYPE_CHECKING:
    from torch import nn

RESNETS = (
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152",
    "resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2",
)  # fmt: skip
_RESNET_LAYERS = ("layer1", "layer2", "layer3", "layer4")


@dataclass(frozen=True)
class Architecture:
    """One entry of the table.

    `layers` are the possible target layers; after the last one follow global average pooling and one linear layer, the
    `classifier`. `build` returns the eager model for a number of classes, `split` splits it at a target layer into
    (features, head), and `preprocessing` is that of named weights, or of the default weights for None.
    """

    layers: tuple[str, ...]
    classifier: str
    build: Callable[[int], nn.Module]
    split: Callable[[nn.Module, str], tuple[nn.Module, nn.Module]]
    preprocessing: Callable[[str | None], Preprocessing]


def _build_resnet(name: str, classes: int) -> nn.Module:
    from torchvision.models import get_model

    model: nn.Module = get_model(name, weights=None, num_classes=classes).eval()
    return model


def _split_resnet(model: nn.Module, layer: str) -> tuple[nn.Module, nn.Module]:
    from torch import nn

    stages = dict(model.named_children())
    classifier = stages.pop("fc")
    cut, modules = list(stages).index(layer) + 1, list(stages.values())
    return nn.Sequential(*modules[:cut]), nn.Sequential(*modules[cut:], nn.Flatten(), classifier)


def _resnet_preprocessing(name: str, weights: str | None) -> Preprocessing:
    from torchvision.models import get_model_weights

    table = get_model_weights(name)
    steps = (table[weights] if weights in table.__members__ else table.DEFAULT).transforms()
    (resize,), (crop,), interpolation = steps.resize_size, steps.crop_size, steps.interpolation.value
    return Preprocessing(resize, (crop, crop), interpolation, mean=tuple(steps.mean), std=tuple(steps.std))


def _build_lite0(classes: int) -> nn.Module:
    from efficientnet_lite_pytorch import EfficientNet

    model: nn.Module = EfficientNet.from_name("efficientnet-lite0", num_classes=classes).eval()
    return model


def _split_lite0(model: nn.Module, _layer: str) -> tuple[nn.Module, nn.Module]:
    from torch import nn

    stages = dict(model.named_children())
    stem = (stages["_conv_stem"], stages["_bn0"], nn.ReLU6())
    last = (stages["_conv_head"], stages["_bn1"], nn.ReLU6())
    head = nn.Sequential(stages["_avg_pooling"], nn.Flatten(), stages["_fc"])
    return nn.Sequential(*stem, *stages["_blocks"].children(), *last), head


def _lite0_preprocessing(_weights: str | None) -> Preprocessing:
    return Preprocessing(
        resize=256, size=(224, 224), interpolation="bicubic", mean=(127 / 255,) * 3, std=(128 / 255,) * 3
    )


ARCHITECTURES: dict[str, Architecture] = {
    **{
        name: Architecture(
            _RESNET_LAYERS, "fc", partial(_build_resnet, name), _split_resnet, partial(_resnet_preprocessing, name)
        )
        for name in RESNETS
    },
    "efficientnet_lite0": Architecture(("features",), "_fc", _build_lite0, _split_lite0, _lite0_preprocessing),
}
