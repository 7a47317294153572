"""The summary and the notes of a study's records, against means by hand."""

from typing import Any

import pytest

from camcore.metrics.intervals import share_interval
from camcore.report import summary
from camcore.report.figures import average_curves
from camcore.report.means import Mean, mean
from camcore.report.metrics_table import METRICS, Metric
from camcore.report.notes import agreement_of, excluded_counts, missing_metrics, undetectable_problems

METHODS = ("grad-cam", "grad-cam++", "score-cam")


def explanation(method: str, **changes: Any) -> dict[str, Any]:
    """Return an explanation's record; metrics that are not set are None."""
    lift, drop = changes.get("lift"), changes.get("drop")
    curve = changes.get("curve", [0.8, 0.2])
    return {
        "method": method, "class_idx": 16, "name": "bulbul", "probability": 0.9, "peak": 1.0,
        "forwards": 72 if method == "score-cam" else None, "channels_alive": 640, "effort": "fast",
        "precision": None, "fidelity_estimate": 0.9987 if method == "score-cam" else None,
        "seconds": changes.get("seconds", 0.5), "picture": f"{method}.png",
        "hottest": "at the upper left",
        "faithfulness": None if drop is None else {
            "average_drop": drop, "increase": drop == 0, "average_gain": 0.0, "deletion": curve,
            "insertion": curve[::-1], "deletion_auc": 0.5, "insertion_auc": 0.5, "precision": "fp32",
        },
        "localisation": None if lift is None else {"energy": lift / 4, "lift": lift, "pointing_hit": lift > 1},
    }  # fmt: skip


def photo(file: str = "himbul/1.jpg", **changes: Any) -> dict[str, Any]:
    """Return a photo's record; `lifts`, `drops` and `seconds` have one value per method."""
    lifts, drops = changes.get("lifts", (None,) * 3), changes.get("drops", (10.0,) * 3)
    durations = changes.get("seconds", (0.5,) * 3)
    return {
        "file": file, "species": file.rpartition("/")[0], "sha256": "ab" * 32, "stem": file.replace("/", "-"),
        "error": None, "seconds": 1.0, "predictions": [{"class_idx": 16, "name": "bulbul", "probability": 0.9}],
        "truth": {"title": "", "scientific_name": "", "status": changes.get("status", "right"), "class_idx": 16,
                  "name": "bulbul", "rank": 1},
        "view": {"picture": "view.png", "size": [224, 224], "share": 0.51},
        "target": None if lifts == (None,) * 3 else {
            "boxes": [[0.1, 0.2, 0.6, 0.7]], "share": 0.25, "cut_off": 0.0, "word": "animal",
        },
        "explanations": [
            explanation(method, lift=lift, drop=drop, seconds=duration)
            for method, lift, drop, duration in zip(METHODS, lifts, drops, durations, strict=True)
        ],
        "agreement": changes.get("agreement", {
            "methods": list(METHODS),
            "spearman": [[1, 0.9, 0.5], [0.9, 1, 0.4], [0.5, 0.4, 1]],
            "overlap": [[1, 0.8, 0.3], [0.8, 1, 0.2], [0.3, 0.2, 1]],
        }),
        "sanity": changes.get("sanity"),
        "verdict": {"sentence": "Predicted bulbul (90%).", "place": changes.get("place", "on the target"),
                    "warnings": changes.get("warnings", []),
                    "severity": changes.get("severity", len(changes.get("warnings", []))),
                    "state": changes.get("state", "look again" if changes.get("warnings") else "not judged")},
    }  # fmt: skip


def failed(file: str = "himbul/bad.jpg") -> dict[str, Any]:
    return {"file": file, "species": file.rpartition("/")[0], "sha256": "", "stem": "bad", "error": "It ends early."}


def metric_of(key: str) -> Metric:
    return next(metric for metric in METRICS if metric.key == key)


def row_of(records: list[dict[str, Any]], key: str) -> summary.MetricRow:
    return next(row for row in summary.by_method(records) if row.metric.key == key)


def plain(row: summary.MetricRow) -> list[tuple[float | None, int, int]]:
    """Return the means of the methods without their intervals."""
    return [(cell.value, cell.count, cell.total) for cell in row.means[: len(METHODS)]]


def test_a_mean_and_a_share_have_intervals() -> None:
    numbers, answers = mean([1.0, 2.0, 3.0, None]).interval, mean([True, False, True]).interval
    assert numbers is not None
    assert 1 <= numbers.low < 2 < numbers.high <= 3
    assert answers == share_interval(2, 3)


def test_baselines_have_columns_of_their_own_and_can_be_best() -> None:
    record = {**photo(lifts=(2.0, 1.0, 1.0)), "baselines": [explanation("centre", lift=3.0, drop=10.0)]}
    record["baselines"].append(explanation("random", lift=1.0, drop=10.0))
    row = row_of([record], "lift")
    assert [cell.value for cell in row.means] == [2, 1, 1, 3, 1]
    assert row.best == {3}


