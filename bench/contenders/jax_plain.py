"""JAX as a person would write it: as `jax_jit.py`, each sign a draw, the update optax's Adam."""

import jax
import jax.numpy as jnp
import optax

from . import jax_jit


def draw_noise(key, parameters, rows):
    """Return (kernel_eps, sign_input, sign_output) for each layer."""
    noise = []
    for (mu, _, _), own in zip(parameters, jax.random.split(key, len(parameters)), strict=True):
        a, b, c = jax.random.split(own, 3)
        noise.append((jax.random.normal(a, mu.shape, mu.dtype),
                      jax.random.rademacher(b, (rows, mu.shape[0]), mu.dtype),
                      jax.random.rademacher(c, (rows, mu.shape[1]), mu.dtype)))  # fmt: skip
    return noise


class Contender(jax_jit.Contender):
    kinds = ()

    def open(self, problem):
        super().open(problem)
        work, kl_weight = problem.workload, problem.kl_weight

        def update(rate):
            return optax.adam(rate)

        @jax.jit
        def step(parameters, moments, key, x, y, rate):
            key, now = jax.random.split(key)
            noise = draw_noise(now, parameters[0], x.shape[0])
            loss, gradients = jax.value_and_grad(jax_jit.loss_of)(
                parameters, noise, x, y, work, kl_weight
            )
            updates, moments = update(rate).update(gradients, moments, parameters)
            return optax.apply_updates(parameters, updates), moments, key, loss

        self.step, self.update = step, update

    def reset(self, learning_rate):
        start = self.initial()
        self.rate = jnp.asarray(learning_rate, self.dtype)
        self.state = start, self.update(self.rate).init(start)

    def run(self, steps):
        losses, batches = [], self.batches
        for t in range(steps):
            x, y = batches[t % len(batches)]
            *state, self.key, loss = self.step(*self.state, self.key, x, y, self.rate)
            self.state = tuple(state)
            losses.append(loss)
        jax.block_until_ready(self.state)
        return losses
