"""The catalogue of known mistakes, and which of them occur together.

A mistake is a change of the whole step (`variants.Variant`); `diagnosis.py` recomputes every
result under it. Some have several forms that deserve one name; `FIT` marks a number that is
fitted to the answer.
"""

from __future__ import annotations

from typing import Any, NamedTuple

FIT = "fit"


class Mistake(NamedTuple):
    """One known mistake.

    Attributes
    ----------
    key : str
        A short name.
    what : str
        One sentence: what it is and where it is seen.
    changes : tuple of dict
        Its forms, each a change of `Variant`'s fields.
    """

    key: str
    what: str
    changes: tuple[dict[str, Any], ...]


MISTAKES = {
    mistake.key: mistake
    for mistake in (
        Mistake(
            "kl-averaged-over-weights",
            "the KL is averaged over weights instead of summed, as in Bayesian-Torch's kl_div, or "
            "wherever a framework's reduce_mean is taken",
            ({"kl_average": "tensors"}, {"kl_average": "layer_weights"}, {"kl_average": "weights"}),
        ),
        Mistake(
            "kl-averaged-over-layers",
            "the layers' KLs are averaged instead of summed, seen where the mean of model.losses "
            "is taken",
            ({"kl_average": "layers"},),
        ),
        Mistake(
            "kl-missing",
            "the KL is not in the loss, seen where model.losses or the returned kl is never added",
            ({"kl_weight": 0.0},),
        ),
        Mistake(
            "kl-twice",
            "the KL is counted twice, seen where Keras adds model.losses by itself and the program "
            "adds them again",
            ({"kl_factor": 2.0},),
        ),
        Mistake(
            "kl-weight",
            "the KL has another weight than the file's kl_weight, most often 1/batch size or 1 "
            "where 1/training examples is meant",
            ({"kl_weight": FIT},),
        ),
        Mistake(
            "prior-scale-as-variance",
            "the prior's scale is read as a variance: its square root is used as the standard "
            "deviation, seen where a library takes a variance",
            ({"prior_power": 0.5},),
        ),
        Mistake(
            "prior-variance-as-scale",
            "the prior's variance is used as its standard deviation: Bayesian-Torch's "
            "prior_variance is one in name only",
            ({"prior_power": 2.0},),
        ),
        Mistake(
            "softplus-derivative-missing",
            "the gradient by sigma is reported as the gradient by rho: the factor sigmoid(rho) of "
            "sigma = softplus(rho) is left out, seen in gradients derived by hand",
            ({"rho_chain": "all"}, {"rho_chain": "nll"}, {"rho_chain": "kl"}),
        ),
        Mistake(
            "eps-missing-in-gradient",
            "eps is left out of the gradient by rho: g * sigmoid(rho) instead of "
            "g * eps * sigmoid(rho), seen in gradients derived by hand",
            ({"eps_chain": "all"}, {"eps_chain": "kernel"}, {"eps_chain": "bias"}),
        ),
        Mistake(
            "sigma-exp",
            "sigma = exp(rho) instead of scale_shift + softplus(rho), seen where rho is taken for "
            "the logarithm of sigma",
            ({"sigma": "exp"}, {"sigma": "exp_shifted"}),
        ),
        Mistake(
            "sigma-exp-half",
            "sigma = exp(rho / 2) instead of scale_shift + softplus(rho), seen where rho is taken "
            "for the logarithm of the variance, as in variational autoencoders",
            ({"sigma": "exp_half"}, {"sigma": "exp_half_shifted"}),
        ),
        Mistake(
            "sigma-shift",
            "another shift c in sigma = c + softplus(rho): TFP adds the machine epsilon, Edward2 "
            "1e-7, Bayesian-Torch and Blitz nothing, others 1e-3 or 1e-5",
            ({"shift": FIT},),
        ),
        Mistake(
            "softplus-beta",
            "softplus has another sharpness: softplus(beta rho) / beta, as PyTorch's with its "
            "argument beta, or softplus(steepness rho)",
            ({"beta": FIT}, {"steepness": FIT}),
        ),
        Mistake(
            "noise-scaled",
            "the noise has another scale than sigma: eps, or sigma itself, has a factor",
            ({"noise_factor": FIT}, {"sigma_factor": FIT}),
        ),
        Mistake(
            "sigma-as-variance",
            "scale_shift + softplus(rho) is read as a variance: its square root is the noise's "
            "standard deviation, in the noise alone or in the KL too",
            ({"noise_power": 0.5}, {"sigma_power": 0.5}),
        ),
        Mistake(
            "variance-as-sigma",
            "the variance sigma^2 is used as the noise's standard deviation, in the noise alone or "
            "in the KL too",
            ({"noise_power": 2.0}, {"sigma_power": 2.0}),
        ),
        Mistake(
            "mean-flipped",
            "the signs multiply the mean as well as the noise, seen where the sampled kernel "
            "mu + sigma * eps is flipped instead of sigma * eps",
            ({"mean_flipped": "kernel"}, {"mean_flipped": "all"}),
        ),
        Mistake(
            "sign-output-missing",
            "the output signs are left out, so that an example's noise is flipped on one side only",
            ({"sign_output": False},),
        ),
        Mistake(
            "sign-input-missing",
            "the input signs are left out, so that an example's noise is flipped on one side only",
            ({"sign_input": False},),
        ),
        Mistake(
            "signs-swapped",
            "input and output signs are taken for each other, which only a square layer allows",
            ({"signs_swapped": True},),
        ),
        Mistake(
            "bias-flip",
            "the bias has the wrong signs: a draw shared by the batch (TFP) is multiplied by the "
            "output signs, or a flipped one (Bayesian-Torch) is not, or its mean is flipped too",
            ({"bias_flip": "other"}, {"bias_flip": "whole"}),
        ),
        Mistake(
            "nll-summed",
            "the negative log-likelihood is summed over the batch instead of averaged, as "
            'reduction="sum" or reduce_sum gives it',
            ({"nll": "sum"},),
        ),
        Mistake(
            "nll-averaged-over-outputs",
            "the negative log-likelihood is averaged over output dimensions instead of summed, as "
            "Keras' and PyTorch's mean reductions do",
            ({"outputs_averaged": True},),
        ),
        Mistake(
            "activation-derivative-place",
            "the activation's derivative is taken at the wrong place: at the layer's output, or at "
            "the pre-activation without its noise, seen in gradients derived by hand",
            ({"derivative": "output"}, {"derivative": "mean"}),
        ),
        Mistake(
            "activation-derivative-missing",
            "the activation's derivative is left out of the backward pass, seen in gradients "
            "derived by hand",
            ({"derivative": "missing"},),
        ),
        Mistake(
            "kernel-transposed",
            "a square kernel is transposed: layout (outputs, inputs), PyTorch's, taken for "
            "(inputs, outputs), or only its gradients are",
            tuple({"transposed": how} for how in ("all", "parameters", "gradients", "loaded")),
        ),
        Mistake(
            "half-squared-error",
            "half the squared error stands for a Normal likelihood: the constant "
            "log(scale) + log(2 pi)/2 is missing, as with every mean-squared-error loss, or its "
            "second half, as in PyTorch's GaussianNLLLoss",
            tuple({"normal": how} for how in ("half_square", "half_square_unscaled", "no_two_pi")),
        ),
        Mistake(
            "squared-error",
            "the squared error, without its half, stands for a Normal likelihood, as MSELoss and "
            "Keras' mse give it",
            ({"normal": "square"},),
        ),
        Mistake(
            "prior-loc-ignored",
            "the prior's loc is taken for 0, seen where a closed form for mean 0 is used",
            ({"kl_form": "no_loc"},),
        ),
        Mistake(
            "kl-reversed",
            "the KL of the prior from the posterior, seen where the arguments of kl_divergence are "
            "exchanged",
            ({"kl_form": "reverse"},),
        ),
        Mistake(
            "kl-sampled",
            "log q - log p at the drawn weights stands for the KL: a sample of it, as Blitz and "
            "Bayes by Backprop take it",
            ({"kl_form": "sampled"},),
        ),
        Mistake("bias-kl-missing", "the bias's KL is left out", ({"bias_kl": "missing"},)),
        Mistake(
            "bias-prior-of-kernel",
            "the kernel's prior is used for the bias",
            ({"bias_kl": "kernel_prior"},),
        ),
        Mistake(
            "signs-shared",
            "one row of signs is used for the whole batch, seen where signs of shape (I,) "
            "are broadcast",
            tuple({"signs_shared": how} for how in ("input", "output", "both")),
        ),
        Mistake(
            "eps-shared",
            "one draw of eps is used for several weights (of local noise: outputs), seen where eps "
            "of shape (I, 1) or () is broadcast",
            tuple({"eps_shared": how} for how in ("outputs", "inputs", "all")),
        ),
        Mistake(
            "local-root-missing",
            "local noise: the variance of an output stands for its standard deviation",
            ({"local": "variance"},),
        ),
        Mistake(
            "local-not-squared",
            "local noise: sigma is not squared under the root, seen where it is taken for a "
            "variance",
            ({"local": "sigma"},),
        ),
        Mistake(
            "local-deviations-added",
            "local noise: the deviations abs(x) sigma are added up, not their squares under a root",
            ({"local": "added"},),
        ),
        Mistake(
            "local-bias",
            "local noise: the bias's variance is left out of the root, or its deviation is added "
            "outside",
            ({"local": "bias_missing"}, {"local": "bias_apart"}),
        ),
        Mistake(
            "gelu-tanh",
            "gelu is its approximation by a tanh instead of the exact form, as in jax.nn.gelu "
            "unless approximate=False is given",
            ({"activation": "gelu_tanh"},),
        ),
        Mistake(
            "relu-leaky",
            "a ReLU has a slope left of 0 (.01, .2 or .3), as a leaky ReLU has",
            tuple({"activation": f"leaky_relu({slope})"} for slope in (0.01, 0.2, 0.3)),
        ),
        Mistake(
            "activation-before-bias",
            "the bias is added behind the activation",
            ({"activation_first": True},),
        ),
        Mistake(
            "batch-centred",
            "the batch's mean is subtracted from the inputs, as a normalisation does",
            ({"centred": True},),
        ),
        Mistake(
            "dropout-scale",
            "hidden layers' outputs are divided by a keep probability of .9, .8, .75 or .5, as "
            "dropout does",
            tuple({"hidden_scale": 1 / keep} for keep in (0.9, 0.8, 0.75, 0.5)),
        ),
        Mistake(
            "label-smoothing",
            "the labels are smoothed by .1, .05 or .2",
            tuple({"smoothing": alpha} for alpha in (0.1, 0.05, 0.2)),
        ),
        Mistake(
            "sample-weights",
            "the sample weights are ignored, or the nll is divided by their sum instead of by the "
            "number of rows",
            ({"weights": "ignored"}, {"weights": "averaged"}),
        ),
        Mistake(
            "nll-scaled",
            "the negative log-likelihood has a factor: divided by a nominal batch size where the "
            "batch has another, or scaled with its gradients",
            ({"nll_factor": FIT},),
        ),
    )
}

