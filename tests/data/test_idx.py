"""IDX files: case 19 of the field cases, and what else can be wrong with one."""

import gzip
import hashlib
import struct

import numpy as np
import pytest

from bnn_ref.data import load
from bnn_ref.data.idx import find_file, read_idx, read_idx_folder

MD5 = {
    "x_train": "6bbc9ace898e44ae57da46a324031adb",
    "y_train": "a25bea736e30d166cdddb491f175f624",
    "x_test": "2646ac647ad5339dbf082846283269ea",
    "y_test": "27ae3e4e09519cfbb04c329615203637",
}


def idx(array):
    """The bytes of an IDX file."""
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


IMAGES = np.arange(6 * 4 * 3).reshape(6, 4, 3) % 251
LABELS = np.arange(6) % 3


def test_plain_and_gzipped_by_content_not_by_name(tmp_path):
    plain, packed = tmp_path / "a.gz", tmp_path / "b"
    plain.write_bytes(idx(IMAGES))
    packed.write_bytes(gzip.compress(idx(IMAGES)))
    for path in (plain, packed):
        found = read_idx(path, "images")
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, IMAGES)


WHOLE = idx(IMAGES)
REFUSED = {
    "an HTML page": (
        b"<!DOCTYPE html><html>404</html>",
        "images",
        r"first bytes 00 00 08 03.*3c 21",
    ),
    "empty": (b"", "images", "an empty file"),
    "images of 15 bytes": (WHOLE[:15], "images", "header of 16 bytes, found 15 bytes"),
    "a row short": (
        WHOLE[:-12],
        "images",
        r"72 bytes after the header \(6 images of 4x3\), found 60",
    ),
    "a byte too many": (WHOLE + b"\0", "images", "72 bytes after the header .*, found more"),
    "labels for images": (idx(LABELS), "images", "IDX file of images, found labels"),
    "images for labels": (WHOLE, "labels", "IDX file of labels, found images"),
    "of no type": (b"\0\0\x0a\x03" + WHOLE[4:], "images", "00 00 0a 03"),
    "of int32": (b"\0\0\x0c\x03" + WHOLE[4:], "images", "288 bytes after .*, found 72"),
    "no images": (idx(np.zeros((0, 4, 3))), "images", r"at least one of its images"),
    "of 48 GB": (WHOLE[:4] + b"\xff" * 4 + WHOLE[8:], "images", "at most 2147483648 bytes"),
    "of 2**96 bytes": (b"\0\0\x08\x03" + b"\xff" * 12, "images", "at most 2147483648 bytes"),
    "half a gzip": (gzip.compress(WHOLE)[:-15], "images", "a whole gzip file, found damage"),
    "gzip with a wrong sum": (gzip.compress(WHOLE)[:-8] + b"\1" * 8, "images", "a whole gzip file"),
    "gzip of nonsense": (b"\x1f\x8b\x08" + b"\xff" * 40, "images", "a whole gzip file"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("packed", [False, True])
def test_refused_with_file_wanted_and_found(tmp_path, name, packed):
    content, kind, message = REFUSED[name]
    path = tmp_path / "the-file"
    path.write_bytes(gzip.compress(content) if packed and "gzip" not in name else content)
    with pytest.raises(ValueError, match=message) as caught:
        read_idx(path, kind)
    assert str(caught.value).startswith(f"{path}: expected")
    assert "\n" not in str(caught.value)


TYPES = {"ubyte": 8, "byte": 9, "short": 11, "int": 12, "float": 13, "double": 14}


@pytest.mark.parametrize("word", TYPES)
def test_numbers_of_every_type(tmp_path, word):
    dtype = np.dtype({"ubyte": ">u1", "byte": ">i1", "short": ">i2", "int": ">i4", "float": ">f4",
                      "double": ">f8"}[word])  # fmt: skip
    values = (np.arange(12).reshape(3, 2, 2) - (6 if word != "ubyte" else 0)).astype(dtype)
    values = values / 4 if dtype.kind == "f" else values
    for part in ("train", "t10k"):
        header = struct.pack(">4B3I", 0, 0, TYPES[word], 3, *values.shape)
        images = tmp_path / f"{part}-images-idx3-{word}"
        images.write_bytes(header + values.astype(dtype).tobytes())
        labels = struct.pack(">4BI3i", 0, 0, 12, 1, 3, 0, 1, 0)
        (tmp_path / f"{part}-labels-idx1-int").write_bytes(labels)
    found = read_idx(images, "images")
    assert found.dtype == dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, values)
    data = load(tmp_path, dtype="float64")
    scale = 255 if word == "ubyte" else 1  # pixels; all else is taken as it is
    np.testing.assert_array_equal(data.train.x[:], values.reshape(3, 4) / scale)
    assert data.train.y.tolist() == [0, 1, 0]


def test_case_33_an_infinity_in_an_idx_file(tmp_path):
    values = np.ones((3, 2, 2), ">f4")
    for part in ("train", "t10k"):
        header = struct.pack(">4B3I", 0, 0, 13, 3, 3, 2, 2)
        values[2, 1, 1] = np.inf if part == "t10k" else 1
        (tmp_path / f"{part}-images-idx3-float").write_bytes(header + values.tobytes())
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(LABELS[:3]))
    with pytest.raises(ValueError, match="test part: .* found inf in row 2, column 3"):
        load(tmp_path)


