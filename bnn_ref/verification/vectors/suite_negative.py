"""The bad vectors of the published suite: answers that must disagree, files that must be refused.

Made from good ones: a disagreeing answer has a mistake of the catalogue or a fault of its own, a
refused file breaks one rule of `docs/vectors.md`.
"""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...storage.archive import write_archive
from ..vectors import read, write
from .variants import Problem, Variant, compute, results

if TYPE_CHECKING:
    from .files import Vector

# Name of a mistake, the good vector it is planted in, and the change of the step.
PLANTED = (
    ("kl-missing", "kl-weight-one", {"kl_weight": 0.0}),
    ("kl-twice", "kl-weight-one", {"kl_factor": 2.0}),
    ("kl-averaged-over-weights", "bias-normal", {"kl_average": "tensors"}),
    ("kl-weight", "bias-normal", {"kl_weight": 0.2}),  # 1/B
    ("prior-scale-as-variance", "prior-wide", {"prior_power": 0.5}),
    ("softplus-derivative-missing", "bias-normal", {"rho_chain": "all"}),
    ("sigma-exp", "bias-normal", {"sigma": "exp"}),
    ("sigma-shift", "shift-large", {"shift": 0.0}),
    ("mean-flipped", "likelihood-normal", {"mean_flipped": "kernel"}),
    ("sign-output-missing", "likelihood-normal", {"sign_output": False}),
    ("bias-flip", "bias-normal", {"bias_flip": "other"}),
    ("nll-summed", "likelihood-categorical", {"nll": "sum"}),
    ("half-squared-error", "likelihood-normal", {"normal": "half_square"}),
    ("kernel-transposed", "shape-square", {"transposed": "all"}),
    ("activation-derivative-place", "activation-tanh", {"derivative": "output"}),
)


def plant(vector: Vector, change: Mapping[str, Any]) -> Vector:
    """Return a vector answered under a mistake, the reported kl as wrong as the loss.

    Parameters
    ----------
    vector : Vector
    change : dict
        Fields of `Variant`.
    """
    problem = Problem(vector)
    out = compute(problem, Variant(**change))
    scale = out.weight / problem.kl_weight if problem.kl_weight else 1.0
    kls = out.kl_used * scale
    named = results(out) | {f"layers.{k}.kl": kl for k, kl in enumerate(kls)}
    if vector.version == 2:
        named |= {f"layers.{k}.pre_activation": t.a for k, t in enumerate(out.traces)}
    return vector.answer(named | {"kl": np.sum(kls)}, "bnn_ref, with a mistake planted")


def _faulty(vector):
    """Yield (name, results) of answers with a fault that is no known mistake."""
    good = {name: value.copy() for name, value in vector.results.items()}
    changed = good["grad.layers.0.kernel_rho"].copy()
    changed[1, 1] *= 1.03
    yield "one-entry", {**good, "grad.layers.0.kernel_rho": changed}
    yield "factor", {**good, "grad.x": good["grad.x"] * 1.03}
    yield "nan", {**good, "nll": np.array(np.nan)}


def _broken(arrays):
    """Yield (name, arrays) of files that break one rule each."""
    meta = json.loads(arrays["meta"].item())

    def with_meta(**changes):
        return {**arrays, "meta": np.array(json.dumps({**meta, **changes}, sort_keys=True))}

    yield "format", with_meta(format="other-vectors")
    yield "version", with_meta(version=3)
    yield "no-json", {**arrays, "meta": np.array("{")}
    yield (
        "unknown-activation",
        with_meta(layers=[{**layer, "activation": "swish"} for layer in meta["layers"]]),
    )
    yield "key-missing", {key: value for key, value in arrays.items() if key != "grad.x"}
    yield "key-extra", {**arrays, "extra": np.zeros(2)}
    yield "shape", {**arrays, "layers.0.kernel_mu": arrays["layers.0.kernel_mu"].T.copy()}
    yield "dtype", {**arrays, "x": arrays["x"].astype(np.float32)}
    yield "big-endian", {**arrays, "x": arrays["x"].astype(">f8")}
    bad = arrays["layers.0.kernel_eps"].copy()
    bad[0, 0] = np.inf
    yield "infinite-input", {**arrays, "layers.0.kernel_eps": bad}
    bad = arrays["layers.0.sign_input"].copy()
    bad[0, 0] = 0
    yield "sign-zero", {**arrays, "layers.0.sign_input": bad}
    yield "label", {**arrays, "y": arrays["y"] + 100}
    inputs = ("x", "y", "meta")
    yield "question", {key: value for key, value in arrays.items()
                       if key in inputs or (key.endswith(("_mu", "_rho", "_eps", "put"))
                       and not key.startswith("grad."))}  # fmt: skip


def main(folder: Path) -> None:
    """Write every bad vector to the folder, from the good ones that are there."""
    for name, base, change in PLANTED:
        write(folder / f"disagree-{name}.npz", plant(read(folder / f"agree-{base}.npz"), change))
    good = read(folder / "agree-kl-weight-one.npz")
    for name, answer in _faulty(good):
        write(folder / f"disagree-{name}.npz", good.answer(answer, "bnn_ref, with a fault planted"))
    single = {name: value.astype(np.float32) for name, value in good.results.items()}
    write(folder / "disagree-float32.npz", good.answer(single, "bnn_ref, rounded to float32"))

    path = folder / "agree-kl-weight-one.npz"
    with np.load(path) as file:
        arrays = dict(file)
    for name, broken in _broken(arrays):
        write_archive(folder / f"refuse-{name}.npz", broken)
    data = path.read_bytes()
    (folder / "refuse-truncated.npz").write_bytes(data[: len(data) // 2])
    (folder / "refuse-too-large.npz").write_bytes(_claims(data, 2**31 - 1))
    (folder / "refuse-no-archive.npz").write_bytes(b"<!DOCTYPE html><title>404</title>")
    _write_objects(folder / "refuse-object-array.npz", arrays)


def _claims(data, size):
    """Return a zip file whose directory claims that its first member unpacks to that size."""
    at = data.index(b"PK\x01\x02") + 24
    return data[:at] + struct.pack("<I", size) + data[at + 4 :]


def _write_objects(path, arrays):
    """Write a file whose x is an object array, which only a pickle could hold."""
    write_archive(path, {key: value for key, value in arrays.items() if key != "x"})
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("x.npy")
        with archive.open(info, "w") as member:
            np.lib.format.write_array(member, arrays["x"].astype(object), allow_pickle=True)
