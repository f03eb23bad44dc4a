"""scikit-learn's own checks of the two estimators."""

import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.utils.estimator_checks import estimator_checks_generator
from small_fits import SHORT

from bnn_ref.sklearn import FlipoutClassifier, FlipoutRegressor

REASON = "repeated rows draw other noise; the exact statements are tests of test_sklearn.py"
pytestmark = SHORT
# scikit-learn's checks whose outcome stands on how well an estimator learns
LEARN = ("check_classifiers_train", "check_classifiers_classes", "check_regressors_train",
         "check_regressors_int", "check_class_weight_classifiers", "check_fit_idempotent",
         "check_methods_sample_order_invariance")  # fmt: skip
SMALL = {"hidden_layer_sizes": (10,), "max_iter": 20, "draws": 5, "learning_rate": 0.06}


def checks(**settings):
    """Return scikit-learn's checks as a list: pytest deprecates the generator of older versions."""
    expected = {"check_sample_weight_equivalence_on_dense_data": REASON}
    return [
        case
        for kind in (FlipoutClassifier, FlipoutRegressor)
        for case in estimator_checks_generator(
            kind(backend="numpy", **settings), expected_failed_checks=expected, mark="xfail"
        )
    ]


def name_of(value):
    """Return a check's or an estimator's name, for pytest."""
    return value.func.__name__ if hasattr(value, "func") else type(value).__name__


def case_name(case):
    """Return a check's name, of a case that pytest marked too."""
    return name_of(getattr(case, "values", case)[1])


def small_checks():
    """Return the checks with the iterations that each needs: some learn, the others fit at all.

    That of class weights sets 1,000 iterations itself: the slow run has it, and
    `test_class_weight_is_the_sample_weight_it_stands_for` stands for it here.
    """
    long, short = checks(**SMALL), checks(**SMALL | {"max_iter": 3})
    return [one if case_name(one).startswith(LEARN) else other
            for one, other in zip(long, short, strict=True)
            if case_name(one) != "check_class_weight_classifiers"]  # fmt: skip


@pytest.mark.parametrize(("estimator", "check"), small_checks(), ids=name_of)
@pytest.mark.filterwarnings("ignore:Can't check:sklearn.exceptions.SkipTestWarning")
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimator", "check"),
    [case for case in checks(max_iter=200) if case_name(case).startswith(LEARN)],
    ids=name_of,
)
@pytest.mark.filterwarnings("ignore:Can't check:sklearn.exceptions.SkipTestWarning")
def test_scikit_learn_checks_of_the_default_sizes(estimator, check):
    check(estimator)
