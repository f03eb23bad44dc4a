"""Parameters carried to and from other libraries: layout, names, sigma's convention, shift."""

import numpy as np
import pytest
from mpmath import mp, mpf
from tolerances import CONVERTED_ULP

from bnn_ref.elementary import softplus
from bnn_ref.layers import DenseFlipout
from bnn_ref.network import Network
from bnn_ref.verification import export_parameters, import_parameters

NAMES = {
    "tfp": ("kernel_posterior_loc", "kernel_posterior_untransformed_scale",
            "bias_posterior_loc", "bias_posterior_untransformed_scale"),
    "edward2": ("kernel/mean", "kernel/stddev", "bias/mean", "bias/stddev"),
    "bayesian-torch": ("mu_weight", "rho_weight", "mu_bias", "rho_bias"),
    "blitz": ("weight_mu", "weight_rho", "bias_mu", "bias_rho"),
}  # fmt: skip
BIAS = {"tfp": "normal", "edward2": "normal", "bayesian-torch": "normal_flipped", "blitz": "normal"}
SHIFT = {"tfp": None, "edward2": 1e-7, "bayesian-torch": 0.0, "blitz": 0.0}


def make(bias, dtype="float64", shift=None, rho=(-8, 3)):
    network = Network([DenseFlipout(3, 4, "relu", bias=bias, scale_shift=shift),
                       DenseFlipout(4, 2, bias=bias, scale_shift=shift)])  # fmt: skip
    parameters, rng = network.init(1, dtype), np.random.default_rng(2)
    for name, array in parameters.items():
        size = array.shape
        array[...] = rng.uniform(*rho, size) if name.endswith("rho") else rng.normal(size=size)
    return parameters


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("library", NAMES)
def test_names_layout_and_sigma_are_the_librarys(library, dtype):
    """sigma against mpmath under both conventions: it is what must not change."""
    parameters = make(BIAS[library], dtype, shift=0.0)
    shift = np.finfo(dtype).eps if SHIFT[library] is None else SHIFT[library]
    for p, exported in zip(parameters.layers, export_parameters(parameters, library), strict=True):
        assert tuple(exported) == NAMES[library]
        kernel, rho, bias, bias_rho = exported.values()
        turned = library in ("bayesian-torch", "blitz")
        np.testing.assert_array_equal(kernel, p.kernel_mu.T if turned else p.kernel_mu)
        np.testing.assert_array_equal(bias, p.bias_mu)
        for ours, theirs in ((p.kernel_rho, rho.T if turned else rho), (p.bias_rho, bias_rho)):
            assert theirs.dtype == dtype
            with mp.workdps(50):
                exact = [mp.log1p(mp.exp(mpf(float(r)))) for r in ours.ravel()]
                found = [
                    mpf(float(shift)) + mp.log1p(mp.exp(mpf(float(r)))) for r in theirs.ravel()
                ]
                error = max(abs(f / e - 1) for f, e in zip(found, exact, strict=True))
            # a rho of 8 rounded moves sigma by 8 half units, relatively
            assert error < 10 * np.finfo(dtype).eps


@pytest.mark.parametrize("shift", [None, 0.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("library", NAMES)
def test_there_and_back(library, dtype, shift):
    parameters = make(BIAS[library], dtype, shift, rho=(-3, 3))
    exported = export_parameters(parameters, library)
    back = import_parameters(parameters.network, exported, library)
    assert back.dtype == parameters.dtype
    for name in parameters:
        if name.endswith("rho"):
            old, new = (softplus(np.asarray(p[name], float)) for p in (parameters, back))
            np.testing.assert_allclose(new, old, rtol=CONVERTED_ULP * np.finfo(dtype).eps)
        else:
            np.testing.assert_array_equal(back[name], parameters[name])


@pytest.mark.parametrize(("library", "bias"), [("tfp", "deterministic"), ("edward2", "none"),
                                               ("edward2", "deterministic"), ("blitz", "none"),
                                               ("bayesian-torch", "none")])  # fmt: skip
def test_other_kinds_of_bias(library, bias):
    parameters = make(bias, shift=SHIFT[library])
    exported = export_parameters(parameters, library)
    names = NAMES[library][: {"none": 2, "deterministic": 3}[bias]]
    if library == "edward2" and bias == "deterministic":
        names = (*names[:2], "bias")
    assert tuple(exported[0]) == names
    back = import_parameters(parameters.network, exported, library)
    np.testing.assert_array_equal(back.flat, parameters.flat)


def test_same_shift_leaves_rho_to_the_bit():
    parameters = make("normal_flipped", "float32", 0.0, rho=(-80, 80))
    back = import_parameters(parameters.network, export_parameters(parameters, "bayesian-torch"),
                             "bayesian-torch")  # fmt: skip
    np.testing.assert_array_equal(back.flat, parameters.flat)


def test_names_may_have_a_prefix_and_blitz_has_each_array_twice():
    parameters = make("normal", shift=0.0)
    named = [
        {**{f"net.{k}.{name}": value for name, value in layer.items()},
         "net.weight_sampler.mu": layer["weight_mu"], "net.weight_sampler.rho": layer["weight_rho"],
         "net.bias_sampler.mu": layer["bias_mu"], "net.bias_sampler.rho": layer["bias_rho"]}
        for k, layer in enumerate(export_parameters(parameters, "blitz"))
    ]  # fmt: skip
    back = import_parameters(parameters.network, named, "blitz")
    np.testing.assert_array_equal(back.flat, parameters.flat)
    named = [{f"dense_flipout/{name}:0": value for name, value in layer.items()}
             for layer in export_parameters(parameters, "tfp")]  # fmt: skip
    np.testing.assert_allclose(
        import_parameters(parameters.network, named, "tfp").flat, parameters.flat, rtol=1e-12
    )


def test_what_cannot_be_carried_is_refused():
    parameters = make("deterministic")
    with pytest.raises(ValueError, match="library: expected one of tfp, edward2"):
        export_parameters(parameters, "pyro")
    with pytest.raises(ValueError, match=r"layers\.0\.bias: expected one of none, normal_flipped"):
        export_parameters(parameters, "bayesian-torch")
    tiny = make("normal", shift=0.0, rho=(-60, -50))
    with pytest.raises(ValueError, match=r"kernel_rho: expected every sigma above the shift 1e-07"):
        export_parameters(tiny, "edward2")
    exported = export_parameters(parameters, "tfp")
    network = parameters.network
    with pytest.raises(ValueError, match="layers: expected 2, found 1"):
        import_parameters(network, exported[:1], "tfp")
    lost = [{k: v for k, v in exported[0].items() if k != "bias_posterior_loc"}, exported[1]]
    with pytest.raises(ValueError, match=r"layers\.0: expected one array bias_posterior_loc"):
        import_parameters(network, lost, "tfp")
    with pytest.raises(ValueError, match=r"layers\.0: expected no array gamma"):
        import_parameters(network, [{**exported[0], "gamma": np.ones(2)}, exported[1]], "tfp")
    turned = [{name: value.T for name, value in exported[0].items()}, exported[1]]
    with pytest.raises(ValueError, match=r"layers\.0\.kernel_mu: expected shape \(3, 4\)"):
        import_parameters(network, turned, "tfp")
