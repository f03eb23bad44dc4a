"""Oracles: mpmath for the values, complex step for the derivatives."""

import mpmath
import numpy as np
import pytest
from tolerances import COMPLEX_STEP

from bnn_ref.activations import ACTIVATIONS, get_activation, leaky_relu

mpmath.mp.dps = 50
EXACT = {
    "linear": lambda a: a,
    "relu": lambda a: max(a, 0),
    "tanh": mpmath.tanh,
    "sigmoid": lambda a: 1 / (1 + mpmath.exp(-a)),
    "softplus": lambda a: mpmath.log1p(mpmath.exp(a)),
    "elu": lambda a: a if a > 0 else mpmath.expm1(a),
    "gelu": lambda a: a * mpmath.erfc(-a / mpmath.sqrt(2)) / 2,
    "selu": lambda a: (
        mpmath.mpf("1.0507009873554804934193349852946")
        * (a if a > 0 else mpmath.mpf("1.6732632423543772848170429916717") * mpmath.expm1(a))
    ),
    "silu": lambda a: a / (1 + mpmath.exp(-a)),
    "leaky_relu": lambda a: max(a, a / 100),
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


def test_a_leaky_relu_of_any_slope():
    assert leaky_relu(0.2) == "leaky_relu(0.2)"
    half = get_activation("leaky_relu(0.5)")
    a = np.array([-4.0, 0.0, 3.0])
    assert half.function(a).tolist() == [-2, 0, 3]
    assert half.derivative(a, half.function(a)).tolist() == [0.5, 0.5, 1]
    assert (half.kinks, half.steepest, half.leak) == ((0.0,), 1.0, 0.5)
    assert get_activation("leaky_relu").leak == 0.01
    for bad in ("leaky_relu(-1)", "leaky_relu(x)", "leaky_relu(0.1", "leaky_relu(inf)"):
        with pytest.raises(ValueError, match=r"activation: expected leaky_relu\(SLOPE\)"):
            get_activation(bad)


@pytest.mark.parametrize("name", ["leaky_relu(0.2)", "selu", "silu"])
def test_values_and_slopes_are_torchs(name):
    torch = pytest.importorskip("torch")
    theirs = {"leaky_relu(0.2)": torch.nn.LeakyReLU(0.2), "selu": torch.nn.SELU(),
              "silu": torch.nn.SiLU()}[name]  # fmt: skip
    a = torch.tensor(A, requires_grad=True)
    h = theirs(a)
    h.sum().backward()
    ours = get_activation(name)
    np.testing.assert_allclose(ours.function(A), h.detach().numpy(), rtol=1e-13, atol=1e-300)
    away = A != 0
    slope = ours.derivative(A, ours.function(A))
    np.testing.assert_allclose(slope[away], a.grad.numpy()[away], rtol=1e-12, atol=1e-16)
