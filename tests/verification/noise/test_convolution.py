"""Black-box convolutions, one pixel at a time; and layers that overwrite their own draw."""

from itertools import count

import numpy as np
import pytest
from random_signs import random_signs

from bnn_ref.layers import Conv2DFlipout
from bnn_ref.network import Network
from bnn_ref.reference import draw_outputs
from bnn_ref.verification import LayerHook, check_convolution, check_two_calls

RNG = np.random.default_rng(0)
MU, SIGMA = RNG.normal(0, 0.3, (3, 3, 2, 4)), RNG.uniform(0.05, 0.2, (3, 3, 2, 4))
SHAPE = (6, 7, 2)


def convolved(x, kernel):
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(1, 2))
    return np.einsum("nuvcij,ijcf->nuvf", windows, kernel)


def layer(rng, *, anew=False, signs=True, scale=1.0, weights="one"):
    """A convolution with noise: signs a channel and a filter, or another set at every place."""

    def call(x):
        x = np.asarray(x, float)
        mean = convolved(x, MU)
        if weights == "each":
            parts = [convolved(one[None], MU + SIGMA * rng.normal(size=MU.shape)) for one in x]
            return np.concatenate(parts)
        size = (x.shape[1:3], mean.shape[1:3]) if anew else ((1, 1), (1, 1))
        one, two = (random_signs(rng, (len(x), *places, n))
                    for places, n in zip(size, (2, 4), strict=True))  # fmt: skip
        if not signs:
            one = two = 1.0
        delta = scale * SIGMA * rng.normal(size=MU.shape)
        return mean + convolved(x * one, delta) * two

    return call


def check(call, draws=250, **options):
    return check_convolution(call, MU, SIGMA, SHAPE, draws=draws, **options)


def test_a_flipout_convolution_agrees_and_other_noise_is_named():
    assert check(layer(np.random.default_rng(1))).agrees
    shared = check(layer(np.random.default_rng(2), signs=False))
    assert (shared.agrees, shared.kind) == (False, "shared")
    anew = check(layer(np.random.default_rng(3), anew=True))
    assert (anew.agrees, anew.faults) == (
        False, ("signs drawn anew at every place: no single kernel explains an example",),
    )  # fmt: skip
    doubled = check(layer(np.random.default_rng(4), scale=2.0))
    assert doubled.found.startswith("wrong scale: the noise is"), doubled


@pytest.mark.parametrize(
    ("padding", "strides", "bias"),
    [("valid", 1, "none"), ("same", (2, 3), "normal"), ("valid", (3, 1), "normal_flipped"),
     ("same", 1, "deterministic")],
)  # fmt: skip
def test_the_packages_own_convolution_agrees(padding, strides, bias):
    """Every padding, strides that differ by axis, every kind of bias."""
    layer = Conv2DFlipout(4, 3, strides, padding, bias=bias, scale_shift=0.0,
                          input_shape=(10, 11, 2))  # fmt: skip
    network = Network([layer])
    given = {"kernel_mu": MU, "kernel_rho": np.log(np.expm1(SIGMA))}
    known = {}
    if bias != "none":
        given["bias_mu"] = known["bias_mu"] = np.linspace(-1, 1, 4)
    if bias.startswith("normal"):
        known["bias_sigma"] = np.full(4, 0.2)
        given["bias_rho"] = np.log(np.expm1(known["bias_sigma"]))
    parameters = network.parameters({f"layers.0.{name}": one for name, one in given.items()})
    draw = count()

    def call(x):
        flat = draw_outputs(network, parameters, x.reshape(len(x), -1), 1, next(draw),
                            kind="flipout")  # fmt: skip
        return flat.reshape(len(x), *network.layers[0].output_shape)

    options = {"padding": padding, "strides": strides, "bias": bias, **known}
    report = check_convolution(call, MU, SIGMA, (10, 11, 2), draws=250, **options)
    assert report.agrees, report
    if (padding, strides) == ("same", (2, 3)):
        with pytest.raises(ValueError, match=r"\(8, 9\) places, as padding and strides say"):
            check_convolution(call, MU, SIGMA, (10, 11, 2), **{**options, "padding": "valid",
                                                               "strides": 1})  # fmt: skip


def test_pytorchs_paddings_are_whole_numbers(volume):
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # others wait for each other longer than such a small product takes
    try:
        for padding in volume([(2, 0)], [0, 1, (2, 0)]):
            padded(torch, padding)
    finally:
        torch.set_num_threads(threads)


def padded(torch, padding):
    kernel = torch.from_numpy(np.ascontiguousarray(MU.transpose(3, 2, 0, 1)))
    sigma = torch.from_numpy(np.ascontiguousarray(SIGMA.transpose(3, 2, 0, 1)))
    torch.manual_seed(0)

    def call(x):
        def convolve(x, kernel):
            return torch.nn.functional.conv2d(x, kernel, stride=2, padding=padding)

        x = torch.from_numpy(x)
        one, two = (2.0 * torch.randint(0, 2, (len(x), n, 1, 1)) - 1 for n in (2, 4))
        return convolve(x, kernel) + convolve(x * one, sigma * torch.randn_like(sigma)) * two

    report = check_convolution(call, MU, SIGMA, (9, 8, 2), draws=150, padding=padding, strides=2,
                               channels_first=True)  # fmt: skip
    assert report.agrees, report


