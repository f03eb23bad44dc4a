"""The black-box check of random layers: who passes, who does not, and under which name.

The layers here are written from the paper (Wen et al. 2018, equation 4), not from the package.
"""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import calibrate_moments
import numpy as np
import pytest
from random_signs import random_signs

from bnn_ref.verification.frameworks import installed
from bnn_ref.verification.noise import exact, hypotheses, probes, sides
from bnn_ref.verification.noise.moments import check_layer

INPUTS, OUTPUTS = 7, 5
OWN = "numba" if installed("numba") and not os.environ.get("NUMBA_DISABLE_JIT") else "numpy"


def run(*words):
    """Run Python in a process of its own and return what it printed."""
    environment = os.environ | {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, *map(str, words)], env=environment, capture_output=True,
                          text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def make_arrays(seed=0, inputs=INPUTS, outputs=OUTPUTS, dtype=np.float64):
    rng = np.random.default_rng([seed, 1])
    return {
        "kernel_mu": rng.normal(0, 0.5, (inputs, outputs)).astype(dtype),
        "kernel_sigma": rng.uniform(0.05, 0.4, (inputs, outputs)).astype(dtype),
        "bias_mu": rng.normal(size=outputs).astype(dtype),
    }


def plain_layer(arrays, rng, **change):
    """A Flipout layer's call; ``change`` replaces one thing it draws or does."""
    mu, sigma, bias = (arrays[name] for name in ("kernel_mu", "kernel_sigma", "bias_mu"))
    bias_sigma, flip_bias = change.get("bias_sigma"), change.get("flip_bias", False)
    scale = change.get("scale", lambda s: s)

    def call(x):
        rows = len(x)
        eps = change.get("eps", lambda shape: rng.normal(size=shape))(sigma.shape)
        sign_input = change.get("sign_input", lambda shape: random_signs(rng, shape))(
            (rows, len(mu))
        )
        sign_output = change.get("sign_output", lambda shape: random_signs(rng, shape))(
            (rows, mu.shape[1])
        )
        noise = (x * sign_input) @ (scale(sigma) * eps)
        mean = x @ mu
        if change.get("flip_mean"):
            noise, mean = noise + (x * sign_input) @ mu, 0
        drawn = 0 if bias_sigma is None else bias_sigma * rng.normal(size=len(bias))
        if flip_bias:
            noise = noise + drawn
            drawn = 0
        return (mean + noise * sign_output + bias + drawn).astype(x.dtype)

    return call


def rows(seed=0, dtype=np.float64, inputs=INPUTS):
    return np.random.default_rng([seed, 2]).normal(size=(3, inputs)).astype(dtype)


def local_noise(arrays, rng):
    def call(x):
        scale = np.sqrt(x**2 @ arrays["kernel_sigma"] ** 2)
        return x @ arrays["kernel_mu"] + scale * rng.normal(size=scale.shape) + arrays["bias_mu"]

    return call


def frozen(arrays):
    return lambda x: plain_layer(arrays, np.random.default_rng(5))(x)


def no_signs(shape):
    return np.ones(shape)


