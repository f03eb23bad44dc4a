"""This project's two back ends, as frameworks."""

from __future__ import annotations

from itertools import count

import numpy as np

from ..._version import __version__
from ...elementary import softplus_inverse
from ...layers import DenseFlipout
from ...network import Network
from ...step.adam import Adam, update
from ..vectors import results_of
from . import Framework, FrameworkMissing


def _backend(name):
    """Return the back end of that name itself; NumPy does not serve for Numba here."""
    from ...backends import get_backend, why_not_numba

    reason = why_not_numba() if name == "numba" else None
    if reason:
        raise FrameworkMissing(f"{name}: cannot be used ({reason})")
    return get_backend(name)


def _step(backend, vector, parameters):
    workspace = backend.prepare(vector.network, len(vector.x), parameters.dtype)
    return backend.loss_and_gradients(
        vector.network, parameters, vector.x, vector.y, vector.noise(), vector.kl_weight,
        sample_weight=vector.sample_weight, workspace=workspace,
    )  # fmt: skip


def framework(name: str) -> Framework:
    """Return the `Framework` "numpy" or "numba"."""
    adam = Adam(convention="paper")

    def source():
        versions = f"bnn_ref {__version__} ({name} back end), numpy {np.__version__}"
        if name == "numba":
            import numba

            versions += f", numba {numba.__version__}"
        return versions

    def answer(vector):
        return results_of(_step(_backend(name), vector, vector.parameters()))

    def train(vectors, learning_rate):
        backend, parameters = _backend(name), vectors[0].parameters()
        one, two = parameters.zeros_like(), parameters.zeros_like()
        settings = Adam(learning_rate, convention="paper")
        for step, vector in enumerate(vectors, start=1):
            gradients = _step(backend, vector, parameters).gradients
            update(settings, step, parameters.flat, gradients.flat, one.flat, two.flat)
        return dict(parameters)

    def random_layer(kernel_mu, kernel_sigma):
        network = Network([DenseFlipout(*kernel_mu.shape, bias="none", scale_shift=0.0)])
        given = {"layers.0.kernel_mu": kernel_mu,
                 "layers.0.kernel_rho": softplus_inverse(kernel_sigma)}  # fmt: skip
        parameters, draws, backend = network.parameters(given), count(), _backend(name)
        return lambda x: backend.draw_outputs(network, parameters, np.asarray(x, float), 1,
                                              next(draws), kind="flipout")  # fmt: skip

    return Framework(name, source, lambda meta: None, answer, train, adam,
                     random_layer=random_layer)  # fmt: skip
