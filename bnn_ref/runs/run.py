"""A run on disk: a folder with its configuration, its history and its one checkpoint.

    config.json      what was asked for: settings, data, network; written once
    history.json     a record every so often, see `bnn_ref.training.history.History`
    checkpoint.npz   the state, see `bnn_ref.runs.checkpoints`
    results.json     what the finished run scored

Each file is replaced whole, and the JSON files carry a checksum. The history is written before the
checkpoint: a run killed between the two has records of steps that it will take again, which
`Run.load` leaves out. Nothing depends on the clock, so equal runs are equal folders. The
configuration and the checkpoint name the run that they are of, and are compared. One process at a
time writes to a folder.

Runs of the first version (without checksums and identities) are read, and go on as such, but for
those on text tables.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..errors import expected
from ..storage.jsonfile import checksum_of, plain, read_json, write_json
from ..storage.lock import NAME as LOCK
from ..storage.lock import sole_writer
from ..storage.wholefile import PREFIX, remove_leftovers
from ..training.history import History
from .checkpoints import load_checkpoint, save_checkpoint
from .schema import CONFIG, FREE, HISTORY, LATER, RESULTS

if TYPE_CHECKING:
    from ..network import Network
    from ..training.trainer import Trainer
    from .checkpoints import Checkpoint

FORMAT, VERSION = "bnn-ref-run", 2
FILES = ("config.json", "history.json", "results.json", "checkpoint.npz")


def _take_first_version(path, encoding):
    """Bring an encoding of the first version to today's form, or refuse that of a text table."""
    if encoding.get("columns") is not None or encoding.get("target") is not None:
        raise expected(path, "a run of the second version, whose tables are read by other rules",
                       "one of the first, on a text table: train it again")  # fmt: skip
    for name in ("columns", "target"):
        encoding.pop(name, None)


def _reason(error, path):
    """Return what an error says of a file, without its path."""
    text = error.strerror if isinstance(error, OSError) else str(error)
    return text.removeprefix(f"{path}: ")


def identity_of(config: dict[str, Any]) -> str:
    """Return what tells one run from another: a hash of settings, data and network.

    Not of what may change when a run goes on: how long it is to be, and where its data are.

    Parameters
    ----------
    config : dict
        As `Run.create` takes it.
    """
    settings = {name: value for name, value in config["settings"].items() if name not in FREE}
    data = {name: value for name, value in config["data"].items() if name != "source"}
    whole = {"settings": settings, "data": data, "network": config["network"]}
    return checksum_of(json.loads(json.dumps(whole)))


