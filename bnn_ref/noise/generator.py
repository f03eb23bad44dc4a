"""Noise as a value, and the generator that draws it, in plain NumPy.

A draw is a pure function of (seed, purpose, step, draw, layer, tensor, position): Philox4x32-10
turns a 64-bit key and a 128-bit counter into four 32-bit words, with no state between draws.

- key: the two halves of the seed, low half first;
- counter: (block, step, draw, purpose << 28 | tensor << 24 | layer).

Normals: entry p = 64 g + 16 j + l of the flattened tensor (l in 0..15, j in 0..3) is normal j of
block 16 g + l, so that sixteen vector lanes fill sixteen neighbours. Normals 0 and 1 of a block
are the Box-Muller pair of its words 0 and 1, normals 2 and 3 that of its words 2 and 3. Both
dtypes use the same bits: float32 noise is float64 noise rounded, and the largest magnitude is
sqrt(66 log 2) = 6.76, beyond which a normal falls once in 7e10 draws.

Signs: row n starts at a block of its own, so a part of a batch has the signs of the whole. Column
i is bit i % 32 of word (i % 128) // 32 of block n ceil(columns / 128) + i // 128; bit 1 is -1.

Dropout's masks: row n starts at a block of its own too. Column i is word i % 4 of block
n ceil(columns / 4) + i // 4; it is dropped where the word is below rate 2^32, rounded.

Source: Salmon, Moraes, Dror and Shaw (2011), "Parallel random numbers: as easy as 1, 2, 3";
Box and Muller (1958). The layout of counters is this project's own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..border import check_word
from .series import log, sin_cos

PURPOSES = {"init": 0, "shuffle": 1, "train": 2, "predict": 3, "split": 4}
TENSORS = {
    "kernel_mu": 0,
    "kernel_rho": 1,
    "bias_mu": 2,
    "bias_rho": 3,
    "kernel_eps": 4,
    "sign_input": 5,
    "sign_output": 6,
    "bias_eps": 7,
    "output_eps": 8,
    "permutation": 9,
    "keep": 10,
}
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_GROUPS_AT_ONCE = 128  # 8,192 normals: what they are made from stays in the cache
_WEYL = np.array([[0x9E3779B9], [0xBB67AE85]], np.uint64)


def philox(counter: Sequence[ArrayLike], key: tuple[int, int]) -> NDArray[np.uint32]:
    """Return the four words of Philox4x32-10 for each counter.

    Parameters
    ----------
    counter : sequence of four uint32 arrays or ints that broadcast together
    key : (int, int), each below 2**32

    Returns
    -------
    uint32 array, (4,) + the broadcast shape

    Source: Salmon et al. (2011), section 4; checked against the known answers of Random123.
    """
    c0, c1, c2, c3 = (np.asarray(word, np.uint64) for word in counter)
    low, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    keys = np.array(key, np.uint64)[:, None] + _WEYL * np.arange(10, dtype=np.uint64)
    for k0, k1 in (keys & low).T:  # of each round
        product0, product1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            (product1 >> shift) ^ c1 ^ k0,
            product1 & low,
            (product0 >> shift) ^ c3 ^ k1,
            product0 & low,
        )
    out = np.empty((4, *c0.shape), np.uint32)
    out[0], out[1], out[2], out[3] = c0, c1, c2, c3
    return out


def words(
    blocks: NDArray[np.integer[Any]],
    seed: int,
    purpose: str,
    tensor: str,
    *,
    layer: int = 0,
    step: int = 0,
    draw: int = 0,
) -> NDArray[np.uint32]:
    """Return the words (4,) + blocks.shape of those blocks of one tensor's stream.

    Parameters
    ----------
    blocks : array (any shape) of int, each below 2**32
    seed : int below 2**64
    purpose, tensor : str
        Keys of `PURPOSES` and `TENSORS`.
    layer, step, draw : int
        Below 2**24, 2**32 and 2**32.

    Raises
    ------
    ValueError
        Where a number does not fit its place in the counter.
    """
    seed = check_word(seed, "seed", 64)
    step, draw = check_word(step, "step"), check_word(draw, "draw")
    stream = PURPOSES[purpose] << 28 | TENSORS[tensor] << 24 | check_word(layer, "layer", 24)
    if blocks.size:
        check_word(int(blocks.max()), "block (the tensor is too large for one stream)")
    return philox((blocks, step, draw, stream), (seed & 0xFFFFFFFF, seed >> 32))


def box_muller(
    w_radius: NDArray[np.uint32], w_angle: NDArray[np.uint32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the two standard normals (float64) of each pair of 32-bit words.

    u = (w + 1/2) / 2^32 of the first word gives the radius sqrt(-2 log u), of the second the angle
    2 pi u. In float64 u is exact, so its log has all digits; the angle is reduced to its nearest
    quarter turn in whole numbers, so that sine and cosine keep theirs.

    Parameters
    ----------
    w_radius, w_angle : uint32 arrays of one shape

    Returns
    -------
    (even, odd) : radius times cosine, radius times sine
    """
    unit = 2.0**-32
    radius = np.sqrt(-2 * log((w_radius + 0.5) * unit))
    quarter = (w_angle + np.uint32(1 << 29)) >> np.uint32(30)  # 0..3, the last wraps to 0
    remainder = (w_angle - (quarter << np.uint32(30))).view(np.int32)  # in [-2^29, 2^29)
    angle = (remainder + 0.5) * (2 * np.pi * unit)
    sine, cosine = sin_cos(angle)
    swap = (quarter & 1).astype(bool)
    even = np.where(swap, -sine, cosine)  # cos(angle + quarter pi/2), but for the half turn
    odd = np.where(swap, cosine, sine)
    half_turn = np.where(quarter & 2, -radius, radius)
    return half_turn * even, half_turn * odd


