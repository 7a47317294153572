"""No artefact passes that differs from the original model, on random input or on photos, alone or in a batch."""

import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from camcore.model.manifest import MANIFEST, ONNX, TORCHSCRIPT, Preprocessing, read_manifest
from export import artifact, parity, traced
from export.errors import ExportError, WeightsError
from export.models import find_source
from export.parity import TOLERANCE, OriginalModel, find_photos, measure
from export.pipeline import ExportOptions, export_artifact
from export.trace import SplitClassifier, to_onnx, to_torchscript
from tests.conftest import split_at

pytestmark = pytest.mark.slow

Writer = Callable[[SplitClassifier, tuple[int, int], Path], None]
SIZE = (32, 32)
STEPS = Preprocessing(40, SIZE, "bilinear", mean=(0.5,) * 3, std=(0.25,) * 3)
WRITERS: dict[str, tuple[str, Writer]] = {
    "torchscript": ("to_torchscript", to_torchscript),
    "onnx": ("to_onnx", to_onnx),
}


def test_the_largest_differences_are_in_the_manifest(tiny: ExportOptions, animal_photos: list[Path]) -> None:
    directory = export_artifact(tiny)
    figures = read_manifest(directory).parity
    assert figures["photos"] == 2
    assert figures["tolerance"] == TOLERANCE == 1e-4
    assert 0 <= figures["worst_share_of_range"] <= 1e-4
    for runtime in ("torchscript", "onnx"):
        assert set(figures[runtime]) == {"logits", "activations"}
        assert all(0 <= difference < 1e-4 for difference in figures[runtime].values())
    assert find_photos(None) == animal_photos


class FixedBatch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(int(x.shape[0]), *x.shape[1:])  # the tracer takes this for a constant


