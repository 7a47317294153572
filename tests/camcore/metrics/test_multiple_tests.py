"""Fisher's exact test and the false discovery rate, against SciPy and a brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats

from camcore.metrics.multiple_tests import fisher_greater, q_values


def test_fisher_by_hand() -> None:
    # The lady who tastes tea: 3 of 4 right among 4 of 8, (16 + 1) / 70
    assert fisher_greater(3, 4, 4, 8) == pytest.approx(17 / 70)
    assert fisher_greater(4, 4, 4, 8) == pytest.approx(1 / 70)
    assert fisher_greater(0, 4, 4, 8) == 1
    assert fisher_greater(5, 5, 9, 9) == 1


@pytest.mark.parametrize("seed", range(100))
def test_fisher_equals_that_of_scipy(seed: int) -> None:
    chance = np.random.default_rng(seed)
    total, others = chance.integers(1, 10 ** chance.integers(1, 6), 2).tolist()
    count, other_count = int(chance.integers(total + 1)), int(chance.integers(others + 1))
    if seed % 2:  # of similar shares, so that the p-value is not 0 or 1
        rate = float(chance.random())
        count, other_count = int(chance.binomial(total, rate)), int(chance.binomial(others, rate))
    table = [[count, total - count], [other_count, others - other_count]]
    expected = stats.fisher_exact(table, alternative="greater").pvalue
    assert fisher_greater(count, total, count + other_count, total + others) == pytest.approx(expected, rel=1e-7)


def test_fisher_of_a_million() -> None:
    assert fisher_greater(2200, 20_000, 100_000, 1_000_000) == pytest.approx(
        stats.hypergeom.sf(2199, 1_000_000, 100_000, 20_000), rel=1e-6
    )
    assert fisher_greater(20_000, 20_000, 100_000, 1_000_000) == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_q_values_equal_those_of_the_definition(values: list[float]) -> None:
    p_values = np.array(values)
    measured = q_values(p_values)
    size = len(values)
    for value, q_value in zip(values, measured, strict=True):
        rates = (size * other / sum(entry <= other for entry in values) for other in values if other >= value)
        assert q_value == pytest.approx(min(1, *rates))
    assert_allclose(measured, stats.false_discovery_control(p_values), atol=1e-12)


def test_no_p_values() -> None:
    assert q_values(np.zeros(0)).size == 0
