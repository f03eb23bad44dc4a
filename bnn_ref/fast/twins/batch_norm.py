"""The compiled twin of `BatchNorm`; kernels: `kernels/batch_norm.py`."""

import numpy as np

from ...border import aligned
from ...kernels.batch_norm import BACK, BATCH_NORM, RUN, TRAIN, batch_norm
from ...kernels.normalising import width_of
from ...layers import LayerTrace
from ..places import SWEEP_TASKS, rows_of_task
from ..twin import register_twin
from .layer_norm import NormalisingTwin

NUMBERS = 5e8  # normalised by one thread, roughly, in a second
PHASES = {TRAIN: 3, RUN: 1, BACK: 2}


@register_twin("BatchNorm")
class BatchNormTwin(NormalisingTwin):
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

    def _run(self, p, x, out, by, rows, back=False, keeps=True):
        """Do one way of the rows; `by`: what holds the gradients by scale and shift."""
        record, n = self.settings[0], self.layer.features
        kind = BACK if back else RUN if self.layer.frozen or not keeps else TRAIN
        self._rows = rows
        record["rows"] = count = rows * self.layer.inputs // n
        record["chunk"], record["keeps"] = rows_of_task(count, n), keeps
        arguments = (x, out, p.scale, p.shift, p.running_mean, p.running_variance, self._kept,
                     self._sums, by.scale, by.shift, self.settings, kind)  # fmt: skip
        seconds = rows * self.layer.inputs / NUMBERS
        self.site.crew.run(batch_norm, arguments, PHASES[kind], self.scratch, seconds)

    def statistics_after(self, p):
        """Return the running statistics after the step; as `Twin.statistics_after`."""
        n, place = self.layer.features, int(self.settings["statistics"][0])
        mean, variance = self._kept[place : place + 2 * n].reshape(2, 1, n)
        normalised = self._kept[: self._rows * self.layer.inputs].reshape(-1, n)
        trace = LayerTrace(mean=mean, variance=variance, normalised=normalised)
        return self.layer.statistics_after(p, trace)
