"""What a step is handed that it must not trust: borrowed memory, NaN, numbers at the ends."""

import pickle

import numpy as np
import pytest
from dense_problems import problem
from tolerances import FLOAT32_STEP

from bnn_ref import (
    Categorical,
    DenseFlipout,
    Network,
    Normal,
    Parameters,
    State,
    Trainer,
    draw_noise,
    forward,
    kl,
    loss_and_gradients,
    reference,
)
from bnn_ref.activations import ACTIVATIONS

NETWORK = Network([DenseFlipout(3, 4, "relu", bias="normal"), DenseFlipout(4, 2)])
X, Y = np.random.default_rng(0).normal(size=(6, 3)), np.array([0, 1, 1, 0, 1, 0])


def borrowed(flat, tmp_path):
    """Yield (what, array) of the same numbers in memory that no kernel may be given."""
    every = np.repeat(flat, 2)[::2]
    yield "every second entry", every
    yield "another byte order", flat.astype(flat.dtype.newbyteorder())
    frozen = flat.copy()
    frozen.flags.writeable = False
    yield "read-only", frozen
    np.save(tmp_path / "flat.npy", flat)
    for mode in ("r", "c"):
        yield f"memory map {mode}", np.load(tmp_path / "flat.npy", mmap_mode=mode)
    yield "bytes", np.frombuffer(flat.tobytes(), flat.dtype)
    shifted = np.empty(flat.nbytes + 1, np.uint8)[1:].view(flat.dtype)
    shifted[:] = flat
    yield "not aligned", shifted
    yield "a subclass", flat.copy().view(np.recarray)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cases_30_and_31_parameters_own_what_is_written_to(dtype, tmp_path):
    """Cases 30 and 31: the same loss as from a contiguous copy, and nothing borrowed is written."""
    plain = NETWORK.init(1, dtype)
    noise = draw_noise(NETWORK, 6, 0, dtype=dtype)
    wanted = loss_and_gradients(NETWORK, plain, X, Y, noise, 0.1).loss
    for what, flat in borrowed(plain.flat, tmp_path):
        p = Parameters(NETWORK, flat)
        for one in (p, pickle.loads(pickle.dumps(p)), p.copy(), p.astype(dtype)):
            assert one.flat.flags.carray, what
            assert type(one.flat) is np.ndarray
            assert one.flat.dtype == np.dtype(dtype)
            assert loss_and_gradients(NETWORK, one, X, Y, noise, 0.1).loss == wanted, what
        before = np.array(flat)
        trainer = Trainer(NETWORK, 6, backend="numpy", dtype=dtype, state=State.start(p))
        trainer.step(X, Y)
        np.testing.assert_array_equal(flat, before, err_msg=what)


def test_an_array_that_is_owned_is_not_copied():
    flat = NETWORK.init(1).flat
    assert Parameters(NETWORK, flat).flat is flat


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_case_33_a_row_of_nan_gives_nan(activation):
    network = Network([DenseFlipout(3, 4, activation), DenseFlipout(4, 2)])
    p, x = network.init(0, "float64"), X.copy()
    x[2] = np.nan
    with np.errstate(invalid="ignore"):
        outputs = forward(network, p, x, draw_noise(network, 6, 0, dtype="float64"))
    assert np.all(np.isnan(outputs[2]))
    assert np.all(np.isfinite(np.delete(outputs, 2, axis=0)))


def test_case_37_a_step_that_the_counter_cannot_hold():
    state = State.start(NETWORK.init(0))
    state.step = 2**32
    before = state.parameters.flat.copy()
    with pytest.raises(ValueError, match=r"step: expected a whole number below 2\*\*32"):
        reference.train_step(state, X, Y, seed=0, kl_weight=0.1, adam=Trainer(NETWORK, 6).adam)
    np.testing.assert_array_equal(state.parameters.flat, before)


