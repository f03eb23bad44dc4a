"""Rows kept as they are stored, scaled as they are read."""

import numpy as np
import pytest

from bnn_ref.border.rows import refuse_rows
from bnn_ref.data.rows import Rows


@pytest.mark.parametrize("kind", [np.uint8, np.float64])
def test_a_scale_that_the_dtype_has_not_gives_no_warning_and_nothing_finite(kind):
    """Whoever reads the rows refuses them, in one line; warnings are errors here."""
    rows = Rows(np.array([[0, 3], [5, 16]], kind), scale=1e-320, dtype=np.float32)
    read = rows[:]
    assert read.dtype == np.float32
    assert not np.isfinite(read[1]).any()
    with pytest.raises(ValueError, match="x: expected finite numbers, found .* in row"):
        refuse_rows(read, "x", "float32", [0, 1])


def test_rows_are_scaled_as_they_are_read():
    rows = Rows(np.array([[0, 4], [8, 16]], np.uint8), scale=16.0, dtype=np.float32)
    np.testing.assert_array_equal(rows[1:], np.array([[0.5, 1.0]], np.float32))
