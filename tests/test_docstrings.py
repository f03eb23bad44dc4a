"""`help()` of every public name is complete, and a network's `repr` shows what it is.

A function's first line says what comes back or what it does; every parameter is named, or the
docstring points to the one that names it ("as for `words`"). A class says what it is.
"""

import importlib
import inspect
import pkgutil
import re
import types

import pytest

import bnn_ref
from bnn_ref import Categorical, DenseFlipout, Network, Normal, verification
from bnn_ref import data as data_room
from bnn_ref import explain as explain_room

# What a person imports from. The rest are the insides of a room: the compiled back end's buffers,
# the report's figures, the diagnosis, the adapters of each framework.
# fmt: off
MODULES = [
    "activations", "backends", "border.numbers", "border.rows", "elementary", "errors",
    "layers", "layers.dense_flipout", "layers.conv_flipout", "layers.images", "layers.pool",
    "layers.window", "likelihoods", "likelihoods.bernoulli",
    "likelihoods.categorical", "likelihoods.normal", "likelihoods.predicted_normal", "network",
    "noise.draws", "noise.generator", "starting",
    "defaults", "layers.base", "layers.blocks", "layers.chain", "layers.local", "layers.posterior",
    "layers.records", "layers.sigmas", "likelihoods.base", "likelihoods.reduction", "parameters",
    "prediction.predicting", "priors.base", "priors.laplace", "priors.learned", "priors.mixture",
    "priors.none", "priors.normal", "reference", "registry",
    "sklearn.base", "sklearn.classifier", "sklearn.regressor",
    "step.adam", "step.checks", "step.results", "training.fitting", "training.history",
    "training.trainer", "data.dataset", "data.encoding", "data.load", "data.rows",
    "explain.adam", "explain.elbo", "explain.flipout", "explain.kl", "explain.rounding",
    "explain.sheet", "explain.step", "explain.step_checks", "explain.subject",
    "runs.checkpoints", "runs.environment", "runs.evaluation", "runs.opened", "runs.run",
    "sweep.cells", "sweep.engine", "sweep.fit", "sweep.tables", "sweep.uci",
    "verification.converters", "verification.gradients.numeric", "verification.live",
    "verification.noise.moments", "verification.recording.recording",
    "verification.vectors.assertions", "verification.vectors.files",
    "verification.vectors.questions",
]
# fmt: on
VERBS = {
    "Return",
    "Pass",
    "Take",
    "Train",
    "Write",
    "Make",
    "Add",
    "Raise",
    "Hold",
    "Start",
    "Save",
    "Note",
    "Fill",
    "Read",
    "Remove",
    "Refuse",
    "Fit",
    "Set",
    "Check",
    "Run",
    "Yield",
}  # fmt: skip
POINTS = re.compile(r"\b[Aa]s (?:for|of) `|arguments as", re.IGNORECASE)


def own(room, module):
    """Return label to object of every public function, class, method and property of a module."""
    found = {}
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(thing):
            found[f"{room}.{name}"] = thing
        elif inspect.isclass(thing):
            found[f"{room}.{name}"] = thing
            for part, value in vars(thing).items():
                value = getattr(value, "__func__", value)
                if not part.startswith("_") and (
                    inspect.isfunction(value) or isinstance(value, property)
                ):
                    found[f"{room}.{name}.{part}"] = (
                        value if isinstance(value, property) else getattr(thing, part)
                    )
    return found


def exported():
    """Return label to object of every name that a package exports."""
    found = {}
    for package in (bnn_ref, verification, data_room, explain_room):
        found |= {f"{package.__name__}:{name}": getattr(package, name) for name in package.__all__}
    return found


def everything():
    found = exported()
    for room in MODULES:
        found |= own(room, importlib.import_module(f"bnn_ref.{room}"))
    return found


NAMES = everything()


def complaint(label, thing):
    """Return what is wrong with a name's documentation, or None."""
    text = inspect.getdoc(thing)
    if not text:
        return "no docstring"
    first = text.split("\n\n")[0]
    if not re.search(r"[.:]$", first):
        return f"its first paragraph is no sentence: {first!r}"
    if isinstance(thing, property):
        return None
    called = inspect.isfunction(thing) or inspect.ismethod(thing)
    if called and first.split()[0] not in VERBS:
        return f"its first word is {first.split()[0]!r}, which does not say what comes back"
    if POINTS.search(text):
        return None
    if isinstance(thing, type) and issubclass(thing, (Exception, types.SimpleNamespace)):
        return None  # made by the package alone; what it holds is what matters
    try:
        names = list(inspect.signature(thing).parameters)
    except (TypeError, ValueError):
        return None
    names = [name for name in names if name not in ("self", "cls")]
    missing = [name for name in names if not re.search(rf"\b{re.escape(name)}\b", text)]
    return f"it does not name {', '.join(missing)}" if missing else None


