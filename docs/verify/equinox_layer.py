"""A Flipout layer of one's own in Equinox, verified: python docs/verify/equinox_layer.py

With --mistake the output signs are left out, and the verdict says so.
"""

import sys

import equinox as eqx
import jax
import jax.numpy as jnp

from bnn_ref.verification import check_implementation

jax.config.update("jax_enable_x64", True)

MISTAKE = "--mistake" in sys.argv
ACTIVATIONS = {"linear": lambda a: a, "relu": jax.nn.relu, "tanh": jnp.tanh,
               "sigmoid": jax.nn.sigmoid, "softplus": jax.nn.softplus, "elu": jax.nn.elu,
               "gelu": lambda a: jax.nn.gelu(a, approximate=False)}  # fmt: skip


class DenseFlipout(eqx.Module):
    """The layer under test: a kernel with a Normal posterior, a bias that is a point estimate."""

    kernel_mu: jax.Array
    kernel_rho: jax.Array
    bias_mu: jax.Array | None
    scale_shift: float = eqx.field(static=True)
    prior: tuple = eqx.field(static=True)
    activation: str = eqx.field(static=True)

    @property
    def sigma(self):
        return self.scale_shift + jax.nn.softplus(self.kernel_rho)

    def __call__(self, x, eps, sign_input, sign_output):
        perturbation = (x * sign_input) @ (self.sigma * eps)
        if not MISTAKE:
            perturbation *= sign_output
        a = x @ self.kernel_mu + perturbation
        return ACTIVATIONS[self.activation](a if self.bias_mu is None else a + self.bias_mu)

    def kl(self):
        (loc, scale), sigma = self.prior, self.sigma
        ratio = (sigma**2 + (self.kernel_mu - loc) ** 2) / (2 * scale**2)
        return jnp.sum(jnp.log(scale / sigma) + ratio - 0.5)


def make_layer(layer):
    if layer.bias_rho is not None:
        raise NotImplementedError("my bias is a point estimate")
    bias = None if layer.bias_mu is None else jnp.asarray(layer.bias_mu)
    return DenseFlipout(jnp.asarray(layer.kernel_mu), jnp.asarray(layer.kernel_rho), bias,
                        layer.scale_shift, layer.kernel_prior, layer.activation)  # fmt: skip


def negative_log_likelihood(likelihood, outputs, y):
    """Mean over the batch, summed over output dimensions."""
    if likelihood["type"] == "categorical":
        logs = jax.nn.log_softmax(outputs)
        return -jnp.mean(jnp.take_along_axis(logs, y[:, None].astype(int), axis=1))
    if likelihood["type"] == "bernoulli":
        each = jax.nn.softplus(outputs) - y * outputs
    else:
        each = -jax.scipy.stats.norm.logpdf(y, outputs, likelihood["scale"])
    return jnp.mean(jnp.sum(each, axis=1))


def answer(question):
    """What the check asks: one training step of my layers on the question's noise."""

    @eqx.filter_value_and_grad(has_aux=True)
    def differentiated(inputs):
        model, outputs = inputs
        for layer, given in zip(model, question.layers, strict=True):
            outputs = layer(outputs, given.kernel_eps, given.sign_input, given.sign_output)
        nll = negative_log_likelihood(question.meta["likelihood"], outputs, jnp.asarray(question.y))
        kls = [layer.kl() for layer in model]
        return nll + question.kl_weight * sum(kls), (outputs, nll, kls)

    model = [make_layer(layer) for layer in question.layers]
    (loss, (outputs, nll, kls)), (grads, grad_x) = differentiated((model, jnp.asarray(question.x)))
    named = {f"layers.{k}.{name}": getattr(layer, name) for k, layer in enumerate(grads)
             for name in ("kernel_mu", "kernel_rho", "bias_mu")
             if getattr(layer, name) is not None}  # fmt: skip
    return {"outputs": outputs, "nll": nll, "kl": sum(kls), "kl_layers": kls, "loss": loss,
            "grads": named, "grad_x": grad_x}  # fmt: skip


if __name__ == "__main__":
    report = check_implementation(answer, suite="small", random=4, name="my Equinox layer")
    print(report)
    sys.exit(not report.agrees)
