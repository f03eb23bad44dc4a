"""What `setup.cfg` cannot say: a description whose links work on an index page too."""

import configparser
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
LINK = re.compile(r"""(\]\(|(?:src|href)=")(?!https?:|#|mailto:)""")


def description():
    """Return the README with every link to a file of the repository made absolute."""
    config = configparser.ConfigParser()
    config.read(HERE / "setup.cfg", "utf-8")
    lines = config["metadata"]["project_urls"].strip().splitlines()
    urls = dict(line.split(" = ") for line in lines)
    text = (HERE / "README.md").read_text("utf-8")
    return LINK.sub(lambda found: f"{found[1]}{urls['Homepage']}/", text)


if __name__ == "__main__":
    from setuptools import setup

    setup(long_description=description())
