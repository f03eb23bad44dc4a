"""Four estimators of the gradient, for the variance bench: their draws, and the closed forms.

All are the library's own. Everywhere the KL is left out, which has no noise.
"""

import numpy as np

import bnn_ref
from bnn_ref.elementary import sigmoid
from bnn_ref.reference import sigma

ESTIMATORS = ("shared", "flipout", "local", "independent")
TENSORS = ("kernel_mu", "kernel_rho")


def gradient_of(network, parameters, x, y, estimator, seed, draw):
    """Return the gradient of the nll as `Parameters`, under one draw of the noise."""
    noise = bnn_ref.draw_noise(
        network, len(x), seed, draw=draw, dtype=parameters.dtype, estimator=estimator
    )
    return bnn_ref.loss_and_gradients(network, parameters, x, y, noise, 0.0).gradients


def gradients(network, parameters, x, y, estimator, draws, seed):
    """Return {tensor: array (draws, size)}: the gradients under that many draws of the noise.

    "kernel_mu" and "kernel_rho" hold all layers' entries, one after the other.
    """
    drawn = {name: [] for name in TENSORS}
    for draw in range(draws):
        gradient = gradient_of(network, parameters, x, y, estimator, seed, draw)
        for name in TENSORS:
            parts = [getattr(layer, name).ravel() for layer in gradient.layers]
            drawn[name].append(np.concatenate(parts))
    return {name: np.array(rows) for name, rows in drawn.items()}


def squared_deviations(rows):
    """Return each draw's squared distance from the mean draw, (S,): their mean is the variance.

    Scaled by S / (S - 1), so that the mean is the unbiased variance, summed over entries.
    """
    rows = rows.astype(np.float64)
    gaps = rows - rows.mean(0)
    return np.sum(gaps * gaps, axis=1) * len(rows) / (len(rows) - 1)


def kernel_mu_variance(x, kernel_sigma):
    """Return the variance of a linear layer's kernel_mu gradient under Flipout, over all entries.

    nll = sum_n |a_n - y_n|^2 / (2 B), so that its gradient is sum_n x_n (a_n - y_n)^T / B. Under
    Flipout the perturbations of two examples are uncorrelated, and that of example n has variance
    sum_j x_nj^2 sigma_jo^2 in output o:

    sum_n |x_n|^2 sum_jo x_nj^2 sigma_jo^2 / B^2,   for one sigma  O sigma^2 sum_n |x_n|^4 / B^2.

    An independent draw for each example and the local estimator have the same.
    """
    x, variance = x.astype(np.float64), kernel_sigma.astype(np.float64) ** 2
    squares = x * x
    return float(np.sum(squares.sum(1)[:, None] * (squares @ variance)) / len(x) ** 2)


def kernel_rho_floor(x, p):
    """Return the floor of the variance of a linear layer's kernel_rho gradient under Flipout.

    Example n adds x_ni^2 sigma sigmoid(rho) eps^2 / B to entry (i, o): its sign is squared away,
    eps is shared by the batch, and eps^2 has variance 2:

    2 sum_io (sigma sigmoid(rho))^2 (mean_n x_ni^2)^2.
    """
    mean_square = np.mean(x.astype(np.float64) ** 2, axis=0)  # (I,)
    slope = (sigma(p.scale_shift, p.kernel_rho) * sigmoid(p.kernel_rho)).astype(np.float64)
    return float(2 * np.sum(slope * slope * mean_square[:, None] ** 2))