FAULTS = {
    "output signs are no signs: uniform on [-1, 3)": lambda rng: {
        "sign_output": lambda shape: rng.uniform(-1, 3, shape)
    },
    "input signs are no signs: uniform on [-1, 3)": lambda rng: {
        "sign_input": lambda shape: rng.uniform(-1, 3, shape)
    },
    "mean flipped with the noise": lambda rng: {"flip_mean": True},
    "input signs missing": lambda rng: {"sign_input": no_signs},
    "output signs missing": lambda rng: {"sign_output": no_signs},
    "plain reparameterisation": lambda rng: {"sign_input": no_signs, "sign_output": no_signs},
    "sigma read as a variance": lambda rng: {"scale": np.sqrt},
    "sigma squared used as sigma": lambda rng: {"scale": np.square},
    "wrong scale: the noise is 1.1": lambda rng: {"scale": lambda s: 1.1 * s},
    "one draw shared by the outputs": lambda rng: {
        "eps": lambda shape: np.broadcast_to(rng.normal(size=(shape[0], 1)), shape)
    },
    "the noise is not normal": lambda rng: {
        "eps": lambda shape: rng.uniform(-np.sqrt(3), np.sqrt(3), shape)
    },
    "the same draw at each call": lambda rng: {
        "eps": lambda shape: np.random.default_rng(3).normal(size=shape)
    },
    "input signs are not fair": lambda rng: {
        "sign_input": lambda shape: 1 - 2.0 * (rng.random(shape) < 0.6)
    },
    "output signs are not fair": lambda rng: {
        "sign_output": lambda shape: 1 - 2.0 * (rng.random(shape) < 0.65)
    },
    "a random bias where none was expected": lambda rng: {"bias_sigma": np.full(OUTPUTS, 0.2)},
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_named(name, volume):
    for seed in range(volume(1, 3)):
        is_named(name, seed)


def is_named(name, seed):
    arrays = make_arrays(seed)
    rng = np.random.default_rng([seed, 3])
    report = check_layer(plain_layer(arrays, rng, **FAULTS[name](rng)), x=rows(seed), **arrays)
    assert not report.agrees
    assert report.found.startswith(name), report
    assert len(report.faults) == (name != "plain reparameterisation"), report


def test_noise_that_is_not_fresh_absent_or_independent_is_named():
    arrays = make_arrays()
    report = check_layer(frozen(arrays), x=rows(), draws=100, **arrays)
    assert report.found == "the same noise at each call"

    def mean(x):
        return x @ arrays["kernel_mu"] + arrays["bias_mu"]

    assert check_layer(mean, x=rows(), draws=100, **arrays).found == "no noise"
    rng = np.random.default_rng(0)
    report = check_layer(local_noise(arrays, rng), x=rows(), **arrays)
    assert (report.agrees, report.kind, report.faults) == (False, "independent", ())
    assert "independent or local noise" in str(report)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (1, 4), (2, 1), (3, 3), (40, 30)])
def test_flipout_agrees_at_every_size(dtype, inputs, outputs):
    arrays = make_arrays(4, inputs, outputs, dtype)
    call = plain_layer(arrays, np.random.default_rng(8))
    report = check_layer(call, x=rows(4, dtype, inputs), draws=1000, **arrays)
    assert report.agrees, report


def test_a_layer_that_works_in_place_is_given_rows_of_its_own_in_every_call():
    """It doubles its inputs and halves its weights: right, unless the doubled rows come again."""
    arrays, rng = make_arrays(3), np.random.default_rng(3)
    halved = {**arrays, "kernel_mu": arrays["kernel_mu"] / 2,
              "kernel_sigma": arrays["kernel_sigma"] / 2}  # fmt: skip
    inner, x = plain_layer(halved, rng), rows()

    def call(batch):
        batch *= 2
        return inner(batch)

    assert check_layer(call, x=x, draws=200, **arrays).agrees
    np.testing.assert_array_equal(x, rows())


