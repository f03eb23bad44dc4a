"""Numbers, words and dtypes that come in from outside, checked once, with the thing named."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..errors import expected

DTYPES = ("float32", "float64", "complex128")
_PLAIN = {np.dtype(name): name for name in DTYPES}  # so that a step's check is one look-up
INTERVALS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "[0, inf)": (lambda value: 0 <= value < np.inf, "a finite number, at least 0"),
    "(0, inf)": (lambda value: 0 < value < np.inf, "a finite number above 0"),
    "[0, 1]": (lambda value: 0 <= value <= 1, "a number from 0 to 1"),
    "[0, 1)": (lambda value: 0 <= value < 1, "a number from 0 up to, not including, 1"),
    "(0, 1)": (lambda value: 0 < value < 1, "a number above 0 and below 1"),
}


def check_size(value: Any, thing: str, least: int = 1, most: int | None = None) -> int:
    """Return value as an int from `least` to `most`, or raise a `ValueError` naming the thing."""
    if type(value) is int and value >= least and (most is None or value <= most):
        return value  # without wording what a step asks for again and again
    wanted = f"a whole number, at least {least}"
    wanted += f" and at most {most}" if most is not None else ""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise expected(thing, wanted, repr(value))
    if value < least or (most is not None and value > most):
        raise expected(thing, wanted, value)
    return int(value)


def check_number(value: Any, thing: str, interval: str = "[0, inf)") -> float:
    """Return value as a float within an interval, or raise a `ValueError` naming the thing.

    Parameters
    ----------
    value : float
    thing : str
        What the message calls it.
    interval : str
        A key of `INTERVALS`.
    """
    fits, wanted = INTERVALS[interval]
    if isinstance(value, bool) or not isinstance(value, Real):
        raise expected(thing, wanted, repr(value))
    if not fits(value):
        raise expected(thing, wanted, value)
    return float(value)


def check_choice(value: Any, thing: str, choices: Collection[str]) -> str:
    """Return value where it is one of the choices, or raise a `ValueError` that lists them all.

    Parameters
    ----------
    value : str
    thing : str
        What the message calls it.
    choices : collection of str
    """
    if not isinstance(value, str) or value not in choices:
        raise expected(thing, "one of " + ", ".join(choices), repr(value))
    return value


def check_flag(value: Any, thing: str) -> bool:
    """Return value as a bool where it is True or False, or raise a `ValueError`: "no" is neither.

    Parameters
    ----------
    value : bool
    thing : str
        What the message calls it.
    """
    if not isinstance(value, bool | np.bool_):
        raise expected(thing, "True or False", repr(value))
    return bool(value)


def check_word(value: Any, thing: str, bits: int = 32) -> int:
    """Return value as an int of that many unsigned bits, or raise a `ValueError`.

    Parameters
    ----------
    value : int
    thing : str
        What the message calls it.
    bits : int
    """
    value = check_size(value, thing, least=0)
    if value >= 1 << bits:
        raise expected(thing, f"a whole number below 2**{bits}", value)
    return value


def check_dtype(dtype: DTypeLike, allowed: Sequence[str] = DTYPES) -> np.dtype[Any]:
    """Return the dtype as `numpy.dtype`, or raise: float16 and the rest are refused.

    complex128 serves the complex step alone.

    Parameters
    ----------
    dtype : dtype or its name
    allowed : tuple of str
    """
    if isinstance(dtype, np.dtype) and _PLAIN.get(dtype) in allowed:
        return dtype
    try:
        given = np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError):  # NumPy evaluates "," and the like
        raise expected("dtype", " or ".join(allowed), repr(dtype)) from None
    if given.name not in allowed or not given.isnative:
        raise expected("dtype", " or ".join(allowed), given.str if not given.isnative else given)
    return given
