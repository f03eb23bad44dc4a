"""Dataset: rows to train on, rows held out, rows for the test, and how they were encoded."""

import zlib
from dataclasses import dataclass, field

import numpy as np

from ..border import check_size
from ..errors import expected
from ..likelihoods import LIKELIHOODS
from ..noise import permutation
from .encoding import TASKS, Encoding, moments
from .rows import Examples

MOST_CLASSES = 1_000_000


@dataclass(frozen=True)
class Dataset:
    """Examples in three parts.

    Attributes
    ----------
    source : str
        "digits" or the path.
    kind : str
        "digits", "idx", "npz" or "table".
    train : Examples
    validation, test : Examples or None
        Rows held out of the training rows, and rows that were never among them.
    encoding : Encoding
    outputs : int
        How many outputs a network for it has.
    image : tuple or None
        (height, width) where a row is an image.
    holdout, seed : int
        How many rows are held out; what drew them.
    checksum : int
        CRC-32 of the stored training rows and targets, held-out ones among them.
    """

    source: str
    kind: str
    train: Examples
    validation: Examples | None
    test: Examples | None
    encoding: Encoding
    outputs: int
    image: tuple | None = None
    holdout: int = 0
    seed: int = 0
    checksum: int = field(default=0, compare=False)

    @property
    def inputs(self):
        """I, how many inputs a network for it has."""
        return self.encoding.inputs

    def to_json(self):
        """Return what a run records about its data."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {
            "source": self.source,
            "kind": self.kind,
            "holdout": self.holdout,
            "seed": self.seed,
            "rows": {name: len(part.x) if part else 0 for name, part in parts.items()},
            "image": list(self.image) if self.image else None,
            "checksum": self.checksum,
            "encoding": self.encoding.to_json(),
        }


def _split(count, holdout, seed):
    """Return (training rows, held-out rows), indices or slices; seed None takes the first."""
    holdout = check_size(holdout, "holdout", least=0)
    if holdout >= count:
        raise expected("holdout", f"fewer than the {count} training rows", holdout)
    if seed is None or holdout == 0:
        return slice(holdout, None), slice(0, holdout)
    order = permutation(count, seed, "split")
    return np.sort(order[holdout:]), np.sort(order[:holdout])


def _checksum(*arrays):
    total = 0
    for array in arrays:
        plain = array if array.dtype.kind != "U" else np.char.encode(array, "utf-8")
        total = zlib.crc32(np.ascontiguousarray(plain).reshape(-1).view(np.uint8), total)
    return total


def _guess_task(y):
    """Return the task that stored targets look like: whole numbers and text are classes."""
    return "categorical" if y.dtype.kind in "biuU" else "normal"


def _classes(y, task):
    """Return the names of the classes of a text table's target."""
    names = [
        int(v) if isinstance(v, float) and v.is_integer() else v for v in np.unique(y).tolist()
    ]
    if task == "bernoulli" and len(names) > 2:
        found = ", ".join(str(name) for name in names[:6])
        raise expected("targets of a bernoulli likelihood", "two classes", found)
    return names


def learn_encoding(kind, x, y, task=None, columns=None, target=None):
    """Return the `Encoding` that training rows call for.

    - digits: pixels / 16; IDX files and npz arrays of uint8: pixels / 255; other arrays of an npz
      are taken as they are, and so are its targets;
    - text tables: each input column minus its mean, over its standard deviation; so too a "normal"
      target, whose predictions and measures are given back in its own units; a target of text, or
      one that is asked to be a class, becomes the place of its value among the sorted values.

    Parameters
    ----------
    kind : str
    x, y : array
        The stored training rows, held-out rows not among them.
    task : str, optional
        "categorical", "bernoulli" or "normal"; by default what the targets look like.
    columns : sequence of str, optional
        Names of a text table's input columns.
    target : str, optional
        Name of its target.
    """
    if task is not None and task not in TASKS:
        raise expected("likelihood", "one of " + ", ".join(TASKS), repr(task))
    task = task or _guess_task(y)
    inputs = int(np.prod(x.shape[1:]))
    if kind == "table":
        loc, scale = moments(x)
        classes = y_loc = y_scale = None
        if task != "normal":
            classes = _classes(y, task)
        elif y.dtype.kind != "U":
            y_loc, y_scale = (m.tolist() for m in moments(y.reshape(len(y), -1)))
        return Encoding(task, inputs, loc.tolist(), scale.tolist(), classes, y_loc, y_scale,
                        columns, target)  # fmt: skip
    pixels = {"digits": 16.0, "idx": 255.0, "npz": 255.0 if x.dtype == np.uint8 else 1.0}
    return Encoding(task, inputs, x_scale=pixels[kind])


def make_dataset(source, kind, arrays, *, task=None, holdout=0, seed=0, dtype="float32",
                 encoding=None, columns=None, target=None):  # fmt: skip
    """Return the `Dataset` of stored arrays.

    Parameters
    ----------
    source, kind : str
        As the attributes of `Dataset`.
    arrays : mapping
        x_train (N, ...), y_train, and x_test, y_test where there is a test part.
    task : str, optional
        As in `learn_encoding`.
    holdout : int
        How many training rows are held out: the first ones of IDX files and of an npz (as
        TensorFlow Probability's example of 2018 does), rows drawn by the seed else.
    seed : int
    dtype : "float32" or "float64"
        Of the batches.
    encoding : Encoding, optional
        One that is recorded, instead of one learned here.
    columns, target
        As in `Encoding`.

    Raises
    ------
    ValueError
        For a holdout that leaves no row, targets that do not suit the task, another width.
    """
    x, y = arrays["x_train"], arrays["y_train"]
    rows, held = _split(len(x), holdout, None if kind in ("idx", "npz") else seed)
    if encoding is None:
        encoding = learn_encoding(kind, x[rows], y[rows], task, columns, target)

    labels = [encoding.encode_y(arrays[name]) for name in ("y_train", "y_test") if name in arrays]
    outputs = _count_outputs(encoding, labels)
    check = LIKELIHOODS[encoding.task]().check_targets

    def examples(x, y):
        if len(x) == 0:
            return None
        try:
            check(y, (len(x),), outputs)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{source}: {error}") from None
        return Examples(encoding.encode_x(x, dtype, str(source)), y)

    train = examples(x[rows], labels[0][rows])
    validation = examples(x[held], labels[0][held])
    test = examples(arrays["x_test"], labels[1]) if "x_test" in arrays else None
    image = x.shape[1:] if x.ndim == 3 else None
    return Dataset(str(source), kind, train, validation, test, encoding, outputs, image,
                   int(holdout), int(seed), _checksum(x, y))  # fmt: skip


def _count_outputs(encoding, labels):
    """Return O of a network for encoded targets: their columns, or how many classes there are."""
    if encoding.task != "categorical":
        return labels[0].shape[1]
    if encoding.classes is not None:
        return len(encoding.classes)
    largest = max(np.max(y) for y in labels)
    if largest > MOST_CLASSES:
        raise expected("targets", f"class ids up to {MOST_CLASSES}", largest)
    return int(largest) + 1 if largest >= 0 else 1  # else `check_targets` says what is wrong
