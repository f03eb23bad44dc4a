"""Vectors of convolutions: written, read, checked; mistakes planted in PyTorch are named."""

import numpy as np
import pytest

pytest.importorskip("torch")

import convolved_elsewhere
from convolved_elsewhere import KL_WEIGHT, make_problem, random_problem, with_torch

from bnn_ref.verification.vectors import make_question, write
from bnn_ref.verification.vectors.checking import check_file
from bnn_ref.verification.vectors.files import Vector
from bnn_ref.verification.vectors.image_mistakes import IMAGE_MISTAKES


def answer(path, seed, plant="", changed=None, make=make_problem):
    """Write what PyTorch answers to a question, with a mistake in it, and return the path."""
    network, p, x, y, noise = make(seed, ties=plant.startswith("pool"))
    question = make_question(network, p, x.reshape(len(x), -1), y, noise, KL_WEIGHT,
                             source="PyTorch, planted", version=2)  # fmt: skip
    noise = noise if changed is None else noise._replace(layers=tuple(map(changed, noise.layers)))
    found = with_torch(network, p, x, y, noise, plant)
    loss = found["nll"] + KL_WEIGHT * found["kl"]
    kls = {f"layers.{k}.kl": layer.kl(own, None) for k, (layer, own) in enumerate(
        zip(network.layers, p.layers, strict=True))}  # fmt: skip
    results = {"outputs": found["outputs"], "nll": found["nll"], "kl": found["kl"], "loss": loss,
               "grad.x": found["x"].reshape(len(x), -1), **kls, **found["before"],
               **{f"grad.{name}": one for name, one in found["grad"].items()}}  # fmt: skip
    results = {name: np.asarray(value, np.float64) for name, value in results.items()}
    write(path, Vector(question.meta, question.arrays, results))
    return path


def test_an_answer_without_a_mistake_agrees(tmp_path):
    check = check_file(answer(tmp_path / "right.npz", 0))
    assert check.agrees, check.comparison


PADDINGS = {"padding-odd-above", "padding-symmetric"}
SIGNS = ("signs-by-place", "signs-over-kernel")  # of which a vector holds none: they are located


@pytest.mark.parametrize("mistake", [*IMAGE_MISTAKES, *SIGNS])
def test_a_planted_mistake_is_named_or_located_in_random_networks(mistake, tmp_path, volume):
    """Never misnamed. Networks in which a mistake changes nothing are passed over; where two ways
    to pad are the same for a network's sizes, both are named."""
    wanted, seen = volume(2, 10), 0
    for seed in range(10 * wanted):
        check = check_file(answer(tmp_path / f"{seed}.npz", seed, mistake, make=random_problem))
        if check.agrees:
            assert mistake not in (*SIGNS, "kernel-turned"), seed
            continue
        named = {key for one in check.explanations for key in one.keys}
        if mistake in SIGNS:
            assert not named, (seed, named)
            assert "layer 0: its own forward pass is wrong" in check.parts[0], seed
        else:
            same = PADDINGS if mistake in PADDINGS else set()
            assert {mistake} <= named <= {mistake} | same, (seed, named)
        seen += 1
        if seen == wanted:
            break
    assert seen == wanted


def test_missing_signs_are_named(tmp_path):
    def without(noise):
        return noise and noise._replace(sign_output=np.ones_like(noise.sign_output))

    check = check_file(answer(tmp_path / "signs.npz", 3, changed=without))
    assert [one.keys for one in check.explanations] == [("sign-output-missing",)]


def test_nothing_is_named_where_a_number_is_wrong(tmp_path, monkeypatch):
    true = convolved_elsewhere.with_torch

    def wrong(*args):
        found = true(*args)
        found["grad"]["layers.2.kernel_mu"] = found["grad"]["layers.2.kernel_mu"] * 1.01
        return found

    monkeypatch.setitem(globals(), "with_torch", wrong)
    check = check_file(answer(tmp_path / "wrong.npz", 0))
    assert not check.agrees
    assert list(check.explanations) == []
