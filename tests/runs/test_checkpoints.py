"""Case 26: save, load in another process, go on bit for bit; and everything that is refused."""

import json
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from bnn_ref import (
    Bernoulli,
    Categorical,
    DenseFlipout,
    Network,
    Normal,
    Trainer,
    draw_noise,
    predict,
)
from bnn_ref.runs.checkpoints import load_checkpoint, save_checkpoint

RNG = np.random.default_rng(26)
X = RNG.normal(size=(7, 5)).astype(np.float32)
NETWORKS = {
    "categorical": (
        Network([DenseFlipout(5, 4, "relu"), DenseFlipout(4, 3)], Categorical()),
        RNG.integers(0, 3, 7),
    ),
    "learned scale, every bias": (
        Network(
            [
                DenseFlipout(5, 4, "gelu", bias="normal", bias_prior=(0.5, 2.0), scale_shift=0.01),
                DenseFlipout(4, 3, "tanh", bias="normal_flipped", kernel_prior=(0.1, 0.3)),
                DenseFlipout(3, 2, bias="none"),
            ],
            Normal(0.7, learn_scale=True),
        ),
        RNG.normal(size=(7, 2)),
    ),
    "bernoulli": (Network([DenseFlipout(5, 2)], Bernoulli()), RNG.integers(0, 2, (7, 2))),
}


def trainer_of(network, dtype="float32", **options):
    return Trainer(network, 7, seed=2**64 - 5, backend="numpy", dtype=dtype, **options)


def take(trainer, y, steps):
    for _ in range(steps):
        trainer.step(X, y)


def assert_same(one, other):
    for name in ("parameters", "moment_1", "moment_2"):
        a, b = getattr(one, name).flat, getattr(other, name).flat
        assert a.dtype == b.dtype
        assert a.tobytes() == b.tobytes()
    assert one.step == other.step


GO_ON = """
import json, sys
import numpy as np
from bnn_ref import Trainer, predict
from bnn_ref.runs.checkpoints import load_checkpoint, save_checkpoint
path, data, out = sys.argv[1:]
with np.load(data) as arrays:
    x, y = arrays["x"], arrays["y"]
found = load_checkpoint(path)
trainer = Trainer(found.network, 7, seed=found.seed, backend="numpy", dtype=found.dtype,
                  state=found.state)
for _ in range(5):
    trainer.step(x, y)
save_checkpoint(out, trainer)
prediction = predict(found.network, trainer.parameters, x, draws=3, seed=1, backend="numpy")
np.save(out + ".npy", prediction.epistemic)
"""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NETWORKS)
def test_case_26_ten_steps_equal_five_saved_loaded_elsewhere_and_five(tmp_path, name, dtype):
    network, y = NETWORKS[name]
    whole, half = trainer_of(network, dtype), trainer_of(network, dtype)
    take(whole, y, 10)
    take(half, y, 5)
    path, data, out = tmp_path / "half.npz", tmp_path / "data.npz", tmp_path / "out.npz"
    save_checkpoint(path, half)
    np.savez(data, x=X, y=y)
    subprocess.run([sys.executable, "-c", GO_ON, path, data, str(out)], check=True, timeout=120)
    found = load_checkpoint(out, network)
    assert_same(found.state, whole.state)
    assert found.seed == 2**64 - 5
    wanted = predict(network, whole.parameters, X, draws=3, seed=1, backend="numpy")
    assert np.load(f"{out}.npy").tobytes() == wanted.epistemic.tobytes()


def test_equal_states_give_equal_bytes_and_no_pickle(tmp_path):
    network, y = NETWORKS["categorical"]
    trainer = trainer_of(network)
    take(trainer, y, 2)
    one, other = tmp_path / "one.npz", tmp_path / "other.npz"
    save_checkpoint(one, trainer)
    save_checkpoint(other, trainer)
    assert one.read_bytes() == other.read_bytes()
    with np.load(one, allow_pickle=False) as arrays:
        assert {arrays[name].dtype.kind for name in arrays} <= set("fiuU")
        np.testing.assert_array_equal(
            arrays["layers.0.kernel_mu"], trainer.parameters["layers.0.kernel_mu"]
        )
        meta = json.loads(str(arrays["meta"]))
    for found, wanted in zip(meta["layers"], network.to_json("float32")["layers"], strict=True):
        assert wanted.items() <= found.items()
    with zipfile.ZipFile(one) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_how_a_network_starts_is_kept(tmp_path):
    layer = DenseFlipout(5, 3, initializer="he", initial_sigma=0.2, scale_shift=1e-6)
    trainer = Trainer(Network([layer]), 7, backend="numpy")
    save_checkpoint(tmp_path / "c.npz", trainer)
    found = load_checkpoint(tmp_path / "c.npz").network
    assert found == trainer.network
    np.testing.assert_array_equal(found.init(3).flat, trainer.network.init(3).flat)


