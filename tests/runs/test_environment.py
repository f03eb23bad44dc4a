"""What a run records of its surroundings."""

import os
import subprocess
import sys

import pytest

from bnn_ref.runs import environment


def test_describe_is_plain_and_has_no_clock_or_host():
    found = environment.describe()
    assert found == environment.describe()
    assert all(isinstance(value, (str, int, type(None))) for value in found.values())
    assert os.uname().nodename not in str(found) or len(os.uname().nodename) < 4
    assert found["blas"] != "unknown"


@pytest.mark.parametrize("hidden", [False, True])
def test_blas_threads_follow_the_environment(hidden):
    code = "from bnn_ref.runs import environment; print(environment.describe()['blas_threads'])"
    if hidden:  # as where threadpoolctl is not installed
        code = f"import sys; sys.modules['threadpoolctl'] = None; {code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env=os.environ | {"OPENBLAS_NUM_THREADS": "1"})  # fmt: skip
    assert done.stdout == "1\n"


def test_differences_name_what_changed():
    now = environment.describe()
    then = now | {"numpy": "0.0.1", "python": "3.10.0", "blas_threads": 99}
    assert environment.differences(now, now, "numpy") == []
    lines = environment.differences(then, now, "numpy")
    assert lines == [
        f"numpy: recorded 0.0.1, now {now['numpy']}",
        f"blas_threads: recorded 99, now {now['blas_threads']}",
    ]
    assert environment.differences(then, now, "numba") == lines[:1]


def test_versions_of_what_is_not_there():
    assert environment.version_of("no-such-package-bnn-ref") is None
    assert environment.available_cores() >= 1


def test_a_processor_of_another_kind_is_named():
    now = environment.describe()
    assert now["processor"]
    assert now["processor"] != "unknown"
    then = now | {"processor": "Old One", "features": "avx"}
    for backend in ("numpy", "numba"):
        assert environment.differences(then, now, backend) == [
            f"processor: recorded Old One, now {now['processor']}",
            f"features: recorded avx, now {now['features']}",
        ]
    del then["processor"], then["features"]  # the first version did not record them
    assert environment.differences(then, now, "numba") == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("vendor_id\t: X\nmodel name\t: Fast 9000: turbo\n", "Fast 9000: turbo"),
        ("processor: 0\n", None),
    ],
)
def test_the_name_that_linux_gives(monkeypatch, text, name):
    import builtins
    import io

    monkeypatch.setattr(environment.sys, "platform", "linux")
    monkeypatch.setattr(builtins, "open", lambda *place, **options: io.StringIO(text))
    assert environment._processor_name() == name


def test_a_system_that_does_not_say_and_a_python_without_llvmlite(monkeypatch):
    import sys

    monkeypatch.setattr(environment, "_processor_name", lambda: None)
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    environment.processor.cache_clear()
    try:
        model, features = environment.processor()
    finally:
        environment.processor.cache_clear()
    assert model
    assert features == "unknown"
