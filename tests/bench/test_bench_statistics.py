"""The bench's intervals: worked numbers, scipy's tests, and coverage and power by simulation."""

import numpy as np
import pytest

pytest.importorskip("bench", reason="the bench is not in this checkout")

from bench.slopes import curve, fit_floor, slope_of
from bench.statistics import (
    Comparison,
    Interval,
    bootstrap,
    compare,
    compare_apart,
    median_interval,
    needed,
    needed_apart,
    share_level,
    spread,
)


def test_interval_of_ten_samples_is_the_second_and_ninth():
    # P(2nd <= median <= 9th) = 1 - 2 (1 + 10) / 2^10 = 0.97852; the 3rd and 8th reach 0.89
    found = median_interval(np.arange(10.0)[::-1])
    assert found == Interval(4.5, 1.0, 8.0, pytest.approx(1 - 22 / 1024))


def test_few_samples_give_the_extremes_and_say_what_they_reach():
    assert median_interval([3.0, 1.0, 2.0]) == Interval(2.0, 1.0, 3.0, pytest.approx(0.75))
    assert median_interval([5.0]) == Interval(5.0, 5.0, 5.0, pytest.approx(0.0))


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


def test_six_processes_on_one_side_are_the_fewest_at_five_percent():
    # all of n on one side has probability 2 / 2^n: .0625 for five, .03125 for six
    assert needed(0.05) == 6
    assert needed(share_level(60)) == 12
    ones = np.ones(5)
    assert compare(1.1 * ones, ones).verdict == "no verdict: 5 of 6 processes"
    assert compare([1.1], [1.0]).verdict == "seen once: no verdict"
    assert compare(1.1 * np.ones(6), np.ones(6)).verdict == "slower"


def test_worked_example_of_signed_ranks():
    # differences 1 .. 8 of which the smallest is negative: the ranks' sum is 1 on that side, and
    # P(sum <= 1) = 2 / 256, so that 1 is left out at .05; the interval starts at the 4th of the
    # pairwise means, for P(sum <= 3) = 5 / 256 = .0195 and P(sum <= 4) = 7 / 256 = .0273
    logs = np.array([-1.0, 2, 3, 4, 5, 6, 7, 8]) / 100
    found = compare(np.exp(logs), np.ones(8))
    means = np.sort([(a + b) / 2 for k, a in enumerate(logs) for b in logs[k:]])
    assert np.log(found.low) == pytest.approx(means[3])
    assert np.log(found.high) == pytest.approx(means[-4])
    assert np.log(found.ratio) == pytest.approx(np.median(means))


def test_verdicts_are_those_of_scipys_exact_tests():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(2)
    for _ in range(150):
        a, b = np.exp(0.05 * rng.standard_normal((2, 12)) + [[0.03], [0]])
        beside, apart = compare(a, b), compare_apart(a, b[:9])
        p = stats.wilcoxon(np.log(a / b), method="exact").pvalue
        assert (not beside.low <= 1 <= beside.high) == (p <= 0.05)
        p = stats.mannwhitneyu(a, b[:9], method="exact").pvalue
        assert (not apart.low <= 1 <= apart.high) == (p <= 0.05)


def test_runs_apart_need_processes_too():
    assert needed_apart(1, 19) == pytest.approx(0.1)
    assert needed_apart(4, 4) == pytest.approx(2 / 70)
    found = compare_apart(1.2 * np.ones(4), np.ones(4))
    assert (found.low, found.high) == (pytest.approx(1.2), pytest.approx(1.2))


@pytest.mark.parametrize(
    ("theirs", "ours"), [([1.0, 2.0], [1.0]), ([], []), ([0.0, 1.0], [1.0, 1.0]),
                         ([float("inf"), 1.0], [1.0, 1.0])]
)  # fmt: skip
def test_what_cannot_be_compared_is_refused(theirs, ours):
    with pytest.raises(ValueError, match="expected"):
        compare(theirs, ours)


@pytest.mark.parametrize(
    ("low", "high", "shows", "says"),
    [
        (1.01, 1.2, 0.1, "slower"),
        (0.5, 0.99, 0.1, "faster"),
        (0.95, 1.05, 0.04, "no difference shown"),
        (0.7, 1.4, 0.5, "too noisy to tell"),
    ],
)
def test_verdict(low, high, shows, says):
    assert Comparison(1.0, low, high, 10, 0.05, shows).verdict == says


# A process's own luck, 5 % of its time: normal, with heavy tails, or a quarter of the processes at
# a lower rate. One contender on small, middle and large workloads has more luck or less.
LUCK = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "heavy": lambda rng, n: rng.standard_t(3, n) / np.sqrt(3),
    "episodes": lambda rng, n: 1.5 * (rng.random(n) < 0.25) + 0.5 * rng.standard_normal(n),
}
SIZES = {"small": 0.06, "middle": 0.03, "large": 0.015}


def times(rng, kind, spread, processes, rounds=5):
    """Return the medians of processes whose luck is shared by their rounds, which add 1 %."""
    luck = spread * LUCK[kind](rng, processes)[:, None]
    return np.median(np.exp(luck + 0.01 * rng.standard_normal((processes, rounds))), axis=1)


@pytest.mark.parametrize("kind", LUCK)
@pytest.mark.parametrize("size", SIZES)
def test_identical_contenders_exclude_1_in_at_most_4_of_40(kind, size):
    rng = np.random.default_rng(40)
    outside = 0
    for _ in range(40):
        a, b = (times(rng, kind, SIZES[size], 20) for _ in range(2))
        found = compare(a, b, share_level(3))
        outside += not found.low <= 1 <= found.high
    assert outside <= 4  # at 1.7 % a row, more than 4 of 40 have a chance of 7e-4


def test_rounds_of_one_process_would_exclude_1_far_more_often():
    """The fault that processes are for: many rounds in two processes narrow the wrong thing."""
    rng = np.random.default_rng(6)
    outside = 0
    for _ in range(40):
        luck = 0.03 * rng.standard_normal(2)
        a, b = np.exp(luck[:, None] + 0.01 * rng.standard_normal((2, 20)))
        found = compare(a, b, share_level(3))
        outside += not found.low <= 1 <= found.high
    assert outside > 20


@pytest.mark.parametrize("kind", LUCK)
@pytest.mark.parametrize("planted", [0.03, 0.05, 0.10])
def test_planted_slowdown_is_found_where_the_run_says_that_it_could(kind, planted):
    rng = np.random.default_rng(9)
    could = found = 0
    for spread_ in SIZES.values():
        for processes in (10, 20, 40):
            for _ in range(20):
                a, b = (times(rng, kind, spread_, processes) for _ in range(2))
                one = compare((1 + planted) * a, b, share_level(3))
                assert one.verdict != "faster"
                if one.shows <= planted:
                    could, found = could + 1, found + (one.verdict == "slower")
    assert could >= 20  # the promise is made often enough to be tested
    assert found >= 0.9 * could


def test_a_run_says_that_it_could_show_about_what_it_can():
    """Neither a promise that is never made: at a known spread, it is within 2 of the truth."""
    rng = np.random.default_rng(3)
    promised = np.median([
        compare(*np.exp(0.03 * rng.standard_normal((2, 20)))).shows for _ in range(200)
    ])  # fmt: skip
    error = 0.03 * np.sqrt(2) / np.sqrt(20)
    true = (1.96 + 1.28) * error
    assert true < promised < 2 * true


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
