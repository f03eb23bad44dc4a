"""Patches of an image into a tile and back. Twin: `bnn_ref/layers/window.py`.

What differs: one image at a time, some rows of places at a time, so that patches stay in the cache
and a batch's are never in memory together. They lie as rows (P, K), or, where the runs of numbers
that lie side by side in the image are short, transposed (K, P).
"""

import numpy as np

from .addresses import view
from .arrays import fill, put
from .jit import kernel

# a window and its places, see `Window`; canvas: the image with its padding
WINDOW = np.dtype(
    [
        (name, np.int64)
        for name in (
            *("height", "width", "channels"),
            *("window_height", "window_width", "stride_down", "stride_right", "top", "left"),
            *("places_down", "places_right", "canvas_height", "canvas_width"),
            "transposed",  # whether patches lie as (K, P)
        )
    ]
)
SHORT = 16  # numbers; runs of fewer are not worth a copy of their own


def describe_window(record, window):
    """Fill a WINDOW record from a `bnn_ref.layers.window.Window`."""
    record["height"], record["width"], record["channels"] = window.image
    record["window_height"], record["window_width"] = window.size
    record["stride_down"], record["stride_right"] = window.strides
    record["top"], record["left"] = window.before
    record["places_down"], record["places_right"] = window.places
    record["canvas_height"], record["canvas_width"] = window.canvas
    record["transposed"] = window.size[1] * window.image[2] < SHORT


@kernel
def pad(images, at, w, scratch, canvas):
    """Put the image at a place into the canvas in scratch, 0 around it."""
    fill(view(scratch, canvas, w.canvas_height * w.canvas_width * w.channels), 0.0)
    n = w.width * w.channels
    for y in range(w.height):
        inside = canvas + ((w.top + y) * w.canvas_width + w.left) * w.channels
        put(view(images, at + y * n, n), view(scratch, inside, n), False)


@kernel
def unpad(scratch, canvas, w, images, at):
    """Put what of the canvas is the image to a place among images."""
    n = w.width * w.channels
    for y in range(w.height):
        inside = canvas + ((w.top + y) * w.canvas_width + w.left) * w.channels
        put(view(scratch, inside, n), view(images, at + y * n, n), False)


@kernel
def take_patches(scratch, canvas, w, first, last, patches):
    """Put the patches of the rows of places first..last of the canvas into scratch."""
    line = w.canvas_width * w.channels
    if w.transposed:
        step, count = w.stride_right * w.channels, w.places_right
        to = patches
        for i in range(w.window_height):
            for t in range(w.window_width * w.channels):
                for u in range(first, last):
                    at = canvas + (u * w.stride_down + i) * line + t
                    source = view(scratch, at, (count - 1) * step + 1)
                    target = view(scratch, to, count)
                    for v in range(count):
                        target[v] = source[v * step]
                    to += count
        return
    n = w.window_width * w.channels
    to = patches
    for u in range(first, last):
        for v in range(w.places_right):
            at = canvas + u * w.stride_down * line + v * w.stride_right * w.channels
            for i in range(w.window_height):
                put(view(scratch, at + i * line, n), view(scratch, to, n), False)
                to += n


@kernel
def add_patches(scratch, canvas, w, first, last, patches):
    """Add patches, as rows (P, K), to what they were taken from: the gradient by the image."""
    line, n = w.canvas_width * w.channels, w.window_width * w.channels
    source = patches
    for u in range(first, last):
        for v in range(w.places_right):
            at = canvas + u * w.stride_down * line + v * w.stride_right * w.channels
            for i in range(w.window_height):
                put(view(scratch, source, n), view(scratch, at + i * line, n), True)
                source += n
