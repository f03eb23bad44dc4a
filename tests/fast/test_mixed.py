"""Networks of any layers on the numba back end: chains, twins and NumPy between them."""

from dataclasses import dataclass

import needs_numba  # noqa: F401
import numpy as np
import pytest
from tolerances import COMPILED_FLOAT32, COMPILED_FLOAT64, COMPILED_TEN_STEPS, relative

from bnn_ref import (
    Adam,
    Bernoulli,
    Categorical,
    DenseFlipout,
    Network,
    NonFinite,
    Normal,
    State,
    Trainer,
    layers,
    reference,
)
from bnn_ref.activations import ACTIVATIONS
from bnn_ref.fast import compiled
from bnn_ref.fast.twin import TWINS, Twin, register_twin
from bnn_ref.layers import BIASES
from bnn_ref.noise import ESTIMATORS


@dataclass(frozen=True)
class Blur(layers.Layer):
    """h * gain + noise with one normal a feature: a layer with a parameter and noise, no KL."""

    inputs: int
    type = "Blur"
    tensors = ("gain",)

    @property
    def outputs(self):
        return self.inputs

    @property
    def parameter_shapes(self):
        return {"gain": (self.inputs,)}

    def initial(self, stream, scale_shift):
        return {"gain": 1 + 0.1 * np.cos(np.arange(self.inputs))}

    def noise_shapes(self, noise, rows):
        return {}

    def draw_noise(self, stream, rows, estimator="flipout"):
        return stream.normals((self.inputs,), "bias_eps")

    def forward(self, p, noise, h):
        return layers.LayerTrace(inputs=h, outputs=h * p.gain + 0.1 * noise)

    def backward(self, p, noise, t, grad_outputs, kl_weight, gradients):
        gradients.gain[...] = np.sum(grad_outputs * t.inputs, axis=0)
        return grad_outputs * p.gain

    def draw_outputs(self, p, h, stream, kind):
        return h * p.gain + (kind != "mean") * 0.1 * self.draw_noise(stream, len(h))


def other_layer(width, rng):
    """A layer of that many inputs and outputs, mostly without a compiled twin."""
    inside = [DenseFlipout(width, 3, "relu", bias="normal"), Blur(3), DenseFlipout(3, width)]
    made = (Blur(width), layers.BatchNorm(), layers.LayerNorm(), layers.Dropout(0.3),
            layers.Residual(inside), layers.Dense(width, width, "tanh"),
            layers.Residual([layers.BatchNorm(), layers.Residual(inside, add=False)]))  # fmt: skip
    return made[rng.integers(len(made))]


def random_network(rng):
    """Two to six layers, some of them no Flipout layers, and a likelihood."""
    width = int(rng.integers(1, 9))
    made = [DenseFlipout(width, width)]
    for _ in range(rng.integers(1, 6)):
        if rng.random() < 0.5:
            made.append(other_layer(width, rng))
            continue
        outputs = int(rng.integers(2, 20))
        made.append(DenseFlipout(width, outputs, str(rng.choice(list(ACTIVATIONS))),
                                 bias=str(rng.choice(BIASES))))  # fmt: skip
        width = outputs
    if width < 2:
        made.append(DenseFlipout(width, 2))
    choices = (Categorical(), Bernoulli(), Normal(0.7), Normal(0.7, learn_scale=True))
    return Network(made, choices[rng.integers(4)])


def batch(network, rows, rng):
    x = rng.normal(size=(rows, network.inputs))
    kind = network.likelihood.type
    if kind == "categorical":
        return x, rng.integers(0, network.outputs, rows)
    y = rng.normal(size=(rows, network.outputs))
    return x, (y > 0).astype(float) if kind == "bernoulli" else y


def worst(found, exact, names):
    return max(relative(getattr(found, name), getattr(exact, name)) for name in names)


def test_random_mixed_networks_are_the_references(volume):
    """Losses, gradients, draws and steps of several draws; fifty networks with --slow."""
    rng = np.random.default_rng(1)
    for _ in range(volume(8, 50)):
        network, rows = random_network(rng), int(rng.integers(2, 70))
        (x, y), parameters = batch(network, rows, rng), network.init(3, "float64")
        weight = rng.uniform(0, 2, rows)
        estimator = str(rng.choice(ESTIMATORS))
        noise = [b.draw_noise(network, rows, 5, step=2, dtype="float64", estimator=estimator)
                 for b in (reference, compiled)]  # fmt: skip
        exact, found = (
            b.loss_and_gradients(network, parameters, x, y, n, 0.1, sample_weight=weight)
            for b, n in zip((reference, compiled), noise, strict=True)
        )
        names = ("outputs", "nll", "kl", "kl_layers", "loss", "grad_x")
        assert worst(found, exact, names) <= COMPILED_FLOAT64, network
        assert relative(found.gradients.flat, exact.gradients.flat) <= COMPILED_FLOAT64, network
        for kind in ("weights", "flipout", "mean"):
            exact, found = (b.draw_outputs(network, parameters, x, 3, 1, kind=kind, first_row=4)
                            for b in (reference, compiled))  # fmt: skip
            assert relative(found, exact) <= COMPILED_FLOAT64, (network, kind)
        states = [State.start(parameters.copy()) for _ in range(2)]
        workspace = compiled.prepare(network, 3, "float64")
        for back_end, state in zip((reference, compiled), states, strict=True):
            for draws in (1, 3, 1):
                # a bias before BatchNorm has a gradient that is all rounding: let epsilon drown it
                adam = Adam(0.01, epsilon=1e-3)
                back_end.train_step(state, x, y, seed=4, kl_weight=0.1, adam=adam, draws=draws,
                                    estimator=estimator, sample_weight=weight,
                                    workspace=workspace)  # fmt: skip
        assert states[1].step == 3
        for name in ("parameters", "moment_1", "moment_2"):
            exact, found = (getattr(state, name).flat for state in states)
            assert relative(found, exact) <= COMPILED_TEN_STEPS, (network, name)


