"""The estimators: exact weights, and equality with `fit` and `predict`."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.base import clone
from sklearn.calibration import CalibrationDisplay
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_fits import SHORT

import bnn_ref
from bnn_ref.priors.base import prior_names
from bnn_ref.sklearn import FlipoutClassifier, FlipoutRegressor

pytestmark = SHORT
QUICK = {"backend": "numpy", "hidden_layer_sizes": (10,), "draws": 10, "random_state": 0}


@pytest.fixture(scope="module")
def iris():
    x, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(x), y


@pytest.fixture(scope="module")
def line():
    """1,000 times a sine with noise of standard deviation 100, on a line."""
    generator = np.random.default_rng(5)
    x = generator.uniform(-2, 2, (300, 1))
    return x, 1000 * np.sin(2 * x[:, 0]) + generator.normal(0, 100, 300)


def test_fit_takes_the_steps_of_bnn_ref_fit(iris):
    x, y = iris
    model = FlipoutClassifier(max_iter=3, batch_size=64, **QUICK).fit(x, y)
    trained = bnn_ref.fit(
        model.network_, (x, y), epochs=3, batch_size=64, seed=model.seed_,
        backend="numpy", report_every=3,
    )  # fmt: skip
    assert model.n_iter_ == 3
    np.testing.assert_array_equal(model.state_.parameters.flat, trained.parameters.flat)
    np.testing.assert_allclose(
        model.loss_curve_, [one["loss"] for one in trained.history.records], rtol=1e-12
    )
    prediction = bnn_ref.predict(
        model.network_, trained.parameters, x, draws=10, seed=model.seed_, backend="numpy"
    )
    np.testing.assert_array_equal(model.predict_proba(x), prediction.probabilities)
    total, mutual = model.predict_uncertainty(x)
    np.testing.assert_array_equal(total, prediction.total_entropy)
    np.testing.assert_array_equal(mutual, prediction.mutual_information)


def test_a_rows_prediction_depends_on_the_row_alone(iris):
    x, y = iris
    model = FlipoutClassifier(max_iter=2, **QUICK).fit(x, y)
    whole = model.predict_proba(x)
    np.testing.assert_array_equal(model.predict_proba(x[::-1])[::-1], whole)
    np.testing.assert_array_equal(np.vstack([model.predict_proba(x[i : i + 1]) for i in (0, 77)]),
                                  whole[[0, 77]])  # fmt: skip


def test_the_same_seed_gives_the_same_model_and_none_gives_another(iris):
    x, y = iris
    first, again = (FlipoutClassifier(max_iter=2, **QUICK).fit(x, y) for _ in range(2))
    np.testing.assert_array_equal(first.predict_proba(x), again.predict_proba(x))
    free = clone(first).set_params(random_state=None)
    assert free.fit(x, y).seed_ != clone(free).fit(x, y).seed_


def test_pickle_and_clone(iris):
    x, y = iris
    model = FlipoutClassifier(max_iter=2, **QUICK).fit(x, y)
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.predict_proba(x), model.predict_proba(x))
    assert clone(model).get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        clone(model).predict(x)


@pytest.mark.filterwarnings("ignore:.* deprecated - use .*:DeprecationWarning")  # old matplotlib
def test_pipeline_search_and_calibration_display(iris):
    x, y = iris
    pipeline = make_pipeline(StandardScaler(), FlipoutClassifier(max_iter=100, **QUICK))
    assert cross_val_score(pipeline, x, y, cv=3).mean() > 0.85
    pipeline.set_params(flipoutclassifier__max_iter=30)  # enough to tell the two rates apart
    search = GridSearchCV(pipeline, {"flipoutclassifier__learning_rate": [1e-5, 0.02]}, cv=2)
    assert search.fit(x, y).best_params_ == {"flipoutclassifier__learning_rate": 0.02}
    two = y < 2
    search.fit(x[two], y[two])
    pytest.importorskip("matplotlib").use("agg")
    display = CalibrationDisplay.from_estimator(search.best_estimator_, x[two], y[two])
    display.figure_.clear()


def test_classes_may_be_text_and_come_back(iris):
    x, y = iris
    names = np.array(["setosa", "versicolor", "virginica"])
    model = FlipoutClassifier(max_iter=60, **QUICK).fit(x, names[y])
    assert list(model.classes_) == sorted(names)
    assert model.score(x, names[y]) > 0.9
    with pytest.raises(ValueError, match="at least 2 classes, found 1 class"):
        FlipoutClassifier(**QUICK).fit(x, np.zeros(len(x)))


def test_partial_fit_of_all_rows_is_a_pass_of_fit(iris):
    x, y = iris
    constant = {"learning_rate": 0.01, **QUICK}
    streamed = FlipoutClassifier(num_examples=150, **QUICK)
    for _ in range(3):
        streamed.partial_fit(x, y, classes=[0, 1, 2])
    fitted = FlipoutClassifier(max_iter=3, **constant).fit(x, y)
    np.testing.assert_array_equal(streamed.state_.parameters.flat, fitted.state_.parameters.flat)
    assert streamed.n_iter_ == 3
    assert streamed.loss_curve_ == fitted.loss_curve_
    with pytest.raises(ValueError, match="those of the first call"):
        streamed.partial_fit(x, y, classes=[0, 1])


def test_partial_fit_counts_the_rows_it_was_given(iris):
    x, y = iris
    model = FlipoutClassifier(**QUICK).partial_fit(x[:60], y[:60], [0, 1, 2])
    assert model.num_examples_ == 60
    model.partial_fit(x[60:], y[60:], sample_weight=np.full(90, 2.0))
    assert (model.num_rows_, model.num_examples_) == (150, 240)


def test_warm_start_goes_on(iris):
    x, y = iris
    constant = {"learning_rate": 0.01, **QUICK}
    warm = FlipoutClassifier(max_iter=2, warm_start=True, **constant).fit(x, y)
    warm.fit(x, y)
    assert (warm.n_iter_, len(warm.loss_curve_), warm.state_.step) == (4, 4, 8)
    cold = FlipoutClassifier(max_iter=4, **constant).fit(x, y)
    np.testing.assert_array_equal(warm.state_.parameters.flat, cold.state_.parameters.flat)
    cold.fit(x, y)
    assert cold.n_iter_ == 4
    assert cold.state_.step == 8


def test_early_stopping_keeps_the_best_parameters(iris):
    x, y = iris
    model = FlipoutClassifier(
        max_iter=400, early_stopping=True, n_iter_no_change=3, learning_rate=0.05, **QUICK
    ).fit(x, y)
    assert model.n_iter_ < 400
    assert len(model.validation_scores_) == model.n_iter_
    best = int(np.argmax(model.validation_scores_)) + 1
    again = clone(model).set_params(max_iter=best).fit(x, y)
    np.testing.assert_array_equal(again.state_.parameters.flat, model.state_.parameters.flat)
    assert not hasattr(clone(model).set_params(early_stopping=False, max_iter=1).fit(x, y),
                       "validation_scores_")  # fmt: skip


def test_regressor_gives_back_units_and_parts(line):
    x, y = line
    model = FlipoutRegressor(max_iter=250, **QUICK).fit(x, y)
    mean, std = model.predict(x, return_std=True)
    again, total, aleatoric, epistemic = model.predict(x, return_parts=True)
    np.testing.assert_array_equal(mean, model.predict(x))
    np.testing.assert_array_equal(mean, again)
    np.testing.assert_array_equal(std, total)
    np.testing.assert_allclose(total**2, aleatoric**2 + epistemic**2, rtol=1e-12)
    assert mean.shape == std.shape == y.shape
    assert model.score(x, y) > 0.9
    assert len(set(aleatoric)) == 1
    assert 80 < aleatoric[0] < 250  # 100 was put in; what the fit misses adds to it
    inside = np.abs(y - mean) < 1.96 * std
    assert 0.9 < inside.mean() <= 1
    far = model.predict(np.array([[20.0]]), return_parts=True)
    assert far[3] > 5 * epistemic.mean()


def test_regressor_with_two_outputs(line):
    x, y = line
    both = np.column_stack([y, -y / 1000])
    model = FlipoutRegressor(max_iter=200, **QUICK).fit(x, both)
    mean, std = model.predict(x[:7], return_std=True)
    assert mean.shape == std.shape == (7, 2)
    assert model.score(x, both) > 0.8
    assert model.network_.parameter_shapes["likelihood.scale_rho"] == (2,)
    column = FlipoutRegressor(max_iter=1, **QUICK).fit(x, y[:, None])
    assert column.predict(x).shape == (300, 1)


def test_fixed_scale_without_normalising(line):
    x, y = line
    model = FlipoutRegressor(
        scale=50.0, learn_scale=False, normalize_y=False, max_iter=1, **QUICK
    ).fit(x, y)
    assert "likelihood.scale_rho" not in model.network_.parameter_shapes
    np.testing.assert_allclose(model.predict(x, return_parts=True)[2], 50)


def test_a_constant_target_is_learned(line):
    x, _ = line
    model = FlipoutRegressor(max_iter=30, **QUICK).fit(x, np.full(300, 7.0))
    assert abs(model.predict(x).mean() - 7) < 0.2


@pytest.mark.parametrize("estimator", [FlipoutClassifier, FlipoutRegressor])
def test_weight_zero_is_absence_bit_for_bit(estimator, iris):
    x, y = iris
    weight = np.random.default_rng(0).integers(0, 2, 150).astype(float)
    weighted = estimator(max_iter=2, **QUICK).fit(x, y, sample_weight=weight)
    absent = estimator(max_iter=2, **QUICK).fit(x[weight > 0], y[weight > 0])
    np.testing.assert_array_equal(weighted.state_.parameters.flat, absent.state_.parameters.flat)


@pytest.mark.parametrize("estimator", [FlipoutClassifier, FlipoutRegressor])
def test_weight_k_has_the_objective_of_k_copies(estimator, iris):
    """A first step of one batch, its nll and gradient where the noise is 0, for both tables.

    What noise adds is a row's own: `test_sample_weight.py` averages over every sign exactly.
    """
    x, y = iris
    weight = np.random.default_rng(1).integers(1, 4, 150)
    tables = [(x, y, weight.astype(float)), (np.repeat(x, weight, 0), np.repeat(y, weight), None)]
    losses = []
    for rows, targets, weights in tables:
        seen = []
        model = estimator(max_iter=1, batch_size=1000, dtype="float64", **QUICK)
        model.backend = recording_backend(seen)
        model.fit(rows, targets, sample_weight=weights)
        losses.append(seen[0])
    (nll, gradient, kl_weight), (copies_nll, copies_gradient, copies_kl_weight) = losses
    assert kl_weight == copies_kl_weight == 1 / weight.sum()
    assert abs(nll - copies_nll) < 1e-13
    np.testing.assert_allclose(gradient, copies_gradient, rtol=1e-10, atol=1e-14)


def recording_backend(seen):
    """Return the NumPy back end, whose steps also note nll and gradient where eps is 0."""
    import types

    from bnn_ref import reference

    def train_step(state, x, y, *, seed, kl_weight, sample_weight=None, **options):
        network = state.parameters.network
        noise = bnn_ref.draw_noise(network, len(x), seed, dtype="float64")
        quiet = bnn_ref.Noise(
            tuple(one._replace(kernel_eps=np.zeros_like(one.kernel_eps)) for one in noise.layers)
        )
        result = bnn_ref.loss_and_gradients(
            network, state.parameters, x, y, quiet, kl_weight, sample_weight=sample_weight
        )
        seen.append((result.nll, result.gradients.flat.copy(), kl_weight))
        return reference.train_step(state, x, y, seed=seed, kl_weight=kl_weight,
                                    sample_weight=sample_weight, **options)  # fmt: skip

    backend = types.ModuleType("recording")
    backend.__dict__.update(vars(reference), train_step=train_step)
    return backend


def test_bad_settings_are_named(iris):
    """Case 89: in `fit`, by the parameter's own name, before any work."""
    x, y = iris
    for settings, message in [
        ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes: expected .*, at least 1, found 0"),
        ({"hidden_layer_sizes": "a"}, "'hidden_layer_sizes' parameter"),
        ({"activation": "swish"}, "activation"),
        ({"max_iter": 0}, "'max_iter' parameter of FlipoutClassifier must be .* Got 0 instead"),
        ({"batch_size": -1}, "'batch_size' parameter"),
        ({"prior_scale": 0}, "'prior_scale' parameter"),
        ({"prior_scale": -1.0}, "'prior_scale' parameter"),
        ({"learning_rate": 0}, "'learning_rate' parameter"),
        ({"learning_rate": "linear"}, "learning_rate: expected a number, 'cosine'"),
        ({"draws": 0}, "'draws' parameter"),
        ({"n_iter_no_change": 0}, "'n_iter_no_change' parameter"),
        ({"tol": float("nan")}, "'tol' parameter"),
        ({"warm_start": "no"}, "'warm_start' parameter"),
        ({"validation_fraction": 1}, "'validation_fraction' parameter"),
        ({"temperature": "cold"}, "'temperature' parameter"),
        ({"backend": "torch"}, "backend"),
        ({"dtype": "float16"}, "dtype"),
    ]:
        with pytest.raises(ValueError, match=message):
            FlipoutClassifier(**{**QUICK, **settings}).fit(x, y)
    with pytest.raises(ValueError, match="Negative values"):
        FlipoutClassifier(**QUICK).fit(x, y, sample_weight=-np.ones(150))
    with pytest.raises(ValueError, match="at least one"):
        FlipoutClassifier(**QUICK).fit(x, y, sample_weight=np.zeros(150))


