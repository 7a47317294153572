"""The ONNX Runtime session, which computes the logits of many masked inputs. No session leaves this module."""

from functools import cached_property
from pathlib import Path

import numpy as np
import onnxruntime as ort
from loky import cpu_count

from camcore.errors import ArtifactError
from camcore.types import Array


class Scorer:
    """An ONNX Runtime session of one model on the CPU, by default with as many threads as this process may use cores.

    It is created at the first call, which raises ArtifactError if ONNX Runtime cannot run the model.
    """

    def __init__(self, path: Path, threads: int | None = None):
        self._path = path
        self.threads = threads or cpu_count()

    def on_one_thread(self) -> "Scorer":
        """Return the same whose runs take one thread each, for as many threads that call it."""
        return Scorer(self._path, 1)

    def logits(self, x: Array) -> Array:
        """Return the logits (N, K) of inputs (N, 3, H, W)."""
        (logits,) = self._session.run(["logits"], {"input": x})
        return np.asarray(logits)

    def forward(self, x: Array) -> tuple[Array, Array]:
        """Return the logits (N, K) and the target layer's activations (N, C, h, w) of inputs (N, 3, H, W)."""
        logits, activations = self._session.run(["logits", "activations"], {"input": x})
        return np.asarray(logits), np.asarray(activations)

    @cached_property
    def _session(self) -> ort.InferenceSession:
        options = ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        # Threads of an idle session would spin, and slow down the forward pass of torch that follows.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            return ort.InferenceSession(str(self._path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises classes that it does not export
            raise ArtifactError(f"{self._path} is not a model that ONNX Runtime can run: export it again") from error
