"""An entry's object file: the function as Numba compiles it, behind a C function.

The C function takes Python's arrays by reference and reads from them where their numbers lie, as
NumPy's macros do, so that a call costs no more than its arguments. It returns 0, or the number of
the first argument, from 1, that is not a contiguous, aligned, writable array of the dimensions that
the code was compiled for: then nothing has been done.
"""

import numba
import numpy as np
from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

from .jit import jitted
from .kinds import ARRAY, POINTER, SYMBOL, Array

__all__ = ["compile_object"]

I8, I32 = ir.IntType(8), ir.IntType(32)
PLAIN = 0x1 | 0x100 | 0x400  # NPY_ARRAY_C_CONTIGUOUS, _ALIGNED, _WRITEABLE


class _Whole(JITCodeLibrary):
    """All the code of an entry, with one function that is seen from outside."""

    def _optimize_final_module(self):
        super()._optimize_final_module()
        # Not before: what is seen from inside alone and called once is always inlined, and slowly.
        for thing in (*self._final_module.functions, *self._final_module.global_variables):
            if not thing.is_declaration and thing.name != SYMBOL:
                thing.linkage = "internal"

    def _finalize_final_module(self):
        self._finalized = True

    def machine_code(self):
        """Return the object file.

        Raises
        ------
        RuntimeError
            Where a function is called that is not there in every process.
        """
        for function in self._final_module.functions:
            if function.is_declaration and not _is_everywhere(function.name):
                wanted = "code that stands by itself"
                raise RuntimeError(f"{self.name}: expected {wanted}, found a call: {function.name}")
        return self._codegen._tm.emit_object(self._final_module)


def _is_everywhere(name):
    """Return whether a function is there in every process: LLVM's own, or the C library's."""
    if name.startswith(("NRT_", "numba_", "Py", "__svml")):  # here because Numba is
        return False
    return name.startswith("llvm.") or binding.address_of_symbol(name) is not None


def _number_type(dtype):
    return numba.from_dtype(np.dtype(dtype))


def _type_of(kind):
    """Return Numba's type of an argument of a `Kind`."""
    if kind.form == ARRAY:
        return types.Array(_number_type(kind.dtype), kind.dimensions, "C")
    number = _number_type(kind.dtype)
    return types.CPointer(number) if kind.form == POINTER else number


def _field(builder, array, name):
    """Return a field of an array's object, whose address is `array`."""
    field = getattr(Array, name)
    whole = ir.IntType(8 * field.size)
    place = builder.gep(array, [ir.Constant(I32, field.offset)])
    return builder.load(builder.bitcast(place, whole.as_pointer()))


def _is_plain(builder, array, kind):
    """Return whether an array is what the code was compiled for."""
    flags = builder.and_(_field(builder, array, "flags"), I32(PLAIN))
    dimensions = _field(builder, array, "dimensions")
    return builder.and_(
        builder.icmp_signed("==", flags, I32(PLAIN)),
        builder.icmp_signed("==", dimensions, I32(kind.dimensions)),
    )


def _unpacked(context, builder, array, kind):
    """Return an array as Numba's code takes it."""
    size = context.get_value_type(types.intp)

    def numbers(name):
        """Return the shape or the strides."""
        place = builder.inttoptr(_field(builder, array, name), size.as_pointer())
        each = [builder.load(builder.gep(place, [I32(d)])) for d in range(kind.dimensions)]
        return cgutils.pack_array(builder, each, size)

    made = context.make_array(_type_of(kind))(context, builder)
    data = builder.inttoptr(_field(builder, array, "data"), made.data.type)
    context.populate_array(
        made, data=data, shape=numbers("shape"), strides=numbers("strides"),
        itemsize=size(kind.dtype.itemsize), meminfo=None,
    )  # fmt: skip
    return made._getvalue()


def _behind(context, module, descriptor, kinds):
    """Write the C function that calls the function of a descriptor."""
    forms = [I8.as_pointer() if kind.form == ARRAY else context.get_value_type(_type_of(kind))
             for kind in kinds]  # fmt: skip
    function = ir.Function(module, ir.FunctionType(I32, forms), SYMBOL)
    builder = ir.IRBuilder(function.append_basic_block())
    for number, (argument, kind) in enumerate(zip(function.args, kinds, strict=True), 1):
        if kind.form == ARRAY:
            with builder.if_then(builder.not_(_is_plain(builder, argument, kind)), likely=False):
                builder.ret(I32(number))
    arguments = [_unpacked(context, builder, argument, kind) if kind.form == ARRAY else argument
                 for argument, kind in zip(function.args, kinds, strict=True)]  # fmt: skip
    called = context.declare_function(module, descriptor)
    context.call_conv.call_function(
        builder, called, descriptor.restype, descriptor.argtypes, arguments
    )
    builder.ret(I32(0))


@global_compiler_lock
def compile_object(function, kinds):
    """Return the object file, bytes, of a function for arguments of those kinds.

    Parameters
    ----------
    function : Python function that returns nothing
    kinds : sequence of Kind
    """
    dispatcher = jitted(function)
    dispatcher.compile(tuple(_type_of(kind) for kind in kinds))
    (compiled,) = dispatcher.overloads.values()
    context = cpu_target.target_context
    library = _Whole(context.codegen(), function.__name__)
    module = library.create_ir_module(function.__name__)
    _behind(context, module, compiled.fndesc, kinds)
    library.add_ir_module(module)
    library.add_linking_library(compiled.library)
    library.finalize()
    return library.machine_code()
