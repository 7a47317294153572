"""A study of many photos without a browser: its steps, its rows and its table."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import gradio as gr
import pytest

from camcore import Explainer
from demo.many import html as table_html
from demo.many import position
from demo.many import tab as many
from demo.many.position import Opener, open_row
from demo.many.session import SortOrder, StudySession, TableState, explain_next, item, restore, sort, start, stop
from demo.many.store import StudyStore
from demo.service import messages
from demo.service.models import Models
from demo.service.study import StudyRequest
from tests.photo_server import serving

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def models(stand_in: Explainer, stand_in_artifacts: Path) -> Models:
    return Models(stand_in, stand_in_artifacts / "efficientnet_lite0")


@pytest.fixture
def study_request(animal_photos: list[Path], tmp_path: Path) -> StudyRequest:
    """A zip of a lion, a cheetah, and a file that is not a photo."""
    with ZipFile(tmp_path / "cats.zip", "w") as archive:
        archive.write(animal_photos[0], "lion/<i>lion.jpg")
        archive.writestr("lion/words.jpg", "words")
        archive.write(animal_photos[1], "cheetah/cheetah.jpg")
    return StudyRequest((tmp_path / "cats.zip",))


def path_of(session: StudySession, index: int) -> Path | None:
    opened = item(session, index)
    return opened.photo.path if opened else None


def started(models: Models, session: StudySession, request: StudyRequest) -> TableState:
    return list(start(models, session, request))[-1]


def next_state(session: StudySession, state: TableState) -> TableState:
    following = explain_next(session, state.step)
    assert following
    return following


def test_study_explains_one_photo_per_step_and_ends_with_a_report(models: Models, study_request: StudyRequest) -> None:
    session = StudySession()
    state = started(models, session, study_request)
    assert (state.status, state.running, state.rows) == ("Photo 1 of 3…", True, ())
    for number in (1, 2, 3):
        assert explain_next(session, 1) is None, "a step that does not exist"
        before, state = state, next_state(session, state)
        assert len(state.rows) == number
        assert explain_next(session, before.step) is None, "a step is done once"
    assert (state.running, state.step) == (False, None)
    done = r"Done: 3 photos; [0-2] to look at, 0 on the animal, [0-2] not judged, 1 cannot be read\."
    assert re.fullmatch(done, state.status)
    assert state.files
    report = state.files[0].read_text()
    assert "python -m camcore study cats --model efficientnet_lite0" in report
    assert str(state.files[0].parents[1]) not in report + state.files[1].read_text()
    path = path_of(session, 0)
    assert path
    assert path.name == "cheetah.jpg"
    assert [item(session, index) for index in (-1, 2, 3)] == [None] * 3
    session.close()
    assert not path.exists()


def test_stop_during_a_photo_keeps_its_row_and_start_resumes(
    models: Models, study_request: StudyRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = StudySession()
    state = started(models, session, study_request)
    assert session.study
    during: list[TableState | None] = []
    explain = session.study.explain_next
    monkeypatch.setattr(session.study, "explain_next", lambda: (during.append(stop(session)), explain()))
    state = next_state(session, state)
    assert during[0]
    assert during[0].status == "Stopping after the current photo…"
    assert (during[0].running, during[0].stopping, during[0].step) == (True, True, None)
    assert (state.status, state.running) == ("Stopped after 1 of 3 photos. Press Start to continue.", False)
    assert state.files
    assert stop(session) is None, "there is nothing to stop"
    monkeypatch.undo()
    first = state.rows[0].record
    state = started(models, session, study_request)
    while state.running:
        state = next_state(session, state)
    assert len(state.rows) == 3
    assert state.rows[0].record["seconds"] == first["seconds"], "not explained again"
    session.close()


def test_stop_between_steps_ends_at_once(models: Models, study_request: StudyRequest) -> None:
    session = StudySession()
    waiting = next_state(session, started(models, session, study_request))
    state = stop(session)
    assert state
    assert (state.status, state.running) == ("Stopped after 1 of 3 photos. Press Start to continue.", False)
    assert state.files
    assert explain_next(session, waiting.step) is None
    session.close()


def test_stop_during_preparation_explains_nothing(models: Models, study_request: StudyRequest) -> None:
    session = StudySession()
    states = start(models, session, study_request)
    assert next(states).status == "Preparing the photos…"
    stop(session)
    (state,) = states
    assert state.status == "Stopped after 0 of 3 photos. Press Start to continue."
    assert (state.running, state.rows, state.files) == (False, (), None)
    session.close()


class ManyPage:
    """The tab's functions, called as the browser calls them; `shown` are the values that its components got last."""

    def __init__(self, models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = StudyStore()
        monkeypatch.setattr(many, "StudyStore", lambda: self.store)
        with gr.Blocks() as self.blocks:
            self.tab = many.build()
            opener = Opener(gr.State(), (), lambda *_: [], gr.Tabs())
            many.wire(self.blocks, self.tab, models, position.build(), opener, model_choice=gr.Dropdown())
        self.token, self.session = self.store.open("")
        self.shown: dict[Any, Any] = {}

    def show(self, answer: dict[Any, Any]) -> None:
        self.shown |= {} if answer == gr.skip() else answer

    def function(self, name: str) -> Callable[..., Any]:
        return next(function.fn for function in self.blocks.fns.values() if function.name == name)

    def press_stop(self) -> dict[Any, Any]:
        return self._stop().fn(self.token)

    def receive_answer_to_stop(self, answer: dict[Any, Any]) -> None:
        """Show an answer to Stop, then call what follows it and show that."""
        self.show(answer)
        for function in self.blocks.fns.values():
            if function.trigger_after == self._stop()._id:
                self.show(function.fn(self.token))

    def _stop(self) -> Any:
        return next(fn for fn in self.blocks.fns.values() if (self.tab.stop._id, "click") in fn.targets)


@pytest.mark.parametrize("late", [False, True])
def test_page_ends_with_the_final_state_whenever_the_answer_to_stop_arrives(
    late: bool, models: Models, study_request: StudyRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = ManyPage(models, monkeypatch)
    state = started(models, page.session, study_request)
    assert page.session.study
    explain = page.session.study.explain_next
    answers: list[dict[Any, Any]] = []

    def explain_while_stop_is_pressed() -> None:
        answers.append(page.press_stop())
        if not late:
            page.receive_answer_to_stop(answers[0])
            assert "Stopping" in page.shown[page.tab.status]
        explain()

    monkeypatch.setattr(page.session.study, "explain_next", explain_while_stop_is_pressed)
    page.show(page.function("on_step")(page.token, state.step))
    if late:
        page.receive_answer_to_stop(answers[0])
    assert "Stopped after 1 of 3 photos" in page.shown[page.tab.status]
    assert (page.shown[page.tab.start]["visible"], page.shown[page.tab.stop]["visible"]) == (True, False)
    assert page.shown[page.tab.report]["value"]
    page.session.close()


def test_page_ends_with_the_final_state_when_the_last_step_is_shown_after_the_answer_to_stop(
    models: Models, study_request: StudyRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = ManyPage(models, monkeypatch)
    on_step = page.function("on_step")
    answer = on_step(page.token, started(models, page.session, study_request).step)
    page.receive_answer_to_stop(page.press_stop())
    page.show(answer)
    assert page.shown[page.tab.stop]["visible"]
    (token,) = [value for value in answer.values() if type(value) is int]
    page.show(on_step(page.token, token))
    assert "Stopped after 1 of 3 photos" in page.shown[page.tab.status]
    assert not page.shown[page.tab.stop]["visible"]
    assert on_step(page.token, None) == gr.skip()
    page.session.close()


def test_table_escapes_names_sorts_rows_and_shows_errors(models: Models, study_request: StudyRequest) -> None:
    session = StudySession()
    state = started(models, session, study_request)
    while state.running:
        state = next_state(session, state)
    html = table_html.table(state)
    assert "<i>" not in html
    assert "data:image/webp;base64," in html
    assert 'class="error"' in html
    assert 'data-row="2"' not in html, "what failed cannot be opened"
    assert order(table_html.table(sort(session, "prediction", False))) == [
        "cheetah.jpg",
        "_i_lion.jpg",
        "words.jpg",
    ]
    assert session.order == SortOrder("prediction", descending=False)
    assert order(table_html.table(sort(session, "prediction", False))) == [
        "_i_lion.jpg",
        "cheetah.jpg",
        "words.jpg",
    ]
    worst_first = table_html.table(sort(session, "verdict", True))
    assert 'aria-sort="descending" class="verdict"' in worst_first
    session.close()


def order(html: str) -> list[str]:
    return re.findall(r">([^<>]*\.jpg)<", html)


def test_start_reports_what_cannot_be_studied_and_leaves_no_files(
    models: Models, study_request: StudyRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "folder"))
    (tmp_path / "folder").mkdir()
    session = StudySession()
    assert started(models, session, StudyRequest(())).message == "Choose photos or a zip first."
    (tmp_path / "boxes.json").write_text("words")
    wrong_boxes = StudyRequest(study_request.uploads, tmp_path / "boxes.json")
    state = started(models, session, wrong_boxes)
    assert state.message.startswith("“boxes.json” is not valid JSON: give the complete JSON file")
    assert not state.running
    assert list((tmp_path / "folder").iterdir()) == []
    assert started(models, session, study_request).running
    session.close()


def test_addresses_in_an_upload_are_not_opened(models: Models, animal_photos: list[Path], tmp_path: Path) -> None:
    with serving() as server:
        lines = [f"{server.address}/{number}.jpg" for number in range(3)]
        images = [{"id": line, "file_name": line, "file": line, "detections": []} for line in lines]
        boxes = json.dumps({"images": images, "annotations": [], "categories": [], "detection_categories": {}})
        files = {
            "list.txt": "\n".join(lines), "table.csv": "\n".join(["file", *lines]), "coco.json": boxes,
            "media.csv": "\n".join(["mediaID,filePath", *(f"m,{line}" for line in lines)]), "datapackage.json": "{}",
            "deployments.csv": "deploymentID", "observations.csv": "mediaID", "4.jpg": lines[0], "5.url": lines[0],
        }  # fmt: skip
        with ZipFile(tmp_path / "cats.zip", "w") as archive:
            archive.write(animal_photos[0], "lion.jpg")
            for name, content in files.items():
                archive.writestr(name, content)
                (tmp_path / name).write_text(content)
        session = StudySession()
        state = started(models, session, StudyRequest((tmp_path / "cats.zip",), tmp_path / "coco.json"))
        while state.running:
            state = next_state(session, state)
        assert sorted(row.record["file"] for row in state.rows) == ["4.jpg", "lion.jpg"]
        for name in ("list.txt", "table.csv", "coco.json"):
            refused = started(models, session, StudyRequest((tmp_path / name,)))
            assert "None of these files is a photo" in refused.message
        session.close()
        assert server.requests == {}


def test_sessions_do_not_share_photos(models: Models, study_request: StudyRequest, animal_photos: list[Path]) -> None:
    one, other = StudySession(), StudySession()
    next_state(one, started(models, one, study_request))
    state = next_state(other, started(models, other, StudyRequest((animal_photos[0],))))
    assert [row.record["file"] for row in state.rows] == ["lion.jpg"]
    assert path_of(one, 0) != path_of(other, 0)
    one.close()
    assert path_of(one, 0) is None
    path = path_of(other, 0)
    assert path
    assert path.exists()
    other.close()


def test_unexpected_error_is_logged_and_keeps_the_rows(
    models: Models, study_request: StudyRequest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    session = StudySession()
    state = next_state(session, started(models, session, study_request))
    monkeypatch.setattr(models.explainer(), "forward", lambda *_: 1 / 0)
    state = next_state(session, state)
    assert (state.status, state.running, len(state.rows)) == (messages.FAILED, False, 1)
    assert "ZeroDivisionError" in caplog.text
    session.close()


def test_refresh_continues_a_running_study_after_the_step_in_progress(
    models: Models, study_request: StudyRequest
) -> None:
    session = StudySession()
    state = next_state(session, started(models, session, study_request))
    shown_first, restored = restore(session)
    assert (shown_first.running, shown_first.step, len(shown_first.rows)) == (True, None, 1)
    assert restored.step == state.step
    state = next_state(session, restored)
    stop(session)
    (stopped,) = restore(session)
    assert stopped.files
    (resumed,) = start(models, session, StudyRequest(()))
    assert resumed.running, "Start continues without the files, which the page has no longer"
    session.close()


def test_refresh_while_photos_are_prepared_starts_empty(models: Models, study_request: StudyRequest) -> None:
    session = StudySession()
    abandoned = start(models, session, study_request)
    next(abandoned)
    assert list(restore(session))[-1] == TableState()


def test_row_is_opened_with_its_boxes_settings_and_position(
    models: Models, animal_photos: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "boxes.json").write_text(
        '{"detection_categories": {"1": "animal"}, "images": [{"file": "lion.jpg", '
        '"detections": [{"category": "1", "conf": 0.9, "bbox": [0.1, 0.1, 0.6, 0.8]}]}]}'
    )
    session = StudySession()
    state = started(models, session, StudyRequest(tuple(animal_photos), tmp_path / "boxes.json"))
    while state.running:
        state = next_state(session, state)
    sort(session, "file", False)
    opened = open_row(session, 1)
    assert opened
    opening, html = opened
    assert opening.path
    assert Path(opening.path).read_bytes() == animal_photos[0].read_bytes()
    assert [[round(edge, 3) for edge in box] for box in opening.boxes] == [[0.1, 0.1, 0.7, 0.9]]
    assert (opening.definition, opening.effort, opening.resize_mode) == ("paper", "fast", "crop")
    assert opening.model == "efficientnet_lite0"
    assert "Photo 2 of 2: <strong>lion.jpg</strong>" in html
    assert 'data-row="0">Previous' in html
    assert "disabled>Next" in html
    assert open_row(session, 2) is None
    session.close()


@pytest.mark.parametrize(
    ("state", "severity", "tag"),
    [("look again", 5, "severe"), ("look again", 2, "moderate"), ("look again", 1, "minor"), ("not judged", 0, "")],
)
def test_severity_is_a_word(state: str, severity: int, tag: str) -> None:
    record = {"verdict": {"state": state, "severity": severity, "summary": "<i>"}}
    column = table_html.find_column("verdict")
    assert column
    cell = column.cell(record)
    assert (f'<b class="{tag}">{tag}' in cell) is bool(tag)
    assert "&lt;i&gt;" in cell


def test_verdicts_are_ordered_by_severity_then_not_judged_then_on_the_animal() -> None:
    column = table_html.find_column("verdict")
    assert column
    verdicts = [("look again", 4), ("look again", 1), ("not judged", 0), ("on the target", 0)]
    ranks = [column.value({"verdict": {"state": state, "severity": severity}}) for state, severity in verdicts]
    assert ranks == sorted(set(ranks), reverse=True)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["a.jpg"], "1 photo chosen. Press Start."),
        (["a.jpg", "b.PNG", "c.zip"], "2 photos and 1 zip chosen. Press Start."),
        (["a.jpg", "c.zip", "d.csv"], "1 photo, 1 zip and 1 other file chosen. Press Start."),
    ],
)
def test_status_says_what_was_chosen(names: list[str], sentence: str) -> None:
    assert table_html.chosen([Path(name) for name in names]) == sentence
