"""The site: `python -m sphinx -W -b html docs docs/_build/html` (the extra `docs`)."""

import sys
from importlib.util import find_spec
from pathlib import Path

import bnn_ref

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "bnn_ref"
author = "the bnn_ref developers"
copyright = "the bnn_ref developers, Apache-2.0"
version = release = bnn_ref.__version__

extensions = [
    "crossings",
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx-mathjax-offline",  # bundles MathJax: the site asks nothing of a network
    "sphinx.ext.viewcode",
    "sphinx_design",
]
exclude_patterns = ["_build", "verify", "readers/*/node_modules", "readers/*/target"]
source_suffix = {".md": "myst-nb", ".rst": "restructuredtext"}
myst_enable_extensions = ["colon_fence", "dollarmath", "amsmath", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_timeout = 240
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_output_stderr = "remove"  # "compiling kernels", and where on this machine a warning arose
nb_code_prompt_show = "Show the solution"
nb_code_prompt_hide = "Hide the solution"
numpydoc_show_class_members = False
autosummary_generate = True
autodoc_mock_imports = [name for name in ("torch",) if find_spec(name) is None]
autodoc_typehints = "none"  # numpydoc's sections say them, with shapes
autodoc_member_order = "bysource"
MADE_BY_SKLEARN = ("fit", "partial_fit", "predict", "predict_proba", "score")  # documented there
autodoc_default_options = {
    "exclude-members": ", ".join(f"set_{method}_request" for method in MADE_BY_SKLEARN)
}
suppress_warnings = ["mystnb.unknown_mime_type", "myst.header", "misc.highlighting_failure"]

html_theme = "pydata_sphinx_theme"
html_title = "bnn_ref"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
HERE = Path(__file__).parent
WIDE = ["libraries", "programs", *(
    path.relative_to(HERE).with_suffix("").as_posix() for path in HERE.glob("bench/**/*.md")
)]  # fmt: skip
html_theme_options = {
    "show_toc_level": 2,
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": {  # pages of one wide table have its room instead
        "**": ["page-toc", "sourcelink"],
        **{page: [] for page in WIDE},
    },
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
ALONE = ("index", "derivation", "failures", "libraries", "limits", "objective", "pieces", "start",
         "vectors", "verify")  # fmt: skip
html_sidebars = {page: [] for page in ALONE}  # without pages below them
linkcheck_ignore = [r"https://doi\.org/.*", r"https?://.*"]  # the build has no network


def give_sources_a_section(app, what, name, obj, options, lines):
    """Part a closing "Source:" from the section before it, to which numpydoc would add it."""
    start = next((k for k, line in enumerate(lines) if line.startswith("Source: ")), None)
    if start is not None and what != "module":  # whose text has no sections
        lines[start:start] = ["References", "----------"]


def setup(app):
    """Connect what is of this site alone; before numpydoc, whose priority is 500."""
    app.connect("autodoc-process-docstring", give_sources_a_section, priority=100)
