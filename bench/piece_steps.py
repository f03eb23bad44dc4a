"""A network's step in PyTorch and in JAX, read from its layers, for `bench/pieces.py`.

The loss is written once, in what both libraries share, beside the few functions that differ. Noise
is an argument of it, by the names of docs/vectors.md, so that it can be held against this
project's own (tests/bench/test_bench_pieces.py); a step draws it anew.
"""

from types import SimpleNamespace

from bnn_ref.layers import Conv2D, Dense, DenseFlipout, Dropout, Elementwise, LayerNorm, Residual

RATE, SHIFT = 0.001, 1.1920929e-07
LEAKS = {"relu": 0.0, "leaky_relu(0.1)": 0.1}


def forward(ops, layer, name, p, noise, h):
    """Return a layer's outputs and what it adds to the KL, N(0, 1) priors.

    Parameters
    ----------
    ops : namespace
        Of a library: ``softplus``, ``leaky_relu``, ``layer_norm``, ``batch_norm``, ``conv``,
        ``sum``, ``log``.
    layer : Layer
    name : str
        "layers.0."
    p, noise : mapping of str to array
    h : array (B, I)
    """
    if isinstance(layer, Residual):
        x, total = h, 0.0
        for j, inner in enumerate(layer.layers):
            x, kl = forward(ops, inner, f"{name}layers.{j}.", p, noise, x)
            total = total + kl
        return h + x, total
    if isinstance(layer, Dropout):
        return h * (noise[f"{name}keep"] * (1 / (1 - layer.rate))), 0.0
    if isinstance(layer, LayerNorm):
        return ops.layer_norm(h, p[f"{name}scale"], p[f"{name}shift"], layer.epsilon), 0.0
    if not isinstance(layer, (DenseFlipout, Dense, Conv2D, Elementwise)):
        return ops.batch_norm(h, layer, name, p), 0.0
    kl = 0.0
    if isinstance(layer, DenseFlipout):
        mu, s = p[f"{name}kernel_mu"], SHIFT + ops.softplus(p[f"{name}kernel_rho"])
        noisy = (h * noise[f"{name}sign_input"]) @ (s * noise[f"{name}kernel_eps"])
        h = h @ mu + noisy * noise[f"{name}sign_output"] + p[f"{name}bias_mu"]
        kl = ops.sum(0.5 * (s * s + mu * mu) - 0.5 - ops.log(s))
    elif isinstance(layer, Dense):
        h = h @ p[f"{name}kernel_mu"] + p[f"{name}bias_mu"]
    elif isinstance(layer, Conv2D):
        h = ops.conv(h.reshape(-1, *layer.input_shape), p[f"{name}kernel_mu"], p[f"{name}bias_mu"],
                     layer.strides, layer.window)  # fmt: skip
    leak = LEAKS.get(layer.activation)
    return (h if leak is None else ops.leaky_relu(h, leak)), kl


def loss(ops, network, p, noise, x, y, kl_weight):
    """Return nll + kl_weight * kl of a step; arguments as for `forward`."""
    h, kl = x, 0.0
    for k, layer in enumerate(network.layers):
        h, own = forward(ops, layer, f"layers.{k}.", p, noise, h)
        kl = kl + own
    return ops.nll(h, y) + kl_weight * kl


def noise_shapes(network, rows):
    """Return name to shape of a step's noise: "kernel_eps", signs and masks, nested names."""
    shapes = {}
    for name, layer, _ in network.walk():
        if isinstance(layer, DenseFlipout):
            i, o = layer.inputs, layer.outputs
            its = {"kernel_eps": (i, o), "sign_input": (rows, i), "sign_output": (rows, o)}
        else:
            its = {"keep": (rows, layer.inputs, layer.rate)} if isinstance(layer, Dropout) else {}
        shapes |= {f"{name}.{inner}": shape for inner, shape in its.items()}
    return shapes


def torch_ops():
    """Return PyTorch's functions."""
    import torch
    from torch.nn import functional as F

    def batch_norm(h, layer, name, p):
        running = p[f"{name}running_mean"], p[f"{name}running_variance"]
        return F.batch_norm(h, *running, p[f"{name}scale"], p[f"{name}shift"], True,
                            1 - layer.momentum, layer.epsilon)  # fmt: skip

    def conv(images, kernel, bias, strides, window):
        (top, left), (down, right) = window.before, window.canvas
        height, width, _ = window.image
        sides = (left, right - left - width, top, down - top - height)
        images = F.pad(images.permute(0, 3, 1, 2), sides)
        maps = F.conv2d(images, kernel.permute(3, 2, 0, 1), bias, strides)
        return maps.permute(0, 2, 3, 1).reshape(len(images), -1)

    return SimpleNamespace(
        softplus=F.softplus,
        leaky_relu=lambda h, leak: F.leaky_relu(h, leak) if leak else F.relu(h),
        layer_norm=lambda h, scale, shift, eps: F.layer_norm(h, scale.shape, scale, shift, eps),
        batch_norm=batch_norm, conv=conv, sum=torch.sum, log=torch.log, nll=F.cross_entropy,
    )  # fmt: skip


