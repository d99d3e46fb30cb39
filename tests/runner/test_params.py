"""Params from files, `-p NAME=@FILE`, tkn's bindings, `--dry-run`, and questions on a terminal."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

import pytest
from terminal import Terminal

from monopod.compiler.diagnostics import Problems
from monopod.compiler.documents.option_values import parse_binding, parse_folder
from monopod.compiler.documents.param_files import read_param_file

PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: greet}
spec:
  params:
  - {name: who, description: whom to greet}
  - {name: how, enum: [Hello, Bye]}
  - {name: marks, type: array, default: ["!"]}
  workspaces: [{name: source}]
  tasks:
  - name: greet
    workspaces: [{name: source}]
    taskSpec:
      workspaces: [{name: source}]
      steps: [{name: say, image: "busybox:1", script: "echo $(params.how), $(params.who)$(params.marks[0])"}]
  - name: bye
    runAfter: [greet]
    taskSpec: {steps: [{name: say, image: "busybox:1", script: "echo bye"}]}
"""
MONOPOD = [sys.executable, "-m", "monopod"]


@pytest.fixture
def run(tmp_path):
    (tmp_path / "greet.yaml").write_text(PIPELINE)

    def run(*options):
        command = [*MONOPOD, "run", "-f", "greet.yaml", *options]
        return subprocess.run(
            command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )

    return run


def values(path):
    return {param.name: (param.text, param.kind) for param in read_param_file(str(path))}


def test_yaml_and_json_are_read_as_a_runs_params(tmp_path):
    (tmp_path / "a.yaml").write_text('version: "1.10"\nplatforms: [linux/amd64, linux/arm64]\ncount: 5\no: {k: v}\n')
    assert values(tmp_path / "a.yaml") == {
        "version": ("1.10", "string"),
        "platforms": ('["linux/amd64", "linux/arm64"]', "array"),
        "count": ("5", "string"),
        "o": ('{"k": "v"}', "object"),
    }
    (tmp_path / "a.json").write_text('{"x": "y"}')
    assert values(tmp_path / "a.json") == {"x": ("y", "string")}


def test_lines_of_an_env_file(tmp_path):
    lines = ["# comment", "", "A=1", "export B = two words  # c", "C='# $x'", 'D="a\\n\\"b\\"" # c', "E=", "F=a#b"]
    (tmp_path / ".env").write_text("\n".join(lines))
    assert {name: text for name, (text, _) in values(tmp_path / ".env").items()} == {
        "A": "1",
        "B": "two words",
        "C": "# $x",
        "D": 'a\n"b"',
        "E": "",
        "F": "a#b",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A=1\n  nonsense\n", ":2:3: expected KEY=VALUE"),
        ("A=1\nB='open\n", ":2:3: the quote ' is not closed"),
        ("a/b=c", ":1:1: expected KEY=VALUE, not a key of a Secret"),
    ],
)
def test_wrong_line_of_an_env_file(tmp_path, text, message):
    (tmp_path / "wrong.env").write_text(text)
    with pytest.raises(Problems) as problems:
        read_param_file(str(tmp_path / "wrong.env"))
    assert [str(problem).partition("wrong.env")[2] for problem in problems.value.problems] == [message]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("emptyDir", {"emptyDir": {}}),  # monopod's own spelling
        ("emptyDir=", {"emptyDir": {}}),
        ("claimName=c,subPath=d/e", {"persistentVolumeClaim": {"claimName": "c"}, "subPath": "d/e"}),
        ("config=c,item=a=b", {"configMap": {"name": "c", "items": [{"key": "a", "path": "b"}]}}),
        ("secret=s", {"secret": {"secretName": "s"}}),
    ],
)
def test_bindings_of_tkn(text, fields):
    assert parse_binding(text) == fields


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("claimName=", "claimName= needs a value"),
        ("emptyDir=,claimNam=x", "'claimNam' is not a part of a binding"),
        ("emptyDir=,secret=x", "expected one of emptyDir="),
        ("emptyDir=,item=a=b", "needs a ConfigMap or a Secret"),
        ("csiFile=x", "csiFile= is not supported"),
        ("volumeClaimTemplateFile=/nope.yaml", "/nope.yaml: No such file"),
    ],
)
def test_wrong_bindings_of_tkn(text, message):
    with pytest.raises(ValueError, match=message):
        parse_binding(text)


