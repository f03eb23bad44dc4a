"""Files damaged at random, and what every reader of them owes: an answer, or one line.

`damaged` changes the bytes of a sound file; `changed_json` the values of a JSON object, whose
checksum is then made right again, so that what reads it sees the change. `Reader` is a way a file
is read, with what it must leave unchanged.
"""

import copy
import json
import random
import struct
from typing import NamedTuple

from bnn_ref.storage.jsonfile import checksum_of

ODD = (None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, 0.5, -1e308, 1e-320, "", "x", "\x1b[2J",
       "a" * 3000, [], [[]], [1], {}, {"a": 1}, "nan", "../../x", "/dev/zero")  # fmt: skip
WORDS = (b"\0", b"\xff" * 8, b"PK\x03\x04", b"\x1f\x8b", b"nan", b"1e999", b"-", b",", b"\n", b"\"",
         b"\x93NUMPY", b"\x1b[31m", b"9" * 40, b"{", b"[" * 500, b"\xe2\x80\xae")  # fmt: skip


class Reader(NamedTuple):
    """A way that files are read.

    Attributes
    ----------
    samples : list of bytes
        Sound files.
    read : function(bytes) -> object
        Puts them where they belong, reads them, and returns what can be compared.
    exact : bool
        Whether the format carries a checksum: what is read of a damaged file is what was there.
    """

    samples: list
    read: object
    exact: bool


def damaged(content, rng):
    """Return a sound file's bytes with one to four faults.

    Parameters
    ----------
    content : bytes
    rng : random.Random
    """
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(data) + 1)
        # half of the faults where headers stand: at the beginning, or in a zip's directory
        if rng.random() < 0.5:
            at = rng.choice((min(at, rng.randrange(200)), max(at, len(data) - rng.randrange(400))))
            at = max(0, min(at, len(data)))
        kind = rng.randrange(7)
        if kind == 0:
            data[at : at + 1] = (
                bytes([data[at] ^ (1 << rng.randrange(8))]) if at < len(data) else b""
            )
        elif kind == 1:
            del data[at : at + rng.choice((1, 2, 8, 200))]
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            data[at:at] = rng.choice(WORDS)
        elif kind == 4:
            data[at : at + 4] = struct.pack("<I", rng.choice((0, 1, 2**31 - 1, 2**32 - 1, 1 << 20)))
        elif kind == 5:
            piece = data[at : at + rng.randrange(1, 60)]
            data[at:at] = piece
        else:
            data[at : at + 1] = bytes([rng.randrange(256)])
    return bytes(data)


def _places(value, path=()):
    """Yield the path of every entry of a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in items:
        yield (*path, key)
        if isinstance(one, (dict, list)):
            yield from _places(one, (*path, key))


def changed_json(content, rng):
    """Return a JSON file with one entry absent, doubled, renamed or odd, and a right checksum.

    Parameters
    ----------
    content : bytes
    rng : random.Random
    """
    value = json.loads(content)
    value.pop("checksum", None)
    *path, last = rng.choice(list(_places(value)))
    parent = value
    for key in path:
        parent = parent[key]
    kind = rng.randrange(4)
    if kind == 0:
        del parent[last]
    elif kind == 1 and isinstance(parent[last], (int, float)):
        parent[last] = parent[last] * 2
    elif kind == 2 and isinstance(parent, dict):
        parent[rng.choice(("more", "\x1b[2J", ""))] = copy.deepcopy(parent.pop(last))
    else:
        parent[last] = copy.deepcopy(rng.choice(ODD))
    return json.dumps({**value, "checksum": checksum_of(value)}).encode()


def judge(reader, wanted, content):
    """Read one damaged file and return "refused", "same" or "other"; raise where it owes better.

    Parameters
    ----------
    reader : Reader
    wanted : list
        What the sound samples are read as.
    content : bytes
    """
    try:
        found = reader.read(content)
    except (ValueError, TypeError, OSError) as error:
        message = str(error)
        assert "\n" not in message, message
        assert message.isprintable(), message
        assert len(message) < 4000
        return "refused"
    if found in wanted:
        return "same"
    assert not reader.exact, "a number was changed in silence"
    return "other"


def rng_of(seed):
    """Return the generator of a seed."""
    return random.Random(seed)
