"""``python -m bnn_ref``: the same as ``bnn-ref``."""

import sys

from .cli import main

sys.exit(main())
