"""One training step in PyTorch with a mistake planted in it, differentiated by PyTorch.

It shares nothing with the package. `KINDS` lists the mistakes that people make and that no
framework reports.
"""

import math

import torch

ACTIVATIONS = {"linear": lambda a: a, "relu": torch.relu, "tanh": torch.tanh,
               "sigmoid": torch.sigmoid, "softplus": torch.nn.functional.softplus,
               "elu": torch.nn.functional.elu, "gelu": torch.nn.functional.gelu}  # fmt: skip
KINDS = (
    "kl_detached", "kl_mu_detached", "kl_sigma_detached", "variance_detached", "loc_detached",
    "sigma_detached", "perturbation_detached", "accumulated", "clipped", "decayed",
    "bias_kl_missing", "bias_prior_of_kernel", "loc_ignored", "kl_reversed", "kl_sampled",
    "eps_shared_outputs", "eps_shared_all", "signs_in_shared", "signs_out_shared", "dropout_scale",
    "activation_first", "centred", "smoothed", "nominal_batch", "annealed", "log_variance",
    "kl_twice_undivided", "bfloat16", "float16", "tf32",
    "eps_shared_inputs", "signs_both_shared", "kl_mean_tensors", "kl_mean_weights",
    "kl_mean_layers", "kl_missing", "kl_twice", "kl_by_batch", "kl_plus_batch", "kl_divided_twice",
    "scale_as_variance", "variance_as_scale", "sigma_exp", "sign_input_missing",
    "sign_output_missing", "mean_flipped", "bias_other_flip", "nll_summed", "nll_averaged",
    "half_square", "square",
)  # fmt: skip


def _tf32(value):
    """Round to TF32's 10 bits of mantissa; its gradient passes."""
    bits = value.detach().float().view(torch.int32)
    rounded = ((bits + 0x0FFF + ((bits >> 13) & 1)) & ~0x1FFF).view(torch.float32)
    return value + (rounded.to(value.dtype) - value).detach()


def _product(a, b, how):
    """Multiply two matrices with factors rounded to a coarse precision, sums in their own."""
    if how == "tf32":
        return _tf32(a) @ _tf32(b)
    kind = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(how)
    if kind is None:
        return a @ b
    return a.to(kind).to(a.dtype) @ b.to(kind).to(b.dtype)


def kl_of(mu, sigma, eps, prior, how):
    loc, scale = prior
    if how == "loc_detached":
        return kl_of(mu, sigma, eps, (0.0, scale), "") - torch.sum(mu.detach()) * loc / scale**2
    if how == "kl_reversed":
        ratio = (scale**2 + (mu - loc) ** 2) / (2 * sigma**2)
        return torch.sum(torch.log(sigma) - math.log(scale) + ratio - 0.5)
    if how == "kl_sampled":
        drawn = mu + sigma * eps
        log_q = -torch.log(sigma) - eps**2 / 2
        return torch.sum(log_q + math.log(scale) + (drawn - loc) ** 2 / (2 * scale**2))
    loc = 0.0 if how == "loc_ignored" else loc
    scale = {"scale_as_variance": scale**0.5, "variance_as_scale": scale**2}.get(how, scale)
    mu = mu.detach() if how in ("kl_mu_detached", "kl_detached") else mu
    sigma = sigma.detach() if how in ("kl_sigma_detached", "kl_detached") else sigma
    second = sigma.detach() if how == "variance_detached" else sigma
    ratio = (second**2 + (mu - loc) ** 2) / (2 * scale**2)
    each = math.log(scale) - torch.log(sigma) + ratio - 0.5
    return torch.mean(each) if how == "kl_mean_tensors" else torch.sum(each)


def _sigma(layer, rho, how):
    if how in ("log_variance", "sigma_exp"):
        return torch.exp(rho / 2 if how == "log_variance" else rho)
    return layer.scale_shift + torch.nn.functional.softplus(rho)


LOCAL = ("local_variance", "local_sigma", "local_added", "local_bias_missing", "local_bias_apart",
         "local_eps_shared", "local_root_detached")  # fmt: skip


def _local_layer(layer, own, h, first, how):
    """Return a layer's outputs and KL, by local reparameterisation."""
    eps = torch.tensor(layer.output_eps)
    eps = eps[:1].expand_as(eps) if how == "local_eps_shared" else eps
    sigma = _sigma(layer, own["kernel_rho"], how)
    drawn = sigma.detach() if how == "sigma_detached" else sigma
    inner = h.detach() if how == "perturbation_detached" and not first else h
    power = 1 if how in ("local_sigma", "local_added") else 2
    spread = (inner.abs() if how == "local_added" else inner**2) @ drawn**power
    kl, mean = kl_of(own["kernel_mu"], sigma, None, layer.kernel_prior, how), h @ own["kernel_mu"]
    mean = mean + own.get("bias_mu", 0.0)
    outside = 0.0
    if "bias_rho" in own:
        sigma = _sigma(layer, own["bias_rho"], how)
        drawn = sigma.detach() if how == "sigma_detached" else sigma
        if how == "local_bias_apart":
            outside = drawn
        elif how != "local_bias_missing":
            spread = spread + drawn**power
        prior = layer.kernel_prior if how == "bias_prior_of_kernel" else layer.bias_prior
        if how != "bias_kl_missing":
            kl = kl + kl_of(own["bias_mu"], sigma, None, prior, how)
    scale = spread if how in ("local_variance", "local_added") else torch.sqrt(spread)
    scale = scale.detach() if how == "local_root_detached" else scale
    return ACTIVATIONS[layer.activation](mean + (scale + outside) * eps), kl


