"""The layers, a file each, and the one list of them."""

from ..errors import expected
from .dense_flipout import BIASES, INITIALIZERS, DenseFlipout

__all__ = ["BIASES", "INITIALIZERS", "DenseFlipout", "layer_from_json"]


def layer_from_json(description, inputs):
    """Return the layer that `DenseFlipout.to_json` described, for that many inputs.

    Parameters
    ----------
    description : dict
    inputs : int
        I, which the description leaves to the layer before.

    Raises
    ------
    ValueError
        For a type, key or value that `docs/vectors.md` does not know.
    """
    keys = {"type", "units", "activation", "scale_shift", "kernel_prior", "bias", "bias_prior"}
    if not isinstance(description, dict) or set(description) != keys:
        found = sorted(description) if isinstance(description, dict) else repr(description)
        raise expected("layer", f"an object with keys {sorted(keys)}", found)
    if description["type"] != "DenseFlipout":
        raise expected("layer type", "'DenseFlipout'", repr(description["type"]))
    shift = description["scale_shift"]
    if isinstance(shift, bool) or not isinstance(shift, (int, float)):
        raise expected("scale_shift", "a number", repr(shift))
    return DenseFlipout(
        inputs,
        description["units"],
        description["activation"],
        kernel_prior=description["kernel_prior"],
        bias=description["bias"],
        bias_prior=description["bias_prior"],
        scale_shift=shift,
    )
