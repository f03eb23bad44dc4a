"""Random signs for layers written in tests, which are called ten thousands of times."""

import numpy as np

BOTH = np.array([-1.0, 1.0])


def random_signs(rng, shape):
    """Return -1 and +1 as `rng.choice([-1.0, 1.0], shape)` draws them, in less of its time."""
    return BOTH[rng.integers(0, 2, shape)]
