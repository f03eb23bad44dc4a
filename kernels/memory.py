"""What a run's tasks read and write, by the addresses in its record."""

import numpy as np

from .addresses import memory_at, memory_of
from .jit import inner
from .records import Memory


@inner
def memory_for(run, x, scratch):
    """Return the `Memory` of a run.

    Parameters
    ----------
    run : RUN record
    x, scratch : arrays of the network's dtype
    """
    zero = scratch[0]
    return Memory(
        memory_of(x),
        memory_at(run.parameters, zero),
        memory_at(run.gradients, zero),
        memory_at(run.moment_1, zero),
        memory_at(run.moment_2, zero),
        memory_at(run.work, zero),
        memory_at(run.out, zero),
        memory_of(scratch),
        memory_at(run.labels, np.int64(0)),
        memory_at(run.kl_layers, 0.0),
        memory_at(run.grad_scale, 0.0),
    )
