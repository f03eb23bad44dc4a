"""Matrix products, C = A B or C += A B, by register tiles: twin `np.matmul`.

A tile of C, 8 rows by two vectors (see `processor.py`), is summed over k in registers: each step
loads two vectors of B's row k and multiplies them by 8 numbers of A's column k. A is read by two
strides, so h and its transpose are the same function; B and C are read along rows.

What tiles of `packed_product` read again and again is copied together first, as GotoBLAS and BLIS
do it (Goto and van de Geijn 2008): a stretch of a transposed A, whose columns would be a cache line
and a page apart for each k, always; a stretch of B's columns where there are rows enough to share
it, by the first tile that reads them; and of A's rows where there are columns enough too. Rows a
power of two apart would fall on a few sets of the first cache. What comes next in columns is asked
for ahead, for no processor foresees it.

Every entry of C is one chain of fused multiply-adds over k in order (in stretches of `DEPTH`,
whose sums are then added in order). Its bits depend on nothing but its row of A and its column of
B: not on the tile, the chunk, the thread, the vectors' width or the other rows of the batch.

Why not BLAS: on these shapes (64 to 128 rows, two products over the same weights) the tile is
faster than OpenBLAS, a row's bits are its own, and there is no second pool of threads to keep out
of the sweeps' way, in this process or a forked one.
"""

from typing import NamedTuple

from llvmlite import ir

from .addresses import copier, fetch, fetch_ahead, numbers_in, pointer, view
from .arrays import put
from .jit import kernel
from .later import cgutils, intrinsic, types
from .machine import I32, I64, fused
from .processor import FETCH_AHEAD, KEEPING_ROWS, LARGE, TILE_ROWS, TILE_VECTORS, VECTOR_BYTES

