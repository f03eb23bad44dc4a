"""Every installed framework, live: the same networks and noise, everything compared."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..layers import BIASES
from ..likelihoods import Bernoulli, Categorical, Normal
from ..reference import loss_and_gradients
from ..step.adam import Adam, update
from .frameworks import FRAMEWORKS, FrameworkMissing, load
from .vectors.comparison import compare, error_of
from .vectors.questions import new_question

if TYPE_CHECKING:
    from .frameworks import Framework
    from .vectors.files import Vector

LIMITS = {"float64": 1e-12, "float32": 2e-5}
ADAM_STEPS = 10
ADAM_LIMITS = {"paper": 1e-10, "keras": 2e-5}  # Keras rounds its learning rate to float32
_FALSE_ALARM = 1e-6  # of the black-box check of a framework's own layer
_NETWORKS = (
    {"sizes": (13, 11, 7, 3), "activation": "relu", "likelihood": Categorical(), "rows": 9},
    {"sizes": (5, 6, 2), "activation": "tanh", "likelihood": Normal(0.7)},
    {"sizes": (4, 5, 3), "activation": "gelu", "likelihood": Bernoulli(), "rows": 1},
    {"sizes": (1, 3, 3, 1), "activation": "softplus", "likelihood": Normal(1.0), "rows": 7},
)


@dataclass
class Report:
    """What a framework's comparison found.

    Attributes
    ----------
    name : str
    source : str
        With versions; "" where it is missing.
    missing : str or None
        Why nothing was compared.
    errors : dict of str to float
        Largest error over the networks, by column: outputs, nll, kl, loss, gradients (float64) and
        float32 (everything).
    faults : list of str
        The first stage that disagrees, of each network that does.
    adam : float or None
        Largest difference of a parameter after ten steps over the largest move.
    adam_limit : float or None
    own_layer : str
        What the black-box check called the framework's own layer, "" where there is none.
    own_kl : str
        The KL by the framework's own convention where it has another, beside the sum.
    """

    name: str
    source: str = ""
    missing: str | None = None
    errors: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    adam: float | None = None
    adam_limit: float | None = None
    own_layer: str = ""
    own_kl: str = ""

    @property
    def agrees(self) -> bool:
        """True where something was compared and everything agreed."""
        return self.missing is None and not self.faults


def questions(framework: Framework, dtype: str) -> list[Vector]:
    """Return the questions that a framework is asked, with the biases and shifts that it has.

    Parameters
    ----------
    framework : Framework
    dtype : "float32" or "float64"
    """
    asked = []
    for i, options in enumerate(_NETWORKS):
        for turn in range(len(BIASES)):
            bias = BIASES[(i + 1 + turn) % len(BIASES)]
            for shift in (None, 0.0):
                question = new_question(**{"rows": 5, **options}, bias=bias, scale_shift=shift,
                                        dtype=dtype, seed=i + 1, kl_weight=0.01)  # fmt: skip
                if framework.refusal(question.meta) is None:
                    asked.append(question)
                    break
            else:
                continue
            break
    return asked


def _column(name):
    if name.endswith("kl"):
        return "kl"
    return "gradients" if name.startswith("grad.") else name


def _compare_steps(framework, report):
    """Fill in the errors of single steps."""
    for dtype, limit in LIMITS.items():
        for question in questions(framework, dtype):
            answer = question.answer(framework.answer(question), report.source)
            comparison = compare(answer, limit)
            for row in comparison.rows:
                column = _column(row.name) if dtype == "float64" else "float32"
                report.errors[column] = max(row.error, report.errors.get(column, 0.0))
            if not comparison.agrees:
                sizes = [answer.x.shape[1], *(layer["units"] for layer in answer.meta["layers"])]
                report.faults.append(f"{dtype} {'-'.join(map(str, sizes))}: "
                                     f"{comparison.first.stage} ({comparison.first.name}, "
                                     f"error {comparison.first.error:.2g})")  # fmt: skip


def _reference_train(vectors, adam):
    """Return the parameters after a reference step and our Adam per vector."""
    parameters = vectors[0].parameters()
    one, two = parameters.zeros_like(), parameters.zeros_like()
    for step, vector in enumerate(vectors, start=1):
        result = loss_and_gradients(vector.network, parameters, vector.x, vector.y,
                                    vector.noise(), vector.kl_weight)  # fmt: skip
        update(adam, step, parameters.flat, result.gradients.flat, one.flat, two.flat)
    return parameters


def _compare_adam(framework, report):
    """Fill in the difference after ten steps of the framework's own Adam."""
    base = questions(framework, "float64")[1]
    options = {**_NETWORKS[1], "bias": base.meta["layers"][0]["bias"], "kl_weight": 0.01,
               "scale_shift": base.meta["layers"][0]["scale_shift"], "seed": 2}  # fmt: skip
    vectors = [new_question(rows=5, step=step, **options) for step in range(ADAM_STEPS)]
    adam = Adam(1e-3, beta_2=framework.adam.beta_2, convention=framework.adam.convention)
    ours, start = _reference_train(vectors, adam), vectors[0].parameters()
    theirs = framework.train(vectors, 1e-3)
    report.adam = max(
        error_of(ours[name] - start[name], theirs[name] - start[name]) for name in ours
    )
    report.adam_limit = ADAM_LIMITS[framework.adam.convention]
    if not report.adam <= report.adam_limit:
        report.faults.append(f"{ADAM_STEPS} steps of Adam: error {report.adam:.2g}, "
                             f"limit {report.adam_limit:.0e}")  # fmt: skip


