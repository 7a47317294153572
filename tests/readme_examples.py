"""The README files of the repository, and the commands and examples in them, for the tests that run them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = sorted(
    str(path.relative_to(ROOT))
    for folder in (".", "camcore", "demo", "export", "tests")
    for path in (ROOT / folder).glob("*.md" if folder == "." else "**/*.md")
)
DOCUMENTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in FILES}


@dataclass(frozen=True)
class Example:
    """One fenced block of a README file."""

    file: str
    language: str
    text: str


EXAMPLES = [
    Example(name, language, text)
    for name, document in DOCUMENTS.items()
    for language, text in re.findall(r"^```(\w+)\n(.*?)^```", document, flags=re.MULTILINE | re.DOTALL)
]


def commands(file: str | None = None) -> list[str]:
    """Return the lines of all shell examples, or of those in one file, in order."""
    return [
        line
        for example in EXAMPLES
        if example.language == "sh" and file in (None, example.file)
        for line in example.text.splitlines()
    ]
