"""The sample of an archive: half suspicious, half at random, the same whatever the order."""

import random
from collections import Counter
from typing import Any

from camcore.study.sampling import choose_photos


def record(number: int, *, severity: int = 0, lift: float | None = 1.0, species: str = "wren", site: str = "a") -> Any:
    return {
        "file": f"{number}.jpg", "error": None, "site": site, "truth": {"title": species},
        "predictions": [{"name": "owl"}], "verdict": {"severity": severity},
        "explanations": [{"localisation": None if lift is None else {"lift": lift}}],
    }  # fmt: skip


def test_half_are_the_most_severe_and_of_these_those_with_the_least_heat() -> None:
    records = [record(n, severity=n % 3, lift=10 - n / 10, species=f"species {n}") for n in range(90)]
    chosen = choose_photos(records, 10)
    assert chosen[:5] == ["89.jpg", "86.jpg", "83.jpg", "80.jpg", "77.jpg"]
    assert len(set(chosen)) == 10


def test_the_others_have_as_many_of_each_species_at_each_site_as_there_are() -> None:
    records = [record(n, species=("wren", "owl")[n % 2], site="abc"[n % 3]) for n in range(600)]
    records += [record(1000, species="rare", site="z")]
    chosen = choose_photos(records, 15)
    places = {entry["file"]: (entry["truth"]["title"], entry["site"]) for entry in records}
    counts = Counter(places[file] for file in chosen)
    assert counts.pop(("rare", "z")) == 1
    assert set(counts.values()) <= {2, 3}
    assert len(counts) == 6


def test_the_sample_depends_on_the_seed_and_not_on_the_order() -> None:
    records = [record(n, severity=n % 5) for n in range(200)]
    shuffled = random.Random(0).sample(records, len(records))
    assert set(choose_photos(records, 20)) == set(choose_photos(shuffled, 20))
    assert choose_photos(records, 20) != choose_photos(records, 20, seed=1)


def test_photos_that_failed_are_left_out_and_few_are_all_chosen() -> None:
    failed = {"file": "bad.jpg", "error": "not a photo", "site": ""}
    assert sorted(choose_photos([record(1), failed, record(2, lift=None)], 10)) == ["1.jpg", "2.jpg"]
