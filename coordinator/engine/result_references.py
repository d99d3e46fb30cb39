"""Which Results of other Tasks a PipelineTask refers to. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from monopod.schemas.plan import Task, Value, WhenExpression, runnable_tasks
from monopod.schemas.variables import Reference, references


def leaves(task: Task) -> Iterator[Task]:
    """Yield the Task itself, or the Tasks of the Pipeline that replaces it, at any depth."""
    if task.pipeline is None:
        yield task
    else:
        yield from (each.task for each in runnable_tasks(task.pipeline))


def result_references(task: Task) -> Iterator[Reference]:
    """Yield each reference to another Task's Result in what the Pipeline says of a Task.

    With an embedded Task its Steps may hold some too (Tekton docs/pipelines.md, "Propagated Results").
    """
    for text in _texts(task):
        for reference in references(text):
            if reference.path[0] == "tasks" and len(reference.path) > 3 and reference.path[2] in ("results", "matrix"):
                yield reference


def _texts(task: Task) -> Iterator[str]:
    matrix = (*task.matrix.params, *(p for each in task.matrix.include for p in each.params)) if task.matrix else ()
    for param in (*task.params, *matrix):
        yield from _strings(param.value)
    for guard in task.when:
        yield from guard_texts(guard)
    for step in (*task.steps, *(sidecar.step for sidecar in task.sidecars)):
        yield from (*step.command, *step.args, step.script or "", step.working_directory or "")
        yield from (text for _, text in step.environment)


def guard_texts(guard: WhenExpression) -> tuple[str, ...]:
    """Return the texts of a when-expression in which there may be references."""
    return (guard.input, guard.cel, *guard.values)


def _strings(value: Value) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    else:
        yield from value.values() if isinstance(value, dict) else value
