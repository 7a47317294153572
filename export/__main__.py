"""`python -m export`: write an artefact directory."""

import argparse
import sys
from pathlib import Path

from camcore.errors import CamError
from camcore.model.threads import keep_torch_to_cores
from export.models import ARCHITECTURES


def main(arguments: list[str] | None = None) -> int:
    """Export a model; return 0 if that succeeds, 1 after an error (one sentence on stderr), 130 if interrupted."""
    options = vars(_parser().parse_args(arguments))
    keep_torch_to_cores()
    try:
        from export.pipeline import ExportOptions, export_model  # torch loads only after the arguments are checked

        export_model(ExportOptions(**options), progress=lambda step: print(step, file=sys.stderr, flush=True))
    except CamError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped: nothing was written", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m export", description="Export an image classifier for camcore.")
    parser.add_argument("--model", choices=ARCHITECTURES, default="resnet50", help="architecture (default: resnet50)")
    weights = "checkpoint file, IMAGENET1K_V1 or IMAGENET1K_V2 (default: the newest)"
    parser.add_argument("--weights", metavar="FILE|NAME", help=weights)
    parser.add_argument("--labels", type=Path, metavar="FILE", help="text file of class names, one per line")
    parser.add_argument("--layer", help="target layer (default: the last one)")
    parser.add_argument("--photos", type=Path, metavar="DIR", help="folder of photos for calibration and checks")
    parser.add_argument("--resize", type=_pixels, metavar="N", help="pixels of the photo's short side before the crop")
    parser.add_argument("--crop", type=_pixels, metavar="N", help="pixels of a side of the model's square input")
    parser.add_argument("--no-int8", dest="int8", action="store_false", help="export without the quantised model")
    parser.add_argument("--out", type=Path, metavar="DIR", help="output folder (default: artifacts/MODEL|CHECKPOINT)")
    return parser


def _pixels(text: str) -> int:
    pixels = int(text)
    if not 32 <= pixels <= 1024:
        raise argparse.ArgumentTypeError(f"{pixels} is not within 32 to 1024 pixels")
    return pixels


if __name__ == "__main__":
    sys.exit(main())
