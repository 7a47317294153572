"""True classes of photos, from their subfolder or a row of a table."""

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
)
from export.labels import imagenet_labels

# ImageNet's names, with the doublet "crane" as most lists have it.
LABELS = tuple({134: "crane", 517: "crane"}.get(index, label) for index, label in enumerate(imagenet_labels()))
OWN = ("himbul", "Rock_Thrush", "aquila-fasciata", "Crane")
NEAREST = "no class is named 'bulbull': the nearest are bulbul"
NEEDED = "file and one of class, class_idx, imagenet_index, species"
ADD = "add what is missing, and separate the columns by commas"


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
    names = [(bird.common_name, bird.scientific_name, class_of(bird, LABELS)) for bird in BUILT_IN.values()]
    assert names == [
        ("Bonelli's Eagle", "Aquila fasciata", None),
        ("Chestnut-bellied Rock Thrush", "Monticola rufiventris", None),
        ("Himalayan Bulbul", "Pycnonotus leucogenys", 16),
    ]


def test_a_table_adds_species_and_replaces_built_in_ones(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("separator", [";", "\t"])
def test_semicolons_and_tabs_separate_columns_too(separator: str, tmp_path: Path) -> None:
    text = "species,class\ncoot,5\n".replace(",", separator)
    assert read_species(write(tmp_path, text))["coot"] == Species("coot", class_name="5")
    assert read_species(write(tmp_path, f"sep={separator}\n{text}"))["coot"] == Species("coot", class_name="5")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", f", line 1: the columns are none, but the table needs species: {ADD}"),
        ("code,class\na,1\n", f", line 1: the columns are code, class, but the table needs species: {ADD}"),
        ("species|class\na|1\n", f", line 1: the columns are species|class, but the table needs species: {ADD}"),
        (
            "species,klass\na,1\n",
            ", line 1: the column 'klass' is unknown: use species, common_name, scientific_name, class",
        ),
        ("species,class,Class\na,1,2\n", ", line 1: there is more than one column 'class': keep one"),
        ("species\nhimbul\ncoot\nHimBul\n", ", line 4: the species 'HimBul' is also on line 2: keep one"),
        ("species,class\n,16\n", ", line 2: the column species is empty: fill it in"),
        (
            "species,common_name\nhimbul,Bulbul, Himalayan\n",
            ", line 2: this row has more values than there are columns: "
            "put values that contain a comma in double quotes",
        ),
        (
            'species\n"himbul\ncoot\n',
            ", line 3: this is not valid CSV (unexpected end of data): save the table as CSV again",
        ),
        (b"species\nh\xfchn\n", " is not UTF-8 text: save the table as CSV in UTF-8"),
        ("species\ncoot\n".encode("utf-16"), " is not UTF-8 text: save the table as CSV in UTF-8"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path: Path, text: str | bytes, problem: str) -> None:
    assert species_refusal(tmp_path, text) == problem


def test_a_missing_table_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError) as caught:
        read_species(tmp_path / "none.csv")
    assert str(caught.value) == f"there is no file {tmp_path / 'none.csv'}: give the path of a CSV file"
    with pytest.raises(StudyError, match=r"cannot be read \(Is a directory\): give the path of a CSV file$"):
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
def test_the_class_of_a_species_in_another_model(species: Species, class_idx: int | None) -> None:
    assert class_of(species, OWN) == class_idx


@pytest.mark.parametrize(
    ("species", "problem"),
    [
        (Species("himbul", class_name="bulbull"), f"the species himbul: {NEAREST}"),
        (Species("x", class_name="1000"), "the species x: class 1000 is out of range: this model has classes 0 to 999"),
        (
            Species("x", class_name="crane"),
            "the species x: several classes are named 'crane': give an index instead, 134 or 517",
        ),
        (
            Species("x", "Crane"),
            "the species x: several classes are named 'Crane': give its class as an index, 134 or 517",
        ),
    ],
)
def test_a_class_that_the_model_does_not_have_is_refused_with_the_species(species: Species, problem: str) -> None:
    for find in (
        lambda: class_of(species, LABELS),
        lambda: truth_of_subfolder(species.code, {species.code: species}, LABELS),
    ):
        with pytest.raises(StudyError) as caught:
            find()
        assert str(caught.value).startswith(problem)


