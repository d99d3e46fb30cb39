"""The coordinator's command line: its options and its errors."""

import subprocess
import sys

import pytest

from monopod.coordinator.__main__ import Options, UsageError, identity, parse_options
from monopod.coordinator.engine.containers import slots_of
from monopod.schemas.plan import Pipeline, Plan, Slot, Task, encode


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["x"], Options(("x",))),
        (["x", "y="], Options(("x", "y="))),
        (["--format", "json", "x"], Options(("x",), "json")),
        (["--format=human", "--root=/r", "x"], Options(("x",), "human", "/r")),
        (["x", "--root", "/r"], Options(("x",), "human", "/r")),
    ],
)
def test_options(arguments, options):
    assert parse_options(arguments) == options


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "missing Plan"),
        (["--format", "json"], "missing Plan"),
        (["--format", "xml", "x"], "--format must be human or json, not 'xml'"),
        (["x", "--format"], "--format must be human or json, not ''"),
        (["--root", "", "x"], "--root must be a directory"),
        (["--verbose", "x"], "unknown option '--verbose'"),
        (["-x"], "unknown option '-x'"),
    ],
)
def test_wrong_options(arguments, words):
    with pytest.raises(UsageError, match=words):
        parse_options(arguments)


def test_identity():
    begun = identity({"MONOPOD_RUN_NAME": "ci-1", "MONOPOD_NAMESPACE": "team", "MONOPOD_RUN_UID": "u"})
    assert (begun.name, begun.namespace, begun.uid) == ("ci-1", "team", "u")


def test_slots_of_nested_pipelines():
    inner = Pipeline("inner", tasks=(Task("t", slots=(Slot("c", ("c",)),)),), final_tasks=(Task("f"),))
    outer = Pipeline(
        "outer",
        tasks=(Task("a", slots=(Slot("a", ("a",)), Slot("b", ("b",)))), Task("p", pipeline=inner)),
        final_tasks=(Task("z", slots=(Slot("z", ("z",)),)),),
    )
    assert [slot.name for slot in slots_of(outer)] == ["a", "b", "c", "z"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--root", "/nonexistent"], 2, "coordinator: missing Plan; usage: "),
        (["nonsense"], 2, "coordinator: this is not an encoded Plan: "),
        (
            ["--root", "{root}", *encode(Plan(Pipeline("p", tasks=(Task("a", slots=(Slot("a", ("gone",)),)),)), {}))],
            3,
            "steps/gone",
        ),
    ],
)
def test_errors_are_one_line(tmp_path, arguments, code, words):
    arguments = [argument.replace("{root}", str(tmp_path)) for argument in arguments]
    command = [sys.executable, "-m", "monopod.coordinator", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert done.stdout == ""
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
