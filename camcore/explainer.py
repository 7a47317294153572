"""The facade of the package: predictions and explanations of photos."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from camcore.deprecation import accept_former_names
from camcore.images.preprocess import normalise
from camcore.map_explainer import MapExplainer
from camcore.methods.explanations import finished
from camcore.methods.method_table import DEFAULT_METHODS, METHODS, MethodName
from camcore.metrics.adcc import adcc
from camcore.metrics.agreement import hottest
from camcore.metrics.assessment import overlap_with
from camcore.metrics.baselines import Baseline, baselines
from camcore.metrics.counterfactuals import Counterfactuals, Marker, Part, ask_again, change_inputs, decide
from camcore.metrics.evidence import CrossChecks, other_labels
from camcore.metrics.faithfulness import Faithfulness, faithfulness
from camcore.metrics.localisation import Target
from camcore.metrics.sanity import SEEDS, sanity
from camcore.metrics.thresholds import SEES_ALL
from camcore.options import ExplainOptions
from camcore.results import Explanation, ForwardPass
from camcore.types import Array, Floats


class Explainer(MapExplainer):
    """A classifier, the methods that explain it, and metrics of the maps; use `Explainer.load` to create one."""

    def faithfulness(
        self,
        photo: ForwardPass,
        explanations: Sequence[Explanation],
        *,
        others: Sequence[Array] = (),
        exact: bool = False,
        chunk: int | None = None,
    ) -> list[Faithfulness | None]:
        """Measure how the model responds when the pixels that each explanation marks are kept, removed or inserted.

        The explanations must be of one class. The results of `others`, heatmaps (H, W) such as those of baselines,
        follow. The result is None for a heatmap that shows no place. `PROTOCOL` of `camcore.metrics.faithfulness` holds
        the rules. The curves are run in int8 if possible, unless `exact` is true.
        """
        (class_idx,) = {explanation.class_idx for explanation in explanations}
        int8 = None if exact or self._int8 is None else self._int8.forward
        heatmaps = [*(explanation.heatmap for explanation in explanations), *others]
        return faithfulness(
            photo.x, heatmaps, class_idx, self._logits, int8=int8, multi_label=photo.multi_label, chunk=chunk
        )

    def adcc(self, photo: ForwardPass, explanations: Sequence[Explanation]) -> list[float]:
        """Return the ADCC of each explanation of a photo; see `camcore.metrics.adcc`. It runs each method once more."""
        values = []
        for explanation in explanations:
            masked = self._run_input(photo.x * explanation.heatmap, photo.view)
            contrast = explanation.contrast_class
            options = ExplainOptions(
                explanation.class_idx, None if contrast is None else contrast.class_idx,
                explanation.definition or "paper", explanation.effort or "fast",
            )  # fmt: skip
            (again,) = finished(self.stream(masked, options, (explanation.method,)), (explanation.method,))
            values.append(adcc(explanation.heatmap, again.heatmap, explanation.probability, again.probability))
        return values

    def baselines(self, explanations: Sequence[Explanation]) -> tuple[Baseline, ...]:
        """Return heatmaps that know nothing about the model, to compare the explanations of a photo with."""
        return baselines(explanations[0].heatmap, self.manifest.layer.map_size)

    def counterfactuals(
        self,
        photo: ForwardPass,
        target: Target | None = None,
        *,
        heatmap: Array | None = None,
        class_idx: int | None = None,
    ) -> Counterfactuals | None:
        """Ask the model about the target alone, the rest alone, the target enlarged, and the whole photo.

        Without a target, the hottest fifth of `heatmap` (H, W) stands for it. The enlarged target is the view's `zoom`.
        `class_idx` is by default the most probable class. At most 6 forwards are run, in int8 where its error cannot
        change the finding. Return None if the target fills nothing or all of the view, or if the view is the box of a
        detection, or if neither a target nor a heatmap with a hot place is given. See
        `camcore.metrics.counterfactuals`.
        """
        coverage: Floats | None = None
        if target is not None:
            coverage = target.coverage(photo.view)
        elif heatmap is not None:
            coverage = hottest(heatmap).astype(np.float64)
        if coverage is None or not 0 < coverage.mean() < 1 or photo.view.of_box:
            return None
        view, steps = photo.view, self.manifest.preprocessing
        images: dict[Part, Image.Image | None] = {"zoom": None if target is None else view.zoom}
        images["whole"] = view.whole if view.share < SEES_ALL else None
        others = {part: normalise(replace(view, image=image), steps)[0] for part, image in images.items() if image}
        explained = self._prediction(photo, class_idx)
        inputs = change_inputs(photo.x, coverage, others)
        answers = ask_again(
            photo, explained.class_idx, inputs, manifest=self.manifest, forward=self._logits, int8=self._int8
        )
        is_first = explained.class_idx == int(photo.logits.argmax())
        share = float(coverage.mean())
        marker: Marker = "hottest fifth" if target is None else "target"
        finding = decide([answer.holds for answer in answers], share)
        return Counterfactuals(explained, is_first, marker, share, answers, finding)

    def cross_check(
        self,
        photo: ForwardPass,
        explanations: Sequence[Explanation],
        first_choice: Sequence[Explanation] = (),
        target: Target | None = None,
    ) -> CrossChecks:
        """Ask the model again, and compare the maps with those of the class that it predicts.

        The model is asked about the parts of the photo (see `counterfactuals`; without a target, the Score-CAM map
        marks one) and about the whole photo. The explanations are of one class. The maps are compared if that is
        another class than the predicted one, whose maps are `first_choice`; without them, those of the gradient methods
        are computed. See `camcore.metrics.verdict`.
        """
        view, top_idx = photo.view, int(photo.logits.argmax())
        also = other_labels(self.predict(photo)) if photo.multi_label else None
        checks = CrossChecks.of_view(view, self.manifest.preprocessing, also)
        results = self._ask_again(photo, explanations, target)
        whole = [answer.first_choice for answer in results.answers if answer.part == "whole"] if results else []
        if view.whole is not None and view.share < SEES_ALL and not whole:
            whole = self.predict(self.forward(replace(view, image=view.whole)), 1)
        checks = replace(checks, counterfactuals=results, whole=whole[0] if whole else None)
        if not explanations or explanations[0].class_idx == top_idx or explanations[0].contrast_class is not None:
            return checks
        by_gradients = [explanation.method for explanation in explanations if METHODS[explanation.method].gradients]
        others = first_choice or self.explain(photo, top_idx, by_gradients)
        return replace(checks, overlaps=overlap_with(explanations, others))

    @accept_former_names(rather_than="contrast_idx")
    def sanity(
        self,
        photo: ForwardPass,
        class_idx: int | None = None,
        methods: Sequence[MethodName] = DEFAULT_METHODS,
        *,
        contrast_idx: int | None = None,
    ) -> dict[MethodName, float | None]:
        """Return how similar each method's map is to that of a randomised classifier; see `camcore.metrics.sanity`."""
        explained = self._explained_class(photo, ExplainOptions(class_idx, contrast_idx))
        weights = self._logit_weights(photo, explained)
        kinds = {kind for name in methods if (kind := METHODS[name].gradients)}
        return sanity(
            photo.activations, {kind: [*self._gradients(photo, weights[kind], SEEDS)] for kind in kinds}, methods
        )

    def _ask_again(
        self, photo: ForwardPass, explanations: Sequence[Explanation], target: Target | None
    ) -> Counterfactuals | None:
        """Return the counterfactuals of the explained class; without a target, of a complete Score-CAM map."""
        heatmaps = [
            explanation.heatmap
            for explanation in explanations
            if explanation.method == "score-cam" and explanation.complete and explanation.contrast_class is None
        ]
        heatmap = heatmaps[0] if heatmaps else None
        class_idx = explanations[0].class_idx if explanations else None
        return self.counterfactuals(photo, target, heatmap=heatmap, class_idx=class_idx)
