"""Ports that clash: Sidecars can run at the same time and declare the same port, which their one Pod has only once.

Rules:

- In Tekton each Task is a Pod with ports of its own; here all share one network.
- Two Tasks can overlap unless one waits for the other. Finally Tasks overlap with each other, and with no other Task.
- Combinations of a matrix overlap if they have more than one slot.

Left to others: ports that are used and not declared, which nobody can know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from monopod.compiler.diagnostics import Problem
from monopod.compiler.fan_out import MAX_CONCURRENCY
from monopod.compiler.places import Place
from monopod.schemas.plan import Pipeline

TaskPath = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeclaredPort:
    """A port that a Sidecar of a Task declares; the Task runs in `slots` slots."""

    task: TaskPath
    sidecar: str
    port: int
    protocol: str
    slots: int
    place: Place


def port_clashes(pipeline: Pipeline, ports: Sequence[DeclaredPort]) -> Iterator[Problem]:
    """Yield a problem at each port that is taken already by a Sidecar that can run at the same time."""
    for index, second in enumerate(ports):
        if second.slots > 1:
            message = (
                f"{second.slots} combinations of the Task '{'/'.join(second.task)}' can run at the same time in one "
                f"Pod, which has the port {second.port} only once; annotate the Task with {MAX_CONCURRENCY}: '1'"
            )
            yield second.place.problem("port-clash", message)
        for first in ports[:index]:
            if (first.port, first.protocol) != (second.port, second.protocol):
                continue
            if first.task == second.task or can_overlap(pipeline, first.task, second.task):
                yield second.place.problem("port-clash", _message(first, second))
                break


def _message(first: DeclaredPort, second: DeclaredPort) -> str:
    owner = f"the Sidecar '{first.sidecar}' of the Task '{'/'.join(first.task)}'"
    if first.task == second.task:
        return f"the port {second.port} is taken by {owner}"
    return (
        f"the port {second.port} is taken by {owner}, which can run at the same time in the same Pod; "
        "use another port, or let one Task run after the other"
    )


def can_overlap(pipeline: Pipeline, first: TaskPath, second: TaskPath) -> bool:
    """Return whether two different Tasks, named by their paths, can run at the same time."""
    if first[0] == second[0]:
        tasks = (*pipeline.tasks, *pipeline.final_tasks)
        inner = next(task.pipeline for task in tasks if task.name == first[0])
        return inner is None or can_overlap(inner, first[1:], second[1:])
    final = {task.name for task in pipeline.final_tasks}
    if first[0] in final or second[0] in final:
        return first[0] in final and second[0] in final
    after = {task.name: task.after for task in pipeline.tasks}
    return not (_waits(first[0], second[0], after) or _waits(second[0], first[0], after))


def _waits(task: str, other: str, after: Mapping[str, tuple[str, ...]]) -> bool:
    """Return whether a Task waits for another, directly or not."""
    seen: set[str] = set()
    ahead = [task]
    while ahead:
        name = ahead.pop()
        if name == other:
            return True
        ahead.extend(each for each in after[name] if each not in seen)
        seen.update(after[name])
    return False