MIDDLE = Network(
    [DenseFlipout(300, 200, "relu", bias="normal"), Blur(200), DenseFlipout(200, 100, "tanh"),
     DenseFlipout(100, 10), Blur(10)]
)  # fmt: skip


def test_float32():
    rng = np.random.default_rng(2)
    x, y = batch(MIDDLE, 40, rng)
    x, parameters = x.astype("float32"), MIDDLE.init(1, "float32")
    noise = reference.draw_noise(MIDDLE, 40, 1)
    wide = type(noise)(
        tuple(
            one.astype("f8") if isinstance(one, np.ndarray)
            else type(one)(*(None if a is None else a.astype("f8") for a in one))
            for one in noise.layers
        )
    )  # fmt: skip
    found = compiled.loss_and_gradients(MIDDLE, parameters, x, y, noise, 0.1)
    exact = reference.loss_and_gradients(MIDDLE, parameters.astype("f8"), x.astype("f8"), y, wide,
                                         0.1)  # fmt: skip
    for name, gradient in exact.gradients.items():
        assert found.gradients[name].dtype == np.float32
        assert relative(found.gradients[name], gradient) <= COMPILED_FLOAT32, name


@pytest.mark.parametrize("estimator", ["flipout", "local"])
def test_the_same_bits_for_any_number_of_threads(estimator):
    rng = np.random.default_rng(3)
    data = [batch(MIDDLE, rows, rng) for rows in (128, 77, 128)]
    found = []
    for threads in (1, 2, 5):
        trainer = Trainer(MIDDLE, 500, 1e-2, threads=threads, draws_per_step=2, estimator=estimator)
        for one in data * 2:
            trainer.step(*one)
        found.append((trainer.parameters.flat, trainer.state.moment_2.flat))
    for other in found[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize("draws", [1, 2])
@pytest.mark.parametrize("bad", [np.nan, 1e39])
def test_a_value_that_is_not_finite_changes_nothing(bad, draws):
    network = Network([Blur(4), DenseFlipout(4, 3, "relu"), Blur(3)])
    trainer = Trainer(network, 100, draws_per_step=draws)
    x, y = np.ones((5, 4)), np.zeros(5, int)
    trainer.step(x, y)
    before = trainer.state.copy()
    x[2, 1] = bad
    with np.errstate(over="ignore"), pytest.raises(NonFinite, match="step 2"):
        trainer.step(x.astype(np.float32), y)
    for name in ("parameters", "moment_1", "moment_2"):
        assert np.array_equal(getattr(before, name).flat, getattr(trainer.state, name).flat)
    assert trainer.state.step == 1


def test_a_twin_from_outside_runs_instead_of_numpy():
    """It overrides what it does; the rest stays NumPy's."""
    calls = []

    class Told(Twin):
        def forward(self, p, noise, h):
            calls.append(("forward", len(h), self.site.rows, self.member.prefix))
            return super().forward(p, noise, h)

        def draw_outputs(self, p, h, stream, kind):
            calls.append((kind, stream.first_row))
            return super().draw_outputs(p, h, stream, kind)

    network = Network([DenseFlipout(3, 4), Blur(4)])
    x, y = np.ones((9, 3)), np.zeros(9, int)
    before = Trainer(network, 9, dtype="float64").step(x, y).loss
    register_twin("Blur")(Told)
    try:
        assert Trainer(network, 9, dtype="float64").step(x, y).loss == before
        compiled.draw_outputs(network, network.init(0), np.ones((2, 3)), 0, 0, first_row=6)
        with pytest.raises(ValueError, match="compiled twin of the layer: expected none of .*Blur"):
            register_twin("Blur")(Told)
    finally:
        del TWINS["Blur"]
    assert calls == [("forward", 9, 9, "layers.1."), ("weights", 6)]


def test_parameters_that_are_locked_are_read_all_the_same():
    network = Network([Blur(3), DenseFlipout(3, 2)])
    parameters = network.init(0, "float64")
    x, y = np.ones((4, 3)), np.zeros(4, int)
    noise = reference.draw_noise(network, 4, 0, dtype="float64")
    exact = compiled.loss_and_gradients(network, parameters, x, y, noise, 0.1).loss
    draw = compiled.draw_outputs(network, parameters, x, 0, 1)
    parameters.flat.flags.writeable = False
    locked = type(parameters)(network, parameters.flat)
    locked.flat.flags.writeable = False
    assert compiled.loss_and_gradients(network, locked, x, y, noise, 0.1).loss == exact
    assert np.array_equal(compiled.draw_outputs(network, locked, x, 0, 1), draw)
