"""The document of a run, completed with what the coordinator leaves out of the status.

- From the Plan: ``pipelineSpec`` and ``taskSpec``, as written, and ``provenance.refSource`` of a spec that was fetched.
  The coordinator leaves them out, since a thousand TaskRuns would repeat them in its last event.
- From the status of the Pod: ``imageID`` and ``containerID`` of Steps and Sidecars, if the backend reports them; and
  OOM kills of a whole container, which look like any other kill from inside the Pod. Of a container that was restarted,
  the status has the last two ends: a killed Step ran out of memory if each known kill was for that.

Source: Tekton docs/taskruns.md and docs/pipelineruns.md, "Monitoring execution status"; pkg/apis/pipeline/v1.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from monopod.schemas import plan as planned
from monopod.schemas.formats import exit_codes
from monopod.schemas.run_document import KILLED_MESSAGE

_OOM = "OOMKilled"
_NOT_OF_A_TASK = ("apiVersion", "kind", "metadata", "spec")
"""Fields of an embedded Task that a TaskSpec does not have."""


def completed(document: dict[str, Any], plan: planned.Plan, pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return the completed document of a run of `plan`; `pod` is the status of its Pod, empty if unknown."""
    completing = _Completing(plan, _containers(pod))
    spec, status = document.get("spec") or {}, document["status"]
    if document.get("kind") == "TaskRun":
        status = completing.task_run(status, plan.pipeline.tasks[0], spec.get("taskSpec"))
    else:
        status = completing.pipeline_run(status, plan.pipeline, spec.get("pipelineSpec"))
    return {**document, "status": status}


def _containers(pod: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    listed = (*(pod.get("initContainerStatuses") or ()), *(pod.get("containerStatuses") or ()))
    return {container["name"]: container for container in listed}


class _Completing:
    """Completes the status of one run."""

    def __init__(self, plan: planned.Plan, containers: Mapping[str, Mapping[str, Any]]) -> None:
        self._plan = plan
        self._containers = containers

    def pipeline_run(self, status: Mapping[str, Any], pipeline: planned.Pipeline, spec: Any) -> dict[str, Any]:
        """Return the status of a PipelineRun; `spec` is its Pipeline if that is embedded."""
        spec = self._spec(pipeline.source, spec)
        done = {**status, **self._about(pipeline.source, "pipelineSpec", spec)}
        embedded = {task.get("name"): task for task in _tasks_of(spec)}
        tasks = {task.name: task for task in pipeline.all_tasks}
        if "taskRuns" in status:
            done["taskRuns"] = {}
        for name, run in (status.get("taskRuns") or {}).items():
            task = tasks[run["pipelineTaskName"]]
            inner = self.task_run(run["status"], task, embedded.get(task.name, {}).get("taskSpec"))
            done["taskRuns"][name] = {**run, "status": inner}
        for name, run in (status.get("pipelineRuns") or {}).items():
            task = tasks[run["pipelineTaskName"]]
            assert task.pipeline is not None
            inner = self.pipeline_run(run["status"], task.pipeline, embedded.get(task.name, {}).get("pipelineSpec"))
            done["pipelineRuns"] = {**done["pipelineRuns"], name: {**run, "status": inner}}
        return done

    def task_run(self, status: Mapping[str, Any], task: planned.Task, spec: Any) -> dict[str, Any]:
        """Return the status of a TaskRun; `spec` is its Task if that is embedded."""
        spec = self._spec(task.source, spec)
        if isinstance(spec, Mapping):
            spec = {name: value for name, value in spec.items() if name not in _NOT_OF_A_TASK}
        done = {**status, **self._about(task.source, "taskSpec", spec)}
        for parts in ("steps", "sidecars"):
            if parts in status:
                done[parts] = [self._with_container(part) for part in status[parts]]
        for kind, parts in (("step", "steps"), ("sidecar", "sidecars")):
            for part in status.get(parts, ()):
                if self._ran_out_of_memory(part):
                    done["conditions"] = [
                        _short_of_memory(condition, kind, part["name"]) for condition in done["conditions"]
                    ]
        if "retriesStatus" in status:
            done["retriesStatus"] = [self.task_run(attempt, task, spec) for attempt in status["retriesStatus"]]
        return done

    def _spec(self, source: str, embedded: Any) -> Any:
        return self._plan.sources[source]["spec"] if source in self._plan.sources else embedded

    def _about(self, source: str, name: str, spec: Any) -> dict[str, Any]:
        origin = self._plan.sources.get(source, {}).get("refSource")
        about = {} if spec is None else {name: spec}
        return about if origin is None else {**about, "provenance": {"refSource": origin}}

    def _with_container(self, part: Mapping[str, Any]) -> dict[str, Any]:
        container = self._containers.get(part["container"], {})
        done = {**part, **({"imageID": container["imageID"]} if container.get("imageID") else {})}
        if "terminated" in part and container.get("containerID"):
            done["terminated"] = {**part["terminated"], **_container_id(container, was_killed=_was_killed(part))}
        if self._ran_out_of_memory(part):
            done["terminated"] = {**done["terminated"], "reason": _OOM}
            if "terminationReason" in part:
                done["terminationReason"] = _OOM
        return done

    def _ran_out_of_memory(self, part: Mapping[str, Any]) -> bool:
        """Return whether its container was OOM-killed while it ran."""
        return _was_killed(part) and _kill_reasons(self._containers.get(part["container"], {})) == {_OOM}


def _was_killed(part: Mapping[str, Any]) -> bool:
    return (part.get("terminated") or {}).get("message") == KILLED_MESSAGE


def _kill_reasons(container: Mapping[str, Any]) -> set[str]:
    """Return Kubernetes' reasons for the kills of a container that its status has."""
    states = (container.get("state") or {}, container.get("lastState") or {})
    ends = [state["terminated"] for state in states if state.get("terminated")]
    return {str(end.get("reason")) for end in ends if end.get("exitCode") == exit_codes.KILLED}


def _container_id(container: Mapping[str, Any], *, was_killed: bool) -> dict[str, str]:
    """Return the ID of the container in which a Step ran, if that is known: a restarted one has another ID."""
    is_former = was_killed and container.get("restartCount")
    return {} if is_former else {"containerID": container["containerID"]}


def _short_of_memory(condition: Mapping[str, Any], kind: str, name: str) -> dict[str, Any]:
    """Return the condition of a TaskRun with the OOM kill of this Step or Sidecar as the reason, if that failed it."""
    start = f'"{kind}-{name}" exited with code {exit_codes.KILLED}'
    if condition["message"] != f"{start}: Error":
        return dict(condition)
    whose = kind.capitalize()
    reason = condition["reason"].replace(f"{whose}Failed", f"{whose}OOM")
    return {**condition, "reason": reason, "message": f"{start}: {_OOM}"}


def _tasks_of(spec: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(spec, Mapping):
        for field in ("tasks", "finally"):
            yield from spec.get(field) or ()
