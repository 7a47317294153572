"""Dictionaries on disk behave like others, and take no memory."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camcore.drawing.output import save_parts
from camcore.errors import OutputError
from camcore.study.disk_mapping import DiskLists, DiskMapping
from tests.test_boundaries import ROOT

KEYS = st.text(st.characters(codec=None), max_size=2)


@given(st.lists(st.tuples(st.sampled_from(["set", "add", "delete"]), KEYS, st.integers())))
def test_it_behaves_like_a_dictionary(steps: list[tuple[str, str, int]]) -> None:
    expected: dict[str, int] = {}
    mapping: DiskMapping[int] = DiskMapping()
    for action, key, value in steps:
        if action == "set":
            expected[key] = mapping[key] = value
        elif action == "add":
            assert mapping.add(key, value) == (key not in expected)
            expected.setdefault(key, value)
        else:
            assert mapping.pop(key, None) == expected.pop(key, None)
    assert list(mapping.items()) == list(expected.items())
    assert (list(mapping), list(mapping.values()), len(mapping)) == ([*expected], [*expected.values()], len(expected))
    assert mapping == expected
    assert all(key in mapping and mapping[key] == value for key, value in expected.items())


def test_other_keys_can_be_read_and_added_while_it_is_iterated_over() -> None:
    mapping = DiskMapping((str(number), number) for number in range(1000))
    keys = []
    for key in mapping:
        keys.append(key)
        assert mapping["7"] == 7
        if len(mapping) < 1500:
            mapping[f"more {key}"] = 0
    assert keys[:1000] == [str(number) for number in range(1000)]
    assert len(keys) == len(set(keys)) == len(mapping) == 1500


def test_a_missing_key_is_a_key_error() -> None:
    mapping: DiskMapping[int] = DiskMapping()
    with pytest.raises(KeyError):
        mapping["a"]
    with pytest.raises(KeyError):
        del mapping["a"]
    assert 7 not in mapping


def test_lists_are_extended_one_value_at_a_time() -> None:
    lists: DiskLists[Any] = DiskLists()
    for number in range(5):
        lists.add("odd" if number % 2 else "even", number)
    assert (lists.of("odd"), lists.of("even"), lists.of("none")) == ([1, 3], [0, 2, 4], [])


def test_a_full_disk_is_one_sentence_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path / "missing"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    mapping: DiskMapping[str] = DiskMapping()
    mapping._database.rows("PRAGMA max_page_count = 8")
    with pytest.raises(OutputError) as caught:
        mapping.update((str(number), "x" * 1000) for number in range(100))
    assert str(caught.value) == (
        f"temporary files cannot be written into {tmp_path} (database or disk is full): free some space, or set TMPDIR "
        "to a folder on a disk with more space"
    )


def test_a_full_disk_of_temporary_files_is_not_said_to_be_that_of_the_results(tmp_path: Path) -> None:
    mapping: DiskMapping[str] = DiskMapping()
    mapping._database.rows("PRAGMA max_page_count = 8")

    def parts() -> Iterator[bytes]:
        yield b"first"
        mapping.update((str(number), "x" * 1000) for number in range(100))

    with pytest.raises(OutputError, match=r"^temporary files cannot be written into .*TMPDIR") as caught:
        save_parts(tmp_path / "report.html", parts())
    assert "--out" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


FILL = """
from camcore.study.disk_mapping import DiskMapping
def memory():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1])
DiskMapping({"a": 1}.items())
before = memory()
mapping = DiskMapping((f"site{number // 1000}/IMG_{number:06}.JPG", (number, "a")) for number in range(200_000))
assert sum(number for number, _ in mapping.values()) == 199_999 * 100_000
print(memory() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_two_hundred_thousand_entries_take_less_than_three_megabytes() -> None:
    done = subprocess.run([sys.executable, "-c", FILL], capture_output=True, text=True, check=True, cwd=ROOT)
    assert int(done.stdout) < 3000
