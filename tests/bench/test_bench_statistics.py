"""The bench's intervals: worked numbers, the binomial distribution, and coverage by simulation."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("bench", reason="the bench is not in this checkout")

from bench.slopes import curve, fit_floor, slope_of
from bench.statistics import (
    Interval,
    bootstrap,
    median_interval,
    ratio_interval,
    spread,
    verdict,
)


def test_interval_of_ten_samples_is_the_second_and_ninth():
    # P(2nd <= median <= 9th) = 1 - 2 (1 + 10) / 2^10 = 0.97852; the 3rd and 8th reach 0.89
    found = median_interval(np.arange(10.0)[::-1])
    assert found == Interval(4.5, 1.0, 8.0, pytest.approx(1 - 22 / 1024))


def test_few_samples_give_the_extremes_and_say_what_they_reach():
    assert median_interval([3.0, 1.0, 2.0]) == Interval(2.0, 1.0, 3.0, pytest.approx(0.75))
    assert median_interval([5.0]) == Interval(5.0, 5.0, 5.0, pytest.approx(0.0))


def test_fifteen_rounds_use_the_fourth_sample():
    found = median_interval(np.arange(1.0, 16.0))
    assert (found.low, found.high) == (4.0, 12.0)
    assert found.confidence == pytest.approx(1 - 2 * (1 + 15 + 105 + 455) / 2**15)


@pytest.mark.parametrize("bad", [[], [1.0, float("nan")], [float("inf")]])
def test_interval_refuses_what_is_no_sample(bad):
    with pytest.raises(ValueError, match="samples: expected finite numbers"):
        median_interval(bad)


def test_interval_holds_the_median_as_often_as_it_says():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(2000):
        found = median_interval(rng.exponential(size=15))
        hits += found.low <= np.log(2) <= found.high
    # 0.9648 promised; 2000 trials have a standard error of 0.0041
    assert abs(hits / 2000 - found.confidence) < 0.02


def test_ratio_is_taken_round_by_round():
    machine = np.array([1.0, 2.0, 5.0, 1.5, 3.0, 1.0, 4.0])  # what both suffer cancels
    found = ratio_interval(3 * machine, machine)
    assert found[:3] == (3.0, 3.0, 3.0)
    with pytest.raises(ValueError, match="found 2 and 3"):
        ratio_interval([1.0, 2.0], [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (1.01, 1.2, "ours is faster"),
        (0.5, 0.99, "ours is slower"),
        (0.95, 1.05, "no difference shown"),
        (0.7, 1.4, "too noisy to tell"),
    ],
)
def test_verdict(low, high, says):
    assert verdict(Interval(1.0, low, high, 0.95)) == says


def test_spread_is_half_the_quartiles_distance():
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(1 / 3)


def test_bootstrap_of_a_mean_agrees_with_its_standard_error():
    samples = np.random.default_rng(0).normal(10, 2, 400)
    low, high = bootstrap([samples], lambda one: one[0].mean(axis=1))
    assert high - low == pytest.approx(2 * 1.96 * 2 / 20, rel=0.15)
    assert low < samples.mean() < high


def test_slope_and_floor_of_exact_curves():
    batches = np.array([16, 32, 64, 128])
    assert slope_of(batches, 5.0 / batches) == pytest.approx(-1)
    assert slope_of(batches, np.full(4, 2.0)) == pytest.approx(0)
    a, b = fit_floor(batches, 0.25 + 8.0 / batches)
    assert (a, b) == (pytest.approx(0.25), pytest.approx(8.0))


def test_curve_tells_a_floor_from_none():
    rng = np.random.default_rng(3)
    batches = [16, 64, 256, 1024]
    falls = [rng.chisquare(8, 500) / 8 / batch for batch in batches]
    level = [rng.chisquare(8, 500) / 8 * (0.01 + 1 / batch) for batch in batches]
    assert curve(batches, falls).floor[1] < 0 < curve(batches, falls).floor[2]
    value, low, high = curve(batches, level).floor
    assert low < 0.01 < high
    assert low > 0.005
    assert curve(batches, falls).slope[1] < -1 < curve(batches, falls).slope[2]
    assert value == pytest.approx(0.01, rel=0.1)


def test_peak_memory_is_the_process_s_own_not_its_parents():
    code = (
        "import subprocess, sys; ballast = b'x' * 300_000_000;"
        "print(subprocess.run([sys.executable, "
        "'-c', 'from bench.worker import peak_memory; print(peak_memory())'], "
        "capture_output=True, text=True, check=True).stdout)"
    )
    root = Path(__file__).resolve().parents[2]
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True,
                           check=True).stdout  # fmt: skip
    assert 5e6 < int(found) < 200e6
