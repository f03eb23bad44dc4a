"""Mistakes that no framework reports, planted in PyTorch: each caught, and named or explained."""

import pytest

from bnn_ref.verification.vectors.checking import check_vector
from bnn_ref.verification.vectors.comparison import compare
from bnn_ref.verification.vectors.questions import random_question

pytest.importorskip("torch")

BY_NAME = {
    "bias_kl_missing": "bias-kl-missing", "bias_prior_of_kernel": "bias-prior-of-kernel",
    "loc_ignored": "prior-loc-ignored", "kl_reversed": "kl-reversed", "kl_sampled": "kl-sampled",
    "eps_shared_outputs": "eps-shared", "eps_shared_all": "eps-shared",
    "signs_in_shared": "signs-shared", "signs_out_shared": "signs-shared",
    "dropout_scale": "dropout-scale", "activation_first": "activation-before-bias",
    "centred": "batch-centred", "smoothed": "label-smoothing", "nominal_batch": "nll-scaled",
    "annealed": "kl-weight", "log_variance": "sigma-exp-half", "kl_twice_undivided": "kl-weight",
    "bfloat16": "bfloat16-products", "float16": "tf32", "tf32": "tf32",
}  # fmt: skip
PRECISIONS = ("bfloat16", "float16", "tf32")
FIRST = 100  # seed of the networks


def question_for(how, seed):
    """A random network in which a mistake can be seen."""
    options = {"layers": (2, 3), "width": (3, 5), "rows": (4, 7)}
    if how == "smoothed":
        options["likelihoods"] = ("categorical",)
    if how in ("bias_kl_missing", "bias_prior_of_kernel"):
        options["biases"] = ("normal", "normal_flipped")
    if how == "activation_first":
        options |= {"biases": ("normal", "deterministic"), "activations": ("tanh", "elu", "gelu")}
    dtype = "float32" if how in PRECISIONS else "float64"
    return random_question(FIRST + seed, dtype, **options)


@pytest.mark.parametrize("how", BY_NAME)
def test_a_mistake_is_caught_and_named(how, volume):
    from torch_step import step

    named, asked = 0, volume(2, 10)
    for seed in range(asked):
        question = question_for(how, seed)
        answer = question.answer(step(question, how), how)
        assert not compare(answer).agrees
        found = [e.keys for e in check_vector(answer, seconds=60).explanations]
        right = [(BY_NAME[how],)] + [("coarse-products",)] * (how in PRECISIONS)
        assert all(keys in right for keys in found), (seed, found)  # none misnamed
        named += bool(found)
    assert named >= (0.9 if how in PRECISIONS else 1.0) * asked - (how in PRECISIONS)
