"""What a set of questions exercises, and which mistakes go unseen where something is not asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...priors import PRIORS

if TYPE_CHECKING:
    from ..vectors.files import Vector


class Feature(NamedTuple):
    """Something that a question may have.

    Attributes
    ----------
    name : str
    unseen : str
        The mistakes that no question without it can show.
    has : callable, (Vector) -> bool
    """

    name: str
    unseen: str
    has: Callable[[Vector], bool]


def _any_layer(test):
    """Return whether a test holds of any dense Flipout layer that draws its weights with signs."""
    return lambda question: any(test(layer) for layer in question.layers
                                if getattr(layer, "sign_input", None) is not None)  # fmt: skip


def _random_bias(layer):
    return layer.bias.startswith("normal")


def _is_normal(layer):
    return isinstance(layer.kernel_prior, tuple)


def _likelihood(kind):
    return lambda question: question.meta["likelihood"]["type"] == kind


FEATURES = (
    Feature("a random bias", "a wrong draw, KL or prior of the bias", _any_layer(_random_bias)),
    Feature("an unflipped random bias", "a shared draw that takes the output signs",
            _any_layer(lambda layer: layer.bias == "normal")),
    Feature("a flipped random bias", "a draw that should take the output signs and does not",
            _any_layer(lambda layer: layer.bias == "normal_flipped")),
    Feature("a deterministic bias", "a KL of a bias that has none",
            _any_layer(lambda layer: layer.bias == "deterministic")),
    Feature("a prior with a loc", "a prior's loc that is ignored",
            _any_layer(lambda layer: _is_normal(layer) and np.any(layer.kernel_prior[0]))),
    Feature("a prior whose scale is not 1", "a scale read as a variance",
            _any_layer(lambda layer: _is_normal(layer)
                       and np.any(np.asarray(layer.kernel_prior[1]) != 1))),
    Feature("a bias prior unlike the kernel's", "the kernel's prior used for the bias",
            _any_layer(lambda layer: _random_bias(layer) and layer.bias_prior
                       != layer.kernel_prior)),
    Feature("priors that differ by layer", "one layer's prior used for all",
            lambda question: len({repr(getattr(layer, "kernel_prior", None))
                                  for layer in question.layers}) > 1),
    Feature("a scale_shift that is seen", "another shift c in sigma = c + softplus(rho)",
            _any_layer(lambda layer: layer.scale_shift >= 1e-5)),
    Feature("several layers", "what is wrong with what flows back through a layer",
            lambda question: len(question.layers) > 1),
    Feature("several rows", "signs shared by the batch, a sum for a mean",
            lambda question: len(question.x) > 1),
    Feature("signs of both values", "signs that are left out",
            _any_layer(lambda layer: np.ptp(layer.sign_input) * np.ptp(layer.sign_output) > 0)),
    Feature("noise", "everything about sigma but its KL",
            _any_layer(lambda layer: np.any(layer.kernel_eps))),
    Feature("a KL that weighs", "everything about the KL's gradient",
            lambda question: question.kl_weight >= 1e-3),
    Feature("a KL weight that is not 1", "a KL that is added unweighted",
            lambda question: question.kl_weight not in (0, 1)),
    Feature("a sigma above the prior's scale", "a wrong variance part of the KL",
            _any_layer(lambda layer: _is_normal(layer)
                       and np.max(layer.kernel_rho) > np.min(layer.kernel_prior[1]))),
    *(Feature(f"the activation {name}", f"a wrong {name}",
              _any_layer(lambda layer, name=name: layer.activation == name))
      for name in ("relu", "tanh", "sigmoid", "softplus", "elu", "gelu")),
    Feature("an activation of the last layer", "a last layer that is always linear",
            lambda question: getattr(question.layers[-1], "activation", "linear") != "linear"),
    *(Feature(f"the likelihood {name}", f"a wrong {name} likelihood", _likelihood(name))
      for name in ("categorical", "bernoulli", "normal")),
    Feature("several output dimensions of a bernoulli or normal likelihood",
            "an average over outputs where a sum is meant",
            lambda question: question.meta["likelihood"]["type"] != "categorical"
            and np.ndim(question.y) == 2 and np.shape(question.y)[1] > 1),
    *(Feature(name, f"what goes wrong in {name} alone",
              lambda question, name=name: question.dtype == name)
      for name in ("float64", "float32")),
)  # fmt: skip


def _prior_kinds(question):
    """Return the kinds of every prior of a question, one inside another too."""
    waiting = [layer[part] for layer in question.meta["layers"]
               for part in ("kernel_prior", "bias_prior") if layer.get(part)]  # fmt: skip
    kinds = set()
    while waiting:
        prior = waiting.pop()
        kinds.add(prior.get("type", "normal"))
        waiting += [prior["prior"]] if "prior" in prior else []
    return kinds


def _has_key(key, value):
    return lambda question: question.meta.get(key) == value


# What version 2 of the vectors can say besides. A prior that is registered is a feature by itself.
FEATURES_2 = (
    Feature("priors of arrays", "an array broadcast over the wrong axis, or transposed",
            lambda question: any("_prior." in name for name in question.arrays)),
    *(Feature(f"a prior of the kind {kind}", f"a wrong KL of the kind {kind}",
              lambda question, kind=kind: kind in _prior_kinds(question))
      for kind in PRIORS if kind != "normal"),
    Feature("a prior of a deterministic bias", "a -log p that is left out, or its constant",
            lambda question: any(layer.get("bias") == "deterministic" and layer.get("bias_prior")
                                 for layer in question.meta["layers"])),
    Feature("a learned scale", "a scale without its gradient",
            lambda question: question.meta["likelihood"].get("learn_scale", False)),
    Feature("a predicted scale", "mean and rho interleaved, a floor left out",
            _likelihood("predicted_normal")),
    Feature("sample weights", "weights ignored, or divided by their sum",
            _has_key("sample_weight", True)),
    Feature("local reparameterisation", "a standard deviation where the variance is meant",
            _has_key("estimator", "local")),
    Feature("one weight draw for the batch", "signs where there are none",
            _has_key("estimator", "shared")),
)  # fmt: skip


def features(version: int = 1) -> tuple[Feature, ...]:
    """Return what questions up to a version of `docs/vectors.md` may have."""
    return FEATURES if version == 1 else FEATURES + FEATURES_2


def split(
    questions: Iterable[Vector], version: int = 1
) -> tuple[tuple[Feature, ...], tuple[Feature, ...]]:
    """Return the features that some question has, and those that none has: two tuples.

    Parameters
    ----------
    questions : iterable of Vector
    version : 1 or 2
        As for `features`.
    """
    known = features(version)
    exercised = tuple(f for f in known if any(f.has(question) for question in questions))
    return exercised, tuple(f for f in known if f not in exercised)
