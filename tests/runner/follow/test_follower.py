"""Attributing lines to Steps, the order of lines and events, and the status of the Tasks."""

import pytest

from monopod.runner.follow.follower import LAST_LINES, Follower, OutputLines
from monopod.runner.follow.ordered import Output
from monopod.schemas import plan


@pytest.fixture
def build(sample):
    return Follower(sample.plan(sample.task("build", "make", retries=1)))


def test_output_comes_before_the_end_of_its_step(build, sample):
    build.event(sample.step_started("build", "make", 1))
    build.output("build-make", b"no newline")
    finished = sample.step_finished("build", "make", 2)
    assert build.event(finished) == [OutputLines("build", "make", "no newline"), finished]


def test_streams_are_split_into_lines_separately(build, sample):
    build.event(sample.step_started("build", "make", 1))
    assert build.output("build-make", b"half of an error", "stderr") == []
    assert build.output("build-make", b"a line\n") == [OutputLines("build", "make", "a line")]
    finished = sample.step_finished("build", "make", 2)
    assert build.event(finished) == [OutputLines("build", "make", "half of an error"), finished]


def last_lines(follower):
    """Return the last lines of each Step that failed its Task for good."""
    over = [task for task in follower.tasks if task.is_over]
    return [follower.last_lines(task, step) for task in over for step in task.failed_steps]


def test_unterminated_lines_are_shown_when_the_events_end(build):
    build.output("build-make", b"two")
    build.output("stranger", b"three")
    assert [(line.task, line.step, line.text) for line in build.end()] == [
        ("build", "make", "two"),
        ("stranger", "", "three"),
    ]
    assert build.end() == []


def test_late_output_is_among_the_last_lines_of_its_step(build, sample):
    start = sample.step_started("build", "make", 0)
    build.event(start)
    build.output("build-make", b"in time\n")
    build.event(sample.step_finished("build", "make", 1, code=1))
    build.event(sample.task_finished("build", 1, "Failed", attempt=0))
    assert build.take(Output("build-make", b"late\nno newline", start)) == [OutputLines("build", "make", "late")]
    assert last_lines(build) == [("in time", "late")]
    assert build.end() == [OutputLines("build", "make", "no newline")]
    assert last_lines(build) == [("in time", "late", "no newline")]


def test_late_output_does_not_belong_to_the_next_attempt(build, sample):
    first = sample.step_started("build", "make", 0)
    build.event(first)
    build.event(sample.step_finished("build", "make", 1, code=1))
    build.event(sample.task_finished("build", 1, "Failed", attempt=0, will_retry=True))
    build.event(sample.task_started("build", 1, attempt=1))
    build.event(sample.step_started("build", "make", 1, attempt=1))
    assert build.output("build-make", b"half of ") == []
    assert build.take(Output("build-make", b"late\n", first)) == [OutputLines("build", "make", "late")]
    assert build.output("build-make", b"a line\n") == [OutputLines("build", "make", "half of a line")]
    build.event(sample.step_finished("build", "make", 2, code=1, attempt=1))
    build.event(sample.task_finished("build", 2, "Failed", attempt=1))
    assert last_lines(build) == [("half of a line",)]


def test_last_lines_of_the_deciding_attempt(build, sample):
    def attempt(number, code, **fields):
        build.event(sample.task_started("build", number, attempt=number))
        build.event(sample.step_started("build", "make", number, attempt=number))
        build.output("build-make", b"".join(b"attempt %d, line %d\n" % (number, line) for line in range(50)))
        build.event(sample.step_finished("build", "make", number + 1, code=code, attempt=number))
        build.event(sample.task_finished("build", number + 1, "Failed", attempt=number, **fields))

    attempt(0, 1, will_retry=True)
    assert last_lines(build) == []
    assert build.tasks[0].status == "Running"
    attempt(1, 2)
    (failed,) = build.tasks[0].failed_steps
    assert (failed.name, failed.exit_code) == ("make", 2)
    assert last_lines(build) == [tuple(f"attempt 1, line {line}" for line in range(50 - LAST_LINES, 50))]
    assert build.tasks[0].started == sample.task_started("build", 0).at


def test_ignored_or_cancelled_step_did_not_fail_its_task(build, sample):
    build.event(sample.task_started("build", 0))
    build.event(sample.step_started("build", "make", 0))
    build.event(sample.step_finished("build", "make", 1, code=1, reason="Continued"))
    build.event(sample.step_finished("build", "make", 1, code=143, reason="Cancelled"))
    build.event(sample.task_finished("build", 1, "Cancelled"))
    assert last_lines(build) == []


def test_sidecar_output_is_shown_under_its_current_instance(sample):
    slot = plan.Slot("test", ("test-run",), ("sidecar-test-db",))
    task = plan.Task(
        "test",
        steps=(plan.Step("run"),),
        sidecars=(plan.Sidecar(plan.Step("db")),),
        slots=(slot,),
        matrix=plan.Matrix(),
    )
    follower = Follower(sample.plan(task))
    follower.event(sample.task_started("test", 0, index=0))
    assert follower.output("sidecar-test-db", b"ready\n") == [OutputLines("test[0]", "db", "ready")]
    follower.event(sample.task_finished("test", 1, index=0))
    started = sample.task_started("test", 0, index=0)
    follower.event(type(started)(started.at, "test", 3, 0, "test", {}))
    assert follower.output("sidecar-test-db", b"ready\n") == [OutputLines("test[3]", "db", "ready")]


@pytest.fixture
def nested(sample):
    inner = plan.Pipeline("scans", tasks=(sample.task("a", "x"), sample.task("b", "x", after=("a",))))
    scan = plan.Task("scan", after=("clone",), pipeline=inner)
    return Follower(sample.plan(sample.task("clone", "git"), scan, sample.task("ship", "x", after=("scan",))))


def test_nested_pipeline_is_shown_as_its_tasks(nested, sample):
    assert [task.path for task in nested.tasks] == ["clone", "scan/a", "scan/b", "ship"]
    _, _, b, ship = nested.tasks
    assert nested.progress.waits_for(b) == ("clone", "scan/a")
    assert nested.progress.waits_for(ship) == ("scan",)
    nested.event(sample.task_finished("clone", 1))
    nested.event(sample.task_finished("scan/a", 2))
    assert nested.progress.waits_for(b) == ()
    nested.event(sample.task_skipped("scan/b", 3))
    assert nested.progress.waits_for(ship) == ()


@pytest.mark.parametrize("status", ["Skipped", "Failed"])
def test_nested_pipeline_that_never_starts_is_one_task(nested, sample, status):
    nested.event(sample.task_skipped("scan", 1) if status == "Skipped" else sample.task_finished("scan", 1, "Failed"))
    assert [(task.path, task.status) for task in nested.tasks] == [
        ("clone", "Waiting"),
        ("scan", status),
        ("ship", "Waiting"),
    ]
    assert nested.progress.waits_for(nested.tasks[2]) == ()


def test_matrix_instances_replace_their_task(sample):
    follower = Follower(sample.plan(sample.task("a", "x"), sample.task("m", "x", index_count=3), sample.task("z", "x")))
    for index in (2, 0, 1):
        follower.event(sample.task_started("m", index, index=index))
        follower.event(sample.task_finished("m", index + 1, index=index))
    assert [task.label for task in follower.tasks] == ["a", "m[0]", "m[1]", "m[2]", "z"]
    assert follower.progress.is_over("m")


def test_event_without_a_combination_number(build, sample):
    build.event(sample.task_started("build", 1, index=1))
    build.event(sample.task_started("build", 2))
    assert {each.index for each in build.tasks} == {None, 1}
