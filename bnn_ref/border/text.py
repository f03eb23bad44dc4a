"""Text that came from outside, as it may be shown: escaped, on one line, of a bounded length.

A column's name, a label or a file's content may hold what a terminal obeys. `one_line` shows a
text, `show` a value as Python writes it.
"""

from __future__ import annotations

import re

from ..errors import one_line

__all__ = ["one_line", "show", "show_name"]


def show(value: object, length: int = 60) -> str:
    """Return a stranger's value as Python writes it: printable ASCII on one line, shortened.

    Parameters
    ----------
    value : object
    length : int
        Characters at most.
    """
    text = ascii(value)
    return text if len(text) <= length else text[: length - 3] + "..."


def show_name(name: str) -> str:
    """Return a name as it is where it is a plain one, else as `show` does.

    Parameters
    ----------
    name : str
    """
    return name if re.fullmatch(r"[A-Za-z0-9_.]{1,60}", name) else show(name)
