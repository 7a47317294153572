"""From a subfolder, or a row of a table, to what a photo shows."""

from pathlib import Path

import pytest

from camcore.errors import StudyError
from camcore.study.inputs.path_matching import PathMatcher
from camcore.study.inputs.species import (
    BUILT_IN,
    GroundTruth,
    Species,
    class_of,
    read_species,
    read_truth,
    truth_of_subfolder,
    unknown_species,
)
from export.labels import imagenet_labels

# ImageNet's names, with the doublet "crane" as most lists have it.
LABELS = tuple({134: "crane", 517: "crane"}.get(index, label) for index, label in enumerate(imagenet_labels()))
OWN = ("himbul", "Rock_Thrush", "aquila-fasciata", "Crane")
NEAREST = "no class is named 'bulbull': the nearest are bulbul"


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "table.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def species_refusal(folder: Path, text: str | bytes) -> str:
    path = write(folder, text)
    with pytest.raises(StudyError) as caught:
        read_species(path)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(str(path))


def truth_refusal(folder: Path, text: str | bytes, labels: tuple[str, ...] = LABELS) -> str:
    path = write(folder, text)
    with pytest.raises(StudyError) as caught:
        read_truth(path, read_species(), labels)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(str(path))


def test_the_built_in_species() -> None:
    assert read_species() == BUILT_IN
    names = [(each.common_name, each.scientific_name, class_of(each, LABELS)) for each in BUILT_IN.values()]
    assert names == [
        ("Bonelli's Eagle", "Aquila fasciata", None),
        ("Chestnut-bellied Rock Thrush", "Monticola rufiventris", None),
        ("Himalayan Bulbul", "Pycnonotus leucogenys", 16),
    ]


def test_a_table_adds_species_and_wins_over_the_built_in(tmp_path: Path) -> None:
    text = (
        "\ufeffSpecies, common_name ,scientific_name,class\r\n"
        'HIMBUL,"Bulbul, Himalayan",,16\r\n'
        "\r\n"
        ",,,\r\n"
        "grefla, Greater Flamingo ,Phoenicopterus roseus,flamingo\r\n"
        "short\r\n"
    )
    assert read_species(write(tmp_path, text)) == {
        **BUILT_IN,
        "himbul": Species("HIMBUL", "Bulbul, Himalayan", "", "16"),
        "grefla": Species("grefla", "Greater Flamingo", "Phoenicopterus roseus", "flamingo"),
        "short": Species("short"),
    }


