"""Layers of point estimates as kernels see them: a record, and priors whose -log p joins the KL."""

import numpy as np

from ..border import aligned
from ..kernels import dense_flipout, priors
from ..kernels import records as at
from .members import code_of_activation, describe_activation
from .places import Buffers
from .priors import OtherPriors, describe_prior, place_prior, unscaled
from .runner import Caller

TENSORS = ("kernel", "bias")


def has_kernels(layer):
    """Return whether there is compiled code for the activation and priors of a `PointLayer`.

    Parameters
    ----------
    layer : Dense or Conv2D
    """
    if code_of_activation(layer.activation) is None:
        return False
    its = [unscaled(prior)[0] for prior in layer.point_priors.values()]
    return all(prior.type in priors.CODES and not prior.parameter_shapes for prior in its)


class PointCaller(Caller):
    """The record of a layer of point estimates, where its buffers lie, and the run that it takes.

    Parameters
    ----------
    member, site
        As for `Twin`.
    sizes : (int, int)
        Inputs and outputs of what the kernel multiplies.
    scratch : function(LAYER records) -> int
        Numbers that a thread needs for itself.
    buffers : function(LAYER records, Run, Buffers), optional
        Takes the places of what belongs to examples.
    """

    def __init__(self, member, site, sizes, scratch, buffers=None):
        records, room = np.zeros(1, at.LAYER), Buffers()
        self._describe(records[0], member, site, sizes, room)
        super().__init__(site.crew, records, scratch(records))
        self.this.gradients_to = at.SET
        if buffers is not None:
            buffers(records, self.this, room)
        self.work = aligned(room.size + 64, self.dtype)
        self.give("work", self.work)
        self._priors = OtherPriors([member.layer], records, self.work)
        self._first = site.places[f"{member.prefix}kernel_mu"]

    def _describe(self, record, member, site, sizes, buffers):
        """Fill the LAYER record but for the places of what belongs to examples."""
        layer, prefix = member.layer, member.prefix
        record["inputs"], record["outputs"] = sizes
        describe_activation(record, layer.activation, site.crew.dtype)
        record["bias_kind"] = dense_flipout.BIASES["deterministic" if layer.bias else "none"]
        for tensor in TENSORS:
            fields, training = record[tensor], site.rows > 0
            fields["mu"] = site.places.get(f"{prefix}{tensor}_mu", -1)
            fields["kl_mu"] = fields["prior"]["own"] = -1
            if training and tensor in layer.point_priors:
                size = int(np.prod(layer.parameter_shapes[f"{tensor}_mu"]))
                fields["kl_mu"] = buffers.take(size)
                describe_prior(fields["prior"], layer, tensor, "", {})
                place_prior(fields["prior"], buffers)

    def give_parameters(self, p):
        """Tell kernels where the layer's parameters lie."""
        self.give("parameters", p.kernel_mu, place=self._first)

    def give_gradients(self, gradients):
        """Tell kernels where the layer's gradients are to be set."""
        self.give("gradients", gradients.kernel_mu, place=self._first)

    def run_priors(self):
        """Find the priors' -log p and its derivatives, of the parameters that were given."""
        self._priors.run(self.crew, self.layers, self.table)

    def kl(self):
        """Return what the priors add to the KL, float64, after `run_priors`."""
        return sum(self.layers[0][tensor]["prior"]["kl"] for tensor in TENSORS)
