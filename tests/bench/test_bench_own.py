"""Contenders of a person's own, two revisions side by side, and every bench of the list."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("bench", reason="the bench is not in this checkout")
pytest.importorskip("psutil", reason="psutil is not installed (pip install -e '.[bench]')")
pytest.importorskip("pyperf", reason="pyperf is not installed (pip install -e '.[bench]')")
pytest.importorskip("threadpoolctl", reason="threadpoolctl is not installed")

from bench import equality, results, workers
from bench.benches import NAMES, get_bench
from bench.cli import main
from bench.comparison import title_of
from bench.planted import split_name
from bench.workers import Worker
from bench.workloads import make_problem, parse

SMALL = "20-16-4/32"
ROOT = Path(__file__).resolve().parents[2]
QUICK = ["--threads", "1", "--burst", "0.002", "--processes", "1", "--rounds", "1"]


@pytest.mark.parametrize("kind", ["numpy", pytest.param("jax", marks=pytest.mark.slow)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_templates_are_contenders_that_pass_every_check(kind, dtype, tmp_path, capsys):
    if kind == "jax":
        pytest.importorskip("jax", reason="jax is not installed")
    assert main(["template", kind]) == 0
    path = tmp_path / "mine.py"
    path.write_text(capsys.readouterr().out)
    problem = make_problem(parse(SMALL), dtype)
    with Worker(f"{path}:Mine", dtype) as worker:
        worker.call("open", workload=SMALL)
        refusal, seen = equality.check(worker, problem, equality.expect(problem))
    assert refusal is None
    assert seen["replayed"]


@pytest.mark.slow  # quickly test_planted_contender_is_refused
def test_an_own_contender_that_forgets_the_kl_is_refused(tmp_path, capsys):
    main(["template"])
    text = capsys.readouterr().out.replace("return nll + kl_weight * kl,", "return nll,")
    path = tmp_path / "mine.py"
    path.write_text(text)
    command = ["step", "--contenders", "ours_numpy", "--contender", f"{path}:Mine", "--workloads",
               SMALL, *QUICK, "--json", str(tmp_path / "run.json")]  # fmt: skip
    assert main(command) == 3
    assert "refused, Mine on 20-16-4/32: loss on replayed noise" in capsys.readouterr().out
    found = results.read(tmp_path / "run.json")["contenders"]["mine.py:Mine"]
    assert str(tmp_path) not in (tmp_path / "run.json").read_text()  # nobody's folders
    assert (found["title"], found["form"]) == ("Mine", "own")


@pytest.mark.parametrize(("spins", "rests"), [(0.3, True), (60.0, False)])
def test_who_is_timed_next_waits_for_threads_that_spin_on(spins, rests, tmp_path, monkeypatch):
    import psutil

    path = tmp_path / "restless.py"
    path.write_text(
        "import threading, time\n"
        "def spin():\n"
        f"    while time.thread_time() < {spins}: pass\n"
        "class Mine:\n"
        "    kinds = ()\n"
        "    open = reset = run = parameters = predict = None\n"
        "    def __init__(self, dtype, threads):\n"
        "        threading.Thread(target=spin, daemon=True).start()\n"
    )
    monkeypatch.setattr(workers, "REST", 0.2)  # other tests run beside this one
    monkeypatch.setattr(workers, "MOST_REST", 30.0 if rests else 0.3)
    with Worker(f"{path}:Mine") as worker:
        worker.call("kinds")  # imports the file: the thread spins
        assert worker.rest() == rests
        used = sum(psutil.Process(worker.process.pid).cpu_times()[:2])  # user's, system's
        assert not rests or used >= spins
        worker.process.kill()
        worker.process.wait()
        assert worker.rest()  # an ended process is at rest


def test_names_are_told_apart():
    assert split_name("again:ours_numba") == ("again", "ours_numba")
    assert split_name("slow-1.05:a/b.py:Mine") == ("slow-1.05", "a/b.py:Mine")
    assert split_name("b.py:Mine") == ("", "b.py:Mine")
    assert title_of("b.py:Mine") == "Mine"
    assert title_of("again:ours_numpy") == "bnn_ref, NumPy, again"
    assert title_of("gone_from_the_list") == "gone_from_the_list"


@pytest.fixture
def commits(tmp_path):
    """Two commits of this checkout's package, the second of which takes longer by a sleep."""
    repository = tmp_path / "repository"
    repository.mkdir()

    def git(*words):
        subprocess.run(["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@b.c",
                        *words], check=True, capture_output=True)  # fmt: skip

    try:
        git("init", "-q")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("git is not here")
    archive = subprocess.run([sys.executable, "-c", COPY, str(ROOT), str(repository)])
    assert archive.returncode == 0
    git("add", "-A")
    git("commit", "-qm", "one")
    trainer = repository / "bnn_ref" / "training" / "trainer.py"
    text = trainer.read_text("utf-8")
    slower, count = re.subn(
        r"    def step\(self, .*\n",
        "    def step(self, *arguments):\n"
        "        import time\n        time.sleep(0.004)\n"
        "        return self._step(*arguments)\n\n"
        "    def _step(self, x, y, sample_weight=None):\n",
        text,
    )
    assert count == 1
    trainer.write_text(slower, "utf-8")
    git("commit", "-qam", "two")
    return repository


