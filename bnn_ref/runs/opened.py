"""A run opened again: its folder's files and its data, together, for those who look at it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple

from ..data import Dataset, Encoding, Reading, load
from ..defaults import OF_TRAINER, total_steps
from ..errors import expected
from ..stacks import network_of, without_use
from ..training.history import History
from ..training.trainer import Trainer
from .checkpoints import Checkpoint
from .run import trained_run

if TYPE_CHECKING:
    from ..network import Network
    from ..parameters import Parameters
    from ..training.convergence import Convergence


class OpenedRun(NamedTuple):
    """A trained run and its data.

    Attributes
    ----------
    folder : str
    config : dict
        As `Run.config` returns it.
    checkpoint : Checkpoint
    history : History
    dataset : Dataset
    results : dict or None
        What the finished run scored, as it was recorded.
    """

    folder: str
    config: dict[str, Any]
    checkpoint: Checkpoint
    history: History
    dataset: Dataset
    results: dict[str, Any] | None

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the run's training, by name."""
        return self.config["settings"]

    @property
    def network(self) -> Network:
        """The network."""
        return self.checkpoint.network

    @property
    def parameters(self) -> Parameters:
        """The trained `Parameters`."""
        return self.checkpoint.state.parameters

    def trainer(self) -> Trainer:
        """Return a `Trainer` that stands where the run stands."""
        settings = {name: self.settings[name] for name in OF_TRAINER if name in self.settings}
        return Trainer(self.network, len(self.dataset.train.x), backend="numpy",
                       state=self.checkpoint.state, steps=self.steps, **settings)  # fmt: skip

    @property
    def steps(self) -> int:
        """How many steps the run was to take in all."""
        return total_steps(self.settings, len(self.dataset.train.x))

    @property
    def convergence(self) -> Convergence | None:
        """The `Convergence` that its records show, None where they hold no drift."""
        constant = not isinstance(self.settings["learning_rate"], str)
        constant = constant and not self.settings.get("kl_warm_up")
        found = self.history.convergence(is_constant=constant)
        return None if found.drift is None else found

    @property
    def is_repeatable(self) -> bool:
        """Whether the command line makes this network, of its options or of the file named."""
        network = self.network
        targets = network.likelihood.targets_of(network.outputs)
        try:
            made = network_of(self.settings, self.dataset.shape, targets, network.likelihood)
        except (OSError, ValueError):  # the file is gone, or is another's by now
            return False
        return made.to_json("float32") == network.to_json("float32")

    @property
    def command(self) -> str:
        """The command that repeats the run, every setting spelled out; see `is_repeatable`."""
        return train_command(self.settings)


def train_command(settings: Mapping[str, Any]) -> str:
    """Return the command line that trains with settings, each of them spelled out and quoted.

    Parameters
    ----------
    settings : mapping
        By the names that a run records; what is None, or without use, is left out.
    """
    words = ["bnn-ref", "train"]
    skipped = without_use(settings.get("network"))
    for name, value in settings.items():
        if value is None or name in skipped:
            continue
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        option = "--" + name.replace("_", "-")
        words += [f"{option}={text}"] if text.startswith("-") else [option, text]
    return shlex.join([*words, "--out", "RUN"])


def open_run(
    folder: str | PathLike[str],
    data: str | PathLike[str] | None = None,
    reading: Reading | None = None,
) -> OpenedRun:
    """Return the `OpenedRun` of a folder.

    Parameters
    ----------
    folder : str or path
    data : "digits" or path, optional
        Where the run's data are now; where the run recorded them by default.
    reading : Reading, optional
        How they are read; as the run recorded by default.

    Raises
    ------
    ValueError
        Where the folder holds no run, or the data are not those it was trained on.
    OSError
        Where a file cannot be read.
    """
    run, config, checkpoint, history = trained_run(folder)
    settings = config["settings"]
    source = settings["data"] if data is None else data
    dataset = load(
        source,
        task=config["data"]["encoding"]["task"],
        holdout=settings["holdout"],
        seed=config["data"]["seed"],
        dtype=checkpoint.dtype,
        encoding=Encoding.from_json(config["data"]["encoding"]),
        reading=reading or Reading.from_settings(settings),
    )
    if dataset.checksum != config["data"]["checksum"]:
        raise expected(f"data {source}", f"the rows that {os.fspath(folder)} was trained on",
                       "others")  # fmt: skip
    return OpenedRun(os.fspath(folder), config, checkpoint, history, dataset, run.results())
