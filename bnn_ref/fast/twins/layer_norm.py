"""The compiled twin of `LayerNorm`; kernels: `kernels/layer_norm.py`.

`NormalisingTwin` is what it shares with `BatchNorm`'s.
"""

import numpy as np

from ...border import aligned
from ...kernels.layer_norm import LAYER_NORM, layer_norm
from ...kernels.normalising import width_of
from ..crew import plain
from ..places import SWEEP_TASKS, rows_of_task
from ..twin import Twin, register_twin

NUMBERS = 5e8  # normalised by one thread, roughly, in a second


class NormalisingTwin(Twin):
    """The ways there and back; a subclass has the buffers and `_run`, which does one way."""

    def forward(self, p, noise, h):
        """Return the outputs (B, I), a view; as `Twin.forward`."""
        self._p = p
        self._run(p, plain(h).reshape(-1), self._out, p, len(h))
        return self._out[: h.size].reshape(h.shape)

    def backward(self, grad_outputs, kl_weight, gradients):
        """Return the gradient by the inputs (B, I), a view; as `Twin.backward`."""
        grad = plain(grad_outputs)
        self._run(self._p, self._grad_x, grad.reshape(-1), gradients, len(grad), back=True)
        return self._grad_x[: grad.size].reshape(grad.shape)

    def draw_outputs(self, p, h, stream, kind):
        """Return the outputs (rows, I), the same in every draw; as `Layer.draw_outputs`."""
        out = np.empty(h.shape, h.dtype)
        self._run(p, plain(h).reshape(-1), out.reshape(-1), p, len(h), keeps=False)
        return out


@register_twin("LayerNorm")
class LayerNormTwin(NormalisingTwin):
    """Layer normalisation with its buffers."""

    def __init__(self, member, site):
        super().__init__(member, site)
        n, dtype = self.layer.features, site.crew.dtype
        self.settings = np.zeros(1, LAYER_NORM)
        record = self.settings[0]
        record["epsilon"], record["features"] = self.layer.epsilon, n
        record["by_inputs"] = site.by_inputs
        record["part"] = 2 * n + 2 * width_of.py_func(n)
        record["inverse"] = size = site.rows * self.layer.inputs
        self.scratch = site.crew.scratch(2 * n)
        self._sums = np.zeros(SWEEP_TASKS * int(record["part"]))
        self._kept = self._out = self._grad_x = np.zeros(1, dtype)
        if size:
            self._kept, self._out = aligned(size + size // n, dtype), aligned(size, dtype)
            self._grad_x = aligned(size, dtype)

    def _run(self, p, x, out, by, rows, back=False, keeps=True):
        """Do one way of the rows; `by`: what holds the gradients by scale and shift."""
        record, n = self.settings[0], self.layer.features
        record["rows"] = count = rows * self.layer.inputs // n
        record["chunk"], record["keeps"] = rows_of_task(count, n), keeps
        arguments = (x, out, p.scale, p.shift, self._kept, self._sums, by.scale, by.shift,
                     self.settings, back)  # fmt: skip
        seconds = rows * self.layer.inputs / NUMBERS
        self.site.crew.run(layer_norm, arguments, 1, self.scratch, seconds)
