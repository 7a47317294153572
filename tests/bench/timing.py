"""Timing pieces of work in turns, so that a machine that changes its pace changes it for all of them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

Name = TypeVar("Name")


@dataclass(frozen=True)
class Sample:
    """One run: wall-clock seconds, and how many cores it kept busy; few tell of a crowded machine."""

    seconds: float
    cores: float


def timed(work: Callable[[], object]) -> Sample:
    """Run `work` once."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    seconds = time.perf_counter() - wall
    return Sample(seconds, (time.process_time() - processor) / seconds)


def in_turns(works: Mapping[Name, Callable[[], object]], rounds: int) -> dict[Name, list[Sample]]:
    """Run every work once a round, one after the other. A round before the first warms up and is not counted."""
    for work in works.values():
        work()
    turns = [{name: timed(work) for name, work in works.items()} for _ in range(rounds)]
    return {name: [turn[name] for turn in turns] for name in works}