DEPTH = 256  # of one stretch of the sum over k: a stretch of B's columns stays in the first cache
PACKING_ROWS, PACKING_COLUMNS = 96, 256  # from here on it pays to copy a stretch of A's rows
MOST_ROWS = LARGE[-1]  # of an A that is packed: whole tiles
LINE = 64  # bytes of a cache line
AHEAD = 8  # lines, a page or so apart each, that are asked for before a transposed A's are copied
APART = 16  # numbers between packed tiles, whose rows would fall on one set of the first cache
KEPT = DEPTH * TILE_VECTORS * VECTOR_BYTES // 4  # numbers of a tile's columns of B
PACKED = KEPT + DEPTH * MOST_ROWS + APART * (MOST_ROWS // TILE_ROWS)


def _tile(vectors, masked, keeps=False):
    """Return an intrinsic that computes one tile of C; `masked`: only the first `lanes` columns.

    `keeps`: it leaves its columns of B together in `kept`, and asks for those of rows ahead.
    """

    @intrinsic
    def tile(typingctx, a, a_at, a_row, a_k, last, b, b_at, b_row, lanes, c, c_at, c_row, depth,
             add, kept):  # fmt: skip
        number = types.int64
        signature = types.void(a, number, number, number, number, b, number, number, number,
                               c, number, number, number, types.boolean, kept)  # fmt: skip
        size = a.dtype.bitwidth // 8
        width = VECTOR_BYTES // size

        def codegen(context, builder, signature, args):
            _, a_at, a_row, a_k, last, _, b_at, b_row, lanes, _, c_at, c_row, depth, add, _ = args
            item = context.get_value_type(a.dtype)
            vector = ir.VectorType(item, width)
            zero = ir.Constant(vector, [0.0] * width)
            place = [builder.gep(pointer(context, builder, signature, args, j), [at])
                     for j, at in ((0, a_at), (5, b_at), (9, c_at))]  # fmt: skip
            lanes_of = [builder.sub(lanes, I64(v * width)) if masked else None
                        for v in range(vectors)]  # fmt: skip
            memory = [_memory(builder, vector, size, count) for count in lanes_of]

            def spread(number):
                one = builder.insert_element(ir.Constant(vector, ir.Undefined), number, I32(0))
                lanes = ir.Constant(ir.VectorType(I32, width), [0] * width)
                return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), lanes)

            def keep(b_k, b_vectors, k):
                to = pointer(context, builder, signature, args, 14)
                to = builder.gep(to, [builder.mul(k, I64(vectors * width))])
                for v, b_vector in enumerate(b_vectors):
                    memory[v].store(b_vector, builder.gep(to, [I64(v * width)]))
                ahead = builder.gep(b_k, [builder.mul(b_row, I64(FETCH_AHEAD))])
                for line in range(0, vectors * VECTOR_BYTES, LINE):
                    fetch(builder, builder.gep(ahead, [I64(line // size)]))

            # rows beyond the last one repeat it: they compute and store the same numbers
            rows = [builder.select(builder.icmp_signed("<", I64(r), last), I64(r), last)
                    for r in range(TILE_ROWS)]  # fmt: skip
            a_rows = [builder.gep(place[0], [builder.mul(row, a_row)]) for row in rows]
            c_rows = [builder.gep(place[2], [builder.mul(row, c_row)]) for row in rows]
            sums = [[cgutils.alloca_once_value(builder, zero) for _ in range(vectors)]
                    for _ in range(TILE_ROWS)]  # fmt: skip
            with cgutils.for_range(builder, depth) as loop:
                b_k = builder.gep(place[1], [builder.mul(loop.index, b_row)])
                b_vectors = [memory[v].load(builder.gep(b_k, [I64(v * width)]))
                             for v in range(vectors)]  # fmt: skip
                if keeps:
                    keep(b_k, b_vectors, loop.index)
                a_offset = builder.mul(loop.index, a_k)
                for r in range(TILE_ROWS):
                    number = spread(builder.load(builder.gep(a_rows[r], [a_offset])))
                    for v in range(vectors):
                        total = builder.load(sums[r][v])
                        total = fused(builder, number, b_vectors[v], total)
                        builder.store(total, sums[r][v])
            targets = [[builder.gep(c_rows[r], [I64(v * width)]) for v in range(vectors)]
                       for r in range(TILE_ROWS)]  # fmt: skip
            with builder.if_then(add):  # all of it is read before any of it is written
                for r in range(TILE_ROWS):
                    for v in range(vectors):
                        total = memory[v].load(targets[r][v])
                        total = builder.fadd(total, builder.load(sums[r][v]))
                        builder.store(total, sums[r][v])
            for r in range(TILE_ROWS):
                for v in range(vectors):
                    memory[v].store(builder.load(sums[r][v]), targets[r][v])
            return context.get_dummy_value()

        return signature, codegen

    return tile


class _Memory(NamedTuple):
    """How a vector is read from a place and written to it."""

    load: object
    store: object


def _memory(builder, vector, size, lanes):
    """Return how a vector is read and written, whole or, where `lanes` is given, as far as that."""
    if lanes is None:
        return _Memory(
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
    mask = builder.icmp_signed("<", ir.Constant(index, list(range(width))), limit)
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
    return _Memory(
        lambda p: builder.call(masked_load, [builder.bitcast(p, target), I32(size), mask, zero]),
        lambda v, p: builder.call(masked_store, [v, builder.bitcast(p, target), I32(size), mask]),
    )


_whole = _tile(TILE_VECTORS, masked=False)
_first = _tile(TILE_VECTORS, masked=False, keeps=True)
_edge = _tile(TILE_VECTORS, masked=True)
_narrow = _tile(1, masked=True)


_copy_tile_rows = copier(lambda size: TILE_ROWS)


@kernel
def _pack_rows(a, a_at, a_row, a_k, rows, depth, packed, place):
    """Lay a stretch of A's rows together, `depth` apart; or tile by tile: (tile, k, row of it)."""
    if a_k == 1:
        for i in range(rows):
            put(view(a, a_at + i * a_row, depth), view(packed, place + i * depth, depth), False)
        return
    whole, tile = rows // TILE_ROWS, TILE_ROWS * depth + APART
    done = whole * TILE_ROWS
    for k in range(depth):
        to = place + k * TILE_ROWS
        for i in range(0, rows, numbers_in(LINE, a)):
            fetch_ahead(a, a_at + (k + AHEAD) * a_k + i)
        for t in range(whole):
            _copy_tile_rows(a, a_at + k * a_k + t * TILE_ROWS, packed, to + t * tile)
        row, last = view(a, a_at + k * a_k, rows), view(packed, to + whole * tile, TILE_ROWS)
        for i in range(done, rows):
            last[i - done] = row[i]


@kernel
def _columns(a, a_at, a_tile, a_row, a_k, b, b_at, b_row, c, c_at, c_row, rows, left, depth,
             add, keep, kept):  # fmt: skip
    """One stretch of a tile's columns of C, tile by tile; `left` columns there are from here on.

    `keep`: the first tile leaves its columns of B in `kept`, where the others read them.
    """
    width = numbers_in(VECTOR_BYTES, a)
    wide = TILE_VECTORS * width
    begin = 0
    if keep and left >= wide and rows >= KEEPING_ROWS:
        _first(a, a_at, a_row, a_k, TILE_ROWS, b, b_at, b_row, wide, c, c_at, c_row, depth, add,
               kept)  # fmt: skip
        b, b_at, b_row, begin = kept, 0, wide, 1
    for t in range(begin, (rows + TILE_ROWS - 1) // TILE_ROWS):
        i = t * TILE_ROWS
        tile, to, last = a_at + t * a_tile, c_at + i * c_row, rows - 1 - i
        if left >= wide:
            _whole(a, tile, a_row, a_k, last, b, b_at, b_row, wide, c, to, c_row, depth, add, kept)
        elif left > width:
            _edge(a, tile, a_row, a_k, last, b, b_at, b_row, left, c, to, c_row, depth, add, kept)
        else:
            _narrow(a, tile, a_row, a_k, last, b, b_at, b_row, left, c, to, c_row, depth, add, kept)


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
    wide = TILE_VECTORS * numbers_in(VECTOR_BYTES, a)
    for k in range(0, depth, DEPTH):
        for j in range(0, columns, wide):
            _columns(a, a_at + k * a_k, TILE_ROWS * a_row, a_row, a_k, b, b_at + k * b_row + j,
                     b_row, c, c_at + j, c_row, rows, columns - j, min(DEPTH, depth - k),
                     add or k > 0, False, b)  # fmt: skip


@kernel
def packed_product(a, a_at, a_row, a_k, b, b_at, b_row, c, c_at, c_row, rows, columns, depth, add,
                   packed):  # fmt: skip
    """As `product`, to the bit; what tiles read again and again is copied together first.

    Parameters
    ----------
    a, b, c, rows, columns, depth, add
        As for `product`; one of a_row and a_k is 1. Rows are at most `MOST_ROWS` where a_row is,
        and where there are `PACKING_COLUMNS`.
    packed : as a and b, (PACKED,)
        Scratch; (KEPT,) where no A is packed: fewer rows than `PACKING_ROWS`, and a_row not 1.
    """
    wide = TILE_VECTORS * numbers_in(VECTOR_BYTES, a)
    for k in range(0, depth, DEPTH):
        stretch = min(DEPTH, depth - k)
        tiles, tiles_at, tiles_row, tiles_k = a, a_at + k * a_k, a_row, a_k
        next_tile = TILE_ROWS * a_row
        if a_k != 1 or (rows >= PACKING_ROWS and columns >= PACKING_COLUMNS):
            _pack_rows(a, tiles_at, a_row, a_k, rows, stretch, packed, DEPTH * wide)
            tiles, tiles_at, next_tile = packed, DEPTH * wide, TILE_ROWS * stretch
            tiles_row = stretch
            if a_k != 1:
                next_tile += APART
                tiles_row, tiles_k = 1, TILE_ROWS
        for j in range(0, columns, wide):
            _columns(tiles, tiles_at, next_tile, tiles_row, tiles_k, b, b_at + k * b_row + j, b_row,
                     c, c_at + j, c_row, rows, columns - j, stretch, add or k > 0,
                     True, packed)  # fmt: skip
