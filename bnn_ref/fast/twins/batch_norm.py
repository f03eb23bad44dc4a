"""The compiled twin of `BatchNorm`; kernels: `kernels/batch_norm.py`."""

import numpy as np

from ...border import aligned
from ...kernels.batch_norm import BACK, BATCH_NORM, RUN, TRAIN, batch_norm
from ...kernels.normalising import width_of
from ...layers import LayerTrace
from ..crew import plain
from ..places import SWEEP_TASKS, rows_of_task
from ..twin import Twin, register_twin

NUMBERS = 5e8  # normalised by one thread, roughly, in a second
PHASES = {TRAIN: 3, RUN: 1, BACK: 2}


@register_twin("BatchNorm")
class BatchNormTwin(Twin):
    """Batch normalisation with its buffers."""

    def __init__(self, member, site):
        super().__init__(member, site)
        n, dtype = self.layer.features, site.crew.dtype
        width = width_of.py_func(n)
        self.settings = np.zeros(1, BATCH_NORM)
        record = self.settings[0]
        record["epsilon"], record["features"] = self.layer.epsilon, n
        record["running"], record["by_inputs"] = self.layer.frozen, site.by_inputs
        record["part"] = 3 * n + 2 * width
        record["statistics"] = size = site.rows * self.layer.inputs
        self.scratch = site.crew.scratch(3 * n + 4 * width)
        self._sums = np.zeros(SWEEP_TASKS * int(record["part"]))
        self._kept = self._out = self._grad_x = np.zeros(1, dtype)
        if size:
            self._kept, self._out = aligned(size + 3 * n, dtype), aligned(size, dtype)
            self._grad_x = aligned(size, dtype)

    def _run(self, p, x, out, by, rows, kind, keeps=True):
        """Do one way of the rows; `by`: what holds the gradients by scale and shift."""
        record, n = self.settings[0], self.layer.features
        record["rows"] = count = rows * self.layer.inputs // n
        record["chunk"], record["keeps"] = rows_of_task(count, n), keeps
        arguments = (x, out, p.scale, p.shift, p.running_mean, p.running_variance, self._kept,
                     self._sums, by.scale, by.shift, self.settings, kind)  # fmt: skip
        seconds = rows * self.layer.inputs / NUMBERS
        self.site.crew.run(batch_norm, arguments, PHASES[kind], self.scratch, seconds)

    def forward(self, p, noise, h):
        """Return the outputs (B, I), a view; as `Twin.forward`."""
        self._p, self._rows = p, len(h)
        kind = RUN if self.layer.frozen else TRAIN
        self._run(p, plain(h).reshape(-1), self._out, p, len(h), kind)
        return self._out[: h.size].reshape(h.shape)

    def statistics_after(self, p):
        """Return the running statistics after the step; as `Twin.statistics_after`."""
        n, place = self.layer.features, int(self.settings["statistics"][0])
        mean, variance = self._kept[place : place + 2 * n].reshape(2, 1, n)
        normalised = self._kept[: self._rows * self.layer.inputs].reshape(-1, n)
        trace = LayerTrace(mean=mean, variance=variance, normalised=normalised)
        return self.layer.statistics_after(p, trace)

    def backward(self, grad_outputs, kl_weight, gradients):
        """Return the gradient by the inputs (B, I), a view; as `Twin.backward`."""
        grad = plain(grad_outputs)
        self._run(self._p, self._grad_x, grad.reshape(-1), gradients, len(grad), BACK)
        return self._grad_x[: grad.size].reshape(grad.shape)

    def draw_outputs(self, p, h, stream, kind):
        """Return the outputs (rows, I) by the running statistics; as `Layer.draw_outputs`."""
        out = np.empty(h.shape, h.dtype)
        self._run(p, plain(h).reshape(-1), out.reshape(-1), p, len(h), RUN, keeps=False)
        return out
