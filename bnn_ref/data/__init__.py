"""Data: the bundled digits, IDX files, an npz, text tables; split, encoded, read by the batch."""

from .dataset import Dataset, make_dataset
from .encoding import Encoding
from .load import Inputs, kind_of, load, only_test, read_digits, read_inputs
from .reading import Reading
from .rows import Examples, Rows

__all__ = [
    "Dataset",
    "Encoding",
    "Examples",
    "Inputs",
    "Reading",
    "Rows",
    "kind_of",
    "load",
    "make_dataset",
    "only_test",
    "read_digits",
    "read_inputs",
]
