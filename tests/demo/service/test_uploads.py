"""Uploads: which photos and zips are accepted, and under which names they are copied."""

import re
import stat
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile, ZipInfo

import pytest

from demo.service import uploads
from demo.service.uploads import UploadError, collect


def packed(path: Path, *names: str | ZipInfo, data: bytes = b"x") -> Path:
    with ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, data)
    return path


def unpacked(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def link(name: str) -> ZipInfo:
    info = ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.jpg", "b/c.jpg"], ["a.jpg", "b/c.jpg"]),
        (["trip/lion/a.jpg", "trip/b.jpg"], ["b.jpg", "lion/a.jpg"]),
        (["lion/a.jpg", "lion/b.jpg"], ["lion/a.jpg", "lion/b.jpg"]),
        (["lion\\a.jpg"], ["lion/a.jpg"]),
        (["./a.jpg", "./A.JPG"], ["A-2.JPG", "a.jpg"]),
        (["a.jpg", ".hidden.jpg", "__MACOSX/._a.jpg", ".git/b.jpg", "lion/.DS_Store"], ["a.jpg"]),
        (["a.jpg", "inner.zip", link("b.jpg")], ["a.jpg"]),
        (["wh\x07at?.jpg", "a\u202egpj.jpg"], ["a_gpj.jpg", "wh_at_.jpg"]),
        (["é" * 300 + ".jpg"], ["é" * 58 + ".jpg"]),
        (["/".join(["deep" * 9] * 6) + "/a.jpg"], ["deep" * 9 + "/a.jpg"]),
    ],
)
def test_collect_unpacks_a_zip_under_plain_names(
    names: list[str | ZipInfo], expected: list[str], tmp_path: Path
) -> None:
    collect([packed(tmp_path / "birds.zip", *names)], tmp_path / "photos")
    assert unpacked(tmp_path / "photos") == expected


def test_collect_notes_links_and_inner_zips(tmp_path: Path) -> None:
    notes = collect([packed(tmp_path / "birds.zip", "a.jpg", "b.zip", link("c.jpg"))], tmp_path / "photos")
    assert notes == ["“birds.zip” has 2 links or zips, which are left out."]


def test_collect_keeps_all_photos_of_one_name(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "IMG_1.jpg").write_text(folder)
    again = packed(tmp_path / "birds.zip", "IMG_1.jpg", data=b"three")
    collect([tmp_path / "one" / "IMG_1.jpg", tmp_path / "two" / "IMG_1.jpg", again], tmp_path / "photos")
    contents = [(tmp_path / "photos" / name).read_text() for name in ("IMG_1.jpg", "IMG_1-2.jpg", "IMG_1-3.jpg")]
    assert contents == ["one", "two", "three"]


def locked(path: Path) -> Path:
    """A zip whose one entry says that it needs a password."""
    data = bytearray(packed(path, "a.jpg").read_bytes())
    data[data.index(b"PK\x03\x04") + 6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    return path


def damaged(path: Path) -> Path:
    """A zip with a photo whose bytes are not those that were packed."""
    path.write_bytes(packed(path, "a.jpg", data=b"colours").read_bytes().replace(b"colours", b"colour?"))
    return path


def text_file(path: Path) -> Path:
    path.write_text("words")
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (text_file, "“birds.zip” is damaged, or not a plain zip"),
        (damaged, "“birds.zip” is damaged, or not a plain zip"),
        (locked, "“birds.zip” is protected by a password"),
        (lambda path: packed(path, "../a.jpg"), "“birds.zip” has a path that leads out of it"),
        (lambda path: packed(path, "/etc/a.jpg"), "“birds.zip” has a path that leads out of it"),
        (lambda path: packed(path, "C:\\a.jpg"), "“birds.zip” has a path that leads out of it"),
        (lambda path: packed(path, "a\\..\\..\\b.jpg"), "“birds.zip” has a path that leads out of it"),
        (packed, "None of these files is a photo"),
        (lambda path: packed(path, "notes.txt"), "None of these files is a photo"),
        (
            lambda path: packed(path, *(f"{number}.jpg" for number in range(4))),
            "4 photos are too many: choose at most 3 at a time.",
        ),
        (lambda path: packed(path, *(f"{number}.txt" for number in range(6))), "There are more than 5 files"),
        (lambda path: packed(path, "a.jpg", data=bytes(3_000_000)), "“a.jpg” is larger than 2 MB"),
        (
            lambda path: packed(path, "a.jpg", "b.jpg", "c.jpg", data=bytes(2_000_000)),
            "larger than 4 MB together, unpacked",
        ),
        (lambda path: path, "“birds.zip” is no longer on the server: choose it again."),
    ],
)
def test_collect_refuses_what_cannot_be_used_in_one_sentence(
    make: Callable[[Path], Path], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, limit in (("PHOTOS", 3), ("FILES", 5), ("PHOTO", 2_000_000), ("TOTAL", 4_000_000)):
        monkeypatch.setattr(uploads, f"MAX_{name}", limit)
    with pytest.raises(UploadError, match=re.escape(message)) as raised:
        collect([make(tmp_path / "birds.zip")], tmp_path / "photos")
    assert str(raised.value).count(". ") == 0
    assert not (tmp_path / "a.jpg").exists()