def _test_own_layer(framework, report):
    """Run the black-box check on the framework's own layer with its own random numbers."""
    from .noise.moments import check_layer

    rng = np.random.default_rng(5)
    mu, sigma = rng.normal(size=(6, 4)), rng.uniform(0.05, 0.3, (6, 4))
    call = framework.random_layer(mu, sigma)
    own = check_layer(call, mu, sigma, rng.normal(size=(3, 6)), bias="none",
                        error_probability=_FALSE_ALARM)  # fmt: skip
    report.own_layer = own.found
    if not own.agrees:
        report.faults.append(f"its own layer's noise: {own.found}")


def _fill_in(framework, report):
    """Compare a framework in every way it offers."""
    report.source = framework.source()
    _compare_steps(framework, report)
    with contextlib.suppress(FrameworkMissing):  # optax is a package of its own
        _compare_adam(framework, report)
    if framework.own_kl:
        question = questions(framework, "float64")[0]
        total = float(framework.answer(question)["kl"])
        report.own_kl = f"{framework.own_kl(question):.4g}, a mean; summed {total:.6g}"
    if framework.random_layer:
        _test_own_layer(framework, report)


def verify(names: Sequence[str] | None = None) -> list[Report]:
    """Return a `Report` for every framework: single steps, ten steps of Adam, its own layer.

    Parameters
    ----------
    names : sequence of str, optional
        Of `frameworks.FRAMEWORKS`; all but "numpy" (the reference itself) unless given.

    Raises
    ------
    ValueError
        For an unknown name.
    """
    reports = []
    chosen = names or [name for name in FRAMEWORKS if name != "numpy"]
    for name in chosen:
        FRAMEWORKS.find(name)
    for name in chosen:
        report = Report(name)
        reports.append(report)
        try:
            _fill_in(load(name), report)
        except FrameworkMissing as error:
            report.missing = str(error).removeprefix(f"{name}: ")
        except RuntimeError as error:  # a version of theirs that draws or differentiates otherwise
            report.faults.append(" ".join(str(error).split()))
    return reports


def table(reports: Sequence[Report]) -> str:
    """Return the reports as one table of text."""
    columns = ("outputs", "nll", "kl", "loss", "gradients", "float32")
    head = ["framework", *columns, f"Adam x{ADAM_STEPS}", "own layer", "own KL", "verdict"]
    lines = [head]
    for report in reports:
        if report.missing:
            lines.append([report.name, *("-" for _ in head[2:]), report.missing])
            continue
        errors = [f"{report.errors.get(name, np.nan):.1e}" for name in columns]
        adam = "-" if report.adam is None else f"{report.adam:.1e}"
        verdict = "agrees" if report.agrees else "DISAGREES"
        lines.append([report.name, *errors, adam, report.own_layer or "-", report.own_kl or "-",
                      verdict])  # fmt: skip
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    rows = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines]  # fmt: skip
    limits = (f"limits: float64 {LIMITS['float64']:.0e}, float32 {LIMITS['float32']:.0e} of each "
              f"tensor's largest magnitude; Adam {ADAM_LIMITS['paper']:.0e} of the largest move, "
              f"Keras {ADAM_LIMITS['keras']:.0e} (its rounded beta_2)")  # fmt: skip
    notes = [f"{report.name}: {report.source}" for report in reports if report.source]
    faults = [f"{report.name}: {fault}" for report in reports for fault in report.faults]
    return "\n".join([*rows, limits, *notes, *faults])


def exit_code(reports: Sequence[Report]) -> int:
    """Return 0 where all installed agree, 1 where some disagree, 2 where none is installed.

    Parameters
    ----------
    reports : list of Report
    """
    present = [report for report in reports if report.missing is None]
    return 2 if not present else 0 if all(report.agrees for report in present) else 1
