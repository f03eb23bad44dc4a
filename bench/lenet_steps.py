"""LeNet-5's training step beside the frameworks', in one process, taking turns.

    python -m bench lenet-steps [--contenders ours,torch_manual,torch,jax,tfp,bayesian_torch]

28x28 images of one channel, Flipout in every layer, Adam; fresh noise in each step; two threads
unless said. Each round takes some steps of every contender in turn, so that a busy machine slows
all of them. Printed: the median of a step's time and of its ratio to this project's in a round.
"""

import argparse
import statistics
import time

import numpy as np

from bench.cli import say
from bench.tables import Table
from bnn_ref import Adam, Categorical, Network, State
from bnn_ref.backends import get_backend
from bnn_ref.networks import lenet5

SHORT = __doc__.split("\n\n")[0]
N, RATE = 60_000, 0.001
FILTERS, DENSE = ((1, 6), (6, 16), (16, 120)), ((5880, 84), (84, 10))


def ours(x, y, threads):
    """This project's compiled step."""
    network = Network(lenet5((28, 28, 1), 10), Categorical())
    state, backend = State.start(network.init(0, "float32")), get_backend("numba")
    workspace = backend.prepare(network, len(x), "float32", threads)
    flat, adam = x.reshape(len(x), -1), Adam(RATE)

    def step():
        return backend.train_step(state, flat, y, seed=0, kl_weight=1 / N, adam=adam,
                                  workspace=workspace).loss  # fmt: skip

    return step


def _torch_start(x, y, threads):
    """Return (images, labels, mus, rhos, biases, signs) of PyTorch's contenders."""
    import torch

    torch.set_num_threads(threads)
    images, labels = torch.tensor(x).permute(0, 3, 1, 2).contiguous(), torch.tensor(y)
    shapes = [(o, i, 5, 5) for i, o in FILTERS] + [(o, i) for i, o in DENSE]
    mus = [0.1 * torch.randn(s) for s in shapes]
    rhos = [-3 + 0.1 * torch.randn(s) for s in shapes]
    biases = [torch.zeros(s[0]) for s in shapes]

    def signs(mu, side):
        between = (1,) * (mu.ndim - 2)
        return torch.randint(0, 2, (len(x), mu.shape[side], *between)).mul_(2).sub_(1).float()

    return images, labels, mus, rhos, biases, signs


def torch_step(x, y, threads):
    """PyTorch, the formula in its own functions, signs by example and channel."""
    import torch
    from torch.nn import functional as F

    images, labels, mus, rhos, biases, signs = _torch_start(x, y, threads)
    parameters = [leaf.requires_grad_() for leaf in (*mus, *rhos, *biases)]
    adam = torch.optim.Adam(parameters, RATE, fused=True)

    def step():
        h, kl = images, 0.0
        for k, (mu, rho, bias) in enumerate(zip(mus, rhos, biases, strict=True)):
            sigma = F.softplus(rho)
            delta = sigma * torch.randn_like(sigma)
            s, r = signs(mu, 1), signs(mu, 0)
            if k < 3:
                a = F.conv2d(h, mu, bias, padding=2) + F.conv2d(h * s, delta, padding=2) * r
                h = F.relu(a)
                h = F.max_pool2d(h, 2) if k < 2 else h.flatten(1)
            else:
                h = F.linear(h, mu, bias) + F.linear(h * s, delta) * r
                h = F.relu(h) if k == 3 else h
            kl = kl + (0.5 * (sigma * sigma + mu * mu - 1) - torch.log(sigma)).sum()
        loss = F.cross_entropy(h, labels) + kl / N
        adam.zero_grad()
        loss.backward()
        adam.step()
        return loss.item()

    step.parameters = parameters
    return step


