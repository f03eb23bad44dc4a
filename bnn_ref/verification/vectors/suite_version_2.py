"""The published suite's vectors of version 2: what version 1 cannot say, computed by the oracle.

Every one says in its ``meta`` what it is and which mistakes it catches. Its numbers are drawn from
a seed and lie on the grid of `suite.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...layers import DenseFlipout
from ...likelihoods import Bernoulli, Categorical, Normal, PredictedNormal
from ...network import Network
from ...noise import draw_noise, normals
from ...priors import LaplacePrior, LearnedNormalPrior, MixturePrior, NoPrior, NormalPrior
from ...storage.archive import write_archive
from ..vectors import make_question, read, write
from . import suite_images
from .image_mistakes import with_mistake
from .questions import targets_for
from .suite_negative import plant

if TYPE_CHECKING:
    from ...layers import Layer
    from ...likelihoods.base import Likelihood
    from .files import Vector

GRID = 2.0**-20
PREFIX = "v2-"
SIZES = (3, 4, 2)
MIXTURE = MixturePrior((1.0, 0.125), (0.25, 0.75))


def spec(
    what: str,
    catches: Sequence[str],
    layers: Sequence[Mapping[str, Any]] = ({}, {}),
    likelihood: Likelihood | None = None,
    sizes: Sequence[int] = SIZES,
    **options: Any,
) -> dict[str, Any]:
    """Return a vector's comment, what it catches and the options of `question` as one dict.

    Parameters
    ----------
    what : str
    catches : list of str
    layers : sequence of dict
        The options of each `DenseFlipout` but its sizes.
    likelihood : Likelihood, optional
        Categorical unless given.
    sizes : sequence of int
        The inputs, then each layer's outputs.
    **options
        Of `question`.
    """
    layers = [DenseFlipout(sizes[k], sizes[k + 1], "tanh" if k == 0 else "linear", **own)
              for k, own in enumerate(layers)]  # fmt: skip
    return {"what": what, "catches": catches, "layers": layers,
            "likelihood": likelihood or Categorical(), **options}  # fmt: skip


def _array(shape, seed):
    """Return a Normal prior with an array of that shape for loc and for scale."""
    draws = [np.round(normals(shape, seed, "split", name) / GRID) * GRID
             for name in ("kernel_mu", "kernel_rho")]  # fmt: skip
    return NormalPrior(0.25 * draws[0], 0.5 + np.abs(draws[1]))


def _both(prior, bias="normal", bias_prior=None):
    """Return the options of two layers: this prior for the kernel, this or another for the bias."""
    return ({"kernel_prior": prior, "bias": bias, "bias_prior": bias_prior or prior},
            {"kernel_prior": prior, "bias": "none"})  # fmt: skip


def _priors():
    """Return name to spec of the vectors about priors."""
    own = {"kernel_prior": (0.25, 0.5), "bias": "normal", "bias_prior": (-0.5, 2.0)}
    other = {"kernel_prior": (-0.75, 1.5), "bias": "normal", "bias_prior": (0.125, 0.75)}
    return {
        "priors-by-layer": spec(
            "four tensors, four Normal priors",
            ["one layer's prior used for all", "the kernel's prior used for the bias"],
            (own, other), version=2,
        ),
        "prior-array-outputs": spec(
            "a kernel prior with a loc and a scale for every output",
            ["an array of priors reduced to its mean", "broadcast over the wrong axis"],
            ({"kernel_prior": _array((4,), 1), "bias": "normal", "bias_prior": _array((4,), 2)},
             {"kernel_prior": _array((2,), 3)}),
        ),
        "prior-array-inputs": spec(
            "a kernel prior for every input, (I, 1)", ["broadcast over the wrong axis"],
            ({"kernel_prior": _array((3, 1), 4)}, {"kernel_prior": _array((4, 1), 5)}), Normal(0.5),
        ),
        "prior-array-weights": spec(
            "a prior of its own for every weight", ["a prior array that is transposed"],
            ({"kernel_prior": _array((4, 4), 6)}, {"kernel_prior": _array((4, 2), 7)}),
            sizes=(4, 4, 2),
        ),
        "prior-laplace": spec(
            "Laplace priors", ["KL from a Normal of the same scale", "|mu| for E|w|"],
            _both(LaplacePrior(0.25, 0.5), bias_prior=LaplacePrior(-0.125, 1.5)), Normal(0.5),
        ),
        "prior-laplace-far": spec(
            "Laplace priors, the means many scales away", ["erf cancelled against exp"],
            _both(LaplacePrior(3.0, 0.03125)),
        ),
        "prior-laplace-float32": spec(
            "Laplace priors in float32", ["what float32 alone loses"],
            _both(LaplacePrior(0.25, 0.5), "normal_flipped"), Bernoulli(), dtype="float32",
        ),
        "prior-mixture": spec(
            "mixtures of two Normals, the KL at the drawn weights",
            ["a closed form where there is none", "a gradient that stops at w",
             "the KL at weights with signs"],
            _both(MIXTURE),
        ),
        "prior-mixture-locs": spec(
            "a mixture of three Normals with means", ["the components' means ignored"],
            _both(MixturePrior((0.5, 0.25, 1.0), (0.5, 0.25, 0.25), (0.0, -0.5, 0.75))),
            Normal(1.0),
        ),
        "prior-mixture-float32": spec(
            "mixtures in float32", ["log q recomputed at the rounded w"], _both(MIXTURE),
            dtype="float32",
        ),
        "prior-none": spec(
            "a kernel without a KL, a bias with one", ["a KL of a tensor that has none"],
            _both(NoPrior(), bias_prior=NormalPrior(0.25, 0.5)), Bernoulli(),
        ),
        "prior-learned-scale": spec(
            "priors whose scale is learned", ["a learned scale without its gradient"],
            _both(LearnedNormalPrior(0.25, 0.5)),
        ),
        "prior-learned-both": spec(
            "priors whose loc and scale are learned", ["a learned loc without its gradient"],
            _both(LearnedNormalPrior(0.25, 0.5, ("loc", "scale")),
                  bias_prior=LearnedNormalPrior(0.0, 1.0, ("loc",))), Normal(0.5),
        ),
        "bias-prior-point": spec(
            "deterministic biases with a prior, -log p with its constant",
            ["a bias's prior left out", "its constant left out"],
            ({"bias_prior": (0.25, 0.5)}, {"bias_prior": LaplacePrior(-0.125, 0.75)}),
        ),
    }  # fmt: skip


def _others():
    """Return name to spec of the vectors about estimators, likelihoods and sample weights."""
    weights = (2.0, 0.0, 0.5, 1.0, 3.25)
    random = ({"bias": "normal"}, {"bias": "normal"})
    return {
        "estimator-local": spec(
            "local reparameterisation", ["the standard deviation for the variance"],
            estimator="local",
        ),
        "estimator-local-bias": spec(
            "local reparameterisation with random biases", ["the bias's variance left out"],
            random, Normal(0.5), estimator="local",
        ),
        "estimator-local-float32": spec(
            "local reparameterisation in float32", ["what float32 alone loses"], random,
            estimator="local", dtype="float32",
        ),
        "estimator-shared": spec(
            "one weight draw for the batch: every sign is +1", ["signs drawn all the same"], random,
            estimator="shared", version=2,
        ),
        "likelihood-learned-scale": spec(
            "a Normal likelihood with a learned scale for each output",
            ["log(scale) left out of the gradient", "one scale for all outputs"],
            likelihood=Normal(0.5, learn_scale=True),
        ),
        "likelihood-predicted": spec(
            "a predicted scale: the outputs are means, then rhos",
            ["mean and rho interleaved", "the floor left out"], random,
            PredictedNormal(0.0625), sizes=(3, 4, 4),
        ),
        "likelihood-predicted-beta": spec(
            "a predicted scale, gradients times s^(2 beta)",
            ["the factor differentiated", "the factor in the nll"],
            likelihood=PredictedNormal(0.0625, 0.5), sizes=(3, 4, 4),
        ),
        "likelihood-predicted-float32": spec(
            "a predicted scale in float32", ["what float32 alone loses"],
            likelihood=PredictedNormal(0.0625), sizes=(3, 4, 6), dtype="float32",
        ),
        "sample-weights": spec(
            "sample weights, one of them 0", ["a mean over the weights' sum instead of the rows",
                                              "weights that are ignored"],
            sample_weight=weights,
        ),
        "sample-weights-normal": spec(
            "sample weights beside a Normal likelihood of several outputs",
            ["weights broadcast over outputs"], random, Normal(0.5), sample_weight=weights,
        ),
        "everything": spec(
            "arrays, a mixture, a predicted scale and sample weights at once",
            ["a fault that shows where several meet"],
            ({"kernel_prior": _array((4,), 8), "bias": "normal_flipped", "bias_prior": MIXTURE},
             {"kernel_prior": LaplacePrior(0.0, 0.5), "bias_prior": (0.25, 0.5)}),
            PredictedNormal(0.0625), sizes=(3, 4, 4), sample_weight=weights,
        ),
        "prior-array-flipped": spec(
            "priors of arrays beside flipped biases, no shift: Bayesian-Torch's convention",
            ["a prior array that is transposed", "sample weights that are ignored"],
            ({"kernel_prior": _array((3, 4), 9), "bias": "normal_flipped",
              "bias_prior": _array((4,), 10), "scale_shift": 0.0},
             {"kernel_prior": _array((4, 2), 11), "bias": "none", "scale_shift": 0.0}),
            Normal(0.5), sample_weight=weights,
        ),
    }  # fmt: skip


def specs() -> dict[str, dict[str, Any]]:
    """Return name to spec of every vector of version 2 that must agree."""
    questions = {**_priors(), **_others(), **suite_images.specs()}
    return {PREFIX + name: question for name, question in questions.items()}


def question(
    name: str,
    seed: int,
    *,
    what: str,
    catches: Sequence[str],
    layers: Sequence[Layer],
    likelihood: Likelihood,
    rows: int = 5,
    dtype: str = "float64",
    estimator: str = "flipout",
    sample_weight: Any = None,
    kl_weight: float = 0.125,
    version: int = 2,
    grid: float = GRID,
) -> Vector:
    """Return the question that a spec describes, its numbers drawn from the seed.

    ``grid`` is that of the inputs: on a coarse one many are equal.
    """
    network = Network(layers, likelihood)

    def draws(shape, tensor, k=0, grid=GRID):
        return np.round(normals(shape, seed, "split", tensor, layer=k) / grid) * grid

    parameters = network.init(seed, dtype)
    for key, array in parameters.items():
        k, _, tensor = key.removeprefix("layers.").partition(".")
        if tensor in ("kernel_mu", "bias_mu"):
            array[...] = 0.5 * draws(array.shape, tensor, int(k))
        elif tensor in ("kernel_rho", "bias_rho"):
            array[...] = -1.5 + 0.5 * draws(array.shape, tensor, int(k))
        else:
            array[...] = np.round(array / GRID) * GRID
    columns = likelihood.targets_of(network.outputs)
    targets = targets_for(likelihood, draws((rows, columns), "output_eps"))
    noise = draw_noise(network, rows, seed, dtype=dtype, estimator=estimator)
    noise = type(noise)(tuple(
        layer and type(layer)(*(
            None if part is None else np.round(part / GRID).astype(part.dtype) * GRID
            for part in layer))
        for layer in noise.layers
    ))  # fmt: skip
    return make_question(
        network, parameters, draws((rows, network.inputs), "permutation", grid=grid), targets,
        noise, kl_weight, sample_weight=sample_weight, version=version, id=name, comment=what,
        catches=catches,
    )  # fmt: skip


# Name of a mistake, the good vector it is planted in, and the change of the step.
PLANTED = (
    ("kl-twice", "prior-laplace", {"kl_factor": 2.0}),
    ("kl-missing", "prior-mixture", {"kl_weight": 0.0}),
    ("prior-loc-ignored", "prior-array-outputs", {"kl_form": "no_loc"}),
    ("prior-scale-as-variance", "prior-array-weights", {"prior_power": 0.5}),
    ("sign-output-missing", "sample-weights", {"sign_output": False}),
    ("nll-summed", "likelihood-predicted", {"nll": "sum"}),
)


def _broken(arrays):
    """Yield (name, arrays) of files of version 2 that break one rule each."""
    meta = json.loads(arrays["meta"].item())

    def with_meta(**changes):
        return {**arrays, "meta": np.array(json.dumps({**meta, **changes}, sort_keys=True))}

    def with_prior(prior):
        return with_meta(layers=[{**meta["layers"][0], "kernel_prior": prior}, meta["layers"][1]])

    yield "version-3", with_meta(version=3)
    yield "estimator", with_meta(estimator="antithetic")
    yield "estimator-shared", with_meta(estimator="shared")
    yield "prior-unknown", with_prior({"type": "cauchy", "loc": 0.0, "scale": 1.0})
    yield "prior-extra-key", with_prior({"loc": 0.0, "scale": 1.0, "df": 3})
    yield "prior-scale-zero", with_prior({"type": "laplace", "loc": 0.0, "scale": 0.0})
    yield "prior-array-shape", with_prior({"loc": {"array": [3]}, "scale": 1.0})
    yield "prior-array-missing", with_prior({"loc": {"array": [2]}, "scale": 1.0})
    yield "weights-missing", with_meta(sample_weight=True)
    yield "id-long", with_meta(id="x" * 201)
    yield "catches", with_meta(catches="everything")
    key = "layers.1.pre_activation"
    yield "pre-activations-half", {name: array for name, array in arrays.items() if name != key}
    changed = [{**layer, "initializer": "he"} for layer in meta["layers"]]
    yield "initializer", with_meta(layers=changed)


def write_negative(folder: Path) -> None:
    """Write the bad vectors of version 2 to the folder, from the good ones that are there."""
    for name, base, change in PLANTED:
        vector = read(folder / f"agree-{PREFIX}{base}.npz")
        write(folder / f"disagree-{PREFIX}{name}.npz", plant(vector, change))
    for key, base in suite_images.PLANTED.items():
        vector = read(folder / f"agree-{PREFIX}{base}.npz")
        write(folder / f"disagree-{PREFIX}{key}.npz", with_mistake(vector, key))
    with np.load(folder / f"agree-{PREFIX}prior-laplace.npz") as file:
        arrays = dict(file)
    for name, broken in _broken(arrays):
        write_archive(folder / f"refuse-{PREFIX}{name}.npz", broken)
