"""The layers of a network as kernels see them: which run compiled, and where their arrays lie."""

from typing import NamedTuple

import numpy as np

from ..activations import get_activation
from ..kernels import activations, dense_flipout, other_activations, priors
from ..kernels import records as at
from ..noise import TENSORS
from .priors import describe_prior, place_prior, unscaled


class Member(NamedTuple):
    """A layer and its place in a network.

    Attributes
    ----------
    layer : Layer
    prefix : str
        What its parameters' full names begin with: "layers.0.".
    number : int
        Of its streams of noise, see `bnn_ref.noise.Stream`.
    """

    layer: object
    prefix: str
    number: int


def members_of(network):
    """Return a network's layers as `Member`, first to last."""
    return [Member(layer, f"layers.{k}.", k) for k, layer in enumerate(network.layers)]


def places_of(network):
    """Return full name to place in the flat parameters of every tensor."""
    return {name: place.start for name, place in network.places.items()}


def code_of_activation(name):
    """Return the code of an activation's twin in `activations.py` under kernels/, or None."""
    if get_activation(name).leak is not None:
        return other_activations.LEAKY_RELU
    return activations.CODES.get(name)


def describe_activation(record, name, dtype):
    """Set the fields of a record that say which activation kernels apply to numbers of a dtype."""
    code = code_of_activation(name)
    record["activation"] = code
    record["leak"] = get_activation(name).leak or 0.0
    record["others"] = activations.address_of(code, dtype)


def is_compiled(layer, training, estimator="flipout"):
    """Return whether `dense_flipout.py` under kernels/ has all of a layer; `training`: its priors.

    Parameters
    ----------
    layer : Layer
    training : bool
        A prediction asks for no priors.
    estimator : str
    """
    if layer.type not in dense_flipout.CODES or code_of_activation(layer.activation) is None:
        return False
    if layer.bias not in dense_flipout.BIASES:
        return False
    asked = {**layer.priors, **layer.point_priors} if training else {}
    if estimator == "local" and any(prior.is_sampled for prior in layer.priors.values()):
        return False  # it draws no weights
    return all(unscaled(prior)[0].type in priors.CODES for prior in asked.values())


def describe(members, places, dtype, training=True, estimator="flipout"):
    """Return the LAYER records of layers that `is_compiled`, as far as no buffer is in them.

    Parameters
    ----------
    members : list of Member
    places : dict
        As `places_of`.
    dtype : float32 or float64
        Of the network.
    training : bool
        Describe priors too; a prediction asks for none.
    estimator : str
        Of the noise.
    """
    of_outputs = "output_eps" if estimator == "local" else "sign_output"
    layers = np.zeros(len(members), at.LAYER)
    for (layer, prefix, number), record in zip(members, layers, strict=True):
        record["inputs"], record["outputs"] = layer.inputs, layer.outputs
        describe_activation(record, layer.activation, dtype)
        record["bias_kind"] = dense_flipout.BIASES[layer.bias]
        record["sign_input_stream"] = TENSORS["sign_input"] << 24 | number
        record["sign_output_stream"] = TENSORS[of_outputs] << 24 | number
        for tensor in ("kernel", "bias"):
            fields = record[tensor]
            for name in ("mu", "rho"):
                fields[name] = places.get(f"{prefix}{tensor}_{name}", -1)
            fields["stream"] = TENSORS[f"{tensor}_eps"] << 24 | number
            if training:
                describe_prior(fields["prior"], layer, tensor, f"{prefix}{tensor}_prior_", places)
    return layers


def place_weights(layers, buffers):
    """Give every layer its places for what the sample sweep leaves behind."""
    stored = [priors.CODES[name] for name in priors.STORED]
    for layer in layers:
        sizes = {"kernel": layer["inputs"] * layer["outputs"], "bias": layer["outputs"]}
        for tensor, size in sizes.items():
            fields = layer[tensor]
            for name in ("delta", "factor", "kl_rho"):
                fields[name] = buffers.take(size)
            fields["kl_mu"] = buffers.take(size) if fields["prior"]["code"] in stored else -1
            place_prior(fields["prior"], buffers)
        for name in ("bias_shift", "bias_flip"):
            layer[name] = buffers.take(layer["outputs"])


def place_examples(layers, capacity, buffers):
    """Give every layer its places for what belongs to examples, for up to `capacity` rows."""
    for k, layer in enumerate(layers):
        for name in ("sign_input", "flipped"):
            layer[name] = buffers.take(capacity * layer["inputs"])
        for name in ("sign_output", "output", "slope", "grad", "grad_flipped",
                     "grad_transposed", "grad_flipped_transposed"):  # fmt: skip
            layer[name] = buffers.take(capacity * layer["outputs"])
        if k:
            layer["input"] = layers[k - 1]["output"]
