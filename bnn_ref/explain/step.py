"""One training step in order: every intermediate with its shape, every gradient checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import reference
from ..errors import expected
from ..likelihoods import Normal
from .adam import IN_DECIMALS, one_update
from .pictures import show_convolution
from .sheet import NO_MPMATH, Sheet, mpmath_or_none, number
from .step_checks import check_gradients, check_outputs

if TYPE_CHECKING:
    from ..noise.draws import Noise
    from ..step.results import Result
    from ..verification.vectors.files import Vector
    from .subject import Subject


def explain(subject: Subject, seed: int = 0) -> Sheet:
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
        f"Step {subject.state.step + 1} of {subject.name}. Examples in the batch: "
        f"{len(subject.x)}; kl_weight: {number(subject.kl_weight)}. Everything is computed in "
        "float64."
    )
    if subject.draws_per_step > 1:
        sheet.say(
            f"A step of this run averages the gradients of {subject.draws_per_step} noise draws. "
            "This is the first of them, as if it were the only one."
        )
    noise, result = take_step(subject)
    _forward(sheet, subject, noise, result)
    _loss(sheet, subject, result)
    _backward(sheet, subject, result)
    check_gradients(sheet, subject, noise, result, seed)
    _update(sheet, subject, result)
    return sheet


def take_step(subject: Subject) -> tuple[Noise, Result]:
    """Return (noise, Result with its trace) of a subject's step."""
    noise = subject.noise()
    result = reference.loss_and_gradients(
        subject.network, subject.parameters, subject.x, subject.y, noise, subject.kl_weight,
        trace=True,
    )  # fmt: skip
    return noise, result


def vector_of(subject: Subject) -> Vector:
    """Return the step as an answered test vector (`docs/vectors.md`), in float64.

    Parameters
    ----------
    subject : Subject

    Raises
    ------
    ValueError
        Where the format cannot hold it: a likelihood with a learned scale.
    """
    import platform

    from .._version import __version__
    from ..verification.vectors import make_question

    if subject.parameters.scale_rho is not None:
        raise expected("test vector", "a likelihood whose scale is fixed", "a learned scale")
    subject = subject.in_float64()
    noise, result = take_step(subject)
    question = make_question(
        subject.network, subject.parameters, subject.x, subject.y, noise, subject.kl_weight
    )
    versions = f"numpy {np.__version__}, python {platform.python_version()}"
    return question.answer(result, f"bnn_ref {__version__}, {versions}")


# What a backward pass adds to a trace, in its order.
BACKWARD = ("grad_outputs", "grad_pre_activation", "grad_delta", "grad_sigma", "kl_grad_mu",
            "kl_grad_sigma", "sigma_grad_rho", "grad_bias_sigma", "grad_inputs")  # fmt: skip


def _arrays(sheet, owners, without=()):
    """Print every array of parameters, noise or a trace under its name."""
    for owner in owners:
        named = owner if isinstance(owner, dict) else getattr(owner, "__dict__", None)
        if named is None:
            named = {} if owner is None else owner._asdict()
        for name, array in named.items():
            if isinstance(array, np.ndarray) and name not in without:
                sheet.array(name, array)


def _forward(sheet, subject, noise, result):
    """Print the forward pass, layer by layer."""
    sheet.heading("Inputs and targets")
    sheet.array("x", subject.x)
    sheet.array("y", subject.y)
    layers = zip(subject.network.layers, subject.parameters.layers, noise.layers, result.trace,
                 strict=True)  # fmt: skip
    for k, (layer, p, n, t) in enumerate(layers):
        if layer.type != "DenseFlipout":
            sheet.heading(f"layers[{k}] forward: {layer.type}, {layer.describe()}")
            _arrays(sheet, [p, n, t], BACKWARD)
            if layer.type == "Conv2DFlipout":
                show_convolution(sheet, layer, p, t)
            continue
        sheet.heading(f"layers[{k}] forward: {layer.inputs} -> {layer.outputs}, {layer.activation}")
        sheet.array("kernel_mu", p.kernel_mu)
        sheet.array("kernel_rho", p.kernel_rho)
        shift = number(p.scale_shift, 3)
        sheet.array("kernel_sigma", t.kernel_sigma, f"= {shift} + log(1 + exp(kernel_rho))")
        sheet.array("kernel_eps", n.kernel_eps, "standard normal, shared by the batch")
        sheet.array("kernel_delta", t.kernel_delta, "= kernel_sigma * kernel_eps")
        sheet.array("sign_input", n.sign_input)
        sheet.array("sign_output", n.sign_output)
        sheet.array("h kernel_mu", t.inputs @ p.kernel_mu, "the mean path, h the layer's inputs")
        sheet.array("perturbation", t.perturbation,
                    "= ((h * sign_input) kernel_delta) * sign_output")  # fmt: skip
        bias = "" if layer.bias == "none" else " + bias_mu"
        if layer.bias != "none":
            sheet.array("bias_mu", p.bias_mu)
        if layer.bias_is_random:
            flips = " * sign_output" if layer.bias == "normal_flipped" else ""
            sheet.array("bias_rho", p.bias_rho)
            sheet.array("bias_sigma", t.bias_sigma, f"= {shift} + log(1 + exp(bias_rho))")
            sheet.array("bias_eps", n.bias_eps, "standard normal, shared by the batch")
            sheet.array("bias_delta", t.bias_delta, "= bias_sigma * bias_eps")
            bias = f" + bias_mu + bias_delta{flips}"
        sheet.array("pre_activation", t.pre_activation, f"= h kernel_mu + perturbation{bias}")
        sheet.array("outputs", t.outputs, f"= {layer.activation}(pre_activation)")
    check_outputs(sheet, subject, noise, result)


