"""What a network's runs need again and again: buffers, records, helper threads."""

from ..border import check_dtype
from ..kernels import likelihoods
from ..kernels import records as at
from .crew import Crew
from .members import members_of, places_of
from .runner import Update
from .sequence import Sequence
from .twin import Site


class Workspace:
    """A network's layers made ready to run, each kind of run when it is first asked for.

    Made by `prepare`; two threads must not use one at the same time.

    Parameters
    ----------
    network : Network
    rows : int
        How many rows the buffers hold; more in a step make them grow.
    dtype : float32 or float64
    threads : int or None

    Attributes
    ----------
    fixed : tuple of str
        The network's.
    """

    def __init__(self, network, rows, dtype, threads):
        self.network, self.dtype = network, check_dtype(dtype, ("float32", "float64"))
        self.rows, self.crew = rows, Crew(self.dtype, threads)
        self._members, self._places = members_of(network), network.places
        self._sequences, self._update, self._gradients = {}, None, None
        self.fixed = network.fixed

    def for_step(self, rows, estimator="flipout", by_inputs=False):
        """Return the `Sequence` of steps of up to that many rows.

        Parameters
        ----------
        rows : int
        estimator : str
        by_inputs : bool
            With the gradient by x.
        """
        name = (estimator, by_inputs)
        rooms, sequence = self._sequences.get(name, (0, None))
        if rows > rooms:
            rooms = max(rows, self.rows)
            sequence = self._sequence(rooms, by_inputs, estimator)
            self._sequences[name] = rooms, sequence
        return sequence

    def for_prediction(self):
        """Return the `Sequence` of predictions."""
        if "prediction" not in self._sequences:
            self._sequences["prediction"] = self._sequence(0, False, "flipout")
        return self._sequences["prediction"]

    def _sequence(self, rows, by_inputs, estimator):
        likelihood = self.network.likelihood
        compiled = rows > 0 and likelihood.type in likelihoods.CODES
        site = Site(self.crew, rows, places_of(self.network), by_inputs, estimator)
        return Sequence(self._members, site, likelihood if compiled else None)

    def stretches(self, statistics, frozen):
        """Return what the end of a step does to each stretch of the parameters, for `flat_tasks`.

        Parameters
        ----------
        statistics : collection of str
            Full names of tensors that get new values as they are.
        frozen : sequence of str
            Full names of tensors that stay as they are, as do the network's own fixed ones.
        """
        stretches, still = [], {*self.fixed, *frozen}
        for name, place in self._places.items():
            kind = at.TAKE if name in statistics and name not in frozen else at.UPDATE_FLAT
            if kind == at.UPDATE_FLAT and name in still:
                continue
            start, stop = place.start, place.stop
            if stretches and stretches[-1][0] == kind and stretches[-1][2] == start:
                start = stretches.pop()[1]
            stretches.append((kind, start, stop))
        return stretches

    def gradients(self, parameters):
        """Return room for a step's gradients, all 0: the same in every step.

        Parameters
        ----------
        parameters : Parameters
        """
        if self._gradients is None:
            self._gradients = parameters.zeros_like()
        self._gradients.flat.fill(0)
        return self._gradients

    def update(self):
        """Return the `Update` that ends a step whose gradients are there."""
        if self._update is None:
            self._update = Update(self.crew, self.network.num_parameters)
        return self._update