def test_a_bias_or_signs_drawn_anew_at_every_place_are_told_apart():
    """Beside a random bias the magnitudes differ; signs anew are equal by chance, draws never."""
    rng, inner = np.random.default_rng(6), layer(np.random.default_rng(5))
    anew, spread = layer(np.random.default_rng(7), anew=True), np.full(4, 0.2)

    def found(places, convolution):
        def call(x):
            return convolution(x) + spread * rng.normal(size=(1, *places, 4))

        return check(call, bias_mu=np.zeros(4), bias_sigma=spread).found

    assert found((1, 1), inner) == "Flipout"
    assert found((4, 5), inner) == "another draw of the bias at every place"
    assert found((1, 1), anew).startswith("signs drawn anew at every place")


def test_channels_may_come_first_and_what_does_not_fit_is_refused():
    inner = layer(np.random.default_rng(5))
    report = check(lambda x: np.moveaxis(inner(np.moveaxis(x, 1, -1)), -1, 1), channels_first=True)
    assert report.agrees, report
    for options, message in (({"padding": "full"}, "padding: expected valid"),
                             ({"padding": -1}, "padding: expected a whole number"),
                             ({"strides": 0}, "strides: expected a whole number of at least 1"),
                             ({"image_shape": (3, 3, 2)}, "image_shape: expected room"),
                             ({"image_shape": (6, 7, 3)}, r"image_shape: expected \(H, W, 2\)"),
                             ({"kernel_mu": MU[0]}, "kernel_mu, kernel_sigma")):  # fmt: skip
        given = {"kernel_mu": MU, "kernel_sigma": SIGMA, "image_shape": SHAPE, **options}
        with pytest.raises(ValueError, match=message):
            check_convolution(inner, **given)


def test_bayesian_torchs_convolution_draws_signs_at_every_place():
    layers = pytest.importorskip("bayesian_torch.layers")
    torch = pytest.importorskip("torch")
    theirs = layers.Conv2dFlipout(2, 4, 3, bias=False).double()
    for tensor, value in ((theirs.mu_kernel, MU), (theirs.rho_kernel, np.log(np.expm1(SIGMA)))):
        tensor.data.copy_(torch.from_numpy(np.ascontiguousarray(value.transpose(3, 2, 0, 1))))

    def call(x):
        with torch.no_grad():
            return theirs(torch.from_numpy(x), return_kl=False).numpy()

    assert check(call, channels_first=True).found.startswith("signs drawn anew at every place")


def linear_hook(kind, sigma, *names):
    return LayerHook(
        kind, lambda layer: {"kernel": tuple(getattr(layer, n) for n in names[:2]),
                             **({"bias": tuple(getattr(layer, n) for n in names[2:])}
                                if names[2:] else {})},
        None, None, sigma=sigma,
    )  # fmt: skip


def test_a_layer_that_overwrites_its_draw_is_found_by_two_calls():
    """Bayesian-Torch's, whose eps is a buffer filled again by every call; torchbnn's is not."""
    layers = pytest.importorskip("bayesian_torch.layers")
    torchbnn, torch = pytest.importorskip("torchbnn"), pytest.importorskip("torch")
    torch.manual_seed(0)
    x = torch.randn(6, 5)
    theirs = layers.LinearFlipout(5, 4, bias=False)
    report = check_two_calls(theirs, linear_hook(type(theirs), "softplus", "mu_weight",
                                                 "rho_weight"), x)  # fmt: skip
    assert not report.agrees
    assert report.alone < 1e-3 < report.after_another
    assert "the draw is overwritten" in str(report)
    other = torchbnn.BayesLinear(0.0, 1.0, in_features=5, out_features=4)
    report = check_two_calls(other, linear_hook(type(other), "exp", "weight_mu",
                                                "weight_log_sigma", "bias_mu",
                                                "bias_log_sigma"), x)  # fmt: skip
    assert report.agrees, report


def test_a_wrong_gradient_by_sigma_is_seen_in_one_call():
    torch = pytest.importorskip("torch")

    class Detached(torch.nn.Linear):
        def forward(self, x):
            sigma = self.rho.exp() + 0.1 * (self.rho.exp() - self.rho.exp().detach())
            return x @ (self.weight + sigma * torch.randn_like(self.weight)).T

    layer = Detached(5, 4, bias=False)
    layer.rho = torch.nn.Parameter(torch.full((4, 5), -1.0))
    hook = linear_hook(Detached, "exp", "weight", "rho")
    report = check_two_calls(layer, hook, torch.randn(6, 5))
    assert not report.agrees
    assert "after one call already" in str(report)
