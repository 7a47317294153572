"""A visitor's study of many photos, in steps of one photo, and what the page shows of it."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import RLock

from camcore.errors import CamError
from camcore.report.summary import count_states
from camcore.study.inputs.load import StudyItem
from demo.service import messages
from demo.service.models import Models
from demo.service.study import Study, StudyRequest, TableRow

logger = logging.getLogger(__name__)
NOTHING_CHOSEN = "Choose photos, then press Start."


@dataclass(frozen=True)
class SortOrder:
    """The key of the column that rows are sorted by, and the direction; the worst verdicts come first by default."""

    column: str = "verdict"
    descending: bool = True


@dataclass(frozen=True)
class TableState:
    """Everything that the tab shows.

    `files` are the report and the CSV file of an ended study. `step` is the unique token of the next step, if any.
    """

    status: str = NOTHING_CHOSEN
    message: str = ""
    notes: tuple[str, ...] = ()
    rows: tuple[TableRow, ...] = ()
    total: int = 0
    has_species: bool = False
    has_boxes: bool = False
    order: SortOrder = SortOrder()
    running: bool = False
    stopping: bool = False
    files: tuple[Path, Path] | None = None
    step: int | None = None


@dataclass
class StudySession:
    """One visitor's study and its latest state, the token of its next step, and the order of the rows.

    `lock` is held while photos are prepared and while one is explained.
    """

    study: Study | None = None
    state: TableState = TableState()
    step: int | None = None
    stopping: bool = False
    order: SortOrder = SortOrder()
    lock: RLock = field(default_factory=RLock)

    @property
    def can_resume(self) -> bool:
        """Return whether Start continues the study, if no other photos are chosen."""
        return self.study is not None and not self.study.complete and not self.state.running

    def close(self) -> None:
        """End the study and delete its files."""
        if self.study is not None:
            self.study.close()
        self.study = self.step = None


def start(models: Models, session: StudySession, request: StudyRequest) -> Iterator[TableState]:
    """Prepare a study; the last state has the first step.

    The stopped study is resumed if the request is the same or names no photos, as after a refresh of the page.
    """
    session.stopping = False
    study = session.study
    if study is not None and session.can_resume and (study.request == request or not request.uploads):
        study.resume()
        yield _guarded(session, study, _next)
        return
    with session.lock:
        session.close()
        session.state = TableState(status="Preparing the photos…", running=True)
    yield session.state
    with session.lock:
        state = _prepare(models, session, request)
    yield state


def _prepare(models: Models, session: StudySession, request: StudyRequest) -> TableState:
    if not request.uploads:
        session.state = TableState(message="Choose photos or a zip first.")
        return session.state
    try:
        study = session.study = Study(models, request)
    except Exception as error:
        session.state = TableState(message=_failure(error))
        return session.state
    return _guarded(session, study, _finish if session.stopping else _next)


def restore(session: StudySession) -> Iterator[TableState]:
    """Yield what the tab shows after a refresh, at first without the next step if an earlier one is in progress."""
    if session.state.running:
        yield replace(session.state, order=session.order, step=None)
    with session.lock:
        if session.state.running and session.study is None:  # the page was left before its photos were prepared
            session.state = TableState()
        state = replace(session.state, order=session.order)
    yield state


def explain_next(session: StudySession, step: int | None) -> TableState | None:
    """Explain one photo, or return None if this step was done before or the study was stopped.

    Each photo is one step, so that other visitors, and a photo in Compare, do not wait for all photos.
    """
    with session.lock:
        if session.study is None or step is None or session.step != step:
            return None
        session.step = None
        return _guarded(session, session.study, _explain)


def stop(session: StudySession) -> TableState | None:
    """Stop after the photo that is being explained, or at once if none is; return None if no study is running."""
    state = session.state
    if not state.running:
        return None
    session.stopping = True
    if session.study is not None and session.step is not None:
        session.step = None
        return _guarded(session, session.study, _finish)
    return replace(state, status="Stopping after the current photo…", stopping=True, step=None)


def final_state(session: StudySession) -> TableState | None:
    """Return the state of a study that has ended, which the page requests after late answers, or None while it runs."""
    state = session.state
    return None if state.running else replace(state, order=session.order)


def _guarded(session: StudySession, study: Study, action: Callable[[StudySession, Study], TableState]) -> TableState:
    """Return the state after an action; an error is shown as its status and ends the study."""
    try:
        session.state = action(session, study)
    except Exception as error:
        session.state = replace(_state(session, study), status=_failure(error))
    return session.state


def _failure(error: Exception) -> str:
    """Return the sentence that reports an error to the visitor, and log an error that was not expected."""
    if isinstance(error, CamError):
        return messages.sentence(error)
    logger.error("studying many photos failed", exc_info=error)
    return messages.FAILED


def _explain(session: StudySession, study: Study) -> TableState:
    if not session.stopping:
        study.explain_next()
    return _finish(session, study) if session.stopping or study.complete else _next(session, study)


def _next(session: StudySession, study: Study) -> TableState:
    session.step = time.monotonic_ns()
    status = f"Photo {len(study.rows) + 1:,} of {study.total:,}…"
    return replace(_state(session, study), status=status, running=True, step=session.step)


def _finish(session: StudySession, study: Study) -> TableState:
    status = f"Stopped after {len(study.rows):,} of {study.total:,} photos. Press Start to continue."
    if study.complete:
        records = [row.record for row in study.rows if row.record["error"] is None]
        photos = "1 photo" if study.total == 1 else f"{study.total:,} photos"
        unreadable = f", {study.total - len(records):,} cannot be read" if len(records) < study.total else ""
        status = f"Done: {photos}; {count_states(records, messages.TARGET)}{unreadable}."
    return replace(_state(session, study), status=status, files=study.write() if study.rows else None)


def _state(session: StudySession, study: Study) -> TableState:
    return TableState(
        notes=study.notes,
        rows=tuple(study.rows),
        total=study.total,
        has_species=any(item.photo.species for item in study.inputs.items.values()),
        has_boxes=any(item.boxes for item in study.inputs.items.values()),
        order=session.order,
    )


def sort(session: StudySession, column: str, descending_first: bool) -> TableState:
    """Sort by a column, or reverse the order if the rows are sorted by it already."""
    is_sorted_by = session.order.column == column
    session.order = SortOrder(column, not session.order.descending if is_sorted_by else descending_first)
    return replace(session.state, order=session.order)


def item(session: StudySession, index: int) -> StudyItem | None:
    """Return a photo by its index, which does not depend on the sort order; None if it cannot be opened."""
    study = session.study
    if study is None or not 0 <= index < len(study.rows) or study.rows[index].record["error"] is not None:
        return None
    return study.inputs.items[study.rows[index].record["file"]]
