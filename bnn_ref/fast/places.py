"""Places of buffers in one array, and the cut of work into tasks."""

SAMPLE_WEIGHTS = 8192  # of one task, which adds up their KL
SWEEP_TASKS, SWEEP_NUMBERS = 16, 4096  # most tasks; least numbers of one


def cut(total, size):
    """Return the stretches (begin, end) of that size that make up the total."""
    return [(begin, min(begin + size, total)) for begin in range(0, total, size)]


def cut_evenly(total, size, whole):
    """Return stretches (begin, end) of at most that size and of nearly as many whole tiles each.

    Their number is even, where there is more than one: two threads then have as much to do.

    Parameters
    ----------
    total, size : int
    whole : int
        Of a tile; size is a multiple.
    """
    tiles, count = -(-total // whole), -(-total // size)
    count = min(tiles, count + count % 2) if count > 1 else count
    bounds = [tiles * k // count * whole for k in range(count)]
    return list(zip(bounds, [*bounds[1:], total], strict=True))


def rows_of_task(rows, length):
    """Return how many rows of that many numbers one task of a sweep over all of them takes.

    Tasks are at most `SWEEP_TASKS`, for each has room for sums, and large enough to be worth it.
    """
    return max(-(-rows // SWEEP_TASKS), -(-SWEEP_NUMBERS // length))


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
