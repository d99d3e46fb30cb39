"""Control characters and direction marks are visible on the page and in JUnit XML, regardless of their source."""

import re

import pytest

from monopod.runner.reports.html import escaped, tag
from monopod.runner.reports.junit import _text
from monopod.schemas.formats.visible_text import HIDDEN, visible, visible_lines

HOSTILE = "admin\u202e\u2066 // \x07\u200f\u061c\x85\u2028"
SHOWN = "admin\\u202e\\u2066 // \\x07\\u200f\\u061c\\x85\\u2028"


def test_hidden_characters_are_made_visible():
    assert visible(HOSTILE + "\n\r\t") == SHOWN + "\\n\\r\t"
    assert visible_lines("a\n" + HOSTILE) == "a\n" + SHOWN


@pytest.mark.parametrize("made", [escaped, lambda text: tag("p", text), lambda text: tag("a", "x", title=text), _text])
def test_reports_make_hidden_characters_visible(made):
    assert SHOWN in made(HOSTILE)
    assert not re.search(HIDDEN, made(HOSTILE).replace("\n", ""))
