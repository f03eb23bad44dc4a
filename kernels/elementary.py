"""exp, log and their kin, sine and cosine, written so that the compiler vectorises them.

Every function is elementwise on one number, float32 or float64, and calls no library (but `erfc`,
which is C's); choices are selections, not jumps. Polynomials are Taylor series on reduced
arguments, so that their coefficients can be read; float32 needs fewer terms. Oracles: mpmath, and
the twins in `bnn_ref/elementary.py`.

A NaN passes through. exp of anything below -87 (float64: -708) is 0: what is smaller than the
smallest normal number is of no use here and slows every operation on it.
"""

import math

import numpy as np
from llvmlite import ir

from .jit import inner
from .later import cgutils, intrinsic, types
from .machine import constant, fused, multiply_add, select

LOG2_HIGH = 0.693145751953125  # 16 bits: a whole number below 2^11 times it is exact in float64;
LOG2_LOW = 1.42860682030941723212e-6  # ... times 8 bits of it in float32, see `_exponent`


def series(coefficient, single, double):
    """Return a function p(x) = sum_k coefficient(k) x^k, by Horner's rule.

    Parameters
    ----------
    coefficient : function of k = 0, 1, ...
    single, double : int
        How many terms for float32 and for float64.
    """

    @intrinsic
    def polynomial(typingctx, x):
        terms = [coefficient(k) for k in range(single if x == types.float32 else double)]

        def codegen(context, builder, signature, args):
            kind = args[0].type
            total = ir.Constant(kind, terms[-1])
            for term in reversed(terms[:-1]):
                total = fused(builder, total, args[0], ir.Constant(kind, term))
            return total

        return x(x), codegen

    return polynomial


# (exp(r) - 1 - r) / r^2 on |r| <= log(2) / 2
exp_series = series(lambda k: 1 / math.factorial(k + 2), 7, 13)
# (2 artanh(s) - 2 s) / s^3 in z = s^2 on |s| <= 0.1716
_log_series = series(lambda k: 2 / (2 * k + 3), 4, 11)
# (sin(x) - x) / x^3 and (cos(x) - 1 + x^2 / 2) / x^4 in z = x^2 on |x| <= pi / 4
_sin_series = series(lambda k: (-1) ** (k + 1) / math.factorial(2 * k + 3), 4, 8)
_cos_series = series(lambda k: (-1) ** k / math.factorial(2 * k + 4), 4, 8)


@intrinsic
def power_of_2(typingctx, n):
    """Return 2^n of a float that holds a whole number n, a normal number's exponent."""
    digits, bias, _ = _layout(n)

    def codegen(context, builder, signature, args):
        whole = ir.IntType(n.bitwidth)
        biased = builder.add(builder.fptosi(args[0], whole), ir.Constant(whole, bias))
        return builder.bitcast(builder.shl(biased, ir.Constant(whole, digits)), args[0].type)

    return n(n), codegen


@intrinsic
def mantissa(typingctx, x):
    """Return (n as a float, m) with x = 2^n m of a normal x > 0, m from sqrt(1/2) to sqrt(2)."""
    digits, _, root = _layout(x)

    def codegen(context, builder, signature, args):
        kind, whole = args[0].type, ir.IntType(x.bitwidth)
        bits = builder.bitcast(args[0], whole)
        shift = ir.Constant(whole, digits)
        n = builder.ashr(builder.sub(bits, ir.Constant(whole, root)), shift)
        m = builder.bitcast(builder.sub(bits, builder.shl(n, shift)), kind)
        pair = (builder.sitofp(n, kind), m)
        return context.make_tuple(builder, signature.return_type, pair)

    return types.UniTuple(x, 2)(x), codegen


def _layout(kind):
    """Return a float type's bits of mantissa, its bias, and the bits of sqrt(1/2)."""
    if kind == types.float32:
        return 23, 127, 0x3F3504F3
    return 52, 1023, 0x3FE6A09E667F3BCD


_lowest = constant(-87.0, -708.0)


@inner
def _exp_parts(x):
    """Return (2^n, expm1(r)) with x = n log(2) + r, for x <= 0 (or up to 88; float64: 709)."""
    T = type(x)
    low = _lowest(x)
    x = select(x < low, low, x)
    n = np.floor(x * T(1.4426950408889634) + T(0.5))
    r = less_exponent(n, x)
    return power_of_2(n), multiply_add(r * r, exp_series(r), r)


@inner
def exp(x):
    """Return exp(x) for x up to 88 (float64: 709); 0 below -87 (-708)."""
    T = type(x)
    power, fraction = _exp_parts(x)
    return select(x < _lowest(x), T(0.0), multiply_add(power, fraction, power))


@inner
def expm1(x):
    """Return exp(x) - 1 for x up to 88 (float64: 709), with the digits of a small x."""
    T = type(x)
    power, fraction = _exp_parts(x)
    return multiply_add(power, fraction, power - T(1.0))


@inner
def log1p_gap(f):
    """Return f - log(1 + f) for 1 + f from sqrt(1/2) to sqrt(2), without cancellation.

    With s = f / (2 + f), log(1 + f) = 2 artanh(s) = 2 s + s^3 (2/3 + 2/5 s^2 + ...) and
    2 s = f - s f, so that the gap is f^2/2 - s (f^2/2 + s^2 (...)).
    """
    T = type(f)
    s = f / (f + T(2.0))
    half = T(0.5) * f * f
    z = s * s
    return multiply_add(-s, multiply_add(z, _log_series(z), half), half)


