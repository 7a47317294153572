"""The ONNX Runtime session: logits of many masked inputs, fast. No session leaves this module."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
from loky import cpu_count

from camcore.errors import ArtifactError
from camcore.types import Array


class Scorer:
    """A session over one ONNX model on the CPU, with as many threads as this process may use cores unless told.

    The session is made at the first call, which raises ArtifactError if ONNX Runtime cannot run the model.
    """

    def __init__(self, path: Path, threads: int | None = None):
        self._path = path
        self._threads = threads or cpu_count()
        self._made: ort.InferenceSession | None = None

    def logits(self, x: Array) -> Array:
        """Logits (N, K) of inputs (N, 3, H, W)."""
        (logits,) = self._session().run(["logits"], {"input": x})
        return np.asarray(logits)

    def forward(self, x: Array) -> tuple[Array, Array]:
        """Logits (N, K) and the target layer's activations (N, C, h, w) of inputs (N, 3, H, W)."""
        logits, activations = self._session().run(["logits", "activations"], {"input": x})
        return np.asarray(logits), np.asarray(activations)

    def release(self) -> None:
        """Let the session's memory go; the next call makes it again."""
        self._made = None

    def _session(self) -> ort.InferenceSession:
        if self._made is None:
            options = ort.SessionOptions()
            options.intra_op_num_threads = self._threads
            # Spinning threads of an idle session would slow torch's forward right after it.
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            try:
                self._made = ort.InferenceSession(str(self._path), options, providers=["CPUExecutionProvider"])
            except Exception as error:  # ONNX Runtime raises classes that it does not export
                raise ArtifactError(
                    f"{self._path} is not a model that ONNX Runtime can run: export it again"
                ) from error
        return self._made
