"""Dataset: rows to train on, rows held out, rows for the test, and how they were encoded."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..border import refuse_not_finite
from ..errors import expected, one_line
from ..likelihoods import LIKELIHOODS, Categorical, Normal
from .cells import some, sort_names
from .encoding import Encoding, check_task, is_whole, moments, value_range
from .rows import Examples
from .split import split

if TYPE_CHECKING:
    from .layout import Layout

MOST_CLASSES = 1_000_000
FEW_CLASSES = 1000  # more than these need the rows to learn them from


@dataclass(frozen=True)
class Dataset:
    """Examples in three parts.

    Attributes
    ----------
    source : str
        "digits" or the path.
    kind : str
        "digits", "idx", "cifar", "npz" or "table".
    train : Examples
    validation, test : Examples or None
        Rows held out of the training rows, and rows that were never among them.
    encoding : Encoding
    outputs : int
        How many outputs a network for it has.
    image : tuple or None
        (height, width) where a row is an image.
    colours : tuple or None
        (height, width, channels) where a row is an image of several channels.
    holdout, seed : int
        How many rows are held out; what drew them.
    checksum : int
        CRC-32 of the stored training rows and targets, held-out ones among them.
    notes : tuple of str
        What was read and how it was taken, a line each.
    """

    source: str
    kind: str
    train: Examples
    validation: Examples | None
    test: Examples | None
    encoding: Encoding
    outputs: int
    image: tuple[int, int] | None = None
    colours: tuple[int, int, int] | None = None
    holdout: int = 0
    seed: int = 0
    checksum: int = field(default=0, compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def held_out(self) -> Examples:
        """The validation part; a `ValueError` where the data have none."""
        if self.validation is None:
            raise expected(self.source, "held-out rows", "none: ask for them with holdout")
        return self.validation

    @property
    def inputs(self) -> int:
        """I, how many inputs a network for it has."""
        return self.encoding.inputs

    @property
    def shape(self) -> tuple[int, ...]:
        """(height, width, channels) of a row that is an image, else (I,)."""
        if self.image is not None:
            return (*self.image, 1)
        return (self.inputs,) if self.colours is None else self.colours

    def to_json(self) -> dict[str, Any]:
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


def _checksum(*arrays):
    total = 0
    for array in arrays:
        if array.dtype == object:
            plain = np.frombuffer("\n".join(array.reshape(-1)).encode(), np.uint8)
        else:
            plain = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        total = zlib.crc32(plain, total)
    return total


def _guess_task(y):
    """Return the task that stored targets look like: whole numbers and text are classes."""
    return (Normal if y.dtype.kind == "f" else Categorical).task


def _class_names(source, targets, task):
    """Return the names of the classes of targets that are text; None for numbers."""
    text = [y.dtype == object for y in targets]
    if not LIKELIHOODS[task].targets.classes or not any(text):
        return None
    if not all(text):
        raise expected(f"{source}: targets", "text in both parts or numbers in both", "one of each")
    names = sort_names(set().union(*(y.reshape(-1) for y in targets)))
    rows = sum(map(len, targets))
    if len(names) > max(FEW_CLASSES, rows // 2):
        found = f"{len(names)} in {rows} rows"
        raise expected(f"{source}: classes", "two rows for each, or more", found)
    LIKELIHOODS[task].targets.check_names(names, f"{source}: targets")
    return names


def learn_encoding(
    kind: str,
    x: NDArray[Any],
    y: NDArray[Any],
    task: str,
    classes: list[str] | None = None,
    layout: Layout | None = None,
    thing: str = "rows",
) -> Encoding:
    """Return the `Encoding` that training rows call for.

    - digits: pixels / 16; IDX and CIFAR files and npz arrays of uint8: pixels / 255; other arrays
      are taken as they are, and so are their targets;
    - text tables: each input column minus its mean, over its standard deviation, but the 0 and 1
      of a one-hot encoded one as they are; so too targets that are numbers, whose predictions and
      measures are given back in their own units;
    - a class that has a name becomes the name's place among the names of all rows.

    Parameters
    ----------
    kind : str
    x, y : array
        The stored training rows, held-out rows not among them.
    task : str
        One of `likelihoods.tasks`.
    classes : list of str, optional
    layout : Layout, optional
        The columns of a text table.
    thing : str
        What the message calls the table.

    Raises
    ------
    ValueError
        For a column that has no standard deviation to divide by, see `moments`.
    """
    inputs = int(np.prod(x.shape[1:]))
    if kind == "table":
        widths = [len(layout.levels.get(name, [""])) for name in layout.columns]
        loc, scale = moments(x, thing, np.repeat(layout.columns, widths).tolist())
        encoded = _encoded(layout)
        loc[encoded], scale[encoded] = 0.0, 1.0
        y_loc = y_scale = None
        if LIKELIHOODS[task].targets.standardised:
            y_loc, y_scale = (
                m.tolist() for m in moments(y.reshape(len(y), -1), thing, [layout.target])
            )
        return Encoding(task, inputs, loc.tolist(), scale.tolist(), classes, y_loc, y_scale,
                        layout=layout)  # fmt: skip
    pixels = {"digits": 16.0, "idx": 255.0, "cifar": 255.0, "npz": 255.0}
    scale = pixels[kind] if x.dtype == np.uint8 else 1.0
    return Encoding(task, inputs, x_scale=scale, classes=classes, x_range=list(value_range(x)),
                    x_whole=is_whole(x))  # fmt: skip


def _encoded(layout):
    """Return which of a table's inputs are one-hot encoded values, bool (I,)."""
    levels = layout.levels
    return np.concatenate(
        [np.full(len(levels[n]), True) if n in levels else [False] for n in layout.columns]
    ).astype(bool)


