"""Compiled kernels on disk: whose they are, what is trusted, and that nothing stale is read.

Case 58: a folder or file that somebody else could write to is neither read nor written.
"""

import os
import shutil
import stat
import tempfile
from pathlib import Path

import needs_numba  # noqa: F401
import pytest
from processes import start

from bnn_ref.kernels import cache, trusted

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
SOMEBODY = 54321  # a user number that nobody here has
as_root = pytest.mark.skipif(not ROOT, reason="only root can be two users")
with_owners = pytest.mark.skipif(not trusted.CAN_TELL, reason="no owners on this system")

FILL = (
    "import numpy as np; from bnn_ref.kernels import philox;"
    "out, key = np.zeros((1, 4)), np.zeros(5, np.uint32);"
    "philox.fill_signs(out, 0, np.zeros(64), key); print(out)"
)


@pytest.fixture
def open_place():
    """A folder that every user can enter, which pytest's own is not."""
    place = Path(tempfile.mkdtemp()).resolve()
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@pytest.mark.slow
def test_eight_processes_on_an_empty_cache(tmp_path):
    processes = [start(NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(8)]
    results = [process.communicate(timeout=280) for process in processes]
    assert all(process.returncode == 0 for process in processes), results
    assert len({out for out, _ in results}) == 1
    assert all(err.count("compiling kernels") == 1 for _, err in results)
    warm = start(NUMBA_CACHE_DIR=str(tmp_path))
    out, err = warm.communicate(timeout=100)
    assert (out, err) == (results[0][0], "")


def test_two_processes_on_an_empty_cache(tmp_path):
    """The quick one of eight: a kernel that compiles in seconds."""
    processes = [start(FILL, NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2)]
    results = [process.communicate(timeout=200) for process in processes]
    assert len({out for out, _ in results}) == 1
    assert len(list(tmp_path.rglob("*"))) == 2  # the folder and one whole file
    assert start(FILL, NUMBA_CACHE_DIR=str(tmp_path)).communicate() == (results[0][0], "")


def copied(place):
    """Copy the package `kernels` into a folder; return its new place."""
    copy = place / "kernels"
    shutil.copytree(cache.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def test_the_key_of_the_cache_covers_every_kernel_file(tmp_path):
    copy = copied(tmp_path)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r});"
    code += "from kernels import cache; print(cache.source_hash())"
    before, _ = start(code).communicate()
    assert len(before) == 65
    assert start(code).communicate()[0] == before
    with (copy / "update.py").open("a") as file:
        file.write("# changed\n")
    assert len(after := start(code).communicate()[0]) == 65
    assert after != before


def sealed(content):
    """Return content as the cache keeps it, with its checksum."""
    import hashlib

    return hashlib.sha256(content).digest() + content


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-100], lambda data: b"", lambda data: data[:40],
     lambda data: bytes([data[0] ^ 1]) + data[1:], lambda data: data[:-1] + bytes([data[-1] ^ 1])],
    ids=["cut", "empty", "no code", "another checksum", "another bit"],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_a_miss(tmp_path, damage, monkeypatch):
    import numpy as np

    from bnn_ref.kernels import entries, philox

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))

    def fill():
        fresh = entries.entry(philox.fill_signs.py_func)
        fresh(np.zeros((1, 4)), 0, np.zeros(64), np.zeros(5, np.uint32))
        (code,) = fresh.versions.values()
        return code.was_kept

    assert (fill(), fill()) == (False, True)
    (file,) = tmp_path.rglob("*.nbc")
    file.write_bytes(damage(file.read_bytes()))
    assert (fill(), fill()) == (False, True)
    assert sorted(tmp_path.rglob("*")) == [file.parent, file]


@with_owners
def test_the_installations_folder_keeps_what_is_compiled_from_its_own_sources(
    open_place, monkeypatch
):
    """Where others' versions may lie, nothing is removed."""
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(cache, "INSTALLED", open_place / "installed")
    names = ["one.cpython-311-aaaa-pc-1.nbc", "one.cpython-311-bbbb-pc-1.nbc",
             "two.cpython-311-aaaa-pc-1.nbc", "one.cpython-312-aaaa-pc-1.nbc",
             "one.cpython-311-bbbb-pc-2.nbc", "one.cpython-311-bbbb-arm-1.nbc"]  # fmt: skip
    for name in names:
        assert cache.save(name, b"code") == cache.INSTALLED
    assert sorted(os.listdir(cache.INSTALLED)) == sorted(names[1:])
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(open_place / "own"))
    for name in names:
        cache.save(name, b"code")
    assert sorted(os.listdir(open_place / "own" / "bnn_ref")) == sorted(names)


@pytest.fixture
def kept(open_place):
    """A trusted folder that holds one file."""
    with trusted.Folder(open_place / "own" / "cache", mode=0o700) as folder:
        folder.write("one", b"content")
    return open_place / "own" / "cache"


def read(place):
    """Return what the folder says "one" holds."""
    with trusted.Folder(place) as folder:
        return folder.read("one", 100)


def write(place):
    """Put something else into the folder."""
    with trusted.Folder(place, mode=0o700) as folder:
        folder.write("two", b"content")


def refused(place):
    """Return whether a folder is neither read nor written."""
    with pytest.raises(OSError):
        read(place)
    with pytest.raises(OSError):
        write(place)
    return not (place / "two").exists()


def test_what_is_our_own_is_read_and_written(kept):
    assert read(kept) == b"content"
    write(kept)
    assert sorted(os.listdir(kept)) == ["one", "two"]


