"""Steps that monopod adds and that also run after an earlier Step has failed (``Step.always``)."""

from __future__ import annotations

import pytest
from simulation import Behaviour, cancel, death, plan_of, simulate, start_failure, task

from monopod.schemas.plan import ResultDeclaration, Sidecar, Step, WhenExpression

OPEN, TEST, LINT = (Step(name, script="true") for name in ("open", "test", "lint"))
SAVE, CLOSE = (Step(name, script="true", always=True) for name in ("save", "close"))
STEPS = (OPEN, TEST, LINT, SAVE, CLOSE)


def failing(code=1, /, **codes):
    """Return a behaviour in which the Steps of these names fail."""
    return lambda request: Behaviour(code=codes.get(request.container.rpartition("-")[2], 0) and code)


def ended(run):
    """Return how each Step ended."""
    steps = run.status["taskRuns"]["run-a"]["status"]["steps"]
    return {step["name"]: step["terminationReason"] for step in steps}


def condition(run):
    found = run.status["taskRuns"]["run-a"]["status"]["conditions"][0]
    return found["reason"], found["message"]


def test_a_step_that_cannot_start_says_why():
    plan = plan_of(task("a", steps=STEPS))
    run = simulate(plan, extra=[start_failure(2, "a-test")], ready=lambda name: None if name == "a-test" else 0)
    steps = run.status["taskRuns"]["run-a"]["status"]["steps"]
    assert {step["name"]: step["terminated"].get("message", "") for step in steps} == {
        "open": "",
        "test": "ImagePullBackOff: it is not in the registry",
        **{name: f"Step {name} terminated as pod run is terminated" for name in ("lint", "save", "close")},
    }


def test_closing_steps_run_after_a_failure_which_stays_the_reason():
    run = simulate(plan_of(task("a", steps=STEPS)), failing(test=1))
    assert list(run.started()) == ["a-open", "a-test", "a-save", "a-close"]
    assert ended(run) == {
        "open": "Completed",
        "test": "Error",
        "lint": "Skipped",
        "save": "Completed",
        "close": "Completed",
    }
    assert condition(run) == ("StepFailed", '"step-test" exited with code 1: Error')


def test_closing_step_that_fails_too_does_not_change_the_reason_and_the_next_one_runs():
    run = simulate(plan_of(task("a", steps=STEPS)), failing(test=1, save=1))
    assert (ended(run)["save"], ended(run)["close"]) == ("Error", "Completed")
    assert condition(run) == ("StepFailed", '"step-test" exited with code 1: Error')


def test_closing_step_fails_the_task_if_nothing_failed_before():
    run = simulate(plan_of(task("a", steps=STEPS)), failing(7, save=1))
    assert ended(run)["close"] == "Completed"
    assert condition(run) == ("StepFailed", '"step-save" exited with code 7: Error')


def test_closing_step_runs_in_each_attempt():
    run = simulate(plan_of(task("a", steps=(TEST, CLOSE), retries=1)), lambda r: Behaviour(code=int(r.request == 1)))
    assert run.started()["a-close"] == [1, 3]
    assert condition(run)[0] == "Succeeded"


def test_results_are_read_after_the_closing_steps():
    plan = plan_of(task("a", steps=(TEST, CLOSE), results=(ResultDeclaration("r"),)))
    run = simulate(plan, lambda r: Behaviour(code=1, files={"/tekton/results/r": r.container}))
    assert run.status["taskRuns"]["run-a"]["status"]["results"][0]["value"] == "a-close"


def test_no_closing_step_runs_after_a_cancellation():
    run = simulate(plan_of(task("a", steps=STEPS)), extra=[cancel(0.5)])
    assert list(run.started()) == ["a-open"]
    assert set(ended(run).values()) == {"TaskRunCancelled"}


