"""What NumPy code cannot say: single instructions, as Numba intrinsics.

Vectors of 64 bytes, choices without a jump, constants of a type, 32-bit products, sums of a fixed
order; those of memory are in `addresses.py`. LLVM splits what a processor has no such instruction
for.
"""

import os

import numpy as np
from llvmlite import ir

from .later import cgutils, intrinsic, types

I64 = ir.IntType(64)
I32 = ir.IntType(32)
SUM_BYTES = 128  # of the lanes that a sum is added up in, whatever the processor's vectors


@intrinsic
def use_whole_vectors(typingctx):
    """Ask for vectors of 64 bytes in the function that this stands in, where there are such.

    LLVM prefers half of that for many processors with AVX-512, for fear of lower clocks.
    """

    def codegen(context, builder, signature, args):
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), codegen


def constant(single, double):
    """Return an intrinsic of one number: a constant of its type, for float32 and for float64."""

    @intrinsic
    def value(typingctx, like):
        def codegen(context, builder, signature, args):
            return ir.Constant(args[0].type, float(single if like == types.float32 else double))

        return like(like), codegen

    return value


def constant_word(single, double):
    """Return an intrinsic of one number: a uint32, for float32 and for float64."""

    @intrinsic
    def value(typingctx, like):
        def codegen(context, builder, signature, args):
            return I32(single if like == types.float32 else double)

        return types.uint32(like), codegen

    return value


# of a number's type: the smallest normal number, and the largest
tiny_of = constant(np.finfo(np.float32).tiny, np.finfo(np.float64).tiny)
largest_of = constant(np.finfo(np.float32).max, np.finfo(np.float64).max)


@intrinsic
def select(typingctx, condition, a, b):
    """Return a where the condition holds, else b, both of a's type; never a jump.

    A conditional expression is lowered as a jump, and LLVM may thread it into ones that a loop
    cannot be vectorised with.
    """

    def codegen(context, builder, signature, args):
        return builder.select(*args)

    return a(types.boolean, a, a), codegen


def fused(builder, a, b, c):
    """Return a * b + c of numbers or vectors in LLVM, rounded once.

    Twice where the processor has no such instruction: C's function for it would be many times
    slower. That is all that makes two processors' results differ.
    """
    kind = a.type
    item, name = kind, ""
    if isinstance(kind, ir.VectorType):
        item, name = kind.element, f"v{kind.count}"
    name += "f32" if item == ir.FloatType() else "f64"
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(kind, [kind] * 3), f"llvm.fmuladd.{name}"
    )
    return builder.call(function, [a, b, c])


@intrinsic
def multiply_add(typingctx, a, b, c):
    """Return a * b + c of three numbers of one type, see `fused`."""

    def codegen(context, builder, signature, args):
        return fused(builder, *args)

    return a(a, a, a), codegen


@intrinsic
def product_high(typingctx, a, b):
    """Return the upper 32 bits of the product of two uint32."""

    def codegen(context, builder, signature, args):
        wide = builder.mul(builder.zext(args[0], I64), builder.zext(args[1], I64))
        return builder.trunc(builder.lshr(wide, ir.Constant(I64, 32)), I32)

    return types.uint32(types.uint32, types.uint32), codegen


def _operation(name, doc):
    @intrinsic
    def operation(typingctx, a, b):
        def codegen(context, builder, signature, args):
            return getattr(builder, name)(*args)

        return types.uint32(types.uint32, types.uint32), codegen

    operation.__doc__ = doc
    return operation


# Numba widens uint32 arithmetic to 64 bits, which halves the vector lanes.
product_low = _operation("mul", "Return the lower 32 bits of the product of two uint32.")
add32 = _operation("add", "Return the sum of two uint32 modulo 2**32.")
sub32 = _operation("sub", "Return the difference of two uint32 modulo 2**32.")
xor32 = _operation("xor", "Return the exclusive or of two uint32.")
and32 = _operation("and_", "Return the bitwise and of two uint32.")
shift_right = _operation("lshr", "Return a uint32 shifted right.")
shift_left = _operation("shl", "Return a uint32 shifted left.")


@intrinsic
def as_signed(typingctx, a):
    """Return the bits of a uint32 as int32."""

    def codegen(context, builder, signature, args):
        return args[0]

    return types.int32(types.uint32), codegen


def lane_sum(magnitudes):
    """Return an intrinsic that adds up a flat array, or its magnitudes, in a fixed order.

    Entry i is added to lane i mod 32 (float64: 16), and the lanes' sums in halves: lane j and
    j + 16, then j and j + 8, and so on. The order is the same on every processor.
    """

    @intrinsic
    def total(typingctx, a):
        size = a.dtype.bitwidth // 8
        lanes = SUM_BYTES // size

        def codegen(context, builder, signature, args):
            item = context.get_value_type(a.dtype)
            vector, index = ir.VectorType(item, lanes), ir.VectorType(I32, lanes)
            zero = ir.Constant(vector, [0.0] * lanes)
            array = cgutils.create_struct_proxy(a)(context, builder, value=args[0])
            length = cgutils.unpack_tuple(builder, array.shape, 1)[0]
            slot = cgutils.alloca_once_value(builder, zero)

            def add(numbers):
                if magnitudes:
                    kind = ir.FunctionType(vector, [vector])
                    name = f"llvm.fabs.v{lanes}f{8 * size}"
                    magnitude = cgutils.get_or_insert_function(builder.module, kind, name)
                    numbers = builder.call(magnitude, [numbers])
                builder.store(builder.fadd(builder.load(slot), numbers), slot)

            def place(at):
                at = builder.gep(array.data, [builder.mul(at, I64(lanes))])
                return builder.bitcast(at, vector.as_pointer())

            whole = builder.udiv(length, I64(lanes))
            with cgutils.for_range(builder, whole) as loop:
                add(builder.load(place(loop.index), align=size))
            rest = builder.urem(length, I64(lanes))
            with builder.if_then(builder.icmp_unsigned(">", rest, I64(0))):
                none = ir.Constant(index, ir.Undefined)
                one = builder.insert_element(none, builder.trunc(rest, I32), I32(0))
                limit = builder.shuffle_vector(one, none, ir.Constant(index, [0] * lanes))
                mask = builder.icmp_unsigned("<", ir.Constant(index, list(range(lanes))), limit)
                kind = ir.FunctionType(vector, [vector.as_pointer(), I32, mask.type, vector])
                name = f"llvm.masked.load.v{lanes}f{8 * size}.p0"
                load = cgutils.get_or_insert_function(builder.module, kind, name)
                add(builder.call(load, [place(whole), I32(size), mask, zero]))
            sums, half = builder.load(slot), lanes // 2
            while half:
                order = ir.Constant(index, [(j + half) % lanes for j in range(lanes)])
                sums = builder.fadd(sums, builder.shuffle_vector(sums, sums, order))
                half //= 2
            return builder.extract_element(sums, I32(0))

        return a.dtype(a), codegen

    return total


# the C function that gives up a time slice
GIVE_WAY = "SwitchToThread" if os.name == "nt" else "sched_yield"


@intrinsic
def give_way(typingctx):
    """Let another thread run."""

    def codegen(context, builder, signature, args):
        kind = ir.FunctionType(I32, [])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, GIVE_WAY), [])
        return context.get_dummy_value()

    return types.void(), codegen
