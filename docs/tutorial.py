# %% [markdown]
# # From one neuron to MNIST
#
# A Bayesian neural network does not have weights; it has, for each weight, a mean and a standard
# deviation. This tutorial builds that sentence up from a single neuron that you can follow with
# pencil and paper, and ends with a gradient that another program, JAX, confirms.
#
# It is a script of cells: run it whole with `python docs/tutorial.py`, or cell by cell in an
# editor that knows the marker `# %%`. Nothing you see printed was typed in: every number is
# computed when the cell runs, and every claim that can be checked is checked by an `assert`.
#
# The cell on MNIST needs the data set: set the environment variable `BNN_REF_DATA` to a folder
# that holds `mnist/`. The last cell needs JAX. Where one is absent, its cell says so and goes on.

# %%
import math
import os
from pathlib import Path

import numpy as np

from bnn_ref import (
    Categorical,
    DenseFlipout,
    LayerNoise,
    Network,
    Noise,
    Normal,
    draw_noise,
    fit,
    forward,
    kl,
    kl_parts,
    loss_and_gradients,
    predict,
)
from bnn_ref.data import load
from bnn_ref.verification import complex_step


def beside(what, ours, theirs, limit=1e-12):
    """Print two values of one quantity side by side, and stop where they differ."""
    print(f"{what:<34}{ours:>20.14f}{theirs:>20.14f}")
    assert abs(ours - theirs) <= limit * max(1, abs(theirs)), what


# %% [markdown]
# ## 1. One neuron by hand
#
# One input, one output, no bias, no activation. An ordinary neuron would compute `x * w`. This
# one keeps two numbers for its weight: `mu`, the mean, and `rho`, from which comes the standard
# deviation `sigma = log(1 + exp(rho))`. Training may push rho anywhere and sigma stays positive:
# that is all the detour through rho is for.

# %%
x, y = 2.0, 1.0
mu, rho = 0.7, -1.0
sigma = math.log(1 + math.exp(rho))
print(f"sigma = log(1 + exp({rho})) = {sigma:.6f}")

# %% [markdown]
# To use the weight, draw a standard normal number `eps` and take `w = mu + sigma * eps`. Written
# that way the randomness is an ingredient like x, and the derivatives by mu and by rho are
# ordinary ones. (This is the *reparameterisation trick*.) We fix eps here; a computer would draw
# it.
#
# Flipout adds two random signs for each example, one on its input and one on its output. With one
# example they only decide whether the noise is added or taken away; what they are good for is
# seen in section 4.

# %%
eps, sign_input, sign_output = 0.5, -1.0, 1.0
delta = sigma * eps
perturbation = (x * sign_input) * delta * sign_output
a = x * mu + perturbation
print(f"delta        = {sigma:.6f} * {eps} = {delta:.6f}")
print(f"perturbation = ({x} * {sign_input}) * {delta:.6f} * {sign_output} = {perturbation:.6f}")
print(f"output       = {x} * {mu} + ({perturbation:.6f}) = {a:.6f}")

# %% [markdown]
# The same neuron as a layer of the library. A layer only describes; parameters and noise are
# handed to it, so a step can be repeated exactly. `scale_shift=0` switches off a tiny constant
# that is otherwise added to sigma to keep it away from 0.

# %%
layer = DenseFlipout(1, 1, bias="none", scale_shift=0.0)
neuron = Network([layer], Normal(scale=1.0))
print(neuron)
parameters = neuron.parameters({"layers.0.kernel_mu": [[mu]], "layers.0.kernel_rho": [[rho]]})
noise = Noise((LayerNoise(*(np.array([[v]]) for v in (eps, sign_input, sign_output)), None),))
print(f"\n{'':<34}{'by hand':>20}{'the layer':>20}")
beside("output", a, forward(neuron, parameters, [[x]], noise).item())

# %% [markdown]
# ## 2. Its loss and its gradient by hand
#
# The loss of a Bayesian network has two parts. The first is the negative log-likelihood, `nll`:
# how improbable the target is under the output. For a Normal likelihood with standard deviation 1
# it is half the squared error, plus a constant that people tend to forget.

