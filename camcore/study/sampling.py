"""The photos of an archive that are explained in full: the most suspicious ones, and a random sample."""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping
from hashlib import sha256
from itertools import count
from typing import Any

EVERYTHING = 1000  # photos, up to which all are explained in full


def choose_photos(records: Iterable[Mapping[str, Any]], number: int, seed: int = 0) -> list[str]:
    """Return the files of at most `number` photos to explain in full, from the records of their screening.

    Half of them are the most suspicious: with the most severe warnings, and of these those with the least heat on the
    animal. The others are random, as many of each species at each site as far as there are that many, and the same for
    the same `seed` whatever the order of the photos. Photos that could not be explained are left out.
    """
    suspicious: list[tuple[float, float, str]] = []
    strata: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
    for record in records:
        if record["error"] is None:
            _keep(suspicious, (*_suspicion(record), record["file"]), number)
            key = record["truth"]["title"] or record["predictions"][0]["name"], record["site"]
            _keep(strata[key], (_draw(record["file"], seed), record["file"]), number)
    ordered = [file for severity, _, file in sorted(suspicious, reverse=True) if severity > 0]
    chosen = dict.fromkeys(ordered[: number // 2])
    ranks = sorted(
        (rank, *entry) for entries in strata.values() for rank, entry in zip(count(), sorted(entries, reverse=True))
    )
    for _, _, file in ranks:
        if len(chosen) >= number:
            break
        chosen.setdefault(file)
    return list(chosen)


def _keep(heap: list[Any], entry: Any, number: int) -> None:
    """Add an entry to the `number` largest."""
    if len(heap) < number:
        heapq.heappush(heap, entry)
    else:
        heapq.heappushpop(heap, entry)


def _suspicion(record: Mapping[str, Any]) -> tuple[float, float]:
    """Return how suspicious a photo is: its severity, and minus the lift of its first map."""
    localisation = record["explanations"][0]["localisation"]
    return record["verdict"]["severity"], -localisation["lift"] if localisation else float("-inf")


def _draw(file: str, seed: int) -> float:
    """Return a random number in [0, 1) that depends on the file and the seed only."""
    return int.from_bytes(sha256(f"{seed}:{file}".encode(errors="surrogateescape")).digest()[:8]) / 2**64
