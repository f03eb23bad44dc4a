"""Checks a document against the part of JSON Schema that `schema.json` uses, naming the place."""

import json
import math
from functools import cache
from pathlib import Path

TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


@cache
def schema():
    """Return the schema of results as a dict."""
    return json.loads(Path(__file__).with_name("schema.json").read_text("utf-8"))


def is_type(value, names):
    """Return True where a value is of one of the types; a boolean is no number, NaN neither."""
    for name in [names] if isinstance(names, str) else names:
        numeric = name in ("integer", "number")
        if numeric and (isinstance(value, bool) or not _finite(value)):
            continue
        if isinstance(value, TYPES[name]):
            return True
    return False


def _finite(value):
    return not isinstance(value, float) or math.isfinite(value)


def complaint(value, rule, place="results"):
    """Return where and how a value breaks a rule, in words, or None.

    Parameters
    ----------
    value : anything JSON holds
    rule : dict
        A schema.
    place : str
        What to call the value.
    """
    if "type" in rule and not is_type(value, rule["type"]):
        return f"{place}: expected {rule['type']}, found {value!r:.60}"
    if "enum" in rule and value not in rule["enum"]:
        wanted = ", ".join(map(repr, rule["enum"]))
        return f"{place}: expected {wanted}, found {value!r:.60}"
    if "minimum" in rule and value < rule["minimum"]:
        return f"{place}: expected at least {rule['minimum']}, found {value!r}"
    if "exclusiveMinimum" in rule and not value > rule["exclusiveMinimum"]:
        return f"{place}: expected above {rule['exclusiveMinimum']}, found {value!r}"
    if isinstance(value, dict):
        if absent := [key for key in rule.get("required", ()) if key not in value]:
            return f"{place}: expected the key {absent[0]!r}, found none"
        known, rest = rule.get("properties", {}), rule.get("additionalProperties", {})
        parts = [(f"{place}.{key}", item, known.get(key, rest)) for key, item in value.items()]
    elif isinstance(value, list):
        parts = [(f"{place}[{k}]", item, rule.get("items", {})) for k, item in enumerate(value)]
    else:
        parts = []
    complaints = (complaint(item, inner, where) for where, item, inner in parts)
    return next((words for words in complaints if words), None)
