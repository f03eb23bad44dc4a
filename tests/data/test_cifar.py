"""CIFAR-10's binary files: pixels by plane, labels first, and what is none of them."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from bnn_ref.data import load
from bnn_ref.data.cifar import RECORD, read_cifar


def write(folder, name, labels, seed=0):
    """Write one file and return its pixels by plane, (N, 3, 32, 32)."""
    records = np.random.default_rng(seed).integers(0, 256, (len(labels), RECORD), dtype=np.uint8)
    records[:, 0] = labels
    (folder / name).write_bytes(records.tobytes())
    return records[:, 1:].reshape(-1, 3, 32, 32)


def test_planes_become_channels_and_files_follow_one_another(tmp_path):
    one = write(tmp_path, "data_batch_1.bin", [3, 0])
    two = write(tmp_path, "data_batch_2.bin", [9], 1)
    write(tmp_path, "test_batch.bin", [1], 2)
    arrays = read_cifar(tmp_path)
    assert_array_equal(arrays["y_train"], [3, 0, 9])
    assert arrays["x_train"].shape == (3, 32, 32, 3)
    assert arrays["x_train"][1, 5, 7, 2] == one[1, 2, 5, 7]
    assert arrays["x_train"][2, 31, 0, 0] == two[0, 0, 31, 0]
    with pytest.warns(UserWarning, match="class"):
        dataset = load(tmp_path)
    assert (dataset.kind, dataset.shape, dataset.image) == ("cifar", (32, 32, 3), None)
    assert dataset.inputs == 3072
    row = np.asarray(dataset.train.x[0:1])
    np.testing.assert_allclose(row[0, 2], one[0, 2, 0, 0] / 255, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("data_batch_1.bin", b"", "records of 3073 bytes, at least one, found 0 bytes"),
        ("test_batch.bin", b"\1" * 3074, "records of 3073 bytes"),
        ("data_batch_1.bin", b"\12" * 3073, "labels below 10, found 10 in record 0"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path, name, content, message):
    write(tmp_path, "data_batch_1.bin", [3])
    write(tmp_path, "test_batch.bin", [3])
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load(tmp_path)


def test_half_of_the_files_is_refused(tmp_path):
    write(tmp_path, "data_batch_1.bin", [3])
    with pytest.raises(ValueError, match="test_batch.bin"):
        load(tmp_path)
