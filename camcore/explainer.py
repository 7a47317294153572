"""The facade: photos in, predictions and explanations out."""

import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from camcore.errors import ClassError
from camcore.images.preprocess import ResizeMode, preprocess
from camcore.methods.effort import Effort, to_rule
from camcore.methods.explanations import Settings, from_gradients, from_scores
from camcore.methods.grad_cam import METHODS, MethodName
from camcore.methods.score_cam import CHUNK, DefinitionName, Int8Forward
from camcore.metrics.faithfulness import BATCH, Faithfulness, faithfulness
from camcore.metrics.sanity import SEEDS, sanity
from camcore.model.classes import find_class
from camcore.model.manifest import ONNX, ONNX_INT8, TORCHSCRIPT, Manifest, read_manifest, verify
from camcore.model.threads import on_one_blas_thread
from camcore.results import ExplainedClass, Explanation, ForwardPass, Prediction

if TYPE_CHECKING:
    from camcore.model.onnx import Scorer
    from camcore.model.torchscript import TracedModel

ALL_METHODS: tuple[MethodName, ...] = tuple(METHODS)


class Explainer:
    """A model and the methods that explain it. Build it with `Explainer.load`."""

    def __init__(self, manifest: Manifest, model: "TracedModel", scorer: "Scorer", int8: "Scorer | None"):
        self.manifest = manifest
        self._model = model
        self._scorer = scorer
        self._quick: Int8Forward | None = None
        if int8 is not None and manifest.int8 is not None:
            self._quick = Int8Forward(int8.logits, manifest.int8.noise, manifest.int8.speed_up)

    @classmethod
    def load(cls, directory: Path | str, threads: int | None = None) -> "Explainer":
        """Load an artefact directory, checking its files against their hashes.

        `threads` is ONNX Runtime's; by default the cores this process may use. torch's own are left as they are.

        Raises:
            ArtifactError: if the directory is missing, foreign, damaged or mixed.
        """
        from camcore.model.onnx import Scorer
        from camcore.model.torchscript import TracedModel

        directory = Path(directory)
        manifest = read_manifest(directory)
        verify(directory, manifest)
        int8 = Scorer(directory / ONNX_INT8, threads) if ONNX_INT8 in manifest.files else None
        return cls(manifest, TracedModel(directory / TORCHSCRIPT), Scorer(directory / ONNX, threads), int8)

    def release(self) -> None:
        """Let the memory of the exact model's session go; it is made again when next needed."""
        self._scorer.release()

    def forward(self, photo: Image.Image, fit: ResizeMode = "crop") -> ForwardPass:
        """Run the model once on an RGB photo (see `open_photo`)."""
        start = time.perf_counter()
        x, view = preprocess(photo, self.manifest.preprocessing, fit)
        logits, activations = self._model.forward(x)
        return ForwardPass(x, view, logits[0], activations[0], time.perf_counter() - start)

    def predict(self, photo: Image.Image | ForwardPass, top: int = 5, fit: ResizeMode = "crop") -> list[Prediction]:
        """The `top` most probable classes, the most probable first."""
        forward_pass = self._forward_pass(photo, fit)
        best = np.argsort(-forward_pass.logits, kind="stable")[:top]
        return [self._prediction(forward_pass, int(index)) for index in best]

    def explain(
        self,
        photo: Image.Image | ForwardPass,
        class_idx: int | None = None,
        methods: Sequence[MethodName] = ALL_METHODS,
        *,
        rather_than: int | None = None,
        definition: DefinitionName = "paper",
        effort: Effort = "fast",
        fit: ResizeMode = "crop",
    ) -> list[Explanation]:
        """One finished explanation a method, in their order, for `class_idx` or else the most probable class.

        With `rather_than` they explain what speaks for the class and against that one: the difference of their logits.
        `effort` is Score-CAM's: "fast" runs the channels that tell most and predicts the rest, until its estimate of
        the map's fidelity is high; "exact" runs every channel alive in fp32; a number is that many forwards.

        Raises:
            ClassError: if a class is out of range, or set against itself.
            EffortError: if there is no such effort.
        """
        steps = self.stream(
            photo, class_idx, methods, rather_than=rather_than, definition=definition, effort=effort, fit=fit
        )
        finished = {explanation.method: explanation for explanation in steps}
        return [finished[method] for method in methods]

    def refine(
        self,
        photo: Image.Image | ForwardPass,
        class_idx: int | None = None,
        *,
        rather_than: int | None = None,
        definition: DefinitionName = "paper",
        effort: Effort = "fast",
        fit: ResizeMode = "crop",
        chunk: int = CHUNK,
    ) -> Iterator[Explanation]:
        """Yield the Score-CAM as it grows, every `chunk` forwards; closing the generator stops the work there."""
        only: tuple[MethodName, ...] = ("score-cam",)
        return self.stream(
            photo, class_idx, only, rather_than=rather_than, definition=definition, effort=effort, fit=fit, chunk=chunk
        )

    def stream(
        self,
        photo: Image.Image | ForwardPass,
        class_idx: int | None = None,
        methods: Sequence[MethodName] = ALL_METHODS,
        *,
        rather_than: int | None = None,
        definition: DefinitionName = "paper",
        effort: Effort = "fast",
        fit: ResizeMode = "crop",
        chunk: int = CHUNK,
    ) -> Iterator[Explanation]:
        """Yield each explanation as it is ready: the gradient methods first, then Score-CAM as it grows."""
        to_rule(effort)  # refused before anything is run
        settings = Settings(definition, effort, chunk)
        return on_one_blas_thread(self._stream(photo, (class_idx, rather_than), methods, fit, settings))

    def faithfulness(
        self, photo: ForwardPass, explanations: Sequence[Explanation], *, exact: bool = False, chunk: int = BATCH
    ) -> list[Faithfulness | None]:
        """How the model answers when what each of a photo's explanations points at is kept, removed, or given back.

        All of them are for one class and run together; None for an explanation that shows no place. The scores are the
        class's probability, also for a contrast. The curves run in int8 where there is such a model, unless `exact`.
        `camcore.metrics.faithfulness` states the protocol.
        """
        (class_idx,) = {explanation.class_idx for explanation in explanations}
        quick = None if exact or self._quick is None else self._quick.forward
        heatmaps = [explanation.heatmap for explanation in explanations]
        return faithfulness(photo.x, heatmaps, class_idx, self._scorer.logits, quick=quick, chunk=chunk)

    def sanity(
        self,
        photo: ForwardPass,
        class_idx: int | None = None,
        methods: Sequence[MethodName] = ALL_METHODS,
        *,
        rather_than: int | None = None,
    ) -> dict[MethodName, float | None]:
        """How alike each gradient method's map is to that of a classifier that has learnt nothing; see `sanity`."""
        question = self._question(photo, class_idx, rather_than)
        asked = question.class_idx, question.other_idx
        gradients = self._model.gradients(photo.activations, *asked)
        randomised = self._model.randomised_gradients(photo.activations, *asked, SEEDS)
        return sanity(photo.activations, gradients, randomised, methods)

    def _stream(
        self,
        photo: Image.Image | ForwardPass,
        classes: tuple[int | None, int | None],
        methods: Sequence[MethodName],
        fit: ResizeMode,
        settings: Settings,
    ) -> Iterator[Explanation]:
        forward_pass = self._forward_pass(photo, fit)
        question = self._question(forward_pass, *classes)
        shared = forward_pass.seconds / max(len(set(methods)), 1)
        gradients = partial(self._model.gradients, forward_pass.activations, question.class_idx, question.other_idx)
        yield from from_gradients(forward_pass, question, methods, gradients, shared)
        if "score-cam" in methods:
            yield from from_scores(
                forward_pass, question, settings, self._scorer.logits, quick=self._quick, shared=shared
            )

    def _forward_pass(self, photo: Image.Image | ForwardPass, fit: ResizeMode) -> ForwardPass:
        return photo if isinstance(photo, ForwardPass) else self.forward(photo, fit)

    def _question(self, forward_pass: ForwardPass, class_idx: int | None, rather_than: int | None) -> ExplainedClass:
        asked = self._prediction(forward_pass, class_idx)
        if rather_than is None:
            return ExplainedClass(asked)
        other = self._prediction(forward_pass, rather_than)
        if asked.class_idx == other.class_idx:
            raise ClassError(f"{asked.name} cannot be set against itself: choose two classes")
        return ExplainedClass(asked, other)

    def _prediction(self, forward_pass: ForwardPass, class_idx: int | None) -> Prediction:
        """Of that class, or of the most probable one."""
        index = find_class(self.manifest.labels, int(forward_pass.logits.argmax()) if class_idx is None else class_idx)
        return Prediction(index, self.manifest.labels[index], float(forward_pass.probabilities[index]))
