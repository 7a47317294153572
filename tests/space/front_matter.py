"""What Spaces ask of the README's front matter, a sentence for each fault.

The keys and values are those of https://huggingface.co/docs/hub/spaces-config-reference; the licences those of
https://huggingface.co/docs/hub/repositories-licenses.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import SpaceHardware
from packaging.requirements import Requirement
from packaging.version import Version

Rule = tuple[Callable[[Any], bool], str]  # whether a value is allowed, and what it must be

COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
LICENCES = """
    apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
    afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5
    cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
    cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0
    cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl
    lgpl-2.1 lgpl-3.0 isc lppl-1.3c ms-pl mpl-2.0 odc-by odbl openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib
    pddl lgpl-lr deepfloyd-if-license llama2 gemma unknown other
"""
REQUIRED = ("title", "sdk", "sdk_version", "python_version", "app_file", "license")
_MAX_DESCRIPTION = 60
_FENCE = "---\n"
_HEADERS = {"cross-origin-embedder-policy", "cross-origin-opener-policy", "cross-origin-resource-policy"}
_REPOSITORY = r"[\w.-]+(/[\w.-]+)?"
_FIRST_EMOJI = 0x231A  # below it are signs such as © that no system draws as an emoji by itself


def _matches(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _one_of(values: tuple[str, ...]) -> Rule:
    return lambda value: value in values, f"one of {', '.join(values)}"


def _each(allowed: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(allowed, value))


def _is_emoji(value: Any) -> bool:
    """Whether it is one symbol, or several joined into one: a skin, a flag, a family."""
    if not isinstance(value, str) or not value or ord(value[0]) < _FIRST_EMOJI:
        return False
    kinds = [unicodedata.category(letter) for letter in value]
    symbols, joiners = kinds.count("So"), value.count("\u200d")
    flag = all("\U0001f1e6" <= letter <= "\U0001f1ff" for letter in value)
    return set(kinds) <= {"So", "Sk", "Mn", "Cf"} and symbols == (2 if flag else 1 + joiners)


def _are_headers(value: Any) -> bool:
    return (
        isinstance(value, dict) and value.keys() <= _HEADERS and all(isinstance(text, str) for text in value.values())
    )


_TEXT: Rule = (lambda value: isinstance(value, str) and bool(value.strip()), "a text (put it in quotes)")
_BOOLEAN: Rule = (lambda value: isinstance(value, bool), "true or false")
_NUMBER: Rule = (lambda value: isinstance(value, int) and not isinstance(value, bool) and value > 0, "a whole number")
_TEXTS: Rule = (_each(_TEXT[0]), "a list of texts")
_REPOSITORIES: Rule = (_each(_matches(_REPOSITORY)), "a list of names of repositories")
_PRELOADED = rf"{_REPOSITORY}( [^\s,]+(,[^\s,]+)*( [0-9a-f]{{40}})?)?"

RULES: Mapping[str, Rule] = {
    "title": _TEXT,
    "emoji": (_is_emoji, "one emoji"),
    "colorFrom": _one_of(COLOURS),
    "colorTo": _one_of(COLOURS),
    "sdk": (lambda value: value == "gradio", "gradio, which app.py is written for"),
    "sdk_version": (_matches(r"\d+\.\d+\.\d+"), "a released version in full, such as 6.31.0"),
    "python_version": (_matches(r"3\.\d+(\.\d+)?"), 'a version in quotes, such as "3.11"'),
    "app_file": _TEXT,
    "base_path": (_matches(r"/\S*"), "a path that begins with /"),
    "fullWidth": _BOOLEAN,
    "header": _one_of(("mini", "default")),
    "short_description": (
        lambda value: _TEXT[0](value) and len(value) <= _MAX_DESCRIPTION,
        f"a text of at most {_MAX_DESCRIPTION} characters",
    ),
    "license": (
        lambda value: isinstance(value, str) and value in LICENCES.split(),
        "an identifier of the hub's list of licences, such as apache-2.0",
    ),
    "license_name": _TEXT,
    "license_link": _TEXT,
    "models": _REPOSITORIES,
    "datasets": _REPOSITORIES,
    "tags": _TEXTS,
    "thumbnail": (_matches(r"https://\S+"), "an https:// address"),
    "pinned": _BOOLEAN,
    "hf_oauth": _BOOLEAN,
    "hf_oauth_scopes": _TEXTS,
    "hf_oauth_expiration_minutes": _NUMBER,
    "hf_oauth_authorized_org": (lambda value: _TEXT[0](value) or _TEXTS[0](value), "a text or a list of texts"),
    "disable_embedding": _BOOLEAN,
    "startup_duration_timeout": (_matches(r"[1-9]\d*[smh]"), "a duration such as 30m or 1h"),
    "custom_headers": (_are_headers, f"texts under some of {', '.join(sorted(_HEADERS))}"),
    "preload_from_hub": (
        _each(_matches(_PRELOADED)),
        'a list of "repository", "repository file1,file2" or "repository file1,file2 commit" (of 40 digits)',
    ),
    "suggested_hardware": _one_of(tuple(flavour.value for flavour in SpaceHardware)),
}


def read_front_matter(readme: str) -> dict[str, Any]:
    """The front matter of a README.

    Raises:
        ValueError: if there is none, or it is not YAML with each key once.
    """
    if not readme.startswith(_FENCE) or f"\n{_FENCE}" not in readme:
        raise ValueError("the README has no front matter: begin it with --- and end that block with ---")
    text = readme.removeprefix(_FENCE).split(f"\n{_FENCE}")[0]
    try:
        node, front = yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"the front matter is not YAML ({' '.join(str(error).split())}): mend it") from error
    if not isinstance(front, dict):
        raise ValueError(  # noqa: TRY004 - of the text, not of an argument
            "the front matter is not a list of keys and values: write it as `key: value`, one a line"
        )
    keys = [key.value for key, _ in node.value]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise ValueError(f"the front matter has {', '.join(twice)} more than once: keep one")
    return front


def find_faults(root: Path, installed: str, readme: str | None = None) -> list[str]:
    """A sentence for each reason why Spaces would refuse the README in `root`, or not run what the tests have run.

    `installed` is the version of gradio that the tests run with, `readme` another text to judge in place of the file's.
    """
    readme = (root / "README.md").read_text(encoding="utf-8") if readme is None else readme
    try:
        front = read_front_matter(readme)
    except ValueError as error:
        return [str(error)]
    faults = [f"{key} is missing from the front matter: Spaces ask for it" for key in REQUIRED if key not in front]
    for key, value in front.items():
        if key not in RULES:
            faults.append(f"{key} is no key that a Gradio Space knows: leave it out")
        elif not RULES[key][0](value):
            faults.append(f"{key} is {value!r} in the front matter: it must be {RULES[key][1]}")
    # What does not look right needs no second sentence.
    return faults or [*_repository_faults(front, root), *_version_faults(front, root, installed, readme)]


def _repository_faults(front: Mapping[str, Any], root: Path) -> list[str]:
    name = front["app_file"]
    if (root / name).is_file() and (root / name).resolve().is_relative_to(root.resolve()):
        return []
    return [f"app_file is {name!r}, which is not a file of the repository: name the one that starts the page"]


def _version_faults(front: Mapping[str, Any], root: Path, installed: str, readme: str) -> list[str]:
    faults = []
    sdk_version, python_version = front["sdk_version"], front["python_version"]
    if sdk_version != installed:
        faults.append(f"sdk_version is {sdk_version}, but the tests run with gradio {installed}: make them equal")
    wanted = next((line for line in requirements(root) if line.name == "gradio"), None)
    if wanted and not wanted.specifier.contains(sdk_version):
        faults.append(f"sdk_version is {sdk_version}, but requirements.txt asks for {wanted}: move them together")
    claimed = re.search(r"Python (3\.\d+) to (3\.\d+)", readme)
    if claimed is None:
        faults.append("the README does not say which Python it needs: write `Python 3.x to 3.y`")
    elif not Version(claimed[1]) <= Version(".".join(python_version.split(".")[:2])) <= Version(claimed[2]):
        faults.append(f"python_version is {python_version}, but the README speaks of {claimed[0]}: choose one of those")
    return faults


def requirements(root: Path) -> list[Requirement]:
    """The packages that requirements.txt asks for; its options (`-r`, `--extra-index-url`) and comments left out."""
    lines = (line.split(" #")[0].strip() for line in (root / "requirements.txt").read_text("utf-8").splitlines())
    return [Requirement(line) for line in lines if line and line[0] not in "#-"]
