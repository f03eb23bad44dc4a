"""One real call of a person's own layers, with their signs and draws, as a vector file's answer.

`record` runs the model once, writes down every random number its layers drew, differentiates the
loss with the person's own framework, and returns an answer that `check` can hold against the
truth. The layers are not touched: draws are watched, not replaced.
"""

import numpy as np

from ..vectors import Vector, write
from .seen import activation_of


def record(model, x, y, *, likelihood=None, kl_weight=1.0, nll=None, kl="summed", path=None):
    """Return an answer `Vector` that holds one call of a model's Flipout layers.

    Parameters
    ----------
    model : layer, model or list of layers
        TFP: `DenseFlipout` or `DenseReparameterization` layers (a Keras model, or a list).
        Bayesian-Torch: a `torch.nn.Module` with `LinearFlipout` or `LinearReparameterization`
        layers. Between them only the activations of `docs/vectors.md` (and a Flatten before the
        first); they are recognised by what they do.
    x : array (B, ...)
        Inputs; flattened they are the first layer's.
    y : array
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
    path : str or path, optional
        Where to write the vector as well.

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

    if kl not in ("summed", "own"):
        raise ValueError(f'kl: expected "summed" or "own", found {kl!r}')
    description = (Categorical() if likelihood is None else likelihood).to_json()
    recorder = _recorder(model)
    layers, results, source = recorder(model, x, y, description, float(kl_weight), nll, kl)
    vector = _vector(layers, results, source, x, y, description, float(kl_weight))
    if path is not None:
        write(path, vector)
    return vector


def _recorder(model):
    """Return the function that records a model of this framework."""
    first = model[0] if isinstance(model, (list, tuple)) and model else model
    roots = {cls.__module__.partition(".")[0] for cls in type(first).__mro__}
    if roots & {"torch", "bayesian_torch"}:
        from .bayesian_torch import record_call
    elif roots & {"tensorflow_probability", "tf_keras", "keras", "tensorflow"}:
        from .tfp import record_call
    else:
        raise ValueError(
            f"model: expected layers of TFP or Bayesian-Torch, found {type(first).__name__}"
        )
    return record_call


def _vector(layers, results, source, x, y, likelihood, kl_weight):
    """Return the answer; activations between layers are recognised here."""
    dtype = layers[0].parameters["kernel_mu"].dtype.name
    x = np.asarray(x, dtype).reshape(len(x), -1)
    if x.shape != layers[0].inputs.shape or not np.array_equal(x, layers[0].inputs):
        raise ValueError("layers.0: expected the model's inputs, flattened, found other inputs "
                         "(give x as the first Flipout layer gets it)")  # fmt: skip
    nexts = [layer.inputs for layer in layers[1:]] + [results["outputs"]]
    descriptions, arrays = [], {"x": x, "y": _targets(y, likelihood, dtype)}
    for k, (layer, following) in enumerate(zip(layers, nexts, strict=True)):
        descriptions.append(
            {
                "type": "DenseFlipout",
                "units": layer.outputs.shape[1],
                "activation": _between(k, layer, following),
                "scale_shift": layer.scale_shift,
                "kernel_prior": _prior(layer.kernel_prior),
                "bias": layer.bias,
                "bias_prior": _prior(layer.bias_prior),
            }
        )
        for name, value in {**layer.parameters, **layer.noise}.items():
            arrays[f"layers.{k}.{name}"] = np.ascontiguousarray(value, dtype)
    meta = {"format": "bnn-ref-vectors", "version": 1, "source": source, "dtype": dtype,
            "layers": descriptions, "likelihood": likelihood, "kl_weight": kl_weight}  # fmt: skip
    results["grad.x"] = results["grad.x"].reshape(x.shape)
    return Vector(meta, arrays).answer(results, source)


def _prior(prior):
    return None if prior is None else {"loc": float(prior[0]), "scale": float(prior[1])}


def _targets(y, likelihood, dtype):
    y = np.asarray(y)
    return y.astype(np.int64) if likelihood["type"] == "categorical" else y.astype(dtype)


def _between(k, layer, following):
    """Return the activation that leads from a layer's own to what came next."""
    if layer.outputs.shape == following.shape and np.array_equal(layer.outputs, following):
        return layer.activation
    found = activation_of(lambda a: following, layer.outputs)
    if layer.activation == "linear" and found:
        return found
    raise ValueError(f"layers.{k}: expected one activation of docs/vectors.md between this layer "
                     "and the next, found something else")  # fmt: skip
