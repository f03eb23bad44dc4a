"""The border: what comes in from outside is checked here, once; what is inside is trusted."""

from .arrays import aligned, as_array, own_array, refuse_not_finite, take_array
from .numbers import (
    DTYPES,
    check_choice,
    check_dtype,
    check_flag,
    check_number,
    check_size,
    check_word,
)
from .rows import refuse_rows

__all__ = [
    "DTYPES",
    "aligned",
    "as_array",
    "check_choice",
    "check_dtype",
    "check_flag",
    "check_number",
    "check_size",
    "check_word",
    "own_array",
    "refuse_not_finite",
    "refuse_rows",
    "take_array",
]
