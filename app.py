"""Entry of the Hugging Face Space."""

import sys

from demo.__main__ import main

sys.exit(main())
