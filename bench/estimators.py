"""Four estimators of the gradient, for the variance bench: their draws, and the closed forms.

`shared`, `flipout` and `local` are the library's. An independent draw of every weight for each
example is too dear to be one: it is here, for comparison, in NumPy. Everywhere the KL is left out,
which has no noise.
"""

import numpy as np

import bnn_ref
from bnn_ref.activations import get_activation
from bnn_ref.elementary import sigmoid
from bnn_ref.reference import sigma

LIBRARY = ("shared", "flipout", "local")
ESTIMATORS = (*LIBRARY, "independent")
TENSORS = ("kernel_mu", "kernel_rho")


def gradient_of(network, parameters, x, y, estimator, seed, draw):
    """Return the gradient of the nll as `Parameters`, under one draw of the noise."""
    noise = bnn_ref.draw_noise(
        network, len(x), seed, draw=draw, dtype=parameters.dtype, estimator=estimator
    )
    return bnn_ref.loss_and_gradients(network, parameters, x, y, noise, 0.0).gradients


def independent_gradient(network, parameters, x, y, rng):
    """Return the gradient of the nll as `Parameters`, every example with weights of its own.

    For example n: delta_n = sigma * eps_n, a_n = h_n (mu + delta_n) + bias. Written for layers with
    no bias or a deterministic one.

    Parameters
    ----------
    x : array (B, I)
    rng : numpy.random.Generator
    """
    gradients = parameters.zeros_like()
    h, kept = x, []
    for layer, p in zip(network.layers, parameters.layers, strict=True):
        eps = rng.standard_normal((len(x), *p.kernel_mu.shape), x.dtype)  # (B, I, O)
        delta = sigma(p.scale_shift, p.kernel_rho) * eps
        a = h @ p.kernel_mu + np.matmul(h[:, None, :], delta)[:, 0]  # (B, O)
        a = a if p.bias_mu is None else a + p.bias_mu
        activation = get_activation(layer.activation)
        outputs = activation.function(a)
        kept.append((h, eps, delta, activation.derivative(a, outputs)))
        h = outputs
    _, grad, _ = network.likelihood.nll_and_gradient(h, y)
    for k in reversed(range(len(network.layers))):
        p, gradient = parameters.layers[k], gradients.layers[k]
        h, eps, delta, slope = kept[k]
        grad = grad * slope  # (B, O)
        gradient.kernel_mu[...] = h.T @ grad
        by_sigma = np.einsum("ni,no,nio->io", h, grad, eps, optimize=False)
        gradient.kernel_rho[...] = by_sigma * sigmoid(p.kernel_rho)
        if gradient.bias_mu is not None:
            gradient.bias_mu[...] = grad.sum(0)
        if k:
            grad = grad @ p.kernel_mu.T + np.matmul(delta, grad[:, :, None])[:, :, 0]
    return gradients


def gradients(network, parameters, x, y, estimator, draws, seed):
    """Return {tensor: array (draws, size)}: the gradients under that many draws of the noise.

    "kernel_mu" and "kernel_rho" hold all layers' entries, one after the other.
    """
    rng = np.random.default_rng(seed)
    found = {name: [] for name in TENSORS}
    for draw in range(draws):
        if estimator == "independent":
            one = independent_gradient(network, parameters, x, y, rng)
        else:
            one = gradient_of(network, parameters, x, y, estimator, seed, draw)
        for name in TENSORS:
            parts = [getattr(layer, name).ravel() for layer in one.layers]
            found[name].append(np.concatenate(parts))
    return {name: np.array(rows) for name, rows in found.items()}


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
