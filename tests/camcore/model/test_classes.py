"""Classes from the names and indices that people type."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camcore import ClassError
from camcore.model.class_groups import GROUPS
from camcore.model.classes import distinct_names, find_class
from export.labels import imagenet_labels

# ImageNet's names, with two of its doublets as most lists have them, whatever torchvision calls these four today.
DOUBLETS = {"crane": (134, 517), "maillot": (638, 639)}
RENAMED = {index: name for name, indices in DOUBLETS.items() for index in indices}
LABELS = tuple(RENAMED.get(index, label) for index, label in enumerate(imagenet_labels()))


def refusal(name_or_idx: str | int) -> str:
    with pytest.raises(ClassError) as caught:
        find_class(LABELS, name_or_idx)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@given(st.integers(0, 999))
def test_an_index_is_itself(index: int) -> None:
    assert find_class(LABELS, index) == find_class(LABELS, str(index)) == find_class(LABELS, f" {index} ") == index


@given(st.integers(0, 999))
def test_every_name_finds_its_class_unless_it_is_shared(index: int) -> None:
    name = LABELS[index]
    if name in DOUBLETS:
        assert all(str(doublet) in refusal(name) for doublet in DOUBLETS[name])
    else:
        assert find_class(LABELS, name) == find_class(LABELS, f"  {name} ") == index


@pytest.mark.parametrize("typed", ["bald eagle", "Bald Eagle", "BALD EAGLE"])
def test_case_does_not_matter(typed: str) -> None:
    assert find_class(LABELS, typed) == 22


def test_an_exact_match_comes_before_one_without_case() -> None:
    assert (LABELS[264], LABELS[474]) == ("Cardigan", "cardigan")
    assert (find_class(LABELS, "Cardigan"), find_class(LABELS, "cardigan")) == (264, 474)
    assert "give an index instead, 264 or 474" in refusal("CARDIGAN")


@pytest.mark.parametrize("typed", ["crane", "Crane"])
def test_a_doublet_is_refused_with_its_indices(typed: str) -> None:
    assert refusal(typed) == f"several classes are named '{typed}': give an index instead, 134 or 517"


@pytest.mark.parametrize(
    ("typed", "nearest"), [("goldfich", "goldfinch"), ("bald eagel", "bald eagle"), ("Retriever", "golden retriever")]
)
def test_an_unknown_name_is_refused_with_the_nearest_names(typed: str, nearest: str) -> None:
    sentence = refusal(typed)
    assert sentence.startswith(f"no class is named '{typed}': the nearest are ")
    assert nearest in sentence.split(": the nearest are ")[1].split(", ")


@pytest.mark.parametrize(
    ("typed", "group", "first"),
    [
        ("peregrine falcon", "birds of prey and owls", "kite"),
        ("Bonelli's Eagle", "birds of prey and owls", "bald eagle"),
        ("Eurasian eagle-owl", "birds of prey and owls", "great grey owl"),
        ("European bee-eater", "kingfishers, woodpeckers, cuckoos and similar birds", "hornbill"),
        ("Ural owls", "birds of prey and owls", "great grey owl"),
        ("song thrush", "songbirds", "robin"),
        ("Himalayan Bulbul", "songbirds", "bulbul"),
        ("common myna", "songbirds", "robin"),
        ("Mallard", "ducks, geese and swans", "drake"),
        ("grey heron", "herons, storks, cranes and similar birds", "little blue heron"),
        ("herring gull", "birds of the sea", "albatross"),
        ("rose-ringed parakeet", "parrots", "macaw"),
        ("Indian peafowl", "game birds", "black grouse"),
        ("white-throated kingfisher", "kingfishers, woodpeckers, cuckoos and similar birds", "hornbill"),
        ("clouded leopard", "cats", "leopard"),
        ("roe deer", "hoofed animals", "hartebeest"),
        ("Asiatic black bear", "bears and pandas", "brown bear"),
        ("golden jackal", "wild dogs, wolves, foxes and hyenas", "timber wolf"),
        ("rhesus monkey", "apes, monkeys and lemurs", "chimpanzee"),
    ],
)
def test_a_species_that_the_model_lacks_is_answered_with_its_relatives(typed: str, group: str, first: str) -> None:
    assert f": of {group}, the model knows {first}, " in refusal(typed)


def test_relatives_are_named_only_if_the_model_knows_them() -> None:
    with pytest.raises(ClassError, match=r"of birds of prey and owls, the model knows kite$"):
        find_class(["kite", "tench"], "peregrine falcon")
    with pytest.raises(ClassError, match=r"the nearest are Peregrine Falcon$"):
        find_class(["Peregrine Falcon", "Merlin"], "falcon")


def test_every_class_of_a_group_is_a_class_of_imagenet_and_no_word_is_in_two_groups() -> None:
    assert {name for group in GROUPS for name in group.classes} <= set(imagenet_labels())
    assert sum(len(group.words) for group in GROUPS) == len(frozenset[str]().union(*(group.words for group in GROUPS)))


@pytest.mark.parametrize("typed", ["", "   ", "qqqqqqqqqq", "3.5", "Aquila fasciata", "Panthera pardus"])
def test_a_name_without_a_similar_one_is_refused_with_a_remedy(typed: str) -> None:
    assert "give another name, or an index" in refusal(typed)


@pytest.mark.parametrize("class_idx", [-1, "-1", 1000, "1000", 10**30])
def test_an_index_out_of_range_is_refused_with_the_range(class_idx: str | int) -> None:
    assert refusal(class_idx) == f"class {class_idx} is out of range: this model has classes 0 to 999"


def test_names_with_umlauts_match_without_case() -> None:
    assert find_class(["Straße", "Öl"], "STRASSE") == 0
    assert find_class(["Straße", "Öl"], "öl") == 1


def test_a_distinct_name_finds_its_class() -> None:
    assert [find_class(LABELS, f"crane ({index})") for index in DOUBLETS["crane"]] == [134, 517]


def test_distinct_names_by_hand() -> None:
    assert distinct_names(["crane", "hen", "crane", "Hen"]) == ["crane (0)", "hen", "crane (2)", "Hen"]


def test_all_names_become_distinct_and_only_doublets_change() -> None:
    names = distinct_names(LABELS)
    assert len(set(names)) == 1000
    assert {index: name for index, name in enumerate(names) if name != LABELS[index]} == {
        134: "crane (134)",
        517: "crane (517)",
        638: "maillot (638)",
        639: "maillot (639)",
    }
