"""The page's model and handlers, without a browser."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from camcore import ArtifactError, Explainer
from camcore.options import ExplainOptions
from demo.__main__ import main
from demo.compare import text
from demo.compare.session import ExplainRequest, PageState, Session, choose_class, explain
from demo.service import messages
from demo.service.models import Models, load_models
from export import pipeline
from export.pipeline import ExportOptions, export_model


@pytest.fixture
def eagle(imagenet_photos: list[Path]) -> str:
    return str(next(path for path in imagenet_photos if path.stem.endswith("_22")))


@pytest.fixture
def models(lite0: Explainer, artifacts: Path) -> Models:
    return Models(lite0, artifacts / "efficientnet_lite0")


def run(models: Models, request: ExplainRequest) -> list[PageState]:
    return list(explain(models, Session(request), request))


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


def test_without_a_network_the_demo_says_so_and_works(tmp_path: Path) -> None:
    """The real thing: nothing exported, no weights in the cache, a network that refuses."""
    refused = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    environment = {**os.environ, **refused, "TORCH_HOME": str(tmp_path / "cache"), "no_proxy": "", "NO_PROXY": ""}
    environment["NO_PROXY"] = environment["no_proxy"] = "127.0.0.1,localhost"
    command = [sys.executable, "-m", "demo", "--artifacts", str(tmp_path / "artifacts")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stderr
        said = []
        for line in server.stderr:
            said.append(line)
            if "the page is at" in line:
                break
        server.terminate()
        said += server.stderr
    assert "Traceback" not in "".join(said)
    (notice,) = [line for line in said if "until then" in line]
    assert re.fullmatch(
        r"The weights IMAGENET1K_V2 of resnet50 could not be downloaded \(.*\): .*; until then this page uses "
        r"efficientnet_lite0\. For ResNet-50 later, run `python -m export` and start the demo again\.\n",
        notice,
    )
    assert any("the page is at http://127.0.0.1" in line for line in said)
    assert (tmp_path / "artifacts" / "efficientnet_lite0" / "manifest.json").is_file()


def test_damaged_cached_weights_are_named_in_the_notice(
    tmp_path: Path, artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The export of the other model, which the test above runs, is taken from the one that all tests share."""

    def export(options: ExportOptions, progress: Callable[[str], None]) -> Path:
        if options.model == "efficientnet_lite0":
            return Path(shutil.copytree(artifacts / "efficientnet_lite0", str(options.out)))
        return export_model(options, progress=progress)

    monkeypatch.setattr(pipeline, "export_model", export)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cached = tmp_path / "hub" / "checkpoints" / "resnet50-11ad3fa6.pth"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"half a file")
    loaded = load_models(tmp_path / "artifacts", None, lambda _: None)
    assert loaded.explainer().manifest.model == "efficientnet_lite0"
    assert loaded.notice
    assert f"{cached} is damaged: delete that file" in loaded.notice


def test_the_page_fills_in_order(models: Models, eagle: str) -> None:
    plates = run(models, ExplainRequest(eagle))
    assert plates[0].running
    assert [len(state.explanations) for state in plates[:4]] == [0, 0, 1, 2]
    assert all(state.running for state in plates[:-1])
    final = plates[-1]
    assert not final.running
    assert final.predictions[0].name == "bald eagle"
    assert final.class_idx == 22
    assert final.explanations["score-cam"].complete
    assert "Done: all heatmaps for “bald eagle”" in final.status


def test_a_stopped_run_ends_within_a_chunk(models: Models, eagle: str) -> None:
    request = ExplainRequest(eagle, ExplainOptions(effort="exact"))
    session = Session(request)
    plates = explain(models, session, request)
    state = next(state for state in plates if "score-cam" in state.explanations)
    session.newest = None
    (last,) = plates
    assert (last.status, last.running) == (text.STOPPED, False)
    run_then, run_last = (each.explanations["score-cam"].forwards for each in (state, last))
    assert run_then is not None
    assert run_last is not None
    assert run_last - run_then <= 8


def test_a_run_that_begins_after_stop_leaves_the_page_as_it_is(models: Models, eagle: str) -> None:
    assert list(explain(models, Session(None), ExplainRequest(eagle))) == []


def test_a_request_is_run_once_however_often_its_change_is_told(models: Models, eagle: str) -> None:
    request = ExplainRequest(eagle)
    session = Session(request)
    assert list(explain(models, session, request))[-1].explanations
    assert list(explain(models, session, request)) == []
    session.newest = ExplainRequest(eagle)
    assert next(explain(models, session, session.newest)).running, "asked again, it is another"


def test_a_newer_request_ends_a_run_without_a_word(models: Models, eagle: str) -> None:
    request = ExplainRequest(eagle)
    session = Session(request)
    plates = explain(models, session, request)
    next(plates)
    session.newest = ExplainRequest(eagle, ExplainOptions(21))
    assert list(plates) == []


def test_a_wrong_photo_is_said_beside_the_photo(models: Models, tmp_path: Path) -> None:
    path = tmp_path / "words.jpg"
    path.write_text("words")
    final = run(models, ExplainRequest(str(path)))[-1]
    assert final.photo_message.startswith("This file is not a photo")
    assert (final.status, final.running, final.view) == ("", False, None)


def test_a_fault_of_ours_is_logged_and_the_page_goes_on(
    models: Models, eagle: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(models.explainer(), "forward", lambda *_: 1 / 0)
    final = run(models, ExplainRequest(eagle))[-1]
    assert final.status == messages.FAILED
    assert "ZeroDivisionError" in caplog.text


def test_no_photo_shows_the_empty_page(models: Models) -> None:
    assert run(models, ExplainRequest(None)) == [PageState()]


def test_a_class_is_chosen_by_index_or_name(lite0: Explainer) -> None:
    assert choose_class(lite0.manifest.labels, 22) == (22, "")
    assert choose_class(lite0.manifest.labels, "Bald Eagle") == (22, "")
    chosen, problem = choose_class(lite0.manifest.labels, "bald egle")
    assert chosen is None
    assert problem.startswith("No class is named 'bald egle': the nearest are bald eagle")


def test_mcp_without_its_package_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("demo.__main__.find_spec", lambda _name: None)
    assert main(["--mcp"]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "gradio[mcp]" in said


@pytest.mark.parametrize("deadline", ["0", "-3", "inf", "nan", "soon"])
def test_a_deadline_is_a_number_of_seconds(deadline: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--deadline", deadline])
    assert ended.value.code == 2
    assert "--deadline" in capsys.readouterr().err
