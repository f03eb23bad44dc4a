"""Compiled functions that Python calls: their arguments, and that they run without Numba."""

import ctypes
import math
import sys
import threading

import needs_numba  # noqa: F401
import numpy as np
import processes
import pytest
from numba.core.errors import TypingError

from bnn_ref.kernels import cache, entries, kinds, later, processor, tasks
from bnn_ref.kernels.boundary import compile_object
from bnn_ref.kernels.machine import GIVE_WAY
from bnn_ref.kernels.run import run


@entries.entry
def double(a, b, n):
    for i in range(n):
        for j in range(b.shape[1]):
            b[i, j] = a[i] + a[i]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "entries"))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_it_takes_arrays_of_a_dtype_and_whole_numbers(dtype):
    a, b = np.arange(3, dtype=dtype), np.zeros((3, 2), dtype)
    double(a, b, 2)
    np.testing.assert_array_equal(b, [[0, 0], [2, 2], [0, 0]])
    double(a, b, True)
    assert (np.dtype(dtype), np.dtype(dtype), None) in double.versions


@entries.entry
def wait_for_one(control):
    tasks.wait(control, tasks.DONE, 1, -1)


def test_a_thread_that_waits_gives_way_to_others():
    code = compile_object(wait_for_one.py_func, [kinds.Kind(kinds.ARRAY, np.dtype(np.int64), 1)])
    assert GIVE_WAY.encode() in code  # else it holds its core against the thread it waits for


A, B = np.arange(4.0), np.zeros((4, 2))
READ_ONLY = np.zeros((4, 2))
READ_ONLY.flags.writeable = False
UNALIGNED = np.zeros(8 * 8 + 1, np.uint8)[1:].view(np.float64).reshape(4, 2)


@pytest.mark.parametrize(
    ("arguments", "number"),
    [
        ((A[::2], B, 2), 1),
        ((A, np.zeros((2, 4)).T, 2), 2),
        ((A, READ_ONLY, 2), 2),
        ((A, UNALIGNED, 2), 2),
        ((A, np.zeros(8), 2), 2),
        ((A, np.zeros((4, 2, 1)), 2), 2),
    ],
    ids=["strided", "transposed", "read-only", "not aligned", "flat", "of three dimensions"],
)
def test_an_array_of_another_kind_is_refused_and_nothing_done(arguments, number):
    double(A, B, 4)
    B[...] = -1.0
    with pytest.raises(ValueError, match=f"double: expected argument {number} contiguous"):
        double(*arguments)
    assert np.all(B == -1.0)
    assert not READ_ONLY.any()


@pytest.mark.parametrize("wrong", ["text", 1.5, None])
def test_what_is_neither_array_nor_whole_number_is_refused(wrong):
    with pytest.raises(TypeError, match="double: expected arrays and whole numbers, found"):
        double(A, wrong, 2)


def test_an_empty_array_is_an_array():
    double(np.zeros(0), np.zeros((0, 2)), 0)


def test_a_thousand_calls_hold_no_reference():
    a, b = np.arange(4.0), np.zeros((4, 2))
    before = sys.getrefcount(a), sys.getrefcount(b)
    for _ in range(1000):
        double(a, b, 4)
    assert (sys.getrefcount(a), sys.getrefcount(b)) == before


def test_threads_that_meet_at_a_first_call_get_one_version():
    @entries.entry
    def fill_up(a):
        for i in range(a.size):
            a[i] = 7.0

    arrays = [np.zeros(1000) for _ in range(4)]
    threads = [threading.Thread(target=fill_up, args=(array,)) for array in arrays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.all(array == 7.0) for array in arrays)
    assert len(fill_up.versions) == 1


def test_memory_of_its_own_is_refused_when_it_is_compiled():
    @entries.entry
    def with_memory_of_its_own(a):
        b = np.empty(a.size)
        for i in range(a.size):
            b[i] = a[a.size - 1 - i]
        for i in range(a.size):
            a[i] = b[i]

    with pytest.raises(TypingError, match="No implementation of function.*empty"):
        with_memory_of_its_own(np.arange(3.0))


def test_code_that_needs_numbas_library_is_refused_when_it_is_compiled():
    @entries.entry
    def with_a_function_of_numbas(a):
        for i in range(a.size):
            a[i] = math.gamma(a[i])

    with pytest.raises(RuntimeError, match="stands by itself, found a call: numba_gamma"):
        with_a_function_of_numbas(np.arange(3.0))


def test_arrays_that_lie_otherwise_are_refused(monkeypatch):
    class Other(kinds.Array):
        _fields_ = (("more", ctypes.c_void_p),)

    monkeypatch.setattr(kinds, "Array", Other)
    kinds.check_layout()  # one field more at the end is no matter
    monkeypatch.setattr(kinds.Array, "flags", 0)
    with pytest.raises(RuntimeError, match="arrays lie in memory otherwise"):
        kinds.check_layout()


