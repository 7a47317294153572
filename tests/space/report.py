"""The figures of a rehearsal, against what was asked."""

from dataclasses import dataclass
from statistics import median

from tests.bench.machine import describe_machine
from tests.space.memory import Memory

MAX_START = 60.0  # seconds
MAX_MEMORY = 2.0  # GB of 10^9 bytes
EARLY = 10  # explanations after which the memory is looked at first


@dataclass(frozen=True)
class Figures:
    """What was measured, in seconds: from the cold start to the `page` and to the `first` explanation, and `again` with
    the artefacts there; each further explanation; from SIGTERM to the `end`. The server's memory is looked at `early`
    among those explanations and `late`, after the last. `load` is the machine's average before.
    """

    page: float
    first: float
    again: float
    explanations: tuple[float, ...]
    early: Memory
    late: Memory
    end: float
    load: float


def draw_report(figures: Figures) -> str:
    """A line about the machine, then the figures as a Markdown table."""
    count = len(figures.explanations)
    rows = [
        ("figure", "found", "asked"),
        ("---", "---:", "---"),
        ("cold start with weights cached, until the page answers", f"{figures.page:.1f} s", ""),
        ("… until the first explanation is there", f"{figures.first:.1f} s", _at_most(MAX_START, figures.first, "s")),
        ("… the same with the artefacts there", f"{figures.again:.1f} s", ""),
        (f"one explanation, median of {count}", f"{median(figures.explanations):.2f} s", ""),
        ("… the slowest", f"{max(figures.explanations):.2f} s", ""),
        (f"memory of the server after {EARLY} explanations", f"{figures.early.resident:.2f} GB", ""),
        (
            f"… after {count}",
            f"{figures.late.resident:.2f} GB",
            _at_most(MAX_MEMORY, figures.late.resident, "GB"),
        ),
        ("… its largest, while exporting", f"{figures.late.peak:.2f} GB", ""),
        ("from SIGTERM to its end", f"{figures.end:.1f} s", ""),
    ]
    return "\n".join([_preamble(figures), "", *(f"| {' | '.join(row)} |" for row in rows)])


def missed(figures: Figures, *, timed: bool) -> str | None:
    """A sentence about the limits that were missed, if any; about the time only where it is `timed`."""
    faults = []
    if timed and figures.first > MAX_START:
        faults.append(f"the first answer took {figures.first:.1f} s, more than {MAX_START:.0f}")
    if figures.late.resident > MAX_MEMORY:
        faults.append(f"the server holds {figures.late.resident:.2f} GB, more than {MAX_MEMORY:.0f}")
    return "; ".join(faults) or None


def _preamble(figures: Figures) -> str:
    return f"{describe_machine()}, load average {figures.load:.1f} before."


def _at_most(limit: float, value: float, unit: str) -> str:
    return f"at most {limit:.0f} {unit} ({'met' if value <= limit else 'missed'})"
