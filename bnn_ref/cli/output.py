"""Standard output and error as the commands see them: escaped, and with faults that are told.

What a command prints may hold a column's name, a label or a path: `Output` lets nothing through
that a terminal would obey, and no character that the stream's encoding lacks. A stream that cannot
be written to raises `OutputError`; one that was closed from the start takes everything silently.
"""

import contextlib
import io
import os
import sys

DESCRIPTORS = {"standard output": 1, "standard error": 2}


class OutputError(OSError):
    """Standard output or standard error that cannot be written to."""


def printable(text):
    """Return text with control characters and escape sequences written out; lines stay lines.

    Parameters
    ----------
    text : str
    """
    if text.replace("\n", "").isprintable():
        return text
    kept = "\n\t"
    return "".join(
        c if c in kept or c.isprintable() else c.encode("unicode_escape").decode() for c in text
    )


class Output(io.TextIOBase):
    """A standard stream.

    Parameters
    ----------
    stream : text stream or None
    name : "standard output" or "standard error"
    """

    def __init__(self, stream, name):
        self.stream, self.name = stream, name

    def writable(self):
        """Return True."""
        return True

    def isatty(self):
        """Return whether the stream is a terminal."""
        return self.stream is not None and self.stream.isatty()

    def write(self, text):
        """Write a text as it may be shown, and return its length."""
        if self.stream is None:
            return len(text)
        shown = printable(text)
        try:
            try:
                self.stream.write(shown)
            except UnicodeEncodeError as error:
                plain = shown.encode(error.encoding, "backslashreplace").decode(error.encoding)
                self.stream.write(plain)
        except OSError as error:
            self._give_up(error)
        return len(text)

    def flush(self):
        """Send on what has been written; a stream that was closed since holds nothing."""
        if self.stream is None or self.stream.closed:
            return
        try:
            self.stream.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error):
        """Raise the `OutputError`; what Python still holds of the stream goes nowhere."""
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, DESCRIPTORS[self.name])
            os.close(nowhere)
        raise OutputError(error.errno, error.strerror, self.name) from None


@contextlib.contextmanager
def guarded_streams():
    """Put an `Output` in the place of both streams for the length of the block."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        _fill_descriptors()
    with (
        contextlib.redirect_stdout(Output(sys.stdout, "standard output")) as out,
        contextlib.redirect_stderr(Output(sys.stderr, "standard error")),
    ):
        yield out


def _fill_descriptors():
    """Open closed ones of the descriptors 0 to 2: else a file of ours would be taken for one."""
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        continue
    os.close(handle)
