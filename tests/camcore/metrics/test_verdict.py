"""Every rule of the verdict, on invented metrics."""

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import pytest

from camcore.methods.method_table import DEFAULT_METHODS, MethodName
from camcore.metrics.agreement import Agreement
from camcore.metrics.evidence import CrossChecks, TargetEvidence, TrueClass
from camcore.metrics.localisation import Localisation
from camcore.metrics.thresholds import AGREE, DISAGREE, FILLS, SEES_ALL
from camcore.metrics.verdict import HeatPlace, Verdict, write_verdict
from camcore.results import Prediction

CLIFF = Prediction(972, "cliff", 0.62)
EAGLE = Prediction(22, "bald eagle", 0.08)
ALL: dict[MethodName, bool] = dict.fromkeys(DEFAULT_METHODS, True)


class Measured(NamedTuple):
    """What was measured of a photo."""

    evidence: TargetEvidence | None
    truth: TrueClass | None
    overlap: float | None
    checks: CrossChecks
    place: HeatPlace

    @property
    def share(self) -> float:
        return self.evidence.share if self.evidence else 0.0


def alike(overlap: float | None = 0.8) -> Agreement:
    matrix = tuple(tuple(1.0 if i == j else overlap for j in range(3)) for i in range(3))
    return Agreement(matrix, matrix)


def target_evidence(
    *energies: float | None, share: float = 0.3, cut_off: float = 0.0, word: str = "bird"
) -> TargetEvidence:
    values = energies * 3 if len(energies) == 1 else energies
    localisations = [
        None if energy is None else Localisation(energy, energy / share if share else 0, True) for energy in values
    ]
    return TargetEvidence(word, share, cut_off, dict(zip(DEFAULT_METHODS, localisations, strict=True)))


def verdict(
    evidence: TargetEvidence | None = None,
    truth: TrueClass | None = None,
    top_prediction: Prediction = CLIFF,
    shows_place: dict[MethodName, bool] | None = None,
    agreement: Agreement | None = None,
) -> Verdict:
    shows_place = ALL if shows_place is None else shows_place
    return write_verdict(top_prediction, truth, evidence, shows_place, agreement or alike())


def test_heat_off_the_target_without_a_matching_class() -> None:
    result = verdict(target_evidence(0.21), TrueClass("Bonelli's Eagle", None))
    assert result.sentence == (
        "Predicted cliff (62%); the model has no class for Bonelli's Eagle. 21% of the heat lies on the marked bird, "
        "0.7 times what chance would put there, as it fills 30% of what the model saw. On average, the heat is "
        "stronger around the bird than on it. The methods agree. A heatmap cannot show whether the prediction needs "
        "the surroundings: crop them away and try again."
    )
    assert (result.name, result.place) == ("no such class", "off the target")
    assert result.warnings == ("the heat is off the bird",)
    assert result.severity == 4


def test_heat_on_the_target_with_a_prediction_that_differs() -> None:
    result = verdict(target_evidence(0.78), TrueClass("bald eagle", EAGLE))
    assert result.sentence.startswith(
        "Predicted cliff (62%); the label is bald eagle (8%). 78% of the heat lies on the marked bird, 2.6 times"
    )
    assert result.sentence.endswith(
        "The heat is in the right place, but a heatmap cannot show which features misled the model."
    )
    assert (result.name, result.place) == ("wrong", "on the target")
    assert result.warnings == ("the prediction differs from the label",)


def test_heat_on_the_target_with_the_labelled_prediction() -> None:
    result = verdict(
        target_evidence(0.88),
        TrueClass("Himalayan Bulbul", Prediction(16, "bulbul", 0.9)),
        Prediction(16, "bulbul", 0.9),
    )
    assert result.sentence == (
        "Predicted bulbul (90%), as labelled. 88% of the heat lies on the marked bird, 2.9 times what chance would "
        "put there, as it fills 30% of what the model saw. On average, the heat is stronger on the bird than around "
        "it. The methods agree. A heatmap shows where the evidence lies, not which features the model recognised."
    )
    assert (result.name, result.place, result.warnings) == ("right", "on the target", ())


