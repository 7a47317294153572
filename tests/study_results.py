"""What a study has written, without the times, which no two runs have in common."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyarrow import parquet

from tests.planted_archive import ArchiveFiles


def command(files: ArchiveFiles, network: Path, out: Path, *more: str) -> list[str]:
    options = ["--boxes", str(files.boxes), "--artifacts", str(network), "--out", str(out)]
    return [sys.executable, "-m", "camcore", "study", str(files.table), *options, "--sample", "6", *more]


def rows(out: Path) -> list[dict[str, Any]]:
    read = parquet.read_table(out / "rows").to_pylist()
    return [{name: value for name, value in row.items() if name != "seconds"} for row in read]


def advice(out: Path) -> list[str]:
    return re.findall(r"<h3>(Look at .* at .*)</h3>", (out / "report.html").read_text(encoding="utf-8"))


def count_lines(out: Path) -> int:
    progress = out / "progress.jsonl"
    return progress.read_bytes().count(b"\n") if progress.is_file() else 0


def figures(out: Path) -> list[str]:
    """Return the lines of the metrics without the last column, the seconds."""
    return [line.rpartition(",")[0] for line in (out / "figures.csv").read_text(encoding="utf-8").splitlines()]


def pages(out: Path) -> dict[str, str]:
    """Return the report and its pages, without dates, seconds and the command."""
    content = {path.name: path.read_text(encoding="utf-8") for path in (out / "report.html", *out.glob("pages/*"))}
    times = re.compile(r"\d[\d.]* m?s\b|python -m camcore study [^<]*|>Seconds<.*?</tr>", re.DOTALL)
    return {name: times.sub("", text) for name, text in content.items()}


def pictures(out: Path) -> Iterator[Path]:
    for path in sorted(out.rglob("*")):
        if path.suffix in {".png", ".jpg"} and not path.name.endswith(".compare.png"):  # which has the seconds
            yield path


def assert_equal_results(out: Path, other: Path) -> None:
    """Assert that two studies have the same results."""
    assert rows(out) == rows(other)
    assert advice(out) == advice(other)
    assert figures(out) == figures(other)
    assert pages(out) == pages(other)
    names = [path.relative_to(other) for path in pictures(other)]
    assert [path.relative_to(out) for path in pictures(out)] == names
    for name in names:
        assert (out / name).read_bytes() == (other / name).read_bytes()
