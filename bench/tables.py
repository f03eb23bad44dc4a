"""Tables, for the terminal and as Markdown, and how numbers are written in them."""

from typing import NamedTuple


class Table(NamedTuple):
    """A title, a header, rows of strings, and lines of notes below."""

    title: str
    header: list
    rows: list
    notes: list

    def text(self):
        """Return the table for a terminal: columns aligned, numbers to the right."""
        lines = [self.title, "=" * len(self.title)]
        if self.rows:
            widths = [max(map(len, column)) for column in zip(self.header, *self.rows, strict=True)]
            left = [not _is_number(row) for row in zip(*self.rows, strict=True)]
            for row in [self.header, ["-" * width for width in widths], *self.rows]:
                cells = [
                    cell.ljust(width) if is_left else cell.rjust(width)
                    for cell, width, is_left in zip(row, widths, left, strict=True)
                ]
                lines.append("  ".join(cells).rstrip())
        return "\n".join(lines + [f"  {note}" for note in self.notes]) + "\n"

    def markdown(self):
        """Return the table as Markdown."""
        lines = [f"### {self.title}", ""]
        if self.rows:
            left = [not _is_number(row) for row in zip(*self.rows, strict=True)]
            rule = [":---" if is_left else "---:" for is_left in left]
            lines += ["| " + " | ".join(row) + " |" for row in [self.header, rule, *self.rows]]
            lines.append("")
        return "\n".join(lines + [f"- {note}" for note in self.notes]) + "\n"


def _is_number(cells):
    return all(cell[:1].isdigit() or cell[:1] in "-+" or not cell for cell in cells)


def seconds(value):
    """Return a time in the unit that suits it, three digits: "1.28 ms"."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if abs(value) >= size or unit == "µs":
            return f"{value / size:#.3g} {unit}".replace(". ", " ")
    raise AssertionError


def ratio(comparison):
    """Return a ratio with its interval: "3.20 [3.11, 3.30]"."""
    return f"{comparison.ratio:.2f} [{comparison.low:.2f}, {comparison.high:.2f}]"


def percent(value):
    """Return a share as "3.0 %"."""
    return f"{100 * value:.1f} %"


def megabytes(value):
    """Return bytes as "245 MB"."""
    return f"{value / 1e6:.0f} MB"
