"""What the report of an archive shows of its photos, gathered in one pass over their records."""

import heapq
import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

from camcore.metrics.bursts import Observations, ObservationsBuilder
from camcore.metrics.counterfactuals import Finding
from camcore.metrics.thresholds import SEVERE
from camcore.report.summary import Record
from camcore.types import Floats

SHOWN = 100  # photos of the index: the worst, and as many at random
SHEET = 500  # photos of a contact sheet, those with the least heat on the target
_IN_FULL = 1000  # records of photos that were explained in full, of which the means are shown
_FAILED = 50  # files that could not be explained, of which the names are shown
_SEED = 0


@dataclass(frozen=True)
class SheetPhoto:
    """A photo on a contact sheet: its small picture, where a click leads, and what is said about it."""

    file: str
    thumbnail: str
    link: str
    species: str
    site: str
    caption: str  # the predicted class
    probability: float
    lift: float | None
    warnings: tuple[str, ...]  # the most severe first
    is_severe: bool


@dataclass
class LargestOf:
    """The entries with the largest keys among all that are added, at most `number` of them."""

    number: int
    _heap: list[tuple[Any, int, Any]] = field(default_factory=list)
    count: int = 0  # of all entries

    def add(self, key: Any, entry: Any) -> None:
        """Add an entry."""
        item = (key, -self.count, entry)
        self.count += 1
        if len(self._heap) < self.number:
            heapq.heappush(self._heap, item)
        elif item > self._heap[0]:
            heapq.heapreplace(self._heap, item)

    def entries(self) -> list[Any]:
        """Return the entries, those with the largest keys first."""
        return [entry for _, _, entry in sorted(self._heap, reverse=True, key=lambda item: item[:2])]


class ArchiveRecords:
    """The photos of an archive, reduced to what its report shows; memory grows by some 60 bytes a photo."""

    def __init__(self, records: Iterable[Record]):
        self._observations = ObservationsBuilder()
        self._lifts, self._probabilities, self._digests = array("f"), array("f"), array("q")
        self._random = Random(_SEED)
        self.total = self.copies = 0
        self.findings: Counter[Finding] = Counter()
        self.states: Counter[str] = Counter()
        self.reduced: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.failed: list[str] = []
        self.unmarked: Counter[str] = Counter()  # photos without a box, by why
        self.worst, self.sample, self.in_full = LargestOf(SHOWN), LargestOf(SHOWN), LargestOf(_IN_FULL)
        self.by_species: dict[str, LargestOf] = defaultdict(lambda: LargestOf(SHEET))
        self.by_site: dict[str, LargestOf] = defaultdict(lambda: LargestOf(SHEET))
        self.target_word = "animal"
        for record in records:
            self.total += 1
            if record["error"] is None:
                self._add(record)
            else:
                self.errors[_reason(record)] += 1
                self.failed = [*self.failed, record["file"]][:_FAILED]

    @property
    def explained(self) -> int:
        """Return the number of photos that were explained."""
        return self.total - self.errors.total()

    def observations(self) -> Observations:
        """Return the photos as columns, for the statistics; of copies of one file, the first counts."""
        columns = self._observations.build()
        digests, first = np.unique(np.frombuffer(self._digests, np.int64), return_index=True)
        self.copies = len(self._digests) - digests.size
        if not self.copies:
            return columns
        return columns.select(np.sort(first))

    def lifts(self) -> Floats:
        """Return the lift of each photo's first map that has one."""
        return np.array(self._lifts, np.float64)

    def probabilities(self) -> Floats:
        """Return the probability of each photo's first choice."""
        return np.array(self._probabilities, np.float64)

    def _add(self, record: Record) -> None:
        photo = sheet_photo(record)
        answers, verdict = record["counterfactuals"], record["verdict"]
        is_marked = answers is not None and answers["marked_by"] == "target"
        finding = answers["finding"] if is_marked else None
        self._observations.add(
            photo.species, photo.site, record["taken_at"], finding=finding, name=verdict["name"], place=verdict["place"]
        )
        self._digests.append(int(record["sha256"][:16], 16) - 2**63)
        if finding is not None:
            self.findings[finding] += 1
        if record["target"]:
            self.target_word = record["target"]["word"]
        else:
            self.unmarked[record["unmarked"] or "outside the view"] += 1
        self.states[verdict["state"]] += 1
        self.reduced[record["view"]["reduced"]] += 1
        self._probabilities.append(photo.probability)
        if photo.lift is not None:
            self._lifts.append(photo.lift)
        suspicion = -photo.lift if photo.lift is not None else float("-inf")
        if verdict["severity"]:
            self.worst.add((verdict["severity"], suspicion), photo)
        self.sample.add(self._random.random(), photo)
        self.by_species[photo.species].add(suspicion, photo)
        self.by_site[photo.site].add(suspicion, photo)
        if record["level"] == "full":
            self.in_full.add(self._random.random(), record)


def _reason(record: Record) -> str:
    """Return why a photo could not be explained, without its path, so that equal reasons are counted together."""
    return re.sub(rf"\S*{re.escape(record['file'])}", "…", record["error"])


def species_of(record: Record) -> str:
    """Return the species that a photo shows by its label, else the name of the predicted class with a question mark."""
    return record["truth"]["title"] or f"{record['predictions'][0]['name']}?"


def sheet_photo(record: Mapping[str, Any]) -> SheetPhoto:
    """Return what a contact sheet shows of the record of an explained photo."""
    first, prediction, verdict = record["explanations"][0], record["predictions"][0], record["verdict"]
    in_full = first["picture"]
    return SheetPhoto(
        file=record["file"],
        thumbnail=record["thumbnail"] or in_full,
        link=in_full.rsplit(".", 2)[0] + ".compare.png" if in_full else record["thumbnail"],
        species=species_of(record),
        site=record.get("site", ""),
        caption=prediction["name"],
        probability=prediction["probability"],
        lift=first["localisation"]["lift"] if first["localisation"] else None,
        warnings=tuple(verdict["warnings"]),
        is_severe=verdict["severity"] >= SEVERE,
    )
