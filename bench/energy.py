"""Joules from the processor's own counters (RAPL), where the system lets them be read."""

from pathlib import Path

FOLDER = Path("/sys/class/powercap")


def counters(folder=FOLDER):
    """Return [(file of microjoules, where it wraps)] of every package; [] where none can be read.

    Parameters
    ----------
    folder : Path
        Of the kernel's powercap tree.
    """
    readable = []
    for place in sorted(Path(folder).glob("intel-rapl:?")):  # packages, not the zones in them
        try:
            int((place / "energy_uj").read_text())
            readable.append((place / "energy_uj", int((place / "max_energy_range_uj").read_text())))
        except (OSError, ValueError):
            continue
    return readable


class Meter:
    """Counts joules from its making; a counter wraps at a known number."""

    def __init__(self, folder=FOLDER):
        self.counters = counters(folder)
        self.start = self._read()

    def _read(self):
        return [int(file.read_text()) for file, _ in self.counters]

    def joules(self):
        """Return the joules since the making, or None where there is no counter."""
        if not self.counters:
            return None
        pairs = zip(self._read(), self.start, self.counters, strict=True)
        return sum((now - before) % (most + 1) for now, before, (_, most) in pairs) / 1e6
