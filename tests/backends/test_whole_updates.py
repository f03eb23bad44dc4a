"""Case 91 in both back ends: an update that would not be finite is not taken, in the same words."""

import numpy as np
import pytest
from needs_numba import numba

from bnn_ref import Adam, DenseFlipout, Network, NonFinite, Normal, State, reference
from bnn_ref.fast import compiled

NETWORK = Network([DenseFlipout(2, 2, bias="none")], Normal())


@pytest.mark.parametrize("draws", [1, 2])
@pytest.mark.parametrize(
    ("adam", "x", "y"),
    [
        (Adam(epsilon=0), 0.0, 0.0),  # the gradient is exactly 0
        (Adam(learning_rate=1e39), 1.0, 1.0),
        (Adam(), 1.0, 1e25),  # the gradient's square is no float32
    ],
)
def test_an_update_that_is_not_finite_is_refused(adam, x, y, draws):
    assert numba
    said = []
    for backend in (reference, compiled):
        state = State.start(NETWORK.init(0, "float32"))
        before = state.copy()
        with pytest.raises(NonFinite, match="step 1: .* in the update") as error:
            backend.train_step(state, np.full((3, 2), x, "f4"), np.full((3, 2), y), seed=0,
                               kl_weight=0.0, adam=adam, draws=draws)  # fmt: skip
        said.append(str(error.value))
        assert state.step == 0
        for part in ("parameters", "moment_1", "moment_2"):
            np.testing.assert_array_equal(getattr(state, part).flat, getattr(before, part).flat)
    assert said[0] == said[1]
