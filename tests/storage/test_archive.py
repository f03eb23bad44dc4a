"""Archives whose directory and end do not agree."""

import zipfile

import numpy as np
import pytest

from bnn_ref.storage.archive import ArchiveError, open_archive


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, one=np.arange(3.0), two=np.arange(4), three=np.zeros((2, 2)))
    return path


def test_every_member_is_found(archive):
    with open_archive(archive) as found:
        assert found.names == ("one", "two", "three")
        assert found.read("two").tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("place", [30, 32])  # of an extra field's and a comment's length
def test_a_damaged_directory_that_zipfile_reads_as_a_shorter_one_is_refused(archive, place):
    """One byte: what follows the first entry becomes its comment."""
    content = bytearray(archive.read_bytes())
    directory = content.index(b"PK\x01\x02")
    rest = content.index(b"PK\x05\x06") - directory - 46 - len("one.npy")
    content[directory + place : directory + place + 2] = rest.to_bytes(2, "little")
    archive.write_bytes(content)
    if place == 32:
        with zipfile.ZipFile(archive) as found:
            assert found.namelist() == ["one.npy"]
    with pytest.raises(ArchiveError, match="expected"):
        open_archive(archive)
