"""A checkpoint: the state of training in one npz file, from which a run goes on bit for bit.

The archive holds, with no pickle and nothing that depends on the clock:

- every parameter by its name, ``layers.0.kernel_mu`` and so on;
- Adam's moments, ``moment_1.layers.0.kernel_mu``, ``moment_2.layers.0.kernel_mu``;
- ``step`` and ``seed``: steps taken, and what every draw is a function of;
- ``meta``, a JSON text: format, version, the run that it is of, dtype, inputs, layers and
  likelihood (as `docs/vectors.md` writes them), the libraries, the sums of an unfinished history
  record, and the trainer's settings. A person's own function of the step, which no file can hold,
  is recorded as the word "function", and `Checkpoint.trainer` asks for it.

Version 1, of before `run`, is read too.

`bnn_ref.runs.run` is the folder that a checkpoint lives in.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from os import PathLike
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..border import check_dtype
from ..border.schema import check_schema, parse_object
from ..border.text import show
from ..errors import expected
from ..network import Network
from ..step import State
from ..step.adam import Adam
from ..storage.archive import ArchiveError, open_archive, write_archive
from ..training.schedules import Cosine
from ..training.trainer import Trainer
from . import environment
from .schema import META

if TYPE_CHECKING:
    from ..training.history import History

FORMAT, VERSION = "bnn-ref-checkpoint", 2
FUNCTION = "function"  # what stands for a person's own, of the rate or of the KL's weight
LARGEST_META = 1 << 23  # bytes of the description, four a character


class Checkpoint(NamedTuple):
    """What a checkpoint holds.

    Attributes
    ----------
    network : Network
        Each scale_shift settled.
    state : State
        Parameters, moments, step.
    seed : int
    environment : dict
        The libraries it was written with, see `bnn_ref.runs.environment.describe`.
    pending : dict
        Of `bnn_ref.training.history.History`.
    run : str or None
        The identity of the run that it is of.
    settings : dict or None
        Of the trainer, by the names of `Trainer.settings`: a cosine as text, a function as the word
        "function". None in a checkpoint that was written before they were kept.
    """

    network: Network
    state: State
    seed: int
    environment: dict[str, Any]
    pending: dict[str, Any]
    run: str | None = None
    settings: dict[str, Any] | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of every parameter."""
        return self.state.parameters.dtype

    def trainer(
        self,
        backend: str | ModuleType = "numba",
        threads: int | None = None,
        **functions: Callable[[int], float],
    ) -> Trainer:
        """Return a `Trainer` that takes the steps that the one kept here would have taken.

        Parameters
        ----------
        backend : "numba", "numpy" or a module
        threads : int, optional
        **functions
            ``learning_rate`` or ``kl_weight`` again, where it was a function of the step.

        Raises
        ------
        ValueError
            Where such a function is not given, another setting is, or none were kept.
        """
        if self.settings is None:
            raise expected("settings of the checkpoint", "those of its trainer",
                           "none: it was written before they were kept")  # fmt: skip
        wanted = {name for name, value in self.settings.items() if value == FUNCTION}
        for name in sorted(wanted.symmetric_difference(functions)):
            if name in functions:
                raise expected(name, "as the checkpoint has it", "another given")
            raise expected(name, "the function of the step that it was trained with, given again",
                           "none")  # fmt: skip
        for name, function in functions.items():
            if not callable(function):
                raise expected(name, "a function of the step", repr(function))
        settings = {**self.settings, **functions, "adam": Adam(**self.settings["adam"])}
        return Trainer(self.network, seed=self.seed, dtype=self.dtype, state=self.state,
                       backend=backend, threads=threads, **settings)  # fmt: skip


def save_checkpoint(
    path: str | PathLike[str],
    trainer: Trainer,
    history: History | None = None,
    run: str | None = None,
) -> None:
    """Write a trainer's state; equal states give equal bytes.

    The file is written beside its place, read back, and renamed: what was there goes only when the
    new one has been read.

    Parameters
    ----------
    path : str or path
        Of an npz file; one that is there is replaced.
    trainer : Trainer
    history : History, optional
        Its pending sums are kept too.
    run : str, optional
        The identity of the run that it is of.

    Raises
    ------
    ValueError
        Where a parameter or a moment is not finite: no such state is written.
    OSError
        Where it cannot be written; what was there is untouched.
    """
    state = trainer.state
    for prefix, tensors in _tensors(state).items():
        for name, array in tensors.items():
            if not np.isfinite(array).all():
                what = f"a NaN or an infinity in {prefix}{name}"
                raise expected(f"step {state.step}", "finite values to keep", what)
    meta = {
        "format": FORMAT,
        "version": VERSION,
        "run": run,
        "dtype": state.parameters.dtype.name,
        "inputs": trainer.network.inputs,
        **_description(state.parameters),
        "environment": environment.describe(),
        "pending": {} if history is None else history.pending,
        "settings": _plain(trainer.settings),
    }
    arrays = {"meta": np.array(json.dumps(meta)), "step": np.int64(state.step)}
    arrays["seed"] = np.uint64(trainer.seed)
    for prefix, tensors in _tensors(state).items():
        arrays.update({prefix + name: array for name, array in tensors.items()})
    write_archive(path, arrays, check=_read_back)


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    """Return a trainer's settings as JSON holds them."""
    plain = {**settings, "num_examples": float(settings["num_examples"]),
             "adam": asdict(settings["adam"])}  # fmt: skip
    if isinstance(settings["learning_rate"], Cosine):
        plain["learning_rate"] = str(settings["learning_rate"])
    return {name: FUNCTION if callable(value) else value for name, value in plain.items()}


