"""Entry point of `python -m camcore` and of the installed command `camcore`; see `camcore.cli.main`."""

import sys


def main(prog: str = "camcore") -> int:
    """Run a command and return its exit code; `prog` is the program's name in the help."""
    try:
        from camcore.interrupts import handle_interrupts

        handle_interrupts()
        from camcore.cli.main import main as run  # imported here, so that Ctrl-C during the import is caught as well

        return run(prog=prog)
    except KeyboardInterrupt:
        print("stopped: the photos named above are done", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(prog="python -m camcore"))
