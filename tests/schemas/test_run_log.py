"""The log of a run for people."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.schemas.formats.visible_text import HIDDEN
from monopod.schemas.run_events import (
    MatrixExpanded,
    RunCancelling,
    RunFinished,
    RunStarted,
    RunWarning,
    SidecarFinished,
    SidecarStarted,
    StepFinished,
    StepStarted,
    TaskFinished,
    TaskSkipped,
    TaskStarted,
)
from monopod.schemas.run_log import SUMMARY_BYTES, RunLog, describe_start

START = 1700000000.0


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def step_finished(**fields):
    given_fields = {
        "at": START,
        "task": "build",
        "index": None,
        "attempt": 0,
        "step": "compile",
        "container": "build-compile",
        "exit_code": 0,
        "reason": "Completed",
        "message": "",
        "start": 0.0,
        "end": 0.0,
        "cpu": 0.0,
        "peak": 0,
    }
    return StepFinished(**(given_fields | fields))


def test_log_of_a_run():
    events = [
        RunStarted(START, "ci-1", "team", "uid"),
        TaskStarted(START + 0.2, "build", None, 0, "build", {}),
        StepStarted(START + 0.2, "build", None, 0, "compile", "build-compile"),
        step_finished(at=START + 1.7, start=START + 0.2, end=START + 1.7, cpu=2.04, peak=51200),
        TaskFinished(START + 1.7, "build", None, 0, "Succeeded", "Succeeded", "All Steps have completed executing"),
        TaskStarted(START + 1.8, "scan", 1, 0, "scan-1", {"os": "linux", "arch": "arm"}),
        step_finished(at=START + 2, task="scan", index=1, step="run", exit_code=3, reason="Error"),
        TaskFinished(START + 2, "scan", 1, 0, "Failed", "Failed", '"step-run" exited with code 3', will_retry=True),
        TaskStarted(START + 2, "scan", 1, 1, "scan-1", {"os": "linux", "arch": "arm"}),
        TaskFinished(START + 63, "scan", 1, 1, "TimedOut", "TaskRunTimeout", "too slow"),
        TaskSkipped(START + 63, "publish", "Parent Tasks were skipped"),
        RunWarning(START + 63, "disk nearly full"),
        RunCancelling(START + 64, "StoppedRunFinally"),
        RunFinished(START + 3700, "Failed", "Failed", "Tasks Completed: 2 (Failed: 1)", {}),
    ]
    log = RunLog()
    text = "\n".join(line for event in events for line in log.lines(event))
    assert (
        text
        == """\
22:13:20   +0.0s                run ci-1 started in namespace team
22:13:20   +0.2s  build         started
22:13:20   +0.2s  build         compile: started
22:13:21   +1.7s  build         compile: completed after 1.5s (CPU 2.0s, 50.0 MiB)
22:13:21   +1.7s  build         Succeeded after 1.5s
22:13:21   +1.8s  scan[1]       started (os=linux, arch=arm)
22:13:22   +2.0s  scan[1]       run: Error: exit code 3
22:13:22   +2.0s  scan[1]       Failed after 0.2s: "step-run" exited with code 3; retrying
22:13:22   +2.0s  scan[1]       attempt 2 started (os=linux, arch=arm)
22:14:23  +1m03s  scan[1]       attempt 2 TimedOut after 1m01s: too slow
22:14:23  +1m03s  publish       skipped: Parent Tasks were skipped
22:14:23  +1m03s                warning: disk nearly full
22:14:24  +1m04s                cancelling the run: StoppedRunFinally

TASK     STATUS     STARTED  TOOK   WHY
build    Succeeded  +0.2s    1.5s
scan[1]  TimedOut   +1.8s    1m01s  too slow; 2 attempts
publish  Skipped    -        -      Parent Tasks were skipped

