"""The phrases with numbers in the pages' running text, each made of what it speaks of.

`HELD` has them by page: from a constant of the code, the lines of a file of results
(`docs/results`, `docs/uci.csv`, a bench's table), or words whose source is named beside them;
`STILL` names the pages that have none. `tests/docs/test_numbers.py` holds the pages against them.
"""

import csv
import inspect
import re
from pathlib import Path

import measure
import numpy as np
import programs
from tolerances import EQUAL_NORMALS, NORMAL_ULP

from bench import calibrate, instructions
from bench.machine import UNSTEADY
from bnn_ref import BatchNorm
from bnn_ref.border import files
from bnn_ref.data import tables
from bnn_ref.priors import ScaledPrior
from bnn_ref.storage import jsonfile
from bnn_ref.sweep import uci
from bnn_ref.training.convergence import TOO_MUCH
from bnn_ref.training.schedules import PEAK
from bnn_ref.verification import check_layer
from bnn_ref.verification.vectors.comparison import LIMITS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def page(name):
    return (ROOT / name).read_text("utf-8")


def results(name):
    """Return the lines of a file of results as dicts, numbers as numbers."""
    with (DOCS / name).open(newline="", encoding="utf-8") as file:
        return [{key: number(text) for key, text in row.items()} for row in csv.DictReader(file)]


def number(text):
    try:
        return float(text)
    except ValueError:
        return text


def column(rows, name, **where):
    """Return a column of the rows that are as said."""
    found = [row[name] for row in rows if all(row[key] == is_ for key, is_ in where.items())]
    assert found, (name, where)
    return np.array(found)


def short(words):
    """Return words with their numbers as the pages write them, without the 0 before the point."""
    return re.sub(r"(?<![\d.])0\.(?=\d)", ".", words)


def power(value):
    return f"1e{round(np.log10(value))}"


def default(function, name):
    return inspect.signature(function).parameters[name].default


def ends(values):
    return short(f"{np.min(values):.2f} to {np.max(values):.2f}")


def peers():
    """Return the tables of docs/scikit-learn.md: (data, estimator) to metric to the mean."""
    found = {}
    for block in re.findall(r"^\| data \|.*\n(?:^\|.*\n)+", page("docs/scikit-learn.md"), re.M):
        head, _, *lines = ([cell.strip() for cell in line.strip("|\n").split("|")]
                           for line in block.splitlines())  # fmt: skip
        for data, estimator, *cells in lines:
            values = [float(cell.split(" ± ")[0]) for cell in cells]
            found[data.partition(",")[0], estimator] = dict(zip(head[2:], values, strict=True))
    return found


OURS, RIVAL, COLD = "FlipoutClassifier", "MLPClassifier", "the same, temperature .1"
CHOSEN = "the same, temperature held-out"
IN_TIME, SHORTER = f"{RIVAL}, in {OURS}'s time", f"{OURS}, in {RIVAL}'s time"
LONG_NUMBERS = "MLPRegressor, in FlipoutRegressor's time"
# Of docs/scikit-learn.md: words, the data set, then a contender and a metric for each blank.
WINS = (
    ("on diabetes learns the noise (RMSE {:.0f}, its intervals hold {:.2f})", "diabetes",
     (LONG_NUMBERS, "RMSE"), (LONG_NUMBERS, "90 % coverage")),
    ("log loss ({:.3f} for our {:.3f}), trained as long as ours it has {:.3f}; ours in its time "
     "has {:.3f}", "breast cancer",
     *((name, "log loss") for name in (RIVAL, OURS, IN_TIME, SHORTER))),
    ("our default as well ({:.3f} for {:.3f}), and behind a tenth of the KL ({:.3f}) and "
     "`temperature=\"held-out\"` ({:.3f})",
     "digits", *((name, "log loss") for name in (RIVAL, OURS, COLD, CHOSEN))),
    ("the perceptron's time ours is far behind ({:.3f})", "digits", (SHORTER, "log loss")),
    ("perceptron trained as long as ours falls behind too ({:.3f})", "digits",
     (IN_TIME, "log loss")),
    ("perceptron of the same time in log loss ({:.3f} for {:.3f}) and in accuracy ({:.3f} for "
     "{:.3f}); with a tenth of the KL further ({:.3f}, {:.3f}), and with the temperature chosen on "
     "held-out rows further still ({:.3f}, and a calibration error of {:.4f}, where a calibrated "
     "model would show {:.4f}", "MNIST",
     (OURS, "log loss"), (IN_TIME, "log loss"), (OURS, "accuracy"), (IN_TIME, "accuracy"),
     (COLD, "log loss"), (COLD, "accuracy"), (CHOSEN, "log loss"), (CHOSEN, "calibration error"),
     (CHOSEN, "of a calibrated model")),
)  # fmt: skip


