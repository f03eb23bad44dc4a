"""Files opened by what they hold: plain or gzipped, whatever the name says."""

import contextlib
import gzip
import zlib

from ..errors import expected

CHUNK = 1 << 20
LIMIT = 1 << 31  # bytes that a file may unpack to


@contextlib.contextmanager
def open_content(path):
    """Yield a binary stream of the file's content, unpacked where it begins as gzip does.

    Raises
    ------
    ValueError
        Where gzipped content is damaged or cut off, also while it is being read.
    OSError
        Where the file cannot be read.
    """
    with open(path, "rb") as raw:
        if raw.peek(2)[:2] != b"\x1f\x8b":
            yield raw
            return
        try:
            with gzip.GzipFile(fileobj=raw) as unpacked:
                yield unpacked
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise expected(path, "a whole gzip file", f"damage ({error})") from None


def read_at_most(stream, size):
    """Return up to that many bytes as a bytearray, taking memory only for what is there."""
    content = bytearray()
    while len(content) < size and (piece := stream.read(min(CHUNK, size - len(content)))):
        content += piece
    return content
