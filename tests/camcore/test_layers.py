"""Several layers of one artefact: each is explained as the eager model says, alone and side by side."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from PIL import Image
from torch import nn

from camcore import ArtifactError, Explainer
from camcore.cli.main import main
from camcore.methods.grad_cam import grad_cam
from camcore.methods.heatmap import to_heatmap
from camcore.model.manifest import Preprocessing
from export import export_model

STEPS = Preprocessing(64, (64, 96), "bilinear", mean=(0.5,) * 3, std=(0.25,) * 3, resize_mode="pad")


def network() -> nn.Module:
    torch.manual_seed(5)
    early = nn.Sequential(nn.Conv2d(3, 6, 8, stride=8), nn.SiLU())
    late = nn.Sequential(nn.Conv2d(6, 9, 3, padding=1), nn.ReLU(inplace=True))
    model = nn.Sequential()
    for name, module in {
        "early": early, "late": late, "pool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten(), "fc": nn.Linear(9, 4),
    }.items():  # fmt: skip
        model.add_module(name, module)
    return model.eval()


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("layers") / "artifacts" / "two"
    return export_model(network(), out, preprocessing=STEPS, target_layer=["late", "early"], int8=False)


@pytest.fixture
def photo() -> Image.Image:
    return Image.effect_noise((80, 60), 60).convert("RGB")


def test_the_first_layer_is_the_target_and_each_is_described(artifact: Path) -> None:
    late, early = Explainer.load(artifact).manifest.layers
    assert (late.name, late.channels, late.map_size, late.linear_head, late.signed) == ("late", 9, (8, 12), True, False)
    assert (early.name, early.channels, early.map_size, early.linear_head, early.signed) == (
        "early", 6, (8, 12), False, True,
    )  # fmt: skip


@pytest.mark.parametrize("layer", ["late", "early"])
def test_each_layer_gives_the_map_of_eager_autograd(layer: str, artifact: Path, photo: Image.Image) -> None:
    explainer, model = Explainer.load(artifact).at_layer(layer), network()
    forward_pass = explainer.forward(photo)
    seen: list[torch.Tensor] = []
    model.get_submodule(layer).register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    logits = model(torch.from_numpy(forward_pass.x))
    (gradients,) = torch.autograd.grad(logits[0, 2], seen[0])
    assert_allclose(forward_pass.activations, seen[0][0].detach(), rtol=1e-4, atol=1e-6)
    expected = to_heatmap(grad_cam(seen[0][0].detach().numpy(), gradients[0].numpy()), STEPS.size)[0]
    (explanation,) = explainer.explain(forward_pass, 2, ["grad-cam"])
    assert_allclose(explanation.heatmap, expected, atol=1e-5)
    (score_cam,) = explainer.explain(forward_pass, 2, ["score-cam"])
    assert np.isfinite(score_cam.heatmap).all()
    assert score_cam.precision == "fp32"
    assert set(explainer.sanity(forward_pass, 2)) == {"grad-cam", "grad-cam++"}


def test_a_layer_that_is_not_there_is_refused_with_those_that_are(artifact: Path) -> None:
    with pytest.raises(ArtifactError, match=r"without the layer 'stem': choose late, early, or export again"):
        Explainer.load(artifact).at_layer("stem")


def test_explain_draws_the_layers_side_by_side(
    artifact: Path, photo: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAMCORE_ARTIFACTS", str(artifact))
    photo.save("bird.png")
    assert main(["explain", "bird.png", "--out", "one"]) == 0
    assert main(["explain", "bird.png", "--out", "both", "--layer", "all", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [entry["layer"] for entry in record["explanations"]] == ["late"] * 3 + ["early"] * 3
    methods = ("grad-cam", "grad-cam-pp", "score-cam")
    names = [f"bird.{layer}.{method}.png" for layer in ("early", "late") for method in methods]
    assert sorted(path.name for path in Path("both").iterdir()) == sorted(["bird.compare.png", *names])
    assert sorted(path.name for path in Path("one").iterdir()) == sorted(
        ["bird.compare.png", *(f"bird.{method}.png" for method in methods)]
    )
    one, both = (Image.open(Path(folder) / "bird.compare.png") for folder in ("one", "both"))
    assert both.size == (one.width, 2 * one.height)
    assert main(["explain", "bird.png", "--layer", "stem"]) == 2
    assert "choose late, early" in capsys.readouterr().err
    assert main(["explain", "bird.png", "--layer", "all", "--sanity"]) == 2
    assert "--sanity compares the maps of one layer, not of 2: name one with --layer" in capsys.readouterr().err


def test_a_padded_view_shows_the_whole_photo_within_its_borders(artifact: Path, photo: Image.Image) -> None:
    view = Explainer.load(artifact).forward(photo).view
    assert view.image.size == (96, 64)
    assert view.share == pytest.approx(1)
    assert view.box == pytest.approx((-5, 0, 85, 60), abs=1), "80 x 60 becomes 85 x 64, between borders of 5 pixels"
    assert view.image.getpixel((1, 30)) == STEPS.zero_colour
    assert view.image.getpixel((94, 30)) == STEPS.zero_colour
