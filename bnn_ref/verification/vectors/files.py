"""Test vectors: one training step, frozen to a file, as `docs/vectors.md` says.

A `Vector` is the file as it is: its `meta` and its arrays. A question holds inputs, parameters and
noise; an answer also holds every result. `read` checks everything the specification names, sizes
before anything is unpacked, and refuses with one line; `write` checks the same before it writes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ...network import Network
from ...noise import LayerNoise, LocalNoise, Noise
from ...storage.archive import LIMIT, ArchiveError, open_archive, write_archive
from . import version_2
from .arrays import check_form, check_values, check_x, wanted_arrays
from .meta import check_meta, parse_meta
from .naming import below, named_results
from .refusal import VectorError
from .shapes import input_shapes

if TYPE_CHECKING:
    from ...parameters import Parameters
    from ...step import Result

PARAMETERS = ("kernel_mu", "kernel_rho", "bias_mu", "bias_rho")


@dataclass(frozen=True)
class Vector:
    """One frozen training step: a question, or with results an answer.

    Attributes
    ----------
    meta : dict
        As `docs/vectors.md`: format, version, source, dtype, layers, likelihood, kl_weight.
    arrays : dict of str to array
        Inputs, parameters and noise by their names in the file ("x", "layers.0.kernel_eps").
    results : dict of str to array, or None
        Results by their names in the file ("outputs", "grad.x"), None in a question.

    Raises
    ------
    VectorError
        Where anything is missing, extra, or of another shape, dtype or range than specified.
    """

    meta: dict[str, Any]
    arrays: dict[str, NDArray[Any]]
    results: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        check_meta(self.meta)
        if "x" not in self.arrays:
            raise VectorError("x: expected such an array, found none")
        x = np.asarray(self.arrays["x"])
        check_x(x.shape, x.dtype, self.meta)
        given = {**self.arrays, **(self.results or {})}
        wanted = wanted_arrays(self.meta, x.shape, set(given))
        for name, (shape, kinds) in wanted.items():
            check_form(name, np.shape(given[name]), np.asarray(given[name]).dtype, shape, kinds)
        check_values(self.meta, self.arrays)

    @property
    def dtype(self) -> str:
        """float32 or float64, as text."""
        return self.meta["dtype"]

    @property
    def kl_weight(self) -> float:
        """The factor on the KL."""
        return float(self.meta["kl_weight"])

    @property
    def x(self) -> NDArray[Any]:
        """Inputs (B, I)."""
        return self.arrays["x"]

    @property
    def y(self) -> NDArray[Any]:
        """Targets, (B,) class ids or (B, O)."""
        return self.arrays["y"]

    @property
    def version(self) -> int:
        """Of `docs/vectors.md`."""
        return self.meta["version"]

    @property
    def sample_weight(self) -> NDArray[Any] | None:
        """The weights w_n (B,), or None."""
        return self.arrays.get("sample_weight")

    @property
    def whole_meta(self) -> dict[str, Any]:
        """The `meta`, a prior's arrays in their places as nested lists."""
        return {**self.meta, "layers": version_2.lower(self.meta["layers"], self.arrays)}

    @property
    def network(self) -> Network:
        """The `Network` that `meta` describes."""
        return Network.from_json(self.whole_meta, self.x.shape[1])

    @property
    def layers(self) -> tuple[SimpleNamespace, ...]:
        """A tuple with an object per layer: what `meta` says of it, and its arrays, by their names.

        ``layer.kernel_mu``, ``layer.sign_input``, ``layer.activation``; a Normal prior is (loc,
        scale), another its description; what a layer has not is None.
        """
        described = []
        for k, description in enumerate(self.whole_meta["layers"]):
            layer = SimpleNamespace(**description)
            for name, prior in description.items():
                if name.endswith("_prior") and prior and set(prior) == {"loc", "scale"}:
                    setattr(layer, name, (prior["loc"], prior["scale"]))
            for name in (*PARAMETERS, *LayerNoise._fields):
                setattr(layer, name, None)
            for name, value in below(self.arrays, f"layers.{k}.").items():
                if not hasattr(layer, name) or getattr(layer, name) is None:
                    setattr(layer, name, value)
            described.append(layer)
        return tuple(described)

    def parameters(self, dtype: DTypeLike | None = None) -> Parameters:
        """Return the file's `Parameters`, in its own dtype or another."""
        network = self.network
        arrays = {name: self.arrays[name] for name in network.parameter_shapes}
        return network.parameters(arrays, dtype or self.dtype)

    def noise(self, dtype: DTypeLike | None = None) -> Noise | LocalNoise:
        """Return the file's `Noise`, or `LocalNoise`, in its own dtype or another."""
        network, layers = self.network, []
        for k, layer in enumerate(network.layers):
            stored = {name: np.asarray(value, dtype or self.dtype)
                      for name, value in below(self.arrays, f"layers.{k}.").items()}  # fmt: skip
            others = (*layer.parameter_shapes, *(n for n in stored if "_prior." in n))
            layers.append(layer.noise_of({n: v for n, v in stored.items() if n not in others}))
        kind = LocalNoise if self.meta.get("estimator") == "local" else Noise
        return kind(tuple(layers))

    def question(self) -> Vector:
        """Return the same step without its results."""
        return Vector(self.meta, self.arrays)

    def answer(self, results: Mapping[str, Any] | Result, source: str) -> Vector:
        """Return the same step with results (a dict, or what `loss_and_gradients` returned).

        Parameters
        ----------
        results : dict of str to array, or Result
        source : str
            Who computed them, with versions.
        """
        if not isinstance(results, dict):
            results = results_of(results)
            if self.meta["version"] == 1:  # which has no pre-activations, traced or not
                results = {k: v for k, v in results.items() if not k.endswith(".pre_activation")}
        with np.errstate(over="ignore"):  # infinite in the file's dtype: a wrong answer, no warning
            results = {name: np.asarray(value, self.dtype) for name, value in results.items()}
        return Vector({**self.meta, "source": source}, self.arrays, results)


