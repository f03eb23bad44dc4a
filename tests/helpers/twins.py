"""What the tests of the compiled layers share: limits, dtypes, and a prediction held against."""

import pytest
from numpy.testing import assert_array_equal
from tolerances import COMPILED_FLOAT32, COMPILED_FLOAT64, relative

from bnn_ref import reference
from bnn_ref.fast import compiled

LIMITS = {"float32": COMPILED_FLOAT32, "float64": COMPILED_FLOAT64}
# kernels are compiled for each dtype, in a third of a minute: quickly for one
DTYPES = ["float64", pytest.param("float32", marks=pytest.mark.slow)]


def assert_same_prediction(network, p, x, first):
    """Hold draws of every kind against the reference's, and the rows from `first` on alone."""
    for kind in ("weights", "flipout", "mean"):
        ours, exact = (back.draw_outputs(network, p, x, 4, 2, kind=kind)
                       for back in (compiled, reference))  # fmt: skip
        assert relative(ours, exact) < LIMITS[p.dtype.name], kind
        some = compiled.draw_outputs(network, p, x[first:], 4, 2, kind=kind, first_row=first)
        assert_array_equal(some, ours[first:])
