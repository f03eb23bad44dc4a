"""Without the extras: every room can be imported, or says which extra it needs."""

import subprocess
import sys

EXTRAS = ("matplotlib", "sklearn", "dask", "distributed", "tqdm", "mpmath", "pandas", "hypothesis",
          "threadpoolctl", "jax", "torch", "tensorflow", "bayesian_torch")  # fmt: skip
WITHOUT = f"""
import sys
for name in {EXTRAS}:
    sys.modules[name] = None
"""
WALK = """
import importlib, pkgutil, bnn_ref
FOREIGN = ("bnn_ref.verification.frameworks.", "bnn_ref.verification.recording.")
for info in pkgutil.walk_packages(bnn_ref.__path__, "bnn_ref.", onerror=lambda name: None):
    if info.name.endswith("__main__") or info.name.startswith(FOREIGN):
        continue
    try:
        importlib.import_module(info.name)
    except ImportError as error:
        print(info.name, error, sep=": ")
"""
CALLS = """
from bnn_ref import report
from bnn_ref.plot.axes import pyplot
from bnn_ref.report.sweep import plot_sweep
from bnn_ref.sweep.engine import connect
from bnn_ref.verification.frameworks import load
for call in (pyplot, lambda: report.make_report(None), lambda: plot_sweep([], "none.png"),
             lambda: connect().__enter__(), *(
                 lambda name=name: load(name) for name in ("jax", "torch", "bayesian-torch"))):
    try:
        call()
    except ImportError as error:
        print(error)
"""


def said(code):
    """Return the lines that a process without the extras prints."""
    done = subprocess.run([sys.executable, "-c", WITHOUT + code], capture_output=True, text=True,
                          timeout=100, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_every_module_is_imported_or_names_its_extra():
    assert sorted(set(said(WALK))) == [
        "bnn_ref.sklearn: bnn_ref.sklearn: expected scikit-learn, found none: "
        "python -m pip install 'bnn_ref[sklearn]'",
        "bnn_ref.verification.implementations.strategies: the strategies: expected hypothesis, "
        "found none: python -m pip install 'bnn_ref[test]'",
        *(
            f"bnn_ref.verification.vectors.{name}: the oracle: expected mpmath, found none: "
            "python -m pip install 'bnn_ref[all]'"
            for name in ("oracle", "oracle_images")
        ),
    ]


def test_what_needs_an_extra_names_it_when_called():
    extras = ("plot", "plot", "plot", "sweep", "jax", "torch", None)
    for line, extra in zip(said(CALLS), extras, strict=True):
        wanted = "bayesian-torch" if extra is None else f"'bnn_ref[{extra}]'"
        assert line.endswith(f": python -m pip install {wanted}"), line
