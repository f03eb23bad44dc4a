"""DenseFlipout: a dense layer with a posterior, perturbed by Flipout; see also `posterior.py`.

Shapes stand at the ends of lines: B examples, I inputs and O outputs. A backward line quotes the
forward line it differentiates; `docs/derivation.md` derives each.

Source: Wen, Vicol, Ba, Tran and Grosse (2018), "Flipout: efficient pseudo-independent weight
perturbations on mini-batches", equations 3 and 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..activations import get_activation
from ..noise import ESTIMATORS, IndependentLayerNoise, LocalLayerNoise
from ..priors import Prior
from . import independent, local
from .base import register
from .blocks import in_blocks
from .posterior import STANDARD_NORMAL, FlipoutLayer
from .records import LayerTrace
from .rows import OverRows
from .sigmas import sigma

if TYPE_CHECKING:
    from ..noise.draws import LayerNoise, Stream
    from .records import LayerParameters

_OTHER_ESTIMATORS: dict[type, Any] = {LocalLayerNoise: local, IndependentLayerNoise: independent}


@register
@dataclass(frozen=True)
class DenseFlipout(OverRows, FlipoutLayer):
    """A dense layer with a Normal posterior over its kernel, perturbed by Flipout.

    For example n of a batch, with delta = sigma * kernel_eps and sigma = scale_shift +
    softplus(kernel_rho):

    a_n = x_n kernel_mu + ((x_n * sign_input_n) delta) * sign_output_n + bias_n,  h_n = f(a_n).

    A layer holds no parameters and no state: it is their description.

    Parameters
    ----------
    inputs, outputs : int
        I and O, at least 1.
    activation : str
        f: "linear", "relu", "tanh", "sigmoid", "softplus", "elu", "gelu" (the exact,
        erf form), "selu", "silu", "leaky_relu" (slope .01) or "leaky_relu(SLOPE)".
    kernel_prior : Prior or (loc, scale)
        Every kernel weight's prior; a pair is the mean and standard deviation of a Normal.
    bias : str
        "none"; "deterministic" (a point estimate: no noise, no KL); "normal" (a Normal posterior,
        one draw shared by the batch: bias = bias_mu + sigma_b * bias_eps, as TensorFlow
        Probability); "normal_flipped" (the draw takes each example's output signs:
        bias_n = bias_mu + (sigma_b * bias_eps) * sign_output_n, as Bayesian-Torch).
    bias_prior : Prior or (loc, scale), optional
        With a Normal posterior N(0, 1) unless given. With a deterministic bias none unless given;
        -log p(bias_mu), its constant included, then joins the KL.
    scale_shift : float, optional
        c >= 0 in sigma = c + softplus(rho). None means the machine epsilon of the parameters'
        dtype, settled when parameters are made (as TensorFlow Probability).
    initializer : str or mapping of str to array
        Of the means: "tfp" (N(0, 0.1), second number a standard deviation), "he" or "glorot" or
        "zeros", or arrays by tensor, see `bnn_ref.layers.starting`. Every rho is from N(-3, 0.1).
    initial_sigma : float, "prior" or mapping of str to float or array, optional
        Where every sigma starts instead: a number above scale_shift, the prior's scale, or numbers
        or arrays by tensor ("kernel", "bias").

    Raises
    ------
    ValueError
        For an option outside these; the message names it.

    Source: Wen et al. (2018), equation 4; initial values of `tfp.layers.DenseFlipout`.
    """

    inputs: int
    outputs: int
    activation: str = "linear"
    kernel_prior: Prior | tuple[float, float] = STANDARD_NORMAL
    bias: str = "deterministic"
    bias_prior: Prior | tuple[float, float] | None = None
    scale_shift: float | None = None
    initializer: Any = "tfp"
    initial_sigma: Any = None

    type = "DenseFlipout"
    estimators: ClassVar[tuple[str, ...]] = ESTIMATORS
    explained = True

    def noise_shapes(self, noise: Any, rows: int) -> dict[str, tuple[int, ...] | None]:
        """Return name to shape (None: absent) of the arrays that this kind of noise holds.

        Parameters
        ----------
        noise : LayerNoise, LocalLayerNoise or IndependentLayerNoise
        rows : int
            B.
        """
        if isinstance(noise, LocalLayerNoise):
            return {"output_eps": (rows, self.outputs)}
        if isinstance(noise, IndependentLayerNoise):
            bias = (rows, self.outputs) if self.bias_is_random else None
            return {"kernel_eps_rows": (rows, *self.kernel_shape), "bias_eps_rows": bias}
        return super().noise_shapes(noise, rows)

    def draw_noise(
        self, stream: Stream, rows: int, estimator: str = "flipout"
    ) -> LayerNoise | LocalLayerNoise | IndependentLayerNoise:
        """Return the `LayerNoise` of so many rows, or the kind that belongs to the estimator.

        Parameters
        ----------
        stream : Stream
        rows : int
            B.
        estimator : str
            One of `bnn_ref.noise.ESTIMATORS`.
        """
        if estimator == "local":
            return LocalLayerNoise(stream.row_normals(rows, self.outputs, "output_eps"))
        if estimator == "independent":
            return independent.draw_noise(self, stream, rows)
        return super().draw_noise(stream, rows, estimator)

    def forward(self, p: LayerParameters, noise: Any, h: NDArray[Any]) -> LayerTrace:
        """Return the `LayerTrace` of the forward pass.

        a = h mu + ((h * sign_input) (sigma * eps)) * sign_output + bias,  outputs = f(a).

        Parameters
        ----------
        p : LayerParameters
        noise : LayerNoise, LocalLayerNoise or IndependentLayerNoise
        h : array (B, I)

        Returns
        -------
        LayerTrace
            inputs (B, I); kernel_sigma, kernel_delta (I, O); bias_sigma, bias_delta (O,) where
            the bias has a posterior; perturbation (B, O), what the noise adds to
            ``inputs @ kernel_mu``, bias apart; pre_activation, outputs (B, O). `backward` adds
            grad_outputs, grad_pre_activation (B, O); grad_delta, grad_sigma (I, O) and
            grad_bias_sigma (O,), gradients of the nll; kl_grad_mu, kl_grad_sigma,
            sigma_grad_rho (I, O); grad_inputs (B, I).
        """
        t = LayerTrace(inputs=h)
        t.kernel_sigma = sigma(p.scale_shift, p.kernel_rho)  # (I, O), E1
        if self.bias_is_random:
            t.bias_sigma = sigma(p.scale_shift, p.bias_rho)  # (O,), E1
        other = _OTHER_ESTIMATORS.get(type(noise))
        if other:
            t.perturbation = other.perturb(self, t, noise)  # (B, O), E19, E69
        else:
            t.kernel_delta = t.kernel_sigma * noise.kernel_eps  # (I, O), E2
            flipped_h = h * noise.sign_input  # (B, I), E2
            t.perturbation = (flipped_h @ t.kernel_delta) * noise.sign_output  # (B, O), E2
        a = h @ p.kernel_mu + t.perturbation  # (B, O), E3
        if self.bias != "none":
            a = a + p.bias_mu  # E3
        if self.bias_is_random and not other:
            t.bias_delta = t.bias_sigma * noise.bias_eps  # (O,), E3
            flips = noise.sign_output if self.bias == "normal_flipped" else 1
            a = a + t.bias_delta * flips  # (B, O), E3
        t.pre_activation = a
        t.outputs = get_activation(self.activation).function(a)  # (B, O), E3
        return t

    def backward(
        self,
        p: LayerParameters,
        noise: Any,
        t: LayerTrace,
        grad_outputs: NDArray[Any],
        kl_weight: float,
        gradients: LayerParameters,
    ) -> NDArray[Any]:
        """Return the gradient of the loss by the layer's inputs, (B, I), and fill its parameters'.

        Parameters
        ----------
        p, noise
            As in `forward`.
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
        slope = get_activation(self.activation).derivative(t.pre_activation, t.outputs)  # E8
        t.grad_pre_activation = grad_a = grad_outputs * slope  # outputs = f(a), E8

        t.grad_inputs = grad_a @ p.kernel_mu.T  # a = h mu + ..., E12
        grad_mu = h.T @ grad_a  # a = h mu + ..., E9
        other = _OTHER_ESTIMATORS.get(type(noise))
        if other:
            t.grad_inputs = t.grad_inputs + other.perturb_backward(self, t, noise)  # E20, E70
        else:
            flipped_a = grad_a * noise.sign_output  # (B, O), E10
            flipped_h = h * noise.sign_input  # a = ((h * sign_input) delta) * sign_output, E10
            t.grad_delta = flipped_h.T @ flipped_a  # (I, O), E10
            t.grad_inputs = t.grad_inputs + (flipped_a @ t.kernel_delta.T) * noise.sign_input  # E12
            t.grad_sigma = t.grad_delta * noise.kernel_eps  # delta = sigma * eps, E11

        gradients.kernel_mu[...] = grad_mu
        if self.bias != "none":
            gradients.bias_mu[...] = np.sum(grad_a, axis=0)  # a = ... + bias_mu, E15
        if self.bias_is_random and not other:
            flipped = self.bias == "normal_flipped"  # a = ... + sigma_b * eps_b (* sign_output)
            summed = np.sum(flipped_a if flipped else grad_a, axis=0)  # (O,), E15
            t.grad_bias_sigma = summed * noise.bias_eps  # E15
        self.kl_backward(p, noise, t, kl_weight, gradients)  # E13 to E15
        return t.grad_inputs

    def draw_outputs(
        self, p: LayerParameters, h: NDArray[Any], stream: Stream, kind: str
    ) -> NDArray[Any]:
        """Return the outputs (rows, O) of one draw of a prediction.

        Parameters
        ----------
        p : LayerParameters
        h : array (rows, I)
        stream : Stream
            Purpose "predict".
        kind : "weights", "flipout" or "mean"
            As for `bnn_ref.reference.draw_outputs`.
        """
        kernel, bias = p.kernel_mu, p.bias_mu
        if kind == "weights":
            kernel, bias = self.draw_weights(p, stream)  # E21
        a = in_blocks(h, kernel)  # E21; with kernel_mu E3
        if kind == "flipout":
            noise = self.draw_noise(stream, len(h))
            delta = sigma(p.scale_shift, p.kernel_rho) * noise.kernel_eps  # E2
            a = a + in_blocks(h * noise.sign_input, delta) * noise.sign_output  # E2, E3
            if self.bias_is_random:
                flips = noise.sign_output if self.bias == "normal_flipped" else 1
                a = a + sigma(p.scale_shift, p.bias_rho) * noise.bias_eps * flips  # E3
        if bias is not None:
            a = a + bias  # E3
        return get_activation(self.activation).function(a)  # E3
