"""Every gradient of a step, by hand and by the complex step."""

import numpy as np
from tolerances import SAME_FLOAT64, relative

from bnn_ref import forward, kl, loss_and_gradients
from bnn_ref.likelihoods.base import total
from bnn_ref.parameters import Parameters


def loss_of(network, p, x, y, noise, kl_weight, weight):
    """Return the loss of a step without its gradients, which take longer."""
    likelihood = network.likelihood
    y = likelihood.check_targets(y, x.shape[:-1], network.outputs)
    outputs = forward(network, p, x, noise).reshape(-1, network.outputs)
    nll = total(likelihood.nll_rows(outputs, y, p.likelihood), weight)
    return nll + kl_weight * np.sum(kl(network, p, noise))


def complex_step_errors(network, p, x, y, noise, kl_weight, weight=None):
    """Return the worst relative error of the hand-derived gradients, inputs included."""
    found = loss_and_gradients(network, p, x, y, noise, kl_weight, sample_weight=weight)
    wide = p.astype("complex128")
    assert relative(loss_of(network, p, x, y, noise, kl_weight, weight), found.loss) <= SAME_FLOAT64

    def slope(array, place, inputs):
        array[place] += 1e-30j
        loss = loss_of(network, wide, inputs, y, noise, kl_weight, weight)
        array[place] -= 1e-30j
        return loss.imag / 1e-30

    x = x.astype(np.complex128)
    exact = Parameters(network, np.array([slope(wide.flat, i, x) for i in range(p.flat.size)]))
    exact_x = np.array([slope(x, place, x) for place in np.ndindex(x.shape)]).reshape(x.shape)
    errors = {name: relative(found.gradients[name], exact[name]) for name in exact}
    return {**errors, "x": relative(found.grad_x, exact_x)}
