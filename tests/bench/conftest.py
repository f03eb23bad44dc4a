"""Makes ``bench`` importable from the checkout that these tests lie in, if it lies there too.

By its file, not by putting the checkout's root on the path: the installed package stays in front.
"""

import importlib.util
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "bench"

if "bench" not in sys.modules and (FOLDER / "__init__.py").exists():
    spec = importlib.util.spec_from_file_location(
        "bench", FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
    )
    sys.modules["bench"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["bench"])
