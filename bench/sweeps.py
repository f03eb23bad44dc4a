"""One sweep of the Numba back end's step alone: sample, propagate or update.

A step is one list of tasks; a sweep is those of some kinds, taken from it with what they wait for.
"""

import numpy as np

from bnn_ref.kernels import layout as at

from .contenders import ours_numba

SWEEPS = {
    "sample": ("SAMPLE", "SAMPLE_BIAS", "FLIP"),
    "propagate": ("FORWARD", "LOSS", "BACKWARD"),
    "update": ("JUDGE", "UPDATE", "UPDATE_BIAS", "UPDATE_SCALE"),
}


def select(plan, kinds):
    """Return the plan of those kinds of task alone: each after the kept ones it came after."""
    tasks, parts, scale_parts = plan
    kept = np.isin(tasks[:, at.TASK], [getattr(at, kind) for kind in kinds])
    before = np.concatenate([[0], np.cumsum(kept)])
    chosen = tasks[kept].copy()
    chosen[:, at.AFTER] = before[chosen[:, at.AFTER]]
    return chosen, parts[kept].copy(), scale_parts


class Sweep(ours_numba.Contender):
    """Takes a whole step in `reset`, and then one sweep of it again and again in `run`."""

    name = ""
    kinds = ()

    def reset(self, learning_rate):
        super().reset(learning_rate)
        x, y = self.batches[0]
        self.trainer.step(x, y)
        state, rows = self.trainer.state, len(x)
        runner = self.trainer.workspace(rows).for_step(state.parameters, rows)
        plan = select(runner.step_plan(rows), SWEEPS[self.name])
        moments = (state.moment_1.flat, state.moment_2.flat)
        arguments = (plan, rows, x, state.parameters.flat, None, moments)
        self.sweep = lambda: runner.run(*arguments)

    def run(self, steps):
        for _ in range(steps):
            self.sweep()
        return []


class Sample(Sweep):
    name = "sample"


class Propagate(Sweep):
    name = "propagate"


class Update(Sweep):
    name = "update"
