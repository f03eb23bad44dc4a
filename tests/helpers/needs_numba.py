"""What a test of compiled code imports first: it skips where numba cannot compile."""

import pytest

numba = pytest.importorskip("numba", exc_type=ImportError)
if numba.config.DISABLE_JIT:
    pytest.skip("NUMBA_DISABLE_JIT is set", allow_module_level=True)
