"""The toys: shapes, what each is made of, the same for the same seed."""

import numpy as np
import pytest

from bnn_ref import toys

NUMBERS = (toys.gap, toys.sine, toys.heteroscedastic)
CLASSES = (toys.moons, toys.rings)


@pytest.mark.parametrize("toy", NUMBERS + CLASSES, ids=lambda toy: toy.__name__)
def test_a_toy_is_the_same_for_the_same_seed(toy):
    (x, y), (again, _), (other, _) = toy(51), toy(51), toy(51, seed=1)
    assert x.shape == (51, 1 if toy in NUMBERS else 2)
    assert y.shape == (51,)
    np.testing.assert_array_equal(x, again)
    assert np.any(x != other)
    with pytest.raises(ValueError, match="rows: expected a whole number, at least 2, found 1"):
        toy(1)


def test_curves_without_noise_are_their_formulas():
    x, y = toys.gap(40, noise=0)
    np.testing.assert_allclose(y, np.sin(1.5 * x[:, 0]))
    assert not np.any(np.abs(x) < 1.5)
    x, y = toys.heteroscedastic(200_000)
    residual = y - x[:, 0] * np.sin(x[:, 0])
    for low, high in ((0, 0.2), (3.8, 4)):
        near = (np.abs(x[:, 0]) >= low) & (np.abs(x[:, 0]) < high)
        wanted = 0.1 + 0.4 * (low + high) / 2  # standard error 0.7 % of some 10,000 rows
        assert abs(residual[near].std() / wanted - 1) < 0.05


def test_classes_without_noise_lie_on_their_curves():
    x, y = toys.rings(100, noise=0)
    np.testing.assert_allclose(np.hypot(*x.T), 1 + y)
    x, y = toys.moons(100, noise=0)
    upper, lower = x[y == 0], x[y == 1] - [1.0, 0.5]
    np.testing.assert_allclose(np.hypot(*upper.T), 1)
    np.testing.assert_allclose(np.hypot(*lower.T), 1)
    assert upper[:, 1].min() >= 0 >= lower[:, 1].max()


def test_digits_are_turned_and_keep_their_labels():
    straight, labels = toys.turned_digits(0)
    turned, same = toys.turned_digits(90)
    assert straight.shape == (360, 64)
    np.testing.assert_array_equal(labels, same)
    wanted = np.rot90(straight.reshape(-1, 8, 8), axes=(1, 2)).reshape(-1, 64)
    np.testing.assert_allclose(turned, wanted, atol=1e-6)
    with pytest.raises(ValueError, match=r"images: expected shape \(N, 64\), found \(360, 32\)"):
        toys.turned(straight[:, :32], (8, 8), 90)
