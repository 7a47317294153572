"""The settings of a study."""

from dataclasses import dataclass, field
from typing import Any

from camcore.options import ExplainOptions


@dataclass(frozen=True)
class StudySettings:
    """How each photo of a study is explained.

    `target_word` names what the boxes mark. `sanity` compares the gradient methods with an untrained classifier, and
    `adcc` measures ADCC, for which each method runs once more.
    """

    options: ExplainOptions = field(default_factory=ExplainOptions)
    target_word: str = "animal"
    sanity: bool = False
    adcc: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the settings under the names of the command line."""
        options = self.options
        explain_settings = {"definition": options.definition, "effort": options.effort, "fit": options.resize_mode}
        return {**explain_settings, "word": self.target_word, "sanity": self.sanity, "adcc": self.adcc}
