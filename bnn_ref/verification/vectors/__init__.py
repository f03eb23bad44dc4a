"""Test vectors: one training step frozen to a file (`docs/vectors.md`): written, read, answered."""

from .files import Vector, VectorError, read, results_of, write
from .making import make_question

__all__ = ["Vector", "VectorError", "make_question", "read", "results_of", "write"]
