"""The GPU, as far as a computer without one can test it: what is required of CUDA, with stand-ins for its runtimes."""

import os
from contextlib import AbstractContextManager
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakSet

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from numpy.testing import assert_array_equal

from camcore import DeviceError, Explainer, classifier, open_photo
from camcore.model import gpu, torchscript
from camcore.model.batching import CommonBatches, common_batches
from camcore.model.gpu import INPUT_MEMORY, FittingBatches, installed_version, is_out_of_memory
from camcore.model.manifest import ONNX, TORCHSCRIPT
from camcore.model.onnx import Scorer
from camcore.model.torchscript import TracedModel, free_memory
from camcore.types import Array
from export.pipeline import ExportOptions, export_artifact
from tests.export.onnx_models.nets import small_model

CUDA = "CUDAExecutionProvider"
# As users report them: microsoft/onnxruntime issues 16307 and 22702, and of torch and cuDNN.
OUT_OF_MEMORY = (
    "Non-zero status code returned while running Conv node. Name:'/conv/Conv' Status Message: bfc_arena.cc:376 void* "
    "onnxruntime::BFCArena::AllocateRawInternal(...) Failed to allocate memory for requested buffer of size 939524096",
    "BFCArena::AllocateRawInternal Available memory of 34699008 is smaller than requested bytes of 945041920",
    "CUDA failure 2: out of memory ; GPU=0",
    "CUDA out of memory. Tried to allocate 12.50 MiB",
    "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED",
)


class FakeDevice:
    """A forward that runs out of memory above a number of inputs, and notes how many it is called with."""

    def __init__(self, most: int):
        self.most = most
        self.sizes: list[int] = []

    def __call__(self, x: Array) -> tuple[Array, Array]:
        self.sizes.append(len(x))
        if len(x) > self.most:
            raise MemoryError
        return x.sum(axis=(1, 2, 3)), x


class RuntimeOfCuda(ort.InferenceSession):  # type: ignore[misc]
    """ONNX Runtime on the CPU that says it uses CUDA, and runs out of memory above `most` inputs."""

    most = 1000
    alive: ClassVar["WeakSet[RuntimeOfCuda]"] = WeakSet()
    made: ClassVar[list[dict[str, Any]]] = []
    sizes: ClassVar[list[int]] = []

    def __init__(self, path: str, options: ort.SessionOptions, **rest: Any):
        assert not ("enable_fallback" in rest and self.alive), "memory is given back before it is taken again"
        self.made.append(rest)
        super().__init__(path, options, providers=["CPUExecutionProvider"])
        if "enable_fallback" in rest:
            self.alive.add(self)

    def get_providers(self) -> list[str]:
        return [CUDA, "CPUExecutionProvider"]

    def run(self, names: list[str], inputs: dict[str, Array]) -> Any:
        self.sizes.append(len(inputs["input"]))
        if len(inputs["input"]) > self.most:
            raise Exception(OUT_OF_MEMORY[0])  # noqa: TRY002
        return super().run(names, inputs)


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> type[RuntimeOfCuda]:
    """Replace ONNX Runtime and torch by such as seem to use a GPU with memory for 50 inputs of 224 x 224 pixels."""

    class Runtime(RuntimeOfCuda):
        alive: ClassVar["WeakSet[RuntimeOfCuda]"] = WeakSet()
        made: ClassVar[list[dict[str, Any]]] = []
        sizes: ClassVar[list[int]] = []

    class Traced(TracedModel):
        def __init__(self, path: Path, layer: int = 0, classifier: str | None = None, device: str = "cpu"):
            self.place = device
            super().__init__(path, layer, classifier)

    monkeypatch.setattr(ort, "InferenceSession", Runtime)
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CUDA, "CPUExecutionProvider"])
    monkeypatch.setattr(ort, "preload_dlls", lambda: print("cuDNN is loaded"))
    monkeypatch.setattr(torchscript, "TracedModel", Traced)
    monkeypatch.setattr(torchscript, "free_memory", lambda: 100 * INPUT_MEMORY)
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "")
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE")
    return Runtime


