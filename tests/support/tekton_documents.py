"""The fields of a finished PipelineRun or TaskRun: Tekton's Go types, and the requirements of its CRDs.

Written from pkg/apis/pipeline/v1 (pipelinerun_types.go, taskrun_types.go, artifact_types.go, provenance.go) and
k8s.io/api/core/v1 (ContainerState). ``taskRuns`` and ``pipelineRuns`` are monopod's own, as v1beta1 had the former.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from monopod.schemas.tekton.pipelines import PipelineSpec
from monopod.schemas.tekton.tasks import TaskSpec

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
REASON = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")  # metav1.Condition

Shape = dict[str, Any]
"""Field -> its shape, after which a ``!`` says that it must be there."""

TERMINATED: Shape = {
    "exitCode!": int, "reason": str, "message": str, "startedAt": "time", "finishedAt": "time", "containerID": str,
    "signal": int,
}  # fmt: skip
STATE: Shape = {
    "terminated": TERMINATED,
    "waiting": {"reason": str, "message": str},
    "running": {"startedAt": "time"},
    "name": str, "container": str, "imageID": str,
}  # fmt: skip
ARTIFACT: Shape = {"name": str, "buildOutput": bool, "values": [{"digest": {"*": str}, "uri": str}]}
PROVENANCE: Shape = {"refSource": {"uri": str, "digest": {"*": str}, "entryPoint": str}, "featureFlags": {}}
RESULT: Shape = {"name!": str, "type": str, "value!": "value"}
STEP: Shape = {
    **STATE, "results": [RESULT], "provenance": PROVENANCE, "terminationReason": str, "inputs": [ARTIFACT],
    "outputs": [ARTIFACT],
}  # fmt: skip
CONDITION: Shape = {
    "type!": str, "status!": str, "reason": "reason", "message": str, "lastTransitionTime": "time", "severity": str,
}  # fmt: skip
ENDED: Shape = {
    "conditions!": [CONDITION], "startTime!": "time", "completionTime!": "time", "annotations": {"*": str},
    "observedGeneration": int, "provenance": PROVENANCE, "spanContext": {"*": str},
}  # fmt: skip
TASK_RUN: Shape = {
    **ENDED, "podName!": str, "steps": [STEP], "results": [RESULT], "sidecars": [STATE], "taskSpec": TaskSpec,
    "artifacts": {"inputs": [ARTIFACT], "outputs": [ARTIFACT]},
}  # fmt: skip
TASK_RUN["retriesStatus"] = [TASK_RUN]
WHEN: Shape = {"input": str, "operator": str, "values": [str], "cel": str}
PIPELINE_RUN: Shape = {
    **ENDED, "results": [{"name!": str, "value!": "value"}], "pipelineSpec": PipelineSpec, "finallyStartTime": "time",
    "skippedTasks": [{"name!": str, "reason!": str, "whenExpressions": [WHEN]}],
    "childReferences": [
        {"apiVersion": str, "kind": str, "name": str, "displayName": str, "pipelineTaskName": str,
         "whenExpressions": [WHEN]}
    ],
    "taskRuns": {"*": {"pipelineTaskName!": str, "status!": TASK_RUN}},
}  # fmt: skip
PIPELINE_RUN["pipelineRuns"] = {"*": {"pipelineTaskName!": str, "status!": PIPELINE_RUN}}
METADATA = ("name", "namespace", "uid")


def problems(document: dict[str, Any]) -> list[str]:
    """Return what Tekton's API would reject in a finished run, and required fields that are missing."""
    found = [f"metadata.{name} is missing" for name in METADATA if not document["metadata"].get(name)]
    shape = TASK_RUN if document["kind"] == "TaskRun" else PIPELINE_RUN
    found += list(_problems(document["status"], shape, "status"))
    for name, status in _states(document["status"]):
        states = [each for each in ("terminated", "waiting", "running") if each in status]
        if len(states) != 1:
            found.append(f"{name} is {states}")
    return found


def _states(status: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for part in (*status.get("steps", ()), *status.get("sidecars", ())):
        yield part["name"], part
    for run in (*status.get("taskRuns", {}).values(), *status.get("pipelineRuns", {}).values()):
        yield from _states(run["status"])


def _problems(value: Any, shape: Any, where: str) -> Iterator[str]:  # noqa: C901  # a flat list of shapes
    if isinstance(shape, dict):
        yield from _problems_of_object(value, shape, where)
    elif isinstance(shape, list):
        for number, item in enumerate(value):
            yield from _problems(item, shape[0], f"{where}[{number}]")
    elif shape == "time":
        if not TIME.fullmatch(value):
            yield f"{where}: {value!r} is no time"
    elif shape == "reason":
        if not REASON.fullmatch(value):
            yield f"{where}: {value!r} is no reason"
    elif shape == "value":
        texts = value if isinstance(value, list) else value.values() if isinstance(value, dict) else [value]
        if not all(isinstance(each, str) for each in texts):
            yield f"{where}: {value!r} is no value of a Result"
    elif shape in (TaskSpec, PipelineSpec):
        shape.model_validate(value)
    elif not isinstance(value, shape) or (shape is int and isinstance(value, bool)):
        yield f"{where}: {value!r} is no {shape.__name__}"


def _problems_of_object(value: Any, shape: Shape, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} is no object"
        return
    shapes = {name.rstrip("!"): each for name, each in shape.items()}
    yield from (f"{where}.{name[:-1]} is missing" for name in shape if name.endswith("!") and name[:-1] not in value)
    for name, item in value.items():
        if name not in shapes and "*" not in shapes:
            yield f"{where}.{name} is not a field of Tekton's"
        else:
            yield from _problems(item, shapes.get(name, shapes.get("*")), f"{where}.{name}")
