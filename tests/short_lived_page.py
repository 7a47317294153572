"""The page, which keeps the files and studies of visitors for some seconds, not an hour: see `tests.clients`."""

import sys

from demo.service import photos

if __name__ == "__main__":
    photos.KEPT = float(sys.argv.pop(1))
    from demo.__main__ import run

    run()