@inner
def add_exponent(n, log_m):
    """Return log(2^n m) for a whole number n."""
    T = type(n)
    return multiply_add(n, T(LOG2_HIGH), multiply_add(n, T(LOG2_LOW), log_m))


@inner
def less_exponent(n, x):
    """Return x - n log(2) for a whole number n."""
    T = type(n)
    return multiply_add(-n, T(LOG2_LOW), multiply_add(-n, T(LOG2_HIGH), x))


@inner
def log(x):
    """Return log(x) of a normal number x > 0, or a NaN for a NaN."""
    T = type(x)
    n, m = mantissa(x)
    f = m - T(1.0)
    value = add_exponent(n, f - log1p_gap(f))
    return select(x == x, value, x)


@inner
def log1p_unit(e):
    """Return log(1 + e) for e from 0 to 1, with the digits of a small e."""
    T = type(e)
    large = e > T(0.4142135623730950)
    f = select(large, T(0.5) * (e - T(1.0)), e)  # 1 + e = 2 (1 + f), or 1 + f
    return (f - log1p_gap(f)) + select(large, T(0.6931471805599453), T(0.0))


@inner
def softplus(x):
    """Return log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)). Twin: `elementary.softplus`."""
    T = type(x)
    e = exp(-abs(x))
    return select(x > T(0.0), x, T(0.0)) + log1p_unit(e)


@inner
def softplus_sigmoid(x):
    """Return (softplus(x), sigmoid(x)), which share one exp."""
    return softplus_sigmoid_of(x, exp(-abs(x)))


@inner
def softplus_sigmoid_of(x, e):
    """Return (softplus(x), sigmoid(x)) with e = exp(-|x|)."""
    T = type(x)
    positive = x > T(0.0)
    return (
        select(positive, x, T(0.0)) + log1p_unit(e),
        select(positive, T(1.0), e) / (T(1.0) + e),
    )


@inner
def sigmoid(x):
    """Return 1 / (1 + exp(-x)). Twin: `elementary.sigmoid`."""
    T = type(x)
    e = exp(-abs(x))
    return select(x > T(0.0), T(1.0), e) / (T(1.0) + e)


@inner
def tanh(x):
    """Return tanh(x) = -q / (2 + q) with q = expm1(-2 |x|), and the sign of x."""
    T = type(x)
    q = expm1(T(-2.0) * abs(x))
    t = -q / (T(2.0) + q)
    return select(x < T(0.0), -t, t)


@inner
def sin_cos(x):
    """Return (sin(x), cos(x)) for |x| <= pi / 4."""
    T = type(x)
    z = x * x
    sine = multiply_add(x * z, _sin_series(z), x)
    return sine, multiply_add(z * z, _cos_series(z), T(1.0) - T(0.5) * z)


@intrinsic
def erfc(typingctx, x):
    """Return erfc(x) as the C library computes it, whatever others there are for vectors."""

    def codegen(context, builder, signature, args):
        kind = args[0].type
        name = "erfcf" if x == types.float32 else "erfc"
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(kind, [kind]), name
        )
        set.add(function.attributes, "nobuiltin")
        return builder.call(function, args)

    return x(x), codegen


@inner
def normal_cdf(x):
    """Return Phi(x) = erfc(-x / sqrt(2)) / 2. Twin: `elementary.normal_cdf`; not vectorised."""
    T = type(x)
    return T(0.5) * erfc(-x * T(0.7071067811865476))


@inner
def normal_density(x):
    """Return exp(-x^2 / 2) / sqrt(2 pi). Twin: `elementary.normal_density`."""
    T = type(x)
    return T(0.3989422804014327) * exp(T(-0.5) * x * x)


# (2 artanh(s) - 2 s) / s^3 in z = s^2 on |s| <= 1/3: see `log1p_gap`
_wide_log_series = series(lambda k: 2 / (2 * k + 3), 8, 17)


@inner
def log_gap(sigma, d, exponent, inverse_mantissa):
    """Return sigma/s - 1 - log(sigma/s), for d = sigma/s - 1 and s = 2^exponent / inverse_mantissa.

    From half to twice s it is d - log(1 + d) by one series. Elsewhere, with sigma/s = 2^n (1 + f),
    it is (2^n - 1 - n log 2) + (2^n - 1) f + (f - log(1 + f)), which weighs the rounding of f by
    the derivative alone; beyond 2^60 d is all there is beside n log 2.
    """
    T = type(sigma)
    n, m = mantissa(sigma)
    more, m = mantissa(m * inverse_mantissa)
    n = n + more - exponent
    f = m - T(1.0)
    wide, narrow = n > T(60.0), n < T(-60.0)
    slope = power_of_2(select(wide, T(60.0), select(narrow, T(-60.0), n))) - T(1.0)
    away = less_exponent(n, slope) + multiply_add(slope, f, log1p_gap(f))
    away = select(wide, less_exponent(n, d), away)
    inside = (d >= T(-0.5)) & (d <= T(1.0))
    near = select(inside, d, T(0.0))
    s = near / (near + T(2.0))
    half, z = T(0.5) * near * near, s * s
    here = multiply_add(-s, multiply_add(z, _wide_log_series(z), half), half)
    return select(inside, here, away)
