"""One real call of a person's own layers, with their signs and draws, as a vector file's answer.

`record` runs the model once, writes down every random number its layers drew, differentiates the
loss with the person's own framework, and returns an answer that `check` can hold against the
truth. The layers are not touched: draws are watched, not replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from ...border import check_choice, check_number
from ...errors import expected
from ...training.guards import warn_of_reach
from ..containers import as_array
from ..vectors import Vector, write
from ..vectors.version_2 import lift
from .seen import activation_of

if TYPE_CHECKING:
    from ...likelihoods.base import Likelihood
    from .hook import LayerHook


def record(
    model: Any,
    x: Any,
    y: Any,
    *,
    likelihood: Likelihood | None = None,
    kl_weight: float = 1.0,
    nll: Callable[[Any, Any], Any] | None = None,
    kl: str = "summed",
    kl_divided_by: float = 1.0,
    path: str | PathLike[str] | None = None,
    hooks: Sequence[LayerHook] = (),
) -> Vector:
    """Return an answer `Vector` that holds one call of a model's Flipout layers.

    Parameters
    ----------
    model : layer, model or list of layers
        TFP: `DenseFlipout` or `DenseReparameterization` layers (a Keras model, or a list), and
        convolutions of either kind (channels last) with Keras' pooling between them.
        PyTorch: a `torch.nn.Module` with Bayesian-Torch's `LinearFlipout` or
        `LinearReparameterization`, its `Conv2dReparameterization` and PyTorch's pooling between
        them (its Flipout convolutions draw their signs anew at every place, which no vector
        holds: refused), torchbnn's `BayesLinear` or Blitz's `BayesianLinear` layers, or
        a person's own, of which ``hooks`` say how they are read. Between them only the activations
        of `docs/vectors.md` (and a Flatten before the first); they are recognised by what they do.
    x : array or tensor (B, ...)
        The model's inputs. The vector's are those of the first Flipout layer: what stands before it
        (a convolution, another Dense) is left out, and grad.x is the gradient by its outputs.
    y : array or tensor
        Targets as in `docs/vectors.md`.
    likelihood : Categorical, Bernoulli or Normal
        Categorical unless given.
    kl_weight : float
        loss = nll + kl_weight * kl.
    nll : callable, optional
        The person's own: (outputs, y) in the model's framework to a scalar. Otherwise the
        likelihood's mean over the batch is computed in that framework.
    kl : "summed" or "own"
        Bayesian-Torch's layers return the mean over weights; "summed" takes it times the count of
        weights, "own" as it is (and `check` will name it).
    kl_divided_by : float
        What the layers' own KL is divided by already, where it is: N for a TFP layer whose
        `kernel_divergence_fn` divides by N. The vector's kl is the undivided one.
    path : str or path, optional
        Where to write the vector as well.
    hooks : sequence of `LayerHook`
        Of a person's own layers.

    Warns
    -----
    ObjectiveWarning
        Where an activation behind the last layer cannot reach what the likelihood asks of it.

    Raises
    ------
    ValueError
        Where the model is of neither framework, or holds something between its layers that a
        vector cannot express; the message names the layer.

    Examples
    --------
    >>> vector = record(model, x, y, kl_weight=1 / 60000)              # doctest: +SKIP
    >>> print(check_vector(vector).text())                             # doctest: +SKIP
    """
    from ...likelihoods import Categorical

    check_choice(kl, "kl", ("summed", "own"))
    description = (Categorical() if likelihood is None else likelihood).to_json()
    check_number(kl_divided_by, "kl_divided_by", "(0, inf)")
    recorder = _recorder(model, hooks)
    layers, results, source = recorder(
        model, as_array(x), as_array(y), description, float(kl_weight), nll, kl, kl_divided_by
    )
    vector = _vector(layers, results, source, as_array(y), description, float(kl_weight))
    warn_of_reach(vector.network, vector.y)
    if path is not None:
        write(path, vector)
    return vector


def _recorder(model, hooks):
    """Return the function that records a model of this framework, or of hooked layers."""
    first = model[0] if isinstance(model, (list, tuple)) and model else model
    roots = {cls.__module__.partition(".")[0] for cls in type(first).__mro__}
    if _is_of_torch(first):
        from .hooks import known_hooks, record_hooked

        hooks = [*hooks, *known_hooks(model)]
        if hooks:
            return partial(record_hooked, hooks)
        from .bayesian_torch import record_call
    elif roots & {"tensorflow_probability", "tf_keras", "keras", "tensorflow"}:
        from .tfp import record_call
    else:
        wanted = "layers of TFP or Bayesian-Torch, torchbnn or Blitz, or a module and hooks"
        raise expected("model", wanted, type(first).__name__)
    return record_call


def _is_of_torch(model):
    """Return whether a model is a module of PyTorch; nothing is imported to find out."""
    return any(cls.__module__.partition(".")[0] == "torch" for cls in type(model).__mro__)


def _vector(layers, results, source, y, likelihood, kl_weight):
    """Return the answer; activations between layers are recognised here."""
    dtype = layers[0].parameters["kernel_mu"].dtype.name
    x = layers[0].inputs
    nexts = [layer.inputs for layer in layers[1:]] + [results["outputs"]]
    descriptions, arrays = [], {"x": x, "y": _targets(y, likelihood, dtype)}
    for k, (layer, following) in enumerate(zip(layers, nexts, strict=True)):
        activation = _between(k, layer, following, k == len(layers) - 1)
        if activation != "linear" and not layer.parameters:
            wanted = f"nothing between {layer.described['type']} and the next layer"
            raise expected(f"layers.{k}", wanted, activation)
        descriptions.append(layer.description(activation))
        for name, value in {**layer.parameters, **layer.noise}.items():
            arrays[f"layers.{k}.{name}"] = np.ascontiguousarray(value, dtype)
    lifted, own = lift(descriptions)
    meta = {"format": "bnn-ref-vectors", "version": 1, "source": source, "dtype": dtype,
            "layers": lifted, "likelihood": likelihood, "kl_weight": kl_weight}  # fmt: skip
    if own or any(layer.described for layer in layers) or any(
            "type" in (description[part] or {}) for description in descriptions
            for part in ("kernel_prior", "bias_prior")):  # fmt: skip
        meta |= {"version": 2, "estimator": "flipout", "sample_weight": False}
    results["grad.x"] = results["grad.x"].reshape(x.shape)
    return Vector(meta, arrays | own).answer(results, source)


def _targets(y, likelihood, dtype):
    y = np.asarray(y)
    return y.astype(np.int64) if likelihood["type"] == "categorical" else y.astype(dtype)


def _between(k, layer, following, last):
    """Return the activation that leads from a layer's own to what came next."""
    if layer.outputs.shape == following.shape and np.array_equal(layer.outputs, following):
        return layer.activation
    between = activation_of(lambda a: following, layer.outputs)
    if layer.activation == "linear" and between:
        return between
    if last and _is_softmax(layer.outputs, following):
        raise expected(f"layers.{k}", "the outputs of the last layer",
                       "their softmax (logits are wanted: leave it out)")  # fmt: skip
    place = "behind this, the last layer" if last else "between this layer and the next"
    raise expected(f"layers.{k}", f"one activation of docs/vectors.md {place}", "something else")


def _is_softmax(logits, outputs):
    """Return whether outputs are the softmax of logits, to single precision."""
    if logits.shape != outputs.shape:
        return False
    p = np.exp(np.asarray(logits, float) - np.max(logits, axis=1, keepdims=True))
    return np.allclose(outputs, p / p.sum(axis=1, keepdims=True), rtol=1e-4, atol=1e-7)
