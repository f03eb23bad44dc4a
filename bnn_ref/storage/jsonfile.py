"""JSON files that appear whole or not at all, and carry a checksum of what they say.

The checksum is the first 16 hexadecimal digits of SHA-256 over the object without it, written with
sorted keys and without spaces. It tells a damaged or edited file, not a forged one.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any

from ..border.files import read_file
from ..border.schema import check_schema, parse_object
from ..border.text import show
from ..errors import expected
from .wholefile import whole_file

LIMIT = 1 << 24  # bytes of a file
CONTAINERS = 300_000  # lists and objects in it: each takes far more memory than its two characters


def checksum_of(value: Mapping[str, Any]) -> str:
    """Return the checksum of an object.

    Parameters
    ----------
    value : dict
        Without a key "checksum".
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_json(path: str | PathLike[str], value: Mapping[str, Any]) -> None:
    """Write an object as indented JSON with its checksum.

    Parameters
    ----------
    path : str or path
    value : dict
        Of text, finite numbers, truth values, None, lists and such dicts.

    Raises
    ------
    ValueError
        For more than `read_json` reads.
    OSError
        Where it cannot be written; what was there is untouched.
    """
    told = json.loads(json.dumps(value, allow_nan=False))  # as it will be read: tuples are lists
    text = json.dumps({**told, "checksum": checksum_of(told)}, indent=1).encode() + b"\n"
    _check_size(path, text)
    with whole_file(path) as file:
        file.write(text)


def read_json(
    path: str | PathLike[str], schema: Any, unsigned: Callable[[Any], bool] | None = None
) -> dict[str, Any]:
    """Return the object of a file, without its checksum.

    Parameters
    ----------
    path : str or path
    schema : schema
        Of the object without its checksum, see `bnn_ref.border.schema`.
    unsigned : function(object) -> bool, optional
        Whether that object may come without a checksum, as the first version wrote them.

    Raises
    ------
    ValueError
        For a file that is something else, or is not as it was written; the message names the file,
        and the key where there is one.
    OSError
        Where it cannot be read.
    """
    content = read_file(path, LIMIT)
    _check_size(path, content)
    value = parse_object(content, path)
    found = value.pop("checksum", None)
    check_schema(value, schema, path)
    if found is None:
        if unsigned is None or not unsigned(value):
            raise expected(f"{path}: checksum", "such a key", "none")
    elif found != checksum_of(value):
        wanted = f"the checksum of what the file says ({checksum_of(value)})"
        raise expected(f"{path}: checksum", wanted, f"{show(found)}: it was changed or damaged")
    return value


def plain(value: Any) -> Any:
    """Return a value with NumPy's numbers made Python's, and None for what is not finite.

    Parameters
    ----------
    value : dict of such, number, text or None
    """
    if isinstance(value, dict):
        return {str(name): plain(inner) for name, inner in value.items()}
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _check_size(path, content):
    """Refuse what would take much memory before it is parsed."""
    if len(content) > LIMIT:
        raise expected(path, f"at most {LIMIT:,} bytes", f"{len(content):,}")
    containers = content.count(b"[") + content.count(b"{")
    if containers > CONTAINERS:
        raise expected(path, f"at most {CONTAINERS:,} lists and objects", f"{containers:,}")
