"""Places of buffers in one array, and the cut of work into tasks."""

SAMPLE_WEIGHTS = 8192  # of one task, which adds up their KL


def cut(total, size):
    """Return the stretches (begin, end) of that size that make up the total."""
    return [(begin, min(begin + size, total)) for begin in range(0, total, size)]


class Buffers:
    """Places in one flat array, given out one after the other, each a cache line's start.

    Neighbours are kept from sharing their address modulo 4096, which would slow loops that walk
    several of them together.
    """

    def __init__(self):
        self.size = 0
        self._count = 0

    def take(self, length):
        """Return the place of `length` new entries."""
        self._count += 1
        place = self.size + 64 * (self._count % 7)
        self.size = place + -(-length // 64) * 64
        return place
