"""Models with one score, or several labels at once: probabilities, metrics and verdict of networks made by hand."""

import json
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from PIL import Image
from torch import nn

from camcore import Box, ClassError, Explainer
from camcore.cli.main import main
from camcore.images.preprocess import make_view
from camcore.methods.definitions import DEFINITIONS, log_weights
from camcore.metrics.assessment import assess, locate_heat
from camcore.metrics.evidence import CrossChecks, TrueClass
from camcore.metrics.prediction_verdict import judge_name, judge_view
from camcore.model.manifest import Preprocessing
from camcore.results import Prediction
from camcore.types import to_probabilities
from export import export_model

SIDE, CELL = 64, 8
RED, BLUE, GREY = (200, 40, 40), (40, 40, 200), (90, 90, 90)
LABELS = ("red animal", "blue animal")
STEPS = Preprocessing(SIDE, (SIDE, SIDE), "bilinear", mean=(0.5,) * 3, std=(0.25,) * 3)
FOX, DOG, CAT = Prediction(0, "fox", 0.91), Prediction(1, "dog", 0.7), Prediction(2, "cat", 0.2)


def colour_scores(outputs: int) -> nn.Module:
    """A network whose first score answers to red, and the second, if any, to blue; each is negative without it."""
    layers = {"conv": nn.Conv2d(3, 2, CELL, stride=CELL), "relu": nn.ReLU(), "pool": nn.AdaptiveAvgPool2d(1)}
    model = nn.Sequential(OrderedDict(layers, flat=nn.Flatten(), fc=nn.Linear(2, outputs)))
    weights = torch.tensor([[1.0, -0.5, -0.5], [-0.5, -0.5, 1.0]])[:, :, None, None].expand(2, 3, CELL, CELL)
    state = {
        "conv.weight": weights / CELL**2,
        "conv.bias": torch.zeros(2),
        "fc.weight": 40 * torch.eye(2)[:outputs],
        "fc.bias": torch.full((outputs,), -3.0),
    }
    model.load_state_dict(state)
    return model


def drawn(red: Box | None, blue: Box | None = None) -> Image.Image:
    picture = Image.new("RGB", (SIDE, SIDE), GREY)
    for box, colour in ((red, RED), (blue, BLUE)):
        if box is not None:
            picture.paste(colour, [round(SIDE * edge) for edge in box])
    return picture


RED_BOX, BLUE_BOX = Box(0.125, 0.125, 0.5, 0.5), Box(0.625, 0.5, 0.875, 0.875)


@pytest.fixture(scope="module")
def multi_label(tmp_path_factory: pytest.TempPathFactory) -> Explainer:
    out = tmp_path_factory.mktemp("heads") / "several"
    export_model(colour_scores(2), out, preprocessing=STEPS, labels=LABELS, multi_label=True, int8=False)
    return Explainer.load(out)


@pytest.fixture(scope="module")
def one_logit(tmp_path_factory: pytest.TempPathFactory) -> Explainer:
    out = tmp_path_factory.mktemp("heads") / "one"
    export_model(colour_scores(1), out, preprocessing=STEPS, labels=["red animal"], int8=False)
    return Explainer.load(out)


def test_probabilities_of_both_kinds() -> None:
    logits = np.array([[0.0, 2.0, -800.0]])
    assert_allclose(to_probabilities(logits, multi_label=True), [[0.5, 1 / (1 + np.exp(-2)), 0]])
    assert to_probabilities(logits, multi_label=False).sum() == pytest.approx(1)


def test_two_animals_are_both_right(multi_label: Explainer) -> None:
    forward_pass = multi_label.forward(drawn(RED_BOX, BLUE_BOX))
    assert (forward_pass.probabilities > 0.5).all()
    assert_allclose(forward_pass.probabilities, 1 / (1 + np.exp(-forward_pass.logits.astype(np.float64))))
    for class_idx, box in enumerate((RED_BOX, BLUE_BOX)):
        explanations = multi_label.explain(forward_pass, class_idx)
        evidence = locate_heat([box], forward_pass.view, explanations, "animal")
        top, checks = multi_label.predict(forward_pass)[0], multi_label.cross_check(forward_pass, explanations)
        truth = TrueClass(LABELS[class_idx], multi_label.predict(forward_pass)[1])
        verdict, _ = assess(top, explanations, evidence, truth, checks=checks)
        assert verdict.name == "right", "each of two labels holds, the less probable one too"
        assert verdict.place == "on the target"
        for name in LABELS:
            assert f"{name} (" in verdict.sentence.partition(".")[0]


def test_faithfulness_of_several_labels_is_measured_in_sigmoids(multi_label: Explainer) -> None:
    forward_pass = multi_label.forward(drawn(RED_BOX, BLUE_BOX))
    explanations = multi_label.explain(forward_pass, 0, ["grad-cam"])
    (measured,) = multi_label.faithfulness(forward_pass, explanations)
    assert measured is not None
    assert measured.deletion[0] == pytest.approx(forward_pass.probabilities[0])
    assert measured.deletion[-1] == pytest.approx(1 / (1 + np.exp(3)), rel=1e-4), "the empty photo: its score is -3"


