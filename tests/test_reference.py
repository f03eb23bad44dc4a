"""The step, against the complex step, worked numbers, and an independent loop over examples."""

import itertools
import math

import numpy as np
import pytest
from complex_step import complex_step_errors
from dense_problems import LIKELIHOODS, problem
from tolerances import COMPLEX_STEP, FLOAT32_STEP, SAME_FLOAT64, relative

from bnn_ref import (
    Adam,
    DenseFlipout,
    Network,
    NonFinite,
    Normal,
    State,
    draw_noise,
    forward,
    kl,
    kl_parts,
    loss_and_gradients,
    reference,
)  # fmt: skip
from bnn_ref.activations import ACTIVATIONS
from bnn_ref.layers import BIASES, sigmas
from bnn_ref.noise import ESTIMATORS


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_gradient_against_the_complex_step(activation, bias, volume):
    """With every likelihood and estimator; quickly with two, each beside each bias."""
    pairs = list(itertools.product(LIKELIHOODS, ESTIMATORS))
    place = [*ACTIVATIONS].index(activation) + BIASES.index(bias)
    two = [pairs[(7 * place + k * len(pairs) // 2) % len(pairs)] for k in range(2)]
    for likelihood, estimator in volume(two, pairs):
        network, p, x, y = problem(activation=activation, bias=bias, likelihood=likelihood)
        noise = draw_noise(network, len(x), 1, dtype="float64", estimator=estimator)
        weight = np.linspace(0, 2, len(x))
        errors = complex_step_errors(network, p, x, y, noise, 0.05, weight)
        assert max(errors.values()) <= COMPLEX_STEP, (likelihood, errors)


@pytest.mark.parametrize("sizes", [(1, 1), (3, 1, 2), (2, 7, 1, 3)])
@pytest.mark.parametrize("rows", [1, 5])
def test_odd_shapes_against_the_complex_step(sizes, rows):
    network, p, x, y = problem(sizes, "softplus", "normal_flipped", "normal", rows)
    noise = draw_noise(network, rows, 1, dtype="float64")
    assert max(complex_step_errors(network, p, x, y, noise, 0.3).values()) <= COMPLEX_STEP


def test_a_planted_mistake_fails_the_complex_step(monkeypatch):
    """The check itself: a derivative of sigma a thousandth off is seen."""
    network, p, x, y = problem()
    noise = draw_noise(network, len(x), 1, dtype="float64")
    true = sigmas.sigmoid
    monkeypatch.setattr(sigmas, "sigmoid", lambda rho: true(rho) * 1.001)
    assert max(complex_step_errors(network, p, x, y, noise, 0.05).values()) > 1e-4


def test_the_formula_example_by_example():
    """Equation 4 of the paper one example at a time: its own weight matrix, plain loops."""
    for bias in BIASES:
        network, p, x, y = problem((4, 3), "linear", bias, rows=5)
        noise = draw_noise(network, 5, 3, dtype="float64")
        layer, n = p.layers[0], noise.layers[0]
        outputs = forward(network, p, x, noise)
        for row in range(5):
            for o in range(3):
                total = 0.0
                for i in range(4):
                    sig = p.scale_shift[0] + math.log1p(math.exp(layer.kernel_rho[i, o]))
                    flip = n.sign_input[row, i] * n.sign_output[row, o]
                    weight = layer.kernel_mu[i, o] + sig * n.kernel_eps[i, o] * flip
                    total += x[row, i] * weight
                if bias != "none":
                    total += layer.bias_mu[o]
                if bias in ("normal", "normal_flipped"):
                    sig = p.scale_shift[0] + math.log1p(math.exp(layer.bias_rho[o]))
                    flip = n.sign_output[row, o] if bias == "normal_flipped" else 1
                    total += sig * n.bias_eps[o] * flip
                assert outputs[row, o] == pytest.approx(total, rel=1e-12, abs=1e-13)


def test_case_1_the_kl_of_the_original_example():
    layers = [DenseFlipout(784, 100, bias="none"), DenseFlipout(100, 10, bias="none")]
    network = Network(layers)
    p = network.init(0, "float64")
    for layer in p.layers:
        layer.kernel_mu[...], layer.kernel_rho[...] = 0, -3
    total = kl(network, p).sum()
    assert total == pytest.approx(200530.4488, abs=5e-5)
    assert total / 79400 == pytest.approx(2.525572403, abs=5e-10)
    assert total / 60000 == pytest.approx(3.342174, abs=5e-7)
    assert total / 128 == pytest.approx(1566.644, abs=5e-4)
    # summed in float32 without losing digits: no worse than one weight's own rounding
    assert kl(network, p.astype("float32")).sum() == pytest.approx(total, rel=2e-7)


def test_case_3_and_4_the_kl_is_counted_once():
    network, p, x, y = problem()
    noises = [draw_noise(network, 7, 1, draw=d, dtype="float64") for d in range(10)]
    for noise in noises:
        forward(network, p, x, noise)
    result = loss_and_gradients(network, p, x, y, noises[0], 0.5)
    assert result.kl == kl(network, p).sum()
    assert result.loss == pytest.approx(result.nll + 0.5 * result.kl, rel=1e-15)
    state = State.start(p.copy())
    metrics = reference.train_step(state, x, y, seed=1, kl_weight=0.5, adam=Adam(), draws=5)
    five = [loss_and_gradients(network, p, x, y, noise, 0.5) for noise in noises[:5]]
    mean_nll = np.mean([r.nll for r in five])
    assert metrics.nll == pytest.approx(mean_nll, rel=SAME_FLOAT64)
    assert metrics.loss == pytest.approx(mean_nll + 0.5 * result.kl, rel=SAME_FLOAT64)
    assert metrics.kl == result.kl
    gradient = np.mean([r.gradients.flat for r in five], axis=0)
    assert relative(state.moment_1.flat, 0.1 * gradient) <= SAME_FLOAT64


@pytest.mark.parametrize("k", [0, 1, 2])
def test_case_5_one_weight_moved_by_one_adds_a_half(k):
    network = Network([DenseFlipout(6, 5, "relu"), DenseFlipout(5, 4, "relu"), DenseFlipout(4, 3)])
    p = network.init(0, "float64")
    p.layers[k].kernel_mu[1, 2] = 0
    before = kl(network, p)
    p.layers[k].kernel_mu[1, 2] = 1
    change = kl(network, p) - before
    assert change[k] == pytest.approx(0.5, abs=4 * np.spacing(before[k]))
    assert np.all(np.delete(change, k) == 0)


def test_case_10_a_deterministic_bias_has_no_kl():
    network, p, x, _ = problem((4, 3), "linear", "deterministic")
    noise = draw_noise(network, 7, 1, dtype="float64")
    before, kl_before = forward(network, p, x, noise), kl(network, p)
    p.layers[0].bias_mu[...] += 5
    assert np.array_equal(kl(network, p), kl_before)
    np.testing.assert_allclose(forward(network, p, x, noise), before + 5, rtol=1e-14)
    network, p, x, _ = problem((4, 3), "linear", "none")
    assert forward(network, p, x, noise).shape == (7, 3)


def test_case_12_two_equal_rows_share_variance_but_not_noise():
    network = Network([DenseFlipout(2, 1, bias="none")], Normal())
    p = network.init(0, "float64")
    p.layers[0].kernel_mu[...] = 0
    p.layers[0].kernel_rho[...] = np.log(np.expm1(0.1 - p.scale_shift[0]))
    draws = 200_000
    # a batch of pairs would share its eps, so each of the 200,000 draws has its own
    eps = np.stack([draw_noise(network, 2, 5, step=s, dtype="float64").layers[0].kernel_eps[:, 0]
                    for s in range(2000)])  # fmt: skip
    rng = np.random.default_rng(5)
    eps = np.concatenate([eps, rng.normal(size=(draws - 2000, 2))])
    from bnn_ref.noise import signs

    s = signs(draws, 4, 5, "train", "sign_input")
    t = signs(draws, 2, 5, "train", "sign_output")
    x = np.array([1.0, 2.0])
    rows = [((x * s[:, 2 * r : 2 * r + 2] * eps * 0.1).sum(1)) * t[:, r] for r in (0, 1)]
    one = draw_noise(network, 2, 5, dtype="float64")
    first = forward(network, p, np.stack([x, x]), one)[:, 0]
    n = one.layers[0]
    by_hand = [(x * n.sign_input[r] * n.kernel_eps[:, 0] * 0.1).sum() * n.sign_output[r, 0]
               for r in (0, 1)]  # fmt: skip
    np.testing.assert_allclose(first, by_hand, rtol=1e-13)
    for row in rows:
        assert np.var(row) == pytest.approx(0.05, rel=0.03)
    assert abs(np.corrcoef(*rows)[0, 1]) < 0.03


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bias", BIASES)
def test_case_13_no_noise_is_no_perturbation_to_the_bit(dtype, bias):
    network, p, x, _ = problem((9, 5), "linear", bias, dtype=dtype)
    noise = draw_noise(network, 7, 1, dtype=dtype)
    quiet = [n._replace(kernel_eps=0 * n.kernel_eps,
                        bias_eps=None if n.bias_eps is None else 0 * n.bias_eps)
             for n in noise.layers]  # fmt: skip
    wanted = x.astype(dtype) @ p.layers[0].kernel_mu
    if bias != "none":
        wanted = wanted + p.layers[0].bias_mu
    found = forward(network, p, x, noise._replace(layers=tuple(quiet)))
    np.testing.assert_array_equal(found, wanted)
    if bias == "none":
        p.layers[0].kernel_mu[...] = 0
        turned = [n._replace(kernel_eps=-n.kernel_eps) for n in noise.layers]
        np.testing.assert_array_equal(
            forward(network, p, x, noise._replace(layers=tuple(turned))),
            -forward(network, p, x, noise),
        )


def test_case_14_each_call_has_its_own_noise():
    network, p, x, y = problem()
    noise = [draw_noise(network, 7, 1, step=s, dtype="float64") for s in (0, 1)]
    alone = loss_and_gradients(network, p, x, y, noise[0], 0.1)
    forward(network, p, x[::-1], noise[1])
    again = loss_and_gradients(network, p, x, y, noise[0], 0.1)
    np.testing.assert_array_equal(alone.gradients.flat, again.gradients.flat)
    other = loss_and_gradients(network, p, x, y, noise[1], 0.1)
    assert not np.array_equal(alone.gradients.flat, other.gradients.flat)


def test_case_15_a_black_pixel_has_only_the_kls_gradient():
    network, p, x, y = problem()
    x[:, 2] = 0
    noise = draw_noise(network, 7, 1, dtype="float64")
    result = loss_and_gradients(network, p, x, y, noise, 0.0)
    assert np.all(result.gradients.layers[0].kernel_mu[2] == 0)
    result = loss_and_gradients(network, p, x, y, noise, 0.25, trace=True)
    np.testing.assert_array_equal(
        result.gradients.layers[0].kernel_mu[2], 0.25 * result.trace[0].kl_grad_mu[2]
    )


def test_case_17_a_nan_stops_the_step_before_the_update():
    network, p, x, y = problem(dtype="float32")
    state = State.start(p)
    options = {"seed": 1, "kl_weight": 0.1, "adam": Adam(1e-2)}
    clean = State.start(p.copy())
    for _ in range(4):
        reference.train_step(clean, x, y, **options)
    for _ in range(2):
        reference.train_step(state, x, y, **options)
    before = state.copy()
    bad = x.copy()
    bad[3, 1] = np.nan
    with pytest.raises(NonFinite, match="step 3: expected finite values, found a NaN.* in x") as e:
        reference.train_step(state, bad, y, **options)
    assert (e.value.step, e.value.tensor) == (3, "x")
    assert state.step == before.step == 2
    for name in ("parameters", "moment_1", "moment_2"):
        np.testing.assert_array_equal(getattr(state, name).flat, getattr(before, name).flat)
    for _ in range(2):
        reference.train_step(state, x, y, **options)
    np.testing.assert_array_equal(state.parameters.flat, clean.parameters.flat)


def test_an_overflow_is_named_where_it_arose():
    network, p, x, y = problem(likelihood="normal", dtype="float32")
    for factor, where in ((1e30, "the update"), (1e60, "grad"), (1e200, "nll")):
        with pytest.raises(NonFinite, match=where):
            reference.train_step(State.start(p), x, y * factor, seed=0, kl_weight=0.1, adam=Adam())
    p.layers[1].kernel_rho[0, 0] = np.inf
    with pytest.raises(NonFinite, match="layers.1.kl"):
        reference.train_step(State.start(p), x, y, seed=0, kl_weight=0.1, adam=Adam())


@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool"])
def test_case_20_whole_numbers_keep_their_values(dtype):
    network, p, _, y = problem()
    x = np.random.default_rng(0).integers(0, 256, (7, 5)).astype(dtype)
    noise = draw_noise(network, 7, 1, dtype="float64")
    np.testing.assert_array_equal(
        forward(network, p, x, noise), forward(network, p, x.astype("float64"), noise)
    )
    for bad in (x.astype(object), x.astype(str), x.astype(complex)):
        with pytest.raises(TypeError, match="x: expected numbers, found dtype"):
            forward(network, p, bad, noise)


def test_case_21_no_rows():
    network, p, x, y = problem()
    noise = draw_noise(network, 0, 1, dtype="float64")
    assert forward(network, p, x[:0], noise).shape == (0, 3)
    with pytest.raises(ValueError, match="x: expected at least one row"):
        loss_and_gradients(network, p, x[:0], y[:0], noise, 0.1)


def test_inputs_of_higher_rank_are_flattened_position_by_position():
    network, p, x, y = problem(rows=12)
    noise = draw_noise(network, 12, 1, dtype="float64")
    flat = loss_and_gradients(network, p, x, y, noise, 0.1)
    deep = loss_and_gradients(network, p, x.reshape(2, 3, 2, 5), y.reshape(2, 3, 2), noise, 0.1)
    assert deep.outputs.shape == (2, 3, 2, 3)
    assert deep.grad_x.shape == (2, 3, 2, 5)
    np.testing.assert_array_equal(deep.outputs.reshape(12, 3), flat.outputs)
    np.testing.assert_array_equal(deep.gradients.flat, flat.gradients.flat)
    state = State.start(p)
    metrics = reference.train_step(state, x.reshape(4, 3, 5), y.reshape(4, 3), seed=1,
                                   kl_weight=0.1, adam=Adam())  # fmt: skip
    assert metrics.outputs.shape == (4, 3, 3)


def test_a_row_of_weight_k_counts_as_k_copies():
    """By exact calculation: the copies get the same signs, so nll and gradient agree."""
    network, p, x, y = problem(rows=4)
    noise = draw_noise(network, 4, 1, dtype="float64")
    index = np.array([0, 1, 1, 1, 3])
    copies = noise._replace(layers=tuple(
        n._replace(sign_input=n.sign_input[index], sign_output=n.sign_output[index])
        for n in noise.layers))  # fmt: skip
    weighted = loss_and_gradients(network, p, x, y, noise, 0.0, sample_weight=[1, 3, 0, 1])
    copied = loss_and_gradients(network, p, x[index], y[index], copies, 0.0)
    assert weighted.nll * 4 == pytest.approx(copied.nll * 5, rel=SAME_FLOAT64)
    assert relative(weighted.gradients.flat * 4, copied.gradients.flat * 5) <= SAME_FLOAT64


@pytest.mark.parametrize("sizes", [(20, 16, 3), (100, 128, 10)])
def test_a_float32_step_is_the_float64_step_rounded(sizes):
    network, p, x, y = problem(sizes, "tanh", "normal", rows=33, dtype="float32")
    single = loss_and_gradients(network, p, x, y, draw_noise(network, 33, 1), 1e-3)
    wide = draw_noise(network, 33, 1, dtype="float32")
    doubled = [n._make(None if a is None else a.astype("f8") for a in n) for n in wide.layers]
    wide = wide._replace(layers=tuple(doubled))
    double = loss_and_gradients(network, p.astype("float64"), x.astype("f4"), y, wide, 1e-3)
    assert relative(single.outputs, double.outputs) <= FLOAT32_STEP
    for name, exact in double.gradients.items():
        assert single.gradients[name].dtype == np.float32
        assert relative(single.gradients[name], exact) <= FLOAT32_STEP, name
    assert single.loss == pytest.approx(double.loss, rel=1e-6)


def test_kl_parts_add_up_layer_by_layer():
    network, p, _, _ = problem(bias="normal_flipped")
    for parts, total in zip(kl_parts(network, p), kl(network, p), strict=True):
        assert sum(parts) == pytest.approx(total, rel=1e-13)


def test_the_trace_holds_each_intermediate_with_its_shape():
    network, p, x, y = problem()
    noise = draw_noise(network, 7, 1, dtype="float64")
    t = loss_and_gradients(network, p, x, y, noise, 0.1, trace=True).trace[0]
    n = noise.layers[0]
    np.testing.assert_array_equal(t.kernel_delta, t.kernel_sigma * n.kernel_eps)
    np.testing.assert_array_equal(t.grad_sigma, t.grad_delta * n.kernel_eps)
    for name, shape in {"inputs": (7, 5), "perturbation": (7, 4), "pre_activation": (7, 4),
                        "outputs": (7, 4), "grad_pre_activation": (7, 4), "grad_delta": (5, 4),
                        "kl_grad_sigma": (5, 4), "grad_inputs": (7, 5)}.items():  # fmt: skip
        assert getattr(t, name).shape == shape
    assert loss_and_gradients(network, p, x, y, noise, 0.1).trace is None
