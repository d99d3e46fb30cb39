"""A matrix that ends with the first combination that fails, or that succeeds."""

from __future__ import annotations

from typing import Any

from simulation import Behaviour, cancel, plan_of, simulate, task

from monopod.coordinator.engine.events import StopStep
from monopod.schemas.plan import Matrix, Param, Pipeline, ResultDeclaration, Sidecar, Step
from monopod.schemas.run_events import TaskFinished

FIVE = (Param("k", ("v", "w", "x", "y", "z")),)
FAIL_FAST: Any = Matrix(FIVE, fail_fast=True)
ANY: Any = Matrix(FIVE, completion="any")


def lasting(codes: dict[str, int], *seconds: float):
    """Return a behaviour: how long the combinations in the slots a-0, a-1 … take, and the codes of their containers."""

    def behave(request):
        number = int(request.container.split("-")[1]) if "-" in request.container.removesuffix("-run") else 0
        return Behaviour(seconds[number], codes.get(request.container, 0))

    return behave


def matrix_task(matrix: Matrix, **fields: Any):
    return task("a", matrix=matrix, slot_count=fields.pop("slot_count", 5), **fields)


def messages(run) -> dict[str, str]:
    return {name: each["status"]["conditions"][0]["message"] for name, each in run.status["taskRuns"].items()}


def test_first_failure_stops_what_runs_and_fails_the_task():
    plan = plan_of(matrix_task(FAIL_FAST), task("b", after=("a",)))
    run = simulate(plan, lasting({"a-2-run": 1}, 1, 9, 2, 9, 9))
    assert run.task_reasons() == {
        "run-a-0": "Succeeded",
        "run-a-1": "TaskRunCancelled",
        "run-a-2": "StepFailed",
        "run-a-3": "TaskRunCancelled",
        "run-a-4": "TaskRunCancelled",
    }
    stopped = [(at, command.container) for at, command in run.commands if isinstance(command, StopStep)]
    assert stopped == [(2, "a-4-run"), (2, "a-3-run"), (2, "a-1-run")]
    assert run.condition["reason"] == "Failed"
    assert run.condition["message"] == "Tasks Completed: 1 (Failed: 1, Cancelled 0), Skipped: 1"
    assert messages(run)["run-a-4"] == (
        'TaskRun "run-a-4" was cancelled because TaskRun "run-a-2" of the same matrix has failed'
    )


def test_first_failure_keeps_queued_combinations_from_starting():
    run = simulate(plan_of(matrix_task(FAIL_FAST, slot_count=2)), lasting({"a-0-run": 1}, 1, 9))
    assert run.started() == {"a-0-run": [0], "a-1-run": [0]}
    assert list(run.task_reasons().values()) == ["StepFailed", *["TaskRunCancelled"] * 4]
    assert run.released == {"a-0-run": 1, "a-1-run": 143}


def test_a_failure_with_retries_left_stops_nothing():
    plan = plan_of(matrix_task(FAIL_FAST, retries=1, retry_delay=2.0))
    run = simulate(plan, lambda r: Behaviour(6 if r.container != "a-2-run" else 1, int(r.container == "a-2-run")))
    assert run.started()["a-2-run"] == [0, 3]
    assert run.task_reasons()["run-a-1"] == "TaskRunCancelled"
    assert run.finished_at == 4.25


def test_combination_that_waits_for_its_retry_is_stopped():
    plan = plan_of(matrix_task(FAIL_FAST, retries=1, retry_delay=5.0))
    run = simulate(plan, lambda r: Behaviour(1 + int(r.container[2]) * 0.6, code=1))
    assert run.started()["a-0-run"] == [0, 6]
    assert run.started()["a-4-run"] == [0]  # it waits until 8.4; a-0-run fails at 7
    assert list(run.task_reasons().values()) == ["StepFailed", *["TaskRunCancelled"] * 4]
    assert run.finished_at == 7.25


