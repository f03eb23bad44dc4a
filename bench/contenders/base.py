"""What a contender is, and what all of them share."""

from abc import ABC, abstractmethod

import numpy as np

LEAST_RATE = 1e-30  # a learning rate under which no parameter moves: noise alone changes the loss


class Contender(ABC):
    """One way to train and predict: an instance for each problem, all of them in one process.

    A contender's file holds a class ``Contender`` with these methods. `run` is what is checked and
    what is timed: there is no other way to take a step.

    Attributes
    ----------
    batches : list
        The problem's batches as the framework holds them; step t takes ``batches[t % len]``.
    kinds : tuple of str
        What `predict` can draw.
    likelihoods : tuple of str
        Of the workloads it can do.
    """

    batches = ()
    kinds = ("weights", "flipout")
    likelihoods = ("categorical",)

    def __init__(self, dtype, threads):
        """Import the framework and set its threads."""
        self.dtype, self.threads = dtype, threads

    @abstractmethod
    def open(self, problem):
        """Build the network, its optimiser and its compiled step for a problem.

        Sets ``problem``, and ``batches`` from all of ``problem.batches``.
        """

    @abstractmethod
    def reset(self, learning_rate):
        """Set the problem's initial values, moments 0, step 0, and a learning rate."""

    @abstractmethod
    def run(self, steps):
        """Take that many training steps and return their losses, as the framework holds them.

        Every step draws fresh noise, computes nll + kl_weight * kl and every gradient, and takes
        one Adam step. Returns when all of it is done.
        """

    @abstractmethod
    def parameters(self):
        """Return the values as they are now: full name ("layers.0.kernel_mu") to NumPy array."""

    @abstractmethod
    def predict(self, x, draws, kind):
        """Return class probabilities (rows, O) averaged over draws, at the values as they are now.

        Kind "weights": a draw of whole weights for all rows; "flipout": the layer as it trains.
        x is a NumPy array (rows, I).
        """

    def replay(self, noise):
        """Return {"loss", "gradients"} on batch 0, at the initial values, for a noise.

        By the function that `run` differentiates. None where the layers draw their own noise.
        """
        return


SCALE = "likelihood.scale_rho"  # of a learned scale, softplus(scale_rho)


def parameter_names(network):
    """Return for each layer (kernel_mu, kernel_rho, bias_mu) as full names."""
    return [
        tuple(f"layers.{k}.{name}" for name in layer.parameter_shapes)
        for k, layer in enumerate(network.layers)
    ]


def as_floats(losses):
    """Return losses, whatever a framework calls a number, as a float64 array."""
    return np.array([float(loss) for loss in losses])
