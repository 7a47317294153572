"""Comparisons over photos: methods with the centre, findings, and lift with the model's answers."""

from typing import Any

import pytest

from camcore.report import comparisons
from tests.camcore.report.test_summary import explanation, failed, photo


def answered(finding: str, log_ratio: float, marked_by: str = "target") -> dict[str, Any]:
    return {"finding": finding, "log_ratio": log_ratio, "marked_by": marked_by}


def records(lifts: list[float], centre: float | None = 1.5) -> list[dict[str, Any]]:
    """Records of photos on which all methods have one lift, and the centre another."""
    return [
        {
            **photo(f"bulbul/{number}.jpg", lifts=(lift,) * 3),
            "baselines": [] if centre is None else [explanation("centre", lift=centre + number / 100, drop=10.0)],
            "counterfactuals": answered("needs the target" if lift > 1 else "not decided", lift - number / 50),
        }
        for number, lift in enumerate(lifts)
    ]


@pytest.mark.parametrize(
    ("lifts", "conclusion"),
    [
        ([2.5, 2.6, 2.4, 2.7], "better than the centre"),
        ([1.0, 1.1, 0.9, 1.0], "worse than the centre"),
        ([1.2, 1.9, 1.1, 1.8], "not shown to beat the centre"),
        ([2.5, 2.6], "too few photos to tell"),
    ],
)
def test_a_method_beats_the_centre_only_by_the_whole_interval(lifts: list[float], conclusion: str) -> None:
    compared = comparisons.against_centre(records(lifts))
    assert [(entry.method, entry.metric.key) for entry in compared][:3] == [
        ("grad-cam", "lift"), ("grad-cam++", "lift"), ("score-cam", "lift"),
    ]  # fmt: skip
    assert {entry.conclusion for entry in compared if entry.metric.key == "lift"} == {conclusion}
    differences = [lift - 1.5 - number / 100 for number, lift in enumerate(lifts)]
    assert compared[0].difference.value == pytest.approx(sum(differences) / len(differences))
    assert {entry.difference.value for entry in compared if entry.metric.key == "insertion_auc"} == {0}


def test_without_a_centre_nothing_is_compared() -> None:
    assert comparisons.against_centre(records([1.0, 2.0, 3.0], centre=None)) == []
    assert comparisons.centre_note([photo(), failed()]) == ""


def test_where_boxes_lie_in_the_middle_lift_cannot_tell() -> None:
    assert comparisons.centre_note(records([1.0, 2.0, 3.0])).endswith(
        "has a mean lift of 1.51 on these photos: the boxes lie in the middle, so a lift above 1 says little by itself."
    )
    assert comparisons.centre_note(records([1.0, 2.0, 3.0], 0.9)).endswith("the boxes do not simply lie in the middle.")


def test_findings_are_counted_where_a_target_was_marked() -> None:
    counted = [
        *records([2.0, 2.0, 0.5]),
        failed(),
        {**photo(), "counterfactuals": answered("either suffices", 0.0, "hottest fifth")},
        {**photo(), "counterfactuals": None},
        photo(),
    ]
    counts = {entry.title: (entry.count, entry.total) for entry in comparisons.finding_counts(counted)}
    assert counts["The prediction needs the {target}"] == (2, 3)
    assert counts["Either suffices"] == (0, 3)
    assert counts["Not decided"] == (1, 3)
    assert comparisons.finding_counts([photo()]) == []


def test_lift_is_ranked_with_the_answers() -> None:
    (grad_cam, *_), few = (
        comparisons.lift_against_answers(records(lifts)) for lifts in ([0.5, 1.0, 1.5, 2.0], [1.0, 2.0])
    )
    assert (grad_cam.method, grad_cam.photos, grad_cam.correlation) == ("grad-cam", 4, pytest.approx(1))
    assert grad_cam.interval is not None
    assert (few[0].photos, few[0].correlation, few[0].interval) == (2, None, None)
    assert comparisons.lift_against_answers([photo(lifts=(1.0,) * 3)]) == []
