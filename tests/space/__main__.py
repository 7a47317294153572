"""`python -m tests.space`: rehearse the Hugging Face Space, step by step, and print what was found."""

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.space.environment import (
    RehearsalError,
    added_packages,
    build_environment,
    cache_seeded_weights,
    copy_repository,
    space_variables,
    untracked,
)
from tests.space.front_matter import read_front_matter
from tests.space.record import RECORD, is_rehearsed, write_record
from tests.space.report import EARLY, Figures, draw_report, missed
from tests.space.server import Start, check_proxied, explain, free_port, running

ROOT = Path(__file__).parents[2]
_PICTURES = (".jpg", ".jpeg", ".png", ".webp")


def main(arguments: list[str] | None = None) -> int:
    """Rehearse. Returns 0, or 1 with a sentence on stderr if the Space would not run, or misses a limit."""
    options = _parser().parse_args(arguments)
    try:
        front = read_front_matter(ROOT, version("gradio"))
        if options.packages:
            print("\n".join(added_packages(front["sdk_version"])))
            return 0
        if options.if_changed and is_rehearsed(ROOT, front):
            print(f"the Space is not rehearsed: nothing that it depends on has changed since {RECORD} was written")
            return 0
        with TemporaryDirectory(prefix="space-") as folder:
            figures = _rehearse(front, Path(folder), options.explanations)
    except RehearsalError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    report = draw_report(figures)
    print(f"\n{report}")
    if failure := missed(figures, timed=not options.ci):
        print(f"error: {failure}", file=sys.stderr)
        return 1
    write_record(ROOT, front, report)
    return 0


def _rehearse(front: Mapping[str, Any], folder: Path, explanations: int) -> Figures:
    if not Path("/proc/self/status").is_file():
        raise RehearsalError("the rehearsal reads memory from /proc: run it on Linux, as Spaces do")
    home, alone, app = folder / "home", folder / "requirements", folder / "home" / "app"
    for path in (home / "tmp", alone, app):
        path.mkdir(parents=True)
    _say("1. the front matter names what there is")
    _say("2. the packages, in one call of pip, before there is a repository")
    python = build_environment(ROOT, front, alone, _say)
    _say(f"3. the repository: {copy_repository(ROOT, app)} files that git tracks")
    if left := untracked(ROOT):
        _say(f"   not in git, and so not on the Space: {', '.join(left)}")
    cache_seeded_weights(home)
    _say("4. a ResNet-50 of seeded weights in torchvision's cache: they serve for time and memory, and mean nothing")
    variables = space_variables(home, app, python, free_port(), front["title"])
    figures = _measure(Start(python, app, front["app_file"], variables), explanations)
    if left := sorted({path.name for path in (home / "tmp").rglob("*") if path.suffix in _PICTURES}):
        raise RehearsalError(f"the server has left {', '.join(left)} behind: people's photos are to go when it ends")
    return figures


def _measure(start: Start, explanations: int) -> Figures:
    """Start the app cold, explain, weigh it and stop it; then start it again, with the artefacts there."""
    photos, (load, *_) = _photos(), os.getloadavg()
    _say("5. app.py with a Space's variables, on two cores, behind proxies that refuse")
    with running(start, _say) as server:
        server.wait()
        page = server.seconds
        client = server.connect()
        explain(client, photos[0])
        first = server.seconds
        check_proxied(server)
        _say(f"6. {explanations} explanations of {len(photos)} photos, one after the other")
        seconds, memory = [], []
        for count, photo in enumerate(islice(cycle(photos), explanations), start=1):
            begun = server.seconds
            explain(client, photo)
            seconds.append(server.seconds - begun)
            if count in (EARLY, explanations):
                memory.append(server.memory())
        _say("7. SIGTERM, as a Space is stopped")
        end = server.stop()
    early, late = memory[0], memory[-1]
    return Figures(page, first, _again(start, photos[0]), tuple(seconds), early=early, late=late, end=end, load=load)


def _again(start: Start, photo: Path) -> float:
    """Seconds to the first explanation with the artefacts there; and see that MCP is served where it is asked for."""
    _say("8. the same again, with the artefacts of the first start, and with MCP")
    with running(replace(start, variables={**start.variables, "GRADIO_MCP_SERVER": "True"}), _say) as server:
        server.wait()
        explain(server.connect(), photo)
        seconds = server.seconds
        if "explain" not in server.get("gradio_api/mcp/schema")[1]:
            raise RehearsalError("with GRADIO_MCP_SERVER the page does not serve /explain to MCP clients")
        server.stop()
    return seconds


def _photos() -> list[Path]:
    """Photos that the package gradio carries."""
    spec = find_spec("gradio")
    assert spec
    assert spec.submodule_search_locations
    images = Path(spec.submodule_search_locations[0]) / "media_assets" / "images"
    return sorted(images.glob("*.jpg"))


def _say(sentence: str) -> None:
    print(sentence, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.space", description="Rehearse the Hugging Face Space.")
    parser.add_argument(
        "--ci",
        action="store_true",
        default=os.environ.get("CI", "").lower() in ("true", "1"),
        help="a start that takes too long is printed, but fails nothing: the machine may be slow (or CI=true)",
    )
    parser.add_argument(
        "--explanations", type=int, default=50, metavar="N", help="number of explanations (default: 50)"
    )
    parser.add_argument("--if-changed", action="store_true", help=f"only if the inputs are not those of {RECORD}")
    parser.add_argument("--packages", action="store_true", help="only print what Spaces add to requirements.txt")
    return parser


if __name__ == "__main__":
    sys.exit(main())
