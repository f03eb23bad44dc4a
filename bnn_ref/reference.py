"""The NumPy back end: one training step of a Flipout network, every derivative by hand.

This file is the specification. It reads top to bottom: one layer forward, its KL, one layer
backward, the whole step, the step repeated. Shapes stand at the ends of lines: B examples, I
inputs and O outputs of the layer. A backward line quotes the forward line it differentiates;
`docs/derivation.md` derives each.

Source: Wen, Vicol, Ba, Tran and Grosse (2018), "Flipout: efficient pseudo-independent weight
perturbations on mini-batches", equations 3 and 4; Blundell et al. (2015) for the loss.
"""

from types import SimpleNamespace

import numpy as np

from . import priors
from .activations import get_activation
from .border import check_size
from .elementary import sigmoid, softplus
from .network import Parameters
from .noise import draw_noise, local, normals, signs
from .noise.local import LocalLayerNoise
from .step import (
    BLOCK_ROWS,
    Metrics,
    Result,
    check_batch,
    check_inputs,
    check_kind,
    check_kl_weight,
    check_noise,
    refuse_non_finite,
)
from .step import adam as adam_rule

__all__ = [
    "draw_noise",
    "draw_outputs",
    "forward",
    "kl",
    "kl_parts",
    "loss_and_gradients",
    "prepare",
    "train_step",
]


class LayerTrace(SimpleNamespace):
    """One layer's intermediates, in the order in which they are computed.

    Attributes
    ----------
    inputs : (B, I)
        h of the layer before, or x.
    kernel_sigma, kernel_delta : (I, O)
    bias_sigma, bias_delta : (O,)
        Only where the bias has a Normal posterior.
    perturbation : (B, O)
        What the noise adds to ``inputs @ kernel_mu``, bias apart.
    pre_activation, outputs : (B, O)
    grad_outputs, grad_pre_activation : (B, O)
    grad_delta, grad_sigma : (I, O)
        Gradients of the nll by delta = sigma * eps and by sigma (the KL's own apart).
    grad_bias_sigma : (O,)
    kl_grad_mu, kl_grad_sigma, sigma_grad_rho : (I, O)
        Derivatives of the layer's KL (unweighted), and d sigma / d rho = sigmoid(rho).
    grad_inputs : (B, I)
    """


def prepare(network, rows, dtype, threads=None):
    """Return the workspace of this back end: None, for NumPy allocates as it goes.

    Parameters
    ----------
    network, rows, dtype, threads
        As for the other back end, which makes its buffers from them.
    """
    return None


def sigma(scale_shift, rho):
    """Return sigma = scale_shift + softplus(rho), elementwise, of rho's shape and dtype."""
    return rho.real.dtype.type(scale_shift) + softplus(rho)  # E1


def forward_layer(layer, p, noise, h):
    """Return the `LayerTrace` of one layer's forward pass.

    a = h mu + ((h * sign_input) (sigma * eps)) * sign_output + bias,  outputs = f(a).

    Parameters
    ----------
    layer : DenseFlipout
    p : LayerParameters
    noise : LayerNoise or LocalLayerNoise
    h : array (B, I)
    """
    t = LayerTrace(inputs=h)
    t.kernel_sigma = sigma(p.scale_shift, p.kernel_rho)  # (I, O), E1
    if layer.bias_is_random:
        t.bias_sigma = sigma(p.scale_shift, p.bias_rho)  # (O,), E1
    if isinstance(noise, LocalLayerNoise):
        t.perturbation = local.perturb(layer, t, noise)  # (B, O), E19
    else:
        t.kernel_delta = t.kernel_sigma * noise.kernel_eps  # (I, O), E2
        flipped_h = h * noise.sign_input  # (B, I), E2
        t.perturbation = (flipped_h @ t.kernel_delta) * noise.sign_output  # (B, O), E2
    a = h @ p.kernel_mu + t.perturbation  # (B, O), E3
    if layer.bias != "none":
        a = a + p.bias_mu  # E3
    if layer.bias_is_random and not isinstance(noise, LocalLayerNoise):
        t.bias_delta = t.bias_sigma * noise.bias_eps  # (O,), E3
        flips = noise.sign_output if layer.bias == "normal_flipped" else 1
        a = a + t.bias_delta * flips  # (B, O), E3
    t.pre_activation = a
    t.outputs = get_activation(layer.activation).function(a)  # (B, O), E3
    return t


