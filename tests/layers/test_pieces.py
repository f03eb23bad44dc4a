"""The pieces without a posterior. Oracles: the complex step, worked numbers, the two libraries'
printed rules."""

import json
import pickle

import numpy as np
import pytest
from tolerances import COMPLEX_STEP, SAME_FLOAT64, relative

from bnn_ref import (
    BatchNorm,
    Categorical,
    Conv2D,
    Conv2DFlipout,
    Dense,
    DenseFlipout,
    Dropout,
    Elementwise,
    LayerNorm,
    MaxPool2D,
    Network,
    Residual,
    Trainer,
    loss_and_gradients,
    predict,
)
from bnn_ref import reference as numpy_backend
from bnn_ref.networks import from_description
from bnn_ref.noise import Stream, draw_noise
from bnn_ref.runs.checkpoints import load_checkpoint, save_checkpoint

INNER = [DenseFlipout(4, 5, "tanh"), Dropout(0.4), Dense(5, 4)]
STACKS = {
    "dense": [DenseFlipout(3, 4, "tanh"), Dense(4, 5, "softplus"), Dense(5, 2, bias=False)],
    "weight decay": [Dense(3, 4, "tanh", kernel_prior=(0, 0.5), bias_prior=(0.1, 2.0)),
                     Dense(4, 2, kernel_prior=(0.2, 0.3), frozen=True)],
    "convolution": [
        Conv2D(3, 2, 1, "same", "tanh", kernel_prior=(0, 0.5), input_shape=(4, 3, 2)),
        BatchNorm(), Residual([Conv2D(3, (3, 1), padding="same", bias=False), Elementwise("silu")]),
        MaxPool2D(2), Conv2DFlipout(2, 1), Dropout(0.2), Dense(4, 2),
    ],
    "dropout": [Dropout(0.3, shape=3), DenseFlipout(3, 2)],
    "layer norm": [DenseFlipout(3, 4, "tanh"), LayerNorm(1e-2), DenseFlipout(4, 2)],
    "layer norm of positions": [LayerNorm(shape=(4, 3)), DenseFlipout(12, 2)],
    "batch norm": [DenseFlipout(3, 4, bias="none"), BatchNorm(), DenseFlipout(4, 2)],
    "batch norm of positions": [BatchNorm(convention="pytorch", shape=(2, 2, 3)), Dense(12, 2)],
    "batch norm, frozen": [DenseFlipout(3, 4), BatchNorm(frozen=True), DenseFlipout(4, 2)],
    "elementwise": [DenseFlipout(3, 4), Dropout(0.2), Elementwise("gelu"), DenseFlipout(4, 2)],
    "residual": [DenseFlipout(3, 4, "tanh"), Residual(INNER), Dense(4, 2)],
    "residual in residual": [
        Dense(3, 4), Residual([LayerNorm(), Residual([*INNER, BatchNorm()]), Elementwise("tanh")]),
        Residual([DenseFlipout(4, 6), Dense(6, 2)], add=False),
    ],
}  # fmt: skip


def setting(stack, rows=5, dtype="float64"):
    """Return network, parameters that are not the initial ones, x and y."""
    network = Network(STACKS[stack], Categorical())
    rng = np.random.default_rng(len(stack))
    p = network.init(1, dtype)
    for name, array in p.items():
        array += rng.normal(0, 0.2, array.shape)
        if name.endswith("running_variance"):
            array[...] = np.abs(array) + 0.1
    return network, p, rng.normal(size=(rows, network.inputs)), rng.integers(0, 2, rows)


@pytest.mark.parametrize("stack", STACKS)
def test_every_gradient_against_the_complex_step(stack):
    network, p, x, y = setting(stack)
    noise = draw_noise(network, len(x), 3, dtype="float64")
    result = loss_and_gradients(network, p, x, y, noise, 0.1)
    running = {name for name in p if "running" in name}
    if "frozen" not in stack:
        assert set(result.statistics) == running
    wide = p.astype("complex128")
    for name in p:
        found = np.zeros(p[name].shape)
        for place in np.ndindex(found.shape) if name not in running else ():
            wide[name][place] += 1e-30j
            found[place] = loss_and_gradients(network, wide, x, y, noise, 0.1).loss.imag / 1e-30
            wide[name][place] = p[name][place]
        if np.max(np.abs(found)) < 1e-15:  # a bias whose mean is taken away again
            assert np.max(np.abs(result.gradients[name])) < 1e-15
        else:
            assert relative(result.gradients[name], found) <= COMPLEX_STEP, name
    wide, found = p.astype("complex128"), np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        moved = x.astype(complex)
        moved[place] += 1e-30j
        found[place] = loss_and_gradients(network, wide, moved, y, noise, 0.1).loss.imag / 1e-30
    assert relative(result.grad_x, found) <= COMPLEX_STEP