def test_the_settled_shift_is_kept(tmp_path):
    network, _ = NETWORKS["learned scale, every bias"]
    path = tmp_path / "c.npz"
    save_checkpoint(path, trainer_of(network))
    found = load_checkpoint(path).state.parameters
    shifts = [layer.scale_shift for layer in found.layers]
    assert shifts == [0.01, *[float(np.finfo(np.float32).eps)] * 2]


OTHERS = {
    "wider": (
        Network([DenseFlipout(5, 6, "relu"), DenseFlipout(6, 3)]),
        r"\[0\].units: .*6.*4",
    ),
    "deeper": (
        Network([DenseFlipout(5, 4, "relu"), DenseFlipout(4, 4), DenseFlipout(4, 3)]),
        "layers: expected 3 of them, found 2",
    ),
    "other inputs": (
        Network([DenseFlipout(6, 4, "relu"), DenseFlipout(4, 3)]),
        "inputs: expected 6, found 5",
    ),
    "other activation": (
        Network([DenseFlipout(5, 4, "tanh"), DenseFlipout(4, 3)]),
        r"layers\[0\].activation: expected tanh, found relu",
    ),
    "other prior": (
        Network([DenseFlipout(5, 4, "relu", kernel_prior=(0, 2)), DenseFlipout(4, 3)]),
        r"layers\[0\].kernel_prior: expected .*2.0.*, found .*1.0",
    ),
    "other likelihood": (
        Network([DenseFlipout(5, 4, "relu"), DenseFlipout(4, 3)], Bernoulli()),
        "likelihood: expected .*bernoulli.*, found .*categorical",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_architecture_is_refused(tmp_path, name):
    other, message = OTHERS[name]
    path = tmp_path / "c.npz"
    save_checkpoint(path, trainer_of(NETWORKS["categorical"][0]))
    with pytest.raises(ValueError, match=message) as caught:
        load_checkpoint(path, other)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "c.npz"
    save_checkpoint(path, trainer_of(NETWORKS["categorical"][0]))
    with np.load(path) as found:
        return path.read_bytes(), dict(found)


def meta(arrays, **changes):
    found = json.loads(str(arrays["meta"])) | changes
    return {"meta": np.array(json.dumps({k: v for k, v in found.items() if v != "absent"}))}


CHANGED = {
    "no meta": (lambda a: {"meta": None}, "meta: expected the description of a checkpoint"),
    "meta is a number": (lambda a: {"meta": np.array(3.0)}, "meta: expected a text"),
    "meta is no JSON": (lambda a: {"meta": np.array("{")}, "meta: expected a JSON object"),
    "meta is a list": (
        lambda a: {"meta": np.array("[]")},
        "meta: expected a JSON object, found a list",
    ),
    "a test vector": (lambda a: meta(a, format="bnn-ref-vectors"), "found 'bnn-ref-vectors'"),
    "another version": (lambda a: meta(a, version=3), "version: expected 1 or 2, found 3"),
    "a key less": (lambda a: meta(a, pending="absent"), "meta: pending: expected such a key"),
    "a key more": (lambda a: meta(a, more=1), "meta: more: expected no such key"),
    "float16": (lambda a: meta(a, dtype="float16"), "dtype: expected 'float32' or 'float64'"),
    "dtype is a list": (lambda a: meta(a, dtype=[1]), "dtype: expected 'float32'"),
    "inputs of -5": (lambda a: meta(a, inputs=-5), "inputs: expected a whole number"),
    "other inputs": (lambda a: meta(a, inputs=10**9), r"layers.0.kernel_mu: expected shape"),
    "layers is text": (lambda a: meta(a, layers="x"), "layers: expected a list"),
    "a layer is text": (lambda a: meta(a, layers=["x"]), r"layers\[0\]: expected an object"),
    "no layers": (lambda a: meta(a, layers=[]), "at least one layer"),
    "likelihood is null": (lambda a: meta(a, likelihood=None), "likelihood: expected"),
    "activation is a list": (
        lambda a: meta(a, layers=[{**json.loads(str(a["meta"]))["layers"][0], "activation": [1]}]),
        "checkpoint|activation|unhashable",
    ),
    "pending is a list": (
        lambda a: meta(a, pending=[]),
        "pending: expected an object",
    ),
    "a tensor less": (lambda a: {"layers.0.kernel_mu": None}, "found no 'layers.0.kernel_mu'"),
    "a tensor more": (lambda a: {"more": np.ones(3)}, "found 'more'"),
    "transposed": (
        lambda a: {"layers.0.kernel_mu": a["layers.0.kernel_mu"].T.copy()},
        r"layers.0.kernel_mu: expected shape \(5, 4\) of float32, found shape \(4, 5\)",
    ),
    "other dtype": (
        lambda a: {"moment_1.layers.0.kernel_mu": np.zeros((5, 4))},
        "expected shape .* of float32, found .* float64",
    ),
    "NaN": (
        lambda a: {"layers.1.bias_mu": np.full(3, np.nan, np.float32)},
        "layers.1.bias_mu: expected finite values",
    ),
    "negative step": (
        lambda a: {"step": np.int64(-1)},
        "step: expected a whole number",
    ),
    "step is a float": (lambda a: {"step": np.float64(1)}, r"step: expected shape \(\) of int64"),
    "seed is signed": (lambda a: {"seed": np.int64(1)}, r"seed: expected shape \(\) of uint64"),
    "an object": (lambda a: {"layers.0.bias_mu": np.array([{}] * 4)}, "object"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_changed_file_is_refused(tmp_path, arrays, name):
    change, message = CHANGED[name]
    content = {k: v for k, v in (arrays[1] | change(arrays[1])).items() if v is not None}
    path = tmp_path / "c.npz"
    np.savez(path, **content)
    with pytest.raises(ValueError, match=message) as caught:
        load_checkpoint(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_cut_of_the_file_is_refused(tmp_path, arrays):
    whole, path = arrays[0], tmp_path / "c.npz"
    for size in [0, 1, 3, 4, 29, 100, *np.linspace(0, len(whole) - 1, 60).astype(int)]:
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="expected a checkpoint of bnn-ref"):
            load_checkpoint(path)


def test_every_flipped_byte_is_refused_or_read_the_same(tmp_path, arrays):
    """A zip's directory has bytes that mean nothing; all data is under a checksum."""
    whole, path = arrays[0], tmp_path / "c.npz"
    state = _loaded_or_message(path, whole)
    refused = 0
    for at in np.linspace(0, len(whole) - 1, 400).astype(int):
        damaged = bytearray(whole)
        damaged[at] ^= 0x55
        found = _loaded_or_message(path, damaged)
        if isinstance(found, str):
            assert "\n" not in found
            refused += 1
        else:
            assert_same(found, state)
    assert refused > 300


def _loaded_or_message(path, content):
    path.write_bytes(content)
    try:
        return load_checkpoint(path).state
    except ValueError as error:
        return str(error)


def test_nothing_is_ever_unpickled(tmp_path, monkeypatch):
    path = tmp_path / "c.npz"
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ValueError, match="expected a checkpoint of bnn-ref"):
        load_checkpoint(path)
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "none.npz")
    with pytest.raises((ValueError, OSError), match="expected a file, found a folder"):
        load_checkpoint(tmp_path)


def test_a_text_of_the_meta_cannot_make_noise_of_another_run(tmp_path):
    """A seed of 64 bits comes back whole: the next step's noise is the same."""
    network, _ = NETWORKS["categorical"]
    path = tmp_path / "c.npz"
    save_checkpoint(path, trainer_of(network))
    found = load_checkpoint(path)
    one = draw_noise(network, 3, 2**64 - 5).layers[0].kernel_eps
    np.testing.assert_array_equal(one, draw_noise(network, 3, found.seed).layers[0].kernel_eps)


def halving(step):
    return 0.01 * 0.9**step


def rising(step):
    return 0.01 * (step + 1)


@pytest.mark.parametrize(("settings", "functions"), [
    ({"learning_rate": "cosine:0.02:0.1:0.2", "steps": 10, "kl_warm_up": 0.5, "temperature": 0.3,
      "estimator": "shared", "draws_per_step": 2}, {}),
    ({"learning_rate": 0.03, "adam": "keras", "kl_weight": 0.1}, {}),
    ({"learning_rate": halving, "kl_weight": rising},
     {"learning_rate": halving, "kl_weight": rising}),
])  # fmt: skip
def test_a_checkpoint_gives_back_the_trainer_that_it_is_of(tmp_path, settings, functions):
    """Five steps, saved, loaded and five more are ten, a person's own functions given again."""
    network, y = NETWORKS["categorical"]
    whole, half = trainer_of(network, **settings), trainer_of(network, **settings)
    take(whole, y, 10)
    take(half, y, 5)
    save_checkpoint(tmp_path / "half.npz", half)
    found = load_checkpoint(tmp_path / "half.npz")
    again = found.trainer(backend="numpy", **functions)
    take(again, y, 5)
    assert_same(again.state, whole.state)
    save_checkpoint(tmp_path / "again.npz", again)
    save_checkpoint(tmp_path / "whole.npz", whole)
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()


def test_a_function_is_recorded_as_such_and_asked_for(tmp_path):
    network, y = NETWORKS["categorical"]
    trainer = trainer_of(network, learning_rate=halving)
    take(trainer, y, 2)
    save_checkpoint(tmp_path / "c.npz", trainer)
    found = load_checkpoint(tmp_path / "c.npz")
    assert found.settings["learning_rate"] == "function"
    for given, message in (
        ({}, "learning_rate: expected the function of the step that it was trained with, given"),
        ({"learning_rate": 0.01}, "learning_rate: expected a function of the step, found 0.01"),
        ({"learning_rate": halving, "temperature": 0.1}, "temperature: expected as the checkpoint"),
    ):
        with pytest.raises(ValueError, match=message):
            found.trainer(backend="numpy", **given)
    with pytest.raises(ValueError, match="settings of the checkpoint: expected"):
        found._replace(settings=None).trainer(backend="numpy")
