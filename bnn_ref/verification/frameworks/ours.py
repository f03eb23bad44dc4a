"""This project's two back ends, as frameworks."""

import numpy as np

from ..._version import __version__
from ...adam import Adam, update
from ...vectors import results_of
from . import Framework, FrameworkMissing


def _backend(name):
    from ...backends import get_backend

    try:
        return get_backend(name)
    except ImportError as error:
        raise FrameworkMissing(f"{name}: cannot be imported ({error})") from None


def _step(backend, vector, parameters):
    workspace = backend.prepare(vector.network, len(vector.x), parameters.dtype)
    return backend.loss_and_gradients(
        vector.network, parameters, vector.x, vector.y, vector.noise(), vector.kl_weight,
        workspace=workspace,
    )  # fmt: skip


def framework(name):
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

    return Framework(name, source, lambda meta: None, answer, train, adam)
