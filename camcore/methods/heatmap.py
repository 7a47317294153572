"""From a class activation map on the layer's grid to a heatmap on the model's pixels."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from camcore.types import Array

# A float32 map whose values differ by less than this share of its largest is flat: what varies in it is rounding.
_FLAT = 1e-6


def upsample(maps: Array, size: tuple[int, int], align_corners: bool = False) -> Array:
    """Bilinear interpolation of (..., h, w) to (..., H, W), which must be at least as large.

    Half-pixel centres unless `align_corners`; the same convention as torch's `interpolate(mode="bilinear")`.
    """
    rows = _interpolation(maps.shape[-2], size[0], align_corners)
    columns = _interpolation(maps.shape[-1], size[1], align_corners)
    result: Array = rows @ (maps @ columns.T)
    return result


def min_max(maps: Array) -> Array:
    """Stretch each of (..., H, W) to [0, 1] by its own extremes, which must differ."""
    low = maps.min(axis=(-2, -1), keepdims=True)
    result: Array = (maps - low) / (maps.max(axis=(-2, -1), keepdims=True) - low)
    return result


def to_heatmap(cam: Array, size: tuple[int, int]) -> tuple[Array, float]:
    """Heatmap (H, W) in [0, 1] of a map (h, w) >= 0, and the raw map's largest value, its peak.

    Upsampled first, then stretched. A map that is zero or the same everywhere points at no place, and becomes zeros:
    its peak tells the two apart.
    """
    peak = float(cam.max())
    if peak <= 0 or peak - float(cam.min()) <= _FLAT * peak:
        return np.zeros(size, np.float32), max(peak, 0.0)
    return min_max(upsample(cam, size)), peak


def correlation(first: Array, second: Array) -> float:
    """Pearson's, of two heatmaps (H, W); where one is empty, 1 if both are, else 0."""
    if not (first.any() and second.any()):
        return float(first.any() == second.any())
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def correlation_vectors(maps: Array, size: tuple[int, int]) -> Array:
    """Vectors (n, h w) of n maps (n, h, w), whose cosine is the Pearson correlation of the maps upsampled to (H, W)."""
    rows, columns = (_root(source, target) for source, target in zip(maps.shape[1:], size, strict=True))
    vectors = (rows.T @ maps.astype(np.float64) @ columns).reshape(len(maps), -1)
    even = np.outer(rows.sum(axis=0), columns.sum(axis=0)).ravel()  # the vector of a map that is 1 everywhere
    result: Array = (vectors - np.outer(vectors @ even, even) / (even @ even)).astype(np.float32)
    return result


def _root(source: int, target: int) -> NDArray[np.float64]:
    """A (source, source) matrix r whose r r' gives dot products after one-dimensional interpolation."""
    matrix: NDArray[np.float64] = _interpolation(source, target, False).astype(np.float64)
    root: NDArray[np.float64] = np.linalg.cholesky(matrix.T @ matrix / target).astype(np.float64)
    return root


@lru_cache(maxsize=16)
def _interpolation(source: int, target: int, align_corners: bool) -> Array:
    """The (target, source) matrix of one-dimensional linear interpolation."""
    at = np.arange(target, dtype=np.float64)
    if align_corners:
        at *= (source - 1) / max(target - 1, 1)
    else:
        at = np.clip((at + 0.5) * source / target - 0.5, 0, source - 1)
    distance = np.abs(at[:, None] - np.arange(source))
    matrix: Array = np.maximum(0, 1 - distance).astype(np.float32)
    return matrix