@pytest.mark.parametrize(
    ("energy", "share", "place"),
    [
        (0.36, 0.3, "on the target"),
        (0.359, 0.3, "in between"),
        (0.241, 0.3, "in between"),
        (0.24, 0.3, "off the target"),
        (0.99, 0.71, "unknown"),
        (0.90, 0.70, "on the target"),
    ],
)
def test_the_place_follows_the_lift(energy: float, share: float, place: HeatPlace) -> None:
    assert verdict(target_evidence(energy, share=share)).place == place


def test_a_small_target_with_most_heat_around_it() -> None:
    result = verdict(target_evidence(0.3, share=0.1))
    assert "the heat is stronger on the bird than around it, but most of it lies around the bird." in result.sentence
    assert (result.place, result.warnings) == ("on the target", ())


def test_a_lift_near_one_is_as_expected_by_chance() -> None:
    result = verdict(target_evidence(0.3))
    assert "1.0 times what chance would put there" in result.sentence
    assert "This is about as much as expected by chance." in result.sentence
    assert result.warnings == ("only about as much heat on the bird as expected by chance",)


def test_a_target_that_fills_the_view_is_not_judged() -> None:
    result = verdict(target_evidence(0.95, share=0.9))
    assert "The marked bird fills 90% of what the model saw: where the heat lies says little." in result.sentence
    assert "chance" not in result.sentence


def test_a_target_partly_or_wholly_outside_the_view() -> None:
    result = verdict(target_evidence(0.5, cut_off=0.4))
    assert "40% of the marked bird was outside the part that the model saw." in result.sentence
    assert "the model saw only part of the bird" in result.warnings
    assert verdict(target_evidence(0.5, cut_off=0.25)).warnings == ()
    outside = verdict(target_evidence(None, share=0, cut_off=1))
    assert "The marked bird lies outside the part of the photo that the model saw." in outside.sentence
    assert (outside.place, outside.warnings) == ("unknown", ("the model did not see the marked bird",))


def test_methods_that_differ_on_the_place() -> None:
    result = verdict(target_evidence(0.6, 0.6, 0.1))
    assert "The methods differ: some put the heat on the bird, others around it." in result.sentence
    assert (result.place, result.warnings) == ("in between", ("the methods differ on whether the heat is on the bird",))
    assert verdict(target_evidence(0.6, 0.3, 0.3)).place == "in between"  # the middle one decides where none is off it


@pytest.mark.parametrize(
    ("overlap", "sentence", "warnings"),
    [
        (0.5, "The methods agree.", 0),
        (0.49, "The methods agree in part.", 0),
        (0.34, "The methods agree in part.", 0),
        (0.33, "The methods disagree: the hottest fifths of Grad-CAM and Grad-CAM++ overlap by 33%.", 1),
    ],
)
def test_agreement_follows_the_two_methods_that_differ_most(overlap: float, sentence: str, warnings: int) -> None:
    result = verdict(agreement=alike(overlap))
    assert sentence in result.sentence
    assert result.warnings == ("the methods disagree",) * warnings


def test_no_map_that_shows_a_place() -> None:
    result = verdict(target_evidence(None), shows_place=dict.fromkeys(DEFAULT_METHODS, False), agreement=alike(None))
    assert "No map highlights any part of the photo." in result.sentence
    assert "agree" not in result.sentence
    assert (result.place, result.warnings) == ("unknown", ("no map highlights any part of the photo",))


def test_one_map_that_shows_no_place() -> None:
    shows: dict[MethodName, bool] = {"grad-cam": False, "grad-cam++": True, "score-cam": True}
    matrix = ((None, None, None), (None, 1.0, 0.9), (None, 0.9, 1.0))
    result = verdict(target_evidence(None, 0.6, 0.6), shows_place=shows, agreement=Agreement(matrix, matrix))
    assert "Grad-CAM highlights no part of the photo. The other methods agree." in result.sentence
    assert result.warnings == ("Grad-CAM highlights no part of the photo",)
    assert result.place == "on the target"


