"""JSON from outside: parsed, and held against a schema whose errors name the key.

A schema is a type (``str``, ``int``, ``float``, ``bool``, ``dict``, ``list``, ``NoneType``), a
tuple of schemas of which one must fit, a set of the values that may be, ``[schema]`` for a list of
such, or a dict of key to schema: an object with exactly these keys, `Maybe` ones aside; the key
``...`` has the schema of every other. Nothing is converted: a truth value is no number, and a
number is finite.
"""

from __future__ import annotations

import json
import math
from types import NoneType
from typing import Any, NamedTuple

from ..errors import expected
from .text import show, show_name

MOST_DIGITS = 400  # of a whole number
LARGEST = 1 << 64  # of whole numbers, so that they fit where they go

_WORDS = {
    str: "a text",
    int: "a whole number",
    float: "a finite number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
    NoneType: "null",
}


class Maybe(NamedTuple):
    """The schema of a key that may be absent.

    Attributes
    ----------
    schema : schema
    """

    schema: Any


def parse_object(text: str | bytes, thing: object) -> dict[str, Any]:
    """Return the JSON object of a text, in which every key stands once and every number is finite.

    Parameters
    ----------
    text : str or bytes
    thing : str
        What a message calls it.

    Raises
    ------
    ValueError
        For anything else.
    """

    def unique(pairs):
        members = dict(pairs)
        if len(members) != len(pairs):
            raise expected(thing, "every key once", "one twice")
        return members

    def refuse(word):
        raise expected(thing, "finite numbers", word)

    def whole(digits):
        if len(digits) > MOST_DIGITS:  # Python refuses many more, without the thing's name
            raise expected(thing, f"numbers of at most {MOST_DIGITS} digits", len(digits))
        return int(digits)

    try:
        value = json.loads(text, object_pairs_hook=unique, parse_constant=refuse, parse_int=whole)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        raise expected(thing, "a JSON object", "something else") from None
    if not isinstance(value, dict):
        raise expected(thing, "a JSON object", _kind(value))
    return value


def check_schema(value: Any, schema: Any, thing: object) -> Any:
    """Return the value where it fits, or raise a `ValueError` that names the key.

    Parameters
    ----------
    value : object
        As `parse_object` returns it.
    schema : schema
    thing : str
        What a message calls it; keys follow after ": ".
    """
    fault = _fault(value, schema, "")
    if fault is not None:
        name, wanted, found = fault
        raise expected(f"{thing}: {name}" if name else thing, wanted, found)
    return value


def _kind(value):
    """Return what a value is, in words."""
    return _WORDS.get(type(value), type(value).__name__)


def _one_of(values):
    return " or ".join(sorted(map(repr, values)))


def _fault(value, schema, name):
    """Return (name, wanted, found) of the first thing that does not fit, or None."""
    if isinstance(schema, Maybe):
        return _fault(value, schema.schema, name)
    if isinstance(schema, tuple):
        return _fault_of_each(value, schema, name)
    if isinstance(schema, (set, frozenset)):
        if isinstance(value, (str, int)) and not isinstance(value, bool) and value in schema:
            return None
        return name, _one_of(schema), show(value)
    if isinstance(schema, dict):
        return _fault_of_object(value, schema, name)
    if isinstance(schema, list):
        if not isinstance(value, list):
            return name, "a list", _kind(value)
        faults = (_fault(item, schema[0], f"{name}[{k}]") for k, item in enumerate(value))
        return next((fault for fault in faults if fault is not None), None)
    return _fault_of_type(value, schema, name)


def _fault_of_each(value, schemas, name):
    """Return the fault where none of some schemas fits: the deepest, or what all of them want."""
    faults = []
    for schema in schemas:
        fault = _fault(value, schema, name)
        if fault is None:
            return None
        faults.append(fault)
    deepest = max(faults, key=lambda fault: len(fault[0]))
    if deepest[0] != name:
        return deepest
    return name, " or ".join(fault[1] for fault in faults), faults[0][2]


def _fault_of_object(value, schema, name):
    """Return the fault of an object's keys, or of the value of one of them."""
    if not isinstance(value, dict):
        return name, "an object", _kind(value)
    dot = f"{name}." if name else ""
    for key, member in schema.items():
        if key not in value and key is not ... and not isinstance(member, Maybe):
            wanted = _one_of(member) if isinstance(member, (set, frozenset)) else "such a key"
            return dot + key, wanted, "none"
    for key, member in value.items():
        if key not in schema and ... not in schema:
            return dot + show_name(key), "no such key", "one"
        fault = _fault(member, schema.get(key, schema.get(...)), dot + show_name(key))
        if fault is not None:
            return fault
    return None


def _fault_of_type(value, schema, name):
    """Return the fault where a value is not of a type, or a number beyond what can be held."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if schema is float:
        fits = number and abs(value) < 1e308 and math.isfinite(value)
    elif schema is int:
        fits = number and isinstance(value, int) and abs(value) <= LARGEST
    else:
        fits = isinstance(value, schema)
    if fits:
        return None
    found = show(value) if number and schema in (int, float) else _kind(value)
    return name, _WORDS[schema], found
