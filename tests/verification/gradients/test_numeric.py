"""The checks of gradients, themselves checked: what they must catch, and what they must not."""

import numpy as np
import pytest

from bnn_ref.verification.gradients import numeric
from bnn_ref.verification.gradients.differences import Loss, central_along

METHODS = ("complex", "central")


def small_network(dtype, seed=0, *, activation="relu", kl_weight=1e-3, at_zero=False):
    """A Flipout network 12-9-4 written out here: loss(p), its gradients, the parameters.

    Two pixels are always 0; ``at_zero`` makes the first example and the hidden biases 0, so that
    its pre-activations are exactly 0. Gradients are computed in ``dtype``.
    """
    rng = np.random.default_rng(seed)
    batch, sizes = 13, ((12, 9), (9, 4))
    parameters, noise = {}, []
    for k, (inputs, outputs) in enumerate(sizes):
        parameters[f"mu{k}"] = rng.normal(0, 0.3, (inputs, outputs)).astype(dtype)
        parameters[f"rho{k}"] = rng.normal(-3, 0.1, (inputs, outputs)).astype(dtype)
        parameters[f"bias{k}"] = rng.normal(0, 0.1, outputs).astype(dtype)
        eps = rng.normal(size=(inputs, outputs)).astype(dtype)
        signs = (rng.choice([-1, 1], (batch, n)).astype(dtype) for n in (inputs, outputs))
        noise.append((eps, *signs))
    x = np.abs(rng.normal(size=(batch, 12))).astype(dtype)
    x[:, :2] = 0
    if at_zero:
        x[0] = 0
        parameters["bias0"][:] = 0
    y = rng.integers(0, 4, batch)
    weight = dtype(kl_weight)

    def forward(p):
        h, kl, tape = x, 0, []
        for k, (eps, sign_input, sign_output) in enumerate(noise):
            mu, sigma = p[f"mu{k}"], np.log(1 + np.exp(p[f"rho{k}"]))
            a = h @ mu + ((h * sign_input) @ (sigma * eps)) * sign_output + p[f"bias{k}"]
            kl = kl + np.sum(-np.log(sigma) + (sigma**2 + mu**2) / 2 - dtype(0.5))
            tape.append((h, a, sigma))
            if k == 0:
                h = np.where(a.real > 0, a, 0) if activation == "relu" else np.tanh(a)
        shift = np.max(a.real, axis=1, keepdims=True)
        nll = np.log(np.sum(np.exp(a - shift), axis=1)) + shift[:, 0] - a[np.arange(batch), y]
        return np.mean(nll) + weight * kl, tape

    def gradients(p):
        _, tape = forward(p)
        grad_a = np.exp(tape[1][1] - tape[1][1].max(1, keepdims=True))
        grad_a /= grad_a.sum(1, keepdims=True)
        grad_a[np.arange(batch), y] -= 1
        grad_a /= dtype(batch)
        found = {}
        for k in (1, 0):
            h, a, sigma = tape[k]
            eps, sign_input, sign_output = noise[k]
            if k == 0:
                grad_a = grad_a * ((a > 0) if activation == "relu" else 1 - np.tanh(a) ** 2)
            mu, rho = p[f"mu{k}"], p[f"rho{k}"]
            delta = (h * sign_input).T @ (grad_a * sign_output)
            found[f"mu{k}"] = h.T @ grad_a + weight * mu
            found[f"rho{k}"] = (delta * eps + weight * (sigma - 1 / sigma)) / (1 + np.exp(-rho))
            found[f"bias{k}"] = grad_a.sum(0)
            grad_a = grad_a @ mu.T + ((grad_a * sign_output) @ (sigma * eps).T) * sign_input
        return {name: found[name] for name in p}

    return lambda p: forward(p)[0], gradients(parameters), parameters


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("activation", ["relu", pytest.param("tanh", marks=pytest.mark.slow)])
@pytest.mark.parametrize("kl_weight", [0.0, 1e-3])
@pytest.mark.parametrize("at_zero", [False, True])
def test_a_right_gradient_raises_no_alarm(dtype, method, activation, kl_weight, at_zero):
    """Case 15: pre-activations of exactly 0, float32 models, pixels that are always 0."""
    loss, gradients, parameters = small_network(
        dtype, activation=activation, kl_weight=kl_weight, at_zero=at_zero
    )
    assert gradients["mu0"].dtype == dtype
    if kl_weight == 0:
        assert np.all(gradients["mu0"][:2] == 0)
    report = numeric.check_gradients(loss, parameters, gradients, method=method)
    assert report.agrees, report
    assert not report.unresolved, report
    kinked = activation == "relu" and at_zero and method == "central"
    assert {entry.name for entry in report.kinks} == ({"bias0"} if kinked else set()), report
    assert len(report.kinks) == (9 if kinked else 0)


