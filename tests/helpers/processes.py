"""Python in a process of its own, without this process's settings of Numba."""

import os
import subprocess
import sys

STEP = (
    "import numpy as np, bnn_ref;"
    "from bnn_ref import *;"
    "t = Trainer(Network([DenseFlipout(4, 3), DenseFlipout(3, 2)]), 10);"
    "print(t.step(np.ones((5, 4), 'f4'), [0, 1, 0, 1, 1]).loss, t.backend.__name__)"
)


def start(code=STEP, before="", **environment):
    """Start ``python -c`` on code; return the process, its outputs piped as text.

    Parameters
    ----------
    code : str
        One training step unless given.
    before : str
        Statements that run first.
    environment
        Variables to set.
    """
    clean = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    return subprocess.Popen([sys.executable, "-c", before + code], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env=clean | environment)  # fmt: skip
