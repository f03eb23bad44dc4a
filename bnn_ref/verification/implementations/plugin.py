"""A pytest plugin: one test a vector, with ids that read well.

A test that takes ``bnn_question`` runs once for every question of the suite; ``bnn_check`` holds
what the code under test returned against the truth:

    @pytest.mark.bnn_vectors(random=20)
    def test_my_layer(bnn_question, bnn_check):
        bnn_check(answer(bnn_question))

A question that the code declines by NotImplementedError is a test to skip: `bnn_check` takes a
function as well, and does so. Loaded by itself where bnn_ref is installed.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ..vectors.files import Vector

MARKER = (
    "bnn_vectors(random=0, seed=0, partial=False, limit=None, version=1, within=None): questions "
    "for a test that takes bnn_question (bnn_ref, docs/verify.md)"
)
OPTIONS: dict[str, Any] = {"random": 0, "seed": 0, "partial": False, "limit": None, "version": 1,
                           "within": None}  # fmt: skip


def pytest_configure(config: Any) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", MARKER)


def _options(node):
    """Return the options of a test's marker, every one of them."""
    marker = node.get_closest_marker("bnn_vectors")
    given = marker.kwargs if marker else {}
    unknown = set(given) - set(OPTIONS)
    if unknown:
        raise pytest.UsageError(f"bnn_vectors: expected {', '.join(OPTIONS)}, found "
                                f"{', '.join(sorted(unknown))}")  # fmt: skip
    return {**OPTIONS, **given}


def pytest_generate_tests(metafunc: Any) -> None:
    """Run a test that takes ``bnn_question`` once for each question."""
    if "bnn_question" not in metafunc.fixturenames:
        return
    from .checking import random_questions, suite_questions

    options = _options(metafunc.definition)
    asked = suite_questions(options["version"]) + random_questions(
        options["random"], options["seed"], options["version"], options["within"]
    )
    metafunc.parametrize(
        "bnn_question", [pytest.param(q, id=key) for key, q in asked], indirect=True
    )


@pytest.fixture
def bnn_question(request: Any) -> Vector:
    """Return a copy of the question, for code that works in place."""
    return deepcopy(request.param)


@pytest.fixture
def bnn_check(request: Any) -> Callable[[Any], None]:
    """Return a function that takes results, or the function that computes them, and asserts."""
    from .checking import assert_answer

    options, asked = _options(request.node), request.node.callspec.params["bnn_question"]

    def check(results):
        if callable(results):
            try:
                results = results(deepcopy(asked))
            except NotImplementedError as error:
                pytest.skip(f"declined: {error}")
        assert_answer(asked, results, partial=options["partial"], limit=options["limit"])

    return check
