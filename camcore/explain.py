"""The facade: photos in, predictions and explanations out."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from camcore.artifact import ONNX, ONNX_INT8, TORCHSCRIPT, Manifest, read_manifest, verify
from camcore.classes import find_class
from camcore.effort import Effort, to_rule
from camcore.heatmap import to_heatmap
from camcore.methods import METHODS, MethodName
from camcore.preprocess import Fit, preprocess
from camcore.results import Explanation, ForwardPass, Prediction
from camcore.score_cam import CHUNK, DEFINITIONS, DefinitionName, QuickForward, score_cam
from camcore.threads import on_one_blas_thread

if TYPE_CHECKING:
    from camcore.gradients import TracedModel
    from camcore.scores import Scorer

ALL_METHODS: tuple[MethodName, ...] = tuple(METHODS)


@dataclass(frozen=True)
class _Settings:
    """Of Score-CAM."""

    definition: DefinitionName
    effort: Effort
    chunk: int


class Explainer:
    """A model and the methods that explain it. Build it with `Explainer.load`."""

    def __init__(self, manifest: Manifest, model: "TracedModel", scorer: "Scorer", int8: "Scorer | None"):
        self.manifest = manifest
        self._model = model
        self._scorer = scorer
        self._quick: QuickForward | None = None
        if int8 is not None and manifest.int8 is not None:
            self._quick = QuickForward(int8.logits, manifest.int8.noise, manifest.int8.speed_up)

    @classmethod
    def load(cls, directory: Path | str, threads: int | None = None) -> "Explainer":
        """Load an artefact directory, checking its files against their hashes.

        `threads` is ONNX Runtime's; by default the cores this process may use. torch's own are left as they are.

        Raises:
            ArtifactError: if the directory is missing, foreign, damaged or mixed.
        """
        from camcore.gradients import TracedModel
        from camcore.scores import Scorer

        directory = Path(directory)
        manifest = read_manifest(directory)
        verify(directory, manifest)
        int8 = Scorer(directory / ONNX_INT8, threads) if ONNX_INT8 in manifest.files else None
        return cls(manifest, TracedModel(directory / TORCHSCRIPT), Scorer(directory / ONNX, threads), int8)

    def release(self) -> None:
        """Let the memory of the exact model's session go; it is made again when next needed."""
        self._scorer.release()

    def forward(self, photo: Image.Image, fit: Fit = "crop") -> ForwardPass:
        """Run the model once on an RGB photo (see `open_photo`)."""
        start = time.perf_counter()
        x, view = preprocess(photo, self.manifest.preprocessing, fit)
        logits, activations = self._model.forward(x)
        return ForwardPass(x, view, logits[0], activations[0], time.perf_counter() - start)

    def predict(self, photo: Image.Image | ForwardPass, top: int = 5, fit: Fit = "crop") -> list[Prediction]:
        """The `top` most probable classes, the most probable first."""
        passed = self._passed(photo, fit)
        best = np.argsort(-passed.logits, kind="stable")[:top]
        return [self._prediction(passed, int(index)) for index in best]

    def explain(
        self,
        photo: Image.Image | ForwardPass,
        class_idx: int | None = None,
        methods: Sequence[MethodName] = ALL_METHODS,
        *,
        definition: DefinitionName = "paper",
        effort: Effort = "fast",
        fit: Fit = "crop",
    ) -> list[Explanation]:
        """One finished explanation a method, in their order, for `class_idx` or else the most probable class.

        `effort` is Score-CAM's: "fast" runs the channels that tell most and predicts the rest, until its estimate of
        the map's fidelity is high; "exact" runs every channel alive in fp32; a number is that many forwards.

        Raises:
            ClassError: if the class is out of range.
            EffortError: if there is no such effort.
        """
        steps = self.stream(photo, class_idx, methods, definition=definition, effort=effort, fit=fit)
        finished = {explanation.method: explanation for explanation in steps}
        return [finished[method] for method in methods]

    def refine(
        self,
        photo: Image.Image | ForwardPass,
        class_idx: int | None = None,
        *,
        definition: DefinitionName = "paper",
        effort: Effort = "fast",
        fit: Fit = "crop",
        chunk: int = CHUNK,
    ) -> Iterator[Explanation]:
        """Yield the Score-CAM as it grows, every `chunk` forwards; closing the generator stops the work there."""
        return self.stream(photo, class_idx, ("score-cam",), definition=definition, effort=effort, fit=fit, chunk=chunk)

    def stream(
        self,
        photo: Image.Image | ForwardPass,
        class_idx: int | None = None,
        methods: Sequence[MethodName] = ALL_METHODS,
        *,
        definition: DefinitionName = "paper",
        effort: Effort = "fast",
        fit: Fit = "crop",
        chunk: int = CHUNK,
    ) -> Iterator[Explanation]:
        """Yield each explanation as it is ready: the gradient methods first, then Score-CAM as it grows."""
        to_rule(effort)  # refused before anything is run
        settings = _Settings(definition, effort, chunk)
        return on_one_blas_thread(self._stream(photo, class_idx, methods, fit, settings))

    def _stream(
        self,
        photo: Image.Image | ForwardPass,
        class_idx: int | None,
        methods: Sequence[MethodName],
        fit: Fit,
        settings: _Settings,
    ) -> Iterator[Explanation]:
        passed = self._passed(photo, fit)
        target = self._target(passed, class_idx)
        shared = passed.seconds / max(len(set(methods)), 1)
        yield from self._from_gradients(passed, target, methods, shared)
        if "score-cam" in methods:
            yield from self._score_cam(passed, target, settings, shared)

    def _from_gradients(
        self, passed: ForwardPass, target: Prediction, methods: Sequence[MethodName], shared: float
    ) -> Iterator[Explanation]:
        wanted = {name: rule for name in methods if (rule := METHODS[name].from_gradients)}
        if not wanted:
            return
        start = time.perf_counter()
        gradients = self._model.gradients(passed.activations, target.class_idx)
        shared += (time.perf_counter() - start) / len(wanted)
        for name, rule in wanted.items():
            start = time.perf_counter()
            heatmap, peak = to_heatmap(rule(passed.activations, gradients), passed.view.image.size[::-1])
            seconds = shared + time.perf_counter() - start
            yield Explanation(name, target.class_idx, target.name, target.probability, heatmap, peak, seconds)

    def _score_cam(
        self, passed: ForwardPass, target: Prediction, settings: _Settings, shared: float
    ) -> Iterator[Explanation]:
        start = time.perf_counter()
        steps = score_cam(
            passed.x,
            passed.activations,
            target.class_idx,
            self._scorer.logits,
            definition=DEFINITIONS[settings.definition],
            rule=to_rule(settings.effort),
            quick=self._quick,
            chunk=settings.chunk,
        )
        spent = shared
        for step in steps:
            heatmap, peak = to_heatmap(step.cam, passed.view.image.size[::-1])
            spent += time.perf_counter() - start
            yield Explanation(
                "score-cam",
                target.class_idx,
                target.name,
                target.probability,
                heatmap,
                peak,
                spent,
                definition=settings.definition,
                forwards=step.forwards,
                channels=len(passed.activations),
                channels_alive=step.channels_alive,
                effort=settings.effort,
                precision=step.precision,
                fidelity_estimate=step.fidelity,
                complete=step.done,
            )
            start = time.perf_counter()  # what the reader does with a map is not the map's time

    def _passed(self, photo: Image.Image | ForwardPass, fit: Fit) -> ForwardPass:
        return photo if isinstance(photo, ForwardPass) else self.forward(photo, fit)

    def _target(self, passed: ForwardPass, class_idx: int | None) -> Prediction:
        if class_idx is None:
            class_idx = int(passed.logits.argmax())
        return self._prediction(passed, find_class(self.manifest.labels, class_idx))

    def _prediction(self, passed: ForwardPass, class_idx: int) -> Prediction:
        probability = float(passed.probabilities[class_idx])
        return Prediction(class_idx, self.manifest.labels[class_idx], probability)
