"""Every reader of a file against damaged files: no crash, no hang, no number changed in silence."""

import time

import pytest
from command import call
from fuzzed_readers import make_readers
from fuzzing import changed_json, damaged, judge, rng_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NAMES = ("vector", "checkpoint", "configuration", "history", "results", "idx", "npy", "npz",
         "table", "uci", "cell")  # fmt: skip
JSON = ("configuration", "history", "results", "cell")
SLOWEST = 5  # seconds that one small file may take, on a busy machine
QUICK = settings(deadline=None, max_examples=25, database=None,
                 suppress_health_check=list(HealthCheck))  # fmt: skip


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    """Name to (`Reader`, what its sound samples are read as)."""
    found = make_readers(tmp_path_factory.mktemp("fuzz"))
    assert tuple(sorted(found)) == tuple(sorted(NAMES))
    return {name: (one, [one.read(sample) for sample in one.samples])
            for name, one in found.items()}  # fmt: skip


def examine(readers, name, seed, change=damaged):
    """Read one damaged file and return the verdict."""
    reader, wanted = readers[name]
    rng = rng_of(seed)
    content = change(rng.choice(reader.samples), rng)
    begin = time.monotonic()
    if change is changed_json:  # what it says is changed, under a right checksum
        reader = reader._replace(exact=False)
    verdict = judge(reader, wanted, content)
    assert time.monotonic() - begin < SLOWEST
    return verdict


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files(readers, name):
    @QUICK
    @given(st.integers(0, 2**40))
    def fuzz(seed):
        examine(readers, name, seed)

    fuzz()


@pytest.mark.parametrize("name", JSON)
def test_changed_values_under_a_right_checksum(readers, name):
    @QUICK
    @given(st.integers(0, 2**40))
    def fuzz(seed):
        examine(readers, name, seed, changed_json)

    fuzz()


def test_the_fuzz_refuses_most_and_reads_what_is_sound(readers):
    """So that it cannot pass by reading nothing."""
    for name in NAMES:
        reader, wanted = readers[name]
        assert judge(reader, wanted, reader.samples[0]) == "same"
        verdicts = [examine(readers, name, seed) for seed in range(30)]
        assert verdicts.count("refused") >= 5, name


def command_on(tmp_path, readers, seed, capsys):
    """Score a run whose configuration says something odd; return the exit code."""
    reader, _ = readers["configuration"]
    rng = rng_of(seed)
    reader.read(reader.samples[0])
    run = next(path for path in tmp_path.parent.glob("fuzz*/with-config.json"))
    (run / "config.json").write_bytes(changed_json(reader.samples[0], rng))
    words = rng.choice((["evaluate", run], ["train", "--resume", "--out", run],
                        ["predict", run, "digits", "-o", run / "p.csv"]))  # fmt: skip
    called = call(capsys, *words)
    assert called.code in (0, 2), (seed, called)
    assert "Traceback" not in called.err
    return called.code


def test_commands_on_odd_configurations(tmp_path, readers, capsys):
    codes = [command_on(tmp_path, readers, seed, capsys) for seed in range(12)]
    assert codes.count(2) >= 3


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_two_minutes_of_it(tmp_path, readers, capsys):
    counts = dict.fromkeys(("refused", "same", "other"), 0)
    until, seed = time.monotonic() + 100, 1_000_000
    while time.monotonic() < until:
        for name in NAMES:
            counts[examine(readers, name, seed)] += 1
        for name in JSON:
            counts[examine(readers, name, seed, changed_json)] += 1
        if seed % 10 == 0:
            command_on(tmp_path, readers, seed, capsys)
        seed += 1
    print(counts)
    assert counts["refused"] > 500
