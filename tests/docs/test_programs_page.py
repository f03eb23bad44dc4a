"""docs/programs.md is of the programs in tools/programs.py, and each of them takes a step."""

import numpy as np
import programs
import pytest

from bnn_ref import Categorical, Trainer

PAGE = (programs.Path(__file__).parents[2] / "docs" / "programs.md").read_text(encoding="utf-8")
ALL = programs.programs()


def test_the_page_has_a_row_of_each_program_as_it_is():
    assert PAGE.startswith(programs.HEAD)
    rows = [line.strip("| \n").split(" | ") for line in PAGE[len(programs.HEAD) :].splitlines()]
    assert [row[:5] for row in rows] == [
        [one.name, one.built, f"{one.network.num_parameters:,}", one.data, f"{one.steps:,}"]
        for one in ALL
    ]


@pytest.mark.parametrize("program", ALL, ids=lambda one: one.name)
def test_each_takes_a_step_and_comes_back_from_json(program):
    network, rng = program.network, np.random.default_rng(0)
    x = rng.normal(size=(4, network.inputs))
    is_class = isinstance(network.likelihood, Categorical)
    y = rng.integers(0, 10, 4) if is_class else rng.normal(size=(4, 1))
    trainer = Trainer(network, 100, backend="numpy", estimator=program.estimator)
    assert np.isfinite(trainer.step(x, y).loss)
    assert type(network).from_json(network.to_json()) == network
