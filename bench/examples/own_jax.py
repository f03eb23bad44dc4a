"""A contender of one's own, in JAX: ``python -m bench step --contender own_jax.py:Mine``.

Only `loss_of` is the network; JAX differentiates it. See own_numpy.py for what each method means.
"""

import jax
import jax.numpy as jnp
import numpy as np


def loss_of(layers, noise, x, y, kl_weight):
    """Return nll + kl_weight * kl for a given noise."""
    kl = 0.0
    for k, ((mu, rho, bias), (eps, sign_input, sign_output)) in enumerate(
        zip(layers, noise, strict=True)
    ):
        sigma = jnp.finfo(x.dtype).eps + jax.nn.softplus(rho)
        x = x @ mu + ((x * sign_input) @ (sigma * eps)) * sign_output + bias
        x = x if k == len(layers) - 1 else jax.nn.relu(x)
        kl += jnp.sum(0.5 * (sigma**2 + mu**2) - 0.5 - jnp.log(sigma))
    picked = jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], 1)
    return kl_weight * kl - jnp.mean(picked)


def fresh_noise(key, layers, rows):
    """Return (kernel_eps, sign_input, sign_output) of each layer, drawn now."""
    noise = []
    for (mu, _, _), layer_key in zip(layers, jax.random.split(key, len(layers)), strict=True):
        a, b, c = jax.random.split(layer_key, 3)
        noise.append((jax.random.normal(a, mu.shape, mu.dtype),
                      jax.random.rademacher(b, (rows, mu.shape[0]), mu.dtype),
                      jax.random.rademacher(c, (rows, mu.shape[1]), mu.dtype)))  # fmt: skip
    return noise


@jax.jit
def step(state, key, x, y, rate, kl_weight):
    """Return the state after one step of Adam, and the loss."""
    layers, m, v, t = state
    noise = fresh_noise(key, layers, x.shape[0])
    loss, g = jax.value_and_grad(loss_of)(layers, noise, x, y, kl_weight)
    t = t + 1
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
    fix_m, fix_v = 1 - 0.9**t, 1 - 0.999**t
    layers = jax.tree.map(
        lambda p, m, v: p - (rate * (m / fix_m) / (jnp.sqrt(v / fix_v) + 1e-8)).astype(p.dtype),
        layers, m, v,
    )  # fmt: skip
    return (layers, m, v, t), loss


class Mine:
    kinds = ()
    likelihoods = ("categorical",)

    def __init__(self, dtype, threads):
        jax.config.update("jax_enable_x64", dtype == "float64")
        self.key = jax.random.key(1)

    def open(self, problem):
        self.problem = problem
        self.batches = [(jnp.asarray(x), jnp.asarray(y, jnp.int32)) for x, y in problem.batches]
        names = ("kernel_mu", "kernel_rho", "bias_mu")
        self.names = [
            [f"layers.{k}.{name}" for name in names] for k in range(len(problem.network.layers))
        ]

    def initial(self):
        given = self.problem.parameters
        return [tuple(jnp.array(given[name]) for name in names) for names in self.names]

    def reset(self, learning_rate):
        zeros = jax.tree.map(jnp.zeros_like, self.initial())
        self.state, self.rate = (self.initial(), zeros, zeros, jnp.zeros(())), learning_rate

    def run(self, steps):
        losses = []
        for t in range(steps):
            self.key, now = jax.random.split(self.key)
            batch = self.batches[t % len(self.batches)]
            self.state, loss = step(self.state, now, *batch, self.rate, self.problem.kl_weight)
            losses.append(loss)
        jax.block_until_ready(self.state)  # the work is done when `run` returns
        return losses

    def by_name(self, layers):
        return {n: np.array(a) for names, layer in zip(self.names, layers, strict=True)
                for n, a in zip(names, layer, strict=True)}  # fmt: skip

    def parameters(self):
        return self.by_name(self.state[0])

    def replay(self, noise):
        given = [tuple(map(jnp.asarray, layer[:3])) for layer in noise.layers]
        loss, grads = jax.value_and_grad(loss_of)(
            self.initial(), given, *self.batches[0], self.problem.kl_weight
        )
        return {"loss": float(loss), "gradients": self.by_name(grads)}

    def predict(self, x, draws, kind):
        raise NotImplementedError("kinds is empty, so nobody asks")
