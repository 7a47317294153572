"""Efforts of Score-CAM: when it stops. The rules and constants are the same for every model."""

from dataclasses import dataclass
from typing import Literal

from camcore.errors import EffortError

MIN_FORWARDS = 32  # before which an estimate of the fidelity does not stop Score-CAM


@dataclass(frozen=True)
class StoppingRule:
    """When Score-CAM stops: after `limit` forwards, or at an estimated fidelity of `target_fidelity` if it is set."""

    limit: int
    target_fidelity: float | None = None

    def ends(self, forwards: int, fidelity: float | None) -> bool:
        """Return whether to stop; an estimate from fewer than `MIN_FORWARDS` forwards is not used."""
        if forwards >= self.limit:
            return True
        return self.target_fidelity is not None and forwards >= MIN_FORWARDS and (fidelity or 0) >= self.target_fidelity

    def runs_every_channel(self, channels: int) -> bool:
        """Return whether all of `channels` channels will be run."""
        return self.target_fidelity is None and self.limit >= channels


Effort = Literal["fast", "exact"] | int
NAMED_EFFORTS: dict[Literal["fast", "exact"], StoppingRule | None] = {
    "fast": StoppingRule(limit=320, target_fidelity=0.997),
    "exact": None,
}


def to_rule(effort: Effort) -> StoppingRule | None:
    """Return when to stop; None for "exact", which runs every channel that varies.

    Raise EffortError if the effort is neither "fast", "exact" nor a number of forwards.
    """
    if isinstance(effort, str) and effort in NAMED_EFFORTS:
        return NAMED_EFFORTS[effort]
    if isinstance(effort, int) and not isinstance(effort, bool) and effort > 0:
        return StoppingRule(limit=effort)
    raise EffortError(f"there is no effort {effort!r}: choose fast, exact, or a number of forwards, 1 or more")


def read_effort(text: str) -> Effort:
    """Read an effort from text: a name, or a number of forwards; raise EffortError for any other text."""
    effort: Effort | str = int(text) if text.isascii() and text.isdigit() else text
    to_rule(effort)  # type: ignore[arg-type]
    return effort  # type: ignore[return-value]
