"""The compiled twin of `Elementwise`; kernels: `kernels/elementwise.py`."""

import numpy as np

from ...border import aligned
from ...kernels.elementwise import ELEMENTWISE, elementwise
from ..crew import plain
from ..members import code_of_activation, describe_activation
from ..places import SWEEP_NUMBERS, rows_of_task
from ..twin import Twin, register_twin

NUMBERS = 5e8  # that one thread takes, roughly, in a second


@register_twin("Elementwise")
class ElementwiseTwin(Twin):
    """An activation with its buffers; one that no kernel has runs in NumPy."""

    def __init__(self, member, site):
        super().__init__(member, site)
        dtype, self.settings = site.crew.dtype, None
        if code_of_activation(self.layer.activation) is None:
            return
        self.settings = np.zeros(1, ELEMENTWISE)
        describe_activation(self.settings[0], self.layer.activation, dtype)
        size = site.rows * self.layer.inputs
        self._out, self._slope, self._grad_x = (aligned(max(size, 1), dtype) for _ in range(3))
        self.scratch = site.crew.scratch(SWEEP_NUMBERS)

    def _run(self, x, out, back=False, slopes=True):
        record = self.settings[0]
        record["size"], record["slopes"] = out.size, slopes
        record["chunk"] = rows_of_task(out.size, 1) if slopes else SWEEP_NUMBERS
        arguments = (x, out, self._slope, self.settings, back)
        self.site.crew.run(elementwise, arguments, 1, self.scratch, out.size / NUMBERS)

    def forward(self, p, noise, h):
        """Return the outputs (B, I), a view; as `Twin.forward`."""
        if self.settings is None:
            return super().forward(p, noise, h)
        out = self._out[: h.size]
        self._run(plain(h).reshape(-1), out)
        return out.reshape(h.shape)

    def backward(self, grad_outputs, kl_weight, gradients):
        """Return the gradient by the inputs (B, I), a view; as `Twin.backward`."""
        if self.settings is None:
            return super().backward(grad_outputs, kl_weight, gradients)
        grad = plain(grad_outputs)
        self._run(self._grad_x, grad.reshape(-1), back=True)
        return self._grad_x[: grad.size].reshape(grad.shape)

    def draw_outputs(self, p, h, stream, kind):
        """Return the outputs (rows, I), the same in every draw; as `Layer.draw_outputs`."""
        if self.settings is None:
            return super().draw_outputs(p, h, stream, kind)
        out = np.empty(h.shape, h.dtype)
        self._run(plain(h).reshape(-1), out.reshape(-1), slopes=False)
        return out
