"""One of each kind from outside the package: trained, stored, verified.

A processor's tile is in `tests/fast/test_bits_by_processor.py`.
"""

import json
from dataclasses import dataclass

import numpy as np
import pytest
from command import call
from scipy.special import gammaln
from tolerances import COMPILED_TEN_STEPS, COMPLEX_STEP, relative

from bnn_ref import (
    Categorical,
    DenseFlipout,
    Network,
    Trainer,
    activations,
    layers,
    likelihoods,
    loss_and_gradients,
    predict,
    priors,
)
from bnn_ref.backends import why_not_numba
from bnn_ref.data.encoding import Encoding
from bnn_ref.data.load import load
from bnn_ref.noise import Noise, draw_noise
from bnn_ref.stacks import likelihood_named
from bnn_ref.verification import frameworks

LEAKY = activations.Activation(
    "leaky",
    lambda a: np.where(a.real > 0, a, 0.1 * a),
    lambda a, h: np.where(a.real > 0, 1, 0.1).astype(a.dtype),
    kinks=(0.0,),
)


@dataclass(frozen=True)
class Square(priors.Prior):
    """A stand-in whose "KL" is (mu^2 + sigma^2) / strength - log(sigma)."""

    strength: float = 2.0
    type = "square"

    def kl(self, mu, sigma):
        return (mu * mu + sigma * sigma) / self.strength - np.log(sigma)

    def kl_gradient(self, mu, sigma):
        return 2 * mu / self.strength, 2 * sigma / self.strength - 1 / sigma

    def describe(self):
        return f"square({self.strength:g})"

    def to_json(self):
        return {"type": "square", "strength": self.strength}


class Counts(likelihoods.Targets):
    """Whole numbers, which a table's scale would take the meaning from."""

    standardised = False

    def describe(self, outputs):
        return f"counts, {outputs} a row"


@dataclass(frozen=True)
class Poisson(likelihoods.Likelihood):
    """Counts; the outputs are log rates."""

    type = task = "poisson"
    metric = "rmse"
    targets = Counts()

    def check_targets(self, y, leading, outputs):
        return np.asarray(y, np.float64).reshape(-1, outputs)

    def nll_rows(self, z, y, own):
        return np.sum(np.exp(z) - y * z + gammaln(y + 1), axis=-1)

    def slope(self, z, y, own):
        return np.exp(z) - y

    def score(self, z, y):
        return float(np.sum(np.mean((np.exp(z) - y.reshape(z.shape)) ** 2, axis=-1)))

    def to_json(self):
        return {"type": "poisson"}


@dataclass(frozen=True)
class Gain(layers.Layer):
    """h * gain, a layer without a posterior, noise or KL."""

    inputs: int
    type = "Gain"
    tensors = ("gain",)

    @property
    def outputs(self):
        return self.inputs

    @property
    def parameter_shapes(self):
        return {"gain": (self.inputs,)}

    def initial(self, stream, scale_shift):
        return {"gain": np.ones(self.inputs)}

    def noise_shapes(self, noise, rows):
        return {}

    def draw_noise(self, stream, rows, estimator="flipout"):
        return None

    def forward(self, p, noise, h):
        return layers.LayerTrace(inputs=h, outputs=h * p.gain)

    def backward(self, p, noise, t, grad_outputs, kl_weight, gradients):
        gradients.gain[...] = np.sum(grad_outputs * t.inputs, axis=0)
        return grad_outputs * p.gain

    def draw_outputs(self, p, h, stream, kind):
        return h * p.gain

    def to_json(self, dtype=None):
        return {"type": "Gain"}

    @classmethod
    def from_json(cls, description, inputs):
        return cls(inputs)


@pytest.fixture
def registered():
    """The four, for one test."""
    activations.register(LEAKY)
    for room, kind in ((priors, Square), (likelihoods, Poisson), (layers, Gain)):
        room.register(kind)
    yield
    del activations.ACTIVATIONS["leaky"], priors.PRIORS["square"]
    del likelihoods.LIKELIHOODS["poisson"], layers.LAYERS["Gain"]


def network():
    dense = DenseFlipout(3, 4, "leaky", Square(3.0), bias="normal", bias_prior=Square())
    return Network([dense, Gain(4), DenseFlipout(4, 2)], Poisson())


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    return x, rng.poisson(np.exp(0.5 * x[:, :2]))


@pytest.mark.usefixtures("registered")
def test_every_gradient_of_what_came_from_outside():
    net, (x, y) = network(), data()
    p = net.init(0, "float64")
    noise = draw_noise(net, len(x), 1, dtype="float64")
    result = loss_and_gradients(net, p, x, y, noise, 0.1)
    assert isinstance(noise, Noise)
    assert result.kl_layers[1] == 0
    wide = p.astype("complex128")
    for name in p:
        step = np.empty_like(p[name])
        for place in np.ndindex(step.shape):
            wide[name][place] += 1e-30j
            step[place] = loss_and_gradients(net, wide, x, y, noise, 0.1).loss.imag / 1e-30
            wide[name][place] = p[name][place]
        assert relative(result.gradients[name], step) <= COMPLEX_STEP, name


