"""A small network with its rows, for tests of what training is given."""

import numpy as np

from bnn_ref import Categorical, DenseFlipout, Network

NETWORK = Network([DenseFlipout(3, 4, "tanh"), DenseFlipout(4, 2)], Categorical())
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(10, 3)), RNG.integers(0, 2, 10)
SETTINGS = {"backend": "numpy", "dtype": "float64", "seed": 3}
