"""A run as lines of text."""

import io

import pytest

from monopod.runner.display.line_options import LineOptions
from monopod.runner.display.plain import PlainDisplay
from monopod.runner.display.selection import Selection, Source
from monopod.runner.display.summary import Outcome, summarize
from monopod.runner.follow.follower import Follower
from monopod.runner.reports.failures import failure_context
from monopod.schemas.formats.words import describe_exit_code, format_duration


@pytest.fixture
def show(sample, feed_all, start):
    def show(plan, feed, *, colours=False, logs=None, context=None, **options):
        follower = Follower(plan)
        stream = io.StringIO()
        display = PlainDisplay(stream, follower, LineOptions(colours=colours, **options))
        feed_all(follower, display, feed)
        finished = follower.finished
        outcome = Outcome(finished.status, finished.reason, finished.message)
        display.close(summarize(follower, outcome, finished.at, logs, context))
        return stream.getvalue()

    return show


def test_failed_run(show, failed_run):
    assert show(*failed_run, logs="/tmp/kept") == (
        """\
Run ci-x7k2p started in namespace default
[clone] started
[clone : git] Cloning into 'source'...
[clone : git] at commit 1234
[clone] Succeeded in 1.2s
[unit-tests] started
[docs] Skipped: When Expressions evaluated to false
[unit-tests : pytest] E  assert 1 == 2
[unit-tests : pytest]
[unit-tests : pytest] 1 failed
[unit-tests : pytest] exit code 1
[unit-tests] Failed in 8.2s
[integration] Skipped: Parent Tasks were skipped
[report] started
[report : print] état: Failed
[report] Succeeded in 0.1s

=== unit-tests : pytest failed: exit code 1
  last lines:
    E  assert 1 == 2

    1 failed
  skipped as a result: integration

TASK         STATUS     STARTED  TOOK  WHY
clone        Succeeded  +0.2s    1.2s
unit-tests   Failed     +1.5s    8.2s  pytest: exit code 1
docs         Skipped    -        -     When Expressions evaluated to false
integration  Skipped    -        -     Parent Tasks were skipped
report       Succeeded  +9.8s    0.1s

ci-x7k2p Failed in 10.0s: Tasks Completed: 3 (Failed: 1, Cancelled 0), Skipped: 2
Kept in /tmp/kept
"""
    )


def test_brief_failure_has_only_its_heading_and_what_to_do_next(show, sample):
    tested = sample.plan(sample.task("test", "run", index_count=4))
    feed = [sample.run_started()]
    for number in range(4):
        feed += [sample.task_started("test", 1, number), sample.step_started("test", "run", 1, number)]
        feed += [sample.step_finished("test", "run", 2, 1, number), sample.task_finished("test", 2, "Failed", number)]
    text = show(tested, [*feed, sample.run_finished(3, "Failed")], context=failure_context(tested, "{}/{} {}".format))
    assert text.count("  last lines:\n    (no output)\n  full output: ") == 3
    assert "=== test[3] : run failed: exit code 1\n  full output: test[3]/run test3-run\n\nTASK " in text


def test_failure_shows_its_command_and_where_the_output_is(show, failed_run):
    plan, feed = failed_run
    tasks = tuple(
        task._replace(
            steps=tuple(step._replace(command=("sh",), args=("-c", f"{step.name} me")) for step in task.steps)
        )
        for task in plan.pipeline.tasks
    )
    plan = plan._replace(pipeline=plan.pipeline._replace(tasks=tasks))
    more = "monopod run -f ci.yaml --logs {}/{}".format
    text = show(plan, feed, context=failure_context(plan, lambda task, step, _: more(task, step)))
    assert (
        """
=== unit-tests : pytest failed: exit code 1
  command: sh -c 'pytest me'
  last lines:
    E  assert 1 == 2

    1 failed
  skipped as a result: integration
  full output: monopod run -f ci.yaml --logs unit-tests/pytest

TASK """
        in text
    )


def test_table_shortens_the_reason_of_a_failed_task(show, sample):
    reason = "failed to pull its image: cannot pull registry.example.com/team/app:1: " + 8 * "no route to host "
    feed = [
        sample.run_started(),
        sample.task_started("build", 0),
        sample.task_finished("build", 1, "Failed", message=reason.strip()),
        sample.run_finished(1, "Failed", message="Tasks Completed: 1 (Failed: 1, Cancelled 0), Skipped: 0"),
    ]
    lines = show(sample.plan(sample.task("build", "make")), feed).splitlines()
    assert [line for line in lines if reason.strip() in line] == [
        f"[build] Failed in 1.0s: {reason.strip()}",
        f"=== build failed: {reason.strip()}",
    ]
    assert any(line.startswith("build  Failed") and line.endswith("…") for line in lines)