def test_no_closing_step_runs_after_the_timeout_of_the_task():
    run = simulate(plan_of(task("a", steps=STEPS, timeout=1.5)))
    assert list(run.started()) == ["a-open", "a-test"]
    assert condition(run)[0] == "TaskRunTimeout"


def test_closing_step_runs_after_the_timeout_of_a_step():
    run = simulate(plan_of(task("a", steps=(TEST._replace(timeout=0.5), CLOSE))))
    assert ended(run) == {"test": "TimeoutExceeded", "close": "Completed"}


@pytest.mark.parametrize(
    ("timeout", "extra", "of_step"),
    [
        (None, cancel(2.5), "Cancelled"),
        (2.5, death(0, "b-run"), "TimeoutExceeded"),
        (None, start_failure(2.5, "a-close"), "Cancelled"),
    ],
)
def test_first_failure_stays_the_reason_if_a_closing_step_is_cut_off(timeout, extra, of_step):
    plan = plan_of(task("a", steps=STEPS, timeout=timeout), task("b", on_error="continue"))
    absent = getattr(extra[1], "reason", "") and "a-close"
    run = simulate(plan, failing(test=1), extra=[extra], ready=lambda name: None if name == absent else 0)
    assert (ended(run)["save"], ended(run)["close"]) == (of_step, "Skipped")
    assert condition(run) == ("StepFailed", '"step-test" exited with code 1: Error')


def test_closing_step_whose_container_is_gone_is_skipped_and_the_next_one_runs():
    run = simulate(plan_of(task("a", steps=STEPS)), failing(test=1), extra=[death(2.5, "a-close")])
    assert (ended(run)["save"], ended(run)["close"]) == ("Completed", "Skipped")
    assert condition(run) == ("StepFailed", '"step-test" exited with code 1: Error')


def test_closing_steps_run_after_a_container_of_another_step_was_killed():
    run = simulate(plan_of(task("a", steps=STEPS)), extra=[death(0.5, "a-lint")])
    assert list(run.started()) == ["a-open", "a-save", "a-close"]
    assert condition(run) == ("StepFailed", 'a Step cannot run: container "a-lint" was killed')


def test_container_that_the_attempt_no_longer_waits_for_may_be_late():
    """The attempt waits for `test`; `lint` dies; then only `save` is waited for, however late `test` is."""
    late = {"a-test": 20.0, "a-save": 12.0}
    plan = plan_of(task("a", steps=STEPS))._replace(container_start_timeout=10.0)
    run = simulate(plan, ready=lambda name: late.get(name, 0.0), extra=[death(5, "a-lint")])
    assert run.started() == {"a-open": [0], "a-save": [12], "a-close": [13]}
    assert condition(run)[1] == 'a Step cannot run: container "a-lint" was killed'


def test_closing_step_has_guards_of_its_own():
    guarded = SAVE._replace(when=(WhenExpression("a", "in", ("b",)),))
    run = simulate(plan_of(task("a", steps=(TEST, guarded, CLOSE))), failing(test=1))
    assert ended(run) == {"test": "Error", "save": "Skipped", "close": "Completed"}


def test_closing_step_that_cannot_start_does_not_change_the_reason():
    wrong = SAVE._replace(script="$(tasks.x.results.y)", params=())
    run = simulate(plan_of(task("a", steps=(TEST, wrong, CLOSE))), failing(test=1))
    assert condition(run) == ("StepFailed", '"step-test" exited with code 1: Error')
    assert ended(run)["close"] == "Completed"


def test_sidecars_are_stopped_after_the_closing_steps():
    side = Sidecar(Step("db", script="sleep 1000"))
    run = simulate(
        plan_of(task("a", steps=(TEST, CLOSE), sidecars=(side,))),
        lambda r: Behaviour(1e6) if r.container == "a-db" else Behaviour(code=int(r.container == "a-test")),
    )
    stops = [at for at, command in run.commands if type(command).__name__ == "StopStep"]
    assert stops == [3]
