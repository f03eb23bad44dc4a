"""What the packages promise: versions that CI installs, files that both commands need."""

import configparser
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def config():
    found = configparser.ConfigParser()
    found.read(ROOT / "setup.cfg", "utf-8")
    return found


def bounds(text):
    """Return name to lowest version of requirements, one a line."""
    return dict(re.findall(r"^([\w-]+)(?:\[\w+\])?>=([\d.]+)$", text, re.MULTILINE))


def same(a, b):
    """Return whether two versions are equal but for zeros at the end."""
    return re.sub(r"(\.0)+$", "", a) == re.sub(r"(\.0)+$", "", b)


def test_ci_installs_the_lowest_version_of_everything(config):
    extras = config["options.extras_require"]
    asked = bounds(config["options"]["install_requires"])
    for extra in ("plot", "progress", "sklearn", "sweep", "tables", "all", "test"):
        asked |= bounds(extras[extra])
    text = (ROOT / ".ci" / "lowest.txt").read_text("utf-8")
    pinned = dict(re.findall(r"^([\w-]+)==([\d.]+)$", text, re.MULTILINE))
    assert set(pinned) - {"distributed"} == set(asked)
    assert [name for name in asked if not same(asked[name], pinned[name])] == []


def test_every_package_of_the_sources_is_listed(config):
    listed = set(config["options"]["packages"].split())
    folders = {"bnn_ref": "bnn_ref", "kernels": "bnn_ref.kernels", "bench": "bnn_ref.bench"}
    found = {
        ".".join([package, *path.parent.relative_to(ROOT / folder).parts])
        for folder, package in folders.items()
        for path in (ROOT / folder).rglob("__init__.py")
    }
    assert found == listed


def test_the_digits_licence_is_declared(config):
    metadata = config["metadata"]
    assert metadata["license_expression"] == "Apache-2.0 AND CC-BY-4.0"
    for name in metadata["license_files"].split():
        assert (ROOT / name).is_file()
    assert "by/4.0" in (ROOT / "bnn_ref/data/digits.LICENSE.txt").read_text("utf-8")
