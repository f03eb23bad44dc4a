"""A step of a convolutional network in another framework; prints the worst relative errors, JSON.

    python convolved_elsewhere.py tfp|torch|jax

TFP runs its own `Convolution2DFlipout`, Keras' pooling and its own KL, with the draws that the
NumPy back end got; PyTorch and JAX compute the formula with their own convolutions and pooling.
"""

import json
import sys
from types import SimpleNamespace
from unittest import mock

import numpy as np

from bnn_ref import (
    AveragePool2D,
    Categorical,
    Conv2DFlipout,
    DenseFlipout,
    Flatten,
    MaxPool2D,
    Network,
    draw_noise,
    loss_and_gradients,
)

KL_WEIGHT = 0.03
PRIOR = (0.1, 0.9)
ROWS = 3


def make_problem(seed=0, ties=False):
    """Return (network, parameters, x, y, noise): uneven sizes, strides and paddings."""
    options = {"kernel_prior": PRIOR, "activation": "relu"}
    first = [MaxPool2D(2, 1, "same", input_shape=(9, 7, 2))] if ties else []
    network = Network([
        *first,
        Conv2DFlipout(4, (3, 2), (2, 1), "same", input_shape=(9, 7, 2), **options),
        MaxPool2D(2, padding="same"),
        Conv2DFlipout(3, 2, padding="valid", bias="normal", **options),
        AveragePool2D((2, 3), 1, "same"),
        Conv2DFlipout(4, 5, 2, "same", bias="none", **options),
        Flatten(),
        DenseFlipout(8, 3),
    ], Categorical())  # fmt: skip
    p = network.init(seed, "float64")
    x = np.random.default_rng(seed + 1).normal(size=(ROWS, 9, 7, 2))
    x = np.round(x) if ties else x
    return network, p, x, np.array([0, 2, 1]), draw_noise(network, ROWS, seed, dtype="float64")


def random_problem(seed, ties=False):
    """Return such a problem of a random network: sizes, strides, paddings, channels, pooling.

    With ties pixels are whole numbers, and a maximum comes first.
    """
    rng = np.random.default_rng(seed)
    shape = (*(int(n) for n in rng.integers(5, 9, 2)), int(rng.integers(1, 4)))

    def convolution(largest, **own):
        size = tuple(int(n) for n in rng.integers(2, largest, 2))
        strides = tuple(int(n) for n in rng.integers(1, 3, 2))
        return Conv2DFlipout(
            int(rng.integers(2, 5)), size, strides, str(rng.choice(["same", "valid"])),
            ("relu", "linear")[rng.integers(2)],
            bias=str(rng.choice(["none", "deterministic", "normal"])), kernel_prior=PRIOR, **own,
        )  # fmt: skip

    def pool():
        kind = (MaxPool2D, AveragePool2D)[rng.integers(2)]
        return kind(2, int(rng.integers(1, 3)), "same")

    layers = [MaxPool2D(2, 1, "same", input_shape=shape)] if ties else []
    layers.append(convolution(5, **({} if ties else {"input_shape": shape})))
    layers += [pool()] if rng.integers(2) else []
    layers += [convolution(3)] if rng.integers(2) else []
    try:
        before = Network([*layers, *([Flatten()] if rng.integers(2) else [])], Categorical())
    except ValueError:  # a kernel larger than what is left of the image
        return random_problem(seed + 1000, ties)
    network = Network([*before.layers, DenseFlipout(before.outputs, 3)], Categorical())
    p, x = network.init(seed, "float64"), rng.normal(size=(ROWS, *shape))
    noise = draw_noise(network, ROWS, seed, dtype="float64")
    return network, p, np.round(x) if ties else x, np.array([0, 2, 1]), noise


def errors(found, exact):
    """Return name to relative error of what another framework found."""
    pairs = {name: (found["grad"][name], exact.gradients[name]) for name in exact.gradients}
    pairs["x"] = found["x"], exact.grad_x
    pairs |= {name: (found[name], getattr(exact, name)) for name in ("nll", "kl", "outputs")}
    return {name: float(np.max(np.abs(np.reshape(a, np.shape(b)) - b)) / np.max(np.abs(b)))
            for name, (a, b) in pairs.items()}  # fmt: skip


