"""`explain flipout`, `adam` and `elbo`: their checks agree everywhere, and can fail."""

import numpy as np
import pytest
from explained import disagreeing, random_subject

from bnn_ref import Adam, DenseFlipout, NormalPrior
from bnn_ref.explain import TOPICS, elbo, explain, flipout, run_subject, sheet, small_subject
from bnn_ref.explain import kl as kl_topic
from bnn_ref.explain import step as step_topic
from bnn_ref.runs.opened import open_run
from bnn_ref.step import adam as adam_rule

DRAWS = 2000  # of Monte Carlo, for tests of many networks


@pytest.fixture
def few_draws(monkeypatch):
    monkeypatch.setattr(flipout, "DRAWS", DRAWS)
    monkeypatch.setattr(elbo, "DRAWS", 500)
    monkeypatch.setattr(kl_topic, "ESTIMATE_DRAWS", 50)


LONG = ("elbo",)  # thousands of draws; quickly the next test, by fewer


@pytest.mark.parametrize(
    "topic", [pytest.param(one, marks=pytest.mark.slow) if one in LONG else one for one in TOPICS]
)
def test_the_small_network_agrees_as_it_is_printed(topic):
    assert disagreeing(explain(topic)) == []


@pytest.mark.parametrize("seed", [1, 7])
@pytest.mark.parametrize("topic", TOPICS)
def test_the_small_network_agrees_and_fits_a_terminal(few_draws, topic, seed):
    found = explain(topic, seed=seed)
    assert disagreeing(found) == []
    assert found.checks
    lines = found.text().splitlines()
    assert max(map(len, lines)) < 100
    assert all(line == line.rstrip() for line in lines)
    assert found.text() == explain(topic, seed=seed).text()


@pytest.mark.parametrize("run", ["trained_run", "table_run"])
@pytest.mark.parametrize("topic", TOPICS)
def test_a_run_agrees_and_fits_a_terminal(request, few_draws, topic, run):
    folder = request.getfixturevalue(run)
    found = explain(topic, run_subject(open_run(folder)))
    assert disagreeing(found) == []
    text = found.text().replace(str(folder), "RUN")  # however long the path is
    assert [line for line in text.splitlines() if len(line) >= 100] == []


@pytest.mark.parametrize("bias", ["none", "deterministic", "normal", "normal_flipped"])
@pytest.mark.parametrize("likelihood", ["categorical", "bernoulli", "normal", "learned"])
@pytest.mark.parametrize("topic", ["flipout", "step", "adam"])
def test_random_networks_agree(few_draws, topic, likelihood, bias):
    for seed, widths in enumerate([(3, 4, 2), (1, 1), (2, 30, 5, 3)]):
        subject = random_subject(likelihood, bias, widths, seed=seed, activation="gelu")
        found = explain(topic, subject, seed)
        assert disagreeing(found) == []
        assert max(map(len, found.text().splitlines())) < 100


def test_a_batch_of_one_is_explained_by_two_training_rows(table_run):
    subject = run_subject(open_run(table_run))
    assert len(subject.x) == 1
    text = explain("flipout", subject).text()
    assert "example 1: sign_input" in text


@pytest.mark.parametrize("topic", ["step", "adam"])
def test_several_draws_in_a_step_are_said(table_run, topic):
    text = " ".join(explain(topic, run_subject(open_run(table_run))).text().split())
    assert "of this run averages" in text
    assert "2 noise draws" in text


def test_an_unknown_topic_is_refused():
    with pytest.raises(ValueError, match=r"^topic: expected one of kl, .*, found 'lk'$"):
        explain("lk")


@pytest.mark.parametrize("convention", ["paper", "tensorflow1", "keras"])
def test_the_update_by_hand_is_the_update(convention):
    """The sheet's own formula, in decimals, against `adam.update` over ten steps."""
    from bnn_ref.explain.adam import one_update

    adam = Adam(0.01, beta_1=0.8, convention=convention)
    rng = np.random.default_rng(0)
    p, m, v = rng.normal(size=5), np.zeros(5), np.zeros(5)
    for t in range(1, 11):
        g = 10.0 ** rng.integers(-9, 2, 5) * rng.normal(size=5)
        wanted = [float(one_update(adam, t, *map(float, one))) for one in zip(p, g, m, v)]  # noqa: B905
        adam_rule.update(adam, t, p, g, m, v)
        np.testing.assert_allclose(p, wanted, rtol=0, atol=1e-15 + 1e-15 * np.abs(p).max())


