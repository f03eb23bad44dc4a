"""``bnn-ref explain`` as a person meets it: exit codes, one line for a bad request, no extra."""

import subprocess
import sys

import pytest
from command import SMALL, call, contents

from bnn_ref.cli import main
from bnn_ref.step import adam as adam_rule

QUICK = ["kl", "flipout", "step", "adam"]
BLOCKED = """\
import sys
for name in ("numba", "mpmath", "matplotlib", "tqdm", "sklearn", "dask", "jax", "torch"):
    sys.modules[name] = None
from bnn_ref.cli import main
codes = [main(["explain", topic, *words]) for topic in sys.argv[2:]
         for words in ([], ["--run", sys.argv[1]])]
sys.exit(0 if codes == [0] * 2 * len(sys.argv[2:]) else 1)
"""


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explain") / "run"
    assert main(["train", *SMALL, "--steps", "4", "--out", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("topic", QUICK)
def test_with_and_without_a_run(capsys, run_folder, topic):
    before = contents(run_folder)
    for words in ([], ["--run", run_folder]):
        called = call(capsys, "explain", topic, *words)
        assert called.code == 0
        assert called.err == ""
        assert called.out.rstrip().endswith("checks agree.")
        assert "DISAGREES" not in called.out
    assert f"the run in {run_folder} after step 4" in called.out.replace("\n", " ")
    assert contents(run_folder) == before


def test_another_seed_is_another_small_network(capsys):
    outs = {call(capsys, "explain", "step", "--seed", seed).out for seed in (0, 0, 1)}
    assert len(outs) == 2


def test_a_disagreement_is_told_and_the_exit_code_is_1(capsys, monkeypatch):
    def always_up(adam, step, p, g, m, v, fixed=()):
        return p + adam.learning_rate, m, v

    monkeypatch.setattr(adam_rule, "after", always_up)
    called = call(capsys, "explain", "adam")
    assert called.code == 1
    assert "DISAGREES" in called.out
    assert called.out.rstrip().endswith("0 of 4 checks agree.")


@pytest.mark.parametrize("with_run", [False, True])
def test_the_step_as_a_vector_file_that_check_agrees_with(capsys, tmp_path, run_folder, with_run):
    words = ["--run", run_folder] if with_run else []
    file = tmp_path / "step.npz"
    called = call(capsys, "explain", "step", *words, "--vector", file)
    assert called.code == 0
    assert called.out.endswith(f"wrote {file}\n")
    checked = call(capsys, "check", file)
    assert checked.code == 0
    assert f"{file}: agrees" in checked.out


def test_its_help_lists_the_topics(capsys):
    called = call(capsys, "explain", "--help")
    assert called.code == 0
    for topic in (*QUICK, "elbo"):
        assert f"\n  {topic} " in called.out


BAD = {
    "no topic": ((), "arguments are required: TOPIC"),
    "another topic": (("loss",), "invalid choice: 'loss'"),
    "no run there": (("kl", "--run", "nowhere"), "nowhere: expected a run's folder, found no"),
    "a file for a run": (("kl", "--run", "notes.txt"), "notes.txt: expected a run's folder"),
    "data without a run": (("kl", "--data", "digits"), "--data: expected --run RUN with it"),
    "data that are not there": (("kl", "--run", "RUN", "--data", "nowhere"), "found nothing at"),
    "seed of text": (("kl", "--seed", "one"), "argument --seed: invalid int value: 'one'"),
    "seed below 0": (("kl", "--seed", "-1"), "--seed: expected a whole number, at least 0"),
    "seed too large": (("kl", "--seed", 2**64), "--seed: expected a whole number below 2**64"),
    "vector of another topic": (("kl", "--vector", "v.npz"), "expected the topic step with it"),
    "vector to nowhere": (("step", "--vector", "no/v.npz"), "No such file or directory"),
    "vector over a folder": (("step", "--vector", "folder"), "Is a directory"),
    "vector of a learned scale": (
        ("step", "--run", "LEARNED", "--vector", "v.npz"),
        "test vector: expected a likelihood whose scale is fixed, found a learned scale",
    ),
}


@pytest.fixture(scope="module")
def learned_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learned")
    table = folder / "t.csv"
    table.write_text("x,y\n" + "".join(f"{i},{0.5 * i * i}\n" for i in range(12)))
    words = ["--data", str(table), "--target", "y", "--out", str(folder / "run")]
    assert main(["train", *SMALL, "--steps", "2", *words]) == 0
    return folder / "run"


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_is_one_line_and_exit_2(
    capsys, tmp_path, monkeypatch, run_folder, learned_folder, name
):
    words, message = BAD[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "folder").mkdir()
    runs = {"RUN": run_folder, "LEARNED": learned_folder}
    called = call(capsys, "explain", *(runs.get(word, word) for word in words))
    assert called.code == 2
    assert called.out == ""
    assert called.err.startswith("bnn-ref")
    assert called.err.count("\n") == 1
    assert message in called.err
    assert contents(tmp_path) == {"notes.txt": b"mine"}


def test_everything_works_without_numba_and_without_any_extra(run_folder, volume):
    topics = volume(("kl", "step"), ("kl", "flipout", "step", "adam", "elbo"))
    done = subprocess.run([sys.executable, "-c", BLOCKED, str(run_folder), *topics],
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "left out, mpmath is not installed" in done.stdout
    assert "DISAGREES" not in done.stdout
