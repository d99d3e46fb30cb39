"""The description of a failed run."""

import pytest

from monopod.runner.follow.follower import Follower
from monopod.runner.reports.failures import (
    MOST_COMBINATIONS,
    describe_command,
    describe_failed_step,
    ended_sidecars,
    failure_context,
    find_failures,
    memory_limits,
)
from monopod.schemas import plan
from monopod.schemas.run_events import SidecarFinished, SidecarStarted
from monopod.schemas.run_progress import StepRun


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (plan.Step("s", command=("pytest",), args=("-q", "a b", "$(params.dir)/x")), "pytest -q 'a b' $(params.dir)/x"),
        (plan.Step("s", command=("sh", "-c"), args=("echo 'it'\nexit 1", "")), r"sh -c 'echo '\''it'\''\nexit 1' ''"),
        (plan.Step("s", script="#!/bin/sh\nset -euo pipefail\n\n# build\n  make all \n"), "make all"),
        (plan.Step("s", script="#!/bin/sh\nset -ex\nmake all\nmake install\n"), "make all …"),
        (plan.Step("s", script="#!/bin/sh\nset -e\n"), "#!/bin/sh"),
        (plan.Step("s", script="#!/usr/bin/env -S python3 -u\nimport sys\nsys.exit(1)"), "python3: import sys …"),
        (plan.Step("s", script="#!/usr/bin/perl -w\ndie;"), "perl: die;"),
        (plan.Step("s", script="#!/usr/bin/env bash\nmake"), "make"),
        (plan.Step("s", script=""), ""),
        (plan.Step("s", command=("x" * 200,)), "x" * 99 + "…"),
    ],
)  # fmt: skip
def test_commands(step, words):
    assert describe_command(step) == words


@pytest.mark.parametrize(
    ("code", "reason", "message", "words"),
    [
        (3, "Error", "", "exit code 3"),
        (137, "OOMKilled", "killed: out of memory, limit 512Mi", "killed: out of memory, limit 512Mi"),
        (137, "OOMKilled", "", "killed: out of memory"),
        (137, "Error", "", "exit code 137: ended by SIGKILL"),
        (1, "TimedOut", "the Step exceeded its timeout", "the Step exceeded its timeout (exit code 1)"),
        (127, "Error", "cannot execute 'x'", "cannot execute 'x' (exit code 127)"),
    ],
)
def test_endings(code, reason, message, words):
    step = StepRun("step", "task-step", 0)
    step.exit_code, step.reason, step.message = code, reason, message
    assert describe_failed_step(step) == words


def test_limits_come_from_the_pod():
    limited = {"name": "a", "resources": {"limits": {"memory": "512Mi", "cpu": 1}}}
    pod = {"spec": {"containers": [limited, {"name": "b"}, {"name": "c", "resources": {"limits": None}}]}}
    assert memory_limits(pod) == {"a": "512Mi"}


