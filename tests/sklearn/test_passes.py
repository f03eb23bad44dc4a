"""The passes of a fit: early stopping, warm starts, held-out temperature; cases 87 and 88."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytest.importorskip("numba", reason="numba is not installed")

from sklearn.base import clone
from sklearn.metrics import log_loss
from small_fits import QUICK, SHORT, X, Y

from bnn_ref import predict
from bnn_ref.sklearn import FlipoutClassifier, FlipoutRegressor
from bnn_ref.sklearn.passes import best_temperature


@SHORT
def test_case_87_early_stopping_scores_by_weight():
    """Half of 200 rows are mislabelled with weight 1e-9: they must not say when to stop."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    truth = (x[:, 0] > 0).astype(int)
    wrong = np.arange(200) % 2 == 0
    weight = np.where(wrong, 1e-9, 1.0)
    model = FlipoutClassifier(max_iter=300, early_stopping=True, learning_rate=0.01, **QUICK)
    model.fit(x, np.where(wrong, 1 - truth, truth), sample_weight=weight)
    assert model.score(x, truth) > 0.94


@SHORT
def test_case_87_a_validation_score_is_the_weighted_mean():
    from sklearn.model_selection import train_test_split

    weight = np.where(np.arange(150) % 2, 3.0, 0.5)
    model = FlipoutClassifier(max_iter=1, early_stopping=True, **QUICK)
    model.fit(X, Y, sample_weight=weight)
    _, held = train_test_split(np.arange(150), test_size=15, random_state=model.seed_, stratify=Y)
    found = predict(model.network_, model.state_.parameters, X[held], Y[held], kind="mean")
    wanted = np.sum(weight[held] * found.log_prob) / np.sum(weight[held])
    assert model.validation_scores_ == [pytest.approx(wanted, rel=1e-12)]


def test_another_temperature_must_be_better_by_more_than_its_error():
    """Gains of mean .1 over four rows: a standard error of .05 or, spread out, of .5."""
    one, near = np.zeros(4), np.array([0.2, 0.0, 0.2, 0.0])
    spread = np.array([1.1, -0.9, 1.1, -0.9])
    assert best_temperature({1.0: one, 0.3: near}) == 0.3
    assert best_temperature({1.0: one, 0.3: spread}) == 1.0
    assert best_temperature({1.0: one, 0.3: spread}, np.array([1.0, 0, 1, 0])) == 0.3
    assert best_temperature({1.0: one, 0.3: one - 0.1, 0.1: one + 0.1}) == 0.1


def test_case_87_early_stopping_needs_rows():
    for estimator in (FlipoutClassifier, FlipoutRegressor):
        with pytest.raises(
            ValueError, match="early_stopping: expected rows enough .* found 2 rows"
        ):
            estimator(early_stopping=True, **QUICK).fit(X[[0, 149]], Y[[0, 149]])
        with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
            estimator(early_stopping=True, **QUICK).partial_fit(X, Y)


@SHORT
def test_case_88_a_warm_start_keeps_the_best_of_all_its_fits():
    model = FlipoutClassifier(
        max_iter=60, early_stopping=True, n_iter_no_change=60, warm_start=True, **QUICK
    ).fit(X, Y)
    first, best = model.state_.parameters.flat.copy(), max(model.validation_scores_)
    model.set_params(learning_rate=1.0, max_iter=3).fit(X, Y)  # ruins it
    assert max(model.validation_scores_[60:]) < best
    np.testing.assert_array_equal(model.state_.parameters.flat, first)


@SHORT
@pytest.mark.parametrize(
    ("name", "value"),
    [("activation", "tanh"), ("prior_scale", 2.0), ("bias", "normal"),
     ("hidden_layer_sizes", (11,)), ("dtype", "float64"), ("scale", 0.5), ("learn_scale", False)],
)  # fmt: skip
def test_case_88_a_warm_start_refuses_what_cannot_change(name, value):
    model = FlipoutRegressor(max_iter=1, warm_start=True, **QUICK).fit(X, Y)
    step = model.state_.step
    model.set_params(**{name: value})
    with pytest.raises(ValueError, match=rf"{name}: expected .*, as in the first fit, found .* can "
                       "change: learning_rate, batch_size"):  # fmt: skip
        model.fit(X, Y)
    assert model.state_.step == step


@SHORT
def test_case_88_sizes_are_told_as_they_are_given():
    model = FlipoutRegressor(**{**QUICK, "hidden_layer_sizes": (4,)}, max_iter=1, warm_start=True)
    model.fit(X, Y).set_params(hidden_layer_sizes=np.array([3, 2]))
    with pytest.raises(ValueError, match=r"expected \(4,\), as in the first fit, found \(3, 2\) "):
        model.fit(X, Y)


@SHORT
def test_case_88_other_classes_are_refused_and_other_lengths_taken():
    model = FlipoutClassifier(max_iter=1, warm_start=True, **QUICK).fit(X[:100], Y[:100])
    with pytest.raises(ValueError, match="y: expected classes among"):
        model.fit(X, Y)
    model.set_params(max_iter=2, batch_size=10, learning_rate=0.1, draws=3, temperature=0.5)
    model.fit(X[:100], Y[:100])
    assert (model.n_iter_, model.temperature_) == (3, 0.5)


@SHORT
def test_a_held_out_temperature_is_the_best_on_rows_not_trained_on():
    """Each score is that of the same fit without the held-out rows, made here by hand."""
    model = FlipoutClassifier(max_iter=30, temperature="held-out", **QUICK).fit(X, Y)
    from sklearn.model_selection import train_test_split

    assert set(model.temperature_scores_) == {1.0, 0.3, 0.1, 0.03}
    kept, held = train_test_split(np.arange(150), test_size=15, random_state=model.seed_,
                                  stratify=Y)  # fmt: skip
    for temperature in (1.0, 0.1):
        alone = clone(model).set_params(temperature=temperature).fit(X[kept], Y[kept])
        nats = -log_loss(Y[held], alone.predict_proba(X[held]), labels=[0, 1, 2])
        assert model.temperature_scores_[temperature] == pytest.approx(nats, rel=1e-6)
    final = clone(model).set_params(temperature=model.temperature_).fit(X, Y)
    np.testing.assert_array_equal(final.state_.parameters.flat, model.state_.parameters.flat)
    with pytest.raises(ValueError, match="temperature: expected a number where kl_weight is given"):
        clone(model).set_params(kl_weight=0.001).fit(X, Y)
    with pytest.raises(ValueError, match="partial_fit does not support temperature='held-out'"):
        clone(model).partial_fit(X, Y, [0, 1, 2])
