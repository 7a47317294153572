"""What `pip install .` gives: camcore, export and the command `camcore`, and nothing of the page."""

import os
import re
import subprocess
import sys
import tomllib
import warnings
from importlib.metadata import Distribution, distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.readme_examples import EXAMPLES, ROOT, commands

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NEEDS_THE_PAGE = {"gradio", "gradio_client", "demo", "tests"}


def lines(name: str) -> list[str]:
    """Requirements of a file, without its comments."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the package alone was installed; what it depends on is taken from the tests' environment."""
    folder = tmp_path_factory.mktemp("site")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(ROOT)], check=True, timeout=200)
    return folder


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, stand_in_artifacts: Path, imagenet_photos: list[Path]) -> Path:
    """A working directory outside the repository: an exported model, and a photo as the README names it."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "artifacts").symlink_to(stand_in_artifacts)
    (folder / "birds").mkdir()
    for name in ("eagle.jpg", "birds/1.jpg"):
        (folder / name).symlink_to(imagenet_photos[0])
    return folder


def run(site: Path, desk: Path, *command: str) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """Run Python beside the installation: what came of it, and the modules that it imported."""
    kept = {name: value for name, value in os.environ.items() if name != "CAMCORE_ARTIFACTS"}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command],
        cwd=desk,
        env={**kept, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    imported = re.findall(r"^import time: .*\| +(\S+)$", done.stderr, flags=re.MULTILINE)
    return done, {name.partition(".")[0] for name in imported}


def installed(site: Path) -> Distribution:
    return next(iter(distributions(path=[str(site)])))


def test_camcore_and_export_are_installed_and_nothing_else(site: Path) -> None:
    package = installed(site)
    modules = {path.parts[0] for path in package.files or [] if path.suffix == ".py"}
    assert modules == {"camcore", "export"}
    assert [script.name for script in package.entry_points] == ["camcore"]
    assert package.version == PROJECT["project"]["version"]


@pytest.mark.slow
@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("camcore ")])
def test_the_readmes_command_works_without_the_page(line: str, site: Path, desk: Path) -> None:
    done, imported = run(site, desk, str(site / "bin" / "camcore"), *line.split()[1:])
    assert done.returncode == 0, done.stderr
    assert (desk / "explanations" / "eagle.compare.png").is_file()
    assert "camcore" in imported
    assert imported.isdisjoint(NEEDS_THE_PAGE)


@pytest.mark.slow
def test_a_study_finds_what_its_report_is_made_of(site: Path, desk: Path) -> None:
    done, imported = run(site, desk, str(site / "bin" / "camcore"), "study", "birds")
    assert done.returncode == 0, done.stderr
    assert (desk / "study" / "report.html").is_file()
    assert imported.isdisjoint(NEEDS_THE_PAGE)


@pytest.mark.slow
def test_the_readmes_first_example_works_without_the_page(site: Path, desk: Path) -> None:
    (desk / "example.py").write_text(
        next(example.text for example in EXAMPLES if example.file == "README.md" and "draw_overlay" in example.text)
    )
    done, imported = run(site, desk, "example.py")
    assert done.returncode == 0, done.stderr
    assert (desk / "grad-cam.png").is_file()
    assert "camcore" in imported
    assert imported.isdisjoint(NEEDS_THE_PAGE)


@pytest.mark.slow
def test_export_runs_from_anywhere(site: Path, desk: Path) -> None:
    done, imported = run(site, desk, "-c", "import export.pipeline, sys; print(export.__file__)")
    assert done.stdout.startswith(str(site))
    assert imported.isdisjoint(NEEDS_THE_PAGE)
    assert run(site, desk, "-m", "export", "--help")[0].stdout.startswith("usage: python -m export")


def test_help_and_complaints_name_the_command_as_it_was_called(site: Path, desk: Path) -> None:
    script = str(site / "bin" / "camcore")
    assert run(site, desk, script, "explain", "--help")[0].stdout.startswith("usage: camcore explain")
    wrong, _ = run(site, desk, script, "explain", "--effort", "much", "eagle.jpg")
    assert wrong.returncode == 2
    assert "\ncamcore explain: error:" in wrong.stderr
    assert run(site, desk, "-m", "camcore", "--help")[0].stdout.startswith("usage: python -m camcore")


def test_the_package_asks_for_what_the_program_asks_for_but_the_page_and_the_tests() -> None:
    page_and_tests = re.compile(r"(gradio|filelock|pytest)\b")
    assert PROJECT["project"]["dependencies"] == [
        line for line in lines("requirements.txt") if not page_and_tests.match(line)
    ]
    assert len(PROJECT["project"]["dependencies"]) == len(lines("requirements.txt")) - 3


def test_the_tests_build_the_package_with_what_pip_builds_it_with() -> None:
    assert set(PROJECT["build-system"]["requires"]) <= set(lines("requirements-test.txt"))


def test_pillow_13_is_taken_as_soon_as_gradio_allows_it() -> None:
    """Pillow 13 mends holes of Pillow 12, such as GHSA-8g5g-8vmr-9782: a warning says when it can be had."""
    pillow = Requirement(next(line for line in PROJECT["project"]["dependencies"] if line.startswith("pillow")))
    needs = [Requirement(line) for line in requires("gradio") or []]
    (gradio_needs,) = [need for need in needs if need.name.lower() == "pillow"]
    if "13.0.0" in gradio_needs.specifier and "13.0.0" not in pillow.specifier:
        warnings.warn("gradio allows Pillow 13: allow it in requirements.txt and pyproject.toml too", stacklevel=1)
