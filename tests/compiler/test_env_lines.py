"""Lines of ``.secrets`` and ``.env`` files."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.compiler.documents.env_lines import EnvLine, EnvLinesError, parse_env_lines


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
    assert parse_env_lines(text) == [
        EnvLine("", "PLAIN", "a value"),
        EnvLine("", "EXPORTED", "x#y"),
        EnvLine("", "EMPTY", ""),
        EnvLine("", "ONLY_COMMENT", ""),
        EnvLine("registry", "password", '$x "y"'),
        EnvLine("", "quoted", 'a "b" \\ $x\n'),
        EnvLine("my.registry", ".dockerconfigjson", '{\n  "auths": {}\n}'),
        EnvLine("", "last", "1"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a=1\n\nhunter2\n", "3:1: expected KEY=VALUE"),
        ("a=1\n  hunter2", "2:3: expected KEY=VALUE"),
        ("Registry/password=hunter2", "1:1: expected KEY=VALUE"),
        ("a=1\nb='hunter2\n", "2:3: the quote ' is not closed"),
        ("a='hunter2' hunter3\n", "1:12: there is text after the closing '"),
    ],
)
def test_message_has_the_number_and_no_value(text, message):
    with pytest.raises(EnvLinesError) as error:
        parse_env_lines(text)
    assert f"{error.value.line}:{error.value.column}: {error.value}" == message


@given(st.dictionaries(st.from_regex("[A-Z_]{1,9}", fullmatch=True), st.text(st.characters(codec="utf-8"))))
def test_quoted_values_come_back(values):
    escape = str.maketrans({"\\": "\\\\", '"': '\\"'})
    text = "".join(f'{key}="{value.translate(escape)}"\n' for key, value in values.items())
    assert {line.key: line.value for line in parse_env_lines(text)} == values


@given(st.text())
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(EnvLinesError):
        assert all(line.key for line in parse_env_lines(text))
