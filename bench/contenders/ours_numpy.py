"""This project's NumPy back end: the specification, not the fast path."""

import numpy as np

from bnn_ref import Adam, State, Trainer, predict
from bnn_ref.backends import get_backend

from . import base


class Contender(base.Contender):
    backend_name = "numpy"
    likelihoods = ("categorical", "bernoulli", "normal")

    def __init__(self, dtype, threads):
        super().__init__(dtype, threads)
        self.predictions = 0
        self.backend = get_backend(self.backend_name)

    def open(self, problem):
        self.problem, self.batches = problem, list(problem.batches)

    def reset(self, learning_rate):
        problem = self.problem
        self.trainer = Trainer(
            problem.network,
            num_examples=1 / problem.kl_weight,
            backend=self.backend,
            dtype=self.dtype,
            adam=Adam(learning_rate),
            threads=self.threads,
            state=State.start(problem.parameters.copy()),
        )

    def run(self, steps):
        trainer, batches = self.trainer, self.batches
        return [trainer.step(*batches[t % len(batches)]).loss for t in range(steps)]

    def parameters(self):
        return {name: np.array(value) for name, value in self.trainer.parameters.items()}

    def replay(self, noise):
        problem = self.problem
        workspace = self.backend.prepare(
            problem.network, problem.workload.batch, self.dtype, self.threads
        )
        result = self.backend.loss_and_gradients(
            problem.network,
            problem.parameters,
            *problem.batches[0],
            noise,
            problem.kl_weight,
            workspace=workspace,
        )
        gradients = {name: np.array(value) for name, value in result.gradients.items()}
        return {"loss": float(result.loss), "gradients": gradients}

    def predict(self, x, draws, kind):
        self.predictions += 1
        return predict(
            self.problem.network,
            self.trainer.parameters,
            x,
            draws=draws,
            seed=self.predictions,
            kind=kind,
            backend=self.backend,
            threads=self.threads,
        ).probabilities
