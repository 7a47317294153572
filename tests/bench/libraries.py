"""The libraries compared, each through its own public calls, as its documentation shows them.

Nothing is imported but by the library that needs it: each also runs alone in a fresh process, to measure its memory.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from camcore.options import ExplainOptions
from tests.bench.scene import Scene

if TYPE_CHECKING:
    import torch

    from camcore import ForwardPass


class Library(Protocol):
    """One library with its model and photo loaded."""

    def __init__(self, scene: Scene): ...

    def forwards(self, channels: int) -> int:
        """Masked forwards that Score-CAM takes on the layer's first `channels` channels."""

    def score_cam(self, channels: int) -> None:
        """Score-CAM on the layer's first `channels` channels, from the first forward to the map."""

    def begin_score_cam(self, forwards: int | None) -> None:
        """Score-CAM on all channels, broken off after `forwards` masked forwards if that is a number."""

    def gradient_methods(self) -> None:
        """Grad-CAM and Grad-CAM++, from the first forward to both maps."""


class Camcore:
    """This project. It starts from the decoded photo: preprocessing is part of its times, and of its only."""

    def __init__(self, scene: Scene):
        from camcore import Explainer, open_photo
        from camcore.model.manifest import ONNX, ONNX_INT8
        from camcore.model.onnx import Scorer

        self._class_idx = scene.class_idx
        self._scorers = {"fp32": Scorer(scene.artifact / ONNX), "int8": Scorer(scene.artifact / ONNX_INT8)}
        self._explainer = Explainer.load(scene.artifact)
        self._photo = open_photo(scene.photo)
        self._forward_pass: ForwardPass | None = None

    def forwards(self, channels: int) -> int:
        from camcore.methods.score_cam import alive_channels

        return len(alive_channels(self._explainer.forward(self._photo).activations[:channels]))

    def score_cam(self, channels: int) -> None:
        forward_pass = self._explainer.forward(self._photo)
        forward_pass = replace(forward_pass, activations=forward_pass.activations[:channels])
        self._explainer.explain(forward_pass, self._class_idx, ("score-cam",), effort="exact")

    def begin_score_cam(self, forwards: int | None) -> None:
        # all three methods
        for explanation in self._explainer.stream(self._photo, ExplainOptions(self._class_idx, effort="exact")):
            if forwards is not None and (explanation.forwards or 0) >= forwards:
                break

    def three_methods(self, forwards: int) -> None:
        """All three methods, Score-CAM with so many forwards: from the decoded photo to three heatmaps."""
        self._explainer.explain(self._photo, self._class_idx, effort=forwards)

    def exhaustive(self, channels: int, precision: str) -> None:
        """Score-CAM on every one of the first `channels` channels, in that precision."""
        from camcore.methods.score_cam import score_cam

        if self._forward_pass is None:
            self._forward_pass = self._explainer.forward(self._photo)  # of all channels' time, not of these few
        forward = self._scorers[precision].logits
        for _ in score_cam(self._forward_pass.x, self._forward_pass.activations[:channels], self._class_idx, forward):
            pass

    def until_first_score_cam(self) -> None:
        """From the decoded photo to the gradient methods' heatmaps and the first of Score-CAM."""
        with contextlib.closing(self._explainer.stream(self._photo, ExplainOptions(self._class_idx))) as steps:  # type: ignore[type-var]
            next(step for step in steps if step.method == "score-cam")

    def gradient_methods(self) -> None:
        self._explainer.explain(self._photo, self._class_idx, ("grad-cam", "grad-cam++"))


class _Eager:
    """A library that hooks an eager model."""

    def __init__(self, scene: Scene):
        import numpy as np
        import torch
        from torchvision.models import get_model

        self._class_idx = scene.class_idx
        self._channels = scene.channels
        self._model: torch.nn.Module = get_model(scene.model, weights=None).eval()
        self._model.load_state_dict(torch.load(scene.weights))
        self._x = torch.from_numpy(np.load(scene.x))

    def forwards(self, channels: int) -> int:
        return channels

    def begin_score_cam(self, forwards: int | None) -> None:
        with _breaking_off(self._model, forwards):
            self.score_cam(self._channels)

    def score_cam(self, channels: int) -> None:
        raise NotImplementedError


class GradCam(_Eager):
    """The package grad-cam, imported as `pytorch_grad_cam`."""

    def score_cam(self, channels: int) -> None:
        from pytorch_grad_cam import ScoreCAM

        with ScoreCAM(self._model, [self._model.layer4], reshape_transform=lambda a: a[:, :channels]) as cam:
            self._run(cam)

    def gradient_methods(self) -> None:
        from pytorch_grad_cam import GradCAM, GradCAMPlusPlus

        for method in (GradCAM, GradCAMPlusPlus):
            with method(self._model, [self._model.layer4]) as cam:
                self._run(cam)

    def _run(self, cam: object) -> None:
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
            cam(self._x, [ClassifierOutputTarget(self._class_idx)])


class TorchCam(_Eager):
    """The package torchcam."""

    def score_cam(self, channels: int) -> None:
        import torch
        from torchcam.methods import ScoreCAM

        with ScoreCAM(self._model, "layer4", reshape_transform=lambda a: a[:, :channels]) as extractor:
            with torch.inference_mode():
                self._model(self._x)
            extractor(self._class_idx)

    def gradient_methods(self) -> None:
        from torchcam.methods import GradCAM, GradCAMpp

        for method in (GradCAM, GradCAMpp):
            with method(self._model, "layer4") as extractor:
                extractor(self._class_idx, self._model(self._x))


class CamcoreFast(Camcore):
    """This project as it is used: not all channels, and quickly."""

    def begin_score_cam(self, forwards: int | None) -> None:
        self._explainer.explain(self._photo, self._class_idx, effort=forwards or "fast")


LIBRARIES: dict[str, type[Library]] = {"camcore": Camcore, "grad-cam": GradCam, "torchcam": TorchCam}
FAST = "camcore, fast"
ALONE = LIBRARIES | {FAST: CamcoreFast}  # all that can be run in a process of its own


class _BrokenOffError(Exception):
    pass


@contextlib.contextmanager
def _breaking_off(model: torch.nn.Module, forwards: int | None) -> Iterator[None]:
    """Inside, the model stops whoever runs it once it has seen `forwards` inputs in batches above one."""
    seen = 0

    def count(_module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        nonlocal seen
        if forwards is not None and seen >= forwards:
            raise _BrokenOffError
        batch = len(inputs[0])
        seen += batch if batch > 1 else 0  # one alone is the photo without a mask

    handle = model.register_forward_pre_hook(count)
    try:
        yield
    except _BrokenOffError:
        pass
    finally:
        handle.remove()
