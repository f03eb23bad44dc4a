"""The oracle's layers of images: the shipped outputs anew, and the rule for ties."""

import numpy as np
import pytest

pytest.importorskip("mpmath", reason="mpmath is not installed")

import mpmath

from bnn_ref.verification.vectors import oracle, read, suite, suite_images


def step_of(name):
    """Return (vector, its values as mpf, the step's results, what maxima took)."""
    vector, chosen = read(suite.FOLDER / f"agree-v2-{name}.npz"), {}
    values = {key: oracle._numbers(value) for key, value in vector.arrays.items()}
    return vector, values, oracle.step(vector.whole_meta, values, chosen=chosen), chosen


@pytest.mark.parametrize("name", suite_images.specs())
def test_outputs_and_pre_activations_of_the_suite(name):
    with mpmath.workdps(50):
        vector, _, (outputs, nll, kls, _, before), _ = step_of(name)
        found = {"outputs": outputs, "nll": nll}
        found |= {f"layers.{k}.kl": kl for k, kl in enumerate(kls)}
        found |= {f"layers.{k}.pre_activation": a for k, a in enumerate(before) if a is not None}
        for key, value in found.items():
            value = np.array(value, dtype=object).astype(float).astype(vector.dtype)
            np.testing.assert_array_equal(value, vector.results[key], err_msg=key)


def test_the_first_of_equal_pixels_gets_the_gradient():
    with mpmath.workdps(oracle._WORKING):
        vector, values, _, chosen = step_of("pool-ties")
        meta = vector.whole_meta
        gradient = oracle._gradient(lambda: oracle.step(meta, values, None, chosen)[3], values, "x")
    gradient = np.array(gradient, dtype=object).astype(float)
    np.testing.assert_array_equal(gradient, vector.results["grad.x"])
    images = vector.x.reshape(-1, 4, 4)
    equal = sum(np.sum(under == under.max()) > 1 for image in images for under in (
        image[u : u + 2, v : v + 2] for u in range(3) for v in range(3)))  # fmt: skip
    assert equal >= 3  # windows with a tie: otherwise nothing is shown here
