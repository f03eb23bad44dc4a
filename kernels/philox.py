"""Counters to random bits, normals and signs. Twin: `bnn_ref/noise/generator.py`.

Differences: words stay 32 bits wide, and sixteen blocks at a time fill sixty-four normals, so that
each of the sixteen is a vector lane. float32 normals are computed in float32: within 4 units in
the last place of the twin's float64 value (see tests).

A stretch of normals is made in three loops, words, radii and angles, that leave what they make in
the cache: the steps of one loop over all of it wait for one another, and a processor looks ahead
some hundred instructions only, too few to find the next vector's (a fifth faster).
"""

from collections import namedtuple

import numpy as np

from .addresses import as_words, copier, memory_of, view
from .elementary import add_exponent, log1p_gap, mantissa, sin_cos
from .entries import entry
from .jit import inner, kernel
from .machine import (
    add32,
    and32,
    as_signed,
    constant_word,
    product_high,
    product_low,
    select,
    shift_left,
    shift_right,
    sub32,
    use_whole_vectors,
    xor32,
)

U = np.uint32
M0, M1 = U(0xD2511F53), U(0xCD9E8D57)
W0, W1 = U(0x9E3779B9), U(0xBB67AE85)
Key = namedtuple("Key", "seed_low seed_high step draw stream")  # uint32; all but a block's number
LANES = 16
GROUP = 64  # normals of LANES blocks
AT_ONCE = 512  # normals made at a time, whole groups
ROOM = 2 * AT_ONCE  # of numbers, that drawing them takes


@inner
def _turn(c, k0, k1):
    """Return the counter after one round."""
    return (
        xor32(xor32(product_high(c[2], M1), c[1]), k0),
        product_low(c[2], M1),
        xor32(xor32(product_high(c[0], M0), c[3]), k1),
        product_low(c[0], M0),
    )


@inner
def philox(c0, c1, c2, c3, k0, k1):
    """Return the four uint32 words of Philox4x32-10 for a counter and key of uint32.

    The rounds are written out in pairs: a loop in a loop is not vectorised.
    """
    return _last_turns(_first_turns((c0, c1, c2, c3), k0, k1), k0, k1)


@inner
def _first_turns(c, k0, k1):
    c = _two_turns(c, k0, k1, U(0))
    c = _two_turns(c, k0, k1, U(2))
    return _two_turns(c, k0, k1, U(4))


@inner
def _last_turns(c, k0, k1):
    return _two_turns(_two_turns(c, k0, k1, U(6)), k0, k1, U(8))


@inner
def _two_turns(c, k0, k1, turn):
    next_turn = add32(turn, U(1))
    c = _turn(c, add32(k0, product_low(turn, W0)), add32(k1, product_low(turn, W1)))
    return _turn(c, add32(k0, product_low(next_turn, W0)), add32(k1, product_low(next_turn, W1)))


_copy_lanes = copier(lambda size: LANES)
FROM_ROOT = 0xB504F281, 0xB504F334  # the least words whose u is sqrt(1/2) or more, by dtype
_from_root = constant_word(*FROM_ROOT)


@inner
def squared_radius(w, like):
    """Return -2 log u, u = (w + 1/2) / 2^32, of like's dtype.

    From u = sqrt(1/2) up, log u = log(1 - v) with v = (~w + 1/2) / 2^32, which is exact.
    """
    T = type(like)
    near = w >= _from_root(like)
    u = (T(xor32(w, select(near, U(0xFFFFFFFF), U(0)))) + T(0.5)) * T(2.0**-32)  # or v
    n, m = mantissa(u)
    n, f = select(near, T(0.0), n), select(near, -u, m - T(1.0))
    return T(-2.0) * add_exponent(n, f - log1p_gap(f))


@inner
def turned(square, w_angle):
    """Return the normals of a squared radius whose angle is a word's. Twin: `noise.box_muller`."""
    T, radius = type(square), np.sqrt(square)
    quarter = shift_right(add32(w_angle, U(1 << 29)), U(30))
    remainder = as_signed(sub32(w_angle, shift_left(quarter, U(30))))
    sine, cosine = sin_cos((T(remainder) + T(0.5)) * T(2 * np.pi * 2.0**-32))
    swap = and32(quarter, U(1)) == U(1)
    signed = select(and32(quarter, U(2)) == U(2), -radius, radius)
    return signed * select(swap, -sine, cosine), signed * select(swap, cosine, sine)


@inner
def _block(number, key):
    """Return the four words of that block of a key's stream."""
    return philox(number, key.step, key.draw, key.stream, key.seed_low, key.seed_high)


@kernel
def _words(a, b, c, d, first, key):
    """Fill a, b, c and d, uint32 (n,), with the words of n blocks from `first` on."""
    use_whole_vectors()
    k0, k1 = key.seed_low, key.seed_high
    for i in range(a.size):
        counter = (add32(first, U(i)), key.step, key.draw, key.stream)
        a[i], b[i], c[i], d[i] = _first_turns(counter, k0, k1)
    for i in range(a.size):
        a[i], b[i], c[i], d[i] = _last_turns((a[i], b[i], c[i], d[i]), k0, k1)


@kernel
def _squares(words, out):
    """Fill out with the squared radii of words."""
    use_whole_vectors()
    for i in range(out.size):
        out[i] = squared_radius(words[i], out[0])


