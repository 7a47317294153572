"""Numbers of threads: of torch, of ONNX Runtime, and of NumPy while Score-CAM runs and afterwards."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from camcore.model.onnx import Scorer
from camcore.model.threads import on_one_blas_thread

assert np.ones((2, 2)).sum() == 4  # loads NumPy's BLAS before its threads are counted


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in ThreadpoolController().info() if library["user_api"] == "blas"}


def test_each_step_runs_on_one_thread_and_its_caller_on_as_many_as_before() -> None:
    def steps() -> Iterator[set[int]]:
        yield blas_threads()
        yield blas_threads()

    with threadpool_limits(2, user_api="blas"):
        for inside in on_one_blas_thread(steps()):
            assert inside == {1}
            assert blas_threads() == {2}
        assert blas_threads() == {2}


def test_closing_the_generator_closes_the_steps() -> None:
    closed = []

    def steps() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    reading = on_one_blas_thread(steps())
    assert next(reading) == 1
    reading.close()  # type: ignore[attr-defined]
    assert closed == [True]


# One core of several: loky treats this variable like a container's quota.
ONE_CORE = ("LOKY_MAX_CPU_COUNT", "1")


@pytest.mark.slow
@pytest.mark.parametrize(
    "main",
    [
        "from camcore.cli.main import main; main(['explain', 'no.jpg', '--artifacts', 'nowhere'])",
        "from export.__main__ import main; main(['--weights', 'no.pth', '--model', 'resnet18'])",
        "from demo.__main__ import main; main(['--artifacts', 'nowhere', '--model', 'none'])",
    ],
)
def test_a_program_gives_torch_no_more_threads_than_it_may_use_cores(main: str, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    ran = subprocess.run(
        [sys.executable, "-c", f"{main}; import torch; print(torch.get_num_threads())"],
        cwd=tmp_path,
        env={**environment, **dict([ONE_CORE]), "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert ran.stdout.split()[-1] == "1"


@pytest.mark.parametrize(("threads", "expected"), [(None, 1), (3, 3)])
def test_a_session_has_by_default_as_many_threads_as_it_may_use_cores(
    threads: int | None, expected: int, artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ort.InferenceSession
    seen = []

    def make(path: str, options: ort.SessionOptions, **rest: Any) -> ort.InferenceSession:
        seen.append(options.intra_op_num_threads)
        return made(path, options, **rest)

    monkeypatch.setattr(ort, "InferenceSession", make)
    monkeypatch.setenv(*ONE_CORE)
    Scorer(artifacts / "efficientnet_lite0" / "model.onnx", threads).logits(np.zeros((1, 3, 224, 224), np.float32))
    assert seen == [expected]
