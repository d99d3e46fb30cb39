"""The types of a run's status, as plain data in the shape of Tekton's v1 API (``run_document`` makes it).

Field names are Tekton's (docs/pipelineruns.md and docs/taskruns.md, "Monitoring execution status"). Times are RFC 3339
in UTC. ``taskRuns`` and ``pipelineRuns`` map names to what are objects of their own in Tekton, as its v1beta1 API did.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

PlainValue = str | list[str] | dict[str, str]


class Condition(TypedDict):
    """The one condition of a run: whether it succeeded, and why (not). Unknown: it has not ended."""

    type: Literal["Succeeded"]
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str
    lastTransitionTime: str


class ResultStatus(TypedDict):
    """A Result; Results of Tasks and Steps have a ``type``."""

    name: str
    type: NotRequired[Literal["string", "array", "object"]]
    value: PlainValue


class WhenStatus(TypedDict, total=False):
    """A when-expression, its references replaced."""

    input: str
    operator: Literal["in", "notin"]
    values: list[str]
    cel: str


class Terminated(TypedDict):
    """How a Step's process ended; without times if it never ran.

    ``reason`` is Completed, Error or OOMKilled, or the reason of the TaskRun that was ended from outside.
    """

    exitCode: int
    reason: str
    startedAt: NotRequired[str]
    finishedAt: NotRequired[str]
    message: NotRequired[str]


class StepStatus(TypedDict):
    """A Step that is `running`, or ended or was skipped. ``inputs`` and ``outputs`` are its Artifacts."""

    name: str
    container: str
    running: NotRequired[dict[str, str]]
    terminated: NotRequired[Terminated]
    terminationReason: NotRequired[str]
    results: NotRequired[list[ResultStatus]]
    inputs: NotRequired[list[dict[str, Any]]]
    outputs: NotRequired[list[dict[str, Any]]]


class SidecarStatus(TypedDict):
    """A Sidecar: `terminated` if it was started, by itself or with its Task; else `waiting`."""

    name: str
    container: str
    terminated: NotRequired[Terminated]
    waiting: NotRequired[dict[str, str]]


class TaskRunStatus(TypedDict):
    """A Task instance, as its last attempt left it; one that never started has no Steps."""

    conditions: list[Condition]
    podName: str
    startTime: NotRequired[str]
    completionTime: NotRequired[str]
    steps: NotRequired[list[StepStatus]]
    sidecars: NotRequired[list[SidecarStatus]]
    results: NotRequired[list[ResultStatus]]
    artifacts: NotRequired[dict[str, list[dict[str, Any]]]]
    retriesStatus: NotRequired[list[TaskRunStatus]]


class ChildReference(TypedDict):
    """Which TaskRun or PipelineRun belongs to a PipelineTask."""

    apiVersion: Literal["tekton.dev/v1"]
    kind: Literal["TaskRun", "PipelineRun"]
    name: str
    pipelineTaskName: str
    displayName: NotRequired[str]
    whenExpressions: NotRequired[list[WhenStatus]]


class SkippedTask(TypedDict):
    """A PipelineTask that was skipped, and Tekton's reason for it."""

    name: str
    reason: str
    whenExpressions: NotRequired[list[WhenStatus]]


class TaskRunOfPipeline(TypedDict):
    """An entry of ``taskRuns``."""

    pipelineTaskName: str
    status: TaskRunStatus


class PipelineRunOfPipeline(TypedDict):
    """An entry of ``pipelineRuns``: a nested Pipeline."""

    pipelineTaskName: str
    status: PipelineRunStatus


class PipelineRunStatus(TypedDict):
    """A whole run."""

    conditions: list[Condition]
    startTime: NotRequired[str]
    completionTime: NotRequired[str]
    finallyStartTime: NotRequired[str]
    childReferences: NotRequired[list[ChildReference]]
    taskRuns: NotRequired[dict[str, TaskRunOfPipeline]]
    pipelineRuns: NotRequired[dict[str, PipelineRunOfPipeline]]
    skippedTasks: NotRequired[list[SkippedTask]]
    results: NotRequired[list[ResultStatus]]
