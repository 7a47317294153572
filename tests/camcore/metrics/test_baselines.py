"""Baselines: a Gaussian as concentrated as the heatmap, and noise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from camcore.metrics.baselines import SEEDS, baselines, centred_gaussian
from camcore.metrics.localisation import localise


@given(st.floats(0.005, 0.95), st.integers(8, 60), st.integers(8, 60))
def test_the_gaussian_has_the_mean_of_the_heatmap_and_is_centred(mean: float, height: int, width: int) -> None:
    gaussian = centred_gaussian((height, width), mean)
    assert gaussian.shape == (height, width)
    assert gaussian.max() == 1
    assert gaussian.mean() == pytest.approx(mean, abs=max(0.02 * mean, 4 / gaussian.size))
    assert_array_equal(gaussian, gaussian[::-1, ::-1])
    assert gaussian[0, 0] == gaussian.min()


def test_there_is_no_centre_for_an_empty_heatmap_and_noise_of_eight_seeds() -> None:
    names = [baseline.name for baseline in baselines(np.zeros((32, 32), np.float32), (4, 4))]
    assert names == ["random"]
    heatmap = np.full((32, 48), 0.3, np.float32)
    centre, random = baselines(heatmap, (4, 6))
    assert (centre.name, random.name, len(random.heatmaps)) == ("centre", "random", len(SEEDS))
    assert all((noise.min(), noise.max(), noise.shape) == (0, 1, (32, 48)) for noise in random.heatmaps)
    assert_array_equal(random.heatmaps[0], baselines(heatmap, (4, 6))[1].heatmaps[0])


def test_metrics_of_noise_are_means_over_its_seeds() -> None:
    _, random = baselines(np.full((32, 32), 0.3, np.float32), (4, 4))
    coverage = np.zeros((32, 32))
    coverage[8:24, 8:24] = 1
    measured = [localise(heatmap, coverage) for heatmap in random.heatmaps]
    means = random.localise(coverage)
    assert means is not None
    assert means["lift"] == pytest.approx(np.mean([entry.lift for entry in measured if entry]))
    assert means["pointing_hit"] == pytest.approx(np.mean([entry.pointing_hit for entry in measured if entry]))
    assert random.localise(np.zeros((32, 32))) is None
