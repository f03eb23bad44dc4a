"""OverRows: what layers have in common whose inputs are flat rows: the sizes of a dense kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ..border import check_size


class OverRows:
    """Sizes of a frozen dataclass with the fields ``inputs`` and ``outputs``.

    Its other base is a `FlipoutLayer` or a `PointLayer`, which knows its options.
    """

    sizes: ClassVar[tuple[str, ...]] = ("units",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", check_size(self.inputs, "inputs"))
        object.__setattr__(self, "outputs", check_size(self.outputs, "outputs"))
        self._settle_options()
        self._check_priors()

    @property
    def kernel_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """(I, O)."""
        return self.inputs, self.outputs

    @property
    def channels(self) -> int:  # type: ignore[override]
        """I: each input has a sign of its own."""
        return self.inputs

    @property
    def units(self) -> int:  # type: ignore[override]
        """O."""
        return self.outputs

    def describe_sizes(self) -> str:
        """Return the sizes as `describe` shows them."""
        return f"{self.inputs} -> {self.outputs}"

    def sizes_to_json(self) -> dict[str, Any]:
        """Return the sizes that a description holds: the layer before has the inputs."""
        return {"units": self.outputs}

    @classmethod
    def of_sizes(cls, sizes: Mapping[str, Any], inputs: int, options: dict[str, Any]) -> Any:
        """Return the layer of what `sizes_to_json` wrote.

        Parameters
        ----------
        sizes : dict
        inputs : int
            I.
        options : dict
            Every other argument by its name.
        """
        return cls(inputs, check_size(sizes["units"], "units"), **options)
