"""The methods beside the default three, against maps of 3 x 3 places computed by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from camcore.methods import method_table
from camcore.methods.eigen_cam import eigen_cam
from camcore.methods.explanations import undefined_methods
from camcore.methods.finer_cam import finer_weights
from camcore.methods.grad_cam import grad_cam
from camcore.methods.gradient_rules import hirescam, layercam, xgrad_cam
from camcore.methods.method_table import DEFAULT_METHODS, METHODS, MORE_METHODS
from camcore.methods.recipro_cam import recipro_cam
from camcore.metrics.method_notes import method_notes
from camcore.results import Explanation

A = np.array([[[1, 0, 0], [0, 2, 0], [0, 0, 3]], [[1, 4, 0], [4, 0, 4], [0, 4, 0]]], np.float32)
G = np.array([[[1, 5, 0], [0, -1, 0], [5, 0, 2]], [[-2, 0, 0], [1, 0, 0], [0, 0.5, 9]]], np.float32)


def test_hirescam_multiplies_place_by_place() -> None:
    assert_allclose(hirescam(A, G), [[0, 0, 0], [4, 0, 0], [0, 2, 6]])  # 1 - 2 and -2 are cut off


def test_layercam_leaves_out_negative_gradients() -> None:
    assert_allclose(layercam(A, G), [[1, 0, 0], [4, 0, 0], [0, 2, 6]])


def test_layercam_cuts_off_what_is_negative_of_signed_activations() -> None:
    assert_allclose(layercam(-A, G), np.zeros((3, 3)))
    assert_allclose(layercam(np.stack([A[0], -A[1]]), G), [[1, 0, 0], [0, 0, 0], [0, 0, 6]])


def test_xgrad_cam_weights_the_gradients_by_the_activations() -> None:
    # (1 - 2 + 6) / 6 for the first channel, and (-2 + 4 + 2) / 17 for the second.
    assert_allclose(xgrad_cam(A, G), 5 / 6 * A[0] + 4 / 17 * A[1], rtol=1e-6)


def test_xgrad_cam_gives_a_channel_without_activations_no_weight() -> None:
    dead = np.stack([A[0], np.zeros((3, 3), np.float32)])
    assert_allclose(xgrad_cam(dead, G), 5 / 6 * A[0], rtol=1e-6)


def test_eigen_cam_of_one_pattern_is_this_pattern() -> None:
    """Channels 3 P and 4 P: the direction is (3, 4) / 5, and the projection 5 P."""
    pattern = A[0]
    for sign in (1, -1):
        assert_allclose(eigen_cam(sign * np.stack([3 * pattern, 4 * pattern])), 5 * pattern, atol=1e-6)


def test_eigen_cam_takes_the_strongest_pattern_uncentred_and_cuts_off_below_zero() -> None:
    """Two channels that share no place: the stronger one is the direction. Centring would mix them."""
    strong = np.array([[5, 5, 5], [5, 5, 5], [5, 5, 0]], np.float32)
    weak = np.zeros((3, 3), np.float32)
    weak[2, 2] = 4
    assert_allclose(eigen_cam(np.stack([weak, strong])), strong, atol=1e-6)
    signed = strong.copy()
    signed[0, 0] = -5
    assert_allclose(eigen_cam(np.stack([weak, -signed])), np.maximum(signed, 0), atol=1e-6)


def test_finer_weights_are_those_of_the_three_nearest_logits() -> None:
    logits = np.array([3, 9, 2.5, 3.5, -4, 3.25], np.float32)
    assert finer_weights(logits, 0) == pytest.approx({0: 1, 5: -0.2, 2: -0.2, 3: -0.2})
    assert finer_weights(logits, 1) == pytest.approx({1: 1, 3: -0.2, 5: -0.2, 0: -0.2})


def test_finer_weights_of_few_classes_and_of_a_contrast() -> None:
    assert finer_weights(np.array([1, 2], np.float32), 0) == pytest.approx({0: 1, 1: -0.6})
    assert finer_weights(np.array([1, 2, 9], np.float32), 0) == pytest.approx({0: 1, 1: -0.3, 2: -0.3})
    assert finer_weights(np.array([1], np.float32), 0) == {0: 1}
    assert finer_weights(np.arange(9, dtype=np.float32), 0, 8) == pytest.approx({0: 1, 8: -0.6})


@pytest.mark.parametrize("batch", [2, 4, 10_000])
def test_recipro_cam_is_the_answer_to_one_place_at_a_time(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("camcore.methods.recipro_cam._BATCH", batch * A.size)
    sizes: list[int] = []

    def head(activations: NDArray[np.float32]) -> NDArray[np.float64]:
        sizes.append(len(activations))
        assert (np.count_nonzero(activations.any(axis=1), axis=(1, 2)) <= 1).all()
        first, second = activations.sum(axis=(2, 3)).T
        return 0.25 + first / 10 - second / 20

    expected = 0.25 + A[0] / 10 - A[1] / 20
    assert_allclose(recipro_cam(A, head), expected, rtol=1e-6)
    assert (sum(sizes), max(sizes)) == (9, min(batch, 9))


non_negative = arrays(np.float32, (3, 4, 5), elements=st.floats(0, 100, width=32))
of_any_sign = arrays(np.float32, (3,), elements=st.floats(-1, 1, width=32))


@given(non_negative, of_any_sign)
def test_with_gradients_that_do_not_vary_three_methods_are_one(a: NDArray[Any], row: NDArray[Any]) -> None:
    """As global average pooling and one linear layer have them."""
    gradients = np.broadcast_to(row[:, None, None], a.shape)
    expected = grad_cam(a, gradients)
    for method in (hirescam, xgrad_cam):
        assert_allclose(method(a, gradients), expected, atol=1e-5 * max(1, a.max()))


def test_only_xgrad_cam_refuses_activations_below_zero_and_the_values_decide() -> None:
    assert undefined_methods(METHODS, A, "layer4") == {}
    reasons = undefined_methods(METHODS, -A, "layer4")
    assert list(reasons) == ["xgrad-cam"]
    assert reasons["xgrad-cam"].startswith("XGrad-CAM is defined only for features that are never negative")
    assert "layer4" in reasons["xgrad-cam"]
    assert reasons["xgrad-cam"].endswith("choose another method, such as HiResCAM")


def explanation(method: Any, heatmap: Any) -> Explanation:
    return Explanation(method, 0, "kite", 0.5, np.array(heatmap, np.float32), 1, 0)


def test_notes_name_the_maps_that_are_the_same_and_the_reason_only_where_it_holds() -> None:
    first, other, empty = [[0, 1]], [[1, 0]], [[0, 0]]
    maps = [explanation("grad-cam", first), explanation("grad-cam++", other), explanation("hirescam", [[1e-7, 1]])]
    same = "Grad-CAM and HiResCAM give the same map here"
    reason = ", because after this layer the model only averages and adds up"
    assert method_notes(maps, linear_head=True) == [f"{same}{reason}: they count as one."]
    assert method_notes(maps, linear_head=False) == [f"{same}: they count as one."]
    finer = [explanation("grad-cam", first), explanation("finer-cam", first)]
    assert method_notes(finer, linear_head=True) == [
        "Grad-CAM and Finer-CAM give the same map here: they count as one."
    ]
    for methods, heatmap in ((MORE_METHODS[:2], empty), (DEFAULT_METHODS, first), (("grad-cam", "recipro-cam"), first)):
        assert method_notes([explanation(name, heatmap) for name in methods], linear_head=True) == []
    (note,) = method_notes([explanation("eigen-cam", first)], linear_head=True)
    assert note.startswith("Eigen-CAM knows no class")


def test_default_methods_are_the_first_of_the_table() -> None:
    assert (*DEFAULT_METHODS, *MORE_METHODS) == tuple(METHODS)
    assert_array_equal(grad_cam(A, G), METHODS["finer-cam"].rule(A, G))  # type: ignore[misc]


def test_the_manual_has_every_method_with_its_runs() -> None:
    manual = Path(method_table.__file__).with_name("README.md").read_text(encoding="utf-8")
    lines = (line.split("|") for line in manual.splitlines() if line.startswith("|"))
    rows = {title.strip(): cells for _, title, *cells in lines}
    assert all(f" {METHODS[name].runs} " in rows[METHODS[name].title] for name in MORE_METHODS)
    assert all(METHODS[name].title in rows for name in DEFAULT_METHODS)