def with_tfp(network, p, x, y, noise):
    """The layers of TFP, their draws replaced while the step runs."""
    from tensorflow_probability.python.distributions import normal as normal_module
    from tensorflow_probability.python.layers import conv_variational, dense_variational

    from bnn_ref.verification.frameworks.tensorflow import tf, tf_keras, tfp

    def prior(dtype, shape, name, trainable, add_variable):
        loc, scale = tf.constant(PRIOR[0], dtype), tf.constant(PRIOR[1], dtype)
        normal = tfp.distributions.Normal(tf.fill(shape, loc), scale)
        return tfp.distributions.Independent(normal, reinterpreted_batch_ndims=len(shape))

    posterior = tfp.layers.default_mean_field_normal_fn()
    layers, named, draws, signs = [], {}, [], []
    for k, (layer, n) in enumerate(zip(network.layers, noise.layers, strict=True)):
        if isinstance(layer, (MaxPool2D, AveragePool2D)):
            kind = getattr(tf_keras.layers, f"{layer.type[:-6]}Pooling2D")
            layers.append(kind(layer.pool_size, layer.strides, layer.padding, dtype="float64"))
        elif isinstance(layer, Flatten):
            layers.append(tf_keras.layers.Flatten(dtype="float64"))
        else:
            options = {"dtype": "float64"}
            if isinstance(layer, Conv2DFlipout):
                options |= {"kernel_prior_fn": prior}
            if layer.bias == "normal":
                options["bias_posterior_fn"] = posterior
                options["bias_prior_fn"] = tfp.layers.default_multivariate_normal_fn
            elif layer.bias == "none":
                options["bias_posterior_fn"] = None
            if isinstance(layer, DenseFlipout):
                made = tfp.layers.DenseFlipout(layer.units, **options)
                made.build((None, layer.inputs))
            else:
                made = tfp.layers.Convolution2DFlipout(
                    layer.filters, layer.kernel_size, layer.strides, layer.padding,
                    activation=tf.nn.relu, **options)  # fmt: skip
                made.build((None, *layer.input_shape))
            for part in ("kernel", "bias"):
                its = getattr(made, f"{part}_posterior")
                if its is None:
                    continue
                named[f"layers.{k}.{part}_mu"] = its.distribution.loc
                if hasattr(its.distribution, "scale"):
                    named[f"layers.{k}.{part}_rho"] = its.distribution.scale.pretransformed_input
            layers.append(made)
            draws += [n.kernel_eps] + ([n.bias_eps] if n.bias_eps is not None else [])
            signs += [n.sign_input, n.sign_output]
    for name, variable in named.items():
        variable.assign(p[name])
    draws, signs = iter(draws), iter(signs)

    def normal(shape, *args, **kwargs):
        return tf.reshape(tf.constant(next(draws)), shape)

    def rademacher(shape, *args, **kwargs):
        return tf.reshape(tf.constant(next(signs)), shape)

    def replaced(module, name, **own):
        return mock.patch.object(module, name, SimpleNamespace(**{**vars(getattr(module, name)),
                                                                  **own}))  # fmt: skip

    with (
        replaced(normal_module, "samplers", normal=normal),
        replaced(conv_variational, "tfp_random", rademacher=rademacher),
        replaced(dense_variational, "tfp_random", rademacher=rademacher),
        tf.GradientTape() as tape,
    ):
        h = images = tf.constant(x)
        tape.watch(images)
        for layer in layers:
            h = layer(h)
        kl = sum(sum(layer.losses) for layer in layers if layer.losses)
        nll = -tf.reduce_mean(tfp.distributions.Categorical(logits=h).log_prob(y))
        loss = nll + KL_WEIGHT * kl
    grads = tape.gradient(loss, [images, *named.values()])
    return {"outputs": h.numpy(), "nll": nll.numpy(), "kl": kl.numpy(), "x": grads[0].numpy(),
            "grad": dict(zip(named, (g.numpy() for g in grads[1:]), strict=True))}  # fmt: skip