def settling():
    """Return docs/scikit-learn.md's sentence on Adam's drift."""
    found, noise = results("results/settling.csv"), (1 - 0.9) / (1 + 0.9)
    drift = {n: ends(column(found, "drift", steps=n)) for n in (200, 600, 1200, 2000, 6000)}
    return [
        short(f"(1 - beta_1) / (1 + beta_1) = {noise:.3f} where gradients are noise"),
        f"it was {drift[200]} after 200 steps and {drift[600]} after 600, which warns (above "
        + short(f"{TOO_MUCH * noise:.3f}")
        + f"); {drift[1200]} after 1,200; {drift[2000]} after 2,000 and {drift[6000]} after 6,000",
    ]


def rise():
    """Return docs/scikit-learn.md's sentences on the KL's rise, with classes."""

    def both(name, metric, **where):
        found = results(f"results/{name}.csv")
        return [np.mean(column(found, metric, kl_warm_up=share, **where)) for share in (0.5, 0.0)]

    digits = results("results/digits.csv")
    nats = [-np.mean(column(digits, "nats", setting=words)) for words in ("", "--kl-warm-up 0")]
    warm = both("mnist", "log_loss", temperature=1.0)
    cold = [share for name in ("log_loss", "accuracy", "calibration_error")
            for share in both("mnist", name, temperature=0.1)]  # fmt: skip
    far, moons, cancer = (both(*one) for one in (("moons", "far_above_98"), ("moons", "log_loss"),
                                                 ("cancer", "log_loss")))  # fmt: skip
    return [
        short("on digits (`bnn-ref train`, seeds 0 to 4) {:.3f} for {:.3f}".format(*nats)),
        short("on MNIST, 15 passes, {:.3f} for {:.3f}".format(*warm)),
        short(
            "At temperature .1 it costs a little: {:.3f} for {:.3f} there, with an accuracy of "
            "{:.3f} for {:.3f} and a calibration error of {:.3f} for {:.3f}.".format(*cold)
        ),
        short("on breast cancer, five folds ten times, {:.3f} for {:.3f}".format(*cancer)),
        short("on two moons {:.3f} for {:.3f}".format(*moons)),
        short("a share of {:.2f} for {:.2f} gets a probability above .98".format(*far)),
    ]


def scikit_learn():
    from bnn_ref.sklearn.settings import TEMPERATURES

    found = peers()

    def coverage(estimator, names=measure.TABLES):
        return ends([found[name, estimator]["90 % coverage"] for name in names])

    forest, process = "RandomForestRegressor", "GaussianProcessRegressor, RBF + noise"
    behind = [found["diabetes", name]["RMSE"] for name in ("FlipoutRegressor", process)]
    return [
        short(f"falls from {PEAK} to a hundredth of it"),
        short("chooses among 1, {}, {} and {} on rows".format(*TEMPERATURES[1:])),
        "its mean and 1.645 deviations of its training residuals",  # a Normal's central 90 %
        f"`FlipoutRegressor`'s 90 % intervals hold {coverage('FlipoutRegressor')}, as",
        f"the perceptron's hold {coverage('MLPRegressor')}, the forest's "
        + coverage(forest, ("diabetes", "concrete"))
        + short(f" and {found['energy', forest]['90 % coverage']:.2f} on energy"),
        short(f"and {behind[0] - behind[1]:.1f} of {behind[1]:.0f} behind the process on diabetes"),
        *(short(words.format(*(found[name][metric] for name, metric in
                               (((data, one), metric) for one, metric in places))))
          for words, data, *places in WINS),
        *settling(),
        *rise(),
    ]  # fmt: skip