# %%
nll = (y - a) ** 2 / 2 + math.log(2 * math.pi) / 2
print(f"nll = ({y} - {a:.6f})^2 / 2 + log(2 pi) / 2 = {nll:.6f}")

# %% [markdown]
# The second part is the KL divergence: how far the weight's distribution N(mu, sigma) has moved
# from the prior, which is what we held to be likely before seeing any data, here N(0, 1).

# %%
kl_by_hand = mu**2 / 2 + sigma**2 / 2 - math.log(sigma) - 1 / 2
terms = f"{mu**2 / 2:.6f} + {sigma**2 / 2:.6f} + {-math.log(sigma):.6f} - 0.5"
print(f"KL  = mu^2 / 2 + sigma^2 / 2 - log(sigma) - 1/2 = {terms} = {kl_by_hand:.6f}")

# %% [markdown]
# The data consist of N examples, and they share one posterior. The loss of *one* example
# therefore gets one Nth of the KL. Suppose N is 10.
#
# Now differentiate, from the end to the start. The chain is `mu, rho -> sigma -> delta -> a ->
# nll`, and each arrow is one line.

# %%
N = 10
grad_a = a - y  # nll = (y - a)^2 / 2
grad_delta = x * sign_input * sign_output * grad_a  # a = x mu + x sign_input delta sign_output
grad_sigma = grad_delta * eps  # delta = sigma eps
sigmoid = 1 / (1 + math.exp(-rho))  # d sigma / d rho, sigma = log(1 + exp(rho))
grad_mu = x * grad_a + mu / N  # the KL's part: d KL / d mu = mu
grad_rho = (grad_sigma + (sigma - 1 / sigma) / N) * sigmoid  # d KL / d sigma = sigma - 1 / sigma

step = loss_and_gradients(neuron, parameters, [[x]], [[y]], noise, kl_weight=1 / N)
print(f"{'':<34}{'by hand':>20}{'the layer':>20}")
beside("nll", nll, step.nll)
beside("KL", kl_by_hand, step.kl)
beside("loss = nll + KL / N", nll + kl_by_hand / N, step.loss)
beside("gradient by mu", grad_mu, step.gradients["layers.0.kernel_mu"].item())
beside("gradient by rho", grad_rho, step.gradients["layers.0.kernel_rho"].item())

# %% [markdown]
# Those lines are the backward pass of a Flipout layer, all but the gradient that it hands on to
# the layer before. `bnn_ref/reference.py` has the same lines with matrices for numbers, and
# `docs/derivation.md` derives each of them.

# %% [markdown]
# ## 3. The KL and its scale
#
# A network for 8 x 8 images of handwritten digits, freshly initialised. Its KL is a sum over all
# weights. Let us see what it is made of.

# %%
data = load("digits")
digits, labels = data.train
network = Network([DenseFlipout(64, 64, activation="relu"), DenseFlipout(64, 10)], Categorical())
fresh = network.init(seed=0, dtype="float64")
print(network, "\n")
columns = ("weights", "squared mean", "variance", "log", "constant", "KL")
print(" " * 9 + "".join(f"{name:>13}" for name in columns))
for k, (parts, whole) in enumerate(zip(kl_parts(network, fresh), kl(network, fresh), strict=True)):
    numbers = "".join(f"{value:>13.1f}" for value in (*parts, whole))
    print(f"layers[{k}]{network.layers[k].num_random:>13}{numbers}")
    assert abs(sum(parts) - whole) < 1e-9 * whole

# %% [markdown]
# The squared mean is the L2 penalty that many expect the KL to be. It is a small part: nearly all
# of the KL is the log term, the price of being sure. A new weight has a sigma far below the
# prior's 1, which claims knowledge that no data have given yet.
#
# What does the *loss* see of it? The nll is a mean over examples, so the KL must be divided by
# the number of training examples N. The commonest mistake is to divide by the batch size B
# instead. The two losses:

