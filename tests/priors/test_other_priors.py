"""Oracles: mpmath for closed forms, the complex step, quadrature, SciPy's densities, PyTorch."""

import itertools
import json

import mpmath
import numpy as np
import pytest
import scipy.stats
from exact_laplace import check, points
from tolerances import COMPLEX_STEP, SAME_FLOAT64, relative

from bnn_ref import (
    Categorical,
    Conv2DFlipout,
    DenseFlipout,
    Network,
    NormalPrior,
    Residual,
    Trainer,
    draw_noise,
    kl,
    kl_parts,
    loss_and_gradients,
)
from bnn_ref.priors import (
    LaplacePrior,
    LearnedNormalPrior,
    MixturePrior,
    NoPrior,
    make_prior,
    prior_named,
)

RNG = np.random.default_rng(16)
MIXTURE = MixturePrior((1.0, 0.05), (0.25, 0.75), (0.1, 0.0))
ARRAY = NormalPrior(RNG.normal(size=(3, 4)), np.exp(RNG.normal(size=4)))
PRIORS = {
    "laplace": LaplacePrior(0.1, 0.4),
    "mixture": MIXTURE,
    "none": NoPrior(),
    "learned": LearnedNormalPrior(0.2, 0.7, ("loc", "scale")),
    "learned scale": LearnedNormalPrior(0.2, 0.7),
    "array": ARRAY,
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("loc", "scale"), [(0.0, 1.0), (0.0, 0.3), (0.1, 0.4)])
def test_laplace_is_within_8_ulp_of_mpmath(loc, scale, dtype, volume):
    loc, scale = (float(np.dtype(dtype).type(v)) for v in (loc, scale))
    mu, sigma = points(loc, scale, dtype, volume(60, 2000))
    prior = LaplacePrior(loc, scale)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        found = prior.kl(mu, sigma), *prior.kl_gradient(mu, sigma)
    check(mu, sigma, loc, scale, found)


def test_laplace_against_pytorchs_own():
    torch = pytest.importorskip("torch")
    mu, sigma = RNG.normal(size=50), np.exp(RNG.normal(size=50))
    normal = torch.distributions.Normal(torch.tensor(mu), torch.tensor(sigma))
    laplace = torch.distributions.Laplace(torch.tensor(0.2), torch.tensor(0.7))
    theirs = torch.distributions.kl_divergence(normal, laplace).numpy()
    assert relative(LaplacePrior(float(np.float32(0.2)), float(np.float32(0.7))).kl(mu, sigma),
                    theirs) < 1e-12  # fmt: skip


def test_a_mixtures_sampled_kl_has_the_right_mean():
    """By quadrature, within 4 standard errors of a million draws."""
    mu, sigma = 0.07, 0.11
    eps = np.random.default_rng(1).standard_normal(1_000_000)
    draws = MIXTURE.bind(eps).kl(np.full_like(eps, mu), np.full_like(eps, sigma))
    with mpmath.workdps(20):

        def term(e):
            w = mu + sigma * e
            p = sum(a * mpmath.npdf(w, m, s) for a, m, s in
                    zip(MIXTURE.weights, MIXTURE.locs, MIXTURE.scales, strict=True))  # fmt: skip
            return mpmath.npdf(e) * (mpmath.log(mpmath.npdf(e) / sigma) - mpmath.log(p))

        exact = float(mpmath.quad(term, range(-9, 10)))
    assert abs(np.mean(draws) - exact) < 4 * np.std(draws) / 1000


def test_penalties_are_minus_the_log_densities():
    w = RNG.normal(size=40)
    for prior, density in (
        (NormalPrior(0.3, 0.6), scipy.stats.norm(0.3, 0.6)),
        (LaplacePrior(0.3, 0.6), scipy.stats.laplace(0.3, 0.6)),
    ):
        np.testing.assert_allclose(prior.penalty(w), -density.logpdf(w), rtol=SAME_FLOAT64)
    parts = [a * scipy.stats.norm.pdf(w, m, s) for a, m, s in
             zip(MIXTURE.weights, MIXTURE.locs, MIXTURE.scales, strict=True)]  # fmt: skip
    np.testing.assert_allclose(MIXTURE.penalty(w), -np.log(sum(parts)), rtol=1e-12)


