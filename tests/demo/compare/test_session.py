"""The session of the tab Compare, without a browser: the states of a run, and how it ends."""

import time
from pathlib import Path

import pytest

from camcore import Explainer
from camcore.options import ExplainOptions
from demo.compare import text
from demo.compare.explain import explain
from demo.compare.session import ExplainRequest, PageState, Session, choose_class
from demo.service import messages
from demo.service.models import Models


@pytest.fixture
def eagle(imagenet_photos: list[Path]) -> str:
    return str(next(path for path in imagenet_photos if path.stem.endswith("_22")))


@pytest.fixture
def models(stand_in: Explainer, stand_in_artifacts: Path) -> Models:
    return Models(stand_in, stand_in_artifacts / "efficientnet_lite0")


def run(models: Models, request: ExplainRequest) -> list[PageState]:
    return list(explain(models, Session(request), request))


def test_explain_fills_the_page_in_order(models: Models, eagle: str) -> None:
    states = run(models, ExplainRequest(eagle))
    assert states[0].running
    assert [len(state.explanations) for state in states[:4]] == [0, 0, 1, 2]
    assert all(state.running for state in states[:-2])
    *_, done, final = states
    assert (done.status, done.running, done.verdict) == (final.status, False, "")
    assert final.verdict
    assert not final.running
    assert final.predictions[0].name == "bald eagle"
    assert final.class_idx == 22
    assert final.explanations["score-cam"].complete
    assert "Done: all heatmaps for “bald eagle”" in final.status


def test_explain_ends_within_a_chunk_when_stopped(models: Models, eagle: str) -> None:
    request = ExplainRequest(eagle, ExplainOptions(effort="exact"))
    session = Session(request)
    states = explain(models, session, request)
    state = next(state for state in states if "score-cam" in state.explanations)
    session.newest = None
    *_, last = states
    score_cam = last.explanations["score-cam"]
    runs = f"{score_cam.forwards} of {score_cam.channels_alive} runs"
    assert last.status.startswith(f"Stopped at {runs}. The verdict is about")
    assert not last.running
    assert "Predicted bald eagle" in last.verdict
    assert session.finished is not None
    assert session.finished.explanations[-1] is last.explanations["score-cam"]
    forwards_before, forwards_last = (page.explanations["score-cam"].forwards for page in (state, last))
    assert forwards_before is not None
    assert forwards_last is not None
    assert forwards_last - forwards_before <= 8


def test_explain_judges_the_gradient_maps_if_stopped_before_score_cam(models: Models, eagle: str) -> None:
    request = ExplainRequest(eagle)
    session = Session(request)
    states = explain(models, session, request)
    next(state for state in states if len(state.explanations) == 1)
    session.newest = None
    *_, last = states
    assert last.status == "Stopped after Grad-CAM and Grad-CAM++: the verdict is about these."
    assert "Predicted bald eagle" in last.verdict


def test_explain_tells_how_many_photos_are_before_and_can_be_stopped(models: Models, eagle: str) -> None:
    request = ExplainRequest(eagle)
    session = Session(request)
    with models.queue.acquire(models.queue.deadline()):
        states = explain(models, session, request)
        state = next(state for state in states if state.status.startswith("Waiting"))
        assert (state.status, state.running) == ("Waiting: one photo is before yours.", True)
        session.newest = None
        (last,) = states
        assert (last.status, last.running) == (text.STOPPED, False)
    assert len(models.queue) == 0


def test_explain_compares_the_maps_of_an_absurd_class_with_those_of_the_prediction(models: Models, eagle: str) -> None:
    """Kite is another bird of prey: its maps are hot in the same places."""
    session = Session(ExplainRequest(eagle, ExplainOptions(21)))
    *_, last = explain(models, session, session.newest)  # type: ignore[arg-type]
    assert "For kite, the same places are hot as for bald eagle (the hottest fifths overlap by" in last.verdict
    assert "the place does not tell the two apart" in last.verdict


def test_explain_tells_how_much_the_model_saw_and_what_it_predicts_for_the_whole_photo(
    models: Models, eagle: str
) -> None:
    final = run(models, ExplainRequest(eagle))[-1]
    assert "The model saw the middle 77% of the photo, and predicts the same for the whole photo" in final.verdict
    squashed = run(models, ExplainRequest(eagle, ExplainOptions(resize_mode="squash")))[-1]
    assert "The model saw" not in squashed.verdict


def test_explain_after_stop_changes_nothing(models: Models, eagle: str) -> None:
    assert list(explain(models, Session(None), ExplainRequest(eagle))) == []


def test_explain_runs_a_request_once_although_its_event_comes_twice(models: Models, eagle: str) -> None:
    request = ExplainRequest(eagle)
    session = Session(request)
    assert list(explain(models, session, request))[-1].explanations
    assert list(explain(models, session, request)) == []
    session.newest = ExplainRequest(eagle)
    assert next(explain(models, session, session.newest)).running, "the same photo again is a new request"


def test_explain_ends_silently_when_a_newer_request_comes(models: Models, eagle: str) -> None:
    request = ExplainRequest(eagle)
    session = Session(request)
    states = explain(models, session, request)
    next(states)
    session.newest = ExplainRequest(eagle, ExplainOptions(21))
    assert list(states) == []


def test_explain_shows_an_unreadable_photo_beside_the_photo(models: Models, tmp_path: Path) -> None:
    path = tmp_path / "words.jpg"
    path.write_text("words")
    final = run(models, ExplainRequest(str(path)))[-1]
    assert final.photo_message.startswith("This file is not a photo")
    assert (final.status, final.running, final.view) == ("", False, None)


def test_explain_logs_an_unexpected_error(
    models: Models, eagle: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(models.explainer(), "forward", lambda *_: 1 / 0)
    final = run(models, ExplainRequest(eagle))[-1]
    assert final.status == messages.FAILED
    assert "ZeroDivisionError" in caplog.text


def test_explain_without_a_photo_shows_the_empty_page(models: Models) -> None:
    assert run(models, ExplainRequest(None)) == [PageState()]


def test_choose_class_takes_an_index_or_a_name(stand_in: Explainer) -> None:
    assert choose_class(stand_in.manifest.labels, 22) == (22, "")
    assert choose_class(stand_in.manifest.labels, "Bald Eagle") == (22, "")
    chosen, problem = choose_class(stand_in.manifest.labels, "bald egle")
    assert chosen is None
    assert problem.startswith("No class is named 'bald egle': the nearest are bald eagle")


def test_explain_keeps_what_it_has_after_the_deadline(
    stand_in: Explainer, stand_in_artifacts: Path, eagle: str
) -> None:
    models = Models(stand_in, stand_in_artifacts / "efficientnet_lite0", timeout=100)
    session, steps = Session(), stand_in.manifest.preprocessing
    models.photos.view(id(session), Path(eagle), steps, "crop", models.queue.deadline())  # so that this takes no time
    session.newest = request = ExplainRequest(eagle, ExplainOptions(effort="exact"), made_at=time.monotonic() - 99.7)
    *_, last = explain(models, session, request)
    assert last.status.startswith("Stopped after 100 seconds at ")
    assert last.status.endswith("Choose less effort for complete heatmaps.")
    assert last.verdict
    assert len(last.predictions) == 5
    assert not last.running
    assert len(models.queue) == 0
