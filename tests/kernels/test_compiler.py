"""The compiler of kernels: passes left out, signatures looked up once."""

import needs_numba  # noqa: F401
import numpy as np
import pytest
from numba.core import types
from numba.core.compiler import DefaultPassBuilder, Flags, StateDict
from numba.core.registry import cpu_target

from bnn_ref.kernels import compiler, entries, jit


class Counting:
    """A typing context that counts what it is asked, and knows sums of two numbers of a type."""

    def __init__(self):
        self.asked = 0

    def resolve_function_type(self, function, args, kws):
        self.asked += 1
        return args[0](*args) if args[0] == args[1] else None

    def other(self):
        return "asked"


def test_a_signature_is_looked_up_once_for_each_function_and_kinds_of_arguments():
    context = Counting()
    remembering = compiler._Remembering(context)
    for kind in (types.int64, types.float64, types.int64):
        for function in ("a sum", "a product"):
            found = remembering.resolve_function_type(function, [kind, kind], {})
            assert found == kind(kind, kind)
    assert context.asked == 4


def test_what_has_no_signature_and_what_is_named_is_asked_again():
    context = Counting()
    remembering = compiler._Remembering(context)
    for _ in range(2):
        mixed = [types.int64, types.float64]
        assert remembering.resolve_function_type("a sum", mixed, {}) is None
        named = remembering.resolve_function_type("a sum", [types.int64] * 2, {"by": types.int64})
        assert named.return_type == types.int64
    assert context.asked == 4
    assert remembering.other() == "asked"


def test_one_memory_serves_all_kernels():
    context, target = cpu_target.typing_context, cpu_target.target_context
    first, second = (
        compiler.KernelCompiler(context, target, None, (), None, Flags(), {}).state.typingctx
        for _ in range(2)
    )
    assert first is second
    assert first._context is context


def test_every_pass_that_is_left_out_is_one_of_numbas():
    state = StateDict()
    state.flags, state.func_ir = Flags(), None
    numbas = {
        each.__name__ for each, _ in DefaultPassBuilder.define_nopython_pipeline(state).passes
    }
    assert numbas >= compiler.UNUSED


@pytest.mark.parametrize("x", [3, 2.5])
def test_a_kernel_is_right_for_each_kind_of_number(x):
    @jit.kernel
    def sum_and_product(a, x):
        for i in range(a.size):
            a[i] = (a[i] + x) * x - (x + x)

    @entries.entry
    def both(a, b, x):
        sum_and_product(a, x[0])
        sum_and_product(b, x[0])

    a, b = np.arange(3.0), np.arange(3)
    both(a, b, np.array([x]))
    np.testing.assert_array_equal(a, (np.arange(3.0) + x) * x - 2 * x)
    np.testing.assert_array_equal(b, ((np.arange(3) + x) * x - 2 * x).astype(np.int64))
