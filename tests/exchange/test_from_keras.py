"""Five Keras and TFP models, written as their libraries' own examples are. Oracle: the models."""

import numpy as np
import pytest

from bnn_ref import (
    Categorical,
    LayerNoise,
    Noise,
    Normal,
    Residual,
    draw_noise,
    loss_and_gradients,
    reference,
)
from bnn_ref.exchange import from_keras, to_keras

RNG = np.random.default_rng(0)
X = RNG.normal(size=(9, 12))
tf = keras = layers = None


@pytest.fixture(scope="module", autouse=True)
def frameworks():
    """Load them where a test runs, not wherever this file is collected."""
    global tf, keras, layers
    tf, keras = pytest.importorskip("tensorflow"), pytest.importorskip("keras")
    layers = keras.layers
    keras.utils.set_random_seed(1)


def outputs(found, x=X):
    return reference.draw_outputs(found.network, found.parameters, x, 0, 0, kind="mean")


def mnist():
    """The beginners' model of TensorFlow's tutorial, smaller."""
    return keras.Sequential([
        keras.Input((12,)), layers.Flatten(), layers.Dense(16, activation="relu"),
        layers.Dropout(0.2), layers.Dense(10, activation="softmax"),
    ])  # fmt: skip


def functional():
    inputs = keras.Input((12,))
    h = layers.Dense(16, use_bias=False, kernel_regularizer=keras.regularizers.L2(1e-3))(inputs)
    h = layers.BatchNormalization()(h)
    h = layers.Activation("swish")(h)
    h = layers.Dense(8, activation="tanh")(h)
    return keras.Model(inputs, layers.Dense(3)(h))


def residual():
    inputs = keras.Input((12,))
    h = start = layers.Dense(8, activation="selu")(inputs)
    h = layers.LayerNormalization()(h)
    h = layers.Dense(8)(h)
    h = layers.LeakyReLU(negative_slope=0.3)(h)
    h = layers.Add()([start, h])
    return keras.Model(inputs, layers.Dense(2)(h))


def convnet():
    """Keras' "simple MNIST convnet", smaller."""
    return keras.Sequential([
        keras.Input((6, 2, 1)), layers.Conv2D(3, (3, 1), activation="relu", padding="same"),
        layers.BatchNormalization(), layers.MaxPooling2D((2, 1)), layers.Conv2D(4, (2, 2)),
        layers.AveragePooling2D((2, 1)), layers.Flatten(), layers.Dropout(0.5), layers.Dense(3),
    ])  # fmt: skip


@pytest.mark.parametrize("make", [mnist, functional, residual, convnet])
def test_deterministic_models_predict_as_they_do(make):
    model = make()
    found = from_keras(model, kl_weight=0.01)
    x = X.astype("float32").reshape(-1, *model.input_shape[1:])
    theirs = model(x, training=False).numpy()
    ours = outputs(found, X.astype("float32"))
    if make is mnist:
        ours = np.exp(ours) / np.exp(ours).sum(1, keepdims=True)
    np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)
    if make is residual:
        assert isinstance(found.network.layers[1], Residual)
    if make is functional:
        assert found.network.layers[0].weight_decay(0.01) == pytest.approx(2e-3)


def test_a_step_of_batch_normalisation_is_keras():
    keras.config.set_dtype_policy("float64")
    keras.config.set_floatx("float64")  # of the inputs
    try:
        model = functional()
    finally:
        keras.config.set_dtype_policy("float32")
        keras.config.set_floatx("float32")
    found = from_keras(model, kl_weight=0.5)
    y = np.arange(9) % 3
    with tf.GradientTape() as tape:
        logits = model(tf.constant(X), training=True)
        nll = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        loss = nll + tf.add_n(model.losses)
    gradients = tape.gradient(loss, model.trainable_variables)
    noise = draw_noise(found.network, 9, 0, dtype="float64")
    result = loss_and_gradients(found.network, found.parameters, X, y, noise, 0.5)
    np.testing.assert_allclose(result.outputs, logits, rtol=1e-11, atol=1e-12)
    names = [name for name in found.parameters if "running" not in name]
    assert len(names) == len(gradients)
    for name, exact in zip(names, gradients, strict=True):
        atol = 1e-10 if name == "layers.0.kernel_mu" else 1e-13  # Keras' L2 is a float32 number
        np.testing.assert_allclose(result.gradients[name], exact, rtol=1e-9, atol=atol)
    batch = next(one for one in model.layers if type(one).__name__ == "BatchNormalization")
    for name, value in result.statistics.items():
        theirs = batch.moving_mean if name.endswith("mean") else batch.moving_variance
        np.testing.assert_allclose(value, theirs.numpy(), rtol=1e-12)


@pytest.mark.filterwarnings("ignore:`layer.add_variable` is deprecated:UserWarning")
@pytest.mark.filterwarnings("ignore:The initializer RandomNormal is unseeded:UserWarning")
@pytest.mark.parametrize("kind", ["DenseFlipout", "DenseReparameterization"])
def test_tfp_by_replay(kind):
    tfp = pytest.importorskip("tensorflow_probability")
    tf_keras = pytest.importorskip("tf_keras")
    from bnn_ref.verification import record

    make = getattr(tfp.layers, kind)

    def divided(q, p, ignore):
        return tfp.distributions.kl_divergence(q, p) / 60000

    posterior = tfp.layers.default_mean_field_normal_fn()
    model = tf_keras.Sequential([
        make(6, activation=tf.nn.relu, kernel_divergence_fn=divided, input_shape=(12,)),
        make(3, bias_posterior_fn=posterior, kernel_divergence_fn=divided,
             bias_prior_fn=tfp.layers.default_multivariate_normal_fn,
             bias_divergence_fn=divided),
    ])  # fmt: skip
    model.build((None, 12))
    found = from_keras(model)
    assert found.estimator == {"DenseFlipout": "flipout"}.get(kind, "shared")
    assert [one.bias for one in found.network.layers] == ["deterministic", "normal"]
    vector = record(model, X, np.arange(9) % 3, kl_weight=0.1, kl_divided_by=60000)
    noise = Noise(tuple(
        LayerNoise(*(vector.arrays.get(f"layers.{k}.{name}") for name in LayerNoise._fields))
        for k in range(2)
    ))  # fmt: skip
    ours = reference.forward(found.network, found.parameters, X.astype("float32"), noise)
    np.testing.assert_allclose(ours, vector.results["outputs"], rtol=2e-5, atol=2e-6)