def _loss(sheet, subject, result):
    """Print nll, KL and loss; check them against 30 digits where that is quick."""
    n = len(subject.x)
    sheet.heading("Loss")
    if subject.parameters.scale_rho is not None:
        scale = subject.network.likelihood.scales(subject.parameters.likelihood, np.dtype(float))
        sheet.array("likelihood.scale_rho", subject.parameters.scale_rho)
        sheet.array("scale", scale, "= log(1 + exp(scale_rho)), learned")
    kls = " + ".join(number(value, 8) for value in result.kl_layers)
    sheet.formula(
        *_nll_lines(subject.network.likelihood, n),
        f"     = {number(result.nll, 8)}",
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
    from ..verification.vectors import oracle

    vector = vector_of(subject)
    loss = oracle.loss(vector.whole_meta, vector.arrays)
    sheet.check("the loss", result.loss, "mpmath, from the definition alone", loss, 1e-14)


def _nll_lines(likelihood, n):
    """Return the formula of the nll, to which its value is added on the next line."""
    head = f"nll  = mean over {n} example{'s' if n > 1 else ''} of"
    fixed = ""
    if isinstance(likelihood, Normal) and not likelihood.learn_scale:
        fixed = f",  scale = {number(likelihood.scale)}"
    return (head, f"       {likelihood.formula}{fixed}")


def _backward(sheet, subject, result):
    """Print the backward pass, last layer first."""
    if subject.parameters.scale_rho is not None:
        sheet.heading("likelihood backward")
        sheet.array("grad likelihood.scale_rho", result.gradients.scale_rho,
                    "= mean over n of (1 - ((y - outputs) / scale)^2) / scale "
                    "/ (1 + exp(-scale_rho))")  # fmt: skip
    for k in reversed(range(len(subject.network.layers))):
        layer, t = subject.network.layers[k], result.trace[k]
        g = result.gradients.layers[k]
        if layer.type != "DenseFlipout":
            sheet.heading(f"layers[{k}] backward: {layer.type}")
            _arrays(sheet, [{name: vars(t).get(name) for name in BACKWARD}])
            _arrays(sheet, [{f"grad {name}": array for name, array in vars(g).items()}])
            continue
        sheet.heading(f"layers[{k}] backward, g for grad_pre_activation")
        last = k == len(subject.network.layers) - 1
        slope = f"= {subject.network.likelihood.slope_formula} / {len(subject.x)}"
        sheet.array("grad_outputs", t.grad_outputs,
                    slope if last else f"= grad_inputs of layers[{k + 1}]")  # fmt: skip
        sheet.array("grad_pre_activation", t.grad_pre_activation,
                    f"= grad_outputs * {layer.activation}'(pre_activation)")  # fmt: skip
        sheet.array("grad_delta", t.grad_delta, "= (h * sign_input)^T (g * sign_output)")
        sheet.array("grad_sigma", t.grad_sigma, "= grad_delta * kernel_eps")
        sheet.array("kl_grad_mu", t.kl_grad_mu, "= (mu - m) / s^2")
        sheet.array("kl_grad_sigma", t.kl_grad_sigma, "= sigma / s^2 - 1 / sigma")
        sheet.array("sigma_grad_rho", t.sigma_grad_rho, "= 1 / (1 + exp(-kernel_rho))")
        sheet.array("grad kernel_mu", g.kernel_mu,
                    "= h^T g + kl_weight * kl_grad_mu")  # fmt: skip
        sheet.array("grad kernel_rho", g.kernel_rho,
                    "= (grad_sigma + kl_weight * kl_grad_sigma) * sigma_grad_rho")  # fmt: skip
        if layer.bias != "none":
            its_kl = " + kl_weight * (mu - m) / s^2" if layer.bias_is_random else ""
            sheet.array("grad bias_mu", g.bias_mu, f"= sum over the batch of g{its_kl}")
        if layer.bias_is_random:
            flips = " * sign_output" if layer.bias == "normal_flipped" else ""
            sheet.array("grad_bias_sigma", t.grad_bias_sigma,
                        f"= (sum over the batch of g{flips}) * bias_eps")  # fmt: skip
            sheet.array("grad bias_rho", g.bias_rho, "= (grad_bias_sigma + kl_weight * "
                        "(sigma / s^2 - 1 / sigma)) / (1 + exp(-bias_rho))")  # fmt: skip
        how = "= g kernel_mu^T + ((g * sign_output) kernel_delta^T) * sign_input"
        sheet.array("grad_inputs" if k else "grad_inputs, that is grad x", t.grad_inputs, how)


def _update(sheet, subject, result):
    """Print the update, and check one entry's in plain numbers."""
    sheet.heading("Update")
    adam, step = subject.adam, subject.state.step + 1
    before, after = subject.parameters, subject.state_after(result).parameters
    sheet.say(
        f'Adam, convention "{adam.convention}", learning rate {number(adam.learning_rate)}, '
        f"step t = {step}; `explain adam` takes it apart."
    )
    for name in before:
        sheet.array(f"new {name}", after[name])
    name, (index, p, g, m, v) = subject.shown_tensor, subject.shown_weight(result)
    place = ", ".join(map(str, index))
    exact = one_update(adam, step, p, g, m, v)
    scale = max(abs(p), adam.learning_rate)
    sheet.check(f"new {name}[{place}]", after[name][index], IN_DECIMALS, exact, 1e-13, scale)
