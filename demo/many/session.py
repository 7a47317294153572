"""What a visitor does with many photos, turn by turn, and what the page shows of it."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from camcore.errors import CamError
from demo.many import text
from demo.service import messages
from demo.service.models import Models
from demo.service.study import Study, StudyRequest, TableRow

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SortOrder:
    """The column that rows are sorted by, "" for the order of the photos, and which way."""

    column: str = ""
    descending: bool = False


@dataclass(frozen=True)
class TableState:
    """All that the page shows. `turn` is the next to be taken, which is another each time; None if there is none."""

    status: str = text.MANY_BEGIN
    message: str = ""
    notes: tuple[str, ...] = ()
    rows: tuple[TableRow, ...] = ()
    total: int = 0
    species: bool = False
    boxes: bool = False
    order: SortOrder = field(default_factory=SortOrder)
    running: bool = False
    stopping: bool = False
    files: tuple[Path, Path] | None = None
    turn: int | None = None


@dataclass
class StudySession:
    """One visitor's study, the turn to be taken next, whether it is running or to stop, and the order of the rows."""

    study: Study | None = None
    turn: int | None = None
    running: bool = False
    stopping: bool = False
    order: SortOrder = field(default_factory=SortOrder)

    def close(self) -> None:
        """End the study and delete what belongs to it."""
        self.turn = None
        if self.study is not None:
            self.study.close()
        self.study = None

    def next_turn(self) -> int:
        """A turn that has not been before."""
        self.turn = time.monotonic_ns()
        return self.turn


def begin(models: Models, session: StudySession, asked: StudyRequest) -> Iterator[TableState]:
    """Get the photos ready, or go on where the same ones were stopped; the last sheet has the first turn."""
    session.running, session.stopping = True, False
    for state in _prepare(models, session, asked):
        session.running = state.running
        yield state


def _prepare(models: Models, session: StudySession, asked: StudyRequest) -> Iterator[TableState]:
    if session.study is not None and session.study.asked == asked and not session.study.complete:
        session.study.go_on()
    else:
        session.close()
        if not asked.uploads:
            yield TableState(message=text.NO_UPLOAD)
            return
        yield TableState(status=text.MANY_PREPARING, running=True)
        try:
            session.study = Study(models, asked)
        except CamError as error:
            yield TableState(message=messages.sentence(error))
            return
        except Exception:
            logger.exception("getting many photos ready failed")
            yield TableState(message=messages.FAILED)
            return
    if session.stopping:
        yield _guarded(session, session.study, _finish)
    else:
        yield replace(_state(session, session.study), running=True, turn=session.next_turn())


def take(session: StudySession, turn: int | None) -> TableState | None:
    """Explain one photo: None if that turn has been taken or is no longer wanted.

    A turn a photo, so that a photo in Compare, and other visitors, need not wait for all of them.
    """
    study = session.study
    if study is None or turn is None or session.turn != turn:
        return None
    session.turn = None
    return _guarded(session, study, _take)


def stop(session: StudySession) -> TableState | None:
    """Stop after the photo that is being explained, at once if none is; None if there is nothing to stop."""
    study = session.study
    if not session.running:
        return None
    session.stopping = True
    if study is not None and session.turn is not None:
        session.turn = None
        return _guarded(session, study, _finish)
    return replace(
        _state(session, study) if study else TableState(), status=text.MANY_STOPPING, running=True, stopping=True
    )


def _guarded(session: StudySession, study: Study, step: Callable[[StudySession, Study], TableState]) -> TableState:
    """The sheet after a step; what goes wrong is said on it, and ends the study."""
    try:
        state = step(session, study)
    except CamError as error:
        state = replace(_state(session, study), status=messages.sentence(error))
    except Exception:
        logger.exception("explaining many photos failed")
        state = replace(_state(session, study), status=messages.FAILED)
    session.running = state.running
    return state


def _take(session: StudySession, study: Study) -> TableState:
    study.explain_next()
    if session.stopping or study.complete:
        return _finish(session, study)
    return replace(_state(session, study), running=True, turn=session.next_turn())


def _finish(session: StudySession, study: Study) -> TableState:
    return replace(_state(session, study), status=_outcome(study), files=study.write() if study.rows else None)


def sort(session: StudySession, column: str, descending_first: bool) -> TableState:
    """Sort by a column; by the same again, the other way round."""
    again = session.order.column == column
    session.order = SortOrder(column, not session.order.descending if again else descending_first)
    return _state(session, session.study) if session.study else TableState()


def photo(session: StudySession, index: int) -> Path | None:
    """Where the photo of a row lies, rows counted in the order of the photos; None if it is not there to be opened."""
    rows = session.study.rows if session.study else []
    if not 0 <= index < len(rows) or rows[index].record["error"] is not None:
        return None
    return rows[index].photo


def _state(session: StudySession, study: Study) -> TableState:
    return TableState(
        status=text.many_running(len(study.rows) + 1, study.total),
        notes=study.notes,
        rows=tuple(study.rows),
        total=study.total,
        species=any(subject.photo.species for subject in study.known.subjects),
        boxes=any(subject.boxes for subject in study.known.subjects),
        order=session.order,
    )


def _outcome(study: Study) -> str:
    if not study.complete:
        return text.many_stopped(len(study.rows), study.total)
    explained = [row.record for row in study.rows if row.record["error"] is None]
    worrying = sum(1 for record in explained if record["verdict"]["warnings"])
    return text.many_done(study.total, worrying, study.total - len(explained))
