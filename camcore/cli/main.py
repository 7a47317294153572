"""`python -m camcore`: the commands there are."""

import argparse
import sys

from camcore.cli import explain as explain_command
from camcore.cli import study as study_command
from camcore.model.threads import keep_torch_to_cores

COMMANDS = (explain_command, study_command)


def main(arguments: list[str] | None = None, prog: str = "python -m camcore") -> int:
    """Run a command. Returns 0 if all was done, 1 if some photos failed, 2 if nothing could be done, 130 if stopped."""
    parser = argparse.ArgumentParser(prog=prog, description="See what an image classifier looked at.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    given = sys.argv[1:] if arguments is None else arguments
    values = vars(parser.parse_args(given))
    run = values.pop("run")
    keep_torch_to_cores()
    return int(run(values, given))
