"""Twins are imported when a network has such layers, and not before."""

import needs_numba  # noqa: F401
from processes import start

CODE = """
import sys
from bnn_ref import Dense, DenseFlipout, Network
from bnn_ref.fast import compiled

network = Network([DenseFlipout(3, 2)])
compiled.prepare(network, 2, "float64").for_step(2)
print("bnn_ref.fast.twins" in sys.modules)
network = Network([Dense(3, 4), DenseFlipout(4, 2)])
print(type(compiled.prepare(network, 2, "float64").for_step(2).parts[0].twin).__name__)
"""


def test_a_start_without_such_layers_imports_none():
    out, err = start(CODE).communicate(timeout=100)
    assert out.splitlines() == ["False", "DenseTwin"], err