def inputs(count: int, size: int = 2) -> Array:
    return np.random.default_rng(0).normal(size=(count, 3, size, size)).astype(np.float32)


def test_a_batch_is_halved_when_memory_runs_out_and_the_smaller_size_is_remembered() -> None:
    batches, device, x = FittingBatches(0, 16), FakeDevice(5), inputs(21)
    sums, same = batches.run(device, x)
    assert device.sizes == [16, 8, 4, 4, 4, 4, 4, 1]
    assert_array_equal(sums, x.sum(axis=(1, 2, 3)))
    assert_array_equal(same, x)
    device.sizes.clear()
    batches.run(device, x[:9])
    assert device.sizes == [4, 4, 1]


def test_a_part_of_a_batch_is_halved_too() -> None:
    batches, device = FittingBatches(0, 100), FakeDevice(2)
    batches.run(device, inputs(7))
    assert device.sizes == [7, 3, 1, 1, 1, 1, 1, 1, 1]


def test_memory_that_does_not_suffice_for_one_input_is_an_error_with_a_remedy() -> None:
    device = FakeDevice(0)
    with pytest.raises(DeviceError, match="use --device cpu"):
        FittingBatches(0, 4).run(device, inputs(4))
    assert device.sizes == [4, 2, 1]


def test_other_errors_of_a_batch_are_not_hidden() -> None:
    def fail(x: Array) -> tuple[Array, ...]:
        raise ValueError("shape")

    with pytest.raises(ValueError, match="shape"):
        FittingBatches(0, 4).run(fail, inputs(4))


@pytest.mark.parametrize("message", OUT_OF_MEMORY)
def test_errors_of_memory_are_recognised(message: str) -> None:
    assert is_out_of_memory(Exception(message))


@pytest.mark.parametrize("message", ["", "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got invalid dimensions"])
def test_other_errors_are_not_errors_of_memory(message: str) -> None:
    assert not is_out_of_memory(Exception(message))


