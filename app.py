"""Entry of the Hugging Face Space."""

import os
import signal
import sys

from demo.__main__ import main

# A Space shares its cores: threads of torch that spin while they wait would take them from work. Read when it loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# It is ended by SIGTERM: end as by Ctrl-C, so that nobody's photo stays.
signal.signal(signal.SIGTERM, signal.default_int_handler)
sys.exit(main())
