"""The page on priors: its example prints what stands behind each line; its names exist."""

import re
from pathlib import Path

from bnn_ref import priors

TEXT = (Path(__file__).parents[2] / "docs" / "priors.md").read_text(encoding="utf-8")


def test_the_example_prints_what_is_said(capsys):
    code = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)[1]
    exec(compile(code, "docs/priors.md", "exec"), {})
    said = re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)
    assert len(said) == 3
    assert capsys.readouterr().out.splitlines() == said


def test_every_prior_has_its_row():
    named = set(re.findall(r"^\| `(\w+)\(", TEXT, re.MULTILINE))
    assert named == {kind.__name__ for kind in priors.PRIORS.values()}
