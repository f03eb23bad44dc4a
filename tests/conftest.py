"""What every test may use: where the data is, and one clear line where the package is not whole."""

import gc
import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from parts import in_part


def _is_installed():
    try:
        return importlib.util.find_spec("bnn_ref.kernels") is not None
    except ModuleNotFoundError:
        return False


if not _is_installed():
    pytest.exit(
        "tests: expected bnn_ref installed with its kernels, found none: run `pip install -e .` "
        "from the checkout first",
        returncode=4,
    )


def pytest_addoption(parser):
    parser.addoption(
        "--data",
        default=os.environ.get("BNN_REF_DATA"),
        help="folder with mnist/ and uci/ (default: environment variable BNN_REF_DATA)",
    )
    parser.addoption("--slow", action="store_true", help="also run the tests marked slow")
    parser.addoption("--part", metavar="K/N", help="of the chosen tests part K, from 0, of N")
    os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # it compiles more than it runs


def _keep_bytecode():
    """Keep compiled Python for the hundreds of processes to come where it is not kept at all.

    Where PYTHONDONTWRITEBYTECODE is set, as in many an image, each would compile the package anew
    (a short `train` takes .38 s of CPU time for .29), and every worker the tests. What is written
    lies where it usually does, as the kernels do, so that what pip has compiled is read.
    """
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_configure(config):
    if part := config.getoption("--part"):
        try:
            in_part("", part)
        except ValueError as error:
            raise pytest.UsageError(str(error)) from None
    _keep_bytecode()
    config.addinivalue_line("markers", "slow: takes minutes; runs with --slow")
    config.addinivalue_line("markers", "long: takes ten minutes and more, by hand alone")
    config.addinivalue_line("markers", "volume: does more of the same with --slow")
    # Whoever starts the tests in the background has these ignored, and so would every child have.
    for name, usual in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """A worker for every core (up to eight) where all tests run, none where some are named."""
    everything = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if not everything or config.option.keyword or config.option.lf:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(cores or 1, 8)


def pytest_sessionstart(session):
    """Compile the kernels before the workers start, who would each compile them."""
    config = session.config
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        return
    command = [sys.executable, "-m", "bnn_ref", "warmup", "--dtype"]
    for job in [
        subprocess.Popen([*command, dtype], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for dtype in ("float32", "float64")
    ]:
        job.wait()  # without numba there is nothing to compile, and it says so


def pytest_collection_finish():
    """Leave what is there by now, which stays, out of every later collection of garbage."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)  # before -m looks at the markers
def pytest_collection_modifyitems(config, items):
    slow = config.getoption("--slow")
    for item in items:
        if "volume" in item.fixturenames:
            item.add_marker("volume")
        if "slow" in item.keywords and not slow:
            item.add_marker(pytest.mark.skip(reason="slow: runs with --slow"))
    if part := config.getoption("--part"):
        kept, left = [], []
        for item in items:
            (kept if in_part(item.nodeid, part) else left).append(item)
        config.hook.pytest_deselected(items=left)
        items[:] = kept
    # First, so that they are in one worker's part, and no other loads the frameworks again.
    items.sort(key=lambda item: "frameworks" not in item.fixturenames)


@pytest.fixture(scope="session")
def volume(request):
    """A function (quick, whole) -> whole with --slow, quick without: how much of a test is done."""
    slow = request.config.getoption("--slow")
    return lambda quick, whole: whole if slow else quick


@pytest.fixture(scope="session")
def frameworks():
    """Processes that have imported a framework: `frameworks.run(name, code, *words)`."""
    from framework_process import Frameworks

    found = Frameworks(Path(__file__).parents[1] / "tools")
    yield found
    found.close()


@pytest.fixture(scope="module")
def scheduler():
    """The address of a Dask scheduler whose one worker is a thread of the tests' own process."""
    distributed = pytest.importorskip("distributed", reason="dask[distributed] is not installed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, host="127.0.0.1", protocol="tcp",
        dashboard_address="127.0.0.1:0", silence_logs=50,
    ) as cluster:  # fmt: skip
        yield cluster.scheduler_address


@pytest.fixture(autouse=True)
def _same_environment():
    """What a test sets in the environment ends with it (Dask sets OPENBLAS_NUM_THREADS, say)."""
    before = dict(os.environ)
    yield
    if dict(os.environ) != before:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="session")
def data_folder(request):
    """The folder of real data sets, or a skip that says how to name one."""
    folder = request.config.getoption("--data")
    if not folder:
        pytest.skip("no data folder: give --data or set BNN_REF_DATA")
    if not Path(folder).is_dir():
        pytest.skip(f"no data folder at {folder}")
    return Path(folder)


@pytest.fixture(scope="session")
def mnist_folder(data_folder):
    """The folder of MNIST's four IDX files."""
    if not (data_folder / "mnist").is_dir():
        pytest.skip(f"no mnist/ in {data_folder}")
    return data_folder / "mnist"
