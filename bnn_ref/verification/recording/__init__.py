"""A real call of a person's own layers, written down as a vector."""

from .recording import record

__all__ = ["record"]
