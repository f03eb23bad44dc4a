"""Errors a caller may want to tell apart; every one is a ``ValueError`` with a one-line message."""


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

    def __init__(self, step, tensor):
        self.step = step
        self.tensor = tensor
        super().__init__(
            f"step {step}: expected finite values, found a NaN or an infinity in {tensor} "
            "(parameters, moments and step count are as before the step)"
        )

    def __reduce__(self):
        return NonFinite, (self.step, self.tensor)


def expected(thing, wanted, found):
    """Return the ``ValueError`` that says what was wanted of a thing and what was found."""
    return ValueError(f"{thing}: expected {wanted}, found {found}")
