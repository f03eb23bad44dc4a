"""Mistakes planted in PyTorch and in JAX: each caught, and named or explained by parts.

The kinds are those that people make and no framework reports: `torch_step.KINDS`. What has a name
in the catalogue must get it, and no other; the rest is what `test_parts` is about.
"""

import importlib

import pytest

from bnn_ref.verification.vectors.checking import check_vector
from bnn_ref.verification.vectors.comparison import compare
from bnn_ref.verification.vectors.random_questions import random_question

BY_NAME = {
    "bias_kl_missing": "bias-kl-missing", "bias_prior_of_kernel": "bias-prior-of-kernel",
    "loc_ignored": "prior-loc-ignored", "kl_reversed": "kl-reversed", "kl_sampled": "kl-sampled",
    "eps_shared_outputs": "eps-shared", "eps_shared_all": "eps-shared",
    "eps_shared_inputs": "eps-shared", "signs_in_shared": "signs-shared",
    "signs_out_shared": "signs-shared", "signs_both_shared": "signs-shared",
    "dropout_scale": "dropout-scale", "activation_first": "activation-before-bias",
    "centred": "batch-centred", "smoothed": "label-smoothing", "nominal_batch": "nll-scaled",
    "annealed": "kl-weight", "log_variance": "sigma-exp-half", "kl_twice_undivided": "kl-weight",
    "bfloat16": "bfloat16-products", "float16": "tf32", "tf32": "tf32",
    "kl_mean_tensors": "kl-averaged-over-weights", "kl_mean_weights": "kl-averaged-over-weights",
    "kl_mean_layers": "kl-averaged-over-layers", "kl_missing": "kl-missing",
    "kl_twice": "kl-twice", "kl_by_batch": "kl-weight", "kl_plus_batch": "kl-weight",
    "kl_divided_twice": "kl-weight", "scale_as_variance": "prior-scale-as-variance",
    "variance_as_scale": "prior-variance-as-scale", "sigma_exp": "sigma-exp",
    "sign_input_missing": "sign-input-missing", "sign_output_missing": "sign-output-missing",
    "mean_flipped": "mean-flipped", "bias_other_flip": "bias-flip", "nll_summed": "nll-summed",
    "nll_averaged": "nll-averaged-over-outputs", "half_square": "half-squared-error",
    "square": "squared-error",
}  # fmt: skip
PARTS = ("kl_detached", "kl_mu_detached", "kl_sigma_detached", "variance_detached", "loc_detached",
         "sigma_detached", "perturbation_detached", "accumulated", "clipped",
         "decayed")  # fmt: skip
PRECISIONS = ("bfloat16", "float16", "tf32")
ALSO = {  # what says the same of an answer, where both reproduce every number
    "kl_mean_layers": ("kl-weight",), "kl_by_batch": ("kl-twice",), "annealed": ("kl-missing",),
}  # fmt: skip
FIRST = 100  # seed of the networks


def question_for(how, seed, framework="torch"):
    """A random network in which a mistake can be seen.

    JAX compiles every operation for every shape, so its networks differ in all but their widths.
    """
    options = {"layers": (2, 3), "width": (3, 5), "rows": (4, 7)}
    if framework == "jax":
        options |= {"width": (4, 4), "rows": (5, 5)}
    if how == "smoothed":
        options["likelihoods"] = ("categorical",)
    if how in ("nll_averaged", "half_square", "square"):
        options["likelihoods"] = ("normal",)
    if how in ("bias_kl_missing", "bias_prior_of_kernel", "bias_other_flip"):
        options["biases"] = ("normal", "normal_flipped")
    if how == "activation_first":
        options |= {"biases": ("normal", "deterministic"), "activations": ("tanh", "elu", "gelu")}
    dtype = "float32" if how in PRECISIONS else "float64"
    return random_question(FIRST + seed, dtype, **options)


def planted(framework, question, how):
    """The answer of a step with a mistake in it."""
    step = importlib.import_module(f"{framework}_step").step
    return question.answer(step(question, how), how)


def found_of(framework, how, count):
    """How many answers got a name, and how many parts; none passed, none has another's name."""
    named = parts = 0
    for seed in range(count):
        answer = planted(framework, question_for(how, seed, framework), how)
        assert not compare(answer).agrees, (how, seed)
        check = check_vector(answer, seconds=60)
        found = [one.keys for one in check.explanations]
        right = [(key,) for key in (BY_NAME.get(how), *ALSO.get(how, ()))]
        right += [("coarse-products",)] * (how in PRECISIONS)
        assert all(keys in right for keys in found), (how, seed, found)  # none misnamed
        named += bool(found)
        parts += bool(check.parts)
    return named, parts


@pytest.mark.parametrize("how", BY_NAME)
def test_a_mistake_in_torch_is_caught_and_named(how, volume):
    pytest.importorskip("torch")
    asked = volume(1, 10)
    named, _ = found_of("torch", how, asked)
    if how in PRECISIONS:
        assert named >= 0.9 * asked - 1
    else:
        assert named == asked


@pytest.mark.parametrize("how", PARTS)
def test_what_has_no_name_in_torch_is_explained_by_its_parts(how, volume):
    """In quick runs one kind: a diagnosis that finds nothing tries all the catalogue first."""
    pytest.importorskip("torch")
    asked = volume(int(how == "sigma_detached"), 10)
    assert found_of("torch", how, asked) == (0, asked)


@pytest.mark.timeout(1800)  # ten networks of JAX, each compiled
def test_mistakes_in_jax_are_caught_and_named(volume):
    pytest.importorskip("jax")
    asked, told, every = volume(1, 10), 0, [*BY_NAME, *PARTS][:: volume(60, 1)]
    for how in every:
        named, parts = found_of("jax", how, asked)
        told += named + parts
    assert told >= 0.8 * asked * len(every)  # four of five; the rest is caught all the same
