"""`python -m camcore`, and the command `camcore` of an installation: see `camcore.cli.main`."""

import sys


def main(prog: str = "camcore") -> int:
    """Run a command, under the name by which help is to call it. Returns the exit code."""
    try:
        from camcore.cli.main import main as run  # here, because loading it takes a moment, in which it may be stopped

        return run(prog=prog)
    except KeyboardInterrupt:
        print("stopped: the photos named above are done", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(prog="python -m camcore"))
