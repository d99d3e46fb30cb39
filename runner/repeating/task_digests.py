"""A digest of each Task of a run, which changes if the Task would do something else.

Rules:

- It covers the Task of the Plan with its params, and its containers with the sources of their volumes: images, mounts,
  environment, users. It covers the values of the run's params that the Task refers to.
- It does not cover what decides when, where and how often it runs: its order, name of slots, retries, timeouts,
  requests and limits.
- A Pipeline that runs as a Task has one digest.

Pure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from monopod.compiler.compilation import Compilation
from monopod.schemas.plan import Pipeline, Task, encodable
from monopod.schemas.variables import references

_NOT_COVERED = frozenset(
    {"after", "result_sources", "display_name", "retries", "retry_delay", "timeout", "on_error", "source"}
)
_OF_ATTEMPTS = frozenset({"resources", "restartPolicy", "restartPolicyRules", "name", "command", "args", "lifecycle"})


def task_digests(compilation: Compilation) -> dict[str, str]:
    """Return the digest of each Task of the Pipeline by its name."""
    spec = compilation.pod["spec"]
    volumes = {volume["name"]: {**volume, "name": ""} for volume in spec.get("volumes", ())}
    containers = {
        container["name"]: _container(container, volumes)
        for container in (*spec.get("initContainers", ()), *spec["containers"])
    }
    params = {param.name: param.value for param in compilation.plan.pipeline.params}
    return {task.name: _digest(task, containers, params) for task in compilation.plan.pipeline.all_tasks}


def _container(container: Mapping[str, Any], volumes: Mapping[str, Any]) -> dict[str, Any]:
    mounts = [
        {**mount, "name": volumes.get(mount["name"], mount["name"])}
        for mount in container.get("volumeMounts", ())
        if not mount["mountPath"].startswith("/monopod/")
    ]
    fields = {name: value for name, value in container.items() if name not in _OF_ATTEMPTS}
    return {**fields, "volumeMounts": mounts}


def _digest(task: Task, containers: Mapping[str, Any], params: Mapping[str, Any]) -> str:
    covered = _covered(task, containers)
    text = json.dumps(covered, sort_keys=True)
    used = {
        path[1]
        for string in _strings(covered)
        if "$(" in string
        for path in (reference.path for reference in references(string))
        if path[0] == "params" and len(path) > 1
    }
    values = {name: value for name, value in params.items() if name in used}
    return hashlib.sha256(f"{text}{json.dumps(values, sort_keys=True)}".encode(errors="replace")).hexdigest()


def _covered(task: Task, containers: Mapping[str, Any]) -> dict[str, Any]:
    steps = tuple(step._replace(hold_before=False, hold_on_failure=False) for step in task.steps)
    covered = encodable(task._replace(steps=steps))
    fields = {name: value for name, value in covered.items() if name not in _NOT_COVERED}
    pipeline = fields.pop("pipeline", None)
    slots = fields.pop("slots", ())
    if pipeline is not None:
        assert task.pipeline is not None
        return {**fields, "pipeline": _covered_pipeline(task.pipeline, containers)}
    names = [name for slot in slots for name in (*slot["containers"], *slot.get("sidecars", ()))]
    return {**fields, "containers": [containers.get(name) for name in names]}


def _covered_pipeline(pipeline: Pipeline, containers: Mapping[str, Any]) -> dict[str, Any]:
    fields = {name: value for name, value in encodable(pipeline).items() if name not in ("tasks", "final_tasks")}
    orders = [task.after for task in pipeline.tasks]
    return {**fields, "orders": orders, "tasks": [_covered(task, containers) for task in pipeline.all_tasks]}


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)
