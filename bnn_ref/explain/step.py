"""One training step in order: every intermediate with its shape, every gradient checked."""

from types import SimpleNamespace

import numpy as np

from .. import adam as adam_rule
from .. import reference
from ..local import LocalNoise
from .sheet import NO_MPMATH, Sheet, mpmath_or_none, number

STEP = 1e-30  # of the complex step: below every rounding unit, no difference is taken
LIMIT = 1e-12


def explain(subject, seed=0):
    """Return the sheet on the next training step of a subject, computed in float64.

    Parameters
    ----------
    subject : Subject
    seed : int
        Of the direction along which the gradients of a large network are checked.
    """
    subject = subject.in_float64()
    sheet = Sheet("One training step, in order")
    sheet.say(
        f"Step {subject.state.step + 1} of {subject.name}. The batch has {len(subject.x)} "
        f"examples, kl_weight is {number(subject.kl_weight)}. Everything is computed in float64."
    )
    noise, result = take_step(subject)
    _forward(sheet, subject, noise, result)
    _loss(sheet, subject, noise, result)
    _backward(sheet, subject, noise, result)
    _check_gradients(sheet, subject, noise, result, seed)
    _update(sheet, subject, result)
    return sheet


def take_step(subject):
    """Return (noise, Result with its trace) of a subject's step."""
    noise = subject.noise()
    result = reference.loss_and_gradients(
        subject.network, subject.parameters, subject.x, subject.y, noise, subject.kl_weight,
        trace=True,
    )  # fmt: skip
    return noise, result


def vector_of(subject):
    """Return the step as an answered test vector (`spec/vectors.md`), in float64.

    Raises
    ------
    VectorError
        Where the format cannot hold it, such as a likelihood with a learned scale.
    """
    import platform

    from .._version import __version__
    from ..vectors import make_question

    subject = subject.in_float64()
    noise, result = take_step(subject)
    question = make_question(
        subject.network, subject.parameters, subject.x, subject.y, noise, subject.kl_weight
    )
    versions = f"numpy {np.__version__}, python {platform.python_version()}"
    return question.answer(result, f"bnn_ref {__version__}, {versions}")


def _forward(sheet, subject, noise, result):
    """Print the forward pass, layer by layer."""
    sheet.heading("Inputs and targets")
    sheet.array("x", subject.x)
    sheet.array("y", subject.y)
    layers = zip(subject.network.layers, subject.parameters.layers, noise.layers, result.trace,
                 strict=True)  # fmt: skip
    for k, (layer, p, n, t) in enumerate(layers):
        sheet.heading(f"layers[{k}] forward: {layer.inputs} -> {layer.outputs}, {layer.activation}")
        sheet.array("kernel_mu", p.kernel_mu)
        sheet.array("kernel_rho", p.kernel_rho)
        sheet.array("kernel_sigma", t.kernel_sigma, "= scale_shift + log(1 + exp(kernel_rho))")
        sheet.array("kernel_eps", n.kernel_eps, "standard normal, shared by the batch")
        sheet.array("kernel_delta", t.kernel_delta, "= kernel_sigma * kernel_eps")
        sheet.array("sign_input", n.sign_input)
        sheet.array("sign_output", n.sign_output)
        sheet.array("h kernel_mu", t.inputs @ p.kernel_mu, "the mean path")
        sheet.array("perturbation", t.perturbation,
                    "= ((h * sign_input) kernel_delta) * sign_output")  # fmt: skip
        if layer.bias != "none":
            sheet.array("bias_mu", p.bias_mu)
        if layer.bias_is_random:
            flips = " * sign_output" if layer.bias == "normal_flipped" else ""
            sheet.array("bias_sigma", t.bias_sigma, "= scale_shift + log(1 + exp(bias_rho))")
            sheet.array("bias_delta", t.bias_delta, f"= bias_sigma * bias_eps, added{flips}")
        sheet.array("pre_activation", t.pre_activation, "= mean path + perturbation + bias")
        sheet.array("outputs", t.outputs, f"= {layer.activation}(pre_activation)")


def _loss(sheet, subject, noise, result):
    """Print nll, KL and loss; check them against 30 digits where that is quick."""
    n = len(subject.x)
    sheet.heading("Loss")
    kls = " + ".join(number(value, 8) for value in result.kl_layers)
    sheet.formula(
        f"nll  = mean over {n} examples of -log p(y | outputs) = {number(result.nll, 8)}",
        f"kl   = {kls} = {number(result.kl, 8)}",
        "loss = nll + kl_weight * kl",
        f"     = {number(result.nll, 8)} + {number(subject.kl_weight, 8)} * "
        f"{number(result.kl, 8)} = {number(result.loss, 8)}",
    )
    if not subject.small:
        return
    if mpmath_or_none() is None:
        sheet.leave_out("the loss", NO_MPMATH)
        return
    from ..verification import oracle

    vector = vector_of(subject)
    loss = oracle.answer(vector.meta, vector.arrays)["loss"]
    sheet.check("the loss", result.loss, "mpmath, from the definition alone", loss, 1e-14)