def test_one_score_is_two_classes_with_mirrored_maps(one_logit: Explainer) -> None:
    assert one_logit.manifest.labels == ("not red animal", "red animal")
    forward_pass = one_logit.forward(drawn(RED_BOX))
    z = forward_pass.logits[1] - forward_pass.logits[0]
    assert forward_pass.probabilities[1] == pytest.approx(1 / (1 + np.exp(-z)))
    present, absent = (one_logit.explain(forward_pass, class_idx, ["grad-cam"])[0] for class_idx in (1, 0))
    evidence = locate_heat([RED_BOX], forward_pass.view, [present], "animal")
    assert evidence is not None
    localisation = evidence.localisations["grad-cam"]
    assert localisation is not None
    assert localisation.lift > 1.2
    assert not absent.shows_a_place, "what speaks for the animal is what speaks against its absence"


def test_the_probability_definition_takes_sigmoids_and_no_contrast(multi_label: Explainer) -> None:
    logits = np.array([[1.0, 5.0], [-2.0, 5.0]], np.float32)
    weights = log_weights(logits, 0, DEFINITIONS["probability"], multi_label=True)
    assert_allclose(np.exp(weights), 1 / (1 + np.exp(-logits[:, 0])), rtol=1e-6)
    photo = drawn(RED_BOX, BLUE_BOX)
    with pytest.raises(ClassError, match="compares two classes by a softmax"):
        multi_label.explain(photo, 0, ["score-cam"], contrast_idx=1, definition="probability")
    (explanation,) = multi_label.explain(photo, 0, ["score-cam"], contrast_idx=1, effort="exact")
    assert explanation.shows_a_place


@pytest.mark.parametrize(
    ("top", "also", "truth", "status", "sentence"),
    [
        (FOX, (DOG,), None, "not told", "Predicted fox (91%) and dog (70%)."),
        (FOX, (), CAT, "wrong", "Predicted fox (91%); the label is cat (20%)."),
        (FOX, (DOG,), DOG, "right", "Predicted fox (91%) and dog (70%), as labelled."),
        (CAT, (), CAT, "wrong", "No class reaches 50%; the most probable is cat (20%); the label is cat (20%)."),
        (FOX, None, DOG, "wrong", "Predicted fox (91%); the label is dog (70%)."),
    ],
)
def test_a_label_holds_from_one_half(
    top: Prediction, also: tuple[Prediction, ...] | None, truth: Prediction | None, status: str, sentence: str
) -> None:
    name, text, _ = judge_name(top, None if truth is None else TrueClass(truth.name, truth), also)
    assert (name, text) == (status, sentence)


def test_a_model_of_boxes_is_shown_the_box(tmp_path: Path) -> None:
    steps = Preprocessing(SIDE, (SIDE, SIDE), "bilinear", (0.5,) * 3, (0.25,) * 3, "squash", "box")
    explainer = Explainer.load(export_model(colour_scores(2), tmp_path / "boxes", preprocessing=steps, int8=False))
    photo = drawn(RED_BOX)
    seen = explainer.forward(photo, box=RED_BOX)
    assert seen.view.of_box
    assert seen.view.share == pytest.approx(RED_BOX.area)
    assert seen.view.box == (8, 8, 32, 32)
    assert set(seen.view.image.getdata()) == {RED}
    explanations = explainer.explain(seen, 0)
    text, _ = judge_view(FOX, explainer.cross_check(seen, explanations))
    assert text == "The model saw the box of the animal only, 14% of the photo."
    verdict, _ = assess(FOX, explanations, locate_heat([RED_BOX], seen.view, explanations, "animal"))
    assert verdict.place == "unknown", "the animal fills the view"
    whole = explainer.forward(photo)
    assert not whole.view.of_box
    text, _ = judge_view(FOX, explainer.cross_check(whole, explainer.explain(whole, 0)))
    assert text == "The model was trained on boxes of animals, but was not shown one."


def test_a_box_outside_or_as_thin_as_a_line_still_gives_a_view() -> None:
    steps = Preprocessing(SIDE, (SIDE, SIDE), "bilinear", (0.5,) * 3, (0.25,) * 3, "pad", "box")
    for box in (Box(0.999, 0.999, 1, 1), Box(0, 0.5, 1, 0.5001), Box(0.5, 0, 0.50001, 1)):
        view = make_view(drawn(RED_BOX), steps, None, box)
        assert view.image.size == (SIDE, SIDE)
        assert 0 < view.share <= 1


def test_explain_takes_a_box_as_the_view_or_as_the_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    drawn(RED_BOX).save("photo.png")
    for name, view in (("crops", "box"), ("photos", "photo")):
        steps = Preprocessing(SIDE, (SIDE, SIDE), "bilinear", (0.5,) * 3, (0.25,) * 3, "squash", view)  # type: ignore[arg-type]
        export_model(colour_scores(2), Path("artifacts") / name, preprocessing=steps, int8=False)
    for name, seen, finding in (
        ("crops", "The model saw the box of the animal only, 14% of the photo.", None),
        ("photos", "is not decided: the answer depends on how the hidden part is filled", "not decided"),
    ):
        assert main(["explain", "photo.png", "--model", name, "--box", "0.125,0.125,0.5,0.5", "--json"]) == 0
        captured = capsys.readouterr()
        record = json.loads(captured.out)
        assert seen in record["verdict"]["sentence"]
        assert (record["counterfactuals"] or {}).get("finding") == finding
        assert record["verdict"]["summary"] in captured.err
    assert set(record["target"]["localisations"]) == {"grad-cam", "grad-cam++", "score-cam"}


def test_checks_of_a_plain_model_name_no_other_labels(one_logit: Explainer) -> None:
    forward_pass = one_logit.forward(drawn(RED_BOX))
    assert one_logit.cross_check(forward_pass, []) == CrossChecks(1.0)
