"""The compiled twin of `Dense`; kernels: `kernels/dense.py`.

Records, plans and the run over the priors are those of a Flipout chain.
"""

from functools import partial

import numpy as np

from ...border import aligned
from ...kernels import records as at
from ...kernels.dense import dense
from ..crew import plain
from ..plan import backward_tasks, outputs_tasks, scratch_size
from ..point import PointCaller, has_kernels
from ..twin import Twin, register_twin

FLOPS = {4: 5e10, 8: 2.5e10}  # of one thread, by the bytes of a number, roughly, in a second


def _place_examples(site, layer, records, this, buffers):
    """Take the places of what belongs to examples."""
    this.capacity, this.grad_x = site.rows, -1
    if not site.rows:
        return
    for name in ("slope", "grad", "grad_transposed"):
        records[name] = buffers.take(site.rows * layer.outputs)
    this.targets = buffers.take(site.rows * layer.outputs)
    if site.by_inputs:
        this.grad_x = buffers.take(site.rows * layer.inputs)


@register_twin("Dense")
class DenseTwin(Twin):
    """A dense layer with all its buffers; what no kernel has, an activation say, runs in NumPy."""

    def __init__(self, member, site):
        super().__init__(member, site)
        self.caller, layer = None, self.layer
        if not has_kernels(layer):
            return
        self.caller = PointCaller(
            member, site, (layer.inputs, layer.outputs),
            lambda records: scratch_size(records, max(site.rows, 1)),
            partial(_place_examples, site, layer),
        )  # fmt: skip
        self._out = aligned(max(site.rows, 1) * layer.outputs, self.caller.dtype)

    def _run(self, plan, products, rows, x):
        """Do a plan that takes so many products."""
        caller = self.caller
        caller.this.rows = rows
        arguments = (plan.tasks, caller.layers, caller.table, x)
        seconds = products * rows * caller.weights * 2 / FLOPS[caller.dtype.itemsize]
        self.site.crew.run(dense, arguments, plan.phases, caller.scratch, seconds)

    def _outputs(self, p, h, out, kind):
        """Set the outputs (B, O) of the rows h (B, I)."""
        caller, rows = self.caller, len(h)
        caller.give_parameters(p)
        caller.give("out", out)
        caller.this.kind = kind
        plan = caller.planned(("there", rows), lambda: outputs_tasks(caller.layers, rows))
        self._run(plan, 1, rows, h)

    def _part(self, place, rows, columns):
        return self.caller.work[place : place + rows * columns].reshape(rows, columns)

    def forward(self, p, noise, h):
        """Return the outputs (B, O), a view; as `Twin.forward`."""
        if self.caller is None:
            return super().forward(p, noise, h)
        self._h = plain(h)
        self._outputs(p, self._h, self._out, at.TRAINING)
        self.caller.run_priors()
        rows = len(h)
        return self._out[: rows * self.layer.outputs].reshape(rows, -1)

    def kl(self, p, noise):
        """Return the layer's KL, float64; as `Twin.kl`."""
        return super().kl(p, noise) if self.caller is None else self.caller.kl()

    def backward(self, grad_outputs, kl_weight, gradients):
        """Return the gradient by the inputs (B, I), a view; as `Twin.backward`."""
        if self.caller is None:
            return super().backward(grad_outputs, kl_weight, gradients)
        caller, rows, asked = self.caller, len(grad_outputs), self.site.by_inputs
        caller.this.kl_weight = kl_weight
        caller.give_gradients(gradients)
        self._part(caller.this.targets, *grad_outputs.shape)[...] = grad_outputs
        plan = caller.planned(("back", rows), lambda: backward_tasks(caller.layers, rows, asked))
        self._run(plan, 1 + asked, rows, self._h)
        return self._part(caller.this.grad_x, rows, self.layer.inputs) if asked else None

    def draw_outputs(self, p, h, stream, kind):
        """Return the outputs (rows, O), the same in every draw; as `Layer.draw_outputs`."""
        if self.caller is None:
            return super().draw_outputs(p, h, stream, kind)
        out = np.empty((len(h), self.layer.outputs), h.dtype)
        self._outputs(p, plain(h), out, at.MEAN)
        return out
