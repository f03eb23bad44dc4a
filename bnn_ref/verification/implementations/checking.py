"""One call: a person's implementation asked every question of the suite, and as many as one likes.

The person's function takes a question and returns outputs, loss terms and gradients:

>>> def mine(question):
...     result = my_step(question.layers, question.x, question.y, question.kl_weight)
...     return {"outputs": ..., "nll": ..., "kl": ..., "loss": ..., "kl_layers": [...],
...             "grads": {"layers.0.kernel_mu": ..., ...}, "grad_x": ...}
>>> report = check_implementation(mine)                                       # doctest: +SKIP
>>> assert report.agrees, report                                              # doctest: +SKIP
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from inspect import signature
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from ...border import check_choice, check_number, check_size
from ...errors import expected
from ...layers import BIASES
from ..vectors import read
from ..vectors.checking import Check, compare_vector
from ..vectors.comparison import compare_results
from ..vectors.questions import new_question
from ..vectors.random_questions import random_question
from ..vectors.results import take_results
from ..vectors.shapes import result_shapes
from ..vectors.suite import files
from .features import features, split

if TYPE_CHECKING:
    from ..vectors.files import Vector
    from .features import Feature

SECONDS = 10.0  # what the diagnosis of all disagreements may take
SHOWN = 3  # tables in a report


@dataclass(frozen=True)
class ImplementationReport:
    """What became of an implementation; ``str`` of it is for people and for assertion messages.

    Attributes
    ----------
    name : str
        Whose code was tested.
    checks : tuple of Check
        One for each question that was answered; ``path`` is the question's id. Where the function
        raised, or returned what is no answer, ``refused`` says so.
    declined : tuple of (id, reason)
        Questions for which the function raised NotImplementedError.
    exercised, unexercised : tuple of Feature
        What the answered questions asked for, and what none of them did.
    """

    name: str
    checks: tuple[Check, ...]
    declined: tuple[tuple[str, str], ...]
    exercised: tuple[Feature, ...]
    unexercised: tuple[Feature, ...]

    @property
    def agrees(self) -> bool:
        """True where something was answered and every answer agrees."""
        return bool(self.checks) and all(check.agrees for check in self.checks)

    @property
    def wrong(self) -> tuple[Check, ...]:
        """The checks that do not agree, in the order asked."""
        return tuple(check for check in self.checks if not check.agrees)

    def __str__(self) -> str:
        total, wrong = len(self.checks), len(self.wrong)
        verdict = "agrees" if self.agrees else f"DISAGREES in {wrong} of {total} questions"
        lines = [f"{self.name}: {verdict} ({total} answered, {len(self.declined)} declined)"]
        if not self.checks:
            lines[0] = f"{self.name}: UNDECIDED, no question was answered"
        lines += [line for check in self.wrong[:SHOWN] for line in check.text().splitlines()]
        if wrong > SHOWN:
            lines.append("also wrong: " + ", ".join(check.path for check in self.wrong[SHOWN:]))
        lines += self._mistakes()
        lines.append("exercised: " + ", ".join(feature.name for feature in self.exercised))
        lines += [f"not exercised: {feature.name}: {feature.unseen} cannot be seen"
                  for feature in self.unexercised]  # fmt: skip
        reasons = sorted({reason for _, reason in self.declined})
        lines += [f"declined: {reason}" for reason in reasons]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return {
            "implementation": self.name,
            "agrees": self.agrees,
            "checks": [check.to_json() for check in self.checks],
            "declined": [{"question": key, "reason": reason} for key, reason in self.declined],
            "exercised": [feature.name for feature in self.exercised],
            "not_exercised": [feature.name for feature in self.unexercised],
        }

    def _mistakes(self):
        """Return a line for each mistake that was named, with how many answers it explains."""
        counts = {}
        for check in self.wrong:
            keys = {mistake for explanation in check.explanations for mistake in explanation.keys}
            for key in keys:
                counts[key] = counts.get(key, 0) + 1
        told = sum(bool(check.explanations) for check in self.wrong)
        order = sorted(counts.items(), key=lambda item: -item[1])
        return [f"named: {key} in {count} of {told} explained answers" for key, count in order]


def suite_questions(version: int = 1) -> list[tuple[str, Vector]]:
    """Return [(id, question)] of the published vectors, and some that exercise every prior.

    Parameters
    ----------
    version : 1 or 2
        2: those of version 2 besides.
    """
    own = [
        (f"priors-{bias}-{dtype}",
         new_question((5, 4, 4, 3), activation="tanh", bias=bias, rows=6, dtype=dtype,
                      kl_weight=0.05, scale_shift=1e-3))
        for bias in BIASES
        for dtype in ("float64", "float32")
    ]  # fmt: skip
    return [*_published(version), *own]


@cache  # a file that came with the package stays as it is, and a vector is not changed
def _published(version):
    """Return [(id, question)] of the published vectors that agree."""
    return [(Path(str(path)).stem, read(path).question())
            for path in files(range(1, version + 1))
            if Path(str(path)).name.startswith("agree-")]  # fmt: skip


def random_questions(
    count: int, seed: int = 0, version: int = 1, within: Mapping[str, Any] | None = None
) -> list[tuple[str, Vector]]:
    """Return [(id, question)] of random networks, half in float64 and half in float32.

    Parameters
    ----------
    count, seed : int
    version : 1 or 2
    within : mapping, optional
        Options of `random_question`: what may be drawn.

    Raises
    ------
    ValueError
        For an option that it has not.
    """
    if not isinstance(within, Mapping | None):
        raise expected("within", "a mapping of options", type(within).__name__)
    within = dict(within or {})
    known = set(signature(random_question).parameters) - {"seed", "dtype", "version"}
    if set(within) - known:
        raise expected("within", ", ".join(sorted(known)), ", ".join(sorted(set(within) - known)))
    return [(f"random-{k}", random_question(k, ("float64", "float32")[k % 2], version=version,
                                            **within))
            for k in range(seed, seed + count)]  # fmt: skip


def _richest_first(asked, answered, version):
    """Yield the question that has most of what none of those answered has, until none has any."""
    known = features(version)
    waiting = [(pair, {f.name for f in known if f.has(pair[1])}) for pair in asked]
    while waiting:
        missing = {feature.name for feature in split(answered, version)[1]}
        gains = [len(has & missing) for _, has in waiting]
        if not max(gains):
            return
        yield waiting.pop(gains.index(max(gains)))[0]


def check_implementation(
    function: Callable[[Vector], Mapping[str, Any]],
    questions: Iterable[Vector | tuple[str, Vector]] | None = None,
    *,
    suite: str = "whole",
    random: int = 0,
    seed: int = 0,
    partial: bool = False,
    limit: float | None = None,
    name: str | None = None,
    seconds: float = SECONDS,
    version: int = 1,
    within: Mapping[str, Any] | None = None,
) -> ImplementationReport:
    """Return an `ImplementationReport`: a person's implementation against every question.

    Parameters
    ----------
    function : callable, (Vector) -> mapping
        Takes a question: ``layers`` (an object per layer: kernel_mu, kernel_rho, bias_mu, bias_rho,
        kernel_eps, sign_input, sign_output, bias_eps, activation, scale_shift, kernel_prior and
        bias_prior as (loc, scale), bias), ``x``, ``y``, ``kl_weight``, ``meta["likelihood"]``,
        ``dtype``. Returns results by the names of `docs/vectors.md`, or outputs, nll, kl, loss,
        kl_layers, grads and grad_x; arrays, numbers, or tensors of PyTorch, JAX or TensorFlow.
        It raises NotImplementedError for what it does not have: such questions are counted as
        declined. Any other exception counts as a wrong answer.
    questions : sequence of Vector or of (id, Vector), optional
        The published suite and some more unless given.
    suite : "whole" or "small"
        Whether all of those are asked, or the richest first until nothing is left that could still
        be exercised: for frameworks that compile anew for every shape.
    random : int
        How many random networks to ask besides, half in float64 and half in float32.
    seed : int
        Of the random networks.
    partial : bool
        Whether results may be missing. What is missing is not compared, nor explained.
    limit : float, optional
        As for `compare`.
    name : str, optional
        What to call the implementation; the function's own name unless given.
    seconds : float
        What the diagnosis of all disagreements may take.
    version : 1 or 2
        2 asks the suite's vectors of version 2 besides, and draws random networks of what it has:
        other priors and likelihoods, priors of arrays, sample weights, local reparameterisation. A
        layer's prior is then (loc, scale) where it is Normal (numbers or nested lists), else its
        description; see `docs/vectors.md`.
    within : mapping, optional
        What random networks may have, as options of `random_question`: ``{"biases":
        ["deterministic"], "likelihoods": ["categorical"], "locs": False}``.

    Returns
    -------
    ImplementationReport

    Raises
    ------
    ValueError
        For a limit or a count that is none.
    """
    if limit is not None:
        check_number(limit, "limit")
    check_size(random, "random", 0)
    check_choice(suite, "suite", ("whole", "small"))
    if version not in (1, 2):
        raise expected("version", "1 or 2", repr(version))
    asked = suite_questions(version) if questions is None else _with_ids(questions)
    asked_last = random_questions(random, seed, version, within)
    checks, answered, declined = [], [], []

    def ask(key, question):
        try:
            checks.append(_ask(function, key, question.question(), partial, limit))
            answered.append(question)
        except NotImplementedError as error:
            declined.append((key, str(error) or "no reason given"))

    for key, question in _richest_first(asked, answered, version) if suite == "small" else asked:
        ask(key, question)
    for key, question in asked_last:
        ask(key, question)
    end = monotonic() + seconds
    diagnosed = tuple(
        check.diagnosed(max(0.0, end - monotonic())) if check.vector else check for check in checks
    )
    return ImplementationReport(name or _name_of(function), diagnosed, tuple(declined),
                                *split(answered, version))  # fmt: skip


def _ask(function, key, question, partial, limit):
    """Return the `Check` of one answer, without a diagnosis.

    The function gets a copy: what it changes in place must not change what is asked.
    """
    try:
        results = take_results(question, function(deepcopy(question)), partial)
    except NotImplementedError:
        raise
    except Exception as error:  # whatever a person's code raises is what it has to say
        place = traceback.extract_tb(error.__traceback__)[-1]
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        where = f"{Path(place.filename).name}, line {place.lineno}"
        return Check(key, f"no answer: {reason} ({where})")
    return _compared(question, results, key, limit)


def _compared(question, results, key, limit):
    """Return the `Check` of results that were taken, whole or in part."""
    if set(results) >= set(result_shapes(question.meta, question.x.shape)):
        return compare_vector(question.answer(results, "the function"), key, limit)
    comparison = compare_results(question, results, limit)
    return Check(key, None, "the function", question.dtype, comparison)


def assert_answer(
    question: Vector,
    returned: Mapping[str, Any] | Callable[[Vector], Mapping[str, Any]],
    *,
    partial: bool = False,
    limit: float | None = None,
) -> None:
    """Pass where an answer to one question agrees; else table and diagnosis are the message.

    Parameters
    ----------
    question : Vector
    returned : mapping, or the function that returns one
        As for `check_implementation`; a function gets a copy of the question, so that one which
        works in place is judged by what was asked.
    partial, limit
        As for `check_implementation`.

    Raises
    ------
    AssertionError
        Where a tensor disagrees.
    ValueError
        Where a result is missing, unknown or of another shape.
    """
    returned = returned(deepcopy(question)) if callable(returned) else returned
    results = take_results(question, returned, partial)
    check = _compared(question.question(), results, "question", limit)
    if not check.agrees:
        check = check.diagnosed() if check.vector else check
        raise AssertionError("results disagree with the truth\n" + check.text())


def _with_ids(questions):
    return [item if isinstance(item, tuple) else (f"question-{k}", item)
            for k, item in enumerate(questions)]  # fmt: skip


def _name_of(function):
    module = getattr(function, "__module__", None)
    own = getattr(function, "__qualname__", type(function).__name__)
    return f"{module}.{own}" if module else own
