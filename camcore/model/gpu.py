"""The memory of a GPU, in which batches must fit, and the packages that use it."""

from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from camcore.errors import DeviceError
from camcore.model.batching import Outputs
from camcore.types import Array

# Bytes for an input of 224 x 224 pixels: an estimate, over twice what the widest layer of VGG-16 reads and writes.
INPUT_MEMORY = 64 * 2**20
TOO_LITTLE_MEMORY = "the GPU has too little free memory for one photo: end what else uses it, or use --device cpu"
# Of torch and CUDA; of ONNX Runtime's arena, at the end of the device's memory and at its own limit; and of libraries.
_SIGNS = ("out of memory", "failed to allocate memory", "smaller than requested bytes", "alloc_failed", "alloc failed")


class FittingBatches:
    """Runs inputs on the GPU in batches of at most `size`, which is halved whenever its memory does not suffice.

    `memory` is how many bytes they may use.
    """

    def __init__(self, memory: int, size: int):
        self.memory, self.size = memory, size

    def run(self, forward: Callable[[Array], Outputs], x: Array) -> Outputs:
        """Return the results of `forward`, which raises MemoryError for a batch that is too large.

        Raise DeviceError if the memory does not suffice for one input.
        """
        parts: list[Outputs] = []
        start = 0
        while start < len(x):
            batch = x[start : start + self.size]
            try:
                parts.append(forward(batch))
            except MemoryError as error:
                if len(batch) == 1:
                    raise DeviceError(TOO_LITTLE_MEMORY) from error
                self.size = min(self.size, len(batch) // 2)
            else:
                start += len(batch)
        return tuple(np.concatenate(values) for values in zip(*parts, strict=True))


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error says that memory ran out: ONNX Runtime has no class of errors for it."""
    text = str(error).lower()
    return any(sign in text for sign in _SIGNS)


def installed_version(package: str) -> str:
    """Return the version of a package, or of its build for GPUs: onnxruntime-gpu takes the place of onnxruntime."""
    with suppress(PackageNotFoundError):
        return version(package)
    return version(f"{package}-gpu")
