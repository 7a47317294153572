"""`python -m camcore`: see `camcore.command`."""

import sys

if __name__ == "__main__":
    try:
        from camcore.command import main  # here, because loading it takes a moment, in which it may be stopped

        sys.exit(main())
    except KeyboardInterrupt:
        print("stopped: the photos named above are done", file=sys.stderr)
        sys.exit(130)
