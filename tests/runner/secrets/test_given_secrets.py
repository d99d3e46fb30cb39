"""Secrets of ``--secret``, ``--secret-file`` and ``.secrets``: where values come from, and which one counts."""

import io
import subprocess
import sys

import pytest

from monopod.compiler.diagnostics import Problems
from monopod.compiler.documents.documents import read
from monopod.runner.masking.secret_values import values_of
from monopod.runner.secrets.given_secrets import read_secrets, report_files, report_unused, with_secrets
from monopod.runner.secrets.secret_option import parse_secret_option
from monopod.schemas.kubernetes.objects import Secret

PIPELINE = b"""\
apiVersion: v1
kind: Secret
metadata: {name: known, labels: {a: b}}
type: Opaque
stringData: {user: me, password: old}
---
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: t}
spec:
  steps:
  - name: s
    image: alpine
    env:
    - {name: A, valueFrom: {secretKeyRef: {name: db, key: password}}}
    - {name: B, valueFrom: {secretKeyRef: {name: nice, key: x, optional: true}}}
    envFrom: [{secretRef: {name: app}}]
"""


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def given(*options, file=None, bound=(), automatic=True):
    documents = read(PIPELINE, "pipeline.yaml")
    found = read_secrets([*map(parse_secret_option, options)], file, documents, bound, automatic=automatic)
    return found, with_secrets(documents, found)


def values(documents):
    return {document.name: values_of(document.data) for document, _ in documents.of(Secret)}


KNOWN = {"user": b"me", "password": b"old"}


def test_keys_come_from_files_variables_and_standard_input(directory, monkeypatch):
    (directory / "pw").write_bytes(b"secret\xff\n")
    monkeypatch.setenv("TOKEN", "of-env")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"piped")))
    _, documents = given("db/password=@pw", "db/token=env:TOKEN", "db=env:TOKEN", "db=@pw", "db/piped=@-")
    assert values(documents) == {
        "known": KNOWN,
        "db": {
            "password": b"secret\xff\n",
            "token": b"of-env",
            "TOKEN": b"of-env",
            "pw": b"secret\xff\n",
            "piped": b"piped",
        },
    }
    assert "of-env" not in str(documents.texts)


def test_directories_and_files_of_lines_have_several_keys(directory):
    (directory / "keys").mkdir()
    (directory / "keys/tls.crt").write_text("c")
    (directory / "keys/not a key").write_text("x")
    (directory / "prod.env").write_text("A=1\nother/B='2'\n")
    _, documents = given("db=@keys", "app=@prod.env")
    assert values(documents) == {"known": KNOWN, "db": {"tls.crt": b"c"}, "app": {"A": b"1", "B": b"2"}}


def test_later_options_take_precedence_and_files_are_completed(directory, monkeypatch):
    (directory / "pw").write_text("new")
    monkeypatch.setenv("PW", "newest")
    (directory / "more").write_text("known/user=you\nknown/extra=1\n")
    _, documents = given("known/password=@gone", "known/password=env:PW", file="more")
    assert values(documents)["known"] == {"user": b"you", "password": b"newest", "extra": b"1"}
    (secret,) = [document.data for document, _ in documents.of(Secret) if document.name == "known"]
    assert secret["metadata"]["labels"] == {"a": "b"}


def test_secrets_of_the_project_fill_what_nothing_else_has(directory):
    (directory / ".secrets").write_text("db/password=x1\nknown/user=not-used\nTOKEN=x2\nother/key=not-used\n")
    found, documents = given(bound=("bound",))
    assert values(documents) == {
        "known": KNOWN,
        "db": {"password": b"x1"},
        "bound": {"TOKEN": b"x2"},
        "app": {"TOKEN": b"x2"},
    }
    assert found.of_files == {".secrets": ("db", "bound", "app")}


def test_secrets_of_the_project_are_not_used_in_a_cluster_or_with_another_file(directory):
    (directory / ".secrets").write_text("db/password=x1\n")
    (directory / "mine").write_text("db/password=x2\n")
    assert values(given(automatic=False)[1]) == {"known": KNOWN}
    assert values(given(file="mine")[1])["db"] == {"password": b"x2"}
    assert given("db/password=@mine")[0].of_files == {}


def test_files_are_reported_and_git_is_asked(directory, capsys):
    (directory / ".secrets").write_text("db/password=x1\n")
    report_files(given("app=env:HOME")[0])
    assert capsys.readouterr().err == "Secrets from .secrets: db\n"
    subprocess.run(["git", "init", "-q"], check=True)
    report_files(given()[0])
    assert capsys.readouterr().err == (
        "Secrets from .secrets: db\n"
        "warning: git does not ignore .secrets, so it may be committed; add it to .gitignore\n"
    )
    (directory / ".gitignore").write_text(".secrets\n")
    report_files(given()[0])
    assert capsys.readouterr().err == "Secrets from .secrets: db\n"


def test_file_that_no_secret_takes_values_from_is_reported(directory, capsys):
    (directory / "empty.env").write_text("")
    report_files(given(file="empty.env")[0])
    assert capsys.readouterr().err == "Secrets from empty.env: none\n"


def test_secrets_that_no_pod_uses_are_reported(capsys):
    reference = {"secretKeyRef": {"name": "b", "key": "k"}}
    projected = {"projected": {"sources": [{"secret": {"name": "d", "items": [{"key": "k", "path": "name"}]}}]}}
    first = {"containers": [{"name": "z", "env": [{"name": "y", "valueFrom": reference}]}]}
    second = {"imagePullSecrets": [{"name": "a"}], "volumes": [{"name": "x", "secret": {"secretName": "c"}}, projected]}
    report_unused(["a", "b", "c", "d", "x", "y", "z", "z"], [{"spec": first}, {"spec": second}])
    warnings = [f"warning: --secret {name}: nothing in the run uses Secret '{name}'\n" for name in "xyz"]
    assert capsys.readouterr().err == "".join(warnings)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["db/password=@gone"], "--secret db/password=@gone: gone: No such file or directory"),
        (["db/password=env:GONE"], "--secret db/password=env:GONE: the environment variable GONE is not set"),
        (["db/password=@empty"], "empty is a directory; leave out /password"),
        (["db=@empty"], "empty has no files with names that can be keys"),
        (["db=@bad name"], "the name of the file cannot be a key"),
        (["db=@bad.env"], "bad.env:1:1: expected KEY=VALUE"),
        (["db=@bytes.env"], "--secret db=@bytes.env: bytes.env: this is not UTF-8"),
    ],
)
def test_wrong_sources_are_one_line(directory, options, message):
    (directory / "empty").mkdir()
    (directory / "bad name").write_text("x")
    (directory / "bad.env").write_text("hunter2")
    (directory / "bytes.env").write_bytes(b"a=\xff")
    with pytest.raises(Problems) as error:
        given(*options)
    (problem,) = error.value.problems
    assert message in problem.message


def test_wrong_files_are_one_line(directory):
    (directory / "lines").write_text("a=1\nhunter2\n")
    (directory / "bytes").write_bytes(b"a=\xff")
    for file, message in {
        "lines": "lines:2:1: expected KEY=VALUE",
        "bytes": "bytes: this is not UTF-8",
        "gone": "gone: No such file or directory",
    }.items():
        with pytest.raises(Problems) as error:
            given(file=file)
        (problem,) = error.value.problems
        assert problem.message == message
