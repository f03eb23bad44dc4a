"""Oracle: mpmath at 50 digits; for complex arguments too."""

import mpmath
import numpy as np
import pytest
from tolerances import CASE_FLOAT32_ULP, KL_ULP, SIGMA_ULP, ulps

from bnn_ref import elementary
from bnn_ref.reference import sigma

mpmath.mp.dps = 50
RHO = np.concatenate(
    [np.linspace(-300, 700, 1501), np.linspace(-3.2, -2.8, 200), np.linspace(-1e-3, 1e-3, 41)]
)


def exact_sigma(rho, shift):
    rho = mpmath.mpf(float(rho))
    return mpmath.mpf(shift) + mpmath.log1p(mpmath.exp(rho))


@pytest.mark.parametrize("shift", [0.0, float(np.finfo(np.float64).eps), 1e-3])
def test_sigma_is_within_two_ulp_of_mpmath_from_minus_300_to_700(shift):
    exact = [exact_sigma(rho, shift) for rho in RHO]
    assert ulps(sigma(shift, RHO), exact, "float64") <= SIGMA_ULP


def test_sigma_in_float32_is_within_its_ulp():
    rho = RHO[(RHO > -80) & (RHO < 700)].astype(np.float32)
    exact = [exact_sigma(r, 0.0) for r in rho]
    # NumPy documents its float32 exp and log1p within 4 ulp, not 1.
    assert ulps(sigma(0.0, rho), exact, "float32") <= 2 * SIGMA_ULP


def test_case_8_softplus_far_below_zero_and_its_inverse():
    assert ulps(elementary.softplus(np.array([-40.0])), [exact_sigma(-40, 0)], "float64") <= 2
    assert f"{elementary.softplus(np.array(-40.0)):.7e}" == "4.2483543e-18"
    found = elementary.softplus(np.array([-17], np.float32))
    assert found.dtype == np.float32
    assert ulps(found, [mpmath.mpf("4.1399376e-8")], "float32") <= CASE_FLOAT32_ULP
    assert elementary.softplus_inverse(1000.0) == 1000.0
    assert elementary.softplus_inverse(1e-20) == pytest.approx(-46.0517019, abs=5e-8)
    for bad in (0.0, -1.0, np.nan, [1.0, 0.0]):
        with pytest.raises(ValueError, match="softplus_inverse: expected values above 0"):
            elementary.softplus_inverse(bad)


def test_softplus_inverse_inverts_over_the_whole_range():
    y = np.geomspace(1e-300, 1e300, 601)
    back = elementary.softplus(elementary.softplus_inverse(y))
    rho = elementary.softplus_inverse(y)
    # an error of half an ulp in rho moves softplus by |rho| eps relative where rho << 0
    assert np.all(np.abs(back / y - 1) <= 4e-16 * np.maximum(1, np.abs(rho)))


def test_sigmoid_keeps_the_digits_of_both_tails():
    z = np.linspace(-700, 700, 2801)
    exact = [1 / (1 + mpmath.exp(-mpmath.mpf(float(v)))) for v in z]
    assert ulps(elementary.sigmoid(z), exact, "float64") <= 4


def test_x_minus_log1p_is_exact_to_a_few_ulp_where_it_is_used():
    d = np.concatenate([np.linspace(-0.5, 0.5, 1001), np.geomspace(1e-300, 0.5, 300)])
    d = np.concatenate([d, -d])
    with mpmath.workdps(400):  # the oracle itself cancels half of its digits
        exact = [mpmath.mpf(float(v)) - mpmath.log1p(mpmath.mpf(float(v))) for v in d]
    keep = np.array([abs(e) > 1e-300 for e in exact])
    exact = [e for e, k in zip(exact, keep, strict=True) if k]
    assert ulps(elementary.x_minus_log1p(d[keep]), exact, "float64") <= KL_ULP
    assert np.all(elementary.x_minus_log1p(d) >= 0)


@pytest.mark.parametrize(
    ("name", "exact"),
    [
        ("log1p", lambda z: mpmath.log1p(z)),
        ("expm1", lambda z: mpmath.expm1(z)),
        ("softplus", lambda z: mpmath.log1p(mpmath.exp(z))),
        ("sigmoid", lambda z: 1 / (1 + mpmath.exp(-z))),
        ("normal_cdf", lambda z: mpmath.erfc(-z / mpmath.sqrt(2)) / 2),
        ("normal_density", lambda z: mpmath.npdf(z)),
        ("erf", lambda z: mpmath.erf(z)),
    ],
)
def test_complex_arguments_keep_real_and_imaginary_digits(name, exact):
    rng = np.random.default_rng(0)
    z = rng.uniform(-0.9, 6, 60) + 1j * rng.uniform(-1, 1, 60)
    z = np.concatenate([z, [1e-18 + 1e-20j, 3 + 1e-30j, -0.5 + 1e-30j]])
    found = getattr(elementary, name)(z)
    for f, v in zip(found, z, strict=True):
        e = exact(mpmath.mpc(v))
        assert abs(f.real - float(e.real)) <= 1e-14 * abs(complex(e)) or f.real == float(e.real)
        assert abs(f.imag - float(e.imag)) <= 1e-13 * abs(complex(e))
        if abs(v.imag) < 1e-15:  # a complex step: real part and derivative are exact on their own
            assert f.real == pytest.approx(float(e.real), rel=1e-14)
            assert f.imag == pytest.approx(float(e.imag), rel=1e-14)


def test_log_softmax_of_huge_logits_and_of_near_certainty():
    found = elementary.log_softmax(np.array([[1000.0, 0.0, -1000.0]]))
    np.testing.assert_array_equal(found, [[0.0, -1000.0, -2000.0]])
    z = np.array([[0.1, 0.2, 0.3], [1.0, 31.0, -2.0], [5.0, 5.0, 5.0], [-90.0, 3.0, 2.0]])
    for row, f in zip(z, elementary.log_softmax(z), strict=True):
        total = mpmath.fsum(mpmath.exp(mpmath.mpf(float(v))) for v in row)
        exact = [mpmath.mpf(float(v)) - mpmath.log(total) for v in row]
        assert ulps(f, exact, "float64") <= 4
