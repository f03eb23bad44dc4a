"""Which rows are held out: by class where there are classes, the documented ones for digits."""

import numpy as np
import pytest

from bnn_ref.data import load
from bnn_ref.data.split import quotas, split
from bnn_ref.noise import permutation


def test_digits_and_regressions_are_split_as_ever():
    order = permutation(100, 3, "split")
    rows, held = split(100, 20, 3)
    np.testing.assert_array_equal(held, np.sort(order[:20]))
    np.testing.assert_array_equal(rows, np.sort(order[20:]))
    digits = load()
    whole = load(holdout=0).train.y
    np.testing.assert_array_equal(
        digits.validation.y, whole[np.sort(permutation(1797, 0, "split")[:360])]
    )


@pytest.mark.parametrize("seed", range(20))
def test_case_46_each_class_is_held_out_by_its_share(seed):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(6), rng.integers(2, 40, 6))
    rng.shuffle(labels)
    count = len(labels)
    for holdout in (1, 5, 6, count // 5, count // 2, count - 6):
        rows, held = split(count, holdout, seed, labels)
        np.testing.assert_array_equal(np.sort(np.r_[rows, held]), np.arange(count))
        assert len(held) == holdout
        assert len(np.unique(labels[rows])) == 6
        if holdout >= 6:
            assert len(np.unique(labels[held])) == 6
    rows, held = split(count, count // 5, seed, labels)
    share = np.bincount(labels[held], minlength=6) - count // 5 * np.bincount(labels) / count
    assert np.abs(share).max() < 2
    names = np.array([f"class {k}" for k in labels], object)
    np.testing.assert_array_equal(split(count, count // 5, seed, names)[1], held)
    assert not np.array_equal(split(count, count // 5, seed + 1, labels)[1], held)


def test_quotas_by_hand():
    np.testing.assert_array_equal(quotas(np.array([50, 30, 20]), 10), [5, 3, 2])
    np.testing.assert_array_equal(quotas(np.array([96, 2, 2]), 10), [8, 1, 1])
    np.testing.assert_array_equal(quotas(np.array([2, 2, 2]), 3), [1, 1, 1])
    np.testing.assert_array_equal(quotas(np.array([10, 10, 2]), 19), [9, 9, 1])


def test_a_class_of_one_row_cannot_be_drawn_by_class():
    labels = np.array([0] * 9 + [1])
    np.testing.assert_array_equal(split(10, 4, 0, labels)[1], split(10, 4, 0)[1])


def test_every_row_of_a_class_is_equally_likely():
    """Of 4 rows of a class one is held out: each in a fourth of 2,000 seeds, within 6 errors."""
    labels = np.array([0, 1] * 4)
    held = np.zeros(8)
    for seed in range(2000):
        held[split(8, 2, seed, labels)[1]] += 1
    assert np.abs(held / 2000 - 0.25).max() < 6 * np.sqrt(0.25 * 0.75 / 2000)


def test_case_46_a_class_that_only_held_out_rows_have_is_one_of_all(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,y\n" + "".join(f"{k},{['no', 'yes'][k % 2]}\n" for k in range(20))
                    + "20,maybe\n")  # fmt: skip
    seeds = [s for s in range(40) if 20 in split(21, 4, s)[1]]
    with pytest.warns(UserWarning, match="t.csv: no training row has the class maybe: only held"):
        data = load(path, target="y", seed=seeds[0])
    assert data.encoding.classes == ["maybe", "no", "yes"]
    assert (data.outputs, 0 in data.validation.y, 0 in data.train.y) == (3, True, False)
    again = load(path, encoding=data.encoding, seed=seeds[0])  # a recorded run does not warn again
    np.testing.assert_array_equal(again.validation.y, data.validation.y)
