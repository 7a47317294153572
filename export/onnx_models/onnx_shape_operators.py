"""ONNX operators on shapes, axes and indices, as functions of torch.

Parameters have the names of the inputs and attributes in the specification (https://onnx.ai/onnx/operators/), so that
one function serves the versions in which `axes`, say, is an attribute and those in which it is an input.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from onnx import TensorProto
from torch import Tensor
from torch.nn import functional

# Half precision is computed in float32, which a CPU multiplies faster and whose gradients do not underflow.
DTYPES = {
    TensorProto.FLOAT: torch.float32, TensorProto.FLOAT16: torch.float32, TensorProto.BFLOAT16: torch.float32,
    TensorProto.DOUBLE: torch.float64, TensorProto.BOOL: torch.bool, TensorProto.UINT8: torch.uint8,
    TensorProto.INT8: torch.int8, TensorProto.INT32: torch.int32, TensorProto.INT64: torch.int64,
}  # fmt: skip


# Which element stands at an index beyond the border, if n is the last index.
_BORDERS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "edge": lambda index, n: index.clamp(0, n),
    "reflect": lambda index, n: n - (n - index % max(2 * n, 1)).abs(),
    "wrap": lambda index, n: index % (n + 1),
}

Indices = Sequence[int] | Tensor  # attributes of early versions, inputs of later ones


def to_ints(values: Iterable[Any]) -> list[int]:
    """Return a shape, or the elements of a tensor with one axis, as numbers; in a trace they become constants."""
    return [int(value) for value in values]


def flatten(x: Tensor, *, axis: int = 1) -> Tensor:
    """Return a matrix whose rows are all axes before `axis`, and whose columns are the others."""
    first = axis + (axis < 0) * x.ndim
    return x[None, ..., None].flatten(first + 1).flatten(0, first)


def _reshape(data: Tensor, shape: Tensor, *, allowzero: int = 0) -> Tensor:
    sizes = to_ints(shape)
    return data.reshape([data.shape[k] if n == 0 and not allowzero else n for k, n in enumerate(sizes)])


def _squeeze(data: Tensor, axes: Indices | None = None) -> Tensor:
    return data.squeeze() if axes is None else data.squeeze(tuple(to_ints(axes)))


def _unsqueeze(data: Tensor, axes: Indices) -> Tensor:
    rank = data.ndim + len(axes)
    return functools.reduce(torch.unsqueeze, sorted(axis % rank for axis in to_ints(axes)), data)


def _slice(data: Tensor, starts: Indices, ends: Indices, axes: Indices | None = None, steps: Any = None) -> Tensor:
    axes, steps = range(len(starts)) if axes is None else axes, [1] * len(starts) if steps is None else steps
    for axis, start, end, step in zip(*map(to_ints, (axes, starts, ends, steps)), strict=True):
        indices = range(int(data.shape[axis]))[start:end:step]
        if step > 0:
            data = data.movedim(axis, 0)[start:end:step].movedim(0, axis)
        else:  # which torch refuses
            data = data.index_select(axis, torch.tensor(indices, dtype=torch.int64))
    return data


def _split(data: Tensor, split: Indices | None = None, *, axis: int = 0, outputs: int) -> tuple[Tensor, ...]:
    if split is None:  # into equal parts, but that the last may be smaller
        return torch.split(data, -(-int(data.shape[axis]) // outputs), axis)
    return torch.split(data, to_ints(split), axis)


def _gather_elements(data: Tensor, indices: Tensor, *, axis: int = 0) -> Tensor:
    return data.gather(axis, indices % int(data.shape[axis]))


def _pad(
    data: Tensor, pads: Indices, constant_value: Tensor | None = None, axes: Indices | None = None, *,
    mode: str = "constant", value: float = 0.0,
) -> Tensor:  # fmt: skip
    amounts, numbers, count = [(0, 0)] * data.ndim, to_ints(pads), len(pads) // 2
    for number, axis in enumerate(range(count) if axes is None else to_ints(axes)):
        amounts[axis] = numbers[number], numbers[count + number]
    if mode == "constant":
        value = value if constant_value is None else float(constant_value)
        return functional.pad(data, [number for pair in reversed(amounts) for number in pair], value=value)
    for axis, (before, after) in enumerate(amounts):
        last = int(data.shape[axis]) - 1
        indices = torch.arange(-before, last + 1 + after)
        data = data.index_select(axis, _BORDERS[mode](indices, last)) if before or after else data
    return data


def _depth_to_space(x: Tensor, *, blocksize: int, mode: str = "DCR") -> Tensor:
    batch, channels, height, width = to_ints(x.shape)
    blocks, depth = [blocksize, blocksize], channels // blocksize**2
    parts = x.reshape(batch, *([*blocks, depth] if mode == "DCR" else [depth, *blocks]), height, width)
    order = (0, 3, 4, 1, 5, 2) if mode == "DCR" else (0, 1, 4, 2, 5, 3)
    return parts.permute(order).reshape(batch, depth, height * blocksize, width * blocksize)


def _constant_of_shape(shape: Tensor, *, value: Tensor | None = None) -> Tensor:
    return (torch.zeros(1) if value is None else value).reshape(()).expand(to_ints(shape))


SHAPE_OPERATORS: dict[str, Callable[..., Any]] = {
    "Cast": lambda x, to: x.to(DTYPES[to]),
    "CastLike": lambda x, target: x.to(target.dtype),
    "Concat": lambda *inputs, axis: torch.cat(inputs, axis),
    "ConstantOfShape": _constant_of_shape,
    "DepthToSpace": _depth_to_space,
    "Dropout": lambda x, *_training: x,
    "Expand": lambda x, shape: x.broadcast_to(np.broadcast_shapes(to_ints(x.shape), to_ints(shape))),
    "Flatten": flatten,
    "Gather": lambda x, indices, axis=0: x[(slice(None),) * (axis % x.ndim) + (indices,)],
    "GatherElements": _gather_elements,
    "Identity": lambda x: x,
    "Pad": _pad,
    "Range": lambda start, limit, delta: torch.arange(*(n.item() for n in (start, limit, delta)), dtype=start.dtype),
    "Reshape": _reshape,
    "ScatterND": lambda data, indices, updates: data.index_put(indices.unbind(-1), updates),
    "Shape": lambda x, start=0, end=None: torch.tensor(to_ints(x.shape)[start:end], dtype=torch.int64),
    "Size": lambda x: torch.tensor(int(x.numel())),
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": lambda x, repeats: x.tile(to_ints(repeats)),
    "Transpose": lambda x, perm=None: x.permute(perm or tuple(reversed(range(x.ndim)))),
    "Unsqueeze": _unsqueeze,
}
