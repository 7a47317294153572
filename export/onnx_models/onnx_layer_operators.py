"""ONNX operators that are layers of a network, and reductions, as functions of torch."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from export.onnx_models.onnx_shape_operators import to_ints

_CONVOLUTIONS: dict[int, Callable[..., Tensor]] = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_MAX_POOLS: dict[int, Callable[..., Tensor]] = {
    1: functional.max_pool1d,
    2: functional.max_pool2d,
    3: functional.max_pool3d,
}


def _windows(
    x: Tensor, kernel: Sequence[int], *, auto_pad: str = "NOTSET", ceil_mode: int = 0,
    strides: Sequence[int] = (), dilations: Sequence[int] = (), pads: Sequence[int] = (),
) -> tuple[list[int], list[int], dict[str, Sequence[int]]]:  # fmt: skip
    """Return the padding, what `ceil_mode` adds to it, and the other arguments of a convolution or pooling in torch.

    Both paddings are numbers of values before and after each axis, the last axis first. No window starts in the second
    half of the padding.
    """
    rank, padding, surplus = len(kernel), list[int](), list[int]()
    strides, dilations, pads = strides or [1] * rank, dilations or [1] * rank, pads or [0, 0] * rank
    for axis, size in enumerate(to_ints(x.shape[2:])):
        span, stride, before, after = (kernel[axis] - 1) * dilations[axis] + 1, strides[axis], *pads[axis::rank]
        if auto_pad.startswith("SAME"):
            total = max((math.ceil(size / stride) - 1) * stride + span - size, 0)
            before = (total + (auto_pad == "SAME_LOWER")) // 2
            after = total - before
        padded = before + size + after
        last = math.ceil((padded - span) / stride) * stride
        last -= stride * (last >= before + size)
        padding = [before, after, *padding]
        surplus = [0, ceil_mode * max(0, last + span - padded), *surplus]
    return padding, surplus, {"stride": strides, "dilation": dilations}


def _padded(x: Tensor, amounts: list[int], value: float = 0.0) -> Tensor:
    return functional.pad(x, amounts, value=value) if any(amounts) else x


def _conv(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *, group: int = 1, kernel_shape: object = None, **window: Any
) -> Tensor:
    padding, _, arguments = _windows(x, to_ints(weight.shape[2:]), **window)
    return _CONVOLUTIONS[weight.ndim - 2](_padded(x, padding), weight, bias, groups=group, **arguments)


def _max_pool(x: Tensor, *, kernel_shape: Sequence[int], **window: Any) -> Tensor:
    padding, surplus, arguments = _windows(x, kernel_shape, **window)
    x = _padded(_padded(x, padding, -math.inf), surplus, -math.inf)
    return _MAX_POOLS[len(kernel_shape)](x, kernel_shape, **arguments)


def _average_pool(x: Tensor, *, kernel_shape: Sequence[int], count_include_pad: int = 0, **window: Any) -> Tensor:
    """Return sums over windows, divided by counts, because torch's average has neither dilations nor one-sided pads."""
    padding, surplus, arguments = _windows(x, kernel_shape, **window)
    counted = _padded(torch.ones_like(x[:1, :1]), padding, float(count_include_pad))
    sums, counts = _padded(_padded(x, padding), surplus), _padded(counted, surplus)
    for length, stride, dilation in zip(kernel_shape, *arguments.values(), strict=True):
        span = (length - 1) * dilation + 1  # an axis of windows becomes the last before their elements are summed
        sums, counts = (t.unfold(2, span, stride)[..., ::dilation].sum(-1).movedim(2, -1) for t in (sums, counts))
    return sums / counts


