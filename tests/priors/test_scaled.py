"""A prior whose KL counts by a factor. Oracles: the prior itself, the complex step."""

import json

import numpy as np
import pytest
from tolerances import COMPLEX_STEP, relative

from bnn_ref import Dense, DenseFlipout, Network, Trainer, draw_noise, loss_and_gradients, reference
from bnn_ref.priors import LaplacePrior, LearnedNormalPrior, MixturePrior, NoPrior, ScaledPrior

PRIORS = [(0.1, 0.5), LaplacePrior(0.1, 0.5), MixturePrior((1.0, 0.1)),
          LearnedNormalPrior(0.1, 0.5, ("loc", "scale"))]  # fmt: skip
X, Y = np.random.default_rng(0).normal(size=(4, 3)), [0, 1, 1, 0]


def network(prior, factor):
    wrapped = prior if factor is None else ScaledPrior(prior, factor)
    return Network([DenseFlipout(3, 4, "tanh", wrapped, "normal", scale_shift=0.0), Dense(4, 2)])


@pytest.mark.parametrize("prior", PRIORS)
def test_every_gradient_against_the_complex_step(prior):
    net = network(prior, 0.25)
    p = net.init(0, "float64")
    noise = draw_noise(net, 4, 1, dtype="float64")
    result = loss_and_gradients(net, p, X, Y, noise, 0.7)
    wide = p.astype("complex128")
    for name in p:
        found = np.empty(p[name].shape)
        for place in np.ndindex(found.shape):
            wide[name][place] += 1e-30j
            found[place] = loss_and_gradients(net, wide, X, Y, noise, 0.7).loss.imag / 1e-30
            wide[name][place] = p[name][place]
        assert relative(result.gradients[name], found) <= COMPLEX_STEP, name


@pytest.mark.parametrize("prior", PRIORS)
def test_the_kl_and_its_parts_are_the_priors_times_the_factor(prior):
    plain, scaled = network(prior, None), network(prior, 0.25)
    p = plain.init(0, "float64")
    p["layers.0.kernel_rho"][0, 0] = -800  # sigma underflows
    noise = draw_noise(plain, 4, 1, dtype="float64")
    bias = Network([DenseFlipout(3, 4, "tanh", NoPrior(), "normal", scale_shift=0.0), Dense(4, 2)])
    rest = reference.kl(bias, bias.parameters({n: p[n] for n in bias.parameter_shapes}), noise)
    whole = reference.kl(plain, p, noise) - rest
    same = scaled.parameters(dict(p))
    np.testing.assert_allclose(reference.kl(scaled, same, noise) - rest, 0.25 * whole, rtol=1e-12)
    if not getattr(prior, "is_sampled", False):
        parts = reference.kl_parts(scaled, same, noise)[0]
        np.testing.assert_allclose(sum(parts), reference.kl(scaled, same, noise)[0], rtol=1e-12)


def test_json_words_and_both_back_ends():
    net = network((0, 1), 0.01)
    assert Network.from_json(json.loads(json.dumps(net.to_json()))) == net
    prior = net.layers[0].kernel_prior
    assert prior.describe() == "N(0, 1) x 0.01"
    assert prior.temperature(1 / 50, 1000) == pytest.approx(0.2)
    assert (prior.scale, prior.loc) == (1.0, 0.0)
    assert not hasattr(ScaledPrior(NoPrior()), "penalty")
    assert not ScaledPrior((0, 1), 0).has_kl
    point = Dense(3, 2, kernel_prior=ScaledPrior((0, 1), 0.5))
    assert point.point_priors["kernel"].penalty(np.zeros(1))[0] == pytest.approx(
        0.25 * np.log(2 * np.pi)
    )
    with pytest.raises(ValueError, match="factor: expected a finite number, at least 0"):
        ScaledPrior((0, 1), -1)
    pytest.importorskip("numba")
    steps = [Trainer(net, 4, dtype="float64", backend=b) for b in ("numpy", "numba")]
    losses = [trainer.step(X, Y).loss for trainer in steps]
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)
