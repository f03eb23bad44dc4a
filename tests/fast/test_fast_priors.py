"""Every prior compiled, against the reference: KL, gradients, steps; beside plain layers."""

import needs_numba  # noqa: F401
import numpy as np
import pytest
from tolerances import (
    COMPILED_FLOAT32,
    COMPILED_FLOAT64,
    COMPILED_MIXTURE_FLOAT32,
    COMPILED_TEN_STEPS,
    relative,
)

from bnn_ref import Adam, DenseFlipout, Network, NonFinite, Normal, State, Trainer, reference
from bnn_ref.fast import compiled
from bnn_ref.parameters import Parameters
from bnn_ref.priors import (
    LaplacePrior,
    LearnedNormalPrior,
    MixturePrior,
    NoPrior,
    NormalPrior,
    ScaledPrior,
)

COLUMNS = np.linspace(0.3, 2, 150)
PRIORS = {
    "laplace": (LaplacePrior(0.1, 0.7), LaplacePrior(-0.3, 0.01)),
    "none": (NoPrior(), NoPrior()),
    "arrays": (NormalPrior(np.linspace(-1, 1, 70)[:, None], COLUMNS), NormalPrior(0.2, COLUMNS)),
    "mixture": (MixturePrior((1.0, 0.002)), MixturePrior((1.0, 0.1), (0.2, 0.8), (0.0, -1.0))),
    "learned": (LearnedNormalPrior(0.1, 0.6, ("loc", "scale")), LearnedNormalPrior(learn=("loc",))),
    "scaled": (ScaledPrior((0.1, 0.6), 0.25), ScaledPrior(LaplacePrior(), 3.0)),
    "scaled mixture": (ScaledPrior(MixturePrior(), 0.25), ScaledPrior(NormalPrior(), 0.5)),
    "scaled learned": (
        ScaledPrior(LearnedNormalPrior(0.1, 0.6, ("loc", "scale")), 0.1),
        ScaledPrior(NoPrior(), 2.0),
    ),
    "scale": (LearnedNormalPrior(0.1, 0.6), LearnedNormalPrior(0.1, 2.0)),
}
POINTS = ("laplace", "arrays", "mixture", "scaled", "scaled mixture")


def network(name, bias):
    """70 x 150 weights: two tasks, stretches that are not whole; a plain layer behind."""
    prior, bias_prior = PRIORS[name]
    first = DenseFlipout(70, 150, "tanh", prior, bias, bias_prior if bias != "none" else None)
    return Network([first, DenseFlipout(150, 2, bias="normal")], Normal(0.5, learn_scale=True))


CASES = [(name, bias) for name in PRIORS for bias in ("normal", "normal_flipped", "deterministic")
         if bias != "deterministic" or name in POINTS]  # fmt: skip
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 70)).astype("f4"), RNG.normal(size=(20, 2))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "bias"), CASES)
def test_every_prior_is_the_references(name, bias, dtype):
    net = network(name, bias)
    sequence = compiled.prepare(net, 20, dtype).for_step(20)
    assert sequence.is_one_run
    p = net.init(3, dtype)
    p["layers.0.kernel_rho"][:3] = (
        -800 if dtype == "float64" else -120
    )  # sigma rounds to scale_shift
    noise = reference.draw_noise(net, 20, 1, dtype=dtype)
    wide = type(noise)(tuple(type(one)(*(None if a is None else a.astype("f8") for a in one))
                             for one in noise.layers))  # fmt: skip
    found = compiled.loss_and_gradients(net, p, X.astype(dtype), Y, noise, 0.3)
    exact = reference.loss_and_gradients(net, p.astype("f8"), X.astype("f8"), Y, wide, 0.3)
    limit = COMPILED_FLOAT64 if dtype == "float64" else COMPILED_FLOAT32
    if "mixture" in name and dtype == "float32":
        limit = COMPILED_MIXTURE_FLOAT32
    for what in ("nll", "kl", "kl_layers", "loss", "grad_x"):
        assert relative(getattr(found, what), getattr(exact, what)) <= limit, what
    for what, gradient in exact.gradients.items():
        assert relative(found.gradients[what], gradient) <= limit, what


