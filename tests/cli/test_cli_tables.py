"""A person's own tables on the command line: what is said, what is matched, what is refused."""

import json
import shlex
import shutil

import numpy as np
import pytest
from command import SMALL, call

from bnn_ref import Normal
from bnn_ref.cli import main

QUICK = (*SMALL, "--steps", "60")
RNG = np.random.default_rng(2)
A, B, C = RNG.normal(size=(3, 60))
Y = 100 + 30 * A - 20 * B


def write(path, separator=",", **columns):
    rows = zip(*columns.values(), strict=True)
    lines = [separator.join(columns), *(separator.join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def good(called):
    assert called.code == 0, called.err
    return called


def last_json(called):
    return json.loads(good(called).out.splitlines()[-1])


def predicted(path):
    lines = path.read_text().splitlines()
    return [line.split(",")[0] for line in lines[1:]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a table a, b, c, y and a run trained on it."""
    folder = tmp_path_factory.mktemp("tables")
    data = write(folder / "t.csv", a=A, b=B, c=C, y=Y)
    words = ["train", *QUICK, "--steps", "400", "--data", str(data), "--target", "y"]
    assert main([*words, "--out", str(folder / "run")]) == 0
    return folder


@pytest.fixture
def run(trained, tmp_path):
    """The same run and table, in one test's own folder."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return tmp_path / "run"


def test_case_43_a_turned_table_has_the_same_scores(run, tmp_path, capsys):
    turned = write(tmp_path / "turned.csv", c=C, b=B, a=A, y=Y)
    called = call(capsys, "evaluate", run, "--data", turned, "--json")
    found = last_json(called)
    assert (
        found["heldout_rmse"] < 20
    )  # the same rows, so the same are held out; of a deviation of 36
    assert "columns: inputs a, b, c, found by name" in called.out
    for path, column in ((turned, "p.csv"), (tmp_path / "t.csv", "q.csv")):
        good(call(capsys, "predict", run, path, "-o", tmp_path / column))
    assert (tmp_path / "p.csv").read_text() == (tmp_path / "q.csv").read_text()


def test_case_43_missing_refused_and_extra_ignored_in_both_commands(run, tmp_path, capsys):
    less = write(tmp_path / "less.csv", a=A, b=B, y=Y)
    more = write(tmp_path / "more.csv", name=["x"] * 60, a=A, b=B, c=C, y=Y)
    for words in (("evaluate", run, "--data"), ("predict", run, "-o", tmp_path / "p.csv")):
        called = call(capsys, *words, less)
        assert (called.code, called.err.count("\n")) == (2, 1)
        assert "a column 'c', which the run was trained on, found a, b, y" in called.err
        called = good(call(capsys, *words, more))
        assert called.out.count("ignored: name") == 1


def test_case_44_the_header_is_said_and_can_be_asked_for(tmp_path, capsys):
    frame = write(tmp_path / "frame.csv", **{"0": A, "1": B, "2": Y})
    words = ("train", *QUICK, "--data", frame, "--target", -1)
    called = good(call(capsys, *words))
    assert "49 training, 12 held-out rows" in called.out  # 61 rows: the header is one
    assert "first line: a row of numbers (--header yes takes names from it)" in called.out
    called = good(call(capsys, *words, "--header", "yes"))
    assert "48 training, 12 held-out rows" in called.out
    assert "target 2: numbers (--likelihood categorical takes classes)" in called.out
    assert "columns: inputs 0, 1\n" in called.out


@pytest.mark.usefixtures("words_alone")
def test_options_are_recorded_and_serve_all_commands(tmp_path, capsys):
    color = np.array(["red", "blue", "green"])[np.arange(60) % 3]
    decimal = [str(a).replace(".", ",") for a in A]
    target = np.round(Y + 9 * (color == "red"), 3)
    target = [str(y).replace(".", ",") for y in target]
    columns = {"": range(60), "a": decimal, "color": color, "note": ["n"] * 60, "y": target}
    path, out = write(tmp_path / "t.csv", ";", **columns), tmp_path / "run"
    options = ("--separator", ";", "--decimal", ",", "--categorical", "color", "--drop", "note",
               "--header", "yes")  # fmt: skip
    words = ("train", *QUICK, "--data", path, "--target", "y", "--out", out)
    called = good(call(capsys, *words, *options))
    assert "one-hot encoded color (3 values)" in called.out
    assert "dropped: note" in called.out
    settings = json.loads((out / "config.json").read_text())["settings"]
    assert (settings["decimal"], settings["categorical"]) == (",", "color")
    scores = last_json(call(capsys, "evaluate", out, "--json"))
    assert last_json(call(capsys, "evaluate", out, "--data", path, "--json")) == scores
    moved = path.rename(tmp_path / "moved.csv")
    good(call(capsys, "report", out, "--data", moved))
    good(call(capsys, *words, "--data", moved, "--resume", "--steps", 61))
    called = call(capsys, *words, "--data", moved, "--resume", "--decimal", ".")
    assert "--decimal: expected ,, as" in called.err
    good(call(capsys, "predict", out, moved, "-o", tmp_path / "p.csv"))
    plain = write(tmp_path / "plain.csv", color=color, a=A)
    good(call(capsys, "predict", out, plain, "--separator", ",", "--decimal", ".", "-o",
              tmp_path / "q.csv"))  # fmt: skip
    assert predicted(tmp_path / "p.csv") == predicted(tmp_path / "q.csv")
    unknown = write(tmp_path / "unknown.csv", ";", color=["mauve"], a=["1,5"])
    called = call(capsys, "predict", out, unknown, "-o", tmp_path / "q.csv")
    assert "line 2, column 'color': expected one of blue, green, red, which" in called.err
    assert "found 'mauve'" in called.err


def test_case_45_a_decimal_comma_is_refused_with_the_way_to_read_it(tmp_path, capsys):
    path = tmp_path / "t.csv"
    path.write_text("a;y\n" + "3,5;1\n" * 20)
    words = ("train", *QUICK, "--data", path, "--target", "y")
    called = call(capsys, *words)
    assert called.code == 2
    assert "line 2, column 'a': expected a number (decimal commas are read with" in called.err
    assert "--decimal ,), found '3,5'" in called.err
    good(call(capsys, *words, "--decimal", ","))


@pytest.mark.filterwarnings("default")  # as in a process of its own
def test_case_46_a_class_of_held_out_rows_alone_is_warned_of(tmp_path, capsys):
    path, out = tmp_path / "t.csv", tmp_path / "run"
    words = ["no", "yes"]
    path.write_text("a,y\n" + "".join(f"{k},{words[k % 2]}\n" for k in range(20)) + "20,maybe\n")
    warned = []
    for seed in range(12):
        called = good(call(capsys, "train", *QUICK, "--steps", 2, "--data", path, "--target", "y",
                           "--seed", seed, "--out", out, "--overwrite"))  # fmt: skip
        warned.append("no training row has the class maybe" in called.err)
        assert called.err.count("\n") == warned[-1]
        good(call(capsys, "evaluate", out))
    assert any(warned)
    assert not all(warned)


def test_case_47_a_blank_target_is_predicted(run, tmp_path, capsys):
    good(call(capsys, "predict", run, tmp_path / "t.csv", "-o", tmp_path / "p.csv"))
    for name, columns in {
        "blank": {"y": [""] * 60},
        "absent": {},
        "text": {"name": ["x"] * 60},
        "index": {"": range(60)},
    }.items():
        path = write(tmp_path / f"{name}.csv", **columns, b=B, a=A, c=C)
        good(call(capsys, "predict", run, path, "-o", tmp_path / "q.csv"))
        assert (tmp_path / "q.csv").read_text() == (tmp_path / "p.csv").read_text(), name


def test_case_48_pixels_are_never_divided_twice(tmp_path, capsys):
    x = np.random.default_rng(0).integers(0, 256, (40, 3, 3)).astype(np.uint8)
    y = (x[:, 0, 0] > 127).astype(int)
    np.savez(tmp_path / "d.npz", x_train=x, y_train=y)
    out = tmp_path / "run"
    good(call(capsys, "train", *QUICK, "--data", tmp_path / "d.npz", "--out", out))
    np.save(tmp_path / "x.npy", x / 255)
    called = call(capsys, "predict", out, tmp_path / "x.npy", "-o", tmp_path / "p.csv")
    assert called.code == 2
    assert "the training rows' unit, 0 to 2" in called.err
    np.savez(tmp_path / "other.npz", x_train=x / 255, y_train=y)
    assert call(capsys, "evaluate", out, "--data", tmp_path / "other.npz").code == 2


def test_case_49_blank_lines_count(tmp_path, capsys):
    path = tmp_path / "t.csv"
    path.write_text("\na,y\n\n1,2\n\n\nred,4\n")
    called = call(capsys, "train", *QUICK, "--data", path, "--target", "y")
    assert f"{path}, line 7, column 'a'" in called.err


def test_names_from_a_table_are_escaped(tmp_path, capsys):
    path = write(tmp_path / "t.csv", **{"\x1b[31ma": A, "b\x07": B, "y": Y})
    called = good(call(capsys, "train", *QUICK, "--data", path, "--target", "y"))
    assert "\\x1b[31ma, b\\x07" in called.out
    assert "\x1b" not in called.out


def test_arrays_of_other_names(tmp_path, capsys):
    kinds = np.array(["cat", "dog"])[np.arange(60) % 2]
    np.savez(tmp_path / "d.npz", images=np.c_[A, B, C], kinds=kinds)
    out = tmp_path / "run"
    words = ("--data", tmp_path / "d.npz", "--arrays", "x=images,y=kinds")
    called = good(call(capsys, "train", *QUICK, *words, "--out", out))
    assert "targets: 2 classes, cat, dog (some are text" in called.out
    scores = last_json(call(capsys, "evaluate", out, "--json"))
    assert scores["heldout_accuracy"] is not None
    good(call(capsys, "predict", out, tmp_path / "d.npz", "-o", tmp_path / "p.csv"))
    assert set(predicted(tmp_path / "p.csv")) <= {"cat", "dog"}
    np.savez(tmp_path / "e.npz", x=np.c_[A, B, C])
    called = call(capsys, "predict", out, tmp_path / "e.npz", "-o", tmp_path / "p.csv")
    assert "array 'images'" in called.err
    good(call(capsys, "predict", out, tmp_path / "e.npz", "--arrays", "x=x", "-o",
              tmp_path / "p.csv"))  # fmt: skip


def test_a_sweep_reads_tables_the_same_way(tmp_path, capsys, scheduler):
    path = write(tmp_path / "t.csv", ";", a=[str(a).replace(".", ",") for a in A], b=["x"] * 60,
                 y=np.arange(60) % 2)  # fmt: skip
    called = good(call(capsys, "sweep", "--data", path, "--target", "y", "--decimal", ",", "--drop",
                       "b", "--out", tmp_path / "sweep", "--scheduler", scheduler, "layers=4",
                       "steps=5", "backend=numpy", "likelihood=categorical"))  # fmt: skip
    assert "target y: 2 classes, 0, 1" in called.out
    assert "dropped: b" in called.out
    assert (tmp_path / "sweep" / "table.csv").read_text().count("\n") == 2


def test_the_command_that_a_sweep_ends_with_trains_its_winner(tmp_path, capsys, scheduler):
    """The same scores to the bit, from a table whose target is what a shell would run."""
    name = "-t$(touch X)"
    path = write(tmp_path / "my t.csv", ";", **{"a": A, name: np.arange(60) % 2, "b": B})
    called = good(call(capsys, "sweep", "--data", path, f"--target={name}", "--out", tmp_path / "s",
                       "--scheduler", scheduler, "layers=4,3x3", "steps=20", "backend=numpy",
                       "seed=4", "split=2", "likelihood=categorical", "draws=3"))  # fmt: skip
    best, command = called.out.splitlines()[-2:]
    words = shlex.split(command.removeprefix("next: bnn-ref "))
    words[words.index("RUN")] = tmp_path / "run"
    found = last_json(call(capsys, *words, "--json"))
    assert best.startswith(f"best heldout_nats {found['heldout_nats']:.4f}: layers=")
    cells = [json.loads(file.read_text()) for file in (tmp_path / "s" / "cells").iterdir()]
    kept = [cell["result"]["heldout_nats"] for cell in cells]
    assert found["heldout_nats"] == max(kept)
    assert last_json(call(capsys, "evaluate", tmp_path / "run", "--json")).items() <= found.items()
    other = last_json(call(capsys, *words[:-2], "--split", 3, "--json"))
    assert other["heldout_nats"] != found["heldout_nats"]


def test_a_scale_for_every_row_from_table_to_predictions(tmp_path, capsys):
    """Noise of .1 below 0 and 3 above it: the predicted scales tell the halves apart."""
    noise = np.where(A > 0, 3.0, 0.1) * RNG.normal(size=60)
    data = write(tmp_path / "t.csv", a=A, y=Y + 20 * B + noise)
    folder, out = tmp_path / "run", tmp_path / "p.csv"
    words = ("--data", data, "--target", "y", "--likelihood", "normal:predicted", "--seed", 3)
    called = call(capsys, "train", *SMALL, "--steps", 1500, *words, "--out", folder, "--json")
    assert last_json(called)["heldout_rmse"] < 20
    assert json.loads((folder / "config.json").read_text())["settings"]["likelihood"] == (
        "normal:predicted"
    )
    good(call(capsys, "predict", folder, data, "-o", out))
    columns = dict(zip(out.read_text().splitlines()[0].split(","),
                       np.loadtxt(out, delimiter=",", skiprows=1).T, strict=True))  # fmt: skip
    scale = columns["aleatoric_scale"]
    assert np.median(scale[A > 0.5]) > 1.3 * np.median(scale[A < -0.5])
    went_on = call(capsys, "train", "--out", folder, "--resume", "--steps", 1502)
    assert "training to step 1502 from step 1500" in good(went_on).out
    assert call(capsys, "evaluate", folder, "--json").code == 0


@pytest.mark.parametrize(("prior", "description"), [
    ("laplace:loc=0.1", "Laplace(0.1, 0.5)"),
    ("learned_normal:learn=loc/scale", "learned N(0, 0.5)"),
])  # fmt: skip
def test_a_prior_by_its_name_is_recorded_and_goes_on(tmp_path, capsys, prior, description):
    from bnn_ref.runs.checkpoints import load_checkpoint

    data, run = write(tmp_path / "t.csv", a=A, b=B, y=Y), tmp_path / "run"
    words = ("--data", data, "--target", "y", "--backend", "numpy", "--prior", prior,
             "--prior-scale", 0.5, "--initial-sigma", 0.2, "--estimator", "shared")  # fmt: skip
    good(call(capsys, "train", "--layers", "5", *words, "--steps", 5, "--out", run))
    network = load_checkpoint(run / "checkpoint.npz").network
    assert [layer.kernel_prior.describe() for layer in network.layers] == 2 * [description]
    assert [layer.initial_sigma for layer in network.layers] == [0.2, 0.2]
    good(call(capsys, "train", "--out", run, "--resume", "--steps", 7))


def test_the_numpy_back_end_says_that_it_takes_no_threads(tmp_path, capsys):
    data, run = write(tmp_path / "t.csv", a=A, y=Y), tmp_path / "run"
    told = "--threads 2: the numpy back end takes no count of threads"
    words = ("--data", data, "--target", "y", "--backend", "numpy", "--threads", 2, "--steps", 2)
    assert told in good(call(capsys, "train", "--layers", "5", *words, "--out", run)).err
    for command in (("evaluate", run), ("predict", run, data, "-o", tmp_path / "p.csv")):
        assert told in good(call(capsys, *command, "--threads", 2)).err
        assert "--threads" not in good(call(capsys, *command)).err


def test_a_tables_network_is_small_and_an_images_is_not(tmp_path, capsys):
    """As `train` and a sweep's cell make it, where nobody says."""
    from bnn_ref.stacks import network_of
    from bnn_ref.sweep.fit import DEFAULTS

    data = write(tmp_path / "t.csv", a=A, b=B, y=Y)
    good(call(capsys, "train", "--data", data, "--target", "y", "--steps", 1, "--backend", "numpy",
              "--out", tmp_path / "run"))  # fmt: skip
    settings = json.loads((tmp_path / "run" / "config.json").read_text())["settings"]
    assert (settings["layers"], settings["kl_warm_up"]) == ([50], 0.5)
    for shape, hidden in (((2,), [50]), ((8, 8, 1), [128, 128])):
        network = network_of(DEFAULTS, shape, 1, Normal())
        assert [layer.outputs for layer in network.layers[:-1]] == hidden
