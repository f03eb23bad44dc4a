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


ACTIVATIONS = {
    "linear": lambda a: a,
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
    "elu": jax.nn.elu,
    "gelu": partial(jax.nn.gelu, approximate=False),
}


def forward(layers, noise, h, activation):
    """Return the outputs: Flipout, each layer's mean product and perturbation product."""
    for k, ((mu, rho, bias), (eps, sign_input, sign_output)) in enumerate(
        zip(layers, noise, strict=True)
    ):
        h = h @ mu + ((h * sign_input) @ (sigma(rho) * eps)) * sign_output + bias
        h = h if k == len(layers) - 1 else ACTIVATIONS[activation](h)
    return h


def nll_of(likelihood, z, y, scale_rho):
    """Return the nll, the mean over rows, summed over outputs."""
    if likelihood == "categorical":
        return jnp.mean(jax.nn.logsumexp(z, -1) - jnp.take_along_axis(z, y[:, None], 1)[:, 0])
    if likelihood == "bernoulli":
        return jnp.mean(jnp.sum(jax.nn.softplus((1 - 2 * y) * z), -1))
    s = jax.nn.softplus(scale_rho)
    t = (y - z) / s
    return jnp.mean(jnp.sum(0.5 * t * t + jnp.log(s) + 0.5 * jnp.log(2 * jnp.pi), -1))


def loss_of(parameters, noise, x, y, work, kl_weight):
    """Return nll + kl_weight * kl, priors N(0, 1); parameters: (layers, scale_rho or None)."""
    layers, scale_rho = parameters
    nll = nll_of(work.likelihood, forward(layers, noise, x, work.activation), y, scale_rho)
    kl = 0
    for mu, rho, _ in layers:
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


@partial(jax.jit, donate_argnums=(0, 1), static_argnums=(5, 6))
def step(state, key, x, y, rate, work, kl_weight):
    """Return state, key and loss after one training step."""
    key, now = jax.random.split(key)
    noise = draw_noise(now, state[0][0], x.shape[0])
    loss, gradients = jax.value_and_grad(loss_of)(state[0], noise, x, y, work, kl_weight)
    return adam(state, gradients, rate), key, loss


@partial(jax.jit, static_argnums=(3, 4, 5))
def average_draws(layers, key, x, draws, kind, activation):
    """Return probabilities averaged over draws, one draw after the other."""

    def one(total, key):
        if kind == "flipout":
            logits = forward(layers, draw_noise(key, layers, x.shape[0]), x, activation)
        else:
            logits = x
            for k, (mu, rho, bias) in enumerate(layers):
                eps = jax.random.normal(jax.random.fold_in(key, k), mu.shape, mu.dtype)
                logits = logits @ (mu + sigma(rho) * eps) + bias
                logits = logits if k == len(layers) - 1 else ACTIVATIONS[activation](logits)
        return total + jax.nn.softmax(logits), None

    zero = jnp.zeros((x.shape[0], layers[-1][2].shape[0]), x.dtype)
    return jax.lax.scan(one, zero, jax.random.split(key, draws))[0] / draws


class Contender(base.Contender):
    likelihoods = ("categorical", "bernoulli", "normal")

    def __init__(self, dtype, threads):
        super().__init__(dtype, threads)
        jax.config.update("jax_enable_x64", dtype == "float64")

    def open(self, problem):
        self.problem = problem
        self.names = base.parameter_names(problem.network)
        of_class = problem.workload.likelihood == "categorical"
        dtype = jnp.int32 if of_class else self.dtype
        self.batches = [(jnp.asarray(x), jnp.asarray(y, dtype)) for x, y in problem.batches]
        self.key = jax.random.key(1)

    def initial(self):
        """Return (layers, scale_rho or None)."""
        given = self.problem.parameters
        layers = [tuple(jnp.array(given[name]) for name in names) for names in self.names]
        return layers, jnp.array(given[base.SCALE]) if base.SCALE in given else None

    def reset(self, learning_rate):
        zeros = jax.tree.map(jnp.zeros_like, self.initial())
        self.state = (self.initial(), zeros, jax.tree.map(jnp.copy, zeros), jnp.zeros(()))
        self.rate = jnp.asarray(learning_rate, self.dtype)

    def run(self, steps):
        losses, batches, problem = [], self.batches, self.problem
        for t in range(steps):
            x, y = batches[t % len(batches)]
            self.state, self.key, loss = step(
                self.state, self.key, x, y, self.rate, problem.workload, problem.kl_weight
            )
            losses.append(loss)
        jax.block_until_ready(self.state)
        return losses

    def by_name(self, parameters):
        """Return full name to array of (layers, scale_rho or None)."""
        layers, scale_rho = parameters
        named = {n: np.array(v) for names, values in zip(self.names, layers, strict=True)
                 for n, v in zip(names, values, strict=True)}  # fmt: skip
        return named if scale_rho is None else {**named, base.SCALE: np.array(scale_rho)}

    def parameters(self):
        return self.by_name(self.state[0])

    def replay(self, noise):
        noise = [tuple(jnp.asarray(a) for a in layer[:3]) for layer in noise.layers]
        differentiate = jax.jit(jax.value_and_grad(loss_of), static_argnums=(4, 5))
        loss, gradients = differentiate(self.initial(), noise, *self.batches[0],
                                        self.problem.workload, self.problem.kl_weight)  # fmt: skip
        return {"loss": float(loss), "gradients": self.by_name(gradients)}

    def predict(self, x, draws, kind):
        self.key, now = jax.random.split(self.key)
        activation = self.problem.workload.activation
        return np.asarray(
            average_draws(self.state[0][0], now, jnp.asarray(x), draws, kind, activation)
        )
