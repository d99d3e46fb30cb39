"""Where the Steps of a Plan are in the files: for annotations of CI systems, once a Step has failed.

A Plan has no positions, so that equal input gives equal Plans. The Step is found again by its names: in the taskSpec of
its PipelineTask, else in the Task document that the PipelineTask refers to. A Step that the files do not name is where
its Task is, and a Task from elsewhere where the PipelineTask is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from monopod.compiler.diagnostics import Position
from monopod.compiler.documents.documents import Document, Documents
from monopod.schemas.model import Path
from monopod.schemas.plan import Task

_TASK_LISTS = ("tasks", "finally")


def step_position(documents: Documents, task: Task, step: str) -> Position | None:
    """Return the position of a Step of the Plan; None if its Task is not in the documents."""
    reference = None
    for document in documents:
        for path, entry in _pipeline_tasks(document.data.get("spec"), ("spec",)):
            if entry.get("name") == task.name:
                if isinstance(entry.get("taskSpec"), dict):
                    return _in_task(document, (*path, "taskSpec"), entry["taskSpec"], step)
                reference = reference or document.position(path)
    for document in documents:
        spec = document.data.get("spec")
        if not isinstance(spec, dict):
            continue
        if document.kind == "Task" and document.name == task.task_name:
            return _in_task(document, ("spec",), spec, step)
        if document.kind == "TaskRun" and isinstance(spec.get("taskSpec"), dict):
            return _in_task(document, ("spec", "taskSpec"), spec["taskSpec"], step)
    return reference


def _pipeline_tasks(spec: Any, path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the PipelineTasks of a spec and of the Pipelines in it, each with its path."""
    if not isinstance(spec, dict):
        return
    for name in _TASK_LISTS:
        entries = spec.get(name)
        for number, entry in enumerate(entries if isinstance(entries, list) else ()):
            if isinstance(entry, dict):
                yield (*path, name, number), entry
                yield from _pipeline_tasks(entry.get("pipelineSpec"), (*path, name, number, "pipelineSpec"))
    yield from _pipeline_tasks(spec.get("pipelineSpec"), (*path, "pipelineSpec"))


def _in_task(document: Document, path: Path, spec: dict[str, Any], step: str) -> Position:
    steps = spec.get("steps")
    for number, entry in enumerate(steps if isinstance(steps, list) else ()):
        if isinstance(entry, dict) and entry.get("name") == step:
            return document.position((*path, "steps", number))
    return document.position(path, key=True)
