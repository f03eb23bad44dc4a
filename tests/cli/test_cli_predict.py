"""``bnn-ref evaluate`` and ``bnn-ref predict``."""

import csv
import json

import numpy as np
import pytest
from command import SMALL, call, contents

from bnn_ref import predict
from bnn_ref.data import load, read_digits
from bnn_ref.runs.checkpoints import load_checkpoint


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    from bnn_ref.cli import main

    folder = tmp_path_factory.mktemp("trained") / "run"
    assert main(["train", *SMALL, "--steps", "120", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def table_run(tmp_path_factory):
    from bnn_ref.cli import main

    folder = tmp_path_factory.mktemp("table")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 2))
    np.savetxt(folder / "t.csv", np.c_[x, 1000 + 300 * x[:, 0]], delimiter=",", header="a,b,price",
               comments="")  # fmt: skip
    words = [
        "train",
        *SMALL,
        "--steps",
        "400",
        "--data",
        str(folder / "t.csv"),
        "--target",
        "price",
    ]
    assert main([*words, "--out", str(folder / "run")]) == 0
    return folder


def last_json(called):
    assert called.code == 0, called.err
    return json.loads(called.out.splitlines()[-1])


def test_evaluate_repeats_the_scores_of_training_and_writes_nothing(run, capsys):
    """Case 69: held-out nats are one quantity in both commands."""
    before = contents(run)
    recorded = json.loads((run / "results.json").read_text())
    found = last_json(call(capsys, "evaluate", run, "--json"))
    assert found.items() <= recorded.items()
    assert found["heldout_nats"] is not None
    other = last_json(call(capsys, "evaluate", run, "--json", "--draws", 9))
    assert other["heldout_nats"] != found["heldout_nats"]
    assert other["draws"] == 9
    assert last_json(call(capsys, "evaluate", run, "--json", "--kind", "mean"))["draws"] == 1
    assert contents(run) == before


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        (["train", *SMALL, "--steps", 2], "360"),
        (["evaluate", "RUN"], "360"),
        (["predict", "RUN", "digits", "-o", "p.csv"], "1,797"),
    ],
)
def test_a_long_prediction_says_what_it_does(words, rows, run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [run if word == "RUN" else word for word in words]
    assert call(capsys, *words).err == ""
    monkeypatch.setattr("bnn_ref.cli.printing.MANY", 3)
    assert call(capsys, *words).err == f"bnn-ref: predicting {rows} rows, 3 draws\n"


def test_evaluate_on_the_runs_own_rows_elsewhere_and_on_others(run, tmp_path, capsys):
    arrays = read_digits()
    flat = np.c_[arrays["x_train"].reshape(-1, 64), arrays["y_train"]]
    path = tmp_path / "others.npz"
    np.savez(path, x_train=flat[:9, :64], y_train=flat[:9, 64], x_test=flat[:50, :64],
             y_test=flat[:50, 64])  # fmt: skip
    found = last_json(call(capsys, "evaluate", run, "--data", path, "--json"))
    assert found["heldout_nats"] is None
    checkpoint = load_checkpoint(run / "checkpoint.npz")
    network, parameters = checkpoint.network, checkpoint.state.parameters
    x, y = flat[:50, :64] / 16, flat[:50, 64]
    wanted = predict(network, parameters, x, y, draws=3, backend="numpy")
    np.testing.assert_allclose(found["test_nats"], wanted.nats, rtol=1e-6)
    table = tmp_path / "t"
    np.savetxt(table, flat[:50], fmt="%d")
    again = last_json(call(capsys, "evaluate", run, "--data", table, "--target", -1, "--json"))
    assert again["test_nats"] == found["test_nats"]


def test_evaluate_a_table_in_its_own_units(table_run, capsys):
    found = last_json(call(capsys, "evaluate", table_run / "run", "--json"))
    data = load(table_run / "t.csv", target="price")
    checkpoint = load_checkpoint(table_run / "run" / "checkpoint.npz")
    network, parameters = checkpoint.network, checkpoint.state.parameters
    prediction = predict(network, parameters, data.validation.x, draws=3, backend="numpy")
    mean = prediction.mean * data.encoding.y_scale + data.encoding.y_loc
    y = data.validation.y * data.encoding.y_scale + data.encoding.y_loc
    assert found["heldout_rmse"] == pytest.approx(np.sqrt(np.mean((mean - y) ** 2)), rel=1e-12)
    assert y.mean() == pytest.approx(1000, abs=200)


def read_csv(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_predict_classes_to_csv_and_npz(run, tmp_path, capsys):
    before = contents(run)
    for name in ("p.csv", "p.npz"):
        called = call(capsys, "predict", run, "digits", "-o", tmp_path / name)
        assert called.code == 0, called.err
        assert called.out.endswith("1797 rows, 3 draws\n")
    rows = read_csv(tmp_path / "p.csv")
    with np.load(tmp_path / "p.npz") as arrays:
        assert [float(row["probability_3"]) for row in rows] == arrays["probability_3"].tolist()
        assert [int(row["class"]) for row in rows] == arrays["class"].tolist()
        total = sum(arrays[f"probability_{k}"] for k in range(10))
        share = np.mean(arrays["class"] == read_digits()["y_train"])
    np.testing.assert_allclose(total, 1, rtol=1e-12)
    assert share > 0.6
    assert contents(run) == before


def test_a_rows_prediction_does_not_depend_on_its_neighbours(run, tmp_path, capsys):
    x = read_digits()["x_train"].reshape(-1, 64)
    np.save(tmp_path / "all.npy", x[:300])
    np.save(tmp_path / "some.npy", x[:50])
    for name in ("all", "some"):
        call(capsys, "predict", run, tmp_path / f"{name}.npy", "-o", tmp_path / f"{name}.csv")
    assert read_csv(tmp_path / "all.csv")[:50] == read_csv(tmp_path / "some.csv")


def test_predict_numbers_in_their_own_units(table_run, tmp_path, capsys):
    called = call(
        capsys, "predict", table_run / "run", table_run / "t.csv", "-o", tmp_path / "p.csv"
    )
    assert called.code == 0, called.err
    rows = read_csv(tmp_path / "p.csv")
    price = np.loadtxt(table_run / "t.csv", delimiter=",", skiprows=1)[:, 2]
    mean = np.array([float(row["mean"]) for row in rows])
    assert np.corrcoef(mean, price)[0, 1] > 0.8
    for row in rows:
        parts = float(row["aleatoric_scale"]) ** 2 + float(row["epistemic_scale"]) ** 2
        assert float(row["scale"]) ** 2 == pytest.approx(parts, rel=1e-12)
        assert float(row["scale"]) > 10


def test_predict_names_of_classes(tmp_path, capsys):
    table = tmp_path / "t.csv"
    table.write_text("\n".join(["a,kind"] + [f"{k % 7},{'high' if k % 7 > 3 else 'low'}" for k in
                                             range(70)]))  # fmt: skip
    for likelihood, columns in (("categorical", {"class", "probability_high", "probability_low"}),
                                ("bernoulli", {"class", "probability"})):  # fmt: skip
        run = tmp_path / likelihood
        words = ("--data", table, "--target", "kind", "--likelihood", likelihood)
        call(capsys, "train", *SMALL, "--steps", 60, *words, "--out", run)
        called = call(capsys, "predict", run, table, "-o", tmp_path / "p.csv")
        assert called.code == 0, called.err
        rows = read_csv(tmp_path / "p.csv")
        assert columns <= set(rows[0])
        found = [row["class"] == ("high" if k % 7 > 3 else "low") for k, row in enumerate(rows)]
        assert np.mean(found) > 0.8
