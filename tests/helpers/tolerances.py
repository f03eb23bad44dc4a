"""Every tolerance of the tests, with its reason.

Relative ones are of the tensor's largest magnitude unless a name says ulp (units in the last
place of the exact value).
"""

import numpy as np

# Complex step against the derivation, float64: both round, neither subtracts.
COMPLEX_STEP = 1e-12
# sigma = c + softplus(rho) against mpmath: exp and log1p within 1 ulp each, one addition.
# NumPy 1's vectorised log1p alone is off by 1.6 of them, and 2.06 were seen.
SIGMA_ULP = 2 if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else 2.5
# KL and its derivatives against mpmath: a dozen operations of half an ulp, none cancels.
KL_ULP = 8
# A float32 result against the printed digits of a case: the cases allow 2 units.
CASE_FLOAT32_ULP = 2
# Float64 against printed digits: the digits themselves are rounded.
PRINTED = 5e-8
# Two ways to compute the same float64 number with sums of some hundred terms.
SAME_FLOAT64 = 1e-13
# A float32 NumPy step against the float64 one: sums of up to 128 terms, some of which cancel.
FLOAT32_STEP = 4e-6


def relative(found, exact):
    """Return the largest absolute difference over the largest magnitude of the exact tensor."""
    found, exact = np.asarray(found), np.asarray(exact)
    assert found.shape == exact.shape, (found.shape, exact.shape)
    error = np.max(np.abs(found - exact), initial=0.0)
    scale = np.max(np.abs(exact), initial=0.0)
    return 0.0 if error == 0 else (np.inf if scale == 0 else float(error / scale))


def ulps(found, exact, dtype):
    """Return the largest error of values against mpmath numbers, in units of the last place."""
    worst = 0.0
    for f, e in zip(np.ravel(found), np.ravel(exact), strict=True):
        unit = float(np.spacing(np.abs(np.dtype(dtype).type(e))))
        worst = max(worst, abs(float(e - type(e)(float(f)))) / unit)
    return worst


# Compiled elementary functions against mpmath: an argument reduction, a polynomial, one or two
# operations after it; seen 2.5.
KERNEL_ULP = 4
# Phi(x) = erfc(-x / sqrt(2)) / 2: rounding the argument alone costs x^2 / 2 units in the tail.
KERNEL_CDF_ULP = 80
# Compiled normals against the twin's float64 ones: both round log, sine and root; seen 4.1 and 3.
NORMAL_ULP = {"float32": 6, "float64": 6}
EQUAL_NORMALS = 0.98  # of the float64 ones to the bit, at least; seen .989
# Sums of up to 784 products, each term rounded once; seen 1e-6 and 1e-15.
PRODUCT = {"float32": 3e-6, "float64": 5e-15}
# A compiled step against the reference, float64: the same formulas, sums in another order.
COMPILED_FLOAT64 = 1e-12
# A compiled float32 step against the float64 reference, up to 128 wide, and to 1,200.
COMPILED_FLOAT32 = 2e-6
COMPILED_FLOAT32_WIDE = 1e-5
# Ten Adam steps, float64: the root of a small second moment amplifies a rounded gradient.
COMPILED_TEN_STEPS = 1e-10
# A published vector in float64 recomputed: sums of a few dozen terms; a saturated softmax cancels.
VECTOR_FLOAT64 = 1e-13
# The same in float32: the file's results are rounded once to float32.
VECTOR_FLOAT32 = 1e-7
# A framework's own differentiation of a frozen step against the truth, as the issue asks.
FRAMEWORK_FLOAT64 = 1e-12
FRAMEWORK_FLOAT32 = 2e-5
# A variant's gradient against central differences with step 1e-5: error h^2 and rounding / h.
VARIANT_DIFFERENCE = 1e-7
# A rho carried to another shift and back: log1p and expm1 of a sigma rounded once each.
CONVERTED_ULP = 8
# A compiled float32 step with a mixture as prior: weights w = mu + sigma eps are rounded, and a
# narrow component's slope w / s^2 (s = 0.002) carries that.
COMPILED_MIXTURE_FLOAT32 = 1e-5