def network(prior, bias="normal", bias_prior=None):
    layers = [DenseFlipout(3, 4, "tanh", prior, bias, bias_prior), DenseFlipout(4, 2)]
    return Network(layers, Categorical())


X, Y = RNG.normal(size=(7, 3)), RNG.integers(0, 2, 7)


def check_gradients(net, estimator="flipout"):
    p, noise = net.init(1, "float64"), draw_noise(net, 7, 2, dtype="float64", estimator=estimator)
    result = loss_and_gradients(net, p, X, Y, noise, 0.3)
    assert relative(kl(net, p, noise), result.kl_layers) < SAME_FLOAT64
    wide = p.astype("complex128")
    for name in p:
        step = np.empty_like(p[name])
        for place in np.ndindex(step.shape):
            wide[name][place] += 1e-30j
            step[place] = loss_and_gradients(net, wide, X, Y, noise, 0.3).loss.imag / 1e-30
            wide[name][place] = p[name][place]
        assert relative(result.gradients[name], step) <= COMPLEX_STEP, name


@pytest.mark.parametrize(
    ("name", "bias"), list(itertools.product(PRIORS, ["normal", "normal_flipped"]))
)
def test_every_gradient_against_the_complex_step(name, bias):
    bias_prior = (0.0, 1.0) if name == "array" else PRIORS[name]
    check_gradients(network(PRIORS[name], bias, bias_prior))


@pytest.mark.parametrize("prior", [NormalPrior(0.2, 0.5), LaplacePrior(0.2, 0.5), MIXTURE])
def test_a_deterministic_bias_with_a_prior(prior):
    net = network((0, 1), "deterministic", prior)
    p = net.init(0, "float64")
    without = kl(network((0, 1), "deterministic"), p)
    found = kl(net, p)[0] - without[0]
    assert found == pytest.approx(np.sum(prior.penalty(p["layers.0.bias_mu"])), rel=1e-12)
    check_gradients(net)


@pytest.mark.parametrize("name", ["laplace", "learned", "array", "none"])
def test_closed_forms_go_with_local_noise_too(name):
    check_gradients(network(PRIORS[name], "deterministic"), "local")


@pytest.mark.parametrize("bias", ["deterministic", "normal"])
@pytest.mark.parametrize("name", PRIORS)
def test_the_parts_add_up_to_the_kl(name, bias):
    layer = DenseFlipout(3, 4, "relu", PRIORS[name], bias, (0, 0.5), scale_shift=0)
    net = Network([layer])
    p, noise = net.init(0, "float64"), draw_noise(net, 2, 0, dtype="float64")
    p["layers.0.kernel_rho"][0, 0] = -800  # sigma underflows
    np.testing.assert_allclose([sum(parts) for parts in kl_parts(net, p, noise)],
                               kl(net, p, noise), rtol=SAME_FLOAT64)  # fmt: skip


@pytest.mark.parametrize("prior", [LaplacePrior, LearnedNormalPrior])
def test_a_prior_of_numbers_takes_no_arrays(prior):
    with pytest.raises(ValueError, match=r"kernel_prior.scale: expected a number, found an array"):
        DenseFlipout(3, 4, kernel_prior=prior(0, np.ones(4)))


def test_a_mixture_needs_a_draw():
    net = network(MIXTURE, "deterministic")
    with pytest.raises(ValueError, match="noise: expected a draw of the weights.* found none"):
        kl(net, net.init())
    with pytest.raises(ValueError, match="estimator 'flipout' or 'shared'"):
        check_gradients(net, "local")


@pytest.mark.parametrize("estimator", ["local", "independent"])
def test_an_estimator_without_a_draw_is_refused_before_any_step(estimator):
    inner = Residual([DenseFlipout(3, 3, bias="normal", bias_prior=MIXTURE)])
    for net, place in ((network(MIXTURE), "layers.0.kernel"),
                       (Network([inner]), "layers.0.layers.0.bias")):  # fmt: skip
        with pytest.raises(ValueError, match=rf"estimator: expected 'flipout'.* {place} .*found"):
            Trainer(net, 7, backend="numpy", estimator=estimator)
    image = Conv2DFlipout(2, 2, input_shape=(3, 3, 2))
    with pytest.raises(ValueError, match="estimator: expected 'flipout' or 'shared' for Conv2DFl"):
        Trainer(Network([image]), 7, backend="numpy", estimator=estimator)


