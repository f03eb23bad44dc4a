"""The options that say how a text table or an npz is read: the same for every command."""

from ..errors import expected

OPTIONS = {
    "header": ("yes|no", "whether a text table's first line names its columns (default: as it "
               "looks, and what was taken is printed)"),
    "separator": ("CHAR", "what divides its cells: one character, tab or space (any white space); "
                  "default as it looks"),
    "decimal": (".|,", "what divides a number's digits (default .)"),
    "missing": ("WORD,WORD", "words of a missing cell, beside the empty one (default "
                "NA,N/A,NaN,nan,null,?)"),
    "missing_rows": ("refuse|drop", "what becomes of a row with a missing cell (default refuse)"),
    "categorical": ("NAME,NAME|all", "input columns of text, one-hot encoded"),
    "drop": ("NAME,NAME", "columns that are no inputs"),
    "index": ("yes|no", "whether a first column without a name is an input (default no)"),
    "arrays": ("x=NAME,y=NAME", "names that an npz has for x, y, x_test and y_test"),
}  # fmt: skip
WORDS = {"header": ("yes", "no"), "index": ("yes", "no"), "decimal": (".", ","),
         "missing_rows": ("refuse", "drop")}  # fmt: skip
OF_INPUTS = ("categorical", "drop", "index")  # what a trained run cannot read otherwise


def option(name):
    """Return a setting's name as an option."""
    return "--" + name.replace("_", "-")


def numbers(text, kind, thing):
    """Return the numbers of a text with commas, each made by a kind, or raise a `ValueError`."""
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError:
        raise expected(thing, "numbers with commas", repr(text)) from None


def add_reading(parser):
    """Add the options; what is not given is None."""
    group = parser.add_argument_group("how a text table or an npz is read (docs/tables.md)")
    for name, (metavar, text) in OPTIONS.items():
        words = {"choices": WORDS[name]} if name in WORDS else {}
        group.add_argument(option(name), metavar=metavar, help=text, **words)


def given_reading(args, source):
    """Return the settings that were given, after checking that the data have a use for them.

    Raises
    ------
    ValueError
        For one that says nothing about data of this kind, or whose text cannot be read.
    """
    from ..data import Reading, kind_of

    given = {name: getattr(args, name) for name in OPTIONS if getattr(args, name) is not None}
    if given and source is None:
        raise expected(option(min(given)), "--data PATH with it", "none")
    if given:
        kind = kind_of(source)
        for name in given:
            if (kind == "npz") != (name == "arrays") or kind not in ("npz", "table"):
                wanted = "an npz" if name == "arrays" else "a text table"
                raise expected(option(name), f"{wanted} to read", source)
        Reading.from_settings(given)
    return given


def reading_of(args, source, settings, run):
    """Return the `Reading` of a command on a trained run: as it recorded, or as given.

    Raises
    ------
    ValueError
        As `given_reading`; also for other inputs than the run was trained on.
    """
    from ..data import Reading

    given = given_reading(args, source)
    for name in OF_INPUTS:
        if name in given and given[name] != settings.get(name):
            wanted = f"{settings.get(name) or 'none'}, as {run} records"
            raise expected(option(name), wanted, given[name])
    return Reading.from_settings({**settings, **given})