def test_consequences_of_failures(sample):
    inner = plan.Pipeline("inner", tasks=(sample.task("one", "run"), sample.task("two", "run", after=("one",))))
    tested = sample.plan(
        sample.task("late", "run", after=("deploy",)),  # listed before its dependency
        sample.task("build", "make"),
        sample.task("lint", "run"),
        sample.task("guarded", "run", after=("build",)),
        plan.Task("scan", after=("build",), pipeline=inner),
        sample.task("deploy", "run", after=("scan",)),
        sample.task("apart", "run"),
        sample.task("notes", "run", after=("lint",)),
        final=[sample.task("report", "run")],
    )
    follower = Follower(tested, {"build-make": "64Mi"})
    stopping = "PipelineRun was stopping"
    for event in (
        sample.run_started(),
        sample.task_started("build", 1),
        sample.task_started("lint", 1),
        sample.step_started("build", "make", 1),
        sample.step_finished("build", "make", 2, code=137, reason="OOMKilled"),
        sample.task_finished("build", 2, "Failed"),
        sample.task_skipped("guarded", 2),
        sample.task_skipped("scan/one", 2, stopping),
        sample.task_skipped("scan/two", 2, "Parent Tasks were skipped"),
        sample.task_skipped("deploy", 2, "Parent Tasks were skipped"),
        sample.task_skipped("late", 2, "Parent Tasks were skipped"),
        sample.task_skipped("apart", 2, stopping),
        sample.task_finished("lint", 3, "TimedOut", message="it took more than 2s"),
        sample.task_skipped("notes", 3, stopping),
    ):
        follower.event(event)
    context = failure_context(tested, lambda *names: " ".join(names), "monopod rerun ci --failed")
    build, lint = find_failures(follower, context)
    assert build.heading == "build : make failed: killed: out of memory, limit 64Mi"
    assert build.consequences == [
        ("skipped as a result", "late, scan/one, scan/two, deploy, apart, notes"),
        ("full output", "build make build-make"),
    ]
    assert lint.heading == "lint failed: it took more than 2s"
    assert lint.consequences == [("skipped as a result", "notes"), ("run it again", "monopod rerun ci --failed")]


def test_later_combinations_of_a_matrix_are_brief_and_the_skipped_are_named_once(sample):
    count = MOST_COMBINATIONS + 2
    tested = sample.plan(
        sample.task("test", "run", index_count=count),
        sample.task("lint", "run"),
        sample.task("deploy", "run", after=("test",)),
    )
    follower = Follower(tested)
    follower.event(sample.run_started())
    for number in range(count):
        follower.event(sample.task_started("test", 1, number))
        follower.event(sample.step_started("test", "run", 1, number))
        follower.event(sample.step_finished("test", "run", 2 + number, 1, number))
        follower.event(sample.task_finished("test", 2 + number, "Failed", number))
    follower.event(sample.task_started("lint", 1))
    follower.event(sample.task_finished("lint", 20, "Failed", message="no"))
    follower.event(sample.task_skipped("deploy", 21, "PipelineRun was stopping"))
    failures = find_failures(follower, failure_context(tested, lambda *names: " ".join(names)))
    assert [each.is_brief for each in failures] == [*[False] * MOST_COMBINATIONS, True, True, False]
    assert [each.skipped for each in failures] == ["deploy", *[""] * (count - 1), ""]
    assert all(each.more for each in failures[:count])


def test_sidecars_of_later_combinations_are_brief(sample):
    count = MOST_COMBINATIONS + 2
    tested = sample.plan(sample.task("test", "run", index_count=count), sample.task("lint", "run"))
    follower = Follower(tested)
    follower.event(sample.run_started())
    for task, index in (*(("test", number) for number in range(count)), ("lint", None)):
        follower.event(sample.task_started(task, 1, index))
        for name in ("db", "proxy"):
            follower.event(SidecarStarted(1, task, index, 0, name, f"{task}-{name}"))
            follower.event(SidecarFinished(2, task, index, 0, name, f"{task}-{name}", 1, "Error", "", 1, 2))
    brief = [each.is_brief for each in ended_sidecars(follower)]
    assert brief == [*[False] * MOST_COMBINATIONS * 2, True, True, True, True, False, False]


def test_many_skipped_tasks_are_counted(sample):
    tasks = [
        sample.task("build", "make"),
        *(sample.task(f"t{number}", "run", after=("build",)) for number in range(20)),
    ]
    follower = Follower(sample.plan(*tasks))
    follower.event(sample.task_started("build", 1))
    follower.event(sample.task_finished("build", 2, "Failed", message="no"))
    for number in range(20):
        follower.event(sample.task_skipped(f"t{number}", 2, "Parent Tasks were skipped"))
    (failure,) = find_failures(follower, failure_context(sample.plan(), lambda *_: ""))
    assert failure.skipped == "t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, t10, t11 and 8 more"
