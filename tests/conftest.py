"""Artefacts and photos that several tests share, each made once a session."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from camcore import Explainer
from export.pipeline import ExportOptions, export_model


def package_folder(name: str) -> Path:
    """Folder of an installed package, found without importing it."""
    spec = find_spec(name)
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the artefact of EfficientNet-Lite0, its real weights inside."""
    root = tmp_path_factory.mktemp("artifacts")
    export_model(ExportOptions(model="efficientnet_lite0", out=root / "efficientnet_lite0"))
    return root


@pytest.fixture(scope="session")
def lite0(artifacts: Path) -> Explainer:
    """EfficientNet-Lite0 with its real weights."""
    return Explainer.load(artifacts / "efficientnet_lite0")


@pytest.fixture(scope="session")
def imagenet_photos() -> list[Path]:
    """The 20 ImageNet photos that the package foolbox carries, class index last in the name."""
    return sorted((package_folder("foolbox") / "data").glob("imagenet_*.jpg"))


@pytest.fixture(scope="session")
def animal_photos() -> list[Path]:
    """The lion and the cheetah that the package gradio carries."""
    images = package_folder("gradio") / "media_assets" / "images"
    return [images / "lion.jpg", images / "cheetah1.jpg"]


@pytest.fixture(scope="session")
def resnet50_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ResNet-50 of seeded random weights, as a bare state dict: for speed and numbers, never for meaning."""
    from torchvision.models import resnet50

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "seeded.pth"
    torch.save(resnet50(weights=None).state_dict(), path)
    return path


@pytest.fixture(scope="session")
def seeded_resnet50(resnet50_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The artefact directory of that ResNet-50."""
    out = tmp_path_factory.mktemp("resnet50") / "seeded"
    yield export_model(ExportOptions(weights=str(resnet50_checkpoint), out=out))
