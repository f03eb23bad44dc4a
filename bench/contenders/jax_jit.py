"""JAX: the whole step, noise and Adam included, in one jit with its state donated.

Chosen by measuring on a CPU: the default Threefry generator (XLA fuses it; "rbg" took 1.4 times
as long), signs taken from the bits of whole words (a `random.rademacher` each took 1.3 times), Adam
written out (optax took as long).
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from . import base


def signs(key, shape, dtype):
    """Return -1 or +1, 32 from each random word."""
    words = jax.random.bits(key, (shape[0], -(-shape[1] // 32)), jnp.uint32)
    bits = (words[:, :, None] >> jnp.arange(32, dtype=jnp.uint32)) & 1
    return 1 - 2 * bits.reshape(shape[0], -1)[:, : shape[1]].astype(dtype)


def draw_noise(key, parameters, rows):
    """Return (kernel_eps, sign_input, sign_output) for each layer."""
    noise = []
    for k, (mu, _, _) in enumerate(parameters):
        keys = jax.random.split(jax.random.fold_in(key, k), 3)
        noise.append(
            (
                jax.random.normal(keys[0], mu.shape, mu.dtype),
                signs(keys[1], (rows, mu.shape[0]), mu.dtype),
                signs(keys[2], (rows, mu.shape[1]), mu.dtype),
            )
        )
    return noise


def sigma(rho):
    return jnp.finfo(rho.dtype).eps + jax.nn.softplus(rho)


def forward(parameters, noise, h):
    """Return the logits: Flipout, each layer's mean product and perturbation product."""
    for k, ((mu, rho, bias), (eps, sign_input, sign_output)) in enumerate(
        zip(parameters, noise, strict=True)
    ):
        h = h @ mu + ((h * sign_input) @ (sigma(rho) * eps)) * sign_output + bias
        h = h if k == len(parameters) - 1 else jax.nn.relu(h)
    return h


def loss_of(parameters, noise, x, y, kl_weight):
    """Return nll + kl_weight * kl, priors N(0, 1)."""
    logits = forward(parameters, noise, x)
    picked = jnp.take_along_axis(logits, y[:, None], 1)[:, 0]
    nll = jnp.mean(jax.nn.logsumexp(logits, -1) - picked)
    kl = 0
    for mu, rho, _ in parameters:
        s = sigma(rho)
        kl = kl + jnp.sum(0.5 * (s * s + mu * mu) - 0.5 - jnp.log(s))
    return nll + kl_weight * kl


def adam(state, gradients, rate):
    """Return the state after one Adam step."""
    parameters, m, v, t = state
    t = t + 1
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradients)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradients)
    rate, scale = rate / (1 - 0.9**t), 1 / jnp.sqrt(1 - 0.999**t)
    parameters = jax.tree.map(
        lambda p, m, v: p - (rate * m / (jnp.sqrt(v) * scale + 1e-8)).astype(p.dtype),
        parameters,
        m,
        v,
    )
    return parameters, m, v, t


@partial(jax.jit, donate_argnums=(0, 1), static_argnums=5)
def step(state, key, x, y, rate, kl_weight):
    """Return state, key and loss after one training step."""
    key, now = jax.random.split(key)
    noise = draw_noise(now, state[0], x.shape[0])
    loss, gradients = jax.value_and_grad(loss_of)(state[0], noise, x, y, kl_weight)
    return adam(state, gradients, rate), key, loss


@partial(jax.jit, static_argnums=(3, 4))
def average_draws(parameters, key, x, draws, kind):
    """Return probabilities averaged over draws, one draw after the other."""

    def one(total, key):
        if kind == "flipout":
            logits = forward(parameters, draw_noise(key, parameters, x.shape[0]), x)
        else:
            logits = x
            for k, (mu, rho, bias) in enumerate(parameters):
                eps = jax.random.normal(jax.random.fold_in(key, k), mu.shape, mu.dtype)
                logits = logits @ (mu + sigma(rho) * eps) + bias
                logits = logits if k == len(parameters) - 1 else jax.nn.relu(logits)
        return total + jax.nn.softmax(logits), None

    zero = jnp.zeros((x.shape[0], parameters[-1][2].shape[0]), x.dtype)
    return jax.lax.scan(one, zero, jax.random.split(key, draws))[0] / draws


class Contender(base.Contender):
    def __init__(self, dtype, threads):
        super().__init__(dtype, threads)
        jax.config.update("jax_enable_x64", dtype == "float64")

    def open(self, problem):
        self.problem = problem
        self.names = base.parameter_names(problem.network)
        self.batches = [(jnp.asarray(x), jnp.asarray(y, jnp.int32)) for x, y in problem.batches]
        self.key = jax.random.key(1)

    def initial(self):
        given = self.problem.parameters
        return [tuple(jnp.array(given[name]) for name in names) for names in self.names]

    def reset(self, learning_rate):
        zeros = jax.tree.map(jnp.zeros_like, self.initial())
        self.state = (self.initial(), zeros, jax.tree.map(jnp.copy, zeros), jnp.zeros(()))
        self.rate = jnp.asarray(learning_rate, self.dtype)

    def run(self, steps):
        losses, batches, kl_weight = [], self.batches, self.problem.kl_weight
        for t in range(steps):
            x, y = batches[t % len(batches)]
            self.state, self.key, loss = step(self.state, self.key, x, y, self.rate, kl_weight)
            losses.append(loss)
        jax.block_until_ready(self.state)
        return losses

    def parameters(self):
        pairs = zip(self.names, self.state[0], strict=True)
        return {n: np.array(v) for names, values in pairs
                for n, v in zip(names, values, strict=True)}  # fmt: skip

    def replay(self, noise):
        noise = [tuple(jnp.asarray(a) for a in layer[:3]) for layer in noise.layers]
        differentiate = jax.jit(jax.value_and_grad(loss_of), static_argnums=4)
        loss, gradients = differentiate(
            self.initial(), noise, *self.batches[0], self.problem.kl_weight
        )
        pairs = zip(self.names, gradients, strict=True)
        return {
            "loss": float(loss),
            "gradients": {n: np.array(v) for names, values in pairs
                          for n, v in zip(names, values, strict=True)},
        }  # fmt: skip

    def predict(self, x, draws, kind):
        self.key, now = jax.random.split(self.key)
        return np.asarray(average_draws(self.state[0], now, jnp.asarray(x), draws, kind))
