"""ADCC, compared with a plain implementation of the paper's formula."""

from pathlib import Path

import numpy as np
import pytest

from camcore import Explainer, open_photo
from camcore.metrics.adcc import adcc
from camcore.results import ForwardPass


def plain(heatmap: np.ndarray, masked: np.ndarray, probability: float, masked_probability: float) -> float:
    coherency = (1 + np.corrcoef(heatmap.flatten(), masked.flatten())[0, 1]) / 2
    complexity = np.abs(heatmap).sum() / heatmap.size
    average_drop = max(0, probability - masked_probability) / probability
    return float(3 / (1 / coherency + 1 / (1 - complexity) + 1 / (1 - average_drop)))


def test_it_equals_the_formula() -> None:
    chance = np.random.default_rng(0)
    for _ in range(20):
        heatmap, masked = chance.random((2, 9, 11), np.float32)
        probability, masked_probability = chance.uniform(0.1, 0.9, 2)
        expected = plain(heatmap, masked, probability, masked_probability)
        assert adcc(heatmap, masked, probability, masked_probability) == pytest.approx(expected, rel=1e-5)


def test_a_term_of_zero_makes_it_zero() -> None:
    ramp, empty = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4), np.zeros((3, 4), np.float32)
    assert adcc(empty, ramp, 0.5, 0.5) == 0
    assert adcc(ramp, empty, 0.5, 0.5) == 0
    assert adcc(ramp, ramp, 0.5, 0.0) == 0
    assert adcc(ramp, 1 - ramp, 0.5, 0.5) == pytest.approx(0, abs=1e-6)
    assert adcc(ramp, ramp, 0.5, 0.6) == pytest.approx(3 / (1 + 2 + 1))


def test_each_method_is_run_on_the_input_times_its_own_heatmap(
    quick_artifacts: Path, animal_photos: list[Path]
) -> None:
    explainer = Explainer.load(quick_artifacts / "finches")
    photo = explainer.forward(open_photo(animal_photos[0]))
    explanations = explainer.explain(photo)
    values = explainer.adcc(photo, explanations)
    for explanation, value in zip(explanations, values, strict=True):
        x = photo.x * explanation.heatmap
        logits, activations = explainer._model.forward(x)
        masked = ForwardPass(x, photo.view, logits[0], activations[0], 0.0)
        (again,) = explainer.explain(masked, explanation.class_idx, [explanation.method])
        expected = adcc(explanation.heatmap, again.heatmap, explanation.probability, again.probability)
        assert value == pytest.approx(expected)
