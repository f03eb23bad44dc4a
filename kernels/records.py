"""The records by which `bnn_ref/fast/` tells the kernels where things are and what to do.

The parameters are one vector, and so are their gradients and moments; every buffer is a place in
another vector, `work`. A layer's record holds places in both, so that one compiled version serves
every network. -1 stands for a place that does not exist. Numba reads records by field.
"""

import ctypes
from collections import namedtuple

import numpy as np

from .priors import PRIOR

_PLACE = np.int64

# a tensor with a posterior: a kernel (I, O) or a bias (O,)
TENSOR = np.dtype(
    [
        ("mu", _PLACE),  # in the parameters; so is
        ("rho", _PLACE),
        ("delta", _PLACE),  # in work; so are the rest: sigma * eps; on the way in, eps
        ("factor", _PLACE),  # d delta / d rho = eps * sigmoid(rho)
        ("kl_rho", _PLACE),  # d KL / d rho
        ("kl_mu", _PLACE),  # d KL / d mu, where the prior's twin stores it
        ("stream", np.int64),  # of its normals, see `Run.stream`
        ("prior", PRIOR),
    ]
)

LAYER = np.dtype(
    [
        ("inputs", np.int64),  # I
        ("outputs", np.int64),  # O
        ("activation", np.int64),  # a code of `activations.py`
        ("leak", np.float64),  # its slope left of 0, where it is LEAKY_RELU
        ("others", np.int64),  # an address, see `activations.address_of`
        ("bias_kind", np.int64),  # a code of `dense_flipout.py`
        ("scale_shift", np.float64),
        ("kernel", TENSOR),
        ("bias", TENSOR),
        ("bias_shift", _PLACE),  # (O,) what is added to every example's pre-activation
        ("bias_flip", _PLACE),  # (O,) what is added times the example's output signs
        ("sign_input_stream", np.int64),
        ("sign_output_stream", np.int64),
        # what belongs to examples, in work, rows first
        ("sign_input", _PLACE),  # (B, I)
        ("sign_output", _PLACE),  # (B, O)
        ("input", _PLACE),  # (B, I) h, the output of the layer before; of layer 0 in x itself
        ("flipped", _PLACE),  # (B, I) h * sign_input
        ("output", _PLACE),  # (B, O)
        ("slope", _PLACE),  # (B, O) derivative of the activation
        ("grad", _PLACE),  # (B, O) gradient of the nll by the pre-activations
        ("grad_flipped", _PLACE),  # (B, O) that times sign_output
        # and, transposed, what the gradient by the layer's inputs needs
        ("grad_transposed", _PLACE),  # (O, capacity)
        ("grad_flipped_transposed", _PLACE),  # (O, capacity)
    ]
)

GIVEN, DRAWN, ONES = range(3)  # where normals or signs come from
TRAINING, WEIGHTS, FLIPOUT, MEAN = range(4)  # what a run is: a step, or a kind of prediction
SET, ADD, ADAM = range(3)  # what becomes of gradients


class Run(ctypes.Structure):
    """One run: its settings, the memory it works on, what it found."""

    _fields_ = tuple(
        (name, kind)
        for kind, names in (
            (
                ctypes.c_int64,
                (
                    "kind",  # TRAINING, or of a prediction
                    "rows",  # B of this run
                    "width",  # the widest layer's inputs or outputs
                    "capacity",  # rows that the buffers hold
                    "first_row",  # the place of row 0 in its batch or table
                    "eps",  # GIVEN or DRAWN
                    "signs",  # GIVEN, DRAWN or ONES
                    "gradients_to",  # SET, ADD or ADAM
                    "local",  # 1: noise on outputs, see `dense_flipout.py`
                    # the key of the noise; stream is purpose << 28, to which tensors add theirs
                    *("seed_low", "seed_high", "step", "draw", "stream"),
                    "paper",  # 1: Adam's epsilon as in the paper, see `adam.set_factors`
                    "likelihood",  # a code of `likelihoods.py`
                    "scale_rho",  # place in the parameters
                    *("targets", "weight"),  # places in work: (B, O) or (B, O / 2), and (B,)
                    *("grad_x", "grad_x_flipped"),  # places in work: (B, I) each
                    # addresses of vectors of the network's dtype
                    *("parameters", "gradients", "moment_1", "moment_2", "work", "out"),
                    *("labels", "count"),  # addresses: int64 (B,); steps taken, int64 (1,)
                    *("kl_layers", "grad_scale"),  # addresses: float64 (L,) and (LOSS tasks, O)
                    "shared",  # address: (B, O) of the first layer, x mu, which Flipout draws share
                    "again",  # 1 where it is there already
                    "sigmas",  # of a prediction: 1 where those of the call before are these
                    "safe",  # found: 1 where every gradient is sure to be finite
                ),
            ),
            (
                ctypes.c_double,
                (
                    "kl_weight",
                    "share",  # 1 / (B S): what one example of one draw counts in a gradient
                    *("learning_rate", "epsilon", "beta_1", "beta_2"),  # Adam's
                    *("rest_1", "rest_2", "log_beta_1", "log_beta_2"),  # rest = 1 - beta
                    *("rate", "scale"),  # found: p -= rate * m / (sqrt(v) * scale + epsilon)
                    "noise_scale",  # of the Normal likelihood, where it is not learned
                    *("noise_floor", "noise_beta"),  # of the one that predicts its scale
                    *("nll", "kl", "loss"),  # found
                ),
            ),
        )
        for name in names
    )


RUN = np.dtype(Run)

# what tasks read and write: pointers to vectors of the network's dtype, scratch the thread's own
Memory = namedtuple(
    "Memory",
    "x parameters gradients moment_1 moment_2 work out scratch labels kl_layers grad_scale",
)

TASK = np.dtype(
    [
        ("kind", np.int64),
        ("layer", np.int64),
        ("begin", np.int64),  # its stretch of weights or rows
        ("end", np.int64),
        ("first", np.int64),  # its stretch of columns
        ("last", np.int64),
        ("number", np.int64),  # its place among the tasks of its kind
        ("after", np.int64),  # how many tasks have to be done before it
    ]
)
(
    SAMPLE,  # weights begin..end of a layer's kernel
    SAMPLE_BIAS,  # a layer's bias
    FLIP,  # rows begin..end: every layer's signs, and x * sign_input
    FORWARD,  # rows begin..end, outputs first..last of a layer
    LOSS,  # rows begin..end
    BACKWARD,  # rows begin..end, inputs first..last of a layer
    JUDGE,  # add up the parts, and say whether every gradient is sure to be finite
    UPDATE,  # inputs begin..end of a layer's kernel
    UPDATE_BIAS,  # a layer's bias
    UPDATE_PRIOR,  # what a layer's priors learn
    UPDATE_SCALE,  # the learned scale of the Normal likelihood
    UPDATE_FLAT,  # entries begin..end of the flat parameters, from gradients that are there
    TAKE,  # entries begin..end of the flat parameters, whose next values are in the gradients
    PREDICT,  # rows begin..end, forward only
) = range(14)

# what a task adds to sums; a cache line each, so that threads do not share one
PART = np.dtype(
    {
        "names": ["kl", "kl_slopes", "nll", "inputs", "grads"],  # the last two: sums of magnitudes
        "formats": [np.float64] * 5,
        "itemsize": 64,
    }
)
