"""Oracles: mpmath for the values, complex step for the derivatives."""

import mpmath
import numpy as np
import pytest
from tolerances import COMPLEX_STEP

from bnn_ref.activations import ACTIVATIONS, get_activation

mpmath.mp.dps = 50
EXACT = {
    "linear": lambda a: a,
    "relu": lambda a: max(a, 0),
    "tanh": mpmath.tanh,
    "sigmoid": lambda a: 1 / (1 + mpmath.exp(-a)),
    "softplus": lambda a: mpmath.log1p(mpmath.exp(a)),
    "elu": lambda a: a if a > 0 else mpmath.expm1(a),
    "gelu": lambda a: a * mpmath.erfc(-a / mpmath.sqrt(2)) / 2,
}
A = np.concatenate([np.linspace(-30, 30, 241) + 0.01, [1e-9, -1e-9, 0.0, -36.0]])


def test_the_table_of_exact_forms_is_the_table_of_activations():
    assert set(EXACT) == set(ACTIVATIONS)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_values_against_mpmath(name):
    exact = np.array([float(EXACT[name](mpmath.mpf(float(a)))) for a in A])
    # gelu below -30: half an ulp in a / sqrt(2) moves erfc by a^2 of them
    np.testing.assert_allclose(ACTIVATIONS[name].function(A), exact, rtol=2e-13, atol=1e-300)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivatives_against_the_complex_step(name):
    function, derivative = ACTIVATIONS[name].function, ACTIVATIONS[name].derivative
    step = function(A + 1e-30j).imag / 1e-30
    assert np.max(np.abs(derivative(A, function(A)) - step)) <= COMPLEX_STEP


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_dtype_is_kept_and_extremes_raise_no_warning(name, dtype):
    a = np.array([-1e4, -100, -1, 0, 1, 100, 1e4], dtype)
    h = ACTIVATIONS[name].function(a)
    assert h.dtype == a.dtype
    assert ACTIVATIONS[name].derivative(a, h).dtype == a.dtype
    if dtype != "complex128":
        assert np.all(np.isfinite(h))


def test_the_kink_belongs_to_the_left():
    zero = np.array([0.0])
    for name in ("relu",):
        assert ACTIVATIONS[name].derivative(zero, zero)[0] == 0
    assert ACTIVATIONS["elu"].derivative(zero, zero)[0] == 1


@pytest.mark.parametrize("bad", ["ReLU", "swish", None, 3])
def test_an_unknown_name_lists_the_known_ones(bad):
    with pytest.raises(ValueError, match="activation: expected one of linear, relu"):
        get_activation(bad)
