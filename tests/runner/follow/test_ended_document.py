"""The document of a run whose end the coordinator did not report, or reported with another outcome."""

import pytest
import tekton_documents

from monopod.runner.display.summary import Outcome
from monopod.runner.follow.ended_document import ended_document
from monopod.schemas.run_document import run_document
from monopod.schemas.run_events import RunCancelling
from monopod.schemas.run_progress import progress_of

EVICTED = Outcome("Failed", "Evicted", "the node was low on memory")
CONDITION = {
    "type": "Succeeded",
    "status": "False",
    "reason": "Evicted",
    "message": "the node was low on memory",
    "lastTransitionTime": "2023-11-14T22:13:29Z",
}


@pytest.fixture
def plan(sample):
    plan = sample.plan(
        sample.task("a", "x"), sample.task("b", "x", "y", after=("a",)), sample.task("c", "x", after=("b",))
    )
    document = {"kind": "PipelineRun", "metadata": {"generateName": "ci-", "labels": {"of": "us"}}}
    return plan._replace(document=document)


@pytest.fixture
def events(sample):
    """Task a has ended, b is running its second Step, and c is waiting."""
    return [
        sample.run_started(),
        sample.task_started("a", 1),
        sample.step_started("a", "x", 1),
        sample.step_finished("a", "x", 2),
        sample.task_finished("a", 2),
        sample.task_started("b", 3),
        sample.step_started("b", "x", 3),
        sample.step_finished("b", "x", 4),
        sample.step_started("b", "y", 5),
    ]


def test_unfinished_tasks_end_with_their_pod(plan, events, start):
    document = ended_document(plan, progress_of(plan, events), EVICTED, start + 9)
    assert tekton_documents.problems(document) == []
    assert document["metadata"] == {"name": "ci-x7k2p", "labels": {"of": "us"}, "namespace": "default", "uid": "uid"}
    status = document["status"]
    assert status["conditions"] == [CONDITION]
    assert (status["startTime"], status["completionTime"]) == ("2023-11-14T22:13:20Z", "2023-11-14T22:13:29Z")
    assert [child["name"] for child in status["childReferences"]] == ["ci-x7k2p-a", "ci-x7k2p-b"]
    a, b = (status["taskRuns"][f"ci-x7k2p-{name}"]["status"] for name in "ab")
    assert a["conditions"][0]["reason"] == "Succeeded"
    assert a["completionTime"] == "2023-11-14T22:13:22Z"
    assert b["conditions"] == [{**CONDITION, "reason": "PodEvicted"}]  # what Tekton calls it in a TaskRun
    x, y = b["steps"]
    assert x["terminationReason"] == "Completed"
    assert y == {
        "name": "y",
        "container": "b-y",
        "terminated": {
            "exitCode": 1,
            "reason": "PodEvicted",
            "message": "Step y terminated as pod ci-x7k2p is terminated",
            "startedAt": "2023-11-14T22:13:25Z",
            "finishedAt": "2023-11-14T22:13:29Z",
        },
        "terminationReason": "PodEvicted",
    }


def test_reported_document_is_kept_if_its_outcome_is_right(plan, events, sample, start):
    finished = sample.run_finished(8, "Failed", conditions=[{"status": "False", "reason": "Failed"}], taskRuns={})
    progress = progress_of(plan, [*events, finished])
    assert ended_document(plan, progress, Outcome("Failed", "Failed", ""), start + 9) is finished.document
    document = ended_document(plan, progress, EVICTED, start + 9)
    assert document["status"]["conditions"] == [CONDITION]


def test_run_that_never_started_has_a_document(plan, start):
    outcome = Outcome("Failed", "NotStarted", "no such image")
    pod = {"name": "ci-x7k2p", "namespace": "default", "uid": "uid", "labels": {"of": "the Pod"}}
    document = ended_document(plan, progress_of(plan, []), outcome, start + 9, pod=pod, began=start)
    assert tekton_documents.problems(document) == []
    assert document["metadata"] == {"name": "ci-x7k2p", "labels": {"of": "us"}, "namespace": "default", "uid": "uid"}
    status = document["status"]
    assert status["conditions"][0]["message"] == "no such image"
    assert (status["startTime"], status["completionTime"]) == ("2023-11-14T22:13:20Z", "2023-11-14T22:13:29Z")


def test_task_run_that_never_started_has_no_children(plan, sample, start):
    plan = sample.plan(sample.task("a", "x"))._replace(document={"kind": "TaskRun", "metadata": {"name": "only"}})
    document = ended_document(plan, progress_of(plan, []), EVICTED, start + 9, pod={"name": "only"}, began=start)
    assert document["status"].keys() == {"conditions", "podName", "startTime", "completionTime"}
    assert document["status"]["conditions"][0]["reason"] == "PodEvicted"


@pytest.mark.parametrize(
    ("task", "step", "ended_as"),
    [
        ("TaskRunTimeout", "TimedOut", "TaskRunTimeout"),
        ("StepFailed", "TimedOut", "TimeoutExceeded"),
        ("StepFailed", "Error", "Error"),
    ],
)
def test_steps_end_as_in_the_finished_document(plan, sample, start, task, step, ended_as):
    ended = sample.step_finished("a", "x", 2)._replace(exit_code=143, reason=step)
    over = sample.task_finished("a", 3, "Failed")._replace(reason=task)
    events = [sample.run_started(), sample.task_started("a", 1), sample.step_started("a", "x", 1), ended, over]
    document = ended_document(plan, progress_of(plan, events), EVICTED, start + 9)
    (listed,) = document["status"]["taskRuns"]["ci-x7k2p-a"]["status"]["steps"]
    assert listed["terminationReason"] == ended_as


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        (None, "Running"),
        ("Cancelled", "Cancelled"),
        ("CancelledRunFinally", "CancelledRunningFinally"),
        ("StoppedRunFinally", "StoppedRunningFinally"),
    ],
)
def test_document_of_a_run_that_is_being_cancelled(plan, events, start, mode, reason):
    cancelling = [] if mode is None else [RunCancelling(start + 6, mode)]
    document = run_document(plan, progress_of(plan, [*events, *cancelling]), {}, start + 9)
    (condition,) = document["status"]["conditions"]
    assert (condition["status"], condition["reason"]) == ("Unknown", reason)
    assert "completionTime" not in document["status"]
