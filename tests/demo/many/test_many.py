"""Many photos without a browser: what may be uploaded, and what a visitor's study does turn by turn."""

import re
import stat
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile, ZipInfo

import pytest

from camcore import Explainer
from demo.many import html as many_table
from demo.many import session as many_visit
from demo.many import text
from demo.many.session import SortOrder, StudySession, TableState
from demo.service import messages, uploads
from demo.service.models import Models
from demo.service.study import StudyRequest
from demo.service.uploads import UploadError, collect


def packed(path: Path, *names: str | ZipInfo, data: bytes = b"x") -> Path:
    with ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, data)
    return path


def unpacked(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def link(name: str) -> ZipInfo:
    info = ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.jpg", "b/c.jpg"], ["a.jpg", "b/c.jpg"]),
        (["trip/lion/a.jpg", "trip/b.jpg"], ["b.jpg", "lion/a.jpg"]),
        (["lion/a.jpg", "lion/b.jpg"], ["lion/a.jpg", "lion/b.jpg"]),
        (["lion\\a.jpg"], ["lion/a.jpg"]),
        (["./a.jpg", "./A.JPG"], ["A-2.JPG", "a.jpg"]),
        (["a.jpg", ".hidden.jpg", "__MACOSX/._a.jpg", ".git/b.jpg", "lion/.DS_Store"], ["a.jpg"]),
        (["a.jpg", "inner.zip", link("b.jpg")], ["a.jpg"]),
        (["wh\x07at?.jpg", "a\u202egpj.jpg"], ["a_gpj.jpg", "wh_at_.jpg"]),
        (["é" * 300 + ".jpg"], ["é" * 58 + ".jpg"]),
        (["/".join(["deep" * 9] * 6) + "/a.jpg"], ["deep" * 9 + "/a.jpg"]),
    ],
)
def test_a_zip_is_unpacked_under_plain_names(names: list[str | ZipInfo], expected: list[str], tmp_path: Path) -> None:
    collect([packed(tmp_path / "birds.zip", *names)], tmp_path / "given")
    assert unpacked(tmp_path / "given") == expected


def test_links_and_inner_zips_are_named_as_left_out(tmp_path: Path) -> None:
    notes = collect([packed(tmp_path / "birds.zip", "a.jpg", "b.zip", link("c.jpg"))], tmp_path / "given")
    assert notes == ["“birds.zip” holds 2 links or zips, which are left out."]


def test_photos_of_one_name_are_all_kept(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "IMG_1.jpg").write_text(folder)
    again = packed(tmp_path / "birds.zip", "IMG_1.jpg", data=b"three")
    collect([tmp_path / "one" / "IMG_1.jpg", tmp_path / "two" / "IMG_1.jpg", again], tmp_path / "given")
    held = [(tmp_path / "given" / name).read_text() for name in ("IMG_1.jpg", "IMG_1-2.jpg", "IMG_1-3.jpg")]
    assert held == ["one", "two", "three"]


