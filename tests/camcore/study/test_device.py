"""The device of a study: in what its records depend on, in its description, and among the workers of a cluster."""

from collections.abc import Callable
from typing import Any

import pytest

from camcore import Explainer, ExplainOptions
from camcore.errors import StudyError
from camcore.study import ray_cluster
from camcore.study.description import conditions, describe_photo
from camcore.study.ray_cluster import divide_cores
from camcore.study.settings import LEVELS, Level, StudySettings

Cluster = Callable[..., None]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    def make(*resources: dict[str, Any]) -> None:
        monkeypatch.setattr(ray_cluster, "_computers", lambda: [{"Resources": one} for one in resources])

    return make


@pytest.mark.parametrize("level", LEVELS)
def test_records_depend_on_the_device_and_those_of_the_cpu_hold_as_before(level: Level, stand_in: Explainer) -> None:
    on_cpu, on_gpu = (StudySettings(level=level), StudySettings(level=level, device="cuda"))
    assert "device" not in on_cpu.to_json()
    assert on_gpu.to_json() == {**on_cpu.to_json(), "device": "cuda"}
    assert conditions(stand_in.manifest, on_gpu) != conditions(stand_in.manifest, on_cpu)


@pytest.mark.slow
def test_the_description_says_int8_only_where_it_is_used(lite0: Explainer) -> None:
    def curves(settings: StudySettings) -> str:
        description = describe_photo(lite0.manifest, settings, "a.jpg", "lion", "command")
        return str(description["protocol"]["precision"]).rpartition(" ")[2]

    assert curves(StudySettings()) == "int8"
    assert curves(StudySettings(device="cuda")) == curves(StudySettings(ExplainOptions(effort="exact"))) == "fp32"


def test_workers_on_the_cpu_have_cores_alone(cluster: Cluster) -> None:
    cluster({"CPU": 16.0}, {"CPU": 9.0, "GPU": 1.0}, {})
    assert divide_cores(None, "cpu") == (4, 6)
    assert divide_cores(8, "cpu") == (8, 3)


def test_a_worker_with_cuda_has_a_gpu_of_its_own(cluster: Cluster) -> None:
    cluster({"CPU": 2.0}, {"CPU": 16.0, "GPU": 2.0}, {"CPU": 4.0, "GPU": 8.0})
    assert divide_cores(None, "cuda") == (4, 3)
    assert divide_cores(16, "cuda") == (16, 1)
    with pytest.raises(StudyError, match="no computer of the cluster has 17 cores"):
        divide_cores(17, "cuda")


def test_a_cluster_without_a_gpu_is_an_error_with_a_remedy(cluster: Cluster) -> None:
    cluster({"CPU": 16.0}, {"CPU": 4.0, "GPU": 0.5})
    with pytest.raises(StudyError, match="has a GPU: use --device cpu"):
        divide_cores(None, "cuda")