@pytest.mark.filterwarnings("ignore:`layer.add_variable` is deprecated:UserWarning")
@pytest.mark.filterwarnings("ignore:The initializer RandomNormal is unseeded:UserWarning")
@pytest.mark.parametrize(
    ("kind", "estimator"),
    [("Flipout", "flipout"), pytest.param("Reparameterization", "shared", marks=pytest.mark.slow)],
)
def test_tfps_example_of_lenet_by_replay(kind, estimator, monkeypatch):
    """`bayesian_neural_network.py` of TFP's examples, on smaller images: the same draws fed."""
    tfp = pytest.importorskip("tensorflow_probability")
    tf_keras = pytest.importorskip("tf_keras")
    from tensorflow_probability.python.distributions import normal as normals
    from tensorflow_probability.python.layers import conv_variational, dense_variational

    def divided(q, p, ignore):
        return tfp.distributions.kl_divergence(q, p) / 60000

    conv, dense = (getattr(tfp.layers, f"{one}{kind}") for one in ("Convolution2D", "Dense"))
    options = {"kernel_divergence_fn": divided, "dtype": "float64"}
    convolution = {"padding": "SAME", "activation": tf.nn.relu, **options}
    pool = {"pool_size": [2, 2], "strides": [2, 2], "padding": "SAME", "dtype": "float64"}
    model = tf_keras.models.Sequential([
        conv(3, kernel_size=5, **convolution),
        tf_keras.layers.MaxPooling2D(**pool),
        conv(4, kernel_size=3, **convolution),
        tf_keras.layers.MaxPooling2D(**pool), tf_keras.layers.Flatten(dtype="float64"),
        dense(6, activation=tf.nn.relu, **options), dense(3, **options),
    ])  # fmt: skip
    model.build((None, 7, 6, 2))
    found = from_keras(model)
    assert found.estimator == estimator
    kinds = ["Conv2DFlipout", "MaxPool2D"] * 2 + ["Flatten", "DenseFlipout", "DenseFlipout"]
    assert [one.type for one in found.network.layers] == kinds
    noise = draw_noise(found.network, 9, 5, dtype="float64", estimator=estimator)
    own = [one for one in noise.layers if one is not None]
    eps = iter([one.kernel_eps for one in own])
    signs = iter([sign for one in own for sign in (one.sign_input, one.sign_output)])

    def fed(values):
        return lambda shape, *args, **kwargs: tf.reshape(tf.constant(next(values)), shape)

    monkeypatch.setattr(normals.samplers, "normal", fed(eps))
    for module in (conv_variational, dense_variational):
        monkeypatch.setattr(module.tfp_random, "rademacher", fed(signs))
    images = RNG.normal(size=(9, 7, 6, 2)).astype("float32")  # a model casts its inputs to that
    theirs = model(images)
    assert next(eps, None) is None
    assert kind != "Flipout" or next(signs, None) is None
    x = images.astype("float64")
    ours = reference.forward(found.network, found.parameters, x, noise)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)
    kls = reference.kl(found.network, found.parameters).sum()
    assert sum(model.losses).numpy() * 60000 == pytest.approx(kls, rel=1e-12)


def test_what_has_no_counterpart_is_named_with_its_place():
    inputs = keras.Input((12,))
    forked = layers.Dense(4)(inputs)
    other = layers.Dense(4)(inputs)
    for model, message in (
        (
            keras.Sequential([keras.Input((4, 3)), layers.LSTM(2)]),
            r"layers\[0\] \(LSTM 'lstm.*expect",
        ),
        (keras.Sequential([keras.Input((4,)), layers.Dense(2, kernel_regularizer="l1")]), "but L2"),
        (
            keras.Sequential([keras.Input((4,)), layers.Dense(2, kernel_regularizer="l2")]),
            "kl_weight",
        ),
        (
            keras.Model(inputs, layers.Add()([forked, other])),
            "expected the outputs of the layer bef",
        ),
        (
            keras.Sequential([keras.Input((4,)), layers.Dense(2, activation="hard_sigmoid")]),
            "activat",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            from_keras(model)


def test_to_keras_predicts_the_same():
    found = from_keras(functional(), Categorical(), kl_weight=0.1)
    model = to_keras(found.network, found.parameters)
    x = X.astype("float32")
    np.testing.assert_allclose(model(x, training=False), outputs(found, x), rtol=2e-5, atol=2e-6)
    whole = from_keras(residual(), Normal())
    with pytest.raises(ValueError, match=r"layers\[1\]: expected a chain of layers"):
        to_keras(whole.network, whole.parameters)


def test_a_normalisation_may_come_first():
    """As in the tutorials that standardise a table's columns so."""
    model = keras.Sequential([layers.BatchNormalization(), layers.Dense(2)])
    model.build((None, 12))
    found, x = from_keras(model, Normal()), X.astype("float32")
    assert found.network.layers[0].shape == (12,)
    np.testing.assert_allclose(outputs(found, x), model(x, training=False), rtol=1e-5, atol=1e-6)
