"""Parts of the Numba back end's step, by the functions that it offers: noise, and gradients."""

from .contenders import ours_numba


class Noise(ours_numba.Contender):
    """Draws a step's noise into arrays and does nothing else."""

    def run(self, steps):
        problem, work = self.problem, self.problem.workload
        for t in range(steps):
            self.backend.draw_noise(problem.network, work.batch, 0, step=t, dtype=self.dtype)
        return []


class Gradients(ours_numba.Contender):
    """Loss and gradients for noise that is given: forward, KL, backward; no noise, no Adam."""

    def reset(self, learning_rate):
        super().reset(learning_rate)
        problem = self.problem
        rows = problem.workload.batch
        self.noise = self.backend.draw_noise(problem.network, rows, 0, dtype=self.dtype)
        self.workspace = self.backend.prepare(problem.network, rows, self.dtype, self.threads)

    def run(self, steps):
        problem, batches = self.problem, self.batches
        for t in range(steps):
            self.backend.loss_and_gradients(
                problem.network, problem.parameters, *batches[t % len(batches)], self.noise,
                problem.kl_weight, workspace=self.workspace,
            )  # fmt: skip
        return []