def step(network, p, x, y, noise, lib):
    """Return (loss, (nll, kl, logits, pre-activations)) of the formula in a framework's functions.

    ``lib.perturbation`` may stand for the noise of a convolution, (h, delta, s, r, layer).
    """
    h, kl, before = x, 0.0, {}

    def perturbation(h, delta, s, r, layer):
        own = getattr(lib, "perturbation", None)
        if own is not None and isinstance(layer, Conv2DFlipout):
            return own(h, delta, s, r, layer)
        return lib.apply(h * s, delta, layer) * r

    for k, (layer, n) in enumerate(zip(network.layers, noise.layers, strict=True)):
        if isinstance(layer, MaxPool2D):
            h = lib.pool(h, layer, "max")
        elif isinstance(layer, AveragePool2D):
            h = lib.pool(h, layer, "average")
        elif isinstance(layer, Flatten):
            h = lib.flatten(h)
        else:
            h = lib.flatten(h) if isinstance(layer, DenseFlipout) and h.ndim > 2 else h
            own = {name: p[f"layers.{k}.{name}"] for name in
                   ("kernel_mu", "kernel_rho", "bias_mu", "bias_rho")
                   if f"layers.{k}.{name}" in p}  # fmt: skip
            shift = layer.settled_shift("float64")
            sigma = lib.softplus(own["kernel_rho"]) + shift
            spread = (ROWS,) + (1,) * (len(layer.kernel_shape) - 2) + (-1,)
            s = lib.array(n.sign_input).reshape(spread)
            r = lib.array(n.sign_output).reshape(spread)
            delta = sigma * lib.array(n.kernel_eps)
            a = lib.apply(h, own["kernel_mu"], layer) + perturbation(h, delta, s, r, layer)
            loc, scale = layer.kernel_prior.loc, layer.kernel_prior.scale
            kl = kl + lib.kl(own["kernel_mu"], sigma, loc, scale)
            if "bias_mu" in own:
                a = a + own["bias_mu"]
            if "bias_rho" in own:
                sigma_b = lib.softplus(own["bias_rho"]) + shift
                a = a + sigma_b * lib.array(n.bias_eps)
                kl = kl + lib.kl(own["bias_mu"], sigma_b, 0.0, 1.0)
            before[f"layers.{k}.pre_activation"] = a
            h = lib.relu(a) if layer.activation == "relu" else a
    nll = lib.nll(h, y)
    return nll + KL_WEIGHT * kl, (nll, kl, h, before)