# Which only an answer of the estimator "local", or only one with signs, can make.
OF_LOCAL = frozenset(key for key in MISTAKES if key.startswith("local-"))
OF_SIGNS = frozenset({"mean-flipped", "sign-output-missing", "sign-input-missing", "signs-swapped",
                      "bias-flip", "signs-shared", "kl-sampled"})  # fmt: skip

FACTORS = frozenset({"nll-scaled", "softplus-beta"})  # last: they fit much

FLOAT32 = Mistake(
    "float32",
    "computed in float32 where float64 is claimed, seen in JAX without x64 enabled and in "
    "TensorFlow's and PyTorch's default dtype",
    (),
)
FLOAT16 = Mistake("float16", "computed in float16: every number is one of that format", ())
BFLOAT16 = Mistake("bfloat16", "computed in bfloat16: every number is one of that format", ())
TF32 = Mistake(
    "tf32",
    "the errors are those of matrix products in TF32 (10 bits of mantissa) or float16, as on GPUs "
    "unless float32 precision is asked for",
    (),
)
COARSE_PRODUCTS = Mistake(
    "coarse-products",
    "the errors are those of matrix products in a coarse precision: TF32, float16 or bfloat16",
    (),
)
BFLOAT16_PRODUCTS = Mistake(
    "bfloat16-products",
    "the errors are those of matrix products in bfloat16, as under autocast and on TPUs unless "
    "float32 precision is asked for",
    (),
)

