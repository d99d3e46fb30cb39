"""Lines of ``.secrets`` and ``.env`` files."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.runner.secrets.secret_lines import SecretLine, SecretLinesError, parse_lines


def test_lines_are_read():
    text = """\
\ufeff# a comment
PLAIN=a value  # a comment
  export EXPORTED = x#y\r
EMPTY=
ONLY_COMMENT= # nothing

registry/password='$x "y"'
quoted="a \\"b\\" \\\\ \\$x\\n" # a comment
my.registry/.dockerconfigjson='{
  "auths": {}
}'
last=1"""
    assert parse_lines(text) == [
        SecretLine("", "PLAIN", "a value"),
        SecretLine("", "EXPORTED", "x#y"),
        SecretLine("", "EMPTY", ""),
        SecretLine("", "ONLY_COMMENT", ""),
        SecretLine("registry", "password", '$x "y"'),
        SecretLine("", "quoted", 'a "b" \\ $x\n'),
        SecretLine("my.registry", ".dockerconfigjson", '{\n  "auths": {}\n}'),
        SecretLine("", "last", "1"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a=1\n\nhunter2\n", "3: expected KEY=VALUE or SECRET/KEY=VALUE"),
        ("Registry/password=hunter2", "1: expected KEY=VALUE or SECRET/KEY=VALUE"),
        ("a=1\nb='hunter2\n", "2: the quote ' is not closed"),
        ("a='hunter2' hunter3\n", "1: there is text after the closing '"),
    ],
)
def test_message_has_the_number_and_no_value(text, message):
    with pytest.raises(SecretLinesError) as error:
        parse_lines(text)
    assert str(error.value) == message


@given(st.dictionaries(st.from_regex("[A-Z_]{1,9}", fullmatch=True), st.text(st.characters(codec="utf-8"))))
def test_quoted_values_come_back(values):
    escape = str.maketrans({"\\": "\\\\", '"': '\\"'})
    text = "".join(f'{key}="{value.translate(escape)}"\n' for key, value in values.items())
    assert {line.key: line.value for line in parse_lines(text)} == values


@given(st.text())
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(SecretLinesError):
        assert all(line.key for line in parse_lines(text))
