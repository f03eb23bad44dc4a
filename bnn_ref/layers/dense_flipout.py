"""DenseFlipout: what one layer is, its parameters and their initial values."""

from dataclasses import dataclass

import numpy as np

from ..activations import get_activation
from ..border import check_size
from ..errors import expected
from ..priors import NormalPrior, make_prior

BIASES = ("none", "deterministic", "normal", "normal_flipped")
INITIALIZERS = ("tfp", "he")
STANDARD_NORMAL = NormalPrior()


@dataclass(frozen=True)
class DenseFlipout:
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
        f: "linear", "relu", "tanh", "sigmoid", "softplus", "elu" or "gelu" (the exact, erf form).
    kernel_prior : NormalPrior or (loc, scale)
        Mean and standard deviation of every kernel weight's prior.
    bias : str
        "none"; "deterministic" (a point estimate: no noise, no KL); "normal" (a Normal posterior,
        one draw shared by the batch: bias = bias_mu + sigma_b * bias_eps, as TensorFlow
        Probability); "normal_flipped" (the draw takes each example's output signs:
        bias_n = bias_mu + (sigma_b * bias_eps) * sign_output_n, as Bayesian-Torch).
    bias_prior : NormalPrior or (loc, scale), optional
        Only with a Normal posterior; N(0, 1) unless given.
    scale_shift : float, optional
        c >= 0 in sigma = c + softplus(rho). None means the machine epsilon of the parameters'
        dtype, settled when parameters are made (as TensorFlow Probability).
    initializer : str
        "tfp": kernel_mu and bias_mu from N(0, 0.1), every rho from N(-3, 0.1), second number a
        standard deviation. "he": kernel_mu from N(0, sqrt(2 / inputs)), bias_mu 0, rho as before.

    Raises
    ------
    ValueError
        For an option outside these; the message names it.

    Source: Wen et al. (2018), equation 4; initial values of `tfp.layers.DenseFlipout`.
    """

    inputs: int
    outputs: int
    activation: str = "linear"
    kernel_prior: NormalPrior = STANDARD_NORMAL
    bias: str = "deterministic"
    bias_prior: NormalPrior | None = None
    scale_shift: float | None = None
    initializer: str = "tfp"

    def __post_init__(self):
        settle = object.__setattr__
        settle(self, "inputs", check_size(self.inputs, "inputs"))
        settle(self, "outputs", check_size(self.outputs, "outputs"))
        get_activation(self.activation)
        settle(self, "kernel_prior", make_prior(self.kernel_prior, "kernel_prior"))
        if self.bias not in BIASES:
            raise expected("bias", "one of " + ", ".join(BIASES), repr(self.bias))
        if self.bias_is_random:
            prior = STANDARD_NORMAL if self.bias_prior is None else self.bias_prior
            settle(self, "bias_prior", make_prior(prior, "bias_prior"))
        elif self.bias_prior is not None:
            raise expected("bias_prior", f"None for bias {self.bias!r}", repr(self.bias_prior))
        if self.scale_shift is not None:
            try:
                shift = float(self.scale_shift)
            except (TypeError, ValueError):
                raise expected("scale_shift", "a number", repr(self.scale_shift)) from None
            if not (np.isfinite(shift) and shift >= 0):
                raise expected("scale_shift", "a finite number, at least 0", shift)
            settle(self, "scale_shift", shift)
        if self.initializer not in INITIALIZERS:
            wanted = "one of " + ", ".join(INITIALIZERS)
            raise expected("initializer", wanted, repr(self.initializer))

    @property
    def bias_is_random(self):
        """True where the bias has a Normal posterior: noise and a KL of its own."""
        return self.bias in ("normal", "normal_flipped")

    @property
    def parameter_shapes(self):
        """Name to shape of each parameter, in the order of the flat vector."""
        shapes = {
            "kernel_mu": (self.inputs, self.outputs),
            "kernel_rho": (self.inputs, self.outputs),
        }
        if self.bias != "none":
            shapes["bias_mu"] = (self.outputs,)
        if self.bias_is_random:
            shapes["bias_rho"] = (self.outputs,)
        return shapes

    @property
    def num_random(self):
        """How many weights have a posterior: the entries whose KL terms are summed."""
        return self.inputs * self.outputs + (self.outputs if self.bias_is_random else 0)

    def settled_shift(self, dtype):
        """Return scale_shift as a float, None replaced by the machine epsilon of the dtype."""
        return float(np.finfo(dtype).eps) if self.scale_shift is None else self.scale_shift

    def initial_location_and_scale(self, name):
        """Return mean and standard deviation of the Normal of a parameter's initial values.

        Parameters
        ----------
        name : str
            "kernel_mu", "kernel_rho", "bias_mu" or "bias_rho".
        """
        if name.endswith("rho"):
            return -3.0, 0.1
        if self.initializer == "tfp":
            return 0.0, 0.1
        return (0.0, float(np.sqrt(2 / self.inputs))) if name == "kernel_mu" else (0.0, 0.0)

    def to_json(self, dtype):
        """Return the layer as `docs/vectors.md` writes it, scale_shift settled for the dtype."""
        return {
            "type": "DenseFlipout",
            "units": self.outputs,
            "activation": self.activation,
            "scale_shift": self.settled_shift(dtype),
            "kernel_prior": self.kernel_prior.to_json(),
            "bias": self.bias,
            "bias_prior": self.bias_prior.to_json() if self.bias_is_random else None,
        }
