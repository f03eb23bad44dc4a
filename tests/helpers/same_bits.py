"""Print the digests of a training run and of predictions: the same on every processor."""

import hashlib
import sys

import numpy as np

from bnn_ref import Categorical, DenseFlipout, Network, Trainer, predict


def digest(*arrays):
    """The first half of the SHA-256 of some arrays' bytes."""
    return hashlib.sha256(b"".join(np.asarray(a).tobytes() for a in arrays)).hexdigest()[:32]


def lines(threads, steps):
    """Yield a line for each dtype: losses, parameters, outputs of draws."""
    rng = np.random.default_rng(0)
    layers = [DenseFlipout(70, 300, activation="relu", bias="normal"),
              DenseFlipout(300, 33, activation="tanh"), DenseFlipout(33, 40)]  # fmt: skip
    x, y = rng.integers(0, 17, (270, 70)) / 16, rng.integers(0, 40, 270)
    for dtype in ("float32", "float64"):
        network = Network(layers, Categorical())
        trainer = Trainer(network, 1000, dtype=dtype, threads=threads)
        batch = x.astype(dtype), y
        losses = [trainer.step(*batch).loss for _ in range(steps)]
        flat = trainer.parameters.flat
        draws = [trainer.backend.draw_outputs(network, trainer.parameters, batch[0], 1, 0, kind=k)
                 for k in ("weights", "flipout", "mean")]  # fmt: skip
        averaged = predict(network, trainer.parameters, batch[0], draws=3).probabilities
        yield dtype, digest(losses), digest(flat), digest(*draws), np.isfinite(averaged).all()


if __name__ == "__main__":
    for threads in map(int, sys.argv[2].split(",")):
        for line in lines(threads, int(sys.argv[1])):
            print(*line)
