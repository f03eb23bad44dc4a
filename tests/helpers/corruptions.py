"""Corrupted vector files: every rule of `docs/vectors.md` broken, on a good answer's arrays."""

import io
import json
import struct
import zipfile

import numpy as np

SIGNS = ("sign_input", "sign_output")


def pack(arrays, compression=zipfile.ZIP_STORED, pickle=False):
    """Return the bytes of an .npz archive of arrays (or, where a value is bytes, of those)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, value in arrays.items():
            if not isinstance(value, bytes):
                member = io.BytesIO()
                np.lib.format.write_array(member, np.asarray(value), allow_pickle=pickle)
                value = member.getvalue()
            archive.writestr(zipfile.ZipInfo(name + ".npy"), value, compression)
    return out.getvalue()


def header(shape, descr="<f8", text=None):
    """Return the bytes of a .npy header that promises a shape."""
    text = text or f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    text = text.encode() + b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def metas(meta):
    """Yield (name, text) of wrong JSON."""

    def changed(**changes):
        return json.dumps({**meta, **changes})

    layer = meta["layers"][0]

    def layered(**changes):
        return changed(layers=[{**layer, **changes}, *meta["layers"][1:]])

    for name in meta:
        yield f"no-{name}", json.dumps({k: v for k, v in meta.items() if k != name})
        yield f"null-{name}", changed(**{name: None})
    for name in layer:
        less = {k: v for k, v in layer.items() if k != name}
        yield f"layer-no-{name}", changed(layers=[less, *meta["layers"][1:]])
    yield "extra-key", changed(note="hello")
    yield "layer-extra-key", layered(note="hello")
    yield "format", changed(format="vectors")
    yield "version", changed(version=2)
    yield "version-true", changed(version=True)
    yield "dtype", changed(dtype="float16")
    yield "no-layers", changed(layers=[])
    yield "layers-object", changed(layers={"0": layer})
    yield "many-layers", changed(layers=[layer] * 2000)
    yield "type", layered(type="Dense")
    for units in (0, -1, 2.5, True, "4", 10**12, 10**400):
        yield f"units-{str(units)[:6]}", layered(units=units)
    yield "activation", layered(activation="swish")
    yield "bias", layered(bias="flipped")
    yield "shift-negative", layered(scale_shift=-1e-3)
    yield "shift-text", layered(scale_shift="0")
    yield "prior-scale", layered(kernel_prior={"loc": 0, "scale": 0})
    yield "prior-keys", layered(kernel_prior={"loc": 0, "scale": 1, "df": 3})
    yield "prior-list", layered(kernel_prior=[0, 1])
    yield "bias-prior-null", layered(bias_prior=None)
    yield "bias-prior-extra", layered(bias="deterministic")
    yield "likelihood", changed(likelihood={"type": "poisson"})
    yield "likelihood-extra", changed(likelihood={"type": "categorical", "scale": 1})
    yield (
        "likelihood-learned",
        changed(likelihood={"type": "normal", "scale": 1.0, "learn_scale": True}),
    )
    yield "kl-weight-nan", changed(kl_weight=float("nan"))
    yield "kl-weight-infinite", changed(kl_weight=float("inf"))
    yield "kl-weight-huge", json.dumps(meta).replace('"kl_weight": 1.0', '"kl_weight": 1e999')
    yield (
        "kl-weight-digits",
        json.dumps(meta).replace('"kl_weight": 1.0', '"kl_weight": 1' + "0" * 6000),
    )
    yield "twice", json.dumps(meta)[:-1] + ', "version": 1}'
    yield "empty", ""
    yield "list", "[]"
    yield "deep", "[" * 100_000
    yield "half", json.dumps(meta)[:40]
    yield "escape", json.dumps({**meta, "\x1b[31m\n": 1})


def packed(*arguments, **options):
    """Return a function that packs: a test that leaves most files out need not make them."""
    return lambda: pack(*arguments, **options)


def corruptions(good):
    """Yield (name, function that returns the bytes) of files made from those of a good answer."""
    for name, data in _corruptions(good):
        yield name, data if callable(data) else lambda data=data: data


def _corruptions(good):
    """Yield (name, bytes or such a function)."""
    with np.load(io.BytesIO(good)) as file:
        arrays = dict(file)
    meta = json.loads(arrays["meta"].item())
    for cut in np.linspace(0, len(good) - 1, 40).astype(int):
        yield f"truncated-{cut}", good[:cut]
    for name, text in metas(meta):
        yield f"meta-{name}", packed({**arrays, "meta": np.array(text)})
    yield "meta-bytes", packed({**arrays, "meta": np.array(json.dumps(meta).encode())})
    yield "meta-1d", packed({**arrays, "meta": np.array([json.dumps(meta)])})
    yield "meta-large", packed({**arrays, "meta": np.array(json.dumps(meta) + " " * 2**19)})
    yield (
        "meta-surrogate",
        packed({**arrays, "meta": header("()", "<U1") + struct.pack("<I", 0x7FFFFFFF)}),
    )
    tensors = [name for name in arrays if name not in ("meta", "y")]
    inputs = [name for name in tensors if "grad" not in name
              and name.rpartition(".")[2] not in ("outputs", "nll", "kl", "loss")]  # fmt: skip
    for name in arrays:
        yield f"missing-{name}", packed({k: v for k, v in arrays.items() if k != name})
    for name in tensors:
        value = arrays[name]
        yield f"shape-{name}", packed({**arrays, name: np.zeros((*value.shape, 2))})
        yield f"big-endian-{name}", packed({**arrays, name: value.astype(">f8")})
        yield f"objects-{name}", packed({**arrays, name: value.astype(object)}, pickle=True)
    for name in tensors[::3]:
        yield f"float32-{name}", packed({**arrays, name: arrays[name].astype(np.float32)})
        yield f"structured-{name}", packed({**arrays, name: np.zeros(2, [("a", "<f8")])})
        at = good.index(f"{name}.npy".encode()) + len(name) + 134  # ending, header
        yield f"flipped-{name}", good[:at] + bytes([good[at] ^ 0x40]) + good[at + 1 :]
    for name in inputs:
        for bad in (np.nan, np.inf):
            value = arrays[name].copy()
            value.flat[-1] = bad
            yield f"{bad}-{name}", packed({**arrays, name: value})
        if name.endswith(SIGNS):
            for bad in (0.0, 0.5, -1.0000000000000002):
                value = arrays[name].copy()
                value.flat[0] = bad
                yield f"sign-{bad}-{name}", packed({**arrays, name: value})
    for bad in (-1, 2, 10**6):
        yield f"label-{bad}", packed({**arrays, "y": np.full_like(arrays["y"], bad)})
    yield "label-float", packed({**arrays, "y": arrays["y"].astype(float)})
    yield "rows-0", packed({**arrays, "x": arrays["x"][:0]})
    for name in ("extra", "layers.9.kernel_mu", "\x1b[2J\n", "x" * 5000, "../../x"):
        yield f"extra-{name[:5]!r}", packed({**arrays, name: np.zeros(2)})
    yield "question-and-loss", packed({k: arrays[k] for k in [*inputs, "y", "meta", "loss"]})
    yield "question", packed({k: arrays[k] for k in [*inputs, "y", "meta"]})
    yield from _archives(good, arrays)


def _archives(good, arrays):
    """Yield files that are wrong as archives, bombs among them."""

    def bomb(compression, entries=2**25, size=2**28 + 128):
        x = (header((entries,)) + bytes(2**28))[:size]
        return pack({**arrays, "x": x}, compression)

    yield "bomb", lambda: bomb(zipfile.ZIP_DEFLATED)
    yield "bomb-shape", lambda: bomb(zipfile.ZIP_DEFLATED, 2**23, 2**26 + 128)
    yield "bomb-bzip2", lambda: bomb(zipfile.ZIP_BZIP2, size=2**24)
    yield "bomb-lzma", lambda: bomb(zipfile.ZIP_LZMA, size=2**24)
    at = good.index(b"PK\x01\x02") + 24
    for size in (0, 1, 2**26, 2**31 - 1, 2**32 - 1):
        yield f"claims-{size}", good[:at] + struct.pack("<I", size) + good[at + 4 :]
    for shape in ("(2**60,)", "(-1, 4)", "(5, 4", "(5.0, 4)", "5", "(10**30, 0)", f"{(1,) * 40}"):
        yield f"header-shape-{shape[:8]}", packed({**arrays, "x": header(shape)})
    for descr in ("|O", "|V8", "<f2", "<c16", "<M8[ns]", "f8,f8", "<U999999999999", "<f800"):
        yield f"header-descr-{descr}", packed({**arrays, "x": header((5, 4), descr)})
    yield "header-call", packed({**arrays, "x": header(0, text="__import__('os').getpid()")})
    yield "header-deep", packed({**arrays, "x": header(0, text="(" * 5000)})
    yield "header-length", packed({**arrays, "x": b"\x93NUMPY\x02\x00\xff\xff\xff\xff"})
    yield "header-none", packed({**arrays, "x": b"hello"})
    yield "header-empty", packed({**arrays, "x": b""})
    yield "names", packed({f"m{i}": b"" for i in range(5000)})
    yield "twice", lambda: _twice(arrays)
    yield "folder", good.replace(b"x.npy", b"x/npy")
    yield "html", b"<!DOCTYPE html><title>Not found</title>"
    yield "prefixed", b"hello" + good
    yield "empty", b""
    yield "zeros", bytes(5000)
    encrypted = bytearray(good)
    at = good.index(b"PK\x01\x02") + 8
    encrypted[at] |= 1
    yield "encrypted", bytes(encrypted)


def _twice(arrays):
    out = io.BytesIO(pack(arrays))
    with zipfile.ZipFile(out, "a") as archive:
        archive.infolist().clear()
        archive.NameToInfo.clear()
        archive.writestr("x.npy", b"hello")
        archive.filelist = [*zipfile.ZipFile(io.BytesIO(pack(arrays))).infolist(),
                            *archive.filelist]  # fmt: skip
    return out.getvalue()