def test_a_kink_with_others_near_it_is_measured_where_it_is_alone():
    """Case 15: of another unit's kinks, .04 off, a coarse step made a smaller jump."""
    loss, gradients, parameters = small_network(np.float64, seed=21, at_zero=True)
    report = numeric.check_gradients(loss, parameters, gradients, method="central")
    assert report.agrees, report
    flat, step = Loss(loss, parameters), 1e-6
    direction = np.zeros_like(flat.point)
    direction[flat.slices[flat.names.index("bias0")].start + 5] = 1.0
    above = (flat(flat.point + step * direction) - flat.base) / step
    below = (flat.base - flat(flat.point - step * direction)) / step
    found = central_along(flat, flat.point, direction)
    assert abs(found.value - (above + below) / 2) < 1e-7
    assert abs(found.jump - (above - below)) < 1e-7
    assert found.jump <= found.error


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("method", "every"),
    [
        ("complex", 24),
        ("central", 120),
        pytest.param("complex", 1, marks=pytest.mark.slow),
        pytest.param("central", 40, marks=pytest.mark.slow),
    ],
)
def test_three_percent_in_any_entry_is_caught(dtype, method, every):
    loss, gradients, parameters = small_network(dtype, seed=3)
    planted = 0
    for name, gradient in gradients.items():
        for position in np.flatnonzero(gradient)[::every]:
            wrong = {key: value.copy() for key, value in gradients.items()}
            wrong[name].flat[position] *= dtype(1.03)
            report = numeric.check_gradients(loss, parameters, wrong, method=method)
            index = tuple(int(i) for i in np.unravel_index(position, gradient.shape))
            assert [(e.name, e.index) for e in report.wrong] == [(name, index)], report
            planted += 1
    assert planted > 250 // every


def test_many_networks_no_alarm_and_the_dead_pixels_are_resolved(volume):
    for seed in range(volume(4, 20)):
        for dtype in (np.float32, np.float64):
            loss, gradients, parameters = small_network(dtype, seed=seed, kl_weight=1e-5)
            report = numeric.check_gradients(loss, parameters, gradients)
            assert report.method == "complex"
            assert report.agrees, (seed, report)
            assert not [e for e in report.unresolved if e.name == "mu0" and e.index[0] < 2]


def test_a_large_layer_is_checked_whole_in_few_evaluations():
    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(16, 300)), rng.normal(size=(16, 100))

    def loss(kernel):
        return np.mean((x @ kernel - target) ** 2)

    kernel = rng.normal(size=(300, 100))
    gradient = 2 * x.T @ (x @ kernel - target) / target.size
    report = numeric.check_gradients(loss, kernel, gradient)
    assert report.agrees, report
    assert report.evaluations < 500
    gradient[217, 3] *= 1.03
    report = numeric.check_gradients(loss, kernel, gradient)
    assert [entry.index for entry in report.wrong] == [(217, 3)], report
    assert "arrays[217, 3]: given" in str(report)
    assert not numeric.random_direction(loss, kernel, gradient).agrees