# %%
N, B = len(digits), 128
batch, batch_labels = np.asarray(digits[:B], np.float64), labels[:B]
noise = draw_noise(network, rows=B, seed=0, dtype="float64")
for name, divisor in (("N", N), ("B", B)):
    one = loss_and_gradients(network, fresh, batch, batch_labels, noise, kl_weight=1 / divisor)
    print(
        f"KL / {name} ({name} = {divisor}):  loss {one.loss:8.3f} = nll {one.nll:.3f} "
        f"+ KL {one.kl:.1f} / {divisor}"
    )

# %% [markdown]
# With B the same network is asked, first of all, to forget: the prior counts N / B times too
# much. `bnn-ref explain kl` and `bnn-ref explain elbo` show both in more detail.

# %% [markdown]
# ## 4. Why Flipout flips
#
# Drawing separate weights for every example of a batch would be slow: each example would need a
# matrix product of its own. Drawing one set of weights for the batch is fast, but then all
# examples share their luck, and averaging over the batch does not average it away.
#
# Flipout uses one draw `delta` and gives example n the perturbation `delta * (s_n r_n^T)`, where
# s_n and r_n are random signs. Flipping signs does not change the distribution of a symmetric
# number, so each example sees noise of the right kind; but the noise of two examples is no longer
# correlated. Two rows that resemble one another, many draws, with and without signs:

# %%
pair = np.array([[1.0, 0.5, -1.0], [0.9, 0.7, -1.2]])
small = Network([DenseFlipout(3, 1, bias="none")], Normal())
weights = small.init(seed=1, dtype="float64")
outputs = {"shared": [], "flipout": []}
for draw in range(4000):
    for estimator, values in outputs.items():
        key = {"seed": 0, "draw": draw, "dtype": "float64", "estimator": estimator}
        values.append(forward(small, weights, pair, draw_noise(small, rows=2, **key))[:, 0])
for estimator, values in outputs.items():
    first, second = np.transpose(values)
    print(
        f"{estimator:<8} standard deviations {first.std():.4f} {second.std():.4f}   "
        f"correlation {np.corrcoef(first, second)[0, 1]:+.3f}   "
        f"of their mean {np.mean(values, axis=1).std():.4f}"
    )

# %% [markdown]
# Each example is as uncertain as before: predictions do not change. But the correlation is gone,
# and the mean over the batch, which is what a gradient is, varies less.

# %% [markdown]
# ## 5. One gradient, checked without trusting us
#
# Is the gradient of a network of several layers right? The complex step asks the loss alone. Move
# a parameter by a tiny *imaginary* amount, `loss(p + i h)`: the imaginary part of the result is h
# times the derivative, and since nothing is subtracted, h may be so small that no error is left.
#
# The loss below is written once more, from the formulas and not from the library. It has to take
# complex numbers, so it is a network with tanh, which has no kink.

# %%
smooth = Network([DenseFlipout(4, 3, activation="tanh"), DenseFlipout(3, 2)], Categorical())
parameters = smooth.init(seed=2, dtype="float64")
noise = draw_noise(smooth, rows=5, seed=2, dtype="float64")
x = np.random.default_rng(0).normal(size=(5, 4))
y = np.array([0, 1, 1, 0, 1])
shift = smooth.layers[0].settled_shift("float64")


def loss_again(p):
    """Return the loss of the network for parameters by name, real or complex."""
    h, total_kl = x, 0
    for k, n in enumerate(noise.layers):
        mu, rho, bias = (p[f"layers.{k}.{name}"] for name in ("kernel_mu", "kernel_rho", "bias_mu"))
        sigma = shift + np.log(1 + np.exp(rho))
        h = h @ mu + ((h * n.sign_input) @ (sigma * n.kernel_eps)) * n.sign_output + bias
        h = np.tanh(h) if k == 0 else h
        total_kl += np.sum(mu**2 / 2 + sigma**2 / 2 - np.log(sigma) - 1 / 2)
    log_p = h - np.log(np.sum(np.exp(h), axis=1, keepdims=True))
    return -np.mean(log_p[np.arange(len(y)), y]) + total_kl / 10