def torch_manual_step(x, y, threads):
    """PyTorch with no autograd: every derivative by hand, its own kernels for each."""
    import torch
    from torch.nn import functional as F

    images, labels, mus, rhos, biases, signs = _torch_start(x, y, threads)
    parameters = [*mus, *rhos, *biases]
    adam = torch.optim.Adam(parameters, RATE, fused=True)
    pool, pool_back = (
        torch.ops.aten.max_pool2d_with_indices,
        torch.ops.aten.max_pool2d_with_indices_backward,
    )
    where = ([2, 2], [2, 2], [0, 0], [1, 1], False)

    def forward(h, kernel, k):
        return F.conv2d(h, kernel, padding=2) if k < 3 else h @ kernel.T

    def backward(grad, h, kernel, k):
        """Return the gradients by h (not of the first layer) and by the kernel."""
        if k >= 3:
            return grad @ kernel, grad.T @ h
        return torch.ops.aten.convolution_backward(
            grad, h, kernel, None, [1, 1], [2, 2], [1, 1], False, [0, 0], 1, [k > 0, True, False]
        )[:2]  # fmt: skip

    @torch.no_grad()
    def step():
        h, kl, kept = images, 0.0, []
        for k, (mu, rho, bias) in enumerate(zip(mus, rhos, biases, strict=True)):
            sigma, eps = F.softplus(rho), torch.randn_like(rho)
            delta, s, r = sigma * eps, signs(mu, 1), signs(mu, 0)
            flipped = h * s
            a = forward(flipped, delta, k).mul_(r).add_(forward(h, mu, k))
            a.add_(bias.view(-1, 1, 1) if k < 3 else bias)
            a = a.relu_() if k < 4 else a
            kept.append([h, flipped, sigma, eps, delta, s, r, a, None])
            if k < 2:
                h, kept[-1][-1] = pool(a, *where)
            else:
                h = a.flatten(1)
            kl += (0.5 * (sigma * sigma + mu * mu - 1) - torch.log(sigma)).sum()
        logs = F.log_softmax(h, 1)
        rows = torch.arange(len(labels))
        loss = -logs[rows, labels].mean() + kl / N
        grad = logs.exp()
        grad[rows, labels] -= 1
        grad /= len(labels)
        for k in reversed(range(5)):
            h, flipped, sigma, eps, delta, s, r, a, indices = kept[k]
            if k < 2:
                grad = pool_back(grad, a, *where, indices)
            grad = grad.view(a.shape)
            grad = grad * (a > 0) if k < 4 else grad
            by_mean, mus[k].grad = backward(grad, h, mus[k], k)
            by_noise, grad_delta = backward(grad * r, flipped, delta, k)
            biases[k].grad = grad.sum((0, 2, 3) if k < 3 else 0)
            mus[k].grad.add_(mus[k], alpha=1 / N)
            grad_sigma = grad_delta * eps + (sigma - 1 / sigma) / N
            rhos[k].grad = grad_sigma * torch.sigmoid(rhos[k])
            grad = by_mean.add_(by_noise * s) if k else None
        adam.step()
        return loss.item()

    step.parameters = parameters
    return step


def jax_step(x, y, threads):
    """JAX, the formula under jit, Adam written out."""
    import jax
    import jax.numpy as jnp

    shapes = [(5, 5, i, o) for i, o in FILTERS] + list(DENSE)
    keys = jax.random.split(jax.random.key(0), 2 * len(shapes))
    layers = [(0.1 * jax.random.normal(keys[2 * k], s), -3 + 0.1 * jax.random.normal(
        keys[2 * k + 1], s), jnp.zeros(s[-1])) for k, s in enumerate(shapes)]  # fmt: skip

    def apply(h, kernel):
        if kernel.ndim == 2:
            return h @ kernel
        return jax.lax.conv_general_dilated(h, kernel, (1, 1), "SAME",
                                            dimension_numbers=("NHWC", "HWIO", "NHWC"))  # fmt: skip

    def objective(layers, key, images, labels):
        h, kl, rows = images, 0.0, len(images)
        for k, (mu, rho, bias) in enumerate(layers):
            one, two, three = jax.random.split(jax.random.fold_in(key, k), 3)
            sigma = jax.nn.softplus(rho)
            delta = sigma * jax.random.normal(one, mu.shape)
            between = (1,) * (mu.ndim - 2)
            s = jax.random.rademacher(two, (rows, *between, mu.shape[-2]), jnp.float32)
            r = jax.random.rademacher(three, (rows, *between, mu.shape[-1]), jnp.float32)
            h = apply(h, mu) + apply(h * s, delta) * r + bias
            h = h if k == len(layers) - 1 else jax.nn.relu(h)
            if k < 2:
                h = jax.lax.reduce_window(h, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1),
                                          "SAME")  # fmt: skip
            elif k == 2:
                h = h.reshape(rows, -1)
            kl = kl + jnp.sum(0.5 * (sigma * sigma + mu * mu - 1) - jnp.log(sigma))
        logs = jax.nn.log_softmax(h)
        return -jnp.mean(logs[jnp.arange(rows), labels]) + kl / N

    @jax.jit
    def update(layers, first, second, t, images, labels):
        key = jax.random.fold_in(jax.random.key(1), t)
        loss, grads = jax.value_and_grad(objective)(layers, key, images, labels)
        tree = jax.tree_util.tree_map
        first = tree(lambda m, g: 0.9 * m + 0.1 * g, first, grads)
        second = tree(lambda v, g: 0.999 * v + 0.001 * g * g, second, grads)
        rate = RATE * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        layers = tree(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8), layers, first, second)
        return layers, first, second, loss

    zeros = jax.tree_util.tree_map(jnp.zeros_like, layers)
    state = [layers, zeros, zeros, 0]
    images, labels = jnp.asarray(x), jnp.asarray(y)

    def step():
        state[3] += 1
        *state[:3], loss = update(*state[:3], state[3], images, labels)
        return float(loss)

    return step