def test_a_choice_by_type_is_for_compiled_code_alone():
    one = later.choose(lambda a: lambda a: a)
    with pytest.raises(TypeError, match="for compiled code only"):
        one(1.0)


STEP = """
import sys
import numpy as np
from bnn_ref import Categorical, DenseFlipout, Network, Trainer, predict
network = Network([DenseFlipout(5, 4, activation="gelu"), DenseFlipout(4, 3)], Categorical())
trainer = Trainer(network, 50)
trainer.step(np.ones((6, 5), "f4"), np.arange(6) % 3)
predict(network, trainer.parameters, np.ones((6, 5)), draws=2)
print([name for name in ("numba", "scipy") if name in sys.modules])
"""


def test_a_step_and_a_prediction_ask_for_numba_where_nothing_is_kept_alone(tmp_path):
    # The shared cache has `run`; what else it takes is compiled on the first of two starts.
    for _ in range(2):
        process = processes.start(STEP)
        out, err = process.communicate(timeout=200)
        assert process.returncode == 0, err
    assert (out.strip(), err) == ("[]", "")


PROCESSOR = """
from bnn_ref.kernels import processor
from numba.core.registry import cpu_target
mine = processor.TRIPLE, processor.NAME, processor.FEATURES
print(mine == cpu_target.target_context.codegen().magic_tuple())
"""


@pytest.mark.parametrize("settings", [{}, {"NUMBA_CPU_NAME": "generic"}, {"NUMBA_ENABLE_AVX": "0"}])
def test_the_processor_is_the_one_that_numba_compiles_for(settings):
    process = processes.start(PROCESSOR, **settings)
    assert process.communicate(timeout=100) == ("True\n", "")


def test_settings_of_numba_have_code_of_their_own(monkeypatch):
    name = cache.name_of(run.py_func, [kinds.WHOLE])
    for silent in ("NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS", "NUMBA_THREADING_LAYER"):
        monkeypatch.setenv(silent, "1")
    assert cache.name_of(run.py_func, [kinds.WHOLE]) == name
    monkeypatch.setenv("NUMBA_OPT", "1")
    assert cache.name_of(run.py_func, [kinds.WHOLE]) != name


def test_what_is_held_is_what_would_be_compiled_now(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert not cache.holds(run.py_func)
    cache.save(cache.name_of(run.py_func, [kinds.REAL]), b"code")
    assert cache.holds(run.py_func)
    assert not cache.holds(double.py_func)
    monkeypatch.setattr(processor, "NAME", "another")
    assert not cache.holds(run.py_func)


def test_kinds_of_arguments_have_names_of_their_own():
    its = [
        kinds.WHOLE, kinds.REAL, kinds.Kind("array", np.dtype("f4"), 1),
        kinds.Kind("array", np.dtype("f8"), 1), kinds.Kind("array", np.dtype("f8"), 2),
        kinds.Kind("pointer", np.dtype("f8")), kinds.Kind("array", np.dtype([("a", "f8")]), 1),
    ]  # fmt: skip
    names = {cache.name_of(run.py_func, [kind]) for kind in its}
    assert len(names) == len(its)
    assert len(names | {cache.name_of(double.py_func, its[:1])}) == len(its) + 1


@pytest.mark.parametrize("name", ["numba_version", "np.__version__", "llvmlite.__version__"])
def test_another_version_of_what_compiles_has_code_of_its_own(name, monkeypatch):
    before = cache.source_hash()
    monkeypatch.setattr(f"{cache.__name__}.{name}", "0" if "." in name else lambda: "0")
    cache.source_hash.cache_clear()
    try:
        assert cache.source_hash() != before
    finally:
        cache.source_hash.cache_clear()


BROKEN = """
import sys, warnings
sys.path.insert(0, sys.argv[1])
from bnn_ref.backends import get_backend
with warnings.catch_warnings(record=True) as said:
    print(get_backend().__name__)
print(said[0].message if said else "")
"""


def test_a_numba_that_cannot_be_imported_is_found_before_a_step_asks_for_it(tmp_path):
    (tmp_path / "numba").mkdir()
    (tmp_path / "numba" / "__init__.py").write_text("raise ImportError('made for another NumPy')\n")
    (tmp_path / "numba" / "_version.py").write_text("version = '99'\n")
    process = processes.start(f"import sys; sys.argv[1:] = [{str(tmp_path)!r}]\n" + BROKEN)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    assert out.splitlines()[0] == "bnn_ref.reference"
    assert "made for another NumPy" in out