@pytest.mark.parametrize(
    ("dtype", "rho"), [("float32", -120), ("float64", -120), ("float64", -800)]
)
def test_case_38_the_kl_of_a_sigma_that_underflows(dtype, rho):
    network = Network([DenseFlipout(5, 3, bias="normal", scale_shift=0.0)])
    p = network.init(0, dtype)
    for name, array in p.items():
        array[...] = rho if name.endswith("rho") else 0
    with np.errstate(all="raise", under="ignore"):
        assert kl(network, p)[0] == pytest.approx(18 * (-rho - 0.5), rel=FLOAT32_STEP)
        x, noise = np.ones((2, 5), dtype), draw_noise(network, 2, 0, dtype=dtype)
        result = loss_and_gradients(network, p, x, [0, 1], noise, 1.0)
    assert result.kl == pytest.approx(18 * (-rho - 0.5), rel=FLOAT32_STEP)
    for name in ("kernel_rho", "bias_rho"):
        np.testing.assert_allclose(result.gradients[f"layers.0.{name}"], -1, rtol=FLOAT32_STEP)


def test_a_prior_far_wider_than_sigma():
    """sigma / scale is below the normal numbers of float32, neither of them is."""
    network = Network([DenseFlipout(5, 3, kernel_prior=(0, 1e35), bias="none")])
    p = network.init(0, "float32")
    sigma = reference.sigma(p.scale_shift[0], p["layers.0.kernel_rho"]).astype(np.float64)
    exact = np.sum(np.log(1e35) - np.log(sigma) - 0.5)
    assert kl(network, p)[0] == pytest.approx(exact, rel=FLOAT32_STEP)


def test_case_38_an_nll_beyond_float32_is_a_float64_number():
    network = Network([DenseFlipout(5, 3)], Normal())
    p, noise = network.init(0, "float32"), draw_noise(network, 2, 0)
    with np.errstate(over="ignore"):
        result = loss_and_gradients(network, p, np.ones((2, 5)), np.full((2, 3), 1e20), noise, 0.0)
    assert result.nll == pytest.approx(3 * 0.5e40, rel=1e-6)


def test_a_likelihood_given_as_a_class_is_refused():
    with pytest.raises(ValueError, match="likelihood: expected an instance"):
        Network([DenseFlipout(3, 2)], Categorical)


def noise_with(noise, k, **change):
    layers = list(noise.layers)
    layers[k] = layers[k]._replace(**change)
    return noise._replace(layers=tuple(layers))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.zeros(5)}, r"x: expected rank 2 or more, last dimension 5, found shape \(5,\)"),
        ({"x": np.zeros((7, 6))}, r"x: expected last dimension 5, found shape \(7, 6\)"),
        ({"y": np.zeros(6, int)}, r"y: expected shape \(7,\)"),
        ({"kl_weight": -1}, "kl_weight: expected a finite number, at least 0, found -1"),
        ({"kl_weight": np.nan}, "kl_weight: expected"),
        ({"kl_weight": None}, "kl_weight: expected a finite number, at least 0, found None"),
        ({"noise": None}, "noise: expected a Noise, found NoneType"),
        ({"k": 1, "sign_output": np.ones((6, 3))},
         r"noise\[1\].sign_output: expected \(7, 3\), found \(6, 3\)"),
        ({"k": 0, "kernel_eps": np.ones((4, 5))}, r"noise\[0\].kernel_eps: expected \(5, 4\)"),
        ({"k": 0, "bias_eps": None}, r"noise\[0\].bias_eps: expected \(4,\), found nothing"),
        ({"k": 1, "sign_input": np.ones((7, 4), "f4")}, "expected dtype float64, found float32"),
        ({"sample_weight": np.ones(6)}, r"sample_weight: expected shape \(7,\), found \(6,\)"),
        ({"sample_weight": -np.ones(7)}, "sample_weight: expected finite numbers.*-1.0 in row 0"),
        ({"sample_weight": np.full(7, np.inf)}, "sample_weight: expected finite numbers"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_line(change, message):
    network, p, x, y = problem()
    arguments = {"x": x, "y": y, "noise": draw_noise(network, 7, 1, dtype="float64"),
                 "kl_weight": 0.1, "sample_weight": None}  # fmt: skip
    if "k" in change:
        arguments["noise"] = noise_with(arguments["noise"], **change)
    else:
        arguments.update(change)
    with pytest.raises(ValueError, match=message) as error:
        loss_and_gradients(network, p, **arguments)
    assert "\n" not in str(error.value)
