"""Every rule of the verdict, from figures made up for it."""

import pytest

from camcore.methods.grad_cam import METHODS, MethodName
from camcore.metrics.agreement import Agreement
from camcore.metrics.localisation import Localisation
from camcore.metrics.verdict import HeatPlace, TargetEvidence, TrueClass, Verdict, write_verdict
from camcore.results import Prediction

CLIFF = Prediction(972, "cliff", 0.62)
EAGLE = Prediction(22, "bald eagle", 0.08)
ALL: dict[MethodName, bool] = dict.fromkeys(METHODS, True)


def alike(overlap: float | None = 0.8) -> Agreement:
    matrix = tuple(tuple(1.0 if i == j else overlap for j in range(3)) for i in range(3))
    return Agreement(matrix, matrix)


def target_evidence(
    *energies: float | None, share: float = 0.3, cut_off: float = 0.0, word: str = "bird"
) -> TargetEvidence:
    values = energies * 3 if len(energies) == 1 else energies
    found = [None if each is None else Localisation(each, each / share if share else 0, True) for each in values]
    return TargetEvidence(word, share, cut_off, dict(zip(METHODS, found, strict=True)))


def verdict(
    seen: TargetEvidence | None = None,
    truth: TrueClass | None = None,
    top_prediction: Prediction = CLIFF,
    found: dict[MethodName, bool] | None = None,
    agreement: Agreement | None = None,
) -> Verdict:
    return write_verdict(top_prediction, truth, seen, ALL if found is None else found, agreement or alike())


def test_the_cliff_behind_the_eagle() -> None:
    found = verdict(target_evidence(0.21), TrueClass("Bonelli's Eagle", None))
    assert found.sentence == (
        "Called cliff (62%); the model has no class for Bonelli's Eagle. 21% of the heat lies on the marked bird, "
        "which fills 30% of the view (lift 0.7): the surroundings weigh more than the bird. The three methods agree. "
        "Whether the name would hold without them a heatmap cannot show: crop them away and ask again."
    )
    assert (found.name, found.place) == ("no such class", "off the target")
    assert found.warnings == ("the heat is off the bird",)
    assert found.severity == 4


def test_the_thrush_looked_at_in_the_right_place_and_misnamed() -> None:
    found = verdict(target_evidence(0.78), TrueClass("bald eagle", EAGLE))
    assert found.sentence.startswith("Called cliff (62%), not bald eagle (8%). 78% of the heat lies on the marked bird")
    assert found.sentence.endswith(
        "The place was right and the name still wrong; which marks misled it a heatmap cannot show."
    )
    assert (found.name, found.place) == ("wrong", "on the target")
    assert found.warnings == ("the name is wrong",)


def test_the_bulbul_right_for_the_right_reason() -> None:
    found = verdict(
        target_evidence(0.88),
        TrueClass("Himalayan Bulbul", Prediction(16, "bulbul", 0.9)),
        Prediction(16, "bulbul", 0.9),
    )
    assert found.sentence == (
        "Rightly called bulbul (90%). 88% of the heat lies on the marked bird, which fills 30% of the view (lift 2.9): "
        "the bird weighs more than its surroundings. The three methods agree. That tells where it looked, not which "
        "marks it knew."
    )
    assert (found.name, found.place, found.warnings) == ("right", "on the target", ())


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


def test_a_small_animal_that_draws_more_than_its_share() -> None:
    found = verdict(target_evidence(0.3, share=0.1))
    assert "the bird draws more than its share, yet most of the heat lies around it" in found.sentence
    assert (found.place, found.warnings) == ("on the target", ())


def test_an_animal_that_fills_the_view_makes_lift_uninformative() -> None:
    found = verdict(target_evidence(0.95, share=0.9))
    assert "The marked bird fills 90% of the view: where the heat lies tells little." in found.sentence
    assert "lift" not in found.sentence


def test_what_the_view_left_out() -> None:
    found = verdict(target_evidence(0.5, cut_off=0.4))
    assert "40% of the marked bird lies outside the view." in found.sentence
    assert "the bird is cut off by the view" in found.warnings
    assert verdict(target_evidence(0.5, cut_off=0.25)).warnings == ()
    outside = verdict(target_evidence(None, share=0, cut_off=1))
    assert "The marked bird lies outside what the model saw." in outside.sentence
    assert (outside.place, outside.warnings) == ("unknown", ("the marked bird lies outside the view",))


