"""Convolutions and pooling in NumPy: gradients, geometry, other implementations, files."""

import itertools

import numpy as np
import pytest
from complex_step import complex_step_errors
from numpy.testing import assert_array_equal
from tolerances import COMPLEX_STEP

from bnn_ref import (
    AveragePool2D,
    BatchNorm,
    Categorical,
    Conv1DFlipout,
    Conv2DFlipout,
    DenseFlipout,
    Dropout,
    Elementwise,
    Flatten,
    LayerNorm,
    MaxPool2D,
    Network,
    Normal,
    Residual,
    Trainer,
    predict,
)
from bnn_ref.layers import BIASES, LAYERS
from bnn_ref.noise import Stream
from bnn_ref.reference import draw_noise, forward, loss_and_gradients

POOLS = {"max": MaxPool2D, "average": AveragePool2D}


def problem(layers, rows=2, dtype="float64", seed=0, outputs=3):
    """Return (network, parameters, x, y, noise) of layers of images, a dense one behind them."""
    body = Network(layers, Normal())
    network = Network([*layers, DenseFlipout(body.outputs, outputs)], Categorical())
    rng = np.random.default_rng(seed)
    p = network.init(seed, "float64")
    p.flat[...] += 0.3 * rng.normal(size=p.flat.size)
    x = rng.normal(size=(rows, network.inputs))
    noise = draw_noise(network, rows, seed, dtype="float64")
    return network, p.astype(dtype), x, rng.integers(0, outputs, rows), noise


def assert_gradients(layers, rows=2, seed=0):
    network, p, x, y, noise = problem(layers, rows, seed=seed)
    errors = complex_step_errors(network, p, x, y, noise, 0.05)
    assert max(errors.values()) <= COMPLEX_STEP, errors


def sizes_of(volume):
    """Geometry: (image, kernel, strides, padding), kernels larger than the image among them."""
    quick = [
        ((5, 4), (3, 2), (1, 1), "valid"),
        ((5, 4), (3, 2), (2, 1), "same"),
        ((4, 4), (2, 2), (2, 2), "same"),
        ((2, 3), (5, 5), (1, 2), "same"),
        ((1, 1), (3, 3), (1, 1), "same"),
        ((6, 5), (2, 3), (3, 2), "valid"),
        ((5, 5), (1, 1), (3, 3), "same"),
    ]
    whole = [
        (image, kernel, strides, padding)
        for image, kernel, strides, padding in itertools.product(
            [(1, 1), (2, 3), (4, 4), (5, 3)], [(1, 1), (2, 2), (3, 2), (5, 5)],
            [(1, 1), (2, 1), (2, 3), (4, 4)], ["valid", "same"])
        if padding == "same" or (kernel[0] <= image[0] and kernel[1] <= image[1])
    ]  # fmt: skip
    return volume(quick, quick + whole)


def test_every_gradient_over_sizes_strides_and_paddings(volume):
    for k, (image, kernel, strides, padding) in enumerate(sizes_of(volume)):
        channels = 1 + k % 5
        layer = Conv2DFlipout(1 + k % 3, kernel, strides, padding, "tanh", (0.2, 0.8),
                              BIASES[k % 4], input_shape=(*image, channels))  # fmt: skip
        assert_gradients([layer], rows=1 + k % 2, seed=k)


@pytest.mark.parametrize("pool", POOLS)
def test_gradients_of_pooling_over_sizes_strides_and_paddings(pool, volume):
    for k, (image, size, strides, padding) in enumerate(sizes_of(volume)):
        layer = POOLS[pool](size, strides, padding, input_shape=(*image, 1 + k % 3))
        assert_gradients([layer], rows=1 + k % 2, seed=k)


