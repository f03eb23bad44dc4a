"""Matrix products, C = A B or C += A B, by register tiles: twin `np.matmul`.

A tile of C, 8 rows by two vectors (see `processor.py`), is summed over k in registers: each step
loads two vectors of B's row k and multiplies them by 8 numbers of A's column k. A is read by two
strides, so h and its transpose are the same function; B and C are read along rows; nothing is
packed or copied.

Every entry of C is one chain of fused multiply-adds over k in order (in stretches of `DEPTH`,
whose sums are then added in order). Its bits depend on nothing but its row of A and its column of
B: not on the tile, the chunk, the thread, the vectors' width or the other rows of the batch.

Why not BLAS: on these shapes (64 to 128 rows, two products over the same weights) the tile is
faster than OpenBLAS, a row's bits are its own, and there is no second pool of threads to keep out
of the sweeps' way, in this process or a forked one.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .jit import kernel
from .machine import I32, I64, numbers_in, pointer
from .processor import TILE_ROWS, TILE_VECTORS, VECTOR_BYTES

DEPTH = 256  # of one stretch of the sum over k: a stretch of B's columns stays in the first cache


def _tile(vectors, masked):
    """Return an intrinsic that computes one tile of C; `masked`: only the first `lanes` columns."""

    @intrinsic
    def tile(typingctx, a, a_at, a_row, a_k, last, b, b_at, b_row, lanes, c, c_at, c_row, depth,
             add):  # fmt: skip
        number = types.int64
        signature = types.void(a, number, number, number, number, b, number, number, number,
                               c, number, number, number, types.boolean)  # fmt: skip
        size = a.dtype.bitwidth // 8
        width = VECTOR_BYTES // size

        def codegen(context, builder, signature, args):
            _, a_at, a_row, a_k, last, _, b_at, b_row, lanes, _, c_at, c_row, depth, add = args
            item = context.get_value_type(a.dtype)
            vector = ir.VectorType(item, width)
            zero = ir.Constant(vector, [0.0] * width)
            place = [builder.gep(pointer(context, builder, signature, args, j), [at])
                     for j, at in ((0, a_at), (5, b_at), (9, c_at))]  # fmt: skip
            load, store = _memory(builder, vector, size, lanes if masked else None)
            multiply_add = cgutils.get_or_insert_function(
                builder.module,
                ir.FunctionType(vector, [vector] * 3),
                f"llvm.fmuladd.v{width}f{8 * size}",
            )

            def spread(number):
                one = builder.insert_element(ir.Constant(vector, ir.Undefined), number, I32(0))
                lanes = ir.Constant(ir.VectorType(I32, width), [0] * width)
                return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), lanes)

            # rows beyond the last one repeat it: they compute and store the same numbers
            rows = [builder.select(builder.icmp_signed("<", I64(r), last), I64(r), last)
                    for r in range(TILE_ROWS)]  # fmt: skip
            a_rows = [builder.gep(place[0], [builder.mul(row, a_row)]) for row in rows]
            c_rows = [builder.gep(place[2], [builder.mul(row, c_row)]) for row in rows]
            sums = [[cgutils.alloca_once_value(builder, zero) for _ in range(vectors)]
                    for _ in range(TILE_ROWS)]  # fmt: skip
            with cgutils.for_range(builder, depth) as loop:
                b_k = builder.gep(place[1], [builder.mul(loop.index, b_row)])
                b_vectors = [load(builder.gep(b_k, [I64(v * width)])) for v in range(vectors)]
                a_offset = builder.mul(loop.index, a_k)
                for r in range(TILE_ROWS):
                    number = spread(builder.load(builder.gep(a_rows[r], [a_offset])))
                    for v in range(vectors):
                        total = builder.load(sums[r][v])
                        total = builder.call(multiply_add, [number, b_vectors[v], total])
                        builder.store(total, sums[r][v])
            targets = [[builder.gep(c_rows[r], [I64(v * width)]) for v in range(vectors)]
                       for r in range(TILE_ROWS)]  # fmt: skip
            with builder.if_then(add):  # all of it is read before any of it is written
                for r in range(TILE_ROWS):
                    for v in range(vectors):
                        total = builder.fadd(load(targets[r][v]), builder.load(sums[r][v]))
                        builder.store(total, sums[r][v])
            for r in range(TILE_ROWS):
                for v in range(vectors):
                    store(builder.load(sums[r][v]), targets[r][v])
            return context.get_dummy_value()

        return signature, codegen

    return tile


def _memory(builder, vector, size, lanes):
    """Return (load, store) of a vector, whole or, where `lanes` is given, its first lanes."""
    if lanes is None:
        return (
            lambda p: builder.load(builder.bitcast(p, vector.as_pointer()), align=size),
            lambda v, p: builder.store(v, builder.bitcast(p, vector.as_pointer()), align=size),
        )
    width = vector.count
    index = ir.VectorType(I32, width)
    one = builder.insert_element(
        ir.Constant(index, ir.Undefined), builder.trunc(lanes, I32), I32(0)
    )
    limit = builder.shuffle_vector(
        one, ir.Constant(index, ir.Undefined), ir.Constant(index, [0] * width)
    )
    mask = builder.icmp_unsigned("<", ir.Constant(index, list(range(width))), limit)
    target = vector.as_pointer()
    zero = ir.Constant(vector, [0.0] * width)
    name = f"v{width}f{8 * size}.p0"
    masked_load = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(vector, [target, I32, mask.type, vector]),
        f"llvm.masked.load.{name}",
    )
    masked_store = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(ir.VoidType(), [vector, target, I32, mask.type]),
        f"llvm.masked.store.{name}",
    )
    return (
        lambda p: builder.call(masked_load, [builder.bitcast(p, target), I32(size), mask, zero]),
        lambda v, p: builder.call(masked_store, [v, builder.bitcast(p, target), I32(size), mask]),
    )


_whole = _tile(TILE_VECTORS, masked=False)
_narrow = _tile(1, masked=True)


@kernel
def product(a, a_at, a_row, a_k, b, b_at, b_row, c, c_at, c_row, rows, columns, depth, add):
    """Set or add to C (rows, columns) the product of A (rows, depth) and B (depth, columns).

    Parameters
    ----------
    a, b, c : flat arrays of one dtype, or pointers to their memory
        A's entry (i, k) is a[a_at + i * a_row + k * a_k], B's (k, j) is b[b_at + k * b_row + j],
        C's (i, j) is c[c_at + i * c_row + j].
    rows, columns, depth : int
    add : bool
        Add to C instead of setting it.
    """
    width = numbers_in(VECTOR_BYTES, a)
    wide = TILE_VECTORS * width
    for k in range(0, depth, DEPTH):
        stretch = min(DEPTH, depth - k)
        more = add or k > 0
        j = 0
        while j < columns:
            left = columns - j
            for i in range(0, rows, TILE_ROWS):
                if left >= wide:
                    _whole(a, a_at + i * a_row + k * a_k, a_row, a_k, rows - 1 - i,
                           b, b_at + k * b_row + j, b_row, width,
                           c, c_at + i * c_row + j, c_row, stretch, more)  # fmt: skip
                else:
                    _narrow(a, a_at + i * a_row + k * a_k, a_row, a_k, rows - 1 - i,
                            b, b_at + k * b_row + j, b_row, min(width, left),
                            c, c_at + i * c_row + j, c_row, stretch, more)  # fmt: skip
            j += wide if left >= wide else width
