"""A contender of one's own, in NumPy: ``python -m bench step --contender own_numpy.py:Mine``.

Change `loss_and_gradients` and `adam`; leave the methods' meaning. What is timed is `run`, and it
is checked first: same loss and gradients for a given noise, fresh noise in every step, the KL
counted once, the same fall of the loss.
"""

import numpy as np


def softplus(x):
    return np.logaddexp(0, x)


def loss_and_gradients(layers, noise, x, y, kl_weight):
    """Return the loss and, for each layer, the gradients of (kernel_mu, kernel_rho, bias_mu)."""
    eps_of_dtype = np.finfo(x.dtype).eps
    h, kept, kl = x, [], 0.0
    for k, ((mu, rho, bias), (eps, sign_input, sign_output)) in enumerate(
        zip(layers, noise, strict=True)
    ):
        sigma = eps_of_dtype + softplus(rho)
        delta = sigma * eps
        flipped = h * sign_input
        a = h @ mu + (flipped @ delta) * sign_output + bias
        kept.append((h, flipped, sigma, delta, a))
        h = a if k == len(layers) - 1 else np.maximum(a, 0)
        kl += np.sum(0.5 * (sigma**2 + mu**2) - 0.5 - np.log(sigma), dtype=np.float64)
    shifted = h - h.max(1, keepdims=True)
    p = np.exp(shifted)
    total = p.sum(1, keepdims=True)
    rows = np.arange(len(y))
    nll = np.mean(np.log(total[:, 0]) - shifted[rows, y])
    grad = p / total
    grad[rows, y] -= 1
    grad /= len(y)
    gradients = []
    for k in reversed(range(len(layers))):
        (mu, rho, _), (eps, sign_input, sign_output) = layers[k], noise[k]
        h, flipped, sigma, delta, a = kept[k]
        if k < len(layers) - 1:
            grad = grad * (a > 0)
        turned = grad * sign_output
        by_sigma = (flipped.T @ turned) * eps + kl_weight * (sigma - 1 / sigma)
        slope = 1 / (1 + np.exp(-rho))
        gradients.append((h.T @ grad + kl_weight * mu, by_sigma * slope, grad.sum(0)))
        grad = grad @ mu.T + (turned @ delta.T) * sign_input
    return nll + kl_weight * kl, gradients[::-1]


class Mine:
    """The contender: its name is the row's title."""

    kinds = ()  # what `predict` can draw: "weights", "flipout", or nothing
    likelihoods = ("categorical",)

    def __init__(self, dtype, threads):
        self.dtype, self.rng = np.dtype(dtype), np.random.default_rng(1)

    def open(self, problem):
        """Take a problem: ``network``, ``parameters``, ``batches``, ``kl_weight``."""
        self.problem, self.batches = problem, list(problem.batches)
        names = ("kernel_mu", "kernel_rho", "bias_mu")
        self.names = [
            [f"layers.{k}.{name}" for name in names] for k in range(len(problem.network.layers))
        ]

    def initial(self):
        given = self.problem.parameters
        return [[np.array(given[name]) for name in names] for names in self.names]

    def reset(self, learning_rate):
        """Go back to the initial values, moments 0, step 0."""
        self.layers, self.rate, self.step = self.initial(), learning_rate, 0
        self.moments = [[(np.zeros_like(p), np.zeros_like(p)) for p in layer]
                        for layer in self.layers]  # fmt: skip

    def fresh_noise(self, rows):
        """Return (kernel_eps, sign_input, sign_output) of each layer, drawn now."""
        return [
            (
                self.rng.standard_normal(mu.shape, self.dtype),
                *(1 - 2 * self.rng.integers(0, 2, (rows, n)).astype(self.dtype) for n in mu.shape),
            )
            for mu, _, _ in self.layers
        ]

    def run(self, steps):
        """Take training steps and return their losses."""
        losses = []
        for t in range(steps):
            x, y = self.batches[t % len(self.batches)]
            noise = self.fresh_noise(len(x))
            loss, gradients = loss_and_gradients(self.layers, noise, x, y, self.problem.kl_weight)
            self.adam(gradients)
            losses.append(loss)
        return losses

    def adam(self, gradients):
        """Move every parameter: Adam, epsilon 1e-8."""
        self.step += 1
        fix_m, fix_v = 1 - 0.9**self.step, 1 - 0.999**self.step
        for layer, moments, grads in zip(self.layers, self.moments, gradients, strict=True):
            for p, (m, v), g in zip(layer, moments, grads, strict=True):
                m += 0.1 * (g - m)
                v += 0.001 * (g * g - v)
                p -= self.rate * (m / fix_m) / (np.sqrt(v / fix_v) + 1e-8)

    def parameters(self):
        """Return the values now by name."""
        return {n: p.copy() for names, layer in zip(self.names, self.layers, strict=True)
                for n, p in zip(names, layer, strict=True)}  # fmt: skip

    def replay(self, noise):
        """Return loss and gradients at the initial values for a given noise (or None)."""
        given = [(layer.kernel_eps, layer.sign_input, layer.sign_output) for layer in noise.layers]
        loss, grads = loss_and_gradients(
            self.initial(), given, *self.batches[0], self.problem.kl_weight
        )
        return {"loss": float(loss), "gradients": {
            n: g for names, layer in zip(self.names, grads, strict=True)
            for n, g in zip(names, layer, strict=True)}}  # fmt: skip

    def predict(self, x, draws, kind):
        raise NotImplementedError("kinds is empty, so nobody asks")
