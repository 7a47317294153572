"""What the rehearsal of the Space checks, and how it builds the Space; `make space` runs it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from contextlib import AbstractContextManager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from huggingface_hub.file_download import repo_folder_name
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from camcore import Explainer
from camcore.model.artifact_folders import find_artifact, list_artifacts
from camcore.model.manifest import (
    MANIFEST,
    ONNX,
    ONNX_INT8,
    TORCHSCRIPT,
    read_manifest,
    sha256,
)
from demo.service.models import load_models
from tests.readme_examples import DOCUMENTS, ROOT
from tests.space.__main__ import main
from tests.space.environment import (
    VENV,
    RehearsalError,
    added_packages,
    build_environment,
    copy_repository,
    space_variables,
    untracked,
)
from tests.space.front_matter import read_front_matter
from tests.space.memory import Memory, weigh
from tests.space.record import RECORD, is_rehearsed, write_record
from tests.space.report import Figures, draw_report, missed
from tests.space.server import Server, Start, check_proxied, explain, free_port, running

SPACE_README = DOCUMENTS["demo/README.md"]
COMMIT = "11c5a3d5811f50298f278a704980280950aedb10"
GOOD = """---
title: Birds
emoji: 🦅
colorFrom: green
colorTo: gray
sdk: gradio
sdk_version: 6.31.0
python_version: "3.11"
app_file: app.py
license: apache-2.0
---

Python 3.11 to 3.13.
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """What the front matter speaks of."""
    (tmp_path / "README.md").write_text(GOOD, encoding="utf-8")
    (tmp_path / "app.py").write_text("print('page')\n")
    (tmp_path / "requirements.txt").write_text("# the page\ngradio>=6.31,<7  # and its queue\n--pre\n")
    return tmp_path


def test_the_front_matter_fits_the_repository() -> None:
    front = read_front_matter(ROOT, version("gradio"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert SpecifierSet(project["requires-python"]).contains(front["python_version"])
    (gradio,) = [line for line in requirements() if line.name == "gradio"]
    assert gradio.specifier.contains(front["sdk_version"])


def test_read_front_matter_returns_its_keys(repository: Path) -> None:
    assert read_front_matter(repository, "6.31.0")["app_file"] == "app.py"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (GOOD, "# Birds\n", "does not begin with YAML"),
        ("title: Birds", "title: [Birds", "does not begin with YAML"),
        ("title: Birds\n", "", "the front matter lacks title: Spaces ask for it"),
        ("6.31.0", "6.31.1", "sdk_version is 6.31.1, but the tests run with gradio 6.31.0"),
        ("app_file: app.py", "app_file: main.py", "app_file is 'main.py', which is not a file of the repository"),
    ],
)
def test_read_front_matter_refuses_what_a_space_would(old: str, new: str, fault: str, repository: Path) -> None:
    (repository / "README.md").write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(RehearsalError, match=re.escape(fault)):
        read_front_matter(repository, "6.31.0")


def requirements() -> list[Requirement]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if not line.startswith("#")]


def test_requirements_stand_for_themselves() -> None:
    """A Space installs requirements.txt before it has the repository: no line may point into it."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if line.startswith(("-e", "-r", "-c", "--editable", "--requirement", "."))]
    assert len(requirements()) > 10
    assert not [line for line in requirements() if line.url]


@pytest.fixture
def front(repository: Path) -> dict[str, Any]:
    """A front matter that asks for the Python of the tests, which is the one that is surely there."""
    return read_front_matter(repository, "6.31.0") | {
        "python_version": f"{sys.version_info.major}.{sys.version_info.minor}"
    }


@pytest.fixture
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder, for requirements.txt."""
    return tmp_path_factory.mktemp("alone")


@pytest.mark.slow
@pytest.mark.parametrize("line", ["-e .", "-r requirements-test.txt"])
def test_a_line_that_needs_the_repository_fails_as_on_a_space(
    line: str, repository: Path, front: dict[str, Any], alone: Path
) -> None:
    (repository / "requirements.txt").write_text(f"{line}\n")
    (repository / "requirements-test.txt").touch()
    with pytest.raises(RehearsalError, match=r"pip cannot install what a Space would: .*(alone|requirements-test)"):
        build_environment(repository, front, alone, print)


