"""Photos by the paths that a file gives them, whatever folder those are relative to."""

import unicodedata
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property


def fold(text: str) -> str:
    """The text as it is compared: without case, and one spelling of letters with accents (macOS has another)."""
    return unicodedata.normalize("NFC", text.casefold())


@dataclass(frozen=True)
class PathMatcher:
    """Paths as a file writes them (absolute, relative to any folder, with backslashes), found for photos of a folder.

    An entry fits a photo if one path ends with the whole components of the other, without regard to case. Of several
    that fit, the very same path wins, then the longest common tail.
    """

    entries: Sequence[str]

    def find(self, file: str) -> str | None:
        """The one entry that fits this photo; None if there is none, or several fit equally well."""
        fitting = self._fitting(file)
        return fitting[0] if len(fitting) == 1 else None

    def pair(self, files: Sequence[str]) -> dict[str, str]:
        """The entry of each of these photos that has one to itself: of photos that share one, the best fit keeps it."""
        return self._settle(files)[0]

    def ambiguous(self, files: Sequence[str]) -> list[str]:
        """The photos that several entries fit equally well, or that share one entry with another photo."""
        unclear = self._settle(files)[1]
        return [file for file in files if file in unclear]

    def unmatched(self, files: Sequence[str]) -> list[str]:
        """The entries that belong to none of these photos."""
        matched = {entry for file in files for entry in self._fitting(file)}
        return [entry for entry in self.entries if entry not in matched]

    @cached_property
    def _by_key(self) -> dict[str, list[str]]:
        entries: dict[str, list[str]] = defaultdict(list)
        for entry in self.entries:
            entries[_key(_components(entry))].append(entry)
        return dict(entries)

    @cached_property
    def _keys(self) -> list[str]:
        return sorted(self._by_key)

    def _fitting(self, file: str) -> list[str]:
        components = _components(file)
        as_long = list(self._ending_with(_key(components))) if components else []
        if as_long:
            return [entry for entry in as_long if _components(entry) == components] or as_long
        tails = (_key(components[start:]) for start in range(1, len(components)))
        return next((self._by_key[tail] for tail in tails if tail in self._by_key), [])

    def _ending_with(self, key: str) -> Iterable[str]:
        for position in range(bisect_left(self._keys, key), len(self._keys)):
            if not self._keys[position].startswith(key):
                return
            yield from self._by_key[self._keys[position]]

    def _settle(self, files: Sequence[str]) -> tuple[dict[str, str], set[str]]:
        unclear: set[str] = set()
        sharing: dict[str, list[str]] = defaultdict(list)
        for file in dict.fromkeys(files):
            fitting = self._fitting(file)
            if len(fitting) == 1:
                sharing[fitting[0]].append(file)
            elif fitting:
                unclear.add(file)
        pairs: dict[str, str] = {}
        for entry, sharers in sharing.items():
            best = max(_fit(file, entry) for file in sharers)
            nearest = [file for file in sharers if _fit(file, entry) == best]
            if len(nearest) == 1:
                pairs[nearest[0]] = entry
            else:
                unclear.update(nearest)
        return pairs, unclear


def _components(path: str) -> list[str]:
    return [part for part in path.replace("\\", "/").split("/") if part not in {"", "."}]


def _key(components: Sequence[str]) -> str:
    """The components from the last to the first, so that paths with one tail are neighbours when sorted."""
    return "".join(f"{fold(part)}/" for part in reversed(components))


def _fit(file: str, entry: str) -> tuple[bool, int]:
    components, others = _components(file), _components(entry)
    return components == others, min(len(components), len(others))
