"""What runs one layer of a mixed network: its NumPy functions, or the compiled twin of its type.

A twin is a subclass of `Twin`, in a file of its own in `bnn_ref/fast/twins/`, registered under the
layer's type; its kernels lie in a file of that name under `kernels/`. It overrides what it does
faster; the rest is the layer's own NumPy code. It keeps between `forward` and `backward` what one
needs of the other, in buffers made once, and returns views of them that hold until its next run.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..registry import Registry
from .crew import Crew
from .members import Member

TWINS = Registry("compiled twin of the layer")


class Site(NamedTuple):
    """What a twin is made for.

    Attributes
    ----------
    crew : Crew
        With the dtype of every array, the threads, and the call of an entry on all of them.
    rows : int
        The most that a forward pass will have; 0 where there will be predictions only.
    places : dict
        Full name to place in the flat parameters of the network's every tensor.
    by_inputs : bool
        Whether the gradient by the inputs will be asked for.
    estimator : str
        Of the noise.
    """

    crew: Crew
    rows: int
    places: dict[Any, Any]
    by_inputs: bool = True
    estimator: str = "flipout"


class Twin:
    """A layer made ready to run; this one runs its NumPy functions.

    Parameters
    ----------
    member : Member
        The layer, and its place in the network.
    site : Site
    """

    def __init__(self, member: Member, site: Site):
        self.layer, self.member, self.site = member.layer, member, site
        self._p = self._noise = self.trace = None

    def draw_noise(self, stream, rows):
        """Return the noise of so many rows, in whatever form `forward` takes it.

        Parameters
        ----------
        stream : Stream
            Its normals and signs are drawn by compiled code.
        rows : int
        """
        return self.layer.draw_noise(stream, rows, self.site.estimator)

    def forward(self, p, noise, h):
        """Return the layer's outputs (B, O), C-contiguous, and keep what `backward` needs.

        Parameters
        ----------
        p : LayerParameters
        noise : what `draw_noise` returns here or in the layer
        h : array (B, I), C-contiguous
        """
        self._p, self._noise = p, noise
        self.trace = self.layer.forward(p, noise, h)
        return self.trace.outputs

    def kl(self, p, noise):
        """Return the layer's KL, float64, after `forward`."""
        return self.layer.kl(p, noise, self.trace)

    def statistics_after(self, p):
        """Return name to next value of each running statistic, new arrays, after `forward`."""
        return self.layer.statistics_after(p, self.trace)

    def backward(self, grad_outputs, kl_weight, gradients):
        """Return the gradient by the inputs (B, I), and set those by the parameters.

        Where the site does not ask for it, what is returned does not count and may be None.

        Parameters
        ----------
        grad_outputs : array (B, O), C-contiguous
            The gradient of the loss by the outputs.
        kl_weight : float
        gradients : LayerParameters
            Set in place, never added to: the gradient of nll + kl_weight * kl.
        """
        return self.layer.backward(self._p, self._noise, self.trace, grad_outputs, kl_weight,
                                   gradients)  # fmt: skip

    def draw_outputs(self, p, h, stream, kind):
        """Return the outputs (rows, O) of one draw of a prediction; as `Layer.draw_outputs`."""
        return self.layer.draw_outputs(p, h, stream, kind)


def register_twin(kind):
    """Return a decorator that adds a class of twins under a layer's type and returns it.

    Raises
    ------
    ValueError
        Where that type has one.
    """
    return lambda twin: TWINS.register(kind, twin)
