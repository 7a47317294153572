"""`python -m export`: write an artefact directory."""

import argparse
import sys
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from camcore.errors import CamError
from camcore.model.manifest import InputLayout, Interpolation, ResizeMode, ViewSource
from camcore.model.threads import keep_torch_to_cores
from export.preprocessing import PreprocessingOptions

if TYPE_CHECKING:
    from export.pipeline import ExportOptions

_STEPS = ("resize", "size", "interpolation", "mean", "std", "resize_mode", "view", "to_srgb")


def main(arguments: list[str] | None = None) -> int:
    """Export a model; return 0 if that succeeds, 1 after an error (one sentence on stderr), 130 if interrupted."""
    options = vars(_parser().parse_args(arguments))
    keep_torch_to_cores()
    preprocessing = PreprocessingOptions(**{name: options.pop(name) for name in _STEPS})
    only_list = options.pop("list_layers")
    try:
        from export.pipeline import ExportOptions, export_artifact  # torch loads only after the arguments are checked

        chosen = ExportOptions(**options, preprocessing=preprocessing)
        if only_list:
            _print_layers(chosen)
        else:
            export_artifact(chosen, progress=lambda step: print(step, file=sys.stderr, flush=True))
    except CamError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped: nothing was written", file=sys.stderr)
        return 130
    return 0


def _print_layers(options: "ExportOptions") -> None:
    """Print the layers of a model with their shapes, the default one marked."""
    from export.pipeline import list_layers

    cuts, default = list_layers(options)
    width = max(len(cut.name) for cut in cuts)
    for cut in cuts:
        channels, height, columns = cut.shape
        mark = "  default" if cut is default else ""
        print(f"{cut.name:{width}}  {channels:5,} channels of {height:3} × {columns:3}{mark}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m export", description="Export an image classifier for camcore.")
    model = (
        "name of torchvision, efficientnet_lite0, timm/NAME, hf/ORG/NAME, folder of transformers, FILE.onnx, "
        "FILE.py:FUNCTION or module:function (default: resnet50)"
    )
    parser.add_argument("--model", default="resnet50", help=model)
    weights = "checkpoint file, or name of pretrained weights, such as IMAGENET1K_V1 (default: the newest)"
    parser.add_argument("--weights", metavar="FILE|NAME", help=weights)
    parser.add_argument(
        "--labels", type=Path, metavar="FILE", help="class names: text, CSV or JSON, with or without numbers"
    )
    layer = "target layer, a module or an operation of the graph; repeatable (default: the last feature map)"
    parser.add_argument("--layer", dest="layers", metavar="NAME", action="append", default=[], help=layer)
    parser.add_argument("--list-layers", action="store_true", help="print the layers that can be chosen, and stop")
    multi_label = "the classes do not exclude each other: probabilities are sigmoids"
    parser.add_argument("--multi-label", action="store_true", help=multi_label)
    parser.add_argument("--photos", type=Path, metavar="DIR", help="folder of photos for calibration and checks")
    parser.add_argument("--no-int8", dest="int8", action="store_false", help="export without the quantised model")
    parser.add_argument("--out", type=Path, metavar="DIR", help="output folder (default: artifacts/MODEL|CHECKPOINT)")
    _add_preprocessing(parser.add_argument_group("input of the model (default: that of its weights)"))
    return parser


def _add_preprocessing(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--size", "--crop", type=_size, metavar="N|HxW", help="side, or height x width, in pixels")
    group.add_argument(
        "--resize", type=_pixels, metavar="N", help="shorter side of the photo before the crop, in pixels"
    )
    modes = "crop the centre, squash the whole photo, or pad it"
    group.add_argument("--resize-mode", choices=get_args(ResizeMode), help=modes)
    group.add_argument("--interpolation", choices=get_args(Interpolation), help="filter for resizing")
    for name, meaning in (("--mean", "mean"), ("--std", "standard deviation")):
        channels = f"{meaning} of each channel, for pixels in [0, 1]; one number for all, or three"
        group.add_argument(name, action=_Channels, nargs="+", metavar="NUMBER", help=channels)
    layout = "order of the axes of the model's input (default: NCHW)"
    group.add_argument("--input-layout", choices=get_args(InputLayout), default="NCHW", help=layout)
    view = "box: the model was trained on the boxes of detections, not on whole photos"
    group.add_argument("--view", choices=get_args(ViewSource), help=view)
    srgb = (
        "convert wide-gamut photos to sRGB, if training did (default: colours as stored, as most training reads them)"
    )
    group.add_argument("--srgb", dest="to_srgb", action="store_true", default=None, help=srgb)


def _pixels(text: str) -> int:
    pixels = int(text)
    if not 32 <= pixels <= 1024:
        raise argparse.ArgumentTypeError(f"{pixels} is not within 32 to 1024 pixels")
    return pixels


def _size(text: str) -> tuple[int, int]:
    height, cross, width = text.partition("x")
    return _pixels(height), _pixels(width if cross else height)


class _Channels(argparse.Action):
    """Stores one number, or three with spaces or commas between them, as those of red, green and blue."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        try:
            numbers = [float(number) for value in values for number in value.split(",") if number]
        except ValueError as error:
            raise argparse.ArgumentError(self, f"{error}: give one number, or three") from error
        if not all(map(isfinite, numbers)):
            raise argparse.ArgumentError(
                self, f"{' '.join(map(str, numbers))} is not finite: give one number, or three"
            )
        if len(numbers) not in (1, 3):
            raise argparse.ArgumentError(self, f"{len(numbers)} numbers: give one, or three")
        setattr(namespace, self.dest, tuple(numbers * (3 // len(numbers))))


if __name__ == "__main__":
    sys.exit(main())
