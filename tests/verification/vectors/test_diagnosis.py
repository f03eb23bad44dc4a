"""The diagnosis: every known mistake planted is named, what is right or unknown never is.

The planted answers come from `mistaken`, which shares no code with the package.
"""

import itertools
from functools import cache

import numpy as np
import pytest
from mistaken import results
from tolerances import COMPLEX_STEP, relative

from bnn_ref.layers import DenseFlipout
from bnn_ref.likelihoods import Bernoulli, Categorical, Normal
from bnn_ref.network import Network
from bnn_ref.noise import draw_noise
from bnn_ref.reference import loss_and_gradients
from bnn_ref.verification.vectors import Vector, make_question, results_of
from bnn_ref.verification.vectors.checking import check_vector
from bnn_ref.verification.vectors.comparison import LIMITS, compare, error_of, truth
from bnn_ref.verification.vectors.mistakes import FLOAT32, MISTAKES, OF_LOCAL, PAIRS

NETWORKS = 20
BIASES = ("none", "deterministic", "normal", "normal_flipped")
ACTIVATIONS = ("linear", "relu", "tanh", "sigmoid", "softplus", "elu", "gelu")


def network_question(seed):
    """Return a random question; every fifth is in float32."""
    rng = np.random.default_rng([seed, 11])
    sizes = [int(rng.integers(2, 5))]
    for _ in range(int(rng.choice([1, 2, 3], p=[0.2, 0.5, 0.3]))):
        sizes.append(sizes[-1] if rng.random() < 0.4 else int(rng.integers(1, 5)))
    if seed % 3 == 0:  # of a single class the nll is 0
        sizes[-1] = max(2, sizes[-1])
    layers = []
    for k in range(len(sizes) - 1):
        bias = BIASES[(seed + k) % 4] if rng.random() < 0.7 else BIASES[rng.integers(4)]
        prior = (round(float(rng.normal(0, 0.5)), 3), round(float(rng.uniform(0.3, 2.5)), 3))
        last = k == len(sizes) - 2
        layers.append(
            DenseFlipout(
                sizes[k], sizes[k + 1], "linear" if last else ACTIVATIONS[rng.integers(7)],
                kernel_prior=prior, bias=bias,
                bias_prior=(0.3, 1.5 * prior[1]) if bias.startswith("normal") else None,
                scale_shift=(None, 0.0, 1e-3)[rng.integers(3)],
            )
        )  # fmt: skip
    likelihood = (Categorical(), Bernoulli(), Normal(0.6))[seed % 3]
    network, rows = Network(layers, likelihood), int(rng.integers(2, 7))
    dtype = "float32" if seed % 5 == 4 else "float64"
    parameters = network.init(seed, dtype)
    for name, array in parameters.items():
        array[...] = rng.normal(-0.5 if name.endswith("rho") else 0, 0.7, array.shape)
    y = rng.normal(size=(rows, sizes[-1]))
    if seed % 3 == 0:
        y = rng.integers(0, sizes[-1], rows)
    elif seed % 3 == 1:
        y = (y > 0).astype(float)
    noise = draw_noise(network, rows, seed, dtype=dtype)
    weight = float(rng.choice([0.01, 0.1, 0.37]))
    return make_question(network, parameters, rng.normal(size=(rows, sizes[0])), y, noise, weight)


question_of = cache(network_question)


@cache
def truth_of(seed):
    return truth(question_of(seed))


QUESTIONS = [question_of(seed) for seed in range(NETWORKS)]
TRUTHS = [truth_of(seed) for seed in range(NETWORKS)]
SEARCHED = {"gelu-tanh": 5 * NETWORKS}  # few of the others have a hidden gelu