@pytest.mark.parametrize("draws", [1, 2])
@pytest.mark.parametrize("name", PRIORS)
def test_steps_are_the_references(name, draws):
    net = network(name, "normal")
    states = [State.start(net.init(1, "float64")) for _ in range(2)]
    workspace = compiled.prepare(net, 20, "float64", 2)
    for _ in range(4):
        exact, found = (
            back_end.train_step(state, X, Y, seed=4, kl_weight=0.1, adam=Adam(0.01), draws=draws,
                                workspace=workspace)
            for back_end, state in zip((reference, compiled), states, strict=True)
        )  # fmt: skip
        assert relative(found.kl_layers, exact.kl_layers) <= COMPILED_TEN_STEPS
        assert relative(found.loss, exact.loss) <= COMPILED_TEN_STEPS
    for what, value in states[0].parameters.items():
        assert relative(states[1].parameters[what], value) <= COMPILED_TEN_STEPS, what


def test_a_sigma_that_rounds_to_0():
    for prior in (LaplacePrior(), NormalPrior(0.0, np.ones(3)), MixturePrior(), NoPrior(),
                  LearnedNormalPrior()):  # fmt: skip
        net = Network([DenseFlipout(5, 3, kernel_prior=prior, scale_shift=0.0, bias="none")],
                      Normal())  # fmt: skip
        p = net.init(0, "float64")
        p["layers.0.kernel_rho"][...] = -800
        noise = reference.draw_noise(net, 4, 1, dtype="float64")
        x, y = np.ones((4, 5)), np.zeros((4, 3))
        exact, found = (b.loss_and_gradients(net, p, x, y, noise, 1.0)
                        for b in (reference, compiled))  # fmt: skip
        assert relative(found.kl, exact.kl) <= COMPILED_FLOAT64, prior
        assert relative(found.gradients.flat, exact.gradients.flat) <= COMPILED_FLOAT64, prior


def test_the_same_bits_for_any_number_of_threads():
    found = []
    for threads in (1, 2, 3):
        layers = [DenseFlipout(70, 150, "relu", MixturePrior(), "normal", LaplacePrior()),
                  DenseFlipout(150, 150, "relu", LearnedNormalPrior()),
                  DenseFlipout(150, 2, kernel_prior=LaplacePrior())]  # fmt: skip
        trainer = Trainer(Network(layers, Normal()), 50, 0.01, threads=threads)
        for _ in range(6):
            trainer.step(np.tile(X, (10, 1)), np.tile(Y, (10, 1)))
        found.append(trainer.parameters.flat)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_derivatives_of_a_kl_that_are_not_finite_are_refused():
    """The bound that vouches for a step counts the unusual priors' derivatives."""
    net = Network([DenseFlipout(5, 3, kernel_prior=NormalPrior(0.0, np.full(3, 1e-25)))], Normal())
    state = State.start(net.init(0, "float32"))
    before = state.copy()
    for back_end in (reference, compiled):
        with pytest.raises(NonFinite):
            back_end.train_step(state, np.ones((2, 5), "f4"), np.zeros((2, 3)), seed=0,
                                kl_weight=1.0, adam=Adam())  # fmt: skip
        assert np.array_equal(state.parameters.flat, before.parameters.flat)


def test_a_workspace_forgets_the_state_before():
    net = network("learned", "normal")
    workspace = compiled.prepare(net, 20, "float64")
    p = net.init(0, "float64")
    other = Parameters(net, p.flat * 1.5, (0.1, 0.2))
    noise = reference.draw_noise(net, 20, 1, dtype="float64")
    for parameters in (p, other, p):
        exact, found = (b.loss_and_gradients(net, parameters, X, Y, noise, 1.0, workspace=workspace)
                        for b in (reference, compiled))  # fmt: skip
        assert relative(found.kl, exact.kl) <= COMPILED_FLOAT64
        assert relative(found.gradients.flat, exact.gradients.flat) <= COMPILED_FLOAT64
