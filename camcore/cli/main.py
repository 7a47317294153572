"""The command line, `python -m camcore`, with its commands `explain` and `study`."""

import argparse
import sys

from camcore.cli import explain as explain_command
from camcore.cli import study as study_command
from camcore.cli.arguments import NOTHING_DONE, say
from camcore.errors import CamError
from camcore.model.threads import keep_torch_to_cores


def main(arguments: list[str] | None = None, prog: str = "python -m camcore") -> int:
    """Run a command, and return its exit code.

    The code is 0 if everything was done, 1 if some photos failed, 2 if nothing could be done, and 130 if the command
    was interrupted. `arguments` are those of the process if None; `prog` is the program's name in help.
    """
    command_line = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog=prog, description="Class activation maps of an image classifier.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    explain_command.add(commands)
    study_command.add(commands)
    parsed = parser.parse_args(command_line, argparse.Namespace(command_line=command_line))
    keep_torch_to_cores()
    try:
        return int(parsed.run(parsed))
    except CamError as error:
        say(f"error: {error}")
        return NOTHING_DONE
