"""Encoding: how stored rows become a network's inputs and targets, and its outputs come back."""

from dataclasses import asdict, dataclass

import numpy as np

from ..errors import expected
from .rows import Rows

TASKS = ("categorical", "bernoulli", "normal")


def moments(columns):
    """Return mean and standard deviation (divided by N) of each column.

    A constant column has its value for a mean, and 1 for a scale: it becomes exactly 0.

    Parameters
    ----------
    columns : array (N, columns)
    """
    columns = np.asarray(columns, np.float64)
    loc, scale = columns.mean(axis=0), columns.std(axis=0)
    constant = columns.min(axis=0) == columns.max(axis=0)
    return np.where(constant, columns[0], loc), np.where(constant, 1.0, scale)


@dataclass(frozen=True)
class Encoding:
    """What was learned from training rows about reading rows; kept with a run as JSON.

    Parameters
    ----------
    task : str
        "categorical", "bernoulli" or "normal": the likelihood's type, which says what targets are.
    inputs : int
        I.
    x_loc, x_scale : float or list of I
        An input is (stored - x_loc) / x_scale.
    classes : list, optional
        The names of the class ids 0, 1, ...; None where the stored labels are the ids.
    y_loc, y_scale : list of O, optional
        A "normal" target is (stored - y_loc) / y_scale; None where stored targets are used.
    columns : list of str, optional
        Names of the input columns, in order.
    target : int or str, optional
        The target's column in a text table.
    """

    task: str
    inputs: int
    x_loc: float | list = 0.0
    x_scale: float | list = 1.0
    classes: list | None = None
    y_loc: list | None = None
    y_scale: list | None = None
    columns: list | None = None
    target: int | str | None = None

    def encode_x(self, values, dtype="float32", thing="rows"):
        """Return `Rows` of stored inputs.

        Parameters
        ----------
        values : array (N, ...)
            Flattened to rows.
        dtype : "float32" or "float64"
        thing : str
            What the message calls them.

        Raises
        ------
        ValueError
            Where they have another number of columns.
        """
        found = Rows(values).shape[1]
        if found != self.inputs:
            raise expected(thing, f"{self.inputs} inputs a row", found)
        return Rows(values, loc=self.x_loc, scale=self.x_scale, dtype=dtype)

    def encode_y(self, values, thing="targets"):
        """Return stored targets as class ids (N,), 0/1 (N, O), or numbers (N, O).

        A column (N, 1) of class ids becomes (N,); one-hot rows stay, for a likelihood to refuse.

        Parameters
        ----------
        values : array (N,) or (N, O)
        thing : str
            What the message calls them.

        Raises
        ------
        ValueError
            For a class that was not among the training rows, or text where numbers are wanted.
        """
        values = np.asarray(values)
        if self.classes is not None:
            ids = {name: k for k, name in enumerate(self.classes)}
            found = [ids.get(value, -1) for value in values.tolist()]
            if -1 in found:
                row = found.index(-1)
                wanted = "one of " + ", ".join(str(name) for name in self.classes[:12])
                raise expected(f"{thing}, row {row}", wanted, values.tolist()[row])
            ids = np.array(found, np.int64)
            return ids if self.task == "categorical" else ids[:, None]
        if values.dtype.kind not in "biuf":
            raise expected(thing, "numbers", repr(values.reshape(-1)[0].item()))
        if self.task == "categorical":
            return values[:, 0] if values.shape[1:] == (1,) else values
        values = values.reshape(len(values), -1)
        if self.task == "bernoulli" or self.y_loc is None:
            return values
        return (values.astype(np.float64) - self.y_loc) / self.y_scale

    def decode_mean(self, mean):
        """Return predicted means (N, O) in the targets' own units.

        Parameters
        ----------
        mean : array (N, O)
        """
        return mean if self.y_loc is None else mean * self.y_scale + self.y_loc

    def decode_scale(self, scale):
        """Return standard deviations (N, O) or an RMSE (O,) in the targets' own units.

        Parameters
        ----------
        scale : array (N, O) or (O,)
        """
        return scale if self.y_scale is None else scale * np.asarray(self.y_scale)

    def decode_nats(self, nats):
        """Return a log-density of scaled targets as one of the targets in their own units.

        p(y) = p((y - y_loc) / y_scale) / y_scale for each output. Probabilities stay as they are.

        Parameters
        ----------
        nats : float or array
            Summed over the outputs.
        """
        return nats if self.y_scale is None else nats - float(np.sum(np.log(self.y_scale)))

    def to_json(self):
        """Return the encoding as a dict of plain numbers, lists and text; every bit is kept."""
        return asdict(self)

    @classmethod
    def from_json(cls, description):
        """Return the encoding that `to_json` described.

        Parameters
        ----------
        description : dict

        Raises
        ------
        ValueError
            For other keys, or an unknown task.
        """
        try:
            encoding = cls(**description)
        except TypeError:
            raise expected("encoding", "an object as a run records it", repr(description)) from None
        if encoding.task not in TASKS:
            raise expected("encoding task", "one of " + ", ".join(TASKS), repr(encoding.task))
        return encoding