def locked(path: Path) -> Path:
    """A zip whose one entry says that it needs a password."""
    data = bytearray(packed(path, "a.jpg").read_bytes())
    data[data.index(b"PK\x03\x04") + 6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    return path


def spoilt(path: Path) -> Path:
    """A zip with a photo whose bytes are not those that were packed."""
    path.write_bytes(packed(path, "a.jpg", data=b"colours").read_bytes().replace(b"colours", b"colour?"))
    return path


def words(path: Path) -> Path:
    path.write_text("words")
    return path


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (words, "“birds.zip” is damaged, or no plain zip"),
        (spoilt, "“birds.zip” is damaged, or no plain zip"),
        (locked, "“birds.zip” is locked with a password"),
        (lambda path: packed(path, "../a.jpg"), "“birds.zip” has a path that leads out of it"),
        (lambda path: packed(path, "/etc/a.jpg"), "“birds.zip” has a path that leads out of it"),
        (lambda path: packed(path, "C:\\a.jpg"), "“birds.zip” has a path that leads out of it"),
        (lambda path: packed(path, "a\\..\\..\\b.jpg"), "“birds.zip” has a path that leads out of it"),
        (packed, "There is no photo in what you chose"),
        (lambda path: packed(path, "notes.txt"), "There is no photo in what you chose"),
        (lambda path: packed(path, *(f"{number}.jpg" for number in range(4))), "These are 4 photos, and 3 at a time"),
        (lambda path: packed(path, *(f"{number}.txt" for number in range(6))), "These are more than 5 files"),
        (lambda path: packed(path, "a.jpg", data=bytes(3_000_000)), "“a.jpg” is larger than 2 MB"),
        (lambda path: packed(path, "a.jpg", "b.jpg", "c.jpg", data=bytes(2_000_000)), "larger than 4 MB unpacked"),
        (lambda path: path, "“birds.zip” was cleared away in the meantime: choose it again."),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    make: Callable[[Path], Path], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, limit in (("PHOTOS", 3), ("FILES", 5), ("PHOTO", 2_000_000), ("TOTAL", 4_000_000)):
        monkeypatch.setattr(uploads, f"MAX_{name}", limit)
    with pytest.raises(UploadError, match=re.escape(said)) as raised:
        collect([make(tmp_path / "birds.zip")], tmp_path / "given")
    assert str(raised.value).count(". ") == 0
    assert not (tmp_path / "a.jpg").exists()


@pytest.fixture(scope="session")
def models(lite0: Explainer, artifacts: Path) -> Models:
    return Models(lite0, artifacts / "efficientnet_lite0")


@pytest.fixture
def asked(animal_photos: list[Path], tmp_path: Path) -> StudyRequest:
    """A zip of a lion, and of what is none."""
    with ZipFile(tmp_path / "cats.zip", "w") as archive:
        archive.write(animal_photos[0], "lion/<i>lion.jpg")
        archive.writestr("lion/words.jpg", "words")
        archive.write(animal_photos[1], "cheetah/cheetah.jpg")
    return StudyRequest((tmp_path / "cats.zip",))


def last(models: Models, session: StudySession, asked: StudyRequest) -> TableState:
    return list(many_visit.begin(models, session, asked))[-1]


def take(session: StudySession, state: TableState) -> TableState:
    taken = many_visit.take(session, state.turn)
    assert taken
    return taken


def test_a_study_fills_in_turn_by_turn_and_is_written_up(models: Models, asked: StudyRequest) -> None:
    session = StudySession()
    state = last(models, session, asked)
    assert (state.status, state.running, state.rows) == ("Photo 1 of 3…", True, ())
    for number in (1, 2, 3):
        assert many_visit.take(session, 1) is None, "a turn that is not due"
        before, state = state, take(session, state)
        assert len(state.rows) == number
        assert many_visit.take(session, before.turn) is None, "a turn is taken once"
    assert (state.running, state.turn) == (False, None)
    assert state.status == "Done: 3 photos; none to worry about, 1 cannot be read."
    assert state.files
    report = state.files[0].read_text()
    assert "python -m camcore study cats --model efficientnet_lite0" in report
    assert str(state.files[0].parents[1]) not in report + state.files[1].read_text()
    opened = many_visit.photo(session, 0)
    assert opened
    assert opened.name == "cheetah.jpg"
    assert [many_visit.photo(session, index) for index in (-1, 2, 3)] == [None] * 3
    session.close()
    assert not opened.exists()


def test_a_study_stopped_in_a_photo_keeps_its_row_and_goes_on(
    models: Models, asked: StudyRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = StudySession()
    state = last(models, session, asked)
    assert session.study
    stopping: list[TableState | None] = []
    explain = session.study.explain_next
    monkeypatch.setattr(session.study, "explain_next", lambda: (stopping.append(many_visit.stop(session)), explain()))
    state = take(session, state)
    assert stopping[0]
    assert (stopping[0].status, stopping[0].running, stopping[0].stopping) == (text.MANY_STOPPING, True, True)
    assert (state.status, state.running) == ("Stopped after 1 of 3 photos. Start goes on from there.", False)
    assert state.files
    assert many_visit.stop(session) is None, "there is nothing to stop"
    monkeypatch.undo()
    first = state.rows[0].record
    state = last(models, session, asked)
    while state.running:
        state = take(session, state)
    assert len(state.rows) == 3
    assert state.rows[0].record["seconds"] == first["seconds"], "taken over, not explained again"
    session.close()


def test_a_study_stopped_while_it_waits_for_its_turn_ends_at_once(models: Models, asked: StudyRequest) -> None:
    session = StudySession()
    waiting = take(session, last(models, session, asked))
    state = many_visit.stop(session)
    assert state
    assert (state.status, state.running) == ("Stopped after 1 of 3 photos. Start goes on from there.", False)
    assert state.files
    assert many_visit.take(session, waiting.turn) is None
    session.close()


def test_a_study_stopped_while_it_gets_ready_explains_nothing(models: Models, asked: StudyRequest) -> None:
    session = StudySession()
    sheets = many_visit.begin(models, session, asked)
    assert next(sheets).status == text.MANY_PREPARING
    many_visit.stop(session)
    (state,) = sheets
    assert (state.status, state.running, state.rows, state.files) == (text.many_stopped(0, 3), False, (), None)
    session.close()


def test_the_table_escapes_sorts_and_says_what_failed(models: Models, asked: StudyRequest) -> None:
    session = StudySession()
    state = last(models, session, asked)
    while state.running:
        state = take(session, state)
    html = many_table.table(state)
    assert "<i>" not in html
    assert "data:image/webp;base64," in html
    assert 'class="failed"' in html
    assert 'data-row="2"' not in html, "what failed cannot be opened"
    assert order(many_table.table(many_visit.sort(session, "called", False))) == [
        "cheetah.jpg",
        "_i_lion.jpg",
        "words.jpg",
    ]
    assert session.order == SortOrder("called", descending=False)
    assert order(many_table.table(many_visit.sort(session, "called", False))) == [
        "_i_lion.jpg",
        "cheetah.jpg",
        "words.jpg",
    ]
    gravest_first = many_table.table(many_visit.sort(session, "worries", True))
    assert 'aria-sort="descending" class="worries"' in gravest_first
    session.close()


def order(html: str) -> list[str]:
    return re.findall(r">([^<>]*\.jpg)<", html)


def test_what_cannot_begin_says_so_and_leaves_nothing(
    models: Models, asked: StudyRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "desk"))
    (tmp_path / "desk").mkdir()
    session = StudySession()
    assert last(models, session, StudyRequest(())).message == text.NO_UPLOAD
    (tmp_path / "boxes.json").write_text("words")
    wrong = StudyRequest(asked.uploads, tmp_path / "boxes.json")
    state = last(models, session, wrong)
    assert state.message.startswith("“boxes.json” is not JSON: give the JSON file")
    assert not state.running
    assert list((tmp_path / "desk").iterdir()) == []
    assert last(models, session, asked).running
    session.close()


def test_visitors_do_not_see_each_others_photos(models: Models, asked: StudyRequest, animal_photos: list[Path]) -> None:
    one, other = StudySession(), StudySession()
    take(one, last(models, one, asked))
    state = take(other, last(models, other, StudyRequest((animal_photos[0],))))
    assert [row.record["file"] for row in state.rows] == ["lion.jpg"]
    assert many_visit.photo(one, 0) != many_visit.photo(other, 0)
    one.close()
    assert many_visit.photo(one, 0) is None
    opened = many_visit.photo(other, 0)
    assert opened
    assert opened.exists()
    other.close()


def test_a_fault_of_ours_is_logged_and_keeps_the_rows(
    models: Models, asked: StudyRequest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    session = StudySession()
    state = take(session, last(models, session, asked))
    monkeypatch.setattr(models.explainer(), "forward", lambda *_: 1 / 0)
    state = take(session, state)
    assert (state.status, state.running, len(state.rows)) == (messages.FAILED, False, 1)
    assert "ZeroDivisionError" in caplog.text
    session.close()
