"""A small model that names the photos of the tests as EfficientNet-Lite0 does, and answers in milliseconds.

It is for tests of the page, to which the maps do not matter: random filters, and a last layer fitted to the names.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from camcore import open_photo
from camcore.images.preprocess import preprocess
from camcore.model.manifest import Preprocessing
from export.labels import imagenet_labels
from export.pipeline import export_model

# The two most probable classes of the photos of foolbox and gradio, as EfficientNet-Lite0 predicts them.
NAMES = (
    "bull mastiff, boxer", "folding chair, dining table", "beaker, perfume", "buckeye, custard apple",
    "strawberry, trifle", "thatch, boathouse", "beach wagon, jeep", "convertible, beach wagon", "yurt, mountain tent",
    "bottlecap, doormat", "drum, drumstick", "Loafer, sandal", "prayer rug, mosque", "cannon, oxcart",
    "spoonbill, white stork", "goose, ruffed grouse", "dalmatian, Great Dane", "bald eagle, kite",
    "leafhopper, leaf beetle", "dung beetle, ground beetle", "lion, Tibetan mastiff", "cheetah, snow leopard",
)  # fmt: skip
STEPS = Preprocessing(256, (224, 224), "bilinear", mean=(127 / 255,) * 3, std=(128 / 255,) * 3)
CHANNELS = 1024
FIRST, SECOND = 9.0, 7.0  # logits of the first and the second name; the others have small ones


def export_stand_in(names: Sequence[tuple[Path, Sequence[str]]], out: Path) -> Path:
    """Export the model into `out`; `names` has, for each photo, its most probable classes, the most probable first."""
    torch.manual_seed(3)
    features = nn.Sequential(nn.AvgPool2d(8), nn.Conv2d(3, CHANNELS, 4, stride=4), nn.ReLU())
    classifier = nn.Linear(CHANNELS, 1000)
    labels = imagenet_labels()
    inputs = np.concatenate([preprocess(open_photo(path), STEPS)[0] for path, _ in names])
    with torch.no_grad():
        pooled = features(torch.from_numpy(inputs)).mean(dim=(2, 3)).double()
        logits = 0.3 * torch.randn(len(names), 1000, dtype=torch.float64)
        for row, (_, classes) in zip(logits, names, strict=True):
            for value, name in zip((FIRST, SECOND), classes, strict=False):
                row[labels.index(name)] = value
        bias = logits.mean(dim=0)
        classifier.bias.copy_(bias)
        classifier.weight.copy_(torch.linalg.lstsq(pooled, logits - bias, driver="gelsd").solution.T)
    layers = {"features": features, "pool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten(), "classifier": classifier}
    model = nn.Sequential()
    for name, layer in layers.items():
        model.add_module(name, layer)
    return export_model(
        model.eval(), out, preprocessing=STEPS, labels=labels, name="efficientnet_lite0", weights="package", int8=False
    )
