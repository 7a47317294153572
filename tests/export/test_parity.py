"""No artefact passes that differs from the eager model, on random input or on photos, alone or in a batch."""

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

from camcore.model.manifest import MANIFEST, ONNX, TORCHSCRIPT, read_manifest
from export import parity, pipeline
from export.errors import ExportError, WeightsError
from export.models import ARCHITECTURES
from export.parity import TOLERANCE, find_photos, measure
from export.pipeline import ExportOptions, export_model
from export.trace import SplitClassifier, to_onnx, to_torchscript

Writer = Callable[[SplitClassifier, int, Path], None]
WRITERS: dict[str, tuple[str, Writer]] = {
    "torchscript": ("to_torchscript", to_torchscript),
    "onnx": ("to_onnx", to_onnx),
}


def test_the_largest_differences_are_in_the_manifest(tiny: ExportOptions, animal_photos: list[Path]) -> None:
    directory = export_model(tiny)
    figures = read_manifest(directory).parity
    assert figures["photos"] == 2
    assert figures["tolerance"] == TOLERANCE == 1e-4
    assert 0 <= figures["worst_share_of_range"] <= 1e-4
    for runtime in ("torchscript", "onnx"):
        assert set(figures[runtime]) == {"logits", "activations"}
        assert all(0 <= difference < 1e-4 for difference in figures[runtime].values())
    assert find_photos(None) == animal_photos