def test_every_public_name_is_documented():
    documented = {k: v for k, v in NAMES.items() if callable(v) or isinstance(v, property)}
    assert len(documented) > 200
    complaints = {label: complaint(label, thing) for label, thing in documented.items()}
    assert {label: why for label, why in complaints.items() if why} == {}


def test_constants_and_modules_are_the_only_names_without_one():
    others = {k for k, v in NAMES.items() if not callable(v) and not isinstance(v, property)}
    assert {label.split(":")[-1] for label in others} == {"__version__", "MISTAKES", "TOPICS"}


def test_every_module_of_the_package_says_what_it_is():
    for info in pkgutil.walk_packages(bnn_ref.__path__, "bnn_ref."):
        if "__main__" in info.name:
            continue
        spec = importlib.util.find_spec(info.name)
        with open(spec.origin, encoding="utf-8") as file:
            head = file.read(3)
        assert head == '"""' or info.name == "bnn_ref._version", info.name


def f_undocumented(x):
    return x


def f_silent(x, y):
    """Return x."""


def f_vague(x):
    """Does something with x."""


def test_what_is_missing_is_told():
    assert complaint("f", f_undocumented) == "no docstring"
    assert complaint("f", f_silent) == "it does not name y"
    assert complaint("f", f_vague).startswith("its first word is 'Does'")


def section(thing, name):
    """Return the body of one section of a docstring, or ""."""
    found = re.search(rf"^{name}\n-+\n(.*?)(?=\n\w[^\n]*\n-+\n|\Z)", inspect.getdoc(thing),
                      re.MULTILINE | re.DOTALL)  # fmt: skip
    return found[1] if found else ""


ENTRY = re.compile(r"^(\w[\w, ]*) : (array\b.*(?:\n    .*)*)", re.MULTILINE)
ROOMS = ("reference", "likelihoods.normal", "likelihoods.categorical", "likelihoods.bernoulli",
         "priors.normal", "step.adam", "step.checks", "step.results", "noise.generator",
         "noise.draws", "prediction.predicting", "layers.base", "layers.dense_flipout",
         "layers.local", "layers.posterior", "likelihoods.base", "likelihoods.reduction",
         "network", "parameters", "layers.records", "layers.sigmas", "layers.blocks",
         "priors.laplace",
         "priors.mixture", "priors.learned",
         "priors.none", "layers.conv_flipout", "layers.pool", "layers.window")  # fmt: skip


@pytest.mark.parametrize("room", ROOMS)
def test_every_array_has_its_shape(room):
    """But for targets, whose shape the likelihood decides: there it is said."""
    module = importlib.import_module(f"bnn_ref.{room}")
    bare = [
        f"{label}: {name}"
        for label, thing in own(room, module).items()
        for name, about in ENTRY.findall(inspect.getdoc(thing))
        if not re.search(r"\(|shape", about) and name != "y"
    ]
    assert bare == []


@pytest.mark.parametrize(
    "name", ["Network", "DenseFlipout", "Trainer", "fit", "forward", "loss_and_gradients",
             "predict", "draw_noise", "Adam"]
)  # fmt: skip
def test_what_can_be_refused_says_what_is_raised(name):
    assert "Error" in section(getattr(bnn_ref, name), "Raises")


def test_a_networks_repr_shows_its_layers_and_sizes():
    layers = [
        DenseFlipout(784, 128, "relu", bias="normal", bias_prior=(0.5, 2)),
        DenseFlipout(128, 10, kernel_prior=(0, 0.1)),
    ]
    assert repr(Network(layers, Categorical())).splitlines() == [
        "Network with Categorical(), 203,530 parameters",
        "  layers[0] 784 -> 128 relu, kernel prior N(0, 1), bias normal prior N(0.5, 2)",
        "  layers[1] 128 -> 10 linear, kernel prior N(0, 0.1), bias deterministic",
    ]
    assert "learn_scale=True" in repr(Network([DenseFlipout(2, 1)], Normal(learn_scale=True)))


def test_the_repr_of_parameters_shows_names_and_shapes():
    network = Network([DenseFlipout(3, 2, bias="normal")], Normal(learn_scale=True))
    assert repr(network.init(0)) == (
        "Parameters(float32: layers.0.kernel_mu (3, 2), layers.0.kernel_rho (3, 2), "
        "layers.0.bias_mu (2,), layers.0.bias_rho (2,), likelihood.scale_rho (2,))"
    )


def test_a_layers_repr_can_be_evaluated():
    from bnn_ref import NormalPrior

    layer = DenseFlipout(3, 2, "tanh", bias="normal", scale_shift=0.25, initializer="he")
    names = {"DenseFlipout": DenseFlipout, "NormalPrior": NormalPrior}
    assert eval(repr(layer), names) == layer
