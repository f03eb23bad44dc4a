"""Answers that no known mistake explains, explained by the parts of their gradients.

The mistakes are planted in PyTorch, by detaching, clipping and adding, in programs that know
nothing of the parts.
"""

import math

import numpy as np
import pytest

from bnn_ref.verification.vectors.checking import check_vector
from bnn_ref.verification.vectors.comparison import compare
from bnn_ref.verification.vectors.parts import explain_parts
from bnn_ref.verification.vectors.questions import random_question

torch = pytest.importorskip("torch")
ACTIVATIONS = {"linear": lambda a: a, "relu": torch.relu, "tanh": torch.tanh,
               "sigmoid": torch.sigmoid, "softplus": torch.nn.functional.softplus,
               "elu": torch.nn.functional.elu, "gelu": torch.nn.functional.gelu}  # fmt: skip


def kl_of(mu, sigma, prior, how):
    loc, scale = prior
    if how == "loc_detached":
        return kl_of(mu, sigma, (0.0, scale), "") - torch.sum(mu.detach()) * loc / scale**2
    mu = mu.detach() if how in ("kl_mu_detached", "kl_detached") else mu
    sigma = sigma.detach() if how in ("kl_sigma_detached", "kl_detached") else sigma
    second = sigma.detach() if how == "variance_detached" else sigma
    ratio = (second**2 + (mu - loc) ** 2) / (2 * scale**2)
    return torch.sum(math.log(scale) - torch.log(sigma) + ratio - 0.5)


def step(question, how=""):
    """One step in PyTorch, with a mistake in what is differentiated; returns every result."""
    x = torch.tensor(question.x, requires_grad=True)
    h, kls, named = x, [], {}
    for k, layer in enumerate(question.layers):
        own = {name: torch.tensor(getattr(layer, name), requires_grad=True)
               for name in ("kernel_mu", "kernel_rho", "bias_mu", "bias_rho")
               if getattr(layer, name) is not None}  # fmt: skip
        named |= {f"layers.{k}.{name}": value for name, value in own.items()}
        sigma = layer.scale_shift + torch.nn.functional.softplus(own["kernel_rho"])
        drawn = sigma.detach() if how == "sigma_detached" else sigma
        si, so, eps = (torch.tensor(getattr(layer, name))
                       for name in ("sign_input", "sign_output", "kernel_eps"))  # fmt: skip
        inner = h.detach() if how == "perturbation_detached" and k else h
        a = h @ own["kernel_mu"] + ((inner * si) @ (drawn * eps)) * so
        kl = kl_of(own["kernel_mu"], sigma, layer.kernel_prior, how)
        if "bias_mu" in own:
            a = a + own["bias_mu"]
        if "bias_rho" in own:
            sigma = layer.scale_shift + torch.nn.functional.softplus(own["bias_rho"])
            flip = so if layer.bias == "normal_flipped" else 1.0
            drawn = sigma.detach() if how == "sigma_detached" else sigma
            a = a + drawn * torch.tensor(layer.bias_eps) * flip
            kl = kl + kl_of(own["bias_mu"], sigma, layer.bias_prior, how)
        kls.append(kl)
        h = ACTIVATIONS[layer.activation](a)
    nll = nll_of(question.meta["likelihood"], h, torch.tensor(question.y))
    loss = nll + question.kl_weight * sum(kls)
    grads = torch.autograd.grad(loss, [x, *named.values()], allow_unused=True)
    grads = [torch.zeros_like(v) if g is None else g
             for v, g in zip([x, *named.values()], grads, strict=True)]  # fmt: skip
    if how == "accumulated":
        grads = [grads[0], *(2 * g for g in grads[1:])]
    if how == "clipped":
        grads = [0.1016 * g for g in grads]
    if how == "decayed":
        grads = [grads[0], *(g + 0.01 * v for g, v in zip(grads[1:], named.values(), strict=True))]
    found = {"outputs": h, "nll": nll, "kl": sum(kls), "loss": loss, "grad.x": grads[0]}
    found |= {f"layers.{k}.kl": kl for k, kl in enumerate(kls)}
    found |= {f"grad.{name}": g for name, g in zip(named, grads[1:], strict=True)}
    return {name: value.detach().numpy() for name, value in found.items()}


def nll_of(likelihood, z, y):
    if likelihood["type"] == "categorical":
        return torch.nn.functional.cross_entropy(z, y.long())
    if likelihood["type"] == "bernoulli":
        each = torch.nn.functional.softplus(z) - y * z
    else:
        s = likelihood["scale"]
        each = ((y - z) / s) ** 2 / 2 + math.log(s) + math.log(2 * math.pi) / 2
    return each.sum(1).mean()


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
