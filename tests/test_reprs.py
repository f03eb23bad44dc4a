"""The last line of a notebook's cell prints a summary of a line, not every number."""

import numpy as np
import pytest

from bnn_ref import DenseFlipout, Network, fit, predict
from bnn_ref.training import History


@pytest.fixture(scope="module")
def run():
    network = Network([DenseFlipout(3, 4), DenseFlipout(4, 2)])
    data = (np.eye(30, 3), np.zeros(30, int))
    return fit(network, data, steps=8, report_every=1, backend="numpy")


def test_every_summary_is_a_short_line(run):
    found = predict(run.network, run.parameters, np.eye(30, 3), np.zeros(30, int), draws=3,
                    backend="numpy")  # fmt: skip
    assert repr(run.trainer) == "Trainer(3-4-2, N = 30, 8 steps taken, float32, numpy)"
    assert repr(run.trainer.state) == "State(8 steps taken, 46 float32)"
    loss = [run.history.records[k]["loss"] for k in (0, -1)]
    history = f"History(8 records, steps 1 to 8, loss {loss[0]:.4g} to {loss[1]:.4g})"
    assert repr(run.history) == history
    assert repr(run) == f"Fit(finished: {run.trainer!r}, {history})"
    assert repr(found) == (
        f"Prediction(30 rows, 2 outputs, 3 draws, Categorical(), {found.nats:.4g} nats per row)"
    )
    assert repr(History()) == "History(no records)"


def test_a_history_is_a_table_of_its_last_records(run):
    page = run.history._repr_html_()
    assert page.count("<tr>") == 6
    assert f"<td>{run.history.records[-1]['loss']:.4g}</td>" in page
    record = {"step": 1, "loss": 1.0, "<b>": "<script>"}
    assert "<script>" not in History([record])._repr_html_()
    assert "<b>" not in History([record])._repr_html_()
