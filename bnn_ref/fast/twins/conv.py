"""The compiled twin of `Conv2D`; kernels: `kernels/conv_flipout.py`, their weights whole."""

import numpy as np

from ...kernels import records as at
from ..point import PointCaller, has_kernels
from ..twin import register_twin
from .conv_flipout import ConvolutionTwin


@register_twin("Conv2D")
class PointConvolutionTwin(ConvolutionTwin):
    """A convolution of point estimates; what no kernel has, an activation say, runs in NumPy."""

    def _make_runner(self):
        """Return the layer's record and priors; as for `ConvolutionTwin`."""
        if not has_kernels(self.layer):
            return None
        sizes = self._length, self._filters
        self._none = np.zeros(self._filters, self.site.crew.dtype)
        return PointCaller(self.member, self.site, sizes, lambda records: 1)

    def _sample(self, p, eps, kind):
        """Return the kernel, and what is added to every place and flipped; nothing is drawn."""
        self.runner.give_parameters(p)
        if kind == at.TRAINING:
            self.runner.run_priors()
        shift = p.bias_mu if self.layer.bias else self._none
        return p.kernel_mu.reshape(-1), shift, self._none

    def kl(self, p, noise):
        """Return the layer's KL, float64; as `Twin.kl`."""
        return super().kl(p, noise) if self.runner is None else self.runner.kl()
