"""Answers that no known mistake explains, explained by the parts of their gradients.

The mistakes are planted in PyTorch, by detaching, clipping and adding, in programs that know
nothing of the parts.
"""

import numpy as np
import pytest

from bnn_ref.verification.vectors.checking import check_vector
from bnn_ref.verification.vectors.comparison import compare
from bnn_ref.verification.vectors.parts import explain_parts
from bnn_ref.verification.vectors.random_questions import random_question

pytest.importorskip("torch")


def step(question, how=""):
    """One step in PyTorch with a mistake; PyTorch is imported where it is there."""
    import torch_step

    return torch_step.step(question, how)


# What each must be called, in words that nobody else's explanation holds.
TOLD = {
    "kl_detached": ("the KL's mean part is missing",),
    "kl_mu_detached": ("the KL's mean part is missing",),
    "kl_sigma_detached": ("the KL's variance part is missing", "the KL's entropy part is missing"),
    "variance_detached": ("the KL's variance part is missing",),
    "loc_detached": ("the KL's prior-location part is missing",),
    "sigma_detached": ("the nll's part", "is missing"),
    "perturbation_detached": ("the nll's part through the perturbations behind is missing",),
    "accumulated": ("the whole gradient is doubled",),
    "clipped": ("have the common factor 0.1016: clipped or rescaled",),
    "decayed": ("0.01 of kernel_mu too much: weight decay",),
}


def questions(count, first=0):
    """Random questions whose layers have so many weights that parts can be told apart."""
    return [random_question(seed, layers=(2, 3), width=(3, 6), rows=(4, 8))
            for seed in range(first, first + count)]  # fmt: skip


def test_the_torch_step_is_right():
    for question in questions(6):
        assert check_vector(question.answer(step(question), "torch")).agrees


def told(question, how):
    """What the parts of a step with a mistake show."""
    answer = question.answer(step(question, how), how)
    return "\n".join(explain_parts(answer, compare(answer)))


@pytest.mark.parametrize("how", TOLD)
def test_a_mistake_in_what_is_differentiated_is_told_by_its_parts(how):
    texts = [told(question, how) for question in questions(8)]
    assert sum(any(words in text for words in TOLD[how]) for text in texts) >= 7, texts
    assert not any("not explained" in text for text in texts), texts


def test_noise_is_given_no_parts():
    rng = np.random.default_rng(0)
    for question in questions(8):
        found = step(question)
        for name in found:
            if name.startswith("grad."):
                found[name] = found[name] * (1 + 0.1 * rng.normal(size=found[name].shape))
        answer = question.answer(found, "noise")
        assert explain_parts(answer, compare(answer)) == ()


def test_the_check_tells_the_parts_where_it_knows_no_mistake():
    question = questions(1)[0]
    check = check_vector(question.answer(step(question, "sigma_detached"), "torch"), seconds=60)
    assert "no known mistake, but the parts that these are made of show:" in check.text()
    assert check.to_json()["parts"] == list(check.parts)


def test_a_wrong_sum_of_a_right_nll_and_kl_is_told():
    question = questions(1)[0]
    found = step(question)
    found["loss"] = found["nll"] + 3 * question.kl_weight * found["kl"]
    answer = question.answer(found, "a loss")
    assert explain_parts(answer, compare(answer)) == ("loss: the weighted KL has the factor 3",)


def test_a_factor_beside_1_shows_what_it_is_off_by():
    """With four digits the gradient's factor of 1.0001 was 1."""
    question = questions(1)[0]
    found = step(question)
    answer = question.answer({**found, "grad.x": found["grad.x"] * 1.0001}, "1.0001 times")
    assert explain_parts(answer, compare(answer)) == (
        "grad.x: the whole gradient has the factor 1 + 0.0001",
    )
