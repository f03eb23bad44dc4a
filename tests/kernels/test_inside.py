"""What is compiled of a function that compiled code alone calls: one version, no machine code."""

import needs_numba  # noqa: F401
import numpy as np
import pytest

from bnn_ref.kernels import entries, jit


@jit.inner
def twice(x):
    return x + x


@jit.kernel
def add_twice(a, x, place):
    for i in range(a.size):
        a[i] += twice(x) + place


@jit.kernel
def add_all(a, n):
    add_twice(a, 1.0, 0)
    add_twice(a, 2.0, 1)
    add_twice(a, 3.0, n)


def both(a, n):
    add_all(a, n)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The entry, compiled into a cache of its own, and what it made of zeros."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NUMBA_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        a = np.zeros(5)
        entry = entries.entry(both)
        entry(a, 7)
        again = entries.entry(both)
        again(a, 7)
    return entry, again, a


def test_an_entry_holds_all_that_it_calls(found):
    entry, again, a = found
    np.testing.assert_array_equal(a, np.full(5, 2 * (2 + 4 + 1 + 6 + 7)))
    assert [code.was_kept for code in entry.versions.values()] == [False]
    assert [code.was_kept for code in again.versions.values()] == [True]  # from the file alone


def test_constants_have_no_versions_of_their_own(found):
    (types,) = add_twice.overloads
    assert str(types[1:]) == "(float64, int64)"
    assert len(twice.overloads) == len(add_all.overloads) == 1


@pytest.mark.parametrize("kernel", [twice, add_twice, add_all])
def test_machine_code_is_made_of_entries_alone(found, kernel):
    (compiled,) = kernel.overloads.values()
    with pytest.raises(RuntimeError, match="no compiled object"):
        compiled.library._get_compiled_object()


def test_loops_alone_are_optimised_before_they_are_linked(found):
    def code(kernel):
        (compiled,) = kernel.overloads.values()
        return compiled.library.get_llvm_str()

    assert "vector.body" in code(add_twice)
    calls = [line for line in code(add_all).splitlines() if "call" in line and "add_twice" in line]
    assert len(calls) == 3  # nothing is inlined yet
