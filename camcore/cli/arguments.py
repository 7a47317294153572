"""Arguments, argument types and messages that the commands share."""

import argparse
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from camcore.errors import EffortError
from camcore.images.preprocess import RESIZE_MODES
from camcore.methods.effort import Effort, read_effort
from camcore.methods.score_cam import DEFINITIONS
from camcore.options import ExplainOptions

DONE, SOME_FAILED, NOTHING_DONE, STOPPED = 0, 1, 2, 130


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that select a model."""
    parser.add_argument("--artifacts", type=Path, metavar="DIR", help="exported model, or a folder of exported models")
    parser.add_argument("--model", metavar="NAME", help="name of the exported model (default: resnet50)")
    parser.add_argument("--threads", type=count, metavar="N", help="number of threads (default: all available cores)")


def add_explain_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that `explain_options` reads."""
    parser.add_argument("--definition", choices=DEFINITIONS, default="paper", help="Score-CAM variant (default: paper)")
    parser.add_argument(
        "--effort",
        type=effort,
        default="fast",
        metavar="fast|exact|N",
        help="extent of Score-CAM: until its estimated fidelity is high, every channel in fp32, or N forwards "
        "(default: fast)",
    )
    modes = "; ".join(f"{mode}: {meaning}" for mode, meaning in RESIZE_MODES.items())
    parser.add_argument("--fit", dest="resize_mode", choices=RESIZE_MODES, default="crop", help=modes)


def explain_options(values: dict[str, Any]) -> ExplainOptions:
    """Take the values of `add_explain_options` out of parsed arguments."""
    return ExplainOptions(**{name: values.pop(name) for name in ("definition", "effort", "resize_mode")})


def say(message: str) -> None:
    """Write a line on stderr, above any progress bar."""
    tqdm.write(message, file=sys.stderr)


def effort(text: str) -> Effort:
    """Parse the value of `--effort`."""
    try:
        return read_effort(text)
    except EffortError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def count(text: str) -> int:
    """Parse an integer of 1 or more."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def share(text: str) -> float:
    """Parse a number from 0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value
