"""A convolution's sweeps: examples forward, back, and the kernel's gradients.

Twin: `bnn_ref/layers/conv_flipout.py`. What differs: a kernel is used at every place of an
example, so it pays to make each example's own, mu + delta * (sign_input^T sign_output), and to
multiply once where the twin multiplies twice; so with the gradients, of which one product, G =
patches^T grad_a of the example, serves both sums: by mu G, by delta G * (sign_input^T
sign_output). Where weights are one whole draw, or point estimates (twin: `bnn_ref/layers/conv.py`),
mu is every example's kernel. Sums over examples are taken in as many parts as there are tasks, in
order.
"""

from collections import namedtuple

import numpy as np

from .activations import activate
from .addresses import fetch_add, memory_of, view
from .arrays import column_sums, fill, multiply, put, transpose
from .dense_flipout import DETERMINISTIC, NONE, NORMAL_FLIPPED
from .entries import entry
from .jit import kernel
from .machine import use_whole_vectors
from .memory import memory_for
from .products import product
from .tasks import DONE, come, take, wait
from .update import update_point, update_tensor
from .window import WINDOW, add_patches, pad, take_patches, unpad

UPDATE_WEIGHTS = 4096  # of the kernel, in one task of the last phase

CONVOLUTION = np.dtype(
    [
        ("window", WINDOW),
        ("leak", np.float64),  # of the activation
        *(
            (name, np.int64)
            for name in (
                *("filters", "activation", "others", "bias_kind"),
                *("rows", "chunk"),  # examples: of the batch, of a task
                "tile",  # rows of places whose patches are taken together
                "whole",  # whether mu is a whole draw, and no sign counts
                "slopes",  # whether the activation's derivatives are kept
                "by_inputs",  # whether the gradient by the inputs is asked for
                # places in scratch: of numbers
                *("canvas", "patches", "kernel", "shift", "signs"),
                *("grad", "by_kernel", "sums", "grad_patches", "grad_canvas"),
                "part",  # numbers of a part of the sums: by mu, by delta (K, F), the bias's (F,)
            )
        ),
    ]
)

Examples = namedtuple("Examples", "x mu delta shift flip sign_input sign_output out slope scratch")