23:15:00  +1h01m                run Failed (Failed): Tasks Completed: 2 (Failed: 1)"""
    )
    assert log.summary(events[-1]) == (
        "Failed (Failed): Tasks Completed: 2 (Failed: 1)\n"
        "scan[1]: TimedOut: too slow\n"
        "publish: Skipped: Parent Tasks were skipped"
    )


def test_log_says_when_a_task_is_retried():
    failed = TaskFinished(START, "scan", None, 0, "Failed", "StepFailed", "why", will_retry=True, retry_delay=90)
    assert RunLog().lines(failed)[0].endswith("Failed after 0.0s: why; retrying in 1m30s")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"exit_code": 137, "reason": "Error"}, "compile: Error: exit code 137: ended by SIGKILL"),
        ({"exit_code": 1, "reason": "Continued"}, "compile: Continued: exit code 1"),
        ({"exit_code": 127, "reason": "Error", "message": "/x: No such file"}, "compile: Error: /x: No such file"),
        ({"reason": "Skipped", "exit_code": 1}, "compile: skipped"),
        ({"reason": "TimedOut", "exit_code": 143, "message": "too slow"}, "compile: TimedOut: too slow"),
        ({"reason": "Cancelled", "exit_code": 143}, "compile: cancelled: exit code 143: ended by SIGTERM"),
    ],
)
def test_ends_of_steps(fields, words):
    (line,) = RunLog().lines(step_finished(**fields))
    assert line == f"22:13:20   +0.0s  build         {words}"


def test_run_that_ends_without_a_task():
    lines = RunLog().lines(RunFinished(START, "Cancelled", "Cancelled", "nothing ran", {}))
    assert lines[-1] == "22:13:20   +0.0s                run Cancelled (Cancelled): nothing ran"


@given(st.text())
def test_hidden_characters_are_escaped(text):
    for event in (
        RunWarning(START, text),
        TaskSkipped(START, text, text),
        step_finished(task=text, step=text, message=text, reason="Error"),
        TaskFinished(START, text, None, 0, "Failed", text, text),
        RunFinished(START, "Failed", text, text, {}),
    ):
        assert not any(re.search(HIDDEN, line) for line in RunLog().lines(event))


@given(st.text(min_size=1000), st.integers(1, 60))
def test_summary_fits_a_termination_message(message, tasks):
    log = RunLog()
    for number in range(tasks):
        log.lines(TaskFinished(START, f"t{number}", None, 0, "Failed", "Failed", message))
    summary = log.summary(RunFinished(START, "Failed", "Failed", message, {}))
    assert len(summary.encode()) <= SUMMARY_BYTES


def test_combinations_are_named_by_their_values():
    log = RunLog()
    log.lines(MatrixExpanded(START, "test", ["go=1.21", "go=1.22"]))
    (line,) = log.lines(TaskStarted(START, "test", 1, 0, "test-1", {"go": "1.22"}))
    assert line.split()[2:] == ["test[go=1.22]", "started"]
    (line,) = log.lines(TaskFinished(START, "test", 1, 0, "Failed", "Failed", "it broke"))
    assert "test[go=1.22]" in line
    assert "test[go=1.22]: Failed: it broke" in log.summary(RunFinished(START, "Failed", "Failed", "", {}))


def test_skipped_task_shows_the_deciding_expression():
    log = RunLog()
    message = 'when: $(params.env) in [production]: the value was "staging"'
    (line,) = log.lines(TaskSkipped(START, "deploy", "When Expressions evaluated to false", message))
    assert line.endswith(f"skipped: When Expressions evaluated to false: {message}")


def test_start_of_a_sidecar_is_logged():
    assert (
        RunLog()
        .lines(SidecarStarted(START, "a", None, 0, "db", "a-db"))[0]
        .endswith("a             db: Sidecar started")
    )


def test_early_end_of_a_sidecar_is_logged():
    ended = SidecarFinished(START, "a", None, 0, "db", "a-db", 1, "Error", "", START, START + 1)
    assert RunLog().lines(ended)[0].endswith("db: Sidecar ended before the Steps did: exit code 1")


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("", "killed: out of memory"),
        ("killed: out of memory, limit 40Mi", "killed: out of memory, limit 40Mi"),
        ("node pressure", "killed: out of memory: node pressure"),
    ],
)
def test_reason_why_a_sidecar_was_killed_is_logged_once(message, words):
    ended = SidecarFinished(START, "a", None, 0, "db", "a-db", 137, "OOMKilled", message, START, START + 1)
    assert RunLog().lines(ended)[0].endswith(f"db: Sidecar ended before the Steps did: {words}")


@pytest.mark.parametrize(
    ("code", "message", "words"),
    [
        (127, "", "exit code 127: command not found"),
        (
            127,
            "command not found on this machine; install it",
            "command not found on this machine; install it (exit code 127)",
        ),
        (126, "cannot run /bin: Permission denied", "cannot run /bin: Permission denied (exit code 126)"),
    ],
)
def test_message_of_a_sidecar_replaces_the_meaning_of_its_exit_code(code, message, words):
    ended = SidecarFinished(START, "a", None, 0, "db", "a-db", code, "Error", message, START, START + 1)
    assert RunLog().lines(ended)[0].endswith(f"db: Sidecar ended before the Steps did: {words}")


def test_hidden_characters_in_warnings_are_visible():
    assert "abc\\u202edef\\x07" in RunLog().lines(RunWarning(START, "abc\u202edef\x07"))[0]


def test_params_are_listed_unless_the_name_has_them():
    assert describe_start("m[go=1.22]", 0, {"go": "1.22"}) == "started"
    assert describe_start("m[0:go=1.22]", 1, {"go": "1.22"}) == "attempt 2 started (go=1.22)"
    assert describe_start("m", 0, {}) == "started"
