"""HiResCAM, LayerCAM and XGrad-CAM: other ways to combine activations and gradients, as pure functions of arrays."""

import numpy as np

from camcore.methods.grad_cam import weighted_map
from camcore.types import Array


def hirescam(activations: Array, gradients: Array) -> Array:
    """Return the HiResCAM map `ReLU(sum_k g_k A_k)` (Draelos and Carin 2020, arXiv 2011.08891), (h, w) and >= 0.

    Both arguments are (C, h, w). `gradients` are those of the class's logit, before softmax.
    """
    return weighted_map(gradients, activations)


def layercam(activations: Array, gradients: Array) -> Array:
    """Return the LayerCAM map `ReLU(sum_k ReLU(g_k) A_k)` (Jiang et al. 2021), (h, w) and >= 0.

    Both arguments are (C, h, w). The paper, "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization"
    (IEEE Transactions on Image Processing 30), scales maps of early layers by a tanh to add them up. This is the map
    before that.
    """
    return weighted_map(np.maximum(gradients, 0), activations)


def xgrad_cam(activations: Array, gradients: Array) -> Array:
    """Return the XGrad-CAM map (Fu et al. 2020, arXiv 2008.02312), (h, w) and >= 0.

    Both arguments are (C, h, w). A channel's weight is `sum(g_k A_k) / sum(A_k)`, the mean of its gradients weighted by
    its activations, and 0 if these are all 0. The activations must be >= 0: of both signs, their sum may vanish.
    """
    total = activations.sum(axis=(1, 2), dtype=np.float64)
    product = (gradients.astype(np.float64) * activations).sum(axis=(1, 2))
    return weighted_map(np.divide(product, total, out=np.zeros_like(total), where=total > 0), activations)
