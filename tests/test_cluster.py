"""A study on a Ray cluster of two nodes: the results are those of the local engine, whatever is killed meanwhile."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from camcore.cli.main import main
from tests.planted_archive import ArchiveFiles
from tests.study_results import assert_equal_results, command, count_lines, rows
from tests.test_boundaries import ROOT

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.name == "nt", reason="Ray's test cluster is for POSIX"),
]

WAIT = 240.0  # seconds
# What a machine must be able to do: Ray needs shared memory, ports, and processes of its own.
PROBE = """import ray
ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
assert ray.get(ray.remote(lambda: 1).remote()) == 1"""
in_soak = pytest.mark.skipif("SOAK" not in os.environ, reason="takes long: run by make soak")


@pytest.fixture(scope="module")
def cluster() -> "Iterator[Cluster]":
    """Two nodes of one core each."""
    from ray.cluster_utils import Cluster

    try:
        subprocess.run([sys.executable, "-c", PROBE], check=True, capture_output=True, timeout=120)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"Ray does not start on this machine: {error}")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


class Study:
    """A study by the command line, as a program of its own."""

    def __init__(self, files: ArchiveFiles, network: Path, out: Path):
        self.command, self.out = command(files, network, out), out

    def start(self, engine: str, address: str, *more: str) -> "subprocess.Popen[str]":
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_ADDRESS": address}
        arguments = [*self.command, "--engine", engine, *more]
        return subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, env=environment)

    def wait_for(self, running: "subprocess.Popen[str]", photos: int) -> None:
        """Wait until so many photos are explained."""
        deadline = time.monotonic() + WAIT
        while running.poll() is None and time.monotonic() < deadline and count_lines(self.out) <= photos:
            time.sleep(0.002)

    def finish(self, running: "subprocess.Popen[str]") -> str:
        """Wait for the end, and return the messages."""
        messages = running.communicate(timeout=WAIT)[1]
        assert running.returncode == 0, messages
        return messages


@pytest.fixture
def study(planted_archive: ArchiveFiles, archive_network: Path, tmp_path: Path) -> Study:
    return Study(planted_archive, archive_network, tmp_path / "out")


@pytest.fixture(scope="module")
def screened_archive(
    planted_archive: ArchiveFiles, archive_network: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The results of the local engine, without photos in full."""
    out = tmp_path_factory.mktemp("screened") / "out"
    assert main([*command(planted_archive, archive_network, out)[3:], "--sample", "0"]) == 0
    return out


def workers() -> list[int]:
    """Return the processes of Ray's workers that study photos."""
    processes = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if b"MapWorker" in (path / "cmdline").read_bytes():
                processes.append(int(path.name))
        except OSError:  # it has just ended
            continue
    return processes


def kill_a_worker(_cluster: "Cluster") -> None:
    os.kill(workers()[0], signal.SIGKILL)


def kill_a_node(cluster: "Cluster") -> None:
    (node,) = cluster.worker_nodes
    cluster.remove_node(node, allow_graceful=False)
    cluster.add_node(num_cpus=1)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found in /proc")
@pytest.mark.parametrize("kill", [pytest.param(kill_a_worker, marks=in_soak), kill_a_node])
def test_nothing_is_lost_and_nothing_twice_if_a_part_of_the_cluster_is_killed(
    cluster: "Cluster", study: Study, screened_archive: Path, kill: "Callable[[Cluster], None]"
) -> None:
    running = study.start("ray", cluster.address, "--sample", "0")
    study.wait_for(running, 0)
    while len(workers()) < 2 and running.poll() is None:
        time.sleep(0.01)
    assert running.poll() is None, "it has not ended"
    kill(cluster)
    messages = study.finish(running)
    assert "Traceback" not in messages
    assert_equal_results(study.out, screened_archive)
    files = [row["file"] for row in rows(study.out)]
    assert len(files) == len(set(files)) == count_lines(study.out), "each photo once"


@in_soak
def test_a_killed_study_continues_with_the_other_engine_and_back(
    cluster: "Cluster", study: Study, studied_archive: Path
) -> None:
    chance, lines = random.Random(0), 0
    for engine in ("ray", "local"):
        running = study.start(engine, cluster.address)
        study.wait_for(running, lines + chance.randrange(20))
        running.kill()
        messages = running.communicate(timeout=WAIT)[1]
        assert "are explained again" not in messages
        assert count_lines(study.out) > lines, messages
        lines = count_lines(study.out)
    messages = study.finish(study.start("ray", cluster.address))
    assert "were explained before, and their results are reused" in messages
    assert_equal_results(study.out, studied_archive)


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://localhost:9"])
def test_without_a_cluster_at_the_address_one_sentence_says_so(
    study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert main([*study.command[3:], "--engine", "ray"]) == 2
    remedy = "start one with `ray start --head`, or remove RAY_ADDRESS to use this computer alone"
    assert capsys.readouterr().err == f"error: no Ray cluster answers at {address}: {remedy}\n"


def test_without_a_cluster_and_without_room_for_one_one_sentence_says_so(
    study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import ray

    def fail(**_: object) -> None:
        raise RuntimeError("no\nroom")

    monkeypatch.setattr(ray, "init", fail)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert main([*study.command[3:], "--engine", "ray"]) == 2
    assert capsys.readouterr().err == "error: Ray does not start on this computer (no room): use --engine local\n"


def test_a_damaged_model_is_refused_before_ray_starts(
    planted_archive: ArchiveFiles, archive_network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = shutil.copytree(archive_network, tmp_path / "damaged")
    (damaged / "model.onnx").write_bytes(b"damaged")
    assert main([*command(planted_archive, damaged, tmp_path / "out")[3:], "--engine", "ray"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "model.onnx" in line
    assert "export" in line


def test_without_ray_one_sentence_says_how_to_install_it(study: Study) -> None:
    program = "import sys\nsys.modules['ray'] = None\nfrom camcore.cli.main import main\nsys.exit(main(sys.argv[1:]))"
    arguments = [sys.executable, "-c", program, *study.command[3:], "--engine", "ray"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=WAIT, cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr == "error: --engine ray needs the package ray: pip install 'ray[data]'\n"