def test_methods_that_differ_on_where() -> None:
    found = verdict(target_evidence(0.6, 0.6, 0.1))
    assert "by some methods on the bird, by others off it" in found.sentence
    assert (found.place, found.warnings) == ("in between", ("the methods differ on where",))
    assert verdict(target_evidence(0.6, 0.3, 0.3)).place == "in between"  # the middle one decides where none is off it


@pytest.mark.parametrize(
    ("overlap", "said", "worries"),
    [
        (0.5, "The three methods agree.", 0),
        (0.49, "The three methods agree in part.", 0),
        (0.34, "The three methods agree in part.", 0),
        (0.33, "The methods disagree: the hottest fifths of Grad-CAM and Grad-CAM++ overlap by 33%.", 1),
    ],
)
def test_agreement_follows_the_two_least_alike(overlap: float, said: str, worries: int) -> None:
    found = verdict(agreement=alike(overlap))
    assert said in found.sentence
    assert found.warnings == ("the methods disagree",) * worries


def test_no_method_that_shows_a_place() -> None:
    found = verdict(target_evidence(None), found=dict.fromkeys(METHODS, False), agreement=alike(None))
    assert "No map shows a place." in found.sentence
    assert "agree" not in found.sentence
    assert (found.place, found.warnings) == ("unknown", ("no map shows a place",))


def test_one_method_that_shows_none() -> None:
    shows: dict[MethodName, bool] = {"grad-cam": False, "grad-cam++": True, "score-cam": True}
    matrix = ((None, None, None), (None, 1.0, 0.9), (None, 0.9, 1.0))
    found = verdict(target_evidence(None, 0.6, 0.6), found=shows, agreement=Agreement(matrix, matrix))
    assert "Grad-CAM shows no place. The two methods agree." in found.sentence
    assert found.warnings == ("Grad-CAM shows no place",)
    assert found.place == "on the target"


def test_only_one_method_that_shows_a_place() -> None:
    shows: dict[MethodName, bool] = {"grad-cam": False, "grad-cam++": False, "score-cam": True}
    matrix = ((None,) * 3, (None,) * 3, (None, None, 1.0))
    found = verdict(target_evidence(None, None, 0.6), found=shows, agreement=Agreement(matrix, matrix))
    assert "agree" not in found.sentence
    assert len(found.warnings) == 2


def test_nobody_told_and_nobody_marked() -> None:
    found = verdict()
    assert found.sentence == (
        "Called cliff (62%). The three methods agree. A heatmap tells where the evidence lies, not what it is."
    )
    assert (found.name, found.place, found.warnings) == ("not told", "unknown", ())


def test_an_unsure_name_is_a_reason_to_look() -> None:
    assert verdict(top_prediction=Prediction(972, "cliff", 0.49)).warnings == ("the name is unsure",)
    wrong = verdict(top_prediction=Prediction(972, "cliff", 0.2), truth=TrueClass("bald eagle", EAGLE))
    assert wrong.warnings == ("the name is wrong", "the name is unsure")


def test_the_gravest_concern_comes_first_and_they_add_up() -> None:
    found = verdict(
        target_evidence(0.1, cut_off=0.4), TrueClass("x", None), Prediction(972, "cliff", 0.2), agreement=alike(0.1)
    )
    assert found.warnings == (
        "the heat is off the bird",
        "the methods disagree",
        "the name is unsure",
        "the bird is cut off by the view",
    )
    assert found.severity == 4 + 2 + 1 + 1
    assert verdict(target_evidence(0.9)).severity == 0


@pytest.mark.parametrize("place", [0.1, 0.3, 0.9])
@pytest.mark.parametrize("truth", [None, TrueClass("x", None), TrueClass("x", CLIFF), TrueClass("x", EAGLE)])
def test_every_verdict_says_what_a_heatmap_cannot_show(place: float, truth: TrueClass | None) -> None:
    last = verdict(target_evidence(place), truth).sentence.split(". ")[-1]
    assert "not " in last
    assert last.endswith(".")
