"""A classifier and the methods that explain it."""

from collections.abc import Iterator, Sequence

from camcore.classifier import Classifier, PhotoInput
from camcore.deprecation import accept_former_names
from camcore.methods.definitions import DefinitionName, check_definition
from camcore.methods.effort import Effort, to_rule
from camcore.methods.explanations import explain_by_gradients, explain_by_scores, finished
from camcore.methods.method_table import ALL_METHODS, MethodName
from camcore.methods.score_cam import batch_size
from camcore.model.classes import check_contrast
from camcore.model.manifest import ResizeMode
from camcore.model.threads import on_one_blas_thread
from camcore.options import ExplainOptions
from camcore.results import ExplainedClass, Explanation, ForwardPass
from camcore.types import Array

DEFAULT_OPTIONS = ExplainOptions()


class MapExplainer(Classifier):
    """A classifier and the methods that explain it; `Explainer` also measures how far to trust the maps."""

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

    def _stream(
        self, photo: PhotoInput, options: ExplainOptions, methods: Sequence[MethodName], chunk: int
    ) -> Iterator[Explanation]:
        forward_pass = self._run_once(photo, options.resize_mode)
        explained = self._explained_class(forward_pass, options)
        shared_seconds = forward_pass.seconds / max(len(set(methods)), 1)

        def gradients() -> Array:
            layer = self.manifest.layer
            output = layer.to_output(forward_pass.activations, forward_pass.other_tokens)
            return layer.to_activations(self._model.gradients(output, *explained.class_indices))[0]

        yield from explain_by_gradients(forward_pass, explained, methods, gradients, shared_seconds)
        if "score-cam" in methods:
            scorer = self._logits
            yield from explain_by_scores(
                forward_pass, explained, options, scorer, int8=self._int8, chunk=chunk, shared_seconds=shared_seconds
            )

    def _explained_class(self, forward_pass: ForwardPass, options: ExplainOptions) -> ExplainedClass:
        prediction = self._prediction(forward_pass, options.class_idx)
        contrast = None if options.contrast_idx is None else self._prediction(forward_pass, options.contrast_idx)
        explained = ExplainedClass(prediction, contrast)
        check_contrast(self.manifest.labels, *explained.class_indices)
        check_definition(options.definition, multi_label=self.manifest.multi_label, has_contrast=contrast is not None)
        return explained