@pytest.mark.parametrize("stack", STACKS)
def test_json_checkpoint_and_pickle_keep_all_of_it(stack, tmp_path):
    network, p, x, y = setting(stack, dtype="float32")
    assert Network.from_json(json.loads(json.dumps(network.to_json()))) == network
    assert pickle.loads(pickle.dumps(p)).scale_shift == p.scale_shift
    whole = Trainer(network, 50, seed=3, backend="numpy")
    for _ in range(4):
        whole.step(x, y)
    first = Trainer(network, 50, seed=3, backend="numpy")
    for _ in range(2):
        first.step(x, y)
    save_checkpoint(tmp_path / "c.npz", first)
    loaded = load_checkpoint(tmp_path / "c.npz")
    assert loaded.network.parameter_shapes == network.parameter_shapes
    second = Trainer(loaded.network, 50, seed=3, backend="numpy", state=loaded.state)
    for _ in range(2):
        second.step(x, y)
    assert np.array_equal(whole.parameters.flat, second.parameters.flat)
    assert np.array_equal(whole.state.moment_2.flat, second.state.moment_2.flat)
    for name in network.fixed:
        moved = not np.array_equal(whole.parameters[name], network.init(3)[name])
        assert moved == ("running" in name and "frozen" not in stack), name


@pytest.mark.parametrize("kind", ["weights", "flipout", "mean"])
@pytest.mark.parametrize("stack", STACKS)
def test_a_rows_prediction_depends_on_no_other_row(stack, kind):
    network, p, x, _ = setting(stack, rows=9)
    whole = numpy_backend.draw_outputs(network, p, x, 4, 1, kind=kind)
    parts = [numpy_backend.draw_outputs(network, p, x[k : k + 3], 4, 1, kind=kind, first_row=k)
             for k in (0, 3, 6)]  # fmt: skip
    assert np.array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize(("convention", "momentum", "epsilon"),
                         [("keras", 0.99, 1e-3), ("pytorch", 0.1, 1e-5)])  # fmt: skip
def test_the_running_statistics_of_a_step_by_each_librarys_printed_rule(
    convention, momentum, epsilon
):
    layer = BatchNorm(convention=convention, shape=2)
    assert (layer.momentum, layer.epsilon) == (momentum, epsilon)
    network = Network([layer, Dense(2, 2)])
    x = np.array([[1.0, 10.0], [2.0, 20.0], [6.0, 0.0]])  # means 3, 10; squares about them 14, 200
    trainer = Trainer(network, 3, dtype="float64", backend="numpy")
    trainer.step(x, [0, 1, 0])
    new = 1 - momentum if convention == "keras" else momentum
    divisor = 3 if convention == "keras" else 2
    p = trainer.parameters
    np.testing.assert_allclose(p["layers.0.running_mean"], new * np.array([3, 10]), rtol=1e-15)
    variance = (1 - new) + new * np.array([14, 200]) / divisor
    np.testing.assert_allclose(p["layers.0.running_variance"], variance, rtol=1e-15)
    normalised = (x - p["layers.0.running_mean"]) / np.sqrt(variance + epsilon)
    expected = normalised * p["layers.0.scale"] + p["layers.0.shift"]
    found = layer.draw_outputs(p.layers[0], x, None, "mean")
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_several_draws_of_a_step_move_the_statistics_once():
    network, p, x, y = setting("batch norm")
    steps = {}
    for draws in (1, 3):
        trainer = Trainer(network, 5, seed=2, dtype="float64", backend="numpy",
                          draws_per_step=draws)  # fmt: skip
        trainer.step(x, y)
        steps[draws] = trainer.parameters["layers.1.running_mean"]
    start = network.init(2, "float64")
    each = [
        loss_and_gradients(network, start, x, y,
                           draw_noise(network, 5, 2, draw=d, dtype="float64"), 0.2).statistics
        for d in range(3)
    ]  # fmt: skip
    mean = sum(one["layers.1.running_mean"] for one in each) / 3
    np.testing.assert_allclose(steps[3], mean, rtol=0, atol=1e-17)
    assert np.array_equal(steps[1], each[0]["layers.1.running_mean"])