def priors():
    found, fixed = results("results/prior.csv"), results("results/digits.csv")
    scales = [np.mean(column(found, f"scale_{k}")) for k in range(3)]
    spread = max(np.ptp(column(found, f"scale_{k}")) for k in range(3))
    loss = [np.mean(rows) for rows in (column(fixed, "loss", setting=""), column(found, "loss"))]
    nats = [*column(found, "nats"), *column(fixed, "nats", setting="")[:3]]
    return [
        short("finds {:.2f}, {:.2f} and {:.2f} for the three kernels".format(*scales)),
        short(f"(the same in each run within {spread:.2f})"),
        short("from {:.2f} nats a row to {:.2f}".format(*loss)),
        short("{:.3f}, {:.3f} and {:.3f} nats for {:.3f}, {:.3f} and {:.3f} at N".format(*nats)),
        # tests/test_starting.py::test_sigma_is_read_and_set
        "a sigma of 1e-5 is met within |rho| / 2, that is 6, units of its last place",
        # tests/likelihoods/test_predicted_normal.py::test_a_scale_that_grows_with_x_is_found
        "On y = x sin x + (0.1 + 0.4 |x|) noise with 500 rows the predicted deviation is within "
        "35 % of the truth over at least 80 % of the range, and 90 % intervals cover between .86 "
        "and .94 of 5,000 new rows",
    ]  # fmt: skip


def uci_sets():
    rows = results("uci.csv")
    names = tuple(uci.FOLDERS)
    both = {name: [np.mean(column(rows, "log_likelihood", set=name, scale=kind))
                   for kind in ("learned", "predicted")] for name in names}  # fmt: skip
    gain = {name: second - first for name, (first, second) in both.items()}
    yacht, *middle, wine, power = sorted((g for g in gain.values() if g > 0), reverse=True)
    assert sorted(gain, key=gain.get)[0] == "energy"
    return [
        short("by {:.2f} on yacht, {:.3f} and {:.3f} on boston and concrete, {:.3f} on wine and "
              "{:.3f} on power; lower by {:.2f} on energy".format(
                  yacht, *middle, wine, power, -gain["energy"])),
        short(f"the rate a cosine from {PEAK}"),
    ]  # fmt: skip


def normalising(convention):
    """Return (momentum, epsilon) of a batch normalisation as a framework means it."""
    layer = BatchNorm(convention=convention)
    return short(f"{layer.momentum}"), power(layer.epsilon)


def derivation():
    table = page("docs/bench/variance.md")
    floor, fitted = re.search(
        r"untrained: Flipout's floor .* form (\S+), fitted a (.*)", table
    ).groups()
    fitted = [float(word) for word in fitted.replace(",", "").replace("[", "").strip("]").split()]
    slope = re.search(r"linear layer, trained \| kernel_mu \| flipout \| \S+ \| (\S+)", table)[1]
    (keras, large), (pytorch, small) = normalising("keras"), normalising("pytorch")
    return [
        f"PyTorch takes {small}, Keras {large}.",  # of LayerNorm, whose defaults are these too
        f"Keras (k = {keras}, $\\epsilon$ = {large}) is the first, that of PyTorch (k = {pytorch}, "
        f"$\\epsilon$ = {small})",
        "and adds 1e-6 to the prior's density",  # blitz 0.2.8, modules/weight_sampler.py
        "Edward2's 1e-7",  # edward2 0.0.2: keras.backend.epsilon() in its softplus
        "gives the floor a = {:.5f} [{:.5f}, {:.5f}]; its closed form is {:.5f}.".format(
            *fitted, float(floor)),
        f"are the same ({slope} for Flipout)",
    ]  # fmt: skip


def pieces():
    (keras, large), (pytorch, small) = normalising("keras"), normalising("pytorch")
    weights, examples = 100_000, 60_000
    temperature = ScaledPrior((0, 1), 1 / weights).temperature(1 / examples, examples)
    return [
        f"a kernel of {weights:,} weights it is {power(temperature)}.",
        f"The momentum of Keras ({keras}) weighs the old value, that of PyTorch ({pytorch}) the "
        f"new one, and the two add another epsilon ({large}, {small})",
    ]  # fmt: skip


