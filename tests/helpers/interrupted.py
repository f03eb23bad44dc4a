"""A program: steps under SIGINTs at random moments. Prints how many came, or what was not whole.

Run as `interrupted.py BACKEND COUNT`.
"""

import hashlib
import os
import random
import signal
import sys
import threading
import time

import numpy as np

from bnn_ref import DenseFlipout, Network, Trainer

SIZES = {"numba": (300, 200, 10), "numpy": (40, 30, 10)}  # numba: wide enough for helper threads
ROWS = 128
MOST = 4000  # steps


def digest(state):
    """What a state is: its count and a hash of parameters and moments."""
    parts = (state.parameters, state.moment_1, state.moment_2)
    return state.step, hashlib.sha256(b"".join(one.flat.tobytes() for one in parts)).hexdigest()


def train(backend):
    """A trainer and the one batch that it steps on."""
    sizes = SIZES[backend]
    layers = [DenseFlipout(*sizes[:2], "relu", bias="normal"), DenseFlipout(*sizes[1:])]
    trainer = Trainer(Network(layers), ROWS, 1e-2, seed=1, backend=backend, threads=2)
    rng = np.random.default_rng(2)
    batch = rng.normal(size=(ROWS, sizes[0])).astype(np.float32), rng.integers(0, 10, ROWS)
    return trainer, batch


def interrupt(seconds, ready, over):
    """Send this process one SIGINT at a random moment each time it is ready for one."""
    rng = random.Random(3)
    while ready.wait() and not over.is_set():
        ready.clear()
        time.sleep(rng.uniform(0, 3 * seconds))
        os.kill(os.getpid(), signal.SIGINT)


def interrupted(trainer, batch, count, seconds):
    """Step until that many interrupts came; return the digests seen after each."""
    ready, over, seen = threading.Event(), threading.Event(), []
    threading.Thread(target=interrupt, args=(seconds, ready, over), daemon=True).start()
    while len(seen) < count and trainer.state.step < MOST:
        try:
            ready.set()
            while trainer.state.step < MOST:
                trainer.step(*batch)
        except KeyboardInterrupt:
            seen.append(digest(trainer.state))
            time.sleep(0.003)
            if digest(trainer.state) != seen[-1]:
                sys.exit(f"after step {trainer.state.step}: a helper went on")
    over.set()
    ready.set()
    return seen


def main(backend, count):
    """Interrupt one run, and hold every state seen against those of a run left alone."""
    trainer, batch = train(backend)
    trainer.step(*batch)  # compiled
    start = time.perf_counter()
    for _ in range(10):
        trainer.step(*batch)
    seconds = (time.perf_counter() - start) / 10
    trainer = train(backend)[0]
    seen = [*interrupted(trainer, batch, count, seconds), digest(trainer.state)]
    alone = train(backend)[0]
    wanted = dict([digest(alone.state)])
    while alone.state.step < trainer.state.step:
        alone.step(*batch)
        wanted.update([digest(alone.state)])
    for step, found in seen:
        if wanted[step] != found:
            sys.exit(f"after step {step}: not the state of a whole step")
    print(len(seen) - 1)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
