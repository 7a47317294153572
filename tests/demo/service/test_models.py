"""The choice of the models that the page offers."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from camcore import ArtifactError
from demo.service.models import load_models
from export import pipeline
from export.pipeline import ExportOptions, export_artifact
from tests.processes import end


def test_load_models_uses_an_exported_model_and_explains_its_choice(
    artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = load_models(artifacts, None, pytest.fail)
    assert (models.explainer().manifest.model, models.notice) == ("efficientnet_lite0", None)
    monkeypatch.setenv("CAMCORE_ARTIFACTS", str(artifacts))
    notice = load_models(None, None, pytest.fail).notice
    assert notice
    assert notice.startswith("This page uses efficientnet_lite0, the model that was exported here. For ResNet-50, run")


def test_load_models_refuses_a_foreign_folder_and_leaves_it_unchanged(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").touch()
    with pytest.raises(ArtifactError, match="holds no exported model"):
        load_models(tmp_path, None, pytest.fail)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


# The command with an export of the embedded model that copies the folder which comes first.
WITH_ITS_EXPORT = """
import shutil, sys
from export import pipeline
exported, export = sys.argv.pop(1), pipeline.export_artifact
def copy_or_export(options, **settings):
    is_embedded = options.model == "efficientnet_lite0"
    return shutil.copytree(exported, options.out) if is_embedded else export(options, **settings)
pipeline.export_artifact = copy_or_export
from demo.__main__ import run
run()
"""


@pytest.mark.slow
def test_demo_without_a_network_uses_the_embedded_model_and_reports_it(tmp_path: Path, artifacts: Path) -> None:
    """Run the command with nothing exported, no cached weights, and a network that refuses connections.

    The embedded model is copied from the artefact that all tests share; it is exported in `make soak` only.
    """
    refused = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    environment = {**os.environ, **refused, "TORCH_HOME": str(tmp_path / "cache"), "no_proxy": "", "NO_PROXY": ""}
    environment["NO_PROXY"] = environment["no_proxy"] = "127.0.0.1,localhost"
    program = ["-c", WITH_ITS_EXPORT, str(artifacts / "efficientnet_lite0")]
    if "SOAK" in os.environ:
        program = ["-m", "demo"]
    command = [sys.executable, *program, "--artifacts", str(tmp_path / "artifacts")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stderr
        lines = []
        try:
            for line in server.stderr:
                lines.append(line)
                if "the page is at" in line:
                    break
        finally:
            end(server)
        lines += server.stderr
    assert "Traceback" not in "".join(lines)
    (notice,) = [line for line in lines if "until then" in line]
    assert re.fullmatch(
        r"The weights IMAGENET1K_V2 of resnet50 could not be downloaded \(.*\): .*; until then this page uses "
        r"efficientnet_lite0\. For ResNet-50 later, run `python -m export` and start the demo again\.\n",
        notice,
    )
    assert any("the page is at http://127.0.0.1" in line for line in lines)
    assert (tmp_path / "artifacts" / "efficientnet_lite0" / "manifest.json").is_file()


def test_load_models_names_damaged_cached_weights_in_its_notice(
    tmp_path: Path, artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The embedded model is copied from the artefact that all tests share."""

    def export(options: ExportOptions, progress: Callable[[str], None]) -> Path:
        if options.model == "efficientnet_lite0":
            return Path(shutil.copytree(artifacts / "efficientnet_lite0", str(options.out)))
        return export_artifact(options, progress=progress)

    monkeypatch.setattr(pipeline, "export_artifact", export)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cached = tmp_path / "hub" / "checkpoints" / "resnet50-11ad3fa6.pth"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"half a file")
    loaded = load_models(tmp_path / "artifacts", None, lambda _: None)
    assert loaded.explainer().manifest.model == "efficientnet_lite0"
    assert loaded.notice
    assert f"{cached} is damaged: delete that file" in loaded.notice