def sides(layer, size):
    """Return ((top, bottom), (left, right)) of TensorFlow's padding, worked out here anew."""
    if layer.padding == "valid":
        return (0, 0), (0, 0)
    found = []
    for side, along, stride in zip(layer.input_shape, size, layer.strides, strict=False):
        missing = max((-(-side // stride) - 1) * stride + along - side, 0)
        found.append((missing // 2, missing - missing // 2))
    return tuple(found)


def with_torch(network, p, x, y, noise, plant=""):
    """The formula in PyTorch; `plant`: with that mistake of `image_mistakes` in it."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)

    def padded(h, layer, size, value):
        (top, bottom), (left, right) = sides(layer, size)
        if plant == "padding-odd-above" and isinstance(layer, Conv2DFlipout):
            top, bottom, left, right = bottom, top, right, left
        moved = isinstance(layer, Conv2DFlipout) and layer.padding == "same"
        if plant == "padding-symmetric" and moved:
            high, wide = top + bottom, left + right
            top, left = (along // 2 for along in size)
            bottom, right = high - top, wide - left
        return functional.pad(h.permute(0, 3, 1, 2), (left, right, top, bottom), value=value)

    def apply(h, kernel, layer):
        if isinstance(layer, DenseFlipout):
            return h @ kernel
        if plant == "kernel-turned":
            kernel = kernel.flip(0, 1)
        channels_first = padded(h, layer, layer.kernel_size, 0.0)
        return functional.conv2d(channels_first, kernel.permute(3, 2, 0, 1),
                                 stride=layer.strides).permute(0, 2, 3, 1)  # fmt: skip

    drawn = torch.Generator().manual_seed(1)

    def signs(*shape):
        return (2 * torch.randint(0, 2, shape, generator=drawn) - 1).double()

    def by_place(h, delta, s, r, layer):
        """Bayesian-Torch's way: signs anew at every place."""
        return apply(h * signs(*h.shape), delta, layer) * signs(1, *layer.output_shape)

    def over_kernel(h, delta, s, r, layer):
        """A sign for every entry of an example's kernel, not for its channels."""
        each = [apply(one[None], delta * signs(*delta.shape[:3], 1), layer) for one in h]
        return torch.cat(each) * r

    def pool(h, layer, kind):
        if kind == "max":
            h = padded(h, layer, layer.pool_size, -torch.inf)
            if plant.startswith("pool-gradient"):
                (high, wide), (down, right) = layer.pool_size, layer.strides
                windows = h.unfold(2, high, down).unfold(3, wide, right).flatten(4)
                best = windows.amax(4)  # its gradient is shared by ties
                if plant == "pool-gradient-to-all-ties":
                    equal = (windows == best[..., None]).detach()
                    moved = torch.where(equal, windows - windows.detach(), 0.0)
                    best = best.detach() + moved.sum(4)
                return best.permute(0, 2, 3, 1)
            return functional.max_pool2d(h, layer.pool_size, layer.strides).permute(0, 2, 3, 1)
        total = functional.avg_pool2d(padded(h, layer, layer.pool_size, 0.0), layer.pool_size,
                                      layer.strides)  # fmt: skip
        inside = functional.avg_pool2d(padded(torch.ones_like(h), layer, layer.pool_size, 0.0),
                                       layer.pool_size, layer.strides)  # fmt: skip
        return (total / inside).permute(0, 2, 3, 1)

    def kl(mu, sigma, loc, scale):
        posterior = torch.distributions.Normal(mu, sigma)
        prior = torch.distributions.Normal(torch.tensor(loc, dtype=torch.float64), scale)
        return torch.distributions.kl_divergence(posterior, prior).sum()

    lib = SimpleNamespace(
        array=torch.tensor, softplus=functional.softplus, relu=torch.relu, apply=apply, pool=pool,
        kl=kl, nll=lambda z, y: functional.cross_entropy(z, torch.tensor(y)),
        flatten=lambda h: (h.permute(0, 3, 1, 2) if plant == "flattened-channels-first"
                           else h).flatten(1),
        perturbation={"signs-by-place": by_place, "signs-over-kernel": over_kernel}.get(plant),
    )  # fmt: skip
    own = {name: torch.tensor(array, requires_grad=True) for name, array in p.items()}
    images = torch.tensor(x, requires_grad=True)
    loss, (nll, kl_total, outputs, before) = step(network, own, images, y, noise, lib)
    loss.backward()
    return {"outputs": outputs.detach().numpy(), "nll": nll.item(), "kl": kl_total.item(),
            "x": images.grad.numpy(),
            "before": {name: a.detach().flatten(1).numpy() for name, a in before.items()},
            "grad": {name: one.grad.numpy() for name, one in own.items()}}  # fmt: skip


def with_jax(network, p, x, y, noise):
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)

    def apply(h, kernel, layer):
        if isinstance(layer, DenseFlipout):
            return h @ kernel
        return jax.lax.conv_general_dilated(h, kernel, layer.strides, layer.padding.upper(),
                                            dimension_numbers=("NHWC", "HWIO", "NHWC"))  # fmt: skip

    def pool(h, layer, kind):
        where = (1, *layer.pool_size, 1), (1, *layer.strides, 1), layer.padding.upper()
        if kind == "max":
            return jax.lax.reduce_window(h, -jnp.inf, jax.lax.max, *where)
        total = jax.lax.reduce_window(h, 0.0, jax.lax.add, *where)
        return total / jax.lax.reduce_window(jnp.ones_like(h), 0.0, jax.lax.add, *where)

    def kl(mu, sigma, loc, scale):
        ratio = sigma / scale
        return jnp.sum(ratio**2 / 2 - 0.5 - jnp.log(ratio) + ((mu - loc) / scale) ** 2 / 2)

    lib = SimpleNamespace(
        array=jnp.asarray, softplus=jax.nn.softplus, relu=jax.nn.relu, apply=apply, pool=pool,
        kl=kl, flatten=lambda h: h.reshape(len(h), -1),
        nll=lambda z, y: -jnp.mean(jax.nn.log_softmax(z)[jnp.arange(len(y)), y]),
    )  # fmt: skip
    own = {name: jnp.asarray(array) for name, array in p.items()}
    both = jax.value_and_grad(lambda p, x: step(network, p, x, y, noise, lib), (0, 1), has_aux=True)
    (_, (nll, kl_total, outputs, _)), (grads, grad_x) = both(own, jnp.asarray(x))
    return {"outputs": outputs, "nll": nll, "kl": kl_total, "x": grad_x, "grad": grads}


if __name__ == "__main__":
    problem = make_problem()
    network, p, x, y, noise = problem
    exact = loss_and_gradients(network, p, x, y, noise, KL_WEIGHT)
    print(json.dumps(errors(globals()[f"with_{sys.argv[1]}"](*problem), exact)))
