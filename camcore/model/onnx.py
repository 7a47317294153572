"""The ONNX Runtime session, which computes the logits of many masked inputs. No session leaves this module."""

import sys
from contextlib import redirect_stdout
from copy import copy
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import onnxruntime as ort
from loky import cpu_count

from camcore.errors import ArtifactError, DeviceError
from camcore.model.batching import Outputs
from camcore.model.external_data import has_external_data
from camcore.model.gpu import FittingBatches, is_out_of_memory
from camcore.model.manifest import export_again
from camcore.types import Array

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_CUDA_OPTIONS = {
    "arena_extend_strategy": "kSameAsRequested",  # the other strategy takes up to twice the memory that is needed
    "cudnn_conv_algo_search": "HEURISTIC",  # EXHAUSTIVE tries all algorithms out anew for every size of a batch
    "use_tf32": 0,
}


class Scorer:
    """An ONNX Runtime session of one model on the CPU, by default with as many threads as this process may use cores.

    With `batches`, it is on the GPU, and runs inputs in these. It is created at the first call, which raises
    ArtifactError if ONNX Runtime cannot run the model, or if it does not have as many `classes`, and DeviceError if the
    GPU cannot run it.
    """

    def __init__(
        self,
        path: Path,
        threads: int | None = None,
        batches: FittingBatches | None = None,
        classes: int | None = None,
    ):
        self.path, self.batches, self._classes = path, batches, classes
        self.threads = threads or cpu_count()
        self._output = "activations"

    def on_one_thread(self) -> "Scorer":
        """Return the same whose runs take one thread each, for as many threads that call it; on the GPU, itself."""
        if self.batches is not None:
            return self
        other = Scorer(self.path, 1, classes=self._classes)
        other._output = self._output
        vars(self).pop("_session", None)  # which would keep the weights twice, and is made again if it is used again
        return other

    def at_layer(self, number: int) -> "Scorer":
        """Return the same for the layer with a number; both share the session."""
        _ = self._session  # which both then share
        other = copy(self)
        other._output = f"activations_{number}" if number else "activations"
        return other

    def logits(self, x: Array) -> Array:
        """Return the logits (N, K) of inputs (N, 3, H, W)."""
        (logits,) = self._run(["logits"], x)
        return logits

    def forward(self, x: Array) -> tuple[Array, Array]:
        """Return the logits (N, K) and the target layer's output (N, *`Layer.output_shape`) of inputs (N, 3, H, W)."""
        logits, output = self._run(["logits", self._output], x)
        return logits, output

    def _run(self, names: list[str], x: Array) -> Outputs:
        if self.batches is not None:
            return self.batches.run(partial(self._run_on_gpu, names), x)
        return self._run_session(names, x)

    def _run_session(self, names: list[str], x: Array) -> Outputs:
        session = self._session
        if session.get_inputs()[0].shape[0] == 1 and len(x) > 1:  # as the file of a user may have it
            runs = [session.run(names, {"input": photo[None]}) for photo in x]
            return tuple(np.concatenate(values) for values in zip(*runs, strict=True))
        return tuple(np.asarray(values) for values in session.run(names, {"input": x}))

    def _run_on_gpu(self, names: list[str], x: Array) -> Outputs:
        _ = self._session  # whose errors are not those of a run
        try:
            return self._run_session(names, x)
        except Exception as error:  # ONNX Runtime raises classes that it does not export
            if not is_out_of_memory(error):
                raise
            vars(self).pop("_session", None)  # it never gives memory back: the next one has it in one piece
            raise MemoryError from error

    @cached_property
    def _session(self) -> ort.InferenceSession:
        options = ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        # Threads of an idle session would spin, and slow down the forward pass of torch that follows.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._check_file()
        if self.batches is not None:
            return self._session_on_gpu(options, self.batches.memory)
        try:
            session = ort.InferenceSession(str(self.path), options, providers=[_CPU])
        except Exception as error:  # ONNX Runtime raises classes that it does not export
            raise self._not_a_model() from error
        (scores,) = (output.shape[-1] for output in session.get_outputs() if output.name == "logits")
        if self._classes is not None and scores != self._classes:
            problem = f"{self.path} gives {scores} scores for {self._classes} class names"
            raise ArtifactError(f"{problem}: {export_again(self.path.parent)}")
        return session

    def _check_file(self) -> None:
        """Raise ArtifactError if weights are in other files, which have no hash and may be anywhere on the disk."""
        try:
            is_external = has_external_data(self.path)
        except ValueError as error:
            raise self._not_a_model() from error
        except OSError:
            return  # ONNX Runtime says why
        if is_external:
            problem = f"{self.path} has weights in other files, which are not read"
            raise ArtifactError(f"{problem}: {export_again(self.path.parent)}")

    def _not_a_model(self) -> ArtifactError:
        problem = f"{self.path} is not a model that ONNX Runtime can run"
        return ArtifactError(f"{problem}: {export_again(self.path.parent)}")

    def _session_on_gpu(self, options: ort.SessionOptions, memory: int) -> ort.InferenceSession:
        """Return a session that may use so many bytes of the GPU's memory."""
        if _CUDA not in ort.get_available_providers():
            remedy = "run `pip uninstall onnxruntime onnxruntime-gpu` and `pip install onnxruntime-gpu`"
            raise DeviceError(f"this onnxruntime is the package for the CPU: {remedy}, or use --device cpu")
        with redirect_stdout(sys.stderr):  # it prints what it cannot load
            ort.preload_dlls()
        providers = [(_CUDA, {**_CUDA_OPTIONS, "gpu_mem_limit": memory}), _CPU]
        reason = "its log says why"
        try:
            session = ort.InferenceSession(str(self.path), options, providers=providers, enable_fallback=0)
            if _CUDA in session.get_providers():
                return session  # else it has fallen back to the CPU, with no more than a line in its log
        except Exception as error:  # ONNX Runtime raises classes that it does not export
            reason = str(error).strip().splitlines()[-1][:200]
        remedy = "install the CUDA and cuDNN that onnxruntime-gpu was built for"
        raise DeviceError(f"ONNX Runtime cannot use the GPU ({reason}): {remedy}, or use --device cpu")
