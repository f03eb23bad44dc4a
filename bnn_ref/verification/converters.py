"""Parameters carried from and to other libraries: names, layout, sigma's convention, shift.

| library | kernel | names of a layer's arrays | sigma |
| --- | --- | --- | --- |
| tfp | (I, O) | kernel_posterior_loc, kernel_posterior_untransformed_scale, bias_posterior_loc, bias_posterior_untransformed_scale | eps of the dtype + softplus(rho) |
| edward2 | (I, O) | kernel/mean, kernel/stddev, bias/mean, bias/stddev; a deterministic bias is bias | 1e-7 + softplus(rho) |
| bayesian-torch | (O, I) | mu_weight, rho_weight, mu_bias, rho_bias | softplus(rho) |
| blitz | (O, I) | weight_mu, weight_rho, bias_mu, bias_rho | softplus(rho) |

What is carried over is sigma: where two shifts differ, rho is changed so that sigma stays. A rho
that no shift allows (sigma not above c) is an error.

Source: `tfp.layers.default_mean_field_normal_fn`; `edward2.tensorflow` initializers and
constraints; `bayesian_torch.layers.LinearFlipout`; `blitz.modules.BayesianLinear`.
"""  # noqa: E501 (a table)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..border import check_choice
from ..elementary import softplus, softplus_inverse
from ..errors import expected

if TYPE_CHECKING:
    from ..network import Network
    from ..parameters import Parameters


class Convention(NamedTuple):
    """How a library keeps a dense layer's parameters.

    Attributes
    ----------
    names : dict of str to str
        Our names to the library's.
    transposed : bool
        True where a kernel is (O, I).
    shift : float or None
        c in sigma = c + softplus(rho); None for the dtype's machine epsilon.
    biases : tuple of str
        The kinds of bias its Flipout (or only) layer has.
    """

    names: dict[str, str]
    transposed: bool
    shift: float | None
    biases: tuple[str, ...]


def _names(*theirs):
    return dict(zip(("kernel_mu", "kernel_rho", "bias_mu", "bias_rho"), theirs, strict=True))


CONVENTIONS = {
    "tfp": Convention(
        _names("kernel_posterior_loc", "kernel_posterior_untransformed_scale",
               "bias_posterior_loc", "bias_posterior_untransformed_scale"),
        False, None, ("none", "deterministic", "normal"),
    ),
    "edward2": Convention(
        _names("kernel/mean", "kernel/stddev", "bias/mean", "bias/stddev"),
        False, 1e-7, ("none", "deterministic", "normal"),
    ),
    "bayesian-torch": Convention(
        _names("mu_weight", "rho_weight", "mu_bias", "rho_bias"),
        True, 0.0, ("none", "normal_flipped"),
    ),
    "blitz": Convention(
        _names("weight_mu", "weight_rho", "bias_mu", "bias_rho"),
        True, 0.0, ("none", "normal"),
    ),
}  # fmt: skip


def _their_name(convention, library, name, random_bias):
    """Return a parameter's name there; Edward2 calls a deterministic bias just that."""
    if library == "edward2" and name == "bias_mu" and not random_bias:
        return "bias"
    return convention.names[name]


def _shifted(rho, old, new, name):
    """Return the rho whose sigma under the shift `new` is that of `rho` under the shift `old`."""
    if old == new:
        return rho.copy()
    exact = np.asarray(rho, np.float64)
    rest = softplus(exact) + (old - new)
    if np.any(rest <= 0):
        least = float(np.min(softplus(exact))) + old
        raise expected(name, f"every sigma above the shift {new:g}", f"{least:g}")
    return softplus_inverse(rest).astype(rho.dtype)


def export_parameters(parameters: Parameters, library: str) -> list[dict[str, NDArray[Any]]]:
    """Return parameters in another library's names, layout and convention of sigma.

    Parameters
    ----------
    parameters : Parameters
    library : "tfp", "edward2", "bayesian-torch" or "blitz"

    Returns
    -------
    list of dict of str to array
        One per layer; the arrays are copies.

    Raises
    ------
    ValueError
        Where the library has no such bias, or a sigma is not above its shift.
    """
    convention = CONVENTIONS[check_choice(library, "library", CONVENTIONS)]
    shift = np.finfo(parameters.dtype).eps if convention.shift is None else convention.shift
    exported = []
    layers = zip(parameters.network.layers, parameters.layers, strict=True)
    for k, (layer, p) in enumerate(layers):
        if layer.bias not in convention.biases:
            known = ", ".join(convention.biases)
            raise expected(f"layers.{k}.bias", f"one of {known} for {library}", layer.bias)
        arrays = {}
        for name in layer.parameter_shapes:
            value = getattr(p, name)
            if name.endswith("rho"):
                value = _shifted(value, p.scale_shift, float(shift), f"layers.{k}.{name}")
            value = value.T if convention.transposed else value
            theirs = _their_name(convention, library, name, layer.bias_is_random)
            arrays[theirs] = np.array(value, order="C")
        exported.append(arrays)
    return exported


def import_parameters(
    network: Network,
    layers: Sequence[Mapping[str, ArrayLike]],
    library: str,
    dtype: DTypeLike | None = None,
) -> Parameters:
    """Return `Parameters` filled from another library's arrays.

    Parameters
    ----------
    network : Network
        Its layers' biases and shifts are what the parameters are for; a shift that is None is
        the dtype's machine epsilon.
    layers : sequence of dict of str to array
        One per layer, as `export_parameters` returns them; names may have a prefix ending in "/"
        or "." and an ending ":0", as variables and state dicts have. Tensors are taken as arrays.
    library : "tfp", "edward2", "bayesian-torch" or "blitz"
    dtype : "float32" or "float64", optional
        That of the first array unless given.

    Raises
    ------
    ValueError
        For a missing or unknown name, another shape, or a sigma not above the shift.
    """
    convention = CONVENTIONS[check_choice(library, "library", CONVENTIONS)]
    if len(layers) != len(network.layers):
        raise expected("layers", len(network.layers), len(layers))
    arrays, given = {}, None
    for k, (layer, named) in enumerate(zip(network.layers, layers, strict=True)):
        named = {name.removesuffix(":0"): np.asarray(value) for name, value in named.items()}
        given = given or next(iter(named.values())).dtype.name
        kind = np.dtype(dtype or given)
        shift = np.finfo(kind).eps if convention.shift is None else convention.shift
        used = set()
        for name, shape in layer.parameter_shapes.items():
            theirs = _their_name(convention, library, name, layer.bias_is_random)
            matches = [key for key in named
                     if key == theirs or key.endswith(("/" + theirs, "." + theirs))
                     if "_sampler." not in key]  # fmt: skip
            if len(matches) != 1:
                raise expected(f"layers.{k}", f"one array {theirs}", len(matches))
            used.add(matches[0])
            value = named[matches[0]].astype(kind)
            value = value.T if convention.transposed else value
            if value.shape != shape:
                raise expected(f"layers.{k}.{name}", f"shape {shape}", value.shape)
            if name.endswith("rho"):
                new = layer.settled_shift(kind)
                value = _shifted(value, float(shift), new, f"layers.{k}.{name}")
            arrays[f"layers.{k}.{name}"] = value
        copies = {key for key in named if "_sampler." in key}  # Blitz' state dict has two of each
        extra = sorted(set(named) - used - copies)
        if extra:
            raise ValueError(f"layers.{k}: expected no array {extra[0]}")
    return network.parameters(arrays, dtype or given)
