"""What compiled code calls by its address: compiled where it is asked for, once, then loaded."""

import math

import needs_numba  # noqa: F401
import numpy as np
import pytest

from bnn_ref.kernels import activations, entries
from bnn_ref.kernels.addresses import call_at, memory_of, view
from bnn_ref.kernels.kinds import POINTER, REAL, WHOLE, Kind

NUMBERS = Kind(POINTER, np.dtype(np.float64))
ARGUMENTS = (NUMBERS, NUMBERS, WHOLE, WHOLE, REAL)


def scale(a, b, size, code, number):
    a, b = view(a, 0, size), view(b, 0, size)
    for i in range(size):
        b[i] = a[i] * number + code


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    return tmp_path / "bnn_ref"


def test_it_gets_its_arguments_and_is_compiled_once(empty_cache):
    @entries.entry
    def call(address, a, b):
        call_at(address, memory_of(a), memory_of(b), a.size, 3, 0.5)

    a, b = np.arange(5.0), np.zeros(5)
    scaled = entries.load(scale, ARGUMENTS)
    call(scaled.address, a, b)
    np.testing.assert_array_equal(b, 0.5 * a + 3)
    kept = sorted(empty_cache.iterdir())
    assert [path.name[:5] for path in kept] == ["call.", "scale"]
    again = entries.load(scale, ARGUMENTS)
    assert (scaled.was_kept, again.was_kept) == (False, True)
    assert sorted(empty_cache.iterdir()) == kept
    call(again.address, a + 1, b)
    np.testing.assert_array_equal(b, 0.5 * a + 3.5)


def test_what_every_network_has_needs_no_other_code(monkeypatch):
    def refuse(dtype):
        raise AssertionError(dtype)

    monkeypatch.setattr(activations, "compiled_others", refuse)
    assert [activations.address_of(activations.CODES[name], "float32")
            for name in ("linear", "relu")] == [0, 0]  # fmt: skip
    with pytest.raises(AssertionError):
        activations.address_of(activations.CODES["tanh"], "float32")


def test_an_address_is_of_a_dtype():
    code = activations.CODES["tanh"]
    single, double = (activations.address_of(code, dtype) for dtype in ("float32", "float64"))
    assert single != double
    assert single == activations.address_of(code, np.float32)

    @entries.entry
    def apply(a, slope, code, others):
        activations.activate(view(a, 0, a.size), view(slope, 0, a.size), code, True, 0.0, others)

    for dtype, others in (("float32", single), ("float64", double)):
        a, slope = np.array([0.5, -1.0], dtype), np.zeros(2, dtype)
        apply(a, slope, code, others)
        few = 4 * np.finfo(dtype).eps
        np.testing.assert_allclose(a, [math.tanh(0.5), -math.tanh(1.0)], rtol=few)
        np.testing.assert_allclose(slope, 1 / np.cosh([0.5, 1.0]) ** 2, rtol=few)
