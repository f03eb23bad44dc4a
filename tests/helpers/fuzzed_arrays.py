"""Odd arrays, and everything that takes arrays: run as a program, which prints a count a verdict.

A process of its own, so that a crash is seen as one. Each taker owes a `ValueError` or `TypeError`
of one line, or what it returns for a plain copy of the same numbers.
"""

import collections
import sys
import warnings

import numpy as np

from bnn_ref import (
    Categorical,
    DenseFlipout,
    Network,
    Normal,
    Trainer,
    draw_noise,
    fit,
    forward,
    loss_and_gradients,
    predict,
)
from bnn_ref.border import take_array
from bnn_ref.data import Rows

ROWS, INPUTS = 6, 3
PLAIN = np.random.default_rng(7).normal(size=(ROWS, INPUTS)).astype(np.float32)


def make_odd(rng):
    """Return name to an odd array (or something that is none), a third of them with right numbers.

    Parameters
    ----------
    rng : numpy.random.Generator
    """
    x = rng.normal(size=(ROWS, INPUTS)).astype(np.float32)
    wide = rng.normal(size=(2 * ROWS, 3 * INPUTS)).astype(np.float32)
    frozen = x.copy()
    frozen.flags.writeable = False
    bytes_ = np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(x.shape)
    holes = x.copy()
    holes[2, 1] = rng.choice([np.nan, np.inf, -np.inf])
    odd = {
        "every second": wide[::2, ::3],
        "reversed": x[::-1, ::-1],
        "fortran": np.asfortranarray(x),
        "transposed": np.ascontiguousarray(x.T).T,
        "read-only": frozen,
        "unaligned": bytes_,
        "big-endian": x.astype(">f4"),
        "broadcast": np.broadcast_to(x[:1], x.shape),
        "float16": x.astype(np.float16),
        "longdouble": x.astype(np.longdouble),
        "int8": (x * 20).astype(np.int8),
        "uint64": np.full(x.shape, 2**63, np.uint64),
        "bool": x > 0,
        "list": x.tolist(),
        "not finite": holes,
        "too large": np.full(x.shape, 1e39),
        "subnormal": np.full(x.shape, 1e-42, np.float32),
        "complex": x.astype(complex),
        "objects": x.astype(object),
        "none among": np.where(x > 0, x, None),
        "text": x.astype(str),
        "dates": np.zeros(x.shape, "M8[s]"),
        "fields": np.zeros(ROWS, [("a", "f4"), ("b", "f4")]),
        "masked": np.ma.masked_array(x, x > 0),
        "three ranks": x.reshape(ROWS, INPUTS, 1),
        "no rows": x[:0],
        "no columns": x[:, :0],
        "a number": np.float32(3),
        "one row": x[0],
        "many ranks": x.reshape((1,) * 20 + x.shape),
        "ragged": [[1.0], [1.0, 2.0]],
        "none": None,
        "a dict": {"x": 1},
        "a text": "x",
        "a generator": (row for row in x),
        "a set": {1.0},
    }
    return odd


def make_takers(backend):
    """Return name to function(array) -> array of everything that takes one.

    Parameters
    ----------
    backend : str
    """
    network = Network([DenseFlipout(INPUTS, 4, "relu"), DenseFlipout(4, 2)], Categorical())
    wide = Network([DenseFlipout(INPUTS, INPUTS)], Normal(1.0))
    parameters, y = network.init(0), np.arange(ROWS) % 2
    noise = draw_noise(network, ROWS, 1)

    def trained(x, y=y, weight=None):
        options = {"steps": 2, "batch_size": 4, "backend": backend, "progress": False}
        return fit(network, (x, y), sample_weight=weight, **options).parameters.flat

    def stepped(x):
        trainer = Trainer(network, ROWS, backend=backend)
        trainer.step(x, y)
        return trainer.parameters.flat

    def predicted(x):
        return predict(network, parameters, x, draws=2, backend=backend).probabilities

    def told(x):
        return np.asarray(predict(network, parameters, x, y, draws=2, backend=backend).nats)

    def weights(values):
        filled = dict(parameters)
        filled["layers.0.kernel_mu"] = values
        return network.parameters(filled).flat

    return {
        "fit x": trained,
        "fit y": lambda y: trained(PLAIN, y),
        "fit weights": lambda w: trained(PLAIN, y, w),
        "step": stepped,
        "predict": lambda x: (
            predict(network, parameters, x, draws=2, backend=backend).probabilities
        ),
        "evaluate": told,
        "targets": lambda t: np.asarray(
            predict(wide, wide.init(0), PLAIN, t, draws=2, backend=backend).nats
        ),
        "forward": lambda x: forward(network, parameters, x, noise),
        "gradients": lambda x: loss_and_gradients(network, parameters, x, y, noise, 0.1).loss,
        "parameters": weights,
        "take_array": lambda x: take_array(x, "x", dtype="float32"),
        "rows": lambda x: Rows(x)[:],
    }


def plain_copy(odd):
    """Return the same numbers as a plain array, or None where they are none."""
    try:
        found = np.array(odd, dtype=np.asarray(odd).dtype.newbyteorder("="), order="C")
    except (TypeError, ValueError):
        return None
    return found if found.dtype.kind in "buif" and not np.ma.isMaskedArray(odd) else None


def verdict(take, odd):
    """Return what became of one odd array: "refused", "right", or what is wrong with it."""
    copy = plain_copy(odd)
    try:
        found = take(odd)
    except (ValueError, TypeError) as error:
        return "refused" if str(error).count("\n") == 0 else f"lines: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if copy is None:
        return "a number was made of what is none"
    try:
        same = np.array_equal(np.asarray(found), np.asarray(take(copy)), equal_nan=True)
    except Exception as error:
        return f"a plain copy is refused: {error}"
    return "right" if same else "a number was changed in silence"


def main(backend, count):
    """Try that many odd arrays, print each fault and then the counts."""
    takers, counts, tried = make_takers(backend), collections.Counter(), 0
    rng = np.random.default_rng(300)
    warnings.simplefilter("ignore", UserWarning)
    while tried < count:
        for name, take in takers.items():
            for what, odd in make_odd(rng).items():
                if odd is None and name == "fit weights":
                    continue  # which says that there are none
                with np.errstate(all="ignore"):
                    found = verdict(take, odd)
                counts[found if found in ("refused", "right") else "wrong"] += 1
                tried += 1
                if found not in ("refused", "right"):
                    print(f"{name}, {what}: {found}"[:400])
    print(dict(counts))
    return 1 if counts["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
