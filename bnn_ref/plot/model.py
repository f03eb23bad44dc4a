"""What a picture is of: a network with its posterior, however the person holds it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..backends import get_backend
from ..errors import expected
from ..network import Network
from ..parameters import Parameters
from ..prediction import Prediction, predict

Array = npt.NDArray[np.float64]


class Model(NamedTuple):
    """A network and its posterior, in the person's own units.

    Attributes
    ----------
    network : Network
    parameters : Parameters
    encode : function of an array (N, I)
        Inputs as the network takes them.
    loc, scale : array (O,)
        Targets are loc + scale * (the network's).
    seed : int
        Of the draws.
    classes : array or None
        The labels of the classes, where the model names them.
    backend : "numba", "numpy" or a module
        The one it was trained with, where the model says so.
    """

    network: Network
    parameters: Parameters
    encode: Callable[[Array], Array] = lambda x: x
    loc: Array | float = 0.0
    scale: Array | float = 1.0
    seed: int = 0
    classes: npt.NDArray[Any] | None = None
    backend: Any = "numba"

    def predict(self, x: npt.ArrayLike, y: npt.ArrayLike | None = None, draws: int = 200,
                ) -> Prediction:  # fmt: skip
        """Return the `Prediction` of rows, in the network's units.

        Parameters
        ----------
        x : array (N, I)
        y : array, optional
        draws : int
        """
        rows = self.encode(np.asarray(x))
        return predict(self.network, self.parameters, rows, y, draws=draws, seed=self.seed,
                       backend=self.backend)  # fmt: skip

    def outputs(self, x: npt.ArrayLike, draws: int) -> Array:
        """Return draws of the targets' means, each of one draw of whole weights.

        Parameters
        ----------
        x : array (N, I)
        draws : int

        Returns
        -------
        array (draws, N, D), in the person's units
        """
        rows, backend = self.encode(np.asarray(x)), get_backend(self.backend)
        drawn = [backend.draw_outputs(self.network, self.parameters, rows, self.seed, draw)
                 for draw in range(draws)]  # fmt: skip
        means, _ = self.network.likelihood.normals(np.stack(drawn).astype(np.float64))
        return self.loc + self.scale * means


def model_of(thing: Any) -> Model:
    """Return the `Model` of what a person has in hand.

    Parameters
    ----------
    thing : estimator of `bnn_ref.sklearn`, pipeline that ends in one, `Fit`, `Trainer`, or a pair
        (network, parameters)

    Raises
    ------
    ValueError
        For anything else, or an estimator that was not fitted.
    """
    if hasattr(thing, "network") and hasattr(thing, "parameters"):
        backend = getattr(thing, "trainer", thing).backend  # of a `Fit` or a `Trainer`
        return Model(thing.network, thing.parameters, backend=backend)
    if hasattr(thing, "steps"):
        last = model_of(thing[-1])
        return last._replace(encode=thing[:-1].transform) if len(thing.steps) > 1 else last
    if hasattr(thing, "state_"):
        return Model(
            thing.network_,
            thing.state_.parameters,
            loc=getattr(thing, "y_loc_", 0.0),
            scale=getattr(thing, "y_scale_", 1.0),
            seed=thing.seed_,
            classes=getattr(thing, "classes_", None),
            backend=thing.backend,
        )
    if isinstance(thing, tuple) and len(thing) == 2 and isinstance(thing[0], Network):
        return Model(*thing)
    raise expected(
        "model",
        "a fitted estimator, a pipeline, the result of fit, or (network, parameters)",
        type(thing).__name__,
    )
