"""Heatmaps on the model's pixels from class activation maps on the layer's grid, and their correlation."""

from functools import lru_cache

import numpy as np

from camcore.types import Array, Floats

_FLAT = 1e-6  # a float32 map is flat if its values differ by less than this share of its largest: that is rounding


def upsample(maps: Array, size: tuple[int, int], align_corners: bool = False) -> Array:
    """Interpolate maps (..., h, w) to (..., H, W), at least as large, like torch's `interpolate(mode="bilinear")`."""
    rows = _interpolation(maps.shape[-2], size[0], align_corners)
    columns = _interpolation(maps.shape[-1], size[1], align_corners)
    result: Array = rows @ (maps @ columns.T)
    return result


def min_max(maps: Array) -> Array:
    """Scale each map of (..., H, W) linearly to [0, 1]; its smallest and largest value must differ."""
    low = maps.min(axis=(-2, -1), keepdims=True)
    result: Array = (maps - low) / (maps.max(axis=(-2, -1), keepdims=True) - low)
    return result


def to_heatmap(cam: Array, size: tuple[int, int]) -> tuple[Array, float]:
    """Return the heatmap (H, W) in [0, 1] of a map (h, w) >= 0, and the raw map's largest value, its peak.

    The map is upsampled first, and then scaled. A map that is zero or the same everywhere shows no place; its heatmap
    is zeros, and its peak distinguishes the two cases.
    """
    peak = float(cam.max())
    if peak <= 0 or peak - float(cam.min()) <= _FLAT * peak:
        return np.zeros(size, np.float32), max(peak, 0.0)
    return min_max(upsample(cam, size)), peak


def correlation(first: Array, second: Array) -> float:
    """Return Pearson's correlation of two heatmaps (H, W); 1 if both are all zeros, 0 if only one is."""
    if not (first.any() and second.any()):
        return float(first.any() == second.any())
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def correlation_vectors(maps: Array, size: tuple[int, int]) -> Array:
    """Return vectors (n, h w) of n maps (n, h, w), whose cosines are the correlations of the heatmaps (H, W)."""
    rows, columns = (_root(source, target) for source, target in zip(maps.shape[1:], size, strict=True))
    vectors = (rows.T @ maps.astype(np.float64) @ columns).reshape(len(maps), -1)
    even = np.outer(rows.sum(axis=0), columns.sum(axis=0)).ravel()  # the vector of a map that is 1 everywhere
    result: Array = (vectors - np.outer(vectors @ even, even) / (even @ even)).astype(np.float32)
    return result


def _root(source: int, target: int) -> Floats:
    """Return a (source, source) matrix r; r r' gives the dot products after one-dimensional interpolation."""
    matrix: Floats = _interpolation(source, target, False).astype(np.float64)
    root: Floats = np.linalg.cholesky(matrix.T @ matrix / target).astype(np.float64)
    return root


@lru_cache(maxsize=16)
def _interpolation(source: int, target: int, align_corners: bool) -> Array:
    """Return the (target, source) matrix of one-dimensional linear interpolation."""
    at = np.arange(target, dtype=np.float64)
    if align_corners:
        at *= (source - 1) / max(target - 1, 1)
    else:
        at = np.clip((at + 0.5) * source / target - 0.5, 0, source - 1)
    distance = np.abs(at[:, None] - np.arange(source))
    matrix: Array = np.maximum(0, 1 - distance).astype(np.float32)
    return matrix