@pytest.mark.parametrize("name", PRIORS)
def test_json_training_and_draws(name):
    net = network(PRIORS[name])
    assert Network.from_json(json.loads(json.dumps(net.to_json()))) == net
    assert PRIORS[name].describe() in repr(net)
    trainer = Trainer(net, 7, backend="numpy", draws_per_step=3, learning_rate=0.01)
    first = trainer.step(X, Y)
    assert np.isclose(first.loss, first.nll + first.kl / 7)
    assert all(np.isfinite(trainer.step(X, Y).loss) for _ in range(20))
    moved = {n for n in net.parameter_shapes if "prior" in n}
    start = net.init(0)
    assert all(trainer.parameters[n] != start[n] for n in moved)


def test_an_array_is_its_columns():
    mu, sigma = RNG.normal(size=(3, 4)), np.exp(RNG.normal(size=(3, 4)))
    for i, o in np.ndindex(3, 4):
        one = NormalPrior(ARRAY.loc[i, o], ARRAY.scale[o])
        assert ARRAY.kl(mu, sigma)[i, o] == one.kl(mu[i, o], sigma[i, o])
    assert sum(ARRAY.kl_parts(mu, sigma)) == pytest.approx(np.sum(ARRAY.kl(mu, sigma)), rel=1e-12)


@pytest.mark.parametrize("shape", [(3,), (1, 4), (4, 3), (2, 3, 4), (1,)])
def test_an_array_that_does_not_fit_is_refused_by_name(shape):
    with pytest.raises(
        ValueError, match=r"kernel_prior.scale: expected a number or shape \(3, 1\)"
    ):
        DenseFlipout(3, 4, kernel_prior=NormalPrior(0.0, np.ones(shape)))
    for fits in ((4,), (3, 1), (3, 4)):
        DenseFlipout(3, 4, kernel_prior=NormalPrior(np.zeros(fits), 1.0))
    with pytest.raises(ValueError, match=r"bias_prior.loc: expected a number or shape \(4,\)"):
        DenseFlipout(3, 4, bias="normal", bias_prior=NormalPrior(np.zeros((3, 4)), 1.0))


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"type": "cauchy"}, "prior type: expected one of normal, laplace"),
        ({"type": "laplace", "loc": 0, "scale": 0}, "kernel_prior.scale: expected a finite"),
        ({"type": "mixture", "scales": []}, "kernel_prior.scales: expected 1 finite numbers"),
        ({"type": "mixture", "scales": [1, -1]}, "kernel_prior.scales: expected numbers above 0"),
        ({"type": "mixture", "scales": [1, 2], "weights": [1]}, "kernel_prior.weights: expected 2"),
        ({"type": "learned_normal", "learn": ["shape"]}, r"kernel_prior.learn: expected \("),
        ({"type": "learned_normal", "learn": "loc"}, "kernel_prior.learn: .* found 'loc'"),
        ({"type": "learned_normal", "learn": ["loc", "loc"]}, "kernel_prior.learn: expected"),
        ({"type": "none", "loc": 0}, "kernel_prior: expected a pair"),
    ],
)
def test_what_is_no_prior_is_refused(bad, words):
    with pytest.raises(ValueError, match=words):
        make_prior(bad)


def test_an_option_that_is_given_twice_is_refused():
    with pytest.raises(ValueError, match="prior laplace: expected each option once"):
        prior_named("laplace:loc=1:loc=2")


def test_a_scale_that_is_given_twice_is_refused():
    with pytest.raises(ValueError, match="prior_scale: expected none beside laplace:scale=2, .* 3"):
        prior_named("laplace:scale=2", 3)
    assert prior_named("laplace:scale=2") == LaplacePrior(0.0, 2.0)
