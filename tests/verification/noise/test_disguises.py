"""Case 63: sound noise that looks like another fault, and faults that look like others, by name."""

import numpy as np
import pytest
from random_signs import random_signs

from bnn_ref.verification import check_layer

RNG = np.random.default_rng(0)
MU, SIGMA = RNG.normal(size=(6, 4)), RNG.uniform(0.05, 0.3, (6, 4))
BIAS_MU, BIAS_SIGMA = RNG.normal(size=4), RNG.uniform(0.1, 0.3, 4)
X = RNG.normal(size=(3, 6))


def cut(bits):
    """Return a function that rounds float32 numbers to so many bits less."""

    def rounded(values):
        raw = np.ascontiguousarray(values, np.float32).view(np.uint32)
        half = np.uint32((1 << (bits - 1)) - 1)
        odd = (raw >> np.uint32(bits)) & np.uint32(1)
        kept = (raw + half + odd) & np.uint32((0xFFFFFFFF << bits) & 0xFFFFFFFF)
        return kept.view(np.float32)

    return rounded


def half(values):
    return np.asarray(values, np.float16)


ROUNDED = {"float16": half, "bfloat16": cut(16), "tf32": cut(13)}


def in_precision(kind, seed):
    """A right Flipout layer, its products' factors (and its outputs, but in TF32) rounded."""
    rng, cast = np.random.default_rng(seed), ROUNDED[kind]

    def call(x):
        signs = random_signs(rng, x.shape), random_signs(rng, (len(x), 4))
        delta = SIGMA * rng.normal(size=MU.shape)
        a, b, c, d = (np.float64(cast(v)) for v in (x, MU, x * signs[0], delta))
        outputs = a @ b + (c @ d) * signs[1]
        return np.float32(outputs if kind == "tf32" else cast(outputs))

    return call


def with_fault(kind, seed, bias=False):
    """A Flipout layer with one fault."""
    rng = np.random.default_rng(seed)

    def call(x):
        rows = len(x)
        eps = rng.standard_t(4, MU.shape) if kind.startswith("t") else rng.normal(size=MU.shape)
        eps = eps / np.sqrt(2) if kind == "t of variance 1" else eps
        si, so = random_signs(rng, x.shape), random_signs(rng, (rows, 4))
        delta = SIGMA * eps + (MU if kind == "mean as noise" else 0)
        a = x @ (1.01 * MU if kind == "mean off" else MU) + ((x * si) @ delta) * so
        if bias:
            draw = rng.normal(size=(rows, 4) if kind == "bias per row" else 4)
            a = a + BIAS_MU + (0.5 if kind == "half the bias noise" else 1.0) * BIAS_SIGMA * draw
        return np.maximum(a, 0) if kind == "relu" else a

    return call


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("float16", "computed in float16"),
        ("bfloat16", "computed in bfloat16"),
        ("tf32", "computed in TF32"),
    ],
)
def test_a_right_layer_in_a_coarse_precision(kind, name, volume):
    for seed in range(volume(1, 3)):
        report = check_layer(in_precision(kind, seed), MU, SIGMA, X, bias="none")
        assert not report.agrees
        assert report.found.startswith(name), report
        assert "sign" not in report.found


@pytest.mark.parametrize(
    ("kind", "bias", "name"),
    [
        ("relu", False, "no output is below 0: outputs behind a ReLU"),
        ("mean off", False, "the mean is 1.01 times x mu"),
        ("mean as noise", False, "the mean is added once more as noise"),
        ("t of variance 1", False, "Student's t noise"),
        ("t", False, "Student's t noise"),
        ("bias per row", True, "the bias is drawn anew for every row"),
        ("half the bias noise", True, "the bias's noise is 0."),
    ],
)
def test_a_fault_by_its_name(kind, bias, name, volume):
    options = {"bias": "normal", "bias_mu": BIAS_MU, "bias_sigma": BIAS_SIGMA} if bias else {
        "bias": "none"}  # fmt: skip
    for seed in range(volume(1, 3)):
        report = check_layer(with_fault(kind, seed, bias), MU, SIGMA, X, **options)
        assert not report.agrees
        assert report.faults[0].startswith(name), report
        assert len(report.faults) == 1, report
    assert check_layer(with_fault("none", 1, bias), MU, SIGMA, X, **options).agrees


def test_blitz_flipout_wrapper_adds_its_mean_as_noise():
    """blitz.utils.Flipout 0.2.8 perturbs by the whole sampled weight, mean and all."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("blitz")
    from blitz.modules import BayesianLinear
    from blitz.utils import Flipout

    layer = Flipout(BayesianLinear)(6, 4, bias=False)  # whose bias of zeros is float32
    layer.weight_mu.data.copy_(torch.from_numpy(MU.T))
    layer.weight_rho.data.copy_(torch.from_numpy(np.log(np.expm1(SIGMA.T))))

    def call(x):
        with torch.no_grad():
            return layer(torch.from_numpy(x)).numpy()

    report = check_layer(call, MU, SIGMA, X.astype(np.float32), bias="none")
    assert report.faults == ("the mean is added once more as noise: each draw is mu + sigma * eps",)