def epsilon_in_the_root(adam, step, p, g, m, v, fixed=()):
    rate, scale = adam.factors(step)
    m = adam.beta_1 * m + (1 - adam.beta_1) * g
    v = adam.beta_2 * v + (1 - adam.beta_2) * g * g
    return p - rate * m / np.sqrt(v * scale**2 + adam.epsilon), m, v


def no_correction(adam, step, p, g, m, v, fixed=()):
    m = adam.beta_1 * m + (1 - adam.beta_1) * g
    v = adam.beta_2 * v + (1 - adam.beta_2) * g * g
    return p - adam.learning_rate * m / (np.sqrt(v) + adam.epsilon), m, v


@pytest.mark.parametrize("topic", ["adam", "step"])
@pytest.mark.parametrize("mistake", [epsilon_in_the_root, no_correction])
def test_a_planted_mistake_in_the_update(monkeypatch, topic, mistake):
    monkeypatch.setattr(adam_rule, "after", mistake)
    assert disagreeing(explain(topic))


def signs_forgotten(rows, columns, *key, dtype=np.float64, **more):
    return np.ones((rows, columns), dtype)


def test_a_planted_mistake_in_the_draws(monkeypatch):
    """Signs of +1 tie the examples; eps of another variance shows in the outputs'."""
    with monkeypatch.context() as patch:
        patch.setattr(flipout, "signs", signs_forgotten)
        assert any("with signs" in what for what in disagreeing(explain("flipout")))
    normals = flipout.normals
    monkeypatch.setattr(flipout, "normals", lambda *a, **k: 1.1 * normals(*a, **k))
    assert disagreeing(explain("flipout")) == [
        "the variance of example 0 with signs, in closed form"
    ]


def without_output_signs(layer, p, noise, h, forward=DenseFlipout.forward):
    return forward(layer, p, noise._replace(sign_output=np.ones_like(noise.sign_output)), h)


def half_the_noise(layer, p, noise, h, forward=DenseFlipout.forward):
    return forward(layer, p, noise._replace(kernel_eps=0.5 * noise.kernel_eps), h)


@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize("mistake", [without_output_signs, half_the_noise])
def test_a_planted_mistake_in_the_forward_pass(monkeypatch, mistake, small):
    subject = small_subject() if small else random_subject()
    monkeypatch.setattr(DenseFlipout, "forward", mistake)
    assert any("perturbation" in what for what in disagreeing(explain("flipout", subject)))


def test_the_elbo_is_checked_by_an_integral_and_by_draws(monkeypatch, few_draws):
    pytest.importorskip("mpmath")
    kl, forward = NormalPrior.kl, DenseFlipout.forward
    with monkeypatch.context() as patch:
        patch.setattr(NormalPrior, "kl", lambda *a: kl(*a) + 1e-9)
        assert "-ELBO at the exact posterior" in disagreeing(explain("elbo"))
    monkeypatch.setattr(DenseFlipout, "forward", lambda *a: half_the_noise(*a, forward))
    assert disagreeing(explain("elbo")) == ["nll at the exact posterior"]


def test_the_posterior_of_one_weight_is_the_one_that_bayes_rule_gives():
    """On a grid: prior times likelihood, normalised; and the least of nll + KL/N is at it."""
    w = np.linspace(-8, 8, 400_001)
    log = -(w**2) / 2 - np.sum((elbo.Y - elbo.X * w) ** 2, axis=0) / (2 * elbo.NOISE**2)
    density = np.exp(log - log.max())
    density /= density.sum()
    mean = float(np.sum(w * density))
    deviation = float(np.sqrt(np.sum((w - mean) ** 2 * density)))
    mu, sigma = elbo.exact_posterior()
    assert mu == pytest.approx(mean, rel=1e-10)
    assert sigma == pytest.approx(deviation, rel=1e-8)
    n = len(elbo.X)

    def loss(mu, sigma, divisor):
        kl = float(NormalPrior().kl(mu, sigma))
        return elbo.expected_nll(mu, sigma) + kl / divisor

    for divisor, at in [(n, elbo.exact_posterior()), (2, elbo.exact_posterior(2 / n))]:
        least = loss(*at, divisor)
        for step in ((1e-3, 0), (-1e-3, 0), (0, 1e-3), (0, -1e-3)):
            assert loss(at[0] + step[0], at[1] + step[1], divisor) > least


def test_everything_but_mpmath_checks_works_without_it(monkeypatch, few_draws):
    for topic, module in [("kl", kl_topic), ("step", step_topic), ("elbo", elbo)]:
        monkeypatch.setattr(module, "mpmath_or_none", lambda: None)
        found = explain(topic)
        assert found.agrees
        assert found.checks
        assert found.missing
        assert sheet.NO_MPMATH in found.text()