# Each mistake's forms, as `mistaken.results` takes them; a callable is given the question.
PLANTED = {
    "kl-averaged-over-weights": [
        {"kl_average": how} for how in ("tensors", "layer_weights", "weights")
    ],
    "kl-averaged-over-layers": [{"kl_average": "layers"}],
    "kl-missing": [{"kl_weight": 0.0}],
    "kl-twice": [{"kl_factor": 2.0}],
    "kl-weight": [
        {"kl_weight": 1.0},
        {"kl_weight": 0.0317},
        lambda q: {"kl_weight": 1 / len(q.x)},
        lambda q: {"kl_weight": q.kl_weight / len(q.x)},
    ],
    "prior-scale-as-variance": [{"prior_power": 0.5}],
    "prior-variance-as-scale": [{"prior_power": 2.0}],
    "softplus-derivative-missing": [{"rho_chain": part} for part in ("all", "nll", "kl")],
    "sigma-exp": [{"sigma": "exp"}, {"sigma": "exp_shifted"}],
    "sigma-exp-half": [{"sigma": "exp_half"}, {"sigma": "exp_half_shifted"}],
    "sigma-shift": [{"shift": c} for c in (0.0, 1e-7, 1e-5, 1e-3, 0.05)],
    "eps-missing-in-gradient": [{"eps_chain": where} for where in ("all", "kernel", "bias")],
    "softplus-beta": [{"sigma": form} for form in ("beta_2", "beta_0.4", "steep_3", "steep_0.5")],
    "noise-scaled": [
        {"noise": "times_1.25"},
        {"noise": "times_10"},
        {"sigma": "times_0.8"},
    ],
    "sigma-as-variance": [{"noise": "root"}, {"sigma": "root"}],
    "variance-as-sigma": [{"noise": "squared"}, {"sigma": "squared"}],
    "mean-flipped": [{"mean_flipped": "kernel"}, {"mean_flipped": "all"}],
    "sign-output-missing": [{"sign_output": False}],
    "sign-input-missing": [{"sign_input": False}],
    "signs-swapped": [{"signs_swapped": True}],
    "bias-flip": [{"bias_flip": "other"}, {"bias_flip": "whole"}],
    "nll-summed": [{"nll": "sum"}],
    "nll-averaged-over-outputs": [{"outputs_averaged": True}],
    "activation-derivative-place": [{"derivative": "output"}, {"derivative": "mean"}],
    "activation-derivative-missing": [{"derivative": "missing"}],
    "kernel-transposed": [
        {"transposed": what} for what in ("all", "parameters", "gradients", "loaded")
    ],
    "half-squared-error": [
        {"normal": how} for how in ("half_square", "half_square_unscaled", "no_two_pi")
    ],
    "squared-error": [{"normal": "square"}],
    "prior-loc-ignored": [{"kl_form": "no_loc"}],
    "kl-reversed": [{"kl_form": "reverse"}],
    "kl-sampled": [{"kl_form": "sampled"}],
    "bias-kl-missing": [{"bias_kl": "missing"}],
    "bias-prior-of-kernel": [{"bias_kl": "kernel_prior"}],
    "signs-shared": [{"signs_shared": how} for how in ("input", "output", "both")],
    "eps-shared": [{"eps_shared": how} for how in ("outputs", "inputs", "all")],
    "gelu-tanh": [{"activation": "gelu_tanh"}],
    "relu-leaky": [{"activation": "leaky_0.01"}, {"activation": "leaky_0.2"}],
    "activation-before-bias": [{"activation_first": True}],
    "batch-centred": [{"centred": True}],
    "dropout-scale": [{"hidden_scale": 1 / keep} for keep in (0.9, 0.5)],
    "label-smoothing": [{"smoothing": 0.1}, {"smoothing": 0.2}],
    "nll-scaled": [{"nll_factor": 0.31}],
}
# Only version 2 has these: implementations/test_check_implementation.py, test_local_mistakes.py.
NEWER = {"sample-weights", *OF_LOCAL}


def planted(i, form, report="wrong"):
    """Return network i's answer under a mistake, and by how many limits it moves a tensor."""
    question = question_of(i)
    form = form(question) if callable(form) else form
    found = results(question, report, **form)
    moved = max(error_of(truth_of(i)[name], value) for name, value in found.items())
    return question.answer(found, "a mistake"), moved / LIMITS[question.dtype]


def test_the_oracle_of_mistakes_makes_none_when_none_is_asked_for():
    for question, right in zip(QUESTIONS, TRUTHS, strict=True):
        found = results(question)
        assert set(found) == set(right)
        assert max(relative(found[name], right[name]) for name in right) < COMPLEX_STEP


def test_every_mistake_of_the_catalogue_is_planted():
    assert {*PLANTED, *NEWER} == set(MISTAKES)


@pytest.mark.parametrize("key", PLANTED)
def test_a_planted_mistake_is_named(key, volume):
    """In each form, with the kl reported both ways: over twenty networks, quickly over one each."""
    count = 0
    for form, report in itertools.product(PLANTED[key], ("wrong", "right")):
        shown = 0
        for i in range(SEARCHED.get(key, NETWORKS)):
            answer, moved = planted(i, form, report)
            if moved <= 100:
                continue
            check = check_vector(answer)
            assert (key,) in [one.keys for one in check.explanations], (i, form, report, check)
            assert all(len(one.keys) == 1 for one in check.explanations), (i, form, report)
            shown += 1
            if shown == volume(1, NETWORKS):
                break
        count += shown
    assert count >= volume(1, 6)  # of 40 for each form: most need a Normal, a square layer, ...


