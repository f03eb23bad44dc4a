"""Vector files: written and read back, and hostile ones refused (`docs/vectors.md`)."""

import itertools
import json
import time
import tracemalloc
import zipfile

import numpy as np
import pytest
from command import call
from corruptions import corruptions, pack

from bnn_ref import reference
from bnn_ref.likelihoods import Bernoulli, Categorical, Normal
from bnn_ref.verification.vectors import Vector, VectorError, make_question, read, write
from bnn_ref.verification.vectors.questions import new_question


def answer(seed=1, **options):
    question = new_question((4, 3, 2), rows=5, seed=seed, kl_weight=1.0, **options)
    result = reference.loss_and_gradients(
        question.network, question.parameters(), question.x, question.y, question.noise(), 1.0
    )
    return question.answer(result, "a test")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "good.npz"
    write(path, answer(bias="normal"))
    return path.read_bytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bias", ["none", "deterministic", "normal", "normal_flipped"])
@pytest.mark.parametrize("likelihood", [Categorical(), Bernoulli(), Normal(0.5)], ids=repr)
def test_read_returns_what_was_written(tmp_path, dtype, bias, likelihood):
    wrote = answer(dtype=dtype, bias=bias, likelihood=likelihood)
    write(tmp_path / "a.npz", wrote)
    found = read(tmp_path / "a.npz")
    assert found.meta == wrote.meta
    for mine, theirs in ((wrote.arrays, found.arrays), (wrote.results, found.results)):
        assert set(mine) == set(theirs)
        for name in mine:
            np.testing.assert_array_equal(mine[name], theirs[name], strict=True)


def test_numpy_reads_it_without_pickle_and_its_meta_is_the_specifications(tmp_path):
    write(tmp_path / "a.npz", answer(bias="normal", priors=(0.0, 1.0)))
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        meta = json.loads(file["meta"].item())
        assert file["meta"].shape == ()
        assert file["layers.0.sign_input"].shape == (5, 4)
        assert file["layers.1.bias_eps"].shape == (2,)
        assert file["grad.layers.0.bias_rho"].shape == (3,)
        assert file["y"].dtype.kind in "iu"
    assert meta["format"] == "bnn-ref-vectors"
    assert meta["version"] == 1
    assert meta["layers"][0] == {
        "type": "DenseFlipout",
        "units": 3,
        "activation": "relu",
        "scale_shift": float(np.finfo(float).eps),
        "kernel_prior": {"loc": 0.0, "scale": 1.0},
        "bias": "normal",
        "bias_prior": {"loc": 0.0, "scale": 1.0},
    }


def test_readers_in_other_languages_find_plain_zip_members_and_the_text_last(tmp_path):
    write(tmp_path / "a.npz", answer())
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        members = archive.infolist()
    assert members[-1].filename == "meta.npy"
    assert all(member.extract_version <= 20 and member.extra == b"" for member in members)


def test_the_same_vector_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / name, answer())
        time.sleep(0.01)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_question_holds_no_result(tmp_path):
    write(tmp_path / "q.npz", answer().question())
    found = read(tmp_path / "q.npz")
    assert found.results is None
    assert not any(name.startswith("grad") for name in np.load(tmp_path / "q.npz"))


def test_compressed_and_column_major_arrays_are_read(tmp_path, good):
    (tmp_path / "good.npz").write_bytes(good)
    with np.load(tmp_path / "good.npz") as file:
        arrays = {name: np.array(file[name], order="F") for name in file}
    (tmp_path / "other.npz").write_bytes(pack(arrays, zipfile.ZIP_DEFLATED))
    mine, theirs = read(tmp_path / "good.npz"), read(tmp_path / "other.npz")
    for name in mine.arrays:
        np.testing.assert_array_equal(mine.arrays[name], theirs.arrays[name], strict=True)


@pytest.mark.parametrize(
    ("likelihood", "value", "wanted"),
    [(Categorical(), 2, "class ids from 0 to 1"), (Categorical(), -1, "class ids from 0 to 1"),
     (Bernoulli(), 2, "0 or 1"), (Bernoulli(), -1, "0 or 1")],
)  # fmt: skip
def test_the_nearest_impossible_target_is_refused(likelihood, value, wanted):
    vector = answer(likelihood=likelihood).question()
    y = vector.y.copy()
    y[3] = value
    with pytest.raises(VectorError, match=f"^y: expected {wanted}, found {value}.* in row 3$"):
        Vector(vector.meta, {**vector.arrays, "y": y})


