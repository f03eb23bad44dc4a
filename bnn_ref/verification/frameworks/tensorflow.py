"""TensorFlow and TFP, imported so that they work together and without their noise.

TFP needs Keras 2 (`tf_keras`), which must be asked for before TensorFlow is first imported.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def without_warnings() -> Iterator[None]:
    """Silence what TFP itself causes: distutils, `add_variable`, unseeded initialisers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", UserWarning)
        yield


@contextlib.contextmanager
def _without_log():
    """Send file descriptor 2 to nowhere: TensorFlow's C++ logs before it can be told not to."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with without_warnings(), _without_log():
    import tensorflow as tf
    import tensorflow_probability as tfp
    import tf_keras

    tf.constant(0.0)  # TensorFlow looks for GPUs now and complains where there are none

__all__ = ["tf", "tf_keras", "tfp", "without_warnings"]
