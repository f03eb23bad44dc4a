"""Every kernel compiled ahead, or loaded where an earlier process left it."""

from __future__ import annotations

import os
import stat

import numpy as np
from numpy.typing import DTypeLike

from ..kernels import cache
from ..kernels.run import run
from ..layers import (
    BatchNorm,
    Conv2D,
    Conv2DFlipout,
    Dense,
    DenseFlipout,
    Dropout,
    Elementwise,
    Flatten,
    Layer,
    LayerNorm,
    MaxPool2D,
    Residual,
)
from ..network import Network
from ..priors import LaplacePrior
from ..step import State
from ..step.adam import Adam
from .compiled import draw_noise, draw_outputs, train_step

ROWS = 2


def _stacks() -> list[list[Layer]]:
    """Return stacks of layers that between them run every kernel."""
    flipout = [DenseFlipout(4, 4, "relu", bias="normal"), DenseFlipout(4, 2)]
    pieces = [
        Conv2DFlipout(2, 2, input_shape=(4, 4, 1), activation="relu", bias="normal"),
        Conv2D(2, 2, activation="relu"),
        BatchNorm(),
        MaxPool2D(2),
        Flatten(),
        Residual([LayerNorm(), Dense(2, 2), Dropout(0.5), Elementwise("tanh")]),
        DenseFlipout(2, 2, kernel_prior=LaplacePrior(1.0)),
    ]
    return [flipout, pieces]


def warm_up(dtype: DTypeLike) -> str | None:
    """Compile every kernel for a dtype, or load it where an earlier process left it.

    Returns the folder that keeps them, None where none can be written to.
    """
    for layers in _stacks():
        network = Network(layers)
        state = State.start(network.init(0, dtype))
        x, y = np.ones((ROWS, network.inputs), dtype), np.zeros(ROWS, np.int64)
        train_step(state, x, y, seed=0, kl_weight=1.0, adam=Adam())
        draw_outputs(network, state.parameters, x, 0, 0)
        draw_noise(network, ROWS, 0, dtype=dtype)
    place = next(code.place for dtypes, code in run.versions.items() if np.dtype(dtype) in dtypes)
    return None if place is None else str(place)


def is_closed(folder: str | None) -> bool:
    """Return whether others may enter the installation but not the kernels kept in its own folder.

    Python makes that folder for the bytecode beside the kernels, and the umask 077 closes it. Then
    everybody else compiles once for themselves.

    Parameters
    ----------
    folder : str or None
        As `warm_up` returns it.
    """
    if folder != str(cache.INSTALLED):
        return False
    enter = stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH
    package, kept = (os.stat(path).st_mode & enter for path in (cache.PACKAGE, folder))
    return bool(package & ~kept)