def test_dry_run_shows_what_would_run_and_option_wins_over_file(run, tmp_path):
    (tmp_path / "v.txt").write_text("Ada\n")
    (tmp_path / "p.yaml").write_text("who: Eve\nhow: Hello\n")
    done = run(
        "--dry-run", "--param-file", "p.yaml", "-p", "who=@v.txt", "-w", "name=source,emptyDir=", "--skip", "bye"
    )
    assert (done.returncode, done.stdout) == (
        0,
        """\
Would run Pipeline 'greet' on backend host

Params
  how    Hello
  who    Ada
  marks  ["!"]  (default)

Workspaces
  source  emptyDir

Tasks
  greet
    1 ── greet
    2 ── bye    after greet

Skipped
  bye
""",
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--param-file", "q.yaml"), "q.yaml:1:6: woh: there is no param 'woh' (did you mean 'who'?)"),
        (("--param-file", "q.yaml"), "q.yaml:2:6: how: the param is of type string, but this value is of type array"),
        (("--param-file", "none.json"), "none.json: No such file or directory"),
        (("-p", "who=@none"), "monopod run: argument -p/--param: none: No such file or directory; write @@ for"),
        (("--dry-run", "-p", "how=Hello"), "the Pipeline 'greet' needs the param 'who'; give it with -p who=…"),
    ],
)
def test_wrong_params_are_reported(run, tmp_path, options, message):
    (tmp_path / "q.yaml").write_text("woh: Eve\nhow: [Hello]\n")
    done = run(*options)
    assert done.returncode == 2
    assert message in done.stderr


def test_missing_params_are_asked_for_on_a_terminal(tmp_path):
    (tmp_path / "greet.yaml").write_text(PIPELINE)
    command = ["env", "-C", str(tmp_path), *MONOPOD, "run", "--dry-run", "-f", "greet.yaml"]
    environment = {
        "PATH": os.environ["PATH"],
        "MONOPOD_BACKEND": "host",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }
    with Terminal(command, environment, 100, 40) as terminal:
        terminal.wait_for("who (whom to greet):")
        terminal.type("Ada\n")
        terminal.wait_for("how [Hello, Bye]:")
        terminal.type("Hey\n")
        terminal.wait_for("expected one of Hello, Bye")
        terminal.type("Hello\n")
        assert terminal.finish() == 0
        assert "who    Ada" in terminal.screen.text


def test_nobody_is_asked_if_standard_input_is_closed(tmp_path):
    (tmp_path / "greet.yaml").write_text(PIPELINE)
    command = shlex.join([*MONOPOD, "run", "--dry-run", "-f", "greet.yaml"])
    done = subprocess.run(["sh", "-c", f"{command} <&-"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "who" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-p", b"who=\xff"], r"argument -p/--param: '\udcff' is not UTF-8"),
        (["-p", b"\xff=a"], r"argument -p/--param: '\udcff' is not UTF-8"),
        (["-w", b"source=hostPath:/\xff"], r"'/\udcff' is not UTF-8"),
        (["-w", b"source=./\xff"], r"\udcff' is not UTF-8"),
        (["--cache-store", b"./\xff"], r"\udcff' is not UTF-8"),
        (["--runtime-image", b"\xff"], r"argument --runtime-image: '\udcff' is not UTF-8"),
    ],
)
def test_words_that_are_not_text_are_refused(run, tmp_path, options, message):
    (tmp_path / os.fsdecode(b"\xff")).mkdir()
    finished = run("--dry-run", *options)
    assert finished.returncode == 2
    assert f"{message}; all texts and paths in a Pod are" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_working_directory_that_is_not_text_is_refused_as_a_workspace(tmp_path, monkeypatch):
    directory = tmp_path / os.fsdecode(b"\xff")
    directory.mkdir()
    monkeypatch.chdir(directory)
    with pytest.raises(ValueError, match="is not UTF-8"):
        parse_folder(".")


def test_file_of_a_param_may_have_any_name(run, tmp_path):
    (tmp_path / os.fsdecode(b"\xff")).write_text("Ada")
    assert "  who    Ada\n" in run("--dry-run", "-p", b"who=@\xff", "-p", "how=Bye", "-w", "source=emptyDir").stdout
