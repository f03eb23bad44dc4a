"""The compiled generator: known answers, the twin's numbers, distributions with stated errors."""

import needs_numba  # noqa: F401
import numba
import numpy as np
import pytest
from scipy import stats
from tolerances import EQUAL_NORMALS, NORMAL_ULP

from bnn_ref import noise
from bnn_ref.fast.streams import CompiledStream
from bnn_ref.kernels import philox

# Random123 1.14, kat_vectors: counter, key, words of philox4x32-10
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
KEY = np.array([5, 7, 3, 2, noise.PURPOSES["train"] << 28 | 4 << 24 | 1], np.uint32)
SAME_KEY = {"seed": 5 + (7 << 32), "purpose": "train", "layer": 1, "step": 3, "draw": 2}


@numba.njit
def words(c, k):
    return philox.philox(c[0], c[1], c[2], c[3], k[0], k[1])


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answers(counter, key, answer):
    assert words(np.array(counter, np.uint32), np.array(key, np.uint32)) == answer


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("count", [1, 63, 64, 65, 1000, 300_000])
def test_normals_are_the_twins(count, dtype):
    out = np.empty(count, dtype)
    philox.fill_normals(out, np.empty(philox.ROOM, dtype), KEY)
    exact = noise.normals((count,), tensor="kernel_eps", **SAME_KEY)
    unit = np.spacing(np.abs(exact.astype(dtype))).astype(np.float64)
    assert np.max(np.abs(out - exact) / unit) <= NORMAL_ULP[dtype]
    if dtype == "float64" and count >= 1000:
        assert np.mean(out == exact) > EQUAL_NORMALS


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 10), (128, 784), (5, 129), (4, 256), (2, 31)])
def test_signs_are_the_twins(shape, dtype):
    out = np.empty(shape, dtype)
    philox.fill_signs(out, 9, np.empty(philox.GROUP, dtype), KEY)
    assert np.array_equal(out, noise.signs(*shape, tensor="kernel_eps", first_row=9, **SAME_KEY))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 10), (128, 130), (70, 4)])
def test_masks_are_the_twins(shape, dtype):
    key = {"seed": 5 + (7 << 32), "purpose": "predict", "layer": 1, "step": 3, "draw": 2}
    stream = CompiledStream(**key, dtype=np.dtype(dtype), first_row=9)
    for rate in (0.0, 0.3, 1 - 2**-31, 1.0):
        found = stream.keeps(*shape, rate)
        assert found.dtype == dtype
        assert np.array_equal(found, noise.keeps(*shape, rate, first_row=9, **key)), rate


def test_extreme_words_give_finite_normals():
    @numba.njit
    def pair(a, b, like):
        return philox.turned(philox.squared_radius(np.uint32(a), like), np.uint32(b))

    for dtype in (np.float32, np.float64):
        for a in (0, 1, 2**31 - 1, 2**31, 2**32 - 1, 0xB504F333, 0xB504F334):
            for b in (0, 2**29 - 1, 2**29, 2**30, 2**31, 2**32 - 1):
                exact = noise.box_muller(np.array([a], np.uint32), np.array([b], np.uint32))
                for found, wanted in zip(pair(a, b, dtype(0)), exact, strict=True):
                    assert abs(found - wanted[0]) <= NORMAL_ULP[np.dtype(dtype).name] * np.spacing(
                        np.abs(dtype(wanted[0]))
                    )


@pytest.fixture(scope="module")
def millions(volume):
    """Ten million draws; quickly four."""
    out = np.empty(volume(4_000_000, 10_000_000), np.float32)
    philox.fill_normals(out, np.empty(philox.ROOM, np.float32), KEY)
    return out.astype(np.float64)


def test_moments(millions):
    """Each within 5 standard errors of the normal's: all four wrongly refused once in 4e5 keys."""
    n = millions.size
    for power, wanted, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(np.mean(millions**power) - wanted) < 5 * np.sqrt(variance / n)


def test_kolmogorov_smirnov(millions, volume):
    """Refuses a right generator for one key in 10,000; quickly of the first two million draws."""
    draws = millions[: volume(2_000_000, None)]
    assert stats.kstest(draws, "norm").pvalue > 1e-4


@pytest.mark.parametrize("beyond", [2, 3, 4, 5])
def test_tails(millions, beyond):
    """Counts beyond either end; eight tests at 1e-5 wrongly refuse one key in 12,500."""
    share = stats.norm.sf(beyond)
    for side in (millions, -millions):
        found = int(np.sum(side > beyond))
        assert stats.binomtest(found, side.size, share).pvalue > 1e-5


def test_streams_are_independent(millions):
    """Correlations of 1e6 draws of different keys, and of lags: each within 5 standard errors."""
    n = 1_000_000
    first = millions[:n]
    others = [millions[lag : lag + n] for lag in (1, 2, 16, 64, 1024)]
    for word, change in ((2, 1), (3, 1), (4, 1), (4, 1 << 24), (4, 1 << 28), (0, 1), (1, 1)):
        key = KEY.copy()
        key[word] += np.uint32(change)
        out = np.empty(n, np.float32)
        philox.fill_normals(out, np.empty(philox.ROOM, np.float32), key)
        others.append(out.astype(np.float64))
    for other in others:
        assert abs(np.mean(first * other)) < 5 / np.sqrt(n)
        assert abs(np.mean(first**2 * other**2) - 1) < 5 * np.sqrt(8 / n)


@pytest.mark.parametrize(("place", "dtype"), [(0, np.float32), (1, np.float64)])
def test_from_the_root_of_a_half_on_a_logarithm_is_of_the_gap_to_1(place, dtype):
    """There a mantissa's exponent becomes 0: that of u, rounded as the kernel rounds it."""
    word = philox.FROM_ROOT[place]
    words = np.array([word - 1, word], np.uint32)
    u = (words.astype(dtype) + dtype(0.5)) * dtype(2.0**-32)
    assert list(u >= dtype(np.sqrt(0.5))) == [False, True]