def tfp_step(x, y, threads):
    """TFP's own layers, a step in one tf.function compiled by XLA."""
    from bnn_ref.verification.frameworks.tensorflow import tf, tf_keras
    from bnn_ref.verification.frameworks.tensorflow import tfp as library

    layers, pool = library.layers, tf_keras.layers.MaxPooling2D
    one, two, three = (layers.Convolution2DFlipout(o, 5, padding="SAME", activation=tf.nn.relu)
                       for _, o in FILTERS)  # fmt: skip
    model = tf_keras.Sequential([
        one, pool(2, 2, "SAME"), two, pool(2, 2, "SAME"), three, tf_keras.layers.Flatten(),
        layers.DenseFlipout(84, activation=tf.nn.relu), layers.DenseFlipout(10),
    ])  # fmt: skip
    model.build(x.shape)
    adam = tf_keras.optimizers.Adam(RATE)
    adam.build(model.trainable_variables)

    @tf.function(jit_compile=True)
    def update(images, labels):
        with tf.GradientTape() as tape:
            logits = model(images)
            nll = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            loss = tf.reduce_mean(nll) + sum(model.losses) / N
        gradients = tape.gradient(loss, model.trainable_variables)
        adam.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    images, labels = tf.constant(x), tf.constant(y)
    return lambda: float(update(images, labels))


def bayesian_torch_step(x, y, threads):
    """Bayesian-Torch's own layers, whose signs change from place to place."""
    import torch
    from bayesian_torch.layers import Conv2dFlipout, LinearFlipout
    from torch.nn import functional as F

    torch.set_num_threads(threads)
    images, labels = torch.tensor(x).permute(0, 3, 1, 2).contiguous(), torch.tensor(y)
    layers = [Conv2dFlipout(i, o, 5, padding=2) for i, o in FILTERS]
    layers += [LinearFlipout(i, o) for i, o in DENSE]
    adam = torch.optim.Adam([p for layer in layers for p in layer.parameters()], RATE)

    def step():
        h, kl = images, 0.0
        for k, layer in enumerate(layers):
            h, its = layer(h)
            kl = kl + its
            h = F.relu(h) if k < 4 else h
            h = F.max_pool2d(h, 2) if k < 2 else h.flatten(1) if k == 2 else h
        loss = F.cross_entropy(h, labels) + kl / N
        adam.zero_grad()
        loss.backward()
        adam.step()
        return loss.item()

    return step


CONTENDERS = {"ours": ours, "torch_manual": torch_manual_step, "torch": torch_step,
              "jax": jax_step, "tfp": tfp_step, "bayesian_torch": bayesian_torch_step}  # fmt: skip
TITLES = {"ours": "bnn_ref", "torch_manual": "PyTorch, by hand", "torch": "PyTorch, autograd",
          "jax": "JAX, jit", "tfp": "TFP, XLA", "bayesian_torch": "Bayesian-Torch"}  # fmt: skip


def main(arguments=None):
    """Time the contenders' steps in turns, and print a table; returns the exit code."""
    parser = argparse.ArgumentParser("python -m bench lenet-steps", description=SHORT)
    parser.add_argument("--contenders", default=",".join(CONTENDERS), metavar="NAME,NAME")
    parser.add_argument("--rounds", type=int, default=7, metavar="N")
    parser.add_argument("--steps", type=int, default=5, metavar="N", help="of a round")
    parser.add_argument("--batch", type=int, default=128, metavar="N")
    parser.add_argument("--threads", type=int, default=2, metavar="N")
    parser.add_argument("--cpu", action="store_true", help="take CPU time: for one busy thread")
    args = parser.parse_args(arguments)
    names = args.contenders.split(",")
    if not set(names) <= set(CONTENDERS):
        parser.error(f"contenders: expected some of {', '.join(CONTENDERS)}, found {names}")
    clock = time.process_time if args.cpu else time.perf_counter
    rng = np.random.default_rng(0)
    x = rng.random((args.batch, 28, 28, 1), dtype=np.float32)
    x *= rng.random(x.shape) < 0.2  # four in five pixels are 0, as MNIST's
    y = rng.integers(0, 10, args.batch)
    steps = {}
    for name in names:
        begin = time.perf_counter()
        steps[name] = CONTENDERS[name](x, y, args.threads)
        loss = steps[name]()
        say(f"{name}: first step {time.perf_counter() - begin:.1f} s, loss {loss:.2f}")
    times = {name: [] for name in steps}
    for _ in range(args.rounds):
        for name, step in steps.items():
            taken = []
            for _ in range(args.steps):
                begin = clock()
                step()
                taken.append(clock() - begin)
            times[name].append(statistics.median(taken))
    print(table(times).markdown())
    return 0


def table(times):
    """Return the `Table` of medians, and of the ratios to the first one's within rounds.

    Parameters
    ----------
    times : dict of str to list of float
        Of each round, in seconds.
    """
    first, lines = next(iter(times.values())), []
    for name, mine in times.items():
        ratio = statistics.median(a / b for a, b in zip(mine, first, strict=True))
        lines.append([TITLES[name], f"{1e3 * statistics.median(mine):.1f} ms", f"{ratio:.2f}"])
    return Table("A step of LeNet-5", ["contender", "a step", "x the first"], lines, [])


if __name__ == "__main__":
    raise SystemExit(main())