COPY = """
import shutil, sys
from pathlib import Path
source, target = map(Path, sys.argv[1:])
skip = shutil.ignore_patterns("__pycache__", "*.npz", "*.pyc")
for name in ("bnn_ref", "kernels", "bench"):
    shutil.copytree(source / name, target / name, ignore=skip)
shutil.copy(source / "setup.cfg", target)
"""


@pytest.mark.slow  # quickly `versus` of two environments stands for it
def test_versus_finds_the_slower_commit_and_nothing_in_the_same(commits, monkeypatch, capsys):
    from bench import versus

    monkeypatch.setattr(versus, "HERE", commits / "bench")
    command = [
        "versus",
        "HEAD~1",
        "HEAD",
        "--contender",
        "ours_numpy",
        "--workloads",
        SMALL,
        "--threads",
        "1",
        "--burst",
        "0.01",
        "--processes",
        "6",
        "--rounds",
        "2",
    ]
    assert main(command) == 1
    assert "slower" in capsys.readouterr().out
    command[2] = "HEAD~1"
    assert main(command) in (0, 4)  # 4: on a busy machine too noisy to tell; never 1
    assert main(["versus", "no-such-commit", "HEAD"]) == 2
    assert "versus: git rev-parse" in capsys.readouterr().err


@pytest.mark.usefixtures("speed_made_up")
def test_versus_takes_an_environment_for_a_side(tmp_path, capsys):
    command = ["versus", sys.executable, sys.executable, "--contender", "ours_numpy",
               "--workloads", SMALL, "--threads", "1", "--burst", "0.002", "--processes", "2",
               "--rounds", "1", "--json", str(tmp_path / "run.json")]  # fmt: skip
    assert main(command) == 4  # two processes give no verdict
    assert "no verdict: 2 of 6 processes" in capsys.readouterr().out
    assert set(results.read(tmp_path / "run.json")["benches"]) == {"versus"}


ARGUMENTS = {
    "fit": ["--data", "digits"],
    "black": ["--workloads", "13-50-2/32", "--rounds", "3"],
    "variance": ["--draws", "20"],
}


# Seconds each, several processes; tests/bench/test_bench_variance.py stands for the last.
LONG = ("growth", "predict", "fit", "kernels", "threads", "variance")


@pytest.mark.parametrize(
    "name",
    [pytest.param(one, marks=pytest.mark.slow) if one in LONG else one for one in NAMES],
)
def test_every_bench_of_the_list_runs(name, tmp_path, capsys, monkeypatch):
    numba = name in ("kernels", "black")
    if numba:
        pytest.importorskip("numba", reason="numba is not installed")
    if name == "variance":
        from bench.benches import variance

        monkeypatch.setattr(variance, "BATCHES", (16, 128))
    if name == "fit":
        from bench.benches import fit

        monkeypatch.setattr(fit, "LOOKS", 20)
    chosen = ARGUMENTS.get(name, ["--workloads", SMALL])
    contenders = [] if name == "variance" else \
        ["--contenders", "ours_numba" if numba else "ours_numpy"]  # fmt: skip
    command = [name, *QUICK, *chosen, *contenders, "--json", str(tmp_path / "run.json")]
    assert main(command) == 0
    found = results.read(tmp_path / "run.json")["benches"][name]
    assert found.get("cells") or found.get("curves")
    assert capsys.readouterr().out.startswith(f"{name}: ")


@pytest.mark.usefixtures("speed_made_up")
def test_regressions_and_bernoulli_networks_are_checked_and_timed_too(tmp_path):
    workloads = "6-5-1/8/normal/tanh/dense,6-5-3/8/bernoulli"
    command = ["step", *QUICK, "--workloads", workloads, "--contenders", "ours_numpy", "--json",
               str(tmp_path / "run.json")]  # fmt: skip
    assert main(command) == 0
    cells = results.read(tmp_path / "run.json")["benches"]["step"]["cells"]
    checked = [one for one in cells if one["contender"] == "ours_numpy"]
    assert [one["workload"] for one in checked] == workloads.split(",")
    assert all(one["seen"]["replayed"] and one["processes"] for one in checked)


PAGE = ROOT / "docs" / "benchmarking.md"


def test_every_command_of_the_page_is_one_that_the_bench_takes():
    """Parsed, not run: each option and name of the page is there."""
    import shlex

    from bench import compare, versus
    from bench.cli import COMMANDS, make_parser
    from bench.settings import settings_for

    text = PAGE.read_text("utf-8")
    commands = [shlex.split(line.partition(">")[0]) for line in text.splitlines()
                if line.startswith("python -m bench ")]  # fmt: skip
    assert len(commands) >= 10
    parsers = {"versus": versus.make_parser, "compare": compare.make_parser}
    for _, _, _, *words in commands:
        if words[0] in parsers:
            parsers[words[0]]().parse_args(words[1:])
        elif words[0] not in COMMANDS:
            options = make_parser().parse_args(words)
            options.contender = []  # the page's mine.py is the reader's
            for name in options.benches or ["step"]:
                settings_for(get_bench(name), options)


def test_the_page_tells_every_exit_code_and_method():
    from bench.contenders.base import Contender

    text = PAGE.read_text("utf-8")
    for name in ("open", "reset", "run", "parameters", "replay", "predict"):
        assert hasattr(Contender, name)
        assert f"| `{name}(" in text
    assert all(f"| {code} |" in text for code in range(5))