# Pairs that occur together. A wrong weight of the KL is so common that it is tried beside every
# other mistake; so is float32, where every result is a float32 number (see diagnosis.py).
_KL = ("kl-averaged-over-weights", "kl-averaged-over-layers", "kl-missing", "kl-twice", "kl-weight")
_OF_THE_KL = ("prior-scale-as-variance", "prior-variance-as-scale", "prior-loc-ignored",
              "kl-reversed", "kl-sampled", "bias-kl-missing", "bias-prior-of-kernel")  # fmt: skip
PAIRS = (
    *(
        (kl, other)
        for kl in _KL
        for other in MISTAKES
        if other not in _KL and not (kl == "kl-missing" and other in _OF_THE_KL)
    ),
    ("kl-averaged-over-weights", "kl-weight"),  # a mean KL, then divided by the batch size
    ("kl-averaged-over-weights", "kl-twice"),
    ("sign-input-missing", "sign-output-missing"),  # the plain reparameterisation
    ("mean-flipped", "sign-output-missing"),  # the inputs flipped, nothing else
    ("mean-flipped", "sign-input-missing"),
    ("mean-flipped", "bias-flip"),  # the whole pre-activation flipped
    ("bias-flip", "sign-input-missing"),
    ("bias-flip", "sigma-shift"),  # one library's layer held against another's convention
    ("bias-flip", "prior-variance-as-scale"),
    ("prior-variance-as-scale", "sigma-shift"),
    ("prior-scale-as-variance", "sigma-exp-half"),  # everything thought of as a variance
    ("prior-scale-as-variance", "sigma-exp"),
    ("sigma-exp", "softplus-derivative-missing"),
    ("sigma-exp-half", "softplus-derivative-missing"),
    ("sigma-shift", "softplus-derivative-missing"),
    ("activation-derivative-place", "softplus-derivative-missing"),
    ("activation-derivative-missing", "softplus-derivative-missing"),
    ("half-squared-error", "nll-summed"),  # MSELoss(reduction="sum") / 2
    ("half-squared-error", "nll-averaged-over-outputs"),
    ("squared-error", "nll-summed"),
    ("squared-error", "nll-averaged-over-outputs"),  # Keras' mse
    ("nll-averaged-over-outputs", "nll-summed"),
    ("kernel-transposed", "signs-swapped"),  # a layer written for the other layout
    ("nll-summed", "softplus-derivative-missing"),
    ("nll-summed", "sigma-exp"),
)