def test_systematic_faults_are_found_and_the_search_ends():
    loss, gradients, parameters = small_network(np.float64)
    halved = gradients | {"rho1": gradients["rho1"] * 0.5}
    report = numeric.check_gradients(loss, parameters, halved, most_wrong=5)
    assert not report.agrees
    assert {entry.name for entry in report.wrong} == {"rho1"}
    assert report.unchecked > 0
    missing = gradients | {"mu1": np.zeros_like(gradients["mu1"])}
    report = numeric.check_gradients(loss, parameters, missing)
    assert {entry.name for entry in report.wrong} == {"mu1"}
    nan = gradients | {"bias1": np.full(4, np.nan)}
    assert len(numeric.check_gradients(loss, parameters, nan).wrong) == 4


def test_budget_leaves_entries_unchecked_not_approved():
    loss, gradients, parameters = small_network(np.float64)
    report = numeric.check_gradients(loss, parameters, gradients, budget=60)
    assert report.unchecked > 0
    assert not report.agrees
    assert "not checked" in str(report)


def test_complex_step_and_differences_of_known_derivatives():
    x = np.array([0.3, 1.0, 2.5])
    values = numeric.complex_step(lambda a: np.sum(np.exp(a) / a), x)
    exact = np.exp(x) * (x - 1) / x**2
    np.testing.assert_allclose(values, exact, rtol=1e-14, atol=1e-15)
    values, errors = numeric.central_difference(lambda a: np.sum(np.exp(a) / a), x)
    assert np.all(np.abs(values - exact) <= errors)
    assert np.all(errors < 1e-9)


@pytest.mark.parametrize(
    ("function", "slope"),
    [
        (np.sin, np.cos),
        (lambda t: np.exp(3 * t), lambda t: 3 * np.exp(3 * t)),
        (lambda t: 1 / (1.5 + t), lambda t: -1 / (1.5 + t) ** 2),
        (lambda t: np.sqrt(t + 1.2), lambda t: 0.5 / np.sqrt(t + 1.2)),  # NaN at long steps
        (lambda t: 1e8 + np.sin(t), np.cos),  # eight digits lost in the loss
        (lambda t: np.float32(np.sin(t)), np.cos),  # computed in float32
        (lambda t: np.maximum(t - 0.123, 0) + t, lambda t: 1.0 + (t > 0.123)),
        (lambda t: np.abs(np.sin(40 * t)) + t, None),
    ],
)
def test_error_estimate_covers_the_error(function, slope):
    for t in np.linspace(-1.1, 1.1, 45) + 0.0117:
        loss = Loss(lambda a: function(a[0]), np.array([t]))
        found = central_along(loss, loss.point, np.ones(1))
        if slope is None:
            exact = 1 + 40 * np.cos(40 * t) * np.sign(np.sin(40 * t))
        else:
            exact = slope(t)
        assert abs(found.value - exact) <= found.error, (t, found, exact)
        assert not found.kink


def test_a_kink_is_named_and_its_error_is_the_jump():
    for function, jump in (
        (lambda t: np.maximum(t, 0) + np.sin(t), 1.0),
        (lambda t: np.abs(t) + np.exp(t), 2.0),
        (lambda t: 0.01 * np.abs(t) + np.cosh(t), 0.02),
    ):
        loss = Loss(lambda a, f=function: f(a[0]), np.array([0.0]))
        found = central_along(loss, loss.point, np.ones(1))
        assert found.kink
        assert found.error >= jump / 2