def test_a_mean_leaves_out_missing_values_and_counts_the_others() -> None:
    assert mean([1, None, 4]) == Mean(2.5, 2, 3)
    assert mean([None]) == Mean(None, 0, 1)
    assert mean([]) == Mean(None, 0, 0)
    assert mean([0.0, False]) == Mean(0.0, 2, 2), "zero is not missing"


def test_the_means_of_each_method_are_those_by_hand() -> None:
    records = [
        photo(lifts=(2.0, 1.0, None), drops=(10.0, 20.0, None)),
        photo(lifts=(1.0, 0.0, 3.0), drops=(0.0, 40.0, 6.0)),
        photo(),
        failed(),
    ]
    assert plain(row_of(records, "lift")) == [(1.5, 2, 3), (0.5, 2, 3), (3.0, 1, 3)]
    assert row_of(records, "energy").means[0] == Mean(0.375, 2, 3)
    drops = row_of(records, "average_drop").means[:3]
    assert [value.value for value in drops] == pytest.approx([20 / 3, 70 / 3, 8.0])
    assert [value.count for value in drops] == [3, 3, 2]
    assert row_of(records, "increase").means[0].value == pytest.approx(1 / 3)
    assert plain(row_of(records, "pointing_hit"))[2] == (1.0, 1, 3)
    assert plain(row_of(records, "fidelity_estimate")) == [(None, 0, 3), (None, 0, 3), (0.9987, 3, 3)]


def test_the_best_value_follows_the_better_direction_and_the_rounding() -> None:
    assert row_of([photo(lifts=(2.0, 1.0, 1.0))], "lift").best == {0}
    assert row_of([photo(drops=(2.0, 1.0, 3.0))], "average_drop").best == {1}
    assert row_of([photo(drops=(2.01, 2.02, 3.0))], "average_drop").best == {0, 1}, "they look the same"
    assert row_of([photo(drops=(2.01, 2.02, 2.03))], "average_drop").best == frozenset(), "all look the same"
    assert row_of([photo(drops=(2.0, None, 3.0))], "average_drop").best == frozenset(), "one is missing"
    assert row_of([photo(sanity={"grad-cam": 0.1, "grad-cam++": 0.9})], "sanity").best == frozenset()


def test_the_sanity_of_a_method_without_gradients_does_not_exist() -> None:
    row = row_of([photo(sanity={"grad-cam": 0.1, "grad-cam++": None}), photo()], "sanity")
    assert plain(row) == [(0.1, 1, 2), (None, 0, 2), (None, 0, 2)]


def test_a_truth_value_of_one_photo_is_yes_or_no() -> None:
    rows = {row.metric.key: row for row in summary.of_photo(photo(lifts=(2.0, 0.5, None), drops=(0.0, 3.0, 4.0)))}
    texts = [row.metric.text(value.value) for row in (rows["pointing_hit"],) for value in row.means]
    assert texts == ["yes", "no", "–", "–", "–"]
    assert rows["increase"].best == {0}
    assert rows["increase"].metric.text(rows["increase"].means[0].value) == "yes"


def test_metrics_have_one_precision_and_a_real_minus() -> None:
    assert metric_of("energy").text(0.614) == "61.4%"
    assert metric_of("lift").text(1.904) == "1.90"
    assert metric_of("average_drop").text(3) == "3.0%"
    assert metric_of("sanity").text(-0.123) == "−0.12"
    assert metric_of("sanity").text(-0.001) == "0.00"
    assert metric_of("fidelity_estimate").text(0.9987) == "0.998"
    assert metric_of("fidelity_estimate").text(None) == "–"


def test_species_have_the_order_of_the_list_then_that_of_the_photos() -> None:
    listed = [
        {"code": "none", "title": "No photo", "scientific_name": ""},
        {"code": "bonegl", "title": "Bonelli’s Eagle", "scientific_name": "Aquila fasciata"},
    ]
    records = [
        photo("other/1.jpg", status="not told", place="unknown"),
        photo("1.jpg", status="right"),
        photo("bonegl/1.jpg", status="no such class", lifts=(2.0, 1.0, 3.0)),
        photo("bonegl/2.jpg", status="no such class", lifts=(None, 1.0, None), place="off the target"),
        failed("bonegl/3.jpg"),
    ]
    eagle, other, loose = summary.by_species(records, listed)
    assert (eagle.title, eagle.scientific_name, len(eagle.records)) == ("Bonelli’s Eagle", "Aquila fasciata", 3)
    assert (eagle.right, eagle.nameable, eagle.why_not) == (0, 0, "no such class")
    assert eagle.places == {"on the target": 1, "off the target": 1}
    assert eagle.lift == Mean(1.5, 2, 2), "each photo counts once: (2 + 1) / 2"
    assert eagle.energy.value == pytest.approx(0.375)
    assert (other.title, other.why_not, other.lift) == ("other", "not told", Mean(None, 0, 1))
    assert (loose.code, loose.right, loose.nameable, loose.why_not) == ("", 1, 1, "")
    assert loose.title


