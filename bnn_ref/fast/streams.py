"""The noise of any layer, drawn by compiled code."""

import numpy as np

from ..border import check_word
from ..kernels.philox import GROUP, ROOM, fill_keeps, fill_normals, fill_signs
from ..noise import PURPOSES, TENSORS, Stream


class CompiledStream(Stream):
    """A `Stream` whose draws are compiled. Twin: `bnn_ref.noise.Stream`.

    Signs and masks are the same; float64 normals are within 4 units in the last place of the
    twin's and float32 ones within 6.
    """

    def _words(self, tensor):
        seed, layer = check_word(self.seed, "seed", 64), check_word(self.layer, "layer", 24)
        step, draw = check_word(self.step, "step"), check_word(self.draw, "draw")
        stream = PURPOSES[self.purpose] << 28 | TENSORS[tensor] << 24 | layer
        return np.array([seed & 0xFFFFFFFF, seed >> 32, step, draw, stream], np.uint32)

    def normals(self, shape, tensor):
        """Return the tensor's standard normals; as `Stream.normals`."""
        out = np.empty(shape, self.dtype)
        check_blocks(-(-out.size // 4))
        fill_normals(out.reshape(-1), np.empty(ROOM, self.dtype), self._words(tensor))
        return out

    def signs(self, rows, columns, tensor):
        """Return the tensor's -1 and +1; as `Stream.signs`."""
        check_blocks((self.first_row + rows) * -(-columns // 128))
        out = np.empty((rows, columns), self.dtype)
        fill_signs(out, self.first_row, np.empty(GROUP, self.dtype), self._words(tensor))
        return out

    def keeps(self, rows, columns, rate):
        """Return 1 and 0, the latter with probability `rate`; as `Stream.keeps`."""
        check_blocks((self.first_row + rows) * -(-columns // 4))
        out = np.empty((rows, columns), self.dtype)
        least, words = round(rate * 2**32), np.empty(GROUP, np.uint32)
        fill_keeps(out, self.first_row, least, words, self._words("keep"))
        return out


def check_blocks(count):
    """Raise a `ValueError` where a tensor needs more blocks of the generator than a stream has."""
    check_word(count, "block (the tensor is too large for one stream)")
