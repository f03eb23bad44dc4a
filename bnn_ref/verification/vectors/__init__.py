"""Test vectors: one training step frozen to a file (`docs/vectors.md`): written, read, answered."""

from .files import Vector, read, results_of, write
from .making import make_question
from .refusal import VectorError

__all__ = ["Vector", "VectorError", "make_question", "read", "results_of", "write"]
