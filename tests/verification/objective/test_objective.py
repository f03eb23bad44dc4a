"""Cases 76 to 78: what an objective is, described and probed; each mistake by its name."""

import math

import numpy as np
import pytest
from command import call

from bnn_ref.likelihoods import Bernoulli, Categorical, Normal
from bnn_ref.verification import check_objective, explain_objective

N, B, P = 1437, 128, 9472
OBJECTIVES = {  # twelve, and what each must be called
    "TFP, divided in the layer": ({"kl_factor": 1 / N}, "right"),
    "TFP, divided in the loop": ({"kl_factor": 0.0, "added": 1 / N}, "right"),
    "a sum over the batch, KL * B/N": ({"kl_factor": B / N, "reduction": "sum"}, "right"),
    "undivided": ({"kl_factor": 1.0}, "kl-undivided"),
    "by the batch size": ({"kl_factor": 1 / B}, "kl-by-batch-size"),
    "absent": ({"kl_factor": 0.0}, "kl-absent"),
    "added twice": ({"kl_factor": 1 / N, "added": 1 / N}, "kl-twice"),
    "twice, once undivided": ({"kl_factor": 1 / N, "added": 1.0}, "kl-twice-undivided"),
    "twice, once by B": ({"kl_factor": 1 / N, "added": 1 / B}, "kl-twice-batch"),
    "divided twice": ({"kl_factor": 1 / N / N}, "kl-divided-twice"),
    "a tenth of the mean": ({"kl": "mean", "kl_factor": 0.1}, "kl-mean-over-weights"),
    "Bayesian-Torch's, by B": (
        {"kl": "layer_means", "kl_factor": 1 / B, "num_weights": (8192, 1280)},
        "kl-mean-over-weights",
    ),
    "tempered": ({"kl_factor": 0.3 / N}, "tempered"),
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_objective_is_named(name):
    options, key = OBJECTIVES[name]
    found = explain_objective(N, B, **{"num_weights": P, **options})
    assert found.key == key, found
    assert ("write instead" in str(found)) == (key != "right")
    assert found.temperature == pytest.approx(found.weight * N)


def test_the_weight_of_a_tenth_of_the_mean():
    """Case 77."""
    found = explain_objective(N, B, P, kl="mean", kl_factor=0.1)
    assert found.weight == pytest.approx(1.06e-5, rel=5e-3)
    assert found.temperature == pytest.approx(0.0152, rel=5e-3)
    assert "1/N is 0.000696" in str(found)
    assert "not Bayes' posterior" in str(found)


def test_the_scale_of_a_mean_squared_error():
    """Case 76."""
    one = explain_objective(N, B, P, loss="mse", residual=0.08)
    assert one.scale == pytest.approx(math.sqrt(0.5))
    assert one.residual_factor == pytest.approx(78.1, rel=1e-3)
    assert "Normal likelihood of scale 0.707" in str(one)
    assert explain_objective(N, B, P, loss="mse", outputs=8).scale == pytest.approx(2.0)
    assert explain_objective(N, B, P, loss="half_squared_error").scale == pytest.approx(1.0)
    assert explain_objective(N, B, P).scale is None


@pytest.mark.parametrize(
    ("options", "text"),
    [({"kl": "total"}, "kl: expected one of sum"), ({"loss": "mae"}, "loss: expected one of nll"),
     ({"reduction": "none"}, "reduction: expected one of mean, sum"),
     ({"kl_factor": math.nan}, "kl_factor: expected a finite number, at least 0"),
     ({"residual": 0.0}, "residual: expected a finite number above 0")],
)  # fmt: skip
def test_what_is_no_objective_is_refused(options, text):
    with pytest.raises(ValueError, match=text):
        explain_objective(N, B, P, **options)


def test_the_command(capsys):
    words = ("--examples", N, "--batch", B, "--weights", "8192,1280")
    found = call(capsys, "explain", "objective", *words)
    assert found.code == 0
    assert found.out.startswith("right: the KL once, divided by N")
    found = call(capsys, "explain", "objective", *words, "--kl-factor", "1", "--loss", "mse")
    assert found.code == 1
    assert "kl-undivided" in found.out
    assert "temperature 1.44e+03" in found.out
    assert call(capsys, "explain", "objective").code == 2


# A person's own loss functions, probed.
RNG = np.random.default_rng(4)
X, W, KL = RNG.normal(size=(40, 5)), RNG.normal(size=(5, 3)), 321.5
CLASSES = RNG.integers(0, 3, 40)
REAL = RNG.normal(size=(40, 3))
BITS = (REAL > 0) * 1.0


def outputs(x):
    return x @ W


def cross_entropy(x, y, reduction=np.mean):
    z = outputs(x)
    return reduction(np.log(np.sum(np.exp(z), axis=1)) - z[np.arange(len(z)), y])


def squares(x, y):
    return (outputs(x) - y) ** 2


PROBED = {
    "right": (lambda x, y: cross_entropy(x, y) + KL / N, CLASSES, Categorical(), "right"),
    "right, summed": (lambda x, y: cross_entropy(x, y, np.sum) + KL * len(x) / N, CLASSES,
                      Categorical(), "right"),
    "undivided": (lambda x, y: cross_entropy(x, y) + KL, CLASSES, Categorical(), "kl-undivided"),
    "by batch": (lambda x, y: cross_entropy(x, y) + KL / len(x), CLASSES, Categorical(),
                 "kl-by-batch-size"),
    "absent": (lambda x, y: cross_entropy(x, y), CLASSES, Categorical(), "kl-absent"),
    "twice": (lambda x, y: cross_entropy(x, y) + KL * (1 + 1 / N), CLASSES, Categorical(),
              "kl-twice-undivided"),
    "mean": (lambda x, y: cross_entropy(x, y) + KL / P, CLASSES, Categorical(),
             "kl-mean-over-weights"),
    "mse": (lambda x, y: np.mean(squares(x, y)) + KL / N, REAL, Normal(1.0), "right"),
    "nll": (lambda x, y: np.mean(np.sum(squares(x, y) / 0.5 + np.log(2 * np.pi) / 2
                                        + np.log(0.5), axis=1)) + KL / N, REAL, Normal(0.5),
            "right"),
    "bernoulli": (lambda x, y: np.mean(np.sum(np.log1p(np.exp(outputs(x))) - y * outputs(x),
                                              axis=1)) + 2 * KL / N, BITS, Bernoulli(), "kl-twice"),
}  # fmt: skip


@pytest.mark.parametrize("name", PROBED)
def test_a_loss_function_is_found_out_by_asking_it(name):
    loss, y, likelihood, key = PROBED[name]
    found = check_objective(loss, outputs, X, y, num_examples=N, num_weights=P, kl=KL,
                            likelihood=likelihood)  # fmt: skip
    assert found.objective.key == key, found
    assert found.agrees == (key == "right")
    assert found.by_batch == (name == "by batch")
    assert found.reduction == ("sum" if "summed" in name else "mean")
    if name == "mse":
        assert found.objective.scale == pytest.approx(math.sqrt(3 / 2), rel=1e-6)


def test_probabilities_and_random_losses_are_refused():
    def of_probabilities(x, y):
        p = np.exp(outputs(x)) / np.sum(np.exp(outputs(x)), axis=1, keepdims=True)
        return np.mean(np.log(np.sum(np.exp(p), axis=1)) - p[np.arange(len(p)), y]) + KL / N

    options = {"num_examples": N, "num_weights": P, "kl": KL}
    with pytest.raises(ValueError, match="are outputs logits"):
        check_objective(of_probabilities, outputs, X, CLASSES, **options)
    with pytest.raises(ValueError, match="hold the noise"):
        check_objective(lambda x, y: RNG.normal(), outputs, X, CLASSES, **options)
    with pytest.raises(ValueError, match="x: expected at least 8 rows, found 3"):
        check_objective(cross_entropy, outputs, X[:3], CLASSES[:3], **options)