def test_a_layer_of_pytorch_is_asked_as_it_is():
    """Its parameters require gradients, its calls take and return tensors."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)

    class Flipout(torch.nn.Linear):
        def forward(self, x):
            one, two = (torch.randint(0, 2, (len(x), n)) * 2.0 - 1 for n in (4, 3))
            delta = 0.3 * torch.randn_like(self.weight)
            return super().forward(x) + (x * one) @ delta.T * two

    layer, sigma = Flipout(4, 3), torch.full((4, 3), 0.3, requires_grad=True)
    asked = (layer, layer.weight.T, sigma, torch.randn(2, 4))
    report = check_layer(*asked, bias_mu=layer.bias, draws=200)
    assert report.agrees, report


@pytest.mark.parametrize("flip_bias", [False, True])
@pytest.mark.parametrize("claimed", ["normal", "normal_flipped"])
def test_the_two_kinds_of_random_bias_are_told_apart(flip_bias, claimed):
    arrays = make_arrays(6)
    bias_sigma = np.full(OUTPUTS, 0.2)
    call = plain_layer(arrays, np.random.default_rng(1), bias_sigma=bias_sigma, flip_bias=flip_bias)
    report = check_layer(call, x=rows(), bias=claimed, bias_sigma=bias_sigma, **arrays)
    assert report.agrees == (flip_bias == (claimed == "normal_flipped")), report
    if not report.agrees:
        wanted = "bias flipped with the output signs" if flip_bias else "bias not flipped"
        assert report.faults == (wanted,), report


def test_other_estimators_may_be_expected():
    arrays, rng = make_arrays(), np.random.default_rng(2)
    shared = plain_layer(arrays, rng, sign_input=no_signs, sign_output=no_signs)
    assert check_layer(shared, x=rows(), expect="shared", **arrays).agrees
    assert check_layer(local_noise(arrays, rng), x=rows(), expect="independent", **arrays).agrees
    report = check_layer(plain_layer(arrays, rng), x=rows(), expect="shared", **arrays)
    assert (report.agrees, report.kind, report.faults) == (False, "flipout", ())


def test_the_ratio_of_unfair_to_fair_signs_has_mean_one():
    """Over every table of two rows of three signs: then 1 / ratio bounds a p-value (Markov)."""
    tables = np.stack(np.meshgrid(range(4), range(4)), axis=-1).reshape(-1, 1, 2)
    ratios = np.exp([sides.log_ratios(table, 3, (0.3, 0.9)) for table in tables])
    np.testing.assert_allclose(ratios.mean(axis=0), 1, rtol=1e-12)
    assert np.ptp(ratios, axis=0).min() > 1e-3


def test_fairness_is_one_over_the_mean_of_the_deviations_ratios():
    """The oracle adds up every sign that is unknown: of eps, one a column, and of each row."""
    table, columns = np.array([[0, 1, 1, 0], [2, 2, 2, 2]]), 3
    unknown = np.array(np.meshgrid(*[[-1, 1]] * columns)).reshape(columns, -1).T

    def likelihood(d):
        total = 1.0
        for call in sides.patterns(columns)[table]:
            of_eps = [
                np.prod([
                    np.mean([np.prod((1 + d * own * row * eps) / 2) for own in (-1, 1)])
                    for row in call
                ])
                for eps in unknown
            ]  # fmt: skip
            total *= np.mean(of_eps)
        return total

    ratios = [likelihood(d) / likelihood(0.0) for d in sides.DEVIATIONS]
    assert np.mean(ratios) > 1.5
    assert sides.fairness(table, columns) == pytest.approx(1 / np.mean(ratios), rel=1e-12)
    assert sides.fairness(table[:0], columns) == 1  # no call, no word against them


def test_a_call_whose_magnitudes_rounding_blurs_is_not_read():
    """With an eps of nearly 0 two patterns have one magnitude, and either could be read."""
    size = np.array([[0.5, 0.3], [0.5, 1e-9]])[:, :, None]  # of two calls' two inputs
    view = SimpleNamespace(
        residual=np.concatenate([np.zeros((2, 1, 1)), size], axis=1)[:, None],
        close=np.full((3, 1), 1e-7),
        joined=np.array([[[0.8], [-0.2]], [[0.5], [0.5]]]),
    )
    read = sides.input_table(SimpleNamespace(joined=2), view)
    np.testing.assert_array_equal(read, [[0, 1]])


def test_signs_of_a_side_are_read_off_the_copies_as_they_were_drawn():
    """Up to the signs of rows and columns, which no output shows: products of four are compared."""
    arrays, rng = make_arrays(2), np.random.default_rng(4)
    drawn = {"input": [], "output": []}

    def noted(side):
        def draw(shape):
            drawn[side].append(random_signs(rng, shape))
            return drawn[side][-1]

        return draw

    call = plain_layer(arrays, rng, sign_input=noted("input"), sign_output=noted("output"))
    layer = probes.make_layer(**arrays, bias_sigma=None, bias="deterministic")
    answers = probes.ask(call, layer, rows(), 20, "flipout")
    found = sides.tables(answers, hypotheses.make_view(answers, layer))
    for side, part, columns in (
        ("input", slice(-64, -32), INPUTS),
        ("output", slice(-32, None), 5),
    ):
        table, count = found[side]
        assert table.shape == (20, 32)
        assert count == columns
        read = sides.patterns(columns)[table]
        asked = np.array(drawn[side])[:, part]
        products = [(s[:, :1] * s)[..., :1] * (s[:, :1] * s) for s in (read, asked)]
        np.testing.assert_array_equal(*products)


@pytest.mark.parametrize("maker", [plain_layer, local_noise])
def test_false_alarms_keep_to_the_stated_probability(maker):
    """100 runs at 5 %: more than 16 has probability below 1e-5 if the promise holds."""
    from scipy.stats import binom

    assert binom.sf(16, 100, 0.05) < 2e-5
    expect = {} if maker is plain_layer else {"expect": "independent"}
    count = 0
    for seed in range(100):
        arrays = make_arrays(seed)
        call = maker(arrays, np.random.default_rng([seed, 9]))
        count += not check_layer(
            call, x=rows(seed), draws=100, error_probability=0.05, **expect, **arrays
        ).agrees
    assert count <= 16


def test_our_own_layer_keeps_to_the_stated_probability(volume):
    """As above, for the layer of the package itself; quickly forty runs, each kind in each size.

    Where .05 is met, 16 of 100 and 9 of 40 are exceeded once in 100,000 and in 48,000.
    """
    runs, most = volume((40, 9), (100, 16))
    assert len(calibrate_moments.alarms(OWN, runs, 100, 0.05)) <= most


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", [OWN, "torch", "tfp"])
def test_five_thousand_runs_at_one_in_a_thousand(name):
    """Item 4 of the issue: at most 12 alarms; 13 have probability 0.2 % if the promise is met."""
    if not installed(name):
        pytest.skip(f"{name} is not installed")
    assert int(run(Path(calibrate_moments.__file__), name).split()[0]) <= 12


def test_tfp_dense_flipout_passes(frameworks):
    """TFP's own layer, its own draws; seeded by TensorFlow's global seed."""
    if not installed("tfp"):
        pytest.skip("tfp is not installed")
    script = """
