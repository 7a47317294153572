"""Entry point of the Hugging Face Space."""

import os

from demo.__main__ import run

# The cores of a Space are shared, and waiting threads of torch would keep them busy. torch reads this when it loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
run()
