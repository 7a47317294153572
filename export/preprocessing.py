"""Preprocessing of the exported model's input, as the user asked for it."""

from dataclasses import dataclass, replace

from camcore.model.manifest import Interpolation, Preprocessing, ResizeMode, ViewSource
from export.errors import ExportError

Channels = tuple[float, float, float]


@dataclass(frozen=True)
class PreprocessingOptions:
    """What to change in a model's preprocessing; None keeps what is known of the model.

    Attributes:
        resize: shorter side of the resized photo before the crop, in pixels.
        size: (height, width) of the model's input, in pixels.
    """

    resize: int | None = None
    size: tuple[int, int] | None = None
    interpolation: Interpolation | None = None
    mean: Channels | None = None
    std: Channels | None = None
    resize_mode: ResizeMode | None = None
    view: ViewSource | None = None
    to_srgb: bool | None = None

    def apply(self, steps: Preprocessing) -> Preprocessing:
        """Return the preprocessing with these changes; raise ExportError if they contradict each other."""
        changes = {name: value for name, value in vars(self).items() if value is not None}
        size = self.size or steps.size
        if self.resize and self.resize < min(size):
            raise ExportError(
                f"--resize {self.resize} is below the crop of {min(size)} pixels: choose {min(size)} or more"
            )
        if self.std and min(self.std) <= 0:
            raise ExportError(f"--std {' '.join(map(str, self.std))} is not above 0: give a deviation for each channel")
        return replace(steps, **{"resize": max(steps.resize, min(size))} | changes)


def describe(steps: Preprocessing, origin: str, options: PreprocessingOptions) -> str:
    """Return one line that says what the model's input is assumed to be, and who says so."""
    height, width = steps.size
    modes = {
        "crop": f"the centre of the photo after its shorter side is resized to {steps.resize}",
        "squash": "the whole photo, distorted",
        "pad": "the whole photo, padded",
    }
    mean, std = (" ".join(f"{value:.4g}" for value in values) for values in (steps.mean, steps.std))
    box = "; of the animal's box, if there is one" if steps.view == "box" else ""
    box += "; colours converted to sRGB" if steps.to_srgb else ""
    options_used = [f"--{name.replace('_', '-')}" for name, value in vars(options).items() if value is not None]
    source = f"{origin}, except {', '.join(options_used)}" if options_used else origin
    return (
        f"input: {height} × {width} pixels, {modes[steps.resize_mode]}{box}; {steps.interpolation}; "
        f"mean {mean}; standard deviation {std} ({source})"
    )