@pytest.mark.parametrize(("text", "code"), [("species\ncoot\n", "coot"), ("class,species,\n137,coot,\n", "coot")])
def test_only_the_code_is_needed(tmp_path: Path, text: str, code: str) -> None:
    assert class_of(read_species(write(tmp_path, text))[code], ("coot", *LABELS[1:])) in {0, 137}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ", line 1: the columns are none: name species, separated by commas"),
        ("code,class\na,1\n", ", line 1: the columns are code, class: name species, separated by commas"),
        ("species;class\na;1\n", ", line 1: the columns are species;class: name species, separated by commas"),
        (
            "species,klass\na,1\n",
            ", line 1: there is no use for the column 'klass': use species, common_name, scientific_name, class",
        ),
        ("species,class,Class\na,1,2\n", ", line 1: the column 'class' is there twice: keep one"),
        ("species\nhimbul\ncoot\nHimBul\n", ", line 4: the species 'HimBul' is on line 2 already: keep one"),
        ("species,class\n,16\n", ", line 2: the species is missing: name it"),
        (
            "species,common_name\nhimbul,Bulbul, Himalayan\n",
            ", line 2: there are more values than columns: put a value that has a comma in double quotes",
        ),
        (
            'species\n"himbul\ncoot\n',
            ", line 3: this is no CSV (unexpected end of data): save it as one again",
        ),
        (b"species\nh\xfchn\n", " is not UTF-8 text: save it as a CSV in UTF-8"),
        ("species\ncoot\n".encode("utf-16"), " is not UTF-8 text: save it as a CSV in UTF-8"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert species_refusal(tmp_path, text) == said


def test_a_table_that_is_not_there_or_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(StudyError) as caught:
        read_species(tmp_path / "none.csv")
    assert str(caught.value) == f"there is no file {tmp_path / 'none.csv'}: name a CSV"
    with pytest.raises(StudyError, match=r"cannot be read \(Is a directory\): name a CSV$"):
        read_truth(tmp_path, {}, LABELS)


@pytest.mark.parametrize(
    ("species", "class_idx"),
    [
        (BUILT_IN["himbul"], 0),  # its "bulbul" is not among them
        (BUILT_IN["bonegl"], 2),  # by its scientific name
        (BUILT_IN["cbrtsh"], None),
        (Species("x", "rock thrush"), 1),
        (Species("ROCK-THRUSH"), 1),
        (Species("x", class_name="3"), 3),
        (Species("x", class_name="3.0"), 3),
        (Species("x", class_name=" crane "), 3),
        (Species("himbul", "rock thrush"), 0),  # the code comes first
    ],
)
def test_the_class_of_a_species_in_a_model_of_ones_own(species: Species, class_idx: int | None) -> None:
    assert class_of(species, OWN) == class_idx


@pytest.mark.parametrize(
    ("species", "said"),
    [
        (Species("himbul", class_name="bulbull"), f"the species himbul: {NEAREST}"),
        (Species("x", class_name="1000"), "the species x: class 1000 is out of range: this model has classes 0 to 999"),
        (
            Species("x", class_name="crane"),
            "the species x: several classes are named 'crane': give an index instead, 134 or 517",
        ),
        (Species("x", "Crane"), "the species x: several classes are named 'Crane': give it a class, 134 or 517"),
    ],
)
def test_a_class_that_the_model_does_not_have_is_refused_with_the_species(species: Species, said: str) -> None:
    for ask in (
        lambda: class_of(species, LABELS),
        lambda: truth_of_subfolder(species.code, {species.code: species}, LABELS),
    ):
        with pytest.raises(StudyError) as caught:
            ask()
        assert str(caught.value).startswith(said)


def test_one_spelling_among_labels_that_differ_by_case() -> None:
    assert class_of(Species("cardigan"), LABELS) == 474
    assert class_of(Species("Cardigan"), LABELS) == 264


@pytest.mark.parametrize(
    ("code", "class_idx", "told", "title"),
    [
        ("himbul", 16, True, "Himalayan Bulbul"),
        ("HimBul", 16, True, "Himalayan Bulbul"),
        ("bonegl", None, True, "Bonelli's Eagle"),
        ("bald_eagle", 22, True, "bald eagle"),
        ("Bald-Eagle", 22, True, "bald eagle"),
        ("crane", None, False, ""),
        ("16", None, False, ""),
        ("holiday", None, False, ""),
        ("", None, False, ""),
    ],
)
def test_what_a_subfolder_tells(code: str, class_idx: int | None, told: bool, title: str) -> None:
    truth = truth_of_subfolder(code, read_species(), LABELS)
    assert (truth.class_idx, truth.told, truth.title) == (class_idx, told, title)
    assert truth.species == BUILT_IN.get(code.casefold())
    assert unknown_species([code, "himbul", code], read_species(), LABELS) == ([code] if code and not told else [])


@pytest.mark.parametrize(
    ("truth", "title"),
    [
        (GroundTruth(Species("a", "b", "c"), 1, True, "d"), "b"),
        (GroundTruth(Species("a", "", "c"), 1, True, "d"), "c"),
        (GroundTruth(Species("a"), 1, True, "d"), "d"),
        (GroundTruth(Species("a"), None, True), "a"),
        (GroundTruth(None, 1, True, "d"), "d"),
        (GroundTruth(), ""),
    ],
)
def test_the_title_is_the_first_name_there_is(truth: GroundTruth, title: str) -> None:
    assert truth.title == title


BULBUL = GroundTruth(None, 16, True, "bulbul")
HIMBUL = GroundTruth(BUILT_IN["himbul"], 16, True, "bulbul")
BONEGL = GroundTruth(BUILT_IN["bonegl"], None, True)


@pytest.mark.parametrize(
    ("header", "row", "truth"),
    [
        ("file,class", "a.jpg,Bulbul", BULBUL),
        ("file,class", "a.jpg,16", BULBUL),
        ("class_idx,file", "16,a.jpg", BULBUL),
        ("file,class_idx", "a.jpg,16.0", BULBUL),
        ("file,imagenet_index,x_min,y_min,x_max,y_max", "a.jpg,16,0.1,0.2,0.8,1.0", BULBUL),
        ("file,imagenet_index,x_min,y_min,x_max,y_max", "a.jpg,16,,,,", BULBUL),
        ("\ufeffFile, Class ", " a.jpg , bulbul ", BULBUL),
        ("file,species", "a.jpg,HIMBUL", HIMBUL),
        ("file,species", "a.jpg,bonegl", BONEGL),
        ("file,species", "a.jpg,bald_eagle", GroundTruth(None, 22, True, "bald eagle")),
        ("file,species,class", "a.jpg,bonegl,bald eagle", GroundTruth(BUILT_IN["bonegl"], 22, True, "bald eagle")),
        ("file,species,class", "a.jpg,a bird,bulbul", BULBUL),
        ("file,species,class", "a.jpg,bonegl,", BONEGL),
        ("file,class,imagenet_index", "a.jpg,,16", BULBUL),
        ("file,class", "a.jpg,", GroundTruth()),
        ("file,class", "a.jpg", GroundTruth()),
        ("file,notes,notes,class", "a.jpg,x,y,bulbul", BULBUL),
    ],
)
def test_what_a_row_tells(tmp_path: Path, header: str, row: str, truth: GroundTruth) -> None:
    assert read_truth(write(tmp_path, f"{header}\n{row}\n"), read_species(), LABELS) == {"a.jpg": truth}


def test_rows_are_found_for_photos_by_their_tails(tmp_path: Path) -> None:
    text = "file,species\nC:\\Study\\himbul\\1.JPG,himbul\n2.jpg,bonegl\nhimbul/1.jpg,bonegl\n"
    truths = read_truth(write(tmp_path, text), read_species(), LABELS)
    assert truths == {"C:/Study/himbul/1.JPG": HIMBUL, "2.jpg": BONEGL, "himbul/1.jpg": BONEGL}
    files = ["himbul/1.jpg", "himbul/1.JPG", "bonegl/2.jpg", "3.jpg"]
    assert [PathMatcher(tuple(truths)).find(file) for file in files] == ["himbul/1.jpg", None, "2.jpg", None]


def test_a_file_with_a_row_for_each_box_may_repeat_what_it_tells(tmp_path: Path) -> None:
    text = "file,imagenet_index,x_min\na.jpg,16,0.1\na.jpg,16,0.6\n"
    assert read_truth(write(tmp_path, text), {}, LABELS) == {"a.jpg": BULBUL}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "photo,class\na.jpg,16\n",
            ", line 1: the columns are photo, class: "
            "name file and one of class, class_idx, imagenet_index, species, separated by commas",
        ),
        (
            "file,label\na.jpg,16\n",
            ", line 1: the columns are file, label: "
            "name file and one of class, class_idx, imagenet_index, species, separated by commas",
        ),
        ("file,class,class\na.jpg,1,2\n", ", line 1: the column 'class' is there twice: keep one"),
        ("file,class\n,16\n", ", line 2: the file is missing: name it"),
        ("file,class\na.jpg,16\nb.jpg,bulbull\n", f", line 3, b.jpg: {NEAREST}"),
        (
            "file,class_idx\na.jpg,1000\n",
            ", line 2, a.jpg: class 1000 is out of range: this model has classes 0 to 999",
        ),
        ("file,class_idx\na.jpg,16.5\n", ", line 2, a.jpg: no class is named '16.5'"),
        (
            "file,species\na.jpg,hawk99\n",
            ", line 2, a.jpg: no species is 'hawk99': add it to the table of species, "
            "which has bonegl, cbrtsh, himbul, or give a class",
        ),
        (
            "file,class\na.jpg,16\nb.jpg,1\na.jpg,17\n",
            ", line 4: a.jpg is something else on line 2: keep one",
        ),
    ],
)
def test_a_row_that_cannot_be_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    assert truth_refusal(tmp_path, text).startswith(said)


def test_imagenet_indices_are_not_read_for_another_model(tmp_path: Path) -> None:
    assert truth_refusal(tmp_path, "file,imagenet_index\na.jpg,1\n", OWN) == (
        ", line 2, a.jpg: this model has 4 classes, not ImageNet's 1,000: give a column class instead"
    )
