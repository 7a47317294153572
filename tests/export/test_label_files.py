"""Files of class names: each layout that people have is read as what it is, or refused in one sentence."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.errors import LabelsError
from export.label_files import MAX_BYTES, read_label_file

BIRDS = ("eagle", "kite", "owl")


def read(folder: Path, content: str | bytes, name: str = "labels.txt") -> tuple[str, ...]:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_label_file(path)


@pytest.mark.parametrize(
    "content",
    [
        "eagle\nkite\nowl",
        "eagle\rkite\rowl\r",
        "\ufeffeagle\r\nkite\r\nowl\r\n",
        "2 owl\n0 eagle\n1 kite",
        "1 eagle\n2 kite\n3 owl",
        "0: eagle\n1: kite\n2: owl",
        "0,eagle\n1,kite\n2,owl",
        '0,"eagle"\n1,"kite"\n2,"owl"',
        "0\teagle\n1\tkite\n2\towl",
        "1. eagle\n2. kite\n3. owl",
        "kite: 1\nowl: 2\neagle: 0",
        "owl,2\neagle,0\nkite,1",
        "index,name\n1,kite\n0,eagle\n2,owl",
        "id;label;wnid\n1;kite;n01\n0;eagle;n00\n2;owl;n02",
        "class_name\tscientific\neagle\tAquila\nkite\tMilvus\nowl\tStrix",
        "Nummer;Vogel\n0;eagle\n1;kite\n2;owl",
        "n01614925 eagle\nn01608432 kite\nn01621127 owl",
    ],
)
def test_text_and_csv(content: str, tmp_path: Path) -> None:
    assert read(tmp_path, content) == BIRDS


@pytest.mark.parametrize(
    "content",
    [
        ["eagle", "kite", "owl"],
        {"1": "kite", "0": "eagle", "2": "owl"},
        {"owl": 2, "kite": 1, "eagle": 0},
        {"0": ["n00", "eagle"], "1": ["n01", "kite"], "2": ["n02", "owl"]},
        {"id2label": {"0": "eagle", "1": "kite", "2": "owl"}, "label2id": {"eagle": 0, "kite": 1, "owl": 2}},
        {"class_to_idx": {"owl": 2, "kite": 1, "eagle": 0}},
        {"info": {}, "categories": [{"id": 2, "name": "kite"}, {"id": 1, "name": "eagle"}, {"id": 3, "name": "owl"}]},
        [[2, "owl"], [0, "eagle"], [1, "kite"]],
    ],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_json(content: object, indent: int | None, tmp_path: Path) -> None:
    assert read(tmp_path, json.dumps(content, indent=indent), "labels.json") == BIRDS
    assert read(tmp_path, json.dumps(content, indent=indent)) == BIRDS  # whatever its suffix


def test_a_table_of_names_alone_may_have_a_header(tmp_path: Path) -> None:
    assert read(tmp_path, "name\neagle\nkite\nowl\n", "labels.csv") == BIRDS
    assert read(tmp_path, "label\neagle\n") == ("label", "eagle")  # a text file has none


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("class 0\nclass 1", ("class 0", "class 1")),
        ("001.Black_footed_Albatross\n002.Laysan_Albatross", ("001.Black_footed_Albatross", "002.Laysan_Albatross")),
        ("1 euro\n2 euro", ("1 euro", "2 euro")),
        ("tench, Tinca tinca\ncrane, bird", ("tench, Tinca tinca", "crane, bird")),
        ("1 001.Black_footed\n2 002.Laysan", ("001.Black_footed", "002.Laysan")),
        ("134 crane\n0 tench\n", None),
    ],
)
def test_numbers_that_belong_to_the_names_stay(content: str, names: tuple[str, ...] | None, tmp_path: Path) -> None:
    if names is None:
        with pytest.raises(LabelsError, match="has no class 1"):
            read(tmp_path, content)
    else:
        assert read(tmp_path, content) == names


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("0 eagle\n2 owl", "numbers its classes, but has no class 1: number every class once"),
        ("0 eagle\n0 owl", "numbers its classes, but has class 0 more than once"),
        ("0 eagle\nkite\n2 owl", "has numbered lines, but line 2 has no number"),
        ("index,name\n0,eagle,kite", "has 3 values on line 2, for 2 columns"),
        ("index,name\nzero,eagle", 'has "zero" where the number of a class is needed'),
        ('{"0": "eagle"', "looks like JSON, but is damaged"),
        ('{"0": {"wnid": "n00"}}', "has an entry without a class name"),
        ('{"eagle": 1, "kite": 5}', "has no class 2"),
        ('[["eagle", 1, 2]]', "where the number of a class is needed"),
        ("eagle\n".encode("utf-16"), "cannot be read as UTF-8"),
        ("names:\n  0: eagle\n  1: kite\n", "begins with 'names:', as YAML, XML or a label map does"),
        ("nc: 2\nnames: [eagle, kite]\n", "begins with 'nc:'"),
        ("item {\n id: 1\n name: 'eagle'\n}\n", "begins with 'item {'"),
        ("<html>\n<p>Log in</p>\n", "begins with '<h'"),
        (b"x" * (MAX_BYTES + 1), "has 2 MB, too much for class names"),
    ],
)
def test_what_is_wrong_is_one_sentence(content: str | bytes, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(LabelsError) as refusal:
        read(tmp_path, content)
    assert sentence in str(refusal.value)
    assert str(tmp_path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


LINES = st.lists(st.text('0123456789 ab,;:\t."n{[', max_size=20)).map("\n".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("0123456789ab", max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("0123ab", max_size=4), inner, max_size=4),
).map(json.dumps)


@settings(max_examples=150, deadline=None)
@given(content=LINES | JSON | st.binary(max_size=200))
def test_any_content_gives_names_or_one_sentence(
    content: str | bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    names: tuple[str, ...] = ()
    sentence = ""
    try:
        names = read(tmp_path_factory.getbasetemp(), content, "fuzzed.txt")
    except LabelsError as error:
        sentence = str(error)
    assert "\n" not in sentence
    assert all(isinstance(name, str) for name in names)


@pytest.mark.parametrize("unit", ["0 a\n", "[", '"', " ", "a: 1\n"])
def test_the_largest_file_is_read_or_refused_quickly(unit: str, tmp_path: Path) -> None:
    start, sentence = time.process_time(), ""
    try:
        read(tmp_path, unit * (MAX_BYTES // len(unit)))
    except LabelsError as error:
        sentence = str(error)
    assert len(sentence) < 500
    assert time.process_time() - start < 4  # 1 second on a quiet machine
