"""A step's inputs, parameters and noise made into a question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...noise import LocalNoise, estimator_of
from . import version_2
from .files import Vector
from .meta import check_meta
from .refusal import VectorError

if TYPE_CHECKING:
    from ...network import Network
    from ...noise.draws import Noise
    from ...parameters import Parameters


def make_question(
    network: Network,
    parameters: Parameters,
    x: ArrayLike,
    y: ArrayLike,
    noise: Noise | LocalNoise,
    kl_weight: float,
    *,
    source: str = "bnn_ref",
    sample_weight: ArrayLike | None = None,
    version: int | None = None,
    **told: Any,
) -> Vector:
    """Return the `Vector` that freezes one step's inputs, parameters and noise.

    Parameters
    ----------
    network : Network
    parameters : Parameters
        Their dtype, float32 or float64, is the file's.
    x : array (B, I)
    y : array (B,) of class ids or (B, targets)
    noise : Noise or LocalNoise
    kl_weight : float
    source : str
    sample_weight : array (B,), optional
    version : 1 or 2, optional
        1 where that can say it, unless given.
    **told : str
        ``id``, ``comment`` and ``catches`` (a list of texts), for version 2.

    Raises
    ------
    VectorError
        For anything the specification does not admit.
    """
    dtype = parameters.dtype
    meta = {"format": "bnn-ref-vectors", "version": 1, "source": source, "dtype": dtype.name}
    meta |= {**network.to_json(dtype), "kl_weight": float(kl_weight)}
    for layer, shift in zip(meta["layers"], parameters.scale_shift, strict=True):
        _settle(layer, shift)
    meta["layers"], lifted = version_2.lift(meta["layers"])
    y = np.asarray(y)
    if meta["likelihood"]["type"] == "categorical":
        y = y if y.dtype.kind in "iu" else network.likelihood.check_targets(y, y.shape, 2**31)
    else:
        y = y.astype(dtype)
    arrays = {"x": np.asarray(x, dtype), "y": y, **lifted, **parameters}
    for k, layer in enumerate(noise.layers):
        for name, value in noise_arrays(layer).items():
            arrays[f"layers.{k}.{name}"] = np.asarray(value, dtype)
    if estimator_of(noise) not in version_2.ESTIMATORS:
        raise VectorError(f"estimator: expected one of {', '.join(version_2.ESTIMATORS)} in a "
                          f"vector, found {estimator_of(noise)!r}")  # fmt: skip
    local = isinstance(noise, LocalNoise)
    if version == 2 or (version is None and not _is_version_1(meta, local, sample_weight, told)):
        meta |= {"version": 2, "estimator": "local" if local else "flipout",
                 "sample_weight": sample_weight is not None, **told}  # fmt: skip
        if sample_weight is not None:
            arrays["sample_weight"] = np.asarray(sample_weight, dtype)
        signs = [value for name, value in arrays.items()
                 if name.rpartition(".")[2].startswith("sign_")]  # fmt: skip
        if signs and all(np.all(value == 1) for value in signs):
            meta["estimator"] = "shared"
    return Vector(meta, arrays)


def _settle(description, shift):
    """Write the parameters' scale_shift into a layer's description, and of layers inside it."""
    if isinstance(shift, tuple):
        for inner, own in zip(description["layers"], shift, strict=True):
            _settle(inner, own)
    elif shift is not None:
        description["scale_shift"] = float(shift)


def noise_arrays(noise: Any) -> dict[str, NDArray[Any]]:
    """Return name to array of one layer's noise, that of layers inside it by nested names.

    Parameters
    ----------
    noise : named tuple, as the layer draws it, or None
    """
    arrays = {}
    for name, value in noise._asdict().items() if noise is not None else ():
        if isinstance(value, tuple):
            for k, inner in enumerate(value):
                arrays |= {f"{name}.{k}.{key}": array for key, array in noise_arrays(inner).items()}
        elif value is not None:
            arrays[name] = value
    return arrays


def _is_version_1(meta, local, sample_weight, told):
    """Return whether version 1 of the specification can say all this."""
    if local or sample_weight is not None or told:
        return False
    try:
        check_meta(meta)
    except VectorError:
        return False
    return True
