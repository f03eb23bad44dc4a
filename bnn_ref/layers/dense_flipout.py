"""DenseFlipout: a dense layer with a posterior, perturbed by Flipout; all that is its own.

Shapes stand at the ends of lines: B examples, I inputs and O outputs. A backward line quotes the
forward line it differentiates; `docs/derivation.md` derives each.

Source: Wen, Vicol, Ba, Tran and Grosse (2018), "Flipout: efficient pseudo-independent weight
perturbations on mini-batches", equations 3 and 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..activations import get_activation
from ..border import check_size
from ..elementary import softplus_inverse
from ..errors import expected
from ..noise import LayerNoise, LocalLayerNoise
from ..priors import NormalPrior, Prior, make_prior
from . import local
from .base import Layer, LayerTrace, in_blocks, register, sigma, sigma_for_kl

BIASES = ("none", "deterministic", "normal", "normal_flipped")
INITIALIZERS = ("tfp", "he")
STANDARD_NORMAL = NormalPrior()


@register
@dataclass(frozen=True)
class DenseFlipout(Layer):
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
    kernel_prior : Prior or (loc, scale)
        Every kernel weight's prior; a pair is the mean and standard deviation of a Normal.
    bias : str
        "none"; "deterministic" (a point estimate: no noise, no KL); "normal" (a Normal posterior,
        one draw shared by the batch: bias = bias_mu + sigma_b * bias_eps, as TensorFlow
        Probability); "normal_flipped" (the draw takes each example's output signs:
        bias_n = bias_mu + (sigma_b * bias_eps) * sign_output_n, as Bayesian-Torch).
    bias_prior : Prior or (loc, scale), optional
        With a Normal posterior N(0, 1) unless given. With a deterministic bias none unless given;
        -log p(bias_mu), its constant included, then joins the KL (NumPy back end).
    scale_shift : float, optional
        c >= 0 in sigma = c + softplus(rho). None means the machine epsilon of the parameters'
        dtype, settled when parameters are made (as TensorFlow Probability).
    initializer : str
        "tfp": kernel_mu and bias_mu from N(0, 0.1), every rho from N(-3, 0.1), second number a
        standard deviation. "he": kernel_mu from N(0, sqrt(2 / inputs)), bias_mu 0, rho as before.
    initial_sigma : float or "prior", optional
        Where every sigma starts instead: a number above scale_shift, or the prior's scale.

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
    initializer: str = "tfp"
    initial_sigma: float | str | None = None

    type = "DenseFlipout"
    tensors = ("kernel_mu", "kernel_rho", "bias_mu", "bias_rho", "kernel_prior_loc",
               "kernel_prior_rho", "bias_prior_loc", "bias_prior_rho")  # fmt: skip

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
            if self.bias == "none":
                raise expected("bias_prior", "None for bias 'none'", repr(self.bias_prior))
            settle(self, "bias_prior", make_prior(self.bias_prior, "bias_prior"))
            if not hasattr(self.bias_prior, "penalty"):
                raise expected("bias_prior", "a prior with a density, for a deterministic bias",
                               self.bias_prior.describe())  # fmt: skip
        for tensor, prior in {**self.priors, **self.point_priors}.items():
            prior.check_shape(self.parameter_shapes[f"{tensor}_mu"], f"{tensor}_prior")
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
        self._settle_sigma()

    def _settle_sigma(self):
        """Check ``initial_sigma``: a number above 0, or "prior" where every prior has a scale."""
        given = self.initial_sigma
        if given is None:
            return
        if isinstance(given, str | bool):
            if given != "prior":
                raise expected("initial_sigma", 'a number or "prior"', repr(given))
            for tensor, prior in self.priors.items():
                if not hasattr(prior, "scale"):
                    raise expected(f"{tensor}_prior", 'one with a scale, for initial_sigma="prior"',
                                   prior.describe())  # fmt: skip
            return
        try:
            object.__setattr__(self, "initial_sigma", float(given))
        except (TypeError, ValueError):
            raise expected("initial_sigma", 'a number or "prior"', repr(given)) from None
        if not 0 < self.initial_sigma < np.inf:
            raise expected("initial_sigma", "a finite number above 0", given)

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
        for tensor, prior in self.priors.items():
            for name, shape in prior.parameter_shapes.items():
                shapes[f"{tensor}_prior_{name}"] = shape
        return shapes

    @property
    def point_priors(self):
        """Name to prior of a deterministic bias that has one."""
        alone = self.bias == "deterministic" and self.bias_prior is not None
        return {"bias": self.bias_prior} if alone else {}

    @property
    def priors(self):
        """Name to prior of each tensor that has a posterior: "kernel" and, if random, "bias"."""
        random = {"kernel": self.kernel_prior}
        return {**random, "bias": self.bias_prior} if self.bias_is_random else random

    def settled_shift(self, dtype):
        """Return scale_shift as a float, None replaced by the machine epsilon of the dtype."""
        return float(np.finfo(dtype).eps) if self.scale_shift is None else self.scale_shift

    def initial(self, stream, scale_shift):
        """Return name to array of the initial values, drawn tensor by tensor.

        Parameters
        ----------
        stream : Stream
            Purpose "init".
        scale_shift : float
            Settled.
        """
        he = {"kernel_mu": float(np.sqrt(2 / self.inputs)), "bias_mu": 0.0}
        found = {}
        for tensor, prior in self.priors.items():
            found |= {f"{tensor}_prior_{name}": value for name, value in prior.initial.items()}
        for name in self.parameter_shapes.keys() - found.keys():
            shape = self.parameter_shapes[name]
            location, scale = (-3.0, 0.1) if name.endswith("rho") else (0.0, 0.1)
            if self.initializer == "he":
                scale = he.get(name, scale)
            found[name] = location + scale * stream.normals(shape, name)
        if self.initial_sigma is not None:
            for tensor, prior in self.priors.items():
                given = prior.scale if self.initial_sigma == "prior" else self.initial_sigma
                if np.min(given) <= scale_shift:
                    raise expected("initial_sigma", f"a number above scale_shift ({scale_shift:g})",
                                   np.min(given))  # fmt: skip
                found[f"{tensor}_rho"] = softplus_inverse(np.asarray(given) - scale_shift)
        return found

    def noise_shapes(self, noise, rows):
        """Return name to shape (None: absent) of the arrays that this kind of noise holds.

        Parameters
        ----------
        noise : LayerNoise or LocalLayerNoise
        rows : int
            B.
        """
        if isinstance(noise, LocalLayerNoise):
            return {"output_eps": (rows, self.outputs)}
        return {
            "kernel_eps": (self.inputs, self.outputs),
            "sign_input": (rows, self.inputs),
            "sign_output": (rows, self.outputs),
            "bias_eps": (self.outputs,) if self.bias_is_random else None,
        }

    def draw_noise(self, stream, rows, estimator="flipout"):
        """Return the `LayerNoise` of so many rows, or a `LocalLayerNoise` for "local".

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
        if estimator == "shared":
            signs = [np.ones((rows, n), stream.dtype) for n in (self.inputs, self.outputs)]
        else:
            signs = [stream.signs(rows, self.inputs, "sign_input"),
                     stream.signs(rows, self.outputs, "sign_output")]  # fmt: skip
        kernel_eps = stream.normals((self.inputs, self.outputs), "kernel_eps")
        bias_eps = stream.normals((self.outputs,), "bias_eps") if self.bias_is_random else None
        return LayerNoise(kernel_eps, *signs, bias_eps)

    def forward(self, p, noise, h):
        """Return the `LayerTrace` of the forward pass.

        a = h mu + ((h * sign_input) (sigma * eps)) * sign_output + bias,  outputs = f(a).

        Parameters
        ----------
        p : LayerParameters
        noise : LayerNoise or LocalLayerNoise
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
        if isinstance(noise, LocalLayerNoise):
            t.perturbation = local.perturb(self, t, noise)  # (B, O), E19
        else:
            t.kernel_delta = t.kernel_sigma * noise.kernel_eps  # (I, O), E2
            flipped_h = h * noise.sign_input  # (B, I), E2
            t.perturbation = (flipped_h @ t.kernel_delta) * noise.sign_output  # (B, O), E2
        a = h @ p.kernel_mu + t.perturbation  # (B, O), E3
        if self.bias != "none":
            a = a + p.bias_mu  # E3
        if self.bias_is_random and not isinstance(noise, LocalLayerNoise):
            t.bias_delta = t.bias_sigma * noise.bias_eps  # (O,), E3
            flips = noise.sign_output if self.bias == "normal_flipped" else 1
            a = a + t.bias_delta * flips  # (B, O), E3
        t.pre_activation = a
        t.outputs = get_activation(self.activation).function(a)  # (B, O), E3
        return t

    def backward(self, p, noise, t, grad_outputs, kl_weight, gradients):
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
        if isinstance(noise, LocalLayerNoise):
            t.grad_inputs = t.grad_inputs + local.perturb_backward(self, t, noise)  # E20
        else:
            flipped_a = grad_a * noise.sign_output  # (B, O), E10
            flipped_h = h * noise.sign_input  # a = ((h * sign_input) delta) * sign_output, E10
            t.grad_delta = flipped_h.T @ flipped_a  # (I, O), E10
            t.grad_inputs = t.grad_inputs + (flipped_a @ t.kernel_delta.T) * noise.sign_input  # E12
            t.grad_sigma = t.grad_delta * noise.kernel_eps  # delta = sigma * eps, E11

        gradients.kernel_mu[...] = grad_mu
        if self.bias != "none":
            gradients.bias_mu[...] = np.sum(grad_a, axis=0)  # a = ... + bias_mu, E15
        if self.bias_is_random and not isinstance(noise, LocalLayerNoise):
            flipped = self.bias == "normal_flipped"  # a = ... + sigma_b * eps_b (* sign_output)
            summed = np.sum(flipped_a if flipped else grad_a, axis=0)  # (O,), E15
            t.grad_bias_sigma = summed * noise.bias_eps  # E15
        self.kl_backward(p, noise, t, kl_weight, gradients)  # E13 to E15
        return t.grad_inputs

    def kl_backward(self, p, noise, t, kl_weight, gradients):
        """Add the KL's gradient by mu, and set that by rho; arguments as for `backward`.

        The trace has the gradients of the nll by sigma, and gets kl_grad_mu, kl_grad_sigma and
        sigma_grad_rho (I, O) of the kernel.
        """
        for name, prior in self.point_priors.items():
            mu = getattr(p, f"{name}_mu")
            getattr(gradients, f"{name}_mu")[...] += kl_weight * prior.penalty_gradient(mu)  # E24
        for name, prior, mu, rho in self.posteriors(p):
            prior = self.bound(name, prior, p, noise)
            kl_sigma, sigma_grad_rho, _ = sigma_for_kl(rho, getattr(t, f"{name}_sigma"))  # E14
            by_mu, by_sigma = prior.kl_gradient(mu, kl_sigma)  # E13
            getattr(gradients, f"{name}_mu")[...] += kl_weight * by_mu  # E14, E15
            grad_sigma = t.grad_sigma if name == "kernel" else t.grad_bias_sigma
            grad_rho = (grad_sigma + kl_weight * by_sigma) * sigma_grad_rho  # E14, E15
            getattr(gradients, f"{name}_rho")[...] = grad_rho
            for one, by in prior.kl_gradient_own(mu, kl_sigma).items():
                getattr(gradients, f"{name}_prior_{one}")[...] = kl_weight * by  # E28
            if name == "kernel":
                t.kl_grad_mu, t.kl_grad_sigma, t.sigma_grad_rho = by_mu, by_sigma, sigma_grad_rho

    def draw_weights(self, p, stream):
        """Return one draw of the whole weights: kernel (I, O) and bias (O,) or None.

        Parameters
        ----------
        p : LayerParameters
        stream : Stream
        """
        eps = stream.normals(p.kernel_mu.shape, "kernel_eps")
        kernel = p.kernel_mu + sigma(p.scale_shift, p.kernel_rho) * eps  # E21
        if not self.bias_is_random:
            return kernel, p.bias_mu
        eps = stream.normals(p.bias_mu.shape, "bias_eps")
        return kernel, p.bias_mu + sigma(p.scale_shift, p.bias_rho) * eps  # E21

    def draw_outputs(self, p, h, stream, kind):
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

    def describe(self):
        """Return the layer in one line, for `repr` of the network."""
        bias = "" if self.bias_prior is None else f" prior {self.bias_prior.describe()}"
        return (
            f"{self.inputs} -> {self.outputs} {self.activation}, "
            f"kernel prior {self.kernel_prior.describe()}, bias {self.bias}{bias}"
        )

    def to_json(self, dtype=None):
        """Return the layer's description.

        Parameters
        ----------
        dtype : dtype, optional
            With one: as `docs/vectors.md` writes a layer whose parameters are of it, scale_shift
            settled and no initializer. Without: all of the layer's options.
        """
        whole = {}
        if dtype is None:
            whole = {"initializer": self.initializer, "initial_sigma": self.initial_sigma}
        return {
            "type": "DenseFlipout",
            "units": self.outputs,
            "activation": self.activation,
            "scale_shift": self.scale_shift if dtype is None else self.settled_shift(dtype),
            "kernel_prior": self.kernel_prior.to_json(),
            "bias": self.bias,
            "bias_prior": None if self.bias_prior is None else self.bias_prior.to_json(),
            **whole,
        }

    @classmethod
    def from_json(cls, description, inputs):
        """Return the layer of a description in either of `to_json`'s forms.

        Parameters
        ----------
        description : dict
        inputs : int
            I.

        Raises
        ------
        ValueError
            For a key or value that `to_json` does not write.
        """
        keys = {"type", "units", "activation", "scale_shift", "kernel_prior", "bias", "bias_prior"}
        if set(description) - {"initializer", "initial_sigma"} != keys:
            raise expected("layer", f"an object with keys {sorted(keys)}", sorted(description))
        options = {key: value for key, value in description.items() if key not in ("type", "units")}
        shift = options["scale_shift"]
        whole = "initializer" in options and shift is None
        if not whole and (isinstance(shift, bool) or not isinstance(shift, (int, float))):
            raise expected("scale_shift", "a number", repr(shift))
        return cls(inputs, description["units"], **options)