def test_a_species_without_an_explained_photo_has_no_metrics() -> None:
    (only,) = summary.by_species([failed()], [])
    assert (only.nameable, only.why_not, only.lift.value) == (0, summary.UNKNOWN, None)


def test_agreement_is_the_mean_of_each_pair_without_missing_values() -> None:
    blank = {"methods": list(METHODS), "spearman": [[1, 0.5, None]] * 3, "overlap": [[1, 0.4, None]] * 3}
    first, second, third = summary.agreement([photo(), photo(agreement=blank), photo(agreement=None), failed()])
    assert (first.first, first.second) == ("grad-cam", "grad-cam++")
    assert first.spearman.value == pytest.approx(0.7)
    assert first.overlap.value == pytest.approx(0.6)
    assert second.spearman == Mean(0.5, 1, 2)
    assert third.overlap == Mean(0.2, 1, 2)


def test_the_most_severe_photos_come_first_then_the_order_of_the_photos() -> None:
    one, two = ["the prediction is uncertain"], ["the prediction differs from the label", "the prediction is uncertain"]
    records = [photo("a.jpg", warnings=one), photo("b.jpg"), photo("c.jpg", warnings=two), failed(),
               photo("d.jpg", warnings=one, severity=4)]  # fmt: skip
    assert [record["file"] for record in summary.flagged_photos(records)] == ["d.jpg", "c.jpg", "a.jpg"]
    assert summary.warning_counts(records) == [
        ("the prediction is uncertain", 3),
        ("the prediction differs from the label", 1),
    ]
    assert summary.flagged_photos([]) == []
    assert summary.warning_counts([]) == []


def test_outcomes_count_photos_by_prediction_and_place() -> None:
    records = [photo(), photo(place="off the target"), photo(status="wrong", place="unknown"), failed()]
    assert summary.outcomes(records) == {
        "right": {"on the target": 1, "off the target": 1},
        "wrong": {"unknown": 1},
    }


def test_mean_curves_leave_out_maps_without_one_and_those_of_another_length() -> None:
    records = [photo(), photo(drops=(None, 1.0, 1.0)), photo()]
    records[2]["explanations"][0]["faithfulness"]["deletion"] = [0.4, 0.0]
    records[2]["explanations"][1]["faithfulness"]["deletion"] = [1, 1, 1]
    curves = average_curves(records, "deletion")
    assert curves["grad-cam"] == pytest.approx([0.6, 0.1])
    assert curves["grad-cam++"] == pytest.approx([0.8, 0.2])
    assert average_curves([photo(drops=(None,) * 3), failed()], "deletion") == {}


def test_missing_metrics_have_a_reason() -> None:
    outside = photo(lifts=(1.0, 1.0, 1.0))
    outside["target"]["share"] = 0
    assert missing_metrics(failed()) == ()
    assert "Grad-CAM++" in missing_metrics(photo(lifts=(1.0, None, 1.0), drops=(1.0, None, 1.0)))[0]
    assert missing_metrics(photo(lifts=(1.0, 1.0, 1.0))) == ()
    records = [failed(), photo(), photo(drops=(None, None, 1.0))]
    assert excluded_counts(records) == [
        "1 photo that could not be explained", "2 photos without a box", "2 maps that highlight nothing",
    ]  # fmt: skip
    assert excluded_counts([photo(lifts=(1.0, 1.0, 1.0))]) == []


def test_the_agreement_of_one_photo_is_a_sentence() -> None:
    assert "0.40 to 0.90" in agreement_of(photo())
    assert "20% to 80%" in agreement_of(photo())
    assert "cannot be compared" in agreement_of(photo(agreement=None))


def test_problems_that_cannot_be_detected_are_named() -> None:
    boxed = photo(lifts=(1.0, 1.0, 1.0))
    assert undetectable_problems([boxed, photo(status="not told")]) == ""
    assert undetectable_problems([photo()]) == "There are no boxes, so heat in the wrong place cannot be detected."
    assert "no labels" in undetectable_problems([photo(lifts=(1.0, 1.0, 1.0), status="not told")])


def test_a_section_holds_only_metrics_that_have_a_value() -> None:
    sections = summary.by_section(summary.by_method([photo()]))
    assert [rows[0].metric.section for rows in sections] == ["faithfulness", ""]
    assert summary.by_section(summary.by_method([failed()])) == []


def test_columns_and_pairs_are_those_of_the_methods_that_ran() -> None:
    old, new = photo(lifts=(2.0, 1.0, 3.0)), photo(lifts=(2.0, 1.0, 3.0))
    new["explanations"].append(new["explanations"][0] | {"method": "hirescam"})
    for records, names in (([old], METHODS), ([old, new], (*METHODS, "hirescam"))):
        (row,) = (row for row in summary.by_method(records) if row.metric.key == "lift")
        assert row.columns == (*names, "centre", "random")
        assert len(row.means) == len(row.columns)
        assert len(summary.agreement(records)) == len(names) * (len(names) - 1) / 2
    assert row.means[3].count == 1
    assert summary.agreement([old, new])[2].spearman == Mean(None, 0, 2)
