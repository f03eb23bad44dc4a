"""What a vector's arrays must be (`docs/vectors.md`): which, of what shape, dtype and range."""

from __future__ import annotations

import math

import numpy as np

from ...border.text import show, show_name
from .refusal import VectorError
from .shapes import input_shapes, network_of, optional_shapes, result_shapes

_CHUNK = 2**20  # entries looked at together, so that a check needs no second array


def wanted_arrays(meta, x_shape, names):
    """Return name to (shape, dtypes) of every array that a file with these names must have.

    Results are wanted where there is one of them, the optional ones likewise; a missing, an extra
    and a half-given key are refused.
    """
    wanted, results = input_shapes(meta, x_shape), result_shapes(meta, x_shape)
    optional = optional_shapes(meta, x_shape)
    if names & {*results, *optional}:
        wanted = {**wanted, **results}
    if names & set(optional):
        wanted |= optional
    missing, extra = sorted(wanted.keys() - names), sorted(names - wanted.keys())
    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise VectorError(f"{missing[0]}: expected such an array{others}, found none")
    if extra:
        raise VectorError(f"{show_name(extra[0])}: expected no such array in this network's vector")
    return wanted


def check_x(shape, dtype, meta):
    """Refuse inputs from which no other shape can be worked out."""
    if len(shape) != 2 or 0 in shape:
        raise VectorError(f"x: expected shape (B, I), each at least 1, found {show(shape)}")
    if dtype != meta["dtype"]:
        raise VectorError(f"x: expected dtype {meta['dtype']}, found {dtype}")


def check_form(name, shape, dtype, wanted_shape, kinds):
    """Refuse another shape or dtype; `kinds` holds dtypes, or "integer" for any integer."""
    if shape != wanted_shape:
        raise VectorError(f"{name}: expected shape {wanted_shape}, found {show(shape)}")
    if dtype.name not in kinds and not (dtype.kind in "iu" and "integer" in kinds):
        raise VectorError(f"{name}: expected dtype {' or '.join(kinds)}, found {dtype}")


def check_values(meta, arrays):
    """Refuse inputs not finite, signs not exactly -1 or +1, and impossible targets.

    Of version 2 also priors' arrays that do not fit, signs that the estimator has not, odd weights.
    """
    for name, array in arrays.items():
        flat = np.asarray(array).reshape(-1)
        for start in range(0, flat.size, _CHUNK):
            _check_numbers(name, flat[start : start + _CHUNK])
    _check_targets(meta, np.asarray(arrays["y"]), arrays["x"].shape[1])
    if meta["version"] == 2:
        _check_version_2(meta, arrays)


def _check_numbers(name, part):
    """Refuse a part of an array."""
    if not np.all(np.isfinite(part)):
        raise VectorError(f"{name}: expected finite numbers, found a NaN or an infinity")
    if name.rpartition(".")[2] in ("sign_input", "sign_output"):
        bad = part[np.abs(part) != 1]
        if bad.size:
            raise VectorError(f"{name}: expected -1 or +1, found {bad[0]}")


def _check_targets(meta, y, inputs):
    """Refuse class ids that are none and what is neither 0 nor 1."""
    likelihood = meta["likelihood"]["type"]
    if likelihood == "categorical":
        last = network_of(meta, inputs).outputs - 1
        bad, wanted = (y < 0) | (y > last), f"class ids from 0 to {last}"
    elif likelihood == "bernoulli":
        bad, wanted = (y != 0) & (y != 1), "0 or 1"
    else:
        return
    if np.any(bad):
        row = int(np.argwhere(bad)[0][0])
        raise VectorError(f"y: expected {wanted}, found {y[bad][0]} in row {row}")


def _check_version_2(meta, arrays):
    """Refuse what version 2 alone refuses."""
    network_of(meta, arrays["x"].shape[1], arrays)
    fault = _estimator_fault(meta, arrays) or _weight_fault(arrays)
    if fault:
        raise VectorError(fault)


def _estimator_fault(meta, arrays):
    """Return what the noise has, or a prior needs, that the estimator has not; None where none."""
    if meta["estimator"] == "local":
        layers = network_of(meta, np.shape(arrays["x"])[1]).layers
        sampled = [f"layers[{k}].{tensor}_prior" for k, layer in enumerate(layers)
                   for tensor, prior in getattr(layer, "priors", {}).items()
                   if prior.is_sampled]  # fmt: skip
        return f'{sampled[0]}: "local" draws no weights for its KL' if sampled else None
    if meta["estimator"] != "shared":
        return None
    for name, array in arrays.items():
        if name.rpartition(".")[2].startswith("sign_") and np.any(np.asarray(array) != 1):
            return f'{name}: expected +1 for the estimator "shared", found -1'
    return None


def _weight_fault(arrays):
    """Return what is wrong with the sample weights, None where nothing is."""
    weights = arrays.get("sample_weight")
    if weights is None or (np.all(np.asarray(weights) >= 0) and math.fsum(np.ravel(weights)) > 0):
        return None
    return "sample_weight: expected numbers of at least 0, one above"
