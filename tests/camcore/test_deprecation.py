"""Former names of keyword arguments: accepted with a warning, with the same result."""

from pathlib import Path

import numpy as np
import pytest

from camcore import Explainer, ForwardPass, open_photo
from camcore.deprecation import accept_former_names

LION, CHEETAH = 291, 293


@accept_former_names(old="new", older="newer")
def add(first: int, *, new: int = 0, newer: int = 0) -> tuple[int, int, int]:
    """Return the arguments."""
    return first, new, newer


@pytest.fixture(scope="module")
def lion(lite0: Explainer, animal_photos: list[Path]) -> ForwardPass:
    return lite0.forward(open_photo(animal_photos[0]))


@pytest.mark.filterwarnings("error::DeprecationWarning")
def test_present_names_give_no_warning() -> None:
    assert add(1, new=2, newer=3) == (1, 2, 3)
    assert add(1) == (1, 0, 0)


def test_former_names_are_replaced_with_one_warning_each() -> None:
    with pytest.warns(DeprecationWarning, match="is now called") as warned:
        assert add(1, old=2, older=3) == (1, 2, 3)  # type: ignore[call-arg]
    assert sorted(str(warning.message) for warning in warned) == [
        "old is now called new",
        "older is now called newer",
    ]
    assert {warning.filename for warning in warned} == {__file__}, "the warning points at the call"


def test_both_names_at_once_are_refused() -> None:
    with pytest.raises(TypeError, match="old is now called new: give one of them"):
        add(1, old=2, new=3)  # type: ignore[call-arg]


def test_the_function_keeps_its_name_and_docstring() -> None:
    assert (add.__name__, add.__doc__) == ("add", "Return the arguments.")


def test_rather_than_explains_the_same_contrast(lite0: Explainer, lion: ForwardPass) -> None:
    (expected,) = lite0.explain(lion, LION, ["grad-cam"], contrast_idx=CHEETAH)
    with pytest.warns(DeprecationWarning, match="rather_than is now called contrast_idx"):
        (explanation,) = lite0.explain(lion, LION, ["grad-cam"], rather_than=CHEETAH)  # type: ignore[call-arg]
    np.testing.assert_array_equal(explanation.heatmap, expected.heatmap)
    assert explanation.contrast_class == expected.contrast_class
    assert explanation.contrast_class is not None


def test_fit_resizes_in_the_same_way(lite0: Explainer, animal_photos: list[Path]) -> None:
    photo = open_photo(animal_photos[0])
    (expected,) = lite0.explain(photo, LION, ["grad-cam"], resize_mode="squash")
    with pytest.warns(DeprecationWarning, match="fit is now called resize_mode"):
        (explanation,) = lite0.explain(photo, LION, ["grad-cam"], fit="squash")  # type: ignore[call-arg]
    np.testing.assert_array_equal(explanation.heatmap, expected.heatmap)
    with pytest.warns(DeprecationWarning, match="fit is now called resize_mode"):
        forward_pass = lite0.forward(photo, fit="squash")  # type: ignore[call-arg]
    np.testing.assert_array_equal(forward_pass.x, lite0.forward(photo, "squash").x)
    with pytest.warns(DeprecationWarning, match="fit is now called resize_mode"):
        assert lite0.predict(photo, fit="squash") == lite0.predict(forward_pass)  # type: ignore[call-arg]


def test_sanity_accepts_rather_than(lite0: Explainer, lion: ForwardPass) -> None:
    expected = lite0.sanity(lion, LION, ["grad-cam"], contrast_idx=CHEETAH)
    with pytest.warns(DeprecationWarning, match="rather_than is now called contrast_idx"):
        assert lite0.sanity(lion, LION, ["grad-cam"], rather_than=CHEETAH) == expected  # type: ignore[call-arg]