def test_only_one_map_that_shows_a_place() -> None:
    shows: dict[MethodName, bool] = {"grad-cam": False, "grad-cam++": False, "score-cam": True}
    matrix = ((None,) * 3, (None,) * 3, (None, None, 1.0))
    result = verdict(target_evidence(None, None, 0.6), shows_place=shows, agreement=Agreement(matrix, matrix))
    assert "agree" not in result.sentence
    assert len(result.warnings) == 2


def test_an_explained_class_other_than_the_prediction_is_named() -> None:
    result = write_verdict(CLIFF, None, None, ALL, alike(), explained=EAGLE)
    assert result.sentence.startswith("Predicted cliff (62%). The maps explain bald eagle (8%) instead.")
    assert write_verdict(CLIFF, None, None, ALL, alike(), explained=CLIFF) == verdict()


def test_without_a_label_and_without_a_target() -> None:
    result = verdict()
    assert result.sentence == (
        "Predicted cliff (62%). Whether the heat is in the right place was not judged: there is no box. The methods "
        "agree. A heatmap shows where the evidence lies, not which features the model recognised."
    )
    assert (result.name, result.place, result.warnings) == ("not told", "unknown", ())


@pytest.mark.parametrize(
    ("evidence", "not_found", "state", "summary"),
    [
        (None, "", "not judged", "not judged: no box"),
        (None, "bird", "not judged", "not judged: no bird found"),
        (target_evidence(0.95, share=0.9), "", "not judged", "not judged: the bird fills the view"),
        (target_evidence(0.8), "", "on the target", "on the bird"),
        (target_evidence(0.1), "", "look again", "look again: the heat is off the bird"),
        (
            target_evidence(None, share=0, cut_off=1),
            "",
            "look again",
            "look again: the model did not see the marked bird",
        ),
    ],
)
def test_the_state_says_what_was_judged(
    evidence: TargetEvidence | None, not_found: str, state: str, summary: str
) -> None:
    result = write_verdict(CLIFF, None, evidence, ALL, alike(), not_found=not_found)
    assert (result.state, result.summary) == (state, summary)
    assert (result.severity > 0) == (state == "look again")


@pytest.mark.parametrize(
    ("checks", "sentence", "warnings"),
    [
        (CrossChecks(), "", ()),
        (CrossChecks(0.996, EAGLE), "", ()),
        (CrossChecks(0.51), "The model saw the middle 51% of the photo.", ()),
        (
            CrossChecks(0.51, CLIFF),
            "The model saw the middle 51% of the photo, and predicts the same for the whole",
            (),
        ),
        (
            CrossChecks(0.51, EAGLE),
            "The model saw the middle 51% of the photo. For the whole photo, it predicts bald eagle (8%).",
            ("for the whole photo, the model predicts bald eagle",),
        ),
    ],
)
def test_the_share_of_the_photo_that_the_model_saw(
    checks: CrossChecks, sentence: str, warnings: tuple[str, ...]
) -> None:
    result = write_verdict(CLIFF, None, None, ALL, alike(), checks=checks)
    assert sentence in result.sentence
    assert ("The model saw" in result.sentence) == bool(sentence)
    assert result.warnings == warnings


def test_maps_of_another_class_are_compared_with_those_of_the_prediction() -> None:
    def sentence(*overlaps: float) -> str:
        checks = CrossChecks(overlaps=dict(zip(DEFAULT_METHODS, overlaps, strict=False)))
        return write_verdict(CLIFF, None, None, ALL, alike(), explained=EAGLE, checks=checks).sentence

    alike_everywhere = (
        "For bald eagle, the same places are hot as for cliff (the hottest fifths overlap by 89% in Grad-CAM"
    )
    assert alike_everywhere in sentence(0.89, 0.96, 0.88)
    assert "the place does not tell the two apart." in sentence(0.5, 0.5)
    mixed = sentence(0.19, 0.96, 0.73)
    assert "overlap by 19% in Grad-CAM, 96% in Grad-CAM++, 73% in Score-CAM." in mixed
    assert "tell the two apart" not in mixed


