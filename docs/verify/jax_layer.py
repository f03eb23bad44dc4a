"""A Flipout network of one's own in plain JAX, verified: python docs/verify/jax_layer.py

With --mistake the KL is added to the loss twice, and the verdict says so.
"""

import sys

import jax
import jax.numpy as jnp

from bnn_ref.verification import check_implementation

jax.config.update("jax_enable_x64", True)  # or half of the questions are answered in float32

MISTAKE = "--mistake" in sys.argv
ACTIVATIONS = {"linear": lambda a: a, "relu": jax.nn.relu, "tanh": jnp.tanh,
               "sigmoid": jax.nn.sigmoid, "softplus": jax.nn.softplus, "elu": jax.nn.elu,
               "gelu": lambda a: jax.nn.gelu(a, approximate=False)}  # fmt: skip


def flipout(parameters, x, layer):
    """One layer's outputs on the noise given."""
    sigma = layer.scale_shift + jax.nn.softplus(parameters["kernel_rho"])
    a = x @ parameters["kernel_mu"]
    a += ((x * layer.sign_input) @ (sigma * layer.kernel_eps)) * layer.sign_output
    if "bias_mu" in parameters:
        a += parameters["bias_mu"]
    if "bias_rho" in parameters:
        draw = (layer.scale_shift + jax.nn.softplus(parameters["bias_rho"])) * layer.bias_eps
        a += draw * layer.sign_output if layer.bias == "normal_flipped" else draw
    return ACTIVATIONS[layer.activation](a)


def normal_kl(mu, rho, shift, loc, scale):
    sigma = shift + jax.nn.softplus(rho)
    terms = jnp.log(scale / sigma) + (sigma**2 + (mu - loc) ** 2) / (2 * scale**2) - 0.5
    return jnp.sum(terms)


def layer_kl(parameters, layer):
    kl = normal_kl(parameters["kernel_mu"], parameters["kernel_rho"], layer.scale_shift,
                   *layer.kernel_prior)  # fmt: skip
    if "bias_rho" in parameters:
        kl += normal_kl(parameters["bias_mu"], parameters["bias_rho"], layer.scale_shift,
                        *layer.bias_prior)  # fmt: skip
    return kl


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


def loss_function(parameters, x, question):
    outputs = x
    for own, layer in zip(parameters, question.layers, strict=True):
        outputs = flipout(own, outputs, layer)
    nll = negative_log_likelihood(question.meta["likelihood"], outputs, jnp.asarray(question.y))
    kls = [layer_kl(own, layer) for own, layer in zip(parameters, question.layers, strict=True)]
    loss = nll + question.kl_weight * sum(kls)
    if MISTAKE:
        loss += question.kl_weight * sum(kls)
    return loss, (outputs, nll, kls)


def answer(question):
    """What the check asks: one training step on the question's noise."""
    names = ("kernel_mu", "kernel_rho", "bias_mu", "bias_rho")
    parameters = [
        {name: jnp.asarray(getattr(layer, name)) for name in names
         if getattr(layer, name) is not None}
        for layer in question.layers
    ]  # fmt: skip
    differentiated = jax.value_and_grad(loss_function, (0, 1), has_aux=True)
    (loss, (outputs, nll, kls)), (grads, grad_x) = differentiated(
        parameters, jnp.asarray(question.x), question
    )
    named = {f"layers.{k}.{name}": value
             for k, own in enumerate(grads) for name, value in own.items()}  # fmt: skip
    return {"outputs": outputs, "nll": nll, "kl": sum(kls), "kl_layers": kls, "loss": loss,
            "grads": named, "grad_x": grad_x}  # fmt: skip


if __name__ == "__main__":
    report = check_implementation(answer, suite="small", random=4, name="my JAX network")
    print(report)
    sys.exit(not report.agrees)
