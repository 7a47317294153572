"""The facade of the package: predictions and explanations of photos."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from camcore.deprecation import accept_former_names
from camcore.images.preprocess import View, make_view, normalise
from camcore.methods.definitions import DefinitionName, check_definition
from camcore.methods.effort import Effort, to_rule
from camcore.methods.explanations import explain_by_gradients, explain_by_scores, finished
from camcore.methods.grad_cam import ALL_METHODS, GRADIENT_METHODS, MethodName
from camcore.methods.score_cam import Int8Forward, batch_size
from camcore.metrics.assessment import overlap_with
from camcore.metrics.evidence import CrossChecks, other_labels
from camcore.metrics.faithfulness import Faithfulness, faithfulness
from camcore.metrics.sanity import SEEDS, sanity
from camcore.metrics.thresholds import SEES_ALL
from camcore.model.classes import check_contrast, find_class
from camcore.model.manifest import ONNX, ONNX_INT8, TORCHSCRIPT, Manifest, ResizeMode, read_manifest, verify
from camcore.model.threads import on_one_blas_thread
from camcore.options import ExplainOptions
from camcore.results import ExplainedClass, Explanation, ForwardPass, Prediction
from camcore.types import Array, Box

if TYPE_CHECKING:
    from camcore.model.onnx import Scorer
    from camcore.model.torchscript import TracedModel

PhotoInput = Image.Image | ForwardPass
DEFAULT_OPTIONS = ExplainOptions()


class Explainer:
    """A model and the methods that explain it; use `Explainer.load` to create one."""

    def __init__(self, manifest: Manifest, model: "TracedModel", scorer: "Scorer", int8: "Scorer | None"):
        self.manifest = manifest
        self._model = model
        self._scorer = scorer
        self._int8: Int8Forward | None = None
        if int8 is not None and manifest.int8 is not None:
            self._int8 = Int8Forward(int8.logits, manifest.int8.noise, manifest.int8.speed_up)

    @classmethod
    def load(cls, directory: Path | str, threads: int | None = None) -> "Explainer":
        """Load an artefact directory that `python -m export` wrote, and check its files against their hashes.

        `threads` is for ONNX Runtime, by default one per core that this process may use; torch's are not changed.
        Raise ArtifactError if the directory is missing, damaged, not an artefact, or a mixture of two.
        """
        from camcore.model.onnx import Scorer
        from camcore.model.torchscript import TracedModel

        directory = Path(directory)
        manifest = read_manifest(directory)
        verify(directory, manifest)
        int8 = Scorer(directory / ONNX_INT8, threads) if ONNX_INT8 in manifest.files else None
        model = TracedModel(directory / TORCHSCRIPT, manifest.layer.number, manifest.classifier)
        return cls(manifest, model, Scorer(directory / ONNX, threads), int8)

    def at_layer(self, name: str) -> "Explainer":
        """Return an explainer of another layer of the artefact; both share the model.

        Its Score-CAM runs in fp32: the error of int8 was measured at the first layer only. Raise ArtifactError if the
        artefact has no such layer.
        """
        if name == self.manifest.layer.name:
            return self
        manifest = self.manifest.at_layer(name)
        return Explainer(manifest, self._model.at_layer(manifest.layer.number), self._scorer, None)

    @accept_former_names(fit="resize_mode")
    def forward(
        self, photo: Image.Image | View, resize_mode: ResizeMode | None = None, box: Box | None = None
    ) -> ForwardPass:
        """Run the model once on an RGB photo (see `open_photo`), or on a view of it (see `PhotoDecoder.view`).

        `resize_mode` and `box` are those of `make_view`.
        """
        start, steps = time.perf_counter(), self.manifest.preprocessing
        view = photo if isinstance(photo, View) else make_view(photo, steps, resize_mode, box)
        x = normalise(view, steps)
        logits, activations = self._model.forward(x)
        return ForwardPass(x, view, logits[0], activations[0], time.perf_counter() - start, self.manifest.multi_label)

    @accept_former_names(fit="resize_mode")
    def predict(self, photo: PhotoInput, top: int = 5, resize_mode: ResizeMode | None = None) -> list[Prediction]:
        """Return the `top` most probable classes, the most probable first."""
        forward_pass = self._run_once(photo, resize_mode)
        best = np.argsort(-forward_pass.logits, kind="stable")[:top]
        return [self._prediction(forward_pass, int(index)) for index in best]

    @accept_former_names(rather_than="contrast_idx", fit="resize_mode")
    def explain(
        self,
        photo: PhotoInput,
        class_idx: int | None = None,
        methods: Sequence[MethodName] = ALL_METHODS,
        *,
        contrast_idx: int | None = None,
        definition: DefinitionName = "paper",
        effort: Effort = "fast",
        resize_mode: ResizeMode | None = None,
    ) -> list[Explanation]:
        """Return one finished explanation per method, in their order.

        The keywords are those of `ExplainOptions`. With `contrast_idx` the maps explain the difference of the two
        logits: what speaks for the class and against the other one. `effort` is for Score-CAM: "fast" runs the most
        informative channels and predicts the others, until its estimate of the map's fidelity is high; "exact" runs
        every channel that varies, in fp32; a number is the number of forwards. Raise ClassError if a class is out of
        range or set against itself, and EffortError if the effort does not exist.
        """
        options = ExplainOptions(class_idx, contrast_idx, definition, effort, resize_mode)
        return finished(self.stream(photo, options, methods), methods)

    def stream(
        self,
        photo: PhotoInput,
        options: ExplainOptions = DEFAULT_OPTIONS,
        methods: Sequence[MethodName] = ALL_METHODS,
        *,
        chunk: int | None = None,
    ) -> Iterator[Explanation]:
        """Yield each explanation as soon as it is ready: the gradient methods first, then Score-CAM as it grows.

        Score-CAM yields a map every `chunk` forwards, by default `batch_size`. Closing the generator stops the work.
        Errors are as in `explain`.
        """
        to_rule(options.effort)  # raises EffortError before the first map is requested
        return on_one_blas_thread(
            self._stream(photo, options, methods, chunk or batch_size(self.manifest.preprocessing.size))
        )

    def faithfulness(
        self, photo: ForwardPass, explanations: Sequence[Explanation], *, exact: bool = False, chunk: int | None = None
    ) -> list[Faithfulness | None]:
        """Measure how the model responds when the pixels that each explanation marks are kept, removed or inserted.

        The explanations must be of one class. The result is None for one that shows no place. `PROTOCOL` of
        `camcore.metrics.faithfulness` holds the rules. The curves are run in int8 if possible, unless `exact` is true.
        """
        (class_idx,) = {explanation.class_idx for explanation in explanations}
        int8 = None if exact or self._int8 is None else self._int8.forward
        heatmaps = [explanation.heatmap for explanation in explanations]
        return faithfulness(
            photo.x, heatmaps, class_idx, self._scorer.logits, int8=int8, multi_label=photo.multi_label, chunk=chunk
        )

    def cross_check(
        self, photo: ForwardPass, explanations: Sequence[Explanation], first_choice: Sequence[Explanation] = ()
    ) -> CrossChecks:
        """Ask the model about the whole photo, and compare the maps with those of the class that it predicts.

        The explanations are of one class. The maps are compared if that is another class than the predicted one, whose
        maps are `first_choice`; without them, those of the gradient methods are computed. See
        `camcore.metrics.verdict`.
        """
        view, top_idx = photo.view, int(photo.logits.argmax())
        also = other_labels(self.predict(photo)) if photo.multi_label else None
        checks = CrossChecks.of_view(view, self.manifest.preprocessing, also)
        if view.whole is not None and view.share < SEES_ALL:
            checks = replace(checks, whole=self.predict(self.forward(replace(view, image=view.whole)), 1)[0])
        if not explanations or explanations[0].class_idx == top_idx or explanations[0].contrast_class is not None:
            return checks
        others = first_choice or self.explain(photo, top_idx, GRADIENT_METHODS)
        return replace(checks, overlaps=overlap_with(explanations, others))

    @accept_former_names(rather_than="contrast_idx")
    def sanity(
        self,
        photo: ForwardPass,
        class_idx: int | None = None,
        methods: Sequence[MethodName] = ALL_METHODS,
        *,
        contrast_idx: int | None = None,
    ) -> dict[MethodName, float | None]:
        """Return how similar each method's map is to that of a randomised classifier; see `camcore.metrics.sanity`."""
        class_indices = self._explained_class(photo, ExplainOptions(class_idx, contrast_idx)).class_indices
        gradients = self._model.gradients(photo.activations, *class_indices)
        randomised = self._model.randomised_gradients(photo.activations, *class_indices, SEEDS)
        return sanity(photo.activations, gradients, randomised, methods)

    def _stream(
        self, photo: PhotoInput, options: ExplainOptions, methods: Sequence[MethodName], chunk: int
    ) -> Iterator[Explanation]:
        forward_pass = self._run_once(photo, options.resize_mode)
        explained = self._explained_class(forward_pass, options)
        shared_seconds = forward_pass.seconds / max(len(set(methods)), 1)

        def gradients() -> Array:
            return self._model.gradients(forward_pass.activations, *explained.class_indices)

        yield from explain_by_gradients(forward_pass, explained, methods, gradients, shared_seconds)
        if "score-cam" in methods:
            scorer = self._scorer.logits
            yield from explain_by_scores(
                forward_pass, explained, options, scorer, int8=self._int8, chunk=chunk, shared_seconds=shared_seconds
            )

    def _run_once(self, photo: PhotoInput, resize_mode: ResizeMode | None) -> ForwardPass:
        return photo if isinstance(photo, ForwardPass) else self.forward(photo, resize_mode)

    def _explained_class(self, forward_pass: ForwardPass, options: ExplainOptions) -> ExplainedClass:
        prediction = self._prediction(forward_pass, options.class_idx)
        contrast = None if options.contrast_idx is None else self._prediction(forward_pass, options.contrast_idx)
        explained = ExplainedClass(prediction, contrast)
        check_contrast(self.manifest.labels, *explained.class_indices)
        check_definition(options.definition, multi_label=self.manifest.multi_label, has_contrast=contrast is not None)
        return explained

    def _prediction(self, forward_pass: ForwardPass, class_idx: int | None) -> Prediction:
        labels = self.manifest.labels
        index = find_class(labels, int(forward_pass.logits.argmax()) if class_idx is None else class_idx)
        return Prediction(index, labels[index], float(forward_pass.probabilities[index]))