class Run:
    """A run's folder.

    Parameters
    ----------
    folder : str or path

    Attributes
    ----------
    folder : Path
    identity : str or None
        What tells the run from others, once `create` or `go_on` has been called; None for one of
        the first version.
    """

    folder: Path
    identity: str | None

    def __init__(self, folder: str | PathLike[str]) -> None:
        self.folder = Path(folder)
        self.identity = None

    def path(self, name: str) -> Path:
        """Return the path of one of its files.

        Parameters
        ----------
        name : str
            One of `FILES`.
        """
        return self.folder / name

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is a checkpoint."""
        return os.path.lexists(self.path("checkpoint.npz"))

    @property
    def has_begun(self) -> bool:
        """Whether there is a configuration or a checkpoint to go on from."""
        return self.has_checkpoint or os.path.lexists(self.path("config.json"))

    def held(self) -> AbstractContextManager[None]:
        """Return a context in which this process alone may write to the folder.

        Raises
        ------
        ValueError
            Where another process writes to it.
        OSError
            Where it cannot be made or written to.
        """
        return sole_writer(self.folder)

    def refuse_overwriting(self) -> None:
        """Raise the `ValueError` for a folder that already holds something."""
        ours = (LOCK, PREFIX)  # the lock, and what a killed writer left half-written
        there = sorted(name for name in os.listdir(self.folder) if not name.startswith(ours))
        if there:
            found = f"one that holds {', '.join(there[:6])}"
            raise expected(self.folder, "a new or an empty folder", found)

    def create(self, config: dict[str, Any]) -> None:
        """Write the configuration of a new run; a run that is there is removed.

        Parameters
        ----------
        config : dict
            Settings, data and network; format, version and identity are added.

        Raises
        ------
        ValueError
            Where a file of the folder has a name of these but is no run's.
        OSError
            Where it cannot be written.
        """
        if os.path.lexists(self.path("config.json")):
            self.config()
        elif any(os.path.lexists(self.path(name)) for name in FILES):
            raise expected(self.folder, "a run", "files of a run's names without a config.json")
        for name in reversed(FILES):  # the checkpoint first: what is left is never half a run
            self.path(name).unlink(missing_ok=True)
        self.identity = identity_of(config)
        self._configure(config, {"version": VERSION, "identity": self.identity})

    def go_on(self, config: dict[str, Any]) -> None:
        """Write the configuration of a run that goes on, and what was recorded of what it is.

        Parameters
        ----------
        config : dict
            As for `create`.
        """
        recorded = self.config()
        self.identity = recorded.get("identity")
        kept = {name: recorded[name] for name in ("version", "identity") if name in recorded}
        self._configure(config, kept)

    def _configure(self, config, kept):
        remove_leftovers(self.folder)
        head = {"format": FORMAT, "bnn_ref": __version__}
        write_json(self.path("config.json"), {**config, **head, **kept})

    def config(self) -> dict[str, Any]:
        """Return the configuration.

        Raises
        ------
        ValueError
            Where it is no run's, of another version, or changed since it was written.
        OSError
            Where it cannot be read.
        """
        path = self.path("config.json")
        config = read_json(path, CONFIG, unsigned=lambda config: config["version"] == 1)
        if config["version"] == 1:
            warnings.warn(f"{path}: of bnn-ref's first version, whose files carry no checksum: "
                          "taken as it is", stacklevel=1)  # fmt: skip
            _take_first_version(path, config["data"]["encoding"])
        elif "identity" not in config:
            raise expected(f"{path}: identity", "such a key", "none")
        return {**config, "settings": {**LATER, **config["settings"]}}

    def save(self, trainer: Trainer, history: History) -> None:
        """Write history and checkpoint; what `fit` calls as its ``on_checkpoint``.

        A history that cannot be written is warned of: the checkpoint is what a run goes on from.

        Parameters
        ----------
        trainer : Trainer
        history : History

        Raises
        ------
        ValueError
            Where the state is not finite.
        OSError
            Where the checkpoint cannot be written; the last one is as it was.
        """
        path, lost = self.path("history.json"), None
        try:
            write_json(path, {"records": [plain(record) for record in history.records]})
        except (OSError, ValueError) as error:
            lost = error
        save_checkpoint(self.path("checkpoint.npz"), trainer, history, self.identity)
        if lost is not None:
            warnings.warn(f"{path}: not written ({_reason(lost, path)})", stacklevel=2)

    def load(self, network: Network | None = None) -> tuple[Checkpoint, History]:
        """Return the `Checkpoint`, and the `History` up to it.

        A history that is absent or damaged costs the history alone: a warning says so.

        Parameters
        ----------
        network : Network, optional
            The one that the checkpoint must be of; its own by default.

        Raises
        ------
        ValueError
            As `load_checkpoint`, or for a checkpoint of another run than the configuration's.
        OSError
            Where one cannot be read.
        """
        config, path = self.config(), self.path("checkpoint.npz")
        checkpoint = load_checkpoint(path, network)
        whose = f"a checkpoint of the run in {self.path('config.json').name}"
        if checkpoint.run != config.get("identity"):
            raise expected(path, whose, "one of another run")
        if checkpoint.seed != config["settings"]["seed"]:
            seed = config["settings"]["seed"]
            raise expected(path, f"{whose} (seed {seed})", f"seed {checkpoint.seed}")
        records = self._optional("history.json", HISTORY, config) or {"records": []}
        records = [row for row in records["records"] if row["step"] <= checkpoint.state.step]
        return checkpoint, History(records, dict(checkpoint.pending))

    def results(self) -> dict[str, Any] | None:
        """Return what the finished run scored, or None where it is not known."""
        if not os.path.lexists(self.path("results.json")):
            return None
        return self._optional("results.json", RESULTS, self.config())

    def _optional(self, name, schema, config):
        """Return a file that a run can do without, or None and a warning where it is not sound."""
        path, old = self.path(name), config["version"] == 1
        try:
            return read_json(path, schema, unsigned=lambda value: old)
        except (ValueError, OSError) as error:
            warnings.warn(f"{path}: left out ({_reason(error, path)})", stacklevel=3)
            return None

    def save_results(self, results: Mapping[str, Any]) -> None:
        """Write what the finished run scored.

        Parameters
        ----------
        results : dict of str to number
        """
        remove_leftovers(self.folder)
        write_json(self.path("results.json"), plain(results))


def trained_run(
    folder: str | PathLike[str],
) -> tuple[Run, dict[str, Any], Checkpoint, History]:
    """Return a `Run` with its configuration, checkpoint and history.

    Raises
    ------
    ValueError
        Where the folder holds no checkpoint, or `Run.load` refuses it.
    """
    run = Run(folder)
    if not run.has_checkpoint:
        raise expected(folder, "a run's folder", "no checkpoint.npz in it")
    return run, run.config(), *run.load()
