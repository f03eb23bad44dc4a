"""What NumPy code cannot say of memory: numbers by their address, views without ownership.

Atomic counters and blocks transposed in registers, too. Numba intrinsics, as in `machine.py`.
"""

from llvmlite import ir

from .later import cgutils, intrinsic, types
from .machine import I32, I64


def pointer(context, builder, signature, args, place):
    """Return the data pointer of an argument, an array or a pointer."""
    if isinstance(signature.args[place], types.CPointer):
        return args[place]
    return cgutils.create_struct_proxy(signature.args[place])(
        context, builder, value=args[place]
    ).data


@intrinsic
def memory_at(typingctx, address, like):
    """Return a pointer to numbers of `like`'s type at an address."""

    def codegen(context, builder, signature, args):
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    return types.CPointer(like)(types.int64, like), codegen


@intrinsic
def memory_of(typingctx, array):
    """Return a pointer to a flat array's numbers."""

    def codegen(context, builder, signature, args):
        return pointer(context, builder, signature, args, 0)

    return types.CPointer(array.dtype)(array), codegen


@intrinsic
def call_at(typingctx, address, a, b, size, code, number):
    """Call the `Code` at an address with two pointers and three numbers, see `entries.load`."""

    def codegen(context, builder, signature, args):
        kind = ir.FunctionType(I32, [x.type for x in args[1:]])
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])
        return context.get_dummy_value()

    return types.void(types.int64, a, b, types.int64, types.int64, types.float64), codegen


@intrinsic
def numbers_in(typingctx, size, array):
    """Return how many numbers of an array's or a pointer's dtype that many bytes hold."""

    def codegen(context, builder, signature, args):
        return builder.sdiv(args[0], I64(array.dtype.bitwidth // 8))

    return types.int64(types.int64, array), codegen


@intrinsic
def view(typingctx, array, start, length):
    """Return array[start : start + length] of a flat array or a pointer, unchecked and unowned.

    A slice would count references to the whole array, atomically, on every thread at once.
    """
    flat = types.Array(array.dtype, 1, "C", aligned=False)

    def codegen(context, builder, signature, args):
        item = array.dtype.bitwidth // 8
        out = cgutils.create_struct_proxy(flat)(context, builder)
        context.populate_array(
            out,
            data=builder.gep(pointer(context, builder, signature, args, 0), [args[1]]),
            shape=cgutils.pack_array(builder, [args[2]]),
            strides=cgutils.pack_array(builder, [ir.Constant(I64, item)]),
            itemsize=ir.Constant(I64, item),
            meminfo=None,
        )
        return out._getvalue()

    return flat(array, types.int64, types.int64), codegen


@intrinsic
def transpose_block(typingctx, a, a_at, a_row, b, b_at, b_row):
    """Set a square block of b to the transpose of one of a: 16 rows of float32, 8 of float64.

    The blocks begin at a_at and b_at; rows are a_row and b_row apart. In registers, one stage for
    every bit of a lane's number: it swaps that bit with the same one of the row's number.
    """
    number = types.int64
    lanes = 64 // (a.dtype.bitwidth // 8)

    def codegen(context, builder, signature, args):
        _, a_at, a_row, _, b_at, b_row = args
        vector = ir.VectorType(context.get_value_type(a.dtype), lanes)
        align = a.dtype.bitwidth // 8

        def row(place, at, stride, r):
            at = builder.add(at, builder.mul(I64(r), stride))
            source = builder.gep(pointer(context, builder, signature, args, place), [at])
            return builder.bitcast(source, vector.as_pointer())

        def pick(low, high, lanes_of):
            mask = ir.Constant(ir.VectorType(I32, lanes), lanes_of)
            return builder.shuffle_vector(low, high, mask)

        rows = [builder.load(row(0, a_at, a_row, r), align=align) for r in range(lanes)]
        bit = 1
        while bit < lanes:
            for r in range(lanes):
                if not r & bit:
                    low, high = rows[r], rows[r + bit]
                    rows[r] = pick(low, high, [j if not j & bit else lanes + j - bit
                                                for j in range(lanes)])  # fmt: skip
                    rows[r + bit] = pick(low, high, [j + bit if not j & bit else lanes + j
                                                      for j in range(lanes)])  # fmt: skip
            bit *= 2
        for r in range(lanes):
            builder.store(rows[r], row(3, b_at, b_row, r), align=align)
        return context.get_dummy_value()

    return types.void(a, number, number, b, number, number), codegen


def copier(count):
    """Return an intrinsic that copies as many numbers as `count` says for their size in bytes."""

    @intrinsic
    def copy(typingctx, a, a_at, b, b_at):
        size = a.dtype.bitwidth // 8
        number = types.int64

        def codegen(context, builder, signature, args):
            vector = ir.VectorType(context.get_value_type(a.dtype), count(size)).as_pointer()

            def place(j):
                memory = pointer(context, builder, signature, args, j)
                return builder.bitcast(builder.gep(memory, [args[j + 1]]), vector)

            builder.store(builder.load(place(0), align=size), place(2), align=size)
            return context.get_dummy_value()

        return types.void(a, number, b, number), codegen

    return copy


@intrinsic
def as_words(typingctx, array):
    """Return the memory of a flat array of floats as uint32 words, as many as it has entries."""
    flat = types.Array(types.uint32, 1, "C", aligned=False)

    def codegen(context, builder, signature, args):
        source = cgutils.create_struct_proxy(array)(context, builder, value=args[0])
        out = cgutils.create_struct_proxy(flat)(context, builder)
        context.populate_array(
            out,
            data=builder.bitcast(source.data, I32.as_pointer()),
            shape=source.shape,
            strides=cgutils.pack_array(builder, [I64(4)]),
            itemsize=I64(4),
            meminfo=None,
        )
        return out._getvalue()

    return flat(array), codegen


@intrinsic
def fetch_add(typingctx, array, place, value):
    """Return array[place], an int64, having added value to it in one atomic step."""

    def codegen(context, builder, signature, args):
        target = builder.gep(pointer(context, builder, signature, args, 0), [args[1]])
        return builder.atomic_rmw("add", target, args[2], "seq_cst")

    return types.int64(array, types.int64, types.int64), codegen


@intrinsic
def load_atomic(typingctx, array, place):
    """Return array[place], an int64, as other threads last left it."""

    def codegen(context, builder, signature, args):
        target = builder.gep(pointer(context, builder, signature, args, 0), [args[1]])
        return builder.load_atomic(target, "seq_cst", 8)

    return types.int64(array, types.int64), codegen


def fetch(builder, place):
    """Ask for the cache line of a place, in LLVM: it will be read soon."""
    byte = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte, I32, I32, I32])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(function, [builder.bitcast(place, byte), I32(0), I32(3), I32(1)])


@intrinsic
def fetch_ahead(typingctx, array, place):
    """Ask for the cache line of array[place], which may lie beyond the end; it is not read."""

    def codegen(context, builder, signature, args):
        fetch(builder, builder.gep(pointer(context, builder, signature, args, 0), [args[1]]))
        return context.get_dummy_value()

    return types.void(array, types.int64), codegen
