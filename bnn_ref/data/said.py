"""What is told about data that were read, a line each: how they were taken, how to ask for else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .cells import is_number, some

if TYPE_CHECKING:
    from .columns import Table
    from .dataset import Dataset
    from .reading import Reading

SEPARATORS = {"\t": "a tab", " ": "white space"}


def say_task(dataset: Dataset) -> str | None:
    """Return the line that says as what the target was taken, and how to ask for the other.

    Parameters
    ----------
    dataset : Dataset
    """
    encoding = dataset.encoding
    name = "targets" if encoding.target is None else f"target {encoding.target}"
    classes, other = encoding.classes, encoding.targets.instead
    if classes is None:
        return f"{name}: {encoding.targets.describe(dataset.outputs)} ({other})"
    if not all(is_number(name) for name in classes):
        other = "some are text, so no likelihood takes them as numbers"
    return f"{name}: {len(classes)} classes, {some(classes)} ({other})"


def say_columns(table: Table, reading: Reading) -> list[str]:
    """Return the lines that say which rows and columns of a text table were read, and which not.

    Parameters
    ----------
    table : Table
    reading : Reading
    """
    layout, shape = table.layout, table.shape
    encoded = [f"{name} ({len(values)} values)" for name, values in layout.levels.items()]
    words = f"columns: inputs {some(layout.columns)}" + (f", {table.how}" if table.how else "")
    if encoded:
        words += f"; one-hot encoded {some(encoded)}"
    lines = [words]
    for why in dict.fromkeys(table.left.values()):
        names = [name or "the first, without a name"
                 for name, reason in table.left.items() if reason == why]  # fmt: skip
        lines[0] += f"; {why}: {some(names)}"
    if table.dropped:
        lines[0] += f"; {table.dropped} rows left out for a missing cell"
    between = SEPARATORS.get(shape.separator, repr(shape.separator))
    if reading.header is None and shape.header is None:
        lines.append(f"first line: a row of numbers (--header yes takes names from it); {between} "
                     "between cells")  # fmt: skip
    elif reading.header is None:
        lines.append(f"first line: names (--header no takes it as a row); {between} between cells")
    return lines