def test_a_batch_of_one_row_is_refused_by_name():
    network, p, x, y = setting("residual in residual")
    with pytest.raises(ValueError, match=r"layers\[1\] \(Residual\): expected at least 2 rows"):
        Trainer(network, 5, backend="numpy").step(x[:1], y[:1])
    with pytest.raises(ValueError, match=r"layers\[1\] \(Residual\): expected at least 2 rows"):
        numpy_backend.forward(network, p, x[:1], draw_noise(network, 1, 0, dtype="float64"))
    assert predict(network, p, x[:1], draws=2, backend="numpy").probabilities.shape == (1, 2)
    network, p, x, y = setting("batch norm of positions")  # four positions are enough
    Trainer(network, 5, backend="numpy").step(x[:1], y[:1])


def test_dropout_keeps_its_share_and_its_mean_and_replays():
    layer = Dropout(0.25, shape=1000)
    stream = Stream(7, "train", 0)
    keep = layer.draw_noise(stream, 50).keep
    assert set(np.unique(keep)) == {0.0, 1.0}
    share = 1 - keep.mean()
    assert abs(share - 0.25) < 4.5 * np.sqrt(0.25 * 0.75 / keep.size)
    assert not np.array_equal(keep[0], keep[1])
    part = layer.draw_noise(stream._replace(first_row=20), 5).keep
    assert np.array_equal(part, keep[20:25])
    h = np.ones((50, 1000))
    outputs = layer.forward(None, layer.draw_noise(stream, 50), h).outputs
    assert set(np.unique(outputs)) == {0.0, 1 / 0.75}
    with pytest.raises(ValueError, match="rate: expected a number from 0 up to"):
        Dropout(1.0)


def test_dropout_in_prediction_is_on_or_off_and_a_draw_is_one_function():
    x = np.ones((4, 6))
    on, off = Dropout(0.5, shape=6), Dropout(0.5, predicts=False, shape=6)
    stream = Stream(1, "predict", 0)
    whole = on.draw_outputs(None, x, stream, "weights")
    assert np.array_equal(whole[0], whole[3])
    rows = on.draw_outputs(None, x, stream, "flipout")
    assert not np.array_equal(rows[0], rows[3])
    for layer, kind in ((on, "mean"), (off, "weights"), (off, "flipout")):
        assert np.array_equal(layer.draw_outputs(None, x, stream, kind), x)
    assert off.to_json()["predicts"] is False


def test_streams_of_networks_without_nesting_are_what_they_were():
    stream = Stream(0, "train", 3)
    inner = [stream.inside(0), stream.inside(61), stream.inside(0).inside(61)]
    assert [one.layer for one in inner] == [3 | 1 << 12, 3 | 62 << 12, 3 | 1 << 12 | 62 << 18]
    with pytest.raises(ValueError, match="at most two deep"):
        inner[2].inside(0)
    nested, plain = Network(STACKS["residual"]), Network([DenseFlipout(3, 4, "tanh")])
    one, other = (draw_noise(net, 5, 1).layers[0] for net in (nested, plain))
    assert np.array_equal(one.kernel_eps, other.kernel_eps)


def test_weight_decay_is_what_its_prior_says():
    layer = Dense(3, 2, kernel_prior=(0, 0.1))
    assert layer.weight_decay(1e-3) == pytest.approx(0.1)
    network = Network([layer])
    p = network.init(0, "float64")
    x, y = np.zeros((2, 3)), [0, 1]  # no data reaches the kernel
    result = loss_and_gradients(network, p, x, y, draw_noise(network, 2, 0, dtype="float64"), 1e-3)
    decay = layer.weight_decay(1e-3) * p["layers.0.kernel_mu"]
    assert relative(result.gradients["layers.0.kernel_mu"], decay) <= SAME_FLOAT64


@pytest.mark.parametrize("name", ["tfp", "he", "glorot", "zeros"])
def test_initial_means_have_their_names_deviation(name):
    kernel = Network([Dense(300, 200, initializer=name)]).init(2)["layers.0.kernel_mu"]
    wanted = {"tfp": 0.1, "he": np.sqrt(2 / 300), "glorot": np.sqrt(2 / 500), "zeros": 0}[name]
    assert abs(kernel.std() - wanted) <= 4.5 * wanted / np.sqrt(2 * kernel.size)


