"""How the estimators learn as they come: cases 30, 36, 68, 70, 75, 90, 94, 95, and warnings."""

import pickle
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytest.importorskip("numba", reason="numba is not installed")

from sklearn.base import clone
from sklearn.datasets import make_moons
from sklearn.exceptions import ConvergenceWarning
from small_fits import QUICK, SHORT, X, Y

from bnn_ref import ObjectiveWarning, fit
from bnn_ref.priors import LaplacePrior
from bnn_ref.sklearn import FlipoutClassifier, FlipoutRegressor
from bnn_ref.sklearn.passes import Rows


def sine_with_a_gap(seed=0):
    """60 points on each side of a gap, y = sin(1.5 x) + noise of .1."""
    rng = np.random.default_rng(seed)
    x = np.concatenate([rng.uniform(-4, -1.5, 60), rng.uniform(1.5, 4, 60)])[:, None]
    return x, np.sin(1.5 * x[:, 0]) + 0.1 * rng.normal(size=120)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow),
                                  pytest.param(2, marks=pytest.mark.slow)])  # fmt: skip
def test_case_68_the_sine_with_a_gap_as_it_comes(seed):
    x, y = sine_with_a_gap(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = FlipoutRegressor(random_state=seed).fit(x, y)
    mean, _, aleatoric, _ = model.predict(x, return_parts=True)
    assert np.sqrt(np.mean((mean - y) ** 2)) < 0.15
    assert 0.07 < aleatoric[0] < 0.16
    low, high = model.predict_interval(x, 0.9)
    assert 0.85 < np.mean((low <= y) & (y <= high)) <= 1


def test_case_68_a_short_fit_warns():
    x, y = sine_with_a_gap()
    with pytest.warns(ConvergenceWarning, match="training has not settled: .* raise max_iter"):
        model = FlipoutRegressor(max_iter=200, random_state=0).fit(x, y)
    assert not model.convergence_.settled


def table_of(name, folder):
    """Return (estimator, x, y) of a data set, inputs scaled where they are no pixels."""
    from sklearn import datasets

    from bnn_ref.data import load, read_digits
    from bnn_ref.sweep.uci import read_split

    if name == "digits":
        arrays = read_digits()
        return FlipoutClassifier, arrays["x_train"].reshape(-1, 64) / 16, arrays["y_train"]
    if name == "mnist":
        train = load(folder / "mnist").train
        return FlipoutClassifier, np.asarray(train.x[:]), train.y
    if name == "sine":
        return FlipoutRegressor, *sine_with_a_gap()
    if name in ("concrete", "energy"):
        kind, rows = FlipoutRegressor, read_split(folder / "uci", name, 0)
        x, y = rows.x, rows.y
    elif name == "moons":
        kind, (x, y) = FlipoutClassifier, make_moons(200, noise=0.15, random_state=0)
    else:
        kind = FlipoutRegressor if name == "diabetes" else FlipoutClassifier
        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    scale = x.std(axis=0)
    return kind, (x - x.mean(axis=0)) / np.where(scale > 0, scale, 1), y


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["sine", "moons", "breast_cancer", "diabetes", "digits",
                                  "concrete", "energy", "mnist"])  # fmt: skip
