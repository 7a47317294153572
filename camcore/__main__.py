"""`python -m camcore`: see `camcore.command`."""

import sys

from camcore.command import main

if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("stopped: the photos named above are done", file=sys.stderr)
        sys.exit(130)
