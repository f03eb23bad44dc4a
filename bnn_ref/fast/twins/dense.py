"""The compiled twin of `Dense`; kernels: `kernels/dense.py`.

Records, plans and the run over the priors are those of a Flipout chain.
"""

import numpy as np

from ...activations import get_activation
from ...kernels import dense_flipout, priors
from ...kernels import records as at
from ...kernels.dense import dense
from ..crew import aligned, plain
from ..places import Buffers
from ..plan import backward_tasks, code_of_activation, outputs_tasks, scratch_size
from ..priors import OtherPriors, describe_prior, place_prior, unscaled
from ..runner import Caller
from ..twin import Twin, register_twin

FLOPS = {4: 5e10, 8: 2.5e10}  # of one thread, by the bytes of a number, roughly, in a second
TENSORS = ("kernel", "bias")


def has_kernels(layer):
    """Return whether `kernels/dense.py` has all of a `Dense` layer.

    Parameters
    ----------
    layer : Dense
    """
    if code_of_activation(layer.activation) is None:
        return False
    its = [unscaled(prior)[0] for prior in layer.point_priors.values()]
    return all(one.type in priors.CODES and not one.parameter_shapes for one in its)


@register_twin("Dense")
class DenseTwin(Twin):
    """A dense layer with all its buffers; what no kernel has, an activation say, runs in NumPy."""

    def __init__(self, member, site):
        super().__init__(member, site)
        self.caller = None
        if not has_kernels(self.layer):
            return
        records, buffers, layer = np.zeros(1, at.LAYER), Buffers(), self.layer
        self._describe(records[0], buffers)
        self.caller = caller = Caller(site.crew, records, scratch_size(records, max(site.rows, 1)))
        this = caller.this
        this.capacity, this.grad_x, this.gradients_to = site.rows, -1, at.SET
        if site.rows:
            for name in ("slope", "grad", "grad_transposed"):
                records[name] = buffers.take(site.rows * layer.outputs)
            this.targets = buffers.take(site.rows * layer.outputs)
            if site.by_inputs:
                this.grad_x = buffers.take(site.rows * layer.inputs)
        self._first = site.places[f"{member.prefix}kernel_mu"]
        self._out = aligned(max(site.rows, 1) * layer.outputs, caller.dtype)
        self._work = aligned(buffers.size + 64, caller.dtype)
        caller.give("work", self._work)
        self._priors = OtherPriors([layer], records, self._work)

    def _describe(self, record, buffers):
        """Fill the LAYER record but for the places of what belongs to examples."""
        layer, prefix = self.layer, self.member.prefix
        record["inputs"], record["outputs"] = layer.inputs, layer.outputs
        record["activation"] = code_of_activation(layer.activation)
        record["leak"] = get_activation(layer.activation).leak or 0.0
        record["bias_kind"] = dense_flipout.BIASES["deterministic" if layer.bias else "none"]
        for tensor in TENSORS:
            one, training = record[tensor], self.site.rows > 0
            one["mu"] = self.site.places.get(f"{prefix}{tensor}_mu", -1)
            one["kl_mu"] = one["prior"]["own"] = -1
            if training and tensor in layer.point_priors:
                size = int(np.prod(layer.parameter_shapes[f"{tensor}_mu"]))
                one["kl_mu"] = buffers.take(size)
                describe_prior(one["prior"], layer, tensor, "", {})
                place_prior(one["prior"], buffers)

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
        caller.give("parameters", p.kernel_mu, place=self._first)
        caller.give("out", out)
        caller.this.kind = kind
        plan = caller.planned(("there", rows), lambda: outputs_tasks(caller.layers, rows))
        self._run(plan, 1, rows, h)

    def _part(self, place, rows, columns):
        return self._work[place : place + rows * columns].reshape(rows, columns)

    def forward(self, p, noise, h):
        """Return the outputs (B, O), a view; as `Twin.forward`."""
        if self.caller is None:
            return super().forward(p, noise, h)
        self._h = plain(h)
        self._outputs(p, self._h, self._out, at.TRAINING)
        caller = self.caller
        self._priors.run(self.site.crew, caller.layers, caller.table)
        rows = len(h)
        return self._out[: rows * self.layer.outputs].reshape(rows, -1)

    def kl(self, p, noise):
        """Return the layer's KL, float64; as `Twin.kl`."""
        if self.caller is None:
            return super().kl(p, noise)
        return sum(self.caller.layers[0][tensor]["prior"]["kl"] for tensor in TENSORS)

    def backward(self, grad_outputs, kl_weight, gradients):
        """Return the gradient by the inputs (B, I), a view; as `Twin.backward`."""
        if self.caller is None:
            return super().backward(grad_outputs, kl_weight, gradients)
        caller, rows, asked = self.caller, len(grad_outputs), self.site.by_inputs
        caller.this.kl_weight = kl_weight
        caller.give("gradients", gradients.kernel_mu, place=self._first)
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