def _backward(sheet, subject, noise, result):
    """Print the backward pass, last layer first."""
    for k in reversed(range(len(subject.network.layers))):
        layer, t = subject.network.layers[k], result.trace[k]
        g = result.gradients.layers[k]
        sheet.heading(f"layers[{k}] backward")
        sheet.array("grad_outputs", t.grad_outputs, "of the loss by the layer's outputs")
        sheet.array("grad_pre_activation", t.grad_pre_activation,
                    f"= grad_outputs * {layer.activation}'(pre_activation)")  # fmt: skip
        sheet.array("grad_delta", t.grad_delta,
                    "= (h * sign_input)^T (grad_pre_activation * sign_output)")  # fmt: skip
        sheet.array("grad_sigma", t.grad_sigma, "= grad_delta * kernel_eps")
        sheet.array("kl_grad_mu", t.kl_grad_mu, "= (mu - m) / s^2")
        sheet.array("kl_grad_sigma", t.kl_grad_sigma, "= sigma / s^2 - 1 / sigma")
        sheet.array("sigma_grad_rho", t.sigma_grad_rho, "= 1 / (1 + exp(-kernel_rho))")
        sheet.array("grad kernel_mu", g.kernel_mu,
                    "= h^T grad_pre_activation + kl_weight * kl_grad_mu")  # fmt: skip
        sheet.array("grad kernel_rho", g.kernel_rho,
                    "= (grad_sigma + kl_weight * kl_grad_sigma) * sigma_grad_rho")  # fmt: skip
        if layer.bias != "none":
            sheet.array("grad bias_mu", g.bias_mu, "= sum over the batch of grad_pre_activation"
                        + (" + kl_weight * its KL's" if layer.bias_is_random else ""))  # fmt: skip
        if layer.bias_is_random:
            sheet.array("grad bias_rho", g.bias_rho, "as kernel_rho")
        sheet.array("grad_inputs", t.grad_inputs,
                    "= g kernel_mu^T + ((g * sign_output) delta^T) * sign_input")  # fmt: skip


def _check_gradients(sheet, subject, noise, result, seed):
    """Hold every gradient against the complex step, which uses the forward pass alone.

    d loss / d p = Im loss(p + i h) / h. In a small network for every entry, in a large one along
    one random direction of +1 and -1 for every tensor.
    """
    sheet.heading("Every gradient against the complex step")
    sheet.formula("d loss / d p = Im( loss(p + i h) ) / h,  h = 1e-30: the forward pass alone")
    rng = np.random.default_rng(seed)
    for name in subject.parameters:
        gradient = result.gradients[name]
        if gradient.size <= 16 and subject.small:
            found = _every_entry(subject, noise, name, gradient.shape)
            worst = np.unravel_index(np.argmax(np.abs(found - gradient)), gradient.shape)
            largest = np.max(np.abs(found))
            sheet.check(f"grad {name}, the entry that differs most of {gradient.size}",
                        gradient[worst], "complex step", found[worst], LIMIT, largest)  # fmt: skip
            continue
        direction = rng.choice([-1.0, 1.0], gradient.shape)
        along = loss_along(subject, noise, {name: direction})
        scale = float(np.linalg.norm(gradient))  # what such a direction's derivative is like
        sheet.check(f"grad {name} along a random direction of +1 and -1",
                    np.sum(gradient * direction), "complex step", along, LIMIT, scale)  # fmt: skip


def _every_entry(subject, noise, name, shape):
    """Return the derivative by every entry of one tensor, each by its own complex step."""
    found = np.zeros(shape)
    for index in np.ndindex(shape):
        unit = np.zeros(shape)
        unit[index] = 1.0
        found[index] = loss_along(subject, noise, {name: unit})
    return found


def loss_along(subject, noise, directions):
    """Return the derivative of the loss along directions, by the complex step.

    Parameters
    ----------
    subject : Subject
    noise : Noise
    directions : dict of str to array
        Parameter names to directions of the parameters' shapes.
    """
    if isinstance(noise, LocalNoise):
        raise TypeError("noise: expected a Noise, found a LocalNoise")
    network = subject.network
    parameters = subject.parameters.astype("complex128")
    for name, direction in directions.items():
        parameters[name][...] += 1j * STEP * direction
    layers = zip(network.layers, parameters.layers, noise.layers, strict=True)
    h = subject.x.reshape(-1, network.inputs).astype(np.complex128)
    for layer, p, n in layers:
        h = reference.forward_layer(layer, p, n, h).outputs
    y = network.likelihood.check_targets(subject.y, subject.x.shape[:-1], network.outputs)
    rows = network.likelihood.nll_rows(h, y, parameters.scale_rho)
    kl = sum(
        reference.layer_kl(layer, p)
        for layer, p in zip(network.layers, parameters.layers, strict=True)
    )
    return (np.sum(rows) / len(rows) + subject.kl_weight * kl).imag / STEP


def _update(sheet, subject, result):
    """Print the update, and check one entry's in plain numbers."""
    sheet.heading("Update")
    adam, step = subject.adam, subject.state.step + 1
    state = subject.state.copy()
    adam_rule.update(adam, step, state.parameters.flat, result.gradients.flat,
                     state.moment_1.flat, state.moment_2.flat)  # fmt: skip
    before, after = subject.parameters, state.parameters
    sheet.say(
        f'Adam, convention "{adam.convention}", learning rate {number(adam.learning_rate)}, '
        f"step t = {step}; `explain adam` takes it apart."
    )
    for name in before:
        sheet.array(f"new {name}", after[name])
    name = "layers.0.kernel_mu"
    index = np.unravel_index(np.argmax(np.abs(result.gradients[name])), before[name].shape)
    one = SimpleNamespace(
        p=float(before[name][index]),
        g=float(result.gradients[name][index]),
        m=float(subject.state.moment_1[name][index]),
        v=float(subject.state.moment_2[name][index]),
    )
    from .adam import one_update

    place = ", ".join(str(int(i)) for i in index)
    sheet.check(f"new {name}[{place}]", after[name][index], "the update in plain numbers",
                one_update(adam, step, one.p, one.g, one.m, one.v), 1e-12)  # fmt: skip
