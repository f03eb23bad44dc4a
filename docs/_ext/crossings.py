"""Links that the text does not have to write: equations by number, code and tests by name.

In the site's pages "(E5)" or "E9 to E15" leads to the derivation's equation, and `bnn_ref.x.y`,
`tests/x.py::test_y` or the path of a source file to its line in a page made of that file. The
Markdown stays what a reader of the repository sees.
"""

import ast
import re
from pathlib import Path

from docutils import nodes
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform

ROOT = Path(__file__).parents[2]
NUMBER = re.compile(r"\bE(\d+)\b")
HEAD = re.compile(r"\(E(\d+)\)")
CODE = re.compile(r"bnn_ref(?:\.\w+)+")
FILE = re.compile(r"((?:bnn_ref|kernels|tests|bench|tools|docs)/[\w./]+\.py)(?:::(\w+))?")
HOMES = {0: "objective"}  # every other equation is the derivation's


class Anchors(SphinxTransform):
    """Give a paragraph that begins with a bold "(E5)" the anchor ``e5``; keep equations' tags."""

    default_priority = 500

    def apply(self):
        """Set the anchors of one page."""
        for strong in self.document.findall(nodes.strong):
            head = HEAD.fullmatch(strong.astext())
            if head and strong.parent.astext().startswith(head[0]):
                strong.parent["ids"].append(f"e{head[1]}")
        for math in self.document.findall(nodes.math_block):
            words = math.astext()
            if "\\tag" in words and r"\\" in words:  # Sphinx would split it, which takes no tag
                math["nowrap"] = math["no-wrap"] = True
                math.children = [nodes.Text(rf"\begin{{equation*}}{words}\end{{equation*}}")]


class Crossings(SphinxPostTransform):
    """Turn numbers of equations and names of code into links."""

    default_priority = 900
    formats = ("html",)

    def run(self):
        """Link the words of one page."""
        here = self.env.docname
        for text in list(self.document.findall(nodes.Text)):
            inside = text.parent
            if isinstance(inside, (nodes.paragraph, nodes.list_item, nodes.entry)):
                self._numbers(text, here)
        for literal in list(self.document.findall(nodes.literal)):
            if isinstance(literal.parent, nodes.reference):
                continue
            place = place_of(literal.astext())
            if place:
                self.env.crossings_files.add(place[0])
                link = f"{page_name(place[0])}"
                target = self.app.builder.get_relative_uri(here, link) + f"#L-{place[1]}"
                wrap(literal, target)

    def _numbers(self, text, here):
        words, parts, end = text.astext(), [], 0
        for found in NUMBER.finditer(words):
            home = HOMES.get(int(found[1]), "derivation")
            base = "" if home == here else self.app.builder.get_relative_uri(here, home)
            link = nodes.reference("", found[0], internal=True, refuri=f"{base}#e{found[1]}")
            parts += [nodes.Text(words[end : found.start()]), link]
            end = found.end()
        if parts:
            text.parent.replace(text, [*parts, nodes.Text(words[end:])])


def wrap(literal, target):
    """Put a link around a literal."""
    link = nodes.reference("", "", internal=True, refuri=target)
    literal.parent.replace(literal, link)
    link += literal


def place_of(words):
    """Return (file, line) of what a literal names, or None."""
    found = FILE.fullmatch(words)
    if found and (ROOT / found[1]).is_file():
        return found[1], line_of(found[1], [found[2]] if found[2] else [])
    if not CODE.fullmatch(words):
        return None
    parts = words.split(".")
    for length in range(len(parts), 0, -1):
        base = "/".join(parts[:length])
        for file in (f"{base}.py", f"{base}/__init__.py"):
            if (ROOT / file).is_file():
                return file, line_of(file, parts[length:])
    return None


def line_of(file, names):
    """Return the line where a function, class or method of a file begins, 1 without names."""
    body, line = ast.parse((ROOT / file).read_text("utf-8")).body, 1
    for name in names:
        node = next((one for one in body if getattr(one, "name", None) == name), None)
        if node is None:
            break
        line, body = node.lineno, getattr(node, "body", [])
    return line


def page_name(file):
    """Return the name of the page that shows a file."""
    return "_code/" + file.removesuffix(".py").replace("/", "-")


def code_pages(app):
    """Yield a page for each file that a page names: its lines, each with an anchor."""
    formatter = HtmlFormatter(lineanchors="L", cssclass="highlight code-page", wrapcode=True)
    for file in sorted(app.env.crossings_files):
        shown = highlight((ROOT / file).read_text("utf-8"), PythonLexer(), formatter)
        body = f"<h1><code>{file}</code></h1>{shown}"
        yield page_name(file), {"title": file, "body": body}, "page.html"


def begin(app, env, *_):
    """Forget nothing of an earlier build: pages that were not read again still link."""
    env.crossings_files = getattr(env, "crossings_files", set())


def setup(app):
    """Join the transforms and the pages to the build."""
    app.add_transform(Anchors)
    app.add_post_transform(Crossings)
    app.connect("env-before-read-docs", begin)
    app.connect("html-collect-pages", code_pages)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": False}
