"""A library's KL by its numbers: reductions and mistakes by name, a Monte Carlo one by its mean."""

import numpy as np
import pytest

from bnn_ref.verification import check_kl

RNG = np.random.default_rng(3)
MU = [RNG.normal(size=(6, 4)), RNG.normal(size=4), RNG.normal(size=(4, 2))]
SIGMA = [RNG.uniform(0.05, 0.6, mu.shape) for mu in MU]
PRIOR = (0.25, 1.7)


def kl(mu, sigma, loc=PRIOR[0], scale=PRIOR[1]):
    return np.log(scale / sigma) + (sigma**2 + (mu - loc) ** 2) / (2 * scale**2) - 0.5


def each(**options):
    return [kl(m, s, **options) for m, s in zip(MU, SIGMA, strict=True)]


NAMED = {
    ("right", "sum"): lambda: sum(map(np.sum, each())),
    ("right", "mean"): lambda: np.mean(np.concatenate([v.ravel() for v in each()])),
    ("right", "tensor_means"): lambda: sum(map(np.mean, each())),
    ("right", "mean_of_tensors"): lambda: np.mean(list(map(np.sum, each()))),
    ("variance", "sum"): lambda: sum(map(np.sum, each(scale=np.sqrt(PRIOR[1])))),
    ("squared", "tensor_means"): lambda: sum(map(np.mean, each(scale=PRIOR[1] ** 2))),
    ("no_loc", "sum"): lambda: sum(map(np.sum, each(loc=0.0))),
    ("no_half", "sum"): lambda: sum(np.sum(v + 0.5) for v in each()),
    ("reverse", "sum"): lambda: sum(
        np.sum(kl(PRIOR[0], PRIOR[1], m, s)) for m, s in zip(MU, SIGMA, strict=True)
    ),
}


@pytest.mark.parametrize("key", NAMED, ids="-".join)
def test_a_form_and_a_reduction_are_named(key):
    report = check_kl(NAMED[key], MU, SIGMA, PRIOR)
    assert (report.form, report.reduction) == key, report
    assert report.agrees == (key == ("right", "sum"))


def test_an_unknown_kl_gets_no_name_but_its_distance():
    report = check_kl(lambda: NAMED["right", "sum"]() - 0.501 * 36, MU, SIGMA, PRIOR)
    assert report.form == ""
    assert "-0.501 nats a weight" in str(report)


def sampled(seed, off=0.0):
    rng = np.random.default_rng(seed)

    def call():
        total = 0.0
        for mu, sigma in zip(MU, SIGMA, strict=True):
            eps = rng.normal(size=mu.shape)
            log_q = -(eps**2) / 2 - np.log(sigma)
            log_p = -((mu + sigma * eps - PRIOR[0]) ** 2) / (2 * PRIOR[1] ** 2) - np.log(PRIOR[1])
            total += np.sum(log_q - log_p - off)
        return total

    return call


def test_a_monte_carlo_kl_is_tested_for_its_mean(volume):
    for seed in range(volume(5, 20)):
        report = check_kl(sampled(seed), MU, SIGMA, PRIOR, kind="monte_carlo")
        assert report.agrees, report
        assert report.error > 0
    report = check_kl(sampled(1, off=0.05), MU, SIGMA, PRIOR, kind="monte_carlo")
    assert not report.agrees
    assert "-0.04" in str(report)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"kind": "guess"}, "kind: expected one of exact, monte_carlo"),
        ({"kind": "monte_carlo"}, "KL: expected another value at each call, found the same"),
        ({"prior": (0.0, 0.0)}, "sigma and prior scale: expected values above 0"),
        ({"sigma": SIGMA[:2]}, "sigma: expected"),
        ({"call": lambda: np.nan}, "KL: expected one finite number"),
        ({"call": sampled(0)}, "KL: expected the same value at each call, found another"),
    ],
)
def test_what_is_no_kl_is_refused(options, text):
    asked = {"call": NAMED["right", "sum"], "mu": MU, "sigma": SIGMA, "prior": PRIOR, **options}
    with pytest.raises(ValueError, match=text):
        check_kl(asked.pop("call"), asked.pop("mu"), asked.pop("sigma"), **asked)


def test_bayesian_torch_sums_each_tensors_mean():
    torch = pytest.importorskip("torch")
    pytest.importorskip("bayesian_torch")
    from bnn_ref.verification.frameworks.bayesian_torch import LinearFlipout

    torch.manual_seed(1)
    layer = LinearFlipout(6, 4, prior_variance=2.0).double()
    mu = [layer.mu_weight, layer.mu_bias]
    sigma = [torch.nn.functional.softplus(rho) for rho in (layer.rho_weight, layer.rho_bias)]
    report = check_kl(layer.kl_loss, mu, sigma, (0.0, 2.0))
    assert (report.form, report.reduction) == ("right", "tensor_means")  # 2 is the deviation


def test_torchbnn_averages_unless_it_is_told():
    pytest.importorskip("torchbnn")
    import torch
    import torchbnn

    layer = torchbnn.BayesLinear(prior_mu=0.1, prior_sigma=0.5, in_features=6, out_features=4)
    mu = [layer.weight_mu, layer.bias_mu]
    sigma = [torch.exp(layer.weight_log_sigma), torch.exp(layer.bias_log_sigma)]
    for reduction, key in (("sum", "sum"), ("mean", "mean")):
        loss = torchbnn.BKLLoss(reduction=reduction)
        report = check_kl(lambda loss=loss: loss(layer), mu, sigma, (0.1, 0.5))
        assert (report.form, report.reduction) == ("right", key), report
