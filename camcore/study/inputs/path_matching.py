"""Matching of the paths that a file lists to the photos of a folder, whatever folder the paths are relative to."""

import unicodedata
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property


def fold(text: str) -> str:
    """Return the text as it is compared: in lower case, with accented letters in one encoding (macOS uses another)."""
    return unicodedata.normalize("NFC", text.casefold())


@dataclass(frozen=True)
class PathMatcher:
    """Paths as a file lists them: absolute or relative to any folder, with slashes or backslashes.

    An entry fits a photo if one of the two paths ends with all components of the other, regardless of case. If several
    entries fit, an identical path takes precedence, then the longest common end.
    """

    entries: Sequence[str]

    def find(self, file: str) -> str | None:
        """Return the entry that fits a photo, or None if no entry fits or several fit equally well."""
        fitting = self._fitting(file)
        return fitting[0] if len(fitting) == 1 else None

    def pair(self, files: Sequence[str]) -> dict[str, str]:
        """Return the entry of each photo that has its own; the best fit gets an entry that fits several photos."""
        return self._match(files)[0]

    def ambiguous(self, files: Sequence[str]) -> list[str]:
        """Return the photos that several entries fit equally well, or whose entry fits another photo equally well."""
        unclear = self._match(files)[1]
        return [file for file in files if file in unclear]

    def unmatched(self, files: Sequence[str]) -> list[str]:
        """Return the entries that fit none of these photos."""
        matched = {entry for file in files for entry in self._fitting(file)}
        return [entry for entry in self.entries if entry not in matched]

    @cached_property
    def _by_key(self) -> dict[str, list[str]]:
        entries: dict[str, list[str]] = {}
        for entry in self.entries:
            entries.setdefault(_key(_components(entry)), []).append(entry)
        return entries

    @cached_property
    def _keys(self) -> list[str]:
        return sorted(self._by_key)

    def _fitting(self, file: str) -> list[str]:
        """Return the entries that fit a photo best: all of them fit equally well."""
        components = _components(file)
        if components and (as_long := list(self._ending_with(_key(components)))):
            return [entry for entry in as_long if _components(entry) == components] or as_long
        tails = (_key(components[start:]) for start in range(1, len(components)))
        return next((self._by_key[tail] for tail in tails if tail in self._by_key), [])

    def _ending_with(self, key: str) -> Iterable[str]:
        for position in range(bisect_left(self._keys, key), len(self._keys)):
            if not self._keys[position].startswith(key):
                return
            yield from self._by_key[self._keys[position]]

    def _match(self, files: Sequence[str]) -> tuple[dict[str, str], set[str]]:
        unclear: set[str] = set()
        candidates: dict[str, list[str]] = defaultdict(list)
        for file in dict.fromkeys(files):
            fitting = self._fitting(file)
            if len(fitting) == 1:
                candidates[fitting[0]].append(file)
            elif fitting:
                unclear.add(file)
        pairs: dict[str, str] = {}
        for entry, competing in candidates.items():
            best_fit = max(_fit(file, entry) for file in competing)
            best = [file for file in competing if _fit(file, entry) == best_fit]
            if len(best) == 1:
                pairs[best[0]] = entry
            else:
                unclear.update(best)
        return pairs, unclear


def _components(path: str) -> list[str]:
    return [part for part in path.replace("\\", "/").split("/") if part not in {"", "."}]


def _key(components: Sequence[str]) -> str:
    """Return the components from last to first, so that paths with a common end are adjacent when sorted."""
    return "".join(f"{fold(part)}/" for part in reversed(components))


def _fit(file: str, entry: str) -> tuple[bool, int]:
    """Return how well an entry fits: whether the paths are identical, and the length of their common end."""
    file_parts, entry_parts = _components(file), _components(entry)
    return file_parts == entry_parts, min(len(file_parts), len(entry_parts))
