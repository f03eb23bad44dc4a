"""How often sound layers are called wrong: `python calibrate_moments.py NAME [RUNS [CALLS [P]]]`.

Prints the number of alarms of the black-box check in RUNS seeded runs (5000) of CALLS calls (200)
at error probability P (0.001) for the own layer of a framework: numpy, numba or tfp. The check's
probabilities are exact for any number of calls; more calls only take longer.
"""

import itertools
import sys

import numpy as np

from bnn_ref.backends import get_backend
from bnn_ref.layers import DenseFlipout
from bnn_ref.network import Network
from bnn_ref.verification.noise.moments import check_layer

INPUTS, OUTPUTS = 4, 3


def arrays_of(run):
    """Return a run's parameters and its rows of inputs."""
    rng = np.random.default_rng([run, 21])
    parameters = {
        "kernel_mu": rng.normal(0, 0.5, (INPUTS, OUTPUTS)),
        "kernel_sigma": rng.uniform(0.05, 0.4, (INPUTS, OUTPUTS)),
        "bias_mu": rng.normal(size=OUTPUTS),
    }
    return parameters, rng.normal(size=(2, INPUTS))


def _rho(sigma):
    return np.log(np.expm1(sigma))


def ours(name):
    """Return (run, parameters) -> the call of our own layer, each run with a seed of its own."""
    backend = get_backend(name)
    network = Network([DenseFlipout(INPUTS, OUTPUTS, scale_shift=0.0)])

    def make(run, given):
        named = {"kernel_mu": given["kernel_mu"], "kernel_rho": _rho(given["kernel_sigma"]),
                 "bias_mu": given["bias_mu"]}  # fmt: skip
        parameters = network.parameters({f"layers.0.{key}": a for key, a in named.items()})
        draws = itertools.count()
        return lambda x: backend.draw_outputs(network, parameters, x, run, next(draws),
                                              kind="flipout")  # fmt: skip

    return make


def tfp():
    """Return (run, parameters) -> the call of TFP's own layer; TensorFlow's seed is set once."""
    from bnn_ref.verification.frameworks.tensorflow import tf
    from bnn_ref.verification.frameworks.tfp import make_layer, variables

    tf.random.set_seed(21)
    prior = {"loc": 0.0, "scale": 1.0}
    layer = make_layer({"units": OUTPUTS, "activation": "linear", "scale_shift": 0.0,
                        "kernel_prior": prior, "bias": "deterministic", "bias_prior": None},
                       INPUTS, "float64")  # fmt: skip
    found = variables(layer)
    function = tf.function(lambda rows: layer(rows))

    def make(run, given):
        found["kernel_mu"].assign(given["kernel_mu"])
        found["kernel_rho"].assign(_rho(given["kernel_sigma"]))
        found["bias_mu"].assign(given["bias_mu"])
        return lambda x: function(tf.constant(x)).numpy()

    return make


def alarms(name, runs=5000, calls=200, probability=1e-3):
    """Return in how many runs a sound layer was contradicted."""
    make, count = tfp() if name == "tfp" else ours(name), 0
    for run in range(runs):
        given, x = arrays_of(run)
        call = make(run, given)
        report = check_layer(call, x=x, draws=calls, error_probability=probability, **given)
        count += not report.agrees
    return count


if __name__ == "__main__":
    words = sys.argv[1:]
    print(alarms(words[0], *map(int, words[1:3]), *map(float, words[3:])))