def merged(i, keys):
    """Yield (both forms as one, each alone) of two mistakes on network i."""
    question = QUESTIONS[i]
    first, second = (
        [form(question) if callable(form) else form for form in PLANTED[key]] for key in keys
    )
    for one in first:
        for two in second:
            if not set(one) & set(two):
                yield {**one, **two}, (one, two)


def test_every_documented_pair_is_named_or_one_mistake_explains_as_much(volume):
    """On the first network where the pair is more than 100 limits from either mistake alone.

    Quickly every sixteenth pair.
    """
    rng, untold = np.random.default_rng(5), []
    for keys in [keys for keys in PAIRS if not NEWER & set(keys)][:: volume(16, 1)]:
        for i in rng.permutation(NETWORKS):
            question, forms = QUESTIONS[i], list(merged(i, keys))
            both, each = forms[rng.integers(len(forms))]
            found = results(question, ("wrong", "right")[i % 2], **both)
            others = [results(question, r, **one) for one in each for r in ("wrong", "right")]
            far = min(max(error_of(other[name], found[name]) for name in found)
                      for other in (*others, TRUTHS[i]))  # fmt: skip
            if far > 100 * LIMITS[question.dtype]:
                check = check_vector(question.answer(found, "two mistakes"))
                told = [set(one.keys) for one in check.explanations]
                assert set(keys) in told or min(map(len, told)) == 1, (i, keys, both, told)
                break
        else:
            untold.append(keys)
    assert untold == []


@pytest.mark.parametrize("how", ["rounded", "computed"])
def test_float32_where_float64_is_claimed_is_named(how, volume):
    for i, question in enumerate(QUESTIONS[: volume(6, NETWORKS)]):
        if question.dtype == "float32":
            continue
        found = TRUTHS[i]
        if how == "computed":
            single = question.network, question.parameters(np.float32)
            found = results_of(
                loss_and_gradients(*single, question.x.astype(np.float32), question.y,
                                   question.noise(np.float32), question.kl_weight)
            )  # fmt: skip
        found = {name: np.float32(value) for name, value in found.items()}
        check = check_vector(question.answer(found, "float32"))
        assert [one.keys for one in check.explanations] == [(FLOAT32.key,)], (i, check)


def test_float32_beside_a_mistake_is_named_too():
    for i in (1, 2, 12):
        found = {name: np.float32(value)
                 for name, value in results(QUESTIONS[i], sign_output=False).items()}  # fmt: skip
        check = check_vector(QUESTIONS[i].answer(found, "two mistakes"))
        keys = [one.keys for one in check.explanations]
        assert ("sign-output-missing", FLOAT32.key) in keys, (i, keys)


@pytest.mark.parametrize("limit", [None, 1e-13, 0.0])
def test_a_correct_answer_never_gets_a_diagnosis(limit, volume):
    """Also where rounding errors are taken for disagreements."""
    for i, question in enumerate(QUESTIONS[: volume(6, NETWORKS)]):
        rng = np.random.default_rng(i)
        for slack in (0, 0.3 * LIMITS[question.dtype]) if limit is None else (0,):
            found = {name: value + slack * np.max(np.abs(value)) * rng.uniform(-1, 1, value.shape)
                     for name, value in results(question).items()}  # fmt: skip
            check = check_vector(question.answer(found, "right"), limit=limit)
            assert check.explanations == (), (i, check)
            assert check.agrees or limit is not None


def one_entry(rng, found, question):
    """Change one entry of a gradient by a random amount; return its name."""
    name = rng.choice([name for name in found if name.startswith("grad.")])
    size = np.max(np.abs(found[name]))
    place = tuple(rng.integers(n) for n in found[name].shape)
    found[name][place] += size * rng.choice([-1, 1]) * rng.uniform(0.03, 1)
    return name


def factor(rng, found, question):
    """Multiply a tensor by 1.03; return its name."""
    name = rng.choice([name for name in found if np.any(found[name])])
    found[name] = found[name] * 1.03
    return name