def test_first_success_makes_the_task_succeed_and_stops_the_rest():
    plan = plan_of(
        matrix_task(ANY, results=(ResultDeclaration("r"),)),
        task("b", after=("a",)),
        results=(ResultDeclaration("out", value="$(tasks.a.results.r[*])"),),
    )

    def behave(request):
        seconds = {"a-0-run": 1, "a-3-run": 2}.get(request.container, 9 if request.container != "b-run" else 1)
        files = {"/tekton/results/r": request.container}
        return Behaviour(seconds, int(request.container == "a-0-run"), files)

    run = simulate(plan, behave)
    reasons = run.task_reasons()
    assert (reasons["run-a-0"], reasons["run-a-3"], reasons["run-b"]) == ("StepFailed", "Succeeded", "Succeeded")
    assert {reasons[f"run-a-{number}"] for number in (1, 2, 4)} == {"TaskRunCancelled"}
    assert (run.condition["reason"], run.exit_code) == ("Succeeded", 0)
    assert set(run.released.values()) == {0}
    assert run.status["results"] == [{"name": "out", "value": ["a-3-run"]}]
    assert messages(run)["run-a-1"] == (
        'TaskRun "run-a-1" was cancelled because TaskRun "run-a-3" of the same matrix has succeeded'
    )


def test_first_success_keeps_queued_combinations_from_starting():
    run = simulate(plan_of(matrix_task(ANY, slot_count=1)), lasting({}, 1))
    assert run.started() == {"a-run": [0]}
    assert (run.condition["reason"], run.finished_at) == ("Succeeded", 1)


def test_task_fails_if_all_combinations_fail():
    run = simulate(plan_of(matrix_task(ANY)), lambda r: Behaviour(int(r.container[2]) + 1, code=3))
    assert set(run.task_reasons().values()) == {"StepFailed"}
    assert (run.condition["reason"], run.exit_code) == ("Failed", 1)
    assert run.released == {"a-0-run": 0, "a-1-run": 0, "a-2-run": 0, "a-3-run": 0, "a-4-run": 3}


def test_cancelled_run_cancels_a_matrix_of_which_none_has_succeeded():
    run = simulate(plan_of(matrix_task(ANY)), lasting({"a-0-run": 1}, 1, 9, 9, 9, 9), extra=[cancel(2)])
    assert run.condition["reason"] == "Cancelled"


def test_final_tasks_see_the_reason_of_the_combination_that_decided():
    status = (Param("of", "$(tasks.a.status) $(tasks.a.reason) $(tasks.status)"),)
    final = task("f", params=status, steps=(Step("run", command=("echo", "$(params.of)")),))
    for matrix, codes, words in (
        (ANY, {"a-0-run": 1}, "Succeeded Succeeded Succeeded"),
        (FAIL_FAST, {"a-1-run": 1}, "Failed StepFailed Failed"),
    ):
        seconds = lasting({**codes, "f-run": 0}, 1, 2, 9, 9, 9)
        run = simulate(plan_of(matrix_task(matrix), final_tasks=(final,)), seconds)
        (request,) = (each for _, each in run.requests() if each.container == "f-run")
        assert request.arguments == ("echo", words)


def test_slot_whose_sidecar_stops_slowly_is_released():
    side = Sidecar(Step("db", script="sleep 1000"))
    plan = plan_of(matrix_task(FAIL_FAST, slot_count=2, sidecars=(side,)))

    def behave(request):
        if request.container.endswith("-db"):
            return Behaviour(1e6, stop_delay=5)
        return Behaviour(1 if request.container.startswith("a-0") else 9, int(request.container.startswith("a-0")))

    run = simulate(plan, behave)
    assert run.released.keys() == {"a-0-run", "a-0-db", "a-1-run", "a-1-db"}
    assert [each.index for each in run.reported if isinstance(each, TaskFinished)] == [0, 4, 3, 2, 1]


def test_tolerated_matrix_that_fails_fast_does_not_fail_the_run():
    run = simulate(plan_of(matrix_task(FAIL_FAST, on_error="continue")), lasting({"a-0-run": 1}, 1, 9, 9, 9, 9))
    assert run.task_reasons()["run-a-0"] == "FailureIgnored"
    assert (run.condition["reason"], run.exit_code) == ("Succeeded", 0)


def test_inner_pipeline_goes_on_after_the_first_success():
    inner = Pipeline("inner", tasks=(matrix_task(ANY), task("b", after=("a",))))
    run = simulate(
        plan_of(task("p", pipeline=inner, steps=(), slot_count=0)),
        lambda r: Behaviour(1 if r.container in ("a-4-run", "b-run") else 9),
    )
    assert run.condition["reason"] == "Succeeded"
