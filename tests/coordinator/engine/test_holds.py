"""Breakpoints: a Step is held before it starts, or after it has failed, until somebody releases it."""

from __future__ import annotations

from simulation import Behaviour, cancel, death, plan_of, simulate, start_failure, task

from monopod.coordinator.engine.events import EndHold, HoldStep
from monopod.schemas.plan import Step
from monopod.schemas.run_document import run_document
from monopod.schemas.run_events import StepFinished, StepHeld, StepReleased
from monopod.schemas.run_log import RunLog
from monopod.schemas.run_progress import progress_of

BUILD = Step("build", script="make", hold_before=True)
TEST = Step("test", script="make test", hold_on_failure=True)
LAST = Step("last", script="true")


def failing(*steps, **fields):
    """Return a behaviour in which these Steps fail."""
    return lambda request: Behaviour(code=3 if request.container.rpartition("-")[2] in steps else 0, **fields)


def releasing(verdict, seconds=5.0):
    return lambda *_: (seconds, verdict)


def ended(run):
    """Return how each Step ended."""
    steps = run.status["taskRuns"]["run-a"]["status"]["steps"]
    return {step["name"]: (step["terminationReason"], step["terminated"]["exitCode"]) for step in steps}


def held(run):
    """Return when each hold began and ended."""
    begun = [at for at, command in run.commands if isinstance(command, HoldStep)]
    return list(zip(begun, [at for at, command in run.commands if isinstance(command, EndHold)], strict=True))


def test_step_is_held_before_it_starts_and_runs_when_it_is_released():
    run = simulate(plan_of(task("a", steps=(BUILD, LAST))), release=releasing("continue"))
    assert held(run) == [(0, 5)]
    assert run.started() == {"a-build": [5], "a-last": [6]}
    assert run.condition["status"] == "True"


def test_request_of_a_held_step_is_known_before_it_runs():
    step = BUILD._replace(environment=(("WHO", "$(context.taskRun.name)"),), working_directory="/src")
    run = simulate(plan_of(task("a", steps=(step,))))
    (hold,) = [command.before for _, command in run.commands if isinstance(command, HoldStep)]
    (ran,) = [command for _, command in run.requests()]
    assert (hold.environment, hold.working_directory) == ((("WHO", "run-a"),), "/src")
    assert (hold.fresh, ran.fresh) == (True, False)
    assert ran == hold._replace(fresh=False)


def test_step_that_is_failed_before_it_starts_never_runs():
    run = simulate(plan_of(task("a", steps=(BUILD, LAST))), release=releasing("fail"))
    assert run.started() == {}
    assert ended(run) == {"build": ("Error", 1), "last": ("Skipped", 1)}
    assert run.task_reasons() == {"run-a": "StepFailed"}


def test_failed_step_that_is_continued_has_succeeded():
    run = simulate(plan_of(task("a", steps=(TEST, LAST))), failing("test"), release=releasing("continue"))
    assert held(run) == [(1, 6)]
    assert ended(run) == {"test": ("Completed", 0), "last": ("Completed", 0)}
    messages = [event.message for event in run.reported if isinstance(event, StepFinished)]
    assert messages == ["exit code 3, then continued on request at the breakpoint on failure", ""]
    assert run.condition["status"] == "True"


def test_failed_step_that_is_failed_keeps_its_exit_code_and_retries_wait():
    steps = (TEST, LAST)
    run = simulate(plan_of(task("a", steps=steps, retries=1)), failing("test"), release=releasing("fail"))
    assert held(run) == [(1, 6), (7, 12)]
    assert ended(run) == {"test": ("Error", 3), "last": ("Skipped", 1)}
    assert run.started() == {"a-test": [0, 6]}


def test_step_that_succeeds_or_whose_failure_is_ignored_is_not_held():
    ignored = TEST._replace(name="lint", on_error="continue")
    run = simulate(plan_of(task("a", steps=(TEST, ignored))), failing("lint"))
    assert held(run) == []
    assert ended(run)["lint"] == ("Continued", 3)


def test_step_that_timed_out_or_lost_its_container_is_not_held():
    timed = TEST._replace(timeout=2.0)
    assert held(simulate(plan_of(task("a", steps=(timed,))), lambda _: Behaviour(duration=5))) == []
    assert held(simulate(plan_of(task("a", steps=(TEST,))), extra=[death(0.5, "a-test")])) == []


def test_clocks_of_timeouts_stand_still_while_a_step_is_held():
    plan = plan_of(task("a", steps=(BUILD, LAST), timeout=3.0), timeout=4.0)
    run = simulate(plan, release=releasing("continue", 60.0))
    assert run.condition["status"] == "True"
    late = simulate(plan, lambda _: Behaviour(duration=2), release=releasing("continue", 60.0))
    assert late.task_reasons() == {"run-a": "TaskRunTimeout"}
    assert late.finished_at == 63.25


def test_clock_of_the_run_stands_still_until_the_last_hold_ends():
    tasks = [task(name, steps=(BUILD,)) for name in "ab"]
    plan = plan_of(*tasks, task("c", steps=(LAST,), timeout=3.0), timeout=2.0)
    ends = {"a-build": 10.0, "b-build": 20.0}
    run = simulate(plan, lambda _: Behaviour(duration=4), release=lambda name, _: (ends[name], "continue"))
    assert run.condition["reason"] == "PipelineRunTimeout"
    assert run.task_reasons()["run-c"] == "TaskRunTimeout", "the clock of another Task runs on"
    assert run.finished_at == 22.25


def test_cancellation_ends_a_hold_and_finally_runs():
    for steps, behave in (((BUILD,), None), ((TEST,), failing("test"))):
        final = task("clean", steps=(LAST,))
        plan = plan_of(task("a", steps=steps), final_tasks=(final,))
        run = simulate(
            plan, behave or failing(), extra=[cancel(3, "CancelledRunFinally")], release=releasing("fail", 9)
        )
        assert held(run)[0][1] == 3
        assert run.task_reasons() == {"run-a": "TaskRunCancelled", "run-clean": "Succeeded"}


def test_loss_of_the_container_ends_a_hold():
    before = simulate(plan_of(task("a", steps=(BUILD,))), extra=[death(2, "a-build")], release=releasing("continue"))
    assert (held(before), before.task_reasons()) == ([(0, 2)], {"run-a": "StepFailed"})
    after = simulate(plan_of(task("a", steps=(TEST,))), failing("test"), extra=[start_failure(2, "a-test")])
    assert ended(after)["test"] == ("Error", 3)


def test_log_and_status_say_where_a_run_is_held():
    plan = plan_of(task("a", steps=(BUILD._replace(hold_on_failure=True),)))
    run = simulate(plan, failing("build"), release=releasing("continue"))
    log = RunLog()
    lines = [line for event in run.reported for line in log.lines(event)]
    told = [line.split("  ")[-1].strip() for line in lines if "held" in line or "released" in line]
    assert told == [
        "build: held before it starts; timeouts are paused",
        "build: released to continue; timeouts run again",
        "build: held after it failed (exit code 3); timeouts are paused",
        "build: released to continue; timeouts run again",
    ]
    until = [event for event in run.reported if not isinstance(event, StepReleased)]
    so_far = until[: 1 + next(at for at, event in enumerate(until) if isinstance(event, StepHeld))]
    status = run_document(plan, progress_of(plan, so_far), {}, 1)["status"]["taskRuns"]["run-a"]["status"]
    assert status["conditions"][0]["message"] == 'Step "build" is held before it starts'
    assert "running" in status["steps"][0]
