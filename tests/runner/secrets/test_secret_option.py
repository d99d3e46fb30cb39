"""What ``--secret`` means, and what it refuses."""

import re

import pytest

from monopod.runner.secrets.secret_option import SecretOption, has_lines, parse_secret_option


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("db/password=@pw.txt", SecretOption("db", "password", "file", "pw.txt")),
        ("db/password=env:DB_PASSWORD", SecretOption("db", "password", "variable", "DB_PASSWORD")),
        ("db=env:PW", SecretOption("db", "PW", "variable", "PW")),
        ("reg.cred/.dockerconfigjson=@-", SecretOption("reg.cred", ".dockerconfigjson", "file", "-")),
        ("db=@dir=x", SecretOption("db", "", "file", "dir=x")),
    ],
)
def test_shapes(text, option):
    assert parse_secret_option(text) == option


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("db", "expected NAME/KEY=env:VARIABLE"),
        ("db/password=hunter2", "a value on the command line is refused, because `ps` shows it"),
        ("db/password=", "a value on the command line is refused"),
        ("db/password=env:", "a value on the command line is refused"),
        ("Db/password=@f", "the name of the Secret: "),
        ("db/pass word=@f", "the key: "),
        ("db/=@f", "the key: "),
        ("db=@-", "standard input needs a key: db/KEY=@-"),
    ],
)
def test_refusals_say_what_to_do_and_never_the_value(text, message):
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        parse_secret_option(text)
    assert "hunter2" not in str(error.value)


def test_names_of_files_with_lines():
    assert all(map(has_lines, (".env", "x/.secrets", "prod.env", ".env.local")))
    assert not any(map(has_lines, ("token", "env", "x.env/token", ".environment")))
