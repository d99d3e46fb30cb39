"""The delay before a retry."""

from __future__ import annotations

import pytest
from simulation import Behaviour, cancel, death, plan_of, simulate, task

from monopod.coordinator.engine.events import SetTimer
from monopod.schemas.plan import Matrix, Param, Sidecar, Step
from monopod.schemas.run_events import TaskFinished


def failing_at_first(request):
    return Behaviour(code=int(request.request == 1))


def test_next_attempt_starts_after_the_delay():
    run = simulate(plan_of(task("a", retries=1, retry_delay=30.0)), failing_at_first)
    assert run.started() == {"a-run": [0, 31]}
    assert run.condition["reason"] == "Succeeded"


def test_delay_is_reported_with_the_failed_attempt():
    run = simulate(plan_of(task("a", retries=1, retry_delay=30.0)), lambda _: Behaviour(code=1))
    ends = [each for each in run.reported if isinstance(each, TaskFinished)]
    assert [(each.will_retry, each.retry_delay) for each in ends] == [(True, 30), (False, 0)]


def test_sidecars_that_stop_slowly_are_waited_for():
    side = Sidecar(Step("db", script="sleep 1000"))
    plan = plan_of(task("a", retries=1, retry_delay=2.0, sidecars=(side,)))

    def behave(request):
        return Behaviour(1e6, stop_delay=5) if request.container == "a-db" else failing_at_first(request)

    run = simulate(plan, behave)
    assert run.started()["a-db"] == [0, 7]  # the Step ran from 1 to 2


def test_sidecars_that_stop_quickly_do_not_shorten_the_delay():
    side = Sidecar(Step("db", script="sleep 1000"))
    plan = plan_of(task("a", retries=1, retry_delay=9.0, sidecars=(side,)))
    run = simulate(plan, lambda r: Behaviour(1e6) if r.container == "a-db" else failing_at_first(r))
    assert run.started()["a-db"] == [0, 11]


@pytest.mark.parametrize("mode", ["Cancelled", "CancelledRunFinally"])
def test_cancellation_ends_the_wait(mode):
    run = simulate(plan_of(task("a", retries=1, retry_delay=30.0)), failing_at_first, extra=[cancel(5, mode)])
    assert run.task_reasons() == {"run-a": "TaskRunCancelled"}
    assert run.finished_at == 5


def test_graceful_stop_lets_the_task_retry():
    plan = plan_of(task("a", retries=1, retry_delay=30.0))
    run = simulate(plan, failing_at_first, extra=[cancel(5, "StoppedRunFinally")])
    assert run.task_reasons() == {"run-a": "Succeeded"}


def test_timeout_of_the_pipeline_ends_the_wait():
    run = simulate(plan_of(task("a", retries=1, retry_delay=30.0), timeout=9.0), failing_at_first)
    assert (run.condition["reason"], run.finished_at) == ("PipelineRunTimeout", 9)


def test_timeout_of_the_task_does_not_include_the_delay():
    run = simulate(plan_of(task("a", retries=1, retry_delay=30.0, timeout=5.0)), failing_at_first)
    assert run.task_reasons() == {"run-a": "Succeeded"}


def test_waiting_combination_keeps_its_slot():
    matrix = Matrix((Param("k", ("x", "y")),))
    run = simulate(plan_of(task("a", matrix=matrix, retries=1, retry_delay=30.0)), failing_at_first)
    assert run.started() == {"a-run": [0, 31, 32]}


def test_nothing_is_retried_in_a_container_that_dies_during_the_wait():
    run = simulate(plan_of(task("a", retries=1, retry_delay=30.0)), failing_at_first, extra=[death(5, "a-run")])
    assert run.finished_at == 31
    message = run.status["taskRuns"]["run-a"]["status"]["conditions"][0]["message"]
    assert message == 'a Step cannot run: container "a-run" was killed'


def test_end_of_the_wait_survives_a_restart_of_the_coordinator():
    plan = plan_of(task("a", retries=1, retry_delay=30.0))
    run = simulate(plan, failing_at_first, is_killed=lambda: True)
    timers = [command for _, command in run.commands if isinstance(command, SetTimer)]
    assert [timer.at for timer in timers if timer.timer == "retry:a"] == [31]
    assert run.started() == {"a-run": [0, 31]}
