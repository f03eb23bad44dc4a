"""One of N parts of the tests: the same in every process, whatever else is collected."""

import re
import zlib


def in_part(name, part):
    """Return whether a test's name belongs to the part "K/N", K from 0 to N - 1.

    Raises
    ------
    ValueError
        For another form of part; the message is one line.
    """
    found = re.fullmatch(r"(\d+)/([1-9]\d*)", part)
    if found is None or int(found[1]) >= int(found[2]):
        raise ValueError(f"--part: expected K/N with K from 0 to N - 1, found {part!r}")
    return zlib.crc32(name.encode()) % int(found[2]) == int(found[1])