def test_selected_lines(show, failed_run):
    text = show(*failed_run, selection=Selection([Source("clone"), Source("report", None, "print")]))
    assert text.startswith(
        """\
Run ci-x7k2p started in namespace default
[clone] started
[clone : git] Cloning into 'source'...
[clone : git] at commit 1234
[clone] Succeeded in 1.2s
[unit-tests : pytest] exit code 1
[unit-tests] Failed in 8.2s
[report] started
[report : print] état: Failed
[report] Succeeded in 0.1s

=== unit-tests : pytest failed: """
    )


def test_quiet(show, failed_run):
    assert show(*failed_run, selection=Selection(quiet=True)).startswith(
        "[unit-tests : pytest] exit code 1\n[unit-tests] Failed in 8.2s\n\n=== unit-tests : pytest failed: "
    )


def test_timestamps_are_the_times_of_reading(show, failed_run, start):
    clock = iter(range(100))
    lines = show(*failed_run, timestamps=True, clock=lambda: start + next(clock) / 8).splitlines()
    assert lines[0] == "2023-11-14T22:13:20.000Z Run ci-x7k2p started in namespace default"
    assert lines[9] == "2023-11-14T22:13:20.875Z [unit-tests : pytest] 1 failed"
    assert lines[8] == "2023-11-14T22:13:20.875Z [unit-tests : pytest]"  # read together
    assert lines[lines.index("") + 1].startswith("=== unit-tests : pytest failed")


def test_colours_of_steps_are_kept_if_enabled(show, failed_run):
    assert "[unit-tests : pytest] \x1b[31mE  assert 1 == 2\x1b[0m\n" in show(*failed_run, colours=True)


def test_retries_and_matrix(show, sample):
    plan = sample.plan(sample.task("flaky", "try", retries=2), sample.task("build", "make", index_count=2))
    text = show(
        plan,
        [
            sample.run_started(),
            sample.task_started("flaky", 0),
            sample.step_started("flaky", "try", 0),
            ("flaky-try", b"no luck\n"),
            sample.step_finished("flaky", "try", 1, code=137, reason="OOMKilled"),
            sample.task_finished("flaky", 1, "Failed", will_retry=True, retry_delay=0.5),
            sample.task_started("build", 1, index=1, os="linux"),
            sample.task_started("build", 1, index=0, os="darwin"),
            sample.step_started("build", "make", 1, index=1),
            ("build1-make", b"hello\n"),
            sample.task_started("flaky", 1, attempt=1),
            sample.step_started("flaky", "try", 1, attempt=1),
            ("flaky-try", b"luck"),
            sample.step_finished("flaky", "try", 75, attempt=1),
            sample.task_finished("flaky", 75, attempt=1),
            sample.step_finished("build", "make", 75.5, index=1, code=3, reason="Continued"),
            sample.task_finished("build", 75.5, index=1),
            sample.task_finished("build", 76, index=0, status="TimedOut", message="it took more than 1m15s"),
            sample.run_finished(76, "Succeeded", "Completed", results=[{"name": "list", "value": ["a", "b"]}]),
        ],
    )
    assert text == (
        """\
Run ci-x7k2p started in namespace default
[flaky] started
[flaky : try] no luck
[flaky : try] killed: out of memory
[flaky] attempt 1: Failed; retrying in 0.5s
[build[1]] started (os=linux)
[build[0]] started (os=darwin)
[build[1] : make] hello
[flaky] attempt 2 started
[flaky : try] luck
[flaky] Succeeded in 1m15s
[build[1] : make] exit code 3; the Task continues (onError: continue)
[build[1]] Succeeded in 1m14s
[build[0]] TimedOut in 1m15s: it took more than 1m15s

TASK      STATUS     STARTED  TOOK   WHY
flaky     Succeeded  +0.0s    1m15s  2 attempts
build[0]  TimedOut   +1.0s    1m15s  it took more than 1m15s
build[1]  Succeeded  +1.0s    1m14s

RESULT  VALUE
list    ["a", "b"]

ci-x7k2p Completed in 1m16s
"""
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "0.0s"), (59.94, "59.9s"), (59.96, "1m00s"), (3599.4, "59m59s"), (3599.6, "1h00m"), (9000, "2h30m")],
)
def test_durations(seconds, words):
    assert format_duration(seconds) == words


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1, "exit code 1"),
        (127, "exit code 127: command not found"),
        (143, "exit code 143: ended by SIGTERM"),
        (255, "exit code 255"),
    ],
)
def test_exit_codes(code, words):
    assert describe_exit_code(code) == words


@pytest.mark.parametrize(
    "outcome", [Outcome("Succeeded", "Completed", "all", lacks_events=True), Outcome("Unknown", "OutcomeUnknown", "?")]
)
def test_tasks_whose_end_was_not_reported_are_unknown(sample, outcome):
    """The coordinator's log ended early: that a Task has not started or ended in it says nothing."""
    follower = Follower(sample.plan(sample.task("clone", "git"), sample.task("test", "pytest")))
    for event in (sample.run_started(), sample.task_started("clone", 1)):
        follower.event(event)
    rows = summarize(follower, outcome, 5, None).rows
    assert [(row.status, row.why) for row in rows] == [("Unknown", "its end was not reported")] * 2
