"""Every reader of a file, as `fuzzing.Reader`: with sound samples made in a folder."""

import gzip
import json
import shutil
import struct
import warnings
from pathlib import Path

import numpy as np
from fuzzing import Reader

from bnn_ref.cli import main
from bnn_ref.data import load
from bnn_ref.data.idx import read_idx
from bnn_ref.runs.checkpoints import load_checkpoint
from bnn_ref.runs.run import Run
from bnn_ref.storage.archive import open_npy
from bnn_ref.sweep import Outcome, Store
from bnn_ref.sweep.uci import FOLDERS, read_split
from bnn_ref.verification.vectors import read
from bnn_ref.verification.vectors.suite import files

WORDS = ["train", "--backend", "numpy", "--layers", "4", "--draws", "2", "--steps", "3"]
CELL, KEY = {"seed": 1, "layers": [4]}, "0" * 24
UCI = {
    "data.txt": "1.5 2 3\n4 5.25 6\n7 8 9.125\n1e-3 2 -3\n",
    "index_features.txt": "0\n1\n",
    "index_target.txt": "2\n",
    "index_train_0.txt": "0\n2\n3\n",
    "index_test_0.txt": "1\n",
}


def numbers(*arrays):
    """Return arrays as what can be compared."""
    return [(array.shape, array.dtype.str, array.tobytes()) for array in map(np.asarray, arrays)]


def make_readers(folder):
    """Return name to `Reader`; files are made and read in a folder.

    Parameters
    ----------
    folder : Path
    """
    run = folder / "run"
    assert main([*WORDS, "--out", str(run)]) == 0
    return {
        **_of_a_run(folder, run),
        **_of_data(folder),
        "vector": Reader([small.read_bytes() for small in _small_vectors()],
                         _reading(folder / "v.npz", _vector), True),
        "uci": Reader([json.dumps(UCI).encode()], _uci(folder / "uci"), False),
        "cell": Reader([_cell(folder / "sweep")], _stored(folder / "sweep"), True),
    }  # fmt: skip


def _reading(path, read):
    def reading(content):
        path.write_bytes(content)
        return read(path)

    return reading


def _small_vectors():
    return sorted(
        (path for path in files() if path.name.startswith("agree")),
        key=lambda path: path.stat().st_size,
    )[:4]


def _vector(path):
    vector = read(path)
    arrays = {**vector.arrays, **(vector.results or {})}
    return vector.meta, sorted((name, numbers(array)) for name, array in arrays.items())


def _of_a_run(folder, run):
    """Return the readers of a run's four files."""
    whole = {path.name: path.read_bytes() for path in run.iterdir()}

    def within(name, read):
        place = folder / f"with-{name}"

        def reading(content):
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            for other, sound in whole.items():
                (place / other).write_bytes(content if other == name else sound)
            return read(Run(place))

        return Reader([whole[name]], reading, True)

    def history(found):
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            return found.load()[1].records

    def results(found):
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            return found.results()

    return {
        "configuration": within("config.json", lambda found: found.config()),
        "history": within("history.json", _said(history)),
        "results": within("results.json", _said(results)),
        "checkpoint": Reader(
            [whole["checkpoint.npz"]], _reading(folder / "c.npz", _checkpoint), True
        ),
    }


def _said(read):
    """Return a function that raises what `read` warns of as a `ValueError`."""

    def reading(found):
        try:
            return read(found)
        except UserWarning as warning:
            raise ValueError(str(warning)) from None

    return reading


def _checkpoint(path):
    found = load_checkpoint(path)
    state = found.state
    flats = (state.parameters.flat, state.moment_1.flat, state.moment_2.flat)
    return numbers(*flats), state.step, found.seed, found.run, repr(found.network)


def _of_data(folder):
    """Return the readers of IDX files, npy, npz and text tables."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (6, 4, 3), np.uint8)
    idx = bytes([0, 0, 8, 3]) + struct.pack(">III", *pixels.shape) + pixels.tobytes()
    x, y = rng.normal(size=(12, 3)), np.arange(12) % 3
    arrays = folder / "arrays.npz"
    np.savez(arrays, x_train=x, y_train=y, x_test=x[:4].astype("f4"), y_test=y[:4])
    npy = folder / "array.npy"
    np.save(npy, x)
    table = "a,b,y\n" + "".join(f"{a:.4f},{b:.4f},{c:.3f}\n" for a, b, c in x)
    return {
        "idx": Reader([idx, gzip.compress(idx)],
                      _reading(folder / "i", lambda p: numbers(read_idx(p, "images"))), False),
        "npy": Reader([npy.read_bytes()],
                      _reading(folder / "n.npy", lambda p: numbers(open_npy(p))), False),
        "npz": Reader([arrays.read_bytes()], _reading(folder / "d.npz", _dataset), True),
        "table": Reader([table.encode(), gzip.compress(table.encode())],
                        _reading(folder / "t.csv", lambda p: _dataset(p, "y")), False),
    }  # fmt: skip


def _dataset(path, target=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a class without training rows: said
        found = load(path, target=target, holdout=2)
    parts = [part for part in (found.train, found.validation, found.test) if part]
    assert all(np.isfinite(np.asarray(part.x)).all() for part in parts)
    return [numbers(part.x.values, part.y) for part in parts]


def _uci(folder):
    """Return a reader of a UCI set, of which one damaged file is taken (of all, one a call)."""
    names = sorted(UCI)
    place = folder / FOLDERS["yacht"]
    place.mkdir(parents=True)

    def reading(content):
        text = content.decode("latin-1")
        sound = json.dumps(UCI)
        for name in names:
            (place / name).write_text(UCI[name])
        if text != sound:  # its bytes, damaged as they are, in the place of one of the files
            name = names[len(text) % len(names)]
            (place / name).write_bytes(_damage_like(UCI[name].encode(), sound, text))
        return numbers(*read_split(folder, "yacht", 0))

    return reading


def _damage_like(content, sound, text):
    """Return a file with the first difference of two texts put into it."""
    at = next((k for k, pair in enumerate(zip(sound, text, strict=False)) if pair[0] != pair[1]), 0)
    piece = text[at : at + 12].encode("latin-1", "replace")
    place = at % (len(content) + 1)
    return content[:place] + piece + content[place + at % 3 :]


def _cell(folder):
    store = Store(folder)
    store.keep(KEY, Outcome(CELL, {"score": 0.25, "name": "a", "none": None}, None, 1.5))
    return (Path(folder) / "cells" / f"{KEY}.json").read_bytes()


def _stored(folder):
    def read(store):
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            return store.get(KEY, CELL)

    def reading(content):
        (Path(folder) / "cells" / f"{KEY}.json").write_bytes(content)
        return _said(read)(Store(folder))

    return reading
