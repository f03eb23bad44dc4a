"""Errors and warnings a caller may want to tell apart; errors are one-line `ValueError` objects."""

from __future__ import annotations


class NonFinite(ValueError):
    """A step met a NaN or an infinity and left its state untouched.

    Attributes
    ----------
    step : int
        The step that failed, counted from 1.
    tensor : str
        The first value of the step found not finite, such as ``"nll"`` or
        ``"grad.layers.0.kernel_mu"``.
    """

    def __init__(self, step: int, tensor: str) -> None:
        self.step = step
        self.tensor = tensor
        super().__init__(
            f"step {step}: expected finite values, found a NaN or an infinity in {tensor} "
            "(parameters, moments and step count are as before the step)"
        )

    def __reduce__(self) -> tuple[type[NonFinite], tuple[int, str]]:
        return NonFinite, (self.step, self.tensor)


def one_line(text: object, length: int = 1000) -> str:
    """Return text from outside as it may be shown: one line, printable, at most `length` long.

    White space of any kind becomes a blank; control characters, escape sequences and marks that
    turn the direction of writing are written out (``\\x1b``); a long text loses its middle.

    Parameters
    ----------
    text : object
        Made a str.
    length : int
        Characters at most.
    """
    text = str(text)
    if len(text) > length:
        kept = (length - 5) // 2
        text = f"{text[:kept]} ... {text[-kept:]}"
    text = " ".join(text.split())
    if text.isprintable():
        return text
    escaped = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return "".join(escaped)


class ObjectiveWarning(UserWarning):
    """What is trained is hardly what was meant: the KL's weight, N, sigma, the last activation.

    Silence with ``warnings.simplefilter("ignore", bnn_ref.ObjectiveWarning)``.
    """


class PredictionWarning(UserWarning):
    """What is predicted with is hardly what was meant: one draw of the posterior for all of it."""


def expected(thing: object, wanted: object, found: object) -> ValueError:
    """Return the ``ValueError`` that says what was wanted of a thing and what was found.

    Each part is shown as `one_line` does: it may hold what a file or a person wrote.
    """
    return ValueError(
        f"{one_line(thing, 500)}: expected {one_line(wanted)}, found {one_line(found, 500)}"
    )


def missing(thing: str, package: str, extra: str) -> ImportError:
    """Return the ``ImportError`` that says which package a thing needs and which extra has it."""
    return ImportError(
        f"{thing}: expected {package}, found none: python -m pip install 'bnn_ref[{extra}]'"
    )