def torch_step(network, parameters, x, y, kl_weight, threads, compiled=False):
    """Return a step of PyTorch: its autograd, its fused Adam; `compiled`: the loss by Inductor."""
    import torch

    from .contenders.torch_signs import signs

    torch.set_num_threads(threads)
    ops, shapes = torch_ops(), noise_shapes(network, len(x))
    p = {name: torch.tensor(value) for name, value in parameters.items()}
    trained = [p[name].requires_grad_() for name in p if name not in network.fixed]
    adam = torch.optim.Adam(trained, RATE, fused=True)
    x, y = torch.tensor(x), torch.tensor(y)

    def draw(name, shape):
        if name.endswith("eps"):
            return torch.randn(shape)
        if name.endswith("keep"):
            return torch.empty(shape[:2]).bernoulli_(1 - shape[2])
        return signs(*shape, x)

    def of_noise(noise):
        return loss(ops, network, p, noise, x, y, kl_weight)

    of_noise = torch.compile(of_noise) if compiled else of_noise

    def step():
        adam.zero_grad()
        total = of_noise({name: draw(name, shape) for name, shape in shapes.items()})
        total.backward()
        adam.step()
        return total.item()

    return step


def jax_ops(running=None):
    """Return JAX's functions; `running`: a dict that gets the running statistics after a step."""
    import jax
    import jax.numpy as jnp

    def normalised(h, axis, epsilon):
        mean = jnp.mean(h, axis, keepdims=True)
        variance = jnp.var(h, axis, keepdims=True)
        return (h - mean) * jax.lax.rsqrt(variance + epsilon), mean, variance

    def batch_norm(h, layer, name, p):
        rows, mean, variance = normalised(h, 0, layer.epsilon)
        for statistic, value in (("mean", mean), ("variance", variance)):
            old = p[f"{name}running_{statistic}"]
            if running is not None:
                new = layer.momentum * old + (1 - layer.momentum) * value[0]
                running[f"{name}running_{statistic}"] = jax.lax.stop_gradient(new)
        return rows * p[f"{name}scale"] + p[f"{name}shift"]

    def conv(images, kernel, bias, strides, window):
        (top, left), (down, right) = window.before, window.canvas
        height, width, _ = window.image
        sides = ((top, down - top - height), (left, right - left - width))
        order = ("NHWC", "HWIO", "NHWC")
        maps = jax.lax.conv_general_dilated(images, kernel, strides, sides,
                                             dimension_numbers=order)  # fmt: skip
        return (maps + bias).reshape(len(images), -1)

    def nll(z, y):
        return jnp.mean(jax.nn.logsumexp(z, -1) - jnp.take_along_axis(z, y[:, None], 1)[:, 0])

    return SimpleNamespace(
        softplus=jax.nn.softplus, leaky_relu=lambda h, leak: jnp.where(h > 0, h, leak * h),
        layer_norm=lambda h, scale, shift, eps: normalised(h, 1, eps)[0] * scale + shift,
        batch_norm=batch_norm, conv=conv, sum=jnp.sum, log=jnp.log, nll=nll,
    )  # fmt: skip


def jax_step(network, parameters, x, y, kl_weight, threads):
    """Return a step of JAX: noise, gradients and Adam in one jit, its state donated."""
    import jax
    import jax.numpy as jnp

    from .contenders.jax_jit import adam, signs

    shapes = noise_shapes(network, len(x))
    p = {name: jnp.array(value) for name, value in parameters.items()}
    still = {name: p.pop(name) for name in network.fixed}
    x, y = jnp.array(x), jnp.array(y)

    def draw(key, name, shape):
        if name.endswith("eps"):
            return jax.random.normal(key, shape)
        if name.endswith("keep"):
            return jax.random.bernoulli(key, 1 - shape[2], shape[:2]).astype(x.dtype)
        return signs(key, shape, x.dtype)

    def step(state, still, key):
        keys = dict(zip(shapes, jax.random.split(key, len(shapes)), strict=True))
        noise = {name: draw(keys[name], name, shape) for name, shape in shapes.items()}

        def of(p):
            after = {}
            value = loss(jax_ops(after), network, {**p, **still}, noise, x, y, kl_weight)
            return value, after

        (value, after), gradients = jax.value_and_grad(of, has_aux=True)(state[0])
        return adam(state, gradients, RATE), {**still, **after}, value

    run = jax.jit(step, donate_argnums=(0, 1))
    zeros = [jax.tree.map(jnp.zeros_like, p) for _ in range(2)]
    kept, key = [(p, *zeros, jnp.zeros((), jnp.int32)), still], jax.random.key(0)

    def call():
        nonlocal key
        key, own = jax.random.split(key)
        kept[0], kept[1], value = run(*kept, own)
        return float(value)

    return call
