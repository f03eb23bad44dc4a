"""The cell of `bnn-ref sweep`: one network trained on one split of a data set, and scored."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from ..border.files import read_file
from ..data import load
from ..defaults import OF_TRAINER, SETTINGS
from ..errors import expected
from ..networks import MOST_BYTES, NAMED
from ..runs.evaluation import score_parts
from ..stacks import likelihood_named, network_of, task_of, without_use
from ..training import fit
from ..training.schedules import rise_of

if TYPE_CHECKING:
    from ..data.dataset import Dataset
    from ..data.reading import Reading

DEFAULTS: dict[str, Any] = {**SETTINGS, "split": 0}


def load_split(
    cell: Mapping[str, Any],
    source: str | PathLike[str],
    target: str | None = None,
    reading: Reading | None = None,
) -> Dataset:
    """Return the `Dataset` of a cell: ``split`` draws the held-out rows, ``seed`` all else.

    Parameters
    ----------
    cell : dict
    source : "digits" or path
    target : str, optional
        A text table's column to predict.
    reading : Reading, optional
        How a text table or an npz is read.
    """
    return load(
        source,
        target=target,
        task=task_of(cell["likelihood"]),
        holdout=cell["holdout"],
        seed=cell["split"],
        dtype=cell["dtype"],
        reading=reading,
    )


def content_of(
    cell: Mapping[str, Any],
    source: str | PathLike[str],
    target: str | None = None,
    reading: Reading | None = None,
) -> dict[str, Any]:
    """Return what the numbers of every cell depend on in the data, for `key_of`.

    A checksum of every stored row and target, those of a test part among them, and how they are
    read.

    Parameters
    ----------
    cell : dict
    source, target, reading
        As `load_split` takes them.
    """
    whole = {**cell, "holdout": 0, "split": 0, "dtype": "float64"}
    dataset = load_split(whole, source, target, reading)
    total = 0
    for part in (dataset.train, dataset.test):
        for array in (part.x.values, part.y) if part else ():
            total = zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8), total)
    encoding = json.dumps(dataset.encoding.to_json())
    return {"kind": dataset.kind, "target": target, "content": zlib.crc32(encoding.encode(), total)}


def identity_of(cell: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a cell's numbers depend on beside its settings, for `key_of`.

    Parameters
    ----------
    cell : dict
    content : dict
        As `content_of` returns it; of a network's file a checksum is added.
    """
    network = cell.get("network")
    if network is None or network in NAMED:
        return dict(content)
    return {**content, "network": zlib.crc32(read_file(network, MOST_BYTES))}


def train_cell(
    cell: Mapping[str, Any],
    threads: int,
    *,
    source: str | PathLike[str] = "digits",
    target: str | None = None,
    reading: Reading | None = None,
) -> dict[str, Any]:
    """Return the scores of a network trained with a cell's settings.

    Parameters
    ----------
    cell : dict
        Names of `DEFAULTS`, which fill what is missing.
    threads : int
    source, target, reading
        As `bnn_ref.data.load` takes them.

    Returns
    -------
    dict of heldout_nats, test_nats, the same of accuracy, rmse and calibration_error, and of the
    last record of training: loss, nll, kl; steps.

    Raises
    ------
    ValueError
        For a setting that is none, or whatever loading and training refuse.
    """
    for name in without_use(cell.get("network")):
        if name in cell:
            raise expected(f"setting {name}", "none beside network", repr(cell[name]))
    cell = {**DEFAULTS, **cell}
    dataset = load_split(cell, source, target, reading)
    likelihood = likelihood_named(cell["likelihood"] or dataset.encoding.task)
    network = network_of(cell, dataset.shape, dataset.outputs, likelihood)
    if cell["kl_warm_up"] is None:
        cell["kl_warm_up"] = rise_of(cell["learning_rate"], network)
    trained = fit(
        network,
        (dataset.train.x, dataset.train.y),
        steps=cell["steps"] if cell["epochs"] is None else None,
        epochs=cell["epochs"],
        batch_size=cell["batch_size"],
        progress=False,
        threads=threads,
        backend=cell["backend"],
        **{name: cell[name] for name in OF_TRAINER},
    )
    options = {"draws": cell["draws"], "seed": cell["seed"], "backend": cell["backend"]}
    scores = score_parts(network, trained.parameters, dataset, threads=threads, **options)
    last = trained.history.records[-1] if trained.history.records else {}
    return {
        **{name: value for name, value in scores.items() if value is not None},
        **{name: last.get(name) for name in ("loss", "nll", "kl")},
        "steps": trained.trainer.state.step,
    }
