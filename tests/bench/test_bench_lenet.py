"""LeNet-5 beside TFP, at a tiny size: both are trained and scored by the same code."""

import importlib.util
import time

import numpy as np
import pytest
from tolerances import FRAMEWORK_FLOAT32, relative

pytest.importorskip("bench", reason="the bench is not in this checkout")
pytest.importorskip("numba", reason="numba is not installed")

from bench import cli, lenet, lenet_steps

# TFP's layers call what Keras deprecates, and share an initializer.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`layer.add_variable` is deprecated:UserWarning"),
    pytest.mark.filterwarnings("ignore:The initializer RandomNormal is unseeded:UserWarning"),
]


@pytest.mark.parametrize("name", ["ours", pytest.param("tfp", marks=pytest.mark.slow)])
def test_a_contender_is_trained_and_scored(name):
    """On digits, 8x8: two steps from the same start leave some nats of log(10)."""
    if name == "tfp" and importlib.util.find_spec("tensorflow_probability") is None:
        pytest.skip("tfp is not installed")
    found = lenet.run(name, 0, "digits", 2 * lenet.BATCH, 1, 2)
    assert (found["contender"], found["seed"]) == (name, 0)
    assert -4 < found["nats"] < -1
    assert 0 <= found["accuracy"] <= 1
    assert found["nats_error"] > 0
    assert found["seconds"] >= 0


def test_batches_are_whole_and_the_same_for_all():
    one, two = (list(lenet.batches(300, 2, 5)) for _ in range(2))
    assert [len(rows) for rows in one] == [lenet.BATCH] * 4
    assert all((a == b).all() for a, b in zip(one, two, strict=True))
    assert len({*one[0], *one[1]}) == 2 * lenet.BATCH


def test_the_table_holds_means_and_their_errors():
    rows = [
        {
            "contender": "ours",
            "seed": seed,
            "nats": nats,
            "accuracy": 0.98,
            "seconds": 10.0,
            "peak_mb": peak,
        }
        for seed, nats, peak in ((0, -0.04, 400.0), (1, -0.06, 410.0))
    ]
    rows.append({**rows[0], "contender": "tfp", "peak_mb": None, "nats_error": 0.002})  # fmt: skip
    text = lenet.table(rows).markdown()
    assert "| bnn_ref | 2 | -0.0500 ± 0.0100 | 0.9800 | 10 | 410 MB |" in text
    assert "| TFP, XLA | 1 | -0.0400 ± 0.0020 | 0.9800 | 10 |  |" in text


def test_an_unknown_contender_is_refused(capsys):
    with pytest.raises(SystemExit):
        lenet.main(["--data", "digits", "--contenders", "ours,theirs"])
    assert "expected some of ours, tfp" in capsys.readouterr().err


def batch(rows=4):
    rng = np.random.default_rng(0)
    return rng.random((rows, 28, 28, 1), dtype=np.float32), rng.integers(0, 10, rows)


def test_pytorch_by_hand_has_the_gradients_of_autograd():
    """On the same draws: both make their start and their noise in the same order."""
    torch = pytest.importorskip("torch")
    found = []
    for make in (lenet_steps.torch_step, lenet_steps.torch_manual_step):
        torch.manual_seed(0)
        step = make(*batch(), 1)
        torch.manual_seed(1)
        loss = step()
        found.append((loss, [one.grad.numpy() for one in step.parameters]))
    (loss, exact), (by_hand, gradients) = found
    assert by_hand == pytest.approx(loss, rel=1e-5)
    assert len(exact) == 15
    for one, other in zip(exact, gradients, strict=True):
        assert relative(other, one) < FRAMEWORK_FLOAT32


@pytest.mark.parametrize(
    "name", ["ours", *(pytest.param(name, marks=pytest.mark.slow)
                       for name in ("jax", "tfp", "bayesian_torch"))]
)  # fmt: skip
def test_every_contender_takes_a_step(name):
    """All from sigma near .049 and with the KL / 60,000: an nll near that of chance or above."""
    needs = {"jax": "jax", "tfp": "tensorflow_probability", "bayesian_torch": "bayesian_torch"}
    if name in needs and importlib.util.find_spec(needs[name]) is None:
        pytest.skip(f"{name} is not installed")
    step = lenet_steps.CONTENDERS[name](*batch(), 1)
    losses = [step() for _ in range(2)]
    assert all(1 < loss < 100 for loss in losses)
    assert losses[0] != losses[1]


def test_the_commands_of_the_bench_say_both(capsys):
    assert cli.main(["--list"]) == 0
    said = capsys.readouterr().out
    for name in ("lenet", "lenet-steps", "pieces"):
        assert f"\n  {name} " in said
        assert name in cli.COMMANDS
        with pytest.raises(SystemExit):
            cli.main([name, "--help"])
        assert f"python -m bench {name}" in capsys.readouterr().out


def test_steps_taken_in_turns_make_the_pages_table(capsys, monkeypatch):
    waits = {"ours": 0.001, "torch": 0.004}
    made = {name: lambda x, y, threads, s=s: lambda: time.sleep(s) or 2.0
            for name, s in waits.items()}  # fmt: skip
    monkeypatch.setattr(lenet_steps, "CONTENDERS", made)
    command = ["lenet-steps", "--contenders", "ours,torch", "--rounds", "3", "--batch", "2"]
    assert cli.main(command) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert rows[0] == "| contender | a step | x the first |"
    assert rows[2].startswith("| bnn_ref | ")
    assert rows[2].endswith(" | 1.00 |")
    assert float(rows[3].split(" | ")[2].strip(" |")) > 1.5
    with pytest.raises(SystemExit):
        lenet_steps.main(["--contenders", "ours,theirs"])
    assert "expected some of ours, torch" in capsys.readouterr().err
