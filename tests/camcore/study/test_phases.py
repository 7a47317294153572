"""The phases of a study: which levels, and how often each photo is explained."""

import pytest

from camcore.study.phases import levels_of
from camcore.study.sampling import EVERYTHING
from camcore.study.settings import Level, StudySettings


@pytest.mark.parametrize(
    ("total", "sample", "levels"),
    [
        (6, None, ("full",)),
        (EVERYTHING, None, ("full",)),
        (EVERYTHING + 1, None, ("full", "screen")),
        (6, 0, ("screen",)),
        (6, 3, ("full", "screen")),
        (100_000, 10**9, ("full",)),
    ],
)
def test_up_to_a_thousand_photos_are_explained_in_full(
    total: int, sample: int | None, levels: tuple[Level, ...]
) -> None:
    assert levels_of(total, sample) == levels


def test_settings_of_the_level_full_do_not_concern_a_screening() -> None:
    screen, other = StudySettings(level="screen"), StudySettings(level="screen", sanity=True, adcc=True)
    assert screen.to_json() == other.to_json()
    assert screen.to_json() != StudySettings(level="screen", fast_decode=True).to_json()
    assert StudySettings().to_json() != StudySettings(sanity=True).to_json()
    assert screen.run_methods == ("grad-cam",)
    assert StudySettings(methods=("score-cam",)).run_methods == ("score-cam",)
