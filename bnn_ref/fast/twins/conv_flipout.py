"""The compiled twin of `Conv2DFlipout` and `Conv1DFlipout`; kernels: `kernels/conv_flipout.py`.

At each place a convolution is a dense layer of patches, so its weights are sampled, its KL added
up and its gradients finished by the sweeps of `DenseFlipout`; in between stand sweeps of its own.
"""

import math
from dataclasses import replace
from functools import partial

import numpy as np

from ...border import aligned
from ...kernels import records as at
from ...kernels.conv_flipout import CONVOLUTION, UPDATE_WEIGHTS, convolve, convolve_back
from ...kernels.window import describe_window
from ...layers import DenseFlipout
from ..chain import KINDS
from ..crew import plain
from ..members import is_compiled
from ..places import Buffers
from ..plan import prior_tasks, sample_tasks
from ..runner import Runner
from ..twin import Twin, register_twin

TASKS, SUMS = 16, 1 << 24  # most tasks of a batch, and numbers that their sums may take together
TILE = 1 << 15  # numbers of the patches that are taken together
EXAMPLES = 8  # of a task of a prediction
FLOPS = 2e10  # of one thread, roughly, in a second


def patch_layer(layer):
    """Return the dense layer that a convolution is at each place, its kernel (K, F).

    Parameters
    ----------
    layer : Conv2DFlipout
    """
    shape = int(np.prod(layer.kernel_shape[:-1])), layer.filters
    return DenseFlipout(
        *shape, layer.activation, _flat(layer.kernel_prior, shape), layer.bias, layer.bias_prior,
        layer.scale_shift,
    )  # fmt: skip


def _flat(prior, shape):
    """Return a kernel's prior with its arrays, where it has any, of another shape."""
    if prior.type == "scaled":
        return replace(prior, prior=_flat(prior.prior, shape))
    found = {name: getattr(prior, name, 0.0) for name in ("loc", "scale")}
    arrays = {name: np.reshape(one, shape) for name, one in found.items() if np.ndim(one)}
    return replace(prior, **arrays) if arrays else prior


