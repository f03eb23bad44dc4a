"""The address of a Dask scheduler: checked, and asked for a sign of life, before Dask waits for it.

Dask's client waits for whatever listens at an address, without end where it never answers.
"""

from __future__ import annotations

import re
import socket

from ..errors import expected

PATIENCE = 5  # seconds for a connection, and again for the first word
_ADDRESS = re.compile(r"(?:(?P<scheme>\w+)://)?(?P<host>\[[\w.:%]+\]|[\w.-]+):(?P<port>\d{1,5})/?")
_SCHEMES = ("tcp", "tls")
_HELLO = 8  # bytes: how long the scheduler's greeting is, little-endian
_LONGEST_HELLO = 1 << 16


def parse_address(address: str) -> tuple[str, str, int]:
    """Return (scheme, host, port) of an address such as "tcp://host:8786", tcp by default.

    Raises
    ------
    ValueError
        For an address that is none.
    """
    match = _ADDRESS.fullmatch(address)
    scheme = (match["scheme"] or "tcp") if match else None
    if scheme not in _SCHEMES or not 0 < int(match["port"]) < 65536:
        raise expected("scheduler", "an address like tcp://host:8786", repr(address))
    return scheme, match["host"], int(match["port"])


def find_scheduler(address: str) -> str:
    """Return the address of a scheduler that answers, as Dask takes it.

    Parameters
    ----------
    address : str
        As `parse_address` takes it.

    Raises
    ------
    ValueError
        For an address that is none.
    OSError
        Where nothing listens, or what listens does not speak as a scheduler does.
    """
    scheme, host, port = parse_address(address)
    try:
        connection = socket.create_connection((host.strip("[]"), port), PATIENCE)
    except OSError as error:
        raise ConnectionError(
            f"scheduler {address}: expected a Dask scheduler, found nothing that listens ({error})"
        ) from None
    with connection:
        if scheme == "tcp" and not _greets(connection):
            raise ConnectionError(
                f"scheduler {address}: expected a Dask scheduler, found something that does not "
                "answer as one"
            )
    return f"{scheme}://{host}:{port}"


def _greets(connection):
    """Return whether the other side begins as a scheduler does: with the length of its greeting."""
    connection.settimeout(PATIENCE)
    hello = b""
    try:
        while len(hello) < _HELLO and (piece := connection.recv(_HELLO - len(hello))):
            hello += piece
    except OSError:
        return False
    return len(hello) == _HELLO and 0 < int.from_bytes(hello, "little") < _LONGEST_HELLO