def test_a_space_is_built_by_one_call_of_pip_and_kept_until_something_changes(
    repository: Path, front: dict[str, Any], alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []

    def run(command: list[str], cwd: Path | None = None, **_options: object) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        if cwd:
            assert [path.name for path in cwd.iterdir()] == ["requirements.txt"]
        (repository / VENV).mkdir(exist_ok=True)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    said: list[str] = []
    python = build_environment(repository, front, alone, said.append)
    (_, pip) = calls
    assert pip == [str(python), "-m", "pip", "install", "-r", "requirements.txt", *added_packages("6.31.0")]
    assert added_packages("6.31.0")[0] == "gradio[oauth,mcp]==6.31.0"
    assert build_environment(repository, front, alone, said.append) == python
    assert len(calls) == 2
    assert "kept" in said[-1]
    (repository / "requirements.txt").write_text("gradio>=6.32,<7\n")
    build_environment(repository, front, alone, said.append)
    assert len(calls) == 4


def test_a_python_that_is_not_there_is_named(repository: Path, front: dict[str, Any], alone: Path) -> None:
    with pytest.raises(RehearsalError, match=r"the Space asks for Python 3\.99, and there is no python3\.99 here"):
        build_environment(repository, front | {"python_version": "3.99"}, alone, print)


def test_a_space_has_what_git_tracks(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "demo").mkdir(parents=True)
    for name in ("app.py", "demo/text.py", "secret.txt", "forgotten.py"):
        (source / name).write_text(name)
    (source / ".gitignore").write_text("secret.txt\n")
    for command in (["init", "-q"], ["add", "app.py", "demo", ".gitignore"]):
        subprocess.run(["git", *command], cwd=source, check=True, timeout=60)
    assert copy_repository(source, target) == 3
    assert sorted(path.name for path in target.rglob("*") if path.is_file()) == [".gitignore", "app.py", "text.py"]
    assert untracked(source) == ["forgotten.py"]
    with pytest.raises(RehearsalError, match="git does not list the files of"):
        copy_repository(target, tmp_path / "elsewhere")


def test_the_app_sees_a_spaces_variables_and_no_way_out(tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    seen = space_variables(tmp_path / "home", tmp_path / "home" / "app", python, 7999, "Birds")
    assert seen["SYSTEM"] == "spaces"
    assert seen["SPACE_ID"] == f"{seen['SPACE_AUTHOR_NAME']}/{seen['SPACE_REPO_NAME']}"
    assert seen["SPACE_HOST"] == f"{seen['SPACE_ID'].replace('/', '-')}.hf.space"
    assert (seen["GRADIO_SERVER_NAME"], seen["GRADIO_SERVER_PORT"]) == ("0.0.0.0", "7999")
    assert seen["HOME"] != os.environ.get("HOME")
    assert {seen[name] for name in ("http_proxy", "HTTPS_PROXY", "all_proxy")} == {"http://127.0.0.1:9"}
    assert not {"CAMCORE_ARTIFACTS", "TORCH_HOME", "HF_TOKEN"} & seen.keys()


def test_artefacts_in_the_hubs_cache_are_found_through_its_links(tmp_path: Path, artifacts: Path) -> None:
    """The hub keeps a file's content once, under its hash, and links to it from each snapshot of a repository."""
    repository = tmp_path / ".cache" / "huggingface" / "hub" / "models--somebody--maps"
    snapshot = repository / "snapshots" / COMMIT
    (snapshot / "efficientnet_lite0").mkdir(parents=True)
    (repository / "blobs").mkdir()
    for file in (artifacts / "efficientnet_lite0").iterdir():
        blob = repository / "blobs" / sha256(file)
        shutil.copy(file, blob)
        (snapshot / "efficientnet_lite0" / file.name).symlink_to(Path("../../../blobs") / blob.name)
    assert list_artifacts(snapshot) == ["efficientnet_lite0"]
    explainer = Explainer.load(find_artifact(snapshot))
    assert explainer.manifest == read_manifest(artifacts / "efficientnet_lite0")
    models = load_models(snapshot, None, pytest.fail, 60.0)
    assert models.first == "efficientnet_lite0"


def test_the_readmes_torch_without_cuda_is_the_one_that_is_tested() -> None:
    pinned = dict(re.findall(r"^(torch\w*)==(\S+)\+cpu$", SPACE_README, flags=re.MULTILINE))
    wanted = {line.name: line.specifier for line in requirements()}
    assert sorted(pinned) == ["torch", "torchvision"]
    for name, number in pinned.items():
        assert wanted[name].contains(number)
        assert number == Version(version(name)).base_version


def test_the_readmes_artefacts_are_found_where_the_hub_puts_them() -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```", SPACE_README, flags=re.MULTILINE | re.DOTALL)
    (entry,) = yaml.safe_load(block.replace("COMMIT", COMMIT))["preload_from_hub"]
    repository, files, _ = entry.split()
    assert files.split(",") == [f"resnet50/{name}" for name in (MANIFEST, TORCHSCRIPT, ONNX, ONNX_INT8)]
    folder = repo_folder_name(repo_id=repository, repo_type="model")
    assert f"CAMCORE_ARTIFACTS=/home/user/.cache/huggingface/hub/{folder}/snapshots/COMMIT\n" in SPACE_README


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A folder with an app that answers as gradio does, until SIGTERM, and says what it sees."""
    (tmp_path / "app.py").write_text(
        """
import json, os, signal, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
signal.signal(signal.SIGTERM, lambda *_: sys.exit(int(os.environ["CODE"])))
class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        host = self.headers["X-Forwarded-Host"] or "here"
        self.send_response(200)
        for line in filter(None, os.environ["ADD"].split(";")):
            self.send_header(*line.split("=", 1))
        self.end_headers()
        self.wfile.write(json.dumps({"root": os.environ["SCHEME"] + host}).encode())
    def log_message(self, *_):
        pass
held = bytearray(100_000_000)
print("on", len(os.sched_getaffinity(0)), "cores", flush=True)
HTTPServer(("127.0.0.1", int(os.environ["GRADIO_SERVER_PORT"])), Page).serve_forever()
"""
    )
    return tmp_path


def serve(app: Path, code: int = 0, add: str = "", scheme: str = "https://") -> AbstractContextManager[Server]:
    """That app, running; it ends with `code`."""
    variables = {"GRADIO_SERVER_PORT": str(free_port()), "CODE": str(code), "ADD": add, "SCHEME": scheme}
    return running(Start(Path(sys.executable), app, "app.py", variables), print)


@pytest.fixture
def on_linux() -> None:
    """Skip where there is no /proc: the rehearsal is for Linux."""
    if not Path("/proc/self/status").is_file():
        pytest.skip("the rehearsal runs on Linux alone")


@pytest.mark.usefixtures("on_linux")
def test_the_server_is_waited_for_weighed_and_stopped(app: Path) -> None:
    with serve(app) as server:
        server.wait()
        check_proxied(server)
        memory = server.memory()
        assert 0.1 < memory.resident < 0.3
        assert memory.peak >= memory.resident
        assert server.stop() < 5
    assert server.printed == [f"on {min(2, len(os.sched_getaffinity(0)))} cores"]


@pytest.mark.usefixtures("on_linux")
def test_the_memory_of_children_counts() -> None:
    alone = "import time; held = bytearray(100_000_000); print(flush=True); time.sleep(60)"
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    with subprocess.Popen(
        [sys.executable, "-c", child, alone], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout
        process.stdout.readline()
        memory = weigh(process.pid)
        os.killpg(process.pid, signal.SIGKILL)
    assert 0.1 < memory.resident < 0.3


@pytest.mark.usefixtures("on_linux")
def test_a_server_that_ends_badly_is_said_to(app: Path) -> None:
    with serve(app, code=3) as server:
        server.wait()
        with pytest.raises(RehearsalError, match="after SIGTERM the server ended with exit code 3 rather than 0"):
            server.stop()


@pytest.mark.usefixtures("on_linux")
def test_a_server_that_never_answers_is_said_to(app: Path) -> None:
    (app / "app.py").write_text("raise SystemExit('error: no model')")
    with serve(app) as server, pytest.raises(RehearsalError, match=r"app\.py ended with exit code 1: error: no model"):
        server.wait()


@pytest.mark.usefixtures("on_linux")
@pytest.mark.parametrize(
    ("add", "scheme", "fault"),
    [
        ("X-Frame-Options=DENY", "https://", "the page forbids being framed"),
        ("Content-Security-Policy=frame-ancestors 'self'", "https://", "the page forbids being framed"),
        ("", "http://", "under the Space's name the page's links lead to http://"),
    ],
)
def test_a_page_that_the_hub_could_not_show_is_refused(add: str, scheme: str, fault: str, app: Path) -> None:
    with serve(app, add=add, scheme=scheme) as server:
        server.wait()
        with pytest.raises(RehearsalError, match=fault):
            check_proxied(server)


@pytest.mark.usefixtures("on_linux")
def test_a_page_that_lets_the_hub_frame_it_is_fine(app: Path) -> None:
    with serve(app, add="Content-Security-Policy=frame-ancestors https://huggingface.co") as server:
        server.wait()
        check_proxied(server)


FIGURES = Figures(
    page=40.0,
    first=55.0,
    again=9.0,
    explanations=(1.0, 2.0, 9.0),
    early=Memory(1.5, 5.0),
    late=Memory(1.9, 5.0),
    end=1.0,
    load=0.3,
)


def test_figures_stand_beside_what_was_asked() -> None:
    table = draw_report(FIGURES)
    assert "| … until the first explanation is there | 55.0 s | at most 60 s (met) |" in table
    assert "| … after 3 | 1.90 GB | at most 2 GB (met) |" in table
    assert "| one explanation, median of 3 | 2.00 s |  |" in table
    assert missed(FIGURES, timed=True) is None


def test_a_late_answer_fails_only_where_time_counts() -> None:
    late = replace(FIGURES, first=60.1)
    assert missed(late, timed=True) == "the first answer took 60.1 s, more than 60"
    assert missed(late, timed=False) is None
    assert "60.1 s | at most 60 s (missed) |" in draw_report(late)


def test_too_much_memory_always_fails() -> None:
    heavy = replace(FIGURES, late=Memory(2.1, 5.0))
    assert missed(heavy, timed=False) == "the server holds 2.10 GB, more than 2"


def test_what_a_space_adds_is_told_to_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--packages"]) == 0
    assert capsys.readouterr().out.splitlines() == added_packages(version("gradio"))


def test_a_faulty_front_matter_ends_the_rehearsal(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "README.md").write_text(GOOD.replace("license", "licence"), encoding="utf-8")
    monkeypatch.setattr("tests.space.__main__.ROOT", repository)
    assert main([]) == 1
    assert capsys.readouterr().err == "error: the front matter lacks license: Spaces ask for it\n"


def test_the_rehearsal_is_left_out_until_its_inputs_change(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("demo/__main__.py", "demo/server.py", "tests/space/server.py"):
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).touch()
    front = read_front_matter(repository, version("gradio"))
    assert not is_rehearsed(repository, front)
    write_record(repository, front, draw_report(FIGURES))
    (repository / "tests" / "space" / "test_space.py").touch()
    monkeypatch.setattr("tests.space.__main__.ROOT", repository)
    monkeypatch.setattr("tests.space.__main__._rehearse", lambda *_: FIGURES)
    assert main(["--if-changed"]) == 0
    assert capsys.readouterr().out.startswith("the Space is not rehearsed: nothing that it depends on has changed")
    (repository / "demo" / "server.py").write_text("# another\n")
    assert not is_rehearsed(repository, front)
    assert main(["--if-changed"]) == 0
    assert "55.0 s" in capsys.readouterr().out
    assert is_rehearsed(repository, front)


def test_a_rehearsal_that_misses_a_limit_is_not_recorded(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tests.space.__main__.ROOT", repository)
    monkeypatch.setattr("tests.space.__main__._rehearse", lambda *_: replace(FIGURES, late=Memory(2.1, 5.0)))
    assert main([]) == 1
    assert capsys.readouterr().err == "error: the server holds 2.10 GB, more than 2\n"
    assert not (repository / RECORD).exists()


class FakeJob:
    """What gradio_client gives for a call."""

    def __init__(self, answer: object):
        self._answer = answer

    def result(self, _timeout: float) -> object:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"model": "efficientnet_lite0"}, "was explained with efficientnet_lite0, not with resnet50, which was cached"),
        ({"explanations": [{"method": "grad-cam"}]}, "was explained by grad-cam"),
        ({"pictures": False}, "was explained without the pictures of it"),
        ({"error": ValueError("Queue is full!")}, "was not explained: Queue is full!"),
        ({}, None),
    ],
)
def test_an_explanation_is_looked_at(
    change: dict[str, Any], fault: str | None, tmp_path: Path, animal_photos: list[Path]
) -> None:
    (tmp_path / "map.png").write_bytes(b"png")
    picture = str(tmp_path / "map.png") if change.pop("pictures", True) else None
    methods = [{"method": name} for name in ("grad-cam", "grad-cam++", "score-cam")]
    record = {"model": "resnet50", "explanations": methods} | change
    answer = change.get("error") or (record, picture, picture, picture, picture, None)
    client = SimpleNamespace(submit=lambda *_given, **_named: FakeJob(answer))
    if fault is None:
        assert explain(client, animal_photos[0]) == record
        return
    with pytest.raises(RehearsalError, match=re.escape(fault)):
        explain(client, animal_photos[0])
