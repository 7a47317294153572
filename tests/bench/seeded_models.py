"""Models of seeded weights as a user has them: a module of torch, a folder of transformers, an ONNX file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from export.pipeline import ExportOptions

TRANSFORMERS = ("transformers/vit_base", "transformers/swin_tiny")  # the configurations' own defaults
ONNX = ("onnx/resnet50", "onnx/convnext_tiny", "onnx/mobilenet_v2-nhwc")
_OLDER_EXPORTER = ("onnx/resnet50",)  # at opset 13
SIZES = {"timm/vit_small_patch14_reg4_dinov2": (224, 224)}  # instead of 518 pixels
_TIMM_OPTIONS = {"timm/vit_small_patch14_reg4_dinov2": {"num_classes": 1000, "img_size": 224}}


def build(model: str) -> "nn.Module":
    """Return a model of torchvision or timm of seeded weights: for speed and numbers, never for meaning."""
    import torch

    torch.manual_seed(0)
    if model.startswith("timm/"):
        import timm

        return _drawn(timm.create_model(model.removeprefix("timm/"), **_TIMM_OPTIONS.get(model, {})))
    from torchvision.models import get_model

    return _drawn(get_model(model, weights=None))


def _drawn(model: "nn.Module") -> "nn.Module":
    """Draw the weight matrices that start at zero, such as a vision transformer's last one: all its scores were 0."""
    from torch import nn

    for parameter in model.parameters():
        if parameter.ndim > 1 and not parameter.any():
            nn.init.normal_(parameter, std=0.02)
    return model.eval()


def write(model: str, folder: Path) -> None:
    """Write a model of `TRANSFORMERS` or `ONNX` into a folder, in a process of its own for the sake of its memory."""
    if model in ONNX:
        _write_onnx(model, folder)
    else:
        import torch
        import transformers

        configs: dict[str, Any] = {"vit_base": transformers.ViTConfig, "swin_tiny": transformers.SwinConfig}
        config = configs[model.removeprefix("transformers/")](num_labels=1000)
        torch.manual_seed(0)
        classifier = transformers.AutoModelForImageClassification.from_config(config)
        classifier.save_pretrained(folder / "model")


def options_for(model: str, folder: Path) -> "ExportOptions":
    """Return the options that export what `write` wrote into a folder."""
    from export.pipeline import ExportOptions

    if model in ONNX:
        layout = "NHWC" if model.endswith("nhwc") else "NCHW"
        return ExportOptions(str(folder / "model.onnx"), out=folder / "artifact", input_layout=layout)
    return ExportOptions(str(folder / "model"), out=folder / "artifact")


def _write_onnx(model: str, folder: Path) -> None:
    import torch
    from torch import nn

    from export.trace import Permute

    name, _, layout = model.removeprefix("onnx/").partition("-")
    module, x = build(name), torch.zeros(2, 3, 224, 224)
    if layout:
        module, x = nn.Sequential(Permute((0, 3, 1, 2)), module).eval(), x.permute(0, 2, 3, 1)
    path = folder / "model.onnx"
    if model in _OLDER_EXPORTER:
        axes = {"dynamic_axes": {"input": {0: "batch"}}, "opset_version": 13, "dynamo": False}
    else:
        axes = {"dynamic_shapes": ({0: "batch"},), "external_data": False, "dynamo": True}
    torch.onnx.export(module, (x,), path, input_names=["input"], output_names=["scores"], **axes)
