"""How much Score-CAM may cost: one rule, and one set of constants, for every model."""

from dataclasses import dataclass
from typing import Literal

from camcore.errors import EffortError

MIN_FORWARDS = 32


@dataclass(frozen=True)
class StoppingRule:
    """When Score-CAM has run enough: after `limit` forwards, or at an estimated fidelity of `enough` if that is set."""

    limit: int
    target_fidelity: float | None = None

    def ends(self, forwards: int, fidelity: float | None) -> bool:
        """Whether to stop after so many forwards; an estimate from less than `MIN_FORWARDS` of them is not believed."""
        if forwards >= self.limit:
            return True
        return self.target_fidelity is not None and forwards >= MIN_FORWARDS and (fidelity or 0) >= self.target_fidelity

    def runs_every_channel(self, channels: int) -> bool:
        """Whether so many channels will all be run."""
        return self.target_fidelity is None and self.limit >= channels


Effort = Literal["fast", "exact"] | int
NAMED_EFFORTS: dict[Literal["fast", "exact"], StoppingRule | None] = {
    "fast": StoppingRule(limit=320, target_fidelity=0.998),
    "exact": None,
}


def to_rule(effort: Effort) -> StoppingRule | None:
    """When to stop: as "fast" does, after that many forwards, or None for "exact", which runs every channel alive.

    Raises:
        EffortError: if it is none of these.
    """
    if isinstance(effort, str) and effort in NAMED_EFFORTS:
        return NAMED_EFFORTS[effort]
    if isinstance(effort, int) and not isinstance(effort, bool) and effort > 0:
        return StoppingRule(limit=effort)
    raise EffortError(f"there is no effort {effort!r}: choose fast, exact, or a number of forwards, 1 or more")


def read_effort(text: str) -> Effort:
    """The effort that a word or a number means. Raises EffortError if it means none."""
    effort: Effort | str = int(text) if text.isascii() and text.isdigit() else text
    to_rule(effort)  # type: ignore[arg-type]
    return effort  # type: ignore[return-value]
