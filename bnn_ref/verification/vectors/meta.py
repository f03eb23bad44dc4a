"""The `meta` of a test vector, parsed and checked.

`docs/vectors.md` in code; what is version 2's own stands in `version_2.py`. Everything here comes
from a stranger's file: nothing is converted, guessed or ignored, and a message never repeats more
than a few characters of what was found.
"""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from ...activations import IN_VECTORS
from ...border.schema import parse_object
from ...border.text import show
from ...layers import BIASES
from . import version_2
from .refusal import VectorError

_META = version_2.KEYS - {"estimator", "sample_weight"}
_LAYER = {"type", "units", "activation", "scale_shift", "kernel_prior", "bias", "bias_prior"}
_LIKELIHOOD = {
    "categorical": {"type"},
    "bernoulli": {"type"},
    "normal": {"type", "scale"},
}
VERSIONS = (1, 2)
_LAYERS = 1000
_UNITS = 2**31


def parse_meta(text: NDArray[Any]) -> dict[str, Any]:
    """Return the checked `meta` of a file's text array (0-d, unicode).

    Raises
    ------
    VectorError
        Where it is no JSON object as specified.
    """
    try:
        plain = text.tobytes().decode("utf-32-le").rstrip("\0")  # item() trusts every code point
        return check_meta(parse_object(plain, "meta"))
    except UnicodeDecodeError:
        raise VectorError("meta: expected text, found other data") from None
    except ValueError as error:
        raise VectorError(str(error)) from None


def check_meta(meta: Any) -> dict[str, Any]:
    """Return `meta` as it is, or raise `VectorError` naming the first key that is wrong."""
    version = meta.get("version", 1) if isinstance(meta, dict) else 1
    if type(version) is not int or version not in VERSIONS:
        raise VectorError(f"meta.version: expected 1 or 2, found {show(version)}")
    told = {*version_2.TOLD, "catches"} & set(meta) if version == 2 else set()
    _keys(meta, "meta", _META if version == 1 else version_2.KEYS | told)
    _choice(meta["format"], "meta.format", ("bnn-ref-vectors",))
    if not isinstance(meta["source"], str):
        raise VectorError(f"meta.source: expected a text, found {show(meta['source'])}")
    _choice(meta["dtype"], "meta.dtype", ("float64", "float32"))
    _number(meta["kl_weight"], "meta.kl_weight", least=0)
    layers = meta["layers"]
    if not isinstance(layers, list) or not 1 <= len(layers) <= _LAYERS:
        raise VectorError(f"meta.layers: expected a list of 1 to {_LAYERS} layers, found "
                        f"{len(layers) if isinstance(layers, list) else show(layers)}")  # fmt: skip
    if version == 2:
        _check_version_2(meta)
        return meta
    for k, layer in enumerate(layers):
        _check_layer(layer, f"meta.layers[{k}]")
    likelihood = meta["likelihood"]
    kind = likelihood.get("type") if isinstance(likelihood, dict) else likelihood
    _choice(kind, "meta.likelihood.type", tuple(_LIKELIHOOD))
    _keys(likelihood, "meta.likelihood", _LIKELIHOOD[kind])
    if kind == "normal":
        _number(likelihood["scale"], "meta.likelihood.scale", above=0)
    return meta


def _check_version_2(meta):
    """Refuse what can be told without the inputs' width: texts, flags, nested arrays."""
    fault = version_2.texts_fault(meta)
    if fault:
        raise VectorError(fault)
    _choice(meta["estimator"], "meta.estimator", version_2.ESTIMATORS)
    if not isinstance(meta["sample_weight"], bool):
        raise VectorError(f"meta.sample_weight: expected true or false, "
                        f"found {show(meta['sample_weight'])}")  # fmt: skip
    version_2.array_shapes(meta["layers"])


def _check_layer(layer, name):
    _keys(layer, name, _LAYER)
    _choice(layer["type"], f"{name}.type", ("DenseFlipout",))
    units = layer["units"]
    if type(units) is not int or not 1 <= units < _UNITS:
        raise VectorError(f"{name}.units: expected a whole number from 1, found {show(units)}")
    _choice(layer["activation"], f"{name}.activation", IN_VECTORS)
    _number(layer["scale_shift"], f"{name}.scale_shift", least=0)
    _choice(layer["bias"], f"{name}.bias", BIASES)
    priors = ["kernel_prior"]
    if layer["bias"] in ("normal", "normal_flipped"):
        priors.append("bias_prior")
    elif layer["bias_prior"] is not None:
        raise VectorError(f"{name}.bias_prior: expected null for a bias without a posterior, "
                        f"found {show(layer['bias_prior'])}")  # fmt: skip
    for prior in priors:
        _keys(layer[prior], f"{name}.{prior}", {"loc", "scale"})
        _number(layer[prior]["loc"], f"{name}.{prior}.loc")
        _number(layer[prior]["scale"], f"{name}.{prior}.scale", above=0)


def _keys(value, name, wanted):
    if not isinstance(value, dict):
        raise VectorError(f"{name}: expected an object, found {show(value)}")
    missing, extra = sorted(wanted - set(value)), sorted(set(value) - wanted)
    if missing:
        raise VectorError(f"{name}: expected the key {missing[0]}, found none")
    if extra:
        raise VectorError(f"{name}: expected no key {show(extra[0])}")


def _choice(value, name, choices):
    if not isinstance(value, str) or value not in choices:
        wanted = " or ".join(f'"{choice}"' for choice in choices)
        raise VectorError(f"{name}: expected {wanted}, found {show(value)}")


def _number(value, name, above=None, least=None):
    wanted = "a finite number"
    if above is not None:
        wanted += f" above {above}"
    if least is not None:
        wanted += f", at least {least}"
    sound = isinstance(value, (int, float)) and not isinstance(value, bool)
    try:
        sound = sound and math.isfinite(value)
    except OverflowError:
        sound = False
    if not sound or (above is not None and value <= above) or (least is not None and value < least):
        raise VectorError(f"{name}: expected {wanted}, found {show(value)}")