@pytest.mark.parametrize("runtime", WRITERS)
@pytest.mark.parametrize("part", ["_features", "_head"])
def test_an_artefact_that_differs_is_not_published(
    runtime: str, part: str, tiny: ExportOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_model(tiny)
    before = (tiny.directory / MANIFEST).read_bytes()
    name, write = WRITERS[runtime]

    def sabotaged(model: SplitClassifier, size: int, path: Path) -> None:
        other = deepcopy(model)
        with torch.no_grad():
            next(other.get_submodule(part).parameters())[0] += 0.003
        write(other, size, path)

    monkeypatch.setattr(pipeline, name, sabotaged)
    with pytest.raises(ExportError, match=f"the {runtime} model differs from the eager one by .* of the range of its"):
        export_model(tiny)
    assert (tiny.directory / MANIFEST).read_bytes() == before
    assert list(tiny.directory.parent.iterdir()) == [tiny.directory]


@pytest.mark.parametrize("share", [0.5 * TOLERANCE, 2 * TOLERANCE])
def test_the_limit_is_a_share_of_the_logits_range(share: float, tiny: ExportOptions, tmp_path: Path) -> None:
    split, eager = _written(tiny, tmp_path)
    x = next(parity._inputs(ARCHITECTURES["tiny"].preprocessing(None), []))
    with torch.no_grad():
        logits = eager(torch.from_numpy(x))
        eager.get_parameter("fc.bias")[2] += share * float(logits.max() - logits.min())
    if share < TOLERANCE:
        assert _measure(split, eager, tmp_path)["worst_share_of_range"] == pytest.approx(share, rel=0.5)
    else:
        with pytest.raises(ExportError, match=r"range of its logits, above 1e-04"):
            _measure(split, eager, tmp_path)


def test_a_difference_only_in_a_batch_is_seen(tiny: ExportOptions, tmp_path: Path) -> None:
    class MixesItsBatch(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + 0.01 * (x - x.mean(dim=0, keepdim=True))

    split, eager = _written(tiny, tmp_path)
    to_onnx(SplitClassifier(nn.Sequential(split._features, MixesItsBatch()), split._head).eval(), 32, tmp_path / ONNX)
    with pytest.raises(ExportError, match="the onnx model differs"):
        _measure(split, eager, tmp_path)


def test_a_difference_only_on_photos_is_seen(tiny: ExportOptions, tmp_path: Path, animal_photos: list[Path]) -> None:
    class BreaksOnSmoothInput(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            rough = (x[:, :, 1:] - x[:, :, :-1]).abs().mean(dim=(1, 2, 3), keepdim=True)
            return x * (1 + 0.01 * (rough < 0.7))

    split, eager = _written(tiny, tmp_path)
    other = SplitClassifier(nn.Sequential(BreaksOnSmoothInput(), split._features), split._head).eval()
    to_torchscript(other, 32, tmp_path / TORCHSCRIPT)
    assert _measure(split, eager, tmp_path)["photos"] == 0
    with pytest.raises(ExportError, match="the torchscript model differs"):
        _measure(split, eager, tmp_path, animal_photos[:1])


def test_the_method_forward_of_torchscript_is_checked_too(tiny: ExportOptions, tmp_path: Path) -> None:
    class WrongForward(SplitClassifier):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            logits, activations = super().forward(x)
            return logits * 1.01, activations

    split, eager = _written(tiny, tmp_path)
    to_torchscript(WrongForward(split._features, split._head).eval(), 32, tmp_path / TORCHSCRIPT)
    with pytest.raises(ExportError, match="the torchscript model differs"):
        _measure(split, eager, tmp_path)


def test_an_artefact_that_gives_no_numbers_is_refused(tiny: ExportOptions, tmp_path: Path) -> None:
    split, eager = _written(tiny, tmp_path)
    broken = deepcopy(split)
    with torch.no_grad():
        next(broken._head.parameters())[1] = math.nan
    to_torchscript(broken, 32, tmp_path / TORCHSCRIPT)
    with pytest.raises(ExportError, match="the torchscript model differs from the eager one by nan"):
        _measure(split, eager, tmp_path)


def test_another_shape_is_no_equality_by_broadcasting() -> None:
    one, three = np.ones((1, 4), np.float32), np.ones((3, 4), np.float32)
    assert parity._difference(one, three) == (math.inf, math.inf)


def test_weights_that_are_not_numbers_are_refused(tiny: ExportOptions, tmp_path: Path) -> None:
    state = torch.load(str(tiny.weights), weights_only=True)
    torch.save({**state, "conv.bias": state["conv.bias"] * math.nan}, tmp_path / "nan.pth")
    with pytest.raises(WeightsError, match=r"nan\.pth holds values that are not finite numbers \(in conv\.bias\)"):
        export_model(replace(tiny, weights=str(tmp_path / "nan.pth")))
    torch.save({**state, "conv.weight": state["conv.weight"] * 1e38}, tmp_path / "huge.pth")
    with pytest.raises(ExportError, match=r"the model's own values overflow"):
        export_model(replace(tiny, weights=str(tmp_path / "huge.pth")))
    assert not tiny.directory.exists()


@pytest.mark.parametrize("classes", [1, 2])
def test_few_classes_and_equal_logits_can_be_compared(classes: int, tiny: ExportOptions, tmp_path: Path) -> None:
    state = torch.load(str(tiny.weights), weights_only=True)
    few = {key: tensor[:classes] if key.startswith("fc") else tensor for key, tensor in state.items()}
    torch.save(few, tmp_path / "few.pth")
    assert read_manifest(export_model(replace(tiny, weights=str(tmp_path / "few.pth")))).labels[0] == "class 0"
    torch.save({**few, "fc.weight": torch.zeros(classes, 6), "fc.bias": torch.zeros(classes)}, tmp_path / "new.pth")
    export_model(replace(tiny, weights=str(tmp_path / "new.pth")))


def test_photos_of_a_folder_are_used_and_other_files_passed_over(
    tiny: ExportOptions, tmp_path: Path, animal_photos: list[Path]
) -> None:
    folder = tmp_path / "photos"
    (folder / "deeper.jpg").mkdir(parents=True)
    (folder / "notes.txt").write_text("not a photo")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    assert not (folder / "lion.jpg").exists()
    with pytest.raises(ExportError, match="holds no readable photo"):
        export_model(replace(tiny, photos=folder))
    shutil.copy(animal_photos[0], folder)
    Image.new("RGBA", (50, 40), (9, 99, 9, 99)).save(folder / "small.png")
    assert find_photos(folder) == [folder / "lion.jpg", folder / "small.png"]
    assert read_manifest(export_model(replace(tiny, photos=folder))).parity["photos"] == 2
    with pytest.raises(ExportError, match=r"notes\.txt is not a folder"):
        export_model(replace(tiny, photos=folder / "notes.txt"))


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
    eager = ARCHITECTURES["tiny"].build(4)
    eager.load_state_dict(torch.load(str(tiny.weights), weights_only=True))
    split = SplitClassifier(*ARCHITECTURES["tiny"].split(deepcopy(eager), "relu")).eval()
    to_torchscript(split, 32, directory / TORCHSCRIPT)
    to_onnx(split, 32, directory / ONNX)
    return split, eager


def _measure(
    split: SplitClassifier, eager: nn.Module, directory: Path, photos: list[Path] | None = None
) -> dict[str, float]:
    return measure(directory, eager, split, ARCHITECTURES["tiny"].preprocessing(None), photos or [])
