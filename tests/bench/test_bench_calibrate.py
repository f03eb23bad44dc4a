"""The ruler's own measurement: what it counts, on cells whose truth is known, and one real run."""

import json

import numpy as np
import pytest

pytest.importorskip("bench", reason="the bench is not in this checkout")
pytest.importorskip("psutil", reason="psutil is not installed")

from bench import calibrate
from bench.cli import main


def cells_of(factors, runs, processes, luck, seed=0):
    """Return cells of one workload, `factors[name]` times as slow, a process's luck as given."""
    rng = np.random.default_rng(seed)
    return [
        {"workload": "13-50-2/32", "contender": name, "refusal": None, "processes":
            [[factor * float(one)] for one in np.exp(luck * rng.standard_normal(runs * processes))]}
        for name, factor in factors.items()
    ]  # fmt: skip


def test_what_is_planted_is_counted():
    planted = {"again:": 1.0, "slow-1.03:": 1.03, "slow-1.10:": 1.10, "": 1.0}
    factors = {kind + calibrate.BASE: factor for kind, factor in planted.items()}
    judged = calibrate.judge(cells_of(factors, 30, 12, 0.02), 12)
    assert len(judged) == 30 * 3
    again, small, large = calibrate.summarize(judged)
    assert again[0] == "A/A"
    assert int(again[1]) == 30
    assert int(again[2]) <= 4
    assert small[0] == "3% slower"
    assert large[0] == "10% slower"
    assert int(large[4]) >= 20  # at this luck 10 % can be shown
    assert int(large[5]) >= 0.9 * int(large[4])
    assert int(small[4]) < int(large[4])
    assert [row[6] for row in (small, large)] == ["0", "0"]


def test_a_ruler_that_lies_is_seen():
    """Half of one process's luck in all of a run's: the A/A rows exclude 1."""
    cells = cells_of({calibrate.BASE: 1.0, f"again:{calibrate.BASE}": 1.0}, 30, 12, 0.002)
    shift = np.repeat(np.exp(0.03 * np.random.default_rng(1).standard_normal(30)), 12)
    for process, factor in zip(cells[1]["processes"], shift, strict=True):
        process[0] *= factor
    assert int(calibrate.summarize(calibrate.judge(cells, 12))[0][2]) > 10


def test_variation_is_the_deviation_over_the_mean():
    assert calibrate.variation([1.0]) == 0.0
    assert calibrate.variation([9.0, 10.0, 11.0]) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--processes", "3"], "processes: expected at least 9"),
        (["--runs", "0"], "runs: expected at least 1, found 0"),
        (["--burst", "0"], "burst: expected seconds above 0"),
        (["--workloads", "nonsense"], "nonsense"),
    ],
)
def test_what_cannot_be_measured_is_refused(options, says, capsys):
    assert main(["calibrate", *options]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert len(said.splitlines()) == 1


@pytest.mark.slow
def test_a_real_run_is_written_and_read_back(tmp_path, capsys):
    pytest.importorskip("numba", reason="numba is not installed")
    pytest.importorskip("pyperf", reason="pyperf is not installed")
    place = tmp_path / "ruler.json"
    arguments = ["--runs", "1", "--rounds", "1", "--burst", "0.01", "--workloads", "13-50-2/32"]
    assert main(["calibrate", *arguments, "--processes", "8", "--json", str(place)]) == 0
    document = json.loads(place.read_text(encoding="utf-8"))
    assert len(document["judged"]) == 4
    assert len(document["peaks"]) == 8
    assert calibrate.table(document).text() in capsys.readouterr().out
