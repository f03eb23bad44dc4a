"""Oracles: known answers of Random123 for Philox; scipy and exact tests for distributions."""

import hashlib

import mpmath
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from bnn_ref import DenseFlipout, Network, draw_noise
from bnn_ref.noise import box_muller, normals, permutation, philox, signs, words

# Random123's kat_vectors, "philox4x32 10": counter, key, answer.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
]  # fmt: skip
NETWORK = Network([DenseFlipout(5, 7, bias="normal"), DenseFlipout(7, 200, bias="none")])


def hexes(text):
    return tuple(int(word, 16) for word in text.split())


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_philox_gives_the_published_known_answers(counter, key, answer):
    assert tuple(int(w) for w in philox(hexes(counter), hexes(key))) == hexes(answer)


def test_the_layout_of_counters_is_as_documented():
    """Entry p = 64 g + 16 j + l is normal j of block 16 g + l; computed here in whole numbers."""
    seed, step, draw, layer = 7 << 32 | 5, 11, 13, 3
    found = normals((3, 50), seed, "train", "bias_eps", layer=layer, step=step, draw=draw)
    for p, value in enumerate(found.ravel()):
        g, j, l = p // 64, p % 64 // 16, p % 16
        w = philox((16 * g + l, step, draw, 2 << 28 | 7 << 24 | layer), (5, 7))
        a, b = (int(w[j // 2 * 2]), int(w[j // 2 * 2 + 1]))
        with mpmath.workdps(40):
            u, v = ((mpmath.mpf(x) + 0.5) / 2**32 for x in (a, b))
            part = mpmath.cos if j % 2 == 0 else mpmath.sin
            exact = mpmath.sqrt(-2 * mpmath.log(u)) * part(2 * mpmath.pi * v)
            assert abs(value - exact) <= 4 * np.spacing(abs(float(exact)))
    found = signs(4, 300, seed, "predict", "sign_input", layer=1, first_row=9)
    for n, i in ((0, 0), (1, 127), (2, 128), (3, 299)):
        w = philox(((n + 9) * 3 + i // 128, 0, 0, 3 << 28 | 5 << 24 | 1), (5, 7))
        bit = int(w[i % 128 // 32]) >> (i % 32) & 1
        assert found[n, i] == (-1 if bit else 1)


def test_normals_of_every_corner_word_are_finite_and_exact():
    corners = np.array([0, 1, 2**29 - 1, 2**29, 2**30, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1])
    a, b = (w.ravel().astype(np.uint32) for w in np.meshgrid(corners, corners))
    even, odd = box_muller(a, b)
    with mpmath.workdps(40):
        for k in range(len(a)):
            r = mpmath.sqrt(-2 * mpmath.log((mpmath.mpf(int(a[k])) + 0.5) / 2**32))
            angle = 2 * mpmath.pi * (mpmath.mpf(int(b[k])) + 0.5) / 2**32
            for found, exact in ((even[k], r * mpmath.cos(angle)), (odd[k], r * mpmath.sin(angle))):
                assert abs(found - exact) <= 4 * np.spacing(abs(float(exact)))
    assert np.max(np.abs([even, odd])) <= np.sqrt(66 * np.log(2)) * (1 + 1e-15)


def test_a_million_normals_are_standard_normal():
    """Kolmogorov-Smirnov, mean, variance and kurtosis, each at an error probability of 1e-4."""
    z = normals((1000, 1000), 1, "train", "kernel_eps").ravel()
    assert scipy.stats.kstest(z, "norm").pvalue > 1e-4
    n, limit = z.size, scipy.stats.norm.isf(0.5e-4)
    assert abs(z.mean()) < limit / np.sqrt(n)
    assert abs(z.var() - 1) < limit * np.sqrt(2 / n)
    assert abs((z**4).mean() - 3) < limit * np.sqrt(96 / n)
    beyond = np.sum(np.abs(z) > 4)
    assert scipy.stats.binomtest(int(beyond), n, 2 * scipy.stats.norm.sf(4)).pvalue > 1e-4


def test_case_12_a_million_signs():
    s = signs(1000, 1000, 12, "train", "sign_output", dtype=np.float32)
    assert set(np.unique(s)) == {-1.0, 1.0}
    assert abs(s.mean()) < 0.005
    assert np.max(np.abs(s.mean(0))) < 6 / np.sqrt(1000)  # no column leans, 6 standard errors
    gram = (s[:200] @ s[:200].T - 1000 * np.eye(200)) / np.sqrt(1000)
    assert np.max(np.abs(gram)) < 6.5  # no two rows agree: 20,000 pairs, 6.5 standard errors


def test_streams_differ_in_every_part_of_the_key():
    base = {"layer": 0, "step": 0, "draw": 0}
    seen = set()
    for seed in (0, 1, 1 << 32):
        for purpose in ("init", "train", "predict"):
            for tensor in ("kernel_eps", "bias_eps", "kernel_mu"):
                for change in ({}, {"layer": 1}, {"step": 1}, {"draw": 1}):
                    z = normals((64,), seed, purpose, tensor, **{**base, **change})
                    seen.add(hashlib.sha256(z.tobytes()).hexdigest())
    assert len(seen) == 3 * 3 * 3 * 4


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(0, 40), part=st.integers(0, 40), columns=st.integers(1, 300))
def test_a_part_of_a_batch_draws_the_signs_of_the_whole(rows, part, columns):
    part = min(part, rows)
    whole = signs(rows, columns, 3, "train", "sign_input", step=5)
    np.testing.assert_array_equal(
        signs(part, columns, 3, "train", "sign_input", step=5), whole[:part]
    )
    later = signs(rows - part, columns, 3, "train", "sign_input", step=5, first_row=part)
    np.testing.assert_array_equal(later, whole[part:])


def test_float32_noise_is_float64_noise_rounded():
    for single, double in zip(
        draw_noise(NETWORK, 6, 1, step=2).layers,
        draw_noise(NETWORK, 6, 1, step=2, dtype="float64").layers,
        strict=True,
    ):
        for a, b in zip(single, double, strict=True):
            if a is None:
                assert b is None
                continue
            assert a.dtype == np.float32
            np.testing.assert_array_equal(a, b.astype(np.float32))


def test_the_shared_estimator_is_flipout_with_every_sign_plus_one():
    flipout, shared = (draw_noise(NETWORK, 6, 1, estimator=e) for e in ("flipout", "shared"))
    for f, s in zip(flipout.layers, shared.layers, strict=True):
        np.testing.assert_array_equal(f.kernel_eps, s.kernel_eps)
        assert np.all(s.sign_input == 1)
        assert np.all(s.sign_output == 1)
        assert s.sign_input.shape == f.sign_input.shape


def test_permutations_are_ones_and_uniform_and_differ_by_epoch():
    orders = np.array([permutation(7, 3, "shuffle", step=e) for e in range(7000)])
    assert np.all(np.sort(orders, axis=1) == np.arange(7))
    table = np.array([np.bincount(orders[:, place], minlength=7) for place in range(7)])
    statistic = np.sum((table - 1000) ** 2 / 1000)
    assert scipy.stats.chi2.sf(statistic, 36) > 1e-4  # Latin margins: (7 - 1)^2 degrees of freedom


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, "seed: expected a whole number, at least 0, found -1"),
        ({"seed": 1 << 64}, r"seed: expected a whole number below 2\*\*64"),
        ({"seed": 1.5}, "seed: expected a whole number"),
        ({"step": 1 << 32}, "step: expected a whole number below"),
        ({"draw": -2}, "draw: expected"),
        ({"rows": -1}, "rows: expected a whole number, at least 0, found -1"),
        ({"estimator": "antithetic"}, "estimator: expected one of flipout, shared, local"),
    ],
)
def test_a_key_that_does_not_fit_is_refused(change, message):
    arguments = {"rows": 4, "seed": 0, **change}
    with pytest.raises(ValueError, match=message):
        draw_noise(NETWORK, arguments.pop("rows"), arguments.pop("seed"), **arguments)


def test_a_stream_too_long_for_its_counter_is_refused():
    with pytest.raises(ValueError, match="the tensor is too large for one stream"):
        words(np.array([1 << 32]), 0, "train", "kernel_eps")
