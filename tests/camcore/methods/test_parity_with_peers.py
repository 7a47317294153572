"""The same maps as the public libraries: grad-cam 1.5.7 and torchcam 0.5.0, run on real photos and real weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import pytorch_grad_cam
import torch
import torchcam.methods
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from camcore import Explainer, ForwardPass, open_photo
from camcore.methods.definitions import DefinitionName
from camcore.methods.method_table import MethodName
from export.pipeline import ExportOptions, export_artifact
from export.preprocessing import PreprocessingOptions
from export.trace import SplitClassifier
from tests.conftest import heatmap_by_torch, in_halves

pytestmark = pytest.mark.slow
Heatmap = NDArray[np.floating]

SIDE = 96  # pixels of the model's input: a fifth of the work of 224, for all libraries alike
CHUNK = 4  # the batch at which eager torch is fastest on a CPU
COMPARED: tuple[DefinitionName, ...] = ("paper", "pytorch-grad-cam", "torchcam")


class Eager(nn.Module):
    """The eager network in the form that the peers require: one output, and a target layer with a name.

    Half of its channels are dead. The peers run a blank input for each of these, whose logits are computed once.
    """

    def __init__(self, split: SplitClassifier):
        super().__init__()
        self.features, self.head = split.segments
        with torch.no_grad():
            self._blank = self.head(self.features(torch.zeros(1, 3, SIDE, SIDE)))

    def forward(self, x: Tensor) -> Tensor:
        drawn = x.flatten(1).any(dim=1)
        logits = self._blank.repeat(len(x), 1)
        if drawn.any():
            logits[drawn] = self._run(x[drawn]) if torch.is_grad_enabled() else in_halves(self._run, x[drawn])
        return logits

    def _run(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits


@dataclass(frozen=True)
class Case:
    """A photo, its class, and camcore's gradient maps of it."""

    forward_pass: ForwardPass
    class_idx: int
    network: Eager
    gradient_maps: Mapping[MethodName, Heatmap]


@pytest.fixture(scope="module")
def small_lite0(tmp_path_factory: pytest.TempPathFactory) -> Explainer:
    out, steps = tmp_path_factory.mktemp("small") / "lite0", PreprocessingOptions(size=(SIDE, SIDE))
    options = ExportOptions(model="efficientnet_lite0", out=out, preprocessing=steps, int8=False)
    return Explainer.load(export_artifact(options))


@pytest.fixture(scope="module", params=["eagle", "spoonbill"])
def case(
    request: pytest.FixtureRequest, small_lite0: Explainer, eager_lite0: SplitClassifier, imagenet_photos: list[Path]
) -> Case:
    path, network = imagenet_photos[17 if request.param == "eagle" else 14], Eager(eager_lite0)
    forward_pass, class_idx = small_lite0.forward(open_photo(path)), int(path.stem.split("_")[-1])
    explanations = small_lite0.explain(forward_pass, class_idx, ["grad-cam", "grad-cam++"])
    gradient_maps = {explanation.method: explanation.heatmap for explanation in explanations}
    return Case(forward_pass, class_idx, network.eval(), gradient_maps)


@pytest.fixture(scope="module")
def score_cams(case: Case, small_lite0: Explainer) -> Mapping[DefinitionName, Heatmap]:
    """Exhaustive maps of the case under each definition that a test compares."""
    maps: dict[DefinitionName, Heatmap] = {}
    for definition in COMPARED:
        (explanation,) = small_lite0.explain(
            case.forward_pass, case.class_idx, ["score-cam"], definition=definition, effort="exact"
        )
        maps[definition] = explanation.heatmap
    return maps


def by_grad_cam(method: str, case: Case) -> Heatmap:
    with getattr(pytorch_grad_cam, method)(case.network, [case.network.features]) as cam:
        cam.batch_size = CHUNK
        (heatmap,) = cam(torch.from_numpy(case.forward_pass.x), [ClassifierOutputTarget(case.class_idx)])
    return heatmap


def by_torchcam(method: str, case: Case) -> Heatmap:
    options = {"batch_size": CHUNK} if method == "ScoreCAM" else {}
    with getattr(torchcam.methods, method)(case.network, "features", **options) as cam:
        logits = case.network(torch.from_numpy(case.forward_pass.x).requires_grad_())
        ((small,),) = cam(case.class_idx, logits)
    return heatmap_by_torch(small.detach().numpy(), (SIDE, SIDE))


# Peers, by the preset that reproduces them.
PEERS = {"pytorch-grad-cam": by_grad_cam, "torchcam": by_torchcam}


@pytest.mark.parametrize("peer", PEERS)
def test_grad_cam_equals(peer: str, case: Case) -> None:
    heatmap = PEERS[peer]("GradCAM", case)
    assert np.ptp(heatmap) == pytest.approx(1, abs=1e-6)
    assert_allclose(case.gradient_maps["grad-cam"], heatmap, atol=1e-4)
    assert np.abs(case.gradient_maps["grad-cam++"] - heatmap).max() > 1e-2


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("case", ["eagle"], indirect=True)
@pytest.mark.parametrize("peer", PEERS)
def test_score_cam_equals_under_its_preset_and_under_no_other(
    peer: str, case: Case, score_cams: Mapping[DefinitionName, Heatmap]
) -> None:
    heatmap = PEERS[peer]("ScoreCAM", case)
    assert np.ptp(heatmap) == pytest.approx(1, abs=1e-6)
    equal = [name for name, ours in score_cams.items() if np.abs(ours - heatmap).max() <= 1e-4]
    assert equal == [peer]