def layer_kl(layer, p, kernel_sigma=None):
    """Return one layer's KL divergence in nats: the sum over kernel and, if random, bias.

    Elements are of the parameters' dtype, the sum is float64 (complex128 for complex). A forward
    pass has computed ``kernel_sigma`` already.

    Parameters
    ----------
    layer : DenseFlipout
    p : LayerParameters
    kernel_sigma : array (I, O), optional
    """
    wide = np.complex128 if np.iscomplexobj(p.kernel_mu) else np.float64
    if kernel_sigma is None:
        kernel_sigma = sigma(p.scale_shift, p.kernel_rho)  # E1
    total = np.sum(priors.kl(p.kernel_mu, kernel_sigma, layer.kernel_prior), dtype=wide)  # E5
    if layer.bias_is_random:
        bias_sigma = sigma(p.scale_shift, p.bias_rho)  # E1
        total += np.sum(priors.kl(p.bias_mu, bias_sigma, layer.bias_prior), dtype=wide)  # E5
    return total


def backward_layer(layer, p, noise, t, grad_outputs, kl_weight, gradients):
    """Return the gradient of the loss by the layer's inputs, (B, I), and fill its parameters'.

    Parameters
    ----------
    layer, p, noise
        As in `forward_layer`.
    t : LayerTrace
        Of the forward pass; the gradients' intermediates are added to it.
    grad_outputs : array (B, O)
        The gradient of the loss by the layer's outputs.
    kl_weight : float
    gradients : LayerParameters
        Filled in place: the gradient of nll + kl_weight * kl.
    """
    h = t.inputs
    t.grad_outputs = grad_outputs
    derivative = get_activation(layer.activation).derivative(t.pre_activation, t.outputs)  # E8
    t.grad_pre_activation = grad_a = grad_outputs * derivative  # outputs = f(a), E8

    t.grad_inputs = grad_a @ p.kernel_mu.T  # a = h mu + ..., E12
    grad_mu = h.T @ grad_a  # a = h mu + ..., E9
    if isinstance(noise, LocalLayerNoise):
        t.grad_inputs = t.grad_inputs + local.perturb_backward(layer, t, noise)  # E20
    else:
        flipped_a = grad_a * noise.sign_output  # (B, O), E10
        flipped_h = h * noise.sign_input  # (B, I), E10; a = ((h * sign_input) delta) * sign_output
        t.grad_delta = flipped_h.T @ flipped_a  # (I, O), E10
        t.grad_inputs = t.grad_inputs + (flipped_a @ t.kernel_delta.T) * noise.sign_input  # E12
        t.grad_sigma = t.grad_delta * noise.kernel_eps  # delta = sigma * eps, E11

    t.kl_grad_mu, t.kl_grad_sigma = priors.kl_gradient(  # E13
        p.kernel_mu, t.kernel_sigma, layer.kernel_prior
    )
    t.sigma_grad_rho = sigmoid(p.kernel_rho)  # sigma = c + softplus(rho), E14
    gradients.kernel_mu[...] = grad_mu + kl_weight * t.kl_grad_mu  # E14
    grad_sigma = t.grad_sigma + kl_weight * t.kl_grad_sigma  # E14
    gradients.kernel_rho[...] = grad_sigma * t.sigma_grad_rho  # E14

    if layer.bias != "none":
        gradients.bias_mu[...] = np.sum(grad_a, axis=0)  # a = ... + bias_mu, E15
    if layer.bias_is_random:
        if not isinstance(noise, LocalLayerNoise):
            flipped = layer.bias == "normal_flipped"  # a = ... + sigma_b * eps_b (* sign_output)
            summed = np.sum(flipped_a if flipped else grad_a, axis=0)  # (O,), E15
            t.grad_bias_sigma = summed * noise.bias_eps  # E15
        kl_grad_mu, kl_grad_sigma = priors.kl_gradient(  # E13
            p.bias_mu, t.bias_sigma, layer.bias_prior
        )
        gradients.bias_mu[...] += kl_weight * kl_grad_mu  # E15
        grad_sigma = t.grad_bias_sigma + kl_weight * kl_grad_sigma  # E15
        gradients.bias_rho[...] = grad_sigma * sigmoid(p.bias_rho)  # E15
    return t.grad_inputs


