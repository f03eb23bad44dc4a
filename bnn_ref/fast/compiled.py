"""The numba back end: the functions of `reference.py`, on compiled kernels.

It arranges arrays and calls `kernels/run.py`; what a step is can be read in `reference.py`. A
step is three sweeps (sample, propagate, update), cut into tasks that whichever thread is free
takes; results are the same bits for any number of threads.
"""

import numpy as np

from ..border import check_dtype, check_size, check_word
from ..kernels import records as at
from ..kernels.philox import fill_normals, fill_signs
from ..layers import DenseFlipout
from ..network import Network
from ..noise import PURPOSES, TENSORS, LayerNoise, Noise, check_estimator
from ..step import (
    Metrics,
    Result,
    State,
    check_batch,
    check_inputs,
    check_kind,
    check_kl_weight,
    check_noise,
    refuse_non_finite,
)
from ..step import adam as adam_rule
from .plan import flat_tasks, predict_tasks
from .workspace import Runner, Workspace, plain

__all__ = ["draw_noise", "draw_outputs", "loss_and_gradients", "prepare", "train_step"]

LARGE_RATE, SMALL_EPSILON = 1e6, 1e-30
KINDS = {"weights": at.WEIGHTS, "flipout": at.FLIPOUT, "mean": at.MEAN}


def prepare(network, rows, dtype, threads=None):
    """Return the workspace for runs of up to that many rows (more rows make it grow).

    Parameters
    ----------
    network : Network
    rows : int
    dtype : "float32" or "float64"
    threads : int, optional
        By default the environment variable BNN_REF_THREADS, or one a core. Results do not depend
        on it.

    Raises
    ------
    ValueError
        For another dtype or number.
    """
    return Workspace(network, check_size(rows, "rows", 0), dtype, threads)


def _workspace(workspace, network, rows, dtype):
    """Return the workspace, or a new one where none was given or it is for something else."""
    fits = workspace is not None and workspace.dtype == dtype and (
        workspace.network is network or workspace.network == network
    )  # fmt: skip
    return workspace if fits else prepare(network, rows, dtype)


def draw_noise(network, rows, seed, *, step=0, draw=0, purpose="train", dtype="float32",
               estimator="flipout", first_row=0, workspace=None):  # fmt: skip
    """Return the noise of every layer for one draw of one step. Twin: `noise.draw_noise`.

    Signs are the same; float64 normals are within 4 units in the last place of the twin's and
    float32 ones within 6.

    Raises
    ------
    ValueError
        As the twin, and for the estimator "local", which this back end does not have.
    """
    _check_estimator(estimator)
    rows, seed = check_size(rows, "rows", least=0), check_word(seed, "seed", 64)
    step, draw = check_word(step, "step"), check_word(draw, "draw")
    dtype = check_dtype(dtype, ("float32", "float64"))
    _check_blocks(network, first_row + rows)
    layers = []
    for k, layer in enumerate(network.layers):

        def key(tensor, k=k):
            stream = PURPOSES[purpose] << 28 | TENSORS[tensor] << 24 | k
            return np.array([seed & 0xFFFFFFFF, seed >> 32, step, draw, stream], np.uint32)

        signs = []
        for tensor, columns in (("sign_input", layer.inputs), ("sign_output", layer.outputs)):
            signs.append(np.ones((rows, columns), dtype))
            if estimator != "shared":
                fill_signs(signs[-1], first_row, key(tensor))
        kernel_eps = np.empty((layer.inputs, layer.outputs), dtype)
        fill_normals(kernel_eps.reshape(-1), key("kernel_eps"))
        bias_eps = None
        if layer.bias_is_random:
            bias_eps = np.empty(layer.outputs, dtype)
            fill_normals(bias_eps, key("bias_eps"))
        layers.append(LayerNoise(kernel_eps, *signs, bias_eps))
    return Noise(tuple(layers))


def _check_estimator(estimator):
    if check_estimator(estimator) == "local":
        raise ValueError(
            "estimator: expected 'flipout' or 'shared' with backend 'numba', found 'local' "
            "(backend 'numpy' has it)"
        )


