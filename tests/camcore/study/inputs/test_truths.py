"""True species in the files of other programs, and the sites of photos."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camcore.errors import StudyError
from camcore.study.inputs.load import InputPaths, StudyInputs, load_inputs
from camcore.study.inputs.species import Species, read_species
from camcore.study.inputs.truth_formats import to_species
from camcore.study.inputs.truths import load_truths
from tests.camcore.study.inputs.test_detection_formats import camtrap_dp

LABELS = (
    "red fox",
    "badger",
    "e01;aves;accipitriformes;accipitridae;aquila;fasciata;bonelli's eagle",
    "Cervus elaphus",
)
FOX = "f7d5;mammalia;carnivora;canidae;vulpes;vulpes;red fox"


def load(folder: Path, *files: str, truth: Path | None = None, **options: Any) -> StudyInputs:
    for file in files:
        path = folder / "photos" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    paths = InputPaths(folder / "photos", options.pop("boxes", None), truth, None, "animal", **options)
    return load_inputs(paths, LABELS, folder / "study")


def classes(inputs: StudyInputs) -> dict[str, int | str | None]:
    """Return the class of each photo, the title of its species if the model has no class, None if it is not known."""
    return {
        item.photo.file: (item.truth.title if item.truth.class_idx is None else item.truth.class_idx)
        if item.truth.is_known
        else None
        for item in inputs.items.values()
    }


def written(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("text", "species"),
    [
        (FOX, Species("red fox", "red fox", "Vulpes vulpes")),
        ("id;mammalia;carnivora;felidae;;;cat family", Species("cat family", "cat family", "Felidae")),
        ("f1856211;;;;;;blank", None),
        ("990ae9dd;;;;;;human", None),
        ("Red Fox", Species("Red Fox", "Red Fox", "")),
        ("empty", None),
        ("", None),
        (7, None),
    ],
)
def test_the_species_that_a_text_names(text: Any, species: Species | None) -> None:
    assert to_species(text) == species


def test_speciesnet_predictions(tmp_path: Path) -> None:
    predictions = [
        {"filepath": "/data/a.jpg", "prediction": FOX},
        {
            "filepath": "/data/b.jpg",
            "prediction": "e01;aves;accipitriformes;accipitridae;aquila;fasciata;bonelli's eagle",
        },
        {"filepath": "/data/c.jpg", "prediction": "x;;;;;;blank"},
        {"filepath": "/data/d.jpg", "prediction": "x;mammalia;artiodactyla;cervidae;cervus;elaphus;red deer"},
        {"filepath": "/data/e.jpg", "prediction": "x;mammalia;rodentia;;;;rodent"},
        {"filepath": "/data/f.jpg"},
    ]
    truth = written(tmp_path, "predictions.json", {"predictions": predictions})
    inputs = load(tmp_path, *(f"{name}.jpg" for name in "abcdef"), truth=truth)
    assert classes(inputs) == {"a.jpg": 0, "b.jpg": 2, "c.jpg": None, "d.jpg": 3, "e.jpg": "rodent", "f.jpg": None}
    assert "predictions.json names species for which the model has no class: rodent (1)" in inputs.notes


def test_megadetector_classifications_and_addaxai_categories(tmp_path: Path) -> None:
    content = {
        "detection_categories": {"1": "animal", "2": "person", "4": "badger"},
        "classification_categories": {"8": "red fox", "9": "badger"},
        "images": [
            {
                "file": "a.jpg",
                "detections": [{"category": "1", "conf": 0.9, "classifications": [["9", 0.2], ["8", 0.7]]}],
            },
            {"file": "b.jpg", "detections": [{"category": "2", "conf": 0.99}, {"category": "4", "conf": 0.5}]},
            {"file": "c.jpg", "detections": [{"category": "1", "conf": 0.9}]},
            {"file": "d.jpg", "detections": None, "failure": "Failure image access"},
        ],
    }
    inputs = load(tmp_path, *(f"{name}.jpg" for name in "abcd"), truth=written(tmp_path, "md.json", content))
    assert classes(inputs) == {"a.jpg": 0, "b.jpg": 1, "c.jpg": None, "d.jpg": None}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_timelapse_tables_have_a_folder_beside_the_file(separator: str, tmp_path: Path) -> None:
    rows = [
        ("RootFolder", "File", "RelativePath", "DateTime", "DeleteFlag", "Species"),
        ("birds", "IMG_1.JPG", "siteA\\100RECNX", "2024-01-01 00:00:00", "false", "red fox"),
        ("birds", "IMG_1.JPG", "siteB\\100RECNX", "2024-01-01 00:00:00", "false", "badger"),
        ("birds", "IMG_2.JPG", "siteB\\100RECNX", "2024-01-01 00:00:00", "false", ""),
    ]
    truth = written(tmp_path, "timelapse.csv", "\n".join(map(separator.join, rows)) + "\n")
    files = ("siteA/100RECNX/IMG_1.JPG", "siteB/100RECNX/IMG_1.JPG", "siteB/100RECNX/IMG_2.JPG")
    inputs = load(tmp_path, *files, truth=truth, site_from="folder:1")
    assert list(classes(inputs).values())[:2] == [0, 1]
    assert [item.site for item in inputs.items.values()] == ["siteA", "siteB", "siteB"]


def test_the_column_of_the_species_can_be_named(tmp_path: Path) -> None:
    truth = written(
        tmp_path, "table.csv", "File,RelativePath,Wildlife,Station\na.jpg,,red fox,north\nb.jpg,,Yeti,south\n"
    )
    inputs = load(tmp_path, "a.jpg", "b.jpg", truth=truth, truth_column="wildlife")
    assert classes(inputs) == {"a.jpg": 0, "b.jpg": "Yeti"}
    assert [item.site for item in inputs.items.values()] == ["north", "south"]
    with pytest.raises(
        StudyError, match=r"has no column 'animal'; its columns are file, relativepath, wildlife, station"
    ):
        load(tmp_path, truth=truth, truth_column="animal")
    with pytest.raises(StudyError, match="has no column of species: name it with --truth-column"):
        load(tmp_path, truth=truth)


def test_wildlife_insights(tmp_path: Path) -> None:
    taxon = "wi_taxon_id,class,order,family,genus,species,common_name"
    header = f"project_id,deployment_id,image_id,filename,location,is_blank,{taxon}"
    rows = (
        "p,d1,1,a.jpg,gs://bucket/d1/77.JPG,0,t,Mammalia,Carnivora,Canidae,Vulpes,vulpes,Red Fox",
        "p,d2,2,b.jpg,gs://bucket/d2/78.JPG,0,t,Mammalia,Artiodactyla,Cervidae,Cervus,elaphus,Red Deer",
        "p,d2,3,c.jpg,gs://bucket/d2/79.JPG,1,t,,,,,,Blank",
    )
    inputs = load(
        tmp_path, "a.jpg", "b.jpg", "c.jpg", truth=written(tmp_path, "images.csv", "\n".join((header, *rows)))
    )
    assert classes(inputs) == {"a.jpg": 0, "b.jpg": 3, "c.jpg": None}
    assert [item.site for item in inputs.items.values()] == ["d1", "d2", "d2"]


def test_coco_and_camtrap_dp_name_species_and_sites(tmp_path: Path) -> None:
    coco = {
        "images": [{"id": 1, "file_name": "a.jpg", "location": "L1"}, {"id": 2, "file_name": "b.jpg"}],
        "annotations": [
            {"image_id": 1, "category_id": 3}, {"image_id": 2, "category_id": 3}, {"image_id": 2, "category_id": 4},
        ],
        "categories": [{"id": 0, "name": "empty"}, {"id": 3, "name": "badger"}, {"id": 4, "name": "red fox"}],
    }  # fmt: skip
    inputs = load(tmp_path, "a.jpg", "b.jpg", truth=written(tmp_path, "coco.json", coco))
    assert (classes(inputs), [item.site for item in inputs.items.values()]) == ({"a.jpg": 1, "b.jpg": None}, ["L1", ""])
    package = camtrap_dp(tmp_path / "package")
    (tmp_path / "photos" / "a.jpg").unlink()
    (tmp_path / "photos" / "b.jpg").unlink()
    inputs = load(tmp_path, "d1/IMG_1.JPG", "d2/IMG_3.JPG", truth=package / "datapackage.json", boxes=package)
    assert classes(inputs) == {"d1/IMG_1.JPG": "Vulpes vulpes", "d2/IMG_3.JPG": "Meles meles"}
    assert [item.site for item in inputs.items.values()] == ["Ridge", "l2"]


def test_the_table_of_ones_own_may_have_sites_too(tmp_path: Path) -> None:
    truth = written(tmp_path, "truth.csv", "file;class;location\na.jpg;badger;ridge\nb.jpg;red fox;\n")
    inputs = load(tmp_path, "a.jpg", "b.jpg", truth=truth)
    assert (classes(inputs), [item.site for item in inputs.items.values()]) == ({"a.jpg": 1, "b.jpg": 0}, ["ridge", ""])
    assert [item.site for item in load(tmp_path, truth=truth, site_from="none").items.values()] == ["", ""]
    with pytest.raises(StudyError, match="sites cannot be read from 'folder:0': choose column, none, or folder:1"):
        load(tmp_path, truth=truth, site_from="folder:0")


def test_a_photo_with_two_species_is_not_judged(tmp_path: Path) -> None:
    truth = written(tmp_path, "t.csv", "File,RelativePath,Species\na.jpg,,badger\na.jpg,,red fox\nb.jpg,,badger\n")
    inputs = load(tmp_path, "a.jpg", "b.jpg", truth=truth)
    assert classes(inputs) == {"a.jpg": None, "b.jpg": 1}
    assert "t.csv names several species, none of which is used, for 1 photo: a.jpg" in inputs.notes


CELLS = st.sampled_from(["", "a.jpg", "b.jpg", "badger", "red fox", "0", "7", "x;y", '"', "blank", "1"])
HEADERS = st.sampled_from(
    ["file", "class", "species", "File", "RelativePath", "filename", "wi_taxon_id", "genus", "common_name", "site", ""]
)
TABLES = st.tuples(
    st.sampled_from(",;\t"), st.lists(HEADERS, max_size=5), st.lists(st.lists(CELLS, max_size=5), max_size=4)
).map(lambda table: "\n".join(table[0].join(row) for row in (table[1], *table[2])))
JSON_KEYS = st.sampled_from(
    ["predictions", "images", "annotations", "categories", "detection_categories", "classification_categories", "file",
     "filepath", "prediction", "detections", "classifications", "category", "conf", "image_id", "file_name"]
)  # fmt: skip
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 9) | CELLS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(JSON_KEYS, inner, max_size=4),
    max_leaves=12,
).map(json.dumps)


@settings(max_examples=200)
@given(content=TABLES | JSON_VALUES | st.text(max_size=60), suffix=st.sampled_from([".csv", ".json"]))
def test_any_content_gives_classes_or_one_sentence(
    content: str, suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / f"fuzzed{suffix}"
    path.write_text(content, encoding="utf-8", newline="")
    sentence = ""
    try:
        truths = load_truths(path, read_species(), LABELS).truths
        assert all(truth.class_idx is None or 0 <= truth.class_idx < len(LABELS) for truth in truths.values())
    except StudyError as error:
        sentence = str(error)
    assert "\n" not in sentence.replace(content, "")


@pytest.mark.parametrize("unit", [",\n", "a,", '"', "a,b\n"])
def test_a_table_of_ten_megabytes_is_read_or_refused_quickly(unit: str, tmp_path: Path) -> None:
    path = written(tmp_path, "large.csv", "file,class\n" + unit * (9_500_000 // len(unit)))
    start, sentence = time.process_time(), ""
    try:
        load_truths(path, read_species(), ("a", "b"))
    except StudyError as error:
        sentence = str(error)
    assert len(sentence) < 1000
    assert time.process_time() - start < 4  # 2 seconds on a quiet machine
