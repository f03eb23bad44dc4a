"""Steps with a piece beside PyTorch and JAX: every contender computes this project's loss."""

import importlib.util

import numpy as np
import pytest

pytest.importorskip("bench", reason="the bench is not in this checkout")
pytest.importorskip("numba", reason="numba is not installed")

from bench import piece_steps, pieces
from bnn_ref.noise import draw_noise
from bnn_ref.reference import loss_and_gradients
from bnn_ref.verification.vectors.making import noise_arrays


@pytest.mark.parametrize("library", ["torch", pytest.param("jax", marks=pytest.mark.slow)])
@pytest.mark.parametrize("piece", pieces.PIECES)
def test_a_contender_computes_our_loss(piece, library):
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    network, (x, y) = pieces.network(piece), pieces.batch()
    x, y, p = x[:9], y[:9], network.init(0)
    noise = draw_noise(network, 9, 0)
    exact = loss_and_gradients(network, p, x, y, noise, 0.01).loss
    arrays = {f"layers.{k}.{name}": value for k, one in enumerate(noise.layers)
              for name, value in noise_arrays(one).items()}  # fmt: skip
    shapes = piece_steps.noise_shapes(network, 9)
    assert {name: shape[:2] for name, shape in shapes.items()} == {
        name: value.shape for name, value in arrays.items()}  # fmt: skip
    if library == "torch":
        import torch

        ops, array = piece_steps.torch_ops(), torch.tensor
    else:
        import jax.numpy as jnp

        ops, array = piece_steps.jax_ops(), jnp.array
    given = ({name: array(value) for name, value in one.items()} for one in (p, arrays))
    found = piece_steps.loss(ops, network, *given, array(x), array(y), 0.01)
    assert float(found) == pytest.approx(float(exact), rel=1e-5)


def test_the_table_is_of_medians_of_ratios():
    times = {
        ("none", "ours"): [1e-3, 2e-3, 9e-3], ("none", "jax"): [2e-3, 6e-3, 9e-3],
        ("Dense", "ours"): [2e-3, 3e-3, 9e-3], ("Dense", "jax"): [4e-3, 6e-3, 36e-3],
    }  # fmt: skip
    text = pieces.table(times, ["ours", "jax"]).markdown()
    assert "| none | 2.00 | 2.00 | 1.00 |" in text
    assert "| Dense | 3.00 | 2.00 | 1.50 |" in text


def test_turns_are_taken_and_an_unknown_piece_is_refused(capsys):
    calls = []
    steps = {name: lambda name=name: calls.append(name) for name in "ab"}
    clock = iter(np.arange(100.0))
    times = pieces.take_turns(steps, 2, 3, lambda: next(clock))
    assert "".join(calls) == "aaabbb" * 2
    assert times == {"a": [1.0, 1.0], "b": [1.0, 1.0]}
    with pytest.raises(SystemExit):
        pieces.main(["--pieces", "none,GRU"])
    assert "expected some of none, Dense" in capsys.readouterr().err
