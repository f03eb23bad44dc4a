"""One training step in JAX with a mistake planted in it, differentiated by JAX.

It shares nothing with the package, nor with `torch_step`, whose kinds of mistakes it has.
"""

import jax
import jax.numpy as jnp
from jax.lax import bitcast_convert_type, stop_gradient

ACTIVATIONS = {"linear": lambda a: a, "relu": jax.nn.relu, "tanh": jnp.tanh,
               "sigmoid": jax.nn.sigmoid, "softplus": jax.nn.softplus, "elu": jax.nn.elu,
               "gelu": lambda a: jax.nn.gelu(a, approximate=False)}  # fmt: skip
KL_FACTORS = {"annealed": 0.37, "kl_missing": 0.0, "kl_twice": 2.0}
EPS_SHARED = {"eps_shared_outputs": (slice(None), slice(1)), "eps_shared_inputs": (slice(1),),
              "eps_shared_all": (slice(1), slice(1))}  # fmt: skip
HALF_LOG_TWO_PI = 0.9189385332046727


def x64():
    """The context in which float64 stays float64."""
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    from jax.experimental import enable_x64

    return enable_x64()


def _coarse(a, how):
    if how == "tf32":
        bits = bitcast_convert_type(a.astype(jnp.float32), jnp.int32)
        bits = (bits + 0x0FFF + ((bits >> 13) & 1)) & ~0x1FFF
        return a + stop_gradient(bitcast_convert_type(bits, jnp.float32).astype(a.dtype) - a)
    if how in ("bfloat16", "float16"):
        return a.astype(how).astype(a.dtype)
    return a


def _dot(a, b, how):
    return _coarse(a, how) @ _coarse(b, how)


def _kl(mu, sigma, eps, loc, scale, how):
    if how == "loc_detached":
        kl = _kl(mu, sigma, eps, 0.0, scale, "")
        return kl + jnp.sum(loc**2 / (2 * scale**2) - stop_gradient(mu) * loc / scale**2)
    scale = {"scale_as_variance": scale**0.5, "variance_as_scale": scale**2}.get(how, scale)
    if how == "kl_reversed":
        return jnp.sum(jnp.log(sigma / scale) + (scale**2 + (mu - loc) ** 2) / 2 / sigma**2 - 0.5)
    if how == "kl_sampled":
        off = (mu + sigma * eps - loc) / scale
        return jnp.sum(jnp.log(scale / sigma) - eps**2 / 2 + off**2 / 2)
    if how == "loc_ignored":
        loc = 0.0
    if how in ("kl_mu_detached", "kl_detached"):
        mu = stop_gradient(mu)
    if how in ("kl_sigma_detached", "kl_detached"):
        sigma = stop_gradient(sigma)
    second = stop_gradient(sigma) if how == "variance_detached" else sigma
    each = jnp.log(scale / sigma) + (second**2 + (mu - loc) ** 2) / (2 * scale**2) - 0.5
    return jnp.mean(each) if how == "kl_mean_tensors" else jnp.sum(each)


def _sigma(layer, rho, how):
    if how in ("log_variance", "sigma_exp"):
        return jnp.exp(rho / (2 if how == "log_variance" else 1))
    return layer.scale_shift + jax.nn.softplus(rho)


def _forward(layer, own, h, first, how):
    si, so = jnp.asarray(layer.sign_input), jnp.asarray(layer.sign_output)
    if how in ("signs_in_shared", "signs_both_shared"):
        si = jnp.broadcast_to(si[:1], si.shape)
    if how in ("signs_out_shared", "signs_both_shared"):
        so = jnp.broadcast_to(so[:1], so.shape)
    si = jnp.ones_like(si) if how == "sign_input_missing" else si
    so = jnp.ones_like(so) if how == "sign_output_missing" else so
    eps = jnp.asarray(layer.kernel_eps)
    eps = jnp.broadcast_to(eps[EPS_SHARED.get(how, ())], eps.shape)
    mu, sigma = own["kernel_mu"], _sigma(layer, own["kernel_rho"], how)
    drawn = (stop_gradient(sigma) if how == "sigma_detached" else sigma) * eps
    inner = stop_gradient(h) if how == "perturbation_detached" and not first else h
    if how == "mean_flipped":
        a = ((h * si) @ (mu + drawn)) * so
    else:
        a = _dot(h, mu, how) + _dot(inner * si, drawn, how) * so
    kl, bias = _kl(mu, sigma, eps, *layer.kernel_prior, how), 0.0
    if "bias_mu" in own:
        bias = own["bias_mu"]
    if "bias_rho" in own:
        scale, draw = _sigma(layer, own["bias_rho"], how), jnp.asarray(layer.bias_eps)
        prior = layer.kernel_prior if how == "bias_prior_of_kernel" else layer.bias_prior
        if how != "bias_kl_missing":
            kl += _kl(bias, scale, draw, *prior, how)
        flipped = (layer.bias == "normal_flipped") != (how == "bias_other_flip")
        scale = stop_gradient(scale) if how == "sigma_detached" else scale
        bias = bias + scale * draw * (so if flipped else 1.0)
    function = ACTIVATIONS[layer.activation]
    return (function(a) + bias if how == "activation_first" else function(a + bias)), kl