def results_of(result: Result) -> dict[str, NDArray[Any]]:
    """Return a `Result` of `loss_and_gradients` as a dict by the names of `docs/vectors.md`.

    With a trace, every layer's pre-activations are among them.

    Parameters
    ----------
    result : Result
    """
    before = []
    for layer, t in zip(result.gradients.network.layers, result.trace or (), strict=False):
        a = getattr(t, "pre_activation", t.inputs) if hasattr(layer, "activation") else None
        before.append(None if a is None else a.reshape(len(t.inputs), -1))
    gradients = {**result.gradients, "x": result.grad_x}
    return named_results(result.outputs, result.nll, result.kl, result.kl_layers, result.loss,
                         gradients, before)  # fmt: skip


def read(path: str | PathLike[str], limit: int = LIMIT) -> Vector:
    """Return the `Vector` in a file.

    Parameters
    ----------
    path : str or path
    limit : int
        Bytes that the arrays together may unpack to, 128 MiB unless told.

    Raises
    ------
    VectorError
        Where `docs/vectors.md` refuses the file, or it cannot be read: one line that starts with
        the path. Nothing of a refused array is unpacked beyond what the check needed.
    """
    try:
        with open_archive(path, limit) as archive:
            return _read(archive)
    except (ArchiveError, VectorError) as error:
        raise VectorError(f"{path}: {error}") from None


def _read(archive):
    """Return the `Vector` of an open archive; headers are compared before data is unpacked."""
    if "meta" not in archive.names:
        raise VectorError("meta: expected such an array, found none")
    shape, dtype = archive.header("meta")
    if shape != () or dtype.kind != "U" or dtype.itemsize > 2**20:
        raise VectorError(f"meta: expected a 0-d text array, found {dtype} of shape {shape}")
    meta = parse_meta(archive.read("meta"))
    names = set(archive.names) - {"meta"}
    if "x" not in names:
        raise VectorError("x: expected such an array, found none")
    x_shape, x_dtype = archive.header("x")
    check_x(x_shape, x_dtype, meta)
    wanted = wanted_arrays(meta, x_shape, names)
    for name, (shape, kinds) in wanted.items():
        check_form(name, *archive.header(name), shape, kinds)
    arrays = {name: archive.read(name) for name in wanted}
    inputs = input_shapes(meta, x_shape)
    results = {name: arrays.pop(name) for name in wanted if name not in inputs}
    return Vector(meta, arrays, results or None)


def write(path: str | PathLike[str], vector: Vector) -> None:
    """Write a `Vector` to a file, uncompressed: the same vector gives the same bytes.

    The file appears whole or not at all; one of that name is replaced.

    Parameters
    ----------
    path : str or path
    vector : Vector

    Raises
    ------
    OSError
        Where the folder is absent, full or closed to writing.
    """
    text = json.dumps(vector.meta, sort_keys=True, allow_nan=False)
    arrays = {**vector.arrays, **(vector.results or {}), "meta": np.array(text)}
    little = {}
    for name, value in arrays.items():
        value = np.asarray(value)
        little[name] = value.astype(value.dtype.newbyteorder("<"), copy=False)
    write_archive(path, little)
