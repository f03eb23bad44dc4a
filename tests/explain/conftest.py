"""Small trained runs, made once."""

import pytest

from bnn_ref.cli import main


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory):
    """The folder of a short run on the digits, float32."""
    folder = tmp_path_factory.mktemp("explained") / "run"
    words = ["train", "--backend", "numpy", "--layers", "8,6", "--steps", "15", "--draws", "2"]
    assert main([*words, "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def table_run(tmp_path_factory):
    """The folder of a short run on a numeric table, batches of 1, two draws a step, float64."""
    import numpy as np

    folder = tmp_path_factory.mktemp("explained")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 3))
    table = np.c_[x, x @ [1, -2, 0.5]]
    np.savetxt(folder / "t.csv", table, delimiter=",", header="a,b,c,y", comments="")
    words = ["train", "--backend", "numpy", "--layers", "4", "--steps", "6", "--batch-size", "1",
             "--dtype", "float64", "--draws-per-step", "2", "--kl-weight", "0.01",
             "--data", str(folder / "t.csv"), "--target", "y"]  # fmt: skip
    assert main([*words, "--out", str(folder / "run")]) == 0
    return folder / "run"