def lenet(image=(6, 6, 1), filters=(2, 3, 4), kernel=5):
    one, two, three = filters
    options = {"padding": "same", "activation": "relu"}
    return [
        Conv2DFlipout(one, kernel, **options, input_shape=image),
        MaxPool2D(2, padding="same"),
        Conv2DFlipout(two, kernel, **options, bias="normal_flipped"),
        MaxPool2D(2, padding="same"),
        Conv2DFlipout(three, kernel, **options, bias="normal"),
        Flatten(),
        DenseFlipout(-(-image[0] // 4) * -(-image[1] // 4) * three, 5, "relu"),
    ]


@pytest.mark.parametrize("estimator", ["flipout", "shared"])
def test_gradients_through_a_whole_network(estimator):
    network, p, x, y, _ = problem(lenet((5, 4, 1), (2, 1, 2), 2), rows=2)
    noise = draw_noise(network, 2, 1, dtype="float64", estimator=estimator)
    weight = np.array([0.5, 2.0])
    errors = complex_step_errors(network, p, x, y, noise, 0.05, weight)
    assert max(errors.values()) <= COMPLEX_STEP, errors


def test_gradients_of_signals():
    for strides, padding in (((1,), "valid"), (2, "same")):
        layer = Conv1DFlipout(2, 3, strides, padding, "softplus", bias="normal", input_shape=(7, 3))
        assert layer.output_shape == ((5, 2) if padding == "valid" else (4, 2))
        assert_gradients([layer])


def test_the_formula_place_by_place():
    """The layer's equation in plain loops: a kernel for every example, zero outside the image."""
    layer = Conv2DFlipout(2, (3, 2), (2, 1), "same", bias="normal_flipped", input_shape=(4, 3, 2))
    network = Network([layer], Normal())
    p, noise = network.init(3, "float64"), draw_noise(network, 2, 3, dtype="float64")
    x = np.random.default_rng(0).normal(size=(2, 4, 3, 2))
    outputs = forward(network, p, x.reshape(2, -1), noise).reshape(2, *layer.output_shape)
    own, n = p.layers[0], noise.layers[0]
    assert layer.output_shape == (2, 3, 2)
    scale, scale_b = p.sigma("layers.0.kernel"), p.sigma("layers.0.bias")
    for row, u, v, f in np.ndindex(2, 2, 3, 2):
        total = own.bias_mu[f] + scale_b[f] * n.bias_eps[f] * n.sign_output[row, f]
        for i, j, c in np.ndindex(3, 2, 2):
            # height 4, kernel 3, stride 2: one row missing, below; width 3, kernel 2: one, right
            above, left = 2 * u + i, v + j
            if above < 4 and left < 3:
                flip = n.sign_input[row, c] * n.sign_output[row, f]
                weight = own.kernel_mu[i, j, c, f] + scale[i, j, c, f] * n.kernel_eps[
                    i, j, c, f] * flip  # fmt: skip
                total += x[row, above, left, c] * weight
        assert outputs[row, u, v, f] == pytest.approx(total, rel=1e-12, abs=1e-13)


def test_a_kernel_as_large_as_the_image_is_a_dense_layer():
    """With padding "valid" there is one place; with one pixel signs are a dense layer's too."""
    conv = Network([Conv2DFlipout(3, 1, bias="normal", input_shape=(1, 1, 4))], Normal())
    dense = Network([DenseFlipout(4, 3, bias="normal")], Normal())
    p = conv.init(0, "float64")
    q = dense.parameters({n: a.reshape(a.shape[-2:] if a.ndim > 1 else a.shape)
                          for n, a in p.items()})  # fmt: skip
    x, y = np.random.default_rng(1).normal(size=(2, 5, 4))
    x, y = np.random.default_rng(1).normal(size=(5, 4)), np.ones((5, 3))
    one = loss_and_gradients(conv, p, x, y, draw_noise(conv, 5, 0, dtype="float64"), 0.1)
    two = loss_and_gradients(dense, q, x, y, draw_noise(dense, 5, 0, dtype="float64"), 0.1)
    np.testing.assert_allclose(one.gradients.flat, two.gradients.flat, rtol=1e-12)
    np.testing.assert_allclose(one.grad_x, two.grad_x, rtol=1e-12)
    assert one.kl == pytest.approx(two.kl, rel=1e-15)


def test_ties_go_to_the_first_and_to_no_other():
    layer = MaxPool2D(2, input_shape=(2, 4, 1))
    h = np.array([[1.0, 1, 0, 2, 1, 1, 2, 2]])  # rows 1 1 0 2 / 1 1 2 2
    t = layer.forward(None, None, h)
    assert_array_equal(t.outputs, [[1, 2]])
    grad = layer.backward(None, None, t, np.array([[5.0, 7.0]]), 1.0, None)
    assert_array_equal(grad, [[5, 0, 0, 7, 0, 0, 0, 0]])


def test_padding_is_never_pooled():
    h = -np.ones((1, 9))
    for kind in POOLS.values():
        layer = kind(2, padding="same", input_shape=(3, 3, 1))
        assert_array_equal(layer.forward(None, None, h).outputs, -np.ones((1, 4)))
    assert np.isnan(MaxPool2D(3, input_shape=(3, 3, 1)).forward(
        None, None, np.where(np.arange(9) == 4, np.nan, h)).outputs)  # fmt: skip


def test_shapes_follow_from_the_first_layers():
    network = Network([*lenet((28, 28, 1), (6, 16, 120))[:5], DenseFlipout(7 * 7 * 120, 10)])
    shapes = [layer.output_shape for layer in network.layers[:5]]
    assert shapes == [(28, 28, 6), (14, 14, 6), (14, 14, 16), (7, 7, 16), (7, 7, 120)]
    assert "layers[1] (28, 28, 6) -> (14, 14, 6) MaxPool2D 2x2 same" in repr(network)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([Conv2DFlipout(2, 3)], r"layers\[0\]"),
        ([Conv2DFlipout(2, 3, input_shape=(5, 5, 1)), Conv2DFlipout(2, 4)],
         r"layers\[1\]\.kernel_size: expected at most the image \(3, 3\), with padding 'valid', "
         r"found \(4, 4\)"),
        ([DenseFlipout(4, 4), MaxPool2D()], r"layers\[1\]\.input_shape: expected \(height, width, "
         r"channels\)"),
        ([Conv2DFlipout(2, 3, input_shape=(5, 5, 1)), MaxPool2D(input_shape=(9, 2, 1))],
         r"layers\[1\]\.input_shape: expected \(3, 3, 2\)"),
        ([Conv2DFlipout(2, 3, input_shape=(5, 5, 1)), DenseFlipout(9, 1)], r"layers\[1\]\.inputs"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_its_layer(layers, message):
    with pytest.raises(ValueError, match=message):
        Network(layers)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filters": 0}, "filters"), ({"kernel_size": (3, 3, 3)}, "kernel_size"),
        ({"kernel_size": True}, "kernel_size"), ({"strides": 0}, "strides"),
        ({"padding": "full"}, "padding: expected one of valid, same, found 'full'"),
        ({"input_shape": (5, 5)}, r"input_shape: expected \(height, width, channels\)"),
        ({"input_shape": 25}, "input_shape"), ({"activation": "swish"}, "activation"),
        ({"kernel_size": 6}, "kernel_size: expected at most the image"),
    ],
)  # fmt: skip
def test_options_are_refused_by_name(options, message):
    given = {"filters": 2, "kernel_size": 3, "input_shape": (5, 5, 1), **options}
    with pytest.raises(ValueError, match=message):
        Conv2DFlipout(**given)


def test_local_noise_is_refused_and_so_is_anothers():
    network, p, x, _, noise = problem([Conv2DFlipout(2, 2, input_shape=(3, 3, 2))])
    with pytest.raises(ValueError, match="estimator: expected 'flipout' or 'shared'"):
        draw_noise(network, 2, 0, dtype="float64", estimator="local")
    one = noise.layers[0]._replace(sign_input=np.ones((2, 18)))
    with pytest.raises(ValueError, match=r"noise\[0\]\.sign_input: expected \(2, 2\)"):
        forward(network, p, x, noise._replace(layers=(one, noise.layers[1])))


def test_a_description_names_every_option_and_comes_back():
    layers = lenet()
    network = Network([*layers, AveragePool2D(1, input_shape=(1, 1, 5))], Normal())
    assert Network.from_json(network.to_json()) == network
    signal = Network([Conv1DFlipout(2, 3, initial_sigma=0.1, input_shape=(5, 2))], Normal())
    assert Network.from_json(signal.to_json()) == signal
    with pytest.raises(ValueError, match="keys"):
        LAYERS.find("MaxPool2D").from_json({"type": "MaxPool2D", "size": 2}, 4)
    blind = network.to_json()
    for one in blind["layers"][1:]:
        if "input_shape" in one:
            one["input_shape"] = None
    assert Network.from_json({**blind, "layers": blind["layers"][:-1]}) == Network(layers, Normal())


def test_images_are_taken_as_they_are_or_as_rows():
    network, p, x, y, noise = problem([Conv2DFlipout(2, 2, input_shape=(4, 3, 2))])
    images = x.reshape(2, 4, 3, 2)
    assert_array_equal(forward(network, p, images, noise), forward(network, p, x, noise))
    one = loss_and_gradients(network, p, images, y, noise, 0.1)
    assert one.loss == loss_and_gradients(network, p, x, y, noise, 0.1).loss
    assert one.grad_x.shape == (2, 24)
    found = predict(network, p, images, y, draws=2, backend="numpy")
    assert_array_equal(found.log_prob, predict(network, p, x, y, draws=2, backend="numpy").log_prob)
    with pytest.raises(ValueError, match=r"x: expected last dimension 24 or \(4, 3, 2\)"):
        forward(network, p, x.reshape(2, 3, 8), noise)


FIRST = {
    "LayerNorm": lambda: [LayerNorm(shape=(4, 3, 2))],
    "BatchNorm": lambda: [BatchNorm(shape=(4, 3, 2))],
    "Dropout": lambda: [Dropout(0.5, shape=(4, 3, 2))],
    "Elementwise": lambda: [Elementwise("relu", shape=(4, 3, 2))],
    "Flatten": lambda: [Flatten(input_shape=(4, 3, 2))],
    "Residual": lambda: [Residual([Conv2DFlipout(2, 3, padding="same", input_shape=(4, 3, 2))])],
}


@pytest.mark.parametrize("name", FIRST)
def test_any_first_layer_that_knows_its_shape_takes_images(name):
    behind = [] if name == "Flatten" else [Conv2DFlipout(2, 2)]
    network, p, x, y, noise = problem([*FIRST[name](), *behind], rows=4)
    images = x.reshape(4, 4, 3, 2)
    one, two = (loss_and_gradients(network, p, rows, y, noise, 0.1) for rows in (images, x))
    assert one.loss == two.loss
    trainer = Trainer(network, 40, backend="numpy")
    trainer.step(images, y)
    assert trainer._rows == 4  # a workspace is of rows, not of pixels
    assert len(predict(network, p, images, draws=2, backend="numpy").probabilities) == 4


def test_a_normalisation_is_over_channels_behind_a_convolution_or_images():
    network = Network([BatchNorm(shape=(4, 3, 2)), Conv2DFlipout(5, 2), BatchNorm(), LayerNorm()])
    shapes = network.parameter_shapes
    assert [shapes[f"layers.{k}.scale"] for k in (0, 2, 3)] == [(2,), (5,), (5,)]


def test_flatten_takes_signals_and_rows():
    layers = [Conv1DFlipout(3, 2, input_shape=(6, 2)), Flatten(), Flatten()]
    assert [one.output_shape for one in Network(layers).layers] == [(5, 3), (15,), (15,)]
    assert_gradients(layers)
    network = Network([*layers, DenseFlipout(15, 2)])
    assert Network.from_json(network.to_json()) == network
    for bad in (5, (), (2, 0), "ab"):
        with pytest.raises(ValueError, match="input_shape"):
            Flatten(input_shape=bad)


@pytest.mark.parametrize("kind", ["weights", "flipout", "mean"])
def test_a_predictions_row_depends_on_no_other(kind):
    layer = Conv2DFlipout(3, 3, padding="same", bias="normal_flipped", input_shape=(4, 4, 2))
    p = Network([layer], Normal()).init(0, "float32").layers[0]
    h = np.random.default_rng(0).normal(size=(133, 32)).astype("float32")
    whole = layer.draw_outputs(p, h, Stream(0, "predict", 0, dtype="float32"), kind)
    stream = Stream(0, "predict", 0, dtype="float32", first_row=130)
    assert_array_equal(layer.draw_outputs(p, h[130:], stream, kind), whole[130:])
    if kind == "flipout":
        noise = layer.draw_noise(Stream(0, "predict", 0, dtype="float32"), 133)
        np.testing.assert_allclose(layer.forward(p, noise, h).outputs, whole, rtol=1e-5, atol=1e-6)


def test_initial_values_are_those_of_tfp():
    layer = Conv2DFlipout(64, 5, input_shape=(9, 9, 32), initializer="he")
    he = Network([layer], Normal()).init(0, "float64").layers[0].kernel_mu
    assert he.shape == (5, 5, 32, 64)
    assert he.std() == pytest.approx(np.sqrt(2 / 800), rel=0.02)
    plain = Network([Conv2DFlipout(64, 5, input_shape=(9, 9, 32))], Normal()).init(0, "float64")
    assert plain["layers.0.kernel_mu"].std() == pytest.approx(0.1, rel=0.02)
    assert plain["layers.0.kernel_rho"].mean() == pytest.approx(-3, abs=0.005)
