"""A trained classifier, loaded from an artefact: its predictions, without explanations."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self, get_args

import numpy as np
from PIL import Image

from camcore.deprecation import accept_former_names
from camcore.errors import ArtifactError, CamError, DeviceError
from camcore.images.preprocess import View, make_view, normalise
from camcore.methods.score_cam import Int8Forward, batch_size
from camcore.model.batching import ForwardWithActivations, common_batches
from camcore.model.classes import find_class
from camcore.model.gpu import INPUT_MEMORY, FittingBatches
from camcore.model.manifest import (
    ONNX,
    ONNX_INT8,
    TORCHSCRIPT,
    Manifest,
    ResizeMode,
    export_again,
    read_manifest,
    verify,
)
from camcore.model.probe import Results, check_results, probe_input
from camcore.results import ForwardPass, Prediction
from camcore.types import Array, Box, Device, Forward, LogitWeights

if TYPE_CHECKING:
    from camcore.model.onnx import Scorer
    from camcore.model.torchscript import TracedModel

PhotoInput = Image.Image | ForwardPass
_SHARED = 16  # inputs of 224 x 224 pixels in a batch of several threads


class Classifier:
    """A trained image classifier; use `load` to create one."""

    def __init__(self, manifest: Manifest, model: "TracedModel", scorer: "Scorer", int8: "Scorer | None"):
        self.manifest = manifest
        self._model = model
        self._scorer = scorer
        self._forward: ForwardWithActivations = model.forward if model.has_features else scorer.forward
        self._logits: Forward = scorer.logits
        self._int8: Int8Forward | None = None
        self._int8_scorer = int8
        if int8 is not None and manifest.int8 is not None:
            self._int8 = Int8Forward(int8.logits, manifest.int8.noise, manifest.int8.speed_up)

    @classmethod
    def load(cls, directory: Path | str, threads: int | None = None, device: Device = "cpu") -> Self:
        """Load an artefact directory that `python -m export` wrote, and check its files.

        Their hashes must be those of the manifest, and both models must compute the same scores for one input, in the
        shapes that the manifest describes.

        `threads` is for ONNX Runtime, by default one per core that this process may use; torch's are not changed.
        With the device "cuda", the model runs on the first GPU, in fp32: int8 is not used, and TF32 is turned off for
        the process, unless the environment variable NVIDIA_TF32_OVERRIDE is set. Raise ArtifactError if the directory
        is missing, damaged, not an artefact, or a mixture of two, and DeviceError if the GPU cannot run the model.
        """
        if device not in get_args(Device):  # ONNX Runtime would be on the CPU while torch is on "cuda:1"
            raise DeviceError(f"{device!r} is not a device: choose from {', '.join(get_args(Device))}")
        from camcore.model.onnx import Scorer
        from camcore.model.torchscript import TracedModel, free_memory

        directory = Path(directory)
        manifest = read_manifest(directory)
        verify(directory, manifest)
        batches = None
        if device == "cuda":
            os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")  # TF32 is fp32 rounded to 10 bits
            memory = free_memory() // 2  # torch has the other half
            batches = FittingBatches(memory, batch_size(manifest.preprocessing.size, memory // INPUT_MEMORY))
        # ONNX Runtime has no CUDA kernels for quantised convolutions: it would copy all their data to the CPU and back.
        uses_int8 = ONNX_INT8 in manifest.files and batches is None
        int8 = Scorer(directory / ONNX_INT8, threads, classes=len(manifest.labels)) if uses_int8 else None
        model = TracedModel(directory / TORCHSCRIPT, manifest.layer.number, manifest.classifier, device)
        classifier = cls(manifest, model, Scorer(directory / ONNX, threads, batches), int8)
        classifier._check_models()
        return classifier

    def at_layer(self, name: str) -> Self:
        """Return the same for another layer of the artefact; both share the model.

        Its Score-CAM runs in fp32: the error of int8 was measured at the first layer only. Raise ArtifactError if the
        artefact has no such layer.
        """
        if name == self.manifest.layer.name:
            return self
        manifest = self.manifest.at_layer(name)
        number = manifest.layer.number
        model = self._model.at_layer(number)
        scorer = self._scorer if model.has_features else self._scorer.at_layer(number)
        classifier = type(self)(manifest, model, scorer, None)
        classifier._check_models()
        return classifier

    @property
    def threads(self) -> int:
        """Return the number of threads of ONNX Runtime."""
        return self._scorer.threads

    @contextmanager
    def sharing_batches(self) -> Iterator[Self]:
        """Provide the same for a block in which several threads use it: their forward passes are run in common batches.

        They run in ONNX Runtime only, one batch per core on one thread each, which leaves no core waiting for another;
        on a GPU one batch at a time, as large as its memory allows. On the CPU, they do not depend on what else is in a
        batch. Only gradients are computed by each thread. At the end of the block, calls that still run raise
        CancelledError.
        """
        from camcore.model.torchscript import one_torch_thread

        size, runners = batch_size(self.manifest.preprocessing.size, _SHARED), self.threads
        if self._scorer.batches is not None:
            size, runners = self._scorer.batches.size, 1
        with one_torch_thread(), common_batches(size, runners) as batches:
            other, scorer = copy(self), self._scorer.on_one_thread()
            other._forward = batches.share_activations(scorer.forward)
            other._logits = batches.share(scorer.logits)
            if self._int8 is not None and self._int8_scorer is not None:
                forward = self._int8_scorer.on_one_thread().logits
                other._int8 = replace(self._int8, forward=batches.share(forward))
            yield other

    @accept_former_names(fit="resize_mode")
    def forward(
        self, photo: Image.Image | View, resize_mode: ResizeMode | None = None, box: Box | None = None
    ) -> ForwardPass:
        """Run the model once on an RGB photo (see `open_photo`), or on a view of it (see `PhotoDecoder.view`).

        `resize_mode` and `box` are those of `make_view`.
        """
        start, steps = time.perf_counter(), self.manifest.preprocessing
        view = photo if isinstance(photo, View) else make_view(photo, steps, resize_mode, box)
        return self._run_input(normalise(view, steps), view, start)

    @accept_former_names(fit="resize_mode")
    def predict(self, photo: PhotoInput, top: int = 5, resize_mode: ResizeMode | None = None) -> list[Prediction]:
        """Return the `top` most probable classes, the most probable first."""
        forward_pass = self._run_once(photo, resize_mode)
        best = np.argsort(-forward_pass.logits, kind="stable")[:top]
        return [self._prediction(forward_pass, int(index)) for index in best]

    def _check_models(self) -> None:
        """Run the models once: what cannot be run, or is not as in the manifest, is an error here, not of each photo.

        Raise ArtifactError, or DeviceError if a GPU cannot run the model.
        """
        from camcore.model.torchscript import one_torch_thread

        directory = self._scorer.path.parent
        try:
            with one_torch_thread():  # several would wait for each other, for seconds on a busy machine
                results = self._probe_results(probe_input(self.manifest.preprocessing.size))
        except CamError:
            raise
        except Exception as error:  # ONNX Runtime raises classes that it does not export
            reason = str(error).strip().splitlines()[-1][:200]
            if self._scorer.batches is not None:
                raise DeviceError(f"the GPU cannot run this model ({reason}): use --device cpu") from error
            problem = f"the model in {directory} cannot be run ({reason})"
            raise ArtifactError(f"{problem}: {export_again(directory)}") from error
        check_results(directory, self.manifest, results)

    def _probe_results(self, x: Array) -> Results:
        """Return the logits and the layer's output of both models for one input."""
        if not self._model.has_features:
            logits, output = self._scorer.forward(x)
            return {ONNX: (logits, output), TORCHSCRIPT: (self._model.logits(output), None)}
        if self._scorer.batches is None:
            onnx = self._scorer.forward(x)  # first, because it refuses an input of another size at once
            traced = self._model.forward(x)
        else:
            traced = self._model.forward(x)  # before ONNX Runtime, which uses the libraries that torch loads
            self._model.gradients(traced[1][0], {0: 1.0})
            onnx = self._scorer.forward(x)
        is_first = self.manifest.layer.number == 0  # the only one whose output the ONNX file has
        return {ONNX: (onnx[0], onnx[1] if is_first else None), TORCHSCRIPT: traced}

    def _run_input(self, x: Array, view: View, start: float | None = None) -> ForwardPass:
        """Run the model on an input (1, 3, H, W); the time counts from `start`."""
        start = time.perf_counter() if start is None else start
        logits, output = self._forward(x)
        activations, other_tokens = self.manifest.layer.to_activations(output[0])
        seconds = time.perf_counter() - start
        return ForwardPass(x, view, logits[0], activations, seconds, self.manifest.multi_label, other_tokens)

    def _run_once(self, photo: PhotoInput, resize_mode: ResizeMode | None) -> ForwardPass:
        return photo if isinstance(photo, ForwardPass) else self.forward(photo, resize_mode)

    def _gradients(self, photo: ForwardPass, weights: LogitWeights, seeds: Sequence[int] = ()) -> Iterator[Array]:
        """Yield the gradients (C, h, w) of a weighted sum of logits by the activations of a photo.

        Those of a randomised classifier follow for each seed; see `TracedModel.randomised_gradients`.
        """
        layer = self.manifest.layer
        output = layer.to_output(photo.activations, photo.other_tokens)
        yield layer.to_activations(self._model.gradients(output, weights))[0]
        for gradients in self._model.randomised_gradients(output, weights, seeds) if seeds else ():
            yield layer.to_activations(gradients)[0]

    def _prediction(self, forward_pass: ForwardPass, class_idx: int | None) -> Prediction:
        labels = self.manifest.labels
        index = find_class(labels, int(forward_pass.logits.argmax()) if class_idx is None else class_idx)
        return Prediction(index, labels[index], float(forward_pass.probabilities[index]))