def test_initial_arrays_are_where_means_start():
    given = {"kernel": np.arange(6.0).reshape(3, 2), "bias": [1.0, -1.0]}
    layer = Dense(3, 2, initializer=given)
    p = Network([layer]).init(0)
    assert p["layers.0.kernel_mu"].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert p["layers.0.bias_mu"].tolist() == [1, -1]
    network = Network([layer])
    assert Network.from_json(json.loads(json.dumps(network.to_json()))) == network
    assert Dense(3, 2, initializer={**given, "bias": [1.0, 0.0]}) != layer
    with pytest.raises(ValueError, match=r"initializer.kernel: expected shape \(3, 2\)"):
        Network([Dense(3, 2, initializer={**given, "kernel": np.zeros((2, 3))})]).init(0)
    with pytest.raises(ValueError, match="initializer: expected the tensors kernel, bias"):
        Dense(3, 2, initializer={"kernel": np.zeros((3, 2))})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Network([Dropout(0.1), Dense(3, 2)]), r"layers\[0\].inputs: expected how many"),
        (lambda: Network([Dense(3, 4), BatchNorm(shape=5)]), r"layers\[1\].inputs: expected 4"),
        (lambda: Network([Dense(3, 4), Residual([Dense(5, 5)])]),
         r"layers\[1\].inputs: expected 4, the outputs of layers\[0\]"),
        (lambda: Network([Dense(3, 4), Residual([LayerNorm(), Dense(4, 5)])]),
         r"layers\[1\].layers\[1\].outputs: expected 4, the inputs that they are added to"),
        (lambda: Residual([Dense(4, 3), Dense(4, 4)]), r"layers\[1\].inputs: expected 3"),
        (lambda: Residual([]), "layers: expected at least one layer"),
        (lambda: BatchNorm(momentum=2.0), "momentum: expected a number from 0 to 1"),
        (lambda: BatchNorm(convention="tf"), "convention: expected one of keras, pytorch"),
        (lambda: BatchNorm(epsilon=0), "epsilon: expected a finite number above 0"),
        (lambda: Dense(3, 2, bias="deterministic"), "bias: expected True or False"),
        (lambda: Dense(3, 2, bias=False, bias_prior=(0, 1)), "bias_prior: expected None"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_flipout_layers_start_where_they_are_told():
    sigma = {"kernel": np.full((3, 2), 0.3), "bias": 0.2}
    means = {"kernel": np.arange(6.0).reshape(3, 2), "bias": [1.0, -1.0]}
    layer = DenseFlipout(3, 2, bias="normal", initializer=means, initial_sigma=sigma)
    network = Network([layer, DenseFlipout(2, 400, initializer="glorot")])
    p = network.init(0, "float64")
    assert p["layers.0.kernel_mu"].tolist() == [[0, 1], [2, 3], [4, 5]]
    np.testing.assert_allclose(p.sigma("layers.0.kernel"), 0.3, rtol=1e-14)
    np.testing.assert_allclose(p.sigma("layers.0.bias"), 0.2, rtol=1e-14)
    assert abs(p["layers.1.kernel_mu"].std() / np.sqrt(2 / 402) - 1) < 4.5 / np.sqrt(1600)
    assert not p["layers.1.bias_mu"].any()
    assert Network.from_json(json.loads(json.dumps(network.to_json()))) == network
    with pytest.raises(ValueError, match=r"initial_sigma.kernel: expected shape \(3, 2\)"):
        Network([DenseFlipout(3, 2, initial_sigma={"kernel": np.ones(3)})]).init(0)
    with pytest.raises(ValueError, match="initial_sigma: expected of the tensors kernel, found"):
        DenseFlipout(3, 2, initial_sigma={"bias": 0.1})
    with pytest.raises(ValueError, match="initial_sigma.kernel: expected numbers above 0"):
        DenseFlipout(3, 2, initial_sigma={"kernel": 0.0})


def test_a_file_may_leave_shapes_and_options_out():
    description = {"layers": [
        {"type": "Conv2D", "filters": 3, "kernel_size": 3},
        {"type": "BatchNorm"},
        {"type": "Dropout", "rate": 0.1},
        {"type": "Flatten"},
        {"type": "Residual", "layers": [{"type": "LayerNorm"}, {"type": "Dense", "units": 48}]},
        {"type": "DenseFlipout", "units": 2},
    ]}  # fmt: skip
    network = from_description(description, (6, 6, 1), Categorical())
    assert network.layers[1].shape == (4, 4, 3)
    assert network.layers[4].layers[0].shape == (48,)
    assert Network.from_json(json.loads(json.dumps(network.to_json()))) == network