def _description(parameters):
    """Return the network's description: every option of its own, each scale_shift settled."""
    whole, settled = (parameters.network.to_json(dtype) for dtype in (None, parameters.dtype))
    return _settled(whole, settled)


def _settled(whole, other):
    """Return an object with the values of another instead of its own, its layers' likewise."""
    if "layers" not in whole:
        return {**whole, **other}
    pairs = zip(whole["layers"], other["layers"], strict=True)
    return {**whole, **other, "layers": [_settled(*pair) for pair in pairs]}


def _read_back(path):
    """Raise an `OSError` where a file just written is not what a run could go on from."""
    try:
        load_checkpoint(path)
    except ValueError as error:
        raise OSError(errno.EIO, f"what was written could not be read back ({error})") from None


def _tensors(state):
    """Return prefix to parameters, for parameters and both moments."""
    return {"": state.parameters, "moment_1.": state.moment_1, "moment_2.": state.moment_2}


def load_checkpoint(path: str | PathLike[str], network: Network | None = None) -> Checkpoint:
    """Return the `Checkpoint` in a file, nothing in it trusted.

    Parameters
    ----------
    path : str or path
    network : Network, optional
        What the checkpoint should be of; a likelihood of one's own is taken from it.

    Raises
    ------
    ValueError
        For a file that is cut off, damaged or no checkpoint, for another version of the format or
        another network than the one given; the message names the file, what was wanted and found.
    OSError
        Where there is no such file, or it cannot be read.
    """
    os.stat(path)  # for an `OSError` where there is no such file
    try:
        with open_archive(path) as archive:  # stored, not deflated: no more than the file's size
            return _read(archive, network)
    except ArchiveError as error:
        raise ValueError(f"{path}: expected a checkpoint of bnn-ref; {error}") from None
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from None


def _read(archive, network):
    """Return the `Checkpoint` in an open archive."""
    meta = _read_meta(archive)
    dtype = check_dtype(meta["dtype"])
    stored = Network.from_json(meta, meta["inputs"])
    if network is not None:
        _refuse_other(network, stored, dtype)
        stored = Network(stored.layers, network.likelihood)  # which may hold a function
    shapes = {"step": ((), np.int64), "seed": ((), np.uint64)}
    for prefix in ("", "moment_1.", "moment_2."):
        for name, shape in stored.parameter_shapes.items():
            shapes[prefix + name] = (shape, dtype)
    odd = sorted((set(shapes) | {"meta"}) ^ set(archive.names))
    if odd:
        found = f"no {odd[0]!r}" if odd[0] in shapes else show(odd[0])
        raise expected("arrays", "those of its network", found)
    for name, (shape, kind) in shapes.items():
        if archive.header(name) != (shape, np.dtype(kind)):
            there = "shape {} of {}".format(*archive.header(name))
            raise expected(name, f"shape {shape} of {np.dtype(kind)}", there)
    arrays = {name: archive.read(name) for name in shapes}
    step, seed = int(arrays["step"]), int(arrays["seed"])
    if step < 0:
        raise expected("step", "a whole number, at least 0", step)
    parts = []
    for prefix in ("", "moment_1.", "moment_2."):
        tensors = {name: arrays[prefix + name] for name in stored.parameter_shapes}
        parts.append(stored.parameters(tensors, dtype))
    return Checkpoint(
        stored, State(*parts, step), seed, meta["environment"], meta["pending"], meta.get("run"),
        meta.get("settings"),
    )  # fmt: skip


def _read_meta(archive):
    """Return the checked `meta` object."""
    if "meta" not in archive.names:
        raise expected("meta", "the description of a checkpoint of bnn-ref", "none")
    shape, dtype = archive.header("meta")
    if shape != () or dtype.kind != "U" or dtype.itemsize > LARGEST_META:
        wanted = f"a text of at most {LARGEST_META // 4:,} characters"
        raise expected("meta", wanted, f"shape {shape} of {dtype}")
    try:
        plain = archive.read("meta").tobytes().decode("utf-32-le").rstrip("\0")
    except UnicodeDecodeError:
        raise expected("meta", "a text", "other data") from None
    return check_schema(parse_object(plain, "meta"), META, "meta")


def _refuse_other(wanted, stored, dtype):
    """Raise the `ValueError` that names the first difference of two networks."""
    if wanted.inputs != stored.inputs:
        raise expected("inputs", wanted.inputs, stored.inputs)
    asked, other = wanted.to_json(dtype), stored.to_json(dtype)
    if len(asked["layers"]) != len(other["layers"]):
        raise expected("layers", f"{len(asked['layers'])} of them", len(other["layers"]))
    for k, (a, b) in enumerate(zip(asked["layers"], other["layers"], strict=True)):
        for key in a:
            if a[key] != b[key]:
                raise expected(f"layers[{k}].{key}", a[key], b[key])
    if asked["likelihood"] != other["likelihood"]:
        raise expected("likelihood", asked["likelihood"], other["likelihood"])
