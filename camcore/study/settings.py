"""The settings of a study."""

from dataclasses import dataclass, field
from typing import Any, Literal

from camcore.methods.method_table import DEFAULT_METHODS, MethodName
from camcore.model.layer import Layer
from camcore.options import ExplainOptions
from camcore.types import Device

Level = Literal["screen", "full"]
LEVELS: tuple[Level, ...] = ("screen", "full")
SCREEN_METHODS: tuple[MethodName, ...] = ("grad-cam",)


@dataclass(frozen=True)
class StudySettings:
    """How each photo of a study is explained.

    `level` is how far: "screen" runs Grad-CAM, and asks the model again if the photo has a box; "full" runs all
    `methods` and measures how faithful each map is. `target_word` names what the boxes mark. `sanity` compares the
    gradient methods with an untrained classifier, which is always done for tokens, and `adcc` measures ADCC, for which
    each method runs once more; both belong to the level "full". `fast_decode` decodes large JPEGs at a fraction of
    their size. `save_maps` keeps the maps on the layer's grid. `reads_dates` takes the time of a photo from its EXIF,
    which a page must not pass on. `private_redirects` is that of `RemoteFiles`, and `device` that of the explainer.
    """

    options: ExplainOptions = field(default_factory=ExplainOptions)
    target_word: str = "animal"
    sanity: bool = False
    adcc: bool = False
    level: Level = "full"
    methods: tuple[MethodName, ...] = DEFAULT_METHODS
    fast_decode: bool = False
    save_maps: bool = False
    reads_dates: bool = False
    private_redirects: bool = False
    device: Device = "cpu"

    @property
    def run_methods(self) -> tuple[MethodName, ...]:
        """Return the methods that the level runs."""
        return self.methods if self.level == "full" else SCREEN_METHODS

    def measures_sanity(self, layer: Layer) -> bool:
        """Return whether the sanity of maps of a layer is measured: on request, and for tokens without one."""
        return self.level == "full" and (self.sanity or layer.has_tokens)

    def to_json(self) -> dict[str, Any]:
        """Return the settings that matter at this level, under the names of the command line."""
        options = self.options
        settings = {
            "fit": options.resize_mode,
            "word": self.target_word,
            "methods": list(self.run_methods),
            "fast_decode": self.fast_decode,
            "save_maps": self.save_maps,
        }
        if self.device != "cpu":  # records of the CPU from before there was a choice still hold
            settings["device"] = self.device
        if self.level == "screen":
            return settings
        explain_settings = {"definition": options.definition, "effort": options.effort}
        return {**explain_settings, **settings, "sanity": self.sanity, "adcc": self.adcc}