def row_of_zeros(rng, found, question):
    """Drop the row of a gradient with its largest entry; return its name."""
    name = rng.choice([name for name in found if found[name].ndim == 2])
    row = np.unravel_index(np.argmax(np.abs(found[name])), found[name].shape)[0]
    found[name][row] = 0
    return name


def dropped_example(rng, found, question):
    """Leave the last example out of nll and gradients, still divided by the batch size."""
    rows, plain = len(question.x), results(question, kl_weight=0.0)
    fewer = {name: a[:-1] if name in ("x", "y") or "sign_" in name else a
             for name, a in question.arrays.items()}  # fmt: skip
    less = results(Vector(question.meta, fewer), kl_weight=0.0)
    for name in found:
        if name in ("nll", "loss") or name.startswith("grad.layers"):
            found[name] = found[name] - plain[name] + less[name] * (rows - 1) / rows
    found["grad.x"][-1] = 0
    return "nll"


@pytest.mark.parametrize("fault", [one_entry, factor, row_of_zeros, dropped_example])
def test_an_unknown_fault_is_located_and_not_misnamed(fault, volume):
    """Twenty of each kind, quickly three."""
    for i, question in enumerate(QUESTIONS[: volume(3, NETWORKS)]):
        found = {name: np.array(value) for name, value in results(question).items()}
        name = fault(np.random.default_rng([i, 3]), found, question)
        check = check_vector(question.answer(found, "an unknown fault"))
        assert not check.agrees, (i, name)
        assert check.explanations == (), (i, name, check.explanations)
        assert check.comparison.first.name == name, (i, name)
        assert f"first to disagree: {check.comparison.first.stage}: {name}" in check.text()
        assert "no known mistake" in check.text()
        alone = fault is factor or (fault is row_of_zeros and len(found[name]) == 1)
        assert check.parts == () or alone, (i, name, check.parts)


def test_three_percent_in_any_one_gradient_is_caught(volume):
    """Of each entry (quickly every ninth) whose 3 % is above the limit of the largest."""
    count = 0
    for i, question in enumerate(QUESTIONS):
        right = results(question)
        for name in [name for name in right if name.startswith("grad.")]:
            for place in itertools.islice(np.ndindex(right[name].shape), 0, None, volume(9, 1)):
                found = {**right, name: right[name].copy()}
                found[name][place] *= 1.03
                size = abs(right[name][place]) / (np.max(np.abs(right[name])) or 1)
                if 0.03 * size > 1.1 * LIMITS[question.dtype]:
                    comparison = compare(question.answer(found, "3 %"))
                    wrong = [row.name for row in comparison.rows if not row.agrees]
                    assert wrong == [name], (i, name, place)
                    count += 1
    assert count > volume(100, 500)


def test_what_was_fitted_is_told():
    question = QUESTIONS[12]
    for form, text in (
        ({"kl_weight": 1 / len(question.x)}, "= 1/B, the batch size"),
        ({"kl_weight": 1.0}, "weight 1 = 1"),
        ({"kl_weight": 1 / 60000}, "= 1/60000"),
        ({"kl_weight": question.kl_weight / len(question.x)}, "= kl_weight / B"),
        ({"shift": 1e-7}, "= Keras' epsilon"),
        ({"shift": 0.0625}, "shift 0.0625"),
        ({"sigma": "beta_2.5"}, "(beta 2.5)"),
        ({"sigma": "steep_2.5"}, "(steepness 2.5)"),
        ({"noise": "times_1.25"}, "(noise times 1.25)"),
        ({"sigma": "times_1.25"}, "(sigma times 1.25)"),
    ):
        check = check_vector(question.answer(results(question, **form), "a mistake"))
        assert text in check.text(), (form, check.text())


@pytest.mark.parametrize("report", ["wrong", "right"])
def test_a_shift_is_found_where_no_output_shows_it(report):
    """Inputs of 0: the noise is nowhere to be seen, the KL's gradients still tell."""
    base = QUESTIONS[7]
    arrays = {**base.arrays, "x": 0 * base.x, "layers.1.kernel_eps": np.zeros((4, 4)),
              "layers.0.bias_eps": np.zeros(4)}  # fmt: skip
    question = Vector(base.meta, arrays)
    found = results(question, report, shift=1e-5)
    assert error_of(truth(question)["outputs"], found["outputs"]) < 1e-14
    (one,) = check_vector(question.answer(found, "a mistake")).explanations
    assert one.keys == ("sigma-shift",)
    assert one.details == ("shift 1e-05",)