def normals(
    shape: Sequence[int],
    seed: int,
    purpose: str,
    tensor: str,
    *,
    layer: int = 0,
    step: int = 0,
    draw: int = 0,
    dtype: DTypeLike = np.float64,
) -> NDArray[Any]:
    """Return an array of standard normal draws; arguments as for `words`."""
    size = math.prod(shape)
    groups = -(-size // 64)
    draws = np.empty((groups, 4, 16), dtype)  # (group, j, lane)
    for start in range(0, groups, _GROUPS_AT_ONCE):
        part = draws[start : start + _GROUPS_AT_ONCE]
        blocks = start * 16 + np.arange(len(part) * 16, dtype=np.uint64)
        w = words(blocks, seed, purpose, tensor, layer=layer, step=step, draw=draw)
        pairs = box_muller(w[0::2], w[1::2])  # even and odd normals, each (pair, block)
        for odd in (0, 1):
            part[:, odd::2] = pairs[odd].reshape(2, -1, 16).transpose(1, 0, 2)
    return draws.reshape(-1)[:size].reshape(shape)


def signs(
    rows: int,
    columns: int,
    seed: int,
    purpose: str,
    tensor: str,
    *,
    layer: int = 0,
    step: int = 0,
    draw: int = 0,
    dtype: DTypeLike = np.float64,
    first_row: int = 0,
) -> NDArray[Any]:
    """Return an array (rows, columns) of -1 and +1; arguments as for `words`.

    `first_row` is the first row's place in the batch or table.
    """
    per_row = -(-columns // 128)
    blocks = (first_row + np.arange(rows, dtype=np.uint64))[:, None] * np.uint64(per_row)
    blocks = blocks + np.arange(per_row, dtype=np.uint64)  # (rows, per_row)
    w = words(blocks, seed, purpose, tensor, layer=layer, step=step, draw=draw)
    w = np.ascontiguousarray(w.transpose(1, 2, 0)).astype("<u4")  # (rows, per_row, 4)
    bits = np.unpackbits(w.view(np.uint8).reshape(rows, per_row * 16), axis=1, bitorder="little")
    return 1 - 2 * bits[:, :columns].astype(dtype)


def keeps(
    rows: int,
    columns: int,
    rate: float,
    seed: int,
    purpose: str,
    *,
    layer: int = 0,
    step: int = 0,
    draw: int = 0,
    dtype: DTypeLike = np.float64,
    first_row: int = 0,
) -> NDArray[Any]:
    """Return an array (rows, columns) of 1 and, with probability `rate`, 0.

    Parameters
    ----------
    rows, columns : int
    rate : float
        From 0 to 1.
    seed, purpose, layer, step, draw, dtype, first_row
        As for `signs`.
    """
    per_row = -(-columns // 4)
    blocks = (first_row + np.arange(rows, dtype=np.uint64))[:, None] * np.uint64(per_row)
    blocks = blocks + np.arange(per_row, dtype=np.uint64)  # (rows, per_row)
    w = words(blocks, seed, purpose, "keep", layer=layer, step=step, draw=draw)
    w = w.transpose(1, 2, 0).reshape(rows, per_row * 4)[:, :columns]
    return (w >= round(rate * 2**32)).astype(dtype)


def permutation(size: int, seed: int, purpose: str, *, step: int = 0) -> NDArray[np.intp]:
    """Return a permutation of 0..size-1: the order of 64-bit keys drawn by the generator.

    Purpose "shuffle" with the epoch as step orders the rows of an epoch; "split" draws held-out
    rows.

    Parameters
    ----------
    size : int
    seed : int, 0 <= seed < 2**64
    purpose : "shuffle" or "split"
    step : int
    """
    w = words(np.arange(-(-size // 2), dtype=np.uint64), seed, purpose, "permutation", step=step)
    w = w.astype(np.uint64)
    keys = np.stack([w[0] << np.uint64(32) | w[1], w[2] << np.uint64(32) | w[3]], axis=1)
    return np.argsort(keys.reshape(-1)[:size], kind="stable")