def _check_blocks(network, rows):
    """Raise where signs of so many rows need more blocks than a stream has."""
    widest = max(max(layer.inputs, layer.outputs) for layer in network.layers)
    check_word(rows * -(-widest // 128), "block (the tensor is too large for one stream)")


def loss_and_gradients(network, parameters, x, y, noise, kl_weight, *, sample_weight=None,
                       trace=False, workspace=None):  # fmt: skip
    """Return the `Result` of one step. Twin: `reference.loss_and_gradients`.

    Raises
    ------
    ValueError, TypeError
        As the twin; also where a trace is asked for, or noise of the local estimator is given:
        the NumPy back end has both.
    """
    if trace:
        raise ValueError("trace: expected False with backend 'numba' (backend 'numpy' has it)")
    check_dtype(parameters.dtype, ("float32", "float64"))
    x, y, weight, leading = check_batch(network, parameters, x, y, sample_weight)
    check_noise(network, noise, len(x), parameters.dtype)
    if not isinstance(noise, Noise):
        _check_estimator("local")
    rows = len(x)
    workspace = _workspace(workspace, network, rows, parameters.dtype)
    runner = Runner(workspace, rows, by_inputs=True)
    this = runner.this
    for layer, one in zip(runner.layers, noise.layers, strict=True):
        for place, array in (
            (layer["kernel"]["delta"], one.kernel_eps),
            (layer["bias"]["delta"], one.bias_eps),
            (layer["sign_input"], one.sign_input),
            (layer["sign_output"], one.sign_output),
        ):
            if array is not None:
                runner.part(place, array.shape)[...] = array
    this.kind, this.eps, this.signs = at.TRAINING, at.GIVEN, at.GIVEN
    this.gradients_to, this.safe = at.SET, 0
    this.kl_weight, this.share = check_kl_weight(kl_weight), 1 / rows
    gradients = parameters.zeros_like()
    runner.settle(parameters)
    runner.give("parameters", plain(parameters.flat))
    runner.give("gradients", gradients.flat)
    runner.run(runner.step_plan(rows), rows, runner.fill(x, y, weight))
    grad_x = runner.part(this.grad_x, x.shape).copy()
    return Result(
        outputs=runner.outputs(leading),
        nll=np.float64(this.nll),
        kl=np.float64(this.kl),
        kl_layers=runner.kl_layers.copy(),
        loss=np.float64(this.loss),
        gradients=gradients,
        grad_x=grad_x.reshape(*leading, network.inputs),
    )


def train_step(state, x, y, *, seed, kl_weight, adam, draws=1, estimator="flipout",
               sample_weight=None, workspace=None):  # fmt: skip
    """Take one training step in place and return its `Metrics`. Twin: `reference.train_step`.

    With one draw, gradients are used up as they are made, once it is certain that all of them are
    finite; where that is not certain, or with several draws, they are made first and looked at.

    Raises
    ------
    NonFinite, ValueError, TypeError
        As the twin; the state is then as before.
    """
    parameters = state.parameters
    network = parameters.network
    _check_estimator(estimator)
    check_dtype(parameters.dtype, ("float32", "float64"))
    draws, seed = check_size(draws, "draws"), check_word(seed, "seed", 64)
    x, y, weight, leading = check_batch(network, parameters, x, y, sample_weight)
    kl_weight, step = check_kl_weight(kl_weight), check_word(state.step, "step")
    rows, flat = len(x), parameters.flat
    workspace = _workspace(workspace, network, rows, parameters.dtype)
    runner = workspace.for_step(rows)
    this = runner.this
    this.kind, this.first_row = at.TRAINING, 0
    this.signs = at.ONES if estimator == "shared" else at.DRAWN
    this.kl_weight, this.share = kl_weight, 1 / (rows * draws)
    rate, this.scale = adam.factors(step + 1)
    this.rate = rate
    this.beta_1, this.beta_2, this.epsilon = adam.beta_1, adam.beta_2, adam.epsilon
    this.rest_1, this.rest_2 = 1 - adam.beta_1, 1 - adam.beta_2
    runner.settle(parameters)
    runner.give("parameters", flat)
    runner.give("moment_1", state.moment_1.flat)
    runner.give("moment_2", state.moment_2.flat)
    runner.give("count", state.count, np.int64)
    x_taken, plan = runner.fill(x, y, weight), runner.step_plan(rows)

    # a larger rate, or nothing beside a root of 0, may overflow where every gradient is finite
    plain_update = rate < LARGE_RATE and adam.epsilon > SMALL_EPSILON
    if draws == 1 and plain_update:
        runner.key(seed, step, 0, "train")
        this.gradients_to, this.safe = at.ADAM, 0
        runner.run(plan, rows, x_taken)
        if this.safe:
            return Metrics(np.float64(this.loss), np.float64(this.nll), np.float64(this.kl),
                           runner.kl_layers.copy(), runner.outputs(leading))  # fmt: skip

    gradients = parameters.zeros_like()
    runner.give("gradients", gradients.flat)
    nll, outputs = 0.0, 0.0
    for draw in range(draws):
        runner.key(seed, step, draw, "train")
        this.gradients_to = at.ADD if draw else at.SET
        this.kl_weight = 0.0 if draw else kl_weight  # counted once
        runner.run(plan, rows, x_taken)
        nll = nll + np.float64(this.nll)
        outputs = outputs + runner.outputs(leading)
    nll, outputs = nll / draws, outputs / draws
    kl, kl_layers = np.float64(this.kl), runner.kl_layers.copy()
    refuse_non_finite(step + 1, x, nll, kl_layers, gradients)
    most = 0.5 * np.sqrt(np.finfo(flat.dtype).max)  # below it no square overflows
    if plain_update and np.max(np.abs(gradients.flat)) < most:
        this.gradients_to, this.safe = at.ADAM, 1
        runner.run(runner.planned("flat", lambda: flat_tasks(flat.size)), 0, x_taken)
    else:
        flats = (flat, gradients.flat, state.moment_1.flat, state.moment_2.flat)
        with np.errstate(all="ignore"):  # it refuses what is not finite
            state.take(*adam_rule.after(adam, step + 1, *flats))
    return Metrics(nll + kl_weight * kl, nll, kl, kl_layers, outputs)


def draw_outputs(network, parameters, x, seed, draw, *, kind="weights", first_row=0,
                 workspace=None):  # fmt: skip
    """Return one draw of the outputs (rows, O) for a block of rows. Twin: `reference.draw_outputs`.

    A row's bits depend on nothing but the row and its place, see `kernels/products.py`.
    """
    check_kind(kind)
    check_dtype(parameters.dtype, ("float32", "float64"))
    seed, draw = check_word(seed, "seed", 64), check_word(draw, "draw")
    x, _ = check_inputs(network, x, parameters.dtype)
    rows = len(x)
    out = np.empty((rows, network.outputs), parameters.dtype)
    if rows == 0:
        return out
    first_row = check_size(first_row, "first_row", 0)
    _check_blocks(network, first_row + rows)
    workspace = _workspace(workspace, network, rows, parameters.dtype)
    runner = workspace.for_prediction()
    this = runner.this
    this.kind, this.signs, this.first_row = KINDS[kind], at.DRAWN, first_row
    this.gradients_to = at.SET
    runner.settle(parameters)
    runner.give("parameters", plain(parameters.flat))
    runner.give("out", out)
    runner.key(seed, 0, draw, "predict")
    drawn = kind != "mean"
    plan = runner.planned((rows, drawn), lambda: predict_tasks(runner.layers, rows, drawn))
    runner.run(plan, rows, plain(x))
    return out


def warm_up(dtype):
    """Compile every kernel for a dtype, or load it where an earlier process left it."""
    layers = [DenseFlipout(2, 2, activation="relu", bias="normal"), DenseFlipout(2, 2)]
    network = Network(layers)
    state = State.start(network.init(0, dtype))
    x, y = np.ones((2, 2), dtype), np.zeros(2, np.int64)
    train_step(state, x, y, seed=0, kl_weight=1.0, adam=adam_rule.Adam())
    draw_noise(network, 2, 0, dtype=dtype)