def test_one_spelling_among_labels_that_differ_by_case() -> None:
    assert class_of(Species("cardigan"), LABELS) == 474
    assert class_of(Species("Cardigan"), LABELS) == 264


@pytest.mark.parametrize(
    ("code", "class_idx", "is_known", "title"),
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
def test_the_true_class_of_a_subfolder(code: str, class_idx: int | None, is_known: bool, title: str) -> None:
    truth = truth_of_subfolder(code, read_species(), LABELS)
    assert (truth.class_idx, truth.is_known, truth.title) == (class_idx, is_known, title)
    assert truth.species == BUILT_IN.get(code.casefold())


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
def test_the_title_is_the_first_available_name(truth: GroundTruth, title: str) -> None:
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
def test_the_true_class_of_a_row(tmp_path: Path, header: str, row: str, truth: GroundTruth) -> None:
    assert read_truth(write(tmp_path, f"{header}\n{row}\n"), read_species(), LABELS) == {"a.jpg": truth}


def test_rows_are_matched_with_photos_by_the_end_of_their_paths(tmp_path: Path) -> None:
    text = "file,species\nC:\\Study\\himbul\\1.JPG,himbul\n2.jpg,bonegl\nhimbul/1.jpg,bonegl\n"
    truths = read_truth(write(tmp_path, text), read_species(), LABELS)
    assert truths == {"C:/Study/himbul/1.JPG": HIMBUL, "2.jpg": BONEGL, "himbul/1.jpg": BONEGL}
    files = ["himbul/1.jpg", "himbul/1.JPG", "bonegl/2.jpg", "3.jpg"]
    assert [PathMatcher(tuple(truths)).find(file) for file in files] == ["himbul/1.jpg", None, "2.jpg", None]


def test_a_file_with_one_row_per_box_may_repeat_a_class(tmp_path: Path) -> None:
    text = "file,imagenet_index,x_min\na.jpg,16,0.1\na.jpg,16,0.6\n"
    assert read_truth(write(tmp_path, text), {}, LABELS) == {"a.jpg": BULBUL}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "photo,class\na.jpg,16\n",
            f", line 1: the columns are photo, class, but the table needs {NEEDED}: {ADD}",
        ),
        (
            "file,label\na.jpg,16\n",
            f", line 1: the columns are file, label, but the table needs {NEEDED}: {ADD}",
        ),
        ("file,class,class\na.jpg,1,2\n", ", line 1: there is more than one column 'class': keep one"),
        ("file,class\n,16\n", ", line 2: the column file is empty: fill it in"),
        ("file,class\na.jpg,16\nb.jpg,bulbull\n", f", line 3, b.jpg: {NEAREST}"),
        (
            "file,class_idx\na.jpg,1000\n",
            ", line 2, a.jpg: class 1000 is out of range: this model has classes 0 to 999",
        ),
        ("file,class_idx\na.jpg,16.5\n", ", line 2, a.jpg: no class is named '16.5'"),
        (
            "file,species\na.jpg,hawk99\n",
            ", line 2, a.jpg: the species 'hawk99' is unknown: add it to the table of species, "
            "which has bonegl, cbrtsh, himbul, or give a class",
        ),
        (
            "file,class\na.jpg,16\nb.jpg,1\na.jpg,17\n",
            ", line 4: a.jpg has another class or species on line 2: keep one",
        ),
    ],
)
def test_a_wrong_row_is_refused_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    assert truth_refusal(tmp_path, text).startswith(problem)


def test_imagenet_indices_are_not_read_for_another_model(tmp_path: Path) -> None:
    assert truth_refusal(tmp_path, "file,imagenet_index\na.jpg,1\n", OWN) == (
        ", line 2, a.jpg: imagenet_index is for ImageNet's 1,000 classes, and this model has 4: use the column class"
    )
