"""ADCC: coherency, complexity and average drop of one heatmap in one number (Poppi et al. 2021, arXiv 2104.10252)."""

import numpy as np

from camcore.metrics.faithfulness import drop
from camcore.types import Array


def adcc(heatmap: Array, masked_heatmap: Array, probability: float, masked_probability: float) -> float:
    """Return the harmonic mean of coherency, 1 - complexity and 1 - average drop, in [0, 1]; higher is better.

    `masked_heatmap` (H, W) is the same method's heatmap of the class for the input times `heatmap` (H, W), and the
    probabilities are those of the class for the input and for that product. Coherency is (1 + r) / 2, of Pearson's
    correlation r of the two heatmaps; complexity is the mean of the heatmap. The result is 0 if a term is 0, if the
    heatmap is empty, or if the other heatmap is the same everywhere, with which nothing correlates.
    """
    if not heatmap.any() or not np.ptp(masked_heatmap) or not np.ptp(heatmap):
        return 0.0
    correlation = float(np.corrcoef(heatmap.ravel().astype(np.float64), masked_heatmap.ravel())[0, 1])
    terms = (
        (1 + correlation) / 2,
        1 - float(heatmap.mean(dtype=np.float64)),
        1 - drop(probability, masked_probability) / 100,
    )
    return 3 / sum(1 / term for term in terms) if min(terms) > 0 else 0.0