@pytest.mark.usefixtures("registered")
def test_it_trains_predicts_and_comes_back_from_json():
    net, (x, y) = network(), data()
    trainer = Trainer(net, len(x), learning_rate=0.05, backend="numpy")
    losses = [trainer.step(x, y).loss for _ in range(60)]
    assert np.mean(losses[-10:]) < np.mean(losses[:10])
    found = predict(net, trainer.parameters, x, y, draws=3, backend="numpy")
    assert found.mean.shape == found.epistemic.shape == (40, 2)
    assert np.isfinite(found.nats)
    assert Network.from_json(json.loads(json.dumps(net.to_json()))) == net
    assert "kernel prior square(3)" in repr(net)


@pytest.mark.usefixtures("registered")
def test_data_are_read_for_the_targets_that_a_likelihood_says(tmp_path):
    x, y = data()
    rows = np.column_stack([x, y[:, 0]])
    np.savetxt(tmp_path / "t.csv", rows, delimiter=",", header="a,b,c,n", comments="", fmt="%.9g")
    pytest.importorskip("pandas")
    counts, numbers = (load(tmp_path / "t.csv", target="n", task=task, holdout=0)
                       for task in (likelihood_named("poisson").task, "normal"))  # fmt: skip
    assert np.array_equal(counts.train.y, y[:, :1])
    assert abs(np.mean(numbers.train.y)) < 1e-12
    assert "counts, 1 a row" in counts.notes[0]
    assert Encoding.from_json(counts.encoding.to_json()) == counts.encoding
    with pytest.raises(ValueError, match="likelihood: expected one of .*poisson, found 'zeros'"):
        load(tmp_path / "t.csv", target="n", task="zeros")


@pytest.mark.usefixtures("registered")
def test_the_compiled_back_end_runs_what_has_no_twin_in_numpy():
    pytest.importorskip("numba")
    if why_not_numba() is not None:
        pytest.skip(why_not_numba())
    for net in (
        network(),
        Network([DenseFlipout(3, 2, "leaky")]),
        Network([DenseFlipout(3, 2, kernel_prior=Square())]),
        Network([DenseFlipout(3, 2)], Poisson()),
        Network([DenseFlipout(3, 2), Gain(2)]),
    ):
        x, y = data()
        y = y[:, 0] > 0 if isinstance(net.likelihood, Categorical) else y
        by = [Trainer(net, len(x), backend=name, dtype="float64") for name in ("numpy", "numba")]
        losses = [[trainer.step(x, y).loss for _ in range(5)] for trainer in by]
        assert relative(losses[1], losses[0]) <= COMPILED_TEN_STEPS
        found = [trainer.parameters.flat for trainer in by]
        assert relative(found[1], found[0]) <= COMPILED_TEN_STEPS


ADAPTER = """
from bnn_ref.verification.frameworks import load

def framework(name):
    wrong = {WRONG}
    sound = load("numpy")
    def answer(vector):
        found = sound.answer(vector)
        return found | {{key: found[key] * factor for key, factor in wrong.items()}}
    return sound._replace(name=name, source=lambda: "by hand 1.0", answer=answer)
"""


@pytest.mark.parametrize(("wrong", "code"), [({}, 0), ({"grad.layers.0.kernel_mu": 1.01}, 1)])
def test_a_framework_is_verified_by_its_name(monkeypatch, tmp_path, capsys, wrong, code):
    """Its file, a line that registers it, and the commands know it."""
    module = f"by_hand_{code}"
    (tmp_path / f"{module}.py").write_text(ADAPTER.format(WRONG=wrong), "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    frameworks.FRAMEWORKS.register("by-hand", frameworks.Adapter(module, ("numpy",), "by-hand"))
    try:
        found = call(capsys, "verify", "--against", "by-hand")
        unknown = call(capsys, "verify", "--against", "by-foot")
    finally:
        del frameworks.FRAMEWORKS["by-hand"]
    assert found.code == code
    assert "by-hand: by hand 1.0" in found.out
    assert ("kernel_mu" in found.out) == bool(code)
    assert "bayesian-torch, by-hand, found 'by-foot'" in unknown.err


def test_a_name_that_is_taken_is_refused():
    for register, owner in ((activations.register, LEAKY._replace(name="relu")),
                            (layers.register, DenseFlipout),
                            (likelihoods.register, Categorical),
                            (priors.register, priors.NormalPrior)):  # fmt: skip
        with pytest.raises(ValueError, match="name of the .*: expected none of"):
            register(owner)
