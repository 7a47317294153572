"""What a visitor does with many photos, turn by turn, and what the page shows of it."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from camcore.errors import CamError
from demo.compare import text
from demo.compare.session import sentence
from demo.service.models import Models
from demo.service.study import Asked, Row, Study

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Order:
    """The column that rows are sorted by, "" for the order of the photos, and which way."""

    column: str = ""
    descending: bool = False


@dataclass(frozen=True)
class Sheet:
    """All that the page shows. `turn` is the next to be taken, which is another each time; None if there is none."""

    status: str = text.MANY_BEGIN
    message: str = ""
    notes: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    total: int = 0
    species: bool = False
    boxes: bool = False
    order: Order = field(default_factory=Order)
    running: bool = False
    stopping: bool = False
    files: tuple[Path, Path] | None = None
    turn: int | None = None


@dataclass
class Visit:
    """One visitor's study, the turn to be taken next, whether it is running or to stop, and the order of the rows."""

    study: Study | None = None
    turn: int | None = None
    running: bool = False
    stopping: bool = False
    order: Order = field(default_factory=Order)

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


def begin(models: Models, visit: Visit, asked: Asked) -> Iterator[Sheet]:
    """Get the photos ready, or go on where the same ones were stopped; the last sheet has the first turn."""
    visit.running, visit.stopping = True, False
    for sheet in _prepare(models, visit, asked):
        visit.running = sheet.running
        yield sheet


def _prepare(models: Models, visit: Visit, asked: Asked) -> Iterator[Sheet]:
    if visit.study is not None and visit.study.asked == asked and not visit.study.complete:
        visit.study.go_on()
    else:
        visit.close()
        if not asked.uploads:
            yield Sheet(message=text.NO_UPLOAD)
            return
        yield Sheet(status=text.MANY_PREPARING, running=True)
        try:
            visit.study = Study(models, asked)
        except CamError as error:
            yield Sheet(message=sentence(error))
            return
        except Exception:
            logger.exception("getting many photos ready failed")
            yield Sheet(message=text.FAILED)
            return
    if visit.stopping:
        yield _guarded(visit, visit.study, _finish)
    else:
        yield replace(_sheet(visit, visit.study), running=True, turn=visit.next_turn())


def take(visit: Visit, turn: int | None) -> Sheet | None:
    """Explain one photo: None if that turn has been taken or is no longer wanted.

    A turn a photo, so that a photo in Compare, and other visitors, need not wait for all of them.
    """
    study = visit.study
    if study is None or turn is None or visit.turn != turn:
        return None
    visit.turn = None
    return _guarded(visit, study, _take)


def stop(visit: Visit) -> Sheet | None:
    """Stop after the photo that is being explained, at once if none is; None if there is nothing to stop."""
    study = visit.study
    if not visit.running:
        return None
    visit.stopping = True
    if study is not None and visit.turn is not None:
        visit.turn = None
        return _guarded(visit, study, _finish)
    return replace(_sheet(visit, study) if study else Sheet(), status=text.MANY_STOPPING, running=True, stopping=True)


def _guarded(visit: Visit, study: Study, step: Callable[[Visit, Study], Sheet]) -> Sheet:
    """The sheet after a step; what goes wrong is said on it, and ends the study."""
    try:
        sheet = step(visit, study)
    except CamError as error:
        sheet = replace(_sheet(visit, study), status=sentence(error))
    except Exception:
        logger.exception("explaining many photos failed")
        sheet = replace(_sheet(visit, study), status=text.FAILED)
    visit.running = sheet.running
    return sheet


def _take(visit: Visit, study: Study) -> Sheet:
    study.explain_next()
    if visit.stopping or study.complete:
        return _finish(visit, study)
    return replace(_sheet(visit, study), running=True, turn=visit.next_turn())


def _finish(visit: Visit, study: Study) -> Sheet:
    return replace(_sheet(visit, study), status=_outcome(study), files=study.write() if study.rows else None)


def sort(visit: Visit, column: str, descending_first: bool) -> Sheet:
    """Sort by a column; by the same again, the other way round."""
    again = visit.order.column == column
    visit.order = Order(column, not visit.order.descending if again else descending_first)
    return _sheet(visit, visit.study) if visit.study else Sheet()


def photo(visit: Visit, index: int) -> Path | None:
    """Where the photo of a row lies, rows counted in the order of the photos; None if it is not there to be opened."""
    rows = visit.study.rows if visit.study else []
    if not 0 <= index < len(rows) or rows[index].record["error"] is not None:
        return None
    return rows[index].photo


def _sheet(visit: Visit, study: Study) -> Sheet:
    return Sheet(
        status=text.many_running(len(study.rows) + 1, study.total),
        notes=study.notes,
        rows=tuple(study.rows),
        total=study.total,
        species=any(subject.photo.species for subject in study.known.subjects),
        boxes=any(subject.boxes for subject in study.known.subjects),
        order=visit.order,
    )


def _outcome(study: Study) -> str:
    if not study.complete:
        return text.many_stopped(len(study.rows), study.total)
    explained = [row.record for row in study.rows if row.record["error"] is None]
    worrying = sum(1 for record in explained if record["verdict"]["concerns"])
    return text.many_done(study.total, worrying, study.total - len(explained))
