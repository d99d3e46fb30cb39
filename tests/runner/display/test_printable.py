"""The output of a Step cannot affect the terminal except by colouring its own line."""

import random
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.runner.display.printable import RESET, printable, printable_lines


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a\tb", "a\tb"),
        ("\x1b[2J\x1b[1;1Hgone?", "gone?"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;never ended", ""),
        ("\x1bP1$r0m\x1b\\text", "text"),
        ("\x9b2Jtext\x07\x08", "text\\x07\\x08"),
        ("\x1b(Btext\x1bc\x1b", "text"),
        ("\x1b[?25lbar\x1b[K", "bar"),
        ("if admin\u202e\u2066 // no", "if admin\\u202e\\u2066 // no"),
        ("\u061c\u200e\u200f\u202a\u2069 \u2028 \x00", "\\u061c\\u200e\\u200f\\u202a\\u2069 \\u2028 \\x00"),
    ],
)
def test_control_sequences_are_removed_and_hidden_characters_shown(text, plain):
    assert printable(text, colours=True) == printable(text, colours=False) == plain


def test_colours_are_optional_and_end_with_the_line():
    assert printable("\x1b[1;31mred", colours=True) == "\x1b[1;31mred" + RESET
    assert printable("\x1b[31mred\x1b[0m", colours=True) == "\x1b[31mred\x1b[0m"
    assert printable("\x1b[31mred\x1b[m", colours=False) == "red"


@given(st.text(st.one_of(st.sampled_from("\x1b[]m0;1?PX\\\x07\x9b\x9dJH"), st.characters())))
def test_only_colours_remain_of_control_sequences(text):
    kept = printable(text, colours=True)
    assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]", re.sub(r"\x1b\[[0-9;:]*m", "", kept))
    assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]", printable(text, colours=False))


@given(st.lists(st.text(st.one_of(st.sampled_from("\x1b[m0;1\x07\t é\x9b\u202e"), st.characters())), min_size=1))
def test_lines_together_are_as_printable_as_each_line(lines):
    lines = [line.replace("\n", "") for line in lines]
    for colours in (False, True):
        each = [printable(line, colours=colours) for line in lines]
        assert printable_lines("\n".join(lines), colours=colours) == "\n".join(each)


@pytest.mark.parametrize("colours", [True, False])
def test_no_function_is_called_for_each_character_of_binary_output(colours):
    text = random.Random(1).randbytes(100_000).decode(errors="replace") + "\x00" * 10_000
    calls = 0

    def count(_frame, event, _argument):
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        printable_lines(text, colours=colours)
    finally:
        sys.setprofile(None)
    assert calls < 5_000  # it has 22,000 characters that are escaped, 400 of them ESC


def test_runs_of_hidden_characters_are_escaped_one_by_one():
    assert printable("a\x00\x01\r\u202e\x00b", colours=True) == r"a\x00\x01\r\u202e\x00b"
