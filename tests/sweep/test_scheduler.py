"""Case 59: the address of a scheduler that is none, is closed, never answers, or has no workers."""

import contextlib
import socket
import subprocess
import sys
import threading
import time

import pytest
from command import call

distributed = pytest.importorskip("distributed", reason="dask[distributed] is not installed")

from bnn_ref.sweep.scheduler import find_scheduler  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore:.* deprecated - use .*:DeprecationWarning"),
]
WORDS = ("sweep", "steps=3", "layers=4", "backend=numpy", "draws=2")


@contextlib.contextmanager
def listener(answer=b""):
    """A port where something listens, and says that to whoever comes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                connections.append(connection)
                connection.sendall(answer)

        connections = []
        threading.Thread(target=serve, daemon=True).start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        for connection in connections:
            connection.close()


@pytest.mark.parametrize(
    "address", ["nonsense", "", "foo://x:1", "http://127.0.0.1:80", "tcp://127.0.0.1",
                "tcp://127.0.0.1:99999", "tcp://127.0.0.1:abc", "127.0.0.1:0", "tcp://a b:1",
                "\x1b[2J:1"],
)  # fmt: skip
def test_what_is_no_address_is_refused_at_once(tmp_path, capsys, address):
    begin = time.monotonic()
    found = call(capsys, *WORDS, "--out", tmp_path / "out", "--scheduler", address)
    assert time.monotonic() - begin < 5
    assert (found.code, found.err.count("\n")) == (2, 1)
    assert "scheduler: expected an address like tcp://host:8786, found" in found.err
    assert "\x1b" not in found.err
    assert not (tmp_path / "out").exists()


def test_a_closed_port_and_a_host_that_is_none(tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    for address in (f"tcp://127.0.0.1:{closed}", "tcp://no-such-host.invalid:8786"):
        begin = time.monotonic()
        found = call(capsys, *WORDS, "--out", tmp_path, "--scheduler", address)
        assert time.monotonic() - begin < 15
        assert (found.code, found.err.count("\n")) == (2, 1)
        assert f"scheduler {address}: expected a Dask scheduler, found nothing" in found.err


@pytest.mark.parametrize(
    "answer",
    [b"", b"SSH-2.0-OpenSSH\r\n", b"12", b"220 smtp ready\r\n"],
)
@pytest.mark.slow  # 5 s each; quickly test_a_silent_listener_ends_the_whole_command_in_time
def test_a_listener_that_is_no_scheduler_is_told_within_fifteen_seconds(answer):
    with listener(answer) as address:
        begin = time.monotonic()
        with pytest.raises(ConnectionError, match="something that does not answer as one"):
            find_scheduler(address)
        assert time.monotonic() - begin < 15


def test_a_silent_listener_ends_the_whole_command_in_time(tmp_path):
    words = [sys.executable, "-m", "bnn_ref", *WORDS, "--out", str(tmp_path), "--scheduler"]
    with listener() as address:
        begin = time.monotonic()
        done = subprocess.run([*words, address], capture_output=True, text=True, check=False)
        assert time.monotonic() - begin < 15
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "something that does not answer as one" in done.stderr


@pytest.mark.timeout(120)
def test_a_scheduler_without_workers_is_waited_for_with_a_line(tmp_path):
    """And served once a worker comes."""
    with distributed.LocalCluster(
        n_workers=0, threads_per_worker=1, processes=False, protocol="tcp", host="127.0.0.1",
        dashboard_address="127.0.0.1:0", silence_logs=50,
    ) as cluster:  # fmt: skip
        words = [sys.executable, "-m", "bnn_ref", *WORDS, "--out", str(tmp_path), "--scheduler"]
        with subprocess.Popen([*words, cluster.scheduler_address], stderr=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as process:  # fmt: skip
            begin = time.monotonic()
            assert "it has no workers: waiting for one" in process.stderr.readline()
            assert time.monotonic() - begin < 15
            cluster.scale(1)
            out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    assert "table:" in out