exact = complex_step(loss_again, dict(parameters))
ours = loss_and_gradients(smooth, parameters, x, y, noise, kl_weight=1 / 10).gradients
for name, gradient in ours.items():
    difference = np.max(np.abs(gradient - exact[name])) / np.max(np.abs(exact[name]))
    print(f"{name:<22}{gradient.shape!s:<9} largest relative difference {difference:.1e}")
    assert difference < 1e-12

# %% [markdown]
# ## 6. Training
#
# Now the digits in earnest. A step draws noise, computes loss and gradients, and moves the
# parameters by Adam. `fit` repeats that over shuffled batches; it divides the KL by the number of
# rows it is given, so that nobody has to remember to. In a line below, loss and nll are means over
# the steps since the line before, the KL is that of the last step, the accuracy that of the means.

# %%
run = fit(network, data, steps=1500, learning_rate=0.01, report_every=300, progress=False)
for record in run.history.records:
    print(
        f"step {record['step']:>5}  loss {record['loss']:7.3f}  nll {record['nll']:.3f}  "
        f"KL {record['kl']:8.1f}  held-out accuracy {record['validation_accuracy']:.3f}"
    )

# %% [markdown]
# Both parts of the loss fall: the network finds out what it needs to be sure of and lets the rest
# go. That can be seen in the weights themselves. Some pixels at the border are never inked, so
# the data say nothing about their weights, and the KL alone pulls those back to the prior N(0,
# 1). Here is the mean sigma of the first layer's weights, arranged as the image is:

# %%
kernel_rho = run.parameters["layers.0.kernel_rho"].astype(np.float64)
sigma_of_pixel = np.mean(np.log1p(np.exp(kernel_rho)), axis=1).reshape(8, 8)
for row in sigma_of_pixel:
    print("  ".join(f"{value:.2f}" for value in row))
never_inked = np.all(np.asarray(digits) == 0, axis=0)
print(
    f"\nmean sigma of the {never_inked.sum()} pixels that are never inked: "
    f"{sigma_of_pixel.ravel()[never_inked].mean():.2f}, of the others: "
    f"{sigma_of_pixel.ravel()[~never_inked].mean():.2f}"
)

# %% [markdown]
# ## 7. Predictions that know what they do not know
#
# To predict, draw whole networks from the posterior and average their probabilities. Where the
# draws agree the network is sure; where they do not, it says so. The uncertainty splits in two:
# the draws' own doubt on average (*aleatoric*: the image is ambiguous), and the draws'
# disagreement with each other (*epistemic*: the network has not learned this). Both are in nats,
# and they add up to the entropy of the averaged prediction.

# %%
held_out, held_labels = data.validation
found = predict(network, run.parameters, held_out, held_labels, draws=50)
print(
    f"accuracy {found.accuracy:.3f}, log-likelihood {found.nats:.3f} nats per image, "
    f"calibration error {found.calibration_error:.3f}\n"
)
least_sure = int(np.argmax(found.total_entropy))
ink = " .:-=+*#%@"
for row in np.asarray(held_out[least_sure]).reshape(8, 8):
    print("    " + "".join(2 * ink[round(float(value) * (len(ink) - 1))] for value in row))
best = np.argsort(-found.probabilities[least_sure])[:3]
guesses = ", ".join(f"{digit} ({found.probabilities[least_sure, digit]:.2f})" for digit in best)
print(f"the least certain held-out image: it is a {held_labels[least_sure]}; predicted {guesses}")

# %%
static = np.random.default_rng(0).uniform(size=(200, 64)).astype(np.float32)
on_static = predict(network, run.parameters, static, draws=50)
print(f"{'':<18}{'total':>8} ={'aleatoric':>11} +{'epistemic':>11}   (mean, nats)")
for name, one in (("held-out digits", found), ("static noise", on_static)):
    parts = (one.total_entropy, one.expected_entropy, one.mutual_information)
    total, aleatoric, epistemic = (float(np.mean(part)) for part in parts)
    print(f"{name:<18}{total:>8.3f} ={aleatoric:>11.3f} +{epistemic:>11.3f}")
    assert abs(total - aleatoric - epistemic) < 1e-6