@with_owners
@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777, 0o1777])
def test_case_58_a_folder_that_group_or_others_can_write_to(kept, mode):
    kept.chmod(mode)
    assert refused(kept)


@with_owners
@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_case_58_a_folder_above_that_others_can_write_to(kept, mode):
    kept.parent.chmod(mode)
    assert refused(kept)


@with_owners
def test_a_folder_above_with_the_sticky_bit_is_trusted(kept):
    kept.parent.chmod(0o1777)
    assert read(kept) == b"content"


@with_owners
@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_case_58_a_file_that_group_or_others_can_write_to(kept, mode):
    (kept / "one").chmod(mode)
    with pytest.raises(PermissionError, match="others can write"):
        read(kept)


@as_root
@pytest.mark.parametrize("part", [".", "..", "one"])
def test_case_58_what_belongs_to_somebody_else(kept, part):
    os.chown(kept / part, SOMEBODY, SOMEBODY)
    if part == "one":
        with pytest.raises(PermissionError, match=f"belongs to user {SOMEBODY}"):
            read(kept)
    else:
        assert refused(kept)


@with_owners
def test_case_58_links(kept, open_place):
    """A link of our own is followed to what is trusted and to nothing else; no file is one."""
    link = open_place / "link"
    link.symlink_to("own/cache/../cache")
    assert read(link) == b"content"
    kept.chmod(0o777)
    assert refused(link)
    kept.chmod(0o700)
    (kept / "one").rename(open_place / "outside")
    (kept / "one").symlink_to(open_place / "outside")
    with pytest.raises(OSError):
        read(kept)
    circle = open_place / "circle"
    circle.symlink_to(circle)
    with pytest.raises(OSError, match="too many links"):
        read(circle)


@as_root
def test_case_58_a_link_of_somebody_else(kept, open_place):
    open_place.chmod(0o1777)
    link = open_place / "link"
    link.symlink_to(kept)
    assert read(link) == b"content"
    os.chown(link, SOMEBODY, SOMEBODY, follow_symlinks=False)
    assert refused(link)


@with_owners
def test_case_58_no_pipe_is_waited_for(kept):
    (kept / "one").unlink()
    os.mkfifo(kept / "one", 0o600)
    with pytest.raises(OSError, match="expected a file"):
        read(kept)


def test_a_file_above_the_largest_size_is_not_read(kept):
    with trusted.Folder(kept) as folder, pytest.raises(OSError, match="at most 6 bytes"):
        folder.read("one", 6)


@with_owners
def test_an_exchange_between_look_and_use_is_seen(kept, monkeypatch):
    """A folder taken away and put back as a link after the look at it is not entered."""
    look = os.stat

    def slow(name, **keywords):
        found = look(name, **keywords)
        if name == "cache" and not kept.is_symlink():
            kept.rename(kept.with_name("taken"))
            kept.symlink_to("/tmp")
        return found

    monkeypatch.setattr(trusted.os, "stat", slow)
    with pytest.raises(OSError):
        read(kept)


@with_owners
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_permissions_do_not_depend_on_the_umask(open_place, umask, monkeypatch):
    before = os.umask(umask)
    try:
        monkeypatch.setattr(trusted.os, "umask", None)  # not to be called, threads share it
        with trusted.Folder(open_place / "own", mode=0o755) as folder:
            folder.write("shared", b"")
        with trusted.Folder(open_place / "mine", mode=0o700) as folder:
            folder.write("private", b"")
    finally:
        monkeypatch.undo()
        assert os.umask(before) == umask
    modes = [stat.S_IMODE((open_place / name).stat().st_mode)
             for name in ("own", "own/shared", "mine", "mine/private")]  # fmt: skip
    assert modes == [0o755, 0o644, 0o700, 0o600]


TWO_USERS = """
import os, stat, sys
import numpy as np
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True  # which would make the folder of the kernels, closed to others
os.umask(0o077)
from kernels import cache, entries, philox

def fill(dtype):
    fresh = entries.entry(philox.fill_signs.py_func)
    fresh(np.zeros((1, 4), dtype), 0, np.zeros(64, dtype), np.zeros(5, np.uint32))
    (code,) = fresh.versions.values()
    print(code.was_kept, code.place)

fill("f8")                                   # the owner of the installation compiles
os.setgroups([]), os.setgid(54321), os.setuid(54321)
fill("f8")                                   # somebody else reads it
fill("f4")                                   # and compiles the rest
fill("f4")
"""


@as_root
def test_case_58_warmed_once_used_by_all(open_place):
    """The installation's owner serves every user; each user's own go to the user's cache."""
    kernels = copied(open_place)
    home = open_place / "home"
    home.mkdir()
    os.chown(home, SOMEBODY, SOMEBODY)
    code = f"import sys; sys.argv[1:] = [{str(open_place)!r}];" + TWO_USERS
    out, err = start(code, XDG_CACHE_HOME=str(home)).communicate(timeout=200)
    shared, own = kernels / "__pycache__", home / "bnn_ref"
    assert out.splitlines() == [
        f"False {shared}", f"True {shared}", f"False {own}", f"True {own}"
    ], err  # fmt: skip
    assert stat.S_IMODE(kernels.stat().st_mode) == 0o755
    assert stat.S_IMODE(own.stat().st_mode) == 0o700


def test_case_27_a_read_only_place_without_home_keeps_kernels_in_the_users_own_folder(
    tmp_path, monkeypatch
):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(cache, "INSTALLED", blocked / "__pycache__")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = cache.cache_folder()
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o077 == 0
    assert list(folder.iterdir()) == []
    folder.chmod(0o777)  # anybody could put code there: it is not read
    assert cache.cache_folder() is None
