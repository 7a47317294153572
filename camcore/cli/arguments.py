"""What the commands have in common: arguments, their types, and messages."""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from camcore.errors import EffortError
from camcore.images.preprocess import RESIZE_MODES
from camcore.methods.effort import Effort, read_effort
from camcore.methods.score_cam import DEFINITIONS

DONE, SOME_FAILED, NOTHING_DONE, STOPPED = 0, 1, 2, 130


def add_model(parser: argparse.ArgumentParser) -> None:
    """The arguments that say which model explains, and how."""
    parser.add_argument("--artifacts", type=Path, metavar="DIR", help="one exported model, or a folder of them")
    parser.add_argument("--model", metavar="NAME", help="which of the exported models (default: resnet50)")
    parser.add_argument("--definition", choices=DEFINITIONS, default="paper", help="of Score-CAM (default: paper)")
    parser.add_argument(
        "--effort",
        type=effort,
        default="fast",
        metavar="fast|exact|N",
        help="of Score-CAM: until it is alike enough, every channel in fp32, or N forwards (default: fast)",
    )
    parser.add_argument(
        "--fit", choices=RESIZE_MODES, default="crop", help="; ".join(f"{k}: {v}" for k, v in RESIZE_MODES.items())
    )
    parser.add_argument("--threads", type=count, metavar="N", help="of the forwards (default: the cores there are)")


def say(message: str) -> None:
    """A line on stderr, above any progress bar."""
    tqdm.write(message, file=sys.stderr)


def effort(text: str) -> Effort:
    """The type of `--effort`."""
    try:
        return read_effort(text)
    except EffortError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def count(text: str) -> int:
    """The type of a number that is 1 or more."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def share(text: str) -> float:
    """The type of a number between 0 and 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value
