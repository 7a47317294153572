"""The facade of the package: predictions and explanations of photos."""

from collections.abc import Sequence
from dataclasses import replace

from camcore.deprecation import accept_former_names
from camcore.map_explainer import MapExplainer
from camcore.methods.grad_cam import ALL_METHODS, GRADIENT_METHODS, MethodName
from camcore.metrics.assessment import overlap_with
from camcore.metrics.evidence import CrossChecks, other_labels
from camcore.metrics.faithfulness import Faithfulness, faithfulness
from camcore.metrics.sanity import SEEDS, sanity
from camcore.metrics.thresholds import SEES_ALL
from camcore.options import ExplainOptions
from camcore.results import Explanation, ForwardPass


class Explainer(MapExplainer):
    """A classifier, the methods that explain it, and metrics of the maps; use `Explainer.load` to create one."""

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