def make_dataset(
    source: str | PathLike[str],
    kind: str,
    arrays: Mapping[str, NDArray[Any]],
    *,
    task: str | None = None,
    holdout: int = 0,
    seed: int = 0,
    dtype: DTypeLike = "float32",
    encoding: Encoding | None = None,
    layout: Layout | None = None,
    notes: Sequence[str] = (),
) -> Dataset:
    """Return the `Dataset` of stored arrays.

    Parameters
    ----------
    source, kind : str
        As the attributes of `Dataset`.
    arrays : mapping
        x_train (N, ...), y_train, and x_test, y_test where there is a test part. Targets are
        numbers, or object arrays of text.
    task : str, optional
        One of `likelihoods.tasks`; by default what the targets look like.
    holdout : int
        How many training rows are held out: the first ones of IDX and CIFAR files and of an npz
        with a test part (as TensorFlow Probability's example of 2018 does), rows drawn by the
        seed else; from a table and an npz without a test part by class, see `split`.
    seed : int
    dtype : "float32" or "float64"
        Of the batches.
    encoding : Encoding, optional
        One that is recorded, instead of one learned here.
    layout : Layout, optional
        The columns of a text table.
    notes : sequence of str
        As the attribute.

    Warns
    -----
    UserWarning
        Names the classes that no training row has, but others have.

    Raises
    ------
    ValueError
        For a holdout that leaves no row, targets that do not suit the task, another width, values
        that are not finite; rows are counted as in the file.
    """
    x, y = arrays["x_train"], arrays["y_train"]
    task = check_task(task or _guess_task(y)) if encoding is None else encoding.task
    kind_of_targets = LIKELIHOODS[task].targets
    tested = "x_test" in arrays
    drawn = kind in ("digits", "table") or not tested
    labels = y if kind != "digits" and kind_of_targets.classes and y.ndim == 1 else None
    rows, held = split(len(x), holdout, seed if drawn else None, labels)
    for part in ("train", "test")[: 1 + tested]:
        if arrays[f"y_{part}"].dtype.kind == "f":
            refuse_not_finite(arrays[f"y_{part}"], f"{source}: y_{part}")
    learned = encoding is None
    if learned:
        targets = [arrays[name] for name in ("y_train", "y_test") if name in arrays]
        classes = _class_names(source, targets, task)
        encoding = learn_encoding(kind, x[rows], y[rows], task, classes, layout, str(source))

    parts = {"train": "", "test": ", test part"} if tested else {"train": ""}
    labels = {
        part: encoding.encode_y(arrays[f"y_{part}"], f"{source}{where}: targets")
        for part, where in parts.items()
    }
    most = max(FEW_CLASSES, len(x)) if learned else MOST_CLASSES
    outputs = kind_of_targets.count_outputs(
        list(labels.values()), encoding.classes, min(most, MOST_CLASSES), f"{source}: targets"
    )
    check, inputs = LIKELIHOODS[encoding.task]().check_targets, {}
    for part, where in parts.items():
        try:
            check(labels[part], (len(labels[part]),), outputs)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{source}{where}: {error}") from None
        inputs[part] = encoding.encode_x(arrays[f"x_{part}"], dtype, f"{source}{where}")

    def examples(part, rows):
        y = labels[part][rows]
        return Examples(inputs[part].take(rows), y) if len(y) else None

    train, validation = examples("train", rows), examples("train", held)
    test = examples("test", slice(None)) if tested else None
    if learned and kind_of_targets.exclusive:
        _warn_of_classes(source, encoding, train.y, [p.y for p in (validation, test) if p])
    image, colours = (x.shape[1:] if x.ndim == rank else None for rank in (3, 4))
    return Dataset(str(source), kind, train, validation, test, encoding, outputs, image, colours,
                   int(holdout), int(seed), _checksum(x, y), tuple(notes))  # fmt: skip


def _warn_of_classes(source, encoding, trained, others):
    """Warn of classes that held-out or test rows have and no training row has."""
    unseen = sorted(set().union(*(np.unique(y).tolist() for y in others)) - set(trained.tolist()))
    if unseen:
        names = unseen if encoding.classes is None else [encoding.classes[k] for k in unseen]
        said = one_line(f"{source}: no training row has the class {some(names, 6)}")
        warnings.warn(f"{said}: only held-out or test rows have it", stacklevel=4)