@kernel
def _own_kernel(signs, r, mu, delta, n, of, to, at):
    """Put mu + delta * (s_k r_f) in rows k of n numbers; s_k is sign k modulo `of`."""
    use_whole_vectors()
    sign = view(r, 0, n)
    for k in range(mu.size // n):
        s = signs[k % of]
        mean, spread = view(mu, k * n, n), view(delta, k * n, n)
        out = view(to, at + k * n, n)
        for f in range(n):
            out[f] = mean[f] + spread[f] * (s * sign[f])


@kernel
def _forward(n, conv, these):
    """One example: its kernel, its patches, their product, the activation."""
    w, filters, scratch = conv.window, conv.filters, these.scratch
    length = w.window_height * w.window_width * w.channels  # K
    weights = length * filters
    count = w.places_down * w.places_right * filters  # O
    pad(these.x, n * w.height * w.width * w.channels, w, scratch, conv.canvas)
    kernel, kernel_at = these.mu, 0
    # the bias, repeated over rows so that no short one is added alone
    height = 1 + 64 // filters
    shift = view(scratch, conv.shift, filters)
    put(view(these.shift, 0, filters), shift, False)
    if not conv.whole:
        signs = view(these.sign_input, n * w.channels, w.channels)
        flips = view(these.sign_output, n * filters, filters)
        _own_kernel(signs, flips, view(these.mu, 0, weights), view(these.delta, 0, weights),
                    filters, w.channels, scratch, conv.kernel)  # fmt: skip
        kernel, kernel_at = scratch, conv.kernel
        flip = view(these.flip, 0, filters)
        for f in range(filters):
            shift[f] += flip[f] * flips[f]
    for r in range(1, height):
        put(shift, view(scratch, conv.shift + r * filters, filters), False)
    for first in range(0, w.places_down, conv.tile):
        last = min(first + conv.tile, w.places_down)
        rows = (last - first) * w.places_right
        at = n * count + first * w.places_right * filters
        for r in range(0, rows, height):
            numbers = min(height, rows - r) * filters
            put(view(scratch, conv.shift, numbers), view(these.out, at + r * filters, numbers),
                False)  # fmt: skip
        take_patches(scratch, conv.canvas, w, first, last, conv.patches)
        row, step = (1, rows) if w.transposed else (length, 1)
        product(scratch, conv.patches, row, step, kernel, kernel_at, filters,
                these.out, at, filters, rows, filters, length, True)  # fmt: skip
    slope = view(scratch, conv.grad, count)
    if conv.slopes:
        slope = view(these.slope, n * count, count)
    activate(view(these.out, n * count, count), slope, conv.activation, conv.slopes == 1,
             conv.leak, conv.others)  # fmt: skip


@entry
def convolve(x, mu, delta, shift, flip, sign_input, sign_output, out, slope, settings, control,
             scratch, thread):  # fmt: skip
    """Set the outputs of some examples, and the activation's slopes.

    Parameters
    ----------
    x, mu, delta, shift, flip, sign_input, sign_output, out, slope : flat arrays of one dtype
        (B, I), (K, F) twice, (F,) twice: what is added to every place's outputs, and what is
        added times the output signs; (B, C), (B, F), (B, O) twice.
    settings : CONVOLUTION record (1,)
    control, scratch, thread
        As `tasks.py` says.
    """
    if not come(control, thread):
        return
    conv = settings[0]
    these = Examples(memory_of(x), memory_of(mu), memory_of(delta), memory_of(shift),
                     memory_of(flip), memory_of(sign_input), memory_of(sign_output),
                     memory_of(out), memory_of(slope), memory_of(scratch))  # fmt: skip
    count = (conv.rows + conv.chunk - 1) // conv.chunk
    while True:
        j = take(control, 0, count, thread)
        if j < 0:
            break
        for n in range(j * conv.chunk, min((j + 1) * conv.chunk, conv.rows)):
            _forward(n, conv, these)
        fetch_add(control, DONE, 1)
    wait(control, DONE, count, -1)


@kernel
def _add_flipped(g, signs, r, of, sums):
    """Add G (K, F) to the first of two sums, and G * (s_k r_f) to the second."""
    use_whole_vectors()
    n, size = r.size, g.size
    for k in range(size // n):
        s = signs[k % of]
        row, by_mu = view(g, k * n, n), view(sums, k * n, n)
        by_delta = view(sums, size + k * n, n)
        for f in range(n):
            by_mu[f] += row[f]
            by_delta[f] += row[f] * (s * r[f])


@kernel
def _by_inputs(n, conv, these, grad_x, transposed):
    """The gradient by one example's image, from that by its pre-activations in scratch."""
    w, filters, scratch = conv.window, conv.filters, these.scratch
    length = w.window_height * w.window_width * w.channels
    weights = length * filters
    size = w.canvas_height * w.canvas_width * w.channels
    kernel, kernel_at = transposed, 0
    if not conv.whole:
        signs = view(scratch, conv.signs, length)
        for k in range(0, length, w.channels):
            put(view(these.sign_input, n * w.channels, w.channels), view(signs, k, w.channels),
                False)  # fmt: skip
        _own_kernel(view(these.sign_output, n * filters, filters), signs,
                    view(transposed, 0, weights), view(transposed, weights, weights),
                    length, filters, scratch, conv.kernel)  # fmt: skip
        kernel, kernel_at = scratch, conv.kernel
    fill(view(scratch, conv.grad_canvas, size), 0.0)
    for first in range(0, w.places_down, conv.tile):
        last = min(first + conv.tile, w.places_down)
        rows = (last - first) * w.places_right
        product(scratch, conv.grad + first * w.places_right * filters, filters, 1,
                kernel, kernel_at, length,
                scratch, conv.grad_patches, length, rows, length, filters, False)  # fmt: skip
        add_patches(scratch, conv.grad_canvas, w, first, last, conv.grad_patches)
    unpad(scratch, conv.grad_canvas, w, grad_x, n * w.height * w.width * w.channels)


@kernel
def _backward(n, conv, these, grad, grad_x, transposed, sums):
    """One example's share of the gradients: into the sums, and by its image."""
    w, filters, scratch = conv.window, conv.filters, these.scratch
    length = w.window_height * w.window_width * w.channels
    places, weights = w.places_down * w.places_right, length * filters
    count = places * filters
    grad_a = view(scratch, conv.grad, count)
    multiply(view(grad, n * count, count), view(these.slope, n * count, count), grad_a)
    pad(these.x, n * w.height * w.width * w.channels, w, scratch, conv.canvas)
    for first in range(0, w.places_down, conv.tile):
        last = min(first + conv.tile, w.places_down)
        rows = (last - first) * w.places_right
        take_patches(scratch, conv.canvas, w, first, last, conv.patches)
        row, step = (rows, 1) if w.transposed else (1, length)
        product(scratch, conv.patches, row, step,
                scratch, conv.grad + first * w.places_right * filters, filters,
                scratch, conv.by_kernel, filters, length, filters, rows, first > 0)  # fmt: skip
    flips = view(these.sign_output, n * filters, filters)
    by_kernel = view(scratch, conv.by_kernel, weights)
    if conv.whole:
        put(by_kernel, view(sums, 0, weights), True)
    else:
        _add_flipped(by_kernel, view(these.sign_input, n * w.channels, w.channels), flips,
                     w.channels, sums)  # fmt: skip
    if conv.bias_kind != NONE:
        own = view(scratch, conv.sums, filters)
        column_sums(scratch, conv.grad, places, filters, own,
                    view(scratch, conv.sums + filters, filters))  # fmt: skip
        by_mu = view(sums, 2 * weights, filters)
        by_delta = view(sums, 2 * weights + filters, filters)
        one = type(own[0])(1.0)
        for f in range(filters):
            by_mu[f] += own[f]
            by_delta[f] += own[f] * (flips[f] if conv.bias_kind == NORMAL_FLIPPED else one)
    if conv.by_inputs:
        _by_inputs(n, conv, these, grad_x, transposed)


@kernel
def _update(j, conv, sums, layer, run, memory):
    """Add up the parts of some weights' gradients, in order, and use them up; last the bias's."""
    w = conv.window
    weights = w.window_height * w.window_width * w.channels * conv.filters
    begin = j * UPDATE_WEIGHTS
    is_bias = begin >= weights
    n = conv.filters if is_bias else min(UPDATE_WEIGHTS, weights - begin)
    first, second = (2 * weights, 2 * weights + n) if is_bias else (begin, weights + begin)
    by_mu, by_delta = view(memory.scratch, 0, n), view(memory.scratch, n, n)
    parts = (conv.rows + conv.chunk - 1) // conv.chunk
    for part in range(parts):
        put(view(sums, part * conv.part + first, n), by_mu, part > 0)
        put(view(sums, part * conv.part + second, n), by_delta, part > 0)
    start = 0 if is_bias else begin
    tensor = layer.bias if is_bias else layer.kernel
    if conv.whole or (is_bias and conv.bias_kind == DETERMINISTIC):
        update_point(tensor, start, by_mu, run, memory)
    else:
        update_tensor(tensor, start, by_mu, by_delta, run, memory)


@entry
def convolve_back(x, mu, delta, sign_input, sign_output, slope, grad, grad_x, transposed, sums,
                  settings, layers, runs, control, scratch, thread):  # fmt: skip
    """Set the gradients by the inputs and by the parameters.

    Parameters
    ----------
    x, mu, delta, sign_input, sign_output, slope
        As for `convolve`.
    grad : flat array (B, O)
        The loss's gradient by the outputs.
    grad_x : flat array (B, I), set where it is asked for
    transposed : flat array, two (F, K)
        Room for mu and delta, transposed.
    sums : flat array (tasks, conv.part)
        Room for the parts of the sums.
    settings : CONVOLUTION record (1,)
    layers, runs : LAYER and RUN records (1,)
        Of the sweep that sampled, and with it where the gradients go.
    control, scratch, thread
        As `tasks.py` says.
    """
    if not come(control, thread):
        return
    conv, run = settings[0], runs[0]
    w = conv.window
    at = memory_of(sums)
    these = Examples(memory_of(x), memory_of(mu), memory_of(delta), memory_of(mu), memory_of(mu),
                     memory_of(sign_input), memory_of(sign_output), memory_of(grad_x),
                     memory_of(slope), memory_of(scratch))  # fmt: skip
    memory = memory_for(run, x, scratch)
    length = w.window_height * w.window_width * w.channels
    weights = length * conv.filters
    chunks = (conv.rows + conv.chunk - 1) // conv.chunk
    updates = (weights + UPDATE_WEIGHTS - 1) // UPDATE_WEIGHTS
    updates += 1 if conv.bias_kind != NONE else 0
    before = 0
    for phase in range(3):
        transposes = (1 if conv.whole else 2) if conv.by_inputs else 0
        count = (transposes, chunks, updates)[phase]
        while True:
            j = take(control, phase, count, thread)
            if j < 0:
                break
            wait(control, DONE, before, -1)
            if phase == 0:
                transpose(these.mu if j == 0 else these.delta, 0, conv.filters,
                          memory_of(transposed), j * weights, length, length,
                          conv.filters)  # fmt: skip
            elif phase == 1:
                part = view(at, j * conv.part, conv.part)
                fill(part, 0.0)
                for n in range(j * conv.chunk, min((j + 1) * conv.chunk, conv.rows)):
                    _backward(n, conv, these, memory_of(grad), memory_of(grad_x),
                              memory_of(transposed), part)  # fmt: skip
            else:
                _update(j, conv, at, layers[0], run, memory)
            fetch_add(control, DONE, 1)
        before += count
    wait(control, DONE, before, -1)