@register_twin("Conv2DFlipout")
class ConvolutionTwin(Twin):
    """A convolution with all its buffers; what no kernel has, a prior say, runs in NumPy."""

    def __init__(self, member, site):
        super().__init__(member, site)
        *patch, self._filters = self.layer.kernel_shape
        self._length = math.prod(patch)
        self.runner = self._make_runner()
        if self.runner is None:
            return
        self._first = site.places[f"{member.prefix}kernel_mu"]
        self._learns = any(prior.parameter_shapes for prior in self.layer.priors.values())
        self._places = self.layer.outputs // self._filters
        self.settings = np.zeros(1, CONVOLUTION)
        self._no_x = np.zeros((1, 1), site.crew.dtype)
        self.scratch = site.crew.scratch(self._describe(self.settings[0]))
        self.out = self.slope = np.zeros(1, site.crew.dtype)
        self.grad_x = self._transposed = self.out
        if site.rows:
            make = partial(aligned, dtype=site.crew.dtype)
            self.out, self.slope = (make(site.rows * self.layer.outputs) for _ in range(2))
            self._sums = make(self._parts * int(self.settings["part"][0]))
            if site.by_inputs:
                self.grad_x = make(site.rows * self.layer.inputs)
                self._transposed = make(2 * self._length * self._filters)

    def _make_runner(self):
        """Return what samples the weights and adds up their KL; None where no kernel does."""
        patch, site = patch_layer(self.layer), self.site
        if not is_compiled(patch, site.rows > 0):
            return None
        return Runner(site.crew, [self.member._replace(layer=patch)], site.places,
                      min(site.rows, 1))  # fmt: skip

    def _describe(self, record):
        """Fill the CONVOLUTION record, and return how many numbers of scratch a thread needs."""
        layer, window = self.layer, self.layer.window
        describe_window(record["window"], window)
        length, filters, down = self._length, self._filters, window.places[0]
        tile = min(down, max(1, TILE // (length * window.places[1])))
        canvas = int(np.prod(window.canvas)) * window.image[2]
        patches = tile * window.places[1] * length
        record["filters"], record["tile"] = filters, tile
        for name in ("activation", "leak", "others", "bias_kind"):
            record[name] = self.runner.layers[0][name]
        record["by_inputs"] = self.site.by_inputs and self.site.rows > 0
        record["part"] = 2 * (length + 1) * filters
        self._parts = max(1, min(TASKS, SUMS // int(record["part"])))
        buffers, training = Buffers(), self.site.rows > 0
        sizes = {"canvas": canvas, "patches": patches, "kernel": length * filters,
                 "shift": 64 + 2 * filters, "grad": layer.outputs}  # fmt: skip
        if training:
            sizes |= {"by_kernel": length * filters, "sums": 2 * filters}
        if record["by_inputs"]:
            sizes |= {"signs": length, "grad_patches": patches, "grad_canvas": canvas}
        for name, size in sizes.items():
            record[name] = buffers.take(size)
        return max(buffers.size, 2 * UPDATE_WEIGHTS)

    def _sample(self, p, eps, kind):
        """Draw the weights, and with a training run the KL, from the normals that are given."""
        runner = self.runner
        runner.settle((p.scale_shift,))
        runner.give("parameters", p.kernel_mu, place=self._first)
        runner.this.kind, runner.this.gradients_to = kind, at.SET
        if eps is not None:
            runner.take_noise([eps._replace(sign_input=None, sign_output=None)])
        drawn = kind != at.MEAN
        plan = runner.planned(("sample", drawn), lambda: sample_tasks(runner.layers, drawn))
        (runner.run_step if kind == at.TRAINING else runner.run)(plan, 1, self._no_x)
        layer, place = runner.layers[0], runner.part
        delta = place(int(layer["kernel"]["delta"]), (self._length * self._filters,))
        return delta, *(place(int(layer[name]), (self._filters,))
                        for name in ("bias_shift", "bias_flip"))  # fmt: skip

    def _convolve(self, h, weights, noise, out, slope, chunk, slopes):
        """Set the outputs of rows; `weights`: mu, delta, shift and flip."""
        settings, rows = self.settings[0], len(h)
        settings["rows"], settings["chunk"] = rows, chunk
        settings["whole"], settings["slopes"] = noise is None, slopes
        signs = [weights[0]] * 2
        if noise is not None:
            signs = [plain(noise.sign_input).reshape(-1), plain(noise.sign_output).reshape(-1)]
        arguments = (plain(h).reshape(-1), *weights, *signs, out, slope, self.settings)
        self.site.crew.run(convolve, arguments, 1, self.scratch, self._seconds(rows))

    def _seconds(self, rows):
        return rows * self._places * self._length * self._filters * 2 / FLOPS

    def _chunk(self, rows):
        return -(-rows // self._parts)

    def forward(self, p, noise, h):
        """Return the outputs (B, O), a view; as `Twin.forward`."""
        if self.runner is None:
            return super().forward(p, noise, h)
        self._h, self._mu, self._noise = plain(h), p.kernel_mu.reshape(-1), noise
        self._drawn = self._sample(p, noise, at.TRAINING)
        rows = len(h)
        self._convolve(h, (self._mu, *self._drawn), noise, self.out, self.slope,
                       self._chunk(rows), True)  # fmt: skip
        return self.out[: rows * self.layer.outputs].reshape(rows, -1)

    def kl(self, p, noise):
        """Return the layer's KL, float64; as `Twin.kl`."""
        return super().kl(p, noise) if self.runner is None else self.runner.kl_layers[0]

    def backward(self, grad_outputs, kl_weight, gradients):
        """Return the gradient by the inputs (B, I), a view; as `Twin.backward`."""
        if self.runner is None:
            return super().backward(grad_outputs, kl_weight, gradients)
        runner, rows = self.runner, len(grad_outputs)
        runner.this.kl_weight = kl_weight
        runner.give("gradients", gradients.kernel_mu, place=self._first)
        signs = [self._mu] * 2
        if self._noise is not None:
            given = self._noise.sign_input, self._noise.sign_output
            signs = [plain(one).reshape(-1) for one in given]
        arguments = (self._h.reshape(-1), self._mu, self._drawn[0], *signs, self.slope,
                     plain(grad_outputs).reshape(-1), self.grad_x, self._transposed, self._sums,
                     self.settings, runner.layers, runner.table)  # fmt: skip
        work = self._seconds(rows) * (2 if self.site.by_inputs else 1)
        self.site.crew.run(convolve_back, arguments, 3, self.scratch, work)
        if self._learns:
            plan = runner.planned("priors", lambda: prior_tasks(runner.layers))
            runner.run(plan, 1, self._no_x)
        if not self.site.by_inputs:
            return None
        return self.grad_x[: rows * self.layer.inputs].reshape(rows, -1)

    def draw_outputs(self, p, h, stream, kind):
        """Return the outputs (rows, O) of one draw of a prediction; as `Layer.draw_outputs`."""
        if self.runner is None:
            return super().draw_outputs(p, h, stream, kind)
        noise, rows, mu = None, len(h), p.kernel_mu.reshape(-1)
        if kind != "mean":
            noise = self.layer.draw_noise(stream, rows if kind == "flipout" else 0)
        delta, *bias = self._sample(p, noise, KINDS[kind])
        out = np.empty((rows, self.layer.outputs), h.dtype)
        self._convolve(h, (delta if kind == "weights" else mu, delta, *bias),
                       noise if kind == "flipout" else None, out.reshape(-1), out.reshape(-1),
                       EXAMPLES, False)  # fmt: skip
        return out


register_twin("Conv1DFlipout")(ConvolutionTwin)
