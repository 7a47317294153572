"""A visitor's study of many photos, in steps of one photo, and what the page shows of it."""

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
    """The key of the column that rows are sorted by, "" for the order of the photos, and the direction."""

    column: str = ""
    descending: bool = False


@dataclass(frozen=True)
class TableState:
    """Everything that the tab shows.

    `files` are the paths of the report and of the CSV file, once a study has ended. `step` is the token of the next
    step, different for each step, or None if there is none.
    """

    status: str = text.READY
    message: str = ""
    notes: tuple[str, ...] = ()
    rows: tuple[TableRow, ...] = ()
    total: int = 0
    has_species: bool = False
    has_boxes: bool = False
    order: SortOrder = field(default_factory=SortOrder)
    running: bool = False
    stopping: bool = False
    files: tuple[Path, Path] | None = None
    step: int | None = None


@dataclass
class StudySession:
    """One visitor's study, the token of its next step, whether it is running or stopping, and the order of the rows."""

    study: Study | None = None
    step: int | None = None
    running: bool = False
    stopping: bool = False
    order: SortOrder = field(default_factory=SortOrder)

    def close(self) -> None:
        """End the study and delete its files."""
        self.step = None
        if self.study is not None:
            self.study.close()
        self.study = None

    def next_step(self) -> int:
        """Return a new token for the next step."""
        self.step = time.monotonic_ns()
        return self.step


def start(models: Models, session: StudySession, request: StudyRequest) -> Iterator[TableState]:
    """Prepare a study, or resume the stopped one if the request is the same; the last state has the first step."""
    session.running, session.stopping = True, False
    for state in _prepare(models, session, request):
        session.running = state.running
        yield state


def _prepare(models: Models, session: StudySession, request: StudyRequest) -> Iterator[TableState]:
    if session.study is not None and session.study.request == request and not session.study.complete:
        session.study.resume()
    else:
        session.close()
        if not request.uploads:
            yield TableState(message=text.NO_UPLOAD)
            return
        yield TableState(status=text.PREPARING, running=True)
        try:
            session.study = Study(models, request)
        except CamError as error:
            yield TableState(message=messages.sentence(error))
            return
        except Exception:
            logger.exception("preparing many photos failed")
            yield TableState(message=messages.FAILED)
            return
    if session.stopping:
        yield _guarded(session, session.study, _finish)
    else:
        yield replace(_state(session, session.study), running=True, step=session.next_step())


def explain_next(session: StudySession, step: int | None) -> TableState | None:
    """Explain one photo, or return None if this step was done before or the study was stopped.

    Each photo is one step, so that other visitors, and a photo in Compare, do not wait for all photos.
    """
    study = session.study
    if study is None or step is None or session.step != step:
        return None
    session.step = None
    return _guarded(session, study, _explain)


def stop(session: StudySession) -> TableState | None:
    """Stop after the photo that is being explained, or at once if none is; return None if no study is running."""
    study = session.study
    if not session.running:
        return None
    session.stopping = True
    if study is not None and session.step is not None:
        session.step = None
        return _guarded(session, study, _finish)
    state = _state(session, study) if study else TableState()
    return replace(state, status=text.STOPPING, running=True, stopping=True)


def _guarded(session: StudySession, study: Study, action: Callable[[StudySession, Study], TableState]) -> TableState:
    """Return the state after an action; an error is shown as its status and ends the study."""
    try:
        state = action(session, study)
    except CamError as error:
        state = replace(_state(session, study), status=messages.sentence(error))
    except Exception:
        logger.exception("explaining many photos failed")
        state = replace(_state(session, study), status=messages.FAILED)
    session.running = state.running
    return state


def _explain(session: StudySession, study: Study) -> TableState:
    study.explain_next()
    if session.stopping or study.complete:
        return _finish(session, study)
    return replace(_state(session, study), running=True, step=session.next_step())


def _finish(session: StudySession, study: Study) -> TableState:
    return replace(_state(session, study), status=_final_status(study), files=study.write() if study.rows else None)


def sort(session: StudySession, column: str, descending_first: bool) -> TableState:
    """Sort by a column, or reverse the order if the rows are sorted by it already."""
    is_sorted_by = session.order.column == column
    session.order = SortOrder(column, not session.order.descending if is_sorted_by else descending_first)
    return _state(session, session.study) if session.study else TableState()


def photo_path(session: StudySession, index: int) -> Path | None:
    """Return the path of a row's photo, or None if it cannot be opened.

    `index` counts from 0 in the order of the photos, however the rows are sorted.
    """
    rows = session.study.rows if session.study else []
    if not 0 <= index < len(rows) or rows[index].record["error"] is not None:
        return None
    return rows[index].photo


def _state(session: StudySession, study: Study) -> TableState:
    return TableState(
        status=text.running(len(study.rows) + 1, study.total),
        notes=study.notes,
        rows=tuple(study.rows),
        total=study.total,
        has_species=any(item.photo.species for item in study.inputs.items),
        has_boxes=any(item.boxes for item in study.inputs.items),
        order=session.order,
    )


def _final_status(study: Study) -> str:
    if not study.complete:
        return text.stopped(len(study.rows), study.total)
    explained = [row.record for row in study.rows if row.record["error"] is None]
    with_warnings = sum(1 for record in explained if record["verdict"]["warnings"])
    return text.finished(study.total, with_warnings, study.total - len(explained))
