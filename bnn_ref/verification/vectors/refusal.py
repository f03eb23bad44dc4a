"""What every function here raises for a file or a `Vector` that is not as specified."""


class VectorError(ValueError):
    """A file or a `Vector` that `docs/vectors.md` refuses; the message is one line."""