def _layer(layer, own, h, first, how):
    """Return a layer's outputs and KL."""
    if getattr(layer, "output_eps", None) is not None:
        return _local_layer(layer, own, h, first, how)
    si, so, eps = (torch.tensor(getattr(layer, name))
                   for name in ("sign_input", "sign_output", "kernel_eps"))  # fmt: skip
    si = si[:1].expand_as(si) if how in ("signs_in_shared", "signs_both_shared") else si
    so = so[:1].expand_as(so) if how in ("signs_out_shared", "signs_both_shared") else so
    si = torch.ones_like(si) if how == "sign_input_missing" else si
    so = torch.ones_like(so) if how == "sign_output_missing" else so
    eps = {"eps_shared_outputs": eps[:, :1], "eps_shared_inputs": eps[:1],
           "eps_shared_all": eps[:1, :1]}.get(how, eps)  # fmt: skip
    eps = eps.expand_as(own["kernel_mu"])
    sigma = _sigma(layer, own["kernel_rho"], how)
    drawn = sigma.detach() if how == "sigma_detached" else sigma
    inner = h.detach() if how == "perturbation_detached" and not first else h
    mean = _product(h, own["kernel_mu"], how)
    mean = ((h * si) @ own["kernel_mu"]) * so if how == "mean_flipped" else mean
    a = mean + _product(inner * si, drawn * eps, how) * so
    kl, bias = kl_of(own["kernel_mu"], sigma, eps, layer.kernel_prior, how), 0.0
    if "bias_mu" in own:
        bias = own["bias_mu"]
    if "bias_rho" in own:
        sigma, eps = _sigma(layer, own["bias_rho"], how), torch.tensor(layer.bias_eps)
        drawn = sigma.detach() if how == "sigma_detached" else sigma
        flipped = (layer.bias == "normal_flipped") != (how == "bias_other_flip")
        bias = bias + drawn * eps * (so if flipped else 1.0)
        prior = layer.kernel_prior if how == "bias_prior_of_kernel" else layer.bias_prior
        if how != "bias_kl_missing":
            kl = kl + kl_of(own["bias_mu"], sigma, eps, prior, how)
    function = ACTIVATIONS[layer.activation]
    return (function(a) + bias if how == "activation_first" else function(a + bias)), kl


def step(question, how=""):
    """Return every result of a question's step, by the names of docs/vectors.md."""
    x = torch.tensor(question.x, requires_grad=True)
    h, kls, named = x, [], {}
    h = h - h.mean(0) if how == "centred" else h
    for k, layer in enumerate(question.layers):
        own = {name: torch.tensor(getattr(layer, name), requires_grad=True)
               for name in ("kernel_mu", "kernel_rho", "bias_mu", "bias_rho")
               if getattr(layer, name) is not None}  # fmt: skip
        named |= {f"layers.{k}.{name}": value for name, value in own.items()}
        h = h / 0.8 if how == "dropout_scale" and k else h
        h, kl = _layer(layer, own, h, k == 0, how)
        kls.append(kl)
    nll = nll_of(question.meta["likelihood"], h, torch.tensor(question.y), how)
    nll = nll * len(x) / 32 if how == "nominal_batch" else nll
    loss = nll + kl_weight_of(question, how) * kl_total(kls, named, how)
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


def kl_weight_of(question, how):
    weight, rows = question.kl_weight, len(question.x)
    return {
        "annealed": 0.37 * weight,
        "kl_missing": 0.0,
        "kl_twice": 2 * weight,
        "kl_twice_undivided": weight + 1,
        "kl_by_batch": 1 / rows,
        "kl_plus_batch": weight + 1 / rows,
        "kl_divided_twice": weight**2,
    }.get(how, weight)


def kl_total(kls, named, how):
    total = sum(kls)
    if how == "kl_mean_weights":
        return total / sum(v.numel() for name, v in named.items() if name.endswith("_rho"))
    return total / len(kls) if how == "kl_mean_layers" else total


def nll_of(likelihood, z, y, how=""):
    reduced = (lambda v: v.sum()) if how == "nll_summed" else (lambda v: v.mean())
    if likelihood["type"] == "categorical":
        smoothing = 0.1 if how == "smoothed" else 0.0
        each = torch.nn.functional.cross_entropy(z, y.long(), label_smoothing=smoothing,
                                                 reduction="none")  # fmt: skip
        return reduced(each)
    if likelihood["type"] == "bernoulli":
        each = torch.nn.functional.softplus(z) - y * z
    else:
        s = likelihood["scale"]
        each = ((y - z) / s) ** 2 / 2 + math.log(s) + math.log(2 * math.pi) / 2
        each = {"half_square": ((y - z) / s) ** 2 / 2, "square": (y - z) ** 2}.get(how, each)
    return reduced(each.mean(1) if how == "nll_averaged" else each.sum(1))