def test_a_fit_too_short_warns_and_the_default_does_not(name, request):
    """Some 200 steps and 400 against the default length; MNIST, of which that is two thirds of an
    epoch, with 15 passes."""
    far = name in ("concrete", "energy", "mnist")
    kind, x, y = table_of(name, request.getfixturevalue("data_folder") if far else None)
    large = name in ("digits", "mnist")
    settings = {"hidden_layer_sizes": (128, 128) if large else (50,), "random_state": 0}
    passes = -(-len(x) // 128)
    for steps in (200, 400):
        with pytest.warns(ConvergenceWarning, match="raise max_iter"):
            kind(max_iter=max(1, steps // passes), **settings).fit(x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        kind(max_iter=15 if name == "mnist" else None, **settings).fit(x, y)


def test_case_70_two_moons_as_they_come():
    x, y = make_moons(200, noise=0.15, random_state=0)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = FlipoutClassifier(random_state=0).fit(x, y)
    assert model.score(x, y) > 0.95
    angle = np.linspace(0, 2 * np.pi, 64)
    far = model.predict_proba(20 * np.stack([np.cos(angle), np.sin(angle)], axis=1))
    assert far.max() < 0.98


def test_the_default_length_is_in_steps_not_in_passes():
    few, many = FlipoutClassifier(), FlipoutClassifier(batch_size=10)
    assert few._passes(_rows(120)) == 6000
    assert many._passes(_rows(1000)) == 60
    assert many._passes(_rows(60_000)) == 20


def _rows(count):
    return Rows(np.zeros((count, 1)), np.zeros(count), None)


@SHORT
def test_case_36_boosting_warns_and_learns_with_num_examples():
    weight = np.full(150, 1 / 150)
    with pytest.warns(ObjectiveWarning, match="sum to 1, so N = 1 for 150 rows .*num_examples=150"):
        FlipoutClassifier(max_iter=1, **QUICK).fit(X, Y, sample_weight=weight)
    given = FlipoutClassifier(max_iter=300, num_examples=150, **QUICK)
    assert given.fit(X, Y, sample_weight=weight).score(X, Y) > 0.9


@SHORT
def test_case_33_and_90_a_feature_that_is_not_finite_is_named_by_row_and_column():
    for value in (np.nan, np.inf, 1e39):
        x = X.copy()
        x[77, 2] = value
        for call in (
            lambda x=x: FlipoutClassifier(**QUICK).fit(x, Y),
            lambda x=x: FlipoutRegressor(**QUICK).partial_fit(x, Y),
            lambda x=x: FITTED.predict(x),
        ):
            with pytest.raises(ValueError, match="NaN or inf in float32: X: .* row 77, column 2"):
                call()


FITTED = FlipoutRegressor(backend="numpy", **QUICK).partial_fit(X, Y)


@SHORT
def test_case_94_a_class_whose_rows_all_weigh_nothing_keeps_its_column():
    model = FlipoutClassifier(max_iter=100, learning_rate=0.03, **QUICK)
    model.fit(X, Y, sample_weight=(Y != 1).astype(float))
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.predict_proba(X).shape == (150, 3)
    assert model.score(X[Y != 1], Y[Y != 1]) > 0.95


@SHORT
def test_case_95_log_probabilities_and_several_labels():
    labels = np.column_stack([Y == 0, Y == 2, X[:, 0] > 0]).astype(int)
    model = FlipoutClassifier(max_iter=300, learning_rate=0.03, **QUICK).fit(X, labels)
    assert model.predict(X).shape == model.predict_proba(X).shape == (150, 3)
    assert np.mean(model.predict(X) == labels) > 0.95
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X))
    with pytest.raises(ValueError, match="y: expected 3 labels a row, as before"):
        model.partial_fit(X, labels[:, :2])


def test_case_95_sparse_inputs_are_refused_in_scikit_learns_words():
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match="Sparse data was passed"):
        FlipoutClassifier(**QUICK).fit(sparse.csr_matrix(X), Y)


@SHORT
@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_a_class_weight_below_0_drops_no_rows_but_is_refused(weight):
    labels = np.arange(len(X)) % 3
    with pytest.raises(ValueError, match="class_weight: expected finite numbers, at least 0, fou"):
        FlipoutClassifier(max_iter=1, class_weight={0: weight}, **QUICK).fit(X, labels)


@SHORT
def test_class_weight_is_the_sample_weight_it_stands_for():
    weight = np.where(Y == 1, 3.0, 1.0)
    model = FlipoutClassifier(max_iter=2, class_weight={1: 3.0}, **QUICK).fit(X, Y)
    other = FlipoutClassifier(max_iter=2, **QUICK).fit(X, Y, sample_weight=weight)
    np.testing.assert_array_equal(model.state_.parameters.flat, other.state_.parameters.flat)
    assert model.num_examples_ == 250
    skewed = np.concatenate([np.flatnonzero(Y == 0)[:10], np.flatnonzero(Y == 1)])
    model = FlipoutClassifier(max_iter=1, class_weight="balanced", **QUICK).fit(
        X[skewed], Y[skewed]
    )
    assert model.num_examples_ == pytest.approx(60)


@SHORT
def test_temperature_is_a_multiple_of_the_kl_weight():
    cold = FlipoutClassifier(max_iter=2, temperature=0.25, **QUICK).fit(X, Y)
    same = FlipoutClassifier(max_iter=2, kl_weight=0.25 / 150, **QUICK).fit(X, Y)
    np.testing.assert_array_equal(cold.state_.parameters.flat, same.state_.parameters.flat)