import numpy as np, tensorflow as tf, tensorflow_probability as tfp
from bnn_ref.verification.noise.moments import check_layer
tf.random.set_seed(0)
layer = tfp.layers.DenseFlipout(5)
x = np.random.default_rng(0).normal(size=(3, 7)).astype(np.float32)
layer(x)
q = layer.kernel_posterior.distribution
run = tf.function(lambda rows: layer(rows))
report = check_layer(lambda rows: run(tf.constant(rows)).numpy(), q.loc.numpy(),
                     q.scale.numpy(), x, bias_mu=layer.bias_posterior.mean().numpy(), draws=1000)
assert report.agrees, report
"""
    frameworks.run("tfp", script)


def test_exact_tests_keep_their_level():
    """The binomial p-value of every possible count: P(p <= a) <= a."""
    from scipy.stats import binom

    for trials, q in ((7, 0.5), (40, 0.25), (30, 2.0**-6)):
        p = np.array([exact.binomial(k, trials, q) for k in range(trials + 1)])
        mass = binom.pmf(np.arange(trials + 1), trials, q)
        for level in (1e-4, 1e-2, 0.1, 0.5):
            assert mass[p <= level].sum() <= level * (1 + 1e-12)
    assert exact.binomial(9, 9, 1.0) == 1.0
    assert exact.binomial(8, 9, 1.0) == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"expect": "dropout"}, "expect: expected one of flipout, shared, independent"),
        ({"draws": 10}, "draws: expected a whole number, at least 100, found 10"),
        ({"bias": "other"}, "bias: expected one of none, deterministic"),
        ({"bias": "normal"}, "bias normal: expected bias_mu and bias_sigma"),
        ({"error_probability": 0}, "error_probability: expected"),
        ({"kernel_sigma": np.zeros((7, 5))}, "kernel_sigma: expected values above 0"),
        ({"x": np.ones((3, 6))}, r"x: expected shape \(rows, 7\)"),
        ({"x": np.ones((3, 7), int)}, "x: expected float32 or float64"),
    ],
)
def test_bad_arguments_are_refused_by_name(change, message):
    arrays = make_arrays() | {"x": rows()} | change
    with pytest.raises(ValueError, match=message):
        check_layer(lambda x: x, **arrays)
