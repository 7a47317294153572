"""The table of architectures: how each is built, where it is split, and how its input is preprocessed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from camcore.model.manifest import Preprocessing

if TYPE_CHECKING:
    from torch import nn

RESNETS = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "wide_resnet50_2",
    "wide_resnet101_2",
)


@dataclass(frozen=True)
class Architecture:
    """One entry of the table.

    Attributes:
        layers: names of the possible target layers. After the last one, the head is global average pooling and one
            linear layer.
        classifier: name of that linear layer.
        build: function that builds the eager model for a number of classes.
        split: function that splits a model at a target layer into (features, head).
        preprocessing: function that returns the preprocessing of named weights; None is for the default weights.
    """

    layers: tuple[str, ...]
    classifier: str
    build: Callable[[int], nn.Module]
    split: Callable[[nn.Module, str], tuple[nn.Module, nn.Module]]
    preprocessing: Callable[[str | None], Preprocessing]


def _build_resnet(name: str) -> Callable[[int], nn.Module]:
    def build(classes: int) -> nn.Module:
        from torchvision.models import get_model

        model: nn.Module = get_model(name, weights=None, num_classes=classes).eval()
        return model

    return build


def _split_resnet(model: nn.Module, layer: str) -> tuple[nn.Module, nn.Module]:
    from torch import nn

    stages = dict(model.named_children())
    classifier = stages.pop("fc")
    cut = list(stages).index(layer) + 1
    modules = list(stages.values())
    return nn.Sequential(*modules[:cut]), nn.Sequential(*modules[cut:], nn.Flatten(), classifier)


def _resnet_preprocessing(name: str) -> Callable[[str | None], Preprocessing]:
    def preprocessing(weights: str | None) -> Preprocessing:
        from torchvision.models import get_model_weights

        table = get_model_weights(name)
        steps = (table[weights] if weights in table.__members__ else table.DEFAULT).transforms()
        return Preprocessing(
            resize=steps.resize_size[0],
            crop=steps.crop_size[0],
            interpolation=steps.interpolation.value,
            mean=tuple(steps.mean),
            std=tuple(steps.std),
        )

    return preprocessing


def _build_lite0(classes: int) -> nn.Module:
    from efficientnet_lite_pytorch import EfficientNet

    model: nn.Module = EfficientNet.from_name("efficientnet-lite0", num_classes=classes).eval()
    return model


def _split_lite0(model: nn.Module, _layer: str) -> tuple[nn.Module, nn.Module]:
    from torch import nn

    stages = dict(model.named_children())
    stem = (stages["_conv_stem"], stages["_bn0"], nn.ReLU6())
    last = (stages["_conv_head"], stages["_bn1"], nn.ReLU6())
    return nn.Sequential(*stem, *stages["_blocks"].children(), *last), nn.Sequential(
        stages["_avg_pooling"], nn.Flatten(), stages["_fc"]
    )


def _lite0_preprocessing(_weights: str | None) -> Preprocessing:
    return Preprocessing(resize=256, crop=224, interpolation="bicubic", mean=(127 / 255,) * 3, std=(128 / 255,) * 3)


ARCHITECTURES: dict[str, Architecture] = {
    **{
        name: Architecture(
            layers=("layer1", "layer2", "layer3", "layer4"),
            classifier="fc",
            build=_build_resnet(name),
            split=_split_resnet,
            preprocessing=_resnet_preprocessing(name),
        )
        for name in RESNETS
    },
    "efficientnet_lite0": Architecture(
        layers=("features",),
        classifier="_fc",
        build=_build_lite0,
        split=_split_lite0,
        preprocessing=_lite0_preprocessing,
    ),
}