def forward(network, parameters, x, noise):
    """Return the last layer's outputs (..., O) for inputs (..., I); no rows give (0, O).

    Parameters
    ----------
    network : Network
    parameters : Parameters
    x : array (..., I), rank >= 2
        Leading dimensions are flattened: B is their product, every position has its own signs.
    noise : Noise or LocalNoise
        For B rows.

    Raises
    ------
    ValueError, TypeError
        Where inputs or noise do not fit the network.
    """
    h, leading = check_inputs(network, x, parameters.dtype)
    check_noise(network, noise, len(h), parameters.dtype)
    for layer, p, n in zip(network.layers, parameters.layers, noise.layers, strict=True):
        h = forward_layer(layer, p, n, h).outputs  # E1 to E3
    return h.reshape(*leading, network.outputs)


def kl(network, parameters):
    """Return each layer's KL divergence, float64 (L,), in nats; their sum is the loss's kl.

    Parameters
    ----------
    network : Network
    parameters : Parameters
    """
    return np.array([layer_kl(layer, p) for layer, p in zip(network.layers, parameters.layers,
                                                            strict=True)])  # fmt: skip


def kl_parts(network, parameters):
    """Return for each layer its KL split into `KLParts` (squared mean, variance, log, constant).

    Kernel and, where it is random, bias together, in nats; computed in float64.

    Parameters
    ----------
    network : Network
    parameters : Parameters
    """
    layers = []
    for layer, p in zip(network.layers, parameters.layers, strict=True):
        wide = sigma(p.scale_shift, p.kernel_rho.astype(np.float64))  # E1
        parts = priors.kl_parts(p.kernel_mu, wide, layer.kernel_prior)  # E5
        if layer.bias_is_random:
            wide = sigma(p.scale_shift, p.bias_rho.astype(np.float64))  # E1
            of_bias = priors.kl_parts(p.bias_mu, wide, layer.bias_prior)  # E5
            parts = priors.KLParts(*(a + b for a, b in zip(parts, of_bias, strict=True)))  # E5
        layers.append(parts)
    return layers