def test_an_artefact_that_takes_one_batch_size_alone_is_refused(
    tiny: ExportOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_fixed_batch(model: SplitClassifier, size: tuple[int, int], path: Path) -> None:
        other = deepcopy(model)
        other.segments[1] = nn.Sequential(FixedBatch(), other.segments[1])
        to_torchscript(other, size, path)

    monkeypatch.setattr(artifact, "to_torchscript", with_fixed_batch)
    with pytest.raises(
        ExportError, match=r"the torchscript model fails on 1 photos \(.*shape.*\): let the model's code"
    ):
        export_artifact(tiny)


@pytest.mark.parametrize("runtime", WRITERS)
@pytest.mark.parametrize("part", ["segments.0", "segments.1"])
def test_an_artefact_that_differs_is_not_published(
    runtime: str, part: str, tiny: ExportOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_artifact(tiny)
    assert tiny.out
    before = (tiny.out / MANIFEST).read_bytes()
    name, write = WRITERS[runtime]

    def sabotaged(model: SplitClassifier, size: tuple[int, int], path: Path) -> None:
        other = deepcopy(model)
        with torch.no_grad():
            next(other.get_submodule(part).parameters())[0] += 0.003
        write(other, size, path)

    monkeypatch.setattr(artifact if runtime == "torchscript" else traced, name, sabotaged)
    with pytest.raises(ExportError, match=f"the {runtime} model differs from the original by .* of the range of its"):
        export_artifact(tiny)
    assert (tiny.out / MANIFEST).read_bytes() == before
    assert list(tiny.out.parent.iterdir()) == [tiny.out]


@pytest.mark.parametrize("share", [0.5 * TOLERANCE, 2 * TOLERANCE])
def test_the_limit_is_a_share_of_the_logits_range(share: float, tiny: ExportOptions, tmp_path: Path) -> None:
    split, eager = _written(tiny, tmp_path)
    x = next(parity._inputs(STEPS, []))
    with torch.no_grad():
        logits = eager(torch.from_numpy(x))
        for model in (eager, split.segments[1]):
            model.get_parameter("fc.bias")[2] += share * float(logits.max() - logits.min())
    if share < TOLERANCE:
        assert _measure(split, eager, tmp_path)["worst_share_of_range"] == pytest.approx(share, rel=0.5)
    else:
        with pytest.raises(ExportError, match=r"range of its logits, above 1e-04"):
            _measure(split, eager, tmp_path)


def test_a_split_model_that_is_not_the_whole_one_is_seen(tiny: ExportOptions, tmp_path: Path) -> None:
    split, eager = _written(tiny, tmp_path)
    with torch.no_grad():
        eager.get_parameter("fc.bias")[2] += 0.1
    with pytest.raises(
        ExportError, match=r"the split model differs from the original by .* of the range of its results"
    ):
        _measure(split, eager, tmp_path)


def test_a_difference_only_in_a_batch_is_seen(tiny: ExportOptions, tmp_path: Path) -> None:
    class MixesItsBatch(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + 0.01 * (x - x.mean(dim=0, keepdim=True))

    split, eager = _written(tiny, tmp_path)
    features, head = split.segments
    to_onnx(SplitClassifier([nn.Sequential(features, MixesItsBatch()), head]).eval(), SIZE, tmp_path / ONNX)
    with pytest.raises(ExportError, match="the onnx model differs"):
        _measure(split, eager, tmp_path)


def test_a_difference_only_on_photos_is_seen(tiny: ExportOptions, tmp_path: Path, animal_photos: list[Path]) -> None:
    class BreaksOnSmoothInput(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            rough = (x[:, :, 1:] - x[:, :, :-1]).abs().mean(dim=(1, 2, 3), keepdim=True)
            return x * (1 + 0.01 * (rough < 0.7))

    split, eager = _written(tiny, tmp_path)
    features, head = split.segments
    other = SplitClassifier([nn.Sequential(BreaksOnSmoothInput(), features), head]).eval()
    to_torchscript(other, SIZE, tmp_path / TORCHSCRIPT)
    assert _measure(split, eager, tmp_path)["photos"] == 0
    with pytest.raises(ExportError, match="the torchscript model differs"):
        _measure(split, eager, tmp_path, animal_photos[:1])


def test_the_method_forward_of_torchscript_is_checked_too(tiny: ExportOptions, tmp_path: Path) -> None:
    class WrongForward(SplitClassifier):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            logits, activations = super().forward(x)
            return logits * 1.01, activations

    split, eager = _written(tiny, tmp_path)
    to_torchscript(WrongForward([*split.segments]).eval(), SIZE, tmp_path / TORCHSCRIPT)
    with pytest.raises(ExportError, match="the torchscript model differs"):
        _measure(split, eager, tmp_path)


def test_an_artefact_that_gives_no_numbers_is_refused(tiny: ExportOptions, tmp_path: Path) -> None:
    split, eager = _written(tiny, tmp_path)
    broken = deepcopy(split)
    with torch.no_grad():
        next(broken.segments[1].parameters())[1] = math.nan
    to_torchscript(broken, SIZE, tmp_path / TORCHSCRIPT)
    with pytest.raises(ExportError, match="the torchscript model differs from the original by nan"):
        _measure(split, eager, tmp_path)


def test_another_shape_is_no_equality_by_broadcasting() -> None:
    one, three = np.ones((1, 4), np.float32), np.ones((3, 4), np.float32)
    assert parity._difference(one, three) == (math.inf, math.inf)


def test_weights_that_are_not_numbers_are_refused(tiny: ExportOptions, tmp_path: Path) -> None:
    state = torch.load(str(tiny.weights), weights_only=True)
    torch.save({**state, "conv.bias": state["conv.bias"] * math.nan}, tmp_path / "nan.pth")
    with pytest.raises(WeightsError, match=r"nan\.pth holds values that are not finite numbers \(in conv\.bias\)"):
        export_artifact(replace(tiny, weights=str(tmp_path / "nan.pth")))
    torch.save({**state, "conv.weight": state["conv.weight"] * 1e38}, tmp_path / "huge.pth")
    with pytest.raises(ExportError, match=r"the model's own values overflow"):
        export_artifact(replace(tiny, weights=str(tmp_path / "huge.pth")))
    assert tiny.out
    assert not tiny.out.exists()


@pytest.mark.parametrize(("classes", "function"), [(1, "one"), (2, "two")])
def test_few_classes_and_equal_logits_can_be_compared(
    classes: int, function: str, tiny: ExportOptions, tmp_path: Path
) -> None:
    tiny = replace(tiny, model=tiny.model.replace(":build", f":{function}"))
    state = torch.load(str(tiny.weights), weights_only=True)
    few = {key: tensor[:classes] if key.startswith("fc") else tensor for key, tensor in state.items()}
    torch.save(few, tmp_path / "few.pth")
    assert read_manifest(export_artifact(replace(tiny, weights=str(tmp_path / "few.pth")))).labels[0] == "class 0"
    torch.save({**few, "fc.weight": torch.zeros(classes, 6), "fc.bias": torch.zeros(classes)}, tmp_path / "new.pth")
    export_artifact(replace(tiny, weights=str(tmp_path / "new.pth")))


def test_photos_of_a_folder_are_used_and_other_files_passed_over(
    tiny: ExportOptions, tmp_path: Path, animal_photos: list[Path]
) -> None:
    folder = tmp_path / "photos"
    (folder / "deeper.jpg").mkdir(parents=True)
    (folder / "notes.txt").write_text("not a photo")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    assert not (folder / "lion.jpg").exists()
    with pytest.raises(ExportError, match="holds no readable photo"):
        export_artifact(replace(tiny, photos=folder))
    shutil.copy(animal_photos[0], folder)
    Image.new("RGBA", (50, 40), (9, 99, 9, 99)).save(folder / "small.png")
    assert find_photos(folder) == [folder / "lion.jpg", folder / "small.png"]
    assert read_manifest(export_artifact(replace(tiny, photos=folder))).parity["photos"] == 2
    with pytest.raises(ExportError, match=r"notes\.txt is not a folder"):
        export_artifact(replace(tiny, photos=folder / "notes.txt"))


def test_no_more_photos_are_opened_than_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(30):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{index:02}.png")
    opened: list[Path] = []

    def is_photo(path: Path) -> bool:
        opened.append(path)
        return True

    monkeypatch.setattr(parity, "_is_photo", is_photo)
    assert len(find_photos(tmp_path)) == len(opened) == parity.MAX_PHOTOS


def test_sample_photos_are_found_without_importing_gradio() -> None:
    code = (
        "import sys; from export.parity import find_photos; print([p.name for p in find_photos(None)]);"
        "assert 'gradio' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "['lion.jpg', 'cheetah1.jpg']\n"


def _written(tiny: ExportOptions, directory: Path) -> tuple[SplitClassifier, nn.Module]:
    eager = find_source(tiny.model, tiny.weights).load().module
    split = split_at(deepcopy(eager), "relu", size=32)
    to_torchscript(split, SIZE, directory / TORCHSCRIPT)
    to_onnx(split, SIZE, directory / ONNX)
    return split, eager


def _measure(
    split: SplitClassifier, eager: nn.Module, directory: Path, photos: list[Path] | None = None
) -> dict[str, float]:
    return measure(directory, OriginalModel(eager, split), STEPS, photos or [])
