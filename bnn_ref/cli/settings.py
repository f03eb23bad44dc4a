"""The settings of a run: options, defaults, what a resumed run keeps, what is made of them."""

import os
import warnings

from ..activations import ACTIVATIONS
from ..border import check_size
from ..defaults import OF_TRAINER, SETTINGS, hidden_of, total_steps
from ..errors import expected
from ..networks import NAMED
from ..noise import ESTIMATORS
from ..priors import prior_names
from ..runs.schema import FREE
from ..stacks import likelihood_named, likelihood_names, network_of, without_use
from .reading import OPTIONS, add_reading, option

SAME_LIKELIHOOD = {"normal": "normal:learned", "predicted_normal": "normal:predicted"}
DEFAULTS = {"data": "digits", "target": None, **SETTINGS, **dict.fromkeys(OPTIONS)}


def sizes(text):
    """Return "128,64" as [128, 64]; empty text as no hidden layer."""
    try:
        widths = [int(word) for word in text.split(",")] if text.strip() else []
    except ValueError:
        widths = [0]
    if any(size < 1 for size in widths):
        raise expected("--layers", "whole numbers above 0 like 128,128", repr(text))
    return widths


def add_settings(parser):
    """Add an option for each setting; what is not given is None."""

    def add(name, text, **options):
        parser.add_argument(name, help=text, **options)

    add("--data", "the bundled digits (default), or a path, see below", metavar="digits|PATH")
    add("--target", "a text table's column to predict: name, or index (-1: the last)",
        metavar="COLUMN")  # fmt: skip
    add("--network", f"{', '.join(NAMED)}, or a JSON file of layers, instead of --layers",
        metavar="NAME|FILE")  # fmt: skip
    add("--layers", "units of the hidden layers (default 128,128 for images, 50 for tables)",
        metavar="N,N")  # fmt: skip
    names = ", ".join(ACTIVATIONS)
    add("--activation", f"of the hidden layers: {names} (default relu)", metavar="NAME")
    names = ", ".join(prior_names())
    add("--prior", f"of the weights: {names} (default normal); NAME:OPTION=VALUE, see below",
        metavar="NAME")  # fmt: skip
    add("--prior-scale", "the prior's scale, of N(0, X) the standard deviation (default 1)",
        type=float, metavar="X")  # fmt: skip
    add("--bias", "deterministic (default), normal, normal_flipped or none", metavar="NAME")
    add("--initializer", "tfp (default), he, glorot or zeros", metavar="NAME")
    add("--initial-sigma", "where every weight's sigma starts: a number, or prior for its prior's "
        "scale (default: as the initializer has it)", metavar="X|prior")  # fmt: skip
    names = ", ".join(likelihood_names())
    add("--likelihood", f"{names}; of numbers normal (their scale learned), "
        "normal:predicted (one for every row, by the network) or normal:SCALE (fixed); by default "
        "what the targets look like", metavar="NAME")  # fmt: skip
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", help="steps in all (default 6000)", type=int, metavar="N")
    length.add_argument("--epochs", help="passes over the rows, in all", type=int, metavar="N")
    add("--batch-size", "rows of a step (default 128)", type=int, metavar="N")
    add("--learning-rate", "of Adam: a number (constant), or cosine (default), "
        "cosine:PEAK or cosine:PEAK:FLOOR:WARM_UP (default cosine:0.01:0.01:0; floor a share of "
        "the peak, warm-up a share of the steps)", metavar="X")  # fmt: skip
    add("--kl-weight", "factor on the KL (default temperature / training rows)", type=float,
        metavar="X")  # fmt: skip
    add("--temperature", "the KL's weight as a multiple of 1 / training rows (default 1: Bayes' "
        "posterior; below it a cold posterior)", type=float, metavar="X")  # fmt: skip
    add("--kl-warm-up", "share of the steps in which the KL's weight rises to its value (default "
        "0.5 with cosine and a scale that is learned or predicted or several hidden layers, else "
        "0)", type=float, metavar="X")  # fmt: skip
    add("--adam", "paper (default), tensorflow1 or keras", metavar="NAME")
    add("--estimator", f"of a step's noise: {', '.join(ESTIMATORS)} (default flipout)",
        metavar="NAME")  # fmt: skip
    add("--freeze", "tensors that stay as they start: full names (layers.0.kernel_mu), or what "
        "some begin with (layers.0.kernel, layers.0)", metavar="NAME,...")  # fmt: skip
    add("--holdout", "training rows held out: drawn by the seed from the digits (default 360), "
        "text tables and npz without a test part (a fifth), else the first N (none)", type=int,
        metavar="N")  # fmt: skip
    add("--draws", "weight draws averaged in a prediction (default 50)", type=int, metavar="N")
    add("--draws-per-step", "noise draws averaged in a step (default 1)", type=int, metavar="N")
    add("--seed", "of initial values, noise, order and held-out rows (default 0)", type=int,
        metavar="N")  # fmt: skip
    add("--split", "what draws held-out rows (default: the seed)", type=int, metavar="N")
    add("--backend", "numba (default) or numpy", choices=("numba", "numpy"))
    add("--dtype", "float32 (default) or float64", choices=("float32", "float64"))
    add_reading(parser)


