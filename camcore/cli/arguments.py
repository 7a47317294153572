"""Arguments, argument types and messages that the commands share."""

import argparse
import sys
from pathlib import Path
from typing import get_args

from tqdm import tqdm

from camcore.errors import BoxesError, EffortError
from camcore.explainer import Explainer
from camcore.images.preprocess import RESIZE_MODES
from camcore.methods.definitions import DEFINITIONS
from camcore.methods.effort import Effort, read_effort
from camcore.methods.method_table import DEFAULT_METHODS, METHODS
from camcore.metrics.localisation import Target
from camcore.model.artifact_folders import find_artifact
from camcore.types import Box, Device

METHOD_NAMES = f"{', '.join(METHODS)} (default: the first {len(DEFAULT_METHODS)})"
DONE, SOME_FAILED, NOTHING_DONE, STOPPED = 0, 1, 2, 130


def add_shared(parser: argparse.ArgumentParser, out: str) -> None:
    """Add the arguments of both commands; `out` is the default output folder."""
    parser.add_argument("--artifacts", type=Path, metavar="DIR", help="exported model, or a folder of exported models")
    parser.add_argument("--model", metavar="NAME", help="name of the exported model (default: resnet50)")
    parser.add_argument("--threads", type=count, metavar="N", help="number of threads (default: all available cores)")
    device_help = "where the model runs: cpu, or cuda with onnxruntime-gpu (default: cpu)"
    parser.add_argument("--device", choices=get_args(Device), default="cpu", help=device_help)
    parser.add_argument("--definition", choices=DEFINITIONS, default="paper", help="Score-CAM variant (default: paper)")
    extents = "until its estimated fidelity is high, every channel in fp32, or N forwards (default: fast)"
    efforts = "fast|exact|N"
    parser.add_argument(
        "--effort", type=effort, default="fast", metavar=efforts, help=f"extent of Score-CAM: {extents}"
    )
    modes = "; ".join(f"{mode}: {meaning}" for mode, meaning in RESIZE_MODES.items())
    fit = f"{modes} (default: as the model was exported)"
    parser.add_argument("--fit", dest="resize_mode", choices=RESIZE_MODES, help=fit)
    parser.add_argument("--sanity", action="store_true", help="comparison with the maps of an untrained classifier")
    parser.add_argument("--out", type=Path, default=out, metavar="DIR", help=f"output folder (default: {out})")


def load_explainer(arguments: argparse.Namespace) -> Explainer:
    """Return the explainer of the model that the arguments select; raise ArtifactError if there is none."""
    return Explainer.load(find_artifact(arguments.artifacts, arguments.model), arguments.threads, arguments.device)


def say(message: str) -> None:
    """Write a line on stderr, above any progress bar."""
    tqdm.write(message, file=sys.stderr)


def effort(text: str) -> Effort:
    """Parse the value of `--effort`."""
    try:
        return read_effort(text)
    except EffortError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def box(text: str) -> Box:
    """Parse a box: left, top, right and bottom edge as fractions of the photo, with commas between them."""
    edges = [float(edge) for edge in text.split(",")]
    if len(edges) != 4:
        raise argparse.ArgumentTypeError(f"{text!r} is not four numbers with commas between them")
    try:
        Target.of_boxes([Box(*edges)])
    except BoxesError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return Box(*edges)


def count(text: str) -> int:
    """Parse an integer of 1 or more."""
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def share(text: str) -> float:
    """Parse a number from 0 to 1."""
    if not 0 <= (value := float(text)) <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value
