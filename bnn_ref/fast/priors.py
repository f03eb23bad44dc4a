"""The priors of a run: their records and numbers, and the run before it that some of them ask for.

The plain Normal's KL is the sample sweep's own. Every other prior's, and a point estimate's -log p,
is found by `kernels/other_priors.py` just before a step's run; it is compiled where it is needed.
"""

import numpy as np

from ..kernels import priors as kernels
from ..kernels.philox import ROOM
from .places import SAMPLE_WEIGHTS, cut


def unscaled(prior):
    """Return the prior inside a `ScaledPrior` and its factor; any other itself and 1."""
    factor = 1.0
    while prior.type == "scaled":
        prior, factor = prior.prior, factor * prior.factor
    return prior, factor


def describe_prior(record, layer, tensor, prefix, places):
    """Fill a tensor's PRIOR record as far as no buffer is in it.

    Parameters
    ----------
    record : PRIOR record
    layer : Layer
    tensor : "kernel" or "bias"
    prefix : str
        What the full names of what its prior learns begin with.
    places : dict
        As `members.places_of`.
    """
    is_point = tensor in layer.point_priors
    prior = {**layer.point_priors, **layer.priors}.get(tensor)
    if prior is None:
        return
    prior, factor = unscaled(prior)
    record["code"], record["is_point"] = kernels.CODES[prior.type], is_point
    record["factor"] = factor
    if prior.type == "normal" and is_point:
        record["code"] = kernels.ARRAYS
    elif prior.type == "normal" and factor != 1:
        record["code"] = kernels.LEARNED  # of numbers, of which none is learned
    shape = layer.parameter_shapes[f"{tensor}_mu"]
    record["count"] = len(getattr(prior, "scales", ())) or int(np.prod(shape))
    record["loc"], record["rho"] = (places.get(prefix + own, -1) for own in ("loc", "rho"))
    for name in ("loc", "scale"):
        if isinstance(getattr(prior, name, None), float):
            record["normal"][name] = getattr(prior, name)


def place_prior(record, buffers):
    """Give a prior its places for its arrays, and for the derivatives by what it learns."""
    arrays = {kernels.ARRAYS: 2, kernels.MIXTURE: 3}.get(int(record["code"]), 0)
    record["values"] = buffers.take(arrays * int(record["count"])) if arrays else -1
    learns = record["code"] == kernels.LEARNED and max(record["loc"], record["rho"]) >= 0
    record["own"] = buffers.take(2) if learns else -1


def _values(prior, shape):
    """Return what `values` holds of a prior, rows of it one after the other."""
    if hasattr(prior, "scales"):
        weights, locs, scales = (np.array(v) for v in (prior.weights, prior.locs, prior.scales))
        constants = np.log(weights) - np.log(scales) - 0.5 * np.log(2 * np.pi)
        return np.stack([constants, locs, scales])
    return np.stack([np.broadcast_to(value, shape) for value in (prior.loc, prior.scale)])


class OtherPriors:
    """The tensors of some layers that have other priors than the plain Normal.

    Parameters
    ----------
    layers : sequence of Layer
    records : LAYER records
    work : array
        Where the records' places are.
    """

    def __init__(self, layers, records, work):
        rows = []
        for k, (layer, record) in enumerate(zip(layers, records, strict=True)):
            for bias, tensor in enumerate(("kernel", "bias")):
                its = record[tensor]["prior"]
                if its["code"] == kernels.NORMAL:
                    continue
                shape = layer.parameter_shapes[f"{tensor}_mu"]
                prior, _ = unscaled({**layer.point_priors, **layer.priors}[tensor])
                if its["values"] >= 0:
                    values = _values(prior, shape).reshape(-1)
                    work[its["values"] : its["values"] + values.size] = values
                rows += [(k, bias, *part) for part in cut(int(np.prod(shape)), SAMPLE_WEIGHTS)]
        self.rows, self.weights = rows, sum(end - begin for *_, begin, end in rows)
        self._plan = None

    def run(self, crew, layers, table):
        """Find their KL and its derivatives, where there are any.

        Parameters
        ----------
        crew : Crew
        layers, table : LAYER and RUN records
            The run's own, with its parameters and noise settled.
        """
        if not self.rows:
            return
        from ..kernels import other_priors  # compiled where a network has one

        if self._plan is None:
            tasks = np.array(self.rows, other_priors.TASK)
            size = other_priors.ARRAYS_OF_SCRATCH * other_priors.STRETCH + ROOM
            self._plan = tasks, np.zeros(len(tasks), other_priors.PART), crew.scratch(size)
        tasks, parts, scratch = self._plan
        seconds = self.weights * 1e-8
        crew.run(other_priors.other_kl, (tasks, parts, layers, table), 1, scratch, seconds)