def resolve(args, config=None, run=None):
    """Return every setting: as given, as a run recorded it, or by default.

    Raises
    ------
    ValueError
        Where a given setting contradicts the recorded one.
    """
    given = {name: getattr(args, name) for name in DEFAULTS if getattr(args, name) is not None}
    if "layers" in given:
        given["layers"] = sizes(given["layers"])
    if "freeze" in given:
        given["freeze"] = given["freeze"].split(",") if given["freeze"] else None
    if "data" in given and given["data"] != "digits":
        given["data"] = os.path.abspath(given["data"])
    if "network" in given and given["network"] not in NAMED:
        given["network"] = os.path.abspath(given["network"])
    recorded = {} if config is None else config["settings"]
    for name, value in given.items():
        if name in recorded and name not in FREE and _canonical(name, value) != recorded[name]:
            wanted = f"{recorded[name]}, as {run} records"
            raise expected(option(name), wanted, value)
    settings = {**DEFAULTS, **recorded, **given}
    if "steps" in given:
        settings["epochs"] = None
    if "epochs" in given:
        settings["steps"] = None
    for name in without_use(settings["network"]):
        if name in given and name not in recorded:
            raise expected(f"--network and {option(name)}", "one of the two", "both")
    for name in ("batch_size", "draws", "draws_per_step", "holdout", "steps", "epochs", "seed",
                 "split"):  # fmt: skip
        if settings[name] is not None:
            least = int(name in ("batch_size", "draws", "draws_per_step"))
            check_size(settings[name], option(name), least)
    for name in ("likelihood", "learning_rate", "initial_sigma"):
        if settings[name] is not None:
            settings[name] = _canonical(name, settings[name])
    return settings


def _canonical(name, value):
    """Return a setting as it is recorded."""
    if name == "learning_rate":
        from ..training.schedules import Cosine, parse_rate

        rate = parse_rate(value, "--learning-rate")
        return str(rate) if isinstance(rate, Cosine) else float(rate)
    if name == "initial_sigma" and value != "prior":
        return parse_sigma(value, "--initial-sigma")
    return SAME_LIKELIHOOD.get(value, value) if name == "likelihood" else value


def parse_sigma(text, thing):
    """Return an initial sigma as it is given: a number, or "prior"."""
    try:
        return text if text == "prior" else float(text)
    except ValueError:
        raise expected(thing, "a number or prior", repr(text)) from None


def make_network(settings, dataset):
    """Return the network, and settle what was left to the data and to it.

    A likelihood that a network's file has, and no option names, is recorded with the network alone.
    """
    from ..training.schedules import rise_of

    asked = settings["likelihood"]
    name = _canonical("likelihood", asked or dataset.encoding.task)
    likelihood = likelihood_named(name)
    if settings["layers"] is None:
        settings["layers"] = hidden_of(dataset.shape)
    network = network_of(settings, dataset.shape, dataset.outputs, likelihood)
    if network.likelihood == likelihood:
        settings["likelihood"] = name
    elif asked is not None:
        wanted = f"{network.likelihood!r}, as {settings['network']} has it"
        raise expected("--likelihood", wanted, asked)
    if settings["kl_warm_up"] is None:
        settings["kl_warm_up"] = rise_of(settings["learning_rate"], network)
    return network


def make_trainer(settings, network, dataset, threads, state=None):
    """Return the `Trainer` of these settings."""
    from ..training.trainer import Trainer

    chosen = {name: settings[name] for name in (*OF_TRAINER, "backend")}
    steps = total_steps(settings, len(dataset.train.x))
    return Trainer(
        network, len(dataset.train.x), **chosen, threads=threads, state=state, steps=steps
    )


def check_threads(threads, backend):
    """Return --threads, after a warning where the back end has no use for it.

    BLAS has threads of its own, whose number its environment variables set.
    """
    if threads is not None and backend == "numpy":
        warnings.warn(
            f"--threads {threads}: the numpy back end takes no count of threads; OMP_NUM_THREADS "
            "and OPENBLAS_NUM_THREADS in the environment set those of its matrix products",
            stacklevel=2,
        )
    return threads


def refuse_other_data(config, dataset, run):
    """Raise where the data are not those that the run recorded; their path may differ."""
    wanted, found = config["data"], dataset.to_json()
    known = wanted["encoding"]  # the first version recorded less
    found["encoding"] = {name: value for name, value in found["encoding"].items() if name in known}
    for key in ("kind", "rows", "checksum", "encoding"):
        if wanted.get(key) != found[key]:
            what = f"the {key} that {run} records"
            raise ValueError(f"data: expected {what} ({wanted.get(key)}), found {found[key]}"[:400])