@kernel
def _pairs(squares, words, others):
    """Set squared radii, which words turn, to the first normals of pairs, others to the second."""
    use_whole_vectors()
    for i in range(squares.size):
        squares[i], others[i] = turned(squares[i], words[i])


@kernel
def _stretch(out, first, scratch, key):
    """Fill out, up to AT_ONCE entries, with the normals from a block on."""
    n = (out.size + GROUP - 1) // GROUP * LANES  # blocks
    words, made = as_words(view(scratch, 0, AT_ONCE)), view(scratch, AT_ONCE, 4 * n)
    w1, w3 = view(words, n, n), view(words, 3 * n, n)
    _words(view(words, 0, n), w1, view(words, 2 * n, n), w3, first, key)
    a, b, c, d = view(made, 0, n), view(made, n, n), view(made, 2 * n, n), view(made, 3 * n, n)
    _squares(view(words, 0, n), a)
    _squares(view(words, 2 * n, n), c)
    _pairs(a, w1, b)
    _pairs(c, w3, d)
    whole = out.size // GROUP
    for g in range(whole):
        for j in range(4):
            _copy_lanes(made, j * n + g * LANES, out, g * GROUP + j * LANES)
    for i in range(out.size - whole * GROUP):
        out[whole * GROUP + i] = made[i // LANES * n + whole * LANES + i % LANES]


@kernel
def normals(out, start, scratch, key):
    """Fill out with the normals from position start, a multiple of 64, of a stream.

    Parameters
    ----------
    out : array (n,)
    start : int
    scratch : array (ROOM,) of out's dtype
    key : Key
    """
    for s in range(0, out.size, AT_ONCE):
        stretch = view(out, s, min(AT_ONCE, out.size - s))
        _stretch(stretch, U((start + s) // 4), scratch, key)


@kernel
def word_group(out, first, key):
    """Fill out, uint32 (64,), with 16 blocks from `first` on: word j at 16 j + lane."""
    use_whole_vectors()
    a, b = view(out, 0, LANES), view(out, LANES, LANES)
    c, d = view(out, 2 * LANES, LANES), view(out, 3 * LANES, LANES)
    for lane in range(LANES):
        a[lane], b[lane], c[lane], d[lane] = _block(add32(first, U(lane)), key)


@inner
def _sign(word, i, like):
    """Return +1 or -1 of like's dtype for a 0 or a 1 in bit i of a word."""
    T = type(like)
    return T(1.0) - T(2.0) * T(as_signed(and32(shift_right(word, U(i)), U(1))))


@kernel
def _signs_of_word(word, out):
    """Fill out, up to 32 entries, with the signs that a word's bits stand for, lowest first."""
    use_whole_vectors()
    for i in range(out.size):
        out[i] = _sign(word, i, out[0])


@kernel
def sign_rows(out, columns, first_row, scratch, key):
    """Fill out with the signs of some rows of a stream, each -1 or +1. Twin: `noise.signs`.

    Parameters
    ----------
    out : flat array (rows * columns,)
    columns : int
    first_row : int
        The place of out's first row in its stream. A row's blocks follow those of the row before.
    scratch : array (64,) of out's dtype
    key : Key
    """
    blocks = (columns + 127) // 128  # of a row
    words = as_words(scratch)
    total = out.size // columns * blocks
    for group in range(0, total, LANES):
        word_group(words, U(first_row * blocks + group), key)
        for lane in range(min(LANES, total - group)):
            row, b = (group + lane) // blocks, (group + lane) % blocks
            for j in range(4):
                start = 128 * b + 32 * j
                if start < columns:
                    _signs_of_word(words[LANES * j + lane],
                           view(out, row * columns + start, min(32, columns - start)))  # fmt: skip


@inner
def _key(words):
    """Return the `Key` of an array of its five words."""
    return Key(words[0], words[1], words[2], words[3], words[4])


@entry
def fill_normals(out, scratch, key):
    """Fill a flat array with the normals of a stream.

    Parameters
    ----------
    out : array (n,), float32 or float64
    scratch : array (ROOM,) of out's dtype
    key : uint32 array (5,)
        The halves of the seed, low first; step; draw; purpose << 28 | tensor << 24 | layer.
    """
    normals(out, 0, scratch, _key(key))


@entry
def fill_signs(out, first_row, scratch, key):
    """Fill an array (rows, columns) with signs, the first row being `first_row` of its stream."""
    sign_rows(view(memory_of(out), 0, out.size), out.shape[1], first_row, scratch, _key(key))


@entry
def fill_keeps(out, first_row, least, words, key):
    """Fill an array (rows, columns) with 1, and 0 where a word is below `least`, an int64.

    A row has blocks of its own, a number a word. Twin: `noise.generator.keeps`.

    Parameters
    ----------
    out : array (rows, columns), float32 or float64
    first_row, least : int
    words : uint32 array (64,)
        Room.
    key : uint32 array (5,)
    """
    columns = out.shape[1]
    flat, own = view(memory_of(out), 0, out.size), _key(key)
    one = type(flat[0])(1.0)
    blocks = (columns + 3) // 4  # of a row
    total = out.shape[0] * blocks
    for group in range(0, total, LANES):
        word_group(words, U(first_row * blocks + group), own)
        for lane in range(min(LANES, total - group)):
            row, b = (group + lane) // blocks, (group + lane) % blocks
            for j in range(min(4, columns - 4 * b)):
                kept = np.int64(words[LANES * j + lane]) >= least
                flat[row * columns + 4 * b + j] = one if kept else one - one