def loss_and_gradients(network, parameters, x, y, noise, kl_weight, *, sample_weight=None,
                       trace=False, workspace=None):  # fmt: skip
    """Return the loss of one step, loss = nll + kl_weight * kl, and its gradient by everything.

    Parameters
    ----------
    network : Network
    parameters : Parameters
        float32, float64, or complex128 for a complex step.
    x : array (..., I), rank >= 2
        Inputs; integers and booleans keep their values.
    y : array
        Targets, as the likelihood's ``check_targets`` takes them.
    noise : Noise or LocalNoise
        For B rows, in the parameters' (real) dtype.
    kl_weight : float, >= 0
        The factor on the KL, 1/N for N training examples.
    sample_weight : array, shape of x without its last dimension, optional
        w_n >= 0 in nll = sum_n w_n nll_n / B.
    trace : bool
        Also return every intermediate.
    workspace : None
        This back end needs none.

    Returns
    -------
    Result

    Raises
    ------
    ValueError, TypeError
        Where something does not fit; the message names it.
    """
    x, y, weight, leading = check_batch(network, parameters, x, y, sample_weight)
    check_noise(network, noise, len(x), parameters.dtype)
    kl_weight = check_kl_weight(kl_weight)

    h, traces = x, []
    for layer, p, n in zip(network.layers, parameters.layers, noise.layers, strict=True):
        traces.append(forward_layer(layer, p, n, h))  # E1 to E3
        h = traces[-1].outputs
    nll, grad_h, grad_scale_rho = network.likelihood.nll_and_gradient(  # E4, E7, E18
        h, y, weight, parameters.scale_rho
    )
    kl_layers = np.array(
        [
            layer_kl(layer, p, t.kernel_sigma)  # E5
            for layer, p, t in zip(network.layers, parameters.layers, traces, strict=True)
        ]
    )
    loss = nll + kl_weight * np.sum(kl_layers)  # E6

    gradients = parameters.zeros_like()
    for k in reversed(range(len(network.layers))):
        # E8 to E15
        grad_h = backward_layer(network.layers[k], parameters.layers[k], noise.layers[k], traces[k],
                                grad_h, kl_weight, gradients.layers[k])  # fmt: skip
    if grad_scale_rho is not None:
        gradients.scale_rho[...] = grad_scale_rho
    return Result(
        outputs=h.reshape(*leading, network.outputs),
        nll=nll,
        kl=np.sum(kl_layers),  # E5
        kl_layers=kl_layers,
        loss=loss,
        gradients=gradients,
        grad_x=grad_h.reshape(*leading, network.inputs),
        trace=traces if trace else None,
    )


def average(results):
    """Return nll, outputs and flat gradient averaged over the draws of a step.

    Each draw's gradient has the whole KL in it, so the average has it once.

    Parameters
    ----------
    results : list of Result, at least one
    """
    share = 1 / len(results)  # E16
    return (
        sum(result.nll for result in results) * share,  # E16
        sum(result.outputs for result in results) * share,  # E16
        sum(result.gradients.flat for result in results) * share,  # E16
    )


def train_step(state, x, y, *, seed, kl_weight, adam, draws=1, estimator="flipout",
               sample_weight=None, workspace=None):  # fmt: skip
    """Take one training step: draw the noise, differentiate, update the state in place.

    The noise is that of (seed, "train", state.step, draw) for draw = 0 .. draws - 1.

    Parameters
    ----------
    state : State
        Changed only after every check has passed.
    x, y, kl_weight, sample_weight
        As for `loss_and_gradients`.
    seed : int
    adam : Adam
    draws : int, >= 1
        Noise draws averaged in this step; the KL counts once.
    estimator : str
        As for `draw_noise`.
    workspace : None
        This back end needs none.

    Returns
    -------
    Metrics

    Raises
    ------
    NonFinite
        Where the loss or a gradient is not finite; the state is as before.
    ValueError, TypeError
        As `loss_and_gradients`.
    """
    parameters = state.parameters
    network = parameters.network
    rows = len(check_inputs(network, x, parameters.dtype)[0])
    draws = check_size(draws, "draws")
    results = []
    with np.errstate(over="ignore", invalid="ignore"):  # refuse_non_finite names what went wrong
        for draw in range(draws):
            noise = draw_noise(network, rows, seed, step=state.step, draw=draw,
                               dtype=parameters.dtype, estimator=estimator)  # fmt: skip
            results.append(loss_and_gradients(network, parameters, x, y, noise, kl_weight,
                                              sample_weight=sample_weight))  # fmt: skip
    nll, outputs, flat = average(results)  # E16
    gradients = Parameters(network, flat, parameters.scale_shift)
    kl_layers, kl_total = results[0].kl_layers, results[0].kl
    refuse_non_finite(state.step + 1, x, nll, kl_layers, gradients)
    moments = (state.moment_1.flat, state.moment_2.flat)
    adam_rule.update(adam, state.step + 1, parameters.flat, flat, *moments)  # E17
    state.step += 1
    return Metrics(nll + kl_weight * kl_total, nll, kl_total, kl_layers, outputs)  # E6


