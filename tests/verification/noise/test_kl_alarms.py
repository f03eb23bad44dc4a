"""How often a right Monte Carlo KL is contradicted: as rarely as stated."""

import numpy as np
import pytest
from scipy.stats import binom

from bnn_ref.verification import check_kl

MU, SIGMA = np.linspace(-1, 1, 12).reshape(3, 4), np.linspace(0.2, 0.8, 12).reshape(3, 4)


def sampled(rng):
    def kl():
        eps = rng.normal(size=MU.shape)
        w = MU + SIGMA * eps
        return np.sum(w**2 / 2 - eps**2 / 2 - np.log(SIGMA))

    return kl


@pytest.mark.timeout(600)
def test_false_alarms_of_a_sampled_kl_keep_to_the_stated_probability(volume):
    """100 runs at 5 %, 5,000 at .1 %: more than so many have probability below 1 in 500."""
    runs, level, most = volume((100, 0.05, 13), (5000, 0.001, 13))
    assert binom.sf(most, runs, level) < 2e-3
    alarms = sum(
        not check_kl(sampled(np.random.default_rng([7, k])), MU, SIGMA, kind="monte_carlo",
                     draws=300, error_probability=level).agrees
        for k in range(runs)
    )  # fmt: skip
    assert alarms <= most
    print(f"{alarms} alarms in {runs} runs at {level}")
