"""A limit on the TaskRuns that run at the same time."""

from __future__ import annotations

from typing import Any

import pytest
from simulation import Behaviour, cancel, plan_of, simulate, task

from monopod.schemas.plan import Matrix, Param, Pipeline, Plan

THREE = (Param("k", ("x", "y", "z")),)


def limited(most: int, *tasks: Any, **fields: Any) -> Plan:
    return plan_of(*tasks, **fields)._replace(max_parallel=most)


def lasting(**seconds: float):
    """Return a behaviour: how long the Steps of each Task take; one second by default."""
    return lambda request: Behaviour(seconds.get(request.container.split("-")[0], 1.0))


def starts(run) -> dict[str, list[float]]:
    return {container.removesuffix("-run"): times for container, times in run.started().items()}


def test_ready_tasks_wait_for_a_place_in_the_order_in_which_they_are_written():
    run = simulate(limited(2, *map(task, "abcde")), lasting(a=5))
    assert starts(run) == {"a": [0], "b": [0], "c": [1], "d": [2], "e": [3]}


def test_task_that_became_ready_first_starts_first():
    run = simulate(limited(1, task("late", after=("a",)), task("a"), task("b"), task("c")))
    assert starts(run) == {"a": [0], "b": [1], "c": [2], "late": [3]}


def test_retries_keep_their_place():
    run = simulate(
        limited(1, task("a", retries=1, retry_delay=5.0), task("b")),
        lambda r: Behaviour(code=int(r.container == "a-run" and r.request == 1)),
    )
    assert starts(run) == {"a": [0, 6], "b": [7]}


def test_each_combination_of_a_matrix_needs_a_place():
    run = simulate(limited(2, task("m", matrix=Matrix(THREE, pinned=True), slot_count=3), task("b")))
    assert starts(run) == {"m-0": [0], "m-1": [0], "m-2": [1], "b": [1]}


def test_place_that_a_matrix_has_no_slot_for_goes_to_the_next_task():
    run = simulate(limited(2, task("m", matrix=Matrix(THREE)), task("b"), task("c")))
    assert starts(run) == {"m": [0, 1, 2], "b": [0], "c": [1]}


def test_tasks_of_an_inner_pipeline_need_places_and_the_pipeline_none():
    inner = Pipeline("inner", tasks=(task("x"), task("y")))
    run = simulate(limited(1, task("p", pipeline=inner, steps=(), slot_count=0), task("b"), task("c", after=("p",))))
    assert starts(run) == {"b": [0], "x": [1], "y": [2], "c": [3]}


def test_final_tasks_need_places():
    run = simulate(limited(1, task("a"), final_tasks=(task("f"), task("g"))))
    assert starts(run) == {"a": [0], "f": [1], "g": [2]}


def test_waiting_task_is_skipped_when_another_one_fails():
    run = simulate(limited(1, task("a"), task("b")), lambda _: Behaviour(code=1))
    assert run.skipped() == {"b": "PipelineRun was stopping"}
    assert run.released == {"a-run": 1, "b-run": 0}


def test_combinations_of_a_matrix_that_has_started_run_on_when_another_task_fails():
    plan = limited(2, task("a"), task("m", matrix=Matrix(THREE, pinned=True), slot_count=3))
    run = simulate(plan, lambda r: Behaviour(code=int(r.container == "a-run")))
    assert starts(run) == {"a": [0], "m-0": [0], "m-1": [1], "m-2": [1]}


@pytest.mark.parametrize("mode", ["Cancelled", "CancelledRunFinally"])
def test_cancellation_ends_what_waits_for_a_place(mode):
    plan = limited(1, task("m", matrix=Matrix(THREE, pinned=True), slot_count=3), task("b"))
    run = simulate(plan, lasting(m=9), extra=[cancel(2, mode)])
    assert starts(run) == {"m-0": [0]}
    assert run.task_reasons() == {f"run-m-{number}": "TaskRunCancelled" for number in range(3)}
    assert run.released.keys() == {"m-0-run", "m-1-run", "m-2-run", "b-run"}
    assert list(run.skipped()) == ["b"]


def test_first_failure_of_a_matrix_ends_what_waits_for_a_place():
    matrix = Matrix(THREE, pinned=True, fail_fast=True)
    run = simulate(limited(1, task("m", matrix=matrix, slot_count=3)), lambda _: Behaviour(code=1))
    assert starts(run) == {"m-0": [0]}
    assert list(run.task_reasons().values()) == ["StepFailed", "TaskRunCancelled", "TaskRunCancelled"]


def test_places_survive_a_restart_of_the_coordinator():
    plan = limited(2, *map(task, "abcde"))
    assert simulate(plan, is_killed=lambda: True).commands == simulate(plan).commands


def test_matrix_without_combinations_needs_no_place_of_another_task():
    run = simulate(limited(1, task("m", matrix=Matrix((Param("k", ()),))), task("b")))
    assert starts(run) == {"b": [0]}


def test_of_many_tasks_never_more_run_than_have_places():
    tasks = [task(f"t{number}", after=(f"t{number // 3 - 1}",) if number >= 3 else ()) for number in range(60)]
    run = simulate(limited(4, *tasks), lambda request: Behaviour(1 + int(request.container[1:-4]) * 7 % 13 / 10))
    changes = [(at, 1) for times in run.started().values() for at in times]
    ends = [(event.at, -1) for event in run.reported if type(event).__name__ == "TaskFinished"]
    running, most = 0, 0
    for _, change in sorted([*changes, *ends]):
        running += change
        most = max(most, running)
    assert (len(changes), most) == (60, 4)
