"""The four combinations of right and looking, and their counts."""

from typing import get_args

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from camcore.metrics.counterfactuals import Finding
from camcore.metrics.outcomes import OUTCOMES, Outcome, count_outcomes, judge_outcome, reliance_code
from camcore.metrics.prediction_verdict import NameStatus
from camcore.metrics.verdict import HeatPlace


@pytest.mark.parametrize(
    ("finding", "name", "place", "expected"),
    [
        ("needs the target", "right", "off the target", "right for the right reason"),
        ("either suffices", "right", None, "right for the right reason"),
        ("relies on the background", "right", "on the target", "right for the wrong reason"),
        ("needs the target", "wrong", "unknown", "wrong but looking"),
        ("relies on the background", "wrong", "on the target", "wrong and looking away"),
        ("needs both", "right", "on the target", "right for the right reason"),
        ("not decided", "wrong", "off the target", "wrong and looking away"),
        (None, "right", "off the target", "right for the wrong reason"),
        (None, "right", "in between", "not judged"),
        (None, "wrong", "unknown", "not judged"),
        (None, "right", None, "not judged"),
        ("needs the target", "not told", "on the target", "not judged"),
        ("needs the target", "no such class", "on the target", "not judged"),
        ("needs the target", None, "on the target", "not judged"),
    ],
)
def test_outcomes_of_photos(
    finding: Finding | None, name: NameStatus | None, place: HeatPlace | None, expected: Outcome
) -> None:
    assert judge_outcome(finding, name, place) == expected


def test_every_finding_has_a_code() -> None:
    codes = {finding: reliance_code(finding) for finding in get_args(Finding)}
    assert codes == {
        "needs the target": 0, "relies on the background": 1, "either suffices": 0, "needs both": 0, "not decided": -1,
    }  # fmt: skip
    assert reliance_code(None) == -1


def test_counts_by_species() -> None:
    species, outcome = np.array([0, 0, 2, 2, 2]), np.array([0, 0, 1, 4, 3], np.int8)
    counts = count_outcomes(species, outcome, 3)
    assert_array_equal(counts, [[2, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 1, 0, 1, 1]])
    assert len(OUTCOMES) == 5
    assert count_outcomes(species[:0], outcome[:0], 0).shape == (0, 5)