def write_folder(folder, end="", **changes):
    arrays = {
        "train-images-idx3-ubyte": IMAGES,
        "train-labels-idx1-ubyte": LABELS,
        "t10k-images-idx3-ubyte": IMAGES[:2],
        "t10k-labels-idx1-ubyte": LABELS[:2],
    } | {name.replace("_", "-"): array for name, array in changes.items()}
    for name, array in arrays.items():
        content = idx(array)
        (folder / f"{name}{end}").write_bytes(gzip.compress(content) if end else content)


@pytest.mark.parametrize("end", ["", ".gz"])
def test_a_folder(tmp_path, end):
    write_folder(tmp_path, end)
    arrays = read_idx_folder(tmp_path)
    np.testing.assert_array_equal(arrays["x_train"], IMAGES)
    np.testing.assert_array_equal(arrays["y_test"], LABELS[:2])


def test_more_images_than_labels(tmp_path):
    write_folder(tmp_path, train_labels_idx1_ubyte=LABELS[:4])
    with pytest.raises(ValueError, match=r"labels.*: expected 6 labels, one for each.*, found 4"):
        read_idx_folder(tmp_path)


def test_test_images_of_another_size(tmp_path):
    write_folder(tmp_path, t10k_images_idx3_ubyte=IMAGES[:2, :2])
    with pytest.raises(ValueError, match="images of 4x3, as in the training part, found 2x3"):
        read_idx_folder(tmp_path)


def test_a_missing_file_is_named_and_the_dotted_name_is_found(tmp_path):
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte \(or .gz\), found an empty"):
        find_file(tmp_path, "train-images", "images")
    (tmp_path / "train-images.idx3-ubyte.gz").write_bytes(b"")
    assert find_file(tmp_path, "train-images", "images").name == "train-images.idx3-ubyte.gz"


def test_mnist_itself(mnist_folder):
    arrays = read_idx_folder(mnist_folder)
    assert arrays["x_train"].shape == (60000, 28, 28)
    for name, images in (
        ("x_train", True),
        ("y_train", False),
        ("x_test", True),
        ("y_test", False),
    ):
        array = arrays[name]
        header = bytes([0, 0, 8, 3 if images else 1]) + struct.pack(f">{array.ndim}I", *array.shape)
        assert hashlib.md5(header + array.tobytes()).hexdigest() == MD5[name]


def test_mnist_short_of_one_image(mnist_folder, tmp_path):
    content = gzip.decompress((mnist_folder / "train-images-idx3-ubyte.gz").read_bytes())
    path = tmp_path / "short"
    path.write_bytes(content[:-784])
    with pytest.raises(ValueError, match=r"60000 images of 28x28\), found 47039216"):
        read_idx(path, "images")
