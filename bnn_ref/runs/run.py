"""A run on disk: a folder with its configuration, its history and its one checkpoint.

    config.json      what was asked for: settings, data, network; written once
    history.json     a record every so often, see `bnn_ref.training.history.History`
    checkpoint.npz   the state, see `bnn_ref.runs.checkpoints`
    results.json     what the finished run scored

Each file is replaced whole. The history is written before the checkpoint: a run killed between
the two has records of steps that it will take again, which `Run.load` leaves out. Nothing
depends on the clock, so equal runs are equal folders.
"""

import json
from pathlib import Path

from .._version import __version__
from ..errors import expected
from ..storage.wholefile import remove_leftovers, whole_file
from ..training.history import History
from .checkpoints import load_checkpoint, save_checkpoint

FORMAT, VERSION = "bnn-ref-run", 1
FILES = ("config.json", "history.json", "results.json", "checkpoint.npz")
LARGEST_JSON = 1 << 26


def write_json(path, value):
    """Write a value as indented JSON; the file appears whole or not at all.

    Parameters
    ----------
    path : str or path
    value : dict, list, str, number or None
        Finite numbers only.
    """
    text = json.dumps(value, indent=1, allow_nan=False)
    with whole_file(path) as file:
        file.write(text.encode() + b"\n")


def read_json(path):
    """Return the JSON object of a file.

    Parameters
    ----------
    path : str or path

    Raises
    ------
    ValueError
        Where the file holds something else.
    OSError
        Where it cannot be read.
    """
    with open(path, "rb") as file:
        text = file.read(LARGEST_JSON)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise expected(path, "a JSON object", "something else") from None
    if not isinstance(value, dict):
        raise expected(path, "a JSON object", type(value).__name__)
    return value


class Run:
    """A run's folder.

    Parameters
    ----------
    folder : str or path

    Attributes
    ----------
    folder : Path
    """

    def __init__(self, folder):
        self.folder = Path(folder)

    def path(self, name):
        """Return the path of one of its files.

        Parameters
        ----------
        name : str
            One of `FILES`.
        """
        return self.folder / name

    @property
    def has_checkpoint(self):
        """Whether there is a checkpoint: without one a run has not begun."""
        return self.path("checkpoint.npz").exists()

    def refuse_overwriting(self):
        """Raise the `ValueError` for a folder that already holds something."""
        if self.folder.exists():
            there = sorted(entry.name for entry in self.folder.iterdir())
            if there:
                found = f"one that holds {', '.join(there[:6])}"
                raise expected(self.folder, "a new or an empty folder", found)

    def create(self, config):
        """Make the folder and write the configuration; a run that is there is removed.

        Parameters
        ----------
        config : dict
            Settings, data and network; format and version are added.

        Raises
        ------
        ValueError
            Where a file of the folder has a name of these but is no run's.
        OSError
            Where it cannot be made or written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.path("config.json").exists():
            self.config()
        elif any(self.path(name).exists() for name in FILES):
            raise expected(self.folder, "a run", "files of a run's names without a config.json")
        for name in reversed(FILES):  # the checkpoint first: what is left is never half a run
            self.path(name).unlink(missing_ok=True)
        self.configure(config)

    def configure(self, config):
        """Write the configuration, and remove what a killed writer left half-written.

        Parameters
        ----------
        config : dict
            As for `create`.
        """
        remove_leftovers(self.folder)
        head = {"format": FORMAT, "version": VERSION, "bnn_ref": __version__}
        write_json(self.path("config.json"), {**config, **head})

    def config(self):
        """Return the configuration.

        Raises
        ------
        ValueError
            Where it is no run's, or of another version.
        OSError
            Where it cannot be read.
        """
        path = self.path("config.json")
        config = read_json(path)
        if config.get("format") != FORMAT:
            raise expected(path, f"the configuration of a run ({FORMAT!r})", config.get("format"))
        if config.get("version") != VERSION:
            raise expected(path, f"version {VERSION}", config.get("version"))
        missing = {"settings", "data", "network"} - set(config)
        if missing:
            raise expected(path, f"a key {min(missing)!r}", ", ".join(config))
        return config

    def save(self, trainer, history):
        """Write history and checkpoint; what `fit` calls as its ``on_checkpoint``.

        Parameters
        ----------
        trainer : Trainer
        history : History

        Raises
        ------
        OSError
            Where one cannot be written; the last checkpoint is as it was.
        """
        write_json(self.path("history.json"), {"records": history.records})
        save_checkpoint(self.path("checkpoint.npz"), trainer, history)

    def load(self, network=None):
        """Return the `Checkpoint`, and the `History` up to it.

        Parameters
        ----------
        network : Network, optional
            The one that the checkpoint must be of; its own by default.

        Raises
        ------
        ValueError
            As `load_checkpoint`, or for a history that is none.
        OSError
            Where one cannot be read.
        """
        checkpoint = load_checkpoint(self.path("checkpoint.npz"), network)
        path = self.path("history.json")
        records = read_json(path).get("records")
        if not isinstance(records, list) or not all(
            isinstance(one, dict) and isinstance(one.get("step"), int) for one in records
        ):
            raise expected(path, "a list of records, each with its step", "something else")
        records = [one for one in records if one["step"] <= checkpoint.state.step]
        return checkpoint, History(records, dict(checkpoint.pending))

    def results(self):
        """Return what the finished run scored, or None where it is not known."""
        path = self.path("results.json")
        return read_json(path) if path.exists() else None

    def save_results(self, results):
        """Write what the finished run scored.

        Parameters
        ----------
        results : dict of str to number
        """
        remove_leftovers(self.folder)
        write_json(self.path("results.json"), results)
