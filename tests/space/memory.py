"""Memory of a process and of those it has started, from /proc."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Memory:
    """In GB of 10^9 bytes: resident now, and each process's largest so far."""

    resident: float
    peak: float


def weigh(pid: int) -> Memory:
    """Memory of a process and its descendants together; pages that they share count for each."""
    fields = [_status(member) for member in _family(pid)]
    resident, peak = (sum(field[name] for field in fields) * 1024 / 1e9 for name in ("VmRSS", "VmHWM"))
    return Memory(resident, peak)


def _family(pid: int) -> list[int]:
    """A process and its descendants."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    family = [pid]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    return family


def _status(pid: int) -> dict[str, int]:
    """The kilobytes that /proc tells of a process; zeros if it has ended."""
    sizes = {"VmRSS": 0, "VmHWM": 0}
    with suppress(OSError):
        pairs = (line.partition(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        sizes |= {name: int(value.split()[0]) for name, _, value in pairs if name in sizes}
    return sizes
