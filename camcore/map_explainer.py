"""A classifier and the methods that explain it."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from camcore.classifier import Classifier, PhotoInput
from camcore.deprecation import accept_former_names
from camcore.errors import MethodError
from camcore.methods.definitions import DefinitionName, check_definition
from camcore.methods.effort import Effort, to_rule
from camcore.methods.explanations import explain_by_rules, explain_by_scores, finished, undefined_methods
from camcore.methods.finer_cam import finer_weights
from camcore.methods.method_table import DEFAULT_METHODS, MapInput, MethodName
from camcore.methods.recipro_cam import HeadProbability
from camcore.methods.score_cam import batch_size
from camcore.model.classes import check_contrast
from camcore.model.manifest import ResizeMode
from camcore.model.threads import on_one_blas_thread
from camcore.options import ExplainOptions
from camcore.results import ExplainedClass, Explanation, ForwardPass
from camcore.types import Array, Floats, LogitWeights, softmax, to_probabilities

DEFAULT_OPTIONS = ExplainOptions()


class MapExplainer(Classifier):
    """A classifier and the methods that explain it; `Explainer` also measures how far to trust the maps."""

    @accept_former_names(rather_than="contrast_idx", fit="resize_mode")
    def explain(
        self,
        photo: PhotoInput,
        class_idx: int | None = None,
        methods: Sequence[MethodName] = DEFAULT_METHODS,
        *,
        contrast_idx: int | None = None,
        definition: DefinitionName = "paper",
        effort: Effort = "fast",
        resize_mode: ResizeMode | None = None,
    ) -> list[Explanation]:
        """Return one finished explanation per method, in their order.

        The keywords are those of `ExplainOptions`. With `contrast_idx` the maps explain the difference of the two
        logits: what speaks for the class and against the other one. Finer-CAM then compares with that class only,
        Recipro-CAM takes the probability among the two, and Eigen-CAM knows no class anyway. `effort` is for Score-CAM:
        "fast" runs the most informative channels and predicts the others, until its estimate of the map's fidelity is
        high; "exact" runs every channel that varies, in fp32; a number is the number of forwards. Raise ClassError if a
        class is out of range or set against itself, EffortError if the effort does not exist, and MethodError if a
        method is not defined for the photo's activations; see `undefined_methods`.
        """
        options = ExplainOptions(class_idx, contrast_idx, definition, effort, resize_mode)
        return finished(self.stream(photo, options, methods), methods)

    def stream(
        self,
        photo: PhotoInput,
        options: ExplainOptions = DEFAULT_OPTIONS,
        methods: Sequence[MethodName] = DEFAULT_METHODS,
        *,
        chunk: int | None = None,
    ) -> Iterator[Explanation]:
        """Yield each explanation as soon as it is ready: Score-CAM last, as it grows.

        Score-CAM yields a map every `chunk` forwards, by default `batch_size`. Closing the generator stops the work.
        Errors are as in `explain`.
        """
        to_rule(options.effort)  # raises EffortError before the first map is requested
        return on_one_blas_thread(
            self._stream(photo, options, methods, chunk or batch_size(self.manifest.preprocessing.size))
        )

    def _stream(
        self, photo: PhotoInput, options: ExplainOptions, methods: Sequence[MethodName], chunk: int
    ) -> Iterator[Explanation]:
        forward_pass = self._run_once(photo, options.resize_mode)
        explained = self._explained_class(forward_pass, options)
        shared_seconds = forward_pass.seconds / max(len(set(methods)), 1)

        for reason in self.undefined_methods(forward_pass, methods).values():
            raise MethodError(reason)
        inputs = self._map_inputs(forward_pass, explained)
        yield from explain_by_rules(forward_pass, explained, methods, inputs, shared_seconds)
        if "score-cam" in methods:
            yield from explain_by_scores(
                forward_pass, explained, options, self._logits, inputs["gradients"],
                int8=self._int8, chunk=chunk, shared_seconds=shared_seconds,
            )  # fmt: skip

    def undefined_methods(self, photo: ForwardPass, methods: Sequence[MethodName]) -> dict[MethodName, str]:
        """Return the methods that `explain` would refuse for a photo, each with the reason."""
        return undefined_methods(methods, photo.activations, self.manifest.layer.name)

    def _map_inputs(self, photo: ForwardPass, explained: ExplainedClass) -> dict[MapInput, Callable[[], Any]]:
        """Return functions that compute what maps are computed from; see `Method`."""
        weights = self._logit_weights(photo, explained)
        return {
            "activations": lambda: photo.activations,
            "head": lambda: self._head(photo, explained),
            **{name: cache(partial(next, self._gradients(photo, score))) for name, score in weights.items()},
        }

    def _logit_weights(self, photo: ForwardPass, explained: ExplainedClass) -> dict[MapInput, LogitWeights]:
        """Return the weights of the logits in the scores of which methods take the gradients."""
        finer = finer_weights(photo.logits, *explained.class_indices)
        return {"gradients": explained.logit_weights, "finer gradients": finer}

    def _head(self, photo: ForwardPass, explained: ExplainedClass) -> HeadProbability:
        """Return the probability of the explained class as a function of activations, with the photo's other tokens.

        With a contrast class it is the probability among these two: the sigmoid of the difference of their logits.
        """
        class_idx, contrast_idx = explained.class_indices
        layer = self.manifest.layer

        def head(activations: Array) -> Floats:
            outputs = np.stack([layer.to_output(part, photo.other_tokens) for part in activations])
            logits = self._model.logits(outputs)
            if contrast_idx is not None:
                return softmax(logits[:, [class_idx, contrast_idx]])[:, 0]
            return to_probabilities(logits, photo.multi_label)[:, class_idx]

        return head

    def _explained_class(self, forward_pass: ForwardPass, options: ExplainOptions) -> ExplainedClass:
        prediction = self._prediction(forward_pass, options.class_idx)
        contrast = None if options.contrast_idx is None else self._prediction(forward_pass, options.contrast_idx)
        explained = ExplainedClass(prediction, contrast)
        check_contrast(self.manifest.labels, *explained.class_indices)
        check_definition(options.definition, multi_label=self.manifest.multi_label, has_contrast=contrast is not None)
        return explained