def draw_weights(layer, p, seed, draw, k):
    """Return one draw of a layer's whole weights: kernel (I, O) and bias (O,) or None.

    kernel = kernel_mu + sigma * eps with the eps of (seed, "predict", draw, layer k).

    Parameters
    ----------
    layer : DenseFlipout
    p : LayerParameters
    seed, draw, k : int
        The key of the noise; k is the layer's place.
    """
    key = {"layer": k, "draw": draw, "dtype": p.kernel_mu.dtype}
    eps = normals(p.kernel_mu.shape, seed, "predict", "kernel_eps", **key)
    kernel = p.kernel_mu + sigma(p.scale_shift, p.kernel_rho) * eps  # E21
    bias = p.bias_mu
    if layer.bias_is_random:
        eps = normals(p.bias_mu.shape, seed, "predict", "bias_eps", **key)
        bias = p.bias_mu + sigma(p.scale_shift, p.bias_rho) * eps  # E21
    return kernel, bias


def in_blocks(h, kernel):
    """Return h @ kernel, the rows taken in blocks of `BLOCK_ROWS`, the last padded with zeros.

    BLAS gives a row other bits in a product of another height; with one height a row's bits
    depend on nothing but the row.

    Parameters
    ----------
    h : array (rows, I)
    kernel : array (I, O)
    """
    rows = len(h)
    blocks = -(-rows // BLOCK_ROWS)
    padded = np.zeros((blocks * BLOCK_ROWS, h.shape[1]), h.dtype)
    padded[:rows] = h
    product = np.empty((len(padded), kernel.shape[1]), h.dtype)
    for start in range(0, len(padded), BLOCK_ROWS):
        part = slice(start, start + BLOCK_ROWS)
        np.matmul(padded[part], kernel, out=product[part])
    return product[:rows]


def draw_outputs(network, parameters, x, seed, draw, *, kind="weights", first_row=0,
                 workspace=None):  # fmt: skip
    """Return one draw of the outputs (rows, O) for a block of a table's rows.

    Parameters
    ----------
    network : Network
    parameters : Parameters
    x : array (rows, I)
    seed, draw : int
        The key of the noise, purpose "predict".
    kind : str
        "weights": one draw of whole weights for all rows (for each row the same distribution as
        Flipout's, at one product instead of two, and a function coherent over rows). "flipout":
        the layer as it trains, signs keyed by the row's place in the table. "mean": every weight
        at its posterior mean.
    first_row : int
        The place in the table of x's first row.
    workspace : None
        This back end needs none.

    Returns
    -------
    array (rows, O) of the parameters' dtype; a row's bits do not depend on its neighbours.
    """
    check_kind(kind)
    h, _ = check_inputs(network, x, parameters.dtype)
    for k, (layer, p) in enumerate(zip(network.layers, parameters.layers, strict=True)):
        if kind == "weights":
            kernel, bias = draw_weights(layer, p, seed, draw, k)
        else:
            kernel, bias = p.kernel_mu, p.bias_mu
        a = in_blocks(h, kernel)  # E21; with kernel_mu E3
        if kind == "flipout":
            key = {"layer": k, "draw": draw, "dtype": h.dtype}
            rows = {"first_row": first_row, **key}
            sign_input = signs(*h.shape, seed, "predict", "sign_input", **rows)
            sign_output = signs(*a.shape, seed, "predict", "sign_output", **rows)
            eps = normals(p.kernel_mu.shape, seed, "predict", "kernel_eps", **key)
            delta = sigma(p.scale_shift, p.kernel_rho) * eps  # E2
            a = a + in_blocks(h * sign_input, delta) * sign_output  # E2, E3
            if layer.bias_is_random:
                eps = normals(p.bias_mu.shape, seed, "predict", "bias_eps", **key)
                flips = sign_output if layer.bias == "normal_flipped" else 1
                a = a + sigma(p.scale_shift, p.bias_rho) * eps * flips  # E3
        if bias is not None:
            a = a + bias  # E3
        h = get_activation(layer.activation).function(a)  # E3
    return h