def test_a_loss_that_is_not_analytic_falls_back_to_differences():
    weights = {"w": np.array([0.5, -1.5, 2.0])}
    for loss in (
        lambda p: np.sum(np.abs(p["w"]) ** 3),  # abs drops the imaginary part
        lambda p: float(np.sum(np.real(p["w"]) ** 3 * np.sign(np.real(p["w"])))),
        lambda p: sum(abs(float(value)) ** 3 for value in p["w"]),  # refuses complex numbers
    ):
        gradient = {"w": 3 * weights["w"] ** 2 * np.sign(weights["w"])}
        report = numeric.check_gradients(loss, weights, gradient)
        assert report.method == "central"
        assert report.agrees, report
        gradient["w"][1] *= 1.03
        assert not numeric.check_gradients(loss, weights, gradient).agrees
        with pytest.raises(ValueError, match="analytic function of complex arrays"):
            numeric.complex_step(loss, weights)


def test_a_float32_loss_resolves_its_large_entries_and_names_the_others():
    x = np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)

    def loss(w):
        return np.mean(np.tanh(x @ w.astype(np.float32)) ** 2)

    w = np.full(5, 0.3, np.float32)
    gradient = numeric.central_difference(lambda v: np.mean(np.tanh(x @ v) ** 2), w)[0]
    report = numeric.check_gradients(loss, w, gradient.astype(np.float32), method="central")
    assert report.agrees, report
    largest = int(np.argmax(np.abs(gradient)))
    assert (largest,) not in [entry.index for entry in report.unresolved]
    gradient[largest] *= 1.03
    report = numeric.check_gradients(loss, w, gradient.astype(np.float32), method="central")
    assert [entry.index for entry in report.wrong] == [(largest,)], report


def test_containers_come_back_as_they_were_given():
    w, b = np.array([[1.0, 2.0]]), np.array([3.0])
    as_dict = numeric.complex_step(lambda p: np.sum(p["w"] ** 2) * p["b"][0], {"w": w, "b": b})
    assert list(as_dict) == ["w", "b"]
    np.testing.assert_allclose(as_dict["w"], [[6.0, 12.0]], rtol=1e-14)
    as_list = numeric.complex_step(lambda p: np.sum(p[0] ** 2) * p[1][0], [w, b])
    np.testing.assert_allclose(as_list[1], [5.0], rtol=1e-14)
    gradients = {"b": as_dict["b"], "w": as_dict["w"]}  # another order is the same gradient
    report = numeric.check_gradients(
        lambda p: np.sum(p["w"] ** 2) * p["b"][0], {"w": w, "b": b}, gradients
    )
    assert report.agrees, report


def test_fresh_noise_in_the_loss_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="draw the noise once, outside the loss"):
        numeric.central_difference(lambda a: np.sum(a * rng.normal(size=2)), np.ones(2))


@pytest.mark.parametrize(
    ("arrays", "gradients", "message"),
    [
        ({"a": np.ones(2)}, {"b": np.ones(2)}, "gradients: expected a, found b"),
        ({"a": np.ones(2)}, {"a": np.ones(3)}, r"gradient of a: expected shape \(2,\), found"),
        ({"a": np.ones(2, int)}, {"a": np.ones(2)}, "arrays a: expected float32 or float64"),
        ({"a": np.array([1.0, np.nan])}, {"a": np.ones(2)}, "arrays: expected finite entries"),
        ({"a": np.ones(0)}, {"a": np.ones(0)}, "expected at least one entry"),
        ({}, {}, "arrays: expected at least one array"),
    ],
)
def test_bad_arrays_are_refused_by_name(arrays, gradients, message):
    with pytest.raises(ValueError, match=message):
        numeric.check_gradients(lambda p: np.sum(p["a"]), arrays, gradients)


def test_bad_losses_and_methods_are_refused():
    with pytest.raises(ValueError, match="loss: expected one number"):
        numeric.central_difference(lambda a: a, np.ones(2))
    with pytest.raises(ValueError, match="loss: expected a finite value"):
        numeric.central_difference(lambda a: np.inf, np.ones(2))
    with pytest.raises(ValueError, match="method: expected one of auto, complex, central"):
        numeric.check_gradients(np.sum, np.ones(2), np.ones(2), method="guess")
