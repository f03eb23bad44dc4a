"""Text from outside as it is shown: nothing that a terminal would obey, nothing without end."""

import pytest

from bnn_ref.border.text import one_line, show, show_name
from bnn_ref.errors import expected

# escape, bell, backspace, return, delete, next line, the C1 escape, direction, byte order, half
HOSTILE = "\x1b[31m\a\b\rX\x7f\x9b2J\u202e\u2066\ufeff\udcff"


def test_nothing_hostile_is_left():
    shown = one_line(HOSTILE)
    assert shown.isprintable()
    assert shown == r"\x1b[31m\x07\x08 X\x7f\x9b2J\u202e\u2066\ufeff\udcff"
    assert show(HOSTILE).isascii()
    assert show_name("a\x1b") == r"'a\x1b'"
    assert show_name("layers.0.kernel_mu") == "layers.0.kernel_mu"


@pytest.mark.parametrize("text", ["größe 5 µm", "列", "C:\\data", "a'b\"c"])
def test_what_is_harmless_stays(text):
    assert one_line(text) == text


def test_one_line_of_a_bounded_length_with_both_ends():
    assert one_line("a\n\n  b\tc\u2028d") == "a b c d"
    long = one_line("first" + "x" * 70_000 + "last")
    assert len(long) <= 1000
    assert long.startswith("firstx")
    assert long.endswith("xlast")
    assert one_line("x" * 1000) == "x" * 1000
    assert len(show("y" * 70_000)) <= 60
    assert one_line("x" * 30, 20) == "xxxxxxx ... xxxxxxx"


def test_every_message_is_shown_so():
    message = str(expected(f"column {HOSTILE}", HOSTILE, "z" * 70_000))
    assert message.isprintable()
    assert len(message) < 2100
    assert "\\x1b" in message
