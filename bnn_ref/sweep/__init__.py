"""Many fits as tasks on Dask: grids of settings, seeds and splits, and the UCI protocol."""

from ..storage.jsonfile import plain
from .cells import Outcome, Store, cell_text, grid, key_of, name_of
from .engine import sweep
from .tables import table, write_table

__all__ = [
    "Outcome",
    "Store",
    "cell_text",
    "grid",
    "key_of",
    "name_of",
    "plain",
    "sweep",
    "table",
    "write_table",
]
