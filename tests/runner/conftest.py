"""Plans and the events of runs, for tests."""

import pytest

from monopod.schemas import plan
from monopod.schemas.run_events import (
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    TaskFinished,
    TaskSkipped,
    TaskStarted,
)

START = 1_700_000_000.0


class SampleRun:
    """Makes the events of a run, each at the time `after` seconds from its start."""

    def task(self, name, *steps, after=(), index_count=0, **fields):
        """A Task of a Plan, with a slot per matrix combination (or one)."""
        slots = tuple(
            plan.Slot(f"{name}{number or ''}", tuple(f"{name}{number or ''}-{step}" for step in steps))
            for number in range(index_count or 1)
        )
        if index_count:
            fields["matrix"] = plan.Matrix(pinned=True)
        return plan.Task(name, after=after, steps=tuple(map(plan.Step, steps)), slots=slots, **fields)

    def plan(self, *tasks, final=()):
        return plan.Plan(plan.Pipeline("pipeline", tasks=tasks, final_tasks=tuple(final)), {})

    def run_started(self, name="ci-x7k2p"):
        return RunStarted(START, name, "default", "uid")

    def task_started(self, task, after, index=None, attempt=0, **params):
        return TaskStarted(START + after, task, index, attempt, f"{task}{index or ''}", params)

    def step_started(self, task, step, after, index=None, attempt=0):
        return StepStarted(START + after, task, index, attempt, step, f"{task}{index or ''}-{step}")

    def step_finished(self, task, step, after, code=0, index=None, attempt=0, reason=None, message=""):
        container = f"{task}{index or ''}-{step}"
        reason = reason or ("Error" if code else "Completed")
        return StepFinished(
            START + after, task, index, attempt, step, container, code, reason, message, START, START + after, 0.1, 1000
        )

    def task_finished(self, task, after, status="Succeeded", index=None, attempt=0, message="", **retry):
        return TaskFinished(START + after, task, index, attempt, status, status, message, **retry)

    def task_skipped(self, task, after, reason="When Expressions evaluated to false"):
        return TaskSkipped(START + after, task, reason)

    def run_finished(self, after, status="Succeeded", reason=None, message="", **run_status):
        document = {"kind": "PipelineRun", "metadata": {"name": "ci-x7k2p"}, "status": run_status}
        return RunFinished(START + after, status, reason or status, message, document)


@pytest.fixture(scope="session")
def sample():
    return SampleRun()


@pytest.fixture(scope="session")
def start():
    return START


@pytest.fixture(scope="session")
def failed_run(sample):
    """A Plan and the input of its follower: events, and (container, bytes)."""
    tests = sample.plan(
        sample.task("clone", "git"),
        sample.task("unit-tests", "install", "pytest", after=("clone",)),
        sample.task("docs", "build", after=("clone",)),
        sample.task("integration", "run", after=("unit-tests",)),
        final=[sample.task("report", "print")],
    )
    feed = [
        sample.run_started(),
        sample.task_started("clone", 0.2),
        ("clone-git", b"Cloning into 'source'...\n"),  # before the Step is known to have started
        sample.step_started("clone", "git", 0.2),
        ("clone-git", b"at commit "),
        ("clone-git", b"1234"),
        sample.step_finished("clone", "git", 1.4),
        sample.task_finished("clone", 1.4),
        sample.task_started("unit-tests", 1.5),
        sample.step_started("unit-tests", "install", 1.5),
        sample.task_skipped("docs", 1.5),
        sample.step_finished("unit-tests", "install", 2.5),
        sample.step_started("unit-tests", "pytest", 2.5),
        ("unit-tests-pytest", b"\x1b[31mE  assert 1 == 2\x1b[0m\r\n\n1 failed\n"),
        sample.step_finished("unit-tests", "pytest", 9.6, code=1),
        sample.task_finished("unit-tests", 9.7, "Failed"),
        sample.task_skipped("integration", 9.7, "Parent Tasks were skipped"),
        sample.task_started("report", 9.8),
        sample.step_started("report", "print", 9.8),
        ("report-print", "état: Failed\n".encode()),
        sample.step_finished("report", "print", 9.9),
        sample.task_finished("report", 9.9),
        sample.run_finished(10, "Failed", message="Tasks Completed: 3 (Failed: 1, Cancelled 0), Skipped: 2"),
    ]
    return tests, feed


@pytest.fixture(scope="session")
def feed_all():
    """Feeds a follower and shows its output on a display."""

    def feed_all(follower, display, feed):
        for item in feed:
            shown = follower.output(*item) if type(item) is tuple else follower.event(item)
            for each in shown:
                display.show(each)

    return feed_all