assert np.mean(on_static.total_entropy) > np.mean(found.total_entropy)

# %% [markdown]
# Static is no digit, and nobody told the network so; yet its draws disagree about it far more
# than about the digits.

# %% [markdown]
# ## 8. MNIST
#
# The same with 28 x 28 images and 60,000 examples: N is larger, nothing else changes. A few
# hundred steps show that it learns; `bnn-ref train --data .../mnist` with its default number of
# steps goes on from there.

# %%
mnist = Path(os.environ.get("BNN_REF_DATA", "")) / "mnist"
if not os.environ.get("BNN_REF_DATA") or not mnist.is_dir():
    print("MNIST: skipped, for BNN_REF_DATA names no folder that holds mnist/")
else:
    images = load(mnist)
    large = Network([DenseFlipout(784, 64, activation="relu"), DenseFlipout(64, 10)], Categorical())
    trained = fit(large, images, steps=600, learning_rate=0.01, report_every=200, progress=False)
    for record in trained.history.records:
        print(
            f"step {record['step']:>4}  loss {record['loss']:7.3f}  nll {record['nll']:.3f}  "
            f"KL / N {record['kl'] / len(images.train.x):.3f}"
        )
    test_x, test_y = images.test
    score = predict(large, trained.parameters, test_x[:2000], test_y[:2000], draws=20)
    sure = score.total_entropy <= np.median(score.total_entropy)
    right = score.classes == score.targets
    print(
        f"2,000 test images: accuracy {score.accuracy:.3f}; of the half it is surer of "
        f"{right[sure].mean():.3f}, of the other half {right[~sure].mean():.3f}"
    )
    assert right[sure].mean() > right[~sure].mean()

# %% [markdown]
# ## 9. A gradient verified against JAX
#
# Every gradient in this library was derived by hand. JAX derives its own from the forward pass by
# automatic differentiation. Because the noise is an ingredient and not something that happens
# inside a layer, both can be given the very same noise, and then they have to agree. They are
# given the network of section 5, and JAX the loss written there, `np` replaced by `jnp`.

# %%
try:
    import jax
    import jax.numpy as jnp
except ImportError:
    print("JAX: skipped, for it is not installed (python -m pip install jax)")
else:
    jax.config.update("jax_enable_x64", True)  # float64, or there would be few digits to compare

    def loss_in_jax(p):
        """Return the loss of section 5, in JAX."""
        h, total_kl = jnp.asarray(x), 0.0
        for k, n in enumerate(noise.layers):
            mu, rho, bias = (
                p[f"layers.{k}.{name}"] for name in ("kernel_mu", "kernel_rho", "bias_mu")
            )
            sigma = shift + jax.nn.softplus(rho)
            h = h @ mu + ((h * n.sign_input) @ (sigma * n.kernel_eps)) * n.sign_output + bias
            h = jnp.tanh(h) if k == 0 else h
            total_kl += jnp.sum(mu**2 / 2 + sigma**2 / 2 - jnp.log(sigma) - 1 / 2)
        return -jnp.mean(jax.nn.log_softmax(h)[jnp.arange(len(y)), y]) + total_kl / 10

    by_jax = jax.grad(loss_in_jax)({name: jnp.asarray(array) for name, array in parameters.items()})
    print(f"{'gradient of the loss by':<24}{'first entry, by hand':>24}{'by JAX':>24}   difference")
    for name, gradient in ours.items():
        theirs = np.asarray(by_jax[name])
        difference = np.max(np.abs(gradient - theirs)) / np.max(np.abs(theirs))
        print(f"{name:<24}{gradient.flat[0]:>24.16f}{theirs.flat[0]:>24.16f}   {difference:.1e}")
        assert difference < 1e-12
    print("all gradients agree with JAX")

# %% [markdown]
# That is the whole of it: a mean and a standard deviation for each weight, a loss of two terms, a
# backward pass of a few lines, and two other ways to be sure of them. From here, `bnn-ref explain
# step` walks through a training step with every intermediate tensor, `bnn-ref report RUN` draws
# what a run has learned, and `bnn-ref verify` holds every framework you have against this one.
