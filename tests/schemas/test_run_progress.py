"""The fold of a run's events agrees with the coordinator's finished document."""

import pytest
from observed import run
from random_pipelines import random_case

from monopod.schemas.plan import Pipeline, Plan, Slot, Step, Task
from monopod.schemas.run_document import run_document
from monopod.schemas.run_events import (
    MatrixExpanded,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    TaskFinished,
    TaskSkipped,
    TaskStarted,
)
from monopod.schemas.run_progress import progress_of

ONLY_THE_COORDINATOR_KNOWS = {"results", "artifacts", "inputs", "outputs", "displayName", "whenExpressions", "sidecars"}
OF_PIPELINES = {"conditions", "startTime", "completionTime", "finallyStartTime"}
"""What no event says of a Pipeline, or of the run before its end."""


def in_events(status):
    """Return the part of a status that follows from events."""
    if isinstance(status, list):
        return [in_events(each) for each in status]
    if not isinstance(status, dict):
        return status
    left_out = ONLY_THE_COORDINATOR_KNOWS | (OF_PIPELINES if "childReferences" in status else set())
    if "exitCode" in status:
        left_out = {"reason"}  # may be OOMKilled although the event has TimedOut; `terminationReason` is compared
    return {name: in_events(value) for name, value in status.items() if name not in left_out}


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_progress_agrees_with_the_coordinator(first):
    for seed in range(first, first + 100):
        case = random_case(seed)
        simulation = run(case)
        events = [event for event in simulation.reported if not isinstance(event, RunFinished)]
        document = run_document(case.plan, progress_of(case.plan, events), {}, 0)
        assert document["metadata"] == simulation.document["metadata"]
        assert in_events(document["status"]) == in_events(simulation.document["status"]), seed


def test_events_may_start_in_the_middle_of_a_run():
    progress = progress_of(None, [StepFinished(5, "a", None, 1, "x", "a-x", 3, "Error", "", 4, 5, 0.1, 1)])
    (task,) = progress.tasks
    assert (task.status, task.attempt, task.started) == ("Running", 1, 5)
    assert [(step.name, step.exit_code, step.seconds) for step in task.failed_steps] == [("x", 3, 1)]


def test_cancelling_between_attempts_keeps_the_last_attempt():
    progress = progress_of(
        None,
        [
            TaskStarted(1, "a", None, 0, "a", {}),
            TaskFinished(2, "a", None, 0, "Failed", "StepFailed", "exit code 1", will_retry=True),
            TaskFinished(3, "a", None, 0, "Cancelled", "TaskRunCancelled", "cancelled"),
        ],
    )
    (task,) = progress.tasks
    (attempt,) = task.attempts
    assert (task.status, task.ended) == ("Cancelled", 3)
    assert (attempt.status, attempt.ended) == ("Failed", 2)


def test_running_steps():
    events = [TaskStarted(1, "a", None, 0, "a", {}), StepStarted(1, "a", None, 0, "x", "a-x")]
    assert [step.container for step in progress_of(None, events).tasks[0].running_steps] == ["a-x"]
    events.append(TaskFinished(2, "a", None, 0, "Failed", "StepFailed", "", will_retry=True))
    assert progress_of(None, events).tasks[0].running_steps == ()


def test_combinations_replace_their_task_in_order():
    plan = Plan(Pipeline("p", tasks=(Task("m"), Task("z", after=("m",)))), {})
    events = [MatrixExpanded(1, "m", ["go=1", "go=2"]), TaskFinished(2, "m", 1, 0, "Succeeded", "Succeeded", "")]
    progress = progress_of(plan, events)
    assert [task.label for task in progress.tasks] == ["m[go=1]", "m[go=2]", "z"]
    assert progress.waits_for(progress.tasks[2]) == ("m",)
    progress.apply(TaskFinished(3, "m", 0, 0, "Succeeded", "Succeeded", ""))
    assert progress.waits_for(progress.tasks[2]) == ()


def test_skipped_nested_pipeline_is_a_skipped_task():
    inner = Pipeline("inner", tasks=(Task("a"), Task("b")))
    plan = Plan(Pipeline("p", tasks=(Task("scan", pipeline=inner), Task("z"))), {"kind": "PipelineRun"})
    events = [RunStarted(0, "run", "ci", "uid"), TaskSkipped(1, "scan", "Parent Tasks were skipped")]
    progress = progress_of(plan, events)
    assert [(task.path, task.status) for task in progress.tasks] == [("scan", "Skipped"), ("z", "Waiting")]
    status = run_document(plan, progress, {}, 2)["status"]
    assert status["skippedTasks"] == [{"name": "scan", "reason": "Parent Tasks were skipped"}]
    assert "pipelineRuns" not in status


def test_document_before_the_end_lists_the_attempts():
    task = Task("a", steps=(Step("x"),), slots=(Slot("a", ("a-x",)),), retries=1)
    plan = Plan(Pipeline("p", tasks=(task,)), {"kind": "PipelineRun"})
    events = [
        RunStarted(0, "run", "ci", "uid"),
        TaskStarted(1, "a", None, 0, "a", {}),
        StepFinished(2, "a", None, 0, "x", "a-x", 1, "Error", "", 1, 2, 0.1, 1),
        TaskFinished(2, "a", None, 0, "Failed", "StepFailed", "it failed", will_retry=True),
        TaskStarted(3, "a", None, 1, "a", {}),
        StepStarted(3, "a", None, 1, "x", "a-x"),
    ]
    status = run_document(plan, progress_of(plan, events), {}, 4)["status"]["taskRuns"]["run-a"]["status"]
    assert status["conditions"][0]["status"] == "Unknown"
    assert status["steps"] == [{"name": "x", "container": "a-x", "running": {"startedAt": "1970-01-01T00:00:03Z"}}]
    (earlier,) = status["retriesStatus"]
    assert earlier["conditions"][0]["message"] == "it failed"
    assert earlier["steps"][0]["terminated"]["exitCode"] == 1
