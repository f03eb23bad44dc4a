"""Two small runs and their reports: classes of images, and numbers of a table of one column."""

import numpy as np
import pytest

DRAWS = 5


def train(folder, *words):
    from bnn_ref.cli import main

    words = ["train", "--backend", "numpy", "--draws", str(DRAWS), *map(str, words)]
    assert main([*words, "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory):
    """A run on the bundled digits, half trained: some rows are wrong, some unsure."""
    folder = tmp_path_factory.mktemp("report") / "digits"
    return train(folder, "--layers", 12, "--steps", 150)


@pytest.fixture(scope="session")
def line_run(tmp_path_factory):
    """A run on a table of one input column with a hole in it; its target is far from 0 and 1."""
    folder = tmp_path_factory.mktemp("report")
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.uniform(-40, -10, 60), rng.uniform(10, 40, 60)])
    y = 1000 + 5 * x + rng.normal(0, 20, x.size)
    np.savetxt(folder / "t.csv", np.c_[x, y], delimiter=",", header="heat,yield", comments="")
    return train(folder / "line", "--layers", 8, "--steps", 300, "--data", folder / "t.csv",
                 "--target", "yield")  # fmt: skip


@pytest.fixture(scope="session")
def digits_report(digits_run):
    """The `Report` of `digits_run`."""
    from bnn_ref.report import make_report
    from bnn_ref.runs.opened import open_run

    return make_report(open_run(digits_run))


@pytest.fixture(scope="session")
def line_report(line_run):
    """The `Report` of `line_run`."""
    from bnn_ref.report import make_report
    from bnn_ref.runs.opened import open_run

    return make_report(open_run(line_run))


@pytest.fixture(scope="session")
def pages(digits_report, line_report, tmp_path_factory):
    """The two pages, as files."""
    from bnn_ref.report import write_page

    folder = tmp_path_factory.mktemp("pages")
    write_page(digits_report, folder / "digits.html")
    write_page(line_report, folder / "line.html")
    return [folder / "digits.html", folder / "line.html"]
