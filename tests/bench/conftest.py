"""Makes ``bench`` importable from the checkout that these tests lie in, if it lies there too.

By its file, not by putting the checkout's root on the path: the installed package stays in front.
"""

import importlib.util
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "bench"

if "bench" not in sys.modules and (FOLDER / "__init__.py").exists():
    spec = importlib.util.spec_from_file_location(
        "bench", FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
    )
    sys.modules["bench"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["bench"])


@pytest.fixture
def speed_made_up(monkeypatch):
    """What the machine does, said and not measured: that takes as long as a small bench.

    Measured by `test_every_bench_of_the_list_runs` and `test_bench_yardstick.py`.
    """
    from bench.crew import Crew
    from bench.workloads import parse

    def measure(crew):
        sizes = {parse(cell.workload).adam_working_set(crew.dtype) for cell in crew.cells}
        bandwidth = {str(size): 1e10 for size in sizes}
        crew.yardsticks.append({"fma": 5e10, "blas": 4e10, "bandwidth": bandwidth})

    monkeypatch.setattr(Crew, "measure_yardstick", measure)
    monkeypatch.setattr(Crew, "hop", lambda crew, give_up=0.0: 30e-9)