MB = 1 << 20
HELD = {
    "README.md": lambda: [
        "Python 3.10 or newer",  # setup.cfg's python_requires
        *re.findall(r"Read off the sources of .*?0\.2\.8\.", page("README.md")),  # versions read
        *re.findall(r"^(?:Lost|A training step) .*$", page("README.md"), re.MULTILINE),  # the bench
        "(1998), UCI Machine Learning Repository, [doi:10.24432/C50P49], CC BY 4.0.",
        "Licence: Apache-2.0.",
    ],
    "SECURITY.md": lambda: [
        f"(JSON {jsonfile.LIMIT // MB} MB and {jsonfile.CONTAINERS:,} lists and objects, the files "
        f"of a UCI set {uci.LIMIT // MB} MB, tables and images {files.LIMIT >> 30} GB)",
        f"({files.RATIO} times the file, or {files.FREE // MB} MB where that is more)",
    ],
    "docs/tables.md": lambda: [
        "1e39 in float32 among them",  # float32 ends at 3.4e38
        f"more than {files.RATIO} times the file's size and more than {files.FREE // MB} MB",
        f"lines of {tables.LONGEST_LINE // 1000**2} million characters",
        f"more than {tables.MOST_COLUMNS:,} columns; inputs of more than {files.LIMIT >> 30} GB",
    ],
    "docs/large-tables.md": lambda: [f"8 bytes for each input, at most {files.LIMIT >> 30} GB"],
    "docs/scikit-learn.md": scikit_learn,
    "docs/priors.md": priors,
    "docs/uci.md": uci_sets,
    "docs/limits.md": lambda: [
        # tests/kernels/test_philox_kernels.py::test_normals_are_the_twins
        f"in float64 more than {100 * EQUAL_NORMALS:.0f} % to the bit and the others within "
        f"{NORMAL_ULP['float64']} units of its last place",
        f"in float32 within {NORMAL_ULP['float32']} units of its last place",
    ],
    "docs/derivation.md": derivation,
    "docs/pieces.md": pieces,
    "docs/benchmarking.md": lambda: [
        f"A change of less than {100 * instructions.LEAST:.0f} % is not told.",
        f"Above {100 * UNSTEADY:.0f} % the run is called noisy.",
        "by {:.0f}, {:.0f} and {:.0f} %".format(*(100 * (f - 1) for f in calibrate.FACTORS)),
    ],
    "docs/programs.md": lambda: programs.HEAD.strip().split("\n\n")[1:-1],
    "docs/vectors.md": lambda: [
        f"at {power(LIMITS['float64'])} for a float64 file and at {power(LIMITS['float32'])} for",
    ],
    "docs/verify.md": lambda: [
        f"calls one layer {default(check_layer, 'draws'):,} times and",
        # tools/calibrate_moments.py prints how often
        f"at most once in {1 / default(check_layer, 'error_probability'):,.0f} times: 2 alarms",
        # tests/verification/vectors/test_parts.py plants it
        '"all 13 gradients have the common factor 0.1016: clipped or rescaled"',
        f"the same limit, {power(LIMITS['float64'])} in float64 and {power(LIMITS['float32'])} in ",
    ],
    "docs/tutorials/1-the-kl-term.md": lambda: [  # an exercise's question, and so below
        "mu = 0.5, sigma = 0.1 with the prior mean 0.25 and scale 2",
    ],
    "docs/tutorials/5-digits.md": lambda: ["rows of which the network is surer than .9."],
}  # fmt: skip
NOTEBOOKS = {f"docs/tutorials/{path.name}" for path in (DOCS / "tutorials").glob("*.md")}
STILL = ("docs/index.md", "docs/start.md", "docs/libraries.md", "docs/howto.md",
         "docs/objective.md", "docs/benchmarks.md", "docs/failures.md", "CONTRIBUTING.md",
         *sorted(NOTEBOOKS - HELD.keys()))  # fmt: skip
