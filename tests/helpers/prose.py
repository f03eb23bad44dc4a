"""The measured numbers in a page's running text, and which of them no traced phrase holds."""

import re

_BLOCK = re.compile(r"^(```+|:::+).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
_UNIT = r"(?= ?(?:%|s\b|ms\b|us\b|MB\b|GB\b|GF/s|minutes|seconds|times\b|units of its last))"
NUMBER = re.compile(
    rf"(?<![\w.])[-+]?(?:\d*\.\d+(?:e-?\d+)?|\d+e-?\d+|\d[\d,]*{_UNIT})(?![\w.]*\d)"
)


def prose(text):
    """Return a page's running text on one line: no code, formulas, tables, links or comments."""
    text = re.sub(r"\A---\n.*?^---\n", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^ {4,}\S.*$", "", _BLOCK.sub("", text), flags=re.MULTILINE)
    text = re.sub(r"<!--.*?-->|<img [^>]*>|\$\$.*?\$\$|\$[^$\n]*\$", "", text, flags=re.DOTALL)
    text = re.sub(r"^\|.*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return " ".join(text.split())


def plain(words):
    """Return words without what is in back quotes, as settings and file names are."""
    return re.sub(r"`[^`]*`", "``", words)


def untraced(text, phrases):
    """Return (phrases that the page does not say, its numbers that stand in none of them).

    Parameters
    ----------
    text : str
        A page in Markdown.
    phrases : iterable of str
        Each as the page has it; white space counts as one blank.
    """
    rest, missing = prose(text), []
    for phrase in sorted(phrases, key=len, reverse=True):
        words = prose(phrase)
        if words not in rest:
            missing.append(words)
        rest = rest.replace(words, "``")
    rest = plain(rest)
    return missing, [rest[max(0, m.start() - 30) : m.end() + 20] for m in NUMBER.finditer(rest)]
