"""Mistakes in a step by local reparameterisation: its own have a name, those of any step too."""

import numpy as np
import pytest
from tolerances import SAME_FLOAT64, relative

from bnn_ref.verification.vectors.checking import check_vector
from bnn_ref.verification.vectors.comparison import compare, truth
from bnn_ref.verification.vectors.random_questions import random_question
from bnn_ref.verification.vectors.variants import RIGHT, Problem, compute, results

BY_NAME = {
    "local_variance": "local-root-missing", "local_sigma": "local-not-squared",
    "local_added": "local-deviations-added", "local_bias_missing": "local-bias",
    "local_bias_apart": "local-bias", "local_eps_shared": "eps-shared",
    "sigma_exp": "sigma-exp", "log_variance": "sigma-exp-half", "nll_summed": "nll-summed",
    "kl_missing": "kl-missing", "kl_by_batch": "kl-weight", "kl_twice": "kl-twice",
    "kl_mean_weights": "kl-averaged-over-weights", "loc_ignored": "prior-loc-ignored",
    "kl_reversed": "kl-reversed", "scale_as_variance": "prior-scale-as-variance",
    "bias_kl_missing": "bias-kl-missing", "bias_prior_of_kernel": "bias-prior-of-kernel",
}  # fmt: skip
BY_PARTS = ("sigma_detached", "perturbation_detached", "local_root_detached", "kl_detached")


def question_for(how, seed):
    """A random network without ReLU: where a unit is off, PyTorch has a NaN of the root's slope."""
    biases = ("normal",) if "bias" in how else ("none", "deterministic", "normal")
    return random_question(200 + seed, layers=(2, 3), width=(3, 5), rows=(4, 7), biases=biases,
                           priors=["normal"], estimators=["local"], weighted=False,
                           likelihoods=["categorical", "normal"],
                           activations=["tanh", "softplus", "gelu"], version=2)  # fmt: skip


def checked(question, how):
    step = pytest.importorskip("torch_step").step
    return check_vector(question.answer(step(question, how), how), seconds=60)


@pytest.mark.parametrize("seed", range(8))
def test_without_a_mistake_the_variants_are_the_truth(seed):
    question = random_question(seed, estimators=["local"], version=2)
    right, found = truth(question), results(compute(Problem(question), RIGHT))
    assert all(relative(found[name], right[name]) < SAME_FLOAT64 for name in found)


def test_the_step_in_torch_is_right():
    pytest.importorskip("torch")
    assert all(checked(question_for("", seed), "").agrees for seed in range(3))


@pytest.mark.parametrize("how", BY_NAME)
def test_a_mistake_is_caught_and_named(how, volume):
    pytest.importorskip("torch")
    for seed in range(volume(1, 10)):
        check = checked(question_for(how, seed), how)
        keys = {one.keys for one in check.explanations}
        assert not check.agrees
        assert (BY_NAME[how],) in keys, (seed, keys)
        assert all(len(one) == 1 for one in keys)


@pytest.mark.parametrize("how", BY_PARTS)
def test_what_has_no_name_is_explained_by_its_parts(how, volume):
    pytest.importorskip("torch")
    for seed in range(volume(int(how == "sigma_detached"), 10)):
        check = checked(question_for(how, seed), how)
        assert not check.agrees
        assert not check.explanations, (seed, check)
        assert check.parts, seed


def test_noise_gets_no_name():
    question = question_for("", 0)
    rng = np.random.default_rng(0)
    found = {name: value * rng.uniform(0.9, 1.1, np.shape(value))
             for name, value in truth(question).items()}  # fmt: skip
    answer = question.answer(found, "noise")
    assert not compare(answer).agrees
    assert not check_vector(answer).explanations
