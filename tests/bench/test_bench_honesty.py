"""A contender that computes something else is refused before it is timed; honest ones are not."""

import numpy as np
import pytest

pytest.importorskip("bench", reason="the bench is not in this checkout")
pytest.importorskip("psutil", reason="psutil is not installed")

from bench import equality
from bench.cli import main
from bench.contenders import missing
from bench.crew import Crew
from bench.machine import noise_report
from bench.workers import Worker, WorkerError
from bench.workloads import make_problem, parse

SMALL = "20-16-4/32"
PLANTED = {
    "no-kl": "mean loss",
    "stale-noise": "1 different losses in 64 steps: noise not fresh",
    "no-flips": "times Flipout's",
    "no-update": "the first step moved layers.0.kernel_mu by 0.00 learning rates",
}


@pytest.fixture(scope="module")
def expected():
    problem = make_problem(parse(SMALL))
    return problem, equality.expect(problem)


@pytest.mark.parametrize("kind", PLANTED)
def test_planted_contender_is_refused(kind, expected):
    with Worker(f"{kind}:ours_numpy") as worker:
        worker.call("open", workload=SMALL)
        refusal, _ = equality.check(worker, *expected)
    assert refusal is not None
    assert PLANTED[kind] in refusal


def test_refused_contender_is_never_timed():
    said = []
    with Crew(["ours_numpy", "no-kl:ours_numpy"], "float32", 1, said.append) as crew:
        crew.open([SMALL])
        crew.calibrate(0.002)
        crew.interleave(2, crew.time_steps)
        honest, dishonest = crew.cells
    assert honest.refusal is None
    assert len(honest.samples) == 2
    assert dishonest.refusal.startswith("mean loss")
    assert dishonest.samples == []
    assert any("REFUSED no-kl:ours_numpy" in line for line in said)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["ours_numpy", "ours_numba", "jax_jit", "torch_eager", "tfp",
                                  "bayesian_torch"])  # fmt: skip
def test_honest_contender_passes(name, dtype):
    if reason := missing(name):
        pytest.skip(reason)
    problem = make_problem(parse(SMALL), dtype)
    with Worker(name, dtype) as worker:
        worker.call("open", workload=SMALL)
        refusal, seen = equality.check(worker, problem, equality.expect(problem))
    assert refusal is None
    assert seen["replayed"] == (name not in ("tfp", "bayesian_torch"))


def test_replay_refuses_a_gradient_wrong_in_one_entry(expected):
    _, wanted = expected
    gradients = {name: array.copy() for name, array in wanted.gradients.items()}
    answer = {"loss": wanted.loss, "gradients": gradients}
    assert equality.check_replay(wanted, answer, "float32") is None
    gradients["layers.0.kernel_rho"].flat[3] += np.abs(gradients["layers.0.kernel_rho"]).max() / 99
    assert "layers.0.kernel_rho" in equality.check_replay(wanted, answer, "float32")


def test_a_contender_that_fails_says_why():
    with (
        Worker("ours_numpy") as worker,
        pytest.raises(WorkerError, match="expected layer sizes/batch"),
    ):
        worker.call("open", workload="nonsense")


def test_noisy_machine_is_called_so():
    assert noise_report(0.01, [1.0, 1.01, 1.0])["words"] == "quiet machine"
    assert "took 40%" in noise_report(0.4, [1.0, 1.0])["words"]
    assert noise_report(0.0, [1.0, 2.0, 3.0])["noisy"]


def test_step_writes_json_markdown_and_plot(tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    pytest.importorskip("pyperf", reason="pyperf is not installed")
    pytest.importorskip("threadpoolctl", reason="threadpoolctl is not installed")
    command = ["step", "--workloads", SMALL, "--contenders", "ours_numpy", "--plant",
               "no-kl:ours_numpy", "--rounds", "2", "--threads", "1", "--burst", "0.002",
               "--json", str(tmp_path / "run.json"), "--out", str(tmp_path)]  # fmt: skip
    assert main(command) == 3  # something was refused
    printed = capsys.readouterr().out
    assert "refused, no-kl:ours_numpy on 20-16-4/32: mean loss" in printed
    assert (tmp_path / "step.png").read_bytes().startswith(b"\x89PNG")
    assert "bnn_ref, NumPy" in (tmp_path / "step.md").read_text(encoding="utf-8")
    from bench import results

    document = results.read(tmp_path / "run.json")
    ours = document["benches"]["step"]["cells"][0]
    assert (ours["contender"], len(ours["samples"])) == ("ours_numpy", 2)
    assert not {"hostname", "python_executable"} & set(document["machine"])


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ([], "expected one or more of step"),
        (["stride"], "expected one of step"),
        (["step", "--contenders", "theano"], "found 'theano'"),
        (["step", "--workloads", "784"], "found '784'"),
        (["step", "--rounds", "0"], "rounds: expected at least 1, found 0"),
        (["step", "--threads", "0"], "threads: expected 1 to"),
        (["step", "--burst", "-1"], "burst: expected seconds above 0"),
        (["variance", "--draws", "2"], "draws: expected at least 20"),
        (["step", "--plant", "no-kl:theano"], "found 'theano'"),
    ],
)
def test_mistakes_in_the_command_are_one_line(command, says, capsys):
    assert main(command) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_list_names_everything(capsys):
    assert main(["--list"]) == 0
    printed = capsys.readouterr().out
    for name in ("variance", "threads", "jax_jit", "bayesian_torch", "784-1200-1200-10/128"):
        assert name in printed
