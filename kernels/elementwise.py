"""An activation alone, some numbers at a time. Twin: `bnn_ref/layers/elementwise.py`."""

import numpy as np

from .activations import activate
from .addresses import fetch_add, memory_of, view
from .arrays import multiply, put
from .entries import entry
from .tasks import DONE, come, take, wait

ELEMENTWISE = np.dtype(
    [
        ("leak", np.float64),
        *((name, np.int64) for name in ("activation", "others", "size", "chunk", "slopes")),
    ]
)


@entry
def elementwise(x, out, slope, settings, back, control, scratch, thread):
    """Set the outputs, and if asked the slopes; or, `back`, the gradient by x, from that by them.

    Parameters
    ----------
    x, out, slope : flat arrays of one dtype
        Inputs, outputs and derivatives; with `back`, x and out are the gradients by them.
    settings : ELEMENTWISE record (1,)
        Numbers in all, and of a task; whether slopes are kept.
    back : bool
    control, scratch, thread
        As `tasks.py` says.
    """
    if not come(control, thread):
        return
    this = settings[0]
    source, to, slopes = memory_of(x), memory_of(out), memory_of(slope)
    count = (this.size + this.chunk - 1) // this.chunk
    while True:
        j = take(control, 0, count, thread)
        if j < 0:
            break
        begin = j * this.chunk
        n = min(this.chunk, this.size - begin)
        a, h = view(source, begin, n), view(to, begin, n)
        if back:
            multiply(h, view(slopes, begin, n), a)
        else:
            put(a, h, False)
            room = view(slopes, begin, n) if this.slopes else view(memory_of(scratch), 0, n)
            activate(h, room, this.activation, this.slopes == 1, this.leak,
                     this.others)  # fmt: skip
        fetch_add(control, DONE, 1)
    wait(control, DONE, count, -1)
