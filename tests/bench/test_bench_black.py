"""The bench of long runs on black inputs: what it makes happen, not how long it takes."""

import needs_numba  # noqa: F401
import pytest

pytest.importorskip("psutil", reason="psutil is not installed (pip install -e '.[bench]')")
pytest.importorskip("bench", reason="no bench/ beside these tests")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_moments_of_black_inputs_end_at_0_and_never_stay_subnormal(dtype):
    from bench.benches import black
    from bench.settings import Settings

    rounds = 25 if dtype == "float32" else 140  # 0.9^t reaches 1e-38, 1e-308
    settings = Settings(["13-50-2/32"], ["ours_numba"], 1, rounds, dtype, 1, 0.1, "digits", 20)
    found = black.run(settings, lambda line: None)
    plain, dark = found["cells"]
    assert len(plain["processes"][0]) == len(dark["processes"][0]) == rounds
    by_black_inputs = 7 * 50 * 2  # mu and rho of the weights of inputs 0, 2, ..., 12
    assert dark["seen"]["zero_moments"] >= by_black_inputs > plain["seen"]["zero_moments"]
    assert plain["seen"]["subnormal_moments"] == dark["seen"]["subnormal_moments"] == 0
    table = black.tables(found)[0]
    assert len(table.rows) == black.PARTS
    assert table.rows[-1][1].endswith(f"{rounds * black.STRETCH:,}")
