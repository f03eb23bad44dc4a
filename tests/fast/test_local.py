"""Local reparameterisation compiled: the reference's numbers, by one run there and back."""

import needs_numba  # noqa: F401
import numpy as np
import pytest
from tolerances import COMPILED_FLOAT32, COMPILED_FLOAT64, COMPILED_TEN_STEPS, relative

from bnn_ref import Adam, DenseFlipout, Network, Normal, State, reference
from bnn_ref.fast import compiled
from bnn_ref.layers import BIASES
from bnn_ref.priors import LaplacePrior, MixturePrior

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(37, 70)).astype("f4"), RNG.normal(size=(37, 3))
X[3] = 0  # without a random bias nothing varies in the first layer: no slope through a root of 0


def network(bias):
    layers = [DenseFlipout(70, 150, "tanh", bias=bias), DenseFlipout(150, 3, bias=bias)]
    return Network(layers, Normal(0.5, learn_scale=True))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bias", BIASES)
def test_every_number_is_the_references(bias, dtype):
    net = network(bias)
    assert compiled.prepare(net, 37, dtype).for_step(37, "local").is_one_run
    p = net.init(3, dtype)
    noise = reference.draw_noise(net, 37, 1, dtype=dtype, estimator="local")
    wide = type(noise)(tuple(type(one)(one.output_eps.astype("f8")) for one in noise.layers))
    exact = reference.loss_and_gradients(net, p.astype("f8"), X.astype("f8"), Y, wide, 0.3)
    found = compiled.loss_and_gradients(net, p, X.astype(dtype), Y, noise, 0.3)
    limit = COMPILED_FLOAT64 if dtype == "float64" else COMPILED_FLOAT32
    for what in ("outputs", "nll", "kl_layers", "loss", "grad_x"):
        assert relative(getattr(found, what), getattr(exact, what)) <= limit, what
    for what, gradient in exact.gradients.items():
        assert relative(found.gradients[what], gradient) <= limit, what


@pytest.mark.parametrize("draws", [1, 2])
def test_steps_draw_the_references_noise(draws):
    """And a workspace that also steps with Flipout keeps the two apart."""
    net = network("normal")
    states = [State.start(net.init(1, "float64")) for _ in range(2)]
    workspace = compiled.prepare(net, 37, "float64", 2)
    for estimator in ("local", "flipout", "local"):
        for back_end, state in zip((reference, compiled), states, strict=True):
            back_end.train_step(state, X, Y, seed=4, kl_weight=0.1, adam=Adam(0.01), draws=draws,
                                estimator=estimator, workspace=workspace)  # fmt: skip
    assert states[1].step == 3
    assert relative(states[1].parameters.flat, states[0].parameters.flat) <= COMPILED_TEN_STEPS


def test_priors_of_a_closed_form_go_with_it_and_a_mixture_does_not():
    noise = reference.draw_noise(network("none"), 37, 1, dtype="float64", estimator="local")
    for prior in (LaplacePrior(0.1, 0.7), MixturePrior()):
        layers = [DenseFlipout(70, 150, "tanh", prior, "none"), DenseFlipout(150, 3, bias="none")]
        net = Network(layers, Normal())
        p = net.init(0, "float64")
        if prior.is_sampled:
            with pytest.raises(ValueError, match="a draw of the weights, for the KL of a mixture"):
                compiled.loss_and_gradients(net, p, X, Y, noise, 0.3)
            continue
        exact, found = (b.loss_and_gradients(net, p, X, Y, noise, 0.3)
                        for b in (reference, compiled))  # fmt: skip
        assert relative(found.gradients.flat, exact.gradients.flat) <= COMPILED_FLOAT64
        assert relative(found.kl, exact.kl) <= COMPILED_FLOAT64
