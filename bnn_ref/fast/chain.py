"""Flipout layers that follow one another in a mixed network: three runs, there, back, and a draw.

They run as a whole network does (`plan.py` has the order), but their inputs, the gradient by their
outputs and what becomes of the gradient by their inputs are other layers' affair.
"""

from typing import NamedTuple

import numpy as np

from ..border import aligned
from ..kernels import records as at
from ..step import Metrics
from .crew import plain
from .plan import backward_tasks, forward_tasks, predict_tasks
from .runner import Runner

KINDS = {"weights": at.WEIGHTS, "flipout": at.FLIPOUT, "mean": at.MEAN}


class Key(NamedTuple):
    """Noise that is drawn where it is used: its place in the generator's counter.

    Attributes
    ----------
    seed, step, draw, purpose
        As for `bnn_ref.noise.words`.
    first_row : int
        The first row's place in its batch or table.
    """

    seed: int
    step: int
    draw: int
    purpose: str
    first_row: int = 0


def _shifts(p):
    return tuple(one.scale_shift for one in p)


class Chain:
    """Some neighbouring layers, all `is_compiled`.

    Parameters
    ----------
    members : list of Member
    site : Site
    likelihood : Likelihood, optional
        A compiled one, where the last of them is the network's last layer.
    """

    def __init__(self, members, site, likelihood=None):
        self.members, self.site, self.likelihood = members, site, likelihood
        self.layers = [member.layer for member in members]
        self.runner = Runner(site.crew, members, site.places, site.rows, likelihood, site.by_inputs,
                             site.estimator)  # fmt: skip
        self._first = site.places[f"{members[0].prefix}kernel_mu"]
        self._x, self._shared, self._drawn = None, (), None

    def _settle(self, scale_shift, noise):
        """Tell kernels of the noise of a run and each layer's scale_shift; return its record."""
        runner = self.runner
        runner.settle(scale_shift)
        this = runner.this
        if isinstance(noise, Key):
            this.signs = at.ONES if self.site.estimator == "shared" else at.DRAWN
            runner.key(noise.seed, noise.step, noise.draw, noise.purpose)
            this.first_row = noise.first_row
        else:
            runner.take_noise(noise)
        return this

    def forward(self, p, noise, h):
        """Return the last layer's outputs (B, O), a view.

        Parameters
        ----------
        p : list of LayerParameters
        noise : Key, or list of LayerNoise
        h : array (B, I)
        """
        runner, self._x = self.runner, plain(h)
        this, rows = self._settle(_shifts(p), noise), len(h)
        runner.give("parameters", p[0].kernel_mu, place=self._first)
        this.kind, this.gradients_to = at.TRAINING, at.SET
        plan = runner.planned(("there", rows), lambda: forward_tasks(runner.layers, rows))
        runner.run_step(plan, rows, self._x)
        return runner.outputs((rows,))

    def kl(self):
        """Return each layer's KL, float64 (L,), after `forward`."""
        return self.runner.kl_layers

    def backward(self, grad_outputs, kl_weight, gradients):
        """Return the gradient by the inputs (B, I), a view, or None where nobody asks for it.

        Parameters
        ----------
        grad_outputs : array (B, O)
        kl_weight : float
        gradients : list of LayerParameters
            Set in place.
        """
        runner, rows = self.runner, len(grad_outputs)
        this, asked = runner.this, self.site.by_inputs
        this.kl_weight = kl_weight
        runner.give("gradients", gradients[0].kernel_mu, place=self._first)
        runner.fill(self._x, grad_outputs, None)
        plan = runner.planned(("back", rows), lambda: backward_tasks(runner.layers, rows, asked))
        runner.run(plan, rows, self._x)
        return self._grad_x(rows)

    def _grad_x(self, rows):
        if not self.site.by_inputs:
            return None
        return self.runner.part(self.runner.this.grad_x, (rows, self.layers[0].inputs))

    def finish(self, p, noise, h, batch, kl_weight, gradients, share=1.0, add=False):
        """Return (outputs, nll, gradient by the inputs) of the last layers and the likelihood.

        Parameters
        ----------
        p, noise, h
            As for `forward`.
        batch : Batch
            Its targets and weights are used.
        kl_weight, gradients
            As for `backward`; the gradient of the likelihood's own parameters is set too.
        share, add
            As for `differentiate`.
        """
        runner, rows = self.runner, len(h)
        this = self._settle(_shifts(p), noise)
        this.kind, this.gradients_to = at.TRAINING, at.ADD if add else at.SET
        this.kl_weight, this.share = kl_weight, share / rows
        runner.give("parameters", p[0].kernel_mu, place=self._first)
        runner.give("gradients", gradients[0].kernel_mu, place=self._first)
        runner.run_step(runner.step_plan(rows), rows, runner.fill(h, batch.y, batch.weight))
        return runner.outputs((rows,)), np.float64(this.nll), self._grad_x(rows)

    def step(self, state, seed, step, batch, kl_weight, adam):
        """Take a whole network's step in one run, and return its `Metrics`.

        Gradients are used up as they are made, once it is certain that all of them are finite;
        where it is not, nothing is changed and None returned.

        Parameters
        ----------
        state : State
        seed, step : int
            Of the noise.
        batch : (x, y, weight, leading shape), as `check_batch` returns it
            Class ids need not have been looked at: a wrong one counts as not finite.
        kl_weight : float
        adam : Adam
        """
        x, y, weight, leading = batch
        runner, rows = self.runner, len(x)
        runner.settle(state.parameters.scale_shift)
        runner.key(seed, step, 0, "train")
        runner.give_state(state)
        runner.use(adam)
        this = runner.this
        this.signs = at.ONES if self.site.estimator == "shared" else at.DRAWN
        this.first_row, this.kind, this.gradients_to, this.safe = 0, at.TRAINING, at.ADAM, 0
        this.kl_weight, this.share = kl_weight, 1 / rows
        runner.run_step(runner.step_plan(rows), rows, runner.fill(x, y, weight))
        if this.safe == 0:
            return None
        return Metrics(np.float64(this.loss), np.float64(this.nll), np.float64(this.kl),
                       runner.kl_layers.copy(), runner.outputs(leading).copy())  # fmt: skip

    def draw_outputs(self, p, h, key, kind, again=False, same_inputs=False):
        """Return one draw of the outputs (rows, O). Twin: `reference.draw_outputs`.

        Parameters
        ----------
        p : list of LayerParameters
        h : array (rows, I)
        key : Key
        kind : "weights", "flipout" or "mean"
        again : bool
            p are those of the call before: its sigmas are there, if it drew any.
        same_inputs : bool
            So is h: what Flipout draws share is there.
        """
        runner, rows = self.runner, len(h)
        out = np.empty((rows, self.layers[-1].outputs), runner.dtype)
        this = self._settle(_shifts(p), key)
        runner.give("parameters", p[0].kernel_mu, place=self._first)
        this.kind, this.signs, this.gradients_to = KINDS[kind], at.DRAWN, at.SET
        runner.give("out", out)
        if kind == "flipout":
            size = rows * self.layers[0].outputs
            same_inputs = again and same_inputs and len(self._shared) >= size
            if not same_inputs:
                self._shared = aligned(size, runner.dtype)
            runner.give("shared", self._shared)
        this.again, this.sigmas, self._drawn = same_inputs, again and self._drawn == kind, kind
        drawn = kind != "mean"
        plan = runner.planned((rows, drawn), lambda: predict_tasks(runner.layers, rows, drawn))
        runner.run(plan, rows, plain(h))
        return out