@SHORT
def test_case_30_a_mapped_estimator_trains_on_a_copy(tmp_path):
    joblib = pytest.importorskip("joblib")
    path = tmp_path / "model.joblib"
    model = FlipoutRegressor(max_iter=1, **QUICK).fit(X, Y)
    joblib.dump(model, path)
    before = path.read_bytes()
    mapped = joblib.load(path, mmap_mode="r").partial_fit(X, Y)
    assert path.read_bytes() == before
    copied = pickle.loads(pickle.dumps(model)).partial_fit(X, Y)
    np.testing.assert_array_equal(mapped.state_.parameters.flat, copied.state_.parameters.flat)


@pytest.mark.slow
@SHORT
def test_case_30_workers_train_on_copies_of_what_is_mapped():
    joblib = pytest.importorskip("joblib")
    big = {**QUICK, "hidden_layer_sizes": (400, 400)}  # 1.3 MB of parameters: loky maps them
    model = FlipoutRegressor(max_iter=1, **big).fit(X, Y)
    before = model.state_.parameters.flat.copy()
    workers = joblib.Parallel(n_jobs=2)(joblib.delayed(model.partial_fit)(X, Y) for _ in range(2))
    np.testing.assert_array_equal(model.state_.parameters.flat, before)
    here = clone(model).set_params(max_iter=1).fit(X, Y).partial_fit(X, Y)
    for one in workers:
        np.testing.assert_array_equal(one.state_.parameters.flat, here.state_.parameters.flat)


@SHORT
def test_a_prior_an_estimator_and_an_initial_sigma_are_those_of_fit():
    given = {"prior": "laplace:loc=0.1", "prior_scale": 0.5, "initial_sigma": 0.2,
             "estimator": "local", "backend": "numpy"}  # fmt: skip
    with pytest.warns(ConvergenceWarning):
        model = FlipoutClassifier(max_iter=2, **given, **QUICK).fit(X, Y)
    assert {layer.kernel_prior for layer in model.network_.layers} == {LaplacePrior(0.1, 0.5)}
    assert [layer.initial_sigma for layer in model.network_.layers] == [0.2, 0.2]
    trained = fit(model.network_, (X, Y), epochs=2, seed=model.seed_, backend="numpy",
                  estimator="local")  # fmt: skip
    np.testing.assert_array_equal(model.state_.parameters.flat, trained.parameters.flat)
    flipout = clone(model).set_params(estimator="flipout")
    with pytest.warns(ConvergenceWarning):
        assert np.any(flipout.fit(X, Y).state_.parameters.flat != trained.parameters.flat)
    same = clone(model).set_params(prior=LaplacePrior(0.1, 0.5))
    with pytest.warns(ConvergenceWarning):
        assert np.all(same.fit(X, Y).state_.parameters.flat == trained.parameters.flat)


@pytest.mark.parametrize(("name", "value", "words"), [
    ("prior", "gauss", "prior: expected one of normal, .* found 'gauss'"),
    ("prior", "scaled", "prior: expected one of normal, .* found 'scaled'"),
    ("prior", "laplace:scale=0", "prior.scale: expected a finite"),
    ("estimator", "antithetic", "'estimator' parameter"),
    ("initial_sigma", 0.0, "'initial_sigma' parameter"),
])  # fmt: skip
def test_what_is_no_prior_estimator_or_sigma_is_refused(name, value, words):
    with pytest.raises(ValueError, match=words):
        FlipoutClassifier(**{name: value}, **QUICK).fit(X, Y)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_a_predicted_scale_finds_the_noise_as_it_comes(seed):
    """Issue 16: y = x sin x + (.1 + .4 |x|) noise, 500 rows; 5,000 new ones."""
    rng = np.random.default_rng(seed)

    def rows(count):
        x = rng.uniform(-4, 4, (count, 1))
        scale = 0.1 + 0.4 * np.abs(x[:, 0])
        return x, x[:, 0] * np.sin(x[:, 0]) + scale * rng.normal(size=count), scale

    x, y, _ = rows(500)
    model = FlipoutRegressor(scale="predicted", random_state=seed).fit(x, y)
    x, y, scale = rows(5000)
    _, _, aleatoric, _ = model.predict(x, return_parts=True)
    assert np.mean(np.abs(aleatoric / scale - 1) < 0.35) >= 0.8
    low, high = model.predict_interval(x, 0.9)
    assert 0.86 <= np.mean((low <= y) & (y <= high)) <= 0.94


def test_case_75_a_posterior_that_stayed_its_prior_is_said():
    with pytest.warns(ObjectiveWarning, match="the posterior is the prior .* nothing was learned"):
        FlipoutRegressor(kl_weight=lambda step: 1.0, max_iter=2000, **QUICK).fit(X, Y)