def test_a_result_that_is_not_finite_is_not_refused(tmp_path):
    vector = answer()
    write(tmp_path / "a.npz", vector.answer({**vector.results, "nll": np.nan}, "a test"))
    assert np.isnan(read(tmp_path / "a.npz").results["nll"])


def test_every_corrupted_file_is_refused(tmp_path, good, capsys, volume):
    """One line, exit 2, under a second and 200 MB each, for 200 and more; quickly an eighth."""
    count, least = 0, volume(25, 200)
    for name, made in itertools.islice(corruptions(good), 0, None, volume(8, 1)):
        path = tmp_path / "bad.npz"
        path.write_bytes(made())
        tracemalloc.start()
        start = time.process_time()
        found = call(capsys, "check", path)
        seconds = time.process_time() - start
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found.code == 2, (name, found)
        assert found.out == "", name
        assert found.err.count("\n") == 1, (name, found.err)
        assert found.err.startswith(f"{path}: refused: "), (name, found.err)
        assert found.err.isascii() or str(path) in found.err, name
        assert "\x1b" not in found.err, name
        assert len(found.err) < len(str(path)) + 300, name
        assert seconds < 1, (name, seconds)
        assert peak < 200e6, (name, peak)
        count += 1
    assert count >= least


def test_what_is_no_plain_file_is_refused(tmp_path, capsys):
    for path in (tmp_path, tmp_path / "absent.npz", "/dev/zero"):
        found = call(capsys, "check", path)
        assert found.code == 2
        assert found.err.count("\n") == 1


def test_a_file_above_the_readers_limit_is_refused(tmp_path, good, capsys):
    (tmp_path / "good.npz").write_bytes(good)
    assert call(capsys, "check", tmp_path / "good.npz").code == 0
    found = call(capsys, "check", "--max-bytes", "5000", tmp_path / "good.npz")
    assert found.code == 2
    assert "at most 5,000 bytes" in found.err


def test_a_learned_scale_is_no_part_of_version_1():
    network = answer(likelihood=Normal(1.0)).network
    learned = type(network)(network.layers, Normal(1.0, learn_scale=True))
    base = answer(likelihood=Normal(1.0))
    made = (learned, learned.init(1, "float64"), base.x, base.y, base.noise(), 1.0)
    with pytest.raises(VectorError, match="likelihood"):
        make_question(*made, version=1)
    assert make_question(*made).version == 2


def test_a_vector_of_wrong_shape_cannot_be_made():
    vector = answer()
    with pytest.raises(VectorError, match=r"layers\.0\.kernel_mu: expected shape \(4, 3\)"):
        Vector(vector.meta, {**vector.arrays, "layers.0.kernel_mu": np.zeros((3, 4))})


def test_writing_leaves_nothing_behind_when_it_fails(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        write(tmp_path / "absent" / "a.npz", answer())
    assert list(tmp_path.iterdir()) == []


def test_commands_make_answer_and_check(tmp_path, capsys):
    question, answered = tmp_path / "q.npz", tmp_path / "a.npz"
    made = call(capsys, "vectors", "new", "--layers", "6,4,3", "--activation", "tanh",
                "--bias", "normal", "--likelihood", "normal", "--scale", "0.5", "--batch", "7",
                "--dtype", "float32", "--seed", "3", "-o", question)  # fmt: skip
    assert made.code == 0, made
    assert read(question).meta["likelihood"] == {"type": "normal", "scale": 0.5}
    assert call(capsys, "vectors", "answer", question, "-o", answered, "--with", "numpy").code == 0
    assert "numpy back end" in read(answered).meta["source"]
    found = call(capsys, "check", answered)
    assert found.code == 0
    assert "agrees: 15 tensors" in found.out
    assert call(capsys, "check", question).code == 2
    unknown = call(capsys, "vectors", "answer", question, "-o", answered, "--with", "theano")
    assert unknown.code == 2
    assert "numpy, numba, jax, torch, tfp, bayesian-torch" in unknown.err


@pytest.mark.parametrize("options", [["--layers", "4"], ["--layers", "4,x"], ["--batch", "0"],
                                     ["--likelihood", "poisson"], ["--dtype", "float16"],
                                     ["--prior", "0,-1"], ["--bias", "flipped"],
                                     ["--scale-shift", "-1"], ["--seed", "-1"]])  # fmt: skip
def test_a_bad_request_for_a_question_is_one_line(tmp_path, options, capsys):
    base = ["--layers", "4,3"] if options[0] != "--layers" else []
    found = call(capsys, "vectors", "new", *base, *options, "-o", tmp_path / "q.npz")
    assert found.code == 2
    assert found.err.count("\n") == 1
    assert not (tmp_path / "q.npz").exists()