def _reduction(reduce: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def reduced(
        data: Tensor, axes: Sequence[int] | Tensor | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
    ) -> Tensor:
        dims = [axis % data.ndim for axis in to_ints(() if axes is None else axes)]
        if not dims and noop_with_empty_axes:  # what the operator does to each element remains, such as the square
            return reduce(data[..., None], [data.ndim], False)
        return reduce(data, dims or list(range(data.ndim)), bool(keepdims))

    return reduced


def _product(data: Tensor, dims: list[int], keepdim: bool) -> Tensor:
    return functools.reduce(lambda x, dim: x.prod(dim, keepdim), sorted(dims, reverse=True), data)


def _global_pool(reduce: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda x: reduce(x, tuple(range(2, x.ndim)), True)


def layer_norm(
    x: Tensor, scale: Tensor, bias: Tensor | None = None, *, axis: int = -1, epsilon: float = 1e-5
) -> Tensor:
    """Return `x` normalised over `axis` and the axes after it, times `scale`, plus `bias`."""
    result = functional.layer_norm(x, to_ints(x.shape[axis:]), eps=epsilon) * scale
    return result if bias is None else result + bias


def _group_norm(x: Tensor, scale: Tensor, bias: Tensor, *, num_groups: int, epsilon: float = 1e-5) -> Tensor:
    repeats = int(x.shape[1]) // len(scale)  # before version 21, there is one scale per group
    scale, bias = scale.repeat_interleave(repeats), bias.repeat_interleave(repeats)
    return functional.group_norm(x, num_groups, scale, bias, epsilon)


def _attention(
    queries: Tensor, keys: Tensor, values: Tensor, attn_mask: Tensor | None = None, *, is_causal: int = 0,
    scale: float | None = None, q_num_heads: int = 0, kv_num_heads: int = 0,
) -> Tensor:  # fmt: skip
    """Return the attention of queries, (N, H, L, D) or (N, L, H · D), to keys and values, which heads may share."""
    joined = queries.ndim == 3
    if joined:
        queries = torch.unflatten(queries, 2, (q_num_heads, -1)).transpose(1, 2)
        keys, values = (torch.unflatten(x, 2, (kv_num_heads, -1)).transpose(1, 2) for x in (keys, values))
    shares = int(queries.shape[1]) // int(keys.shape[1])
    keys, values = keys.repeat_interleave(shares, 1), values.repeat_interleave(shares, 1)
    scores = queries @ keys.mT * (int(queries.shape[3]) ** -0.5 if scale is None else scale)
    masks = [] if attn_mask is None else [attn_mask]
    masks += [torch.ones(to_ints(scores.shape[2:]), dtype=torch.bool).tril()] if is_causal else []
    for mask in masks:
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask
    result = scores.softmax(-1) @ values
    return result.transpose(1, 2).flatten(2) if joined else result


LAYER_OPERATORS: dict[str, Callable[..., Any]] = {
    "Attention": _attention,
    "AveragePool": _average_pool,
    "BatchNormalization": lambda x, scale, bias, mean, var, epsilon: functional.batch_norm(
        x, mean, var, scale, bias, eps=epsilon
    ),
    "Conv": _conv,
    "GlobalAveragePool": _global_pool(torch.mean),
    "GlobalMaxPool": _global_pool(torch.amax),
    "GroupNormalization": _group_norm,
    "InstanceNormalization": lambda x, scale, bias, epsilon: functional.instance_norm(
        x, weight=scale, bias=bias, eps=epsilon
    ),
    "LRN": lambda x, size, alpha, beta, bias: functional.local_response_norm(x, size, alpha, beta, k=bias),
    "LayerNormalization": layer_norm,
    "LpNormalization": lambda x, p, axis: functional.normalize(x, p=p, dim=axis),
    "MaxPool": _max_pool,
    "RMSNormalization": lambda x, scale, axis, epsilon: (
        functional.rms_norm(x, to_ints(x.shape[axis:]), eps=epsilon) * scale
    ),
    "ReduceL1": _reduction(lambda x, dims, keepdim: x.abs().sum(dims, keepdim)),
    "ReduceL2": _reduction(lambda x, dims, keepdim: torch.linalg.vector_norm(x, dim=dims, keepdim=keepdim)),
    "ReduceLogSum": _reduction(lambda x, dims, keepdim: x.sum(dims, keepdim).log()),
    "ReduceLogSumExp": _reduction(torch.logsumexp),
    "ReduceMax": _reduction(torch.amax),
    "ReduceMean": _reduction(torch.mean),
    "ReduceMin": _reduction(torch.amin),
    "ReduceProd": _reduction(_product),
    "ReduceSum": _reduction(torch.sum),
    "ReduceSumSquare": _reduction(lambda x, dims, keepdim: x.square().sum(dims, keepdim)),
}