@pytest.mark.parametrize("unit", [1e300, 1e160, 1e-200, 1e-320])
def test_targets_without_a_standard_deviation_are_refused(iris, unit):
    """Their squares overflow or vanish; what is constant is no such thing."""
    x, _ = iris
    y = np.where(np.arange(len(x)) < 50, unit, 0.0)
    model = FlipoutRegressor(max_iter=2, **QUICK)
    with pytest.raises(ValueError, match="y: expected numbers whose squared deviations a float64"):
        model.fit(x, y)
    for same in (0.0, 1e-300, 0.1):
        constant = model.fit(x, np.full(len(x), same))
        assert (constant.y_loc_, constant.y_scale_) == (pytest.approx(same), 1.0)
    if unit < 1:
        weight = np.where(np.arange(len(x)) < 50, 0.0, 1.0)
        assert model.fit(x, y, sample_weight=weight).y_scale_ == 1.0  # of the rows that count


@pytest.mark.parametrize("estimator", [FlipoutClassifier, FlipoutRegressor])
def test_every_prior_that_has_a_name_can_be_asked_for(estimator, iris):
    for prior in prior_names():
        quick = {**QUICK, "max_iter": 2, "draws": 2}
        assert estimator(prior=prior, **quick).fit(*iris).predict(iris[0]).shape == (150,)


def test_a_frame_lacking_a_value_is_refused_by_row_and_column(iris):
    """Of dtypes that NumPy has not; scikit-learn says of such labels that NA is ambiguous."""
    pandas = pytest.importorskip("pandas", reason="frames need pandas")
    x, y = iris
    frame = pandas.DataFrame({"a": x[:, 0], "b": pandas.Series(y, dtype="Int64")})
    names = pandas.Series([str(k) for k in y], dtype="string")
    model = FlipoutClassifier(max_iter=1, **QUICK).fit(frame, names)
    lacking = frame.copy()
    lacking.loc[7, "b"] = pandas.NA
    for call in (lambda: model.predict(lacking), lambda: clone(model).fit(lacking, names)):
        with pytest.raises(ValueError, match="X: .* none in row 7, column 'b'"):
            call()
    with pytest.raises(TypeError, match="X: expected numbers, found dtype category in column 'b'"):
        model.predict(frame.assign(b=names.astype("category")))
    names[3] = pandas.NA
    with pytest.raises(ValueError, match="y: expected a value in every row, found none in row 3"):
        clone(model).fit(frame, names)