def _nll(likelihood, z, y, how):
    reduce = jnp.sum if how == "nll_summed" else jnp.mean
    if likelihood["type"] == "categorical":
        right = jax.nn.one_hot(y, z.shape[1], dtype=z.dtype)
        right = 0.9 * right + 0.1 / z.shape[1] if how == "smoothed" else right
        return reduce(-jnp.sum(right * jax.nn.log_softmax(z), axis=1))
    if likelihood["type"] == "bernoulli":
        each = jnp.logaddexp(0.0, z) - y * z
    else:
        s = likelihood["scale"]
        each = ((y - z) / s) ** 2 / 2 + jnp.log(s) + HALF_LOG_TWO_PI
        each = {"half_square": ((y - z) / s) ** 2 / 2, "square": (y - z) ** 2}.get(how, each)
    return reduce((jnp.mean if how == "nll_averaged" else jnp.sum)(each, axis=1))


def _loss(free, question, how):
    h, kls = free["x"], []
    h = h - jnp.mean(h, axis=0) if how == "centred" else h
    for k, layer in enumerate(question.layers):
        prefix = f"layers.{k}."
        own = {key[len(prefix) :]: v for key, v in free.items() if key.startswith(prefix)}
        h = h / 0.8 if how == "dropout_scale" and k else h
        h, kl = _forward(layer, own, h, k == 0, how)
        kls.append(kl)
    nll = _nll(question.meta["likelihood"], h, jnp.asarray(question.y), how)
    nll = nll * len(h) / 32 if how == "nominal_batch" else nll
    weight = question.kl_weight * KL_FACTORS.get(how, 1.0)
    weight = {
        "kl_by_batch": 1 / len(h),
        "kl_twice_undivided": weight + 1,
        "kl_plus_batch": weight + 1 / len(h),
        "kl_divided_twice": weight**2,
    }.get(how, weight)
    total = sum(kls)
    if how == "kl_mean_weights":
        total = total / sum(v.size for key, v in free.items() if key.endswith("_rho"))
    if how == "kl_mean_layers":
        total = total / len(kls)
    return nll + weight * total, (h, nll, kls)


def step(question, how=""):
    """Return every result of a question's step, by the names of docs/vectors.md."""
    with x64():
        free = {"x": jnp.asarray(question.x)}
        for k, layer in enumerate(question.layers):
            for name in ("kernel_mu", "kernel_rho", "bias_mu", "bias_rho"):
                value = getattr(layer, name)
                if value is not None:
                    free[f"layers.{k}.{name}"] = jnp.asarray(value)
        both = jax.value_and_grad(_loss, has_aux=True)
        (loss, (h, nll, kls)), grads = both(free, question, how)
        own = [name for name in free if name != "x"]
        if how == "accumulated":
            grads |= {name: 2 * grads[name] for name in own}
        if how == "clipped":
            grads = {name: 0.1016 * g for name, g in grads.items()}
        if how == "decayed":
            grads |= {name: grads[name] + 0.01 * free[name] for name in own}
        found = {"outputs": h, "nll": nll, "kl": sum(kls), "loss": loss}
        found |= {f"layers.{k}.kl": kl for k, kl in enumerate(kls)}
        return found | {f"grad.{name}": g for name, g in grads.items()}
