"""The benches, a file each.

Each has ``HELP``, ``WORKLOADS`` (the default choice), ``run(settings, say)``, which returns what
goes into the JSON file, ``tables(found)``, and ``plot(found, path)``; where it differs from the
rule, ``CONTENDERS``, ``PROCESSES``, ``ROUNDS``, and ``AGAIN = False`` for one without an A/A row.
"""

from importlib import import_module

NAMES = (
    "step", "growth", "predict", "start", "fit", "memory", "kernels", "threads", "black",
    "variance",
)  # fmt: skip


def get_bench(name):
    """Return a bench's module.

    Raises
    ------
    ValueError
        For an unknown name.
    """
    if name not in NAMES:
        raise ValueError(f"bench: expected one of {', '.join(NAMES)}, found {name!r}")
    return import_module(f".{name}", __name__)
