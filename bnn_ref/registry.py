"""A registry: the owners of one kind of thing by name, which everything else asks."""

from __future__ import annotations

from typing import Any, TypeVar

from .errors import expected

Owner = TypeVar("Owner")
Class = TypeVar("Class", bound=type[Any])


class Registry(dict[str, Owner]):
    """Name to owner, of activations, priors, likelihoods or layers.

    Parameters
    ----------
    kind : str
        What messages call one of them.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def register(self, name: str, owner: Owner) -> Owner:
        """Add an owner under its name and return it.

        Raises
        ------
        ValueError
            For a name that is no text or taken: what a name means never changes.
        """
        if not isinstance(name, str) or not name or name in self:
            raise expected(f"name of the {self.kind}", f"none of {', '.join(self)}", repr(name))
        self[name] = owner
        return owner

    def register_class(self, owner: Class) -> Class:
        """Add a class under its ``type`` and return it, a decorator; errors as for `register`."""
        self.register(owner.type, owner)
        return owner

    def find(self, name: str) -> Owner:
        """Return the owner of that name, or raise a `ValueError` that lists them all."""
        if not isinstance(name, str) or name not in self:
            raise expected(self.kind, "one of " + ", ".join(self), repr(name))
        return self[name]