# A phrase that a verdict may contain, and what must have been measured for it.
CLAIMS: dict[str, Callable[[Measured], bool]] = {
    "of the heat lies on the marked": lambda measured: measured.evidence is not None and 0 < measured.share <= FILLS,
    "stronger on the bird than around it": lambda measured: measured.place == "on the target",
    "stronger around the bird than on it": lambda measured: measured.place == "off the target",
    "about as much as expected by chance": lambda measured: measured.place == "in between",
    "The heat is in the right place": lambda measured: measured.place == "on the target",
    "was not judged": lambda measured: measured.evidence is None,
    "says little": lambda measured: measured.share > FILLS,
    "as labelled": lambda measured: measured.truth is not None and measured.truth.prediction == CLIFF,
    "the label is": lambda measured: measured.truth is not None and measured.truth.prediction == EAGLE,
    "The methods agree.": lambda measured: measured.overlap is not None and measured.overlap >= AGREE,
    "The methods agree in part.": lambda measured: (
        measured.overlap is not None and DISAGREE <= measured.overlap < AGREE
    ),
    "The methods disagree": lambda measured: measured.overlap is not None and measured.overlap < DISAGREE,
    "predicts the same for the whole photo": lambda measured: measured.checks.whole == CLIFF,
    "For the whole photo, it predicts": lambda measured: measured.checks.whole == EAGLE,
    "The model saw the middle": lambda measured: measured.checks.seen < SEES_ALL,
}


def test_no_sentence_claims_what_was_not_measured() -> None:
    """Every combination of metrics: a phrase stands in the verdict if and only if its figures allow it."""
    evidences = [None, *(target_evidence(energy) for energy in (0.1, 0.3, 0.9)), target_evidence(0.95, share=0.9)]
    truths = [None, TrueClass("x", None), TrueClass("x", CLIFF), TrueClass("x", EAGLE)]
    checks = [CrossChecks(), CrossChecks(0.6), CrossChecks(0.6, CLIFF), CrossChecks(0.6, EAGLE)]
    seen = set()
    for evidence, truth, overlap, check in product(evidences, truths, (0.1, 0.4, 0.8, None), checks):
        result = write_verdict(CLIFF, truth, evidence, ALL, alike(overlap), checks=check)
        measured = Measured(evidence, truth, overlap, check, result.place)
        for phrase, is_allowed in CLAIMS.items():
            if phrase in result.sentence:
                seen.add(phrase)
                assert is_allowed(measured), (phrase, result.sentence)
        claims_heat = "on the target" in (result.place, result.state)
        assert not claims_heat or (evidence is not None and evidence.share <= FILLS)
    assert seen == set(CLAIMS)


def test_an_uncertain_prediction_is_a_warning() -> None:
    assert verdict(top_prediction=Prediction(972, "cliff", 0.49)).warnings == ("the prediction is uncertain",)
    wrong = verdict(top_prediction=Prediction(972, "cliff", 0.2), truth=TrueClass("bald eagle", EAGLE))
    assert wrong.warnings == ("the prediction differs from the label", "the prediction is uncertain")


def test_warnings_are_sorted_by_severity_which_adds_up() -> None:
    result = verdict(
        target_evidence(0.1, cut_off=0.4), TrueClass("x", None), Prediction(972, "cliff", 0.2), agreement=alike(0.1)
    )
    assert result.warnings == (
        "the heat is off the bird",
        "the methods disagree",
        "the prediction is uncertain",
        "the model saw only part of the bird",
    )
    assert result.severity == 4 + 2 + 1 + 1
    assert verdict(target_evidence(0.9)).severity == 0


@pytest.mark.parametrize("place", [0.1, 0.3, 0.9])
@pytest.mark.parametrize("truth", [None, TrueClass("x", None), TrueClass("x", CLIFF), TrueClass("x", EAGLE)])
def test_every_verdict_ends_with_a_limitation(place: float, truth: TrueClass | None) -> None:
    last = verdict(target_evidence(place), truth).sentence.split(". ")[-1]
    assert "not " in last
    assert last.endswith(".")