def test_a_session_on_the_gpu_has_a_limit_and_cannot_fall_back(
    cuda: type[RuntimeOfCuda], quick_artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x, path = inputs(3, 32), quick_artifacts / "finches" / ONNX
    scorer = Scorer(path, batches=FittingBatches(1000, 8))
    assert scorer.on_one_thread() is scorer
    scorer.logits(x)
    (made,) = cuda.made
    (provider, options), last = made["providers"]
    assert (provider, last, made["enable_fallback"]) == (CUDA, "CPUExecutionProvider", 0)
    assert options == {
        "arena_extend_strategy": "kSameAsRequested", "cudnn_conv_algo_search": "HEURISTIC", "use_tf32": 0,
        "gpu_mem_limit": 1000,
    }  # fmt: skip
    assert capsys.readouterr().out == "", "JSON lines are written there"


def test_a_session_whose_memory_runs_out_is_replaced_and_the_results_are_complete(
    cuda: type[RuntimeOfCuda], quick_artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, path = inputs(7, 32), quick_artifacts / "finches" / ONNX
    monkeypatch.setattr(cuda, "most", 2)
    logits, activations = Scorer(path, batches=FittingBatches(1000, 8)).forward(x)
    assert (cuda.sizes, len(cuda.made)) == ([7, 3, 1, 1, 1, 1, 1, 1, 1], 3)
    monkeypatch.undo()
    expected = Scorer(path).forward(x)
    assert_array_equal(logits, expected[0])
    assert_array_equal(activations, expected[1])


def test_other_errors_of_a_session_are_not_hidden(cuda: type[RuntimeOfCuda], quick_artifacts: Path) -> None:
    with pytest.raises(Exception, match="INVALID_ARGUMENT"):
        Scorer(quick_artifacts / "finches" / ONNX, batches=FittingBatches(1000, 8)).logits(inputs(2)[:, :1])
    assert len(cuda.made) == 1


def test_the_package_for_the_cpu_is_an_error_with_a_remedy(quick_artifacts: Path) -> None:
    if CUDA in ort.get_available_providers():
        pytest.skip("this is onnxruntime-gpu")
    with pytest.raises(DeviceError, match="pip install onnxruntime-gpu"):
        Scorer(quick_artifacts / "finches" / ONNX, batches=FittingBatches(0, 8)).logits(inputs(1, 32))


@pytest.mark.filterwarnings("ignore:Specified provider 'CUDAExecutionProvider' is not in available")
def test_a_session_that_falls_back_to_the_cpu_is_an_error(
    quick_artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime itself does, with a warning, if CUDA cannot be loaded; here its package has none."""
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CUDA])
    scorer = Scorer(quick_artifacts / "finches" / ONNX, batches=FittingBatches(0, 8))
    with pytest.raises(DeviceError, match="CUDA and cuDNN that onnxruntime-gpu was built for, or use --device cpu"):
        scorer.logits(inputs(1, 32))


def test_a_session_that_cannot_be_made_on_the_gpu_is_an_error_with_its_reason(
    cuda: type[RuntimeOfCuda], tmp_path: Path
) -> None:
    with pytest.raises(DeviceError, match=r"cannot use the GPU \(.*no\.onnx.*\): install"):
        Scorer(tmp_path / "no.onnx", batches=FittingBatches(0, 8)).logits(inputs(1, 32))


def test_only_the_first_gpu_has_a_name(quick_artifacts: Path) -> None:
    with pytest.raises(DeviceError, match="'cuda:1' is not a device: choose from cpu, cuda"):
        Explainer.load(quick_artifacts / "finches", device="cuda:1")  # type: ignore[arg-type]


@pytest.mark.parametrize(("version", "remedy"), [(None, "install a build for CUDA"), ("13.2", "nvidia-smi")])
def test_without_a_gpu_torch_names_the_remedy(
    version: str | None, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", version)
    with pytest.raises(DeviceError, match=f"{remedy}.*, or use --device cpu"):
        free_memory()


def test_the_free_memory_is_that_of_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (7, 9))
    assert free_memory() == 7


def test_on_the_gpu_a_model_runs_in_fp32(
    cuda: type[RuntimeOfCuda], artifacts: Path, lite0: Explainer, animal_photos: list[Path]
) -> None:
    explainer = Explainer.load(artifacts / "efficientnet_lite0", 2, "cuda")
    assert os.environ["NVIDIA_TF32_OVERRIDE"] == "0"
    assert explainer.manifest.int8 is not None
    assert explainer._model.place == "cuda"  # type: ignore[attr-defined]
    assert explainer._scorer.batches is not None
    assert (explainer._scorer.batches.size, explainer._scorer.batches.memory) == (50, 50 * INPUT_MEMORY)
    assert cuda.sizes == [1], "it is tried out"
    with explainer.sharing_batches() as shared, lite0.sharing_batches() as on_cpu:
        forward_pass, expected = (one.forward(open_photo(animal_photos[0])) for one in (shared, on_cpu))
        assert_array_equal(forward_pass.logits, expected.logits)
        (explanation,) = shared.explain(forward_pass, methods=["score-cam"], effort=24)
        assert explanation.precision == "fp32"
        (explanation,) = on_cpu.explain(forward_pass, methods=["score-cam"], effort=24)
        assert explanation.precision != "fp32"
    assert sum("enable_fallback" in made for made in cuda.made) == 1, "one session on the GPU for all"


def test_on_the_gpu_threads_share_one_large_batch_at_a_time(
    cuda: type[RuntimeOfCuda], quick_artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared: list[tuple[int, int]] = []

    def note(size: int, runners: int) -> AbstractContextManager[CommonBatches]:
        shared.append((size, runners))
        return common_batches(size, runners)

    monkeypatch.setattr(classifier, "common_batches", note)
    on_gpu, on_cpu = (Explainer.load(quick_artifacts / "finches", 3, device) for device in ("cuda", "cpu"))
    for explainer in (on_gpu, on_cpu):
        with explainer.sharing_batches():
            pass
    assert shared == [(50 * 49, 1), (16 * 49, 3)], "an input of 32 x 32 pixels is a 49th of one of 224 x 224"


def test_a_gpu_that_cannot_run_the_model_is_an_error_when_it_is_loaded(
    cuda: type[RuntimeOfCuda], quick_artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("Traceback of TorchScript\nExpected all tensors to be on the same device")

    monkeypatch.setattr(TracedModel, "gradients", fail)
    with pytest.raises(DeviceError, match=r"^the GPU cannot run this model \(Expected .* device\): use --device"):
        Explainer.load(quick_artifacts / "finches", device="cuda")


def test_torch_without_enough_memory_is_an_error_with_a_remedy(
    quick_artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError(OUT_OF_MEMORY[3])

    model = TracedModel(quick_artifacts / "finches" / TORCHSCRIPT)
    _, activations = model.forward(inputs(1, 32))
    model._features = model._head = fail
    with pytest.raises(DeviceError, match="too little free memory"):
        model.forward(inputs(1, 32))
    with pytest.raises(DeviceError, match="too little free memory"):
        model.gradients(activations[0], {0: 1})
    monkeypatch.setattr(torch.jit, "load", fail)
    with pytest.raises(DeviceError, match="too little free memory"):
        TracedModel(quick_artifacts / "finches" / TORCHSCRIPT)


def test_tensors_go_to_the_device_of_the_model_and_come_back(
    quick_artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those of the randomised copy; the device is a second name of the CPU."""
    path, device = quick_artifacts / "finches" / TORCHSCRIPT, torch.device("cpu", 0)
    here, there = TracedModel(path), TracedModel(path, device=device)  # type: ignore[arg-type]
    moved: list[object] = []
    to = torch.Tensor.to

    def note(tensor: torch.Tensor, place: object) -> torch.Tensor:
        moved.append(place)
        return to(tensor, place)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(torch.Tensor, "to", note)
    logits, activations = there.forward(inputs(1, 32))
    gradients = [there.gradients(activations[0], {3: 1}), *there.randomised_gradients(activations[0], {3: 1}, range(2))]
    assert moved == [device] * 4
    assert_array_equal(logits, here.forward(inputs(1, 32))[0])
    expected = [here.gradients(activations[0], {3: 1}), *here.randomised_gradients(activations[0], {3: 1}, range(2))]
    assert_array_equal(gradients, expected)


def test_the_version_of_onnxruntime_is_that_of_its_build_for_gpus_where_it_takes_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    versions = {"onnxruntime-gpu": "1.32.0", "numpy": "2.3.0"}

    def version(package: str) -> str:
        if package not in versions:
            raise PackageNotFoundError(package)
        return versions[package]

    monkeypatch.setattr(gpu, "version", version)
    assert [installed_version(package) for package in ("onnxruntime", "numpy")] == ["1.32.0", "2.3.0"]


@pytest.fixture
def of_one_photo(tmp_path: Path) -> Path:
    """Export an ONNX file that takes exactly one photo."""
    onnx.save(small_model(), tmp_path / "trap.onnx")
    options = ExportOptions(model=str(tmp_path / "trap.onnx"), out=tmp_path / "trap", int8=False)
    return export_artifact(options)


def test_on_the_gpu_a_file_for_one_photo_runs_one_by_one(of_one_photo: Path, cuda: type[RuntimeOfCuda]) -> None:
    x = np.random.default_rng(0).normal(size=(3, 3, 32, 32)).astype(np.float32)
    expected = Explainer.load(of_one_photo)._logits(x)
    explainer = Explainer.load(of_one_photo, device="cuda")
    assert set(cuda.sizes) == {1}, "it is tried out"
    cuda.sizes.clear()
    assert_array_equal(explainer._logits(x), expected)
    assert cuda.sizes == [1, 1, 1]
