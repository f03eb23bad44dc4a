"""The compiled twins of `MaxPool2D` and `AveragePool2D`; kernels: `kernels/pool.py`."""

import numpy as np

from ...border import aligned
from ...kernels.pool import MAXIMUM, MEAN, POOL, pool
from ...kernels.window import describe_window
from ..crew import plain
from ..twin import Twin, register_twin

EXAMPLES = 8  # of a task
READS = 5e8  # numbers of a window that one thread takes, roughly, in a second
KINDS = {"MaxPool2D": MAXIMUM, "AveragePool2D": MEAN}


class PoolTwin(Twin):
    """Pooling with its buffers."""

    def __init__(self, member, site):
        super().__init__(member, site)
        self.settings = np.zeros(1, POOL)
        record, layer = self.settings[0], self.layer
        describe_window(record["window"], layer.window)
        record["kind"], record["chunk"] = KINDS[layer.type], EXAMPLES
        self.scratch = site.crew.scratch(1)
        self._taken = np.zeros(1, np.int32)
        if site.rows:
            self._out = aligned(site.rows * layer.outputs, site.crew.dtype)
            self._grad_x = aligned(site.rows * layer.inputs, site.crew.dtype)
            if record["kind"] == MAXIMUM:
                self._taken = np.zeros(site.rows * layer.outputs, np.int32)

    def _run(self, x, out, taken, rows, back):
        self.settings["rows"] = rows
        seconds = rows * self.layer.outputs * self.layer.window.count / READS
        self.site.crew.run(pool, (x, out, taken, self.settings, back), 1, self.scratch, seconds)

    def forward(self, p, noise, h):
        """Return the outputs (B, O), a view; as `Twin.forward`."""
        rows = len(h)
        self._run(plain(h).reshape(-1), self._out, self._taken, rows, False)
        return self._out[: rows * self.layer.outputs].reshape(rows, -1)

    def backward(self, grad_outputs, kl_weight, gradients):
        """Return the gradient by the inputs (B, I), a view; as `Twin.backward`."""
        rows = len(grad_outputs)
        self._run(self._grad_x, plain(grad_outputs).reshape(-1), self._taken, rows, True)
        return self._grad_x[: rows * self.layer.inputs].reshape(rows, -1)

    def draw_outputs(self, p, h, stream, kind):
        """Return the outputs (rows, O), the same in every draw; as `Layer.draw_outputs`."""
        out = np.empty((len(h), self.layer.outputs), h.dtype)
        size = out.size if self.settings["kind"][0] == MAXIMUM else 1
        self._run(plain(h).reshape(-1), out.reshape(-1), np.empty(size, np.int32), len(h), False)
        return out


for kind in KINDS:
    register_twin(kind)(PoolTwin)
