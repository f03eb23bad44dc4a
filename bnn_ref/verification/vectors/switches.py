"""Which mistakes a step makes: the switches of `variants.py`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Variant:
    """Which mistakes a step makes; every default is the right thing.

    Attributes
    ----------
    sigma : str
        "softplus", "exp" (exp(rho), no shift), "exp_half" (exp(rho / 2), no shift), or either of
        these with "_shifted" (the layer's shift added).
    shift : float or None
        Replaces every layer's scale_shift.
    beta, steepness : float
        softplus(steepness beta rho) / beta stands for softplus(rho).
    sigma_factor, sigma_power : float
        Sigma is multiplied by the one, then raised to the other: in noise and KL.
    noise_factor, noise_power : float
        Likewise of sigma in the noise alone; local noise knows the factor.
    eps_chain : str
        "" | "all" | "kernel" | "bias": where eps is left out of the gradient by sigma.
    mean_flipped : str
        "" | "kernel" | "all": the mean is multiplied by the signs too; "all": the bias as well.
    sign_input, sign_output : bool
        False where they are left out (every sign +1).
    signs_swapped : bool
        The two taken for each other, in square layers.
    bias_flip : str
        "" | "other" (a flipped draw unflipped and the reverse) | "whole" (mean and draw flipped).
    transposed : str
        "" | "all" (mu, rho and eps of square kernels) | "parameters" (eps not) | "gradients"
        | "loaded" (as "all", but the gradients are turned back once too often).
    derivative : str
        "" | "output" (f' at the layer's output) | "mean" (at the pre-activation without noise)
        | "missing".
    rho_chain : str
        "" | "all" | "nll" | "kl": where the factor d sigma / d rho is left out.
    nll : str
        "" | "sum" (over the batch).
    outputs_averaged : bool
        The nll averaged over output dimensions.
    normal : str
        "" | "half_square" (no constant) | "half_square_unscaled" (nor scale) | "square"
        | "no_two_pi" (log(scale) is there, log(2 pi) / 2 is not).
    prior_power : float
        Every prior scale s is read as s ** prior_power: 0.5 where it is taken for a variance.
    kl_average : str
        "" | "tensors" | "layer_weights" | "weights" | "layers": what the KL is averaged over.
    kl_weight : float or None
        Replaces the factor on the KL.
    kl_factor : float
        Multiplies it.
    kl_form : str
        "" | "no_loc" (every prior's loc taken for 0) | "reverse" (KL of the prior from the
        posterior) | "sampled" (log q - log p at the drawn weights).
    bias_kl : str
        "" | "missing" | "kernel_prior" (the kernel's prior for the bias).
    signs_shared : str
        "" | "input" | "output" | "both": the first example's signs for the whole batch.
    eps_shared : str
        "" | "outputs" | "inputs" | "all": one draw for every output, input or weight: the first.
    activation : str
        "" | "gelu_tanh" (in the place of gelu) | "leaky_relu(SLOPE)" (of relu).
    activation_first : bool
        The bias is added behind the activation.
    centred : bool
        The batch's mean is subtracted from the inputs.
    hidden_scale : float
        Multiplies the outputs of hidden layers.
    smoothing : float
        Of the labels of a categorical likelihood.
    nll_factor : float
        Multiplies the nll.
    local : str
        "" | "variance" (no square root) | "sigma" (under the root not squared) | "added"
        (deviations added) | "bias_missing" | "bias_apart" (sigma_b added outside of the root).
    weights : str
        "" | "ignored" | "averaged" (the nll divided by the sample weights' sum, not by the rows).
    """

    sigma: str = "softplus"
    shift: float | None = None
    beta: float = 1.0
    steepness: float = 1.0
    sigma_factor: float = 1.0
    sigma_power: float = 1.0
    noise_factor: float = 1.0
    noise_power: float = 1.0
    eps_chain: str = ""
    mean_flipped: str = ""
    sign_input: bool = True
    sign_output: bool = True
    signs_swapped: bool = False
    bias_flip: str = ""
    transposed: str = ""
    derivative: str = ""
    rho_chain: str = ""
    nll: str = ""
    outputs_averaged: bool = False
    normal: str = ""
    prior_power: float = 1.0
    kl_average: str = ""
    kl_weight: float | None = None
    kl_factor: float = 1.0
    kl_form: str = ""
    bias_kl: str = ""
    signs_shared: str = ""
    eps_shared: str = ""
    activation: str = ""
    activation_first: bool = False
    centred: bool = False
    hidden_scale: float = 1.0
    smoothing: float = 0.0
    nll_factor: float = 1.0
    local: str = ""
    weights: str = ""


RIGHT = Variant()
# The fields that the forward pass depends on.
FORWARD = ("sigma", "shift", "mean_flipped", "sign_input", "sign_output", "signs_swapped",
           "bias_flip", "transposed", "signs_shared", "eps_shared", "activation_first", "centred",
           "hidden_scale", "local", "activation", "beta", "steepness", "sigma_factor",
           "sigma_power", "noise_factor", "noise_power")  # fmt: skip
