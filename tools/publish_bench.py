"""Writes what the bench's results say into the documents that show them.

``python tools/publish_bench.py``: `docs/bench/tables.md` from every JSON file beside it (that of
``python -m bench calibrate`` is `ruler.json`), the two lines of the README from the newest runs of
the machine of the newest step, and `docs/bench/processors.md` from the files in `processors/`, runs
of a machine with all of its vectors and with half of them, with near and with far cores. With
``--check`` it writes nothing and fails where a document says something else (a test runs that).
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
FOLDER = ROOT / "docs" / "bench"
RULER = FOLDER / "ruler.json"
HALVED = """\
# AVX-512 and AVX2 code on the same machine

These processors have AVX-512. For the rows called AVX2 everybody was held to half of it:
`NUMBA_CPU_NAME=haswell` and `NUMBA_CPU_FEATURES=+sse2,+sse4.2,+avx,+avx2,+fma,+bmi,+bmi2` for
Numba, `XLA_FLAGS=--xla_cpu_max_isa=AVX2` for JAX, `ATEN_CPU_CAPABILITY=avx2`,
`MKL_ENABLE_INSTRUCTIONS=AVX2`, `ONEDNN_MAX_CPU_ISA=AVX2` for PyTorch, `OPENBLAS_CORETYPE=Haswell`.
That shows the code, not a machine without AVX-512: clock, caches and memory are the same ones.

"""
BLOCK = re.compile(r"(<!-- two lines of [^\n]*-->\n)(.*?)(<!-- end -->)", re.DOTALL)


def newest_first(folder=FOLDER):
    """Return the documents of results in a folder, the newest first."""
    from bench import results

    documents = [results.read(path) for path in folder.glob("*.json") if path != RULER]
    return sorted(documents, key=lambda document: document["started"], reverse=True)


def current(documents):
    """Return the documents without each bench that a newer one of the same machine has as well.

    A newer one replaces it if it has as many contenders; `documents`: the newest first.
    """
    from bench.machines import label

    most, kept = {}, []
    for document in documents:
        benches = {}
        for name, measured in document["benches"].items():
            place = label(document["machine"]), name
            count = len({cell["contender"] for cell in measured.get("cells", [])})
            if count > most.get(place, -1):
                benches[name], most[place] = measured, count
        if benches:
            kept.append({**document, "benches": benches})
    return kept


def tables(documents):
    """Return `tables.md`."""
    from bench.summary import summarize

    return "# Tables\n\n" + "\n".join(summarize(documents)) + "\n\n" + ruler() + peers()


def ruler():
    """Return what the ruler's own measurement said, "" before there was one."""
    if not RULER.exists():
        return ""
    from bench.calibrate import table

    text = table(json.loads(RULER.read_text("utf-8"))).markdown()
    return text.replace("### ", "## ", 1) + "\n"


def peers():
    """Return the contenders, the form that each stands for, and what was tried."""
    from bench.contenders import CONTENDERS

    lines = [
        "## Contenders",
        "",
        "Figures are times over the form named, on two cores without AVX-512.",
        "",
        "| contender | form | what was tried |",
        "| :--- | :--- | :--- |",
    ]
    lines += [f"| {entry.title} | {entry.form} | {entry.tried} |" for entry in CONTENDERS.values()]
    return "\n".join(lines) + "\n"


def apart(documents):
    """Return the tables of steps with near and with far cores, of the runs in which they moved."""
    from bench.distance import distance_table
    from bench.machines import label

    found = [(label(document["machine"]), distance_table(document["benches"]["step"]["cells"]))
             for document in documents if "step" in document["benches"]]  # fmt: skip
    return "".join(f"\n#{table._replace(title=f'{table.title}: {name}').markdown()[2:]}"
                   for name, table in found if table)  # fmt: skip


def readme(documents, text):
    """Return the README's text with the two lines of the newest results that have a step."""
    from bench.machines import label
    from bench.summary import two_lines

    newest = next(document for document in documents if "step" in document["benches"])
    where, benches = label(newest["machine"]), {}
    for document in documents:
        if label(document["machine"]) == where:
            benches |= document["benches"]
    lines = "\n\n".join(two_lines({**newest, "benches": benches}))
    return BLOCK.sub(lambda match: f"{match[1]}{lines}\n{match[3]}", text)


def main(arguments):
    """Write the documents, or check them; return the exit code."""
    from bench.summary import summarize

    documents = current(newest_first())
    both = newest_first(FOLDER / "processors")
    places = {
        FOLDER / "tables.md": tables(documents),
        FOLDER / "processors.md": HALVED + "\n".join(summarize(both)) + "\n" + apart(both),
        ROOT / "README.md": readme(documents, (ROOT / "README.md").read_text("utf-8")),
    }
    stale = [
        path
        for path, text in places.items()
        if not path.exists() or path.read_text("utf-8") != text
    ]
    if arguments == ["--check"]:
        for path in stale:
            print(f"{path.name}: not what the results say; run tools/publish_bench.py")
        return bool(stale)
    for path in stale:
        path.write_text(places[path], "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
