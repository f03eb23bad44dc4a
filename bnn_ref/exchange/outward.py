"""The deterministic network at the posterior mean: plain arrays, PyTorch, Keras, scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..activations import get_activation
from ..errors import expected, missing
from ..layers import BatchNorm, Layer, LayerParameters
from ..network import Network, bracketed
from ..parameters import Parameters

MLP = {"linear": "identity", "sigmoid": "logistic", "tanh": "tanh", "relu": "relu"}
LOGISTIC = (2, "categorical")  # outputs and likelihood of which scikit-learn keeps one logit


def posterior_mean(network: Network, parameters: Parameters) -> dict[str, NDArray[Any]]:
    """Return the weights at the posterior mean, by full names without their "_mu", copies.

    A network of these weights has the outputs of a prediction of kind "mean".

    Parameters
    ----------
    network : Network
    parameters : Parameters
    """
    points = {}
    for place, layer, p in network.walk(parameters):
        means = {f"{name}_prior_loc" for name in layer.priors}
        for name in layer.parameter_shapes:
            if not name.endswith("_rho") and name not in means:
                points[f"{place}.{name.removesuffix('_mu')}"] = getattr(p, name).copy()
    return points


def _flat(network: Network, parameters: Parameters) -> Iterator[tuple[str, Layer, LayerParameters]]:
    """Yield (place, layer, parameters) of a chain, or raise for a layer that adds its inputs."""
    for k, layer in enumerate(network.layers):
        if getattr(layer, "add", False):
            raise expected(
                f"layers[{k}]", "a chain of layers", "a Residual, whose inputs are added"
            )
    for place, layer, p in network.walk(parameters):
        yield bracketed(place), layer, p


def to_torch(network: Network, parameters: Parameters) -> Any:
    """Return a `torch.nn.Sequential` with the outputs of the network at the posterior mean.

    In its ``eval`` mode. Its ``state_dict()`` is the weights as PyTorch keeps them. Dropout has
    its rate, for training on.

    Parameters
    ----------
    network : Network
    parameters : Parameters

    Raises
    ------
    ImportError
        Without PyTorch.
    ValueError
        For a layer that has no counterpart, with its place.
    """
    torch = _needed("torch", "PyTorch", "torch")
    nn, modules = torch.nn, []
    dtype = getattr(torch, parameters.dtype.name)

    def fill(tensor: Any, value: NDArray[Any]) -> None:
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(np.ascontiguousarray(value)))

    def activation(name: str) -> None:
        leak = get_activation(name).leak
        kinds: dict[str, Callable[[], Any]] = {
            "relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "softplus": nn.Softplus,
            "elu": nn.ELU, "gelu": nn.GELU, "selu": nn.SELU, "silu": nn.SiLU,
        }  # fmt: skip
        if leak is not None:
            modules.append(nn.LeakyReLU(leak))
        elif name != "linear":
            modules.append(kinds[name]())

    for place, layer, p in _flat(network, parameters):
        if layer.type in ("Dense", "DenseFlipout"):
            bias = p.bias_mu is not None
            modules.append(nn.Linear(layer.inputs, layer.outputs, bias=bias, dtype=dtype))
            fill(modules[-1].weight, p.kernel_mu.T)
            if bias:
                fill(modules[-1].bias, p.bias_mu)
            activation(layer.activation)
        elif layer.type == "BatchNorm" and len(layer.shape) == 1:
            momentum = _momentum(layer, "pytorch")
            modules.append(nn.BatchNorm1d(layer.features, layer.epsilon, momentum, dtype=dtype))
            for name, value in (("weight", p.scale), ("bias", p.shift),
                                ("running_mean", p.running_mean),
                                ("running_var", p.running_variance)):  # fmt: skip
                fill(getattr(modules[-1], name), value)
        elif layer.type == "LayerNorm" and len(layer.shape) == 1:
            modules.append(nn.LayerNorm(layer.features, layer.epsilon, dtype=dtype))
            fill(modules[-1].weight, p.scale)
            fill(modules[-1].bias, p.shift)
        elif layer.type == "Dropout":
            modules.append(nn.Dropout(layer.rate))
        elif layer.type == "Elementwise":
            activation(layer.activation)
        else:
            raise expected(place, "a layer that PyTorch has over flat rows", layer.type)
    return nn.Sequential(*modules).eval()


def to_keras(network: Network, parameters: Parameters) -> Any:
    """Return a built `keras.Sequential` with the outputs of the network at the posterior mean.

    Parameters
    ----------
    network : Network
    parameters : Parameters

    Raises
    ------
    ImportError
        Without Keras.
    ValueError
        For a layer that has no counterpart, with its place.
    """
    keras = _needed("keras", "Keras", "tfp")
    made, weights, dtype = [], [], parameters.dtype.name

    def activation(name: str) -> Any:
        leak = get_activation(name).leak
        if leak is None:
            return name
        return lambda a: keras.activations.leaky_relu(a, negative_slope=leak)

    for place, layer, p in _flat(network, parameters):
        if layer.type in ("Dense", "DenseFlipout"):
            values = [p.kernel_mu] + ([] if p.bias_mu is None else [p.bias_mu])
            made.append(keras.layers.Dense(layer.outputs, activation(layer.activation),
                                           use_bias=len(values) == 2, dtype=dtype))  # fmt: skip
        elif layer.type == "BatchNorm" and len(layer.shape) == 1:
            momentum = _momentum(layer, "keras")
            made.append(keras.layers.BatchNormalization(momentum=momentum, epsilon=layer.epsilon,
                                                        dtype=dtype))  # fmt: skip
            values = [p.scale, p.shift, p.running_mean, p.running_variance]
        elif layer.type == "LayerNorm" and len(layer.shape) == 1:
            made.append(keras.layers.LayerNormalization(epsilon=layer.epsilon, dtype=dtype))
            values = [p.scale, p.shift]
        elif layer.type == "Dropout":
            made.append(keras.layers.Dropout(layer.rate, dtype=dtype))
            values = []
        elif layer.type == "Elementwise":
            made.append(keras.layers.Activation(activation(layer.activation), dtype=dtype))
            values = []
        else:
            raise expected(place, "a layer that Keras has over flat rows", layer.type)
        weights.append(values)
    model = keras.Sequential([keras.Input((network.inputs,), dtype=dtype), *made])
    for keras_layer, values in zip(made, weights, strict=True):
        if values:
            keras_layer.set_weights(values)
    return model


def to_sklearn(network: Network, parameters: Parameters) -> Any:
    """Return a scikit-learn MLP that predicts what the network does at the posterior mean.

    `MLPClassifier` for Categorical (classes 0 to O - 1) and Bernoulli outputs, else `MLPRegressor`.

    Parameters
    ----------
    network : Network
        Dense layers with one activation that the MLP has, the last one linear.
    parameters : Parameters

    Raises
    ------
    ImportError
        Without scikit-learn.
    ValueError
        For anything else, with its place.
    """
    _needed("sklearn", "scikit-learn", "sklearn")
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.preprocessing import LabelBinarizer

    coefs, intercepts, hidden = [], [], []
    for place, layer, p in _flat(network, parameters):
        if layer.type not in ("Dense", "DenseFlipout"):
            raise expected(place, "a dense layer, as an MLP has", layer.type)
        coefs.append(p.kernel_mu.copy())
        none = np.zeros(layer.outputs, parameters.dtype)
        intercepts.append(none if p.bias_mu is None else p.bias_mu.copy())
        hidden.append(layer.activation)
    kinds = set(hidden[:-1]) or {"linear"}
    if hidden[-1] != "linear" or len(kinds) != 1 or not kinds <= set(MLP):
        wanted = f"one of {', '.join(MLP)} in all hidden layers, and a linear last one"
        raise expected("activation", wanted, ", ".join(hidden))
    kind, outputs = network.likelihood.type, network.outputs
    sizes = [coef.shape[1] for coef in coefs[:-1]]
    made = MLPRegressor if kind not in ("categorical", "bernoulli") else MLPClassifier
    model = made(sizes, activation=MLP[kinds.pop()])
    if (outputs, kind) == LOGISTIC:
        coefs[-1] = coefs[-1][:, 1:] - coefs[-1][:, :1]
        intercepts[-1] = intercepts[-1][1:] - intercepts[-1][:1]
    model.coefs_, model.intercepts_ = coefs, intercepts
    model.n_layers_, model.n_outputs_ = len(coefs) + 1, coefs[-1].shape[1]
    model.n_features_in_ = network.inputs
    model.out_activation_ = "identity"
    if made is MLPClassifier:
        softmax = kind == "categorical" and outputs > 2
        model.out_activation_ = "softmax" if softmax else "logistic"
        several = kind == "bernoulli" and outputs > 1
        targets = np.eye(outputs, dtype=int) if several else np.arange(max(2, outputs))
        model._label_binarizer = LabelBinarizer().fit(targets)
        model.classes_ = model._label_binarizer.classes_
    return model


def _momentum(layer: BatchNorm, convention: str) -> float:
    """Return a layer's momentum as a convention means it."""
    return layer.momentum if layer.convention == convention else 1 - layer.momentum


def _needed(module: str, package: str, extra: str) -> Any:
    """Return an optional library, or raise the `ImportError` that says what to install."""
    try:
        return import_module(module)
    except ImportError:
        raise missing("model", package, extra) from None
